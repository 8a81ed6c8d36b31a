/* running.c - see running.h. */
#include "serve/running.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/engine.h"

enum { FIRST_PIECE = 64, LEAST_PIECE = 16, SCORED_AT_ONCE = 32 };
static const double step_seconds = 0.25; /* what a step with prompts in it should take */

int serve_running_open(struct serve_running *r, struct bnt_engine *engine,
                       const struct serve_running_options *o, struct serve_counts *counts,
                       struct bnt_err *err) {
    *r = (struct serve_running){.engine = engine,
                                .counts = counts,
                                .most = o->parallel,
                                .piece = o->piece ? o->piece : FIRST_PIECE,
                                .fixed_piece = o->piece != 0,
                                .prefix = {.budget = o->cache_bytes,
                                           .per_position = bnt_engine_bytes_per_position(engine)}};
    int status = bnt_context_open(&r->context, engine, &o->context, err);
    if (status != BNT_OK) return status;
    const uint32_t batch = r->context->options.n_batch;
    if (r->piece > batch) r->piece = batch;
    r->row_capacity = r->most + (size_t)batch;
    r->jobs = calloc(r->most, sizeof *r->jobs);
    r->spans = calloc(r->most, sizeof *r->spans);
    r->rows = calloc(r->row_capacity, sizeof *r->rows);
    r->sequences = calloc(r->most, sizeof *r->sequences);
    r->fed = calloc(r->most, sizeof *r->fed);
    if (r->jobs && r->spans && r->rows && r->sequences && r->fed) return BNT_OK;
    serve_running_close(r);
    return bnt_fail_nomem(err, "the scheduler", r->row_capacity * sizeof *r->rows);
}

void serve_running_close(struct serve_running *r) {
    serve_prefix_close(&r->prefix);
    bnt_context_close(r->context);
    free(r->jobs);
    free(r->spans);
    free(r->rows);
    free(r->sequences);
    free(r->fed);
    *r = (struct serve_running){0};
}

/* ---- joining and leaving -------------------------------------------------------------------- */

void serve_job_refuse(struct serve_job *job, int status, const char *why) {
    job->status = bnt_fail(&job->err, status, "%s", why);
    job->ended = bnt_now();
    job->on_done(job->arg);
}

static void count_job(struct serve_counts *c, const struct serve_job *job) {
    atomic_fetch_add(&c->jobs, 1);
    if (job->status == BNT_E_INTERRUPTED)
        atomic_fetch_add(&c->cancelled, 1);
    else if (job->status != BNT_OK)
        atomic_fetch_add(&c->failed, 1);
    atomic_fetch_add(&c->prompt_tokens, job->fed);
    atomic_fetch_add(&c->cached_tokens, job->cached);
    atomic_fetch_add(&c->made_tokens, job->made.n_tokens);
}

static void finish(struct serve_running *r, struct serve_job *job, int status) {
    job->ended = bnt_now();
    job->status = bnt_answer_end(&job->answer, status);
    job->made.prefill_tokens = job->n - job->cached;
    job->made.prefill_seconds = job->first > 0.0 ? job->first - job->started : 0.0;
    job->made.decode_seconds = job->first > 0.0 ? job->ended - job->first : 0.0;
    if (job->sequence) serve_prefix_keep(&r->prefix, job->sequence);
    job->sequence = NULL;
    count_job(r->counts, job);
    job->on_done(job->arg);
}

static void leave(struct serve_running *r, unsigned i, int status) {
    struct serve_job *job = r->jobs[i];
    memmove(&r->jobs[i], &r->jobs[i + 1], (--r->count - i) * sizeof *r->jobs);
    finish(r, job, status);
}

