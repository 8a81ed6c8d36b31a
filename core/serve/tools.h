/*
 * tools.h - tools of a request: what the template is told of them, whether one must be called, and
 * the calls in an answer. Knows no interface; what it reads has OpenAI's form, which is the one
 * that templates were written for.
 */
#ifndef BNT_SERVE_TOOLS_H
#define BNT_SERVE_TOOLS_H

#include <jansson.h>

#include "calls.h"

struct serve_completion;
struct serve_choice;

enum { SERVE_MOST_TOOLS = 256 };

struct serve_tools {
    const json_t *list; /* what the template is told: [{"type": "function", "function": {...}}] */
    const char *names[SERVE_MOST_TOOLS]; /* [n]; 0: no tools, or none may be called */
    size_t n;
    size_t most;      /* calls of one answer */
    bool must;        /* one is made, and nothing else */
    bool shaped;      /* calls, or a text of a shape */
    const char *mark; /* what alone they begin with, where some are strict; or NULL */
};

/* Which calls an answer has. */
enum serve_tool_mode { SERVE_TOOLS_AUTO, SERVE_TOOLS_NONE, SERVE_TOOLS_ANY, SERVE_TOOLS_NAMED };
struct serve_tool_choice {
    enum serve_tool_mode mode;
    const char *name; /* of the tool that must be called, where one is named */
};

/* "auto", "none" or "required"; false: none of them. */
bool serve_tool_mode_of(const char *word, enum serve_tool_mode *mode);

/* `tools`, or NULL; one call at most unless `ask.parallel`. A call that must be made is constrained
 * to the tools' parameters, and a shape of the answer says nothing then; where it may be made and
 * the answer has a shape, it is calls or of that shape. False: the client was told. */
bool serve_tools_read(struct serve_completion *c, const json_t *tools,
                      struct serve_tool_choice choice);

/* Of an answer with tools: more of its text, and its end; then calls->text is what is to be shown,
 * and calls->list are those that are complete. */
void serve_tools_hear(struct serve_choice *choice, const char *text, size_t len);
void serve_tools_end(struct serve_choice *choice);
/* What was heard last, as a JSON text. */
json_t *serve_tools_text(const struct serve_choice *choice);
/* The text of a whole answer without its calls, which the list has then; without tools all of it.
 * Of a stream, too, once it has ended: all is heard again. */
json_t *serve_tools_whole(struct serve_choice *choice);
/* It called tools, and ended there. */
bool serve_tools_called(const struct serve_choice *choice);
/* A call's arguments as an object. */
json_t *serve_tools_arguments(const struct bnt_call *call);

#endif
