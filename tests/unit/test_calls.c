/*
 * test_calls.c - calls of tools in what models say: each form that published templates have them
 * write, what only looks like one, and that the pieces in which a text comes change nothing.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "rng.h"
#include "suite.h"

static const char *const names[] = {"get_weather", "add", "brave_search"};

static const struct {
    const char *said, *text, *calls; /* name arguments; and so on */
} cases[] = {
    {"Hello.", "Hello.", ""},
    {"", "", ""},
    {"  spaces ", "  spaces ", ""},
    /* Hermes, Qwen */
    {"<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>",
     "", "get_weather {\"city\": \"Paris\"};"},
    {"I look.\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": "
     "0.1}}\n</tool_call>\n"
     "<tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>\n",
     "I look.\n", "add {\"a\": 1, \"b\": 0.1};add {};"},
    {"<tool_call>{\"arguments\": {\"s\": \"a } \\\" ] b\"}, \"name\": \"other\"}</tool_call> done",
     "done", "other {\"s\": \"a } \\\" ] b\"};"},
    {"<tool_call>{\"name\": \"add\"}", "", "add {};"},
    {"<tool_call>{\"name\": \"add\"}</tool", "", "add {};"},
    /* Falcon: a list */
    {"<tool_call>[{\"name\": \"add\", \"arguments\": {\"a\": 1}}, {\"name\": \"add\", "
     "\"arguments\": "
     "{\"a\": 2}}]</tool_call>",
     "", "add {\"a\": 1};add {\"a\": 2};"},
    /* Mistral */
    {"[TOOL_CALLS][{\"name\": \"add\", \"arguments\": {\"a\": [1, {\"x\": 2}]}, \"id\": "
     "\"123456789\"}]",
     "", "add {\"a\": [1, {\"x\": 2}]};"},
    {"[TOOL_CALLS] get_weather[ARGS]{\"city\": \"Rome\"}", "", "get_weather {\"city\": \"Rome\"};"},
    {"[{\"name\": \"add\", \"arguments\": {}}]", "", "add {};"},
    /* LLaMA-3 */
    {"{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Oslo\"}}", "",
     "get_weather {\"city\": \"Oslo\"};"},
    {"{\"type\": \"function\", \"name\": \"add\", \"parameters\": {\"a\": 1}}; {\"name\": \"add\", "
     "\"parameters\": {\"a\": 2}}",
     "", "add {\"a\": 1};add {\"a\": 2};"},
    {"{\"type\": \"function\", \"function\": {\"name\": \"add\", \"arguments\": {\"a\": 1}}}", "",
     "add {\"a\": 1};"},
    {"<|python_tag|>{\"name\": \"add\", \"parameters\": {}}", "", "add {};"},
    {"<|python_tag|>brave_search.call(query=\"a, (b)\", n=3)", "",
     "brave_search {\"query\":\"a, (b)\",\"n\":3};"},
    {"brave_search.call(query=\"x\")", "", "brave_search {\"query\":\"x\"};"},
    /* no calls */
    {"{\"name\": \"nobody\", \"parameters\": {}}", "{\"name\": \"nobody\", \"parameters\": {}}",
     ""},
    {"{\"answer\": 42}", "{\"answer\": 42}", ""},
    {"[1, 2, 3]", "[1, 2, 3]", ""},
    {"[]", "[]", ""},
    {"So {\"name\": \"add\", \"arguments\": {}}", "So {\"name\": \"add\", \"arguments\": {}}", ""},
    {"add.all the numbers", "add.all the numbers", ""},
    {"other.call(x=1)", "other.call(x=1)", ""},
    {"<tool_call>none</tool_call>", "<tool_call>none</tool_call>", ""},
    {"<tool_call>{\"name\": 7}</tool_call>", "<tool_call>{\"name\": 7}</tool_call>", ""},
    {"<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1}",
     "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1}", ""},
    {"<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>",
     "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call>", ""},
    {"a < b <tool", "a < b <tool", ""},
    {"a <tool_call>{]}", "a <tool_call>{]}", ""},
};

struct told {
    char text[2048], calls[2048];
};

static void hear(struct told *t, const struct bnt_calls *c) {
    strncat(t->text, c->n_text ? c->text : "", c->n_text);
}

/* In pieces of random lengths. */
static struct told tell(const char *said, struct rng *r) {
    struct bnt_calls c = {.names = names, .n_names = 3};
    struct told t = {"", ""};
    size_t n = strlen(said);
    for (size_t at = 0; at < n;) {
        size_t len = r ? 1 + rng_below(r, 5) : n;
        if (len > n - at) len = n - at;
        ck_assert(bnt_calls_push(&c, said + at, len, NULL) == BNT_OK);
        hear(&t, &c);
        at += len;
    }
    ck_assert(bnt_calls_end(&c, NULL) == BNT_OK);
    hear(&t, &c);
    ck_assert_uint_eq(c.n_held, 0);
    for (size_t i = 0; i < c.count; i++) {
        strcat(strcat(t.calls, c.list[i].name), " ");
        strcat(strcat(t.calls, c.list[i].arguments), ";");
    }
    bnt_calls_free(&c);
    return t;
}

START_TEST(calls_are_told_from_text) {
    struct rng r = rng_stream(1, (uint64_t)_i);
    for (unsigned k = 0; k < 50; k++) {
        struct told t = tell(cases[_i].said, k ? &r : NULL);
        ck_assert_str_eq(t.text, cases[_i].text);
        ck_assert_str_eq(t.calls, cases[_i].calls);
    }
}
END_TEST

/* Texts are shown as soon as they can be no call. */
START_TEST(text_does_not_wait) {
    struct bnt_calls c = {.names = names, .n_names = 3};
    ck_assert(bnt_calls_push(&c, "Hello, <to", 10, NULL) == BNT_OK);
    ck_assert_uint_eq(c.n_text, 7);
    ck_assert(bnt_calls_push(&c, "day>", 4, NULL) == BNT_OK);
    ck_assert_uint_eq(c.n_text, 7);
    ck_assert(memcmp(c.text, "<today>", 7) == 0);
    bnt_calls_free(&c);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("calls");
    TCase *tc = tcase_create("calls");
    tcase_add_loop_test(tc, calls_are_told_from_text, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tc, text_does_not_wait);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
