/*
 * model.c - see model.h: hyperparameters, then tensors, then what only both together show.
 */
#include "model/model.h"

#include <inttypes.h>
#include <stdlib.h>

#include "model/bind.h"

/* The key may count the tokens or the rows, which some files have more of. */
static int check_vocab_size(const struct bnt_model *m, struct bnt_err *err) {
    const struct bnt_gguf_kv *tokens = bnt_gguf_find(m->gguf, "tokenizer.ggml.tokens");
    uint32_t stated = m->hp.vocab_size;
    if (stated == 0 || stated == m->hp.n_vocab || (tokens && tokens->count == stated))
        return BNT_OK;
    return bnt_fail(err, BNT_E_FORMAT,
                    "%s.vocab_size is %" PRIu32 ", but token_embd.weight has %" PRIu32
                    " rows and the tokenizer %" PRIu64 " tokens",
                    m->hp.arch, stated, m->hp.n_vocab, tokens ? tokens->count : 0);
}

/* Every angle of every position must be one that rope.c is exact for: one beyond it would be
 * another number on another processor. */
static int check_angles(const struct bnt_model *m, struct bnt_err *err) {
    const struct bnt_hparams *hp = &m->hp;
    double *freq = malloc(hp->n_rot / 2 * sizeof *freq);
    if (!freq) return bnt_fail_nomem(err, "the rotary frequencies", hp->n_rot / 2 * sizeof *freq);
    bnt_rope_frequencies(freq, hp->n_rot, hp->rope_base, &hp->rope_scaling, m->rope_factors);
    uint32_t i = bnt_rope_first_beyond(freq, hp->n_rot, hp->n_ctx_train - 1);
    int status = BNT_OK;
    if (i < hp->n_rot / 2)
        status = bnt_fail(err, BNT_E_LIMIT,
                          "RoPE turns pair %" PRIu32 " by %g at position %" PRIu64
                          "%s%.0g: angles are exact up to 2^24",
                          i, freq[i] * (double)(hp->n_ctx_train - 1), hp->n_ctx_train - 1,
                          m->rope_factors ? ", where rope_freqs.weight is " : ", scaling factor ",
                          m->rope_factors ? (double)m->rope_factors[i] : hp->rope_scaling.factor);
    free(freq);
    return status;
}

int bnt_model_open(struct bnt_model **out, const struct bnt_gguf *g, struct bnt_err *err) {
    *out = NULL;
    struct bnt_model *m = calloc(1, sizeof *m);
    if (!m) return bnt_fail_nomem(err, "the model", sizeof *m);
    m->gguf = g;
    int status = bnt_hparams_read(&m->hp, g, err);
    if (status == BNT_OK) status = bnt_bind(m, err);
    if (status == BNT_OK) status = check_vocab_size(m, err);
    if (status == BNT_OK) status = check_angles(m, err);
    if (status != BNT_OK) {
        bnt_model_close(m);
        return status;
    }
    *out = m;
    return BNT_OK;
}

void bnt_model_close(struct bnt_model *m) {
    if (!m) return;
    for (uint32_t i = 0; m->layers && i < m->hp.n_layer; i++) {
        free(m->layers[i].attn_norm);
        free(m->layers[i].attn_sub_norm);
        free(m->layers[i].ffn_norm);
        free(m->layers[i].ffn_sub_norm);
        free(m->layers[i].q_norm);
        free(m->layers[i].k_norm);
    }
    free(m->layers);
    free(m->matrices);
    free(m->output_norm);
    free(m->rope_factors);
    free(m);
}
