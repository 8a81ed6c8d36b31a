/*
 * tokens.c - the same text through both tokenizers: the same ids, or it is a failure.
 *
 * Vocabularies without tensors, read by llama.cpp as such. Every text is encoded with special
 * tokens as text and as tokens, with and without BOS. Where llama.cpp is known to differ, the table
 * below says on which text and why; such an entry must be seen to differ, or it is out of date.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crossval.h"
#include "file/gguf.h"
#include "texts.h"
#include "tokenizer.h"

enum { SHOWN = 3 }; /* differences printed, a vocabulary */

/* A vocabulary: ours is read from `ours`, theirs from `theirs`. */
static const struct pair {
    const char *name, *ours, *theirs;
} pairs[] = {
    {"gpt2", "gpt2", "gpt2"},
    {"llama", "llama", "llama"},
    {"llama3", "llama3", "llama3"},
    /* llama.cpp infers nothing, so it is asked with the keys that ours does without. */
    {"llama3-bare", "llama3-bare", "llama3"},
    {"pre-default", "pre-default", "pre-default"},
    {"pre-falcon", "pre-falcon", "pre-falcon"},
    {"pre-qwen2", "pre-qwen2", "pre-qwen2"},
    {"pre-smaug-bpe", "pre-smaug-bpe", "pre-smaug-bpe"},
    {"pre-starcoder", "pre-starcoder", "pre-starcoder"},
    {"pre-qwen35", "pre-qwen35", "pre-qwen35"},
    {"pre-deepseek-v3", "pre-deepseek-v3", "pre-deepseek-v3"},
    {"pre-spark2_5", "pre-spark2_5", "pre-spark2_5"},
    {"pre-minicpm5", "pre-minicpm5", "pre-minicpm5"},
    {"pre-ufakzeka", "pre-ufakzeka", "pre-ufakzeka"},
    {"pre-seed-coder", "pre-seed-coder", "pre-seed-coder"},
    {"pre-bailingmoe", "pre-bailingmoe", "pre-bailingmoe"},
    {"pre-laguna", "pre-laguna", "pre-laguna"},
    {"pre-bloom", "pre-bloom", "pre-bloom"},
    {"pre-viking", "pre-viking", "pre-viking"},
    {"pre-chameleon", "pre-chameleon", "pre-chameleon"},
    {"pre-jais-2", "pre-jais-2", "pre-jais-2"},
    {"pre-youtu", "pre-youtu", "pre-youtu"},
    {"pre-exaone-moe", "pre-exaone-moe", "pre-exaone-moe"},
    /* Of a llama.cpp release: see bundle.sh. GPT-NeoX's has no pre, MPT's is the same. */
    {"gpt-neox", "llama.cpp/models/ggml-vocab-gpt-neox", "llama.cpp/models/ggml-vocab-mpt"},
    {"aquila", "llama.cpp/models/ggml-vocab-aquila", "llama.cpp/models/ggml-vocab-aquila"},
    {"baichuan", "llama.cpp/models/ggml-vocab-baichuan", "llama.cpp/models/ggml-vocab-baichuan"},
    {"command-r", "llama.cpp/models/ggml-vocab-command-r", "llama.cpp/models/ggml-vocab-command-r"},
    {"deepseek-coder", "llama.cpp/models/ggml-vocab-deepseek-coder",
     "llama.cpp/models/ggml-vocab-deepseek-coder"},
    {"gemma-4", "llama.cpp/models/ggml-vocab-gemma-4", "llama.cpp/models/ggml-vocab-gemma-4"},
    {"gpt-2", "llama.cpp/models/ggml-vocab-gpt-2", "llama.cpp/models/ggml-vocab-gpt-2"},
    {"llama-bpe", "llama.cpp/models/ggml-vocab-llama-bpe", "llama.cpp/models/ggml-vocab-llama-bpe"},
    {"llama-spm", "llama.cpp/models/ggml-vocab-llama-spm", "llama.cpp/models/ggml-vocab-llama-spm"},
    {"mpt", "llama.cpp/models/ggml-vocab-mpt", "llama.cpp/models/ggml-vocab-mpt"},
    {"refact", "llama.cpp/models/ggml-vocab-refact", "llama.cpp/models/ggml-vocab-refact"},
    {"starcoder", "llama.cpp/models/ggml-vocab-starcoder", "llama.cpp/models/ggml-vocab-starcoder"},
};

