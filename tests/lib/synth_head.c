/*
 * synth_head.c - see synth_head.h.
 */
#include "synth_head.h"

#include <math.h>
#include <stdlib.h>

#include "encode.h"
#include "rng.h"

/* Of factors e^(SPREAD n), n normal, in both vectors of a product: its spread grows by
 * e^(2 SPREAD^2), to 1.33 times. */
#define SPREAD 0.38f

static float *channels(const struct synth_head *s) {
    struct rng r = rng_named(s->seed, "channels of the head");
    float *factor = malloc(s->cols * sizeof *factor);
    if (!factor) abort();
    for (uint64_t i = 0; i < s->cols; i++) factor[i] = expf(SPREAD * rng_normal(&r));
    return factor;
}

void synth_head_fill(void *context, struct gw_sink *sink) {
    enum { NORMALS = 4096 }; /* from twelve random bits each */
    const struct synth_head *s = context;
    float *factor = channels(s), *x = malloc(s->cols * sizeof *x), normal[NORMALS];
    uint8_t *bytes = malloc((size_t)enc_bytes(s->type, s->cols));
    struct rng table = rng_stream(0, 0);
    if (!x || !bytes) abort();
    for (int i = 0; i < NORMALS; i++) normal[i] = s->scale * rng_normal(&table);
    for (uint64_t row = 0; row < s->rows; row++) {
        struct rng r = rng_stream(s->seed, (row + s->rows - s->later) % s->rows);
        uint64_t u = 0;
        for (uint64_t i = 0; i < s->cols; i++, u >>= 16) {
            if (i % 4 == 0) u = rng_next(&r);
            x[i] = normal[u & (NORMALS - 1)] * factor[i];
        }
        enc_dense(s->type, x, s->cols, bytes);
        gw_emit(sink, bytes, (size_t)enc_bytes(s->type, s->cols));
    }
    free(factor);
    free(x);
    free(bytes);
}

void synth_head_norm(void *context, struct gw_sink *sink) {
    const struct synth_head *s = context;
    float *factor = channels(s);
    gw_emit(sink, factor, s->cols * sizeof *factor);
    free(factor);
}

/* With rows of norm 2.5 and branches that add noise of standard deviation v to each channel, the
 * row stands out by z = 1.07 * 2.5 / v, by the moments of log-normal factors. A random model's
 * branches add half a unit each, two in a block. */
float synth_head_branches(float z, uint32_t blocks) {
    return 1.07f * 2.5f / z / sqrtf(0.5f * (float)blocks);
}
