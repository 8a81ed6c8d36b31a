/*
 * safetensors.c - see safetensors.h.
 *
 * The one idea: a file is its header, a JSON object that is read whole and bounded, and data that
 * the header's tensors cover from end to end; so after one sort by offset, a tensor begins where
 * the one before it ends, or the file is refused.
 */
#include "convert/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/sort.h"
#include "bitnet/numerics.h"
#include "convert/json_file.h"

struct st_file {
    char *name;
    const uint8_t *bytes;
    size_t size;
    bool mapped;
};

struct bnt_safetensors {
    struct st_file *files;
    size_t n_files;
    struct bnt_st_tensor *tensors; /* sorted by name once all are read */
    size_t n_tensors, capacity;
};

static const struct {
    const char *name;
    enum bnt_st_type type;
    unsigned bytes;
} types[] = {
    {"F64", BNT_ST_F64, 8},    {"F32", BNT_ST_F32, 4},       {"F16", BNT_ST_F16, 2},
    {"BF16", BNT_ST_BF16, 2},  {"U8", BNT_ST_U8, 1},         {"I8", BNT_ST_OTHER, 1},
    {"BOOL", BNT_ST_OTHER, 1}, {"I16", BNT_ST_OTHER, 2},     {"U16", BNT_ST_OTHER, 2},
    {"I32", BNT_ST_OTHER, 4},  {"U32", BNT_ST_OTHER, 4},     {"I64", BNT_ST_OTHER, 8},
    {"U64", BNT_ST_OTHER, 8},  {"F8_E4M3", BNT_ST_OTHER, 1}, {"F8_E5M2", BNT_ST_OTHER, 1},
};
enum { TYPES = sizeof types / sizeof types[0], INDEX_MOST = 64 << 20 };

static unsigned type_bytes(const struct bnt_st_tensor *t) {
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, t->type_name) == 0) return types[i].bytes;
    return 0;
}

/* ---- one tensor of a header ----------------------------------------------------------------- */

static bool read_u64(const json_t *v, uint64_t *out) {
    if (!json_is_integer(v) || json_integer_value(v) < 0) return false;
    *out = (uint64_t)json_integer_value(v);
    return true;
}

static bool read_shape(struct bnt_st_tensor *t, const json_t *shape) {
    t->elements = 1;
    t->n_dims = (unsigned)json_array_size(shape);
    if (!json_is_array(shape) || json_array_size(shape) > BNT_ST_DIMS) return false;
    for (unsigned i = 0; i < BNT_ST_DIMS; i++) {
        t->dims[i] = 1;
        if (i < t->n_dims && (!read_u64(json_array_get(shape, i), &t->dims[i]) ||
                              !bnt_mul_u64(t->elements, t->dims[i], &t->elements)))
            return false;
    }
    return true;
}

/* What stands in the header; data is set to where it begins in [data, data + size). */
static int read_tensor(struct bnt_st_tensor *t, const json_t *entry, const uint8_t *data,
                       uint64_t size, struct bnt_err *err) {
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const char *dtype = bnt_json_text(entry, "dtype");
    uint64_t begin, end, bytes;
    char shown[96];
    bnt_printable(shown, sizeof shown, t->name, strlen(t->name));
    if (!dtype || strlen(dtype) >= sizeof t->type_name ||
        !read_shape(t, json_object_get(entry, "shape")) || json_array_size(offsets) != 2 ||
        !read_u64(json_array_get(offsets, 0), &begin) ||
        !read_u64(json_array_get(offsets, 1), &end))
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': its dtype, shape or data_offsets are none",
                        shown);
    strcpy(t->type_name, dtype);
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, dtype) == 0) t->type = types[i].type;
    if (type_bytes(t) == 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "tensor '%s' has dtype '%s', which is not known",
                        shown, bnt_without_controls(t->type_name));
    if (begin > end || end > size || !bnt_mul_u64(t->elements, type_bytes(t), &bytes) ||
        bytes != end - begin)
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s': bytes %" PRIu64 " to %" PRIu64 " of %" PRIu64
                        " do not fit %" PRIu64 " elements of %s",
                        shown, begin, end, size, t->elements, dtype);
    t->data = data + begin;
    t->bytes = bytes;
    return BNT_OK;
}

