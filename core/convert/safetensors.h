/*
 * safetensors.h - reader of safetensors files: one, or the shards that an index names.
 *
 * Knows the container: that every offset, shape and length lies inside its file, that tensors cover
 * the data without gaps or overlaps, that no name is there twice, and that index and shards agree.
 * Knows nothing of models. Format: the safetensors specification of Hugging Face. Everything handed
 * out lives until close; data lies in a read-only mapping.
 */
#ifndef BNT_CONVERT_SAFETENSORS_H
#define BNT_CONVERT_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum bnt_st_type { BNT_ST_OTHER, BNT_ST_F64, BNT_ST_F32, BNT_ST_F16, BNT_ST_BF16, BNT_ST_U8 };

enum {
    BNT_ST_DIMS = 8,
    BNT_ST_HEADER = 25 << 20, /* bytes of a file's JSON header, at most */
    BNT_ST_TENSORS = 1 << 17, /* in all files */
    BNT_ST_FILES = 1 << 12,
};

struct bnt_st_tensor {
    const char *name;
    enum bnt_st_type type;
    char type_name[16];
    unsigned n_dims;
    uint64_t dims[BNT_ST_DIMS]; /* the last is the row length; unused ones are 1 */
    uint64_t elements, bytes;
    const uint8_t *data; /* not aligned */
    uint32_t file;       /* of which file, from 0 */
    bool mapped;         /* data lies in a mapping of that file, not in the caller's memory */
    bool used;           /* the caller's */
};

struct bnt_safetensors; /* opaque */

/* model.safetensors of a folder, or the shards that its model.safetensors.index.json names. */
int bnt_safetensors_open(struct bnt_safetensors **out, const char *folder, struct bnt_err *err);
/* One file, over memory that the caller keeps. */
int bnt_safetensors_open_memory(struct bnt_safetensors **out, const void *data, size_t size,
                                struct bnt_err *err);
void bnt_safetensors_close(struct bnt_safetensors *s); /* NULL is fine */

size_t bnt_safetensors_count(const struct bnt_safetensors *s);
struct bnt_st_tensor *bnt_safetensors_at(struct bnt_safetensors *s, size_t i); /* by name */
struct bnt_st_tensor *bnt_safetensors_find(struct bnt_safetensors *s, const char *name);

/* Elements [first, first + n) of a float tensor as binary32; of F64, rounded. */
void bnt_st_floats(const struct bnt_st_tensor *t, uint64_t first, uint64_t n, float *out);
bool bnt_st_is_float(const struct bnt_st_tensor *t);
/* Pages of the mapping inside elements [first, first + n), as far as the tensor has them, need no
 * longer be resident; reading them again works. */
void bnt_st_release(const struct bnt_st_tensor *t, uint64_t first, uint64_t n);

#endif
