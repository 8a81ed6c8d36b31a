/*
 * test_golden.c - encodes the golden texts with the tokenizer of a GGUF file.
 *
 *     test_golden GGUF...
 *
 * The file's own metadata (kind, pre-tokenizer, size) chooses the list of cases, so that a LLaMA-3
 * vocabulary is never judged by GPT-2's ids. Fails on a file that cannot be read, on a vocabulary
 * no list is for, and on a list without cases: a test that ran nothing has not passed.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/gguf.h"
#include "tokenizer.h"

static int passed, failed;

static void outcome(int ok, const char *file, const char *name, const char *what) {
    if (ok) {
        passed++;
        return;
    }
    failed++;
    printf("FAILED %s %s: %s\n", file, name, what);
}

static int hex_digit(char c) {
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

static char *from_hex(const char *hex, size_t *len) {
    char *s = malloc(strlen(hex) / 2 + 1);
    *len = strlen(hex) / 2;
    if (!s) return NULL;
    for (size_t i = 0; i < *len; i++)
        s[i] = (char)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    s[*len] = 0;
    return s;
}

static void show(const char *label, const int32_t *ids, size_t n) {
    printf("  %s", label);
    for (size_t i = 0; i < n; i++) printf(" %" PRId32, ids[i]);
    printf("\n");
}

/* What decoding must give back: U+2581 is a space to SentencePiece, and nothing else changes. */
static size_t expected_text(char *s, size_t len, bool spm) {
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if (spm && len - i >= 3 && memcmp(s + i, "\xE2\x96\x81", 3) == 0) {
            s[n++] = ' ';
            i += 3;
        } else {
            s[n++] = s[i++];
        }
    }
    return n;
}

static void run_case(const struct bnt_tokenizer *t, const char *file, json_t *c) {
    const char *name = json_string_value(json_object_get(c, "name"));
    const char *hex = json_string_value(json_object_get(c, "utf8_hex"));
    json_t *ids = json_object_get(c, "ids");
    bool bos = json_is_true(json_object_get(c, "bos"));
    bool special = json_is_true(json_object_get(c, "parse_special"));
    unsigned flags = (bos ? BNT_ENCODE_BOS : 0u) | (special ? BNT_ENCODE_PARSE_SPECIAL : 0u);
    struct bnt_token_list list = {0};
    struct bnt_err err = {0};
    size_t len, back_len = 0;
    char *text, *back = NULL;
    if (!name || !hex || !json_is_array(ids) || !(text = from_hex(hex, &len))) {
        outcome(0, file, name ? name : "?", "malformed case");
        return;
    }
    if (bnt_tokenizer_encode(t, text, len, flags, &list, &err)) {
        outcome(0, file, name, err.text);
    } else {
        bool same = list.count == json_array_size(ids);
        for (size_t i = 0; same && i < list.count; i++)
            same = list.ids[i] == json_integer_value(json_array_get(ids, i));
        outcome(same, file, name, "ids differ");
        if (!same) {
            printf("  expected");
            for (size_t i = 0; i < json_array_size(ids); i++)
                printf(" %" PRId64, (int64_t)json_integer_value(json_array_get(ids, i)));
            printf("\n");
            show("got     ", list.ids, list.count);
        }
        if (bnt_tokenizer_decode(t, list.ids + bos, list.count - bos, true, &back, &back_len,
                                 &err)) {
            outcome(0, file, name, err.text);
        } else {
            len = expected_text(text, len, bnt_tokenizer_info(t)->kind[0] == 'l');
            outcome(len == back_len && memcmp(text, back, len) == 0, file, name,
                    "decoding gives another text");
        }
    }
    free(back);
    free(text);
    bnt_token_list_free(&list);
}

static bool applies(json_t *golden, const struct bnt_tokenizer_info *info) {
    const char *kind = json_string_value(json_object_get(golden, "kind"));
    bool pre = false, size = false;
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(golden, "pre"), i, v) {
        if (strcmp(json_string_value(v), info->pre) == 0) pre = true;
    }
    json_array_foreach(json_object_get(golden, "vocab_sizes"), i, v) {
        if (json_integer_value(v) == info->vocab_size) size = true;
    }
    return kind && strcmp(kind, info->kind) == 0 && pre && size;
}

static void run_file(const char *file) {
    static const char *const families[] = {"gpt2", "llama", "llama3"};
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_err err = {0};
    int before = passed + failed;
    if (bnt_gguf_open(&g, file, &err) || bnt_tokenizer_open(&t, g, &err)) {
        outcome(0, file, "open", err.text);
        bnt_gguf_close(g);
        return;
    }
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        char path[4096];
        json_error_t error;
        json_t *golden, *c;
        size_t i;
        snprintf(path, sizeof path, "%s/tests/golden/golden_tokens_%s.json", TEST_SOURCE,
                 families[f]);
        golden = json_load_file(path, 0, &error);
        if (!golden) {
            outcome(0, path, "load", error.text);
            continue;
        }
        if (applies(golden, bnt_tokenizer_info(t))) {
            json_array_foreach(json_object_get(golden, "cases"), i, c) run_case(t, file, c);
            printf("%s: %s, pre '%s' (%s): %d checks\n", file, families[f],
                   bnt_tokenizer_info(t)->pre, bnt_tokenizer_info(t)->pre_source,
                   passed + failed - before);
        }
        json_decref(golden);
    }
    if (passed + failed == before) outcome(0, file, "cases", "no golden tokens for its vocabulary");
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) run_file(argv[i]);
    if (passed + failed == 0) outcome(0, "test_golden", "usage", "test_golden GGUF...");
    printf("golden: %d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
