/*
 * parity.c - `bitnet parity`: does a backend give the judge's bits?
 *
 * Both in one process, on one model: free-running (greedy tokens and their logits), lock-step (each
 * operation from the same inputs) and, where asked for, chaos. Whatever happens, a receipt is left:
 * after each part the receipt so far is handed to the watchdog, who completes it when time is up.
 */
#include "cmd/parity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/watchdog.h"
#include "plugin/slots.h"
#include "receipt.h"

/* ---- the watchdog's side -------------------------------------------------------------------- */

static void set_phase(struct parity *p, enum parity_phase phase) {
    enum parity_phase before = (enum parity_phase)atomic_load(&p->phase);
    double wall = parity_elapsed(p), cpu = parity_cpu();
    p->wall[before] += wall - p->phase_start;
    p->cpu[before] += cpu - p->phase_cpu_start;
    p->phase_start = wall;
    p->phase_cpu_start = cpu;
    atomic_store(&p->phase, phase);
    atomic_store(&p->step, 0);
}

/* Hands a copy of the receipt so far to the watchdog. */
static int publish(struct parity *p, struct bnt_err *err) {
    json_t *now = parity_receipt(p, PARITY_TIMEOUT, "the time limit was reached");
    json_t *copy = json_deep_copy(now); /* counts of references are not for two threads */
    json_decref(now);
    if (!copy) return bnt_fail_nomem(err, "the receipt", 0);
    pthread_mutex_lock(&p->mutex);
    json_decref(p->draft);
    p->draft = copy;
    pthread_mutex_unlock(&p->mutex);
    return BNT_OK;
}

static void last_words(void *arg) {
    struct parity *p = arg;
    struct bnt_err err = {0};
    char where[600];
    pthread_mutex_lock(&p->mutex);
    parity_where(p, where, sizeof where);
    parity_add_progress(p, p->draft);
    int written = parity_write(p->draft, p->output, &err);
    dprintf(STDERR_FILENO, "bitnet: parity: time limit of %" PRIu32 " s reached (%s); %s %s\n",
            p->args->timeout, where,
            written == BNT_OK ? "receipt:" : "no receipt:", written == BNT_OK ? p->path : err.text);
    char *text = p->args->json ? json_dumps(p->draft, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (text) dprintf(STDOUT_FILENO, "%s\n", text);
}

/* ---- where the receipt goes ----------------------------------------------------------------- */

static int make_folder(const char *path, struct bnt_err *err) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return BNT_OK;
    return bnt_fail(err, BNT_E_IO, "cannot make the folder '%.400s': %s", path, strerror(errno));
}

