/*
 * engine.c - opens a model for use: file -> tokenizer -> model -> backend -> packed weights.
 *
 * Only joins the parts, in the one order that refuses early: what is cheap to check comes first.
 */
#include "run/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "machine/fpenv.h"
#include "model/i2s_layout.h"
#include "plugin/choice.h"
#include "plugin/selfcheck.h"
#include "run/options.h"

static int check_vocabulary(const struct bnt_engine *e, struct bnt_err *err) {
    uint32_t tokens = bnt_tokenizer_info(e->tokenizer)->vocab_size;
    if (tokens > e->model->hp.n_vocab)
        return bnt_fail(err, BNT_E_FORMAT, "the tokenizer has %u tokens, token_embd.weight only %u",
                        tokens, e->model->hp.n_vocab);
    return BNT_OK;
}

/* Bytes of the file that loading reads: the ternary matrices twice, once to look at them. */
static uint64_t bytes_to_read(const struct bnt_model *m) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        if (m->matrices[i].ternary)
            bytes += 2 * m->matrices[i].bytes;
        else if (i == m->head)
            bytes += m->matrices[i].bytes;
    }
    return bytes;
}

/* What the model will ask of a backend: its self-check tries that, too. Whether a ternary tensor
 * has one scale or one for each block is found out later; both are tried. */
static struct bnt_shapes shapes_of(const struct bnt_model *m) {
    struct bnt_shapes s = {
        .heads = m->hp.n_head, .kv_heads = m->hp.n_head_kv, .head_dim = m->hp.head_dim};
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        const struct bnt_matrix *mat = &m->matrices[i];
        const struct bnt_type_info *type = bnt_type(mat->src.type);
        if (!mat->ternary) {
            bnt_shapes_dense(&s, mat->rows, mat->cols, mat->dense_type);
            continue;
        }
        bnt_shapes_ternary(&s, mat->rows, mat->cols, 0);
        if (type->id != BNT_I2_S)
            bnt_shapes_ternary(&s, mat->rows, mat->cols,
                               type->row_bytes ? (uint32_t)mat->cols : type->block);
    }
    return s;
}

/* What its decoding will ask of the ternary product. */
static struct bnt_work work_of(const struct bnt_model *m, const struct bnt_engine_options *o,
                               const struct bnt_topology *topology) {
    struct bnt_work w = {.threads = o->threads, .tokens = o->together, .topology = topology};
    uint64_t most = 0;
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        const struct bnt_matrix *mat = &m->matrices[i];
        if (!mat->ternary) continue;
        w.weights += mat->rows * mat->cols;
        if (mat->rows * mat->cols <= most) continue;
        most = mat->rows * mat->cols;
        w.rows = mat->rows;
        w.cols = mat->cols;
    }
    return w;
}

static int load_weights(struct bnt_engine *e, const struct bnt_engine_options *o,
                        struct bnt_err *err) {
    unsigned threads = o->threads ? o->threads : bnt_topology_default_threads(e->topology);
    struct bnt_loading loading = {.placed = bnt_topology_places_memory(e->topology),
                                  .progress = o->progress,
                                  .progress_arg = o->progress_arg,
                                  .cancelled = o->cancelled,
                                  .cancelled_arg = o->cancelled_arg,
                                  .total = bytes_to_read(e->model)};
    int status = bnt_pool_open(&loading.pool, threads, loading.placed ? e->topology : NULL, err);
    if (status != BNT_OK) return status;
    status = bnt_weights_scan(e->model, o->i2s_layout, &loading, err);
    if (status == BNT_OK)
        status = bnt_weights_load(&e->weights, e->model, &e->backend->kernels, &loading, err);
    if (status == BNT_OK)
        status = bnt_head_build(&e->head, &e->weights.w[e->model->head], &e->backend->kernels,
                                &loading, err);
    unsigned member;
    char what[128];
    uint32_t deviation = bnt_pool_deviation(loading.pool, &member);
    if (status == BNT_OK && deviation)
        status =
            bnt_fail(err, BNT_E_BACKEND,
                     "backend '%s' changed the floating-point environment of thread %u while "
                     "it packed weights: %s",
                     e->backend->name, member, bnt_fpenv_describe(deviation, what, sizeof what));
    bnt_pool_close(loading.pool);
    return status;
}

