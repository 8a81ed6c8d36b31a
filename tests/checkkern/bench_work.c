/*
 * bench_work.c - see bench_work.h: the shapes of the 2B-4T model, single-threaded.
 */
#include "bench_work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BEYOND_CACHES = 192 << 20 };

/* ---- what a call costs ------------------------------------------------------------------------
 */

static double macs_gemm(const struct ck_item *i) {
    return (double)i->rows * (double)i->cols * (double)i->tokens;
}
static double bytes_ternary(const struct ck_item *i) {
    return (double)i->rows * (double)i->cols / 4;
}
static double bytes_f16(const struct ck_item *i) {
    return (double)i->rows * (double)i->cols * 2;
}
static double bytes_i8(const struct ck_item *i) {
    return (double)i->rows * (double)i->cols;
}
static double macs_attn(const struct ck_item *i) { /* of one token at position `tokens` */
    return (double)i->rows * (double)i->cols * (double)i->tokens * 2;
}
static double bytes_attn(const struct ck_item *i) { /* four query heads to a KV head, K and V */
    return (double)(i->rows / 4) * (double)i->cols * (double)i->tokens * 4;
}

const struct ck_item ck_items[] = {
    {"ternary_gemm", "2560x2560 x 1", 2560, 2560, 1, macs_gemm, bytes_ternary, true},
    {"ternary_gemm", "6912x2560 x 1", 6912, 2560, 1, macs_gemm, bytes_ternary, true},
    {"ternary_gemm", "2560x6912 x 1", 2560, 6912, 1, macs_gemm, bytes_ternary, true},
    {"ternary_gemm", "640x2560 x 1", 640, 2560, 1, macs_gemm, bytes_ternary, true},
    {"ternary_gemm", "2560x2560 x 512", 2560, 2560, 512, macs_gemm, NULL, true},
    {"ternary_gemm", "6912x2560 x 512", 6912, 2560, 512, macs_gemm, NULL, true},
    {"ternary_gemm", "2560x6912 x 512", 2560, 6912, 512, macs_gemm, NULL, true},
    {"ternary_gemm", "640x2560 x 512", 640, 2560, 512, macs_gemm, NULL, true},
    {"ternary_pack", "640x2560", 640, 2560, 1, NULL, NULL, true},
    {"act_quantize", "2560 x 512", 1, 2560, 512, NULL, NULL, true},
    {"act_quantize", "6912 x 1", 1, 6912, 1, NULL, NULL, true},
    {"dense_gemm", "f16 16384x2560 x 1", 16384, 2560, 1, macs_gemm, bytes_f16, false},
    {"i8_gemv", "16384x2560 x 2", 16384, 2560, 2, macs_gemm, bytes_i8, true},
    {"attn", "20 heads at 512", 20, 128, 512, macs_attn, bytes_attn, false},
    {"attn", "20 heads at 4096", 20, 128, 4096, macs_attn, bytes_attn, false},
    {"attn_chunk", "20 heads at 4096", 20, 128, 4096, macs_attn, bytes_attn, false},
    {"kv_store", "5 heads x 128", 5, 128, 1, NULL, NULL, false},
    {"rmsnorm", "2560 x 1", 1, 2560, 1, NULL, NULL, false},
    {"rope", "20 heads x 128", 20, 128, 1, NULL, NULL, false},
    {"gate", "relu2 6912", BNT_GATE_RELU2, 6912, 1, NULL, NULL, false},
    {"gate", "silu 6912", BNT_GATE_SILU, 6912, 1, NULL, NULL, false},
    {"add", "2560", 1, 2560, 1, NULL, NULL, false},
};
const size_t ck_item_count = CK_COUNT(ck_items);

/* ---- memory ------------------------------------------------------------------------------------
 */

static void *take(struct ck_work *w, uint64_t bytes) {
    uint64_t size = (bytes + 4095) / 4096 * 4096;
    if (w->n_buffers == CK_WORK_BUFFERS) return NULL;
    void *p = aligned_alloc(4096, size ? size : 4096);
    if (p) memset(p, 0, size ? size : 4096);
    if (p) w->buffers[w->n_buffers++] = p;
    return p;
}

static float *floats(struct ck_work *w, uint64_t n) {
    struct ck_rng r = {n};
    float *x = take(w, n * 4);
    if (x) ck_floats(&r, x, n, CK_RANDOM);
    return x;
}

/* Room for the large object several times over; the first copy is the one to fill. */
static void *take_copies(struct ck_work *w, uint64_t bytes, bool stream) {
    w->stride = (bytes + 4095) / 4096 * 4096;
    w->copies = stream ? (BEYOND_CACHES + w->stride - 1) / w->stride : 1;
    return take(w, w->copies * w->stride);
}

static void fill_copies(struct ck_work *w, void *first) {
    for (uint64_t i = 1; i < w->copies; i++)
        memcpy((char *)first + i * w->stride, first, w->stride);
}

/* The copy whose turn it is, given the first. */
static void *next_copy(struct ck_work *w, const void *first) {
    return (char *)(uintptr_t)first + w->turn++ % w->copies * w->stride;
}

