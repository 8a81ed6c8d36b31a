/*
 * bpe.h - byte-level BPE: words of the pre-tokenizer, bytes as symbols, merges by rank.
 *
 * Knows the merges of the file; knows nothing of special tokens. The idea: a merge is a pair of ids
 * and the id they become, found by hashing the pair, so that no string is built while encoding.
 */
#ifndef BNT_TOKENIZERS_BPE_H
#define BNT_TOKENIZERS_BPE_H

#include "hash.h"
#include "merge.h"
#include "pretok.h"
#include "tokenizer.h"
#include "vocab.h"

struct bnt_pair {
    int32_t left, right, result;
};

struct bnt_bpe {
    const struct bnt_pretok *pre;
    struct bnt_splitter splitter; /* of pre */
    struct bnt_pair *pairs;       /* by rank */
    uint32_t count;
    struct bnt_hash_key key;
    uint32_t *slots; /* ranks, open addressing; UINT32_MAX: empty */
    uint32_t mask;
};

/* Reads tokenizer.ggml.merges, and readies `pre` (NULL: the caller cuts words). A merge that names
 * a piece which is not in the vocabulary is an error, as it is for Hugging Face; of equal pairs the
 * first counts; a pair that touches a token that plain text may not become (CONTROL) never merges.
 */
int bnt_bpe_load(struct bnt_bpe *b, const struct bnt_vocab *v, const struct bnt_pretok *pre,
                 const struct bnt_gguf *g, struct bnt_err *err);
void bnt_bpe_free(struct bnt_bpe *b);

/* Appends the tokens of text[begin, end), after an invented space if `prefix`. BNT_E_UNSUPPORTED if
 * it has a byte that no token stands for. */
int bnt_bpe_encode(const struct bnt_bpe *b, const struct bnt_vocab *v, const uint8_t *text,
                   size_t begin, size_t end, bool prefix, struct bnt_merger *m,
                   struct bnt_token_list *out, struct bnt_err *err);

/* The bnt_merge_rule of the merges; ctx is the struct bnt_bpe. */
bool bnt_bpe_rule(const void *ctx, const struct bnt_symbol *l, const struct bnt_symbol *r,
                  uint32_t *order, int32_t *id);

/* tokenizer.c: appends one token. */
int bnt_token_push(struct bnt_token_list *list, int32_t id, size_t begin, size_t end,
                   struct bnt_err *err);

#endif
