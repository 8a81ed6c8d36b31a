/*
 * test_receipt_tamper.c - what is changed in a receipt, its model or its prompt is found and named.
 *
 * Each change is made twice: by hand, so that a seal names the field; and with the seals made anew,
 * as a forger would, so that only hashing and computing again can find it.
 */
#include "suite.h"
#include "test_receipt.h"

static struct bnt_engine *engine;
static json_t *honest;

static void set_up(void) {
    make_model();
    engine = open_engine("ref-scalar");
    honest = usual_receipt(engine);
}

static void tear_down(void) {
    json_decref(honest);
    bnt_engine_close(engine);
    remove_model();
}

/* ---- changed fields ------------------------------------------------------------------------- */

/* Another value of the same form. */
static json_t *altered(const json_t *v) {
    char text[200];
    if (json_is_boolean(v)) return json_boolean(!json_is_true(v));
    if (json_is_integer(v)) return json_integer(json_integer_value(v) + 1);
    snprintf(text, sizeof text, "%s", json_string_value(v));
    size_t last = strlen(text) - 1;
    text[last] = text[last] == '1' ? '2' : '1';
    return json_string(text);
}

static const struct {
    const char *part, *field;
    int index;            /* of a list, or -1 */
    const char *value;    /* JSON; NULL: another value of the same form */
    enum bnt_check check; /* the one that finds it when the seals fit */
    const char *says;     /* then */
    const char *what;     /* the kind of the first difference */
} changes[] = {
    {"output", "ids", 5, NULL, BNT_CHECK_REPLAY, "step 5: token: ", "token"},
    {"output", "logits", 2, NULL, BNT_CHECK_REPLAY, "step 2: chosen logit: ", "logit"},
    {"output", "hidden_chain", 9, NULL, BNT_CHECK_REPLAY, "step 9: hidden state: ", "hidden"},
    {"output", "hidden_sha256", -1, NULL, BNT_CHECK_REPLAY, "output.hidden_sha256: ", "hidden"},
    {"output", "stop_reason", -1, "\"stop-string\"", BNT_CHECK_REPLAY,
     "output.stop_reason: ", "end"},
    {"output", "text_sha256", -1, NULL, BNT_CHECK_REPLAY, "output.text_sha256: ", "text"},
    {"output", "text_bytes", -1, NULL, BNT_CHECK_REPLAY, "output.text_sha256: ", "text"},
    {"sampling", "seed", -1, "\"8\"", BNT_CHECK_REPLAY, "(drawn with seed 8)", "token"},
    {"sampling", "temperature", -1, "\"40000000\"", BNT_CHECK_REPLAY, "token: ", "token"},
    {"sampling", "temperature", -1, "\"00000000\"", BNT_CHECK_REPLAY, "token: ", "token"},
    {"sampling", "top_k", -1, "1", BNT_CHECK_REPLAY, "token: ", "token"},
    {"sampling", "repeat_penalty", -1, "\"40000000\"", BNT_CHECK_REPLAY, "token: ", "token"},
    {"limits", "predict", -1, NULL, BNT_CHECK_REPLAY, "step 24: the receipt ends here (length)",
     "end"},
    {"limits", "predict", -1, "23", BNT_CHECK_REPLAY,
     "'length' after 24 tokens in the receipt, 'length' after 23", "end"},
    {"limits", "context", -1, "30", BNT_CHECK_REPLAY, "'context-full' after", "end"},
    {"limits", "context", -1, "3", BNT_CHECK_REPLAY, "limits.context: 3", NULL},
    {"limits", "context", -1, "100000", BNT_CHECK_REPLAY, "limits.context: 100000", NULL},
    {"model", "sha256", -1, NULL, BNT_CHECK_MODEL, "model.sha256: ", NULL},
    {"model", "bytes", -1, NULL, BNT_CHECK_MODEL, "model.bytes: ", NULL},
    {"model", "architecture", -1, "\"llama\"", BNT_CHECK_MODEL, "model.architecture: \"llama\" in",
     NULL},
    {"tokenizer", "digest", -1, NULL, BNT_CHECK_TOKENIZER, "tokenizer.digest: ", NULL},
    {"tokenizer", "bos", -1, NULL, BNT_CHECK_TOKENIZER, "tokenizer.bos: 497 in the receipt", NULL},
    {"tokenizer", "pre_source", -1, "\"inferred\"", BNT_CHECK_TOKENIZER,
     "tokenizer.pre_source: ", NULL},
    {"prompt", "blake3", -1, NULL, BNT_CHECK_PROMPT, "prompt.blake3: ", NULL},
    {"prompt", "sha256", -1, NULL, BNT_CHECK_PROMPT, "prompt.sha256: ", NULL},
    {"prompt", "bytes", -1, NULL, BNT_CHECK_PROMPT, "prompt.bytes: 12 in the receipt, 11 here",
     NULL},
    {"prompt", "ids", 2, "70", BNT_CHECK_REPLAY, "step 0: hidden state: ", "hidden"},
    {"prompt", "ids", 2, "70", BNT_CHECK_PROMPT, "prompt.sha256: ", NULL},
    {"prompt", "ids", 2, "600", BNT_CHECK_PROMPT, "prompt.ids[2]: 600 is not in the vocabulary",
     NULL},
    {"prompt", "ids", 2, "600", BNT_CHECK_REPLAY, "prompt.ids[2]: 600 is not in the vocabulary",
     NULL},
    {"prompt", "add_bos", -1, NULL, BNT_CHECK_PROMPT, "prompt.ids: ", NULL},
};