/* ---- one file ------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
    const struct bnt_st_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* Tensors of a file, from `first` on, cover its data without gaps. */
static int check_cover(struct bnt_safetensors *s, size_t first, const uint8_t *data, uint64_t size,
                       struct bnt_err *err) {
    const uint8_t *at = data;
    bnt_sort(s->tensors + first, s->n_tensors - first, sizeof *s->tensors, by_place);
    for (size_t i = first; i < s->n_tensors; i++) {
        const struct bnt_st_tensor *t = &s->tensors[i];
        char shown[96];
        if (t->data != at)
            return bnt_fail(err, BNT_E_FORMAT,
                            "tensor '%s' begins at %" PRIu64 " of the data, and the one before it "
                            "ends at %" PRIu64,
                            bnt_printable(shown, sizeof shown, t->name, strlen(t->name)),
                            (uint64_t)(t->data - data), (uint64_t)(at - data));
        at += t->bytes;
    }
    if (at == data + size) return BNT_OK;
    return bnt_fail(err, BNT_E_FORMAT,
                    "%" PRIu64 " bytes of data, but tensors for %" PRIu64 " only", size,
                    (uint64_t)(at - data));
}

static int add_tensors(struct bnt_safetensors *s, const json_t *header, uint32_t file,
                       const uint8_t *data, uint64_t size, struct bnt_err *err) {
    const size_t first = s->n_tensors, n = json_object_size(header);
    const char *name;
    json_t *entry;
    if (n > BNT_ST_TENSORS - s->n_tensors)
        return bnt_fail(err, BNT_E_LIMIT, "more than %d tensors", BNT_ST_TENSORS);
    struct bnt_st_tensor *grown = realloc(s->tensors, (first + n + 1) * sizeof *grown);
    if (!grown) return bnt_fail_nomem(err, "the directory of tensors", n * sizeof *grown);
    s->tensors = grown;
    json_object_foreach((json_t *)(uintptr_t)header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) continue;
        struct bnt_st_tensor *t = &s->tensors[s->n_tensors];
        *t = (struct bnt_st_tensor){
            .name = strdup(name), .file = file, .mapped = s->files[file].mapped};
        if (!t->name) return bnt_fail_nomem(err, "a tensor's name", strlen(name));
        s->n_tensors++;
        int status = read_tensor(t, entry, data, size, err);
        if (status != BNT_OK) return status;
    }
    return check_cover(s, first, data, size, err);
}

static int read_file(struct bnt_safetensors *s, uint32_t file, struct bnt_err *err) {
    const struct st_file *f = &s->files[file];
    uint64_t header_size;
    json_t *header;
    if (f->size < sizeof header_size)
        return bnt_fail(err, BNT_E_FORMAT, "%zu bytes are no safetensors file", f->size);
    memcpy(&header_size, f->bytes, sizeof header_size);
    if (header_size > f->size - sizeof header_size)
        return bnt_fail(err, BNT_E_FORMAT,
                        "truncated, or no safetensors file: a header of %" PRIu64
                        " bytes in a file of %zu",
                        header_size, f->size);
    if (header_size > BNT_ST_HEADER)
        return bnt_fail(err, BNT_E_LIMIT, "a header of %" PRIu64 " bytes; at most %d are read",
                        header_size, BNT_ST_HEADER);
    const uint8_t *text = f->bytes + sizeof header_size, *data = text + header_size;
    int status =
        bnt_json_parse(&header, (const char *)text, (size_t)header_size, "the header", err);
    if (status != BNT_OK) return status;
    status = add_tensors(s, header, file, data, f->size - sizeof header_size - header_size, err);
    json_decref(header);
    return status;
}

static int map_file(struct st_file *f, const char *folder, struct bnt_err *err) {
    char path[PATH_MAX];
    struct stat st;
    int status = BNT_OK;
    int n = snprintf(path, sizeof path, "%s/%s", folder, f->name);
    if (n < 0 || (size_t)n >= sizeof path)
        return bnt_fail(err, BNT_E_IO, "%s: %s", f->name, strerror(ENAMETOOLONG));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        status = bnt_fail(err, BNT_E_IO, "%s: not a regular file", path);
    } else if (st.st_size > 0) {
        void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            status = bnt_fail(err, errno == ENOMEM ? BNT_E_NOMEM : BNT_E_IO, "%s: mmap: %s", path,
                              strerror(errno));
        } else {
            f->bytes = map;
            f->size = (size_t)st.st_size;
            f->mapped = true;
        }
    }
    close(fd);
    return status;
}

