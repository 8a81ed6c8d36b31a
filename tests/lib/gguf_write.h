/*
 * gguf_write.h - writes GGUF files for tests: keys of every type, tensors of any size.
 *
 * Knows the container only; it must not know models, and shares no code with the engine's reader.
 * The one idea: keys go into a growing buffer at once, tensors are promises (a function that
 * produces the bytes when the file is written), so that a file may be larger than memory.
 *
 * It writes whatever it is told, wrong files too: that is what the reader's tests need. Running out
 * of memory aborts; this is a test library.
 */
#ifndef TEST_GGUF_WRITE_H
#define TEST_GGUF_WRITE_H

#include <stddef.h>
#include <stdint.h>

enum {
    GW_U8,
    GW_I8,
    GW_U16,
    GW_I16,
    GW_U32,
    GW_I32,
    GW_F32,
    GW_BOOL,
    GW_STRING,
    GW_ARRAY,
    GW_U64,
    GW_I64,
    GW_F64
};

/* ---- growing bytes, little-endian ------------------------------------------------------------ */

struct gw_buf {
    uint8_t *data;
    size_t size, capacity;
};

void gw_put(struct gw_buf *b, const void *data, size_t size);
void gw_put_u16(struct gw_buf *b, uint16_t v);
void gw_put_u32(struct gw_buf *b, uint32_t v);
void gw_put_u64(struct gw_buf *b, uint64_t v);
void gw_put_str(struct gw_buf *b, const char *z); /* u64 length, bytes */
void gw_buf_free(struct gw_buf *b);

/* ---- where the bytes go ---------------------------------------------------------------------- */

struct gw_sink; /* a file or a buffer */
void gw_emit(struct gw_sink *s, const void *data, size_t size);

/* Emits exactly the tensor's bytes. */
typedef void gw_fill(void *context, struct gw_sink *s);

/* ---- a file ---------------------------------------------------------------------------------- */

struct gw; /* opaque */

/* version 2 or 3 (others for tests); alignment is written as general.alignment unless it is 32. */
struct gw *gw_new(uint32_t version, uint32_t alignment);
void gw_free(struct gw *w);

void gw_key_u8(struct gw *w, const char *key, uint8_t v);
void gw_key_i8(struct gw *w, const char *key, int8_t v);
void gw_key_u16(struct gw *w, const char *key, uint16_t v);
void gw_key_i16(struct gw *w, const char *key, int16_t v);
void gw_key_u32(struct gw *w, const char *key, uint32_t v);
void gw_key_i32(struct gw *w, const char *key, int32_t v);
void gw_key_f32(struct gw *w, const char *key, float v);
void gw_key_bool(struct gw *w, const char *key, int v);
void gw_key_str(struct gw *w, const char *key, const char *z);
void gw_key_u64(struct gw *w, const char *key, uint64_t v);
void gw_key_i64(struct gw *w, const char *key, int64_t v);
void gw_key_f64(struct gw *w, const char *key, double v);
void gw_key_strings(struct gw *w, const char *key, const char *const *z, uint64_t count);
/* `data` holds count little-endian elements of elem_type, elem_size bytes each. */
void gw_key_array(struct gw *w, const char *key, uint32_t elem_type, const void *data,
                  size_t elem_size, uint64_t count);
/* Any type number, any bytes as the value. */
void gw_key_raw(struct gw *w, const char *key, uint32_t type, const void *value, size_t size);

/* dims[0] is the row length. `data` must live until the file is written. */
void gw_tensor(struct gw *w, const char *name, uint32_t type, uint32_t n_dims, const uint64_t *dims,
               const void *data, uint64_t bytes);
/* The bytes come from fill(context) when the file is written; free_context may be NULL. */
void gw_tensor_fill(struct gw *w, const char *name, uint32_t type, uint32_t n_dims,
                    const uint64_t *dims, uint64_t bytes, gw_fill *fill, void *context,
                    void (*free_context)(void *));

size_t gw_header_size(const struct gw *w); /* bytes before the padding of the data section */
uint64_t gw_file_size(const struct gw *w);

/* 0, or -1 with errno set. */
int gw_save(struct gw *w, const char *path);
/* malloc'd. */
uint8_t *gw_memory(struct gw *w, size_t *size);

#endif
