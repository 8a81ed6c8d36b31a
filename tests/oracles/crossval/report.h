/*
 * report.h - what the cross-validation found, as lines on the terminal and as a parity receipt.
 *
 * Knows neither engine. The one idea: the status is computed from the cases, never set to ok: `ok`
 * needs at least one case of each kind and no failure.
 */
#ifndef CROSSVAL_REPORT_H
#define CROSSVAL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "libllama.h"

enum kind { KIND_TYPES, KIND_TOKENS, KIND_DISSENT, KIND_LOGITS, KIND_MUTATION, KIND_COUNT };

struct report {
    json_t *cases, *notes;
    unsigned passed[KIND_COUNT], failed[KIND_COUNT];
    double cosine;                    /* the lowest of all logit cases */
    size_t greedy_steps, greedy_same; /* tokens generated, of them equal */
    long first_divergence;            /* the earliest step of any case, -1: none */
    const char *stopped;              /* why there are no cases: "no_reference", "error" */
    char why[600];
};

void report_init(struct report *r);
void report_free(struct report *r);

/* Takes the reference to `facts`. Prints one line, made as printf does. */
__attribute__((format(printf, 6, 7))) void report_case(struct report *r, enum kind kind,
                                                       const char *name, bool ok, json_t *facts,
                                                       const char *fmt, ...);
/* Something that is neither a pass nor a failure. */
__attribute__((format(printf, 2, 3))) void report_note(struct report *r, const char *fmt, ...);

unsigned report_passed(const struct report *r);
unsigned report_failed(const struct report *r);
const char *report_status(const struct report *r); /* "ok", "divergence", "no_reference", "error" */

/* facts: of the library, or NULL. Written beside `path`, synced, renamed. */
bool report_write(const struct report *r, const struct ll_facts *facts, const char *path);

#endif
