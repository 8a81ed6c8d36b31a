/* test_chat.c - a conversation as tokens: what of an answer stays, what is carried on as text, and
 * where one can go back to. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "run/chat.h"
#include "suite.h"
#include "toy_vocab.h"

static struct bnt_tokenizer *t;

static void set_up(void) {
    struct toy *toy = toy_bpe("llama-bpe");
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    size_t size;
    uint8_t *data = toy_bytes(toy, &size);
    ck_assert(bnt_gguf_open_memory(&g, data, size, &err) == BNT_OK);
    ck_assert(bnt_tokenizer_open(&t, g, &err) == BNT_OK);
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
}

static void tear_down(void) {
    bnt_tokenizer_close(t);
}

static int32_t id_of(const char *piece) {
    int32_t id = bnt_tokenizer_find(t, piece);
    ck_assert_int_ge(id, 0);
    return id;
}

static const struct {
    const char *pieces[4];
    size_t text_len;  /* shown */
    size_t kept;      /* tokens that stay */
    const char *rest; /* text that does not */
} answers[] = {
    {{"the", "whole"}, 8, 2, ""},
    {{"the", "whole", "<|eot_id|>"}, 8, 2, ""},      /* the template has its own */
    {{"the", "<|eot_id|>", "<|eot_id|>"}, 3, 1, ""}, /* as ignoring ends would give */
    {{"<|eot_id|>"}, 0, 0, ""},
    {{NULL}, 0, 0, ""},
    {{"the", "whole"}, 3, 1, ""},   /* a stop string began with the second token */
    {{"the", "whole"}, 5, 1, "wh"}, /* or inside it */
    {{"the", "whole"}, 2, 0, "th"},
    {{"the", "whole"}, 0, 0, ""},
    {{"a", "\xC3\x83"}, 2, 2, ""}, /* interrupted inside a character: its byte was shown */
    {{"a", "\xC3\x83", "the"}, 1, 1, ""},
    {{"<|begin_of_text|>", "the"}, 3, 2, ""}, /* control tokens in an answer show nothing */
};

START_TEST(an_answer_stays_as_far_as_it_was_shown) {
    struct bnt_chat c = {.tokenizer = t};
    struct bnt_turn turn = {0};
    struct bnt_err err = {0};
    int32_t ids[4], before[] = {id_of("a")};
    size_t n = 0;
    while (n < 4 && answers[_i].pieces[n]) {
        ids[n] = id_of(answers[_i].pieces[n]);
        n++;
    }
    bnt_chat_next(&c, &turn);
    ck_assert(turn.first && turn.rest_len == 0);
    ck_assert(bnt_chat_add(&c, before, 1, &err) == BNT_OK);
    ck_assert_msg(bnt_chat_answer(&c, ids, n, answers[_i].text_len, &err) == BNT_OK, "%s",
                  err.text);
    ck_assert_uint_eq(c.count, 1 + answers[_i].kept);
    ck_assert(memcmp(c.ids + 1, ids, answers[_i].kept * sizeof *ids) == 0);
    bnt_chat_next(&c, &turn);
    ck_assert(!turn.first);
    ck_assert_uint_eq(turn.rest_len, strlen(answers[_i].rest));
    ck_assert(memcmp(turn.rest, answers[_i].rest, turn.rest_len) == 0);
    bnt_chat_free(&c);
}
END_TEST

START_TEST(one_goes_back_to_ends_of_answers) {
    struct bnt_chat c = {.tokenizer = t};
    struct bnt_turn turn = {0};
    struct bnt_err err = {0};
    int32_t user[700], the = id_of("the");
    size_t ends[3];
    for (size_t i = 0; i < 700; i++) user[i] = (int32_t)(i % 256);
    for (size_t k = 0; k < 3;
         k++) { /* 700 + 1 tokens each; the last answer is cut inside its token */
        ck_assert(bnt_chat_add(&c, user, 700, &err) == BNT_OK);
        ck_assert(bnt_chat_answer(&c, &the, 1, k == 2 ? 1 : 3, &err) == BNT_OK);
        ends[k] = c.count;
    }
    ck_assert_uint_eq(ends[1], 1402);
    ck_assert_uint_eq(ends[2], 2102);
    for (size_t wrong = 1; wrong < 2200; wrong++) {
        if (wrong == ends[0] || wrong == ends[1] || wrong == ends[2]) continue;
        if (bnt_chat_rewind(&c, wrong)) ck_abort_msg("%zu", wrong);
    }
    ck_assert_uint_eq(c.count, ends[2]);
    bnt_chat_next(&c, &turn);
    ck_assert_uint_eq(turn.rest_len, 1);
    ck_assert(bnt_chat_rewind(&c, ends[2])); /* where it is */
    ck_assert(bnt_chat_rewind(&c, ends[0]));
    bnt_chat_next(&c, &turn);
    ck_assert(!turn.first && turn.rest_len == 0);
    ck_assert(!bnt_chat_rewind(&c, ends[1])); /* gone */
    ck_assert(memcmp(c.ids, user, sizeof user) == 0);
    ck_assert_int_eq(c.ids[700], the);
    ck_assert(bnt_chat_rewind(&c, 0));
    bnt_chat_next(&c, &turn);
    ck_assert(turn.first);
    bnt_chat_free(&c);
}
END_TEST

/* Only a forged receipt shows more text than its tokens have. */
START_TEST(more_text_than_tokens_is_refused) {
    struct bnt_chat c = {.tokenizer = t};
    struct bnt_err err = {0};
    int32_t the = id_of("the");
    ck_assert_int_eq(bnt_chat_answer(&c, &the, 1, 4, &err), BNT_E_MISMATCH);
    ck_assert_str_eq(err.text, "an answer of 4 bytes has tokens for 3");
    ck_assert_uint_eq(c.count, 0);
    bnt_chat_free(&c);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chat");
    TCase *tc = tcase_create("chat");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, an_answer_stays_as_far_as_it_was_shown, 0,
                        sizeof answers / sizeof answers[0]);
    tcase_add_test(tc, one_goes_back_to_ends_of_answers);
    tcase_add_test(tc, more_text_than_tokens_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
