/*
 * spm.h - SentencePiece's BPE: whole texts, characters as symbols, merges by score.
 *
 * Knows nothing of special tokens. The idea: two neighbours merge when their bytes together are a
 * piece, the highest score first; what is no piece in the end is spelled in byte tokens.
 */
#ifndef BNT_TOKENIZERS_SPM_H
#define BNT_TOKENIZERS_SPM_H

#include "merge.h"
#include "tokenizer.h"
#include "vocab.h"

/* Appends the tokens of text[begin, end), after an invented space if `prefix`. Unless `exact`,
 * U+2581 counts as a space. `unk` (or -1) stands for what has neither piece nor byte tokens. */
int bnt_spm_encode(const struct bnt_vocab *v, int32_t unk, const uint8_t *text, size_t begin,
                   size_t end, bool prefix, bool exact, struct bnt_merger *m,
                   struct bnt_token_list *out, struct bnt_err *err);

#endif
