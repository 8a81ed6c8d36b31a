/* test_pretok.c - the cuts of each pre-tokenizer, as its regular expression makes them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pretok.h"
#include "rng.h"
#include "suite.h"
#include "unicode.h"

/* Words joined by '|'; bars of the text itself are shown as they are. */
static const char *cut(const char *pre, const char *text, size_t len) {
    static char out[4096];
    const struct bnt_pretok *p = bnt_pretok_named(pre);
    struct bnt_words w = {.text = (const uint8_t *)text, .len = len};
    size_t n = 0;
    ck_assert_ptr_nonnull(p);
    w.rule = p->rule;
    while (bnt_words_next(&w)) {
        if (n) out[n++] = '|';
        memcpy(out + n, text + w.begin, w.end - w.begin);
        n += w.end - w.begin;
    }
    out[n] = 0;
    return out;
}

static const struct {
    const char *pre, *text, *words;
} cases[] = {
    {"gpt-2", "", ""},
    {"gpt-2", "Hello world", "Hello| world"},
    {"gpt-2", "it's It'S 'll", "it|'s| It|'|S| '|ll"},
    {"gpt-2", "a  b   c", "a| | b|  | c"},
    {"gpt-2", "end  ", "end|  "},
    {"gpt-2", "abc123 456!?", "abc|123| 456|!?"},
    {"gpt-2", "a\n\n b", "a|\n\n| b"},
    {"gpt-2", " \t", " \t"},
    {"gpt-2", "\xC2\x85x", "\xC2\x85|x"},                      /* U+0085 is white space */
    {"gpt-2", "!\xEF\xBB\xBFx", "!\xEF\xBB\xBF|x"},            /* U+FEFF is not */
    {"gpt-2", "a\xCC\x81", "a|\xCC\x81"},                      /* marks are no letters */
    {"gpt-2", "\xE2\x85\xA7\xC2\xBD", "\xE2\x85\xA7\xC2\xBD"}, /* Nl and No are numbers */
    {"llama-bpe", "", ""},
    {"llama-bpe", "1234567", "123|456|7"},
    {"llama-bpe", "It'S we'LL", "It|'S| we|'LL"},
    {"llama-bpe", "x'\xC5\xBFy", "x|'\xC5\xBF|y"}, /* U+017F folds to s */
    {"llama-bpe", "a!b (c)", "a|!b| (|c|)"},
    {"llama-bpe", "a\n\n  b", "a|\n\n| | b"},
    {"llama-bpe", "a \n \n  b", "a| \n \n| | b"},
    {"llama-bpe", "x!!\n\ny", "x|!!\n\n|y"},
    {"llama-bpe", " \xE4\xB8\xAD\tx", " \xE4\xB8\xAD|\tx"},
    {"llama-bpe", "\nx", "\n|x"},
    {"llama-bpe", "end   ", "end|   "},
    {"llama-bpe",
     "a \xC2\xA0"
     "b",
     "a| |\xC2\xA0"
     "b"}, /* any one leader, also U+00A0 */
    {"qwen2", "a1234", "a|1|2|3|4"},
    {"qwen2", "a'D", "a|'D"},
    {"starcoder", "ab12 3  4", "ab|1|2| |3|  |4"},
    {"falcon", "a,b 1234``", "a|,|b| |123|4|``"},
    {"falcon", "it's 12", "it|'|s| 12"},
    {"default", "a,b 1234`c", "a|,|b| |123|4|`|c"},
    {"default", " 12", " |12"},
    {"default",
     "\xD9\xA1"
     "2345",
     "\xD9\xA1|234|5"},
};

START_TEST(cuts_as_the_expression_does) {
    const char *got = cut(cases[_i].pre, cases[_i].text, strlen(cases[_i].text));
    ck_assert_msg(strcmp(got, cases[_i].words) == 0, "%s: '%s' became '%s', not '%s'",
                  cases[_i].pre, cases[_i].text, got, cases[_i].words);
}
END_TEST

