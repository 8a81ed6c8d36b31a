/*
 * work.c - see work.h.
 */
#include "bench/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "file/types.h"

enum { BEYOND_CACHES = 192 << 20, FLAT_STEP = 64 };

/* ---- memory and values ---------------------------------------------------------------------- */

static void *take(struct bnt_work *w, uint64_t bytes) {
    uint64_t size = (bytes + 4095) / 4096 * 4096;
    if (w->n_buffers == BNT_WORK_BUFFERS) return NULL;
    void *p = aligned_alloc(4096, size ? size : 4096);
    if (p) memset(p, 0, size ? size : 4096);
    if (p) w->buffers[w->n_buffers++] = p;
    return p;
}

static uint32_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static float *floats(struct bnt_work *w, uint64_t n) {
    float *x = take(w, n * sizeof *x);
    uint64_t r = n;
    for (uint64_t i = 0; x && i < n; i++) x[i] = (float)next(&r) * 0x1p-30f - 1.0f;
    return x;
}

/* Whole numbers -most .. most. */
static int8_t *small_ints(struct bnt_work *w, uint64_t n, int most) {
    int8_t *x = take(w, n);
    uint64_t r = n;
    for (uint64_t i = 0; x && i < n; i++)
        x[i] = (int8_t)((int)(next(&r) % (2 * (unsigned)most + 1)) - most);
    return x;
}

/* Room for the large object several times over; the first copy is the one to fill. */
static void *take_copies(struct bnt_work *w, uint64_t bytes, bool stream) {
    w->stride = (bytes + 4095) / 4096 * 4096;
    w->copies = stream && w->stride ? (BEYOND_CACHES + w->stride - 1) / w->stride : 1;
    return take(w, w->copies * w->stride);
}

static void fill_copies(const struct bnt_work *w, void *first) {
    for (uint64_t i = 1; i < w->copies; i++)
        memcpy((char *)first + i * w->stride, first, w->stride);
}

static void *copy_of(const struct bnt_work *w, const void *first, uint64_t turn) {
    return (char *)(uintptr_t)first + turn % w->copies * w->stride;
}

/* ---- the slices ----------------------------------------------------------------------------- */

static void slice_gemm(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_ternary_gemm_args a = w->a.gemm;
    a.packed = copy_of(w, a.packed, turn);
    bnt_slice(a.shape.rows, w->step, i, n, &a.row_lo, &a.row_hi);
    if (a.row_lo < a.row_hi) w->k->ternary_gemm(&a);
}

static void slice_pack(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_ternary_pack_args a = w->a.pack;
    (void)turn;
    bnt_slice(a.shape.rows, w->step, i, n, &a.row_lo, &a.row_hi);
    a.trits += a.row_lo * a.shape.cols;
    if (a.scales) a.scales += a.row_lo * (a.shape.cols / a.shape.block);
    if (a.row_lo < a.row_hi) w->k->ternary_pack(&a);
}

static void slice_quantize(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_act_quantize_args a = w->a.quantize;
    (void)turn;
    bnt_slice(a.shape.tokens, w->step, i, n, &a.tok_lo, &a.tok_hi);
    if (a.tok_lo < a.tok_hi) w->k->act_quantize(&a);
}

static void slice_dense(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_dense_gemm_args a = w->a.dense;
    a.w = copy_of(w, a.w, turn);
    bnt_slice(a.shape.rows, w->step, i, n, &a.row_lo, &a.row_hi);
    if (a.row_lo < a.row_hi) w->k->dense_gemm(&a);
}

static void slice_i8(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_i8_gemv_args a = w->a.i8;
    a.packed = copy_of(w, a.packed, turn);
    bnt_slice(a.shape.rows, w->step, i, n, &a.row_lo, &a.row_hi);
    if (a.row_lo < a.row_hi) w->k->i8_gemv(&a);
}

static void slice_codes(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_code_gemv_args a = w->a.codes;
    a.packed = copy_of(w, a.packed, turn);
    bnt_slice(a.shape.rows, w->step, i, n, &a.row_lo, &a.row_hi);
    if (a.row_lo < a.row_hi) w->k->code_gemv(&a);
}

