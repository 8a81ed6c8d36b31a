/*
 * work_list.c - which kernels are timed at which shapes, and what a call of each costs at least.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/work.h"
#include "file/types.h"

const struct bnt_work_dims bnt_work_dims_2b = {
    .n_embd = 2560,
    .n_ff = 6912,
    .n_head = 20,
    .n_head_kv = 5,
    .head_dim = 128,
    .n_rot = 128,
    .rope_style = BNT_ROPE_NEOX,
    .prompt = 512,
    .context = 4096,
    .ternary = {{2560, 2560, 0, 0}, {6912, 2560, 0, 0}, {2560, 6912, 0, 0}, {640, 2560, 0, 0}},
    .n_ternary = 4,
    .dense = {{128256, 2560, BNT_TYPE_F16, 0}},
    .n_dense = 1,
    .search = {128256, 2560},
};

enum {
    MANY_ROWS = 16384, /* of a head: more only take longer */
    BLOCK = 32,        /* query tokens that prefill takes at once */
};

struct list {
    struct bnt_work_item *at;
    unsigned count;
};

static void put(struct list *l, const struct bnt_work_item *item) {
    if (l->count < BNT_WORK_ITEMS) l->at[l->count++] = *item;
}

static void put_ternary(struct list *l, const bnt_ternary_shape *s, uint64_t tokens) {
    struct bnt_work_item item = {.slot = "ternary_gemm",
                                 .rows = s->rows,
                                 .cols = s->cols,
                                 .tokens = tokens,
                                 .block = s->block,
                                 .type = s->scale_type,
                                 .macs_kind = BNT_PEAK_INT8};
    item.macs = (double)s->rows * (double)s->cols * (double)tokens;
    if (tokens == 1) item.bytes = (double)s->rows * (double)s->cols / 4; /* at two bits a weight */
    snprintf(item.shape, sizeof item.shape, "%" PRIu64 "x%" PRIu64 " x %" PRIu64, s->rows, s->cols,
             tokens);
    put(l, &item);
}

static void put_quantize(struct list *l, uint64_t cols, uint32_t block, uint64_t tokens) {
    struct bnt_work_item item = {
        .slot = "act_quantize", .rows = 1, .cols = cols, .tokens = tokens, .block = block};
    snprintf(item.shape, sizeof item.shape, "%" PRIu64 " x %" PRIu64, cols, tokens);
    put(l, &item);
}

static void put_dense(struct list *l, const bnt_dense_shape *s) {
    uint64_t rows = s->rows < MANY_ROWS ? s->rows : MANY_ROWS, bytes = 0;
    struct bnt_work_item item = {.slot = "dense_gemm",
                                 .rows = rows,
                                 .cols = s->cols,
                                 .tokens = 1,
                                 .type = s->type,
                                 .macs = (double)rows * (double)s->cols,
                                 .macs_kind = BNT_PEAK_F32};
    if (!bnt_type_bytes(s->type, s->cols, rows * s->cols, &bytes)) return;
    item.bytes = (double)bytes;
    snprintf(item.shape, sizeof item.shape, "%s %" PRIu64 "x%" PRIu64 " x 1",
             bnt_type(s->type)->name, rows, s->cols);
    put(l, &item);
}

static void put_search(struct list *l, const bnt_i8_shape *s) {
    uint64_t rows = s->rows < MANY_ROWS ? s->rows : MANY_ROWS;
    struct bnt_work_item item = {.slot = "i8_gemv",
                                 .rows = rows,
                                 .cols = s->cols,
                                 .tokens = 2,
                                 .macs = 2 * (double)rows * (double)s->cols,
                                 .macs_kind = BNT_PEAK_INT8,
                                 .bytes = (double)rows * (double)s->cols};
    if (!rows) return;
    snprintf(item.shape, sizeof item.shape, "%" PRIu64 "x%" PRIu64 " x 2", rows, s->cols);
    put(l, &item);
    item.slot = "code_gemv";
    static const uint32_t bits[] = {5, 2};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        item.variant = bits[i];
        item.bytes = (double)rows * (double)s->cols * item.variant / 8;
        snprintf(item.shape, sizeof item.shape, "%u bits %" PRIu64 "x%" PRIu64 " x 2", item.variant,
                 rows, s->cols);
        put(l, &item);
    }
}

