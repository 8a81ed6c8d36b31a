/*
 * quantize.c - see quantize.h.
 */
#include "convert/quantize.h"

#include <stdlib.h>
#include <string.h>

#include "convert/prove.h"
#include "run/weights.h"

struct source {
    const struct bnt_gguf *g;
    const struct bnt_gguf_tensor *tensor;
    const struct bnt_matrix *matrix; /* NULL: copied */
};

/* ---- what fills a tensor -------------------------------------------------------------------- */

static int fill_copy(const struct bnt_tensor_out *t, uint64_t lo, uint64_t hi, uint8_t *out,
                     struct bnt_room *room, struct bnt_err *err) {
    const struct source *s = t->source;
    (void)room, (void)err;
    bnt_gguf_copy(s->g, s->tensor->data + lo, (size_t)(hi - lo), out);
    return BNT_OK;
}

static int fill_trits(const struct bnt_tensor_out *t, uint64_t lo, uint64_t hi, uint8_t *out,
                      struct bnt_room *room, struct bnt_err *err) {
    const struct source *s = t->source;
    const struct bnt_ternary_src *src = &s->matrix->src;
    const uint64_t n = (hi - lo) * src->cols;
    const uint64_t blocks = src->block ? n / src->block : 0;
    const struct bnt_trits_type type = {t->type, t->layout};
    int8_t *trits = bnt_room(room, 1, n);
    float *scales = blocks ? bnt_room(room, 2, blocks * sizeof *scales) : NULL;
    if (!trits || (blocks && !scales)) return bnt_fail_nomem(err, t->name, (size_t)n);
    bnt_ternary_decode(src, lo, hi, trits, scales);
    bnt_gguf_release(s->g, src->data + src->bytes / src->rows * lo,
                     (size_t)(src->bytes / src->rows * (hi - lo)));
    const struct bnt_trits_rows rows = {.tensor = t->name,
                                        .trits = trits,
                                        .scales = scales,
                                        .block = src->block,
                                        .scale = src->scale,
                                        .lo = lo,
                                        .rows = hi - lo,
                                        .cols = src->cols};
    return bnt_trits_write(&type, &rows, &room->rounding, out, err);
}

/* ---- the plan ------------------------------------------------------------------------------- */

static int plan_copy(struct bnt_tensor_out *t, const struct source *s, struct bnt_err *err) {
    const struct bnt_gguf_tensor *from = s->tensor;
    if (from->name.len >= sizeof t->name)
        return bnt_fail(err, BNT_E_LIMIT, "a tensor's name has %zu characters", from->name.len);
    memcpy(t->name, from->name.ptr, from->name.len);
    t->type = from->type;
    t->n_dims = from->n_dims;
    memcpy(t->dims, from->dims, sizeof t->dims);
    t->units = from->bytes;
    t->unit_bytes = 1;
    t->chunk = 1 << 20;
    t->fill = fill_copy;
    return BNT_OK;
}

static int plan_trits(struct bnt_tensor_out *t, const struct source *s,
                      const struct bnt_trits_type *type, struct bnt_err *err) {
    const struct bnt_matrix *m = s->matrix;
    if (type->id == BNT_I2_S && m->src.block)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s' has a scale for each %u weights, and they differ; I2_S has "
                        "one for the tensor",
                        m->name, m->src.block);
    int status = bnt_tensor_out_ternary(t, type, m->name, m->rows, m->cols, err);
    t->scale = m->src.scale;
    t->fill = fill_trits;
    return status;
}

static const struct bnt_matrix *matrix_of(const struct bnt_model *m,
                                          const struct bnt_gguf_tensor *t) {
    for (uint32_t i = 0; i < m->n_matrices; i++)
        if (m->matrices[i].ternary && bnt_str_eq(t->name, m->matrices[i].name))
            return &m->matrices[i];
    return NULL;
}

