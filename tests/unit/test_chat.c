/* test_chat.c - a conversation as tokens: what of an answer stays, what is carried on as text, and
 * what is fed anew when a template changes what it said before. */
#include <check.h>
#include <stdio.h>

#include "chat_toy.h"
#include "suite.h"

static struct chat_file f;

static void set_up(void) {
    f = open_file(with_controls(toy_bpe("llama-bpe")), NULL);
}

static void tear_down(void) {
    close_file(&f);
}

static int32_t id_of(const char *piece) {
    int32_t id = bnt_tokenizer_find(f.t, piece);
    ck_assert_int_ge(id, 0);
    return id;
}

/* ---- answers -------------------------------------------------------------------------------- */

static const struct {
    const char *pieces[4];
    size_t text_len;  /* shown */
    size_t kept;      /* tokens that stay */
    const char *text; /* what was shown, which the next turn begins with */
} answers[] = {
    {{"the", "whole"}, 8, 2, "thewhole"},
    {{"the", "whole", "<|eot_id|>"}, 8, 2, "thewhole"}, /* the template has its own */
    {{"the", "<|eot_id|>", "<|eot_id|>"}, 3, 1, "the"}, /* as ignoring ends would give */
    {{"<|eot_id|>"}, 0, 0, ""},
    {{NULL}, 0, 0, ""},
    {{"the", "whole"}, 3, 1, "the"},   /* a stop string began with the second token */
    {{"the", "whole"}, 5, 1, "thewh"}, /* or inside it */
    {{"the", "whole"}, 2, 0, "th"},
    {{"the", "whole"}, 0, 0, ""},
    {{"a", "\xC3\x83"}, 2, 2, "a\xC3"}, /* interrupted inside a character: its byte was shown */
    {{"a", "\xC3\x83", "the"}, 1, 1, "a"},
    {{"<|begin_of_text|>", "the"}, 3, 2, "the"}, /* control tokens in an answer show nothing */
};

