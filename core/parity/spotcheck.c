/*
 * spotcheck.c - see spotcheck.h.
 *
 * The one idea: which operations, rows and tokens are looked at is a function of the seed, the
 * position, the operation and the thread, by a counter-based generator, so threads share no state.
 */
#include "parity/spotcheck.h"

#include <inttypes.h>
#include <math.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parity/recompute.h"
#include "run/rng.h"

struct member {
    alignas(128) bool found;
    uint64_t position, rows; /* rows: recomputed so far */
    uint32_t op;
    struct bnt_recomputed fault; /* the first this member saw */
};

struct bnt_spotcheck {
    struct bnt_exec *e;
    struct bnt_recompute *judge;
    uint64_t threshold; /* of 2^32 */
    uint32_t key[2];
    struct member *members;
};

/* A number below n, n < 2^32, from 32 random bits. */
static uint64_t below(uint64_t n, uint32_t random) {
    return (n * random) >> 32;
}

static void look(struct bnt_spotcheck *s, uint32_t k, uint64_t token, uint64_t part, unsigned i) {
    struct member *m = &s->members[i];
    struct bnt_operand out = bnt_op_writes(&bnt_look_plan(s->e)->ops[k]);
    struct bnt_recomputed fault;
    m->rows++;
    if (!bnt_recompute_differs(s->judge, i, k, token, part, &fault) || m->found) return;
    m->found = true;
    m->fault = fault;
    m->op = k;
    m->position = bnt_look_position(s->e, bnt_look_batch_row(s->e, &out, (uint32_t)token));
}

/* The member that does the token looks at it. */
static void by_tokens(struct bnt_spotcheck *s, uint32_t k, uint64_t tokens, uint64_t token,
                      unsigned i, unsigned n) {
    uint64_t lo, hi;
    bnt_slice(tokens, 1, i, n, &lo, &hi);
    const bool mine = token >= lo && token < hi;
    if (mine) bnt_recompute_before(s->judge, i, k, token);
    bnt_exec_slice(s->e, k, i, n);
    if (mine) look(s, k, token, 0, i);
}

/* Each member looks at a row of its own. */
static void by_rows(struct bnt_spotcheck *s, uint32_t k, uint64_t tokens, const uint32_t now[4],
                    unsigned i, unsigned n) {
    const struct bnt_op *op = &bnt_look_plan(s->e)->ops[k];
    const uint32_t mine[4] = {now[0], now[1], k, i};
    uint32_t where[4];
    uint64_t lo, hi;
    bnt_exec_slice(s->e, k, i, n);
    bnt_slice(op->width, bnt_look_weights(s->e)->w[op->matrix].step, i, n, &lo, &hi);
    if (lo == hi || tokens == 0) return;
    bnt_philox4x32(mine, s->key, where);
    look(s, k, below(tokens, where[1]), lo + below(hi - lo, where[0]), i);
}

static void slice(void *arg, uint32_t k, unsigned i, unsigned n) {
    struct bnt_spotcheck *s = arg;
    const struct bnt_op *op = &bnt_look_plan(s->e)->ops[k];
    const uint64_t pos = bnt_look_position(s->e, 0);
    const uint32_t now[4] = {(uint32_t)pos, (uint32_t)(pos >> 32), k, UINT32_MAX};
    struct bnt_operand out = bnt_op_writes(op);
    const uint64_t tokens = bnt_look_rows(s->e, &out);
    uint32_t which[4]; /* all threads draw alike whether this one is looked at */
    bnt_philox4x32(now, s->key, which);
    if (which[0] >= s->threshold) {
        bnt_exec_slice(s->e, k, i, n);
        return;
    }
    switch (bnt_op_form(op->kind)->cut) {
    case BNT_CUT_ROWS: by_rows(s, k, tokens, now, i, n); break;
    case BNT_CUT_TOKENS: by_tokens(s, k, tokens, below(tokens, which[1]), i, n); break;
    case BNT_CUT_HEADS:
        bnt_exec_slice(s->e, k, i, n);
        bnt_pool_barrier(bnt_look_pool(s->e)); /* a head may be anybody's */
        if (i == below(n, which[3]))
            look(s, k, below(tokens, which[1]), below(op->heads, which[2]), i);
    }
}