static const struct dissent {
    const char *vocabulary, *text, *cause;
    unsigned flags;
} dissents[] = {
    {"llama3-bare", "it's",
     "no tokenizer.ggml.pre: ours infers llama-bpe, llama.cpp takes its "
     "default",
     0},
    {"llama.cpp/models/ggml-vocab-qwen2", "</s>",
     "llama.cpp takes '</s>' for a control token whatever its type is", BNT_ENCODE_PARSE_SPECIAL},
    {"llama.cpp/models/ggml-vocab-phi-3", "</s>",
     "llama.cpp takes '</s>' for a control token whatever its type is", 0},
    {"llama3-bare", "hello", "no tokenizer.ggml.pre: ours infers llama-bpe, which adds BOS",
     BNT_ENCODE_BOS},
};

/* ---- both tokenizers --------------------------------------------------------------------------
 */

struct both {
    struct bnt_gguf *gguf;
    struct bnt_tokenizer *ours;
    struct ll_model *theirs;
    struct bnt_token_list a;
    int32_t *b;
    int32_t n_b;
};

static void close_both(struct both *x) {
    bnt_token_list_free(&x->a);
    free(x->b);
    bnt_tokenizer_close(x->ours);
    bnt_gguf_close(x->gguf);
    ll_model_close(x->theirs);
    *x = (struct both){0};
}

static bool open_files(struct both *x, const struct crossval *c, const char *ours,
                       const char *theirs, char why[600]) {
    struct bnt_err err;
    *x = (struct both){0};
    if (bnt_gguf_open(&x->gguf, ours, &err) || bnt_tokenizer_open(&x->ours, x->gguf, &err)) {
        snprintf(why, 600, "%s", err.text);
        close_both(x);
        return false;
    }
    x->theirs = ll_model_open(c->ll, theirs, true, why);
    if (x->theirs) return true;
    close_both(x);
    return false;
}

/* Of the folder of vocabularies. */
static bool open_both(struct both *x, const struct crossval *c, const char *ours,
                      const char *theirs, char why[600]) {
    char paths[2][4096];
    snprintf(paths[0], sizeof paths[0], "%s/%s.gguf", c->vocabularies, ours);
    snprintf(paths[1], sizeof paths[1], "%s/%s.gguf", c->vocabularies, theirs);
    return open_files(x, c, paths[0], paths[1], why);
}

/* 1 the same ids, 0 others, -1 one of them failed. */
static int encode_both(struct both *x, const char *text, size_t len, unsigned flags) {
    free(x->b);
    x->b = NULL;
    x->n_b = ll_tokenize(x->theirs, text, len, (flags & BNT_ENCODE_BOS) != 0,
                         (flags & BNT_ENCODE_PARSE_SPECIAL) != 0, &x->b);
    if (x->n_b < 0 || bnt_tokenizer_encode(x->ours, text, len, flags, &x->a, NULL)) return -1;
    return x->a.count == (size_t)x->n_b && memcmp(x->a.ids, x->b, x->a.count * sizeof *x->b) == 0;
}

static void show(const struct both *x, const char *name, const char *text, size_t len,
                 unsigned flags) {
    printf("  %s, flags %u, text in hexadecimal ", name, flags);
    for (size_t i = 0; i < len; i++) printf("%02x", (unsigned char)text[i]);
    printf("\n    ours     ");
    for (size_t i = 0; i < x->a.count; i++) printf(" %d", x->a.ids[i]);
    printf("\n    llama.cpp");
    for (int32_t i = 0; i < x->n_b; i++) printf(" %d", x->b[i]);
    printf("\n");
}

/* ---- cases ------------------------------------------------------------------------------------
 */

struct tally {
    size_t compared, same, ids;
};

static void try_text(struct both *x, const char *name, const char *text, size_t len,
                     const unsigned *all_flags, size_t n_flags, struct tally *t) {
    for (size_t i = 0; i < n_flags; i++) {
        const unsigned flags = all_flags[i];
        const int same = encode_both(x, text, len, flags);
        t->compared++;
        t->same += same == 1;
        t->ids += x->a.count;
        if (same != 1 && t->compared - t->same <= SHOWN) show(x, name, text, len, flags);
    }
}

