/*
 * test_draft.c - guesses of what comes next: they change when tokens are computed, and nothing
 * else.
 *
 * Two halves: what the lookup proposes on texts of a known kind, without a model; and generation
 * with guesses of every quality, by every sampler, against generation without.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/draft.h"
#include "run/engine.h"
#include "run/generate.h"
#include "suite.h"
#include "synth_engine.h"

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

static uint32_t drawn(uint32_t *x) {
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

/* ---- the lookup ------------------------------------------------------------------------------ */

enum { LENGTH = 4000 };

struct outcome {
    size_t feeds, proposed;
};

/* A text that is made token by token from `start` on, whatever is proposed. */
static struct outcome follow(const int32_t *text, size_t start, size_t n) {
    struct bnt_err err = {0};
    struct bnt_lookup *l;
    struct outcome o = {0, 0};
    int32_t out[31];
    must(bnt_lookup_open(&l, &err), &err);
    for (size_t at = start; at < n; o.feeds++, at++) {
        size_t k = bnt_lookup_guess(l, text, at, out, 31);
        ck_assert_uint_le(k, 31);
        o.proposed += k;
        for (size_t i = 0; i < k && at < n - 1 && out[i] == text[at]; i++) at++;
    }
    bnt_lookup_close(l);
    return o;
}

START_TEST(a_text_without_repetition_is_left_alone) {
    static const uint32_t vocabularies[] = {2, 10, 100, 1000, 128000};
    int32_t *text = malloc(LENGTH * sizeof *text);
    for (unsigned v = 0; v < 5; v++) {
        uint32_t x = v + 1;
        for (size_t i = 0; i < LENGTH; i++) text[i] = (int32_t)(drawn(&x) % vocabularies[v]);
        struct outcome o = follow(text, 10, LENGTH);
        /* Of two tokens every other guess is right; and that pays. */
        if (v) ck_assert_uint_le(o.proposed, LENGTH / 50);
    }
    free(text);
}
END_TEST

START_TEST(a_text_that_quotes_is_made_in_large_steps) {
    int32_t *text = malloc(LENGTH * sizeof *text);
    uint32_t x = 7;
    for (size_t i = 0; i < LENGTH; i++) /* 400 tokens, then passages of them, 40 tokens long */
        text[i] = i < 400 || i % 40 == 0 ? (int32_t)(drawn(&x) % 5000) : text[i - 363 + i / 40];
    struct outcome o = follow(text, 400, LENGTH);
    ck_assert_uint_le(o.feeds, (LENGTH - 400) / 4);
    for (size_t i = 0; i < LENGTH; i++) text[i] = (int32_t)(i % 7); /* shorter than what is asked */
    o = follow(text, 20, LENGTH);
    ck_assert_uint_le(o.feeds, LENGTH / 20);
    for (size_t i = 0; i < LENGTH; i++) text[i] = 3;
    o = follow(text, 1, LENGTH);
    ck_assert_uint_le(o.feeds, LENGTH / 20);
    free(text);
}
END_TEST

/* ... and before each unit there are the units of a kind that always turn out otherwise. */
START_TEST(matches_that_mislead_are_no_longer_believed) {
    int32_t *text = malloc(LENGTH * sizeof *text);
    uint32_t x = 9;
    for (size_t i = 0; i < LENGTH; i++) /* three known tokens, then a new one */
        text[i] = i % 4 < 3 ? (int32_t)(i % 4) : (int32_t)(1000 + i);
    struct outcome o = follow(text, 10, LENGTH);
    ck_assert_uint_le(o.feeds, LENGTH * 3 / 4); /* the known ones are guessed */
    for (size_t i = 0; i < LENGTH; i++)
        text[i] = i % 40 < 30 ? (int32_t)(drawn(&x) % 3000) : (int32_t)(i % 40);
    o = follow(text, 10, LENGTH);
    ck_assert_uint_le(o.proposed, (LENGTH - o.feeds) * 2);
    free(text);
}
END_TEST

/* ---- generation ------------------------------------------------------------------------------ */

static struct bnt_engine *engine;

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

enum { PROMPT = 40, CONTEXT = 110 };

struct run {
    struct bnt_generation g;
    uint64_t position;
    char shown[8192];
    size_t shown_len;
    struct bnt_step steps[CONTEXT + 1];
    size_t n_steps;
};

static int show(void *arg, const char *text, size_t len, struct bnt_err *err) {
    struct run *r = arg;
    (void)err;
    ck_assert_uint_lt(r->shown_len + len, sizeof r->shown);
    memcpy(r->shown + r->shown_len, text, len);
    r->shown_len += len;
    return BNT_OK;
}

