/*
 * model.c - see model.h: hyperparameters, then tensors, then what only both together show.
 */
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
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

void bnt_model_frequencies(const struct bnt_model *m, enum bnt_rope_set set, uint64_t n_ctx,
                           double *freq) {
    const struct bnt_hparams *hp = &m->hp;
    bool is_long = hp->longrope && (double)n_ctx > hp->rope_scaling.original_context;
    if (set == BNT_ROPE_WINDOW)
        bnt_rope_frequencies(freq, hp->n_rot, hp->window_rope_base,
                             &(struct bnt_rope_scaling){.factor = 1.0}, NULL);
    else
        bnt_rope_frequencies(freq, hp->n_rot, hp->rope_base, &hp->rope_scaling,
                             is_long ? m->rope_factors_long : m->rope_factors);
}

uint64_t bnt_model_least_context(const struct bnt_model *m, uint64_t n_ctx) {
    const struct bnt_hparams *hp = &m->hp;
    uint64_t original = (uint64_t)hp->rope_scaling.original_context;
    return hp->longrope && n_ctx > original ? original + 1 : 1;
}

static int check_set(const struct bnt_model *m, enum bnt_rope_set set, uint64_t n_ctx, double *freq,
                     struct bnt_err *err) {
    const struct bnt_hparams *hp = &m->hp;
    bnt_model_frequencies(m, set, n_ctx, freq);
    uint32_t i = bnt_rope_first_beyond(freq, hp->n_rot, n_ctx - 1);
    if (i == hp->n_rot / 2) return BNT_OK;
    const float *factors =
        n_ctx == hp->n_ctx_train && m->rope_factors_long ? m->rope_factors_long : m->rope_factors;
    char why[96] = "";
    if (set == BNT_ROPE_ALL && factors)
        snprintf(why, sizeof why, " (element %" PRIu32 " of %s is %g)", i,
                 hp->longrope ? "the rope_factors" : "rope_freqs.weight", (double)factors[i]);
    return bnt_fail(err, BNT_E_LIMIT,
                    "RoPE turns pair %" PRIu32 " by %g at position %" PRIu64
                    "; angles are exact up to 2^24%s",
                    i, freq[i] * (double)(n_ctx - 1), n_ctx - 1, why);
}

/* Every angle of every position must be one that rope.c is exact for: one beyond it would be
 * another number on another processor. */
static int check_angles(const struct bnt_model *m, struct bnt_err *err) {
    const struct bnt_hparams *hp = &m->hp;
    uint64_t original = (uint64_t)hp->rope_scaling.original_context;
    double *freq = malloc(hp->n_rot / 2 * sizeof *freq);
    if (!freq) return bnt_fail_nomem(err, "the rotary frequencies", hp->n_rot / 2 * sizeof *freq);
    int status = check_set(m, BNT_ROPE_ALL, hp->n_ctx_train, freq, err);
    if (status == BNT_OK && hp->longrope && original < hp->n_ctx_train)
        status = check_set(m, BNT_ROPE_ALL, original, freq, err);
    if (status == BNT_OK && hp->window)
        status = check_set(m, BNT_ROPE_WINDOW, hp->n_ctx_train, freq, err);
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
        struct bnt_layer *l = &m->layers[i];
        float *owned[] = {l->attn_norm,
                          l->attn_sub_norm,
                          l->ffn_norm,
                          l->ffn_sub_norm,
                          l->q_norm,
                          l->k_norm,
                          l->bq,
                          l->bk,
                          l->bv,
                          l->q_norm_in,
                          l->k_norm_in,
                          l->v_norm_in,
                          l->post_attn_norm,
                          l->post_ffn_norm,
                          l->gate_norm_in,
                          l->up_norm_in};
        for (size_t n = 0; n < sizeof owned / sizeof owned[0]; n++) free(owned[n]);
    }
    free(m->layers);
    free(m->matrices);
    free(m->output_norm);
    free(m->rope_factors);
    free(m->rope_factors_long);
    free(m);
}
