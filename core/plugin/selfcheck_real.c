/*
 * selfcheck_real.c - the model's own ternary matrices: a few rows at the beginning, in the middle
 * and at the end of each, in memory of its full size.
 *
 * The one idea: any partition is legal, so three small slices of a large object are a fair question
 * that costs what three small objects would; and pages that nobody touches cost nothing. Packed
 * objects end at a page that cannot be touched: what a layout does not ask for is not there.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plugin/selfcheck_parts.h"

enum { ROWS = 9, TOKENS = 3, PLUGIN = 0, JUDGE = 1 };
#define MOST_BYTES ((uint64_t)1 << 40)

struct guarded {
    unsigned char *map;
    size_t size; /* of all, the page at the end included */
    void *at;
};

static int take_guarded(struct check *c, struct guarded *g, const bnt_layout *l) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), align = l->align;
    *g = (struct guarded){0};
    if (align == 0 || (align & (align - 1)) || align > page)
        return check_fail(c, "ternary_layout", "the alignment is no power of two up to a page");
    if (l->bytes > MOST_BYTES)
        return check_fail(c, "ternary_layout", "it asks for far more memory than the data needs");
    uint64_t body = (l->bytes + page - 1) / page * page;
    g->size = body + page;
    g->map = mmap(NULL, g->size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g->map == MAP_FAILED || mprotect(g->map + body, page, PROT_NONE) != 0) {
        if (g->map != MAP_FAILED) munmap(g->map, g->size);
        g->map = NULL;
        return bnt_fail_nomem(c->err, "the self-check", g->size);
    }
    g->at = g->map + (body - l->bytes) / align * align;
    return BNT_OK;
}

static void give_guarded(struct guarded *g) {
    if (g->map) munmap(g->map, g->size);
}

/* Rows [lo, hi) of both objects: packed, unpacked, multiplied. */
static int one_slice(struct check *c, const bnt_ternary_shape *s, const bnt_act_shape *as,
                     const struct guarded packed[2], void *const acts[2], uint64_t lo,
                     uint64_t hi) {
    uint64_t n = (hi - lo) * s->cols, blocks = s->block ? s->cols / s->block : 0;
    uint64_t scales = (hi - lo) * blocks, ldy = s->rows;
    int8_t *trits = check_take(c, n, 1, 0), *back = check_take(c, n, 1, 0x7f);
    float *scale = check_take(c, scales * 4, 4, 0), *y[2];
    float *scale_back = check_take(c, scales * 4, 4, CHECK_FILL);
    for (int i = 0; i < 2; i++) y[i] = check_take(c, TOKENS * ldy * 4, 4, CHECK_FILL);
    if (!trits || !back || !scale || !scale_back || !y[0] || !y[1]) return BNT_E_MISMATCH;
    for (uint64_t i = 0; i < n; i++) trits[i] = (int8_t)((int)(check_random(c) >> 33) % 3 - 1);
    for (uint64_t i = 0; i < scales; i++)
        scale[i] = bnt_f16_to_f32((uint16_t)(check_random(c) >> 50));
    for (int i = 0; i < 2; i++)
        (i == JUDGE ? c->judge : c->k)
            ->ternary_pack(
                &(bnt_ternary_pack_args){*s, lo, hi, trits, blocks ? scale : NULL, packed[i].at});
    c->k->ternary_unpack(&(bnt_ternary_unpack_args){*s, lo, hi, packed[PLUGIN].at, back,
                                                    blocks ? scale_back : NULL});
    int status = check_i8(c, "ternary_unpack of ternary_pack", back, trits, n, s->cols);
    if (status == BNT_OK && blocks)
        status = check_f32(c, "ternary_unpack of ternary_pack, scales", scale_back, scale, scales,
                           blocks);
    for (uint64_t t = 0; t < TOKENS && status == BNT_OK; t += TOKENS - 1) { /* one, then the rest */
        for (int i = 0; i < 2; i++)
            (i == JUDGE ? c->judge : c->k)
                ->ternary_gemm(&(bnt_ternary_gemm_args){.shape = *s,
                                                        .packed = packed[i].at,
                                                        .scale = 0.0173f,
                                                        .act_shape = *as,
                                                        .acts = acts[i],
                                                        .row_lo = lo,
                                                        .row_hi = hi,
                                                        .tok_lo = t ? 1 : 0,
                                                        .tok_hi = t ? TOKENS : 1,
                                                        .y = y[i],
                                                        .ldy = ldy});
        status = check_f32(c, "ternary_gemm", y[PLUGIN], y[JUDGE], TOKENS * ldy, ldy);
    }
    return status == BNT_OK ? check_end(c, "ternary_pack, ternary_unpack or ternary_gemm") : status;
}