static int note(void *arg, const struct bnt_step *step, struct bnt_err *err) {
    struct run *r = arg;
    (void)err;
    r->steps[r->n_steps++] = *step;
    return BNT_OK;
}

static struct run run(const int32_t *ids, size_t fed, uint32_t batch,
                      struct bnt_generate_options o) {
    struct bnt_err err = {0};
    struct bnt_session *s;
    struct run r = {.n_steps = 0};
    o.on_text = show;
    o.on_step = note;
    o.on_text_arg = o.on_step_arg = &r;
    must(bnt_session_open(&s, engine,
                          &(struct bnt_session_options){
                              .n_ctx = CONTEXT, .n_batch = batch, .threads = 1, .no_bind = true},
                          &err),
         &err);
    must(bnt_session_feed(s, ids, fed, BNT_WANT_NONE, &err), &err);
    must(bnt_generate(&r.g, engine, s, ids, PROMPT, &o, &err), &err);
    r.position = bnt_session_position(s);
    bnt_session_close(s);
    return r;
}

static void compare(const struct run *a, const struct run *b) {
    ck_assert_uint_eq(a->g.n_tokens, b->g.n_tokens);
    ck_assert_mem_eq(a->g.tokens, b->g.tokens, a->g.n_tokens * sizeof *a->g.tokens);
    ck_assert_mem_eq(a->g.chosen_logits, b->g.chosen_logits,
                     a->g.n_tokens * sizeof *a->g.chosen_logits);
    ck_assert_mem_eq(a->g.links, b->g.links, a->g.n_tokens * sizeof *a->g.links);
    ck_assert_str_eq(a->g.hidden_digest, b->g.hidden_digest);
    ck_assert_str_eq(a->g.logits_digest, b->g.logits_digest);
    ck_assert_uint_eq(a->g.text_len, b->g.text_len);
    ck_assert_mem_eq(a->g.text, b->g.text, a->g.text_len);
    ck_assert_int_eq(a->g.reason, b->g.reason);
    ck_assert_uint_eq(a->g.prefill_tokens, b->g.prefill_tokens);
    ck_assert_uint_eq(a->g.decode_steps, b->g.decode_steps);
    ck_assert_uint_eq(a->position, b->position);
    ck_assert_uint_eq(a->shown_len, b->shown_len);
    ck_assert_mem_eq(a->shown, b->shown, a->shown_len);
    ck_assert_uint_eq(a->n_steps, b->n_steps);
    for (size_t i = 0; i < a->n_steps; i++) ck_assert_int_eq(a->steps[i].id, b->steps[i].id);
}

/* Knows what will be made, and is wrong now and then, or out of the vocabulary. */
struct oracle {
    const struct run *plain;
    uint32_t x, wrong; /* one of so many */
};

static size_t foretell(void *arg, const int32_t *ids, size_t n, int32_t *out, size_t most) {
    struct oracle *o = arg;
    size_t k = 0;
    (void)ids;
    for (; k < most; k++) {
        size_t at = n - PROMPT + k;
        out[k] = at < o->plain->g.n_tokens ? o->plain->g.tokens[at] : 5;
        uint32_t draw = drawn(&o->x);
        if (draw % o->wrong == 0)
            out[k] = (draw >> 12) % 8 ? (int32_t)(draw % 500) : -1 - (int32_t)k;
        if (draw % o->wrong == 0 && (draw >> 12) % 8 == 1) out[k] = 1 << 30;
    }
    return k;
}

static const struct bnt_bias biases[] = {{7, 2.0f}, {100, -3.0f}};

static struct bnt_sampling sampler(unsigned i, uint64_t seed) {
    struct bnt_sampling s = bnt_sampling_default();
    s.seed = seed;
    switch (i) {
    case 1: s.temperature = 0.7f; break;
    case 2:
        s.temperature = 0.9f;
        s.top_k = 5;
        break;
    case 3:
        s.temperature = 1.1f;
        s.top_k = 40;
        s.top_p = 0.9f;
        s.min_p = 0.02f;
        break;
    case 4: s.repeat_penalty = 1.4f; break;
    case 5:
        s.temperature = 0.2f;
        s.repeat_penalty = 1.1f;
        s.repeat_last = 8;
        break;
    case 6:
        s.presence_penalty = 0.8f;
        s.frequency_penalty = 0.3f;
        break;
    case 7:
        s.temperature = 0.8f;
        s.top_k = 20;
        s.repeat_penalty = 1.2f;
        s.frequency_penalty = 0.5f;
        s.biases = biases;
        s.n_biases = 2;
        break;
    default: break;
    }
    return s;
}
enum { SAMPLERS = 8 };

/* Every sampler, with all logits or not; prompts of random tokens and of a passage that is
 * repeated; sessions that hold some of it; small batches. */
