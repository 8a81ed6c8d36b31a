/*
 * test_receipt_chat.c - receipts of conversations: true ones verify everywhere, turn by turn and as
 * runs of their own, and what is changed in one is found and its turn named.
 */
#include "run/chat.h"
#include "suite.h"
#include "test_receipt.h"

enum { TURNS = 5, STEPS = 10 };

static struct bnt_engine *engine;
static json_t *honest;

/* Three turns, the third twice (as /regen does), and one that begins anew with a system message. */
static const struct {
    size_t back; /* turns that are taken back before it; TURNS: all, and the system message is
                    another */
    const char *system, *user;
} script[TURNS] = {{TURNS, NULL, " one"},
                   {0, NULL, "tw\xc3\xb6 <|eot_id|>"},
                   {0, NULL, "th\xffree"},
                   {1, NULL, "th\xffree"},
                   {TURNS, "Be good. ", "four"}};

static json_t *conversation(const struct bnt_template_choice *choice, const char *stop) {
    struct bnt_err err = {0};
    struct bnt_session *s;
    struct bnt_template tm;
    struct bnt_receipt_turn turns[TURNS];
    int32_t *ids[TURNS];
    struct bnt_generation made[TURNS];
    struct bnt_generate_options o = {.sampling = drawn(7), .n_predict = STEPS};
    json_t *receipt;
    if (stop) {
        o.stops = &stop;
        o.n_stops = 1;
    }
    must(bnt_template_open(&tm, engine->gguf, engine->tokenizer, choice, &err), &err);
    must(bnt_session_open(&s, engine, &(struct bnt_session_options){.threads = 1, .no_bind = true},
                          &err),
         &err);
    struct bnt_chat chat = {.tokenizer = engine->tokenizer, .template = &tm, .time = 1767225600};
    for (size_t k = 0; k < TURNS; k++) {
        struct bnt_generate_options with_seed = o;
        const char *user = script[k].user, *system = script[k].system;
        size_t keep, back = script[k].back;
        with_seed.sampling.seed += k;
        if (back == TURNS)
            must(bnt_chat_begin(&chat, system, system ? strlen(system) : 0, &err), &err);
        else
            bnt_chat_rewind(&chat, chat.n_turns - back);
        size_t depth = chat.n_turns;
        must(bnt_chat_ask(&chat, user, strlen(user), &keep, &err), &err);
        const struct bnt_chat_context *x = &chat.turns[depth].before;
        ids[k] = malloc((x->count - keep) * sizeof *ids[k]);
        memcpy(ids[k], x->ids + keep, (x->count - keep) * sizeof *ids[k]);
        turns[k] = (struct bnt_receipt_turn){.keep = keep,
                                             .depth = depth,
                                             .user = user,
                                             .user_len = strlen(user),
                                             .system = depth ? NULL : system,
                                             .system_len = depth || !system ? 0 : strlen(system),
                                             .ids = ids[k],
                                             .n_ids = x->count - keep,
                                             .generation = &made[k]};
        bnt_session_truncate(s, keep);
        must(bnt_generate(&made[k], engine, s, x->ids, x->count, &with_seed, &err), &err);
        must(bnt_chat_answer(&chat, made[k].tokens, made[k].n_tokens, made[k].text_len, &err),
             &err);
    }
    must(bnt_receipt_build(
             &receipt, engine, s,
             &(struct bnt_receipt_run){.template_id = tm.name,
                                       .template_sha256 = tm.sha256,
                                       .template_date = chat.used_time ? "2026-01-01" : "",
                                       .options = &o,
                                       .turns = turns,
                                       .n_turns = TURNS},
             &err),
         &err);
    for (size_t k = 0; k < TURNS; k++) {
        bnt_generation_free(&made[k]);
        free(ids[k]);
    }
    bnt_chat_free(&chat);
    bnt_template_close(&tm);
    bnt_session_close(s);
    return receipt;
}

