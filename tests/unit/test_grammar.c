/*
 * test_grammar.c - grammars over bytes and the automaton that runs them: what GBNF means, what is
 * refused, that nothing leads into a dead end, and that forgetting changes nothing.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gbnf.h"
#include "machine.h"
#include "rng.h"
#include "suite.h"

static struct bnt_grammar *compiled(const char *text) {
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    int status = bnt_gbnf_compile(&g, text, strlen(text), &err);
    ck_assert_msg(status == BNT_OK, "%s: %s", text, err.text);
    return g;
}

static struct bnt_machine *machine_of(const struct bnt_grammar *g) {
    struct bnt_machine *m;
    struct bnt_err err = {0};
    ck_assert_msg(bnt_machine_open(&m, g, &err) == BNT_OK, "%s", err.text);
    return m;
}

static bnt_state after(struct bnt_machine *m, const char *text, size_t len) {
    bnt_state s = bnt_machine_start(m);
    for (size_t i = 0; i < len && s != BNT_STATE_DEAD; i++) {
        s = bnt_machine_step(m, s, (uint8_t)text[i]);
        ck_assert(s != BNT_STATE_NONE);
    }
    return s;
}

static bool matches(struct bnt_machine *m, const char *text) {
    return bnt_machine_accepts(m, after(m, text, strlen(text)));
}

/* ---- what GBNF means --------------------------------------------------------------------------
 */

static const struct {
    const char *grammar;
    const char *yes[6], *no[6];
} meanings[] = {
    {"root ::= \"a\"", {"a"}, {"", "b", "aa"}},
    {"root ::= \"a\" \"b\" | \"c\"", {"ab", "c"}, {"a", "abc", "b"}},
    {"root ::= [a-c]+", {"a", "cab"}, {"", "d"}},
    {"root ::= rule_1\nrule_1 ::= [\\-a]", {"-", "a"}, {"", "\\"}},
    {"root ::= [^a-c]", {"d", "\n", "\xC3\xA9", "\xF0\x9F\x99\x82"}, {"a", "b", "\xC3"}},
    {"root ::= .", {"x", "\xE4\xB8\xAD", "\n"}, {"", "xy", "\xE4\xB8", "\xED\xA0\x80", "\xC0\x80"}},
    {"root ::= \"a\"{2}", {"aa"}, {"a", "aaa"}},
    {"root ::= \"a\"{2,}", {"aa", "aaaaa"}, {"a"}},
    {"root ::= \"a\"{1,3}", {"a", "aaa"}, {"", "aaaa"}},
    {"root ::= \"a\"{0,0} \"b\"", {"b"}, {"ab", ""}},
    {"root ::= \"a\"?", {"", "a"}, {"aa"}},
    {"root ::= (\"a\" | \"b\")* \"c\"", {"c", "abbac"}, {"ab", ""}},
    {"root ::= (\"a\"?)* \"b\"", {"b", "aaab"}, {"a"}},
    {"root ::= (\"a\"?){3} \"b\"", {"b", "aaab"}, {"aaaab"}},
    {"root ::= x\nx ::= \"<\" x? \">\"", {"<>", "<<>>"}, {"<", "<<>", "><"}},
    {"root ::= \"a\" |\n  \"b\" # or\n# so\n\nb ::= \"c\"\n", {"a", "b"}, {"c"}},
    {"root ::= (\n\"a\"\n|\n\"b\"\n)", {"a", "b"}, {""}},
    {"root ::= \"\\x41\\u00e9\\U0001F642\\n\\\"\\\\\"", {"A\xC3\xA9\xF0\x9F\x99\x82\n\"\\"}, {"A"}},
    {"root ::= [\\]\\[x-]", {"]", "[", "x", "-"}, {"y", "\\"}},
    {"root ::= [\\u00e9-\\u00ef]", {"\xC3\xA9", "\xC3\xAF"}, {"\xC3\xB0", "\xC3"}},
    {"root ::= \"a\"+ \"a\"", {"aa", "aaa"}, {"a"}},
    {"root ::= \"\\u4e2d\"+", {"\xE4\xB8\xAD"}, {"\xE4\xB8"}},
    {"root ::= \"\"", {""}, {"a"}},
    {"root ::= \r\n \"a\"\r\n", {"a"}, {""}},
    {"root ::= e | \"x\"\ne ::= \"(\" e \")\"", {"x"}, {"(", "(("}},
};

