/*
 * synth_i2s.c - see synth_i2s.h.
 *
 * The one idea: four rows at a time, since in every layout four rows fill whole bytes of their own.
 */
#include "synth_i2s.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "rng.h"
#include "synth.h"

/* How much channel i of a family matters: [0, 1). */
static float matter(const struct rng *family, uint64_t i) {
    struct rng r = {family->key, i};
    return rng_unit(&r);
}

/* The families that a tensor's rows and columns are of; false: of none. */
static bool families(const struct synth_i2s *s, char rows[64], char cols[64]) {
    unsigned block;
    char part[32];
    if (sscanf(s->name, "blk.%u.%31[^.]", &block, part) != 2) return false;
    snprintf(cols, 64, "residual");
    snprintf(rows, 64, "%s of %u", part, block); /* of q and k: like nothing else */
    if (!strcmp(part, "attn_v")) snprintf(rows, 64, "values of %u", block);
    if (!strcmp(part, "ffn_gate") || !strcmp(part, "ffn_up")) snprintf(rows, 64, "ff of %u", block);
    if (!strcmp(part, "attn_output") || !strcmp(part, "ffn_down")) {
        snprintf(cols, 64, "%s of %u", strcmp(part, "ffn_down") ? "values" : "ff", block);
        snprintf(rows, 64, "residual");
    }
    return true;
}

static uint64_t column_channel(const struct synth_i2s *s, uint64_t col) {
    if (!strstr(s->name, "attn_output")) return col;
    return col / s->head_dim / s->heads_per_kv * s->head_dim + col % s->head_dim;
}

void synth_i2s_fill(void *context, struct gw_sink *sink) {
    const struct synth_i2s *s = context;
    struct rng trits_of = rng_named(s->seed, s->name), drawn = rng_named(s->seed + 2, s->name);
    char row_family[64], col_family[64];
    bool structured = s->structure > 0 && families(s, row_family, col_family);
    struct rng rows = {0, 0}, cols = {0, 0};
    if (structured) rows = rng_named(s->seed, row_family), cols = rng_named(s->seed, col_family);
    const size_t n = 4 * (size_t)s->cols;
    int8_t *trits = malloc(n);
    float *col_matter = malloc((size_t)s->cols * sizeof *col_matter);
    uint8_t *bytes = malloc(n / 4), tail[ENC_I2_S_TAIL];
    if (!trits || !bytes || !col_matter) abort();
    for (uint64_t c = 0; c < s->cols; c++) col_matter[c] = matter(&cols, column_channel(s, c));
    for (uint64_t r = 0; r < s->rows; r += 4) {
        synth_trits(&trits_of, trits, n);
        for (size_t i = 0; structured && i < n; i++) {
            float both = matter(&rows, r + i / s->cols) + col_matter[i % s->cols];
            if (rng_unit(&drawn) < s->structure * 0.5f * both) trits[i] = 0;
        }
        enc_i2_s_layout(s->layout, trits, 4, (size_t)s->cols, bytes);
        gw_emit(sink, bytes, n / 4);
    }
    enc_i2_s_tail(s->scale, tail);
    gw_emit(sink, tail, sizeof tail);
    free(trits);
    free(col_matter);
    free(bytes);
}
