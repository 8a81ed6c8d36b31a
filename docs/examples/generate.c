/*
 * generate.c - the library in one page: generate MODEL [PROMPT [TOKENS]] prints the prompt and what
 * the model makes of it. Needs nothing but what `make install` installs:
 *     cc -std=c11 generate.c $(pkg-config --cflags --libs bitnet)
 */
#include <bitnet/bitnet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    const char *model = argc > 1 ? argv[1] : bnt_default_model();
    const char *prompt = argc > 2 ? argv[2] : "Once upon a time";
    size_t count, tokens = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 24;
    struct bnt_sampling sampling = bnt_sampling_default(); /* greedy */
    struct bnt_engine *engine = NULL;
    struct bnt_session *session = NULL;
    struct bnt_decoder *decoder = NULL;
    struct bnt_err err = {0};
    int32_t *ids = NULL, next;

    if (bnt_engine_open(&engine, model, NULL, &err) ||
        bnt_engine_encode(engine, prompt, strlen(prompt), BNT_TEXT_PROMPT, &ids, &count, &err) ||
        bnt_session_open(&session, engine, NULL, &err) ||
        bnt_decoder_open(&decoder, engine, true, 0, &err) ||
        bnt_session_feed(session, ids, count, BNT_WANT_LAST, &err))
        goto out;
    fprintf(stderr, "bitnet %s, %s\n", bnt_version(), bnt_engine_info(engine)->backend);
    fputs(prompt, stdout);
    for (size_t i = 0; i < tokens; i++) {
        uint32_t n_vocab = bnt_engine_info(engine)->n_vocab;
        next = bnt_sample(&sampling, bnt_session_logits(session, 0), n_vocab, NULL, 0, i, NULL);
        if (bnt_engine_is_end(engine, next)) break;
        fputs(bnt_decoder_push(decoder, next, NULL), stdout);
        if (i + 1 < tokens && bnt_session_feed(session, &next, 1, BNT_WANT_LAST, &err)) goto out;
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
