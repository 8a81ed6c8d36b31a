/*
 * test_choose.c - penalties and biases, and the choice among searched and named logits.
 *
 * A model of steps 1 to 3 of NUMERICS clause 10 changes all logits, each by itself; what bnt_sample
 * and a chooser make of the unchanged ones must be the same, over whole answers.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/numerics.h"
#include "rng.h"
#include "run/choose.h"
#include "run/head.h"
#include "suite.h"

enum { VOCAB = 900, PROMPT = 90, STEPS = 150, BIASES = 12 };

static struct rng rng;
static float logits[VOCAB];
static struct bnt_bias biases[BIASES];
static int32_t history[PROMPT + STEPS];
static char scratch[VOCAB * 16];

static uint64_t below(uint64_t n) {
    return rng_next(&rng) % n;
}

/* Few values, so that there are ties; tokens that come up again and again. */
static void random_logits(void) {
    for (int i = 0; i < VOCAB; i++) logits[i] = (float)below(60) / 8.0f - 4.0f;
    for (int i = 0; i < 20; i++) logits[i * 7 % VOCAB] += 3.0f;
}

static struct bnt_sampling random_sampling(void) {
    static const float temperatures[] = {0.0f, 0.7f, 1.5f}, penalties[] = {1.0f, 1.3f, 0.7f},
                       counted[] = {0.0f, 0.5f, -0.4f, 2.0f};
    static const uint32_t ks[] = {1, 5, 40, 256};
    struct bnt_sampling s = bnt_sampling_default();
    s.temperature = temperatures[below(3)];
    s.top_k = ks[below(4)];
    s.top_p = below(2) ? 1.0f : 0.9f;
    s.min_p = below(2) ? 0.0f : 0.02f;
    s.repeat_penalty = penalties[below(3)];
    s.repeat_last = below(2) ? 64 : (uint32_t)below(20);
    s.presence_penalty = counted[below(4)];
    s.frequency_penalty = counted[below(4)];
    s.seed = rng_next(&rng);
    s.biases = biases;
    s.n_biases = below(3) ? (uint32_t)below(BIASES + 1) : 0;
    for (int i = 0; i < BIASES; i++)
        biases[i] = (struct bnt_bias){i * 71 + (int32_t)below(71), (float)below(400) / 20.0f - 10};
    return s;
}

/* What clause 10 says becomes of the logit of one token, after `made` of n tokens were made. */
static float model_of(const struct bnt_sampling *s, int32_t id, size_t n, size_t made) {
    float logit = logits[id];
    bool recent = false;
    unsigned times = 0;
    for (uint32_t i = 0; i < s->n_biases; i++)
        if (s->biases[i].id == id) logit += s->biases[i].bias;
    for (size_t i = 0; i < n; i++) {
        recent |= i + s->repeat_last >= n && history[i] == id;
        times += i >= n - made && history[i] == id;
    }
    if (recent && logit > 0.0f)
        logit /= s->repeat_penalty;
    else if (recent)
        logit *= s->repeat_penalty;
    if (times) {
        float taken = (float)times * s->frequency_penalty;
        taken += s->presence_penalty;
        logit -= taken;
    }
    return logit;
}

static int32_t model_choice(struct bnt_sampling s, size_t n, size_t made) {
    static float adjusted[VOCAB];
    for (int32_t i = 0; i < VOCAB; i++) adjusted[i] = model_of(&s, i, n, made);
    s.repeat_penalty = 1.0f;
    s.presence_penalty = s.frequency_penalty = 0.0f;
    s.n_biases = 0;
    return bnt_sample(&s, adjusted, VOCAB, NULL, 0, made, scratch);
}

