/*
 * gguf_write.c - writes GGUF files for tests; see gguf_write.h.
 *
 * Keys and the tensor directory are kept as ready bytes, so a file is: magic, version, two counts,
 * those two buffers, padding, then each tensor's bytes from its fill function, padded.
 */
#include "gguf_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tensor {
    uint64_t bytes;
    gw_fill *fill;
    void *context;
    void (*free_context)(void *);
    const void *data; /* when fill is NULL */
};

struct gw {
    uint32_t version, alignment;
    struct gw_buf keys, directory;
    uint64_t n_keys, n_tensors, data_size;
    struct tensor *tensors;
};

struct gw_sink {
    FILE *file; /* NULL: into buf */
    struct gw_buf *buf;
    uint64_t written;
    int error;
};

static void *grow(void *p, size_t size) {
    void *r = realloc(p, size ? size : 1);
    if (!r) abort();
    return r;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

void gw_put(struct gw_buf *b, const void *data, size_t size) {
    if (size > b->capacity - b->size) {
        b->capacity = (b->size + size) * 2;
        b->data = grow(b->data, b->capacity);
    }
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_le(struct gw_buf *b, uint64_t v, size_t size) {
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(v >> 8 * i);
    gw_put(b, bytes, size);
}

void gw_put_u16(struct gw_buf *b, uint16_t v) {
    put_le(b, v, 2);
}

void gw_put_u32(struct gw_buf *b, uint32_t v) {
    put_le(b, v, 4);
}

void gw_put_u64(struct gw_buf *b, uint64_t v) {
    put_le(b, v, 8);
}

void gw_put_str(struct gw_buf *b, const char *z) {
    gw_put_u64(b, strlen(z));
    gw_put(b, z, strlen(z));
}

void gw_buf_free(struct gw_buf *b) {
    free(b->data);
    *b = (struct gw_buf){0};
}

/* ---- keys ------------------------------------------------------------------------------------ */

struct gw *gw_new(uint32_t version, uint32_t alignment) {
    struct gw *w = grow(NULL, sizeof *w);
    *w = (struct gw){.version = version, .alignment = alignment};
    if (alignment != 32) gw_key_u32(w, "general.alignment", alignment);
    return w;
}

void gw_free(struct gw *w) {
    if (!w) return;
    for (uint64_t i = 0; i < w->n_tensors; i++)
        if (w->tensors[i].free_context) w->tensors[i].free_context(w->tensors[i].context);
    free(w->tensors);
    gw_buf_free(&w->keys);
    gw_buf_free(&w->directory);
    free(w);
}

static void key(struct gw *w, const char *name, uint32_t type) {
    gw_put_str(&w->keys, name);
    gw_put_u32(&w->keys, type);
    w->n_keys++;
}

static void key_le(struct gw *w, const char *name, uint32_t type, uint64_t v, size_t size) {
    key(w, name, type);
    put_le(&w->keys, v, size);
}

void gw_key_u8(struct gw *w, const char *name, uint8_t v) {
    key_le(w, name, GW_U8, v, 1);
}

void gw_key_i8(struct gw *w, const char *name, int8_t v) {
    key_le(w, name, GW_I8, (uint8_t)v, 1);
}

void gw_key_u16(struct gw *w, const char *name, uint16_t v) {
    key_le(w, name, GW_U16, v, 2);
}

void gw_key_i16(struct gw *w, const char *name, int16_t v) {
    key_le(w, name, GW_I16, (uint16_t)v, 2);
}

void gw_key_u32(struct gw *w, const char *name, uint32_t v) {
    key_le(w, name, GW_U32, v, 4);
}

void gw_key_i32(struct gw *w, const char *name, int32_t v) {
    key_le(w, name, GW_I32, (uint32_t)v, 4);
}

void gw_key_f32(struct gw *w, const char *name, float v) {
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    key_le(w, name, GW_F32, u, 4);
}

void gw_key_bool(struct gw *w, const char *name, int v) {
    key_le(w, name, GW_BOOL, (uint8_t)v, 1);
}

void gw_key_str(struct gw *w, const char *name, const char *z) {
    key(w, name, GW_STRING);
    gw_put_str(&w->keys, z);
}

void gw_key_u64(struct gw *w, const char *name, uint64_t v) {
    key_le(w, name, GW_U64, v, 8);
}

void gw_key_i64(struct gw *w, const char *name, int64_t v) {
    key_le(w, name, GW_I64, (uint64_t)v, 8);
}

void gw_key_f64(struct gw *w, const char *name, double v) {
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    key_le(w, name, GW_F64, u, 8);
}

void gw_key_strings(struct gw *w, const char *name, const char *const *z, uint64_t count) {
    key(w, name, GW_ARRAY);
    gw_put_u32(&w->keys, GW_STRING);
    gw_put_u64(&w->keys, count);
    for (uint64_t i = 0; i < count; i++) gw_put_str(&w->keys, z[i]);
}

void gw_key_array(struct gw *w, const char *name, uint32_t elem_type, const void *data,
                  size_t elem_size, uint64_t count) {
    key(w, name, GW_ARRAY);
    gw_put_u32(&w->keys, elem_type);
    gw_put_u64(&w->keys, count);
    gw_put(&w->keys, data, elem_size * count);
}

void gw_key_raw(struct gw *w, const char *name, uint32_t type, const void *value, size_t size) {
    key(w, name, type);
    gw_put(&w->keys, value, size);
}

/* ---- tensors --------------------------------------------------------------------------------- */

static uint64_t padded(const struct gw *w, uint64_t size) {
    return (size + w->alignment - 1) / w->alignment * w->alignment;
}

static void add_tensor(struct gw *w, const char *name, uint32_t type, uint32_t n_dims,
                       const uint64_t *dims, struct tensor t) {
    gw_put_str(&w->directory, name);
    gw_put_u32(&w->directory, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) gw_put_u64(&w->directory, dims[i]);
    gw_put_u32(&w->directory, type);
    gw_put_u64(&w->directory, w->data_size);
    w->data_size += padded(w, t.bytes);
    w->tensors = grow(w->tensors, (w->n_tensors + 1) * sizeof *w->tensors);
    w->tensors[w->n_tensors++] = t;
}

void gw_tensor(struct gw *w, const char *name, uint32_t type, uint32_t n_dims, const uint64_t *dims,
               const void *data, uint64_t bytes) {
    add_tensor(w, name, type, n_dims, dims, (struct tensor){.bytes = bytes, .data = data});
}

void gw_tensor_fill(struct gw *w, const char *name, uint32_t type, uint32_t n_dims,
                    const uint64_t *dims, uint64_t bytes, gw_fill *fill, void *context,
                    void (*free_context)(void *)) {
    add_tensor(w, name, type, n_dims, dims,
               (struct tensor){bytes, fill, context, free_context, NULL});
}

/* ---- the whole ------------------------------------------------------------------------------- */

size_t gw_header_size(const struct gw *w) {
    return 24 + w->keys.size + w->directory.size;
}

uint64_t gw_file_size(const struct gw *w) {
    return padded(w, gw_header_size(w)) + w->data_size;
}

void gw_emit(struct gw_sink *s, const void *data, size_t size) {
    s->written += size;
    if (!s->file) {
        gw_put(s->buf, data, size);
    } else if (!s->error && size && fwrite(data, 1, size, s->file) != size) {
        s->error = errno ? errno : EIO;
    }
}

static void pad(const struct gw *w, struct gw_sink *s) {
    static const uint8_t zeros[64];
    uint64_t left = padded(w, s->written) - s->written;
    while (left) {
        size_t n = left < sizeof zeros ? (size_t)left : sizeof zeros;
        gw_emit(s, zeros, n);
        left -= n;
    }
}

static void emit_all(struct gw *w, struct gw_sink *s) {
    struct gw_buf head = {0};
    gw_put(&head, "GGUF", 4);
    gw_put_u32(&head, w->version);
    gw_put_u64(&head, w->n_tensors);
    gw_put_u64(&head, w->n_keys);
    gw_emit(s, head.data, head.size);
    gw_buf_free(&head);
    gw_emit(s, w->keys.data, w->keys.size);
    gw_emit(s, w->directory.data, w->directory.size);
    pad(w, s);
    for (uint64_t i = 0; i < w->n_tensors && !s->error; i++) {
        struct tensor *t = &w->tensors[i];
        uint64_t before = s->written;
        if (t->fill) {
            t->fill(t->context, s);
        } else {
            gw_emit(s, t->data, (size_t)t->bytes);
        }
        if (s->written - before != t->bytes) abort(); /* the fill function broke its promise */
        pad(w, s);
    }
}

int gw_save(struct gw *w, const char *path) {
    struct gw_sink s = {.file = fopen(path, "wb")};
    if (!s.file) return -1;
    emit_all(w, &s);
    if (fclose(s.file) != 0 && !s.error) s.error = errno;
    errno = s.error;
    return s.error ? -1 : 0;
}

uint8_t *gw_memory(struct gw *w, size_t *size) {
    struct gw_buf b = {0};
    struct gw_sink s = {.buf = &b};
    emit_all(w, &s);
    *size = b.size;
    return b.data;
}
