/*
 * pretok.h - cuts text into words before byte-level BPE merges them, as the regular expressions
 * that belong to each value of tokenizer.ggml.pre do.
 *
 * Knows nothing of vocabularies. The idea: a value is a row of one table (pretok_table.c) that
 * names its cuts, each an expression; a cut divides every word that the cut before it made, and
 * what it does not match stays a word as well. One pass over the text, whatever the number of cuts,
 * in time linear in it.
 */
#ifndef BNT_TOKENIZERS_PRETOK_H
#define BNT_TOKENIZERS_PRETOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"
#include "regex.h"

enum { BNT_CUTS_MAX = 6 };

/* One value of tokenizer.ggml.pre, and what it implies when metadata is silent. */
struct bnt_pretok {
    const char *name;
    const char *family;      /* the first name with these rules: what the digest records */
    const char *const *cuts; /* expressions, NULL at the end; NULL: not for byte-level BPE */
    bool ignore_merges;      /* a word that is a piece needs no merging */
    bool add_bos;
};

/* Cuts of a kind that no expression says in linear time: runs of digits in groups of three from the
 * right. They stand in the table in the place of an expression, and mean the one in the comment. */
#define BNT_CUT_THREES "threes of \\p{N}"            /* \p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N})) */
#define BNT_CUT_THREES_APART "threes of \\d alone"   /* \d{1,3}(?=(?:\d{3})*\b) */
#define BNT_CUT_THREES_BEFORE "before threes of \\d" /* (?=(\d{3})+(?!\d)): matches nothing */

/* pretok_table.c */
const struct bnt_pretok *bnt_pretok_find(struct bnt_str name); /* NULL: not known */
const struct bnt_pretok *bnt_pretok_named(const char *name);
const struct bnt_pretok *bnt_pretok_at(size_t i); /* NULL at the end */
/* The known names, separated by spaces, cut to what fits. */
char *bnt_pretok_names(char *dst, size_t size);

enum bnt_cut_kind { BNT_CUT_REGEX, BNT_CUT_GROUPS, BNT_CUT_GROUPS_APART, BNT_CUT_GROUPS_BEFORE };

/* A row of the table, ready to be used; immutable. */
struct bnt_splitter {
    struct bnt_cut {
        enum bnt_cut_kind kind;
        struct bnt_regex regex;
    } cuts[BNT_CUTS_MAX];
    size_t count;
};

int bnt_splitter_init(struct bnt_splitter *s, const struct bnt_pretok *pre, struct bnt_err *err);
void bnt_splitter_free(struct bnt_splitter *s);

/* Walks the words of text[0, len): they cover it without gaps. Zero-initialise, set splitter, text
 * and len, then call next until it returns false. */
struct bnt_words {
    const struct bnt_splitter *splitter;
    const uint8_t *text;
    size_t len;
    size_t begin, end; /* the current word */
    uint64_t seen;     /* characters looked at: linear in len, which tests hold it to */
    struct {
        size_t end;              /* of the current word of this cut */
        size_t match, match_end; /* the match (or run of digits) that was found last */
        size_t first;            /* end of such a run's first group */
    } cuts[BNT_CUTS_MAX];
};
bool bnt_words_next(struct bnt_words *w);

#endif
