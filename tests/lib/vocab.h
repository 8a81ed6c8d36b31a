/*
 * vocab.h - a synthetic byte-level BPE vocabulary with the shape of LLaMA-3's.
 *
 * Tokens 0..255 are the single bytes in GPT-2's printable disguise, then merged pieces, then
 * special tokens named as LLaMA-3 names them. Merge i joins two earlier pieces into token 256 + i,
 * so ranks, ids and pieces agree. The pieces are random: nobody's vocabulary.
 */
#ifndef TEST_VOCAB_H
#define TEST_VOCAB_H

#include <stdint.h>

struct vocab {
    uint32_t size, merges, special; /* size = 256 + merges + special */
    const char **tokens;            /* [size], UTF-8 */
    const char **merge_texts;       /* [merges], "left right" */
    int32_t *types;                 /* [size], 1 normal, 3 control */
    uint32_t bos, eos, eot;
    char *arena;
};

#define VOCAB_MIN 272 /* the bytes and 16 special tokens */

/* size >= VOCAB_MIN. 256 special tokens where there is room (size >= 2048), else 16. */
struct vocab *vocab_new(uint32_t size, uint64_t seed);
void vocab_free(struct vocab *v);

#endif
