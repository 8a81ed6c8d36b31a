/*
 * weights_in.c - see weights_in.h.
 *
 * The one idea: whatever the form, a row of the checkpoint becomes a row of trits and the scales of
 * its blocks; what the type makes of those is trits_out.h's business.
 */
#include "convert/weights_in.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/dense.h"
#include "convert/dense_out.h"
#include "machine/share.h"

enum { DENSE_CHUNK = 1 << 18 }; /* values at a time */

/* Where row r of the new tensor is in the checkpoint's. */
static uint64_t source_row(const struct bnt_weights_in *in, uint64_t r) {
    if (!in->heads) return r;
    const uint64_t d = in->rows / in->heads, head = r / d, at = r % d;
    return head * d + at % 2 * (d / 2) + at / 2;
}

/* ---- trits of a row ------------------------------------------------------------------------- */

/* Codes 0, 1, 2 of one plane, in runs of constant length, which compilers vectorise; false when
 * there is a 3. */
static inline bool unpack(const uint8_t *restrict packed, unsigned shift, const unsigned n,
                          int8_t *restrict trits) {
    uint8_t bad = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t code = packed[i] >> shift & 3;
        bad |= code & code >> 1;
        trits[i] = (int8_t)(code - 1);
    }
    return bad == 0;
}

static inline bool unpack_plane(const uint8_t *packed, const unsigned shift, uint64_t n,
                                int8_t *trits) {
    bool good = true;
    uint64_t i = 0;
    for (; i + 64 <= n; i += 64) good &= unpack(packed + i, shift, 64, trits + i);
    for (; i < n; i++) good &= unpack(packed + i, shift, 1, trits + i);
    return good;
}

/* plane: 0 to 3. By a constant shift each. */
static bool unpack_row(const uint8_t *packed, unsigned plane, uint64_t n, int8_t *trits) {
    switch (plane) {
    case 0: return unpack_plane(packed, 0, n, trits);
    case 1: return unpack_plane(packed, 2, n, trits);
    case 2: return unpack_plane(packed, 4, n, trits);
    default: return unpack_plane(packed, 6, n, trits);
    }
}

static int packed_row(const struct bnt_weights_in *in, uint64_t r, int8_t *trits,
                      struct bnt_err *err) {
    const uint64_t quarter = in->rows / 4, plane = r / quarter;
    if (unpack_row(in->tensor->data + r % quarter * in->cols, (unsigned)plane, in->cols, trits))
        return BNT_OK;
    return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': row %" PRIu64 " has a code 3, which is none",
                    in->tensor->name, r);
}

static int not_finite(const struct bnt_weights_in *in, uint64_t r, struct bnt_err *err) {
    return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': a weight in row %" PRIu64 " is not finite",
                    in->tensor->name, r);
}

static int master_row(const struct bnt_weights_in *in, uint64_t r, const float *x, int8_t *trits,
                      struct bnt_err *err) {
    const float inverse = 1.0f / in->scale;
    bool finite = true;
    for (uint64_t i = 0; i < in->cols; i++) {
        float t = rintf(x[i] * inverse);
        finite = finite && isfinite(x[i]);
        trits[i] = (int8_t)(t > 0.5f ? 1 : t < -0.5f ? -1 : 0);
    }
    return finite ? BNT_OK : not_finite(in, r, err);
}

static int not_ternary(const struct bnt_weights_in *in, uint64_t r, uint64_t c, float a, float b,
                       struct bnt_err *err) {
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tensor '%s' is not ternary: %.9g and %.9g are both near weight %" PRIu64
                    " of row %" PRIu64
                    ". If its floats are master weights, --weights=master rounds them by their "
                    "mean",
                    in->tensor->name, (double)a, (double)b, c, r);
}

static int ternary_row(const struct bnt_weights_in *in, uint64_t r, const float *x, uint32_t block,
                       int8_t *trits, float *scales, struct bnt_err *err) {
    for (uint64_t c = 0; c < in->cols; c += block, x += block, trits += block) {
        float scale = 0.0f;
        bool same = true;
        for (uint32_t i = 0; i < block; i++) {
            float size = fabsf(x[i]);
            if (scale == 0.0f) scale = size;
            same = same && (size == scale || size == 0.0f);
            trits[i] = (int8_t)((x[i] > 0.0f) - (x[i] < 0.0f));
        }
        if (!isfinite(scale)) return not_finite(in, r, err);
        for (uint32_t i = 0; !same && i < block; i++) {
            if (!isfinite(x[i])) return not_finite(in, r, err);
            if (x[i] != 0.0f && fabsf(x[i]) != scale)
                return not_ternary(in, r, c + i, scale, x[i], err);
        }
        *scales++ = scale;
    }
    return BNT_OK;
}

/* ---- filling a ternary tensor --------------------------------------------------------------- */

/* The blocks that a row of ternary floats is looked at in: no larger than those of any type. */
static uint32_t fine_block(const struct bnt_weights_in *in, uint32_t type) {
    const uint32_t block = type == BNT_Q2_0 ? 64 : 128;
    return in->cols % block ? (uint32_t)in->cols : block;
}

