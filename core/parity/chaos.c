/*
 * chaos.c - see chaos.h.
 *
 * The one idea: an executor per backend, all with the f32 buffers of the first. A slice may then be
 * asked of any of them; what is kept in a backend's own layout (activations, cache) is made by all.
 */
#include "parity/chaos.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "run/engine.h"
#include "run/rng.h"

enum { MOST = 16 }; /* backends */

struct party {
    char name[64];
    struct bnt_exec *exec;
    struct bnt_weights packed; /* not of the first, which has the engine's */
    struct bnt_weights sliced; /* the same objects, cut alike: see cut_alike() */
};

struct member {
    alignas(128) uint64_t slices[MOST];
};

struct bnt_chaos {
    struct party parties[MOST];
    unsigned n_parties;
    struct bnt_backends *backends;
    const struct bnt_weights *engine_weights;
    struct bnt_watch *watch;
    struct member *members;
    uint32_t key[2];
};

/* ---- the hook ------------------------------------------------------------------------------- */

static void slice(void *arg, uint32_t k, unsigned i, unsigned n) {
    struct bnt_chaos *c = arg;
    struct bnt_exec *first = c->parties[0].exec;
    uint32_t random[4];
    if (!bnt_buffer_is_f32(bnt_op_writes(&bnt_look_plan(first)->ops[k]).buffer)) {
        for (unsigned p = 0; p < c->n_parties; p++)
            bnt_watch_slice(c->watch, c->parties[p].name, c->parties[p].exec, k, i, n);
        return;
    }
    const uint64_t pos = bnt_look_position(first, 0);
    const uint32_t counter[4] = {(uint32_t)pos, (uint32_t)(pos >> 32), k, i};
    bnt_philox4x32(counter, c->key, random);
    unsigned p = (unsigned)(((uint64_t)random[0] * c->n_parties) >> 32);
    c->members[i].slices[p]++;
    bnt_watch_slice(c->watch, c->parties[p].name, c->parties[p].exec, k, i, n);
}

