/*
 * bench.c - `bitnet bench`: prefill (pp) and decode (tg) like the field's llama-bench, beside what
 * this machine's memory can give.
 *
 * Bandwidth is measured before and after the tests and the better figure counts, since neighbours
 * disturb it. Decode is then stated as a fraction of the tokens per second that reading the weights
 * once per token would allow.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "machine/limits.h"

struct result {
    char test[24]; /* pp512, tg128 */
    unsigned threads;
    uint32_t depth;
    double min, median, max; /* tokens per second */
    double limit_fraction;   /* of the bandwidth limit; 0 for pp */
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Token ids that spread over the vocabulary; what they are does not matter. */
static void fill_ids(int32_t *ids, size_t n, uint32_t n_vocab) {
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (int32_t)(x % n_vocab);
    }
}

/* Seconds for `count` tokens after `depth` ones: at once, or one by one. */
static int time_test(struct bnt_session *s, const int32_t *ids, uint32_t depth, uint32_t count,
                     bool decode, double *seconds, struct bnt_err *err) {
    int status = BNT_OK;
    bnt_session_truncate(s, 0);
    if (depth) status = bnt_session_feed(s, ids, depth, BNT_WANT_NONE, err);
    double start = bnt_now();
    if (!decode && status == BNT_OK)
        status = bnt_session_feed(s, ids + depth, count, BNT_WANT_LAST, err);
    for (uint32_t i = 0; decode && i < count && status == BNT_OK; i++)
        status = bnt_session_feed(s, ids + depth + i, 1, BNT_WANT_LAST, err);
    *seconds = bnt_now() - start;
    return status;
}

static int run_test(const struct cmd_args *args, struct bnt_session *s, const int32_t *ids,
                    uint32_t depth, uint32_t count, bool decode, struct result *out,
                    struct bnt_err *err) {
    double rates[1000];
    uint32_t warm = decode && count > 4 ? 4 : count;
    double seconds;
    int status = time_test(s, ids, depth, warm, decode, &seconds, err);
    for (uint32_t r = 0; r < args->repeat && status == BNT_OK; r++) {
        status = time_test(s, ids, depth, count, decode, &seconds, err);
        rates[r] = (double)count / seconds;
    }
    if (status != BNT_OK) return status;
    qsort(rates, args->repeat, sizeof *rates, by_value);
    *out = (struct result){.threads = bnt_session_threads(s),
                           .depth = depth,
                           .min = rates[0],
                           .median = rates[args->repeat / 2],
                           .max = rates[args->repeat - 1]};
    snprintf(out->test, sizeof out->test, "%s%u", decode ? "tg" : "pp", count);
    return BNT_OK;
}

struct bench {
    const struct cmd_args *args;
    struct bnt_engine *engine;
    struct result results[2 * MAX_LIST * MAX_LIST * MAX_LIST];
    size_t n_results;
    double read_gbs[MAX_LIST]; /* per entry of the thread list */
    double bytes_per_token;    /* of weights read for one token */
};

static const struct cmd_list *or_default(const struct cmd_list *given, const struct cmd_list *def) {
    return given->count ? given : def;
}

static int bench_threads(struct bench *b, unsigned threads, const struct cmd_list sizes[2],
                         const struct cmd_list *depths, struct bnt_err *err) {
    struct bnt_session *s = NULL;
    uint32_t longest = 0, deepest = 0;
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < sizes[k].count; i++)
            if (sizes[k].values[i] > longest) longest = sizes[k].values[i];
    }
    for (unsigned i = 0; i < depths->count; i++)
        if (depths->values[i] > deepest) deepest = depths->values[i];
    struct cmd_args args = *b->args;
    args.ctx = longest + deepest;
    int32_t *ids = malloc((size_t)args.ctx * sizeof *ids);
    if (!ids) return bnt_fail_nomem(err, "the token ids", args.ctx);
    fill_ids(ids, args.ctx, bnt_engine_info(b->engine)->n_vocab);
    int status = cmd_open_session(&s, b->engine, &args, threads, err);
    for (unsigned d = 0; d < depths->count; d++) {
        for (unsigned k = 0; k < 2; k++) { /* prefill sizes, then decode sizes */
            for (unsigned i = 0; i < sizes[k].count && status == BNT_OK; i++) {
                if (sizes[k].values[i] == 0) continue;
                status = run_test(b->args, s, ids, depths->values[d], sizes[k].values[i], k == 1,
                                  &b->results[b->n_results], err);
                if (status == BNT_OK) b->n_results++;
            }
        }
    }
    bnt_session_close(s);
    free(ids);
    return status;
}

