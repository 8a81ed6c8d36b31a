/*
 * test_receipt_sampling.c - penalties, biases and log-probabilities in receipts: written where they
 * say something, computed again, and each change found.
 */
#include "run/logprob.h"
#include "suite.h"
#include "test_receipt.h"

static struct bnt_engine *engine;
static const struct bnt_bias biases[] = {{7, 2.5f}, {70, -100.0f}, {300, 9.0f}};

static struct bnt_generate_options all_of_it(void) {
    struct bnt_generate_options o = {
        .sampling = drawn(7), .n_predict = 24, .logprobs = true, .top_logprobs = 5};
    o.sampling.top_k = 40;
    o.sampling.presence_penalty = 0.5f;
    o.sampling.frequency_penalty = 0.25f;
    o.sampling.biases = biases;
    o.sampling.n_biases = 3;
    return o;
}

static json_t *receipt_with(const struct bnt_generate_options *o) {
    return receipt_of(engine, &(struct bnt_session_options){.threads = 1, .no_bind = true},
                      prompt_text, o);
}

static void set_up(void) {
    make_model();
    engine = open_engine("ref-scalar");
}

static void tear_down(void) {
    bnt_engine_close(engine);
    remove_model();
}

START_TEST(all_of_it_is_computed_again) {
    const struct bnt_generate_options o = all_of_it();
    struct bnt_err err = {0};
    json_t *r = receipt_with(&o);
    struct bnt_verification v = verify(engine, r, NULL);
    ck_assert_msg(bnt_verify_outcome(&v, &err) == BNT_OK, "%s", err.text);
    ck_assert_uint_eq(v.steps, 24);
    const json_t *s = at(r, "result", "sampling");
    ck_assert_str_eq(json_string_value(json_object_get(s, "presence_penalty")), "3f000000");
    ck_assert_uint_eq(json_array_size(json_object_get(s, "logit_bias")), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(s, "logprobs")), 5);
    json_decref(r);
}
END_TEST

/* Without log-probabilities the head may be searched: the same tokens all the same. */
START_TEST(searched_or_in_full) {
    struct bnt_generate_options o = all_of_it();
    json_t *with = receipt_with(&o);
    o.logprobs = false;
    json_t *without = receipt_with(&o);
    ck_assert(json_equal(json_object_get(at(with, "result", "output"), "ids"),
                         json_object_get(at(without, "result", "output"), "ids")));
    ck_assert_ptr_null(json_object_get(at(without, "result", "output"), "logprobs"));
    ck_assert_ptr_null(json_object_get(at(without, "result", "sampling"), "logprobs"));
    json_decref(with);
    json_decref(without);
}
END_TEST

START_TEST(what_says_nothing_is_not_written) {
    static const char *const later[] = {"presence_penalty", "frequency_penalty", "logit_bias",
                                        "logprobs"};
    json_t *r = usual_receipt(engine);
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        ck_assert_ptr_null(json_object_get(at(r, "result", "sampling"), later[i]));
    json_decref(r);
}
END_TEST

static const struct {
    const char *part, *field, *value; /* value NULL: the member is taken out */
    const char *says, *what; /* of the replay; what NULL: the form is refused with `says` */
} changes[] = {
    {"sampling", "presence_penalty", "\"40000000\"", "token: ", "token"},
    {"sampling", "presence_penalty", NULL, "token: ", "token"},
    {"sampling", "frequency_penalty", "\"c0000000\"", "token: ", "token"},
    {"sampling", "logit_bias", "[{\"id\":7,\"bias\":\"42c80000\"}]", "token: ", "token"},
    {"sampling", "logit_bias", NULL, "token: ", "token"},
    {"sampling", "logit_bias", "[{\"id\":600,\"bias\":\"3f800000\"}]",
     "sampling.logit_bias[0]: 600 is not in the vocabulary", ""},
    {"sampling", "logprobs", "4", "step 0: log-probabilities: ", "logprob"},
    {"sampling", "logprobs", "21", "result.sampling.logprobs: out of range", NULL},
    {"sampling", "logprobs", NULL, "logprobs that were not asked for", NULL},
    {"output", "logprobs", NULL, "logprobs is missing", NULL},
    {"output", "logprobs", "[]", "logprobs is not of ids' length", NULL},
    {"sampling", "presence_penalty", "\"42ca0000\"", "presence_penalty: out of range", NULL},
    {"sampling", "frequency_penalty", "\"7fc00000\"", "frequency_penalty: out of range", NULL},
    {"sampling", "logit_bias", "[]", "logit_bias: empty", NULL},
    {"sampling", "logit_bias", "[{\"id\":7,\"bias\":\"c2ca0000\"}]", "logit_bias[0]: out of range",
     NULL},
    {"sampling", "logit_bias",
     "[{\"id\":7,\"bias\":\"3f800000\"},{\"id\":7,\"bias\":\"3f800000\"}]",
     "logit_bias[1]: ids do not rise", NULL},
    {"sampling", "logit_bias", "[{\"id\":7}]", "logit_bias[0].bias: missing", NULL},
};
enum { CHANGES = sizeof changes / sizeof changes[0] };

START_TEST(each_change_is_found) {
    const struct bnt_generate_options o = all_of_it();
    struct bnt_err err = {0};
    json_t *r = receipt_with(&o), *part = at(r, "result", changes[_i].part);
    if (changes[_i].value)
        json_object_set_new(part, changes[_i].field,
                            json_loads(changes[_i].value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(part, changes[_i].field);
    reseal(r);
    if (!changes[_i].what) {
        ck_assert_int_eq(bnt_receipt_check(r, &err), BNT_E_FORMAT);
        ck_assert_msg(strstr(err.text, changes[_i].says), "%s", err.text);
    } else {
        struct bnt_verification v = verify(engine, r, NULL);
        const char *text = v.checks[BNT_CHECK_REPLAY].text;
        ck_assert_int_eq(v.checks[BNT_CHECK_REPLAY].state, BNT_DIFFERS);
        ck_assert_msg(strstr(text, changes[_i].says), "%s", text);
        if (changes[_i].what[0]) ck_assert_str_eq(v.first.what, changes[_i].what);
    }
    json_decref(r);
}
END_TEST

START_TEST(a_changed_log_probability_names_its_step) {
    const struct bnt_generate_options o = all_of_it();
    json_t *r = receipt_with(&o);
    json_t *step = json_array_get(json_object_get(at(r, "result", "output"), "logprobs"), 9);
    json_array_set_new(json_object_get(step, "top_logprobs"), 4, json_string("c0000000"));
    reseal(r);
    struct bnt_verification v = verify(engine, r, NULL);
    ck_assert_str_eq(v.first.what, "logprob");
    ck_assert_uint_eq(v.first.step, 9);
    json_decref(r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt_sampling");
    TCase *tc = tcase_create("receipt_sampling");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, all_of_it_is_computed_again);
    tcase_add_test(tc, searched_or_in_full);
    tcase_add_test(tc, what_says_nothing_is_not_written);
    tcase_add_loop_test(tc, each_change_is_found, 0, CHANGES);
    tcase_add_test(tc, a_changed_log_probability_names_its_step);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
