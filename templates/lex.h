/*
 * lex.h - a template's source as tokens.
 *
 * Knows Jinja's delimiters, what white space they take off, and how its literals are written; no
 * grammar. Done in one go: what comes out is a list, whose texts lie in the program's arena.
 */
#ifndef BNT_TEMPLATES_LEX_H
#define BNT_TEMPLATES_LEX_H

#include "value.h"

enum token_kind {
    TOKEN_END,  /* of the source */
    TOKEN_DATA, /* text outside of tags */
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_TEXT, /* a literal, its escapes undone */
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_SIGN, /* an operator or a bracket */
};

struct token {
    enum token_kind kind;
    unsigned line;
    const char *text; /* of a sign, a name, a literal, data; NUL-terminated */
    size_t len;
    int64_t integer;
    double real;
};

struct tokens {
    struct token *at;
    size_t n, capacity;
};

int lex_source(struct tokens *out, const char *source, size_t len, struct arena *arena,
               struct bnt_err *err);

#endif