static json_t *changed(int i) {
    json_t *r = json_deep_copy(honest), *part = at(r, "result", changes[i].part);
    json_t *old = json_object_get(part, changes[i].field);
    json_t *was = changes[i].index < 0 ? old : json_array_get(old, (size_t)changes[i].index);
    ck_assert_ptr_nonnull(was);
    json_t *now =
        changes[i].value ? json_loads(changes[i].value, JSON_DECODE_ANY, NULL) : altered(was);
    ck_assert(!json_equal(was, now));
    if (changes[i].index < 0)
        json_object_set_new(part, changes[i].field, now);
    else
        json_array_set_new(old, (size_t)changes[i].index, now);
    return r;
}

START_TEST(a_field_changed_by_hand_is_named) {
    struct bnt_err err = {0};
    char name[100];
    json_t *r = changed(_i);
    struct bnt_verification v = verify(engine, r, NULL);
    snprintf(name, sizeof name, "result.%s.%s was changed after", changes[_i].part,
             changes[_i].field);
    ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_DIFFERS);
    ck_assert_msg(strstr(v.checks[BNT_CHECK_SEALS].text, name), "%s",
                  v.checks[BNT_CHECK_SEALS].text);
    ck_assert_int_eq(bnt_verify_outcome(&v, &err), BNT_E_MISMATCH);
    ck_assert_msg(strstr(err.text, name), "%s", err.text);
    json_decref(r);
}
END_TEST

START_TEST(a_change_with_new_seals_is_found_all_the_same) {
    struct bnt_err err = {0};
    json_t *r = changed(_i);
    reseal(r);
    struct bnt_verification v = verify(engine, r, NULL);
    const enum bnt_check c = changes[_i].check;
    ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_AGREES);
    ck_assert_msg(v.checks[c].state == BNT_DIFFERS && strstr(v.checks[c].text, changes[_i].says),
                  "%s: %s", bnt_check_name(c), v.checks[c].text);
    if (changes[_i].what) ck_assert_str_eq(v.first.what, changes[_i].what);
    ck_assert_int_eq(bnt_verify_outcome(&v, &err), BNT_E_MISMATCH);
    ck_assert_msg(strstr(err.text, changes[_i].says), "%s", err.text);
    json_decref(r);
}
END_TEST

