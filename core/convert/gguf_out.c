/*
 * gguf_out.c - see gguf_out.h.
 *
 * The one idea: two growing texts, of keys and of the directory, since both counts stand before
 * either; they are joined once, at the end.
 */
#include "convert/gguf_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "file/types.h"

struct bytes {
    uint8_t *at;
    size_t size, capacity;
};

struct bnt_gguf_out {
    uint64_t alignment;
    struct bytes keys, directory, header;
    uint64_t n_keys, n_tensors, data_size, data_start;
    uint64_t *places;
    size_t capacity; /* of places */
    bool no_memory, too_large;
};

/* ---- growing -------------------------------------------------------------------------------- */

static void put(struct bnt_gguf_out *o, struct bytes *b, const void *data, size_t size) {
    if (o->no_memory) return;
    if (size > b->capacity - b->size) {
        size_t capacity = 2 * b->capacity + size + 4096;
        uint8_t *grown = realloc(b->at, capacity);
        if (!grown) {
            o->no_memory = true;
            return;
        }
        b->at = grown;
        b->capacity = capacity;
    }
    if (size) memcpy(b->at + b->size, data, size);
    b->size += size;
}

static void put_u32(struct bnt_gguf_out *o, struct bytes *b, uint32_t v) {
    put(o, b, &v, sizeof v);
}

static void put_u64(struct bnt_gguf_out *o, struct bytes *b, uint64_t v) {
    put(o, b, &v, sizeof v);
}

static void put_text(struct bnt_gguf_out *o, struct bytes *b, const char *text, size_t len) {
    put_u64(o, b, len);
    put(o, b, text, len);
}

struct bnt_gguf_out *bnt_gguf_out_new(uint64_t alignment) {
    struct bnt_gguf_out *o = calloc(1, sizeof *o);
    if (o) o->alignment = alignment;
    return o;
}

void bnt_gguf_out_free(struct bnt_gguf_out *o) {
    if (!o) return;
    free(o->keys.at);
    free(o->directory.at);
    free(o->header.at);
    free(o->places);
    free(o);
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void put_key(struct bnt_gguf_out *o, const char *key, size_t len, enum bnt_gguf_type type) {
    put_text(o, &o->keys, key, len);
    put_u32(o, &o->keys, type);
    o->n_keys++;
}

/* Bytes of all values of a key that was read. */
static size_t values_size(const struct bnt_gguf_kv *kv) {
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    uint64_t cursor = 0;
    if (kv->elem_type != BNT_GGUF_STRING) return (size_t)kv->count * sizes[kv->elem_type];
    for (uint64_t i = 0; i < kv->count; i++) bnt_gguf_next_string(kv, &cursor);
    return (size_t)cursor;
}

void bnt_gguf_out_copy(struct bnt_gguf_out *o, const struct bnt_gguf_kv *kv) {
    put_key(o, kv->key.ptr, kv->key.len, kv->type);
    if (kv->type == BNT_GGUF_ARRAY) {
        put_u32(o, &o->keys, kv->elem_type);
        put_u64(o, &o->keys, kv->count);
    }
    put(o, &o->keys, kv->data, values_size(kv));
}

void bnt_gguf_out_u32(struct bnt_gguf_out *o, const char *key, uint32_t v) {
    put_key(o, key, strlen(key), BNT_GGUF_U32);
    put_u32(o, &o->keys, v);
}

void bnt_gguf_out_f32(struct bnt_gguf_out *o, const char *key, float v) {
    put_key(o, key, strlen(key), BNT_GGUF_F32);
    put(o, &o->keys, &v, sizeof v);
}

void bnt_gguf_out_bool(struct bnt_gguf_out *o, const char *key, bool v) {
    put_key(o, key, strlen(key), BNT_GGUF_BOOL);
    put(o, &o->keys, &(uint8_t){v}, 1);
}

void bnt_gguf_out_str(struct bnt_gguf_out *o, const char *key, const char *text, size_t len) {
    put_key(o, key, strlen(key), BNT_GGUF_STRING);
    put_text(o, &o->keys, text, len);
}

void bnt_gguf_out_array(struct bnt_gguf_out *o, const char *key, enum bnt_gguf_type elem,
                        uint64_t count) {
    put_key(o, key, strlen(key), BNT_GGUF_ARRAY);
    put_u32(o, &o->keys, elem);
    put_u64(o, &o->keys, count);
}

void bnt_gguf_out_string(struct bnt_gguf_out *o, const char *text, size_t len) {
    put_text(o, &o->keys, text, len);
}

void bnt_gguf_out_raw(struct bnt_gguf_out *o, const void *data, size_t size) {
    put(o, &o->keys, data, size);
}

/* ---- tensors -------------------------------------------------------------------------------- */

static bool add_place(struct bnt_gguf_out *o) {
    if (o->n_tensors == o->capacity) {
        size_t capacity = 2 * o->capacity + 256;
        uint64_t *grown = realloc(o->places, capacity * sizeof *grown);
        if (!grown) return false;
        o->places = grown;
        o->capacity = capacity;
    }
    o->places[o->n_tensors] = o->data_size;
    return true;
}

void bnt_gguf_out_tensor(struct bnt_gguf_out *o, const char *name, size_t name_len, uint32_t type,
                         uint32_t n_dims, const uint64_t *dims) {
    uint64_t elements = 1, bytes, end;
    bool fits = true;
    if (!add_place(o)) o->no_memory = true;
    if (o->no_memory) return;
    put_text(o, &o->directory, name, name_len);
    put_u32(o, &o->directory, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) {
        put_u64(o, &o->directory, dims[i]);
        fits = fits && bnt_mul_u64(elements, dims[i], &elements);
    }
    put_u32(o, &o->directory, BNT_FILE_ID(type));
    put_u64(o, &o->directory, o->data_size);
    o->n_tensors++;
    if (fits && bnt_type_bytes(type, dims[0], elements, &bytes) &&
        bnt_add_u64(o->data_size, bytes, &end) && bnt_align_u64(end, o->alignment, &o->data_size))
        return;
    o->too_large = true;
}

int bnt_gguf_out_header(struct bnt_gguf_out *o, const uint8_t **bytes, size_t *size,
                        uint64_t *file_size, struct bnt_err *err) {
    static const uint8_t zeros[4096];
    put(o, &o->header, "GGUF", 4);
    put_u32(o, &o->header, 3);
    put_u64(o, &o->header, o->n_tensors);
    put_u64(o, &o->header, o->n_keys);
    put(o, &o->header, o->keys.at, o->keys.size);
    put(o, &o->header, o->directory.at, o->directory.size);
    while (o->header.size % o->alignment && !o->no_memory) {
        size_t gap = (size_t)(o->alignment - o->header.size % o->alignment);
        put(o, &o->header, zeros, gap < sizeof zeros ? gap : sizeof zeros);
    }
    if (o->no_memory) return bnt_fail_nomem(err, "the header of the new file", o->header.size);
    o->data_start = o->header.size;
    if (o->too_large || !bnt_add_u64(o->data_start, o->data_size, file_size) ||
        *file_size > INT64_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "the new file's tensors have no size that a file can be");
    *bytes = o->header.at;
    *size = o->header.size;
    return BNT_OK;
}

uint64_t bnt_gguf_out_place(const struct bnt_gguf_out *o, size_t tensor) {
    return o->data_start + o->places[tensor];
}