static json_t *by_name(const char *name, const char *stop) {
    return conversation(&(struct bnt_template_choice){.name = name}, stop);
}

static void set_up(void) {
    make_model();
    engine = open_engine("ref-scalar");
    honest = by_name("llama3", NULL);
}

static void tear_down(void) {
    json_decref(honest);
    bnt_engine_close(engine);
    remove_model();
}

static json_t *turn_of(const json_t *receipt, size_t k) {
    return json_array_get(json_object_get(json_object_get(receipt, "result"), "turns"), k);
}

/* ---- true ones ------------------------------------------------------------------------------ */

START_TEST(a_conversation_is_true) {
    static const char *const templates[] = {"llama3", "bitnet", "instruct", "raw"};
    struct bnt_engine *best = open_engine(NULL);
    for (size_t i = 0; i < 4; i++) {
        json_t *receipt = by_name(templates[i], NULL);
        struct bnt_verification v = verify(best, receipt, NULL);
        for (unsigned c = 0; c < BNT_CHECK_SIGNATURE; c++)
            ck_assert_msg(v.checks[c].state == BNT_AGREES, "%s: %s", templates[i],
                          v.checks[c].text);
        ck_assert_uint_gt(v.steps, (TURNS - 1) * STEPS); /* one may end by itself */
        json_decref(receipt);
    }
    bnt_engine_close(best);
}
END_TEST

/* A template of a file, which changes what it said before and asks for the date. */
static const char file_template[] =
    "{{ bos_token }}{{ strftime_now('%Y') }}{% for m in messages %}<|start_header_id|>{{ m.role }}"
    "{{ m.content[:9] if m.role == 'assistant' else m.content | upper }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>{% endif %}";

START_TEST(one_by_a_template_file_is_verified_with_it) {
    const struct bnt_template_choice file = {.text = file_template, .len = strlen(file_template)};
    json_t *receipt = conversation(&file, NULL), *result = json_object_get(receipt, "result");
    struct bnt_verification v = {0};
    struct bnt_err err = {0};
    ck_assert_str_eq(json_string_value(json_object_get(result, "template")), "file");
    ck_assert_str_eq(json_string_value(json_object_get(result, "template_date")), "2026-01-01");
    const struct {
        const char *text;
        enum bnt_check_state state;
        const char *says;
    } cases[] = {{file_template, BNT_AGREES, "5 turns by template 'file'"},
                 {NULL, BNT_NOT_CHECKED, "--chat-template=FILE names it"},
                 {"{{ messages }}", BNT_DIFFERS, "template_sha256: the receipt's is"},
                 {"{{ 1", BNT_DIFFERS, "template: the chat template (file): line 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bnt_verify_template at = {NULL, cases[i].text,
                                         cases[i].text ? strlen(cases[i].text) : 0};
        v = (struct bnt_verification){0};
        must(bnt_verify_prompt(&v, receipt, engine->tokenizer, NULL, 0, &at, &err), &err);
        ck_assert_msg(v.checks[BNT_CHECK_PROMPT].state == cases[i].state, "%s",
                      v.checks[BNT_CHECK_PROMPT].text);
        ck_assert_msg(strstr(v.checks[BNT_CHECK_PROMPT].text, cases[i].says) != NULL, "%s",
                      v.checks[BNT_CHECK_PROMPT].text);
    }
    v = verify(engine, receipt, NULL);
    ck_assert_msg(v.checks[BNT_CHECK_REPLAY].state == BNT_AGREES, "%s",
                  v.checks[BNT_CHECK_REPLAY].text);
    /* Another date is another text. */
    json_object_set_new(result, "template_date", json_string("2027-01-01"));
    struct bnt_verify_template at = {NULL, file_template, strlen(file_template)};
    v = (struct bnt_verification){0};
    must(bnt_verify_prompt(&v, receipt, engine->tokenizer, NULL, 0, &at, &err), &err);
    ck_assert_int_eq(v.checks[BNT_CHECK_PROMPT].state, BNT_DIFFERS);
    json_decref(receipt);
}
END_TEST

