/*
 * test_trigger.c - free text with calls of a shape: what is free, what is not, what begins a call;
 * and how a chat template writes one.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "rng.h"
#include "run/call_form.h"
#include "run/engine.h"
#include "suite.h"
#include "synth_engine.h"
#include "trigger.h"

static struct bnt_machine *machine;
static struct bnt_grammar *grammar;

static void open_trigger(const char *text) {
    const struct bnt_schema_options written = {0};
    struct bnt_err err = {0};
    ck_assert_msg(!bnt_trigger_compile(&grammar, text, strlen(text), &written, &err), "%s",
                  err.text);
    ck_assert_msg(!bnt_machine_open(&machine, grammar, &err), "%s", err.text);
}

static void close_trigger(void) {
    bnt_machine_close(machine);
    bnt_grammar_close(grammar);
}

enum verdict { DEAD, BEGUN, WHOLE }; /* WHOLE: it may end here */

static enum verdict verdict_of(const char *text, size_t len) {
    bnt_state s = bnt_machine_start(machine);
    for (size_t i = 0; i < len; i++) {
        s = bnt_machine_step(machine, s, (uint8_t)text[i]);
        ck_assert_uint_ne(s, BNT_STATE_NONE);
    }
    return s == BNT_STATE_DEAD ? DEAD : bnt_machine_accepts(machine, s) ? WHOLE : BEGUN;
}

#define CALL                                                                                       \
    "\"call\":{\"type\":\"object\",\"properties\":{\"n\":{\"enum\":[1,2]}},\"required\":[\"n\"],"  \
    "\"additionalProperties\":false}}"
static const char any[] =
    "{\"mark\":\"<call>\",\"end\":\"</call>\",\"list\":false,\"most\":0," CALL;
static const char once[] =
    "{\"mark\":\"<call>\",\"end\":\"</call>\",\"list\":false,\"most\":1," CALL;
static const char list[] = "{\"mark\":\"[C]\",\"end\":\"\",\"list\":true,\"most\":0," CALL;
static const char list_once[] = "{\"mark\":\"[C]\",\"end\":\"\",\"list\":true,\"most\":1," CALL;
static const char aab[] =
    "{\"mark\":\"aab\",\"end\":\".\",\"list\":false,\"most\":0,\"call\":{\"const\":7}}";

#define TEXT ",\"text\":{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"enum\":[\"x\",[\"C\",1]]}}}}"
/* Calls, or a text of a shape. */
static const char either[] =
    "{\"mark\":\"[C]\",\"end\":\".\",\"list\":false,\"most\":0,\"call\":{\"const\":7}" TEXT;
static const char either_once[] =
    "{\"mark\":\"[C]\",\"end\":\"\",\"list\":true,\"most\":1,\"call\":{\"const\":7}" TEXT;

static const struct {
    const char *trigger, *text;
    enum verdict verdict;
} cases[] = {
    {any, "", WHOLE},
    {any, "Any text { [ \" < <c <call </call>", WHOLE},
    {any, "\xC3 raw \xFE\xFF bytes", WHOLE},
    {any, "x<call>", BEGUN},
    {any, "x<call>x", DEAD},
    {any, "<<call>{\"n\": 1}", BEGUN},
    {any, "<call>{\"n\": 1}</call>", WHOLE},
    {any, "<call>\n{\"n\": 1}\n</call>\nand <call> {\"n\": 2} </call> more", WHOLE},
    {any, "<call>{\"n\": 3", DEAD},
    {any, "<call>{\"n\": 1}</call><call>}", DEAD},
    {any, "<call>{\"n\": 1}x", DEAD},
    {any, "<cal\xFFl>x", DEAD}, /* a token without text between shows a mark all the same */
    {once, "a <call>{\"n\": 1}</call> b <call", WHOLE},
    {once, "a <call>{\"n\": 1}</call> b <call>", DEAD},
    {list, "[C][{\"n\": 1}, {\"n\": 2}]", WHOLE},
    {list, "[C] [{\"n\": 1}] text [C][{\"n\": 2}]", WHOLE},
    {list, "[C][]", DEAD},
    {list, "[[C][{\"n\": 1}", BEGUN},
    {list_once, "[C][{\"n\": 1}]", WHOLE},
    {list_once, "[C][{\"n\": 1},", DEAD},
    {either, "", BEGUN},
    {either, "\"x\"", WHOLE},
    {either, "[\"C\", 1]", WHOLE}, /* which begins as the mark does */
    {either, "[C]7.", WHOLE},
    {either, "[C] 7 .\n[C]7.", WHOLE},
    {either, "[C]7. \"x\"", DEAD},
    {either, "\"x\"[C]", DEAD},
    {either, "text", DEAD},
    {either_once, "[C][7]", WHOLE},
    {either_once, "[C][7][", DEAD},
    {either_once, "\"x\"", WHOLE},
    {aab, "aaab7.", WHOLE},
    {aab, "aaabx", DEAD},
    {aab, "aabab", DEAD},
    {aab, "abaaaab7.aab7", BEGUN},
};

