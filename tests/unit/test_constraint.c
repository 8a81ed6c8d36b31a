/*
 * test_constraint.c - output with a shape, from the vocabulary to whole texts: the tokens that are
 * allowed are those whose bytes may follow, forced runs are the tokenizer's tokens of the only
 * text, and however a text is computed, it has the same bytes and keeps to its grammar.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guide.h"
#include "machine.h"
#include "rng.h"
#include "run/engine.h"
#include "run/generate.h"
#include "schema.h"
#include "suite.h"
#include "synth_engine.h"

static struct bnt_engine *engine;

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

static void set_up(void) {
    struct bnt_err err = {0};
    struct synth s;
    ck_assert(synth_preset(&s, "tiny"));
    engine = synth_engine(&s, NULL, &err);
    ck_assert_msg(engine != NULL, "%s", err.text);
}

static void tear_down(void) {
    bnt_engine_close(engine);
}

static struct bnt_constraint *of_schema(const char *schema) {
    struct bnt_constraint *c;
    struct bnt_err err = {0};
    must(bnt_constraint_open(&c, engine, BNT_CONSTRAINT_SCHEMA, schema, strlen(schema), &err),
         &err);
    return c;
}

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":9},\"n\":{"
    "\"type\":\"integer\",\"minimum\":-20,\"maximum\":300},\"list\":{\"type\":\"array\",\"items\":{"
    "\"enum\":[\"red\",\"green\",null]},\"maxItems\":4}},\"required\":[\"name\",\"n\",\"list\"],"
    "\"additionalProperties\":false}",
    "{\"enum\":[\"a text of some length\",\"a text of some other length\",17]}",
    "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"anyOf\":[{\"$ref\":"
    "\"#/$defs/t\"},{\"type\":\"boolean\"}]},\"minItems\":1,\"maxItems\":3}}}",
    "{\"type\":\"object\",\"maxProperties\":3,\"additionalProperties\":{\"type\":\"string\","
    "\"maxLength\":5}}",
    "{\"type\":\"string\",\"pattern\":\"^(?:[a-f ]{2}|[\\\\n\\\\t\\\\\\\\])*$\",\"minLength\":60,"
    "\"maxLength\":130}",
    "{\"type\":\"string\",\"pattern\":\"^(?!.*  )(?=.*e)\",\"maxLength\":90}",
};
enum { SCHEMAS = sizeof schemas / sizeof *schemas };

/* ---- sets of tokens ----------------------------------------------------------------------------
 */

static bool in(const uint64_t *set, int32_t id) {
    return set[id / 64] >> id % 64 & 1;
}

/* Each token by itself through a machine of its own. */
static void compare_set(struct bnt_machine *m, bnt_state s, const uint64_t *set,
                        const struct bnt_pieces *p) {
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(engine);
    for (int32_t id = 0; id < (int32_t)engine->info.n_vocab; id++) {
        const uint8_t *bytes;
        uint32_t len;
        bool may = bnt_tokenizer_is_eog(t, id) && bnt_machine_accepts(m, s);
        if (bnt_pieces_of(p, id, &bytes, &len)) {
            bnt_state to = s;
            for (uint32_t i = 0; i < len && to; i++) to = bnt_machine_step(m, to, bytes[i]);
            may = to != BNT_STATE_DEAD;
        }
        ck_assert_msg(in(set, id) == may, "token %d", id);
    }
}