START_TEST(guesses_change_no_byte) {
    size_t accepted = 0, looked_up = 0;
    uint32_t x = (uint32_t)_i + 1;
    for (unsigned way = 0; way < 2; way++) {
        struct bnt_generate_options o = {.sampling = sampler((unsigned)_i, drawn(&x)),
                                         .n_predict = way ? 30 : 500,
                                         .ignore_eog = !way,
                                         .full_logits = way == 1};
        int32_t ids[PROMPT];
        for (unsigned i = 0; i < PROMPT; i++)
            ids[i] = way && i >= 9 ? ids[i - 9] : (int32_t)(drawn(&x) % 500);
        struct run plain = run(ids, 0, 16, o);
        ck_assert_int_eq(plain.g.reason == BNT_STOP_CONTEXT, !way);
        struct oracle oracle = {&plain, x, 1};
        for (unsigned k = 0; k < 6; k++) {
            struct bnt_generate_options with = o;
            oracle.wrong = 1u + 3 * k;
            with.guesser = (struct bnt_guesser){foretell, &oracle};
            struct run r = run(ids, 0, k % 2 ? 7 : 64, with);
            compare(&plain, &r);
            accepted += r.g.accepted;
            ck_assert_uint_le(r.g.accepted, r.g.drafted);
            ck_assert_uint_lt(r.g.accepted, r.g.n_tokens);
            bnt_generation_free(&r.g);
        }
        o.lookup = true;
        for (size_t fed = 0; fed < PROMPT; fed += 13) {
            struct run r = run(ids, fed, 32, o);
            r.g.prefill_tokens += fed;
            if (fed) r.position = plain.position;
            compare(&plain, &r);
            looked_up += r.g.accepted;
            bnt_generation_free(&r.g);
        }
        bnt_generation_free(&plain.g);
    }
    ck_assert_uint_gt(accepted, 100);
    if (_i == 0) ck_assert_uint_gt(looked_up, 50); /* greedy: a small model repeats itself */
}
END_TEST

struct ending {
    enum bnt_stop_reason reason;
    size_t n_tokens;
};

/* The same text without guesses and with right ones; how it ends. */
static struct ending ends_alike(const int32_t *ids, struct bnt_generate_options o,
                                struct run *whole, uint32_t x) {
    struct run plain = run(ids, 0, 16, o);
    struct oracle oracle = {whole, x, 1000};
    o.guesser = (struct bnt_guesser){foretell, &oracle};
    struct run r = run(ids, 0, 64, o);
    compare(&plain, &r);
    struct ending e = {r.g.reason, r.g.n_tokens};
    bnt_generation_free(&plain.g);
    bnt_generation_free(&r.g);
    return e;
}

/* A guess that is right does not carry the text past its end. */
START_TEST(a_text_ends_where_it_ends_without_guesses) {
    int32_t ids[PROMPT];
    uint32_t x = 3;
    for (unsigned i = 0; i < PROMPT; i++) ids[i] = (int32_t)(drawn(&x) % 500);
    struct bnt_generate_options o = {
        .sampling = sampler(1, 11), .n_predict = 60, .ignore_eog = true};
    struct run whole = run(ids, 0, 16, o);
    for (size_t at = 3; at + 6 < whole.g.text_len; at += 7) {
        char stop[8] = {0};
        memcpy(stop, whole.g.text + at, 3);
        if (strlen(stop) != 3) continue;
        o.stops = (const char *const[]){stop};
        o.n_stops = 1;
        ck_assert_int_eq(ends_alike(ids, o, &whole, x).reason, BNT_STOP_STRING);
    }
    for (size_t n = 0; n < 50; n += 7) {
        o.n_stops = 0;
        o.n_predict = n;
        ck_assert_uint_eq(ends_alike(ids, o, &whole, x).n_tokens, n);
    }
    bnt_generation_free(&whole.g);
}
END_TEST

int main(void) {
    TCase *lookup = tcase_create("lookup"), *made = tcase_create("generation");
    tcase_add_test(lookup, a_text_without_repetition_is_left_alone);
    tcase_add_test(lookup, a_text_that_quotes_is_made_in_large_steps);
    tcase_add_test(lookup, matches_that_mislead_are_no_longer_believed);
    tcase_add_checked_fixture(made, set_up, tear_down);
    tcase_set_timeout(made, 60);
    tcase_add_loop_test(made, guesses_change_no_byte, 0, SAMPLERS);
    tcase_add_test(made, a_text_ends_where_it_ends_without_guesses);
    Suite *suite = suite_create("draft");
    suite_add_tcase(suite, lookup);
    suite_add_tcase(suite, made);
    return run_suite(suite);
}