/* ---- the calls ---------------------------------------------------------------------------------
 */

static void call_gemm(struct ck_work *w) {
    bnt_ternary_gemm_args a = w->a.gemm;
    a.packed = next_copy(w, a.packed);
    w->k->ternary_gemm(&a);
}
static void call_pack(struct ck_work *w) {
    w->k->ternary_pack(&w->a.pack);
}
static void call_quantize(struct ck_work *w) {
    w->k->act_quantize(&w->a.quantize);
}
static void call_dense(struct ck_work *w) {
    bnt_dense_gemm_args a = w->a.dense;
    a.w = next_copy(w, a.w);
    w->k->dense_gemm(&a);
}
static void call_i8(struct ck_work *w) {
    bnt_i8_gemv_args a = w->a.i8;
    a.packed = next_copy(w, a.packed);
    w->k->i8_gemv(&a);
}
static void call_attn(struct ck_work *w) {
    bnt_attn_args a = w->a.attn;
    a.kv = next_copy(w, a.kv);
    if (a.part)
        w->k->attn_chunk(&a);
    else
        w->k->attn(&a);
}
static void call_store(struct ck_work *w) {
    w->k->kv_store(&w->a.store);
}
static void call_rmsnorm(struct ck_work *w) {
    w->k->rmsnorm(&w->a.rmsnorm);
}
static void call_rope(struct ck_work *w) {
    w->k->rope(&w->a.rope);
}
static void call_gate(struct ck_work *w) {
    w->k->gate(&w->a.gate);
}
static void call_add(struct ck_work *w) {
    w->k->add(&w->a.add);
}

/* ---- arguments ---------------------------------------------------------------------------------
 */

static bool open_ternary(struct ck_work *w, bool gemm) {
    const struct ck_item *i = w->item;
    bnt_ternary_shape s = {i->rows, i->cols, 0, BNT_TYPE_F32};
    bnt_act_shape as = {i->tokens, i->cols, 0, 0};
    bnt_layout wl, al;
    struct ck_rng r = {i->rows};
    if (w->k->ternary_layout(&s, &wl) != BNT_SUPPORTED ||
        w->k->act_layout(&as, &al) != BNT_SUPPORTED)
        return false;
    int8_t *trits = take(w, i->rows * i->cols);
    void *packed = take_copies(w, wl.bytes, gemm && i->bytes != NULL);
    void *acts = take(w, al.bytes);
    float *x = floats(w, i->tokens * i->cols), *y = take(w, i->tokens * i->rows * 4);
    if (!trits || !packed || !acts || !x || !y) return false;
    ck_trits(&r, trits, i->rows * i->cols, CK_RANDOM);
    bnt_ternary_pack_args pack = {s, 0, i->rows, trits, NULL, packed};
    bnt_act_quantize_args quantize = {as, 0, i->tokens, x, i->cols, acts};
    w->k->ternary_pack(&pack);
    w->k->act_quantize(&quantize);
    if (strcmp(i->slot, "act_quantize") == 0) {
        w->a.quantize = quantize;
        w->call = call_quantize;
    } else if (!gemm) {
        w->a.pack = pack;
        w->call = call_pack;
    } else {
        fill_copies(w, packed);
        w->a.gemm = (bnt_ternary_gemm_args){s, packed,  0.01f, 0,         as, acts,
                                            0, i->rows, 0,     i->tokens, y,  i->rows};
        w->call = call_gemm;
    }
    return true;
}

static bool open_dense(struct ck_work *w) {
    const struct ck_item *i = w->item;
    bnt_dense_shape s = {i->rows, i->cols, BNT_TYPE_F16, 0};
    bnt_layout l;
    struct ck_rng r = {i->rows};
    if (w->k->dense_layout(&s, &l) != BNT_SUPPORTED) return false;
    uint8_t *src = take_copies(w, i->rows * i->cols * 2, l.bytes == 0);
    void *packed = l.bytes && src ? take_copies(w, l.bytes, true) : src;
    float *x = floats(w, i->tokens * i->cols), *y = take(w, i->tokens * i->rows * 4);
    if (!src || !packed || !x || !y) return false;
    ck_dense_fill(&r, BNT_TYPE_F16, src, i->cols, CK_RANDOM);
    for (uint64_t n = 1; n < i->rows; n++) memcpy(src + n * i->cols * 2, src, i->cols * 2);
    if (l.bytes) w->k->dense_pack(&(bnt_dense_pack_args){s, 0, i->rows, src, packed});
    fill_copies(w, packed);
    w->a.dense = (bnt_dense_gemm_args){s, packed, x, i->cols, 0, i->rows, 0, i->tokens, y, i->rows};
    w->call = call_dense;
    return true;
}