static int slices(struct check *c, const bnt_ternary_shape *s, const bnt_act_shape *as,
                  struct guarded packed[2], void *const acts[2]) {
    const uint64_t rows = s->rows,
                   begin[] = {0, rows / 2 + (rows > 2), rows - (rows < ROWS ? rows : ROWS)};
    size_t used = c->used;
    unsigned count = c->count;
    for (int i = 0; i < 3; i++) {
        uint64_t hi = rows - begin[i] < ROWS ? rows : begin[i] + ROWS;
        if (begin[i] >= rows) continue;
        c->used = used; /* the buffers of the slice before are not needed again */
        c->count = count;
        int status = one_slice(c, s, as, packed, acts, begin[i], hi);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int one_shape(struct check *c, const bnt_ternary_shape *s) {
    const bnt_act_shape as = {TOKENS, s->cols, s->block, 0};
    struct guarded packed[2] = {{0}, {0}};
    void *acts[2] = {NULL, NULL};
    int status = BNT_OK;
    check_begin(c, "the model's %llu rows x %llu, block %u", (unsigned long long)s->rows,
                (unsigned long long)s->cols, s->block);
    float *x = check_take(c, TOKENS * s->cols * 4, 4, 0);
    if (!x) return BNT_E_MISMATCH;
    check_floats(c, x, TOKENS * s->cols, CHECK_RANDOM);
    for (int i = 0; i < 2 && status == BNT_OK; i++) {
        const bnt_kernels *k = i == JUDGE ? c->judge : c->k;
        bnt_layout w = {0}, a = {0};
        if (k->ternary_layout(s, &w) != BNT_SUPPORTED) break; /* loading will say so */
        if (k->act_layout(&as, &a) != BNT_SUPPORTED)
            status = check_fail(c, "act_layout", "it refuses what ternary_layout accepts");
        if (status == BNT_OK)
            status = check_layout(c, "ternary_layout", &w, s->rows * s->cols, BNT_TRIT_BITS,
                                  s->block ? s->rows * (s->cols / s->block) * 2 : 0);
        if (status == BNT_OK) status = take_guarded(c, &packed[i], &w);
        if (status != BNT_OK) break;
        acts[i] = check_take(c, a.bytes, a.align, 0x5a);
        if (!acts[i]) status = BNT_E_MISMATCH;
        if (status == BNT_OK)
            k->act_quantize(&(bnt_act_quantize_args){as, 0, TOKENS, x, s->cols, acts[i]});
    }
    if (status == BNT_OK && acts[PLUGIN] && acts[JUDGE]) status = slices(c, s, &as, packed, acts);
    give_guarded(&packed[PLUGIN]);
    give_guarded(&packed[JUDGE]);
    return status;
}

int check_real(struct check *c) {
    int status = BNT_OK;
    for (uint32_t i = 0; i < c->shapes->n_ternary && status == BNT_OK; i++) {
        const bnt_ternary_shape *s = &c->shapes->ternary[i];
        /* Larger ones would not fit into the arena. */
        if (s->rows && s->rows <= 1u << 18 && s->cols && s->cols <= 1u << 16 &&
            (!s->block || s->cols % s->block == 0))
            status = one_shape(c, s);
    }
    return status;
}
