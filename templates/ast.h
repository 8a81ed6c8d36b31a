/*
 * ast.h - a parsed template: a tree of nodes of one kind of struct.
 *
 * The parser makes it, evaluation only reads it. A node's children are a, b, c and list; what each
 * means is said beside the kind.
 */
#ifndef BNT_TEMPLATES_AST_H
#define BNT_TEMPLATES_AST_H

#include "lex.h"

enum node_kind {
    /* expressions */
    NODE_CONST,   /* value */
    NODE_NAME,    /* name; value: the same as a text */
    NODE_LIST,    /* list */
    NODE_TUPLE,   /* list */
    NODE_DICT,    /* list: key, value, key, value, ... */
    NODE_ATTR,    /* a.name */
    NODE_ITEM,    /* a[b] */
    NODE_SLICE,   /* a[list[0]:list[1]:list[2]]; NULL where left out */
    NODE_CALL,    /* a(list), of NODE_ARG */
    NODE_ARG,     /* a; name of a keyword or NULL; op '*' or 'd' (**): a is many */
    NODE_FILTER,  /* a|name(list); a NULL: of a block */
    NODE_TEST,    /* a is name(list) */
    NODE_NOT,     /* not a */
    NODE_MINUS,   /* -a */
    NODE_PLUS,    /* +a */
    NODE_BINARY,  /* a op b: + - * / f (//) % p (**) */
    NODE_AND,     /* a and b */
    NODE_OR,      /* a or b */
    NODE_CONCAT,  /* list joined by ~ */
    NODE_COMPARE, /* a, then list of NODE_OPERAND */
    NODE_OPERAND, /* op: = ! < > l (<=) g (>=) i (in) n (not in); a */
    NODE_COND,    /* a if b else c; c NULL: undefined */
    /* statements */
    NODE_BODY,         /* list; c: NODE_TUPLE of names that begin undefined, or NULL */
    NODE_PRINT,        /* a */
    NODE_IF,           /* a: test, b: body, c: NODE_IF, body or NULL */
    NODE_FOR,          /* list: target, iterable, test or NULL; a: body, b: else or NULL */
    NODE_SET,          /* a = b */
    NODE_SET_BLOCK,    /* a = text of body c, through filter b or not */
    NODE_MACRO,        /* name; list of NODE_ARG (name, a: default or NULL); a: body */
    NODE_CALL_BLOCK,   /* a: NODE_CALL; b: NODE_MACRO named caller */
    NODE_FILTER_BLOCK, /* b: filter, c: body */
    NODE_WITH,         /* list: target, value, ...; a: body */
    NODE_SCOPE,        /* a: body with names of its own */
    NODE_BREAK,
    NODE_CONTINUE,
};

struct node {
    enum node_kind kind;
    char op;
    bool varargs, kwargs, caller; /* of a macro: it reads this name, and takes what it means */
    unsigned line, depth;
    const char *name;
    struct jv value;
    struct node *a, *b, *c;
    struct node **list;
    size_t n;
};

struct bnt_jinja {
    struct arena arena;
    struct tokens tokens;
    struct node *body;
};

/* ---- between the parts of the parser -----------------------------------------------------------
 */

struct parser {
    struct bnt_jinja *program;
    const struct token *at;
    unsigned depth, loops, fors; /* of nesting; loops around the place, of a macro and of all */
    struct node *macro;          /* around the place */
    struct bnt_err *err;
};

/* Each returns NULL when the parser has failed and said why. */
struct node *parse_expression(struct parser *p, bool with_condition);
/* Several with commas are a tuple; it ends where a tag, a bracket or the name `until` stands. */
struct node *parse_tuple(struct parser *p, bool with_condition, const char *until,
                         bool in_brackets);
struct node *parse_primary(struct parser *p);
struct node *parse_named(struct parser *p, const char *name, unsigned line); /* NODE_NAME */
struct node *parse_filters(struct parser *p, struct node *of,
                           bool first_bare);          /* after a '|' or not */
bool parse_call(struct parser *p, struct node *call); /* "(...)": fills call->list */

/* names.c: puts beside each block the names that begin undefined in it. */
bool parse_names(struct parser *p, struct node *body);
/* known.c: the filters and tests that it asks for, Jinja has. */
bool parse_known(struct parser *p, const struct node *body);
/* Not true, none and their kin. */
bool parse_can_assign(struct parser *p, const char *name);
struct node *parse_node(struct parser *p, enum node_kind kind, unsigned line);
bool parse_add(struct parser *p, struct node *of, struct node *child);
struct node *parse_fail(struct parser *p, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
struct node *parse_unexpected(struct parser *p, const char *wanted);
bool parse_is(const struct parser *p, enum token_kind kind, const char *text);
bool parse_take(struct parser *p, enum token_kind kind, const char *text); /* if it is there */
bool parse_need(struct parser *p, enum token_kind kind, const char *text);
/* Makes the node as deep as its children say; NULL: too deep. Called when a node is complete. */
struct node *parse_done(struct parser *p, struct node *n);

#endif
