/*
 * gguf_parts.c - a model in several files, NAME-00001-of-00003.gguf, as tools split it for hosts
 * that limit the size of a file.
 *
 * Each part is a GGUF file of its own: the first has the metadata, each has some of the tensors,
 * and the keys split.no, split.count and split.tensors.count say which part of what it is
 * (gguf-split of llama.cpp). The one idea: each part is opened and checked as any file is; then the
 * first takes over the others and lists their tensors behind its own, so that nobody else need know
 * of parts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file/gguf_internal.h"

enum { MAX_PARTS = 1000, SUFFIX = sizeof "-00001-of-00002.gguf" - 1 };

/* ---- what a part says of itself ------------------------------------------------------------- */

struct place {
    uint64_t no, count; /* part no, from 0, of count */
};

static int read_place(struct place *p, const struct bnt_gguf *g, struct bnt_err *err) {
    static const char *const keys[] = {"split.no", "split.count"};
    static const char *const others[] = {"split.no", "split.tensors.count"};
    uint64_t *const values[] = {&p->no, &p->count};
    *p = (struct place){0, 1};
    for (size_t i = 0; i < 2; i++) {
        if (bnt_gguf_find(g, keys[i]) && !bnt_gguf_u64(g, keys[i], values[i]))
            return bnt_fail(err, BNT_E_FORMAT, "%s is not an unsigned integer", keys[i]);
    }
    for (size_t i = 0; i < 2 && !bnt_gguf_find(g, "split.count"); i++)
        if (bnt_gguf_find(g, others[i]))
            return bnt_fail(err, BNT_E_FORMAT,
                            "%s without split.count: of how many parts is it one?", others[i]);
    if (p->count == 0) p->count = 1; /* as the field reads it: not split */
    if (p->count > MAX_PARTS)
        return bnt_fail(err, BNT_E_LIMIT, "split.count is %" PRIu64 "; at most %d parts are read",
                        p->count, MAX_PARTS);
    if (p->no >= p->count)
        return bnt_fail(err, BNT_E_FORMAT, "split.no is %" PRIu64 " of %" PRIu64 " parts", p->no,
                        p->count);
    return BNT_OK;
}

/* ---- joining -------------------------------------------------------------------------------- */

static size_t value_bytes(const struct bnt_gguf_kv *kv) {
    uint64_t end = 0;
    if (kv->elem_type != BNT_GGUF_STRING)
        return (size_t)(kv->count * bnt_gguf_value_size(kv->elem_type));
    for (uint64_t i = 0; i < kv->count; i++) bnt_gguf_next_string(kv, &end);
    return (size_t)end;
}

static bool same_value(const struct bnt_gguf_kv *a, const struct bnt_gguf_kv *b) {
    size_t n = value_bytes(a);
    return a->type == b->type && a->elem_type == b->elem_type && a->count == b->count &&
           n == value_bytes(b) && (n == 0 || memcmp(a->data, b->data, n) == 0);
}

/* Part i is what the first one says it is; of metadata it has at most what the first one has. */
static int check_part(struct bnt_gguf *first, const struct place *there,
                      const struct bnt_gguf *part, uint64_t i, struct bnt_err *err) {
    struct place here;
    char name[96];
    int status = read_place(&here, part, err);
    if (status != BNT_OK) return status;
    if (here.count != there->count)
        return bnt_fail(err, BNT_E_FORMAT, "split.count is %" PRIu64 ", in the first part %" PRIu64,
                        here.count, there->count);
    if (here.no != i)
        return bnt_fail(err, BNT_E_FORMAT,
                        "it is part %" PRIu64 " by its split.no, not part %" PRIu64, here.no + 1,
                        i + 1);
    for (size_t k = 0; k < part->n_kv; k++) {
        const struct bnt_gguf_kv *kv = &part->kv[k], *other = bnt_gguf_find_key(first, kv->key);
        if (bnt_str_eq(kv->key, "split.no") || bnt_str_eq(kv->key, "general.alignment")) continue;
        if (!other || !same_value(kv, other))
            return bnt_fail(err, BNT_E_FORMAT, "key '%s' is %s",
                            bnt_printable(name, sizeof name, kv->key.ptr, kv->key.len),
                            other ? "not what it is in the first part" : "not in the first part");
    }
    first->header_size += part->header_size;
    if (first->header_size > BNT_GGUF_MAX_HEADER)
        return bnt_fail(err, BNT_E_LIMIT,
                        "the headers up to this part have %zu bytes; at most %d are read",
                        first->header_size, BNT_GGUF_MAX_HEADER);
    return BNT_OK;
}

