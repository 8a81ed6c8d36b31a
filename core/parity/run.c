/*
 * run.c - a parity run from its engine on: free-running (greedy tokens and their logits), lock-step
 * (each operation from the same inputs) and, where asked for, chaos.
 *
 * Both backends in one process, on one model. After each part the receipt so far is left as the
 * draft, for a watchdog who completes it when time is up.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "parity/parity.h"
#include "plugin/slots.h"

void parity_enter(struct parity *p, enum parity_phase phase) {
    enum parity_phase before = (enum parity_phase)atomic_load(&p->phase);
    double wall = parity_elapsed(p), cpu = parity_cpu();
    p->wall[before] += wall - p->phase_start;
    p->cpu[before] += cpu - p->phase_cpu_start;
    p->phase_start = wall;
    p->phase_cpu_start = cpu;
    atomic_store(&p->phase, phase);
    atomic_store(&p->step, 0);
}

int parity_publish(struct parity *p, struct bnt_err *err) {
    json_t *now = parity_receipt(p, PARITY_TIMEOUT, "the time limit was reached");
    json_t *copy = json_deep_copy(now); /* counts of references are not for two threads */
    json_decref(now);
    if (bnt_json_lost() || !copy) {
        json_decref(copy);
        return bnt_fail_nomem(err, "the receipt", 0);
    }
    pthread_mutex_lock(&p->mutex);
    json_decref(p->draft);
    p->draft = copy;
    pthread_mutex_unlock(&p->mutex);
    return BNT_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_tested(struct parity *p, struct bnt_err *err) {
    uint64_t longest;
    int status = parity_encode_prompts(p, &longest, err);
    if (status != BNT_OK) return status;
    const struct bnt_session_options o = {.n_ctx = longest + p->o.steps,
                                          .n_batch = p->o.n_batch,
                                          .threads = p->o.threads,
                                          .no_bind = p->o.no_bind};
    status = bnt_session_open(&p->session, p->engine, &o, err);
    if (status != BNT_OK) return status;
    pthread_mutex_lock(&p->mutex);
    p->exec = bnt_session_exec(p->session);
    pthread_mutex_unlock(&p->mutex);
    return BNT_OK;
}

/* The judge on the same model, its weights packed by the same threads. */
static int open_judge(struct parity *p, bool *missing, struct bnt_err *err) {
    const char *name = p->o.against;
    struct bnt_exec *exec = bnt_session_exec(p->session);
    int status = BNT_OK;
    p->judge = bnt_judge();
    if (name && strcmp(name, p->judge->name) != 0) {
        const struct bnt_backends_options o = {.plugin_dir = p->o.plugin_dir, .want = name};
        p->judge = NULL;
        status = bnt_backends_open(&p->tables, &o, err);
        if (status == BNT_OK) p->judge = bnt_backends_chosen(p->tables);
    }
    if (status == BNT_OK)
        status = bnt_weights_load(&p->judge_weights, p->engine->model, &p->judge->kernels,
                                  &(struct bnt_loading){.pool = bnt_look_pool(exec)}, err);
    *missing = status == BNT_E_BACKEND;
    if (status == BNT_OK && p->o.free_run)
        status =
            bnt_exec_open_beside(&p->judge_exec, exec, &p->judge_weights, &p->judge->kernels, err);
    return status;
}

/* ---- the parts ------------------------------------------------------------------------------ */

static void watched_slice(void *arg, uint32_t op, unsigned i, unsigned n) {
    struct parity *p = arg;
    bnt_watch_slice(&p->watch, p->engine->backend->name, bnt_session_exec(p->session), op, i, n);
}

static void judges_slice(void *arg, uint32_t op, unsigned i, unsigned n) {
    struct parity *p = arg;
    bnt_watch_slice(&p->watch, p->judge->name, p->judge_exec, op, i, n);
}