START_TEST(an_answer_stays_as_far_as_it_was_shown) {
    struct bnt_template tm = open_template(&f, "raw");
    struct bnt_chat c = begin_chat(&f, &tm, NULL);
    struct bnt_err err = {0};
    int32_t ids[4];
    size_t n = 0, before;
    while (n < 4 && answers[_i].pieces[n]) {
        ids[n] = id_of(answers[_i].pieces[n]);
        n++;
    }
    ask(&c, "b");
    before = c.turns[0].before.count;
    ck_assert_uint_eq(before, 2); /* BOS and b */
    ck_assert_uint_eq(bnt_chat_count(&c), 0);
    ck_assert_msg(bnt_chat_answer(&c, ids, n, answers[_i].text_len, &err) == BNT_OK, "%s",
                  err.text);
    ck_assert_uint_eq(bnt_chat_count(&c), before + answers[_i].kept);
    ck_assert(n == 0 ||
              memcmp(c.turns[0].after.ids + before, ids, answers[_i].kept * sizeof *ids) == 0);
    ck_assert_uint_eq(ask(&c, "!"),
                      before + answers[_i].kept); /* what was shown is not fed again */
    ck_assert_uint_eq(c.turns[1].before.len, 18 + answers[_i].text_len + 1);
    ck_assert(memcmp(c.turns[1].before.text + 18, answers[_i].text, answers[_i].text_len) == 0);
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

/* Only a forged receipt shows more text than its tokens have. */
START_TEST(more_text_than_tokens_is_refused) {
    struct bnt_template tm = open_template(&f, "raw");
    struct bnt_chat c = begin_chat(&f, &tm, NULL);
    struct bnt_err err = {0};
    int32_t the = id_of("the");
    ask(&c, "b");
    ck_assert_int_eq(bnt_chat_answer(&c, &the, 1, 4, &err), BNT_E_MISMATCH);
    ck_assert_str_eq(err.text, "an answer of 4 bytes has tokens for 3");
    ck_assert_int_eq(bnt_chat_answer(&c, &the, 1, SIZE_MAX, &err), BNT_E_MISMATCH);
    ck_assert_uint_eq(bnt_chat_count(&c), 0);
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

START_TEST(one_goes_back_to_any_turn) {
    struct bnt_template tm = open_template(&f, "chatml");
    struct bnt_chat c = begin_chat(&f, &tm, "S");
    size_t ends[3];
    char text[3][1024];
    for (unsigned k = 0; k < 3; k++) {
        ck_assert_uint_eq(ask(&c, "the"), k ? ends[k - 1] : 0);
        strcpy(text[k], seen(&c));
        answer(&c, k == 2 ? "whole" : "the aa");
        ends[k] = bnt_chat_count(&c);
    }
    for (unsigned k = 3; k-- > 0;) { /* the same question again is the same text */
        bnt_chat_rewind(&c, k);
        ck_assert_uint_eq(ask(&c, "the"), k ? ends[k - 1] : 0);
        ck_assert_str_eq(seen(&c), text[k]);
    }
    bnt_chat_rewind(&c, 0);
    ask(&c, "the");
    ck_assert_str_eq(seen(&c), text[0]); /* the system message stays */
    ck_assert(bnt_chat_begin(&c, NULL, 0, NULL) == BNT_OK);
    ask(&c, "the");
    ck_assert(strstr(seen(&c), "system") == NULL);
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

START_TEST(a_message_that_adds_nothing_is_refused) {
    struct bnt_template tm = open_template(&f, "raw");
    struct bnt_chat c = begin_chat(&f, &tm, NULL);
    struct bnt_err err = {0};
    size_t keep;
    ask(&c, "b");
    answer(&c, "the");
    ck_assert_int_eq(bnt_chat_ask(&c, "", 0, &keep, &err), BNT_E_USAGE);
    ck_assert_str_eq(err.text, "an empty message");
    ck_assert_uint_eq(c.n_turns, 1);
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

/* ---- templates that change what they said -----------------------------------------------------
 */

static struct bnt_template open_text(const char *text) {
    struct bnt_template tm;
    struct bnt_err err = {0};
    const struct bnt_template_choice choice = {.text = text, .len = strlen(text)};
    ck_assert_msg(bnt_template_open(&tm, NULL, f.t, &choice, &err) == BNT_OK, "%s", err.text);
    ck_assert_str_eq(tm.name, "file");
    return tm;
}

#define TURN(role, text) "<|im_start|>" role "\n" text "<|im_end|>\n"
#define PROMPT "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
/* Drops the thinking of all answers but shows it in none of them. */
static const char drops[] = "{% for m in messages %}" TURN(
    "{{ m.role }}", "{{ m.content.split('</think>')[-1] | trim }}") "{% endfor %}" PROMPT;
/* As Qwen3: the reasoning comes by itself, and stays only behind the last message of a user. */
static const char reasons[] = "{% for m in messages %}{% if m.reasoning_content %}" TURN(
    "{{ m.role }}",
    "<think>{{ m.reasoning_content }}</think>{{ m.content }}") "{% else %}" TURN("{{ m.role }}",
                                                                                 "{{ m.content "
                                                                                 "}}") "{% "
                                                                                       "endif "
                                                                                       "%}{% "
                                                                                       "endfor "
                                                                                       "%"
                                                                                       "}" PROMPT;
/* Begins answers with thinking, and puts them back as they are. */
static const char begins[] = "{% for m in messages %}" TURN(
    "{{ m.role }}", "{{ m.content }}") "{% endfor %}{% if add_generation_prompt "
                                       "%}<|im_start|>assistant\n<think>\n{% endif %}";
/* The same, and wants the reasoning by itself. */
static const char begins_reasons[] = "{% for m in messages %}{% if m.reasoning_content %}" TURN(
    "{{ m.role }}",
    "<think>\n{{ m.reasoning_content }}\n</think>\n{{ m.content }}") "{% else %}" TURN("{{ m.role "
                                                                                       "}}",
                                                                                       "{{ "
                                                                                       "m.content "
                                                                                       "}}") "{% "
                                                                                             "endif"
                                                                                             " %}{%"
                                                                                             " endf"
                                                                                             "or %}"
                                                                                             "{% "
                                                                                             "if "
                                                                                             "add_"
                                                                                             "gener"
                                                                                             "ation"
                                                                                             "_prom"
                                                                                             "pt "
                                                                                             "%}<|"
                                                                                             "im_"
                                                                                             "start"
                                                                                             "|>"
                                                                                             "assis"
                                                                                             "tant"
                                                                                             "\n<"
                                                                                             "think"
                                                                                             ">\n{%"
                                                                                             " endi"
                                                                                             "f %}";

static const struct {
    const char *template, *said, *as; /* `as`: what becomes of the answer in the next turn */
    bool stands;                      /* all tokens stay */
} changing[] = {
    {drops, "<think>the</think>whole", "whole", false},
    {drops, "whole", "whole", true},
    {drops, " whole ", "whole", false},
    {reasons, "<think>\nthe\n</think>\n\nwhole", "<think>the</think>whole", false},
    {reasons, "<think>the</think>whole", "<think>the</think>whole", true},
    {reasons, "whole", "whole", true},
    {reasons, "a </think> b", "a </think> b", true}, /* spoken of, not thought */
    {reasons, "<think>cut", "<think>cut</think>", true},
    {begins, "the</think>whole", "<think>\nthe</think>whole", true},
    {begins_reasons, "the\n</think>\nwhole", "<think>\nthe\n</think>\nwhole", true},
    {begins_reasons, "the</think>  whole", "<think>\nthe\n</think>\nwhole", false},
    {begins_reasons, "cut", "<think>\ncut\n</think>\n", true},
};

START_TEST(only_what_has_changed_is_fed) {
    struct bnt_template tm = open_text(changing[_i].template);
    struct bnt_chat c = begin_chat(&f, &tm, NULL);
    char wanted[1024];
    ask(&c, "U");
    answer(&c, changing[_i].said);
    size_t count = bnt_chat_count(&c), keep = ask(&c, "V");
    size_t tail = strstr(c.turns[0].before.text, "<think>") ? strlen("<think>\n") : 0;
    snprintf(wanted, sizeof wanted,
             TURN("user", "U") TURN("assistant", "%s")
                 TURN("user", "V") "<|im_start|>assistant\n%s",
             changing[_i].as, tail ? "<think>\n" : "");
    ck_assert_str_eq(seen(&c), wanted);
    if (changing[_i].stands) {
        ck_assert_uint_eq(keep, count);
    } else { /* at least up to the last control token before the answer */
        ck_assert_uint_lt(keep, count);
        ck_assert_uint_ge(c.turns[1].before.ends[keep - 1],
                          strlen(TURN("user", "U") "<|im_start|>"));
    }
    ck_assert(memcmp(c.turns[0].after.ids, c.turns[1].before.ids, keep * sizeof(int32_t)) == 0);
    /* What is new is what encoding the whole text at once gives, since it begins behind a control
     * token. */
    if (!changing[_i].stands) {
        struct bnt_token_list l = {0};
        const struct bnt_chat_context *x = &c.turns[1].before;
        ck_assert(bnt_tokenizer_encode_marked(f.t, tm.reserved, x->text, x->marks, x->len, false,
                                              &l, NULL) == BNT_OK);
        ck_assert_uint_eq(l.count, x->count);
        ck_assert(memcmp(l.ids, x->ids, l.count * sizeof *l.ids) == 0);
        bnt_token_list_free(&l);
    }
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

/* Tokens of earlier answers stay as the model made them, though encoding would make others. */
START_TEST(the_model_s_own_tokens_stay) {
    struct bnt_template tm = open_text(drops);
    struct bnt_chat c = begin_chat(&f, &tm, NULL);
    int32_t odd[] = {id_of("t"), id_of("h"), id_of("e")};
    ask(&c, "U");
    ck_assert(bnt_chat_answer(&c, odd, 3, 3, NULL) == BNT_OK);
    ask(&c, "V");
    answer(&c, "<think>x</think>y");
    size_t first = c.turns[1].before.count, count = bnt_chat_count(&c), keep = ask(&c, "W");
    ck_assert_uint_lt(keep, count);
    ck_assert(memcmp(c.turns[2].before.ids, c.turns[1].before.ids, (first - 1) * sizeof *odd) == 0);
    size_t at = c.turns[0].before.count;
    ck_assert(memcmp(c.turns[2].before.ids + at, odd, sizeof odd) == 0);
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

START_TEST(the_date_is_told_and_noted) {
    struct bnt_template tm = open_text("{{ strftime_now('%d %b %Y') }} {{ messages[-1].content }}");
    struct bnt_chat c = begin_chat(&f, &tm, NULL);
    c.time = 86400 * 365;
    ck_assert(!c.used_time);
    ask(&c, "x");
    ck_assert_str_eq(seen(&c), "01 Jan 1971 x");
    ck_assert(c.used_time);
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}
END_TEST

/* All that the file states; what it does not is undefined, as in transformers. */
START_TEST(special_tokens_are_given) {
    static const char jinja[] =
        "{{ messages[-1].content }} {{ unk_token }} {{ pad_token }} {{ sep_token }} "
        "{{ cls_token }} {{ mask_token }} {{ unk_token is defined }}";
    static const char *const names[] = {"unk_token", "pad_token", "sep_token", "cls_token",
                                        "mask_token"};
    static const char *const keys[] = {"unknown", "padding", "seperator",
                                       "cls",     "mask",    "separator"};
    static const struct {
        size_t from, to; /* of the keys */
        const char *text;
    } cases[] = {
        {0, 5, "hi <0> <1> <2> <3> <4> True"},
        {5, 6, "hi   <5>   False"},
        {0, 0, "hi      False"},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct toy *toy = with_controls(toy_bpe("llama-bpe"));
        uint32_t ids[6];
        for (size_t i = 0; i < 6; i++)
            ids[i] = toy_token(toy, (char[]){'<', (char)('0' + i), '>', 0}, TOY_CONTROL, 0);
        struct gw *w = toy_gguf(toy);
        for (size_t i = cases[c].from; i < cases[c].to; i++) {
            char key[64];
            snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", keys[i]);
            gw_key_u32(w, key, ids[i]);
        }
        struct chat_file own = open_written(w, toy, jinja);
        struct bnt_template tm = open_template(&own, NULL);
        struct bnt_chat chat = begin_chat(&own, &tm, NULL);
        ask(&chat, "hi");
        ck_assert_str_eq(seen(&chat), cases[c].text);
        bnt_chat_free(&chat);
        bnt_template_close(&tm);
        close_file(&own);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert(bnt_template_has_variable(names[i]));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chat");
    TCase *tc = tcase_create("chat");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, an_answer_stays_as_far_as_it_was_shown, 0,
                        sizeof answers / sizeof answers[0]);
    tcase_add_test(tc, more_text_than_tokens_is_refused);
    tcase_add_test(tc, one_goes_back_to_any_turn);
    tcase_add_test(tc, a_message_that_adds_nothing_is_refused);
    tcase_add_loop_test(tc, only_what_has_changed_is_fed, 0, sizeof changing / sizeof changing[0]);
    tcase_add_test(tc, the_model_s_own_tokens_stay);
    tcase_add_test(tc, the_date_is_told_and_noted);
    tcase_add_test(tc, special_tokens_are_given);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