/* ---- what was found -------------------------------------------------------------------------- */

static void values(const struct bnt_recomputed *f, char *got, char *wanted, size_t size) {
    if (strcmp(f->what, "quantized value") == 0) {
        snprintf(got, size, "%" PRId32, (int32_t)f->got);
        snprintf(wanted, size, "%" PRId32, (int32_t)f->wanted);
        return;
    }
    snprintf(got, size, "%.9g (0x%08" PRIx32 ")", (double)bnt_f32_from_bits(f->got), f->got);
    snprintf(wanted, size, "%.9g (0x%08" PRIx32 ")", (double)bnt_f32_from_bits(f->wanted),
             f->wanted);
}

/* Asked after each run: of what was found in it, the first operation is the cause of the others. */
static int verdict(void *arg, struct bnt_err *err) {
    const struct bnt_spotcheck *s = arg;
    const struct member *f = NULL;
    for (unsigned i = 0; i < bnt_pool_threads(bnt_look_pool(s->e)); i++) {
        const struct member *g = &s->members[i];
        if (g->found && (!f || g->op < f->op || (g->op == f->op && g->position < f->position)))
            f = g;
    }
    if (!f) return BNT_OK;
    const struct bnt_op *op = &bnt_look_plan(s->e)->ops[f->op];
    char layer[32] = "outside the layers", tensor[128] = "", head[32] = "", what[32] = "";
    char got[48], wanted[48];
    if (op->layer < bnt_look_model(s->e)->hp.n_layer)
        snprintf(layer, sizeof layer, "layer %" PRIu32, op->layer);
    if (op->tensor[0]) snprintf(tensor, sizeof tensor, " '%s'", op->tensor);
    if (op->heads > 1) snprintf(head, sizeof head, ", head %" PRIu32, f->fault.head);
    if (strcmp(f->fault.what, "value") != 0) snprintf(what, sizeof what, ", %s", f->fault.what);
    values(&f->fault, got, wanted, sizeof got);
    return bnt_fail(err, BNT_E_MISMATCH,
                    "spot-check: position %" PRIu64 ", %s, %s%s%s, row %" PRIu64
                    "%s: the backend computed %s, the judge %s",
                    f->position, layer, bnt_op_name(op->kind), tensor, head, f->fault.row, what,
                    got, wanted);
}

/* ---- opening -------------------------------------------------------------------------------- */

int bnt_spotcheck_open(struct bnt_spotcheck **out, struct bnt_exec *e, const bnt_kernels *judge,
                       double share, uint64_t seed, struct bnt_err *err) {
    const size_t bytes = bnt_pool_threads(bnt_look_pool(e)) * sizeof(struct member);
    *out = NULL;
    struct bnt_spotcheck *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the spot-check", sizeof *s);
    s->e = e;
    s->threshold = (uint64_t)ceil(share * 0x1p32);
    s->key[0] = (uint32_t)seed;
    s->key[1] = (uint32_t)(seed >> 32);
    s->members = aligned_alloc(128, bytes);
    int status = s->members ? BNT_OK : bnt_fail_nomem(err, "the spot-check", bytes);
    if (status == BNT_OK) {
        memset(s->members, 0, bytes);
        status = bnt_recompute_open(&s->judge, e, judge, err);
    }
    if (status != BNT_OK) {
        bnt_spotcheck_close(s);
        return status;
    }
    bnt_exec_hook(e, &(struct bnt_exec_hook){.arg = s, .slice = slice, .verdict = verdict});
    *out = s;
    return BNT_OK;
}

void bnt_spotcheck_close(struct bnt_spotcheck *s) {
    if (!s) return;
    bnt_exec_hook(s->e, NULL);
    bnt_recompute_close(s->judge);
    free(s->members);
    free(s);
}

uint64_t bnt_spotcheck_rows(const struct bnt_spotcheck *s) {
    uint64_t rows = 0;
    for (unsigned i = 0; i < bnt_pool_threads(bnt_look_pool(s->e)); i++) rows += s->members[i].rows;
    return rows;
}
