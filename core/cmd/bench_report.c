/*
 * bench_report.c - what `bitnet bench` prints: a table, JSON whose fields stay as they are, or CSV.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/bench.h"
#include "run/context.h"

static const char *limit_name(const struct bench_test *t) {
    return t->decode ? "read" : "int8";
}

json_t *bench_known(double x) {
    return x > 0 ? json_real(x) : json_null();
}

json_t *bench_limit(const struct bnt_meter *m, const struct cmd_list *threads,
                    enum bnt_limit what) {
    json_t *o = json_object();
    for (unsigned t = 0; t < threads->count; t++) {
        char key[16];
        snprintf(key, sizeof key, "%u", threads->values[t]);
        json_object_set_new(o, key, bench_known(bnt_meter_best(m, t, what) * 1e-9));
    }
    return o;
}

/* Guesses, of all repetitions; null where none were made. */
static json_t *draft_of(const struct bench_test *t) {
    if (!t->accept) return json_null();
    return json_pack("{s:i, s:I, s:I}", "percent", (int)t->accept, "proposed",
                     (json_int_t)t->drafted, "accepted", (json_int_t)t->accepted);
}

/* What a search of the head looked at, on average of those of the first team. */
static bool head_cost(const struct bench *b, struct bnt_search_cost *cost) {
    const struct bnt_search *s = bnt_exec_search(bnt_session_exec(b->sessions[0]));
    if (s) bnt_search_cost(s, cost);
    return s && cost->vectors;
}

static json_t *head_json(const struct bench *b) {
    struct bnt_search_cost cost;
    if (!head_cost(b, &cost)) return json_null();
    json_t *levels = json_array();
    for (unsigned l = 0; l < b->engine->head.n_levels; l++)
        json_array_append_new(levels,
                              json_pack("{s:i, s:f}", "bits", (int)b->engine->head.level[l].bits,
                                        "rows", (double)cost.rows[l] / (double)cost.vectors));
    return json_pack("{s:I, s:o, s:f, s:f}", "rows", (json_int_t)b->engine->head.shape.rows,
                     "levels", levels, "computed", (double)cost.computed / (double)cost.vectors,
                     "bytes", (double)cost.bytes / (double)cost.vectors);
}

static json_t *as_json(const struct bench *b) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    const struct bnt_backend *best = bnt_backends_chosen(b->best);
    const char *path = cmd_model_path(b->args);
    json_t *read = bench_limit(b->meter, &b->threads, BNT_LIMIT_READ);
    json_t *int8 = bench_limit(b->meter, &b->threads, BNT_LIMIT_INT8);
    json_t *results = json_array();
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct bench_test *t = &b->tests[i];
        json_array_append_new(
            results,
            json_pack("{s:s, s:i, s:i, s:i, s:{s:f, s:f, s:f}, s:o, s:o, s:s, s:o, s:o, s:o}",
                      "test", t->name, "threads", (int)b->threads.values[t->team], "depth",
                      (int)t->depth, "batch", (int)t->batch, "tok_s", "median", t->median, "min",
                      t->min, "max", t->max, "limit_fraction", bench_known(t->limit_fraction),
                      "beside_fraction", bench_known(t->beside_fraction), "limit", limit_name(t),
                      "read_fraction", bench_known(t->read_fraction), "int8_fraction",
                      bench_known(t->int8_fraction), "draft", draft_of(t)));
    }
    json_t *machine = json_pack("{s:o, s:o, s:s, s:s}", "read_gbs", read, "int8_gmacs", int8,
                                "int8_by", best->name, "int8_variant", best->variant);
    json_t *memory =
        json_pack("{s:I, s:I, s:I}", "peak_bytes", (json_int_t)b->usage.peak, "anonymous_bytes",
                  (json_int_t)b->usage.anonymous, "file_bytes", (json_int_t)b->usage.file);
    return json_pack("{s:o, s:o, s:s, s:s, s:o, s:f, s:f, s:f, s:o, s:f, s:o, s:o, s:o}", "model",
                     cmd_json_text(path, strlen(path)), "i2s",
                     cmd_json_i2s(info->i2s_layout, info->i2s_known, info->i2s_margin), "backend",
                     info->backend, "backend_variant", info->backend_variant, "backend_warning",
                     cmd_json_warning(b->engine), "load_seconds", info->load_seconds,
                     "first_token_seconds", b->first_token_seconds, "weight_bytes_per_token",
                     (double)bnt_session_bytes_per_token(b->sessions[0]), "head_search",
                     head_json(b), "ternary_macs_per_token",
                     (double)bnt_engine_ternary_macs(b->engine), "memory", memory, "machine",
                     machine, "results", results);
}

