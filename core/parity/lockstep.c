/*
 * lockstep.c - see lockstep.h.
 *
 * The one idea: the team that computes an operation also judges it. For each operation all members
 * meet, copy X's inputs to the judge, meet, compute X's slice and the judge's, meet, and compare a
 * share of the outputs each.
 */
#include "parity/lockstep.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one member found in its share of one operation. */
struct finding {
    uint64_t count; /* of values that differ */
    struct bnt_op_difference first;
};

struct member {
    alignas(128) struct finding finding;
    uint64_t values;
    int8_t *q[2];       /* [cols]: X's, the judge's */
    float *a[2];        /* [cols / block] */
    float *k[2], *v[2]; /* [heads * head_dim] */
};

struct bnt_lockstep {
    struct bnt_exec *x, *judge;
    struct bnt_watch *watch;
    bool stop_at_first, stopped;
    bool acts_differ; /* the judge's quantized activations are not X's */
    struct member *members;
    struct bnt_mem scratch;
    struct bnt_lockstep_report report;
    struct bnt_lockstep_cell *cells; /* [n_ops] */
};

/* ---- inputs --------------------------------------------------------------------------------- */

static void copy_rows(struct bnt_lockstep *l, enum bnt_buffer b, uint64_t values, unsigned i,
                      unsigned n) {
    uint64_t lo, hi;
    bnt_slice(values, 16, i, n, &lo, &hi);
    memcpy(bnt_look_row(l->judge, b, 0, 0) + lo, bnt_look_row(l->x, b, 0, 0) + lo,
           (hi - lo) * sizeof(float));
}

/* Member i's share of all that the operation reads. Activations and cache, in layouts of their own,
 * the judge makes from X's values itself. */
static void copy_inputs(struct bnt_lockstep *l, const struct bnt_op *op, unsigned i, unsigned n) {
    struct bnt_operand reads[BNT_OP_MOST_READS];
    for (unsigned k = bnt_op_reads(op, reads); k-- > 0;) {
        const struct bnt_operand *o = &reads[k];
        if (bnt_buffer_is_f32(o->buffer))
            copy_rows(l, o->buffer, (uint64_t)bnt_look_rows(l->x, o) * o->width, i, n);
    }
}

/* ---- outputs -------------------------------------------------------------------------------- */

static uint32_t bits_of(const void *value, size_t size) {
    uint32_t bits = 0;
    if (size == 1) return (uint32_t)(int32_t) * (const int8_t *)value;
    memcpy(&bits, value, sizeof bits);
    return bits;
}

/* n values of `size` bytes, X's and the judge's. */
static void compare(struct member *m, const struct bnt_op_difference *where, const void *got,
                    const void *wanted, uint64_t n, size_t size) {
    const char *g = got, *w = wanted;
    m->values += n;
    if (memcmp(g, w, n * size) == 0) return;
    for (uint64_t at = 0; at < n; at++) {
        if (memcmp(g + at * size, w + at * size, size) == 0) continue;
        if (m->finding.count++) continue;
        m->finding.first = *where;
        m->finding.first.row = where->row + at;
        m->finding.first.got = bits_of(g + at * size, size);
        m->finding.first.wanted = bits_of(w + at * size, size);
    }
}

static void compare_f32(struct bnt_lockstep *l, const struct bnt_op *op,
                        struct bnt_op_difference *where, unsigned i, unsigned n) {
    struct bnt_operand out = bnt_op_writes(op);
    uint64_t part = out.width / op->heads, lo, hi;
    bnt_slice((uint64_t)bnt_look_rows(l->x, &out) * out.width, 1, i, n, &lo, &hi);
    where->what = "value";
    while (lo < hi) { /* up to the end of a token's head each time */
        uint64_t end = (lo / part + 1) * part;
        if (end > hi) end = hi;
        where->token = lo / out.width;
        where->head = (uint32_t)(lo % out.width / part);
        where->row = lo % part;
        compare(&l->members[i], where, bnt_look_row(l->x, op->out, 0, 0) + lo,
                bnt_look_row(l->judge, op->out, 0, 0) + lo, end - lo, sizeof(float));
        lo = end;
    }
}

static void compare_acts(struct bnt_lockstep *l, const struct bnt_op *op,
                         struct bnt_op_difference *where, unsigned i, unsigned n) {
    struct member *m = &l->members[i];
    struct bnt_operand out = bnt_op_writes(op);
    bnt_act_shape shape = {bnt_look_rows(l->x, &out), out.width, op->block, 0};
    uint64_t lo, hi, blocks = op->block ? out.width / op->block : 1;
    bnt_slice(shape.tokens, 1, i, n, &lo, &hi);
    for (uint64_t t = lo; t < hi; t++) {
        bnt_look_kernels(l->x)->act_unpack(
            &(bnt_act_unpack_args){shape, t, t + 1, bnt_look_acts(l->x), m->q[0], m->a[0]});
        bnt_look_kernels(l->judge)->act_unpack(
            &(bnt_act_unpack_args){shape, t, t + 1, bnt_look_acts(l->judge), m->q[1], m->a[1]});
        where->token = t;
        where->what = "quantized value";
        compare(m, where, m->q[0], m->q[1], out.width, 1);
        where->what = "activation scale";
        compare(m, where, m->a[0], m->a[1], blocks, sizeof(float));
    }
}

