/*
 * bench_report.c - what `bitnet bench` prints: a table, JSON whose fields stay as they are, or CSV.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/bench.h"

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
            results, json_pack("{s:s, s:i, s:i, s:{s:f, s:f, s:f}, s:o, s:o, s:s}", "test", t->name,
                               "threads", (int)b->threads.values[t->team], "depth", (int)t->depth,
                               "tok_s", "median", t->median, "min", t->min, "max", t->max,
                               "limit_fraction", bench_known(t->limit_fraction), "beside_fraction",
                               bench_known(t->beside_fraction), "limit", limit_name(t)));
    }
    json_t *machine = json_pack("{s:o, s:o, s:s, s:s}", "read_gbs", read, "int8_gmacs", int8,
                                "int8_by", best->name, "int8_variant", best->variant);
    json_t *memory =
        json_pack("{s:I, s:I, s:I}", "peak_bytes", (json_int_t)b->usage.peak, "anonymous_bytes",
                  (json_int_t)b->usage.anonymous, "file_bytes", (json_int_t)b->usage.file);
    return json_pack("{s:o, s:o, s:s, s:s, s:o, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "model",
                     cmd_json_text(path, strlen(path)), "i2s",
                     cmd_json_i2s(info->i2s_layout, info->i2s_known, info->i2s_margin), "backend",
                     info->backend, "backend_variant", info->backend_variant, "backend_warning",
                     cmd_json_warning(b->engine), "load_seconds", info->load_seconds,
                     "first_token_seconds", b->first_token_seconds, "weight_bytes_per_token",
                     (double)bnt_engine_bytes_per_token(b->engine), "ternary_macs_per_token",
                     (double)bnt_engine_ternary_macs(b->engine), "memory", memory, "machine",
                     machine, "results", results);
}

static int print_csv(const struct bench *b, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(b->engine);
    printf("test,threads,depth,tok_s_median,tok_s_min,tok_s_max,limit_fraction,limit,read_gbs,"
           "int8_gmacs,load_seconds,first_token_seconds,peak_bytes,anonymous_bytes,"
           "beside_fraction\n");
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct bench_test *t = &b->tests[i];
        printf("%s,%u,%u,%.3f,%.3f,%.3f,%.4f,%s,%.2f,%.2f,%.3f,%.3f,%llu,%llu,%.4f\n", t->name,
               b->threads.values[t->team], t->depth, t->median, t->min, t->max, t->limit_fraction,
               limit_name(t), bnt_meter_best(b->meter, t->team, BNT_LIMIT_READ) * 1e-9,
               bnt_meter_best(b->meter, t->team, BNT_LIMIT_INT8) * 1e-9, info->load_seconds,
               b->first_token_seconds, (unsigned long long)b->usage.peak,
               (unsigned long long)b->usage.anonymous, t->beside_fraction);
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
    printf("%-10s %7s %6s %10s %10s %10s  %s\n", "test", "threads", "depth", "tok/s", "min", "max",
           "of the limit: its best, beside");
    for (size_t i = 0; i < b->n_tests; i++) {
        const struct bench_test *t = &b->tests[i];
        char fraction[40] = "";
        if (t->limit_fraction > 0)
            snprintf(fraction, sizeof fraction, "%s %3.0f %% %3.0f %%", limit_name(t),
                     100 * t->limit_fraction, 100 * t->beside_fraction);
        else if (t->cached)
            snprintf(fraction, sizeof fraction, "fits in a cache");
        printf("%-10s %7u %6u %10.2f %10.2f %10.2f  %s\n", t->name, b->threads.values[t->team],
               t->depth, t->median, t->min, t->max, fraction);
    }
    return cmd_flush(err);
}

int bench_report(const struct bench *b, struct bnt_err *err) {
    if (b->args->json) return cmd_write_json(as_json(b), err);
    return b->args->csv ? print_csv(b, err) : print_table(b, err);
}
