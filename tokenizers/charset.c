/* charset.c - see charset.h. */
#include "charset.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/sort.h"

/* ---- sets -------------------------------------------------------------------------------------
 */

bool bnt_charset_has(const struct bnt_charset *s, int32_t cp, unsigned kind) {
    bool in = s->kinds >> kind & 1;
    for (size_t i = 0; i < s->n_ranges && !in; i++)
        in = cp >= s->ranges[i].first && cp <= s->ranges[i].last;
    return in != s->negated && (!s->also || bnt_charset_has(s->also, cp, kind));
}

int bnt_charset_add_range(struct bnt_charset *s, int32_t first, int32_t last, struct bnt_err *err) {
    struct bnt_range *grown = realloc(s->ranges, (s->n_ranges + 1) * sizeof *grown);
    if (!grown) return bnt_fail_nomem(err, "a set of characters", sizeof *grown);
    s->ranges = grown;
    s->ranges[s->n_ranges++] = (struct bnt_range){first, last};
    return BNT_OK;
}

void bnt_charset_free(struct bnt_charset *s) {
    free(s->ranges);
    memset(s, 0, sizeof *s);
}

#define KIND(name) (UINT32_C(1) << UTF8PROC_CATEGORY_##name)

static const struct {
    const char *name;
    uint32_t kinds;
} properties[] = {
    {"L", KIND(LU) | KIND(LL) | KIND(LT) | KIND(LM) | KIND(LO)},
    {"Lu", KIND(LU)},
    {"Ll", KIND(LL)},
    {"Lt", KIND(LT)},
    {"Lm", KIND(LM)},
    {"Lo", KIND(LO)},
    {"M", KIND(MN) | KIND(MC) | KIND(ME)},
    {"N", KIND(ND) | KIND(NL) | KIND(NO)},
    {"Nd", KIND(ND)},
    {"P", KIND(PC) | KIND(PD) | KIND(PS) | KIND(PE) | KIND(PI) | KIND(PF) | KIND(PO)},
    {"S", KIND(SM) | KIND(SC) | KIND(SK) | KIND(SO)},
};

/* Scripts.txt of Unicode 15.0, Script=Han. */
static const struct bnt_range han[] = {
    {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},
    {0x3007, 0x3007},   {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},   {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3},
    {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
    {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2F800, 0x2FA1D}, {0x30000, 0x3134A},
    {0x31350, 0x323AF},
};

int bnt_charset_add_property(struct bnt_charset *s, const char *name, size_t len,
                             struct bnt_err *err) {
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (strlen(properties[i].name) != len || memcmp(properties[i].name, name, len) != 0)
            continue;
        s->kinds |= properties[i].kinds;
        return BNT_OK;
    }
    if (len != 3 || memcmp(name, "Han", 3) != 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "no property \\p{%.*s}", (int)len, name);
    for (size_t i = 0; i < sizeof han / sizeof han[0]; i++) {
        int rc = bnt_charset_add_range(s, han[i].first, han[i].last, err);
        if (rc) return rc;
    }
    return BNT_OK;
}

/* ---- classes ----------------------------------------------------------------------------------
 */

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Where ranges of the set, and of those it is met with, begin and have ended, beyond ASCII. */
static void add_bounds(struct bnt_classes *c, const struct bnt_charset *s) {
    for (; s; s = s->also) {
        for (size_t i = 0; i < s->n_ranges; i++) {
            if (s->ranges[i].first >= 128) c->bounds[c->n_bounds++] = s->ranges[i].first;
            if (s->ranges[i].last >= 127) c->bounds[c->n_bounds++] = s->ranges[i].last + 1;
        }
    }
}

/* The class of what is in just these sets; a new one if there is none. */
static int class_for(struct bnt_classes *c, uint64_t members, uint8_t *class, struct bnt_err *err) {
    for (unsigned i = 1; i < c->count; i++) {
        if (c->members[i] != members) continue;
        *class = (uint8_t)i;
        return BNT_OK;
    }
    if (c->count > BNT_CLASSES_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "more than %d classes of characters", BNT_CLASSES_MAX);
    c->members[c->count] = members;
    *class = (uint8_t)c->count++;
    return BNT_OK;
}

static int classify(struct bnt_classes *c, const struct bnt_charset *const *sets, size_t n,
                    int32_t cp, unsigned kind, uint8_t *class, struct bnt_err *err) {
    uint64_t members = 0;
    for (size_t i = 0; i < n; i++)
        if (bnt_charset_has(sets[i], cp, kind)) members |= UINT64_C(1) << i;
    return class_for(c, members, class, err);
}

static int fill(struct bnt_classes *c, const struct bnt_charset *const *sets, size_t n,
                struct bnt_err *err) {
    size_t room = 0, unique = 0;
    int rc = BNT_OK;
    for (size_t i = 0; i < n; i++)
        for (const struct bnt_charset *s = sets[i]; s; s = s->also) room += 2 * s->n_ranges;
    c->members = calloc(BNT_CLASSES_MAX + 1, sizeof *c->members);
    c->bounds = calloc(room + 1, sizeof *c->bounds);
    c->cells = calloc(room + 1, sizeof *c->cells);
    if (!c->members || !c->bounds || !c->cells)
        return bnt_fail_nomem(err, "classes of characters", room * sizeof *c->cells);
    for (size_t i = 0; i < n; i++) add_bounds(c, sets[i]);
    bnt_sort(c->bounds, c->n_bounds, sizeof *c->bounds, by_value);
    for (size_t i = 0; i < c->n_bounds; i++)
        if (i == 0 || c->bounds[i] != c->bounds[i - 1]) c->bounds[unique++] = c->bounds[i];
    c->n_bounds = unique;
    c->count = 1;
    for (int32_t cp = 0; cp < 128 && !rc; cp++)
        rc = classify(c, sets, n, cp, bnt_kind_of(cp), &c->ascii[cp], err);
    for (size_t i = 0; i <= c->n_bounds && !rc; i++) {
        int32_t cp = i ? c->bounds[i - 1] : 128; /* any one between these bounds */
        for (unsigned kind = 0; kind < BNT_KINDS && !rc; kind++)
            rc = classify(c, sets, n, kind == BNT_KIND_INVALID ? -1 : cp, kind, &c->cells[i][kind],
                          err);
    }
    return rc;
}

int bnt_classes_init(struct bnt_classes *c, const struct bnt_charset *const *sets, size_t n,
                     struct bnt_err *err) {
    int rc;
    memset(c, 0, sizeof *c);
    if (n > BNT_CHARSETS_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "more than %d sets of characters", BNT_CHARSETS_MAX);
    rc = fill(c, sets, n, err);
    if (rc) bnt_classes_free(c);
    return rc;
}

void bnt_classes_free(struct bnt_classes *c) {
    free(c->members);
    free(c->bounds);
    free(c->cells);
    memset(c, 0, sizeof *c);
}

unsigned bnt_class_beyond_ascii(const struct bnt_classes *c, int32_t cp) {
    size_t lo = 0, hi = c->n_bounds;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->bounds[mid] <= cp)
            lo = mid + 1;
        else
            hi = mid;
    }
    return c->cells[lo][bnt_kind_of(cp)];
}
