/*
 * quantize.h - a GGUF model with its ternary matrices in another ternary type, without loss.
 *
 * Every trit and every scale stays what it is, so the new file computes the same bits. What the
 * type cannot hold is refused. Keys, those that are ignored too, and all other tensors are copied.
 */
#ifndef BNT_CONVERT_QUANTIZE_H
#define BNT_CONVERT_QUANTIZE_H

#include "convert/write.h"
#include "model/model.h"

struct bnt_quantize_options {
    struct bnt_trits_type type;
    const char *i2s_layout; /* of what is read: as bnt_i2s_parse takes it */
    bool round_scales;      /* to binary16, where the type has no other */
    unsigned threads;       /* at least 1 */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    bool (*cancelled)(void *arg);
    void *arg;
};

struct bnt_quantize_report {
    size_t converted, copied; /* tensors */
    uint64_t bytes;           /* of the new file */
    double worst_rounding;    /* the largest relative error of a scale; 0 without rounding */
    struct bnt_i2s_finding i2s;
};

/* g: open; output: judged, not begun. Commits. */
int bnt_quantize(const struct bnt_gguf *g, struct bnt_output *output,
                 const struct bnt_quantize_options *options, struct bnt_quantize_report *report,
                 struct bnt_err *err);

#endif
