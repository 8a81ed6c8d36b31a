/*
 * models.h - the models both engines read, and how far apart their logits may lie.
 *
 * All are made by tests/lib/synth: random weights, so no part of a graph is idle. A level groups
 * the models whose differences have the same cause: docs/CROSSVAL.md says which, and what was
 * measured.
 */
#ifndef CROSSVAL_MODELS_H
#define CROSSVAL_MODELS_H

#include "crossval.h"
#include "metrics.h"
#include "synth.h"

enum level {
    FLOAT,
    HALF,
    BLOCKS,
    ONE_SCALE,
    TERNARY,
    TERNARY_WIDE,
    FILE_DENSE,
    FILE_TERNARY,
    LEVELS
};
struct level_bounds {
    const char *name;
    struct bounds text; /* tokens one after the other */
    struct bounds lone; /* each token as the first of a text of its own */
};
extern const struct level_bounds levels[LEVELS];

enum shape { SMALL, ONE_BLOCK, WIDE };
enum extra {
    LINEAR_ROPE = 1,
    ROPE_FREQS = 2,
    SCALE_TENSORS = 4,
    VARIED = 8,
    YARN = 16,
    LONGROPE = 32,       /* with a context beyond the original one */
    LONGROPE_SHORT = 64, /* ... and within it */
    WINDOW = 128,
    ATTN_FACTOR = 256,
    F32_HEAD = 512,
    Q6_K_HEAD = 1024,
};

struct model {
    const char *name, *arch;
    uint32_t type, embd_type;
    enum shape shape;
    enum level level;
    unsigned extras; /* enum extra, joined by | */
};
extern const struct model models[];
extern const size_t n_models;

struct synth describe(const struct model *m);
/* Writes the model as NAME.gguf to the folder for such files. */
bool save(const struct crossval *c, const struct synth *s, const char *name, char path[4096],
          char why[600]);

/* ---- comparing (logits.c) ---------------------------------------------------------------------
 */

enum { SYNTH_IDS = 2000 }; /* of the models made here: ids below are in each vocabulary */
enum { PROMPT = 48, STEPS = 16, POSITIONS = PROMPT + STEPS };

struct comparison {
    struct distance at[POSITIONS], worst; /* of both of the reference's ways to compute */
    struct distance lone_at[POSITIONS], lone;
    size_t greedy_same;
    long first_divergence; /* -1: none */
    char backend[64], sha256[65];
};

/* Our engine reads `ours_path` by both backends, which must agree to the bit; the reference reads
 * `ll_path`. The prompt is of ids below `vocab`. b: what is allowed decides when two logits count
 * as told apart. */
bool compare(const struct crossval *c, const char *ours_path, const char *ll_path, uint32_t vocab,
             const struct level_bounds *b, struct comparison *r, char why[600]);
/* A case of the report, and its part of the totals. */
void report_comparison(struct report *report, const char *name, const struct comparison *r,
                       const struct level_bounds *b);
void check_mutations(const struct crossval *c);

#endif