START_TEST(means_what_llama_cpp_means) {
    struct bnt_grammar *g = compiled(meanings[_i].grammar);
    struct bnt_machine *m = machine_of(g);
    for (size_t i = 0; i < 6 && meanings[_i].yes[i]; i++)
        ck_assert_msg(matches(m, meanings[_i].yes[i]), "%s: not %s", meanings[_i].grammar,
                      meanings[_i].yes[i]);
    for (size_t i = 0; i < 6 && meanings[_i].no[i]; i++)
        ck_assert_msg(!matches(m, meanings[_i].no[i]), "%s: %s", meanings[_i].grammar,
                      meanings[_i].no[i]);
    bnt_machine_close(m);
    bnt_grammar_close(g);
}
END_TEST

/* Every character, by its UTF-8, is in a class or in its denial. */
START_TEST(classes_hold_their_characters) {
    static const uint32_t ends[] = {0x00,   0x41,   0x7F,   0x80,    0x7FF,    0x800,   0xD7FF,
                                    0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF, 0x1F642, 0xE9};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (size_t j = 0; j < sizeof ends / sizeof *ends; j++) {
            if (ends[i] > ends[j]) continue;
            struct bnt_grammar *g;
            ck_assert(bnt_grammar_open(&g, NULL) == BNT_OK);
            struct bnt_code_range in = {ends[i], ends[j]};
            ck_assert(bnt_grammar_finish(g, bnt_utf8_of(g, &in, 1), NULL) == BNT_OK);
            struct bnt_machine *m = machine_of(g);
            for (uint32_t cp = 0; cp <= 0x10FFFF; cp += cp < 0x1000 || cp >= 0x10FF00 ? 1 : 251) {
                char b[4];
                size_t n = 0;
                if (cp >= 0xD800 && cp < 0xE000) continue;
                if (cp < 0x80) {
                    b[n++] = (char)cp;
                } else {
                    unsigned more = cp < 0x800 ? 1 : cp < 0x10000 ? 2 : 3;
                    b[n++] = (char)((0xFF00u >> (more + 1)) | cp >> 6 * more);
                    while (more--) b[n++] = (char)(0x80 | (cp >> 6 * more & 63));
                }
                bool is = bnt_machine_accepts(m, after(m, b, n));
                ck_assert_msg(is == (cp >= in.lo && cp <= in.hi), "%x of %x-%x", cp, in.lo, in.hi);
            }
            bnt_machine_close(m);
            bnt_grammar_close(g);
        }
    }
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------
 */

static const struct {
    const char *grammar;
    int status;
    const char *says;
} refusals[] = {
    {"", BNT_E_FORMAT, "no rule 'root'"},
    {"a ::= \"x\"", BNT_E_FORMAT, "no rule 'root'"},
    {"root ::= b", BNT_E_FORMAT, "line 1: there is no rule 'b'"},
    {"root ::= \"a\"\nroot ::= \"b\"", BNT_E_FORMAT, "line 2: this rule is there already"},
    {"root = \"a\"", BNT_E_FORMAT, "::= was expected"},
    {"root ::= \"a", BNT_E_FORMAT, "the line ends within a text"},
    {"root ::= [a", BNT_E_FORMAT, "the line ends within a text"},
    {"root ::= [b-a]", BNT_E_FORMAT, "runs backwards"},
    {"root ::= (\"a\"", BNT_E_FORMAT, ") was expected"},
    {"root ::= \"a\" )", BNT_E_FORMAT, "does not belong here"},
    {"root ::= \"\\q\"", BNT_E_FORMAT, "unknown escape"},
    {"root ::= \"\\ud800\"", BNT_E_FORMAT, "no character"},
    {"root ::= \"\\U00110000\"", BNT_E_FORMAT, "no character"},
    {"root ::= \"\\x4\"", BNT_E_FORMAT, "hexadecimal"},
    {"root ::= \"\xFF\"", BNT_E_FORMAT, "not UTF-8"},
    {"root ::= \"a\"{,3}", BNT_E_FORMAT, "a number"},
    {"root ::= \"a\"{3,2}", BNT_E_FORMAT, "before its beginning"},
    {"root ::= \"a\"{99999999}", BNT_E_FORMAT, "too far"},
    {"root ::= root \"a\" | \"b\"", BNT_E_UNSUPPORTED, "begins with itself"},
    {"root ::= \"a\"? x\nx ::= \"\" root | \"b\"", BNT_E_UNSUPPORTED, "begins with itself"},
    {"root ::= \"a\" root", BNT_E_FORMAT, "no text matches"},
    {"root ::= []", BNT_E_FORMAT, "a class of no characters"},
    {"root ::= [^]", BNT_E_FORMAT, "a class of no characters"},
    {"root ::= (\"a\"?){1000}", BNT_E_LIMIT, "empty text"},
    {"root ::= <think>", BNT_E_FORMAT, "tokens"},
    {"root ::= !<[10]>", BNT_E_FORMAT, "tokens"},
};

