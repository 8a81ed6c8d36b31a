/*
 * internal.h - what a tokenizer is made of; for the files of this folder only.
 */
#ifndef BNT_TOKENIZERS_INTERNAL_H
#define BNT_TOKENIZERS_INTERNAL_H

#include "bpe.h"
#include "special.h"
#include "spm.h"
#include "tokenizer.h"
#include "vocab.h"

enum { BNT_NOTES_MAX = 8 };

struct bnt_tokenizer {
    struct bnt_tokenizer_info info;
    struct bnt_vocab vocab;
    struct bnt_bpe bpe; /* kinds gpt2, gemma4 */
    struct bnt_spm spm; /* kinds llama, gemma4 */
    struct bnt_specials specials;
    char notes[BNT_NOTES_MAX][256];
    size_t n_notes;
};

/* A set of USER_DEFINED tokens, and the search for all the others. */
struct bnt_reserved {
    const struct bnt_tokenizer *t;
    uint8_t *has; /* [vocab.count] */
    bool some;
    struct bnt_specials others;
};

/* marked.c: the special texts of what nobody else wrote, one after another. */
struct bnt_own_search { /* set the first four; freed by bnt_special_search_free(&search) */
    const struct bnt_tokenizer *t;
    const uint8_t *text, *marks; /* [len]; marks may be NULL: all is one's own */
    size_t len;
    size_t at, end; /* looked at so far; the end of the part that `at` is in */
    struct bnt_special_search search;
};
/* *id: the next one's, which begins at *begin; or -1. */
int bnt_own_next(struct bnt_own_search *s, size_t *begin, int32_t *id, struct bnt_err *err);

/* tokenizer.c: bnt_tokenizer_encode with other special texts than all of the vocabulary's. */
int bnt_encode_by(const struct bnt_tokenizer *t, const struct bnt_specials *specials,
                  const char *text, size_t len, unsigned flags, struct bnt_token_list *list,
                  struct bnt_err *err);

/* notes.c: how many of *of pieces a pre-tokenizer cuts in two, so that no text could become them.
 */
unsigned bnt_notes_cut(const struct bnt_tokenizer *t, const struct bnt_splitter *pre, unsigned *of);
/* That many are no accident. */
bool bnt_notes_contradict(unsigned cut, unsigned of);

/* notes.c: notes what the file states and its vocabulary contradicts. */
void bnt_notes_take(struct bnt_tokenizer *t);

/* keys.c: every key under tokenizer.ggml. is one that is read, or says what changes nothing. */
int bnt_tokenizer_check_keys(const struct bnt_gguf *g, struct bnt_err *err);

/* metadata.c: which pre-tokenizer the file names or means. */
int bnt_metadata_pre(const struct bnt_gguf *g, const struct bnt_vocab *v,
                     const struct bnt_pretok **pre, const char **source, struct bnt_err *err);

/* metadata.c: special ids, flags and end-of-generation marks, stated or inferred. `pre` is NULL for
 * SentencePiece. */
int bnt_metadata_special(struct bnt_tokenizer_info *info, struct bnt_vocab *v,
                         const struct bnt_gguf *g, const struct bnt_pretok *pre,
                         struct bnt_err *err);

#endif
