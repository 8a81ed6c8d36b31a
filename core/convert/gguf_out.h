/*
 * gguf_out.h - the writing side of GGUF: a header of keys and a directory of tensors, whose bytes
 * the caller then puts in their places, in any order and by any thread.
 *
 * Knows the container only; must not know models. Keys and tensors come in the order in which they
 * were given. Running out of memory, and a size that does not fit, is remembered, and said by
 * bnt_gguf_out_header.
 */
#ifndef BNT_CONVERT_GGUF_OUT_H
#define BNT_CONVERT_GGUF_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"

struct bnt_gguf_out; /* opaque */

/* alignment: of tensors, a power of two. NULL without memory. */
struct bnt_gguf_out *bnt_gguf_out_new(uint64_t alignment);
void bnt_gguf_out_free(struct bnt_gguf_out *o); /* NULL is fine */

/* ---- keys ----------------------------------------------------------------------------------- */

void bnt_gguf_out_copy(struct bnt_gguf_out *o, const struct bnt_gguf_kv *kv);
void bnt_gguf_out_u32(struct bnt_gguf_out *o, const char *key, uint32_t v);
void bnt_gguf_out_f32(struct bnt_gguf_out *o, const char *key, float v);
void bnt_gguf_out_bool(struct bnt_gguf_out *o, const char *key, bool v);
void bnt_gguf_out_str(struct bnt_gguf_out *o, const char *key, const char *text, size_t len);
/* An array: its head, then `count` of bnt_gguf_out_string, or of numbers as raw bytes. */
void bnt_gguf_out_array(struct bnt_gguf_out *o, const char *key, enum bnt_gguf_type elem,
                        uint64_t count);
void bnt_gguf_out_string(struct bnt_gguf_out *o, const char *text, size_t len);
void bnt_gguf_out_raw(struct bnt_gguf_out *o, const void *data, size_t size);

/* ---- tensors -------------------------------------------------------------------------------- */

/* type: a row of file/types.h; dims[0] is the row length. Its place in the file's data, in bytes,
 * is decided at once. */
void bnt_gguf_out_tensor(struct bnt_gguf_out *o, const char *name, size_t name_len, uint32_t type,
                         uint32_t n_dims, const uint64_t *dims);

/* The header's bytes, which stay the writer's, and where each tensor's bytes go in the file, in
 * their order. *file_size is that of the whole file. */
int bnt_gguf_out_header(struct bnt_gguf_out *o, const uint8_t **bytes, size_t *size,
                        uint64_t *file_size, struct bnt_err *err);
uint64_t bnt_gguf_out_place(const struct bnt_gguf_out *o, size_t tensor); /* after header */

#endif
