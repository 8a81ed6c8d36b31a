/*
 * jinja.h - runs the Jinja programs that chat templates are.
 *
 * The dialect is that of Hugging Face transformers, where chat templates are defined: Jinja 3.1 in
 * a sandbox, with trim_blocks and lstrip_blocks, loop controls and {% generation %}. Whatever a
 * template uses of it is done as there or refused with the name of the construct and its line;
 * docs/TEMPLATES.md lists both. Knows nothing of models, tokens or files: a program sees the values
 * it is given and nothing else.
 *
 * The one idea: every byte of a text carries a mark that says whether somebody else wrote it. Marks
 * travel through all that a program does with texts, so that in the rendered text one can still
 * tell the template's words from a user's.
 */
#ifndef BNT_JINJA_H
#define BNT_JINJA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bnt_jinja;     /* opaque: a program; immutable, so that threads may share it */
struct bnt_jinja_run; /* opaque: one rendering, with all its values; of one thread */
struct jv;            /* value.h */

/* Parses. BNT_E_FORMAT: it is no Jinja; BNT_E_UNSUPPORTED: it uses a statement that chat templates
 * do not have; BNT_E_LIMIT. Each names the line. */
int bnt_jinja_open(struct bnt_jinja **out, const char *source, size_t len, struct bnt_err *err);
void bnt_jinja_close(struct bnt_jinja *program);
/* Whether `name` is a variable or an attribute anywhere in the program. */
bool bnt_jinja_mentions(const struct bnt_jinja *program, const char *name);
/* Text i that the program writes or compares with, its escapes undone; false behind the last. */
bool bnt_jinja_literal(const struct bnt_jinja *program, size_t i, const char **text, size_t *len);

/* What one rendering may use; 0: the default (jinja_limits.h). */
struct bnt_jinja_limits {
    uint64_t steps; /* nodes evaluated; bulk work on texts counts by its bytes */
    size_t memory;  /* bytes of all values and of the output */
    unsigned depth; /* of nested evaluation: macros that call themselves, values in values */
};

int bnt_jinja_begin(struct bnt_jinja_run **out, const struct bnt_jinja *program,
                    const struct bnt_jinja_limits *limits, struct bnt_err *err);
void bnt_jinja_end(struct bnt_jinja_run *run);
/* Seconds since 1970-01-01 UTC, for strftime_now; 0 until it is set. */
void bnt_jinja_set_time(struct bnt_jinja_run *run, int64_t seconds);
bool bnt_jinja_used_time(const struct bnt_jinja_run *run); /* strftime_now was called */
/* A variable of the program, made with the functions of value.h in this run. */
int bnt_jinja_set(struct bnt_jinja_run *run, const char *name, const struct jv *value,
                  struct bnt_err *err);

/* Bytes, and beside each whether somebody else wrote it; marks NULL: nobody did. */
struct bnt_marked {
    const char *text;
    const uint8_t *marks;
    size_t len;
};

/* *out lasts until the run ends. BNT_E_USAGE: the template itself says that these values will not
 * do; BNT_E_UNSUPPORTED: it did something that is an error or not known here; BNT_E_LIMIT. */
int bnt_jinja_render(struct bnt_jinja_run *run, struct bnt_marked *out, struct bnt_err *err);

#endif