/* The judge's run of the same prompt. */
static int run_judge(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    parity_enter(p, PHASE_JUDGING);
    bnt_exec_hook(p->judge_exec, &(struct bnt_exec_hook){.arg = p, .slice = judges_slice});
    int status =
        bnt_trace_judge(&q->judge, p->judge_exec, q->list.ids, q->list.count, q->x.tokens, err);
    bnt_exec_hook(p->judge_exec, NULL);
    if (status != BNT_OK) return status;
    q->free = bnt_trace_compare(&q->x, &q->judge);
    q->freed = true;
    return parity_publish(p, err);
}

/* X alone, then the judge, unless the lock-step takes its place: see run_lockstep. */
static int run_free(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    struct bnt_exec *exec = bnt_session_exec(p->session);
    const struct bnt_exec_hook hook = {.arg = p, .slice = watched_slice, .watches = true};
    parity_enter(p, PHASE_FREE);
    bnt_exec_hook(exec, &hook);
    int status = bnt_trace_session(&q->x, p->session, q->list.ids, q->list.count, 0, &p->step, err);
    bnt_exec_hook(exec, NULL);
    if (status != BNT_OK) return status;
    q->ran = true;
    return p->o.lockstep && q->judged_from ? parity_publish(p, err) : run_judge(p, q, err);
}

/* The tokens that nobody judges: as X's free run left them, or fed now. */
static int feed_unjudged(struct parity *p, const struct parity_prompt *q, struct bnt_err *err) {
    if (q->ran && bnt_session_position(p->session) > q->judged_from) return BNT_OK;
    bnt_session_truncate(p->session, 0);
    return bnt_session_feed(p->session, q->list.ids, q->judged_from, BNT_WANT_NONE, err);
}

/*
 * The same run again with the judge beside it. A network that overflows is stopped by the session,
 * but what was judged until then counts. Of a long prompt only the end is judged, in another batch
 * than X's free run had it; then this run, not the judge's own, is what the free run must equal.
 */
static int run_lockstep(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    struct bnt_lockstep *l;
    struct bnt_trace t = {0};
    uint32_t n_vocab = p->engine->info.n_vocab;
    parity_enter(p, PHASE_LOCKSTEP);
    int status = feed_unjudged(p, q, err);
    if (status != BNT_OK) return status;
    p->watch.tested = p->engine->backend->name;
    p->watch.judge = p->judge->name;
    status = bnt_lockstep_open(&l, bnt_session_exec(p->session), &p->judge_weights,
                               &p->judge->kernels, p->o.first_only, &p->watch, err);
    if (status != BNT_OK) return status;
    status = bnt_trace_open(&t, p->o.steps, n_vocab, err);
    if (status == BNT_OK)
        status = bnt_trace_session(&t, p->session, q->list.ids, q->list.count, q->judged_from,
                                   &p->step, err);
    q->lockstep = *bnt_lockstep_report(l);
    q->stepped = q->lockstep.runs > 0;
    for (size_t i = 0; i < bnt_slot_count; i++) p->judge_calls[i] += bnt_lockstep_calls(l, i);
    if (p->o.cells) {
        const size_t size = bnt_look_plan(bnt_session_exec(p->session))->n_ops * sizeof *q->cells;
        if ((q->cells = malloc(size)) != NULL) memcpy(q->cells, bnt_lockstep_cells(l), size);
        if (!q->cells && status == BNT_OK) status = bnt_fail_nomem(err, "the report", size);
    }
    if (status == BNT_E_NUMERIC && q->lockstep.found) status = BNT_OK;
    if (status == BNT_OK && !q->freed) {
        struct bnt_trace *to = q->ran ? &q->judge : &q->x;
        bnt_trace_close(to);
        *to = t;
        t = (struct bnt_trace){0};
        q->freed = q->ran;
        if (q->ran) q->free = bnt_trace_compare(&q->x, &q->judge);
    }
    bnt_trace_close(&t);
    bnt_lockstep_close(l);
    return status == BNT_OK ? parity_publish(p, err) : status;
}

