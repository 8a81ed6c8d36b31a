/*
 * pretok.h - cuts text into words before byte-level BPE merges them, as the regular expression that
 * belongs to each value of tokenizer.ggml.pre would.
 *
 * Knows nothing of vocabularies. The idea: the field's many expressions are four scanners over
 * character classes, some preceded by a first cut and followed by a rule for digits; the table of
 * names below says which. No regex engine, no backtracking: one pass, in time linear in the text.
 */
#ifndef BNT_TOKENIZERS_PRETOK_H
#define BNT_TOKENIZERS_PRETOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "file/gguf.h"

enum bnt_pretok_rule {
    BNT_PRETOK_GPT2,    /* contractions, " ?letters", " ?numbers", " ?others", spaces */
    BNT_PRETOK_LLAMA3,  /* numbers in threes, newlines apart, "?letters" with any one leader */
    BNT_PRETOK_QWEN2,   /* LLAMA3 with numbers one by one */
    BNT_PRETOK_CODER,   /* each number alone, then GPT2 */
    BNT_PRETOK_FALCON,  /* runs of punctuation, then GPT2, then ASCII digits in threes */
    BNT_PRETOK_DEFAULT, /* FALCON (less the backtick) with numbers apart from their space */
};

/* One value of tokenizer.ggml.pre, and what it implies when metadata is silent. */
struct bnt_pretok {
    const char *name;
    const char *family; /* the first name with these rules: what the digest records */
    enum bnt_pretok_rule rule;
    bool ignore_merges; /* a word that is a piece needs no merging */
    bool add_bos;
};

const struct bnt_pretok *bnt_pretok_find(struct bnt_str name); /* NULL: not known */
const struct bnt_pretok *bnt_pretok_named(const char *name);
/* The known names, separated by spaces, cut to what fits. */
char *bnt_pretok_names(char *dst, size_t size);

/* Walks the words of text[0, len): they cover it without gaps. Zero-initialise, set rule, text and
 * len, then call next until it returns false. */
struct bnt_words {
    enum bnt_pretok_rule rule;
    const uint8_t *text;
    size_t len;
    size_t begin, end;         /* the current word */
    size_t cut_end, match_end; /* how far the first cut and the scanner have looked */
};
bool bnt_words_next(struct bnt_words *w);

#endif
