/*
 * guard.c - the buffers of a case: each between two pages that cannot be touched.
 *
 * Knows addresses, not kernels. The one idea: an object lies flush against one of its guards, so
 * the first byte read or written beyond it is a fault with an address, and the address says which
 * buffer it was. What alignment leaves over is filled with a pattern and looked at afterwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ck.h"

enum { MAX_BUFFERS = 256, SLACK = 0xc5, POOLED_PAGES = 16 };

static struct buffer {
    const char *name;
    unsigned char *map, *at; /* the first guard; the object */
    size_t page, body, size; /* body: bytes between the guards */
    bool sealed;
} buffers[MAX_BUFFERS];
static unsigned n_buffers;

static _Noreturn void out_of_memory(const char *name, uint64_t bytes) {
    fprintf(stderr, "bitnet-checkkern: no memory for '%s' (%llu bytes)\n", name, (ck_ull)bytes);
    _exit(4);
}

/* Small mappings of earlier cases, by their number of pages: mapping anew costs more than most
 * cases themselves. */
static struct pool {
    unsigned char *map[MAX_BUFFERS];
    unsigned count;
} pools[POOLED_PAGES + 1];

static void release(const struct buffer *b) {
    size_t pages = b->body / b->page;
    struct pool *p = pages <= POOLED_PAGES ? &pools[pages] : NULL;
    if (p && p->count < MAX_BUFFERS &&
        (!b->sealed || mprotect(b->map + b->page, b->body, PROT_READ | PROT_WRITE) == 0))
        p->map[p->count++] = b->map;
    else
        munmap(b->map, b->body + 2 * b->page);
}

void ck_buffers_release(void) {
    while (n_buffers > 0) release(&buffers[--n_buffers]);
}

/* `body` writable zero bytes between two guards. */
static unsigned char *map_body(const char *name, size_t body, size_t page) {
    struct pool *p = body / page <= POOLED_PAGES ? &pools[body / page] : NULL;
    if (p && p->count > 0) {
        unsigned char *map = p->map[--p->count];
        memset(map + page, 0, body);
        return map;
    }
    unsigned char *map =
        mmap(NULL, body + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, body, PROT_READ | PROT_WRITE) != 0)
        out_of_memory(name, body);
    return map;
}

static void fill_slack(const struct buffer *b) {
    unsigned char *first = b->map + b->page, *end = first + b->body;
    memset(first, SLACK, (size_t)(b->at - first));
    memset(b->at + b->size, SLACK, (size_t)(end - (b->at + b->size)));
}

void *ck_buffer(const char *name, uint64_t bytes, uint32_t align, int fill, enum ck_place place) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (align < 1) align = 1;
    if (bytes > UINT64_MAX / 4 || n_buffers == MAX_BUFFERS) out_of_memory(name, bytes);
    size_t skew = place == CK_AT_START_SKEWED && align == 1 ? 1 : 0;
    size_t body = ((size_t)bytes + skew + page - 1) / page * page;
    if (body == 0) body = page;
    unsigned char *map = map_body(name, body, page);
    struct buffer *b = &buffers[n_buffers++];
    *b = (struct buffer){name, map, map + page + skew, page, body, (size_t)bytes, false};
    if (place == CK_AT_END) b->at = map + page + (body - (size_t)bytes) / align * align;
    fill_slack(b);
    if (fill) memset(b->at, fill, b->size);
    return b->at;
}

void *ck_buffer_copy(const char *name, const void *from, uint64_t bytes, uint32_t align,
                     enum ck_place place) {
    void *to = ck_buffer(name, bytes, align, 0, place);
    if (bytes) memcpy(to, from, (size_t)bytes);
    return to;
}

void ck_seal(const void *buffer) {
    for (unsigned i = 0; i < n_buffers; i++) {
        struct buffer *b = &buffers[i];
        if (b->at != buffer) continue;
        if (mprotect(b->map + b->page, b->body, PROT_READ) != 0) out_of_memory(b->name, b->body);
        b->sealed = true;
    }
}

static bool all_slack(const unsigned char *p, const unsigned char *end) {
    while (p < end && *p == SLACK) p++;
    return p >= end;
}

const char *ck_buffers_damage(void) {
    static char text[160];
    for (unsigned i = 0; i < n_buffers; i++) {
        const struct buffer *b = &buffers[i];
        const unsigned char *first = b->map + b->page;
        const char *where = NULL;
        if (!all_slack(first, b->at)) where = "in front of";
        if (!all_slack(b->at + b->size, first + b->body)) where = "past the end of";
        if (!where) continue;
        snprintf(text, sizeof text, "it wrote %s '%s'", where, b->name);
        return text;
    }
    return NULL;
}

char *ck_describe_address(const void *address, bool write, char *dst, size_t size) {
    const unsigned char *p = address;
    for (unsigned i = 0; i < n_buffers; i++) {
        const struct buffer *b = &buffers[i];
        const unsigned char *end = b->at + b->size;
        if (p < b->map || p >= b->map + b->body + 2 * b->page) continue;
        if (p >= end)
            snprintf(dst, size, "%zu bytes past the end of '%s' (%zu bytes)", (size_t)(p - end),
                     b->name, b->size);
        else if (p < b->at)
            snprintf(dst, size, "%zu bytes in front of '%s'", (size_t)(b->at - p), b->name);
        else
            snprintf(dst, size, "%s byte %zu of '%s'%s", write ? "writing" : "reading",
                     (size_t)(p - b->at), b->name, b->sealed ? ", an input" : "");
        return dst;
    }
    snprintf(dst, size, "address %p", address);
    return dst;
}