/* The first part lists all tensors; the others are its own from now on, also on failure. */
static int join(struct bnt_gguf *first, struct bnt_gguf **rest, size_t n, struct bnt_err *err) {
    size_t total = first->n_tensors;
    uint64_t stated;
    first->rest = rest;
    first->n_rest = n;
    for (size_t i = 0; i < n; i++) total += rest[i]->n_tensors;
    if (!bnt_gguf_u64(first, "split.tensors.count", &stated))
        return bnt_fail(err, BNT_E_FORMAT, "split.tensors.count is missing or no integer");
    if (total > BNT_GGUF_MAX_TENSORS)
        return bnt_fail(err, BNT_E_LIMIT, "%zu tensors in all parts; at most %d are read", total,
                        BNT_GGUF_MAX_TENSORS);
    if (stated != total)
        return bnt_fail(err, BNT_E_FORMAT,
                        "the parts hold %zu tensors, split.tensors.count says %" PRIu64, total,
                        stated);
    struct bnt_gguf_tensor *all = realloc(first->tensors, (total ? total : 1) * sizeof *all);
    if (!all) return bnt_fail_nomem(err, "the GGUF directory", total * sizeof *all);
    first->tensors = all;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < rest[i]->n_tensors; k++) {
            struct bnt_gguf_tensor *t = &all[first->n_tensors++];
            *t = rest[i]->tensors[k];
            t->part = (uint32_t)i + 1;
        }
    }
    return bnt_gguf_index(first, err);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Part `no` beside `path`, whose name ends as a part's does; malloc'd. */
static char *part_path(const char *path, uint64_t no, uint64_t count) {
    size_t size = strlen(path) + 1;
    char *other = malloc(size);
    if (other)
        snprintf(other, size, "%.*s-%05" PRIu64 "-of-%05" PRIu64 ".gguf", (int)(size - 1 - SUFFIX),
                 path, no + 1, count);
    return other;
}

static bool is_named(const char *path, const struct place *p) {
    char suffix[SUFFIX + 1];
    size_t n = strlen(path);
    snprintf(suffix, sizeof suffix, "-%05u-of-%05u.gguf", (unsigned)p->no + 1, (unsigned)p->count);
    return n > SUFFIX && strcmp(path + n - SUFFIX, suffix) == 0;
}

static int open_rest(struct bnt_gguf *first, const char *path, const struct place *p,
                     struct bnt_err *err) {
    struct bnt_gguf **rest = calloc(p->count - 1, sizeof *rest);
    struct bnt_err why = {0};
    size_t n = 0;
    int status = BNT_OK;
    if (!rest) return bnt_fail_nomem(err, "the parts", p->count * sizeof *rest);
    while (n + 1 < p->count && status == BNT_OK) {
        char *name = part_path(path, n + 1, p->count);
        if (!name) {
            status = bnt_fail_nomem(err, "the parts", strlen(path));
            break;
        }
        status = bnt_gguf_open_file(&rest[n], name, &why);
        if (status != BNT_OK) {
            bnt_fail(err, status, "part %zu of %" PRIu64 " of the model: %.480s", n + 2, p->count,
                     why.text);
        } else {
            n++;
            status = check_part(first, p, rest[n - 1], n, &why);
            if (status != BNT_OK) bnt_fail(err, status, "%s: %.400s", name, why.text);
        }
        free(name);
    }
    if (status == BNT_OK) {
        status = join(first, rest, n, &why);
        return status == BNT_OK ? status : bnt_fail(err, status, "%s: %.500s", path, why.text);
    }
    while (n) bnt_gguf_close(rest[--n]);
    free(rest);
    return status;
}

int bnt_gguf_open(struct bnt_gguf **out, const char *path, struct bnt_err *err) {
    struct bnt_err why = {0};
    struct place p;
    int status = bnt_gguf_open_file(out, path, err);
    if (status != BNT_OK) return status;
    status = read_place(&p, *out, &why);
    if (status != BNT_OK) {
        bnt_fail(err, status, "%s: %.500s", path, why.text);
    } else if (p.count > 1 && !is_named(path, &p)) {
        status = bnt_fail(err, BNT_E_FORMAT,
                          "%s: part %" PRIu64 " of %" PRIu64 " of a model, but its name does not "
                          "end in -%05" PRIu64 "-of-%05" PRIu64 ".gguf, so the others cannot be "
                          "found",
                          path, p.no + 1, p.count, p.no + 1, p.count);
    } else if (p.no > 0) {
        char *name = part_path(path, 0, p.count);
        status = bnt_fail(err, BNT_E_FORMAT,
                          "%s: part %" PRIu64 " of %" PRIu64 " of a model; it is opened by its "
                          "first part, %s",
                          path, p.no + 1, p.count, name ? name : "-00001-of-...");
        free(name);
    } else if (p.count > 1) {
        status = open_rest(*out, path, &p, err);
    }
    if (status == BNT_OK) return status;
    bnt_gguf_close(*out);
    *out = NULL;
    return status;
}

