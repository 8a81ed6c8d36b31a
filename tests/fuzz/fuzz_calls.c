/*
 * fuzz_calls.c - whatever a model says, in whatever pieces: the same calls and the same text, and
 * without calls every byte is text.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_calls CORPUS_DIR
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"a", "add"};

struct told {
    char *text;
    size_t len;
};

static void hear(struct told *t, const struct bnt_calls *c) {
    t->text = realloc(t->text, t->len + c->n_text + 1);
    if (!t->text) abort();
    if (c->n_text) memcpy(t->text + t->len, c->text, c->n_text);
    t->len += c->n_text;
}

static struct told tell(struct bnt_calls *c, const char *said, size_t n, size_t piece) {
    struct told t = {NULL, 0};
    for (size_t at = 0; at < n; at += piece) {
        if (bnt_calls_push(c, said + at, n - at < piece ? n - at : piece, NULL)) abort();
        hear(&t, c);
    }
    if (bnt_calls_end(c, NULL)) abort();
    hear(&t, c);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 2000) return 0;
    struct bnt_calls whole = {.names = names, .n_names = 2}, pieces = whole;
    struct told a = tell(&whole, (const char *)data + 1, size - 1, size);
    struct told b = tell(&pieces, (const char *)data + 1, size - 1, 1 + data[0] % 16);
    if (a.len != b.len || memcmp(a.text, b.text, a.len) != 0 || whole.count != pieces.count)
        abort();
    if (whole.count == 0 && (a.len != size - 1 || memcmp(a.text, data + 1, a.len) != 0)) abort();
    for (size_t i = 0; i < whole.count; i++) {
        json_t *v = json_loads(whole.list[i].arguments, 0, NULL);
        if (!json_is_object(v) || strcmp(whole.list[i].name, pieces.list[i].name) != 0) abort();
        json_decref(v);
    }
    bnt_calls_free(&whole);
    bnt_calls_free(&pieces);
    free(a.text);
    free(b.text);
    return 0;
}