/* KV heads are shared out, each with its query heads. */
static void slice_attn(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_attn_args a = w->a.attn;
    uint64_t lo, hi;
    uint32_t group = a.heads / a.shape.heads;
    a.kv = copy_of(w, a.kv, turn);
    bnt_slice(a.shape.heads, 1, i, n, &lo, &hi);
    a.head_lo = (uint32_t)lo * group;
    a.head_hi = (uint32_t)hi * group;
    if (lo >= hi) return;
    if (a.part)
        w->k->attn_chunk(&a);
    else
        w->k->attn(&a);
}

static void slice_store(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_kv_store_args a = w->a.store;
    uint64_t lo, hi;
    (void)turn;
    bnt_slice(a.shape.heads, 1, i, n, &lo, &hi);
    a.head_lo = (uint32_t)lo;
    a.head_hi = (uint32_t)hi;
    if (lo < hi) w->k->kv_store(&a);
}

static void slice_rmsnorm(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_rmsnorm_args a = w->a.rmsnorm;
    (void)turn;
    bnt_slice(1, 1, i, n, &a.tok_lo, &a.tok_hi);
    if (a.tok_lo < a.tok_hi) w->k->rmsnorm(&a);
}

static void slice_rope(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_rope_args a = w->a.rope;
    uint64_t lo, hi;
    (void)turn;
    bnt_slice(w->item->rows, 1, i, n, &lo, &hi);
    a.head_lo = (uint32_t)lo;
    a.head_hi = (uint32_t)hi;
    if (lo < hi) w->k->rope(&a);
}

static void slice_gate(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_gate_args a = w->a.gate;
    (void)turn;
    bnt_slice(w->item->cols, FLAT_STEP, i, n, &a.lo, &a.hi);
    if (a.lo < a.hi) (a.kind == BNT_GATE_GELU ? w->k->gate_gelu : w->k->gate)(&a);
}

static void slice_add(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n) {
    bnt_add_args a = w->a.add;
    (void)turn;
    bnt_slice(w->item->cols, FLAT_STEP, i, n, &a.lo, &a.hi);
    if (a.lo < a.hi) w->k->add(&a);
}

/* ---- arguments ------------------------------------------------------------------------------ */

static bool open_ternary(struct bnt_work *w) {
    const struct bnt_work_item *i = w->item;
    const bool gemm = strcmp(i->slot, "ternary_gemm") == 0;
    bnt_ternary_shape s = {i->rows, i->cols, i->block, i->type};
    bnt_act_shape as = {i->tokens, i->cols, i->block, 0};
    bnt_layout wl, al;
    if (w->k->ternary_layout(&s, &wl) != BNT_SUPPORTED ||
        w->k->act_layout(&as, &al) != BNT_SUPPORTED)
        return false;
    uint64_t n_scales = i->block ? i->rows * (i->cols / i->block) : 0;
    int8_t *trits = small_ints(w, i->rows * i->cols, 1);
    float *scales = n_scales ? take(w, n_scales * sizeof *scales) : NULL;
    void *packed = take_copies(w, wl.bytes, gemm && i->bytes > 0);
    void *acts = take(w, al.bytes);
    float *x = floats(w, i->tokens * i->cols), *y = take(w, i->tokens * i->rows * sizeof *y);
    if (!trits || (n_scales && !scales) || !packed || !acts || !x || !y) return false;
    for (uint64_t k = 0; k < n_scales; k++) scales[k] = 0.5f; /* a binary16 value as well */
    w->a.pack = (bnt_ternary_pack_args){s, 0, i->rows, trits, scales, packed};
    w->step = wl.step;
    w->slice = slice_pack;
    if (strcmp(i->slot, "ternary_pack") == 0) return true;
    w->k->ternary_pack(&w->a.pack);
    w->a.quantize = (bnt_act_quantize_args){as, 0, i->tokens, x, i->cols, acts};
    w->k->act_quantize(&w->a.quantize);
    w->step = al.step;
    w->slice = slice_quantize;
    if (!gemm) return true;
    fill_copies(w, packed);
    w->a.gemm = (bnt_ternary_gemm_args){s, packed,  0.01f, 0,         as, acts,
                                        0, i->rows, 0,     i->tokens, y,  i->rows};
    w->step = wl.step;
    w->slice = slice_gemm;
    return true;
}

