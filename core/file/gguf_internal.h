/*
 * gguf_internal.h - what gguf.c (opening, checking) and gguf_get.c (looking up) share.
 */
#ifndef BNT_FILE_GGUF_INTERNAL_H
#define BNT_FILE_GGUF_INTERNAL_H

#include "file/gguf.h"

struct bnt_gguf {
    const uint8_t *bytes;
    size_t size;
    int fd; /* of the mapped file; -1: memory that the caller keeps */
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

#endif
