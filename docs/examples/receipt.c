/*
 * receipt.c - receipt MODEL FILE PROMPT [TOKENS] prints a text and writes its receipt to FILE;
 * receipt MODEL FILE says whether a receipt is true: cc -std=c11 receipt.c $(pkg-config --cflags
 * --libs bitnet)
 */
#include <bitnet/bitnet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 << 20 };

static int make(struct bnt_engine *engine, const char *path, const char *prompt, size_t tokens,
                struct bnt_err *err) {
    const struct bnt_text_options options = {.struct_size = sizeof options,
                                             .prompt = prompt,
                                             .prompt_len = strlen(prompt),
                                             .flags = BNT_TEXT_BOS,
                                             .max_tokens = tokens};
    struct bnt_session *session = NULL;
    struct bnt_text *text = NULL;
    int status = bnt_session_open(&session, engine, NULL, err);
    if (!status) status = bnt_text_make(&text, session, &options, err);
    if (!status) status = bnt_text_save_receipt(text, path, err);
    if (!status) printf("%s%s\n", prompt, bnt_text_bytes(text, NULL));
    bnt_text_close(text);
    bnt_session_close(session);
    return status;
}

static int verify(struct bnt_engine *engine, const char *path, struct bnt_err *err) {
    struct bnt_first_difference first;
    char *receipt = malloc(MOST);
    FILE *f = fopen(path, "rb");
    int status = BNT_E_IO;
    if (f && receipt) {
        size_t len = fread(receipt, 1, MOST, f);
        status = bnt_receipt_verify(engine, receipt, len, NULL, &first, err);
        if (!status) puts("all of it is true");
        if (status == BNT_E_MISMATCH && first.what)
            fprintf(stderr, "first: turn %zu, step %zu, %s: %s, but %s\n", first.turn, first.step,
                    first.what, first.receipt, first.replay);
    } else {
        perror(path);
    }
    if (f) fclose(f);
    free(receipt);
    return status;
}

int main(int argc, char **argv) {
    struct bnt_engine *engine = NULL;
    struct bnt_err err = {0};
    int status;
    if (argc < 3) {
        fputs("usage: receipt MODEL FILE [PROMPT [TOKENS]]\n", stderr);
        return 2;
    }
    status = bnt_engine_open(&engine, argv[1], NULL, &err);
    if (!status && argc > 3)
        status = make(engine, argv[2], argv[3], argc > 4 ? (size_t)strtoul(argv[4], NULL, 10) : 24,
                      &err);
    else if (!status)
        status = verify(engine, argv[2], &err);
    if (err.status) fprintf(stderr, "%s: %s\n", bnt_status_text(err.status), err.text);
    bnt_engine_close(engine);
    return bnt_status_exit(status);
}