static bool open_dense(struct bnt_work *w) {
    const struct bnt_work_item *i = w->item;
    bnt_dense_shape s = {i->rows, i->cols, i->type, 0};
    bnt_layout l;
    uint64_t bytes = (uint64_t)i->bytes, r = bytes;
    if (w->k->dense_layout(&s, &l) != BNT_SUPPORTED) return false;
    uint8_t *src = l.bytes ? take(w, bytes) : take_copies(w, bytes, true);
    void *packed = l.bytes ? take_copies(w, l.bytes, true) : src;
    float *x = floats(w, i->cols), *y = take(w, i->rows * sizeof *y);
    if (!src || !packed || !x || !y) return false;
    /* Whatever the type: normal numbers, and small quants of a normal scale. */
    for (uint64_t k = 0; k < bytes; k++) src[k] = (uint8_t)(0x30 | (next(&r) & 7));
    if (l.bytes) w->k->dense_pack(&(bnt_dense_pack_args){s, 0, i->rows, src, packed});
    fill_copies(w, packed);
    w->a.dense = (bnt_dense_gemm_args){s, packed, x, i->cols, 0, i->rows, 0, 1, y, i->rows};
    w->step = l.step;
    w->slice = slice_dense;
    return true;
}

static bool open_i8(struct bnt_work *w) {
    const struct bnt_work_item *i = w->item;
    bnt_i8_shape s = {i->rows, i->cols};
    bnt_layout l;
    if (!BNT_HAS(w->k, i8_gemv) || w->k->i8_layout(&s, &l) != BNT_SUPPORTED) return false;
    int8_t *src = small_ints(w, i->rows * i->cols, 127);
    int8_t *x = small_ints(w, i->tokens * i->cols, 127);
    void *packed = take_copies(w, l.bytes, true);
    int32_t *d = take(w, i->tokens * i->rows * sizeof *d);
    if (!src || !x || !packed || !d) return false;
    w->k->i8_pack(&(bnt_i8_pack_args){s, 0, i->rows, src, packed});
    fill_copies(w, packed);
    w->a.i8 =
        (bnt_i8_gemv_args){s, packed, x, i->cols, (uint32_t)i->tokens, 0, 0, i->rows, d, i->rows};
    w->step = l.step;
    w->slice = slice_i8;
    return true;
}

static bool open_codes(struct bnt_work *w) {
    const struct bnt_work_item *i = w->item;
    bnt_code_shape s = {i->rows, i->cols, i->variant, 0};
    bnt_layout l;
    if (!BNT_HAS(w->k, code_gemv) || w->k->code_layout(&s, &l) != BNT_SUPPORTED) return false;
    uint8_t *src = take(w, i->rows * i->cols);
    int8_t *x = small_ints(w, i->tokens * i->cols, 127);
    void *packed = take_copies(w, l.bytes, true);
    int32_t *d = take(w, i->tokens * i->rows * sizeof *d);
    if (!src || !x || !packed || !d) return false;
    uint64_t r = i->rows;
    for (uint64_t k = 0; k < i->rows * i->cols; k++)
        src[k] = (uint8_t)(next(&r) & ((1u << i->variant) - 1));
    w->k->code_pack(&(bnt_code_pack_args){s, 0, i->rows, src, packed});
    fill_copies(w, packed);
    w->a.codes =
        (bnt_code_gemv_args){s, packed, x, i->cols, (uint32_t)i->tokens, 0, 0, i->rows, d, i->rows};
    w->step = l.step;
    w->slice = slice_codes;
    return true;
}

