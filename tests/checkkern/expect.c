/*
 * expect.c - slices in random order, and the comparison that explains a difference.
 *
 * Knows grids of elements and ranges, nothing of what they mean.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ck.h"

void ck_say(struct ck_ctx *ctx, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(ctx->range, sizeof ctx->range, format, args);
    va_end(args);
}

struct ck_slices ck_whole(uint64_t lo, uint64_t hi) {
    return (struct ck_slices){{lo}, {hi}, 1};
}

struct ck_slices ck_cut(struct ck_rng *r, uint64_t lo, uint64_t hi) {
    struct ck_slices s = {.count = 0};
    if (ck_below(r, 4) == 0) { /* an empty slice is a slice: it writes nothing */
        s.lo[0] = s.hi[0] = lo + ck_below(r, (uint32_t)(hi - lo + 1));
        s.count = 1;
    }
    for (uint64_t at = lo; at < hi;) {
        uint64_t left = hi - at, take = 1 + ck_below(r, (uint32_t)left);
        if (ck_below(r, 3) == 0 && take > 3) take = 1 + ck_below(r, 3);
        if (s.count + 1 == CK_COUNT(s.lo)) take = left;
        s.lo[s.count] = at;
        s.hi[s.count++] = at += take;
    }
    for (unsigned i = s.count; i-- > 1;) {
        unsigned j = ck_below(r, i + 1);
        uint64_t a = s.lo[i], b = s.hi[i];
        s.lo[i] = s.lo[j], s.hi[i] = s.hi[j];
        s.lo[j] = a, s.hi[j] = b;
    }
    return s;
}

struct ck_slices ck_cut_part(struct ck_rng *r, uint64_t lo, uint64_t hi) {
    if (hi - lo > 1 && ck_below(r, 2)) lo += 1 + ck_below(r, (uint32_t)((hi - lo) / 2));
    if (hi - lo > 1 && ck_below(r, 2)) hi -= 1 + ck_below(r, (uint32_t)((hi - lo) / 2));
    return ck_cut(r, lo, hi);
}

struct ck_grid ck_grid_in_place(const char *name, void *want, const void *start, uint64_t count,
                                uint64_t ld, size_t size, enum ck_place place) {
    struct ck_grid g = {name, want, NULL, NULL, ld, count, size};
    g.so_far = ck_buffer_copy("what is expected", start, count * size, (uint32_t)size, CK_AT_END);
    g.got = ck_buffer_copy(name, start, count * size, (uint32_t)size, place);
    return g;
}

struct ck_grid ck_grid_of(const char *name, void *want, uint64_t count, uint64_t ld, size_t size,
                          enum ck_place place) {
    struct ck_grid g = {name, want, NULL, NULL, ld, count, size};
    g.so_far = ck_buffer("what is expected", count * size, (uint32_t)size, CK_CANARY, CK_AT_END);
    g.got = ck_buffer(name, count * size, (uint32_t)size, CK_CANARY, place);
    return g;
}

void ck_grid_take(struct ck_grid *g, uint64_t row_lo, uint64_t row_hi, uint64_t lo, uint64_t hi) {
    if (lo >= hi) return;
    for (uint64_t row = row_lo; row < row_hi; row++) {
        uint64_t at = (row * g->ld + lo) * g->size;
        memcpy((char *)g->so_far + at, (const char *)g->want + at, (hi - lo) * g->size);
    }
}

/* The canary as an element: never what a kernel computes. */
static bool untouched(const void *p, size_t size) {
    unsigned char canary[4];
    memset(canary, CK_CANARY, sizeof canary);
    return memcmp(p, canary, size) == 0;
}

void ck_grid_compare(struct ck_ctx *ctx, const struct ck_grid *g) {
    const char *want = g->so_far, *got = g->got;
    uint64_t i = 0, bytes = g->count * g->size;
    if (bytes == 0 || memcmp(want, got, bytes) == 0) return;
    while (memcmp(want + i * g->size, got + i * g->size, g->size) == 0) i++;
    want += i * g->size, got += i * g->size;
    char where[80];
    snprintf(where, sizeof where, "%s[%llu][%llu]", g->name, (ck_ull)(i / g->ld),
             (ck_ull)(i % g->ld));
    if (untouched(got, g->size)) ck_fail(ctx, "%s was not written", where);
    if (untouched(want, g->size)) ck_fail(ctx, "%s is outside the slice and was written", where);
    if (g->size == 1)
        ck_fail(ctx, "%s: want %d (0x%02x), got %d (0x%02x)", where, *(const int8_t *)want,
                *(const uint8_t *)want, *(const int8_t *)got, *(const uint8_t *)got);
    uint32_t a, b;
    memcpy(&a, want, sizeof a);
    memcpy(&b, got, sizeof b);
    ck_fail(ctx, "%s: want %.9g (0x%08x), got %.9g (0x%08x)", where, (double)bnt_f32_from_bits(a),
            a, (double)bnt_f32_from_bits(b), b);
}