static void compare_cache(struct bnt_lockstep *l, const struct bnt_op *op,
                          struct bnt_op_difference *where, unsigned i, unsigned n) {
    struct member *m = &l->members[i];
    uint32_t heads = bnt_look_model(l->x)->hp.n_head_kv,
             head_dim = bnt_look_model(l->x)->hp.head_dim;
    uint64_t lo, hi;
    bnt_slice(bnt_look_tokens(l->x), 1, i, n, &lo, &hi);
    for (uint64_t row = lo; row < hi; row++) {
        uint64_t before = m->finding.count, pos = bnt_look_position(l->x, (uint32_t)row);
        struct bnt_kv *kv = bnt_look_kv(l->judge, (uint32_t)row);
        bnt_kv_read(bnt_look_kv(l->x, (uint32_t)row), op->layer, pos, m->k[0], m->v[0]);
        bnt_kv_read(kv, op->layer, pos, m->k[1], m->v[1]);
        where->token = row;
        for (uint32_t h = 0; h < heads; h++) {
            size_t at = (size_t)h * head_dim;
            where->head = h;
            where->what = "K value";
            compare(m, where, m->k[0] + at, m->k[1] + at, head_dim, sizeof(float));
            where->what = "V value";
            compare(m, where, m->v[0] + at, m->v[1] + at, head_dim, sizeof(float));
        }
        /* The judge goes on from X's cache: binary16 values, so nothing is rounded on the way. */
        if (m->finding.count > before) bnt_kv_write(kv, op->layer, pos, m->k[0], m->v[0]);
    }
}

/* ---- one operation -------------------------------------------------------------------------- */

static bool judgeable(const struct bnt_lockstep *l, const struct bnt_op *op) {
    return !(op->kind == BNT_OP_LINEAR && op->in == BNT_BUF_ACTS && l->acts_differ);
}

static void compare_outputs(struct bnt_lockstep *l, uint32_t k, unsigned i, unsigned n) {
    const struct bnt_op *op = &bnt_look_plan(l->x)->ops[k];
    struct bnt_op_difference where = {.run = l->report.runs - 1,
                                      .op = k,
                                      .kind = op->kind,
                                      .layer = op->layer,
                                      .heads = op->heads,
                                      .tensor = op->tensor};
    l->members[i].finding.count = 0;
    if (!judgeable(l, op)) return;
    if (op->out == BNT_BUF_ACTS)
        compare_acts(l, op, &where, i, n);
    else if (op->out == BNT_BUF_CACHE)
        compare_cache(l, op, &where, i, n);
    else
        compare_f32(l, op, &where, i, n);
}

/* By member 0 alone: what all found, the lowest share first. */
static void join(struct bnt_lockstep *l, uint32_t k, unsigned n) {
    const struct bnt_op *op = &bnt_look_plan(l->x)->ops[k];
    struct bnt_lockstep_report *r = &l->report;
    const struct finding *first = NULL;
    for (unsigned i = 0; i < n; i++) {
        r->values += l->members[i].values;
        l->members[i].values = 0;
    }
    if (!judgeable(l, op)) {
        r->unjudged++;
        return;
    }
    for (unsigned i = n; i-- > 0;)
        if (l->members[i].finding.count) first = &l->members[i].finding;
    r->compared[op->kind]++;
    r->different[op->kind] += first != NULL;
    l->cells[k].compared++;
    l->cells[k].different += first != NULL;
    if (op->kind == BNT_OP_QUANTIZE) l->acts_differ = first != NULL;
    if (!first) return;
    if (!r->found) {
        r->first = first->first;
        struct bnt_operand out = bnt_op_writes(op);
        uint32_t row = bnt_look_batch_row(l->x, &out, (uint32_t)first->first.token);
        r->first.position = bnt_look_position(l->x, row);
    }
    r->found = true;
    l->stopped = l->stop_at_first;
}

static const char *tested(const struct bnt_lockstep *l) {
    return l->watch ? l->watch->tested : NULL;
}

static void slice(void *arg, uint32_t k, unsigned i, unsigned n) {
    struct bnt_lockstep *l = arg;
    const struct bnt_op *op = &bnt_look_plan(l->x)->ops[k];
    bnt_pool_barrier(
        bnt_look_pool(l->x)); /* all are done with the operation before, and with its report */
    if (l->stopped) {
        bnt_watch_slice(l->watch, tested(l), l->x, k, i, n);
        return;
    }
    copy_inputs(l, op, i, n);
    bnt_pool_barrier(bnt_look_pool(l->x));
    bnt_watch_slice(l->watch, tested(l), l->x, k, i, n);
    bnt_watch_slice(l->watch, l->watch ? l->watch->judge : NULL, l->judge, k, i, n);
    bnt_pool_barrier(bnt_look_pool(l->x));
    compare_outputs(l, k, i, n);
    bnt_pool_barrier(bnt_look_pool(l->x));
    if (i == 0) join(l, k, n);
}

