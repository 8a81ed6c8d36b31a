/*
 * test_receipt_form.c - what is no receipt is refused with a message that names the place.
 *
 * The one idea: take a real receipt apart everywhere. Every member of every object is taken out,
 * given values of other types and a stranger beside it; nothing of that may pass.
 */
#include "suite.h"
#include "test_receipt.h"

static json_t *honest;

static void set_up(void) {
    make_model();
    struct bnt_engine *e = open_engine("ref-scalar");
    honest = usual_receipt(e);
    bnt_engine_close(e);
}

static void tear_down(void) {
    json_decref(honest);
    remove_model();
}

static void refused(const json_t *receipt, int status, const char *says) {
    struct bnt_err err = {0};
    int got = bnt_receipt_check(receipt, &err);
    ck_assert_msg(got == status && strstr(err.text, says), "wanted %s with '%s', got %s: %s",
                  bnt_status_name(status), says, bnt_status_name(got), err.text);
}

/* A member may be missing where names are not fixed, and where only some models have it. */
static bool may_be_missing(const char *path, const char *here) {
    return strcmp(here, "result.model.i2s_layout") == 0 || strcmp(here, "circumstance.i2s") == 0 ||
           strcmp(here, "circumstance.draft") == 0 ||
           strcmp(path, "circumstance.kernel_calls") == 0 ||
           strcmp(path, "circumstance.environment") == 0 || strcmp(path, "field_sha256") == 0;
}

static unsigned edits;

/* `o` lies at `path` in `whole`; both are left as they were. */
static void take_apart(json_t *whole, json_t *o, const char *path) {
    static const char *const others[] = {"null",  "true",    "1",        "-7", "1.5",
                                         "\"\"",  "\"x\"",   "[]",       "{}", "[[]]",
                                         "[1.0]", "[\"x\"]", "{\"x\":1}"};
    const char *keys[128];
    size_t n = 0;
    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it))
        keys[n++] = json_object_iter_key(it);
    for (size_t i = 0; i < n; i++) {
        char here[200], key[100];
        snprintf(key, sizeof key, "%s", keys[i]); /* setting may move the name */
        snprintf(here, sizeof here, "%s%s%s", path, path[0] ? "." : "", key);
        json_t *was = json_incref(json_object_get(o, key));
        if (!may_be_missing(path, here) && strcmp(key, "schema_version") &&
            strcmp(key, "numerics_version") && strcmp(here, "result")) {
            json_object_del(o, key);
            refused(whole, BNT_E_FORMAT, here);
            refused(whole, BNT_E_FORMAT, "missing");
            edits++;
        }
        unsigned passed = 0;
        for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
            struct bnt_err err = {0};
            json_object_set_new(o, key, json_loads(others[k], JSON_DECODE_ANY, NULL));
            int status = bnt_receipt_check(whole, &err);
            ck_assert(status == BNT_OK || status == BNT_E_FORMAT || status == BNT_E_UNSUPPORTED);
            passed += status == BNT_OK;
            edits++;
        }
        /* "" and "x" may be texts, 1 a count, [] a list: never more than that */
        ck_assert_msg(passed <= 2, "%s takes %u kinds of values", here, passed);
        json_object_set(o, key, was);
        if (json_is_object(was)) take_apart(whole, was, here);
        json_decref(was);
    }
    if (strcmp(path, "field_sha256") == 0) return;
    json_object_set_new(o, "stranger", json_integer(1));
    refused(whole, BNT_E_FORMAT, "stranger");
    json_object_del(o, "stranger");
    edits++;
}

START_TEST(every_field_is_missed_and_minded) {
    struct bnt_err err = {0};
    json_t *r = json_deep_copy(honest);
    take_apart(r, r, "");
    ck_assert_uint_gt(edits, 1000);
    must(bnt_receipt_check(r, &err), &err);
    ck_assert(json_equal(r, honest));
    json_decref(r);
}
END_TEST

