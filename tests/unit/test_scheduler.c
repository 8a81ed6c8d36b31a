/*
 * test_scheduler.c - many requests at once: is each answer the one that the request gets alone?
 *
 * Prompts share beginnings of every length, some are longer than a step; half of them are sampled.
 * What bnt_generate makes of each in a session of its own is the reference: tokens, text, and the
 * chain of hidden states. Then all come at once, in orders drawn at random, with and without
 * beginnings that are kept, while others are cancelled or fail among them.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "rng.h"
#include "run/generate.h"
#include "serve/scheduler.h"
#include "suite.h"
#include "synth.h"

enum { REQUESTS = 50, CONTEXT = 160, MOST_MADE = 24 };

static char path[64];
static struct bnt_engine *engine;
static uint32_t n_vocab;
static const char *const stops[] = {"e", "qq"};

struct request {
    int32_t ids[CONTEXT];
    size_t n;
    struct bnt_generate_options options;
    struct bnt_generation alone;
};
static struct request requests[REQUESTS];

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

/* A prompt goes on from a random beginning of one before it. */
static void make_prompt(unsigned i, struct rng *r) {
    struct request *q = &requests[i];
    const struct request *from = i ? &requests[rng_next(r) % i] : NULL;
    size_t shared = from ? rng_next(r) % (from->n + 1) : 0;
    q->n = shared + 1 + rng_next(r) % (CONTEXT - 40 - shared);
    if (shared) memcpy(q->ids, from->ids, shared * sizeof *q->ids);
    for (size_t k = shared; k < q->n; k++) q->ids[k] = (int32_t)(rng_next(r) % n_vocab);
    q->options = (struct bnt_generate_options){.sampling = bnt_sampling_default(),
                                               .n_predict = 1 + rng_next(r) % MOST_MADE,
                                               .stops = stops,
                                               .n_stops = i % 3 == 0 ? 2 : 0};
    if (i % 2) q->options.sampling.temperature = 1.5f;
    if (i % 4 == 1) q->options.sampling.top_k = 20;
    if (i % 8 == 3) q->options.sampling.repeat_penalty = 1.3f;
    q->options.sampling.seed = i;
}

static void set_up(void) {
    struct bnt_err err = {0};
    struct synth s;
    uint64_t bytes;
    struct rng r = rng_stream(5, 0);
    struct bnt_session *session;
    snprintf(path, sizeof path, "/tmp/bitnet-test-scheduler-%d.gguf", (int)getpid());
    ck_assert(synth_preset(&s, "tiny"));
    ck_assert_int_eq(synth_save(&s, path, &bytes), 0);
    must(bnt_engine_open(&engine, path, NULL, &err), &err);
    n_vocab = bnt_engine_info(engine)->n_vocab;
    const struct bnt_session_options o = {.n_ctx = CONTEXT, .threads = 1, .no_bind = true};
    must(bnt_session_open(&session, engine, &o, &err), &err);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct request *q = &requests[i];
        make_prompt(i, &r);
        bnt_session_truncate(session, 0);
        must(bnt_generate(&q->alone, engine, session, q->ids, q->n, &q->options, &err), &err);
    }
    bnt_session_close(session);
}

static void tear_down(void) {
    for (unsigned i = 0; i < REQUESTS; i++) bnt_generation_free(&requests[i].alone);
    bnt_engine_close(engine);
    unlink(path);
}

/* ---- jobs and waiting ------------------------------------------------------------------------ */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned left;
};

struct post { /* a job, and who waits for it */
    struct serve_job job;
    struct waiter *waiter;
    char text[4096];
    size_t len, rows;
};