/* -o, or BASELINES_DIR/YYYY-MM-DD/parity-NAME.json; folders that are missing are made. */
static int choose_path(struct parity *p, const char *name, struct bnt_err *err) {
    const char *base = getenv("BASELINES_DIR");
    char path[PATH_MAX];
    struct tm t = bnt_receipt_utc(time(NULL));
    if (!base || !*base) base = "docs/baselines";
    int n = p->args->output ? snprintf(path, sizeof path, "%s", p->args->output)
                            : snprintf(path, sizeof path, "%s/%04d-%02d-%02d/parity-%s.json", base,
                                       t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return bnt_fail(err, BNT_E_IO, "the receipt's path is too long");
    for (char *slash = path + 1; !p->args->output && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int status = make_folder(path, err);
        *slash = '/';
        if (status != BNT_OK) return status;
    }
    struct bnt_output *output;
    if (p->output && strcmp(path, p->path) == 0) return BNT_OK;
    int status = cmd_output_open(&output, p->args, path, err);
    if (status != BNT_OK) return status;
    pthread_mutex_lock(&p->mutex);
    bnt_output_close(p->output);
    p->output = output;
    memcpy(p->path, path, sizeof path);
    pthread_mutex_unlock(&p->mutex);
    return BNT_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int open_tested(struct parity *p, struct bnt_err *err) {
    uint64_t longest;
    unsigned threads = p->args->threads.count ? p->args->threads.values[0] : 0;
    int status = cmd_open_engine(&p->engine, p->args, err);
    if (status == BNT_OK) status = choose_path(p, p->engine->backend->name, err);
    if (status == BNT_OK) status = parity_encode_prompts(p, &longest, err);
    if (status != BNT_OK) return status;
    const struct bnt_session_options o = {.n_ctx = longest + p->args->n_predict,
                                          .n_batch = p->args->batch,
                                          .threads = threads,
                                          .no_bind = p->args->bind_none};
    status = bnt_session_open(&p->session, p->engine, &o, err);
    if (status != BNT_OK) return status;
    pthread_mutex_lock(&p->mutex);
    p->exec = bnt_session_exec(p->session);
    pthread_mutex_unlock(&p->mutex);
    return BNT_OK;
}

/* The judge on the same model, its weights packed by the same threads. */
static int open_judge(struct parity *p, bool *missing, struct bnt_err *err) {
    const char *name = p->args->against;
    struct bnt_exec *exec = bnt_session_exec(p->session);
    int status = BNT_OK;
    p->judge = bnt_judge();
    if (name && strcmp(name, p->judge->name) != 0) {
        const struct bnt_backends_options o = {.plugin_dir = p->args->plugin_dir, .want = name};
        p->judge = NULL;
        status = bnt_backends_open(&p->tables, &o, err);
        if (status == BNT_OK) p->judge = bnt_backends_chosen(p->tables);
    }
    if (status == BNT_OK)
        status = bnt_weights_load(&p->judge_weights, p->engine->model, &p->judge->kernels,
                                  &(struct bnt_loading){.pool = exec->pool}, err);
    *missing = status == BNT_E_BACKEND;
    if (status == BNT_OK && p->free_run)
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
    set_phase(p, PHASE_JUDGING);
    bnt_exec_hook(p->judge_exec, &(struct bnt_exec_hook){.arg = p, .slice = judges_slice});
    int status =
        bnt_trace_judge(&q->judge, p->judge_exec, q->list.ids, q->list.count, q->x.tokens, err);
    bnt_exec_hook(p->judge_exec, NULL);
    if (status != BNT_OK) return status;
    q->free = bnt_trace_compare(&q->x, &q->judge);
    q->freed = true;
    return publish(p, err);
}

/* X alone, then the judge, unless the lock-step takes its place: see run_lockstep. */
static int run_free(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    struct bnt_exec *exec = bnt_session_exec(p->session);
    const struct bnt_exec_hook hook = {.arg = p, .slice = watched_slice, .watches = true};
    set_phase(p, PHASE_FREE);
    bnt_exec_hook(exec, &hook);
    int status = bnt_trace_session(&q->x, p->session, q->list.ids, q->list.count, 0, &p->step, err);
    bnt_exec_hook(exec, NULL);
    if (status != BNT_OK) return status;
    q->ran = true;
    return p->lockstep && q->judged_from ? publish(p, err) : run_judge(p, q, err);
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
    set_phase(p, PHASE_LOCKSTEP);
    int status = feed_unjudged(p, q, err);
    if (status != BNT_OK) return status;
    p->watch.tested = p->engine->backend->name;
    p->watch.judge = p->judge->name;
    status = bnt_lockstep_open(&l, bnt_session_exec(p->session), &p->judge_weights,
                               &p->judge->kernels, p->args->first_only, &p->watch, err);
    if (status != BNT_OK) return status;
    status = bnt_trace_open(&t, p->args->n_predict, n_vocab, err);
    if (status == BNT_OK)
        status = bnt_trace_session(&t, p->session, q->list.ids, q->list.count, q->judged_from,
                                   &p->step, err);
    q->lockstep = *bnt_lockstep_report(l);
    q->stepped = q->lockstep.runs > 0;
    for (size_t i = 0; i < bnt_slot_count; i++) p->judge_calls[i] += bnt_lockstep_calls(l, i);
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
    return status == BNT_OK ? publish(p, err) : status;
}

static int run_chaos(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    struct bnt_trace t = {0};
    set_phase(p, PHASE_CHAOS);
    int status = bnt_trace_open(&t, p->args->n_predict, p->engine->info.n_vocab, err);
    if (status == BNT_OK)
        status = bnt_trace_session(&t, p->session, q->list.ids, q->list.count, 0, &p->step, err);
    if (status == BNT_OK) {
        q->chaos = bnt_trace_compare(&t, &q->judge);
        q->chaotic = true;
    }
    bnt_trace_close(&t);
    return status == BNT_OK ? publish(p, err) : status;
}

static int run_prompt(struct parity *p, struct parity_prompt *q, struct bnt_err *err) {
    size_t steps = p->args->n_predict;
    struct bnt_err free_err = {0};
    int status = bnt_trace_open(&q->x, steps, p->engine->info.n_vocab, err), alone = BNT_OK;
    if (status == BNT_OK) status = bnt_trace_open(&q->judge, steps, p->engine->info.n_vocab, err);
    if (status == BNT_OK && p->free_run) alone = run_free(p, q, &free_err);
    if (status == BNT_OK && alone != BNT_OK && (alone != BNT_E_NUMERIC || !p->lockstep))
        return bnt_fail(err, alone, "%s", free_err.text);
    if (status == BNT_OK && p->lockstep) status = run_lockstep(p, q, err);
    /* Numbers that are not finite, and lock-step found no fault: it is the model's. */
    if (status == BNT_OK && alone != BNT_OK && !q->lockstep.found)
        status = bnt_fail(err, alone, "%s", free_err.text);
    return status;
}

static int run_all_chaos(struct parity *p, struct bnt_err *err) {
    set_phase(p, PHASE_CHAOS);
    bnt_session_truncate(p->session, 0);
    int status = bnt_chaos_open(&p->chaos, p->engine, p->session, p->args->plugin_dir,
                                p->args->chaos, &p->watch, err);
    for (unsigned i = 0; i < p->n_prompts && status == BNT_OK; i++) {
        atomic_store(&p->prompt, i);
        if (p->prompts[i].freed && !p->prompts[i].judged_from)
            status = run_chaos(p, &p->prompts[i], err);
    }
    return status;
}

static int run_parts(struct parity *p, enum parity_status *result, struct bnt_err *err) {
    bool missing = false;
    *result = PARITY_ERROR;
    set_phase(p, PHASE_OPENING);
    int status = open_tested(p, err);
    if (status == BNT_OK) status = publish(p, err);
    if (status != BNT_OK) return status;
    set_phase(p, PHASE_REFERENCE);
    status = open_judge(p, &missing, err);
    if (missing) *result = PARITY_NO_REFERENCE;
    if (status != BNT_OK) return status;
    set_phase(p, PHASE_HASHING);
    status = parity_facts(p, err);
    if (status == BNT_OK) status = publish(p, err);
    for (unsigned i = 0; i < p->n_prompts && status == BNT_OK; i++) {
        atomic_store(&p->prompt, i);
        status = run_prompt(p, &p->prompts[i], err);
    }
    if (status == BNT_OK && p->args->chaos_given) status = run_all_chaos(p, err);
    for (size_t i = 0; p->judge_exec && i < bnt_slot_count; i++)
        p->judge_calls[i] += bnt_exec_calls(p->judge_exec, i);
    if (status == BNT_OK) {
        set_phase(p, PHASE_DONE);
        *result = PARITY_OK;
    }
    return status;
}

/* ---- the verdict ---------------------------------------------------------------------------- */

/* Operations of all batches: those before the prompt's last one end where the head begins. */
static uint64_t operations_of(const struct parity *p, const struct parity_prompt *q) {
    const struct bnt_exec *e = bnt_session_exec(p->session);
    uint64_t batches = (q->list.count - q->judged_from - 1) / e->options.n_batch, headless = 0;
    for (uint32_t k = 0; k < e->plan.n_ops && !e->plan.ops[k].on_wanted; k++) headless++;
    return batches * headless + (uint64_t)p->args->n_predict * e->plan.n_ops;
}

/* That lock-step found nothing only counts if it looked at everything. */
static int check_complete(const struct parity *p, const struct parity_prompt *q,
                          struct bnt_err *err) {
    uint64_t compared = 0, wanted = operations_of(p, q);
    for (unsigned k = 0; k < BNT_OP_COUNT; k++) compared += q->lockstep.compared[k];
    if (compared == wanted && q->lockstep.values) return BNT_OK;
    return bnt_fail(err, BNT_E_MISMATCH,
                    "prompt %s: lock-step compared %" PRIu64 " operations of %" PRIu64, q->name,
                    compared, wanted);
}

static int check_search(const struct parity_prompt *q, struct bnt_err *err) {
    const struct bnt_top *got = &q->x.search_fault.got, *wanted = &q->x.search_fault.wanted;
    if (!q->ran || !q->x.search_fault.found) return BNT_OK;
    return bnt_fail(err, BNT_E_MISMATCH,
                    "prompt %s, free run: step %zu, largest logit number %" PRIu32
                    ": the search of the head found token %" PRId32
                    " (%.9g), all logits give %" PRId32 " (%.9g)",
                    q->name, q->x.search_fault.step, q->x.search_fault.rank + 1, got->id,
                    (double)got->logit, wanted->id, (double)wanted->logit);
}

/* Fails with the first thing that differs, in the order in which a reader wants to know. */
static int judge_all(const struct parity *p, struct bnt_err *err) {
    char text[400];
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        if (q->stepped && q->lockstep.found)
            return bnt_fail(err, BNT_E_MISMATCH, "prompt %s, lock-step: %s", q->name,
                            bnt_op_difference_text(&q->lockstep.first, p->engine->model->hp.n_layer,
                                                   text, sizeof text));
        int status = p->lockstep ? check_complete(p, q, err) : BNT_OK;
        if (status != BNT_OK) return status;
    }
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        const struct bnt_agreement *a = &q->free;
        int status = check_search(q, err);
        if (status != BNT_OK) return status;
        bool chaos = !q->freed || a->first_divergence == q->x.steps;
        if (chaos) a = &q->chaos;
        if (chaos ? !q->chaotic : !q->freed) continue;
        if (a->first_divergence < q->x.steps)
            return bnt_fail(err, BNT_E_MISMATCH,
                            "prompt %s, %s: logits differ from step %zu on (%zu of %zu tokens "
                            "equal, least cosine %.9g)",
                            q->name, chaos ? "chaos" : "free run", a->first_divergence,
                            a->equal_tokens, q->x.steps, a->cosine);
    }
    return BNT_OK;
}

