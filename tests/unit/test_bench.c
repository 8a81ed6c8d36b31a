/*
 * test_bench.c - `bitnet bench` as other programs read it, and the measuring below it.
 *
 * How fast this machine is nobody knows here, nor how a sanitizer or a neighbour slows the loops
 * that measure its limits: no fraction has a bound here. That the fields are there and that each
 * figure is what the others make it can be checked.
 */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/limits.h"
#include "bench/work.h"
#include "encode.h"
#include "file/gguf.h"
#include "ktest.h"
#include "machine/usage.h"
#include "suite.h"

static FILE *start(const char *arguments) {
    char command[2000];
    snprintf(command, sizeof command, "%s/bitnet bench %s", TEST_BUILD, arguments);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    return f;
}

static json_t *bench(const char *arguments) {
    json_error_t why;
    FILE *f = start(arguments);
    json_t *o = json_loadf(f, 0, &why);
    ck_assert_msg(o != NULL, "bench %s: %s", arguments, why.text);
    ck_assert_int_eq(pclose(f), 0);
    return o;
}

static double number(const json_t *o, const char *name) {
    const json_t *v = json_object_get(o, name);
    ck_assert_msg(json_is_number(v), "'%s' is no number", name);
    return json_number_value(v);
}

static void between(const json_t *o, const char *name, double lo, double hi) {
    double x = number(o, name);
    ck_assert_msg(x > lo && x < hi, "'%s' is %g", name, x);
}

/* A figure that others determine; counts are whole, but rates were divided and multiplied. */
static void is(const json_t *o, const char *name, double want) {
    double x = number(o, name);
    ck_assert_msg(fabs(x - want) <= 1e-6 * want, "'%s' is %g, not %g", name, x, want);
}

/* Ternary weights of the trained model, as its file has them. */
static uint64_t ternary_weights(void) {
    struct bnt_err err = {0};
    struct bnt_gguf *g;
    uint64_t n = 0;
    ck_assert_int_eq(bnt_gguf_open(&g, TEST_SOURCE "/models/bitnet-demo-i2_s.gguf", &err), BNT_OK);
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++)
        if (bnt_gguf_tensor_at(g, i)->type == T_I2_S) n += bnt_gguf_tensor_at(g, i)->elements;
    bnt_gguf_close(g);
    return n;
}

START_TEST(fields_of_results) {
    json_t *o =
        bench("-m " TEST_SOURCE "/models/bitnet-demo-i2_s.gguf -p 64 -n 8 -r 2 -t 1,2 --json");
    const json_t *machine = json_object_get(o, "machine"), *memory = json_object_get(o, "memory");
    const json_t *read = json_object_get(machine, "read_gbs");
    const json_t *int8 = json_object_get(machine, "int8_gmacs");
    const char *const threads[] = {"1", "2"};
    json_t *r;
    size_t i, seen = 0;
    for (i = 0; i < 2; i++) {
        between(read, threads[i], 0.01, 1e5);
        between(int8, threads[i], 0.01, 1e6);
    }
    ck_assert_uint_eq(json_object_size(read), 2);
    ck_assert(json_is_string(json_object_get(machine, "int8_by")));
    between(o, "load_seconds", 0, 1000);
    ck_assert(number(o, "first_token_seconds") > number(o, "load_seconds"));
    between(o, "weight_bytes_per_token", 1e5, 1e8);
    ck_assert_uint_eq((uint64_t)number(o, "ternary_macs_per_token"), ternary_weights());
    between(memory, "anonymous_bytes", 1e5, 1e11);
    ck_assert(number(memory, "peak_bytes") >= number(memory, "anonymous_bytes"));
    json_array_foreach(json_object_get(o, "results"), i, r) {
        const json_t *rate = json_object_get(r, "tok_s"), *f = json_object_get(r, "limit_fraction");
        bool prefill = strcmp(json_string_value(json_object_get(r, "test")), "pp64") == 0;
        ck_assert(prefill || strcmp(json_string_value(json_object_get(r, "test")), "tg8") == 0);
        ck_assert_str_eq(json_string_value(json_object_get(r, "limit")), prefill ? "int8" : "read");
        ck_assert(number(rate, "min") <= number(rate, "median"));
        ck_assert(number(rate, "median") <= number(rate, "max"));
        ck_assert_int_eq((int)number(r, "depth"), 0);
        const char *t = threads[(int)number(r, "threads") - 1];
        if (prefill)
            is(r, "limit_fraction",
               number(rate, "median") * number(o, "ternary_macs_per_token") /
                   (number(int8, t) * 1e9));
        if (!prefill && !json_is_null(f)) { /* besides the weights, a few positions are read */
            double weights = number(rate, "median") * number(o, "weight_bytes_per_token") /
                             (number(read, t) * 1e9);
            between(r, "limit_fraction", weights, 1.1 * weights);
        }
        if (!json_is_null(f)) /* what was measured beside it is at most the best */
            ck_assert(number(r, "beside_fraction") >= number(r, "limit_fraction") * (1 - 1e-9));
        seen++;
    }
    ck_assert_uint_eq(seen, 4);
    json_decref(o);
}
END_TEST

