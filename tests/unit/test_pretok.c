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
    struct bnt_splitter splitter;
    struct bnt_words w = {.splitter = &splitter, .text = (const uint8_t *)text, .len = len};
    struct bnt_err err = {0};
    size_t n = 0;
    ck_assert_ptr_nonnull(p);
    ck_assert_msg(bnt_splitter_init(&splitter, p, &err) == BNT_OK, "%s: %s", pre, err.text);
    while (bnt_words_next(&w)) {
        if (n) out[n++] = '|';
        memcpy(out + n, text + w.begin, w.end - w.begin);
        n += w.end - w.begin;
    }
    out[n] = 0;
    bnt_splitter_free(&splitter);
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
    {"falcon_e", "It'S 1234", "It|'S| |123|4"},
    {"deepseek-llm", "Hi,  you\n12", "Hi|,| | you|\n|12"},
    {"deepseek-llm", "a  b  ", "a| | b|  "},
    {"deepseek-llm", "x \xE4\xB8\xAD", "x| |\xE4\xB8\xAD"},
    {"deepseek-coder", "ab 12;; c\n", "ab| |1|2|;;| c|\n"},
    {"deepseek-v3", "a1234 .b,c", "a|123|4| .|b|,c"},
    {"deepseek-v3", "!!\n\nx", "!!\n\n|x"},
    {"spark2_5", "!!\n\nx", "!!|\n|\n|x"},
    {"qwen35", "e\xCC\x81x 12", "e\xCC\x81x| |1|2"},
    {"tekken", "HELLOworld heLLo", "HELLOworld| he|LLo"},
    {"tekken", "ABC a//\n/x", "ABC| a|//\n/|x"},
    {"gpt-4o", "don't DON'Ts 1234", "don't| DON'T|s| |123|4"},
    {"kimi-k2",
     "\xE4\xB8\xAD\xE6\x96\x87"
     "ab's\xE4\xB8\xAD",
     "\xE4\xB8\xAD\xE6\x96\x87|"
     "ab's|\xE4\xB8\xAD"},
    {"tiny_aya", "1234567 12a", "1|234|567| |12|a"},
    {"tiny_aya", "1234x 1234_", "123|4|x| |123|4|_"},
    {"tiny_aya", "1234\xC2\xBD", "123|4\xC2\xBD"},
    {"superbpe", "a b 1234567", "a b |1|234|567"},
    {"superbpe",
     "12\xC2\xBD"
     "123",
     "12\xC2\xBD|123"},
    {"afmoe", "x1234 !y", "x|1|234| !|y"},
    {"bloom", "a, b (c)", "a|,| b| (|c|)"},
    {"viking", "a12 b", "a|1|2| b"},
    {"chameleon", "<sentinel:12>IMGIMGABZ a  1", "<|sentinel|:|1|2|>|IMGIMGABZ| a|  |1"},
    {"jais-2", "a         b", "a|        | b"},
    {"laguna", "a\n\n b", "a|\n\n| b"},
    {"seed-coder", "a!\n", "a|!|\n"},
    {"bailingmoe", "a!\n 1", "a|!\n| |1"},
    {"ufakzeka", "it's", "it|'s"},
    {"exaone-moe", "ab cd  e1", "ab cd| | e|1"},
    {"minicpm5", "12345", "123|45"},
    {"youtu", "a\xEF\xBC\x81\xE4\xB8\xAD", "a|\xEF\xBC\x81|\xE4\xB8\xAD"},
};

START_TEST(cuts_as_the_expression_does) {
    const char *got = cut(cases[_i].pre, cases[_i].text, strlen(cases[_i].text));
    ck_assert_msg(strcmp(got, cases[_i].words) == 0, "%s: '%s' became '%s', not '%s'",
                  cases[_i].pre, cases[_i].text, got, cases[_i].words);
}
END_TEST

START_TEST(aliases_share_rules) {
    static const char *const same[][2] = {{"llama3", "llama-bpe"},    {"llama-v3", "llama-bpe"},
                                          {"falcon3", "llama-bpe"},   {"falcon_e", "llama-bpe"},
                                          {"command-r", "starcoder"}, {"megrez", "qwen2"},
                                          {"phi-2", "gpt-2"}};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        const struct bnt_pretok *a = bnt_pretok_named(same[i][0]);
        const struct bnt_pretok *b = bnt_pretok_named(same[i][1]);
        ck_assert_ptr_nonnull(a);
        ck_assert_ptr_ne(a, b);
        ck_assert_ptr_eq(a->cuts, b->cuts);
        ck_assert_int_eq(a->ignore_merges, b->ignore_merges);
        ck_assert_str_eq(a->family, b->name);
    }
    ck_assert_ptr_null(bnt_pretok_named("nobody's"));
    ck_assert_ptr_null(bnt_pretok_named(""));
    ck_assert_ptr_null(bnt_pretok_find((struct bnt_str){"gpt-2\0", 6}));
}
END_TEST