/* Of the last `queries` positions: one token that is decoded, or a block of prefill, which uses
 * what it has read many times over. */
static void put_attention(struct list *l, const struct bnt_work_dims *d, const char *slot,
                          uint64_t positions, uint32_t queries) {
    double each = (double)d->head_dim * (double)positions;
    struct bnt_work_item item = {.slot = slot,
                                 .rows = d->n_head,
                                 .cols = d->head_dim,
                                 .tokens = positions,
                                 .kv_heads = d->n_head_kv,
                                 .queries = queries,
                                 .macs = 2 * each * d->n_head * queries,
                                 .macs_kind = BNT_PEAK_F32,
                                 .bytes = queries > 1 ? 0.0 : 4 * each * d->n_head_kv};
    snprintf(item.shape, sizeof item.shape, "%u heads at %" PRIu64, d->n_head, positions);
    if (queries > 1)
        snprintf(item.shape, sizeof item.shape, "%u heads x %u at %" PRIu64, d->n_head, queries,
                 positions);
    put(l, &item);
}

static void put_small(struct list *l, const char *slot, uint64_t rows, uint64_t cols,
                      const struct bnt_work_dims *d, uint32_t variant, const char *shape) {
    struct bnt_work_item item = {.slot = slot,
                                 .rows = rows,
                                 .cols = cols,
                                 .tokens = 1,
                                 .kv_heads = d->n_head_kv,
                                 .rot = d->n_rot,
                                 .variant = variant};
    snprintf(item.shape, sizeof item.shape, "%s", shape);
    put(l, &item);
}

unsigned bnt_work_list(const struct bnt_work_dims *d, struct bnt_work_item items[BNT_WORK_ITEMS]) {
    struct list l = {items, 0};
    char shape[40];
    for (unsigned i = 0; i < d->n_ternary; i++) put_ternary(&l, &d->ternary[i], 1);
    for (unsigned i = 0; i < d->n_ternary; i++) put_ternary(&l, &d->ternary[i], d->prompt);
    if (d->n_ternary) {
        const bnt_ternary_shape *s = &d->ternary[0];
        struct bnt_work_item pack = {.slot = "ternary_pack",
                                     .rows = s->rows,
                                     .cols = s->cols,
                                     .tokens = 1,
                                     .block = s->block,
                                     .type = s->scale_type};
        snprintf(pack.shape, sizeof pack.shape, "%" PRIu64 "x%" PRIu64, s->rows, s->cols);
        put(&l, &pack);
        put_quantize(&l, d->n_embd, s->block, d->prompt);
        put_quantize(&l, d->n_embd, s->block, 1);
        put_quantize(&l, d->n_ff, s->block, 1);
    }
    for (unsigned i = 0; i < d->n_dense; i++) put_dense(&l, &d->dense[i]);
    put_search(&l, &d->search);
    if (d->context > 512) put_attention(&l, d, "attn", 512, 1);
    put_attention(&l, d, "attn", d->context, 1);
    put_attention(&l, d, "attn_chunk", d->context, 1);
    if (d->context > BLOCK) put_attention(&l, d, "attn", d->context, BLOCK);
    snprintf(shape, sizeof shape, "%u heads x %u", d->n_head_kv, d->head_dim);
    put_small(&l, "kv_store", d->n_head_kv, d->head_dim, d, 0, shape);
    snprintf(shape, sizeof shape, "%u x 1", d->n_embd);
    put_small(&l, "rmsnorm", 1, d->n_embd, d, 0, shape);
    snprintf(shape, sizeof shape, "%u heads x %u", d->n_head, d->head_dim);
    put_small(&l, "rope", d->n_head, d->head_dim, d, d->rope_style, shape);
    snprintf(shape, sizeof shape, "relu2 %u", d->n_ff);
    put_small(&l, "gate", 1, d->n_ff, d, BNT_GATE_RELU2, shape);
    snprintf(shape, sizeof shape, "silu %u", d->n_ff);
    put_small(&l, "gate", 1, d->n_ff, d, BNT_GATE_SILU, shape);
    snprintf(shape, sizeof shape, "gelu %u", d->n_ff);
    put_small(&l, "gate_gelu", 1, d->n_ff, d, BNT_GATE_GELU, shape);
    snprintf(shape, sizeof shape, "%u", d->n_embd);
    put_small(&l, "add", 1, d->n_embd, d, 0, shape);
    return l.count;
}