/* Of packed ones, the bytes of a quarter of the rows hold those of the others, too. */
static void release_rows(const struct bnt_weights_in *in, uint64_t lo, uint64_t hi) {
    const uint64_t rows = in->form == BNT_FORM_PACKED ? in->rows / 4 : in->rows;
    for (uint64_t r = lo, n; r < hi; r += n) {
        n = rows - r % rows < hi - r ? rows - r % rows : hi - r;
        bnt_st_release(in->tensor, r % rows * in->cols, n * in->cols);
    }
}

static int fill_ternary(const struct bnt_tensor_out *t, uint64_t lo, uint64_t hi, uint8_t *out,
                        struct bnt_room *room, struct bnt_err *err) {
    const struct bnt_weights_in *in = t->source;
    const struct bnt_trits_type type = {t->type, t->layout};
    const uint32_t block = in->form == BNT_FORM_TERNARY ? fine_block(in, t->type) : 0;
    const uint64_t n = (hi - lo) * in->cols, blocks = block ? in->cols / block : 0;
    int8_t *trits = bnt_room(room, 1, n);
    float *scales = bnt_room(room, 2, (hi - lo) * blocks * sizeof *scales + 1);
    float *x = bnt_room(room, 3, in->cols * sizeof *x);
    int status = BNT_OK;
    if (!trits || !scales || !x) return bnt_fail_nomem(err, t->name, (size_t)n);
    for (uint64_t r = lo; r < hi && status == BNT_OK; r++) {
        const uint64_t from = source_row(in, r);
        int8_t *row = trits + (r - lo) * in->cols;
        if (in->form == BNT_FORM_PACKED) {
            status = packed_row(in, from, row, err);
            continue;
        }
        bnt_st_floats(in->tensor, from * in->cols, in->cols, x);
        status = in->form == BNT_FORM_MASTER
                     ? master_row(in, from, x, row, err)
                     : ternary_row(in, from, x, block, row, scales + (r - lo) * blocks, err);
    }
    if (status != BNT_OK) return status;
    release_rows(in, lo, hi);
    const struct bnt_trits_rows rows = {.tensor = t->name,
                                        .trits = trits,
                                        .scales = block ? scales : NULL,
                                        .block = block,
                                        .scale = t->scale,
                                        .lo = lo,
                                        .rows = hi - lo,
                                        .cols = in->cols};
    return bnt_trits_write(&type, &rows, &room->rounding, out, err);
}

float bnt_weights_first_scale(const struct bnt_st_tensor *t) {
    float x[256];
    for (uint64_t at = 0; at < t->elements; at += 256) {
        uint64_t n = t->elements - at < 256 ? t->elements - at : 256;
        bnt_st_floats(t, at, n, x);
        for (uint64_t i = 0; i < n; i++)
            if (x[i] != 0.0f) return fabsf(x[i]);
    }
    return 0.0f;
}

int bnt_weights_ternary(struct bnt_tensor_out *out, struct bnt_weights_in *in, const char *name,
                        const struct bnt_trits_type *type, struct bnt_err *err) {
    const struct bnt_st_tensor *t = in->tensor;
    const bool packed = in->form == BNT_FORM_PACKED;
    if (t->n_dims != 2 || t->elements == 0 || packed != (t->type == BNT_ST_U8) ||
        (!packed && !bnt_st_is_float(t)))
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s' is no matrix of weights: %s, %u dimensions, %" PRIu64
                        " elements",
                        t->name, t->type_name, t->n_dims, t->elements);
    in->rows = packed ? t->dims[0] * 4 : t->dims[0];
    in->cols = t->dims[1];
    if (in->heads && in->rows % (2 * (uint64_t)in->heads))
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': %" PRIu64 " rows are no %u heads", t->name,
                        in->rows, in->heads);
    int status = bnt_tensor_out_ternary(out, type, name, in->rows, in->cols, err);
    out->source = in;
    out->fill = fill_ternary;
    out->scale = in->form == BNT_FORM_TERNARY ? bnt_weights_first_scale(t) : in->scale;
    return status;
}

/* ---- dense ---------------------------------------------------------------------------------- */

