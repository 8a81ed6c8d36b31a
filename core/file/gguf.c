/*
 * gguf.c - see gguf.h.
 *
 * The one idea: a cursor that cannot leave the file. Everything is read through take(), which
 * checks the remaining length first and remembers what was being read for the error message; after
 * the walk, the directory is checked as a whole (sizes, bounds, overlaps, duplicate names).
 *
 * The mapping may change while it is read: another process may write into the file. So the header
 * is walked once to see how long it is, copied, and read from the copy; nothing that was checked is
 * looked at in the mapping again.
 */
#include "file/gguf_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "file/types.h"

enum { MAX_DIMS = 4, DEFAULT_ALIGNMENT = 32 };

struct cursor {
    const uint8_t *bytes;
    uint64_t at, size;
    uint32_t version;
    struct bnt_err *err;
};

/* The next n bytes, or NULL with an error that says what they were for. */
static const uint8_t *take(struct cursor *c, uint64_t n, const char *what) {
    if (n > c->size - c->at) {
        bnt_fail(c->err, BNT_E_FORMAT,
                 "truncated: %s at offset %" PRIu64 " needs %" PRIu64 " bytes, %" PRIu64
                 " are left",
                 what, c->at, n, c->size - c->at);
        return NULL;
    }
    const uint8_t *p = c->bytes + c->at;
    c->at += n;
    return p;
}

static bool take_u32(struct cursor *c, uint32_t *out, const char *what) {
    const uint8_t *p = take(c, sizeof *out, what);
    if (p) memcpy(out, p, sizeof *out);
    return p != NULL;
}

static bool take_u64(struct cursor *c, uint64_t *out, const char *what) {
    const uint8_t *p = take(c, sizeof *out, what);
    if (p) memcpy(out, p, sizeof *out);
    return p != NULL;
}

static bool take_str(struct cursor *c, struct bnt_str *out, const char *what) {
    uint64_t len;
    if (!take_u64(c, &len, what)) return false;
    const uint8_t *p = take(c, len, what);
    if (p) *out = (struct bnt_str){(const char *)p, (size_t)len};
    return p != NULL;
}

static const char *printable(struct bnt_str s, char buf[96]) {
    return bnt_printable(buf, 96, s.ptr, s.len);
}

/* Reads `count` values of `type` after kv->data was set to the cursor's place. */
static bool take_values(struct cursor *c, const struct bnt_gguf_kv *kv, uint32_t type,
                        uint64_t count) {
    char name[96];
    if (type == BNT_GGUF_STRING) {
        struct bnt_str s;
        for (uint64_t i = 0; i < count; i++) {
            if (!take_str(c, &s, "a string value")) return false;
        }
        return true;
    }
    uint64_t size = bnt_gguf_value_size(type), total;
    if (size == 0) {
        bnt_fail(c->err, BNT_E_FORMAT, "key '%s': unknown value type %" PRIu32,
                 printable(kv->key, name), type);
        return false;
    }
    if (!bnt_mul_u64(size, count, &total)) {
        bnt_fail(c->err, BNT_E_FORMAT, "key '%s': array of %" PRIu64 " values overflows",
                 printable(kv->key, name), count);
        return false;
    }
    const uint8_t *p = take(c, total, "a value");
    if (!p) return false;
    if (type == BNT_GGUF_BOOL) {
        for (uint64_t i = 0; i < count; i++) {
            if (p[i] > 1) {
                bnt_fail(c->err, BNT_E_FORMAT, "key '%s': bool with value %u",
                         printable(kv->key, name), p[i]);
                return false;
            }
        }
    }
    return true;
}

static bool take_kv(struct cursor *c, struct bnt_gguf_kv *kv) {
    uint32_t type, elem;
    char name[96];
    if (!take_str(c, &kv->key, "a key") || !take_u32(c, &type, "a value type")) return false;
    kv->type = type;
    kv->elem_type = elem = type;
    kv->count = 1;
    if (type == BNT_GGUF_ARRAY) {
        if (!take_u32(c, &elem, "an array type") || !take_u64(c, &kv->count, "an array count"))
            return false;
        if (elem == BNT_GGUF_ARRAY) {
            bnt_fail(c->err, BNT_E_FORMAT, "key '%s': arrays of arrays are not supported",
                     printable(kv->key, name));
            return false;
        }
        kv->elem_type = elem;
    }
    kv->data = c->bytes + c->at;
    return take_values(c, kv, elem, kv->count);
}