static void show(const struct parity *p) {
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        uint64_t compared = 0, different = 0;
        if (!q->ran && !q->stepped) continue;
        for (unsigned k = 0; k < BNT_OP_COUNT; k++) {
            compared += q->lockstep.compared[k];
            different += q->lockstep.different[k];
        }
        printf("%s: %zu tokens\n", q->name, q->list.count);
        if (q->ran)
            printf("  search     %zu of %zu tokens found by a search of the head\n", q->x.searched,
                   q->x.steps);
        if (q->freed)
            printf("  free run   %zu of %zu tokens equal, %zu of %zu logit vectors\n",
                   q->free.equal_tokens, q->x.steps, q->free.equal_logits, q->x.steps);
        if (q->stepped)
            printf("  lock-step  %" PRIu64 " operations, %" PRIu64 " values, %" PRIu64
                   " operations different\n",
                   compared, q->lockstep.values, different);
        if (q->stepped && q->judged_from)
            printf("             from position %zu on\n", q->judged_from);
        if (q->chaotic)
            printf("  chaos      %zu of %zu tokens equal, %zu of %zu logit vectors, %zu backends\n",
                   q->chaos.equal_tokens, q->x.steps, q->chaos.equal_logits, q->x.steps,
                   bnt_chaos_count(p->chaos));
    }
}