static void fill_info(struct bnt_engine *e, double load_seconds) {
    const struct bnt_hparams *hp = &e->model->hp;
    e->info = (struct bnt_engine_info){.architecture = hp->arch,
                                       .name = hp->name,
                                       .backend = e->backend->name,
                                       .backend_variant = e->backend->variant,
                                       .n_vocab = hp->n_vocab,
                                       .n_layer = hp->n_layer,
                                       .n_embd = hp->n_embd,
                                       .n_ff = hp->n_ff,
                                       .n_head = hp->n_head,
                                       .n_head_kv = hp->n_head_kv,
                                       .head_dim = hp->head_dim,
                                       .n_ctx_train = hp->n_ctx_train,
                                       .parameters = e->model->parameters,
                                       .ternary_parameters = e->model->ternary_parameters,
                                       .file_bytes = bnt_gguf_size(e->gguf),
                                       .packed_bytes = e->weights.arena.size + e->head.memory.size,
                                       .load_seconds = load_seconds,
                                       .backend_warning = bnt_backends_warning(e->backends)};
    const struct bnt_i2s_finding *i2s = &e->model->i2s;
    if (i2s->known == BNT_I2S_NONE) return;
    e->info.i2s_layout = bnt_i2s_name(i2s->layout);
    e->info.i2s_known = bnt_i2s_known_name(i2s->known);
    e->info.i2s_seen = bnt_i2s_name(i2s->seen);
    e->info.i2s_margin = i2s->margin;
    e->info.i2s_contradicted = i2s->contradicted;
}

int bnt_engine_open(struct bnt_engine **out, const char *model_path,
                    const struct bnt_engine_options *options, struct bnt_err *err) {
    struct bnt_engine_options all;
    const struct bnt_engine_options *o = &all;
    struct bnt_shapes shapes;
    struct bnt_work work;
    double start = bnt_now();
    enum bnt_i2s_layout stated;
    bool is_auto;
    int status;
    *out = NULL;
    status = bnt_read_options(&all, sizeof all, options, options ? options->struct_size : 0, err);
    if (status != BNT_OK) return status;
    const struct bnt_backends_options which = {
        .plugin_dir = o->plugin_dir, .want = o->backend, .shapes = &shapes, .work = &work};
    struct bnt_engine *e = calloc(1, sizeof *e);
    if (!e) return bnt_fail_nomem(err, "the engine", sizeof *e);
    pthread_mutex_init(&e->pieces_lock, NULL);
    e->model_path = strdup(model_path);
    if (!e->model_path) {
        status = bnt_fail_nomem(err, "the model's name", strlen(model_path));
        goto fail;
    }
    if ((status = bnt_i2s_parse(o->i2s_layout, &is_auto, &stated, err)) != BNT_OK ||
        (status = bnt_gguf_open_without(&e->gguf, model_path, o->ignore_keys, o->n_ignore_keys,
                                        err)) != BNT_OK)
        goto fail;
    if ((status = bnt_model_open(&e->model, e->gguf, err)) != BNT_OK ||
        (status = bnt_tokenizer_open(&e->tokenizer, e->gguf, err)) != BNT_OK ||
        (status = check_vocabulary(e, err)) != BNT_OK)
        goto fail;
    if ((status = bnt_topology_open(&e->topology, err)) != BNT_OK) goto fail;
    shapes = shapes_of(e->model);
    work = work_of(e->model, o, e->topology);
    if ((status = bnt_backends_open(&e->backends, &which, err)) != BNT_OK) goto fail;
    e->backend = bnt_backends_chosen(e->backends);
    if ((status = load_weights(e, o, err)) != BNT_OK) goto fail;
    fill_info(e, bnt_now() - start);
    *out = e;
    return BNT_OK;
fail:
    bnt_engine_close(e);
    return status;
}

void bnt_engine_close(struct bnt_engine *e) {
    if (!e) return;
    bnt_head_free(&e->head);
    bnt_weights_free(&e->weights);
    bnt_topology_close(e->topology);
    bnt_backends_close(e->backends);
    bnt_pieces_close(e->pieces);
    pthread_mutex_destroy(&e->pieces_lock);
    bnt_tokenizer_close(e->tokenizer);
    bnt_model_close(e->model);
    bnt_gguf_close(e->gguf);
    free(e->model_path);
    free(e);
}

const struct bnt_engine_info *bnt_engine_info(const struct bnt_engine *engine) {
    return &engine->info;
}

const struct bnt_tokenizer *bnt_engine_tokenizer(const struct bnt_engine *engine) {
    return engine->tokenizer;
}

uint64_t bnt_engine_bytes_per_position(const struct bnt_engine *e) {
    const struct bnt_hparams *hp = &e->model->hp;
    return (uint64_t)hp->n_layer * hp->n_head_kv * hp->head_dim * 2 * 2; /* K and V, binary16 */
}

uint64_t bnt_engine_ternary_macs(const struct bnt_engine *e) {
    uint64_t macs = 0;
    for (uint32_t i = 0; i < e->model->n_matrices; i++) {
        const struct bnt_matrix *m = &e->model->matrices[i];
        if (m->ternary && i != e->model->head && i != e->model->embedding)
            macs += m->rows * m->cols;
    }
    return macs;
}