static bool take_tensor_info(struct cursor *c, struct bnt_gguf_tensor *t) {
    char name[96];
    if (!take_str(c, &t->name, "a tensor name") || !take_u32(c, &t->n_dims, "a dimension count"))
        return false;
    if (t->n_dims < 1 || t->n_dims > MAX_DIMS) {
        bnt_fail(c->err, BNT_E_FORMAT, "tensor '%s': %" PRIu32 " dimensions, not 1 to 4",
                 printable(t->name, name), t->n_dims);
        return false;
    }
    t->elements = 1;
    for (unsigned d = 0; d < MAX_DIMS; d++) {
        t->dims[d] = 1;
        if (d < t->n_dims && !take_u64(c, &t->dims[d], "a dimension")) return false;
        if (t->dims[d] == 0 || !bnt_mul_u64(t->elements, t->dims[d], &t->elements)) {
            bnt_fail(c->err, BNT_E_FORMAT, "tensor '%s': dimension %u is %" PRIu64 "%s",
                     printable(t->name, name), d, t->dims[d],
                     t->dims[d] ? ", the element count overflows" : "");
            return false;
        }
    }
    return take_u32(c, &t->type, "a tensor type") && take_u64(c, &t->offset, "a tensor offset");
}

/* ---- checks over the whole directory -------------------------------------------------------- */

static int by_key(const void *a, const void *b, void *kv) {
    const struct bnt_gguf_kv *k = kv;
    return bnt_str_cmp(k[*(const uint32_t *)a].key, k[*(const uint32_t *)b].key);
}

static int by_name(const void *a, const void *b, void *tensors) {
    const struct bnt_gguf_tensor *t = tensors;
    return bnt_str_cmp(t[*(const uint32_t *)a].name, t[*(const uint32_t *)b].name);
}

static int by_offset(const void *a, const void *b, void *tensors) {
    const struct bnt_gguf_tensor *t = tensors;
    uint64_t x = t[*(const uint32_t *)a].offset, y = t[*(const uint32_t *)b].offset;
    return (x > y) - (x < y);
}

/* 0, 1, ... n - 1, sorted; at least one element is allocated. */
static uint32_t *sorted_order(size_t n, void *items,
                              int (*cmp)(const void *, const void *, void *)) {
    uint32_t *order = calloc(n ? n : 1, sizeof *order);
    if (!order) return NULL;
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    qsort_r(order, n, sizeof *order, cmp, items);
    return order;
}

uint32_t *bnt_gguf_offset_order(const struct bnt_gguf *g) {
    return sorted_order(g->n_tensors, g->tensors, by_offset);
}

static int tensor_twice(const struct bnt_gguf_tensor *a, const struct bnt_gguf_tensor *b,
                        struct bnt_err *err) {
    char name[96];
    printable(a->name, name);
    if (a->part == b->part) return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' appears twice", name);
    uint32_t first = a->part < b->part ? a->part : b->part;
    return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is in part %" PRIu32 " and in part %" PRIu32,
                    name, first + 1, a->part + b->part - first + 1);
}

