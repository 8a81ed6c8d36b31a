/*
 * regex.h - a regular expression as a program, and as the automaton that runs it.
 *
 * Knows the part of the common syntax that pre-tokenizers use: | (?: ) (?i: ) ? * + {n} {n,m},
 * [...] with ranges, escapes, ^ and &&[...], \p{..} \P{..} \s \S \d \r \n \t \x{..}, and
 * as the one assertion (?!c) for one character or set c. Alternatives are tried in order and
 * repetitions are greedy, as in Perl. Knows nothing of tokens.
 *
 * The idea: the expression is compiled once to a table of states by classes of characters, in which
 * a state is the ordered list of threads that a backtracking matcher might still follow. So a match
 * is one look-up a character, and no text can make it try again. Thompson's construction; leftmost-
 * first priority as in RE2's DFA.
 */
#ifndef BNT_TOKENIZERS_REGEX_H
#define BNT_TOKENIZERS_REGEX_H

#include "charset.h"

enum bnt_inst_op {
    BNT_INST_CHAR,  /* a character of `set`, then the next instruction */
    BNT_INST_NOT,   /* go on if no character of `set` follows */
    BNT_INST_SPLIT, /* try x, then y */
    BNT_INST_MATCH,
};

struct bnt_inst {
    enum bnt_inst_op op;
    uint32_t set, x, y;
};

struct bnt_program {
    struct bnt_inst *insts;
    size_t count, capacity;
    struct bnt_charset *sets[BNT_CHARSETS_MAX];
    size_t n_sets;
};

/* regex_parse.c. A syntax that is not known is an error that says where. */
int bnt_program_parse(struct bnt_program *p, const char *expression, struct bnt_err *err);
void bnt_program_free(struct bnt_program *p);

struct bnt_regex {
    struct bnt_classes classes;
    uint16_t *next; /* [state][class]: state << 1 | a match ends before this character */
    size_t states;  /* 0 is the dead one, 1 the start */
};

int bnt_regex_compile(struct bnt_regex *r, const char *expression, struct bnt_err *err);
void bnt_regex_free(struct bnt_regex *r);

/* The end of the match that begins at `pos`, or `pos` if none does; no expression here matches
 * nothing. The text ends at `end`. *seen grows by the characters looked at. */
size_t bnt_regex_match(const struct bnt_regex *r, const uint8_t *text, size_t pos, size_t end,
                       uint64_t *seen);

#endif