static int print_csv(const struct bench *b, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    printf("test,threads,depth,tok_s_median,tok_s_min,tok_s_max,limit_fraction,limit,read_gbs,"
           "int8_gmacs,load_seconds,first_token_seconds,peak_bytes,anonymous_bytes,"
           "beside_fraction,batch,accept,read_fraction,int8_fraction\n");
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct bench_test *t = &b->tests[i];
        printf(
            "%s,%u,%u,%.3f,%.3f,%.3f,%.4f,%s,%.2f,%.2f,%.3f,%.3f,%llu,%llu,%.4f,%u,%u,%.4f,%.4f\n",
            t->name, b->threads.values[t->team], t->depth, t->median, t->min, t->max,
            t->limit_fraction, limit_name(t),
            bnt_meter_best(b->meter, t->team, BNT_LIMIT_READ) * 1e-9,
            bnt_meter_best(b->meter, t->team, BNT_LIMIT_INT8) * 1e-9, info->load_seconds,
            b->first_token_seconds, (unsigned long long)b->usage.peak,
            (unsigned long long)b->usage.anonymous, t->beside_fraction, t->batch, t->accept,
            t->read_fraction, t->int8_fraction);
    }
    return cmd_flush(err);
}

static int print_table(const struct bench *b, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    const struct bnt_backend *best = bnt_backends_chosen(b->best);
    printf("%s, %s (%s)\n", cmd_model_path(b->args), info->backend, info->backend_variant);
    printf("loaded in %.2f s, first token after %.2f s; memory %.0f MB at most, %.0f MB of it "
           "anonymous\n",
           info->load_seconds, b->first_token_seconds, (double)b->usage.peak * 1e-6,
           (double)b->usage.anonymous * 1e-6);
    printf("a token reads %.1f MB of weights",
           1e-6 * (double)bnt_session_bytes_per_token(b->sessions[0]));
    struct bnt_search_cost cost;
    if (head_cost(b, &cost)) {
        printf(", %.1f MB of them for the head; looks at",
               1e-6 * (double)cost.bytes / (double)cost.vectors);
        for (unsigned l = 0; l < b->engine->head.n_levels; l++)
            printf(" %.0f rows in %u bits,", (double)cost.rows[l] / (double)cost.vectors,
                   b->engine->head.level[l].bits);
        printf(" computes %.1f", (double)cost.computed / (double)cost.vectors);
    }
    putchar('\n');
    for (unsigned i = 0; i < b->threads.count; i++) {
        double int8 = bnt_meter_best(b->meter, i, BNT_LIMIT_INT8) * 1e-9;
        printf("%u thread%s can read %.1f GB/s", b->threads.values[i],
               b->threads.values[i] == 1 ? "" : "s",
               bnt_meter_best(b->meter, i, BNT_LIMIT_READ) * 1e-9);
        if (int8 > 0)
            printf(", multiply and add %.1f G int8/s", int8);
        else
            printf("; %s does not measure its multiply-adds", best->name);
        putchar('\n');
    }
    printf("%-10s %7s %6s %5s %10s %10s %10s  %s\n", "test", "threads", "depth", "seqs", "tok/s",
           "min", "max", "of the limit: its best, beside");
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct bench_test *t = &b->tests[i];
        char fraction[80] = "", name[40];
        size_t used = 0;
        if (t->limit_fraction > 0)
            used =
                (size_t)snprintf(fraction, sizeof fraction, "%s %3.0f %% %3.0f %%", limit_name(t),
                                 100 * t->limit_fraction, 100 * t->beside_fraction);
        else if (t->cached)
            used = (size_t)snprintf(fraction, sizeof fraction, "fits in a cache");
        if (t->batch > 1 && t->int8_fraction > 0)
            snprintf(fraction + used, sizeof fraction - used, ", int8 %3.0f %%",
                     100 * t->int8_fraction);
        snprintf(name, sizeof name, t->accept ? "%s@%u%%" : "%s", t->name, t->accept);
        printf("%-10s %7u %6u %5u %10.2f %10.2f %10.2f  %s\n", name, b->threads.values[t->team],
               t->depth, t->batch, t->median, t->min, t->max, fraction);
    }
    return cmd_flush(err);
}

int bench_report(const struct bench *b, struct bnt_err *err) {
    if (b->args->json) return cmd_write_json(as_json(b), err);
    return b->args->csv ? print_csv(b, err) : print_table(b, err);
}
