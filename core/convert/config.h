/*
 * config.h - what a checkpoint's config.json says: the graph's keys for the GGUF file, and how its
 * weights are meant.
 *
 * A member that may change the graph and is neither computed nor neutral is refused: as with keys
 * of GGUF files, ignoring one is how converters become silently wrong.
 */
#ifndef BNT_CONVERT_CONFIG_H
#define BNT_CONVERT_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "convert/gguf_out.h"
#include "convert/names.h"

/* What `weight_scale` beside packed weights means. */
enum bnt_scale_meaning { BNT_SCALE_UNCLEAR, BNT_SCALE_MULTIPLY, BNT_SCALE_DIVIDE };
/* What floats are. */
enum bnt_float_meaning { BNT_FLOATS_TERNARY, BNT_FLOATS_MASTER };

struct bnt_hf_config {
    const json_t *json; /* borrowed */
    const struct bnt_arch *arch;
    uint32_t layers, width, heads, kv_heads, head_dim, ff, vocab;
    uint64_t context;
    enum bnt_scale_meaning scale;
    enum bnt_float_meaning floats;
    char why[160]; /* why the scale's meaning is unclear, as the middle of a sentence */
    int tied;      /* 1, 0; -1: not said */
    /* Extra tensors, F32 [head_dim / 2], malloc'd, or NULL. */
    float *rope_freqs, *rope_short, *rope_long;
};

int bnt_hf_config_read(struct bnt_hf_config *c, const json_t *json, struct bnt_err *err);
void bnt_hf_config_free(struct bnt_hf_config *c);
/* The keys under the architecture's prefix. BNT_E_UNSUPPORTED names what cannot be said. */
int bnt_hf_config_keys(struct bnt_hf_config *c, struct bnt_gguf_out *out, struct bnt_err *err);

#endif
