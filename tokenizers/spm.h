/*
 * spm.h - SentencePiece's BPE: whole texts, characters as symbols, merges by score or, in the newer
 * vocabularies (gemma4), by rank.
 *
 * Knows nothing of special tokens. The idea: two neighbours merge when their bytes together are a
 * piece, the highest score (or the merge of the lowest rank) first; what is no piece in the end is
 * spelled in byte tokens.
 */
#ifndef BNT_TOKENIZERS_SPM_H
#define BNT_TOKENIZERS_SPM_H

#include "bpe.h"
#include "merge.h"
#include "tokenizer.h"
#include "vocab.h"

struct bnt_spm {
    const struct bnt_vocab *v;
    const struct bnt_bpe *ranks; /* merges; NULL: by score */
};

/* Appends the tokens of text[begin, end), after an invented space if `prefix`. Unless `exact`,
 * U+2581 counts as a space. BNT_E_UNSUPPORTED if it has a byte that no token stands for.
 */
int bnt_spm_encode(const struct bnt_spm *spm, const uint8_t *text, size_t begin, size_t end,
                   bool prefix, bool exact, struct bnt_merger *m, struct bnt_token_list *out,
                   struct bnt_err *err);

#endif