static int begin(struct serve_running *r, struct serve_job *job) {
    const uint64_t context = bnt_context_positions(r->context);
    int status = bnt_answer_begin(&job->answer, &job->made, r->engine, &job->options, job->ids,
                                  job->n, context, &job->err);
    if (status != BNT_OK) return status;
    if (job->n == 0) return bnt_fail(&job->err, BNT_E_USAGE, "the prompt has no token");
    if (job->n > context)
        return bnt_fail(&job->err, BNT_E_LIMIT, "the prompt has %zu tokens, and the context %zu",
                        job->n, (size_t)context);
    if (job->prompt_want) return bnt_sequence_open(&job->sequence, r->context, &job->err);
    for (unsigned i = 0; i < r->count; i++) r->sequences[i] = r->jobs[i]->sequence;
    status = serve_prefix_open(&job->sequence, &r->prefix, r->context, r->sequences, r->count,
                               job->ids, job->n, &job->err);
    if (status == BNT_OK) bnt_sequence_tokens(job->sequence, &job->cached);
    job->fed = job->cached;
    return status;
}

void serve_running_join(struct serve_running *r, struct serve_job *job) {
    job->started = bnt_now();
    int status = begin(r, job);
    if (status == BNT_OK)
        r->jobs[r->count++] = job;
    else
        finish(r, job, status);
}

/* ---- a step --------------------------------------------------------------------------------- */

static bool in_prompt(const struct serve_job *job) {
    return job->fed < job->n;
}

static uint32_t prompt_left(const struct serve_job *job) {
    size_t left = job->n - job->fed, most = job->prompt_want ? SCORED_AT_ONCE : UINT32_MAX;
    return (uint32_t)(left < most ? left : most);
}

/* Evenly: who has less left than a share leaves the rest of it to the others. */
static void share_piece(struct serve_running *r) {
    uint32_t left = r->piece, waiting = 0;
    for (unsigned i = 0; i < r->count; i++) {
        r->jobs[i]->span_size = in_prompt(r->jobs[i]) ? 0 : 1;
        if (in_prompt(r->jobs[i])) waiting++;
    }
    while (waiting) {
        uint32_t share = left / waiting, before = waiting;
        for (unsigned i = 0; i < r->count; i++) {
            struct serve_job *job = r->jobs[i];
            if (job->span_size || prompt_left(job) > share) continue;
            job->span_size = prompt_left(job);
            left -= job->span_size;
            waiting--;
        }
        if (waiting < before) continue;
        for (unsigned i = 0; i < r->count; i++) { /* all that are left have more than a share */
            struct serve_job *job = r->jobs[i];
            if (job->span_size || left == 0) continue;
            job->span_size = share ? share : 1;
            left -= job->span_size;
        }
        return;
    }
}

/* What the job wants of its span's rows; false: there is no room for them. */
static bool ask_rows(struct serve_running *r, struct serve_job *job, size_t *used) {
    const bool prompt = in_prompt(job);
    const bool goes_on = !job->answer.over && (!prompt || job->fed + job->span_size == job->n);
    const size_t need = prompt && job->prompt_want ? job->span_size : goes_on ? 1 : 0;
    if (*used + need > r->row_capacity) return false;
    job->first_row = *used;
    for (uint32_t i = 0; i < need; i++)
        r->rows[*used + i] = (struct bnt_row){.token = job->span_size - (uint32_t)need + i,
                                              .want = prompt ? job->prompt_want : 0};
    *used += need;
    if (goes_on) {
        struct bnt_row *last = &r->rows[*used - 1];
        bnt_answer_look(&job->answer);
        bnt_answer_ask(&job->answer, 0, last);
    }
    return true;
}

static unsigned compose(struct serve_running *r, struct serve_job **fed) {
    unsigned n = 0;
    size_t rows = 0;
    share_piece(r);
    for (unsigned i = 0; i < r->count; i++) {
        struct serve_job *job = r->jobs[i];
        if (job->span_size == 0 || !ask_rows(r, job, &rows)) continue;
        const int32_t *ids =
            in_prompt(job) ? job->ids + job->fed : &job->made.tokens[job->made.n_tokens - 1];
        r->spans[n] = (struct bnt_span){.sequence = job->sequence,
                                        .ids = ids,
                                        .count = job->span_size,
                                        .rows = r->rows + job->first_row,
                                        .n_rows = rows - job->first_row};
        fed[n++] = job;
    }
    return n;
}