static void on_done(void *arg) {
    struct post *p = arg;
    struct waiter *w = p->waiter;
    pthread_mutex_lock(&w->lock);
    w->left--;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static int on_text(void *arg, const char *text, size_t len, struct bnt_err *err) {
    struct post *p = arg;
    (void)err;
    ck_assert_uint_lt(p->len + len, sizeof p->text);
    memcpy(p->text + p->len, text, len);
    p->len += len;
    return BNT_OK;
}

static void wait_for(struct waiter *w) {
    pthread_mutex_lock(&w->lock);
    while (w->left) pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static struct post *post_of(const struct request *q, struct waiter *w) {
    struct post *p = calloc(1, sizeof *p);
    ck_assert(p);
    p->waiter = w;
    p->job.ids = q->ids;
    p->job.n = q->n;
    p->job.options = q->options;
    p->job.options.on_text = on_text;
    p->job.options.on_text_arg = p;
    p->job.on_done = on_done;
    p->job.arg = p;
    return p;
}

static struct serve_scheduler *scheduler(unsigned parallel, unsigned queue, unsigned threads,
                                         uint64_t cache, uint32_t piece) {
    struct bnt_err err = {0};
    struct serve_scheduler *s;
    const struct serve_scheduler_options o = {.running = {.context = {.n_ctx = CONTEXT,
                                                                      .n_batch = 64,
                                                                      .threads = threads,
                                                                      .no_bind = true},
                                                          .parallel = parallel,
                                                          .cache_bytes = cache,
                                                          .piece = piece},
                                              .queue = queue};
    must(serve_scheduler_open(&s, engine, &o, &err), &err);
    return s;
}

static void submit(struct serve_scheduler *s, struct post *p) {
    struct bnt_err err = {0};
    pthread_mutex_lock(&p->waiter->lock);
    p->waiter->left++;
    pthread_mutex_unlock(&p->waiter->lock);
    must(serve_scheduler_submit(s, &(struct serve_job *){&p->job}, 1, &err), &err);
}

static void expect_alone(const struct post *p, const struct bnt_generation *alone) {
    const struct bnt_generation *made = &p->job.made;
    must(p->job.status, &p->job.err);
    ck_assert_uint_eq(made->n_tokens, alone->n_tokens);
    ck_assert_mem_eq(made->tokens, alone->tokens, alone->n_tokens * sizeof *alone->tokens);
    ck_assert_str_eq(made->text, alone->text);
    ck_assert_str_eq(made->hidden_digest, alone->hidden_digest);
    ck_assert_int_eq(made->reason, alone->reason);
    ck_assert_uint_eq(p->len, alone->text_len);
    ck_assert_mem_eq(p->text, alone->text, p->len);
}

static void forget(struct post *p) {
    bnt_generation_free(&p->job.made);
    free(p);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* All in a random order, among jobs that fail and jobs that are cancelled. */
static uint64_t round_of(struct serve_scheduler *s, uint64_t seed) {
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct rng r = rng_stream(seed, 1);
    struct post *posts[REQUESTS], *others[REQUESTS];
    struct request bad = {.ids = {1, 2, (int32_t)n_vocab}, .n = 3, .options = requests[0].options};
    unsigned order[REQUESTS];
    uint64_t cached = 0;
    for (unsigned i = 0; i < REQUESTS; i++) {
        unsigned k = (unsigned)(rng_next(&r) % (i + 1));
        order[i] = order[k];
        order[k] = i;
    }
    for (unsigned i = 0; i < REQUESTS; i++) {
        others[i] = post_of(i % 3 ? &requests[rng_next(&r) % REQUESTS] : &bad, &w);
        submit(s, posts[order[i]] = post_of(&requests[order[i]], &w));
        submit(s, others[i]);
        if (i % 3 == 1) serve_scheduler_cancel(s, &others[i]->job);
    }
    wait_for(&w);
    for (unsigned i = 0; i < REQUESTS; i++) {
        expect_alone(posts[i], &requests[i].alone);
        cached += posts[i]->job.cached;
        if (i % 3 == 0) ck_assert_int_eq(others[i]->job.status, BNT_E_LIMIT);
        forget(posts[i]);
        forget(others[i]);
    }
    return cached;
}

START_TEST(answers_do_not_depend_on_company) {
    for (unsigned threads = 1; threads <= 2; threads++) {
        for (unsigned parallel = 1; parallel <= 16; parallel *= 4) {
            struct serve_scheduler *s = scheduler(parallel, 200, threads, 0, 3 + 9 * parallel);
            ck_assert_uint_eq(round_of(s, parallel), 0);
            serve_scheduler_close(s);
        }
    }
}
END_TEST

START_TEST(nor_on_beginnings_that_are_kept) {
    struct serve_scheduler *s = scheduler(7, 200, 2, 1 << 20, 0);
    for (unsigned i = 0; i < 3; i++) ck_assert_uint_gt(round_of(s, 100 + i), 0);
    struct serve_load load = serve_scheduler_load(s);
    ck_assert_uint_gt(load.kept, 0);
    ck_assert_uint_le(load.kept_bytes, 1 << 20);
    serve_scheduler_close(s);
}
END_TEST

/* A job that cannot end by itself, however slow the machine: each step waits for who ends it. */
static int until_cancelled(void *arg, const struct bnt_step *step, struct bnt_err *err) {
    struct post *p = arg;
    (void)step;
    (void)err;
    while (!atomic_load(&p->job.cancelled)) usleep(1000);
    return BNT_OK;
}

START_TEST(a_full_line_is_refused_and_places_come_back) {
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct serve_scheduler *s = scheduler(1, 3, 1, 0, 1);
    struct request q = requests[0];
    struct post *posts[4], *more = post_of(&requests[1], &w);
    struct bnt_err err = {0};
    q.n = 100;
    q.options = (struct bnt_generate_options){
        .sampling = bnt_sampling_default(), .n_predict = CONTEXT, .ignore_eog = true};
    for (unsigned i = 0; i < 4; i++) {
        posts[i] = post_of(&q, &w);
        posts[i]->job.options.on_step = until_cancelled;
        posts[i]->job.options.on_step_arg = posts[i];
        submit(s, posts[i]);
    }
    ck_assert_int_eq(serve_scheduler_submit(s, &(struct serve_job *){&more->job}, 1, &err),
                     BNT_E_LIMIT);
    for (unsigned i = 0; i < 3; i++) serve_scheduler_cancel(s, &posts[i]->job);
    while (serve_scheduler_load(s).waiting) usleep(1000);
    submit(s, more);
    serve_scheduler_cancel(s, &posts[3]->job);
    wait_for(&w);
    for (unsigned i = 0; i < 4; i++) ck_assert_int_eq(posts[i]->job.status, BNT_E_INTERRUPTED);
    expect_alone(more, &requests[1].alone);
    for (unsigned i = 0; i < 4; i++) forget(posts[i]);
    forget(more);
    serve_scheduler_close(s);
}
END_TEST

static int on_row(void *arg, size_t token, const float *values, struct bnt_err *err) {
    struct post *p = arg;
    (void)err;
    ck_assert_uint_eq(token, p->rows++);
    ck_assert_ptr_nonnull(values);
    return BNT_OK;
}

START_TEST(rows_of_a_prompt_come_in_order) {
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct serve_scheduler *s = scheduler(4, 200, 2, 1 << 20, 0);
    struct post *posts[REQUESTS];
    for (unsigned i = 0; i < REQUESTS; i++) {
        posts[i] = post_of(&requests[i], &w);
        posts[i]->job.prompt_want = i % 2 ? BNT_ROW_LOGITS : BNT_ROW_HIDDEN;
        posts[i]->job.on_prompt_row = on_row;
        if (i % 5 == 0) posts[i]->job.options.n_predict = 0;
        submit(s, posts[i]);
    }
    wait_for(&w);
    for (unsigned i = 0; i < REQUESTS; i++) {
        ck_assert_uint_eq(posts[i]->rows, requests[i].n);
        if (i % 5) expect_alone(posts[i], &requests[i].alone);
        forget(posts[i]);
    }
    serve_scheduler_close(s);
}
END_TEST

START_TEST(abort_ends_what_runs_and_what_waits) {
    struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct serve_scheduler *s = scheduler(2, 200, 1, 0, 1);
    struct post *posts[REQUESTS];
    for (unsigned i = 0; i < REQUESTS; i++) submit(s, posts[i] = post_of(&requests[i], &w));
    serve_scheduler_abort(s);
    wait_for(&w);
    for (unsigned i = 0; i < REQUESTS; i++) forget(posts[i]);
    serve_scheduler_close(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("scheduler");
    TCase *tc = tcase_create("jobs");
    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, answers_do_not_depend_on_company);
    tcase_add_test(tc, nor_on_beginnings_that_are_kept);
    tcase_add_test(tc, a_full_line_is_refused_and_places_come_back);
    tcase_add_test(tc, rows_of_a_prompt_come_in_order);
    tcase_add_test(tc, abort_ends_what_runs_and_what_waits);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
