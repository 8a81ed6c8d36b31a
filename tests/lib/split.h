/*
 * split.h - copies of GGUF files: key by key, and as the parts that gguf-split of llama.cpp makes.
 */
#ifndef TEST_SPLIT_H
#define TEST_SPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "file/gguf.h"
#include "gguf_write.h"

/* The key with the value's bytes as they are. */
void split_copy_key(struct gw *w, const struct bnt_gguf_kv *kv);

/* What a part says of itself; a wrong part says something else. */
struct split_part {
    uint16_t no, count;
    int32_t tensors; /* of all parts */
    size_t first, n; /* the tensors it has, of the whole file's */
};

/* Part p of the whole file g: with all keys when it is the first, and the three split keys. The
 * tensors' bytes are g's. */
struct gw *split_write(const struct bnt_gguf *g, const struct split_part *p);
/* Part i of n equal ones. */
struct split_part split_place(const struct bnt_gguf *g, unsigned i, unsigned n);

#endif