#define SOME_DIGEST                                                                                \
    "\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""

/* Members that an honest receipt of this run has not, or has otherwise: what none of the checks can
 * confirm is no "ok". */
static const struct {
    const char *part, *field, *value;
    int status;
    const char *says;
} inventions[] = {
    {"limits", "constraint", "{\"kind\":\"json-schema\"," SOME_DIGEST "}", BNT_E_UNCHECKED,
     "--json-schema=FILE"},
    {"limits", "constraint", "{\"kind\":\"gbnf\"," SOME_DIGEST "}", BNT_E_UNCHECKED,
     "--grammar=FILE"},
    {"limits", "constraint", "{\"kind\":\"calls\"," SOME_DIGEST "}", BNT_E_UNCHECKED,
     "--json-schema=FILE"},
    {"limits", "constraint", "{\"kind\":\"json\"," SOME_DIGEST "}", BNT_E_UNCHECKED,
     "--format=json"},
    {"prompt", "recoverable", "false", BNT_E_MISMATCH, "prompt.recoverable"},
    {"prompt", "parse_special", "true", BNT_OK, ""}, /* no such text is in it: no influence */
    {"sampling", "presence_penalty", "\"42c80000\"", BNT_E_MISMATCH, "token: "},
    {"sampling", "frequency_penalty", "\"42c80000\"", BNT_E_MISMATCH, "token: "},
    {"sampling", "logit_bias", "[{\"id\":5,\"bias\":\"42c80000\"}]", BNT_E_MISMATCH, "token: "},
    {"model", "ignored_keys", "[\"some.key\"]", BNT_E_MISMATCH, "model.ignored_keys"},
};

START_TEST(what_is_invented_is_no_ok) {
    struct bnt_err err = {0};
    json_t *r = json_deep_copy(honest);
    json_object_set_new(at(r, "result", inventions[_i].part), inventions[_i].field,
                        json_loads(inventions[_i].value, JSON_DECODE_ANY, NULL));
    reseal(r);
    struct bnt_verification v = verify(engine, r, NULL);
    ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_AGREES);
    const int status = bnt_verify_outcome(&v, &err);
    ck_assert_msg(status == inventions[_i].status && strstr(err.text, inventions[_i].says),
                  "%s: %d: %s", inventions[_i].field, status, err.text);
    v.no_replay = true; /* who wants none does not miss it */
    if (status == BNT_E_UNCHECKED) ck_assert_int_eq(bnt_verify_outcome(&v, &err), BNT_OK);
    json_decref(r);
}
END_TEST

START_TEST(the_replay_stops_at_the_first_difference) {
    json_t *r = json_deep_copy(honest), *output = at(r, "result", "output");
    json_array_set_new(json_object_get(output, "ids"), 4, json_integer(1));
    json_array_set_new(json_object_get(output, "logits"), 9, json_string("00000000"));
    struct bnt_verification v = verify(engine, r, NULL);
    ck_assert_uint_eq(v.first.step, 4);
    ck_assert_uint_eq(v.steps, 4);
    ck_assert_str_eq(v.first.receipt, "1");
    json_decref(r);
}
END_TEST