/* ---- all files ------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct bnt_st_tensor *)a)->name, ((const struct bnt_st_tensor *)b)->name);
}

static int sort_by_name(struct bnt_safetensors *s, struct bnt_err *err) {
    char shown[96];
    bnt_sort(s->tensors, s->n_tensors, sizeof *s->tensors, by_name);
    for (size_t i = 1; i < s->n_tensors; i++) {
        const char *name = s->tensors[i].name;
        if (strcmp(name, s->tensors[i - 1].name) == 0)
            return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is in two files",
                            bnt_printable(shown, sizeof shown, name, strlen(name)));
    }
    return BNT_OK;
}

static int add_file(struct bnt_safetensors *s, const char *name, uint32_t *file,
                    struct bnt_err *err) {
    for (*file = 0; *file < s->n_files; (*file)++)
        if (strcmp(s->files[*file].name, name) == 0) return BNT_OK;
    if (s->n_files == BNT_ST_FILES)
        return bnt_fail(err, BNT_E_LIMIT, "more than %d shards", BNT_ST_FILES);
    struct st_file *grown = realloc(s->files, (s->n_files + 1) * sizeof *grown);
    if (!grown) return bnt_fail_nomem(err, "the list of shards", s->n_files * sizeof *grown);
    s->files = grown;
    s->files[s->n_files] = (struct st_file){.name = strdup(name)};
    if (!s->files[s->n_files].name) return bnt_fail_nomem(err, "a shard's name", strlen(name));
    s->n_files++;
    return BNT_OK;
}

/* The shards that the index names. */
static int list_shards(struct bnt_safetensors *s, const json_t *map, struct bnt_err *err) {
    const char *name;
    json_t *value;
    uint32_t file;
    if (!json_is_object(map) || json_object_size(map) == 0)
        return bnt_fail(err, BNT_E_FORMAT, "it has no weight_map");
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        const char *shard = json_string_value(value);
        char shown[96];
        if (!shard || !shard[0] || strchr(shard, '/') || strcmp(shard, "..") == 0)
            return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is in no file of this folder",
                            bnt_printable(shown, sizeof shown, name, strlen(name)));
        int status = add_file(s, shard, &file, err);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

/* Each tensor is where the index says, and no other is there. */
static int check_index(struct bnt_safetensors *s, const json_t *map, struct bnt_err *err) {
    char shown[96];
    for (size_t i = 0; i < s->n_tensors; i++) {
        const struct bnt_st_tensor *t = &s->tensors[i];
        const char *shard = bnt_json_text(map, t->name);
        if (!shard || strcmp(shard, s->files[t->file].name) != 0)
            return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is in %s, and the index says %s",
                            bnt_printable(shown, sizeof shown, t->name, strlen(t->name)),
                            s->files[t->file].name, shard ? shard : "nothing of it");
    }
    if (json_object_size(map) == s->n_tensors) return BNT_OK;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        if (!bnt_safetensors_find(s, name))
            return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is not in %s, where the index has it",
                            bnt_printable(shown, sizeof shown, name, strlen(name)),
                            json_string_value(value));
    }
    return BNT_OK;
}

static int read_folder(struct bnt_safetensors *s, const char *folder, struct bnt_err *err) {
    static const char index_name[] = "model.safetensors.index.json";
    struct bnt_err why = {0};
    json_t *index = NULL;
    const json_t *map;
    uint32_t file;
    int status = bnt_folder_json(&index, folder, index_name, INDEX_MOST, true, err);
    if (status != BNT_OK) return status;
    map = json_object_get(index, "weight_map");
    status = index ? list_shards(s, map, &why) : add_file(s, "model.safetensors", &file, err);
    if (status != BNT_OK && index) bnt_fail(err, status, "%s: %.500s", index_name, why.text);
    for (uint32_t i = 0; i < s->n_files && status == BNT_OK; i++) {
        status = map_file(&s->files[i], folder, err);
        if (status == BNT_OK && (status = read_file(s, i, &why)) != BNT_OK)
            bnt_fail(err, status, "%s/%s: %.400s", folder, s->files[i].name, why.text);
    }
    if (status == BNT_OK) status = sort_by_name(s, err);
    if (status == BNT_OK && index && (status = check_index(s, map, &why)) != BNT_OK)
        bnt_fail(err, status, "%s: %.500s", index_name, why.text);
    json_decref(index);
    return status;
}

