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

enum { BNT_NOTES_MAX = 4 };

struct bnt_tokenizer {
    struct bnt_tokenizer_info info;
    struct bnt_vocab vocab;
    struct bnt_bpe bpe; /* kinds gpt2, gemma4 */
    struct bnt_spm spm; /* kinds llama, gemma4 */
    struct bnt_specials specials;
    char notes[BNT_NOTES_MAX][256];
    size_t n_notes;
};

/* notes.c: notes what the file states and its vocabulary contradicts. */
void bnt_notes_take(struct bnt_tokenizer *t);

/* metadata.c: which pre-tokenizer the file names or means. */
int bnt_metadata_pre(const struct bnt_gguf *g, const struct bnt_vocab *v,
                     const struct bnt_pretok **pre, const char **source, struct bnt_err *err);

/* metadata.c: special ids, flags and end-of-generation marks, stated or inferred. `pre` is NULL for
 * SentencePiece. */
int bnt_metadata_special(struct bnt_tokenizer_info *info, struct bnt_vocab *v,
                         const struct bnt_gguf *g, const struct bnt_pretok *pre,
                         struct bnt_err *err);

#endif
