/*
 * convert.h - a checkpoint as the hub has it (config.json, safetensors, tokenizer) as one GGUF
 * file.
 *
 * Streams: memory is the tokenizer, the directory and a few buffers a thread. The same folder and
 * options give the same bytes, whatever the threads. What cannot be said for certain, how packed
 * scales are meant, whether floats are ternary, is refused with the numbers that show it.
 */
#ifndef BNT_CONVERT_CONVERT_H
#define BNT_CONVERT_CONVERT_H

#include "convert/config.h"
#include "convert/write.h"

struct bnt_convert_options {
    struct bnt_trits_type type;
    uint32_t embeddings; /* BNT_TYPE_* of embeddings and head */
    bool round_scales;
    enum bnt_scale_meaning scale; /* UNCLEAR: as config.json says */
    int weights;                  /* -1: as config.json says; or enum bnt_float_meaning */
    unsigned threads;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    bool (*cancelled)(void *arg);
    void *arg;
};

struct bnt_convert_report {
    const char *architecture;       /* of the new file */
    size_t packed, ternary, master; /* matrices, by the form that they had */
    size_t dense;
    float least_scale, most_scale; /* of packed and master ones */
    uint64_t bytes;
    double worst_rounding;
    const char *note, *template_note; /* literals, or NULL */
};

/* output: judged, not begun. Commits. */
int bnt_convert(const char *folder, struct bnt_output *output,
                const struct bnt_convert_options *options, struct bnt_convert_report *report,
                struct bnt_err *err);

#endif
