/*
 * tokenize.c - `bitnet tokenize`: text to ids and back, by the model's own tokenizer. Loads no
 * weights.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"

/* Seconds of making the tokenizer from the file, and of encoding with it. */
struct spent {
    double open, encode;
};

static int print_list(const struct cmd_args *args, const struct bnt_tokenizer *t,
                      const struct bnt_token_list *list, const struct spent *spent,
                      struct bnt_err *err) {
    if (args->json) {
        json_t *pieces = json_array();
        for (size_t i = 0; i < list->count; i++) {
            struct bnt_str piece = bnt_tokenizer_piece(t, list->ids[i]);
            json_array_append_new(pieces, json_pack("{s:o, s:I, s:I}", "piece",
                                                    cmd_json_text(piece.ptr, piece.len), "begin",
                                                    (json_int_t)list->begin[i], "end",
                                                    (json_int_t)list->end[i]));
        }
        return cmd_write_json(json_pack("{s:o, s:o, s:I, s:{s:f, s:f}}", "ids",
                                        cmd_json_ids(list->ids, list->count), "tokens", pieces,
                                        "count", (json_int_t)list->count, "timings", "open_seconds",
                                        spent->open, "encode_seconds", spent->encode),
                              err);
    }
    for (size_t i = 0; i < list->count; i++) {
        char line[192];
        int n;
        if (args->ids) {
            n = snprintf(line, sizeof line, "%s%d", i ? " " : "", list->ids[i]);
        } else {
            struct bnt_str piece = bnt_tokenizer_piece(t, list->ids[i]);
            char shown[128];
            n = snprintf(line, sizeof line, "%6d  '%s'\n", list->ids[i],
                         bnt_printable(shown, sizeof shown, piece.ptr, piece.len));
        }
        int status = cmd_write(line, (size_t)n, err);
        if (status != BNT_OK) return status;
    }
    int status = args->ids ? cmd_write("\n", 1, err) : BNT_OK;
    return status == BNT_OK ? cmd_flush(err) : status;
}

/* Ids separated by anything that is not part of a number (spaces, commas, brackets). */
static int parse_ids(const struct bnt_tokenizer *t, char *text, int32_t **ids, size_t *count,
                     struct bnt_err *err) {
    uint32_t vocab = bnt_tokenizer_info(t)->vocab_size;
    *count = 0;
    *ids = malloc((strlen(text) / 2 + 1) * sizeof **ids);
    if (!*ids) return bnt_fail_nomem(err, "ids", strlen(text));
    for (char *s = text; *s;) {
        if (strchr(" \t\r\n,[]", *s)) {
            s++;
            continue;
        }
        char *end;
        errno = 0;
        long long id = strtoll(s, &end, 10);
        if (end == s || errno || id < 0 || id >= (long long)vocab) {
            char shown[48];
            size_t len = strcspn(s, " \t\r\n,[]");
            return bnt_fail(err, BNT_E_USAGE, "'%s' is not a token id below %" PRIu32,
                            bnt_printable(shown, sizeof shown, s, len), vocab);
        }
        (*ids)[(*count)++] = (int32_t)id;
        s = end;
    }
    return BNT_OK;
}

static int decode(const struct cmd_args *args, const struct bnt_tokenizer *t, char *text,
                  struct bnt_err *err) {
    int32_t *ids = NULL;
    char *bytes = NULL;
    size_t count, len = 0;
    int status = parse_ids(t, text, &ids, &count, err);
    if (status == BNT_OK)
        status = bnt_tokenizer_decode(t, ids, count, args->parse_special, &bytes, &len, err);
    if (status == BNT_OK && args->json) {
        status = cmd_write_json(json_pack("{s:o}", "text", cmd_json_text(bytes, len)), err);
    } else if (status == BNT_OK) {
        status = cmd_write(bytes, len, err);
        if (status == BNT_OK) status = cmd_flush(err);
    }
    free(bytes);
    free(ids);
    return status;
}

int cmd_tokenize(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_token_list list = {0};
    struct spent spent;
    char *text = NULL;
    size_t len = 0;
    int status;
    if ((args->operand != NULL) == (args->file != NULL))
        return bnt_fail(err, BNT_E_USAGE, "give the text either as a word or with --file");
    if (args->file) {
        status = cmd_read_file(args->file, &text, &len, err);
        if (status != BNT_OK) return status;
    } else {
        text = strdup(args->operand);
        if (!text) return bnt_fail_nomem(err, "the text", strlen(args->operand));
        len = strlen(text);
    }
    double start = bnt_now();
    if ((status = cmd_open_gguf(&g, cmd_model_path(args), args, err)) != BNT_OK ||
        (status = bnt_tokenizer_open(&t, g, err)) != BNT_OK)
        goto out;
    spent.open = bnt_now() - start;
    cmd_show_notes(t, NULL);
    if (args->decode) {
        char *z = realloc(text, len + 1);
        if (!z) {
            status = bnt_fail_nomem(err, "the text", len + 1);
            goto out;
        }
        text = z;
        text[len] = '\0';
        status = decode(args, t, text, err);
        goto out;
    }
    start = bnt_now();
    status =
        bnt_tokenizer_encode(t, text, len,
                             (args->no_bos ? 0u : (unsigned)BNT_ENCODE_BOS) |
                                 (args->parse_special ? (unsigned)BNT_ENCODE_PARSE_SPECIAL : 0u),
                             &list, err);
    spent.encode = bnt_now() - start;
    if (status != BNT_OK) goto out;
    cmd_show_notes(t, &list);
    if (args->debug_tokens) cmd_debug_tokens(t, &list, args->debug_tokens);
    status = print_list(args, t, &list, &spent, err);
out:
    bnt_token_list_free(&list);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    free(text);
    return status;
}
