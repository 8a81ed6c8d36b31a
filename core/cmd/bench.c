/*
 * bench.c - `bitnet bench`: prefill (pp) and decode (tg) like the field's llama-bench, beside what
 * this machine can give.
 *
 * The one idea: a rate alone says little. Memory and arithmetic are measured in the same run, just
 * before and after each repetition, and each result is stated as a fraction of the best of them and
 * of those beside it. Tests take turns, round after round and over all thread counts, so that a
 * neighbour's disturbance meets each of them. Decode is greedy text generation; its tokens must be
 * the same each time, or the run fails.
 */
#include "cmd/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "receipt.h"
#include "run/generate.h"

enum { WARM_DECODE = 4 };

int bench_by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(const double *sorted, size_t n) {
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* ---- what is to be done --------------------------------------------------------------------- */

static uint32_t largest(const struct cmd_list *l) {
    uint32_t most = 0;
    for (unsigned i = 0; i < l->count; i++)
        if (l->values[i] > most) most = l->values[i];
    return most;
}

static const struct cmd_list *or_default(const struct cmd_list *given, const struct cmd_list *def) {
    return given->count ? given : def;
}

static int check_args(const struct cmd_args *args, struct bnt_err *err) {
    const struct cmd_list *t = &args->threads;
    if (args->json && args->csv) return bnt_fail(err, BNT_E_USAGE, "--json and --csv: one of them");
    for (unsigned i = 0; i < t->count; i++)
        for (unsigned k = 0; k < i; k++)
            if (t->values[i] == t->values[k])
                return bnt_fail(err, BNT_E_USAGE, "threads: %u stands twice in the list",
                                t->values[i]);
    if (!args->kernels) return BNT_OK;
    if (args->csv || args->plot || args->receipt || args->batch || args->prompt_sizes.count ||
        args->predict_sizes.count || args->depths.count || args->sequences.count ||
        args->accept.count)
        return bnt_fail(err, BNT_E_USAGE,
                        "--kernels runs no model: it takes none of -p, -n, -d, -b, -B, --accept, "
                        "--csv, --plot, --receipt");
    return BNT_OK;
}

static void add_test(struct bench *b, const struct bench_test *like) {
    struct bench_test *t = &b->tests[b->n_tests];
    double *rates = b->rates + b->n_tests++ * 2 * b->args->repeat;
    *t = *like;
    t->rates = rates;
    t->beside = rates + b->args->repeat;
    snprintf(t->name, sizeof t->name, "%s%u", t->decode ? "tg" : "pp", t->count);
}

/* At a depth, with a team: prefill sizes, then decode sizes, each of them for every number of
 * sequences and every share of right guesses. */
static void add_tests(struct bench *b, struct bench_test at) {
    const struct cmd_list *accept = &b->args->accept;
    for (unsigned k = 0; k < 2; k++) {
        at.decode = k == 1;
        for (unsigned i = 0; i < b->sizes[k].count; i++) {
            at.count = b->sizes[k].values[i];
            if (at.count == 0) continue;
            for (unsigned n = 0; n < (at.decode ? b->batches.count : 1); n++) {
                at.batch = at.decode ? b->batches.values[n] : 1;
                add_test(b, &at);
            }
            at.batch = 1;
            for (unsigned n = 0; at.decode && n < accept->count; n++) {
                at.accept = accept->values[n];
                add_test(b, &at);
            }
            at.accept = 0;
        }
    }
}

static int plan(struct bench *b, struct bnt_err *err) {
    const struct cmd_args *args = b->args;
    const struct cmd_list one = {.values = {bnt_topology_default_threads(b->engine->topology)},
                                 .count = 1};
    const struct cmd_list none = {.count = 1}, single = {.values = {1}, .count = 1},
                          pp = {.values = {512}, .count = 1}, tg = {.values = {128}, .count = 1};
    b->threads = *or_default(&args->threads, &one);
    b->sizes[0] = *or_default(&args->prompt_sizes, &pp);
    b->sizes[1] = *or_default(&args->predict_sizes, &tg);
    b->depths = *or_default(&args->depths, &none);
    b->batches = *or_default(&args->sequences, &single);
    b->most_batch = largest(&b->batches);
    b->most_made = largest(&b->sizes[1]);
    uint32_t pp_most = largest(&b->sizes[0]);
    if (pp_most == 0 && b->most_made == 0)
        return bnt_fail(err, BNT_E_USAGE, "nothing to time: -p and -n are both 0");
    if (args->receipt && b->most_made == 0)
        return bnt_fail(err, BNT_E_USAGE, "a receipt is of generated tokens, and -n is 0");
    size_t most =
        (size_t)b->threads.count * b->depths.count *
        (b->sizes[0].count + (size_t)b->sizes[1].count * (b->batches.count + args->accept.count));
    size_t n_ids = (size_t)largest(&b->depths) + pp_most,
           n_made = b->depths.count * (size_t)b->most_batch * b->most_made;
    b->tests = calloc(most, sizeof *b->tests);
    b->rates = calloc(most * 2 * args->repeat, sizeof *b->rates);
    b->ids = malloc((n_ids + 1) * sizeof *b->ids);
    b->made = malloc((n_made + 1) * sizeof *b->made);
    if (!b->tests || !b->rates || !b->ids || !b->made)
        return bnt_fail_nomem(err, "the tests", most * 2 * args->repeat * sizeof *b->rates);
    /* Ids that spread over the vocabulary; what they are does not matter. */
    uint32_t x = 12345, n_vocab = bnt_engine_info(b->engine)->n_vocab;
    for (size_t i = 0; i < n_ids; i++) {
        x = x * 1664525u + 1013904223u;
        b->ids[i] = (int32_t)(x % n_vocab);
    }
    for (size_t i = 0; i < n_made; i++) b->made[i] = -1;
    for (unsigned t = 0; t < b->threads.count; t++)
        for (unsigned d = 0; d < b->depths.count; d++)
            add_tests(
                b, (struct bench_test){.team = t, .depth = b->depths.values[d], .depth_index = d});
    return bnt_encode_prompt(bnt_engine_tokenizer(b->engine), "", 0, BNT_ENCODE_BOS, &b->start,
                             err);
}

/* ---- one test ------------------------------------------------------------------------------- */

static enum bnt_limit limit_of(const struct bench_test *test) {
    return test->decode ? BNT_LIMIT_READ : BNT_LIMIT_INT8;
}

static int run_test(struct bench *b, struct bench_test *test, uint32_t repetition,
                    struct bnt_err *err) {
    struct bnt_session *s = b->sessions[test->team];
    int status = BNT_OK;
    bnt_session_truncate(s, 0);
    if (test->depth) status = bnt_session_feed(s, b->ids, test->depth, BNT_WANT_NONE, err);
    if (status != BNT_OK) return status;
    double before = bnt_meter_now(b->meter, test->team, limit_of(test)), start = bnt_now(), seconds;
    if (test->decode) {
        status = bench_decode(b, test, &seconds, err);
    } else {
        status = bnt_session_feed_top(s, b->ids + test->depth, test->count, 1, err);
        seconds = bnt_now() - start;
    }
    test->rates[repetition] = (double)test->count * test->batch / seconds;
    test->beside[repetition] = (before + bnt_meter_now(b->meter, test->team, limit_of(test))) / 2;
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int open_session(struct bench *b, unsigned team, struct bnt_err *err) {
    struct cmd_args args = *b->args;
    uint32_t pp = largest(&b->sizes[0]), tg = largest(&b->sizes[1]) + (b->args->receipt != NULL);
    args.ctx = largest(&b->depths) + (pp > tg ? pp : tg);
    return cmd_open_session(&b->sessions[team], b->engine, &args, b->threads.values[team], err);
}

static int first_token(struct bench *b, struct bnt_session *s, struct bnt_err *err) {
    return bnt_session_feed_top(s, &b->start.ids[b->start.count - 1], 1, 1, err);
}

/* Every page that a test will use is touched once. */
static int warm_up(struct bench *b, unsigned team, struct bnt_err *err) {
    struct bnt_session *s = b->sessions[team];
    uint32_t prompt = largest(&b->depths) + largest(&b->sizes[0]), tg = largest(&b->sizes[1]);
    bnt_session_truncate(s, 0);
    int status = prompt ? bnt_session_feed_top(s, b->ids, prompt, 1, err) : BNT_OK;
    bnt_session_truncate(s, 0);
    for (uint32_t i = 0; i < WARM_DECODE && i < tg && status == BNT_OK; i++)
        status = first_token(b, s, err);
    return status;
}

/* What stays in a cache is not read from memory. */
static double cache_bytes(const struct bench *b) {
    const struct bnt_topology_info *t = bnt_topology_info(b->engine->topology);
    return (double)(t->l3 > t->l2 ? t->l3 : t->l2);
}

/* Bytes that a token takes: what a step reads once, shared by its sequences, and the positions
 * before each token, on average. */
static double bytes_of(const struct bench *b, const struct bench_test *t) {
    double before = (double)t->depth + ((double)t->count - 1) / 2;
    return (double)bnt_session_bytes_per_token(b->sessions[t->team]) / t->batch +
           (double)bnt_engine_bytes_per_position(b->engine) * before;
}

static double fraction(double rate, double need, double best) {
    return best > 0 ? rate * need / best : 0.0;
}

static void conclude_test(struct bench *b, struct bench_test *t) {
    const uint32_t n = b->args->repeat;
    double macs = (double)bnt_engine_ternary_macs(b->engine);
    double need = t->decode ? bytes_of(b, t) : macs;
    t->cached = t->decode && need * t->batch <= cache_bytes(b);
    for (uint32_t r = 0; r < n; r++) t->beside[r] = fraction(t->rates[r], need, t->beside[r]);
    bnt_sort(t->rates, n, sizeof *t->rates, bench_by_value);
    bnt_sort(t->beside, n, sizeof *t->beside, bench_by_value);
    t->min = t->rates[0];
    t->median = bench_median(t->rates, n);
    t->max = t->rates[n - 1];
    double best = bnt_meter_best(b->meter, t->team, limit_of(t));
    t->int8_fraction = fraction(t->median, macs, bnt_meter_best(b->meter, t->team, BNT_LIMIT_INT8));
    if (t->cached || best <= 0) return;
    t->limit_fraction = t->median * need / best;
    t->beside_fraction = bench_median(t->beside, n);
    if (t->decode) t->read_fraction = t->limit_fraction;
}

static void conclude(struct bench *b) {
    for (size_t i = 0; i < b->n_tests; i++) conclude_test(b, &b->tests[i]);
}

/* The longest decode once more, through the path of `bitnet run`, with a receipt. */
static int write_receipt(struct bench *b, struct bnt_output *to, struct bnt_err *err) {
    struct bnt_session *s = b->sessions[0];
    const struct bnt_generate_options options = {
        .sampling = bnt_sampling_default(), .n_predict = largest(&b->sizes[1]), .ignore_eog = true};
    struct bnt_generation g;
    json_t *receipt = NULL;
    bnt_session_truncate(s, 0);
    int status = bnt_generate(&g, b->engine, s, b->start.ids, b->start.count, &options, err);
    for (unsigned d = 0; d < b->depths.count && status == BNT_OK; d++) {
        const int32_t *made = b->made + (size_t)d * b->most_batch * b->most_made;
        if (b->depths.values[d] == 0 && memcmp(made, g.tokens, g.n_tokens * sizeof *made) != 0)
            status = bnt_fail(err, BNT_E_MISMATCH, "the receipt's tokens differ from the tests'");
    }
    char hex[65];
    if (status == BNT_OK) status = cmd_hash_model(hex, b->engine->gguf, err);
    const struct bnt_receipt_run run = {.model_sha256 = hex,
                                        .template_id = "raw",
                                        .prompt = "",
                                        .encode_flags = BNT_ENCODE_BOS,
                                        .ids = b->start.ids,
                                        .n_ids = b->start.count,
                                        .deterministic = true,
                                        .options = &options,
                                        .generation = &g};
    if (status == BNT_OK) status = bnt_receipt_build(&receipt, b->engine, s, &run, err);
    if (status == BNT_OK) status = bnt_receipt_write(receipt, to, err);
    json_decref(receipt);
    bnt_generation_free(&g);
    return status;
}

static int measure(struct bench *b, double opened, struct bnt_err *err) {
    const struct bnt_backends_options best = {.plugin_dir = b->args->plugin_dir};
    int status = open_session(b, 0, err);
    if (status == BNT_OK) status = first_token(b, b->sessions[0], err);
    b->first_token_seconds = bnt_now() - opened;
    if (status == BNT_OK) status = warm_up(b, 0, err);
    b->usage = bnt_usage_now(); /* before there are other sessions and the limits' buffers */
    for (unsigned t = 1; t < b->threads.count && status == BNT_OK; t++) {
        status = open_session(b, t, err);
        if (status == BNT_OK) status = warm_up(b, t, err);
    }
    if (status == BNT_OK) status = bnt_backends_open(&b->best, &best, err);
    if (status == BNT_OK)
        status = bnt_meter_open(&b->meter, &bnt_backends_chosen(b->best)->kernels,
                                b->args->bind_none ? NULL : b->engine->topology, b->threads.values,
                                b->threads.count, err);
    if (status == BNT_OK) bnt_meter_all(b->meter);
    for (uint32_t r = 0; r < b->args->repeat; r++)
        for (size_t i = 0; i < b->n_tests && status == BNT_OK; i++)
            status = run_test(b, &b->tests[i], r, err);
    if (status == BNT_OK) bnt_meter_all(b->meter);
    if (status == BNT_OK) conclude(b);
    return status;
}

int cmd_bench(const struct cmd_args *args, struct bnt_err *err) {
    int status = check_args(args, err);
    if (status != BNT_OK) return status;
    if (args->kernels) return bench_kernels(args, err);
    struct bnt_output *receipt, *plot = NULL;
    if ((status = cmd_open_receipt(&receipt, args, err)) != BNT_OK) return status;
    if (args->plot && (status = cmd_report_open(&plot, args, args->plot, receipt, err)) != BNT_OK) {
        bnt_output_close(receipt);
        return status;
    }
    struct bench *b = calloc(1, sizeof *b);
    if (!b) {
        bnt_output_close(receipt);
        bnt_output_close(plot);
        return bnt_fail_nomem(err, "the results", sizeof *b);
    }
    b->args = args;
    double opened = bnt_now();
    status = cmd_open_engine(&b->engine, args, err);
    if (status == BNT_OK) status = plan(b, err);
    if (status == BNT_OK) status = measure(b, opened, err);
    if (status == BNT_OK && receipt) status = write_receipt(b, receipt, err);
    if (status == BNT_OK) status = bench_report(b, err);
    if (status == BNT_OK && plot) status = bench_plot(b, plot, err);
    bnt_meter_close(b->meter);
    for (unsigned t = b->threads.count; t-- > 0;) bnt_session_close(b->sessions[t]);
    bnt_backends_close(b->best);
    bnt_engine_close(b->engine);
    bnt_output_close(receipt);
    bnt_output_close(plot);
    bnt_token_list_free(&b->start);
    free(b->made);
    free(b->ids);
    free(b->rates);
    free(b->tests);
    free(b);
    return status;
}
