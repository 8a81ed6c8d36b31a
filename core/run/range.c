/*
 * range.c - see range.h.
 *
 * The one idea: as integers, the bits of |x| have the order of |x|, with infinity and NaN above all
 * else, so one comparison a value says whether it is within a limit.
 */
#include "run/range.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

struct limit {
    uint32_t bits; /* the smallest |x| that is refused; 0: the buffer has no limit */
    const char *what, *most;
};

static const struct limit limits[BNT_BUF_COUNT] = {
    [BNT_BUF_Q] = {0x5f800000, "a query", "2^64"},                      /* a score is finite then */
    [BNT_BUF_K] = {0x477ff000, "a key", "65504, the largest binary16"}, /* 65520 is rounded up */
    [BNT_BUF_V] = {0x477ff000, "a value", "65504, the largest binary16"},
    [BNT_BUF_GATE] = {0x7f800000, "a gate", "finite"},
};

/* Eight at a time, without a branch among them. */
static bool within(const float *x, size_t n, uint32_t limit) {
    int32_t over[8] = {0}; /* limit - 1 - |x|: the sign bit says that it is below 0 */
    for (; n >= 8; n -= 8, x += 8)
        for (size_t l = 0; l < 8; l++)
            over[l] |= (int32_t)(limit - 1 - (bnt_f32_bits(x[l]) & 0x7fffffff));
    for (; n > 0; n--, x++) over[0] |= (int32_t)(limit - 1 - (bnt_f32_bits(*x) & 0x7fffffff));
    for (size_t l = 1; l < 8; l++) over[0] |= over[l];
    return over[0] >= 0;
}

void bnt_range_look(struct bnt_exec *e, const struct bnt_op *op, unsigned i, enum bnt_buffer b,
                    uint32_t width, uint64_t lo, uint64_t hi) {
    const uint32_t limit = limits[b].bits, k = (uint32_t)(op - e->plan.ops);
    struct bnt_exec_beyond *seen = &e->beyond[i];
    for (uint64_t row = lo; limit && row < hi; row++) {
        const float *x = e->buffer[b] + row * width;
        if (within(x, width, limit)) continue;
        if (seen->found && (seen->row < row || (seen->row == row && seen->op <= k))) return;
        while ((bnt_f32_bits(*x) & 0x7fffffff) < limit) x++;
        *seen = (struct bnt_exec_beyond){true, b, (uint32_t)row, k, *x};
        return;
    }
}

int bnt_range_verdict(const struct bnt_exec *e, struct bnt_err *err) {
    const struct bnt_exec_beyond *first = NULL;
    char value[32] = "not finite";
    for (unsigned i = 0; i < bnt_pool_threads(e->pool); i++) {
        const struct bnt_exec_beyond *b = &e->beyond[i];
        if (b->found &&
            (!first || b->row < first->row || (b->row == first->row && b->op < first->op)))
            first = b;
    }
    if (!first) return BNT_OK;
    const struct limit *limit = &limits[first->buffer];
    if (isfinite(first->value)) snprintf(value, sizeof value, "%.9g", (double)first->value);
    return bnt_fail(err, BNT_E_NUMERIC,
                    "layer %" PRIu32 ", position %" PRIu64
                    ": %s is %s (at most %s): the model's weights are damaged or out of range",
                    e->plan.ops[first->op].layer, bnt_exec_position(e, first->row), limit->what,
                    value, limit->most);
}