int bnt_gguf_open_without(struct bnt_gguf **out, const char *path, const char *const *keys,
                          unsigned n, struct bnt_err *err) {
    *out = NULL;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(keys[i], "general.alignment") == 0 || strncmp(keys[i], "split.", 6) == 0)
            return bnt_fail(
                err, BNT_E_USAGE,
                "the key '%.60s' says how the file itself is read, and cannot be ignored", keys[i]);
    int status = bnt_gguf_open(out, path, err);
    for (unsigned i = 0; i < n && status == BNT_OK; i++) bnt_gguf_ignore(*out, keys[i]);
    return status;
}

int bnt_gguf_open_parts(struct bnt_gguf **out, const struct bnt_gguf_memory *parts, size_t count,
                        struct bnt_err *err) {
    struct bnt_gguf **rest = calloc(count, sizeof *rest);
    struct place p = {0, 1};
    size_t n = 0;
    *out = NULL;
    if (!rest) return bnt_fail_nomem(err, "the parts", count * sizeof *rest);
    int status = bnt_gguf_open_memory(out, parts[0].data, parts[0].size, err);
    if (status == BNT_OK) status = read_place(&p, *out, err);
    if (status == BNT_OK && (p.no != 0 || p.count != count))
        status = bnt_fail(err, BNT_E_FORMAT, "part %" PRIu64 " of %" PRIu64 " stands first of %zu",
                          p.no + 1, p.count, count);
    while (n + 1 < count && status == BNT_OK) {
        status = bnt_gguf_open_memory(&rest[n], parts[n + 1].data, parts[n + 1].size, err);
        if (status != BNT_OK) break;
        n++;
        status = check_part(*out, &p, rest[n - 1], n, err);
    }
    if (status == BNT_OK && count > 1) {
        status = join(*out, rest, n, err);
        rest = NULL;
        n = 0;
    }
    while (n) bnt_gguf_close(rest[--n]);
    free(rest);
    if (status == BNT_OK) return status;
    bnt_gguf_close(*out);
    *out = NULL;
    return status;
}

/* ---- the files -------------------------------------------------------------------------------
 */

static const struct bnt_gguf *file_at(const struct bnt_gguf *g, size_t i) {
    return i ? g->rest[i - 1] : g;
}

/* The part that has that byte mapped. */
static const struct bnt_gguf *file_of(const struct bnt_gguf *g, const void *at) {
    for (size_t i = 0; i < g->n_rest; i++) {
        uintptr_t begin = (uintptr_t)g->rest[i]->bytes;
        if ((uintptr_t)at >= begin && (uintptr_t)at - begin < g->rest[i]->size) return g->rest[i];
    }
    return g;
}

size_t bnt_gguf_parts(const struct bnt_gguf *g) {
    return 1 + g->n_rest;
}

const uint8_t *bnt_gguf_part(const struct bnt_gguf *g, size_t i, size_t *size) {
    *size = file_at(g, i)->size;
    return file_at(g, i)->bytes;
}

uint64_t bnt_gguf_size(const struct bnt_gguf *g) {
    uint64_t size = g->size;
    for (size_t i = 0; i < g->n_rest; i++) size += g->rest[i]->size;
    return size;
}

void bnt_gguf_copy(const struct bnt_gguf *g, const void *at, size_t size, void *out) {
    const struct bnt_gguf *file = file_of(g, at);
    off_t from = (const uint8_t *)at - file->bytes;
    ssize_t got = file->fd >= 0 ? pread(file->fd, out, size, from) : -1;
    if (got != (ssize_t)size) memcpy(out, at, size);
}

void bnt_gguf_release(const struct bnt_gguf *g, const void *at, size_t size) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t lo = ((uintptr_t)at + page - 1) & ~(page - 1),
              hi = ((uintptr_t)at + size) & ~(page - 1);
    if (g->fd >= 0 && lo < hi) madvise((void *)lo, hi - lo, MADV_DONTNEED);
}