START_TEST(seals_themselves) {
    static const struct {
        const char *object, *key, *value, *says;
    } edits[] = {
        {NULL, "result_sha256", NULL, "result_sha256 was changed"},
        {NULL, "circumstance_sha256", NULL, "circumstance_sha256 was changed"},
        {"field_sha256", "result.output.ids", NULL, "the seal of result.output.ids was changed"},
        {"field_sha256", "result.output.idx", "\"0123456789abcdef\"",
         "nothing is at result.output.idx"},
        {"circumstance", "threads", "77", "circumstance.threads was changed after"},
        {"circumstance", "commit", "\"mine\"", "circumstance.commit was changed after"},
        {"circumstance", "environment", "{\"BITNET_SEED\":\"1\"}",
         "circumstance.environment.BITNET_SEED was added after"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        json_t *r = json_deep_copy(honest);
        json_t *o = edits[i].object ? json_object_get(r, edits[i].object) : r;
        json_object_set_new(o, edits[i].key,
                            edits[i].value ? json_loads(edits[i].value, JSON_DECODE_ANY, NULL)
                                           : altered(json_object_get(o, edits[i].key)));
        struct bnt_verification v = verify(engine, r, NULL);
        ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_DIFFERS);
        ck_assert_msg(strstr(v.checks[BNT_CHECK_SEALS].text, edits[i].says), "%s: %s",
                      edits[i].says, v.checks[BNT_CHECK_SEALS].text);
        ck_assert_int_eq(v.checks[BNT_CHECK_REPLAY].state, BNT_AGREES);
        json_decref(r);
    }
    json_t *r = json_deep_copy(honest);
    json_object_del(json_object_get(r, "field_sha256"), "result.sampling.seed");
    struct bnt_verification v = verify(engine, r, NULL);
    ck_assert_msg(
        strstr(v.checks[BNT_CHECK_SEALS].text, "the seal of result.sampling.seed was taken out"),
        "%s", v.checks[BNT_CHECK_SEALS].text);
    json_decref(r);
}
END_TEST

/* ---- changed files -------------------------------------------------------------------------- */

START_TEST(one_byte_of_the_model) {
    struct bnt_err err = {0};
    struct bnt_verification v = {0};
    struct bnt_gguf *g;
    size_t size;
    const uint8_t *bytes = bnt_gguf_part(engine->gguf, 0, &size);
    uint8_t *copy = malloc(size);
    memcpy(copy, bytes, size);
    copy[size - 1000] ^= 1;
    must(bnt_gguf_open_memory(&g, copy, size, &err), &err);
    must(bnt_verify_model(&v, honest, g, &err), &err);
    ck_assert_int_eq(v.checks[BNT_CHECK_MODEL].state, BNT_DIFFERS);
    ck_assert_msg(strstr(v.checks[BNT_CHECK_MODEL].text, "model.sha256: "), "%s",
                  v.checks[BNT_CHECK_MODEL].text);
    bnt_gguf_close(g);
    free(copy);
}
END_TEST

START_TEST(one_byte_of_the_prompt) {
    static const struct {
        const char *text, *says;
    } prompts[] = {{"some w\xc3\xb6rdz", "prompt.blake3: "},
                   {"some w\xc3\xb6rd", "prompt.bytes: 11 in the receipt, 10 here"},
                   {"Some w\xc3\xb6rds", "prompt.ids[1]: "},
                   {"", "prompt.sha256: "}};
    for (size_t i = 0; i < sizeof prompts / sizeof prompts[0]; i++) {
        struct bnt_verification v = verify(engine, honest, prompts[i].text);
        ck_assert_int_eq(v.checks[BNT_CHECK_PROMPT].state, BNT_DIFFERS);
        ck_assert_msg(strstr(v.checks[BNT_CHECK_PROMPT].text, prompts[i].says), "%s",
                      v.checks[BNT_CHECK_PROMPT].text);
        ck_assert_int_eq(v.checks[BNT_CHECK_REPLAY].state, BNT_AGREES);
    }
}
END_TEST

int main(void) {
    const int n = sizeof changes / sizeof changes[0];
    Suite *suite = suite_create("receipt_tamper");
    TCase *t = tcase_create("tamper");
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, a_field_changed_by_hand_is_named, 0, n);
    tcase_add_loop_test(t, a_change_with_new_seals_is_found_all_the_same, 0, n);
    tcase_add_loop_test(t, what_is_invented_is_no_ok, 0, sizeof inventions / sizeof inventions[0]);
    tcase_add_test(t, the_replay_stops_at_the_first_difference);
    tcase_add_test(t, seals_themselves);
    tcase_add_test(t, one_byte_of_the_model);
    tcase_add_test(t, one_byte_of_the_prompt);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