/* What a search gives for a row. */
static struct bnt_choices search(const struct bnt_row *row) {
    static struct bnt_top top[BNT_HEAD_MOST];
    static float named[VOCAB];
    struct bnt_choices c = {.top = top, .named = named};
    uint32_t at = 0;
    c.allowed = row->allowed;
    if (row->want & BNT_ROW_LOGITS)
        return (struct bnt_choices){.logits = logits, .allowed = row->allowed};
    for (int32_t i = 0; i < VOCAB; i++) {
        if (at < row->n_ids && row->ids[at] == i)
            named[at++] = logits[i];
        else if (!row->allowed || (row->allowed[i / 64] >> i % 64 & 1))
            bnt_keep_best(top, &c.n_top, row->k, (struct bnt_top){logits[i], i});
    }
    ck_assert_uint_eq(at, row->n_ids);
    bnt_sort_best(top, c.n_top);
    return c;
}

static unsigned searched, in_full;

/* Few tokens, or most; never none. */
static const uint64_t *random_set(void) {
    static uint64_t words[(VOCAB + 63) / 64];
    uint32_t one_of = 1u << below(11);
    memset(words, 0, sizeof words);
    for (uint32_t i = 0; i < VOCAB; i++)
        if (below(one_of) == 0) words[i / 64] |= UINT64_C(1) << i % 64;
    words[0] |= 1u << below(32);
    return words;
}

/* The order of the clause among some tokens: the others have no logit that could count. */
static void one_constrained(uint64_t seed, bool all) {
    static float kept[VOCAB];
    struct bnt_err err = {0};
    struct bnt_chooser c;
    rng = rng_stream(seed, 1);
    const struct bnt_sampling s = random_sampling();
    for (int i = 0; i < PROMPT; i++) history[i] = (int32_t)below(40);
    ck_assert_int_eq(bnt_chooser_begin(&c, &s, VOCAB, all, history, PROMPT, &err), BNT_OK);
    for (size_t made = 0; made < STEPS; made++) {
        const size_t n = PROMPT + made;
        const uint64_t *allowed = random_set();
        struct bnt_row row = {.allowed = allowed};
        random_logits();
        bnt_chooser_ask(&c, &row);
        *(row.want & BNT_ROW_LOGITS ? &in_full : &searched) += 1;
        const struct bnt_choices found = search(&row);
        const struct bnt_top got = bnt_chooser_take(&c, &found, history, n);
        ck_assert(allowed[got.id / 64] >> got.id % 64 & 1);
        memcpy(kept, logits, sizeof kept);
        for (uint32_t i = 0; i < VOCAB; i++)
            if (!(allowed[i / 64] >> i % 64 & 1)) logits[i] = -1e30f;
        ck_assert_int_eq(got.id, model_choice(s, n, made));
        memcpy(logits, kept, sizeof kept);
        ck_assert_uint_eq(bnt_f32_bits(got.logit), bnt_f32_bits(logits[got.id]));
        ck_assert_int_eq(bnt_sample_allowed(&s, logits, VOCAB, allowed, history, n, made, scratch),
                         got.id);
        history[n] = got.id;
        ck_assert_int_eq(bnt_chooser_made(&c, got.id, &err), BNT_OK);
    }
    bnt_chooser_end(&c);
}

START_TEST(choices_among_some_are_those_of_the_clause) {
    for (uint64_t seed = 1; seed <= 120; seed++) one_constrained(seed, seed % 5 == 0);
}
END_TEST

