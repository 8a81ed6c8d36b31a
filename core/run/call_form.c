/*
 * call_form.c - see call_form.h. The template writes an answer that calls a tool of a name that
 * nothing else has; the mark is the last one before that name.
 */
#include "run/call_form.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"

static const char name[] = "zq_called";

static int write_call(struct bnt_rendering *out, const struct bnt_template *tm,
                      struct bnt_err *err) {
    static const struct bnt_message talk[] = {{BNT_ROLE_USER, "Hello", 5, 0},
                                              {BNT_ROLE_ASSISTANT, "", 0, 0}};
    json_t *tools = json_pack("[{s:s, s:{s:s, s:s, s:{s:s, s:{}}}}]", "type", "function",
                              "function", "name", "a_tool", "description", "It does.", "parameters",
                              "type", "object", "properties");
    json_t *calls = json_pack("{s:[{s:s, s:s, s:{s:s, s:{s:s}}}]}", "tool_calls", "id", "abcdefghi",
                              "type", "function", "function", "name", name, "arguments", "k", "v");
    json_t *const members[] = {NULL, calls};
    const struct bnt_template_tools with = {.list = tools, .members = members};
    int status = BNT_OK;
    *out = (struct bnt_rendering){0};
    if (!tools || !calls)
        status = bnt_fail_nomem(err, "a call", 1);
    else
        status = bnt_template_render_tools(tm, talk, 2, &with, 0, out, err);
    json_decref(tools);
    json_decref(calls);
    return status;
}

/* `text` begins with `want`, white space left aside: what is behind it; else NULL. */
static const char *behind(const char *text, const char *want) {
    for (; *want; want++) {
        while (strchr(" \n\r\t", *text) && *text) text++;
        if (*text++ != *want) return NULL;
    }
    return text;
}

static const char *last_mark(const char *text, const char *before, size_t *which) {
    const char *found = NULL;
    for (size_t i = 0; bnt_calls_mark(i); i++)
        for (const char *at = strstr(text, bnt_calls_mark(i)); at && at < before;
             at = strstr(at + 1, bnt_calls_mark(i))) {
            if (found && at < found) continue;
            found = at;
            *which = i;
        }
    return found;
}

static int no_form(struct bnt_err *err, const char *why) {
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "%s, so that calls cannot be told from free text before they are made", why);
}

/* Where in the text the name stands, and what is around it. */
static int read_form(struct bnt_call_form *out, const char *text, const struct bnt_tokenizer *t,
                     struct bnt_err *err) {
    const char *at = strstr(text, name), *from, *rest;
    size_t which = 0;
    if (!at) return no_form(err, "the model's chat template does not write calls of tools");
    from = last_mark(text, at, &which);
    if (from) from += strlen(bnt_calls_mark(which));
    out->list = from && (rest = behind(from, "[{\"name\":\"")) != NULL && rest == at;
    if (!from || (!out->list && ((rest = behind(from, "{\"name\":\"")) == NULL || rest != at)))
        return no_form(err, from ? "the model's chat template writes calls in a form of its own"
                                 : "the model's chat template writes calls without a mark");
    at += strlen(name);
    out->mark = bnt_calls_mark(which);
    out->arguments = behind(at, "\",\"parameters\":{") ? "parameters" : "arguments";
    if (!behind(at, "\",\"parameters\":{") && !behind(at, "\",\"arguments\":{"))
        return no_form(err, "the model's chat template writes calls in a form of its own");
    out->end = bnt_calls_end_mark(which);
    if (!strstr(at, out->end)) out->end = "";
    int32_t id = bnt_tokenizer_find(t, out->mark);
    if (id >= 0 && bnt_tokenizer_type(t, id) == BNT_TOKEN_CONTROL)
        return no_form(err, "the mark of the model's calls is a control token, which does not show "
                            "in a text");
    return BNT_OK;
}

int bnt_call_form_of(struct bnt_call_form *out, const struct bnt_template *tm,
                     const struct bnt_tokenizer *t, struct bnt_err *err) {
    struct bnt_rendering r;
    *out = (struct bnt_call_form){0};
    int status = write_call(&r, tm, err);
    if (status == BNT_OK) status = read_form(out, r.text, t, err);
    bnt_rendering_free(&r);
    return status;
}