static int plan(struct bnt_tensor_out *tensors, struct source *sources, const struct bnt_gguf *g,
                const struct bnt_model *m, const struct bnt_quantize_options *o,
                struct bnt_quantize_report *report, struct bnt_err *err) {
    int status = BNT_OK;
    for (size_t i = 0; i < bnt_gguf_tensor_count(g) && status == BNT_OK; i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, i);
        sources[i] = (struct source){g, t, matrix_of(m, t)};
        tensors[i].source = &sources[i];
        if (sources[i].matrix) {
            status = plan_trits(&tensors[i], &sources[i], &o->type, err);
            report->converted++;
        } else {
            status = plan_copy(&tensors[i], &sources[i], err);
            report->copied++;
        }
    }
    if (status == BNT_OK && report->converted == 0)
        status = bnt_fail(err, BNT_E_UNSUPPORTED, "the model has no ternary tensors");
    return status;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static bool begins(struct bnt_str s, const char *prefix) {
    return s.len >= strlen(prefix) && memcmp(s.ptr, prefix, strlen(prefix)) == 0;
}

/* What the file says of its own container does not describe the new one. */
static bool is_of_container(const struct bnt_gguf_kv *kv) {
    return begins(kv->key, "split.") || bnt_str_eq(kv->key, "general.file_type");
}

/* A key that was ignored says of the new file what it says of this one. */
static void copy_keys(struct bnt_gguf_out *keys, const struct bnt_gguf *g,
                      const struct bnt_trits_type *type) {
    uint32_t file_type = bnt_trits_file_type(type);
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (!is_of_container(kv))
            bnt_gguf_out_copy(keys, kv);
        else if (file_type && bnt_str_eq(kv->key, "general.file_type"))
            bnt_gguf_out_u32(keys, "general.file_type", file_type);
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int scan(struct bnt_model *m, struct bnt_pool *pool, const struct bnt_quantize_options *o,
                struct bnt_err *err) {
    struct bnt_loading loading = {
        .pool = pool, .frugal = true, .cancelled = o->cancelled, .cancelled_arg = o->arg};
    return bnt_weights_scan(m, o->i2s_layout, &loading, err);
}

int bnt_quantize(const struct bnt_gguf *g, struct bnt_output *output,
                 const struct bnt_quantize_options *o, struct bnt_quantize_report *report,
                 struct bnt_err *err) {
    const size_t count = bnt_gguf_tensor_count(g);
    struct bnt_tensor_out *tensors = calloc(count + 1, sizeof *tensors);
    struct source *sources = calloc(count + 1, sizeof *sources);
    struct bnt_gguf_out *keys = bnt_gguf_out_new(bnt_gguf_alignment(g));
    struct bnt_model *m = NULL;
    struct bnt_pool *pool = NULL;
    int status = BNT_OK;
    *report = (struct bnt_quantize_report){0};
    if (!tensors || !sources || !keys)
        status = bnt_fail_nomem(err, "the list of tensors", count * sizeof *tensors);
    if (status == BNT_OK) status = bnt_model_open(&m, g, err);
    if (status == BNT_OK) status = bnt_pool_open(&pool, o->threads, NULL, err);
    if (status == BNT_OK) status = scan(m, pool, o, err);
    if (status == BNT_OK) status = plan(tensors, sources, g, m, o, report, err);
    if (status == BNT_OK) {
        struct bnt_write w = {.keys = keys,
                              .tensors = tensors,
                              .count = count,
                              .pool = pool,
                              .round_scales = o->round_scales,
                              .progress = o->progress,
                              .cancelled = o->cancelled,
                              .arg = o->arg};
        copy_keys(keys, g, &o->type);
        report->i2s = m->i2s;
        status = bnt_write(&w, output, err);
        report->bytes = w.bytes;
        report->worst_rounding = w.worst_rounding;
    }
    if (status == BNT_OK) status = bnt_prove_file(bnt_output_part(output), g, err);
    if (status == BNT_OK) status = bnt_output_commit(output, err);
    bnt_pool_close(pool);
    bnt_model_close(m);
    bnt_gguf_out_free(keys);
    free(sources);
    free(tensors);
    return status;
}