static int begin(void *arg, struct bnt_err *err) {
    struct bnt_chaos *c = arg;
    int status = BNT_OK;
    for (unsigned p = 1; p < c->n_parties && status == BNT_OK; p++)
        status = bnt_exec_follow(c->parties[p].exec, c->parties[0].exec, err);
    return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Backends like their slices cut at different rows; here all cut at any row, or the slices of two
 * backends would leave gaps. */
static int cut_alike(struct party *p, const struct bnt_weights *weights, uint32_t n,
                     struct bnt_err *err) {
    p->sliced = *weights;
    p->sliced.w = malloc(n * sizeof *p->sliced.w);
    if (!p->sliced.w) return bnt_fail_nomem(err, "chaos", n * sizeof *p->sliced.w);
    memcpy(p->sliced.w, weights->w, n * sizeof *p->sliced.w);
    for (uint32_t i = 0; i < n; i++) p->sliced.w[i].step = 1;
    return BNT_OK;
}

static int add_party(struct bnt_chaos *c, const struct bnt_model *model,
                     const struct bnt_backend *backend, struct bnt_err *err) {
    struct bnt_exec *first = c->parties[0].exec;
    struct party *p = &c->parties[c->n_parties];
    int status = bnt_weights_load(&p->packed, model, &backend->kernels,
                                  &(struct bnt_loading){.pool = bnt_look_pool(first)}, err);
    if (status == BNT_E_BACKEND) return BNT_OK; /* it cannot hold the model */
    if (status != BNT_OK) return status;
    memcpy(p->name, backend->name, sizeof p->name);
    c->n_parties++;
    if ((status = cut_alike(p, &p->packed, model->n_matrices, err)) != BNT_OK) return status;
    status = bnt_exec_open_beside(&p->exec, first, &p->sliced, &backend->kernels, err);
    if (status == BNT_OK) bnt_exec_share_buffers(p->exec, first);
    return status;
}

static int add_first(struct bnt_chaos *c, const struct bnt_engine *engine, struct bnt_exec *exec,
                     struct bnt_err *err) {
    struct party *p = &c->parties[0];
    int status = cut_alike(p, &engine->weights, engine->model->n_matrices, err);
    if (status != BNT_OK) return status;
    memcpy(p->name, engine->backend->name, sizeof p->name);
    p->exec = exec;
    c->engine_weights = bnt_exec_change_weights(exec, &p->sliced);
    c->n_parties = 1;
    return BNT_OK;
}

static int add_all(struct bnt_chaos *c, const struct bnt_engine *engine, struct bnt_err *err) {
    for (size_t i = 0; i < bnt_backends_count(c->backends) && c->n_parties < MOST; i++) {
        const struct bnt_backend *b = bnt_backends_get(c->backends, i);
        if (!b || strcmp(b->name, c->parties[0].name) == 0) continue;
        int status = add_party(c, engine->model, b, err);
        if (status != BNT_OK) return status;
    }
    if (c->n_parties < 2)
        return bnt_fail(err, BNT_E_BACKEND, "chaos needs two backends, and only '%s' is usable",
                        c->parties[0].name);
    return BNT_OK;
}

int bnt_chaos_open(struct bnt_chaos **out, struct bnt_engine *engine, struct bnt_session *session,
                   const char *plugin_dir, uint64_t seed, struct bnt_watch *watch,
                   struct bnt_err *err) {
    const struct bnt_backends_options all = {.plugin_dir = plugin_dir, .try_all = true};
    struct bnt_exec *exec = bnt_session_exec(session);
    size_t members = bnt_pool_threads(bnt_look_pool(exec)) * sizeof(struct member);
    *out = NULL;
    struct bnt_chaos *c = calloc(1, sizeof *c);
    if (!c) return bnt_fail_nomem(err, "chaos", sizeof *c);
    c->watch = watch;
    c->key[0] = (uint32_t)seed;
    c->key[1] = (uint32_t)(seed >> 32);
    c->members = aligned_alloc(128, members);
    int status = c->members ? BNT_OK : bnt_fail_nomem(err, "chaos", members);
    if (status == BNT_OK) memset(c->members, 0, members);
    if (status == BNT_OK) status = bnt_backends_open(&c->backends, &all, err);
    if (status == BNT_OK) status = add_first(c, engine, exec, err);
    if (status == BNT_OK) status = add_all(c, engine, err);
    if (status != BNT_OK) {
        bnt_chaos_close(c);
        return status;
    }
    bnt_exec_hook(exec, &(struct bnt_exec_hook){.arg = c, .begin = begin, .slice = slice});
    *out = c;
    return BNT_OK;
}

void bnt_chaos_close(struct bnt_chaos *c) {
    if (!c) return;
    if (c->n_parties) {
        bnt_exec_hook(c->parties[0].exec, NULL);
        bnt_exec_change_weights(c->parties[0].exec, c->engine_weights);
    }
    for (unsigned p = 0; p < c->n_parties; p++) {
        if (p) bnt_exec_close(c->parties[p].exec);
        if (p) bnt_weights_free(&c->parties[p].packed);
        free(c->parties[p].sliced.w);
    }
    bnt_backends_close(c->backends);
    free(c->members);
    free(c);
}

size_t bnt_chaos_count(const struct bnt_chaos *c) {
    return c->n_parties;
}

const char *bnt_chaos_name(const struct bnt_chaos *c, size_t i) {
    return c->parties[i].name;
}

uint64_t bnt_chaos_slices(const struct bnt_chaos *c, size_t i) {
    uint64_t slices = 0;
    for (unsigned m = 0; m < bnt_pool_threads(bnt_look_pool(c->parties[0].exec)); m++)
        slices += c->members[m].slices[i];
    return slices;
}