static void one_answer(uint64_t seed, bool all) {
    struct bnt_err err = {0};
    struct bnt_chooser c;
    rng = rng_stream(seed, 0);
    const struct bnt_sampling s = random_sampling();
    for (int i = 0; i < PROMPT; i++) history[i] = (int32_t)below(40);
    ck_assert_int_eq(bnt_chooser_begin(&c, &s, VOCAB, all, history, PROMPT, &err), BNT_OK);
    for (size_t made = 0; made < STEPS; made++) {
        const size_t n = PROMPT + made;
        struct bnt_row row = {0};
        random_logits();
        if (below(3) == 0) /* a guess, right or not */
            ck_assert_int_eq(bnt_chooser_name(&c, (int32_t)below(VOCAB), &err), BNT_OK);
        bnt_chooser_ask(&c, &row);
        *(row.want & BNT_ROW_LOGITS ? &in_full : &searched) += 1;
        const struct bnt_choices found = search(&row);
        const struct bnt_top got = bnt_chooser_take(&c, &found, history, n);
        ck_assert_int_eq(got.id, model_choice(s, n, made));
        ck_assert_uint_eq(bnt_f32_bits(got.logit), bnt_f32_bits(logits[got.id]));
        ck_assert_int_eq(bnt_sample(&s, logits, VOCAB, history, n, made, scratch), got.id);
        history[n] = got.id;
        ck_assert_int_eq(bnt_chooser_made(&c, got.id, &err), BNT_OK);
    }
    bnt_chooser_end(&c);
}

START_TEST(choices_are_those_of_the_clause) {
    for (uint64_t seed = 1; seed <= 120; seed++) one_answer(seed, seed % 5 == 0);
    ck_assert_uint_gt(searched, 4 * in_full / 2); /* most of them need no full logits */
    ck_assert_uint_gt(in_full, 0);
}
END_TEST

START_TEST(a_bias_for_no_token_is_named) {
    const struct bnt_bias beyond[] = {{3, 1.0f}, {VOCAB, 1.0f}};
    struct bnt_sampling s = bnt_sampling_default();
    struct bnt_err err = {0};
    struct bnt_chooser c;
    s.biases = beyond;
    s.n_biases = 2;
    ck_assert_int_eq(bnt_chooser_begin(&c, &s, VOCAB, false, NULL, 0, &err), BNT_E_USAGE);
    ck_assert_str_eq(err.text, "a bias for token 900, which is not in the vocabulary of 900");
    bnt_chooser_end(&c);
}
END_TEST

/* Where half of the head's rows are named, the search would be no shorter. */
START_TEST(many_names_ask_for_all_logits) {
    struct bnt_sampling s = bnt_sampling_default();
    struct bnt_err err = {0};
    struct bnt_chooser c;
    struct bnt_row row = {0};
    s.presence_penalty = 1.0f;
    ck_assert_int_eq(bnt_chooser_begin(&c, &s, VOCAB, false, NULL, 0, &err), BNT_OK);
    for (int32_t i = 0; i <= VOCAB / 4; i++) {
        row = (struct bnt_row){0};
        bnt_chooser_ask(&c, &row);
        ck_assert_uint_eq(row.want, BNT_ROW_HIDDEN | BNT_ROW_TOP);
        ck_assert_uint_eq(row.n_ids, (uint32_t)i);
        ck_assert_int_eq(bnt_chooser_made(&c, VOCAB - 1 - i, &err), BNT_OK);
    }
    row = (struct bnt_row){0};
    bnt_chooser_ask(&c, &row);
    ck_assert_uint_eq(row.want, BNT_ROW_HIDDEN | BNT_ROW_LOGITS);
    bnt_chooser_end(&c);
}
END_TEST

START_TEST(seeds_of_several_answers) {
    ck_assert_uint_eq(bnt_sampling_seed(42, 0), 42);
    for (uint32_t k = 1; k < 100; k++) {
        ck_assert_uint_le(bnt_sampling_seed(42, k), INT64_MAX);
        for (uint32_t j = 0; j < k; j++)
            ck_assert_uint_ne(bnt_sampling_seed(42, k), bnt_sampling_seed(42, j));
        ck_assert_uint_ne(bnt_sampling_seed(42, k), bnt_sampling_seed(43, k - 1));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("choose");
    TCase *tc = tcase_create("choose");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, choices_are_those_of_the_clause);
    tcase_add_test(tc, choices_among_some_are_those_of_the_clause);
    tcase_add_test(tc, a_bias_for_no_token_is_named);
    tcase_add_test(tc, many_names_ask_for_all_logits);
    tcase_add_test(tc, seeds_of_several_answers);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
