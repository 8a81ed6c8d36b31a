/*
 * gguf_walk.h - reads everything an open GGUF file offers, through every accessor.
 *
 * For the tests of damaged files and for the fuzzer: whatever the reader accepted must be readable
 * to the last byte. Knows gguf.h only.
 */
#ifndef TEST_GGUF_WALK_H
#define TEST_GGUF_WALK_H

#include <stdint.h>

#include "file/gguf.h"

/* A sum over all that was read, so that no read is optimized away. Aborts on a broken promise of
 * gguf.h (a tensor outside the file, a name that its own look-up does not find). */
uint64_t gguf_walk(const struct bnt_gguf *g);

#endif
