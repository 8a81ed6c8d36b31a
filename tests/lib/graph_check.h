/*
 * graph_check.h - a whole model in the engine beside the reference's opinion of it, for libcheck
 * tests.
 *
 * Makes a model with synth, opens it in the engine and in ref_forward, runs both and judges the
 * distance. Knows nothing of kernels.
 *
 * How close is close? Engine and reference differ by binary32 rounding, near 1e-7, until the first
 * activation that falls so near a rounding boundary that the two quantize it to neighbouring
 * integers. From there on the difference grows, layer by layer and through the KV cache, up to the
 * size of the quantization noise itself (0.05 in four blocks; without ternary layers only the cache
 * rounds, and it stays below 3e-4). So there are two bounds. The worst position must lie within
 * WORST or WORST_DENSE: an error in the graph gives 0.1 at least. And of three sequences the best
 * must have a quarter of its positions within CLOSE (8e-6 was seen, mostly 1e-7): there even a
 * wrong epsilon shows, and errors of the graph give 0.039.
 */
#ifndef TEST_GRAPH_CHECK_H
#define TEST_GRAPH_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/bitnet.h"
#include "file/gguf.h"
#include "ref_forward.h"
#include "rng.h"
#include "synth.h"

struct graph {
    char path[64];
    struct bnt_engine *engine;
    struct bnt_session *session;
    struct bnt_gguf *gguf;
    struct ref_model *ref;
    uint32_t vocab;
    bool dense; /* no ternary product: no activation is quantized */
};

/* The preset "tiny" with another name and seed. */
struct synth graph_tiny(const char *arch, uint64_t seed);

struct graph graph_open(const struct synth *s, const char *backend);
void graph_close(struct graph *f);
void graph_must(int status, const struct bnt_err *err);

/* A new session in place of the one that is open. */
void graph_session(struct graph *f, uint32_t batch, unsigned threads);
void graph_tokens(int32_t *ids, size_t n, uint32_t vocab, uint64_t seed);
/* Feeds all tokens at once; logits [n][vocab], malloc'd. */
float *graph_logits(struct graph *f, const int32_t *ids, size_t n);
/* Feeds ids[0 .. n) in pieces and checks each piece's last logits, or all of them. */
void graph_feed_in_pieces(struct graph *f, const int32_t *ids, size_t n, const float *expected,
                          struct rng *r, uint32_t most);

/* ref-scalar's logits at n positions against the reference's. */
void graph_check_model(const struct synth *s, const char *what, size_t n);
/* The same ternary weights in each of these types, also the embedding's: the same logits, bit for
 * bit. */
void graph_check_packings(const struct synth *s, const uint32_t *types, size_t n_types,
                          bool embedding);
/* The test of the test: each error put into the reference must be seen. */
void graph_check_mutations(const struct synth *s);

#endif
