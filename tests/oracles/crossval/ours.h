/*
 * ours.h - our engine as a source of logits, for comparison.
 *
 * Knows libbitnet's public face only. The tokens after the prompt are the engine's own greedy
 * choice, so that one pass over prompt and continuation gives both the distances at every position
 * and, held against the reference's best token at each, the greedy comparison.
 */
#ifndef CROSSVAL_OURS_H
#define CROSSVAL_OURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ours {
    uint32_t vocab;
    char backend[64];
    float *logits; /* [prompt + steps][vocab], malloc'd */
    float *lone;   /* the same tokens, each as the first of a text of its own */
};

/* Feeds tokens[prompt] at once, then `steps` greedy tokens, which are written behind them. */
bool ours_run(struct ours *o, const char *path, const char *backend, int32_t *tokens, size_t prompt,
              size_t steps, char why[600]);
void ours_free(struct ours *o);

#endif