/* One row: in runs where bits can be moved, else by way of binary32. x: room for a row. */
static int dense_row(const struct bnt_weights_in *in, uint32_t type, uint64_t r, float *x,
                     uint8_t *out, struct bnt_err *err) {
    const bool runs =
        in->tensor->type == BNT_ST_BF16 && type == BNT_TYPE_F16 && in->cols % BNT_DENSE_RUN == 0;
    const uint64_t step = runs ? BNT_DENSE_RUN : in->cols;
    for (uint64_t c = 0, at = r * in->cols; c < in->cols; c += step, at += step) {
        uint8_t *to = out + 2 * c; /* of runs, else c is 0 */
        if (runs && bnt_dense_bf16_as_f16(in->tensor->data + 2 * at, to)) continue;
        bnt_st_floats(in->tensor, at, step, x);
        int status = bnt_dense_write(type, x, step, to, in->tensor->name, r, err);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int fill_dense(const struct bnt_tensor_out *t, uint64_t lo, uint64_t hi, uint8_t *out,
                      struct bnt_room *room, struct bnt_err *err) {
    const struct bnt_weights_in *in = t->source;
    float *x = bnt_room(room, 3, in->cols * sizeof *x);
    if (!x) return bnt_fail_nomem(err, t->name, in->cols * sizeof *x);
    for (uint64_t r = lo; r < hi; r++, out += t->unit_bytes) {
        int status = dense_row(in, t->type, r, x, out, err);
        if (status != BNT_OK) return status;
    }
    bnt_st_release(in->tensor, lo * in->cols, (hi - lo) * in->cols);
    return BNT_OK;
}

int bnt_weights_dense(struct bnt_tensor_out *out, struct bnt_weights_in *in, const char *name,
                      uint32_t type, struct bnt_err *err) {
    const struct bnt_st_tensor *t = in->tensor;
    const uint32_t block = bnt_dense_block(type);
    const uint64_t cols = t->n_dims == 2 ? t->dims[1] : t->dims[0];
    if (!bnt_st_is_float(t) || t->n_dims < 1 || t->n_dims > 2 || t->elements == 0)
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s' is no vector or matrix of floats: %s, %u dimensions", t->name,
                        t->type_name, t->n_dims);
    if (cols % block)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s': rows of %" PRIu64 " are no whole blocks of %u, which %s has",
                        t->name, cols, block, bnt_dense_name(type));
    in->form = BNT_FORM_DENSE;
    in->cols = cols;
    in->rows = t->elements / cols;
    snprintf(out->name, sizeof out->name, "%s", name);
    out->type = type;
    out->n_dims = t->n_dims;
    out->dims[0] = cols;
    out->dims[1] = in->rows;
    out->units = in->rows;
    out->unit_bytes = bnt_dense_bytes(type, cols);
    out->chunk = DENSE_CHUNK / cols + 1;
    out->source = in;
    out->fill = fill_dense;
    return BNT_OK;
}

/* ---- means ---------------------------------------------------------------------------------- */

struct means {
    struct bnt_weights_in *ins;
    double **sums; /* [n][rows] */
    struct bnt_share share;
    _Atomic bool no_memory;
};

static double sum_of_row(const float *x, uint64_t n) {
    double s[8] = {0.0};
    uint64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (unsigned k = 0; k < 8; k++) s[k] += fabs((double)x[i + k]);
    for (; i < n; i++) s[i % 8] += fabs((double)x[i]);
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

static void sum_rows(void *arg, unsigned i, unsigned n) {
    struct means *job = arg;
    struct bnt_share_rows at = {0};
    float *x = NULL;
    uint64_t room = 0;
    while (!atomic_load(&job->no_memory) && bnt_share_next(&job->share, i, n, &at)) {
        const struct bnt_weights_in *in = &job->ins[at.item];
        if (in->cols > room) {
            free(x);
            room = in->cols;
            if (!(x = malloc(room * sizeof *x))) {
                atomic_store(&job->no_memory, true);
                break;
            }
        }
        for (uint64_t r = at.lo; r < at.hi; r++) {
            bnt_st_floats(in->tensor, r * in->cols, in->cols, x);
            job->sums[at.item][r] = sum_of_row(x, in->cols);
        }
        bnt_st_release(in->tensor, at.lo * in->cols, (at.hi - at.lo) * in->cols);
    }
    free(x);
}

static int set_mean(struct bnt_weights_in *in, const double *sums, struct bnt_err *err) {
    double sum = 0.0;
    for (uint64_t r = 0; r < in->rows; r++) sum += sums[r];
    float mean = (float)(sum / (double)(in->rows * in->cols));
    if (!isfinite(mean))
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': its weights are not all finite",
                        in->tensor->name);
    in->scale = mean > 1e-5f ? mean : 1e-5f;
    return BNT_OK;
}

int bnt_weights_means(struct bnt_weights_in *ins, size_t n, struct bnt_pool *pool,
                      struct bnt_err *err) {
    struct bnt_share_item *items = calloc(n + 1, sizeof *items);
    struct means job = {.ins = ins, .sums = calloc(n + 1, sizeof *job.sums)};
    int status = BNT_OK;
    job.share = (struct bnt_share){.items = items, .count = (uint32_t)n};
    if (!items || !job.sums) job.no_memory = true;
    for (size_t i = 0; i < n && !job.no_memory; i++) {
        if (ins[i].form != BNT_FORM_MASTER) continue;
        items[i] = (struct bnt_share_item){ins[i].rows, 1, DENSE_CHUNK / ins[i].cols + 1};
        if (!(job.sums[i] = malloc(ins[i].rows * sizeof **job.sums))) job.no_memory = true;
    }
    if (!job.no_memory) bnt_pool_run(pool, sum_rows, &job);
    if (job.no_memory) status = bnt_fail_nomem(err, "the means of the weights", 0);
    for (size_t i = 0; i < n && status == BNT_OK; i++)
        if (ins[i].form == BNT_FORM_MASTER) status = set_mean(&ins[i], job.sums[i], err);
    for (size_t i = 0; job.sums && i < n; i++) free(job.sums[i]);
    free(job.sums);
    free(items);
    return status;
}
