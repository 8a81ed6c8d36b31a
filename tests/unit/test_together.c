/*
 * test_together.c - several patterns, formats and lengths of one string: every short text against
 * what each pattern says alone, no dead end, what looks ahead, and hostile ones that must be
 * refused.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "rng.h"
#include "schema.h"
#include "suite.h"

static const struct bnt_schema_options written;

static int open_machine(const char *schema, struct bnt_grammar **g, struct bnt_machine **m,
                        struct bnt_err *err) {
    int status = bnt_schema_compile(g, schema, strlen(schema), &written, err);
    if (status != BNT_OK) return status;
    if ((status = bnt_machine_open(m, *g, err)) != BNT_OK) bnt_grammar_close(*g);
    return status;
}

static bnt_state after(struct bnt_machine *m, bnt_state s, const char *text) {
    for (; *text && s != BNT_STATE_DEAD; text++) {
        s = bnt_machine_step(m, s, (uint8_t)*text);
        if (s == BNT_STATE_NONE) ck_abort_msg("the machine is full");
    }
    return s;
}

/* ---- every text of up to five characters ------------------------------------------------------
 */

/* Of one byte, of two, and escaped. */
static const char *const letters[] = {"a", "b", "\xC3\xA9", "\\n"};
enum { LETTERS = 4, LONGEST = 5, TEXTS = (1 << 2 * (LONGEST + 1)) / 3, ROOM = 16 };

/* Text i and one more letter is text LETTERS * i + 1 + letter. */
static struct {
    char text[ROOM];
    uint32_t length;
} texts[TEXTS];

static void write_texts(void) {
    for (unsigned i = 0; LETTERS * i + LETTERS < TEXTS; i++)
        for (unsigned k = 0; k < LETTERS; k++) {
            unsigned longer = LETTERS * i + 1 + k;
            texts[longer].length = texts[i].length + 1;
            strcpy(texts[longer].text, texts[i].text);
            strcat(texts[longer].text, letters[k]);
        }
}

