/*
 * gguf.h - reader of GGUF v2 and v3 files (little-endian), over a read-only mapping.
 *
 * Knows the container, in one file or in the parts that a tool has split it into: keys, arrays,
 * tensor directory, and that every offset, count, length and alignment lies inside the file and no
 * two tensors overlap. Knows nothing of models. Everything it hands out lives until bnt_gguf_close:
 * keys, values and names as a private copy, which no other process can change; the data of tensors
 * in the mapping. Format: the GGUF specification of the ggml project.
 */
#ifndef BNT_FILE_GGUF_H
#define BNT_FILE_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Value types of the format. */
enum bnt_gguf_type {
    BNT_GGUF_U8,
    BNT_GGUF_I8,
    BNT_GGUF_U16,
    BNT_GGUF_I16,
    BNT_GGUF_U32,
    BNT_GGUF_I32,
    BNT_GGUF_F32,
    BNT_GGUF_BOOL,
    BNT_GGUF_STRING,
    BNT_GGUF_ARRAY,
    BNT_GGUF_U64,
    BNT_GGUF_I64,
    BNT_GGUF_F64,
};

/* Bytes of the file; not terminated, any encoding. */
struct bnt_str {
    const char *ptr;
    size_t len;
};

struct bnt_gguf_kv {
    struct bnt_str key;
    enum bnt_gguf_type type;      /* of the value; for arrays BNT_GGUF_ARRAY */
    enum bnt_gguf_type elem_type; /* of an array's elements (never ARRAY) */
    uint64_t count;               /* elements of an array, else 1 */
    const uint8_t *data;          /* first value, unaligned; strings: u64 length, bytes */
    bool ignored;                 /* bnt_gguf_ignore took it out */
};

struct bnt_gguf_tensor {
    struct bnt_str name;
    uint32_t type; /* a row of types.h: the file's id, where that stands for one layout */
    uint32_t n_dims;
    uint64_t dims[4]; /* dims[0] is the row length; unused ones are 1 */
    uint64_t elements;
    uint32_t part;   /* the file it is in, from 0 */
    uint64_t offset; /* in that file */
    uint64_t bytes;
    const uint8_t *data;
};

struct bnt_gguf; /* opaque */

/* Maps and checks the file, and, when it is the first part of a model that was split
 * (NAME-00001-of-00003.gguf), the other parts beside it: their tensors are as if in one file. On
 * failure *out is NULL and err names the file and its fault. */
int bnt_gguf_open(struct bnt_gguf **out, const char *path, struct bnt_err *err);
/* The same, as if it had none of these keys (bnt_gguf_ignore). BNT_E_USAGE for one that says how
 * the file itself is read (general.alignment, split.): without it nothing would lie where it is. */
int bnt_gguf_open_without(struct bnt_gguf **out, const char *path, const char *const *keys,
                          unsigned n, struct bnt_err *err);
/* One file, over memory that the caller keeps (tests, fuzzing). */
int bnt_gguf_open_memory(struct bnt_gguf **out, const void *data, size_t size, struct bnt_err *err);
/* All parts of a model, in their order. */
struct bnt_gguf_memory {
    const void *data;
    size_t size;
};
int bnt_gguf_open_parts(struct bnt_gguf **out, const struct bnt_gguf_memory *parts, size_t count,
                        struct bnt_err *err);
void bnt_gguf_close(struct bnt_gguf *g); /* NULL is fine */

uint32_t bnt_gguf_version(const struct bnt_gguf *g);
uint64_t bnt_gguf_alignment(const struct bnt_gguf *g);
size_t bnt_gguf_parts(const struct bnt_gguf *g); /* files: 1, unless the model was split */
const uint8_t *bnt_gguf_part(const struct bnt_gguf *g, size_t i, size_t *size); /* a whole file */
uint64_t bnt_gguf_size(const struct bnt_gguf *g);                               /* of all files */
/* Copies bytes [at, at + size) of a mapping, read from the file, so that they do not become
 * resident with all that the system maps around them; what cannot be read is taken where it is
 * mapped. From any thread. */
void bnt_gguf_copy(const struct bnt_gguf *g, const void *at, size_t size, void *out);
/* The whole pages inside [at, at + size) of the mapping need no longer be resident; reading them
 * again works, from the file. */
void bnt_gguf_release(const struct bnt_gguf *g, const void *at, size_t size);

size_t bnt_gguf_kv_count(const struct bnt_gguf *g);
const struct bnt_gguf_kv *bnt_gguf_kv_at(const struct bnt_gguf *g, size_t i);
size_t bnt_gguf_tensor_count(const struct bnt_gguf *g);
const struct bnt_gguf_tensor *bnt_gguf_tensor_at(const struct bnt_gguf *g, size_t i);

const struct bnt_gguf_kv *bnt_gguf_find(const struct bnt_gguf *g, const char *key); /* or NULL */
/* From now on the key counts as not there for all that look it up; walks over all keys still see
 * it, marked. False when the file has no such key. To be called before anything reads the file. */
bool bnt_gguf_ignore(struct bnt_gguf *g, const char *key);
/* Those that are ignored in another file. */
void bnt_gguf_ignore_alike(struct bnt_gguf *g, const struct bnt_gguf *other);
const struct bnt_gguf_tensor *bnt_gguf_tensor(const struct bnt_gguf *g, const char *name);

/* Scalars. False when the key is absent or not of a kind that converts exactly (any integer type
 * that fits; F32 or F64 for f64; STRING; BOOL). *out is untouched then. */
bool bnt_gguf_u64(const struct bnt_gguf *g, const char *key, uint64_t *out);
bool bnt_gguf_f64(const struct bnt_gguf *g, const char *key, double *out);
bool bnt_gguf_bool(const struct bnt_gguf *g, const char *key, bool *out);
bool bnt_gguf_str(const struct bnt_gguf *g, const char *key, struct bnt_str *out);

/* Element i < kv->count of a numeric array (or scalar), converted; 0 for strings. */
int64_t bnt_gguf_int_at(const struct bnt_gguf_kv *kv, uint64_t i);
double bnt_gguf_float_at(const struct bnt_gguf_kv *kv, uint64_t i);

/* Walks a string array: start with *cursor = 0, call count times. */
struct bnt_str bnt_gguf_next_string(const struct bnt_gguf_kv *kv, uint64_t *cursor);

bool bnt_str_eq(struct bnt_str s, const char *z);

#endif
