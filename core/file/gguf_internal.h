/*
 * gguf_internal.h - what gguf.c (opening, checking), gguf_parts.c (several files), gguf_variants.c
 * (type ids that stand for more than one layout) and gguf_get.c (looking up) share.
 */
#ifndef BNT_FILE_GGUF_INTERNAL_H
#define BNT_FILE_GGUF_INTERNAL_H

#include "file/gguf.h"

struct bnt_gguf {
    const uint8_t *bytes; /* the mapping: tensors are read there */
    size_t size;
    uint8_t *header;    /* a copy of the header: keys, values and names are read here */
    size_t header_size; /* of the first part: of all, once they are joined */
    int fd;             /* of the mapped file; -1: memory that the caller keeps */
    uint32_t version;
    uint64_t alignment;
    struct bnt_gguf_kv *kv;
    size_t n_kv;
    struct bnt_gguf_tensor *tensors;
    size_t n_tensors;
    uint32_t *kv_order, *tensor_order; /* indices sorted by name, for look-up */
    struct bnt_gguf **rest;            /* the other parts; their tensors are in `tensors`, too */
    size_t n_rest;
};

/* One file, whether or not it is a part. */
int bnt_gguf_open_file(struct bnt_gguf **out, const char *path, struct bnt_err *err);
/* Makes the orders anew; BNT_E_FORMAT when a name is there twice. */
int bnt_gguf_index(struct bnt_gguf *g, struct bnt_err *err);

/* More than any model has, and few enough that a sparse file of empty keys takes little memory. */
enum { BNT_GGUF_MAX_KEYS = 1 << 16, BNT_GGUF_MAX_TENSORS = 1 << 17 };

/* The longest header, and the sum of those of all parts: that of a vocabulary of 262,144 pieces has
 * 16 MB. Headers are copied, so this bounds the memory that a sparse file takes. */
enum { BNT_GGUF_MAX_HEADER = 1 << 28 };

/* The key, ignored or not; NULL. */
struct bnt_gguf_kv *bnt_gguf_find_key(const struct bnt_gguf *g, struct bnt_str key);
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
