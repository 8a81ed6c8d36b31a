/* remarks.c - see remarks.h. */
#include "model/remarks.h"

#include <inttypes.h>
#include <stdio.h>

/* Rows without a token are usual: sizes are rounded up in training, and llama.cpp's converters and
 * ours give such rows tokens of type UNUSED. A file without those lets a model choose what has no
 * text. */
static bool remark_rows(const struct bnt_model *m, char line[256]) {
    const struct bnt_gguf_kv *tokens = bnt_gguf_find(m->gguf, "tokenizer.ggml.tokens");
    if (!tokens || tokens->count >= m->hp.n_vocab) return false;
    snprintf(line, 256,
             "token_embd.weight has %" PRIu32 " rows and the tokenizer %" PRIu64
             " tokens: ids from %" PRIu64 " on have no text, and may be chosen all the same",
             m->hp.n_vocab, tokens->count, tokens->count);
    return true;
}

/* An architecture of ternary weights whose weights are not: mostly the ones that are rounded when
 * the model is used. */
static bool remark_dense(const struct bnt_model *m, char line[256]) {
    uint32_t dense = 0, all = 0;
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        if (i == m->embedding || i == m->head) continue;
        all++;
        dense += !m->matrices[i].ternary;
    }
    if (!dense || !m->hp.sub_norms) return false;
    snprintf(line, 256,
             "%" PRIu32 " of the %" PRIu32
             " matrices in the blocks are not ternary, as those of %s models are: they are used as "
             "they stand, unrounded",
             dense, all, m->hp.arch);
    return true;
}

size_t bnt_model_remarks(const struct bnt_model *m, char lines[BNT_REMARKS][256]) {
    size_t n = 0;
    n += remark_rows(m, lines[n]);
    n += remark_dense(m, lines[n]);
    return n;
}
