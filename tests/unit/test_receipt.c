/*
 * test_receipt.c - what receipts say: the same result from every backend, thread count and batch;
 * every way to stop; counts that were counted.
 */
#include "test_receipt.h"
#include "suite.h"

#include <signal.h>

static char *canonical(const json_t *value) {
    char *text = bnt_receipt_canonical(value);
    ck_assert_ptr_nonnull(text);
    return text;
}

/* The names of the backends that work here; ref-scalar is always one. */
static size_t backends(char names[][64], size_t most) {
    struct bnt_err err = {0};
    struct bnt_backends *b;
    size_t n = 0;
    must(bnt_backends_open(&b, &(struct bnt_backends_options){.try_all = true}, &err), &err);
    for (size_t i = 0; i < bnt_backends_count(b) && n < most; i++) {
        const struct bnt_candidate *c = bnt_backends_at(b, i);
        if (c->verdict == BNT_VERDICT_OK) memcpy(names[n++], c->name, 64);
    }
    bnt_backends_close(b);
    ck_assert_uint_ge(n, 1);
    return n;
}

START_TEST(results_are_the_same_bytes_everywhere) {
    static const uint32_t batches[] = {1, 7, 512};
    char names[8][64], *reference = NULL;
    size_t n = backends(names, 8);
    const struct bnt_generate_options o = {.sampling = drawn(3), .n_predict = 20};
    for (size_t b = 0; b < n; b++) {
        struct bnt_engine *e = open_engine(names[b]);
        for (unsigned threads = 1; threads <= 3; threads++) {
            for (size_t k = 0; k < 3; k++) {
                json_t *r =
                    receipt_of(e,
                               &(struct bnt_session_options){
                                   .threads = threads, .n_batch = batches[k], .no_bind = true},
                               prompt_text, &o);
                char *text = canonical(json_object_get(r, "result"));
                if (!reference) reference = strdup(text);
                ck_assert_str_eq(text, reference);
                ck_assert_int_eq(json_integer_value(at(r, "circumstance", "threads")), threads);
                ck_assert_str_eq(
                    json_string_value(json_object_get(at(r, "circumstance", "backend"), "name")),
                    names[b]);
                free(text);
                json_decref(r);
            }
        }
        bnt_engine_close(e);
    }
    free(reference);
}
END_TEST

START_TEST(a_receipt_of_one_backend_verifies_on_every_other) {
    char names[8][64];
    size_t n = backends(names, 8);
    for (size_t from = 0; from < n; from++) {
        struct bnt_engine *e = open_engine(names[from]);
        json_t *r = usual_receipt(e);
        bnt_engine_close(e);
        for (size_t to = 0; to < n; to++) {
            struct bnt_err err = {0};
            struct bnt_engine *other = open_engine(names[to]);
            struct bnt_verification v = verify(other, r, _i ? prompt_text : NULL);
            for (unsigned c = 0; c < BNT_CHECK_SIGNATURE; c++)
                ck_assert_msg(v.checks[c].state == BNT_AGREES, "%s to %s: %s: %s", names[from],
                              names[to], bnt_check_name((enum bnt_check)c), v.checks[c].text);
            ck_assert_uint_eq(v.steps, 24);
            must(bnt_verify_outcome(&v, &err), &err);
            bnt_engine_close(other);
        }
        json_decref(r);
    }
}
END_TEST

/* ---- ways to stop --------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_now;

static int stop_at_three(void *arg, const struct bnt_step *s, struct bnt_err *err) {
    (void)arg;
    (void)err;
    stop_now = s->index == 3;
    return BNT_OK;
}

/* Draws with rising seeds until the run stops for the reason. */
static json_t *stopped_by(struct bnt_engine *e, const char *reason, struct bnt_generate_options o,
                          uint64_t n_ctx) {
    for (uint64_t seed = 0; seed < 200; seed++) {
        o.sampling.seed = seed;
        stop_now = 0;
        json_t *r = receipt_of(
            e, &(struct bnt_session_options){.threads = 1, .n_ctx = n_ctx, .no_bind = true},
            prompt_text, &o);
        json_t *output = at(r, "result", "output");
        if (strcmp(json_string_value(json_object_get(output, "stop_reason")), reason) == 0)
            return r;
        json_decref(r);
    }
    ck_abort_msg("no run stopped by %s", reason);
    return NULL;
}

static void agrees(struct bnt_engine *e, json_t *r) {
    struct bnt_err err = {0};
    struct bnt_verification v = verify(e, r, NULL);
    must(bnt_verify_outcome(&v, &err), &err);
    ck_assert_int_eq(v.checks[BNT_CHECK_REPLAY].state, BNT_AGREES);
    json_decref(r);
}