/* Random walks over tokens; where a run is forced it is the tokenizer's, and the only one. */
START_TEST(sets_are_those_of_the_bytes) {
    struct bnt_constraint *c = of_schema(schemas[_i]);
    const struct bnt_pieces *p = engine->pieces;
    const struct bnt_schema_options written = {0};
    struct bnt_grammar *grammar;
    struct bnt_machine *m;
    struct rng r = rng_stream((uint64_t)_i, 77);
    unsigned forced = 0, free_sets = 0;
    must(bnt_schema_compile(&grammar, schemas[_i], strlen(schemas[_i]), &written, NULL), NULL);
    must(bnt_machine_open(&m, grammar, NULL), NULL);
    for (unsigned round = 0; round < 12; round++) {
        struct bnt_guide *g;
        must(bnt_guide_open(&g, c, NULL), NULL);
        bnt_state s = bnt_machine_start(m);
        for (unsigned step = 0; step < 60; step++) {
            const uint64_t *set;
            const uint8_t *bytes;
            uint32_t len;
            int32_t id;
            bnt_guide_look(g);
            must(bnt_guide_allowed(g, 0, &set, NULL), NULL);
            ck_assert_int_eq(bnt_guide_may_end(g), bnt_machine_accepts(m, s));
            if ((id = bnt_guide_forced(g)) >= 0) {
                for (int32_t i = 0; i < (int32_t)engine->info.n_vocab; i++)
                    ck_assert_int_eq(in(set, i), i == id);
                forced++;
            } else {
                compare_set(m, s, set, p);
                free_sets++;
                do id = (int32_t)rng_below(&r, engine->info.n_vocab);
                while (!in(set, id));
            }
            if (!bnt_pieces_of(p, id, &bytes, &len)) break; /* the end */
            ck_assert(bnt_guide_expect(g, id));
            must(bnt_guide_allowed(g, 1, &set, NULL), NULL);
            struct bnt_guide *again; /* what is allowed ahead is what is allowed then */
            must(bnt_guide_accept(g, id, NULL), NULL);
            uint64_t ahead = set[0];
            bnt_guide_look(g);
            must(bnt_guide_allowed(g, 0, &set, NULL), NULL);
            ck_assert_uint_eq(set[0], ahead);
            must(bnt_guide_open(&again, c, NULL), NULL); /* others at work change nothing */
            bnt_guide_close(again);
            for (uint32_t i = 0; i < len; i++) s = bnt_machine_step(m, s, bytes[i]);
        }
        bnt_guide_close(g);
    }
    if (_i == 0) ck_assert_uint_gt(forced, 20);
    ck_assert_uint_gt(free_sets, 20);
    bnt_machine_close(m);
    bnt_grammar_close(grammar);
    bnt_constraint_close(c);
}
END_TEST

START_TEST(what_may_not_follow_is_refused) {
    struct bnt_constraint *c = of_schema("{\"type\":\"boolean\"}");
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(engine);
    struct bnt_guide *g;
    struct bnt_err err = {0};
    int32_t end = 0;
    while (!bnt_tokenizer_is_eog(t, end)) end++;
    must(bnt_guide_open(&g, c, &err), &err);
    ck_assert_int_eq(bnt_guide_accept(g, end, &err), BNT_E_USAGE);
    ck_assert_int_eq(bnt_guide_accept(g, 'x', &err), BNT_E_USAGE);
    ck_assert_int_eq(bnt_guide_accept(g, -1, &err), BNT_E_USAGE);
    ck_assert_int_eq(bnt_guide_accept(g, 1 << 30, &err), BNT_E_USAGE);
    ck_assert(!bnt_guide_may_end(g));
    bnt_guide_close(g);
    bnt_constraint_close(c);
}
END_TEST

START_TEST(digests_name_the_text) {
    struct bnt_constraint *a = of_schema("{}"), *b = of_schema("{ }"), *c;
    ck_assert_str_ne(bnt_constraint_digest(a), bnt_constraint_digest(b));
    must(bnt_constraint_open(&c, engine, BNT_CONSTRAINT_JSON, NULL, 0, NULL), NULL);
    /* printf 'json\n' | sha256sum */
    ck_assert_str_eq(bnt_constraint_digest(c),
                     "e6d4186a938579ceed4ed5b2fccd42a32448dcda6b0ddbcfd49fc70177bbe9ae");
    bnt_constraint_close(a);
    bnt_constraint_close(b);
    bnt_constraint_close(c);
}
END_TEST

/* ---- whole texts -------------------------------------------------------------------------------
 */

enum { PROMPT = 5, CONTEXT = 200 };

static struct bnt_generation text_of(struct bnt_constraint *c, struct bnt_generate_options o,
                                     unsigned threads, uint32_t batch) {
    static const int32_t ids[PROMPT] = {10, 200, 31, 7, 64};
    struct bnt_generation g;
    struct bnt_session *s;
    struct bnt_err err = {0};
    o.constraint = c;
    must(bnt_session_open(
             &s, engine,
             &(struct bnt_session_options){
                 .n_ctx = CONTEXT, .n_batch = batch, .threads = threads, .no_bind = true},
             &err),
         &err);
    must(bnt_generate(&g, engine, s, ids, PROMPT, &o, &err), &err);
    bnt_session_close(s);
    return g;
}

static void compare(const struct bnt_generation *a, const struct bnt_generation *b) {
    ck_assert_uint_eq(a->n_tokens, b->n_tokens);
    ck_assert_mem_eq(a->tokens, b->tokens, a->n_tokens * sizeof *a->tokens);
    ck_assert_mem_eq(a->chosen_logits, b->chosen_logits, a->n_tokens * sizeof *a->chosen_logits);
    ck_assert_str_eq(a->hidden_digest, b->hidden_digest);
    ck_assert_str_eq(a->text, b->text);
    ck_assert_int_eq(a->reason, b->reason);
}

