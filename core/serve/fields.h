/*
 * fields.h - what all interfaces ask of an answer, in one form, and the fields of a body that ask
 * it.
 *
 * A field that nobody knows is ignored; one that would change the result and cannot be followed is
 * an error with its name. null stands for a field that is not there.
 */
#ifndef BNT_SERVE_FIELDS_H
#define BNT_SERVE_FIELDS_H

#include <jansson.h>

#include "bitnet/bitnet.h"

enum { SERVE_MOST_STOPS = 16, SERVE_MOST_CHOICES = 16 };

struct serve_ask { /* strings are the body's */
    struct bnt_sampling sampling;
    bool seed_given;
    uint32_t max_tokens; /* UINT32_MAX: as many as there is room for */
    uint32_t n;          /* choices of each prompt */
    bool stream, stream_usage, ignore_eos, receipt, echo, logprobs;
    bool parallel; /* calls of tools: more than one in an answer */
    uint32_t top_logprobs;
    struct bnt_bias *biases;                 /* malloc'd: sampling.n_biases of them */
    const char *stops[SERVE_MOST_STOPS + 1]; /* and the template's */
    unsigned n_stops;
};

enum serve_field_kind {
    SERVE_BOOL,
    SERVE_UINT,
    SERVE_REAL,
    SERVE_SEED,
    SERVE_STOPS,
    SERVE_BIASES,  /* {"ID": bias}, from lo to hi */
    SERVE_REFUSED, /* only what asks for nothing */
};

struct serve_field {
    const char *name;
    enum serve_field_kind kind;
    size_t offset; /* in what is filled: struct serve_ask, or one that begins with it */
    double lo, hi;
};

/* Greedy's opposite: temperature 1 and nothing else, as interfaces have it; a fresh seed. */
struct serve_ask serve_ask_default(void);
/* false, 0, "", [], {}, "none", "auto", {"type": "text"} */
bool serve_asks_for_nothing(const json_t *v);
/* BNT_E_USAGE: *param names the field. */
int serve_read_fields(const struct serve_field *table, size_t n, const json_t *body, void *ask,
                      const char **param, struct bnt_err *err);

#endif