/* What a turn kept was computed by earlier turns; a session that sees all of it at once agrees. */
START_TEST(each_turn_is_a_run) {
    for (size_t k = 0; k < TURNS; k++) {
        struct bnt_verification v = {0};
        struct bnt_err err = {0};
        json_t *run;
        must(bnt_receipt_turn(&run, honest, k, &err), &err);
        must(bnt_verify_replay(&v, run, engine,
                               &(struct bnt_session_options){.threads = 1, .no_bind = true}, NULL,
                               &err),
             &err);
        ck_assert_msg(v.checks[BNT_CHECK_REPLAY].state == BNT_AGREES, "turn %zu: %s", k,
                      v.checks[BNT_CHECK_REPLAY].text);
        ck_assert_uint_gt(v.steps, 0);
        json_decref(run);
    }
    ck_assert_int_eq(json_integer_value(json_object_get(turn_of(honest, 4), "keep")), 0);
    ck_assert(json_equal(json_object_get(turn_of(honest, 2), "keep"),
                         json_object_get(turn_of(honest, 3), "keep")));
    ck_assert(!json_equal(json_object_get(turn_of(honest, 2), "output"), /* its own seed */
                          json_object_get(turn_of(honest, 3), "output")));
}
END_TEST

/* An answer cut by a stop string inside its token: the rest of it begins the next turn. */
START_TEST(answers_cut_inside_a_token) {
    json_t *plain = by_name("raw", NULL);
    unsigned cut = 0;
    /* Every byte that some answer holds is tried as a stop string. */
    for (int c = 'a'; c <= 'z'; c++) {
        const char stop[] = {(char)c, '\0'};
        json_t *receipt = by_name("raw", stop);
        struct bnt_verification v = verify(engine, receipt, NULL);
        for (unsigned k = 0; k < BNT_CHECK_SIGNATURE; k++)
            ck_assert_msg(v.checks[k].state == BNT_AGREES, "stop '%s': %s", stop, v.checks[k].text);
        cut += !json_equal(json_object_get(receipt, "result"), json_object_get(plain, "result")) &&
               strstr(json_string_value(json_object_get(
                          json_object_get(turn_of(receipt, 0), "output"), "stop_reason")),
                      "stop") != NULL;
        json_decref(receipt);
    }
    ck_assert_uint_gt(cut, 0);
    json_decref(plain);
}
END_TEST

/* ---- changed ones --------------------------------------------------------------------------- */