static struct bnt_sampling sampler(unsigned i, uint64_t seed) {
    struct bnt_sampling s = bnt_sampling_default();
    s.seed = seed;
    s.temperature = (float)(i % 5) * 0.5f;
    s.top_k = i % 3 == 0 ? 40 : 0;
    s.top_p = i % 4 == 3 ? 0.9f : 1.0f;
    s.repeat_penalty = i % 7 == 6 ? 1.3f : 1.0f;
    return s;
}

/* Random weights at every temperature; with drafts, all logits, more threads, a cold and a warm
 * constraint. */
START_TEST(texts_keep_to_their_grammar) {
    struct bnt_constraint *warm = of_schema(schemas[_i]);
    unsigned ended = 0;
    for (unsigned i = 0; i < 24; i++) {
        struct bnt_generate_options o = {.sampling = sampler(i, i), .n_predict = 150};
        struct bnt_constraint *cold = of_schema(schemas[_i]);
        struct bnt_generation plain = text_of(cold, o, 1, 64);
        o.lookup = true;
        struct bnt_generation drafted = text_of(warm, o, 2, 16);
        compare(&plain, &drafted);
        o.full_logits = true;
        struct bnt_generation full = text_of(warm, o, 1, 7);
        compare(&plain, &full);
        if (plain.reason == BNT_STOP_EOG) {
            json_t *v = json_loads(plain.text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
            ck_assert_msg(v != NULL, "%s", plain.text);
            json_decref(v);
            ended++;
        } else {
            ck_assert_int_eq(plain.reason, BNT_STOP_LENGTH);
        }
        bnt_generation_free(&plain);
        bnt_generation_free(&drafted);
        bnt_generation_free(&full);
        bnt_constraint_close(cold);
    }
    ck_assert_uint_gt(ended, 3);
    bnt_constraint_close(warm);
}
END_TEST

/* Until the mark comes up every token may follow, those without text among them. */
START_TEST(text_without_calls_is_free) {
    static const char calls[] = "{\"mark\":\"<tool_call>\",\"end\":\"</tool_call>\",\"list\":false,"
                                "\"most\":0,\"call\":{\"type\":\"boolean\"}}";
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(engine);
    unsigned without_text = 0;
    struct bnt_constraint *c;
    must(bnt_constraint_open(&c, engine, BNT_CONSTRAINT_CALLS, calls, sizeof calls - 1, NULL),
         NULL);
    for (unsigned i = 0; i < 24; i++) {
        struct bnt_generate_options o = {.sampling = sampler(i, i), .n_predict = 150};
        struct bnt_generation plain = text_of(NULL, o, 1, 64), free = text_of(c, o, 2, 16);
        compare(&plain, &free);
        for (size_t k = 0; k < plain.n_tokens; k++)
            without_text += bnt_tokenizer_type(t, plain.tokens[k]) == BNT_TOKEN_CONTROL;
        bnt_generation_free(&plain);
        bnt_generation_free(&free);
    }
    ck_assert_uint_gt(without_text, 10);
    bnt_constraint_close(c);
}
END_TEST

START_TEST(an_end_cannot_be_ignored) {
    struct bnt_constraint *c = of_schema("true");
    struct bnt_generation g;
    struct bnt_session *s;
    struct bnt_err err = {0};
    struct bnt_generate_options o = {.n_predict = 5, .ignore_eog = true, .constraint = c};
    o.sampling = bnt_sampling_default();
    must(bnt_session_open(&s, engine, &(struct bnt_session_options){.n_ctx = 32, .threads = 1},
                          &err),
         &err);
    ck_assert_int_eq(bnt_generate(&g, engine, s, (int32_t[]){1}, 1, &o, &err), BNT_E_USAGE);
    bnt_generation_free(&g);
    bnt_session_close(s);
    bnt_constraint_close(c);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("constraint");
    TCase *tc = tcase_create("constraint");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, sets_are_those_of_the_bytes, 0, SCHEMAS);
    tcase_add_test(tc, what_may_not_follow_is_refused);
    tcase_add_test(tc, digests_name_the_text);
    tcase_add_loop_test(tc, texts_keep_to_their_grammar, 0, SCHEMAS);
    tcase_add_test(tc, text_without_calls_is_free);
    tcase_add_test(tc, an_end_cannot_be_ignored);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