START_TEST(refuses_with_the_reason) {
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    const char *text = refusals[_i].grammar;
    int status = bnt_gbnf_compile(&g, text, strlen(text), &err);
    ck_assert_msg(status == refusals[_i].status, "%s: %d, %s", text, status, err.text);
    ck_assert_msg(strstr(err.text, refusals[_i].says) != NULL, "%s: %s", text, err.text);
    ck_assert_ptr_null(g);
}
END_TEST

/* Parentheses, rules and counts beyond any measure: an answer, not a crash. */
START_TEST(hostile_sizes_end) {
    enum { N = 200000 };
    struct bnt_grammar *g;
    struct bnt_err err = {0};
    char *text = malloc(16 * N);
    ck_assert_ptr_nonnull(text);
    strcpy(text, "root ::= ");
    memset(text + 9, '(', N);
    text[9 + N] = 0;
    ck_assert(bnt_gbnf_compile(&g, text, strlen(text), &err) == BNT_E_FORMAT);
    size_t n = (size_t)sprintf(text, "root ::= r1\n");
    for (unsigned i = 1; i < 30000; i++)
        n += (size_t)sprintf(text + n, "r%u ::= \"a\" r%u\n", i, i + 1);
    ck_assert(bnt_gbnf_compile(&g, text, n, &err) != BNT_OK);
    ck_assert(bnt_gbnf_compile(&g, text, 12, &err) != BNT_OK);
    n = (size_t)sprintf(text, "root ::= r1\n");
    for (unsigned i = 1; i < 2000; i++)
        n += (size_t)sprintf(text + n, "r%u ::= \"a\" r%u \"b\"\n", i, i + 1);
    n += (size_t)sprintf(text + n, "r2000 ::= \"c\"\n");
    ck_assert(bnt_gbnf_compile(&g, text, n, &err) == BNT_E_LIMIT);
    ck_assert_msg(strstr(err.text, "nests too deep") != NULL, "%s", err.text);
    free(text);
}
END_TEST

/* One place with exponentially many readings is one state. */
START_TEST(ambiguity_is_shared) {
    struct bnt_grammar *g =
        compiled("root ::= (a | b)* \"x\"\na ::= \"p\" a? | \"p\"\nb ::= \"p\" b? | \"pp\"");
    struct bnt_machine *m = machine_of(g);
    char text[20000];
    memset(text, 'p', sizeof text);
    bnt_state s = after(m, text, sizeof text);
    ck_assert(s != BNT_STATE_DEAD);
    ck_assert(bnt_machine_accepts(m, bnt_machine_step(m, s, 'x')));
    bnt_machine_close(m);
    bnt_grammar_close(g);
}
END_TEST

/* ---- no dead ends, at any depth ----------------------------------------------------------------
 */

static const char *const walked[] = {
    ("root ::= v\nv ::= \"[\" (v (\",\" v)*)? \"]\" | \"{\" v \"}\" | [0-9]{1,4} | \"\\\"\" [^\"]* "
     "\"\\\"\""),
    "root ::= \"a\" root \"b\" | \"<\" root \"|\" root \">\" | \"c\"",
    "root ::= ([a-f]{3,70} \" \"){2,5} (\"no\" | \"not\" | \"nothing\")",
    "root ::= x{1,3}\nx ::= y | \"z\"\ny ::= \"(\" x x \")\" | \"(\" y2\ny2 ::= \"q\" y2",
};