static int run_chaos(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    struct bnt_trace t = {0};
    parity_enter(p, PHASE_CHAOS);
    int status = bnt_trace_open(&t, p->o.steps, p->engine->info.n_vocab, err);
    if (status == BNT_OK)
        status = bnt_trace_session(&t, p->session, q->list.ids, q->list.count, 0, &p->step, err);
    if (status == BNT_OK) {
        q->chaos = bnt_trace_compare(&t, &q->judge);
        q->chaotic = true;
    }
    bnt_trace_close(&t);
    return status == BNT_OK ? parity_publish(p, err) : status;
}

static int run_prompt(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    size_t steps = p->o.steps;
    struct bnt_err free_err = {0};
    int status = bnt_trace_open(&q->x, steps, p->engine->info.n_vocab, err), alone = BNT_OK;
    if (status == BNT_OK) status = bnt_trace_open(&q->judge, steps, p->engine->info.n_vocab, err);
    if (status == BNT_OK && p->o.free_run) alone = run_free(p, q, &free_err);
    if (status == BNT_OK && alone != BNT_OK && (alone != BNT_E_NUMERIC || !p->o.lockstep))
        return bnt_fail(err, alone, "%s", free_err.text);
    if (status == BNT_OK && p->o.lockstep) status = run_lockstep(p, q, err);
    /* Numbers that are not finite, and lock-step found no fault: it is the model's. */
    if (status == BNT_OK && alone != BNT_OK && !q->lockstep.found)
        status = bnt_fail(err, alone, "%s", free_err.text);
    return status;
}

static int run_all_chaos(struct parity *p, struct bnt_err *err) {
    parity_enter(p, PHASE_CHAOS);
    bnt_session_truncate(p->session, 0);
    int status = bnt_chaos_open(&p->chaos, p->engine, p->session, p->o.plugin_dir, p->o.chaos,
                                &p->watch, err);
    for (unsigned i = 0; i < p->n_prompts && status == BNT_OK; i++) {
        atomic_store(&p->prompt, i);
        if (p->prompts[i].freed && !p->prompts[i].judged_from)
            status = run_chaos(p, &p->prompts[i], err);
    }
    return status;
}

int parity_run(struct parity *p, enum parity_status *result, struct bnt_err *err) {
    bool missing = false;
    *result = PARITY_ERROR;
    int status = open_tested(p, err);
    if (status == BNT_OK) status = parity_publish(p, err);
    if (status != BNT_OK) return status;
    parity_enter(p, PHASE_REFERENCE);
    status = open_judge(p, &missing, err);
    if (missing) *result = PARITY_NO_REFERENCE;
    if (status != BNT_OK) return status;
    parity_enter(p, PHASE_HASHING);
    status = parity_facts(p, err);
    if (status == BNT_OK) status = parity_publish(p, err);
    for (unsigned i = 0; i < p->n_prompts && status == BNT_OK; i++) {
        atomic_store(&p->prompt, i);
        status = run_prompt(p, &p->prompts[i], err);
    }
    if (status == BNT_OK && p->o.chaotic) status = run_all_chaos(p, err);
    for (size_t i = 0; p->judge_exec && i < bnt_slot_count; i++)
        p->judge_calls[i] += bnt_exec_calls(p->judge_exec, i);
    if (status == BNT_OK) {
        parity_enter(p, PHASE_DONE);
        *result = PARITY_OK;
    }
    return status;
}

void parity_close(struct parity *p) {
    bnt_chaos_close(p->chaos);
    bnt_exec_close(p->judge_exec);
    bnt_weights_free(&p->judge_weights);
    bnt_backends_close(p->tables);
    bnt_session_close(p->session);
    for (unsigned i = 0; i < p->n_prompts; i++) {
        bnt_token_list_free(&p->prompts[i].list);
        bnt_trace_close(&p->prompts[i].x);
        bnt_trace_close(&p->prompts[i].judge);
        free(p->prompts[i].cells);
    }
    bnt_engine_close(p->engine);
    json_decref(p->facts);
    json_decref(p->draft);
    pthread_mutex_destroy(&p->mutex);
}
