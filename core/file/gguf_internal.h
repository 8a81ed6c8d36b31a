/*
 * gguf_internal.h - what gguf.c (opening, checking), gguf_variants.c (type ids that stand for more
 * than one layout) and gguf_get.c (looking up) share.
 */
#ifndef BNT_FILE_GGUF_INTERNAL_H
#define BNT_FILE_GGUF_INTERNAL_H

#include "file/gguf.h"

struct bnt_gguf {
    const uint8_t *bytes; /* the mapping: tensors are read there */
    size_t size;
    uint8_t *header; /* a copy of the header: keys, values and names are read here */
    int fd;          /* of the mapped file; -1: memory that the caller keeps */
    uint32_t version;
    uint64_t alignment;
    struct bnt_gguf_kv *kv;
    size_t n_kv;
    struct bnt_gguf_tensor *tensors;
    size_t n_tensors;
    uint32_t *kv_order, *tensor_order; /* indices sorted by name, for look-up */
};

/* By bytes, then by length. */
int bnt_str_cmp(struct bnt_str a, struct bnt_str b);
/* Bytes of a fixed-size value; 0 for STRING, ARRAY and unknown types. */
unsigned bnt_gguf_value_size(uint32_t type);
/* Indices of the tensors by rising offset, malloc'd; NULL without memory. */
uint32_t *bnt_gguf_offset_order(const struct bnt_gguf *g);
/* Sets each tensor's type where its id stands for several layouts; offsets are still relative to
 * data_start. */
int bnt_gguf_resolve_variants(struct bnt_gguf *g, uint64_t data_start, struct bnt_err *err);

#endif
