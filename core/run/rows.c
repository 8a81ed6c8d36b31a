/* rows.c - see rows.h. */
#include "run/rows.h"

enum {
    SCRATCH = 1 << 14
}; /* floats, or one row: stays in a core's cache beside what it is made of */

static uint64_t file_row_bytes(const struct bnt_weight *w) {
    return w->bytes / w->dshape.rows;
}

static uint64_t aligned(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

bool bnt_rows_expand(const bnt_kernels *k, uint32_t type) {
    bnt_dense_shape shape = {1, bnt_dense_block(type), type, 0};
    bnt_layout layout;
    return shape.cols && k->dense_layout(&shape, &layout) != BNT_SUPPORTED;
}

bool bnt_rows_lay_out(struct bnt_weight *w, const bnt_kernels *k, bnt_layout *layout) {
    bnt_dense_shape one = w->dshape;
    uint64_t cols = w->dshape.cols;
    w->file_type = w->dshape.type;
    one.rows = 1;
    if (k->dense_layout(&w->dshape, layout) != BNT_SUPPORTED) {
        if (!bnt_rows_expand(k, w->file_type)) return false; /* it is the shape that it refuses */
        w->expands = true;
        w->dshape.type = one.type = BNT_TYPE_F32;
        if (k->dense_layout(&w->dshape, layout) != BNT_SUPPORTED || layout->bytes) return false;
    }
    if (layout->bytes) return true; /* packed: rows come from there */
    bnt_layout single;
    bool alone = k->dense_layout(&one, &single) == BNT_SUPPORTED && single.bytes == 0;
    if (alone) w->row_room = aligned(file_row_bytes(w));
    if (w->expands) w->row_room += aligned(cols * sizeof(float));
    return alone || !w->expands;
}

struct bnt_weight_row bnt_weight_row(const struct bnt_weight *w, uint64_t row, void *room) {
    if (w->row_room == 0) return (struct bnt_weight_row){w->dshape, w->w, row};
    bnt_dense_shape shape = {1, w->dshape.cols, w->dshape.type, 0};
    uint64_t bytes = file_row_bytes(w);
    uint8_t *in = (uint8_t *)room + (w->expands ? aligned(shape.cols * sizeof(float)) : 0);
    bnt_gguf_copy(w->file, (const uint8_t *)w->w + row * bytes, bytes, in);
    if (w->expands) bnt_dense_read(w->file_type, in, shape.cols, room);
    return (struct bnt_weight_row){shape, room, 0};
}

static void expand(const struct bnt_weight *w, uint64_t lo, uint64_t hi, float *out) {
    bnt_dense_read(w->file_type, (const uint8_t *)w->w + lo * file_row_bytes(w),
                   (hi - lo) * w->dshape.cols, out);
}

void bnt_rows_unpack(const struct bnt_weight *w, const bnt_kernels *k, uint64_t lo, uint64_t hi,
                     float *out) {
    if (w->expands)
        expand(w, lo, hi, out);
    else
        k->dense_unpack(&(bnt_dense_unpack_args){
            .shape = w->dshape, .row_lo = lo, .row_hi = hi, .w = w->w, .out = out});
}

/* Rows of w that fit the scratch. */
static uint64_t scratch_rows(const struct bnt_weight *w) {
    uint64_t rows = SCRATCH / w->dshape.cols;
    if (rows > w->step) rows -= rows % w->step;
    return rows ? rows : 1;
}

uint64_t bnt_rows_scratch(const struct bnt_weight *w, uint32_t n) {
    uint64_t floats = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!w[i].expands) continue;
        uint64_t needed = scratch_rows(&w[i]) * w[i].dshape.cols;
        if (needed > floats) floats = needed;
    }
    return floats;
}

uint64_t bnt_rows_product(const struct bnt_weight *w, const bnt_kernels *k, bnt_dense_gemm_args a,
                          float *scratch) {
    uint64_t calls = 0, most = w->expands ? scratch_rows(w) : 0, hi = a.row_hi;
    float *y = a.y;
    a.shape = w->dshape;
    a.w = w->w;
    if (!w->expands) {
        k->dense_gemm(&a);
        return 1;
    }
    for (uint64_t r = a.row_lo, n; r < hi; r += n, calls++) {
        n = hi - r < most ? hi - r : most;
        expand(w, r, r + n, scratch);
        a.shape.rows = a.row_hi = n;
        a.row_lo = 0;
        a.w = scratch;
        a.y = y + r;
        k->dense_gemm(&a);
    }
    return calls;
}