static bool open_attention(struct bnt_work *w) {
    const struct bnt_work_item *i = w->item;
    bool store = strcmp(i->slot, "kv_store") == 0, chunk = strcmp(i->slot, "attn_chunk") == 0;
    uint32_t dim = (uint32_t)i->cols, heads = (uint32_t)i->rows;
    uint64_t ld = (uint64_t)i->kv_heads * dim, n = i->tokens;
    uint64_t chunks = (n + BNT_ATTN_CHUNK - 1) / BNT_ATTN_CHUNK;
    bnt_kv_shape s = {store ? 4096 : n, i->kv_heads, dim};
    bnt_layout l;
    if ((!store && !chunk && !BNT_HAS(w->k, attn)) || w->k->kv_layout(&s, &l) != BNT_SUPPORTED)
        return false;
    uint32_t queries = store ? 1 : i->queries;
    void *cache = take_copies(w, l.bytes, i->bytes > 0);
    float *k = floats(w, n * ld), *v = floats(w, n * ld),
          *q = floats(w, (uint64_t)heads * dim * queries);
    float *y = take(w, (uint64_t)heads * dim * queries * sizeof *y);
    float *part = take(w, heads * chunks * (dim + 2) * sizeof *part);
    if (!cache || !k || !v || !q || !y || !part) return false;
    bnt_kv_store_args a = {s, 0, 0, n, 0, i->kv_heads, k, v, ld, cache};
    w->k->kv_store(&a);
    fill_copies(w, cache);
    if (store) {
        a.pos = 1000;
        w->a.store = a;
        w->slice = slice_store;
        return true;
    }
    w->a.attn = (bnt_attn_args){.shape = s,
                                .kv = cache,
                                .q = q,
                                .ldq = (uint64_t)heads * dim,
                                .heads = heads,
                                .scale = 1.0f / sqrtf((float)dim),
                                .pos = n - queries,
                                .tok_hi = queries,
                                .head_hi = heads,
                                .chunk_hi = chunks,
                                .chunks = chunks,
                                .part = chunk ? part : NULL,
                                .y = chunk ? NULL : y,
                                .ldy = (uint64_t)heads * dim};
    w->slice = slice_attn;
    return true;
}

static bool open_vector(struct bnt_work *w) {
    const struct bnt_work_item *i = w->item;
    uint64_t n = i->rows * i->cols;
    float *x = floats(w, n), *u = floats(w, n), *y = take(w, n * sizeof *y);
    if (!x || !u || !y) return false;
    if (strcmp(i->slot, "rmsnorm") == 0) {
        w->a.rmsnorm = (bnt_rmsnorm_args){0, 1, n, x, n, u, 1e-5f, 0, y, n};
        w->slice = slice_rmsnorm;
    } else if (strcmp(i->slot, "rope") == 0) { /* a quarter turn: values stay what they are */
        for (uint64_t j = 0; j < i->rot / 2; j++) u[j] = 0.0f, y[j] = 1.0f;
        w->a.rope = (bnt_rope_args){
            0, 1, 0, (uint32_t)i->rows, x, n, (uint32_t)i->cols, i->rot, i->variant, 0, u, y};
        w->slice = slice_rope;
    } else if (strncmp(i->slot, "gate", 4) == 0) {
        w->a.gate = (bnt_gate_args){0, n, x, u, y, i->variant, 0};
        w->slice = slice_gate;
    } else {
        w->a.add = (bnt_add_args){0, n, x, y};
        w->slice = slice_add;
    }
    return true;
}

bool bnt_work_open(struct bnt_work *w, const bnt_kernels *k, const struct bnt_work_item *item) {
    const char *slot = item->slot;
    *w = (struct bnt_work){.k = k, .item = item, .copies = 1, .step = 1};
    bool good = strncmp(slot, "ternary", 7) == 0 || strcmp(slot, "act_quantize") == 0
                    ? open_ternary(w)
                : strcmp(slot, "dense_gemm") == 0                                ? open_dense(w)
                : strcmp(slot, "i8_gemv") == 0                                   ? open_i8(w)
                : strcmp(slot, "code_gemv") == 0                                 ? open_codes(w)
                : strncmp(slot, "attn", 4) == 0 || strcmp(slot, "kv_store") == 0 ? open_attention(w)
                                                                                 : open_vector(w);
    if (!good) bnt_work_close(w);
    return good;
}

void bnt_work_close(struct bnt_work *w) {
    while (w->n_buffers > 0) free(w->buffers[--w->n_buffers]);
    w->slice = NULL;
}

/* ---- time ----------------------------------------------------------------------------------- */

struct calls {
    const struct bnt_work *work;
    uint64_t count;
};

static void run_calls(void *arg, unsigned i, unsigned n) {
    const struct calls *c = arg;
    for (uint64_t turn = 0; turn < c->count; turn++) c->work->slice(c->work, turn, i, n);
}

double bnt_work_time(const struct bnt_work *w, struct bnt_pool *pool) {
    struct calls c = {w, 1};
    for (;;) {
        double start = bnt_now();
        bnt_pool_run(pool, run_calls, &c);
        double s = bnt_now() - start;
        if (s >= 0.015) return s / (double)c.count;
        c.count = s > 0.001 ? (uint64_t)((double)c.count * 0.018 / s) + 1 : c.count * 8;
    }
}