START_TEST(calls_have_a_shape) {
    open_trigger(cases[_i].trigger);
    enum verdict got = verdict_of(cases[_i].text, strlen(cases[_i].text));
    ck_assert_msg(got == cases[_i].verdict, "%s: %d", cases[_i].text, got);
    close_trigger();
}
END_TEST

/* Bytes of few kinds, so that marks and their beginnings come up often. */
START_TEST(free_text_ends_anywhere) {
    struct rng r = rng_stream(7, 1);
    unsigned marks = 0;
    open_trigger(aab);
    for (unsigned round = 0; round < 4000; round++) {
        char text[12];
        for (size_t i = 0; i < sizeof text; i++) text[i] = "ab\xFF"[rng_below(&r, 16) % 3];
        for (size_t n = 0; n <= sizeof text; n++) {
            char shown[13];
            size_t k = 0;
            for (size_t i = 0; i < n; i++)
                if (text[i] != '\xFF') shown[k++] = text[i];
            bool mark = memmem(shown, k, "aab", 3) != NULL;
            bool last = mark && k >= 3 && memmem(shown, k - 1, "aab", 3) == NULL;
            enum verdict want = !mark ? WHOLE : last && text[n - 1] != '\xFF' ? BEGUN : DEAD;
            ck_assert_int_eq(verdict_of(text, n), want);
            marks += mark;
        }
    }
    ck_assert_uint_gt(marks, 1000);
    close_trigger();
}
END_TEST

static const struct {
    const char *text;
    int status;
    const char *why;
} bad[] = {
    {"{", BNT_E_FORMAT, "line 1"},
    {"[]", BNT_E_FORMAT, "calls: "},
    {"{\"mark\":\"a\",\"end\":\"\",\"list\":false,\"most\":0}", BNT_E_FORMAT, "call"},
    {"{\"mark\":\"\",\"end\":\"\",\"list\":false,\"most\":0,\"call\":true}", BNT_E_FORMAT,
     "1 to 64 bytes"},
    {"{\"mark\":\"a\",\"end\":\"\",\"list\":false,\"most\":2,\"call\":true}", BNT_E_FORMAT,
     "most is"},
    {"{\"mark\":\"a\",\"end\":\"\",\"list\":false,\"most\":0,\"call\":true,\"x\":1}", BNT_E_FORMAT,
     "x"},
    {"{\"mark\":\"a\",\"end\":\"\",\"list\":false,\"most\":0,\"call\":{\"oneOf\":[{},{}]}}",
     BNT_E_UNSUPPORTED, "oneOf"},
    {"{\"mark\":\"a\",\"end\":\"\",\"list\":false,\"most\":0,\"call\":7}", BNT_E_FORMAT,
     "no object"},
};

START_TEST(what_is_no_trigger_is_refused) {
    const struct bnt_schema_options written = {0};
    struct bnt_err err = {0};
    struct bnt_grammar *g;
    int status = bnt_trigger_compile(&g, bad[_i].text, strlen(bad[_i].text), &written, &err);
    ck_assert_int_eq(status, bad[_i].status);
    ck_assert_msg(strstr(err.text, bad[_i].why) != NULL, "%s", err.text);
    ck_assert_ptr_null(g);
}
END_TEST