/* Several sequences share what a step reads of the weights; guesses are counted. */
START_TEST(sequences_and_guesses) {
    json_t *o = bench("-m " TEST_SOURCE
                      "/models/bitnet-demo-i2_s.gguf -p 0 -n 12 -d 0,5 -r 1 -t 2 -B 1,3,40 "
                      "--accept 50,100 --json");
    static const int batches[] = {1, 3, 40, 1, 1};
    double macs = number(o, "ternary_macs_per_token");
    double int8 = number(json_object_get(json_object_get(o, "machine"), "int8_gmacs"), "2");
    json_t *r;
    size_t i;
    ck_assert_uint_eq(json_array_size(json_object_get(o, "results")), 10);
    json_array_foreach(json_object_get(o, "results"), i, r) {
        const json_t *draft = json_object_get(r, "draft");
        ck_assert_int_eq((int)number(r, "batch"), batches[i % 5]);
        ck_assert_int_eq((int)number(r, "depth"), i < 5 ? 0 : 5);
        is(r, "int8_fraction", number(json_object_get(r, "tok_s"), "median") * macs / (int8 * 1e9));
        ck_assert(json_is_null(draft) == (i % 5 < 3));
        if (i % 5 == 4) { /* all are right */
            ck_assert(number(draft, "proposed") >= 8);
            is(draft, "accepted", number(draft, "proposed"));
        }
    }
    json_decref(o);
}
END_TEST

static size_t columns(const char *line) {
    size_t n = 1;
    for (; *line; line++) n += *line == ',';
    return n;
}

START_TEST(csv_rows) {
    char line[1000];
    FILE *f = start("-m " TEST_SOURCE "/models/bitnet-demo-i2_s.gguf -p 8,16 -n 2 -r 1 -t 1 --csv");
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    size_t want = columns(line), rows = 0;
    ck_assert(strstr(line, "test,threads,depth,tok_s_median,tok_s_min,tok_s_max,limit_fraction,"));
    for (; fgets(line, sizeof line, f); rows++) ck_assert_uint_eq(columns(line), want);
    ck_assert_uint_eq(rows, 3);
    ck_assert_int_eq(pclose(f), 0);
}
END_TEST

START_TEST(kernels_of_a_model) {
    json_t *o = bench("--kernels -m " TEST_SOURCE "/models/bitnet-demo-i2_s.gguf -r 1 -t 1 --json");
    const json_t *machine = json_object_get(o, "machine");
    double read = number(json_object_get(machine, "read_gbs"), "1");
    double int8 = number(json_object_get(machine, "int8_gmacs"), "1");
    double f32 = number(json_object_get(machine, "f32_gmacs"), "1");
    json_t *r;
    size_t i, gemv = 0, gemm = 0, small = 0;
    json_array_foreach(json_object_get(o, "results"), i, r) {
        const char *slot = json_string_value(json_object_get(r, "slot"));
        const char *shape = json_string_value(json_object_get(r, "shape"));
        const char *peak = json_string_value(json_object_get(r, "peak"));
        const json_t *times = json_object_get(r, "ns");
        between(times, "median", 1, 1e11);
        bool streams = !json_is_null(json_object_get(r, "gb_s"));
        bool counts = !json_is_null(json_object_get(r, "gmac_s"));
        if (streams) is(r, "read_fraction", number(r, "gb_s") / read);
        if (counts)
            is(r, "peak_fraction", number(r, "gmac_s") / (strcmp(peak, "int8") == 0 ? int8 : f32));
        if (strcmp(slot, "ternary_gemm") == 0) {
            unsigned rows, cols, tokens;
            ck_assert_int_eq(sscanf(shape, "%ux%u x %u", &rows, &cols, &tokens), 3);
            ck_assert(counts && streams == (tokens == 1));
            double ns = number(times, "median"), weights = (double)rows * cols;
            is(r, "gmac_s", weights * tokens / ns);
            if (streams) is(r, "gb_s", weights / 4 / ns); /* two bits each */
            *(streams ? &gemv : &gemm) += 1;
        }
        small += strcmp(slot, "rmsnorm") == 0 || strcmp(slot, "rope") == 0;
    }
    ck_assert_uint_eq(gemv, 4); /* 256x256, 128x256, 768x256, 256x768 */
    ck_assert_uint_eq(gemm, 4);
    ck_assert_uint_eq(small, 2);
    json_decref(o);
}
END_TEST

/* ---- below it ----------------------------------------------------------------------------- */

static void counts_only(const bnt_peak_args *a) {
    *a->done = a->kind == BNT_PEAK_INT8 ? 5 * a->steps : 0;
    for (volatile uint64_t i = 0; i < a->steps; i++) {
    }
}

