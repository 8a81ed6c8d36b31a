/*
 * merge.h - the one algorithm behind both tokenizers: of all adjacent pairs that may merge, merge
 * the best, the leftmost of equals, until none is left.
 *
 * Knows nothing of vocabularies: a rule says which pairs merge, how good that is, and into what.
 * The idea: symbols form a doubly linked list over the text and candidates wait in a heap; one
 * whose symbols have changed since shows by its length and is dropped when it comes up. O(n log n)
 * for n symbols, however long the word.
 */
#ifndef BNT_TOKENIZERS_MERGE_H
#define BNT_TOKENIZERS_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define BNT_NO_SYMBOL UINT32_MAX

struct bnt_symbol {
    uint32_t prev, next; /* or BNT_NO_SYMBOL */
    uint32_t begin, len; /* bytes of the text; len 0: merged into one on its left */
    int32_t id;          /* token or -1 */
};

/* True if l and r (neighbours) merge: *order, less is better, and the token they become. */
typedef bool (*bnt_merge_rule)(const void *ctx, const struct bnt_symbol *l,
                               const struct bnt_symbol *r, uint32_t *order, int32_t *id);

struct bnt_candidate {
    uint64_t key; /* order << 32 | left symbol */
    uint32_t len; /* of both together */
    int32_t id;
};

/* Working memory, kept from word to word. Zero-initialise; symbols[0] is always the first. */
struct bnt_merger {
    struct bnt_symbol *symbols;
    uint32_t count;
    size_t capacity;
    struct bnt_candidate *heap;
    size_t heap_count, heap_capacity;
};

void bnt_merger_free(struct bnt_merger *m);
void bnt_merger_reset(struct bnt_merger *m);
/* Appends a symbol; len > 0. Texts are shorter than 2^32 - 1 bytes. */
int bnt_merger_add(struct bnt_merger *m, size_t begin, size_t len, int32_t id, struct bnt_err *err);
/* Afterwards walk from symbol 0 along next. */
int bnt_merger_run(struct bnt_merger *m, bnt_merge_rule rule, const void *ctx, struct bnt_err *err);

#endif