static void report_tally(const struct crossval *c, const char *name, const struct tally *t) {
    json_t *facts = json_pack("{s:I,s:I,s:I}", "compared", (json_int_t)t->compared, "same",
                              (json_int_t)t->same, "ids", (json_int_t)t->ids);
    report_case(c->report, KIND_TOKENS, name, t->compared && t->same == t->compared, facts,
                "%zu of %zu encodings the same, %zu ids", t->same, t->compared, t->ids);
}

/* Golden and random texts by both, which are closed. */
static void check_texts(const struct crossval *c, struct both *x, const char *label,
                        const struct texts *golden) {
    static const unsigned every[4] = {BNT_ENCODE_BOS, BNT_ENCODE_PARSE_SPECIAL, 0,
                                      BNT_ENCODE_BOS | BNT_ENCODE_PARSE_SPECIAL};
    struct tally t = {0};
    char name[256], text[TEXT_MAX];
    for (size_t i = 0; i < golden->count; i++)
        try_text(x, golden->list[i].name, golden->list[i].bytes, golden->list[i].len, every, 4, &t);
    snprintf(name, sizeof name, "%.200s, golden texts", label);
    report_tally(c, name, &t);
    t = (struct tally){0};
    for (size_t i = 0; i < c->texts; i++) {
        const size_t len = text_random(c->seed, i, text);
        snprintf(name, sizeof name, "%.200s, random text %zu", label, i);
        /* Special tokens as text and as tokens; BOS now with the one, now with the other. */
        try_text(x, name, text, len, i % 2 ? every : every + 2, 2, &t);
    }
    snprintf(name, sizeof name, "%.200s, random texts", label);
    report_tally(c, name, &t);
    close_both(x);
}

static void check_pair(const struct crossval *c, const struct pair *p, const struct texts *golden) {
    struct both x;
    char why[600];
    if (open_both(&x, c, p->ours, p->theirs, why))
        check_texts(c, &x, p->name, golden);
    else
        report_case(c->report, KIND_TOKENS, p->name, false, NULL, "%s", why);
}

void check_file_tokens(const struct crossval *c) {
    struct both x = {0};
    struct texts golden;
    char why[600] = "";
    if (!texts_golden(&golden, why) || !open_files(&x, c, c->file, c->file, why)) {
        report_case(c->report, KIND_TOKENS, c->file, false, NULL, "%s", why);
    } else if (strcmp(bnt_tokenizer_info(x.ours)->pre_source, "inferred") == 0) {
        report_note(c->report,
                    "%.300s has no tokenizer.ggml.pre: ours infers '%s', llama.cpp takes "
                    "its default; ids are not compared",
                    c->file, bnt_tokenizer_info(x.ours)->pre);
        close_both(&x);
    } else {
        check_texts(c, &x, c->file, &golden);
    }
    texts_free(&golden);
}

static void check_dissent(const struct crossval *c, const struct dissent *d) {
    struct both x;
    char name[128], why[600];
    int same;
    snprintf(name, sizeof name, "%s: '%s', flags %u", d->vocabulary, d->text, d->flags);
    if (!open_both(&x, c, d->vocabulary, d->vocabulary, why)) {
        report_case(c->report, KIND_DISSENT, name, false, NULL, "%s", why);
        return;
    }
    same = encode_both(&x, d->text, strlen(d->text), d->flags);
    report_case(c->report, KIND_DISSENT, name, same == 0, json_pack("{s:s}", "cause", d->cause),
                "%s", same == 0 ? d->cause : "no longer differs: take it out of the table");
    close_both(&x);
}

void check_tokens(const struct crossval *c) {
    struct texts golden;
    char why[600] = "";
    if (!texts_golden(&golden, why)) {
        report_case(c->report, KIND_TOKENS, "golden texts", false, NULL, "%s", why);
    } else {
        for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
            check_pair(c, &pairs[i], &golden);
    }
    for (size_t i = 0; i < sizeof dissents / sizeof dissents[0]; i++)
        check_dissent(c, &dissents[i]);
    texts_free(&golden);
}
