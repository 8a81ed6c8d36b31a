/*
 * grammar.h - a grammar over bytes, as a graph of small expressions.
 *
 * Knows bytes and nothing else: no JSON, no tokens, no models. A grammar is built from the inside
 * out; equal expressions are one node. Only rules may refer to what is not there yet, and so to
 * themselves. Three kinds of node are more than a context-free grammar has, and keep it small: a
 * list counts its elements; a set knows which of its members were there, so that the members of an
 * object may come in any order without one rule for each order; and an automaton takes texts of
 * which several things are true at once.
 *
 * Whoever builds need not look at errors in between: the first one stays (bnt_grammar_finish says
 * it), and what cannot be built is an expression that matches nothing.
 */
#ifndef BNT_GRAMMARS_GRAMMAR_H
#define BNT_GRAMMARS_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "automaton.h"
#include "base/err.h"

/* What a hostile grammar may cost; the documentation names them (docs/GRAMMARS.md). */
enum {
    BNT_GRAMMAR_NODES = 1 << 18, /* expressions */
    BNT_GRAMMAR_KIDS = 1 << 20,  /* parts of them, together */
    BNT_GRAMMAR_RULES = 1 << 15,
    BNT_GRAMMAR_DEPTH = 1024, /* of the machine's stack: some 250 levels of JSON */
    BNT_SET_MEMBERS = 48,     /* of a set whose members come in any order */
    BNT_ORDERED_MEMBERS = 1 << 12,
    BNT_SET_COUNT = 65535,   /* what a set may be asked to count to */
    BNT_COUNT_MAX = 1 << 24, /* what a list may be asked to count to */
    BNT_AUTOMATA = 1 << 12,
    BNT_AUTOMATON_CELLS = 1 << 23, /* steps of all automata together */
};

typedef uint32_t bnt_expr; /* the number of a node */

#define BNT_EXPR_EMPTY ((bnt_expr)0) /* matches the empty text */
#define BNT_EXPR_NEVER ((bnt_expr)1) /* matches nothing */
#define BNT_NO_LIMIT UINT32_MAX      /* of counts */

enum bnt_node_kind {
    BNT_NODE_EMPTY,
    BNT_NODE_NEVER,
    BNT_NODE_BYTES,     /* one byte of class `first` */
    BNT_NODE_AUTOMATON, /* what automaton `first` takes */
    BNT_NODE_SEQ,       /* its kids, one after the other */
    BNT_NODE_ALT,       /* one of its kids */
    BNT_NODE_RULE,      /* what rule `first` is */
    BNT_NODE_LIST,      /* kids: separator, any further element, first element, second, ... */
    BNT_NODE_SET,       /* kids: separator, a further member, member 0, member 1, ... */
};

struct bnt_node {
    uint8_t kind;
    bool ordered;      /* set: its members come in the order of the kids */
    uint32_t first;    /* of its kids; or the class, the automaton, the rule */
    uint32_t count;    /* kids */
    uint32_t min, max; /* elements of a list, members of a set */
    uint64_t required; /* set in any order: members that must be there */
    uint32_t need;     /* finish: stack that some text of it does with */
    bool nullable;     /* finish: it matches the empty text */
};

/* A kid of an ordered set that must be there carries this bit. */
#define BNT_KID_REQUIRED UINT32_C(0x80000000)
#define BNT_KID(k) ((k) & ~BNT_KID_REQUIRED)

struct bnt_byte_class {
    uint64_t bits[4];
};

struct bnt_grammar {
    struct bnt_node *nodes;
    uint32_t n_nodes, node_capacity;
    uint32_t *kids;
    uint32_t n_kids, kid_capacity;
    struct bnt_byte_class *classes;
    uint32_t n_classes, class_capacity;
    struct bnt_rule {
        bnt_expr body, node; /* node: the reference to it */
    } * rules;
    uint32_t n_rules, rule_capacity;
    struct bnt_automaton **automata;
    uint32_t n_automata, automaton_capacity;
    uint64_t automaton_cells; /* of all of them */
    uint32_t *slots;          /* nodes by what they are: open addressing, 0 is empty */
    uint32_t mask;
    bnt_expr root;
    uint8_t equal[256]; /* finish: bytes that no class tells apart have one number */
    unsigned n_equal;
    int status; /* of the first failure */
    struct bnt_err why;
    char empty[200]; /* a place where nothing can stand, to be told if that leaves no text at all */
};