static int finish(struct bnt_safetensors **out, struct bnt_safetensors *s, int status) {
    if (status == BNT_OK)
        *out = s;
    else
        bnt_safetensors_close(s);
    return status;
}

int bnt_safetensors_open(struct bnt_safetensors **out, const char *folder, struct bnt_err *err) {
    *out = NULL;
    struct bnt_safetensors *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the safetensors reader", sizeof *s);
    return finish(out, s, read_folder(s, folder, err));
}

int bnt_safetensors_open_memory(struct bnt_safetensors **out, const void *data, size_t size,
                                struct bnt_err *err) {
    uint32_t file;
    *out = NULL;
    struct bnt_safetensors *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the safetensors reader", sizeof *s);
    int status = add_file(s, "memory", &file, err);
    if (status == BNT_OK) {
        s->files[0].bytes = data;
        s->files[0].size = size;
        status = read_file(s, 0, err);
    }
    if (status == BNT_OK) status = sort_by_name(s, err);
    return finish(out, s, status);
}

void bnt_safetensors_close(struct bnt_safetensors *s) {
    if (!s) return;
    for (size_t i = 0; i < s->n_files; i++) {
        if (s->files[i].mapped) munmap((void *)(uintptr_t)s->files[i].bytes, s->files[i].size);
        free(s->files[i].name);
    }
    for (size_t i = 0; i < s->n_tensors; i++) free((char *)(uintptr_t)s->tensors[i].name);
    free(s->files);
    free(s->tensors);
    free(s);
}

/* ---- looking up and reading ----------------------------------------------------------------- */

size_t bnt_safetensors_count(const struct bnt_safetensors *s) {
    return s->n_tensors;
}

struct bnt_st_tensor *bnt_safetensors_at(struct bnt_safetensors *s, size_t i) {
    return &s->tensors[i];
}

struct bnt_st_tensor *bnt_safetensors_find(struct bnt_safetensors *s, const char *name) {
    const struct bnt_st_tensor key = {.name = name};
    if (s->n_tensors == 0) return NULL;
    return bnt_find_sorted(&key, s->tensors, s->n_tensors, sizeof *s->tensors, by_name);
}

bool bnt_st_is_float(const struct bnt_st_tensor *t) {
    return t->type == BNT_ST_F64 || t->type == BNT_ST_F32 || t->type == BNT_ST_F16 ||
           t->type == BNT_ST_BF16;
}

void bnt_st_floats(const struct bnt_st_tensor *t, uint64_t first, uint64_t n, float *out) {
    const uint8_t *p = t->data + first * type_bytes(t);
    switch (t->type) {
    case BNT_ST_F32: memcpy(out, p, n * sizeof *out); break;
    case BNT_ST_F16:
        for (uint64_t i = 0; i < n; i++) {
            uint16_t h;
            memcpy(&h, p + 2 * i, sizeof h);
            out[i] = bnt_f16_to_f32(h);
        }
        break;
    case BNT_ST_BF16:
        for (uint64_t i = 0; i < n; i++) {
            uint16_t h;
            memcpy(&h, p + 2 * i, sizeof h);
            out[i] = bnt_bf16_to_f32(h);
        }
        break;
    case BNT_ST_F64:
        for (uint64_t i = 0; i < n; i++) {
            double d;
            memcpy(&d, p + 8 * i, sizeof d);
            out[i] = (float)d;
        }
        break;
    case BNT_ST_U8:
    case BNT_ST_OTHER: break;
    }
}

void bnt_st_release(const struct bnt_st_tensor *t, uint64_t first, uint64_t n) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), size = type_bytes(t);
    if (!t->mapped || first >= t->elements) return;
    if (n > t->elements - first) n = t->elements - first;
    uintptr_t from = (uintptr_t)t->data + first * size, to = from + n * size;
    from = (from + page - 1) / page * page;
    to = to / page * page;
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}
