/*
 * chat.c - chat MODEL MESSAGE [TOKENS] prints the model's answer to a message. What the message
 * says is text, whatever it looks like: cc -std=c11 chat.c $(pkg-config --cflags --libs bitnet)
 */
#include <bitnet/bitnet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    struct bnt_chat_options options = {.struct_size = sizeof options};
    struct bnt_engine *engine = NULL;
    struct bnt_session *session = NULL;
    struct bnt_decoder *decoder = NULL;
    struct bnt_err err = {0};
    int32_t *ids = NULL, next;
    size_t count, tokens = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 64;
    uint32_t n;

    if (argc < 3) {
        fputs("usage: chat MODEL MESSAGE [TOKENS]\n", stderr);
        return 2;
    }
    const struct bnt_chat_message message = {"user", argv[2], strlen(argv[2])};
    if (bnt_engine_open(&engine, argv[1], NULL, &err) ||
        bnt_engine_chat(engine, &message, 1, &options, &ids, &count, NULL, &err) ||
        bnt_session_open(&session, engine, NULL, &err) ||
        bnt_decoder_open(&decoder, engine, true, 0, &err) ||
        bnt_session_feed_top(session, ids, count, 1, &err)) /* greedy: one logit is enough */
        goto out;
    for (size_t i = 0; i < tokens; i++) {
        next = bnt_session_top(session, &n)->id;
        if (bnt_engine_is_end(engine, next)) break;
        fputs(bnt_decoder_push(decoder, next, NULL), stdout);
        if (i + 1 < tokens && bnt_session_feed_top(session, &next, 1, 1, &err)) goto out;
    }
    puts(bnt_decoder_flush(decoder, NULL));
out:
    if (err.status) fprintf(stderr, "%s: %s\n", bnt_status_text(err.status), err.text);
    bnt_decoder_close(decoder);
    bnt_session_close(session);
    bnt_free(ids);
    bnt_engine_close(engine);
    return bnt_status_exit(err.status);
}