int bnt_grammar_open(struct bnt_grammar **out, struct bnt_err *err);
void bnt_grammar_close(struct bnt_grammar *g);
/* Notes a failure, unless there was one. Always BNT_EXPR_NEVER. */
__attribute__((format(printf, 3, 4))) bnt_expr bnt_grammar_fail(struct bnt_grammar *g, int status,
                                                                const char *fmt, ...);

/* ---- expressions ----------------------------------------------------------------------------- */

bnt_expr bnt_byte_range(struct bnt_grammar *g, uint8_t lo, uint8_t hi);
bnt_expr bnt_byte_of(struct bnt_grammar *g, const struct bnt_byte_class *c);
bnt_expr bnt_literal(struct bnt_grammar *g, const void *text, size_t len);
bnt_expr bnt_text(struct bnt_grammar *g, const char *text);
bnt_expr bnt_seq(struct bnt_grammar *g, const bnt_expr *parts, size_t n);
bnt_expr bnt_alt(struct bnt_grammar *g, const bnt_expr *choices, size_t n);
bnt_expr bnt_seq2(struct bnt_grammar *g, bnt_expr a, bnt_expr b);
bnt_expr bnt_seq3(struct bnt_grammar *g, bnt_expr a, bnt_expr b, bnt_expr c);
bnt_expr bnt_alt2(struct bnt_grammar *g, bnt_expr a, bnt_expr b);
bnt_expr bnt_maybe(struct bnt_grammar *g, bnt_expr a);
/* e, min to max times; max may be BNT_NO_LIMIT. */
bnt_expr bnt_repeat(struct bnt_grammar *g, bnt_expr e, uint32_t min, uint32_t max);
/* prefix[0 .. n), then `rest` as often as one likes, with `separator` between; min to max elements.
 * rest may be BNT_EXPR_NEVER. */
bnt_expr bnt_list(struct bnt_grammar *g, bnt_expr separator, const bnt_expr *prefix, size_t n,
                  bnt_expr rest, uint32_t min, uint32_t max);

struct bnt_member {
    bnt_expr e;
    bool required;
};
/* Each member at most once, `other` as often as one likes, min to max of all together. Ordered:
 * members in this order, others behind them; else at most BNT_SET_MEMBERS, in any order. */
bnt_expr bnt_set(struct bnt_grammar *g, bnt_expr separator, const struct bnt_member *members,
                 size_t n, bnt_expr other, uint32_t min, uint32_t max, bool ordered);

/* Takes the automaton over, also where it fails. NULL matches nothing. */
bnt_expr bnt_automaton_of(struct bnt_grammar *g, struct bnt_automaton *a);

/* A rule, to be defined later. bnt_rule_of refers to it. */
uint32_t bnt_rule_new(struct bnt_grammar *g);
bnt_expr bnt_rule_of(struct bnt_grammar *g, uint32_t rule);
void bnt_rule_define(struct bnt_grammar *g, uint32_t rule, bnt_expr body);

/* ---- characters: utf8.c ---------------------------------------------------------------------- */

struct bnt_code_range {
    uint32_t lo, hi; /* code points, both included */
};
/* One character of the ranges, in UTF-8; surrogates are left out. */
bnt_expr bnt_utf8_of(struct bnt_grammar *g, const struct bnt_code_range *ranges, size_t n);
/* Sorts and joins; returns how many are left. */
size_t bnt_ranges_normal(struct bnt_code_range *ranges, size_t n);
/* All others, up to U+10FFFF, of normal ones; out has room for n + 1. */
size_t bnt_ranges_invert(const struct bnt_code_range *ranges, size_t n, struct bnt_code_range *out);
/* In both; normal in, normal out, room for na + nb. */
size_t bnt_ranges_both(const struct bnt_code_range *a, size_t na, const struct bnt_code_range *b,
                       size_t nb, struct bnt_code_range *out);

/* ---- the end --------------------------------------------------------------------------------- */

/* Afterwards the grammar does not change. Takes out what no finite text can match, so that nothing
 * leads into a dead end; refuses what matches nothing at all, what begins with itself, and what
 * failed before. */
int bnt_grammar_finish(struct bnt_grammar *g, bnt_expr root, struct bnt_err *err);

#endif