/* Takes any byte that may follow; deep first, so that the bound on the stack is met. */
static void walk(struct bnt_machine *m, uint64_t seed, size_t most, const char *deep) {
    struct rng r = rng_stream(seed, 5);
    bnt_state s = bnt_machine_start(m);
    for (size_t i = 0; i < most; i++) {
        struct bnt_byte_class next;
        bool any = bnt_machine_next(m, s, &next);
        ck_assert_msg(any || bnt_machine_accepts(m, s), "a dead end after %zu bytes", i);
        if (!any) return;
        unsigned b = rng_below(&r, 256);
        if (deep && next.bits[(uint8_t)*deep / 64] >> (uint8_t)*deep % 64 & 1) b = (uint8_t)*deep;
        while (!(next.bits[b / 64] >> b % 64 & 1)) b = (b + 1) % 256;
        bnt_state to = bnt_machine_step(m, s, (uint8_t)b);
        if (to == BNT_STATE_NONE) {
            bnt_state *held[] = {&s};
            ck_assert(bnt_machine_full(m));
            ck_assert(bnt_machine_forget(m, held, 1, NULL) == BNT_OK);
            to = bnt_machine_step(m, s, (uint8_t)b);
        }
        ck_assert(to != BNT_STATE_DEAD && to != BNT_STATE_NONE);
        s = to;
    }
}

START_TEST(nothing_leads_into_a_dead_end) {
    struct bnt_grammar *g = compiled(walked[_i]);
    struct bnt_machine *m = machine_of(g);
    static const char deep[] = "[a(<{";
    for (uint64_t seed = 0; seed < 20; seed++) walk(m, seed, 3000, NULL);
    for (size_t i = 0; i + 1 < sizeof deep; i++) walk(m, i, 5000, deep + i);
    bnt_machine_close(m);
    bnt_grammar_close(g);
}
END_TEST

/* The same text through a machine that forgets now and then: the same bytes may follow. */
START_TEST(forgetting_changes_nothing) {
    struct bnt_grammar *g = compiled(walked[_i]);
    struct bnt_machine *a = machine_of(g), *b = machine_of(g);
    struct rng r = rng_stream(3, 9);
    bnt_state s = bnt_machine_start(a), t = bnt_machine_start(b);
    for (unsigned i = 0; i < 2000; i++) {
        struct bnt_byte_class x, y;
        bool any = bnt_machine_next(a, s, &x);
        ck_assert(bnt_machine_next(b, t, &y) == any);
        ck_assert(memcmp(&x, &y, sizeof x) == 0);
        ck_assert(bnt_machine_accepts(a, s) == bnt_machine_accepts(b, t));
        if (!any) break;
        if (i % 7 == 0) {
            bnt_state *held[] = {&t};
            uint64_t epoch = bnt_machine_epoch(b);
            ck_assert(bnt_machine_forget(b, held, 1, NULL) == BNT_OK);
            ck_assert(bnt_machine_epoch(b) > epoch);
        }
        unsigned byte = rng_below(&r, 256);
        while (!(x.bits[byte / 64] >> byte % 64 & 1)) byte = (byte + 1) % 256;
        s = bnt_machine_step(a, s, (uint8_t)byte);
        t = bnt_machine_step(b, t, (uint8_t)byte);
    }
    bnt_machine_close(a);
    bnt_machine_close(b);
    bnt_grammar_close(g);
}
END_TEST

/* A state and the one that stands for it allow the same texts of so many bytes. */
static void compare(struct bnt_machine *m, bnt_state a, bnt_state b, unsigned bytes) {
    struct bnt_byte_class x, y;
    bool any = bnt_machine_next(m, a, &x);
    ck_assert(bnt_machine_accepts(m, a) == bnt_machine_accepts(m, b));
    if (bytes == 0 || a == b) return;
    ck_assert(bnt_machine_next(m, b, &y) == any);
    ck_assert(memcmp(&x, &y, sizeof x) == 0);
    for (unsigned byte = 0; byte < 256; byte++)
        if (x.bits[byte / 64] >> byte % 64 & 1)
            compare(m, bnt_machine_step(m, a, (uint8_t)byte), bnt_machine_step(m, b, (uint8_t)byte),
                    bytes - 1);
}

