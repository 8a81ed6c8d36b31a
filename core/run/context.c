/*
 * context.c - opens what a batch of sequences needs: a team, an executor, and room for results.
 */
#include "run/context.h"

#include <inttypes.h>
#include <stdlib.h>

#include "run/options.h"

enum { DEFAULT_CONTEXT = 4096, DEFAULT_BATCH = 512, MAX_BATCH = 8192, MOST_LOGITS = 32 };

static int choose_sizes(struct bnt_context *c, const struct bnt_context_options *o,
                        struct bnt_err *err) {
    uint64_t trained = c->engine->info.n_ctx_train, n_ctx = o->n_ctx;
    uint32_t n_batch = o->n_batch ? o->n_batch : DEFAULT_BATCH;
    if (n_ctx == 0) n_ctx = trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
    if (n_ctx > trained)
        return bnt_fail(err, BNT_E_LIMIT,
                        "a context of %" PRIu64 " tokens; the model was made for %" PRIu64, n_ctx,
                        trained);
    if (n_batch > MAX_BATCH) n_batch = MAX_BATCH;
    c->options =
        (struct bnt_exec_options){.n_ctx = n_ctx,
                                  .n_batch = n_batch,
                                  .n_logits = n_batch < MOST_LOGITS ? n_batch : MOST_LOGITS,
                                  .head = &c->engine->head,
                                  .placed = bnt_topology_places_memory(c->engine->topology)};
    return BNT_OK;
}

static int allocate(struct bnt_context *c, struct bnt_err *err) {
    size_t n = c->options.n_batch;
    c->exec_spans = calloc(n, sizeof *c->exec_spans);
    c->wishes = calloc(n, sizeof *c->wishes);
    c->sorted = calloc(n, sizeof *c->sorted);
    c->wanted = calloc(n, sizeof *c->wanted);
    c->asks = calloc(n, sizeof *c->asks);
    if (c->exec_spans && c->wishes && c->sorted && c->wanted && c->asks) return BNT_OK;
    return bnt_fail_nomem(err, "the context", n * sizeof *c->wishes);
}

int bnt_context_open(struct bnt_context **out, struct bnt_engine *engine,
                     const struct bnt_context_options *options, struct bnt_err *err) {
    struct bnt_context_options o;
    *out = NULL;
    int status = bnt_read_options(&o, sizeof o, options, options ? options->struct_size : 0, err);
    if (status != BNT_OK) return status;
    struct bnt_context *c = calloc(1, sizeof *c);
    if (!c) return bnt_fail_nomem(err, "the context", sizeof *c);
    c->engine = engine;
    unsigned threads = o.threads ? o.threads : bnt_topology_default_threads(engine->topology);
    status = choose_sizes(c, &o, err);
    if (status == BNT_OK)
        status = bnt_pool_open(&c->pool, threads, o.no_bind ? NULL : engine->topology, err);
    if (status == BNT_OK)
        status = bnt_exec_open(&c->exec, engine->model, &engine->weights, &engine->backend->kernels,
                               c->pool, &c->options, err);
    if (status == BNT_OK) status = allocate(c, err);
    if (status != BNT_OK) {
        bnt_context_close(c);
        return status;
    }
    bnt_exec_on_cancel(c->exec, o.cancelled, o.cancelled_arg);
    *out = c;
    return BNT_OK;
}

void bnt_context_close(struct bnt_context *c) {
    if (!c) return;
    bnt_exec_close(c->exec);
    bnt_pool_close(c->pool);
    free(c->exec_spans);
    free(c->wishes);
    free(c->sorted);
    free(c->wanted);
    free(c->asks);
    free(c->spans);
    free(c->results);
    free(c->kept);
    free(c);
}

unsigned bnt_context_threads(const struct bnt_context *c) {
    return bnt_pool_threads(c->pool);
}

uint64_t bnt_context_positions(const struct bnt_context *c) {
    return c->options.n_ctx;
}

/* ---- results --------------------------------------------------------------------------------- */

const struct bnt_result *bnt_context_result(const struct bnt_context *c, size_t span, size_t row) {
    if (span >= c->n_spans || row >= c->spans[span].n_results) return NULL;
    return &c->results[c->spans[span].first_result + row];
}

const float *bnt_context_hidden(const struct bnt_context *c, size_t span, size_t row) {
    const struct bnt_result *r = bnt_context_result(c, span, row);
    return r ? r->hidden : NULL;
}

const float *bnt_context_logits(const struct bnt_context *c, size_t span, size_t row) {
    const struct bnt_result *r = bnt_context_result(c, span, row);
    return r ? r->logits : NULL;
}

const struct bnt_top *bnt_context_top(const struct bnt_context *c, size_t span, size_t row,
                                      uint32_t *count) {
    const struct bnt_result *r = bnt_context_result(c, span, row);
    *count = r ? r->n_top : 0;
    return *count ? r->top : NULL;
}

const float *bnt_context_named(const struct bnt_context *c, size_t span, size_t row) {
    const struct bnt_result *r = bnt_context_result(c, span, row);
    return r ? r->named : NULL;
}

const float *bnt_context_pooled(const struct bnt_context *c, size_t span) {
    return span < c->n_spans ? c->spans[span].pooled : NULL;
}