/* ---- whatever the text ------------------------------------------------------------------------
 */

static const char *const bits[] = {" ",
                                   "\n",
                                   "\r",
                                   "\t",
                                   "'",
                                   "s",
                                   "1",
                                   "a",
                                   "A",
                                   ",",
                                   "/",
                                   "\xC3",
                                   "\xE2\x96",
                                   "\xC2\x85",
                                   "\xF0\x9F\x98\x80",
                                   "\xFF",
                                   "\xD9\xA1",
                                   "|",
                                   "\xE4\xB8\xAD",
                                   "\xCC\x81",
                                   "<sentinel:",
                                   "IMGIMGA",
                                   "Z",
                                   "\xC2\xBD",
                                   "\xEA\xB0\x80"};
enum { N_BITS = sizeof bits / sizeof bits[0] };

static size_t append(uint8_t *text, size_t len, const char *bit) {
    memcpy(text + len, bit, strlen(bit));
    return len + strlen(bit);
}

/* Walks all words; they must cover the text, none empty. Returns the characters looked at. */
static uint64_t walk(const struct bnt_splitter *splitter, const uint8_t *text, size_t len) {
    struct bnt_words w = {.splitter = splitter, .text = text, .len = len};
    size_t at = 0;
    while (bnt_words_next(&w)) { /* an assertion of libcheck writes to a pipe: one for all */
        if (w.begin != at || w.end <= w.begin) break;
        at = w.end;
    }
    if (at != len) ck_abort_msg("words cover %zu of %zu bytes", at, len);
    return w.seen;
}

/* Every row of the table, over random texts and over long ones of what a matcher may look at in
 * vain: a bit, two or three in turn, and a run of one before another. Work is counted, not timed.
 */
START_TEST(covers_every_text_in_linear_time) {
    enum { LONG = 4096 };
    static uint8_t text[LONG + 64];
    struct rng r = rng_named(1, "pretok");
    const struct bnt_pretok *p;
    for (size_t row = 0; (p = bnt_pretok_at(row)); row++) {
        struct bnt_splitter splitter;
        struct bnt_err err = {0};
        uint64_t most = 0;
        if (!p->cuts || strcmp(p->name, p->family) != 0) continue; /* one of each family */
        ck_assert_msg(bnt_splitter_init(&splitter, p, &err) == BNT_OK, "%s: %s", p->name, err.text);
        for (int round = 0; round < 300; round++) {
            size_t len = 0, pieces = rng_below(&r, 24);
            for (size_t i = 0; i < pieces; i++)
                len = append(text, len, bits[rng_below(&r, N_BITS)]);
            walk(&splitter, text, len);
        }
        for (int round = 0; round < 200; round++) {
            const char *turn[3], *last = bits[rng_below(&r, N_BITS)];
            size_t len = 0, n = 1 + rng_below(&r, 3);
            uint64_t seen;
            for (size_t i = 0; i < n; i++)
                turn[i] = bits[round < N_BITS ? round : (int)rng_below(&r, N_BITS)];
            for (size_t i = 0; len < LONG; i++) len = append(text, len, turn[i % n]);
            len = append(text, len, last);
            seen = walk(&splitter, text, len);
            if (seen > most) most = seen;
        }
        ck_assert_msg(most <= 16 * LONG, "%s: %lu looks at %d bytes", p->name, (unsigned long)most,
                      LONG);
        bnt_splitter_free(&splitter);
    }
}
END_TEST

/* What the syntax leaves out is refused, not misread. */
START_TEST(refuses_other_syntax) {
    static const char *const bad[] = {"(a)",     "a(?=b)", "(?!ab)", "a{2,1}",       "a{0}",
                                      "\\b",     "[a",     "(?:a",   "a)",           "*a",
                                      "\\p{Qq}", "\\q",    "[z-a]",  "[\\S]b[a\\S]", "a\\"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bnt_regex regex;
        struct bnt_err err = {0};
        ck_assert_msg(bnt_regex_compile(&regex, bad[i], &err) == BNT_E_UNSUPPORTED, "%s", bad[i]);
        ck_assert_int_ne(err.text[0], 0);
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
    tcase_add_test(tc, covers_every_text_in_linear_time);
    tcase_add_test(tc, refuses_other_syntax);
    tcase_add_test(tc, finds_incomplete_characters);
    tcase_add_test(tc, reads_only_valid_utf8);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
