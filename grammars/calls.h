/*
 * calls.h - calls of tools in what a model says: told apart from the text around them while both
 * are made.
 *
 * Knows the forms in which published chat templates have models write calls, and nothing of
 * servers, tokens or who will run the tool:
 *
 *     <tool_call>{"name": N, "arguments": {...}}</tool_call>      Hermes, Qwen; Falcon: a list
 *     [TOOL_CALLS][{"name": N, "arguments": {...}}, ...]          Mistral; also N[ARGS]{...}
 *     {"name": N, "parameters": {...}}                            LLaMA-3, alone or behind
 *     <|python_tag|>N.call(key="value", ...)                      its python tag
 *
 * Marks that are control tokens do not show in a text; so a list, an object or N.call( at the very
 * beginning is a call as well, if N is the name of a tool. What turns out to be no call is text,
 * every byte of it.
 */
#ifndef BNT_GRAMMARS_CALLS_H
#define BNT_GRAMMARS_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* How arguments are read: any string and any number of JSON. For Jansson's readers. */
#define BNT_CALL_JSON (JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL)

enum { BNT_CALLS_MOST = 128 }; /* in one text; what comes behind them is text */

struct bnt_call {
    char *name;
    char *arguments; /* the text of a JSON object, as the model wrote it */
};

struct bnt_calls { /* zero-initialise, then set the first four; freed by bnt_calls_free */
    const char *const *names; /* [n_names]: of the tools there are */
    size_t n_names;
    size_t most;      /* calls that are told apart; 0: BNT_CALLS_MOST */
    const char *mark; /* the only one that calls begin with; NULL: any of the forms */
    struct bnt_call list[BNT_CALLS_MOST];
    size_t count;
    char *held; /* not yet told apart */
    size_t n_held, capacity;
    bool begun, behind, ended; /* text was shown; a call has just ended; no more comes */
    char *text;                /* what the last push showed */
    size_t n_text, text_capacity;
};

/* The marks that calls begin with, 0 to the first NULL, and what stands behind the calls of one. */
const char *bnt_calls_mark(size_t i);
const char *bnt_calls_end_mark(size_t i); /* "" for none */

/* More of the text. Afterwards text [n_text] is what of it is no call, and list has the calls that
 * are complete. */
int bnt_calls_push(struct bnt_calls *c, const char *text, size_t len, struct bnt_err *err);
/* The end: what is still held is text, unless it is a call. */
int bnt_calls_end(struct bnt_calls *c, struct bnt_err *err);
/* As before the first push: what was set stays, what was heard goes. */
void bnt_calls_restart(struct bnt_calls *c);
void bnt_calls_free(struct bnt_calls *c);

#endif
