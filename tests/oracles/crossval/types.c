/*
 * types.c - tensor types: names, sizes, and every weight to the bit, by ggml's own readers.
 *
 * Blocks are random bytes, so scales are anything, infinite and NaN among them: the same bits, or
 * both no number. Of a ternary type, codes that no file has are left out. That a wrong reader would
 * be seen is tested by a bit of the block that only ours gets turned.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bitnet/dense.h"
#include "crossval.h"
#include "file/ternary.h"
#include "file/types.h"
#include "rng.h"

enum { MOST_IDS = 256, N = 4096, ROUNDS = 50, BLOCK_BYTES = 512 };

/* Finite weights of a ternary type; false when the bytes are none. */
static bool ternary(const struct bnt_type_info *t, const uint8_t *bytes, uint64_t size, size_t n,
                    float *out) {
    static int8_t trits[N];
    static float scales[N];
    struct bnt_ternary_src src = {
        .type = t->id, .rows = 1, .cols = n, .data = bytes, .bytes = size};
    struct bnt_ternary_scan found = {0};
    struct bnt_err err;
    bnt_ternary_scan_rows(&src, 0, 1, &found);
    if (bnt_ternary_scan_finish(&src, &found, "random", &err) != BNT_OK) return false;
    bnt_ternary_decode(&src, 0, 1, trits, src.block ? scales : NULL);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)trits[i] * (src.block ? scales[i / src.block] : src.scale);
    return true;
}

static bool ours(const struct bnt_type_info *t, const uint8_t *bytes, size_t n, float *out) {
    uint64_t size;
    if (!bnt_type_bytes(t->id, n, n, &size)) return false;
    if (t->kind == BNT_KIND_TERNARY) return ternary(t, bytes, size, n, out);
    bnt_dense_read(t->id, bytes, n, out);
    return true;
}

/* Weights that differ: of a ternary type the sign of a zero, which is nothing's, does not count. */
static size_t unlike(const struct bnt_type_info *t, const float *a, const float *b, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(a[i]) || isnan(b[i]))
            count += isnan(a[i]) != isnan(b[i]);
        else if (t->kind == BNT_KIND_TERNARY)
            count += a[i] != b[i];
        else
            count += memcmp(&a[i], &b[i], sizeof *a) != 0;
    }
    return count;
}

/* Random bytes; of codes of two bits, 3 becomes 2. */
static void draw(struct rng *r, const struct bnt_type_info *t, uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)rng_next(r);
        unsigned three = bytes[i] & bytes[i] >> 1 & 0x55;
        if (t->id == BNT_TQ2_0 || t->id == BNT_Q2_0) bytes[i] = (uint8_t)(bytes[i] & ~three);
    }
}

/* How many of the bits of a block are seen when they turn. */
static double seen(struct rng *r, const struct bnt_type_info *t, const struct ll_type *theirs) {
    uint8_t block[BLOCK_BYTES];
    float a[256], b[256];
    size_t count = 0, tried = 0;
    for (size_t bit = 0; bit < 8 * theirs->bytes; bit++) {
        draw(r, t, block, theirs->bytes);
        theirs->to_float(block, b, (int64_t)theirs->block);
        block[bit / 8] = (uint8_t)(block[bit / 8] ^ 1 << bit % 8);
        tried++;
        count += !ours(t, block, theirs->block, a) || unlike(t, a, b, theirs->block) > 0;
    }
    return (double)count / (double)tried;
}

static void check_type(const struct crossval *c, const struct bnt_type_info *t,
                       const struct ll_type *theirs) {
    static uint8_t bytes[4 * N];
    static float a[N], b[N];
    struct rng r = rng_named(c->seed, t->name);
    size_t compared = 0, wrong = 0;
    if (t->block != theirs->block || t->block_bytes != theirs->bytes) {
        report_case(c->report, KIND_TYPES, t->name, false, NULL,
                    "blocks of %u weights in %u bytes, theirs %zu in %zu", t->block, t->block_bytes,
                    theirs->block, theirs->bytes);
        return;
    }
    bool computed = t->kind == BNT_KIND_DENSE || t->kind == BNT_KIND_TERNARY;
    if (!computed || !theirs->to_float) { /* F32 has no reader there */
        report_case(c->report, KIND_TYPES, t->name, !computed || t->id == BNT_F32, NULL,
                    "%u weights in %u bytes", t->block, t->block_bytes);
        return;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw(&r, t, bytes, N / t->block * t->block_bytes);
        if (!ours(t, bytes, N, a)) continue;
        theirs->to_float(bytes, b, N);
        wrong += unlike(t, a, b, N);
        compared += N;
    }
    double share = seen(&r, t, theirs);
    report_case(c->report, KIND_TYPES, t->name, compared > 10 * N && wrong == 0 && share > 0.8,
                json_pack("{s:i,s:i,s:f}", "weights", (int)compared, "different", (int)wrong,
                          "turned_bits_seen", share),
                "%zu of %zu weights differ; %.3f of turned bits seen", wrong, compared, share);
}

/* An id that both know has one name; ours may have a second one, of another program. */
void check_types(const struct crossval *c) {
    for (uint32_t id = 0; id < MOST_IDS; id++) {
        struct ll_type theirs;
        if (!ll_type(c->ll, id, &theirs)) continue;
        const struct bnt_type_info *t = bnt_type(id);
        if (!strcasestr(t->name, theirs.name))
            report_case(c->report, KIND_TYPES, theirs.name, false, NULL, "type %u is %s here", id,
                        t->name);
        else if (t->block_bytes)
            check_type(c, t, &theirs);
    }
}
