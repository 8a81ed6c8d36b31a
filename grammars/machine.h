/*
 * machine.h - a finished grammar, run over bytes.
 *
 * Knows grammars and bytes; knows nothing of tokens. A state is the set of all stacks of
 * expressions that may still follow; stacks share their lower parts and equal ones are one, and so
 * are equal states: what is asked twice is looked up. States are made as they are met, within
 * bounds; when a bound is reached all but those that somebody holds are forgotten.
 *
 * One caller at a time.
 */
#ifndef BNT_GRAMMARS_MACHINE_H
#define BNT_GRAMMARS_MACHINE_H

#include "grammar.h"

typedef uint32_t bnt_state;

#define BNT_STATE_DEAD ((bnt_state)0)          /* no text goes on from here */
#define BNT_STATE_NONE ((bnt_state)UINT32_MAX) /* not found: bnt_machine_failed says why */

/* What a machine may hold; together some 80 MB at most. */
enum {
    BNT_MACHINE_CELLS = 1 << 20,
    BNT_MACHINE_STATES = 1 << 15,
    BNT_MACHINE_STACKS = 1 << 21,   /* in all states together */
    BNT_MACHINE_READINGS = 1 << 14, /* stacks that are looked at in one step */
};

struct bnt_machine;

/* The grammar must outlive it. */
int bnt_machine_open(struct bnt_machine **out, const struct bnt_grammar *g, struct bnt_err *err);
void bnt_machine_close(struct bnt_machine *m);

bnt_state bnt_machine_start(struct bnt_machine *m);
/* At the beginning of another expression of the grammar. */
bnt_state bnt_machine_from(struct bnt_machine *m, bnt_expr e);
/* What it has done so far, in stacks that were looked for: the same on every machine. */
uint64_t bnt_machine_effort(const struct bnt_machine *m);
/* BNT_STATE_NONE when the machine is full or the grammar has too many readings there. */
bnt_state bnt_machine_step(struct bnt_machine *m, bnt_state s, uint8_t byte);
bool bnt_machine_accepts(const struct bnt_machine *m, bnt_state s); /* the text may end here */
/* The bytes that may follow; false: none. */
bool bnt_machine_next(const struct bnt_machine *m, bnt_state s, struct bnt_byte_class *out);

/* After BNT_STATE_NONE: true when the machine was only full, so that forgetting helps. Otherwise
 * bnt_machine_explain fills *err. */
bool bnt_machine_full(const struct bnt_machine *m);
int bnt_machine_explain(const struct bnt_machine *m, struct bnt_err *err);
/* Forgets everything but held[0 .. n), which get new numbers. Numbers never repeat: see `epoch`. */
int bnt_machine_forget(struct bnt_machine *m, bnt_state **held, size_t n, struct bnt_err *err);
uint64_t bnt_machine_epoch(const struct bnt_machine *m); /* grows with each forgetting */

/* A state that is as good as s for whoever looks ahead no more than `bytes`: its lists stand at the
 * least of the counts that so few bytes cannot tell from theirs. */
bnt_state bnt_machine_alike(struct bnt_machine *m, bnt_state s, uint32_t bytes);

#endif