START_TEST(every_way_to_stop_verifies) {
    static const char *const stops[] = {"e", "t", "a", "\xc3\xa9"};
    struct bnt_engine *e = open_engine("ref-scalar");
    struct bnt_generate_options o = {.sampling = drawn(0), .n_predict = 60};
    o.sampling.temperature = 50.0f; /* nearly uniform, so that every token comes up */
    o.sampling.top_p = 1.0f;
    agrees(e, stopped_by(e, "end-of-text", o, 0));
    o.stops = stops;
    o.n_stops = 4;
    agrees(e, stopped_by(e, "stop-string", o, 0));
    o.ignore_eog = true;
    o.n_stops = 0;
    agrees(e, stopped_by(e, "context-full", o, 32));
    o.on_step = stop_at_three;
    o.interrupted = &stop_now;
    agrees(e, stopped_by(e, "interrupted", o, 0));
    o = (struct bnt_generate_options){.sampling = bnt_sampling_default(), .n_predict = 5};
    agrees(e, stopped_by(e, "length", o, 0));
    o.n_predict = 0;
    agrees(e, stopped_by(e, "length", o, 0));
    bnt_engine_close(e);
}
END_TEST

START_TEST(an_empty_prompt_verifies) {
    struct bnt_engine *e = open_engine("ref-scalar");
    json_t *r = receipt_of(e, &(struct bnt_session_options){.threads = 1, .no_bind = true}, "",
                           &(struct bnt_generate_options){.sampling = drawn(1), .n_predict = 3});
    ck_assert(json_is_true(json_object_get(at(r, "result", "prompt"), "recoverable")));
    agrees(e, r);
    bnt_engine_close(e);
}
END_TEST

/* ---- facts ---------------------------------------------------------------------------------- */

static json_int_t calls(const json_t *r, const char *slot) {
    const json_t *counts = at(r, "circumstance", "kernel_calls");
    return json_integer_value(at(counts, slot, "calls"));
}

START_TEST(kernel_calls_are_what_ran) {
    struct bnt_engine *e = open_engine("ref-scalar");
    const json_int_t layers = e->info.n_layer;
    /* One thread and one batch: a product is one call for all tokens, the rest one for each. */
    json_t *r = usual_receipt(e);
    json_int_t prompt =
        (json_int_t)json_array_size(json_object_get(at(r, "result", "prompt"), "ids"));
    json_int_t steps =
        json_integer_value(json_object_get(at(r, "circumstance", "timings"), "decode_tokens"));
    ck_assert_int_eq(steps, 23);
    ck_assert_int_eq(calls(r, "ternary_gemm"), 7 * layers * (1 + steps));
    ck_assert_int_eq(calls(r, "dense_gemm"), 1 + steps);
    ck_assert_int_eq(calls(r, "dense_unpack"), prompt + steps);
    ck_assert_int_eq(calls(r, "rope"), 2 * layers * (prompt + steps));
    ck_assert_int_eq(calls(r, "gate"), layers * (prompt + steps));
    ck_assert_int_eq(calls(r, "add"), 2 * layers * (prompt + steps));
    ck_assert_int_eq(calls(r, "kv_load"), 0); /* nothing asks for it, so it is not listed */
    json_decref(r);
    bnt_engine_close(e);
}
END_TEST

START_TEST(hashes_are_of_the_prompt) {
    struct bnt_engine *e = open_engine("ref-scalar");
    json_t *r =
        receipt_of(e, &(struct bnt_session_options){.threads = 1, .no_bind = true}, "What is 2+2?",
                   &(struct bnt_generate_options){.sampling = drawn(1), .n_predict = 1});
    const json_t *p = at(r, "result", "prompt");
    ck_assert_str_eq(json_string_value(json_object_get(p, "blake3")),
                     "ba1de16a072a62cd7244f2997ea85b4876fd5011534c0d6a954e1dfbf187579d");
    ck_assert_str_eq(json_string_value(json_object_get(p, "sha256")),
                     "52cb6b5e4a038af1756708f98afb718a08c75b87b2f03dbee4dd9c8139c15c5e");
    ck_assert_int_eq(json_integer_value(json_object_get(p, "bytes")), 12);
    json_decref(r);
    bnt_engine_close(e);
}
END_TEST

START_TEST(a_stop_string_that_is_no_text_is_refused) {
    static const char *const stops[] = {"ok", "\xff"};
    struct bnt_err err = {0};
    struct bnt_engine *e = open_engine("ref-scalar");
    struct bnt_session *s;
    struct bnt_generation g = {.text = (char[]){""}};
    const int32_t id = 1;
    json_t *r;
    must(bnt_session_open(&s, e, NULL, &err), &err);
    int status = bnt_receipt_build(
        &r, e, s,
        &(struct bnt_receipt_run){.template_id = "raw",
                                  .prompt = "",
                                  .ids = &id,
                                  .n_ids = 1,
                                  .options =
                                      &(struct bnt_generate_options){.stops = stops, .n_stops = 2},
                                  .generation = &g},
        &err);
    ck_assert_int_eq(status, BNT_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, "stop string 2"), "%s", err.text);
    ck_assert_ptr_null(r);
    bnt_session_close(s);
    bnt_engine_close(e);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt");
    TCase *t = tcase_create("results");
    tcase_add_unchecked_fixture(t, make_model, remove_model);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, results_are_the_same_bytes_everywhere);
    tcase_add_loop_test(t, a_receipt_of_one_backend_verifies_on_every_other, 0, 2);
    tcase_add_test(t, every_way_to_stop_verifies);
    tcase_add_test(t, an_empty_prompt_verifies);
    tcase_add_test(t, kernel_calls_are_what_ran);
    tcase_add_test(t, hashes_are_of_the_prompt);
    tcase_add_test(t, a_stop_string_that_is_no_text_is_refused);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
