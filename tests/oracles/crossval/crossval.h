/*
 * crossval.h - the parts of the cross-validation: tensor types, token ids, logits, and wrong models
 * that must be seen as wrong. Each adds its cases to the report; none decides what the outcome is.
 */
#ifndef CROSSVAL_H
#define CROSSVAL_H

#include "libllama.h"
#include "report.h"

struct crossval {
    struct ll *ll;
    struct report *report;
    const char *vocabularies; /* folder with NAME.gguf, as make_vocab.mjs makes them */
    const char *work;         /* folder for the models made here */
    const char *file;         /* a model of the user's, or NULL */
    size_t texts;             /* random ones, a vocabulary */
    uint64_t seed;
};

/* False when nothing can be compared: the report then says why. */
bool check_file(const struct crossval *c);
void check_file_tokens(const struct crossval *c);
void check_types(const struct crossval *c);
void check_tokens(const struct crossval *c);
void check_logits(const struct crossval *c);

#endif