static const struct {
    size_t turn;
    const char *part, *field; /* part NULL: of the turn itself */
    int index;
    const char *value; /* JSON */
    enum bnt_check check;
    const char *says; /* with seals made anew */
    const char *seal; /* what the old seals name */
} changes[] = {
    {1, "output", "ids", 3, "400", BNT_CHECK_REPLAY, "turns[1]: step 3: token: 400 in",
     "result.turns.1.output"},
    {3, "output", "logits", 0, "\"00000001\"", BNT_CHECK_REPLAY, "turns[3]: step 0: chosen logit",
     "result.turns.3.output"},
    {4, "output", "hidden_chain", 2, "\"0000000000000000\"", BNT_CHECK_REPLAY,
     "turns[4]: step 2: hidden state", "result.turns.4.output"},
    {2, "output", "stop_reason", -1, "\"stop-string\"", BNT_CHECK_REPLAY,
     "turns[2]: output.stop_reason", "result.turns.2.output"},
    {0, "output", "text_bytes", -1, "3", BNT_CHECK_REPLAY, "turns[0]: output.text_sha256",
     "result.turns.0.output"},
    {0, "output", "text_bytes", -1, "3000", BNT_CHECK_PROMPT,
     "turns[0].output: an answer of 3000 bytes", "result.turns.0.output"},
    {1, "prompt", "sha256", -1,
     "\"00000000000000000000000000000000000000000000000000000000000000ff\"", BNT_CHECK_PROMPT,
     "turns[1].prompt.sha256 is not that of the text", "result.turns.1.prompt"},
    {1, "prompt", "bytes", -1, "4", BNT_CHECK_PROMPT, "turns[1].prompt.bytes is not",
     "result.turns.1.prompt"},
    {4, "prompt", "system_bytes", -1, "7", BNT_CHECK_PROMPT,
     "turns[4].prompt.system_bytes is not that of the text", "result.turns.4.prompt"},
    {1, "prompt", "system_bytes", -1, "1", BNT_CHECK_PROMPT,
     "turns[1].prompt.system_bytes is not that of the text", "result.turns.1.prompt"},
    {1, "prompt", "system", -1, "{\"encoding\": \"utf-8\", \"text\": \"x\"}", BNT_CHECK_PROMPT,
     "turns[1].prompt.system: only a first turn has one", "result.turns.1.prompt"},
    {4, "prompt", "system", -1, "{\"encoding\": \"utf-8\", \"text\": \"Be goof. \"}",
     BNT_CHECK_PROMPT, "turns[4].prompt.ids are no rendering by template 'llama3'",
     "result.turns.4.prompt"},
    {1, "prompt", "user", -1, "{\"encoding\": \"utf-8\", \"text\": \"two\"}", BNT_CHECK_PROMPT,
     "turns[1].prompt.ids are no rendering by template 'llama3'", "result.turns.1.prompt"},
    {1, "prompt", "user", -1, "{\"encoding\": \"hex\", \"text\": \"7\"}", BNT_CHECK_PROMPT,
     "turns[1].prompt: a text that is none", "result.turns.1.prompt"},
    /* White space that the template takes off is only in the text and its hashes. */
    {0, "prompt", "user", -1, "{\"encoding\": \"hex\", \"text\": \"6f6e65\"}", BNT_CHECK_PROMPT,
     "turns[0].prompt.bytes is not that of the text", "result.turns.0.prompt"},
    {2, NULL, "depth", -1, "3", BNT_CHECK_PROMPT, "turns[2].depth: there are fewer turns before it",
     "result.turns.2.depth"},
    {2, NULL, "depth", -1, "1", BNT_CHECK_PROMPT, "turns[2].prompt.ids are no rendering",
     "result.turns.2.depth"},
    {2, "prompt", "recoverable", -1, "false", BNT_CHECK_SEALS, "", "result.turns.2.prompt"},
    {2, "prompt", "ids", 1, "600", BNT_CHECK_PROMPT,
     "turns[2].prompt.ids[1]: 600 is not in the vocabulary", "result.turns.2.prompt"},
    {2, "prompt", "ids", 1, "600", BNT_CHECK_REPLAY, "turns[2]: prompt.ids[", ""},
    {2, "prompt", "ids", 6, "70", BNT_CHECK_REPLAY, "turns[2]: step 0: hidden state", ""},
    /* A control token where a user's text is. */
    {0, "prompt", "ids", 9, "505", BNT_CHECK_PROMPT, "turns[0].prompt.", ""},
    {3, NULL, "keep", -1, "0", BNT_CHECK_PROMPT, "turns[3].prompt.ids are no rendering",
     "result.turns.3.keep"},
    {3, NULL, "keep", -1, "5", BNT_CHECK_PROMPT, "turns[3].prompt.ids are no rendering", ""},
    {3, NULL, "keep", -1, "5", BNT_CHECK_REPLAY, "turns[3]: step 0: hidden state", ""},
};