START_TEST(counts_far_from_their_limits_are_alike) {
    static const char *const grammars[] = {
        "root ::= \"ab\"{0,100}", "root ::= \"a\"{50,100} \"b\"", "root ::= (\"a\" | \"bc\"){7,}",
        "root ::= (\"x\"{3,40} \"y\"){2,30}", "root ::= (\"a\"{0,20} \"b\")* \"c\""};
    static const char text[] = "abababxxxxxxxxxxxxxyxxxxxyaaaaaaaaaaaaaaaabaaaaaaaaaaaaaaaaaaaaa";
    unsigned shared = 0;
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        struct bnt_grammar *g = compiled(grammars[i]);
        struct bnt_machine *m = machine_of(g);
        bnt_state s = bnt_machine_start(m);
        for (size_t at = 0; text[at]; at++) {
            bnt_state to = bnt_machine_step(m, s, (uint8_t)text[at]);
            if (to == BNT_STATE_DEAD) continue;
            s = to;
            bnt_state alike = bnt_machine_alike(m, s, 5);
            ck_assert(alike != BNT_STATE_NONE);
            shared += alike != s;
            compare(m, s, alike, 5);
        }
        bnt_machine_close(m);
        bnt_grammar_close(g);
    }
    ck_assert_uint_gt(shared, 30);
}
END_TEST

/* ---- sets -------------------------------------------------------------------------------------
 */

enum { NAMES = 4 };

/* Every string of up to five letters of abcdx, against what a set means. */
static void try_set(bool ordered, unsigned required, uint32_t min, uint32_t max, bool others) {
    struct bnt_grammar *g;
    struct bnt_member members[NAMES];
    ck_assert(bnt_grammar_open(&g, NULL) == BNT_OK);
    for (unsigned i = 0; i < NAMES; i++)
        members[i] = (struct bnt_member){bnt_byte_range(g, (uint8_t)('a' + i), (uint8_t)('a' + i)),
                                         required >> i & 1};
    bnt_expr set = bnt_set(g, bnt_text(g, ","), members, NAMES,
                           others ? bnt_text(g, "x") : BNT_EXPR_NEVER, min, max, ordered);
    bool possible = false;
    int status = bnt_grammar_finish(g, set, NULL);
    struct bnt_machine *m = status == BNT_OK ? machine_of(g) : NULL;
    for (unsigned code = 0; code < 6 * 6 * 6 * 6 * 6; code++) {
        char text[16];
        unsigned n = 0, seen = 0, count = 0, last = 0;
        bool right = true, gap = false;
        for (unsigned c = code, k = 0; k < 5; k++, c /= 6) {
            unsigned letter = c % 6; /* 0: none; 1 to 4: a member; 5: x */
            if (letter == 0) {
                gap = true;
                continue;
            }
            if (gap) break;
            if (n) text[n++] = ',';
            text[n++] = letter == 5 ? 'x' : (char)('a' + letter - 1);
            count++;
            if (letter == 5) {
                right &= others;
            } else {
                right &= !(seen >> letter & 1);
                seen |= 1u << letter;
            }
            right &= !ordered || letter >= last;
            last = letter;
        }
        text[n] = 0;
        right &= (seen >> 1 & required) == required && count >= min && count <= max;
        possible |= right;
        if (m)
            ck_assert_msg(matches(m, text) == right, "'%s' (%d, %x, %u to %u, %d)", text, ordered,
                          required, min, max, others);
    }
    ck_assert_msg(possible == (status == BNT_OK), "%d: %d, %x, %u to %u, %d", status, ordered,
                  required, min, max, others);
    for (uint64_t seed = 0; m && seed < 10; seed++) walk(m, seed, 30, NULL);
    bnt_machine_close(m);
    bnt_grammar_close(g);
}

START_TEST(sets_count_their_members) {
    for (unsigned required = 0; required < 16; required += 1 + 2 * (required & 1))
        for (uint32_t min = 0; min < 5; min++)
            for (uint32_t max = min; max < 6; max++)
                for (int others = 0; others < 2; others++)
                    try_set(_i != 0, required, min, max == 5 ? BNT_NO_LIMIT : max, others != 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("grammar");
    TCase *tc = tcase_create("grammar");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, means_what_llama_cpp_means, 0, sizeof meanings / sizeof *meanings);
    tcase_add_test(tc, classes_hold_their_characters);
    tcase_add_loop_test(tc, refuses_with_the_reason, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(tc, hostile_sizes_end);
    tcase_add_test(tc, ambiguity_is_shared);
    tcase_add_loop_test(tc, nothing_leads_into_a_dead_end, 0, sizeof walked / sizeof *walked);
    tcase_add_loop_test(tc, forgetting_changes_nothing, 0, sizeof walked / sizeof *walked);
    tcase_add_test(tc, counts_far_from_their_limits_are_alike);
    tcase_add_loop_test(tc, sets_count_their_members, 0, 2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