/* What a team of `threads` gets now; and that the best figure is at least that. */
static double measured(const bnt_kernels *k, uint32_t threads, enum bnt_limit what) {
    const uint32_t teams[2] = {1, threads};
    struct bnt_meter *m;
    struct bnt_err err;
    ck_assert_int_eq(bnt_meter_open(&m, k, NULL, teams, 2, &err), BNT_OK);
    double now = bnt_meter_now(m, 1, what);
    ck_assert(bnt_meter_best(m, 1, what) >= now * (1 - 1e-9)); /* of one time, both are the same */
    ck_assert(bnt_meter_best(m, 0, what) == 0.0);
    bnt_meter_close(m);
    return now;
}

START_TEST(limits_of_a_set) {
    bnt_kernels k = *kt_judge();
    ck_assert(measured(&k, 2, BNT_LIMIT_INT8) > 1e6);
    ck_assert(measured(&k, 1, BNT_LIMIT_F32) > 1e6);
    ck_assert(measured(&k, 2, BNT_LIMIT_READ) > 1e7);
    k.peak = counts_only; /* one addition for five: at most 5 x 16 a nanosecond */
    double rate = measured(&k, 1, BNT_LIMIT_INT8);
    ck_assert(rate > 1e6 && rate < 80e9);
    ck_assert(measured(&k, 1, BNT_LIMIT_F32) == 0.0);
    k.struct_size = offsetof(bnt_kernels, peak); /* as if from an older header */
    ck_assert(measured(&k, 1, BNT_LIMIT_INT8) == 0.0);
}
END_TEST

START_TEST(usage_grows) {
    enum { BYTES = 64 << 20 };
    struct bnt_err err;
    struct bnt_mem mem;
    struct bnt_usage before = bnt_usage_now(), with, after;
    ck_assert(before.peak > 0 && before.anonymous > 0 && before.file > 0);
    ck_assert_int_eq(bnt_mem_alloc(&mem, BYTES, "the test", &err), BNT_OK);
    memset(mem.ptr, 1, BYTES);
    with = bnt_usage_now();
    bnt_mem_free(&mem);
    after = bnt_usage_now();
    ck_assert(with.anonymous >= before.anonymous + BYTES / 10 * 9);
    ck_assert(after.anonymous <= with.anonymous - BYTES / 10 * 9);
    ck_assert(after.peak >= with.anonymous);
}
END_TEST

/* No work is in the list twice, and the list has room for more: nothing was left out. */
static void expect_different(const struct bnt_work_item *items, unsigned n) {
    ck_assert_uint_lt(n, BNT_WORK_ITEMS);
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < i; k++)
            ck_assert_msg(strcmp(items[i].slot, items[k].slot) != 0 ||
                              strcmp(items[i].shape, items[k].shape) != 0 ||
                              items[i].block != items[k].block,
                          "%s %s twice", items[i].slot, items[i].shape);
}

/* Every item of the list can be opened by the judge, and its slices are all of the work. */
START_TEST(work_is_whole) {
    struct bnt_work_item items[BNT_WORK_ITEMS];
    const struct bnt_work_dims d = {
        .n_embd = 64,
        .n_ff = 128,
        .n_head = 4,
        .n_head_kv = 2,
        .head_dim = 32,
        .n_rot = 16,
        .prompt = 5,
        .context = 300,
        .ternary = {{48, 64, 0, BNT_TYPE_F32}, {48, 64, 32, BNT_TYPE_F16}},
        .n_ternary = 2,
        .dense = {{40, 256, BNT_TYPE_Q6_K, 0}, {40, 64, BNT_TYPE_BF16, 0}},
        .n_dense = 2,
        .search = {40, 64}};
    unsigned n = bnt_work_list(&d, items);
    ck_assert_uint_gt(n, 15);
    expect_different(items, n);
    for (unsigned i = 0; i < n; i++) {
        struct bnt_work w;
        ck_assert_msg(bnt_work_open(&w, kt_judge(), &items[i]), "%s %s", items[i].slot,
                      items[i].shape);
        if (strcmp(items[i].slot, "ternary_gemm") == 0 ||
            strcmp(items[i].slot, "dense_gemm") == 0) {
            bool ternary = items[i].slot[0] == 't';
            float *y = ternary ? w.a.gemm.y : w.a.dense.y;
            uint64_t count = items[i].rows * items[i].tokens;
            for (uint64_t k = 0; k < count; k++) y[k] = -12345.0f;
            for (unsigned member = 0; member < 3; member++) w.slice(&w, 1, member, 3);
            for (uint64_t k = 0; k < count; k++) ck_assert(y[k] != -12345.0f);
        }
        bnt_work_close(&w);
    }
    n = bnt_work_list(&bnt_work_dims_2b, items);
    ck_assert_uint_gt(n, 20);
    expect_different(items, n);
}
END_TEST

int main(void) {
    Suite *s = suite_create("bench");
    TCase *tc = tcase_create("bench");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, fields_of_results);
    tcase_add_test(tc, sequences_and_guesses);
    tcase_add_test(tc, csv_rows);
    tcase_add_test(tc, kernels_of_a_model);
    tcase_add_test(tc, limits_of_a_set);
    tcase_add_test(tc, usage_grows);
    tcase_add_test(tc, work_is_whole);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
