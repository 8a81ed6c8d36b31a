/*
 * trigger.h - free text in which calls of tools have a shape: from their mark on, and nowhere else.
 *
 * The text of such a constraint is a JSON object:
 *
 *     {"mark": "<tool_call>", "end": "</tool_call>", "list": false, "most": 0, "call": SCHEMA}
 *
 * Behind the mark stands one value of the schema, or with `list` a list of them; then `end`, which
 * may be "". White space, one space or one line feed, may stand on both sides of it. Then the text
 * is free again, and with `most` 0 may call again; with 1 the mark does not come a second time.
 * With a member "text": SCHEMA nothing is free: a text is a value of that schema, or calls alone,
 * with white space between them.
 */
#ifndef BNT_GRAMMARS_TRIGGER_H
#define BNT_GRAMMARS_TRIGGER_H

#include "schema.h"

enum { BNT_TRIGGER_MARK = 64 }; /* bytes of a mark, and of an end */

/* A byte that no text in UTF-8 has: what pieces.h gives tokens without text. It may stand anywhere
 * in the free text and changes nothing there. */
enum { BNT_NO_TEXT = 0xFF };

/* A finished grammar; errors as bnt_schema_compile's. */
int bnt_trigger_compile(struct bnt_grammar **out, const char *text, size_t len,
                        const struct bnt_schema_options *options, struct bnt_err *err);

#endif