int bnt_gguf_index(struct bnt_gguf *g, struct bnt_err *err) {
    char name[96];
    free(g->kv_order);
    free(g->tensor_order);
    g->kv_order = sorted_order(g->n_kv, g->kv, by_key);
    g->tensor_order = sorted_order(g->n_tensors, g->tensors, by_name);
    if (!g->kv_order || !g->tensor_order)
        return bnt_fail_nomem(err, "the GGUF directory", 4 * (g->n_kv + g->n_tensors));
    for (size_t i = 1; i < g->n_kv; i++) {
        if (by_key(&g->kv_order[i - 1], &g->kv_order[i], g->kv) == 0)
            return bnt_fail(err, BNT_E_FORMAT, "key '%s' appears twice",
                            printable(g->kv[g->kv_order[i]].key, name));
    }
    for (size_t i = 1; i < g->n_tensors; i++) {
        if (by_name(&g->tensor_order[i - 1], &g->tensor_order[i], g->tensors) == 0)
            return tensor_twice(&g->tensors[g->tensor_order[i - 1]],
                                &g->tensors[g->tensor_order[i]], err);
    }
    return BNT_OK;
}

static int find_alignment(struct bnt_gguf *g, struct bnt_err *err) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, "general.alignment");
    uint64_t a = DEFAULT_ALIGNMENT;
    if (kv && !bnt_gguf_u64(g, "general.alignment", &a))
        return bnt_fail(err, BNT_E_FORMAT, "general.alignment is not an unsigned integer");
    if (a == 0 || (a & (a - 1)) != 0 || a > (UINT64_C(1) << 20))
        return bnt_fail(err, BNT_E_FORMAT,
                        "general.alignment is %" PRIu64 ", not a power of two up to 1048576", a);
    g->alignment = a;
    return BNT_OK;
}

/* Makes offsets absolute, computes sizes where the type is known, and checks bounds. */
static int place_tensor(struct bnt_gguf *g, struct bnt_gguf_tensor *t, uint64_t data_start,
                        struct bnt_err *err) {
    char name[96];
    printable(t->name, name);
    if (t->offset % g->alignment != 0)
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s': offset %" PRIu64
                        " is not a multiple of the alignment %" PRIu64,
                        name, t->offset, g->alignment);
    if (!bnt_add_u64(data_start, t->offset, &t->offset) || t->offset > g->size)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': offset %" PRIu64 " past end of file (%zu)",
                        name, t->offset, g->size);
    t->data = g->bytes + t->offset;
    const struct bnt_type_info *type = bnt_type(t->type);
    if (type->block_bytes == 0) return BNT_OK; /* size unknown: the model refuses the type */
    if (!bnt_type_bytes(t->type, t->dims[0], t->elements, &t->bytes))
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s': %" PRIu64 " elements in rows of %" PRIu64
                        " do not fill whole %s blocks of %" PRIu32,
                        name, t->elements, t->dims[0], type->name, type->block);
    if (t->bytes > g->size - t->offset)
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s': %" PRIu64 " bytes at offset %" PRIu64
                        " reach past end of file (%zu)",
                        name, t->bytes, t->offset, g->size);
    return BNT_OK;
}