static int begin(void *arg, struct bnt_err *err) {
    struct bnt_lockstep *l = arg;
    l->report.runs++;
    return bnt_exec_follow(l->judge, l->x, err);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void *take(uint8_t **at, uint64_t count, uint64_t size) {
    void *p = *at;
    *at += (count * size + 127) & ~(uint64_t)127;
    return p;
}

static int alloc_members(struct bnt_lockstep *l, unsigned n, struct bnt_err *err) {
    uint64_t cols = bnt_look_plan(l->x)->width[BNT_BUF_NORM];
    uint64_t kv = (uint64_t)bnt_look_model(l->x)->hp.n_head_kv * bnt_look_model(l->x)->hp.head_dim;
    uint64_t each = 2 * (cols + cols * sizeof(float) + 2 * kv * sizeof(float)) + 8 * 128;
    l->members = aligned_alloc(128, n * sizeof *l->members);
    if (!l->members) return bnt_fail_nomem(err, "the lock-step", n * sizeof *l->members);
    memset(l->members, 0, n * sizeof *l->members);
    int status = bnt_mem_alloc(&l->scratch, n * each, "the lock-step", err);
    if (status != BNT_OK) return status;
    uint8_t *at = l->scratch.ptr;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned side = 0; side < 2; side++) {
            l->members[i].q[side] = take(&at, cols, 1);
            l->members[i].a[side] = take(&at, cols, sizeof(float));
            l->members[i].k[side] = take(&at, kv, sizeof(float));
            l->members[i].v[side] = take(&at, kv, sizeof(float));
        }
    }
    return BNT_OK;
}

int bnt_lockstep_open(struct bnt_lockstep **out, struct bnt_exec *x,
                      const struct bnt_weights *weights, const bnt_kernels *kernels,
                      bool stop_at_first, struct bnt_watch *watch, struct bnt_err *err) {
    *out = NULL;
    struct bnt_lockstep *l = calloc(1, sizeof *l);
    if (!l) return bnt_fail_nomem(err, "the lock-step", sizeof *l);
    l->x = x;
    l->watch = watch;
    l->stop_at_first = stop_at_first;
    int status = bnt_exec_open_beside(&l->judge, x, weights, kernels, err);
    if (status == BNT_OK) status = alloc_members(l, bnt_pool_threads(bnt_look_pool(x)), err);
    if (status == BNT_OK && !(l->cells = calloc(bnt_look_plan(x)->n_ops, sizeof *l->cells)))
        status = bnt_fail_nomem(err, "the lock-step", bnt_look_plan(x)->n_ops * sizeof *l->cells);
    if (status != BNT_OK) {
        bnt_lockstep_close(l);
        return status;
    }
    bnt_exec_hook(x, &(struct bnt_exec_hook){.arg = l, .begin = begin, .slice = slice});
    *out = l;
    return BNT_OK;
}

void bnt_lockstep_close(struct bnt_lockstep *l) {
    if (!l) return;
    bnt_exec_hook(l->x, NULL);
    bnt_exec_close(l->judge);
    bnt_mem_free(&l->scratch);
    free(l->members);
    free(l->cells);
    free(l);
}

const struct bnt_lockstep_report *bnt_lockstep_report(const struct bnt_lockstep *l) {
    return &l->report;
}

const struct bnt_lockstep_cell *bnt_lockstep_cells(const struct bnt_lockstep *l) {
    return l->cells;
}

uint64_t bnt_lockstep_calls(const struct bnt_lockstep *l, size_t slot) {
    return bnt_exec_calls(l->judge, slot);
}

/* ---- words ---------------------------------------------------------------------------------- */

char *bnt_op_difference_text(const struct bnt_op_difference *d, uint32_t n_layer, char *text,
                             size_t size) {
    char layer[32] = "outside the layers", tensor[128] = "", head[32] = "", values[96];
    if (d->layer < n_layer) snprintf(layer, sizeof layer, "layer %" PRIu32, d->layer);
    if (d->tensor[0]) snprintf(tensor, sizeof tensor, " '%s'", d->tensor);
    if (d->heads > 1) snprintf(head, sizeof head, ", head %" PRIu32, d->head);
    if (strcmp(d->what, "quantized value") == 0)
        snprintf(values, sizeof values, "is %" PRId32 ", the judge has %" PRId32, (int32_t)d->got,
                 (int32_t)d->wanted);
    else
        snprintf(values, sizeof values,
                 "is %.9g (0x%08" PRIx32 "), the judge has %.9g (0x%08" PRIx32 ")",
                 (double)bnt_f32_from_bits(d->got), d->got, (double)bnt_f32_from_bits(d->wanted),
                 d->wanted);
    snprintf(text, size,
             "run %" PRIu64 ", position %" PRIu64 ", %s, %s%s, token %" PRIu64 "%s, row %" PRIu64
             ": %s %s",
             d->run, d->position, layer, bnt_op_name(d->kind), tensor, d->token, head, d->row,
             d->what, values);
    return text;
}