START_TEST(a_change_is_found_and_its_turn_named) {
    json_t *r = json_deep_copy(honest), *turn = turn_of(r, changes[_i].turn);
    json_t *part = changes[_i].part ? json_object_get(turn, changes[_i].part) : turn;
    json_t *now = json_loads(changes[_i].value, JSON_DECODE_ANY, NULL);
    struct bnt_err err = {0};
    struct bnt_verification v = {0};
    ck_assert_ptr_nonnull(now);
    if (changes[_i].index < 0) {
        ck_assert(!json_equal(json_object_get(part, changes[_i].field), now));
        json_object_set_new(part, changes[_i].field, now);
    } else {
        json_t *list = json_object_get(part, changes[_i].field);
        ck_assert(!json_equal(json_array_get(list, (size_t)changes[_i].index), now));
        json_array_set_new(list, (size_t)changes[_i].index, now);
    }
    must(bnt_verify_seals(&v, r, &err), &err);
    ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_DIFFERS);
    ck_assert_msg(strstr(v.checks[BNT_CHECK_SEALS].text, changes[_i].seal) != NULL, "%s",
                  v.checks[BNT_CHECK_SEALS].text);
    reseal(r);
    v = verify(engine, r, NULL);
    ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_AGREES);
    if (changes[_i].check != BNT_CHECK_SEALS) {
        ck_assert_int_eq(v.checks[changes[_i].check].state, BNT_DIFFERS);
        ck_assert_msg(strstr(v.checks[changes[_i].check].text, changes[_i].says) != NULL, "%s",
                      v.checks[changes[_i].check].text);
    }
    json_decref(r);
}
END_TEST

START_TEST(turns_put_in_or_taken_out_are_found) {
    for (size_t k = 0; k < TURNS - 1; k++) { /* the last may be taken out: what is left is true */
        json_t *r = json_deep_copy(honest);
        struct bnt_verification v = {0};
        struct bnt_err err = {0};
        json_array_remove(json_object_get(json_object_get(r, "result"), "turns"), k);
        must(bnt_verify_seals(&v, r, &err), &err);
        ck_assert_int_eq(v.checks[BNT_CHECK_SEALS].state, BNT_DIFFERS);
        reseal(r);
        if (bnt_receipt_check(r, &err) == BNT_OK) {
            v = verify(engine, r, NULL);
            ck_assert_int_eq(v.checks[BNT_CHECK_REPLAY].state, BNT_DIFFERS);
        } else {
            ck_assert_msg(strstr(err.text, "].keep: more than the context has") != NULL, "%s",
                          err.text);
        }
        json_decref(r);
    }
}
END_TEST

START_TEST(forms_are_not_mixed) {
    static const char *const names[] = {"prompt", "output"};
    struct bnt_err err = {0};
    for (size_t i = 0; i < 2; i++) {
        json_t *r = json_deep_copy(honest);
        json_object_set(json_object_get(r, "result"), names[i],
                        json_object_get(turn_of(r, 0), names[i]));
        reseal(r);
        ck_assert_int_eq(bnt_receipt_check(r, &err), BNT_E_FORMAT);
        ck_assert_msg(strstr(err.text, ": unknown field") != NULL, "%s", err.text);
        json_decref(r);
    }
    json_t *r = json_deep_copy(honest);
    json_array_clear(json_object_get(json_object_get(r, "result"), "turns"));
    reseal(r);
    ck_assert_int_eq(bnt_receipt_check(r, &err), BNT_E_FORMAT);
    ck_assert_str_eq(err.text, "receipt: result.turns: empty");
    json_decref(r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt_chat");
    TCase *tc = tcase_create("receipt_chat");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_conversation_is_true);
    tcase_add_test(tc, one_by_a_template_file_is_verified_with_it);
    tcase_add_test(tc, each_turn_is_a_run);
    tcase_add_test(tc, answers_cut_inside_a_token);
    tcase_add_loop_test(tc, a_change_is_found_and_its_turn_named, 0,
                        sizeof changes / sizeof changes[0]);
    tcase_add_test(tc, turns_put_in_or_taken_out_are_found);
    tcase_add_test(tc, forms_are_not_mixed);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
