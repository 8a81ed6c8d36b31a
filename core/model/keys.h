/*
 * keys.h - the metadata keys of a network: what each of them is to us, and their values.
 *
 * Knows which keys the field has and which of them a graph computes; must not know what is computed
 * from them. The one idea is an allow-list: one table (keys.c) names every key that may stand under
 * an architecture's prefix. What it does not name might change the graph, and the file is refused
 * with the key's name rather than run as if the key were not there.
 */
#ifndef BNT_MODEL_KEYS_H
#define BNT_MODEL_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"

/* Steps that some graphs have: a key that belongs to one is computed there, and elsewhere must have
 * the value that changes nothing. */
enum bnt_graph_steps {
    BNT_STEP_SCALES = 1,   /* factors of the embedding, the branches and the logits */
    BNT_STEP_WINDOWS = 2,  /* layers that look back over a window only */
    BNT_STEP_LONGROPE = 4, /* two sets of RoPE factors, for short and for long contexts */
};

struct bnt_keys {
    const struct bnt_gguf *g; /* borrowed, and the next */
    const char *arch;         /* the prefix */
    unsigned steps;           /* BNT_STEP_*, of this graph */
    uint32_t n_layer;         /* 0 until it is known */
    struct bnt_err *err;
    char key[128]; /* the key read last, for messages */
};

/* Every key of the file that could concern the network: under the architecture's prefix it is in
 * the table, of its type, and where this graph has no such step it has a value that changes
 * nothing; under other prefixes it is none that is known to change the graph. BNT_E_UNSUPPORTED or
 * BNT_E_FORMAT with the key's name. */
int bnt_keys_check(struct bnt_keys *k);

/* The value of ARCH.NAME; `def` when the file has no such key. The key must be in the table as one
 * that is computed. BNT_E_FORMAT: wrong type, or missing where `def` is 0 (u32) or NaN (f64);
 * BNT_E_LIMIT: outside of [lo, hi]. A list with one value for each layer counts as that value when
 * all are equal; BNT_E_UNSUPPORTED when they differ. */
int bnt_keys_u32(struct bnt_keys *k, const char *name, uint64_t max, uint32_t def, uint32_t *out);
int bnt_keys_f64(struct bnt_keys *k, const char *name, double lo, double hi, double def,
                 double *out);
/* Of keys that say the same thing, as writers call it: the first that the file has counts, and any
 * other must have the same value, or it is BNT_E_FORMAT with both names. */
int bnt_keys_one_of(struct bnt_keys *k, const char *const *names, size_t n, double lo, double hi,
                    double def, double *out);
/* Two keys that say the same thing do not: BNT_E_FORMAT with both names. */
int bnt_keys_disagree(struct bnt_keys *k, const char *one, const char *other);
/* False when the file has no such key. The type is the table's, so bnt_keys_check has seen to it.
 */
bool bnt_keys_has(struct bnt_keys *k, const char *name);
bool bnt_keys_str(struct bnt_keys *k, const char *name, struct bnt_str *out);
/* ARCH.NAME as it stands in the file, or NULL; its name is in k->key. */
const struct bnt_gguf_kv *bnt_keys_find(struct bnt_keys *k, const char *name);

#endif