/* ---- templates ---------------------------------------------------------------------------------
 */

#define TURN "{% for m in messages %}{{ m.role }}: {{ m.content }}{% for c in m.tool_calls or [] %}"
#define END "{% endfor %}\n{% endfor %}"
static const struct {
    const char *text, *mark, *end, *arguments;
    bool list;
    const char *why; /* where there is none */
} forms[] = {
    /* Hermes and Qwen, which name the mark in their instructions as well */
    {"Within <tool_call></tool_call>: <tool_call>{\"name\": NAME}</tool_call>{{ tools | tojson "
     "}}" TURN "\n<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ "
     "c.function.arguments | tojson }}}\n</tool_call>" END,
     "<tool_call>", "</tool_call>", "arguments", false, NULL},
    /* Falcon */
    {TURN "<tool_call>[{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ "
          "c.function.arguments | tojson }}}]</tool_call>" END,
     "<tool_call>", "</tool_call>", "arguments", true, NULL},
    /* Mistral */
    {TURN "[TOOL_CALLS][{{ c.function | tojson }}]" END, "[TOOL_CALLS]", "", "arguments", true,
     NULL},
    {TURN "<|python_tag|>{\"name\": \"{{ c.function.name }}\", \"parameters\": {{ "
          "c.function.arguments | tojson }}}" END,
     NULL, NULL, NULL, false, "control token"},
    /* LLaMA-3 */
    {"<tool_call>" TURN "{\"name\": \"{{ c.function.name }}\", \"parameters\": {{ "
     "c.function.arguments | tojson }}}" END,
     NULL, NULL, NULL, false, "form of its own"},
    {TURN "{\"name\": \"{{ c.function.name }}\", \"parameters\": {{ c.function.arguments | tojson "
          "}}}" END,
     NULL, NULL, NULL, false, "without a mark"},
    {TURN "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}" END, NULL,
     NULL, NULL, false, "form of its own"},
    {TURN "<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": \"{}\"}" END, NULL, NULL,
     NULL, false, "form of its own"},
    {"{% for m in messages %}{{ m.content }}{% endfor %}", NULL, NULL, NULL, false,
     "does not write calls"},
};

START_TEST(templates_show_their_form) {
    struct bnt_err err = {0};
    struct synth s;
    struct bnt_template tm;
    struct bnt_call_form form;
    ck_assert(synth_preset(&s, "tiny"));
    struct bnt_engine *e = synth_engine(&s, NULL, &err);
    ck_assert_msg(e != NULL, "%s", err.text);
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(e);
    const struct bnt_template_choice choice = {.text = forms[_i].text,
                                               .len = strlen(forms[_i].text)};
    ck_assert_msg(!bnt_template_open(&tm, NULL, t, &choice, &err), "%s", err.text);
    int status = bnt_call_form_of(&form, &tm, t, &err);
    if (forms[_i].why) {
        ck_assert_int_eq(status, BNT_E_UNSUPPORTED);
        ck_assert_msg(strstr(err.text, forms[_i].why) != NULL, "%s", err.text);
    } else {
        ck_assert_msg(status == BNT_OK, "%s", err.text);
        ck_assert_str_eq(form.mark, forms[_i].mark);
        ck_assert_str_eq(form.end, forms[_i].end);
        ck_assert_str_eq(form.arguments, forms[_i].arguments);
        ck_assert_int_eq(form.list, forms[_i].list);
    }
    bnt_template_close(&tm);
    bnt_engine_close(e);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trigger");
    TCase *tc = tcase_create("trigger");
    tcase_add_loop_test(tc, calls_have_a_shape, 0, sizeof cases / sizeof *cases);
    tcase_add_test(tc, free_text_ends_anywhere);
    tcase_add_loop_test(tc, what_is_no_trigger_is_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_loop_test(tc, templates_show_their_form, 0, sizeof forms / sizeof *forms);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