static int check_overlaps(struct bnt_gguf *g, struct bnt_err *err) {
    uint32_t *order = bnt_gguf_offset_order(g);
    int status = BNT_OK;
    if (!order) return bnt_fail_nomem(err, "the tensor order", g->n_tensors * sizeof *order);
    for (size_t i = 1; i < g->n_tensors && status == BNT_OK; i++) {
        const struct bnt_gguf_tensor *a = &g->tensors[order[i - 1]], *b = &g->tensors[order[i]];
        char an[96], bn[96];
        if (a->offset + a->bytes > b->offset || a->offset == b->offset)
            status = bnt_fail(err, BNT_E_FORMAT, "tensors '%s' and '%s' overlap at offset %" PRIu64,
                              printable(a->name, an), printable(b->name, bn), b->offset);
    }
    free(order);
    return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* What people have in place of a model, and what to do. */
static const char *likely(const uint8_t *bytes, uint64_t size) {
    static const char page[] = ": a web page; take the address of the page's download button";
    static const char old[] = ": a format of 2023, before GGUF; convert it, or take a newer file";
    static const struct {
        const char *begins, *so;
    } kinds[] = {
        {"version https://git-lfs", ": a pointer of git-lfs; `git lfs pull` brings the file"},
        {"<!DOCTYPE", page},
        {"<!doctype", page},
        {"<html", page},
        {"PK\003\004", ": an archive such as PyTorch's checkpoints; this needs a GGUF file"},
        {"lmgg", old},
        {"tjgg", old},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t n = strlen(kinds[i].begins);
        if (size >= n && memcmp(bytes, kinds[i].begins, n) == 0) return kinds[i].so;
    }
    if (size > 9 && memcmp(bytes + 8, "{\"", 2) == 0)
        return ": safetensors; this needs a GGUF file";
    return "";
}

/* Reads the header's counts. A key takes at least 13 bytes and a tensor 33, so a count that the
 * file cannot hold is refused before memory is asked for. */
static int read_counts(struct bnt_gguf *g, struct cursor *c) {
    uint32_t magic, swapped;
    uint64_t n_tensors, n_kv;
    if (!take_u32(c, &magic, "the magic")) return BNT_E_FORMAT;
    if (magic != 0x46554747u) /* "GGUF" */
        return bnt_fail(c->err, BNT_E_FORMAT,
                        "not a GGUF file (it begins with %02x %02x %02x %02x)%s", c->bytes[0],
                        c->bytes[1], c->bytes[2], c->bytes[3], likely(c->bytes, c->size));
    if (!take_u32(c, &g->version, "the version")) return BNT_E_FORMAT;
    swapped = __builtin_bswap32(g->version);
    if (swapped == 2 || swapped == 3)
        return bnt_fail(c->err, BNT_E_UNSUPPORTED, "big-endian GGUF files are not supported");
    if (g->version != 2 && g->version != 3)
        return bnt_fail(c->err, BNT_E_UNSUPPORTED, "GGUF version %" PRIu32 ", not 2 or 3",
                        g->version);
    if (!take_u64(c, &n_tensors, "the tensor count") || !take_u64(c, &n_kv, "the key count"))
        return BNT_E_FORMAT;
    if (n_tensors > c->size / 33 || n_kv > c->size / 13)
        return bnt_fail(c->err, BNT_E_FORMAT,
                        "%" PRIu64 " tensors and %" PRIu64
                        " keys do not fit into a file of %" PRIu64 " bytes",
                        n_tensors, n_kv, c->size);
    if (n_tensors > BNT_GGUF_MAX_TENSORS || n_kv > BNT_GGUF_MAX_KEYS)
        return bnt_fail(c->err, BNT_E_LIMIT,
                        "%" PRIu64 " tensors and %" PRIu64 " keys; at most %d and %d are read",
                        n_tensors, n_kv, BNT_GGUF_MAX_TENSORS, BNT_GGUF_MAX_KEYS);
    g->n_tensors = (size_t)n_tensors;
    g->n_kv = (size_t)n_kv;
    return BNT_OK;
}

/* Copies the header, as long as it is found to be, to g->header; c reads the copy from then on. */
static int copy_header(struct bnt_gguf *g, struct cursor *c) {
    int status = read_counts(g, c);
    if (status != BNT_OK) return status;
    for (size_t i = 0; i < g->n_kv; i++) {
        struct bnt_gguf_kv kv;
        if (!take_kv(c, &kv)) return BNT_E_FORMAT;
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        struct bnt_gguf_tensor t;
        if (!take_tensor_info(c, &t)) return BNT_E_FORMAT;
    }
    if (c->at > BNT_GGUF_MAX_HEADER)
        return bnt_fail(c->err, BNT_E_LIMIT, "a header of %" PRIu64 " bytes; at most %d are read",
                        c->at, BNT_GGUF_MAX_HEADER);
    g->header = malloc((size_t)c->at);
    if (!g->header) return bnt_fail_nomem(c->err, "the GGUF header", (size_t)c->at);
    memcpy(g->header, g->bytes, (size_t)c->at);
    g->header_size = (size_t)c->at;
    *c = (struct cursor){.bytes = g->header, .size = c->at, .err = c->err};
    return BNT_OK;
}

static int make_directory(struct bnt_gguf *g, struct bnt_err *err) {
    g->kv = calloc(g->n_kv ? g->n_kv : 1, sizeof *g->kv);
    g->tensors = calloc(g->n_tensors ? g->n_tensors : 1, sizeof *g->tensors);
    if (!g->kv || !g->tensors)
        return bnt_fail_nomem(err, "the GGUF directory",
                              g->n_kv * sizeof *g->kv + g->n_tensors * sizeof *g->tensors);
    return BNT_OK;
}

static int read_all(struct bnt_gguf *g, struct bnt_err *err) {
    struct cursor c = {.bytes = g->bytes, .size = g->size, .err = err};
    uint64_t data_start = 0;
    int status = copy_header(g, &c);
    if (status != BNT_OK) return status;
    if ((status = read_counts(g, &c)) != BNT_OK) return status;
    if ((status = make_directory(g, err)) != BNT_OK) return status;
    for (size_t i = 0; i < g->n_kv; i++) {
        if (!take_kv(&c, &g->kv[i])) return BNT_E_FORMAT;
    }
    for (size_t i = 0; i < g->n_tensors; i++) {
        if (!take_tensor_info(&c, &g->tensors[i])) return BNT_E_FORMAT;
    }
    if ((status = bnt_gguf_index(g, err)) != BNT_OK) return status;
    if ((status = find_alignment(g, err)) != BNT_OK) return status;
    if (!bnt_align_u64(c.at, g->alignment, &data_start))
        return bnt_fail(err, BNT_E_FORMAT, "the header is too long");
    if ((status = bnt_gguf_resolve_variants(g, data_start, err)) != BNT_OK) return status;
    for (size_t i = 0; i < g->n_tensors; i++) {
        if ((status = place_tensor(g, &g->tensors[i], data_start, err)) != BNT_OK) return status;
    }
    return check_overlaps(g, err);
}

int bnt_gguf_open_memory(struct bnt_gguf **out, const void *data, size_t size,
                         struct bnt_err *err) {
    *out = NULL;
    struct bnt_gguf *g = calloc(1, sizeof *g);
    if (!g) return bnt_fail_nomem(err, "the GGUF reader", sizeof *g);
    g->fd = -1;
    g->bytes = data;
    g->size = size;
    int status = read_all(g, err);
    if (status != BNT_OK) {
        bnt_gguf_close(g);
        return status;
    }
    *out = g;
    return BNT_OK;
}

int bnt_gguf_open_file(struct bnt_gguf **out, const char *path, struct bnt_err *err) {
    struct stat st;
    void *map = MAP_FAILED;
    int status;
    *out = NULL;
    /* O_NONBLOCK: a pipe that nobody writes to must not hold us up; it is no model anyway. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENXIO) return bnt_fail(err, BNT_E_IO, "%s: not a regular file", path);
    if (fd < 0) return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0) {
        status = bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        status = bnt_fail(err, BNT_E_IO, "%s: not a regular file", path);
        goto out;
    }
    if (st.st_size <= 0) {
        status = bnt_fail(err, BNT_E_FORMAT, "%s: the file is empty", path);
        goto out;
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        status = bnt_fail(err, errno == ENOMEM ? BNT_E_NOMEM : BNT_E_IO, "%s: mmap: %s", path,
                          strerror(errno));
        goto out;
    }
    struct bnt_err why = {0};
    status = bnt_gguf_open_memory(out, map, (size_t)st.st_size, &why);
    if (status != BNT_OK) {
        bnt_fail(err, status, "%s: %.500s", path, why.text);
        goto out;
    }
    (*out)->fd = fd;
    return BNT_OK;
out:
    if (map != MAP_FAILED) munmap(map, (size_t)st.st_size);
    close(fd);
    return status;
}

void bnt_gguf_close(struct bnt_gguf *g) {
    if (!g) return;
    for (size_t i = 0; i < g->n_rest; i++) bnt_gguf_close(g->rest[i]);
    free(g->rest);
    if (g->fd >= 0) {
        munmap((void *)(uintptr_t)g->bytes, g->size);
        close(g->fd);
    }
    free(g->header);
    free(g->kv);
    free(g->tensors);
    free(g->kv_order);
    free(g->tensor_order);
    free(g);
}