/* What a feed gave for span s goes to its job. */
static int take_rows(struct serve_running *r, struct serve_job *job, size_t s) {
    const size_t n_rows = r->spans[s].n_rows;
    int status = BNT_OK;
    if (in_prompt(job)) {
        for (size_t i = 0; job->prompt_want && i < job->span_size && status == BNT_OK; i++) {
            const float *values = job->prompt_want & BNT_ROW_LOGITS
                                      ? bnt_context_logits(r->context, s, i)
                                      : bnt_context_hidden(r->context, s, i);
            status = job->on_prompt_row(job->arg, job->fed + i, values, &job->err);
        }
        job->fed += job->span_size;
        if (status != BNT_OK || in_prompt(job)) return status;
        job->first = bnt_now();
    } else {
        job->made.decode_steps++;
    }
    if (job->answer.over) return status;
    const struct bnt_result *last = bnt_context_result(r->context, s, n_rows - 1);
    const struct bnt_answer_row row = {
        last->hidden,
        {last->logits, last->top, last->n_top, last->named, r->spans[s].rows[n_rows - 1].allowed}};
    return bnt_answer_step(&job->answer, &row);
}

static void settle(struct serve_running *r, struct serve_job *job, int status) {
    unsigned i = 0;
    if (status == BNT_OK && (in_prompt(job) || !job->answer.over)) return;
    while (r->jobs[i] != job) i++;
    leave(r, i, status);
}

/* A step should take a quarter of a second, whatever the machine. */
static void follow_clock(struct serve_running *r, uint32_t prompt_tokens, double seconds) {
    if (r->fixed_piece || prompt_tokens < r->piece) return;
    double fit = r->piece * step_seconds / (seconds > 1e-6 ? seconds : 1e-6);
    const double low = r->piece / 2.0, high = r->piece * 2.0;
    fit = fit < low ? low : fit > high ? high : fit;
    const uint32_t batch = r->context->options.n_batch;
    r->piece = fit < LEAST_PIECE ? LEAST_PIECE : fit > batch ? batch : (uint32_t)fit;
}

static void leave_cancelled(struct serve_running *r) {
    for (unsigned i = r->count; i-- > 0;) {
        struct serve_job *job = r->jobs[i];
        if (atomic_load(&job->cancelled))
            leave(r, i, bnt_fail(&job->err, BNT_E_INTERRUPTED, "cancelled"));
    }
}

void serve_running_step(struct serve_running *r) {
    struct serve_job **fed = r->fed;
    leave_cancelled(r);
    unsigned n = compose(r, fed);
    if (n == 0) return;
    uint32_t prompt_tokens = 0;
    for (unsigned s = 0; s < n; s++)
        if (in_prompt(fed[s])) prompt_tokens += fed[s]->span_size;
    struct bnt_err err = {0};
    double start = bnt_now();
    int status = bnt_context_feed(r->context, r->spans, n, &err);
    double seconds = bnt_now() - start;
    atomic_fetch_add(&r->counts->steps, 1);
    atomic_fetch_add(&r->counts->microseconds, (unsigned long long)(seconds * 1e6));
    if (status == BNT_OK) {
        follow_clock(r, prompt_tokens, seconds);
        for (unsigned s = 0; s < n; s++) fed[s]->status = take_rows(r, fed[s], s);
        for (unsigned s = 0; s < n; s++) settle(r, fed[s], fed[s]->status);
        return;
    }
    /* One of them is at fault, and nothing has moved: each by itself, and only that one leaves. */
    for (unsigned s = 0; s < n; s++) {
        const struct bnt_span span = r->spans[s];
        status = n == 1 ? status : bnt_context_feed(r->context, &span, 1, &fed[s]->err);
        r->spans[0] = span;
        if (status == BNT_OK)
            status = take_rows(r, fed[s], 0);
        else if (n == 1)
            fed[s]->err = err;
        settle(r, fed[s], status);
    }
}
