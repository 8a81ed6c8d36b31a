/*
 * template.h - a model's chat template: the messages of a conversation as a text with marks.
 *
 * The file's own template is run (templates/jinja.h), or another that the user chose. Knows where a
 * template comes from and what it is given; keeps no conversation (run/chat.h does), makes no
 * tokens.
 *
 * Promise: what a user, a system text or an answer says is marked, and what is marked never becomes
 * a control token, nor a USER_DEFINED one that the template itself writes (bnt_template_encode).
 */
#ifndef BNT_RUN_TEMPLATE_H
#define BNT_RUN_TEMPLATE_H

#include "jinja.h"
#include "tokenizer.h"

enum { BNT_MORE_TOKENS = 5 };

struct bnt_template { /* closed by bnt_template_close; zero-initialised is closed */
    struct bnt_jinja *program;
    const char *name;   /* of a named one; "model", "tool_use": the file's own; "file": another's */
    const char *source; /* "metadata", "given", "none": the model has none */
    const char *stop;   /* a text that ends an answer where no token does, or NULL */
    char remark[300];   /* one sentence that the user should know, or "" */
    char sha256[65];    /* of its text */
    char *bos, *eos; /* what it is given as bos_token and eos_token; "": the vocabulary has none */
    char *more[BNT_MORE_TOKENS];   /* unk_token and so on (template.c); NULL: not given */
    struct bnt_reserved *reserved; /* the USER_DEFINED marks that it writes */
    bool splits;                   /* it asks for the reasoning of an answer by itself */
};

/* Which one: all NULL means the file's own, or `instruct` where it has none. */
struct bnt_template_choice {
    const char *name; /* of templates/named.h */
    const char *text; /* a file's */
    size_t len;
    const char *system; /* what the conversation has as system text; NULL: none is known yet */
    size_t system_len;
    bool old_bos,
        old;        /* as conversations before 0.11 had named ones: texts as they are, BOS or not */
    bool for_tools; /* the file's own for conversations with tools, which it must have */
};

/* The file has a template of its own for conversations with tools. */
bool bnt_template_has_for_tools(const struct bnt_gguf *g);
/* g may be NULL where its template is not asked for. BNT_E_USAGE for an unknown name (the message
 * lists them), BNT_E_UNSUPPORTED for a vocabulary that lacks what a named one needs; what parsing
 * and a first rendering say: with the system text of the choice, else without or with one, as the
 * template takes it. */
int bnt_template_open(struct bnt_template *out, const struct bnt_gguf *g,
                      const struct bnt_tokenizer *t, const struct bnt_template_choice *choice,
                      struct bnt_err *err);
void bnt_template_close(struct bnt_template *tm);

enum bnt_role { BNT_ROLE_SYSTEM, BNT_ROLE_USER, BNT_ROLE_ASSISTANT, BNT_ROLE_TOOL };

struct bnt_message {
    enum bnt_role role;
    const char *text;
    size_t len;
    size_t own; /* bytes at its beginning that the template wrote: "<think>" in its prompt */
};

struct bnt_rendering { /* freed by bnt_rendering_free */
    char *text;
    uint8_t *marks; /* [len] */
    size_t len;
    bool used_time; /* it asked for the date */
};

/* What a conversation with tools has besides, as JSON (jansson.h). */
struct json_t;
struct bnt_template_tools {
    const struct json_t *list; /* the template's variable `tools`, or NULL */
    /* [n]: members that a message has besides its role and content (tool_calls, tool_call_id), or
     * NULL. */
    struct json_t *const *members;
    const struct json_t *variables; /* further ones of the template, an object; or NULL */
};
/* What the program says itself, and nobody else (messages, bos_token, ...). */
bool bnt_template_has_variable(const char *name);
/* It asks for them. */
bool bnt_template_takes_tools(const struct bnt_template *tm);
bool bnt_template_takes_calls(const struct bnt_template *tm); /* those of earlier turns */

/* With a generation prompt unless an answer is last. `time`: seconds since 1970, what strftime_now
 * says. */
int bnt_template_render(const struct bnt_template *tm, const struct bnt_message *messages, size_t n,
                        int64_t time, struct bnt_rendering *out, struct bnt_err *err);
int bnt_template_render_tools(const struct bnt_template *tm, const struct bnt_message *messages,
                              size_t n, const struct bnt_template_tools *tools, int64_t time,
                              struct bnt_rendering *out, struct bnt_err *err);
/* The tokens of a rendering from byte `from` on, appended to *list; `continues`: they go on from
 * those of what is before it. */
int bnt_template_encode(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                        const struct bnt_rendering *r, size_t from, bool continues,
                        struct bnt_token_list *list, struct bnt_err *err);
void bnt_rendering_free(struct bnt_rendering *r);
/* How many bytes at the end of a rendering open an answer's thinking: from "<think>" on, or 0. */
size_t bnt_rendering_thinking(const struct bnt_rendering *r);

#endif