START_TEST(versions_come_first) {
    static const struct {
        const char *key;
        int version;
        const char *says;
    } versions[] = {{"schema_version", 2, "schema_version 2; this program knows version 1"},
                    {"schema_version", 0, "schema_version 0"},
                    {"numerics_version", 2, "numerics_version 2; this program computes by"}};
    for (size_t i = 0; i < 3; i++) {
        json_t *r = json_deep_copy(honest), *result = json_object_get(r, "result");
        json_object_set_new(result, versions[i].key, json_integer(versions[i].version));
        json_object_set_new(result, "of_the_future", json_true());
        refused(r, BNT_E_UNSUPPORTED, versions[i].says);
        json_object_del(result, versions[i].key);
        refused(r, BNT_E_FORMAT, versions[i].key);
        json_decref(r);
    }
}
END_TEST

static const struct {
    const char *part, *field, *value, *says;
} forms[] = {
    {"output", "ids", "[1, -1]", "result.output.ids[1]: out of range"},
    {"output", "ids", "[1, 2147483648]", "result.output.ids[1]: out of range"},
    {"output", "ids", "[1]", "not of one length"},
    {"output", "logits", "[\"3f80000\"]", "result.output.logits[0]: not 8 hexadecimal digits"},
    {"output", "logits", "[\"3F800000\"]", "result.output.logits[0]: not 8 hexadecimal digits"},
    {"output", "hidden_chain", "[\"3f800000\"]", "result.output.hidden_chain[0]: not 16"},
    {"output", "hidden_sha256", "\"\"", "does not fit the number of steps"},
    {"output", "hidden_sha256",
     "\"0000000000000000000000000000000000000000000000000000000000000000\"",
     "does not begin like the last"},
    {"output", "stop_reason", "\"bored\"", "result.output.stop_reason: not a word"},
    {"output", "stop_reason", "\"length end-of-text\"", "result.output.stop_reason: not a word"},
    {"prompt", "ids", "[]", "result.prompt.ids: empty"},
    {"model", "sha256", "\"0123\"", "result.model.sha256: not 64 hexadecimal digits"},
    {"limits", "stops", "[\"a\", \"\"]", "result.limits.stops[1]: empty"},
    {"sampling", "seed", "\"18446744073709551616\"", "not an unsigned 64-bit number"},
    {"sampling", "seed", "\"007\"", "not an unsigned 64-bit number"},
    {"sampling", "seed", "\"-1\"", "not an unsigned 64-bit number"},
    {"sampling", "temperature", "\"7fc00000\"", "result.sampling.temperature: out of range"},
    {"sampling", "top_p", "\"40000000\"", "result.sampling.top_p: out of range"},
    {"sampling", "min_p", "\"bf800000\"", "result.sampling.min_p: out of range"},
    {"sampling", "repeat_penalty", "\"00000000\"", "result.sampling.repeat_penalty: out of range"},
    {"sampling", "top_k", "4294967296", "result.sampling.top_k: out of range"},
    {"limits", "predict", "9007199254740993", "result.limits.predict: out of range"},
};

START_TEST(form_of_values) {
    json_t *r = json_deep_copy(honest);
    json_t *value = json_loads(forms[_i].value, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(value);
    json_object_set_new(at(r, "result", forms[_i].part), forms[_i].field, value);
    refused(r, BNT_E_FORMAT, forms[_i].says);
    json_decref(r);
}
END_TEST

START_TEST(times_and_names) {
    static const char *const wrong[] = {"2026-11-22 22:55:00Z", "2026-11-22T22:55:00",
                                        "2026-11-22T22:55:00+01:00", "", "2026-1-22T22:55:00Z"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *r = json_deep_copy(honest);
        json_object_set_new(json_object_get(r, "circumstance"), "timestamp", json_string(wrong[i]));
        refused(r, BNT_E_FORMAT, "circumstance.timestamp: not a time");
        json_decref(r);
    }
    json_t *r = json_deep_copy(honest);
    json_object_set_new(json_object_get(r, "field_sha256"), "result output",
                        json_string("0123456789abcdef"));
    refused(r, BNT_E_FORMAT, "not a name");
    json_decref(r);
    r = json_deep_copy(honest);
    json_object_set_new(r, "a\nb\x1b[1m", json_true()); /* shown without its control characters */
    refused(r, BNT_E_FORMAT, "a\\x0ab\\x1b[1m: unknown field");
    json_decref(r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt_form");
    TCase *t = tcase_create("form");
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, every_field_is_missed_and_minded);
    tcase_add_test(t, versions_come_first);
    tcase_add_loop_test(t, form_of_values, 0, sizeof forms / sizeof forms[0]);
    tcase_add_test(t, times_and_names);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
