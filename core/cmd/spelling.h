/*
 * spelling.h - what people's fingers type: options as other programs spell them, and what was
 * probably meant by a word that nobody knows.
 *
 * Knows words alone. An option of another program is taken only where it means the same here; the
 * table in spelling.c is all there is.
 */
#ifndef BNT_CMD_SPELLING_H
#define BNT_CMD_SPELLING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Makes argv's words ours: `words` has room for argc + 1 pointers, ends with NULL, and points into
 * argv or memory that stays; *count is their number. BNT_E_USAGE names a word that asks for what
 * cannot be (layers on a GPU). */
int spelling_translate(char **words, int *count, int argc, char **argv, struct bnt_err *err);

/* An option of ours, "--model", as it was typed: "-hf" where spelling_translate made it of that,
 * else the same. What follows a "=" does not count. */
const char *spelling_typed(const char *option);

/* Whether a word asks for a conversation, as -cnv does elsewhere. */
bool spelling_asks_for_chat(const char *word);

/* The one of `names` that is nearest to the word, if it is near: at most a third of its letters
 * differ; else NULL. Dashes in front do not count. */
const char *spelling_nearest(const char *word, const char *const *names, size_t count);

#endif