static int finish(struct parity *p, enum parity_status result, int status, struct bnt_err *err) {
    struct bnt_err write_err = {0};
    json_t *receipt = parity_receipt(p, result, status == BNT_OK ? NULL : err->text);
    int written = parity_write(receipt, p->output, &write_err);
    if (p->args->json && receipt) {
        (void)cmd_write_json(receipt, NULL);
    } else {
        json_decref(receipt);
        show(p);
        if (written == BNT_OK) printf("receipt: %s\n", p->path);
        (void)cmd_flush(NULL);
    }
    if (status == BNT_OK && written != BNT_OK) return bnt_fail(err, written, "%s", write_err.text);
    return status;
}

static void close_all(struct parity *p) {
    bnt_chaos_close(p->chaos);
    bnt_exec_close(p->judge_exec);
    bnt_weights_free(&p->judge_weights);
    bnt_backends_close(p->tables);
    bnt_session_close(p->session);
    for (unsigned i = 0; i < p->n_prompts; i++) {
        bnt_token_list_free(&p->prompts[i].list);
        bnt_trace_close(&p->prompts[i].x);
        bnt_trace_close(&p->prompts[i].judge);
    }
    bnt_engine_close(p->engine);
    bnt_output_close(p->output);
    json_decref(p->facts);
    json_decref(p->draft);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

int cmd_parity(const struct cmd_args *args, struct bnt_err *err) {
    struct cmd_watchdog *watchdog = NULL;
    enum parity_status result;
    struct parity *p = calloc(1, sizeof *p);
    if (!p) return bnt_fail_nomem(err, "parity", sizeof *p);
    p->args = args;
    p->start = bnt_now();
    p->free_run = args->free_run || args->chaos_given || !args->lockstep;
    p->lockstep = args->lockstep || !args->free_run;
    pthread_mutex_init(&p->mutex, NULL);
    int status = parity_choose_prompts(p, err);
    if (status == BNT_OK) status = choose_path(p, args->backend ? args->backend : "auto", err);
    if (status == BNT_OK) status = publish(p, err);
    if (status == BNT_OK)
        status = cmd_watchdog_start(&watchdog, args->timeout, bnt_status_exit(BNT_E_TIMEOUT),
                                    last_words, p, err);
    if (status == BNT_OK) {
        status = run_parts(p, &result, err);
        if (status == BNT_OK && (status = judge_all(p, err)) != BNT_OK) result = PARITY_DIVERGENCE;
        cmd_watchdog_stop(watchdog);
        status = finish(p, result, status, err);
    }
    close_all(p);
    return status;
}