START_TEST(aliases_share_rules) {
    static const char *const same[][2] = {{"llama3", "llama-bpe"},
                                          {"llama-v3", "llama-bpe"},
                                          {"falcon3", "llama-bpe"},
                                          {"megrez", "qwen2"},
                                          {"phi-2", "gpt-2"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        const struct bnt_pretok *a = bnt_pretok_named(same[i][0]);
        const struct bnt_pretok *b = bnt_pretok_named(same[i][1]);
        ck_assert_ptr_nonnull(a);
        ck_assert_ptr_ne(a, b);
        ck_assert_int_eq(a->rule, b->rule);
        ck_assert_int_eq(a->ignore_merges, b->ignore_merges);
        ck_assert_str_eq(a->family, b->name);
    }
    ck_assert_ptr_null(bnt_pretok_named("tekken"));
    ck_assert_ptr_null(bnt_pretok_named(""));
    ck_assert_ptr_null(bnt_pretok_find((struct bnt_str){"gpt-2\0", 6}));
}
END_TEST

/* Whatever the bytes: words cover them, none is empty, and time is linear. */
START_TEST(covers_every_byte_string) {
    static const char *const rules[] = {"gpt-2",     "llama-bpe", "qwen2",
                                        "starcoder", "falcon",    "default"};
    static const char *const bits[] = {" ",
                                       "\n",
                                       "'",
                                       "s",
                                       "1",
                                       "a",
                                       ",",
                                       "\xC3",
                                       "\xE2\x96",
                                       "\xC2\x85",
                                       "\xF0\x9F\x98\x80",
                                       "\xFF",
                                       "\xD9\xA1",
                                       "|"};
    struct rng r = rng_named(1, "pretok");
    for (int round = 0; round < 20000; round++) {
        uint8_t text[128];
        size_t len = 0, at = 0, pieces = rng_below(&r, 24);
        struct bnt_words w = {0};
        for (size_t i = 0; i < pieces; i++) {
            const char *bit = bits[rng_below(&r, sizeof bits / sizeof bits[0])];
            memcpy(text + len, bit, strlen(bit));
            len += strlen(bit);
        }
        w.rule = bnt_pretok_named(rules[round % 6])->rule;
        w.text = text;
        w.len = len;
        while (bnt_words_next(&w)) {
            ck_assert_uint_eq(w.begin, at);
            ck_assert_uint_gt(w.end, w.begin);
            at = w.end;
        }
        ck_assert_uint_eq(at, len);
    }
}
END_TEST

START_TEST(finds_incomplete_characters) {
    static const struct {
        const char *s;
        size_t tail;
    } t[] = {
        {"", 0},         {"a", 0},        {"\xC3", 1},         {"\xC3\xA9", 0},
        {"\xE2", 1},     {"\xE2\x96", 2}, {"\xE2\x96\x81", 0}, {"\xF0\x9F\x98", 3},
        {"\x80", 0},     {"\xC1", 0},     {"\xFF", 0},         {"\xE0\x80", 0},
        {"\xED\xA0", 0}, {"\xF4\x90", 0}, {"\xF0\x8F", 0},     {"\x80\x80\x80", 0},
        {"a\xC3", 1},    {"\xC3\xC3", 1}, {"\xF5", 0},         {"\xE2\x96\x81\xF0\x9F", 2},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        ck_assert_uint_eq(bnt_utf8_incomplete_tail((const uint8_t *)t[i].s, strlen(t[i].s)),
                          t[i].tail);
}
END_TEST

START_TEST(reads_only_valid_utf8) {
    static const char *const bad[] = {"\x80",         "\xC0\x80",         "\xE0\x80\x80",
                                      "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80",
                                      "\xC3",         "\xE2\x96"};
    int32_t cp;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_uint_eq(bnt_utf8_next((const uint8_t *)bad[i], strlen(bad[i]), &cp), 1);
        ck_assert_int_eq(cp, -1);
    }
    ck_assert_uint_eq(bnt_utf8_next((const uint8_t *)"\xF0\x9F\x98\x80", 4, &cp), 4);
    ck_assert_int_eq(cp, 0x1F600);
    ck_assert_uint_eq(bnt_utf8_next((const uint8_t *)"\0", 1, &cp), 1);
    ck_assert_int_eq(cp, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pretok");
    TCase *tc = tcase_create("words");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, cuts_as_the_expression_does, 0, sizeof cases / sizeof cases[0]);
    tcase_add_test(tc, aliases_share_rules);
    tcase_add_test(tc, covers_every_byte_string);
    tcase_add_test(tc, finds_incomplete_characters);
    tcase_add_test(tc, reads_only_valid_utf8);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