/* A pattern; what looks ahead says also what it is in patterns that do not. */
static const struct {
    const char *pattern, *plain, *ahead, *denied;
} patterns[] = {
    {"^a", NULL, NULL, NULL},
    {"b$", NULL, NULL, NULL},
    {"ab", NULL, NULL, NULL},
    {"^(?:aa|b)*$", NULL, NULL, NULL},
    {"^(?:..)*$", NULL, NULL, NULL},
    {"^[^a]*$", NULL, NULL, NULL},
    {"\xC3\xA9", NULL, NULL, NULL},
    {"^(?:a{1,2}|b\xC3\xA9?){2,}$", NULL, NULL, NULL},
    {"a|^\\\\n|b{2}", NULL, NULL, NULL},
    {"\\\\s", NULL, NULL, NULL},
    {"^\\\\S+$", NULL, NULL, NULL},
    {"^(?!a)", "", "", "^a"},
    {"^(?!.*ab)[ab]+", "^[ab]+", "", "^.*ab"},
    {"^(?=.*b)(?!b).{2}", "^.{2}", "^.*b", "^b"},
    {"^(?=a$|b)[^]*", "", "^(?:a$|b)", "[^\\\\s\\\\S]"},
    {"^(?![^]*\\\\n[^]*a)", "", "", "^[^]*\\\\n[^]*a"},
    {"^(?!$)", "", "", "^$"},
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

static void ask(const char *pattern, bool out[TEXTS]) {
    char schema[200];
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    sprintf(schema, "{\"type\":\"string\",\"pattern\":\"%s\"}", pattern);
    int status = open_machine(schema, &g, &m, &err);
    memset(out, 0, TEXTS * sizeof *out);
    if (status != BNT_OK) {
        ck_assert_msg(strstr(err.text, "no text matches") != NULL, "%s: %s", pattern, err.text);
        return;
    }
    bnt_state begin = after(m, bnt_machine_start(m), "\"");
    for (unsigned i = 0; i < TEXTS; i++)
        out[i] = bnt_machine_accepts(m, after(m, after(m, begin, texts[i].text), "\""));
    bnt_machine_close(m);
    bnt_grammar_close(g);
}

static bool holds[PATTERNS][TEXTS];

static void ask_each(void) {
    for (unsigned p = 0; p < PATTERNS; p++) {
        bool ahead[TEXTS], denied[TEXTS];
        const char *at = patterns[p].ahead;
        if (!patterns[p].plain) {
            ask(patterns[p].pattern, holds[p]);
            continue;
        }
        /* `a$|b` looked at from the beginning is two patterns that are tied to it */
        ask(strcmp(at, "^(?:a$|b)") == 0 ? "^a$|^b" : at, ahead);
        ask(patterns[p].plain, holds[p]);
        ask(patterns[p].denied, denied);
        for (unsigned i = 0; i < TEXTS; i++) holds[p][i] = holds[p][i] && ahead[i] && !denied[i];
    }
}

static void compare(const char *schema, const bool wanted[TEXTS], bool all_known) {
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    bool live[TEXTS], any = false;
    memcpy(live, wanted, sizeof live);
    for (unsigned i = TEXTS; i-- > 1;) live[(i - 1) / LETTERS] |= live[i];
    for (unsigned i = 0; i < TEXTS; i++) any |= wanted[i];
    int status = open_machine(schema, &g, &m, &err);
    if (status != BNT_OK) {
        ck_assert_msg(!any && strstr(err.text, "no text matches"), "%s: %s", schema, err.text);
        return;
    }
    ck_assert_msg(any || !all_known, "%s", schema);
    bnt_state begin = after(m, bnt_machine_start(m), "\"");
    for (unsigned i = 0; i < TEXTS; i++) {
        bnt_state s = after(m, begin, texts[i].text);
        bool got = bnt_machine_accepts(m, after(m, s, "\""));
        if (got != wanted[i]) ck_abort_msg("%s: '%s' is %d", schema, texts[i].text, got);
        if (all_known && (s != BNT_STATE_DEAD) != live[i])
            ck_abort_msg("%s: '%s' leads nowhere", schema, texts[i].text);
    }
    bnt_machine_close(m);
    bnt_grammar_close(g);
}

START_TEST(each_says_its_part) {
    struct rng r = rng_stream(15, 1);
    unsigned some = 0;
    write_texts();
    ask_each();
    for (unsigned round = 0; round < 600; round++) {
        bool wanted[TEXTS], bounded = round % 3 != 0;
        uint32_t min = (uint32_t)rng_below(&r, 5), max = min + (uint32_t)rng_below(&r, 3);
        char schema[1000] = "{\"type\":\"string\",\"allOf\":[{", *at = schema + strlen(schema);
        if (max > LONGEST) max = LONGEST;
        at += sprintf(at, "\"minLength\":%u", min);
        if (bounded)
            at += sprintf(at, ",\"maxLength\":%u,\"pattern\":\"^[ab\xC3\xA9\\\\n]*$\"", max);
        for (unsigned i = 0; i < TEXTS; i++)
            wanted[i] = texts[i].length >= min && (!bounded || texts[i].length <= max);
        for (unsigned k = (unsigned)rng_below(&r, 3) + 1; k > 0; k--) {
            unsigned p = (unsigned)rng_below(&r, PATTERNS);
            at += sprintf(at, "},{\"pattern\":\"%s\"", patterns[p].pattern);
            for (unsigned i = 0; i < TEXTS; i++) wanted[i] = wanted[i] && holds[p][i];
        }
        strcpy(at, "}]}");
        compare(schema, wanted, bounded);
        for (unsigned i = 0; i < TEXTS; i++) some += wanted[i];
    }
    ck_assert_uint_gt(some, 5000);
}
END_TEST

/* ---- lengths that are far ---------------------------------------------------------------------
 */

/* Of texts a, aa, aaa, ...: which ends are there. */
static const struct {
    const char *schema;
    unsigned from, step, to; /* nothing ends before `from` or behind `to` */
} lengths[] = {
    {"{\"type\":\"string\",\"pattern\":\"^(?:aa)*$\",\"minLength\":301,\"maxLength\":333}", 302, 2,
     332},
    {"{\"type\":\"string\",\"pattern\":\"^(?:a{7})*$\",\"minLength\":20,\"maxLength\":400}", 21, 7,
     399},
    {"{\"type\":\"string\",\"pattern\":\"^a*$\",\"minLength\":60000,\"maxLength\":60002}", 60000, 1,
     60002},
    {"{\"type\":\"string\",\"pattern\":\"^a+$\",\"maxLength\":9}", 1, 1, 9},
};

START_TEST(lengths_are_kept) {
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    ck_assert_msg(open_machine(lengths[_i].schema, &g, &m, &err) == BNT_OK, "%s", err.text);
    bnt_state s = after(m, bnt_machine_start(m), "\"");
    for (unsigned n = 0; n <= lengths[_i].to; n++) {
        bool wanted = n >= lengths[_i].from && (n - lengths[_i].from) % lengths[_i].step == 0;
        ck_assert_int_ne(s, BNT_STATE_DEAD);
        ck_assert_int_eq(bnt_machine_accepts(m, after(m, s, "\"")), wanted);
        if (n % 5000 == 4999) {
            bnt_state *held[] = {&s};
            ck_assert(bnt_machine_forget(m, held, 1, NULL) == BNT_OK);
        }
        s = after(m, s, "a");
    }
    ck_assert_int_eq(s, BNT_STATE_DEAD);
    bnt_machine_close(m);
    bnt_grammar_close(g);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------
 */

static const struct {
    const char *schema, *says;
} refused[] = {
    {"{\"pattern\":\"^(a|b)*a(a|b){20}$\",\"maxLength\":100}", "too many states"},
    {"{\"pattern\":\"((((a{500}){500}){500}){500})\",\"maxLength\":100}", "too many steps"},
    {"{\"pattern\":\"(\\\\w|\\\\W|[^a]|[^b]){1,60000}x(.*)\",\"maxLength\":100}", "too many steps"},
    {"{\"pattern\":\"((a?b?c?d?e?f?){50}){50}x\",\"maxLength\":9}", "readings of one place"},
    {"{\"pattern\":\"^(?:a{13})*$\",\"allOf\":[{\"pattern\":\"^(?:a{11})*$\"},{\"pattern\":\"^(?:a{"
     "17})*$\"},{\"pattern\":\"^(?:a{19})*$\"}]}",
     "too many states"},
    {"{\"pattern\":\"^(?:a{997})*$\",\"minLength\":100000,\"maxLength\":100500}", "counts too far"},
};

START_TEST(what_grows_too_large_is_refused) {
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    ck_assert_int_eq(open_machine(refused[_i].schema, &g, &m, &err), BNT_E_LIMIT);
    ck_assert_msg(strstr(err.text, refused[_i].says) != NULL, "%s: %s", refused[_i].schema,
                  err.text);
}
END_TEST

/* Many strings share what may be spent, equal ones spend it once. */
START_TEST(strings_share_a_limit) {
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    for (unsigned other = 0; other < 2; other++) {
        char *text = malloc(200000), *at = text;
        ck_assert_ptr_nonnull(text);
        at += sprintf(at, "{\"anyOf\":[true");
        for (unsigned i = 0; i < 1000; i++)
            at +=
                sprintf(at,
                        ",{\"type\":\"string\",\"pattern\":\"^(a|b)*a(a|b){9}$\",\"maxLength\":%u,"
                        "\"description\":\"%u\"}",
                        100 + other * i, i);
        sprintf(at, "]}");
        int status = open_machine(text, &g, &m, &err);
        free(text);
        ck_assert_msg(status == (other ? BNT_E_LIMIT : BNT_OK), "%s", err.text);
        if (status != BNT_OK) continue;
        bnt_machine_close(m);
        bnt_grammar_close(g);
    }
    ck_assert_msg(strstr(err.text, "too many steps") != NULL, "%s", err.text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("together");
    TCase *tc = tcase_create("together");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, each_says_its_part);
    tcase_add_loop_test(tc, lengths_are_kept, 0, sizeof lengths / sizeof *lengths);
    tcase_add_loop_test(tc, what_grows_too_large_is_refused, 0, sizeof refused / sizeof *refused);
    tcase_add_test(tc, strings_share_a_limit);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