static bool open_i8(struct ck_work *w) {
    const struct ck_item *i = w->item;
    bnt_i8_shape s = {i->rows, i->cols};
    bnt_layout l;
    struct ck_rng r = {i->rows};
    if (!BNT_HAS(w->k, i8_gemv) || w->k->i8_layout(&s, &l) != BNT_SUPPORTED) return false;
    int8_t *src = take(w, i->rows * i->cols), *x = take(w, i->tokens * i->cols);
    void *packed = take_copies(w, l.bytes, true), *d = take(w, i->tokens * i->rows * 4);
    if (!src || !x || !packed || !d) return false;
    for (uint64_t n = 0; n < i->rows * i->cols; n++)
        src[n] = (int8_t)((int)ck_below(&r, 255) - 127);
    memcpy(x, src, i->tokens * i->cols);
    w->k->i8_pack(&(bnt_i8_pack_args){s, 0, i->rows, src, packed});
    fill_copies(w, packed);
    w->a.i8 =
        (bnt_i8_gemv_args){s, packed, x, i->cols, (uint32_t)i->tokens, 0, 0, i->rows, d, i->rows};
    w->call = call_i8;
    return true;
}

static bool open_attention(struct ck_work *w) {
    const struct ck_item *i = w->item;
    bool store = strcmp(i->slot, "kv_store") == 0, chunk = strcmp(i->slot, "attn_chunk") == 0;
    uint32_t dim = (uint32_t)i->cols, heads = (uint32_t)i->rows, kv = store ? heads : heads / 4;
    uint64_t ld = (uint64_t)kv * dim, n = i->tokens, chunks = (n + 255) / 256;
    bnt_kv_shape s = {store ? 4096 : n, kv, dim};
    bnt_layout l;
    if ((!store && !chunk && !BNT_HAS(w->k, attn)) || w->k->kv_layout(&s, &l) != BNT_SUPPORTED)
        return false;
    void *cache = take_copies(w, l.bytes, !store);
    float *k = floats(w, n * ld), *v = floats(w, n * ld), *q = floats(w, (uint64_t)heads * dim);
    float *y = take(w, (uint64_t)heads * dim * 4);
    float *part = take(w, heads * chunks * (dim + 2) * 4);
    if (!cache || !k || !v || !q || !y || !part) return false;
    bnt_kv_store_args a = {s, 0, 0, n, 0, kv, k, v, ld, cache};
    w->k->kv_store(&a);
    fill_copies(w, cache);
    if (store) {
        a.pos = 1000;
        w->a.store = a;
        w->call = call_store;
        return true;
    }
    w->a.attn = (bnt_attn_args){.shape = s,
                                .kv = cache,
                                .q = q,
                                .ldq = (uint64_t)heads * dim,
                                .heads = heads,
                                .scale = 1.0f / sqrtf((float)dim),
                                .pos = n - 1,
                                .tok_hi = 1,
                                .head_hi = heads,
                                .chunk_hi = chunks,
                                .chunks = chunks,
                                .part = chunk ? part : NULL,
                                .y = chunk ? NULL : y,
                                .ldy = (uint64_t)heads * dim};
    w->call = call_attn;
    return true;
}

static bool open_vector(struct ck_work *w) {
    const struct ck_item *i = w->item;
    uint64_t n = i->rows > 1 && strcmp(i->slot, "gate") != 0 ? i->rows * i->cols : i->cols;
    float *x = floats(w, n), *u = floats(w, n), *y = take(w, n * 4);
    if (!x || !u || !y) return false;
    if (strcmp(i->slot, "rmsnorm") == 0) {
        w->a.rmsnorm = (bnt_rmsnorm_args){0, 1, n, x, n, u, 1e-5f, 0, y, n};
        w->call = call_rmsnorm;
    } else if (strcmp(i->slot, "rope") == 0) { /* a quarter turn: values stay what they are */
        for (uint64_t j = 0; j < i->cols / 2; j++) u[j] = 0.0f, y[j] = 1.0f;
        w->a.rope = (bnt_rope_args){
            0, 1, 0, (uint32_t)i->rows, x, n, (uint32_t)i->cols, (uint32_t)i->cols, BNT_ROPE_NEOX,
            0, u, y};
        w->call = call_rope;
    } else if (strcmp(i->slot, "gate") == 0) {
        w->a.gate = (bnt_gate_args){0, n, x, u, y, (uint32_t)i->rows, 0};
        w->call = call_gate;
    } else {
        w->a.add = (bnt_add_args){0, n, x, y};
        w->call = call_add;
    }
    return true;
}

bool ck_work_open(struct ck_work *w, const bnt_kernels *k, const struct ck_item *item) {
    const char *slot = item->slot;
    *w = (struct ck_work){.k = k, .item = item, .copies = 1};
    bool good = strncmp(slot, "ternary", 7) == 0 || strcmp(slot, "act_quantize") == 0
                    ? open_ternary(w, strcmp(slot, "ternary_gemm") == 0)
                : strcmp(slot, "dense_gemm") == 0                                ? open_dense(w)
                : strcmp(slot, "i8_gemv") == 0                                   ? open_i8(w)
                : strncmp(slot, "attn", 4) == 0 || strcmp(slot, "kv_store") == 0 ? open_attention(w)
                                                                                 : open_vector(w);
    if (!good) ck_work_close(w);
    return good;
}

void ck_work_close(struct ck_work *w) {
    while (w->n_buffers > 0) free(w->buffers[--w->n_buffers]);
    w->call = NULL;
}
