/*
 * utf8.c - sets of characters, and how they are spelled in UTF-8.
 *
 * A range of code points falls apart into ranges whose spellings are a box: one range of bytes for
 * each place.
 */
#include <stdlib.h>

#include "base/sort.h"
#include "grammar.h"

static int by_low(const void *a, const void *b) {
    const struct bnt_code_range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

size_t bnt_ranges_normal(struct bnt_code_range *ranges, size_t n) {
    size_t kept = 0;
    bnt_sort(ranges, n, sizeof *ranges, by_low);
    for (size_t i = 0; i < n; i++) {
        if (ranges[i].lo > ranges[i].hi) continue;
        if (kept && ranges[i].lo <= ranges[kept - 1].hi + 1) {
            if (ranges[i].hi > ranges[kept - 1].hi) ranges[kept - 1].hi = ranges[i].hi;
        } else {
            ranges[kept++] = ranges[i];
        }
    }
    return kept;
}

size_t bnt_ranges_invert(const struct bnt_code_range *ranges, size_t n,
                         struct bnt_code_range *out) {
    size_t kept = 0;
    uint32_t from = 0;
    for (size_t i = 0; i < n && from <= 0x10FFFF; i++) {
        if (ranges[i].lo > from) out[kept++] = (struct bnt_code_range){from, ranges[i].lo - 1};
        from = ranges[i].hi + 1;
    }
    if (from <= 0x10FFFF) out[kept++] = (struct bnt_code_range){from, 0x10FFFF};
    return kept;
}

size_t bnt_ranges_both(const struct bnt_code_range *a, size_t na, const struct bnt_code_range *b,
                       size_t nb, struct bnt_code_range *out) {
    size_t kept = 0, i = 0, j = 0;
    while (i < na && j < nb) {
        uint32_t lo = a[i].lo > b[j].lo ? a[i].lo : b[j].lo;
        uint32_t hi = a[i].hi < b[j].hi ? a[i].hi : b[j].hi;
        if (lo <= hi) out[kept++] = (struct bnt_code_range){lo, hi};
        if (a[i].hi < b[j].hi)
            i++;
        else
            j++;
    }
    return kept;
}

static size_t spell(uint32_t cp, uint8_t out[4]) {
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (uint8_t)(0xC0 | cp >> 6);
        out[1] = (uint8_t)(0x80 | (cp & 63));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (uint8_t)(0xE0 | cp >> 12);
        out[1] = (uint8_t)(0x80 | (cp >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (cp & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | cp >> 18);
    out[1] = (uint8_t)(0x80 | (cp >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (cp >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (cp & 63));
    return 4;
}

struct boxes {
    struct bnt_grammar *g;
    bnt_expr *list;
    size_t count, capacity;
    struct bnt_byte_class ascii;
};

static void add(struct boxes *b, bnt_expr e) {
    if (b->count == b->capacity) {
        size_t n = 2 * b->capacity + 16;
        bnt_expr *list = reallocarray(b->list, n, sizeof *list);
        if (!list) {
            bnt_grammar_fail(b->g, BNT_E_NOMEM, "no memory for a set of characters");
            return;
        }
        b->list = list;
        b->capacity = n;
    }
    b->list[b->count++] = e;
}

/* lo and hi are spelled in as many bytes. Cuts where the bytes behind a place do not run through
 * all of their values. */
static void cut(struct boxes *b, uint32_t lo, uint32_t hi) {
    uint8_t first[4], last[4];
    size_t n = spell(lo, first);
    spell(hi, last);
    for (size_t i = 1; i < n; i++) {
        uint32_t mask = (UINT32_C(1) << 6 * i) - 1; /* the values of the last i bytes */
        if ((lo & ~mask) == (hi & ~mask)) continue;
        if (lo & mask) {
            cut(b, lo, lo | mask);
            cut(b, (lo | mask) + 1, hi);
            return;
        }
        if ((hi & mask) != mask) {
            cut(b, lo, (hi & ~mask) - 1);
            cut(b, hi & ~mask, hi);
            return;
        }
    }
    bnt_expr parts[4];
    for (size_t i = 0; i < n; i++) parts[i] = bnt_byte_range(b->g, first[i], last[i]);
    add(b, bnt_seq(b->g, parts, n));
}

bnt_expr bnt_utf8_of(struct bnt_grammar *g, const struct bnt_code_range *ranges, size_t n) {
    static const struct bnt_code_range lengths[] = {
        {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};
    struct boxes b = {.g = g};
    for (size_t i = 0; i < n; i++) {
        for (uint32_t c = ranges[i].lo; c <= ranges[i].hi && c < 0x80; c++)
            b.ascii.bits[c / 64] |= UINT64_C(1) << c % 64;
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            uint32_t lo = ranges[i].lo > lengths[l].lo ? ranges[i].lo : lengths[l].lo;
            uint32_t hi = ranges[i].hi < lengths[l].hi ? ranges[i].hi : lengths[l].hi;
            if (lo <= hi) cut(&b, lo, hi);
        }
    }
    add(&b, bnt_byte_of(g, &b.ascii));
    bnt_expr e = bnt_alt(g, b.list, b.count);
    free(b.list);
    return e;
}
