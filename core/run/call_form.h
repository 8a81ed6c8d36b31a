/*
 * call_form.h - how a model's chat template writes a call of a tool, found by having it write one.
 *
 * Knows the forms of grammars/calls.h; knows nothing of schemas and of servers.
 */
#ifndef BNT_RUN_CALL_FORM_H
#define BNT_RUN_CALL_FORM_H

#include "run/template.h"

struct bnt_call_form {
    const char *mark;      /* what a call begins with: "<tool_call>" */
    const char *end;       /* what stands behind it, or "" */
    const char *arguments; /* the member that has them: "arguments" or "parameters" */
    bool list;             /* a list of calls stands behind the mark */
};

/* BNT_E_UNSUPPORTED, with the reason: the template writes calls without a mark, with one that is a
 * control token and does not show in a text, or in a form that is not known. */
int bnt_call_form_of(struct bnt_call_form *out, const struct bnt_template *tm,
                     const struct bnt_tokenizer *t, struct bnt_err *err);

#endif
