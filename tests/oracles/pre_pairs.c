/*
 * pre_pairs.c - published vocabularies behind every pre-tokenizer: none is contradicted by its own,
 * and nine in ten of those that do not belong together are.
 *
 *     pre_pairs MODELS       MODELS holds ggml-vocab-NAME.gguf
 *
 * The idea: which row a vocabulary goes with is written down here, by its name; rows that share an
 * expression count once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* `also`: another row whose expression joins all that the vocabulary has. */
static const struct {
    const char *name, *pre, *also;
} files[] = {{"aquila", "gpt-2", ""},
             {"command-r", "command-r", ""},
             {"deepseek-coder", "deepseek-coder", ""},
             {"deepseek-llm", "deepseek-llm", ""},
             {"falcon", "falcon", ""},
             {"gpt-2", "gpt-2", ""},
             {"gpt-neox", "gpt-2", ""},
             {"llama-bpe", "llama-bpe", ""},
             {"mpt", "mpt", ""},
             {"qwen2", "qwen2", "qwen35"},
             {"qwen35", "qwen35", "qwen2"},
             {"refact", "refact", ""},
             {"starcoder", "starcoder", ""}};
enum { FILES = sizeof files / sizeof files[0] };

static unsigned passed, failed, pairs, seen;

static bool same_cuts(const struct bnt_pretok *a, const char *name) {
    return *name && a->cuts == bnt_pretok_named(name)->cuts;
}

/* The first row with its cuts. */
static bool is_first(size_t row) {
    for (size_t i = 0; i < row; i++)
        if (bnt_pretok_at(i)->cuts == bnt_pretok_at(row)->cuts) return false;
    return bnt_pretok_at(row)->cuts != NULL;
}

/* Aquila's file states none. */
static void check_notes(const struct bnt_tokenizer *t, const char *name) {
    const bool expected = strcmp(name, "aquila") == 0;
    const char *note;
    bool told = false;
    for (size_t i = 0; (note = bnt_tokenizer_note(t, i)) != NULL; i++)
        told = told || strstr(note, "pre-tokenizer");
    passed += told == expected, failed += told != expected;
    if (told != expected)
        printf("FAILED: %s: what the file states is %stold\n", name, told ? "" : "not ");
}

static int try_file(const char *folder, size_t f, struct bnt_err *err) {
    char path[4096];
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    snprintf(path, sizeof path, "%s/ggml-vocab-%s.gguf", folder, files[f].name);
    int rc = bnt_gguf_open(&g, path, err);
    if (!rc) rc = bnt_tokenizer_open(&t, g, err);
    if (!rc) check_notes(t, files[f].name);
    for (size_t i = 0; !rc && bnt_pretok_at(i); i++) {
        const struct bnt_pretok *pre = bnt_pretok_at(i);
        struct bnt_splitter s;
        unsigned of, cut;
        bool told;
        if (!is_first(i)) continue;
        if ((rc = bnt_splitter_init(&s, pre, err))) break;
        cut = bnt_notes_cut(t, &s, &of);
        told = bnt_notes_contradict(cut, of);
        bnt_splitter_free(&s);
        if (same_cuts(pre, files[f].pre) || same_cuts(pre, files[f].also)) {
            passed += !told, failed += told;
            if (told) printf("FAILED: %s: '%s' cuts %u of %u\n", files[f].name, pre->name, cut, of);
            continue;
        }
        pairs++, seen += told;
        if (!told) printf("%s: '%s' cuts %u of %u\n", files[f].name, pre->name, cut, of);
    }
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    return rc;
}

int main(int argc, char **argv) {
    struct bnt_err err = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: pre_pairs MODELS\n");
        return 2;
    }
    for (size_t f = 0; f < FILES; f++) {
        if (try_file(argv[1], f, &err)) {
            printf("FAILED: %s: %s\n", files[f].name, err.text);
            failed++;
        }
    }
    printf("%u of %u pairs that do not belong together are told\n", seen, pairs);
    if (seen >= pairs / 10 * 9)
        passed++;
    else
        failed++;
    printf("pre-pairs: %u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
