/*
 * gbnf.h - grammars in llama.cpp's language (GBNF).
 *
 * Rules `name ::= ...` with | ( ) "text" [classes] . * + ? {m} {m,} {m,n} and comments behind #;
 * escapes \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH. The text is UTF-8 and so is what it
 * describes. `root` is where it begins. A newline ends a rule, except within parentheses, behind
 * ::= and behind |.
 */
#ifndef BNT_GRAMMARS_GBNF_H
#define BNT_GRAMMARS_GBNF_H

#include "grammar.h"

/* A finished grammar. The message names the line. */
int bnt_gbnf_compile(struct bnt_grammar **out, const char *text, size_t len, struct bnt_err *err);

#endif