static json_t *as_json(const struct bench *b, const struct cmd_list *threads) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    json_t *read = json_object(), *results = json_array();
    for (unsigned i = 0; i < threads->count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", threads->values[i]);
        json_object_set_new(read, key, json_real(b->read_gbs[i]));
    }
    for (size_t i = 0; i < b->n_results; i++) {
        const struct result *r = &b->results[i];
        json_array_append_new(
            results, json_pack("{s:s, s:i, s:i, s:{s:f, s:f, s:f}, s:o}", "test", r->test,
                               "threads", (int)r->threads, "depth", (int)r->depth, "tok_s",
                               "median", r->median, "min", r->min, "max", r->max, "limit_fraction",
                               r->limit_fraction > 0 ? json_real(r->limit_fraction) : json_null()));
    }
    return json_pack("{s:o, s:s, s:s, s:f, s:f, s:{s:o}, s:o}", "model",
                     cmd_json_text(cmd_model_path(b->args), strlen(cmd_model_path(b->args))),
                     "backend", info->backend, "backend_variant", info->backend_variant,
                     "load_seconds", info->load_seconds, "weight_bytes_per_token",
                     b->bytes_per_token, "machine", "read_gbs", read, "results", results);
}

static int print_results(const struct bench *b, const struct cmd_list *threads,
                         struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    if (b->args->json) return cmd_write_json(as_json(b, threads), err);
    if (b->args->csv) {
        printf("test,threads,depth,tok_s_median,tok_s_min,tok_s_max,limit_fraction\n");
        for (size_t i = 0; i < b->n_results; i++) {
            const struct result *r = &b->results[i];
            printf("%s,%u,%u,%.3f,%.3f,%.3f,%.4f\n", r->test, r->threads, r->depth, r->median,
                   r->min, r->max, r->limit_fraction);
        }
        return cmd_flush(err);
    }
    printf("%s, %s (%s), loaded in %.2f s\n", cmd_model_path(b->args), info->backend,
           info->backend_variant, info->load_seconds);
    for (unsigned i = 0; i < threads->count; i++)
        printf("read bandwidth, %u thread%s: %.1f GB/s\n", threads->values[i],
               threads->values[i] == 1 ? "" : "s", b->read_gbs[i]);
    printf("%-10s %7s %6s %10s %10s %10s  %s\n", "test", "threads", "depth", "tok/s", "min", "max",
           "of the bandwidth limit");
    for (size_t i = 0; i < b->n_results; i++) {
        const struct result *r = &b->results[i];
        char fraction[16] = "";
        if (r->limit_fraction > 0)
            snprintf(fraction, sizeof fraction, "%.0f %%", 100 * r->limit_fraction);
        printf("%-10s %7u %6u %10.2f %10.2f %10.2f  %s\n", r->test, r->threads, r->depth, r->median,
               r->min, r->max, fraction);
    }
    return cmd_flush(err);
}

int cmd_bench(const struct cmd_args *args, struct bnt_err *err) {
    struct bench *b = calloc(1, sizeof *b);
    int status;
    if (!b) return bnt_fail_nomem(err, "the results", sizeof *b);
    b->args = args;
    if ((status = cmd_open_engine(&b->engine, args, err)) != BNT_OK) goto out;
    const struct cmd_list one_default = {
        .values = {bnt_topology_default_threads(b->engine->topology)}, .count = 1};
    const struct cmd_list *threads = or_default(&args->threads, &one_default);
    const struct cmd_list sizes[2] = {
        *or_default(&args->prompt_sizes, &(struct cmd_list){.values = {512}, .count = 1}),
        *or_default(&args->predict_sizes, &(struct cmd_list){.values = {128}, .count = 1})};
    const struct cmd_list depths = *or_default(&args->depths, &(struct cmd_list){.count = 1});
    b->bytes_per_token = (double)bnt_engine_bytes_per_token(b->engine);
    for (unsigned i = 0; i < threads->count && status == BNT_OK; i++) {
        size_t first = b->n_results;
        double before, after = 0.0;
        status = bnt_measure_read(b->engine->topology, threads->values[i], &before, err);
        if (status == BNT_OK) status = bench_threads(b, threads->values[i], sizes, &depths, err);
        if (status == BNT_OK)
            status = bnt_measure_read(b->engine->topology, threads->values[i], &after, err);
        b->read_gbs[i] = (before > after ? before : after) * 1e-9;
        for (size_t k = first; k < b->n_results; k++) {
            struct result *r = &b->results[k];
            if (r->test[0] == 't')
                r->limit_fraction = r->median * b->bytes_per_token / (b->read_gbs[i] * 1e9);
        }
    }
    if (status == BNT_OK) status = print_results(b, threads, err);
out:
    bnt_engine_close(b->engine);
    free(b);
    return status;
}
