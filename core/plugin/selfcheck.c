/*
 * selfcheck.c - see selfcheck.h: the driver, and what its parts share.
 *
 * Must not know files, plugins or CPUs: two tables go in, a verdict comes out. Groups that are the
 * judge's own are not checked against themselves.
 */
#include "plugin/selfcheck.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/selfcheck_parts.h"
#include "plugin/slots.h"

#define ARENA ((size_t)16 << 20)
#define CANARY 64
#define CANARY_BYTE 0xc5
#define SEED 20261122u

const char *const check_value_names[CHECK_KINDS] = {
    "all +1", "all -1", "one spike", "rounding ties", "denormals", "+-0", "up to 1e30", "random"};

void check_begin(struct check *c, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    vsnprintf(c->where, sizeof c->where, format, ap);
    va_end(ap);
    if (c->options->step) {
        char what[200];
        snprintf(what, sizeof what, "the self-check of group %s: %s", c->group, c->where);
        c->options->step(c->options->arg, what);
    }
    c->used = 0;
    c->count = 0;
}

int check_fail(struct check *c, const char *slot, const char *what) {
    return bnt_fail(c->err, BNT_E_MISMATCH, "%s (%s): %s", slot, c->where, what);
}

void *check_take(struct check *c, uint64_t bytes, uint32_t align, int fill) {
    if (align == 0 || (align & (align - 1)) || align > 4096) {
        check_fail(c, "a layout", "the alignment is no power of two up to 4096");
        return NULL;
    }
    if (align < 64) align = 64;
    size_t at = (c->used + CANARY + align - 1) & ~((size_t)align - 1);
    if (c->count == CHECK_BLOCKS || bytes > c->arena_size - CANARY ||
        at > c->arena_size - CANARY - bytes) {
        check_fail(c, "a layout", "it asks for far more memory than the data needs");
        return NULL;
    }
    unsigned char *p = c->arena + at;
    memset(p - CANARY, CANARY_BYTE, CANARY);
    memset(p, fill, bytes);
    memset(p + bytes, CANARY_BYTE, CANARY);
    c->blocks[c->count++] = (struct check_block){p, bytes};
    c->used = at + bytes + CANARY;
    return p;
}

int check_end(struct check *c, const char *slot) {
    unsigned char clean[CANARY];
    memset(clean, CANARY_BYTE, sizeof clean);
    for (unsigned i = 0; i < c->count; i++) {
        const struct check_block *b = &c->blocks[i];
        if (memcmp(b->at - CANARY, clean, CANARY) != 0) {
            return check_fail(c, slot, "it wrote in front of a buffer");
        }
        if (memcmp(b->at + b->size, clean, CANARY) != 0) {
            return check_fail(c, slot, "it wrote past the end of a buffer");
        }
    }
    return BNT_OK;
}

/* SplitMix64. */
uint64_t check_random(struct check *c) {
    uint64_t z = c->seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void check_floats(struct check *c, float *x, size_t n, enum check_values kind) {
    for (size_t i = 0; i < n; i++) {
        uint64_t r = check_random(c);
        float unit = (float)(int32_t)(r >> 40) * 0x1p-23f - 1.0f; /* [-1, 1) */
        uint32_t sign = (uint32_t)r & 0x80000000u;
        switch (kind) {
        case CHECK_ONES: x[i] = 1.0f; break;
        case CHECK_MINUS: x[i] = -1.0f; break;
        case CHECK_SPIKE: x[i] = i + 1 == n ? 1000.0f : unit * 0.001f; break;
        case CHECK_TIES: x[i] = i % 64 == 5 ? 127.0f : (float)((int)(r % 254) - 127) + 0.5f; break;
        case CHECK_DENORMALS:
            x[i] = bnt_f32_from_bits(sign | ((uint32_t)(r >> 33) & 0x7fffffu) >> r % 23);
            break;
        case CHECK_ZEROS: x[i] = bnt_f32_from_bits(sign); break;
        case CHECK_BIG: x[i] = unit * 1e30f; break;
        default: x[i] = unit * 3.0f; break;
        }
    }
}

int check_f32(struct check *c, const char *slot, const float *got, const float *want, size_t n,
              size_t ld) {
    const uint32_t untouched = 0x01010101u * CHECK_FILL;
    if (memcmp(got, want, n * sizeof *got) == 0) return BNT_OK;
    for (size_t i = 0; i < n; i++) {
        uint32_t g, w;
        memcpy(&g, got + i, sizeof g);
        memcpy(&w, want + i, sizeof w);
        if (g == w) continue;
        if (w == untouched) {
            return bnt_fail(c->err, BNT_E_MISMATCH,
                            "%s (%s): [%zu][%zu] is outside the slice and was written", slot,
                            c->where, i / ld, i % ld);
        }
        if (g == untouched) {
            return bnt_fail(c->err, BNT_E_MISMATCH, "%s (%s): [%zu][%zu] was not written", slot,
                            c->where, i / ld, i % ld);
        }
        return bnt_fail(c->err, BNT_E_MISMATCH,
                        "%s (%s): [%zu][%zu] is %.9g (0x%08x), ref-scalar says %.9g (0x%08x)", slot,
                        c->where, i / ld, i % ld, (double)bnt_f32_from_bits(g), g,
                        (double)bnt_f32_from_bits(w), w);
    }
    return BNT_OK;
}

int check_i8(struct check *c, const char *slot, const int8_t *got, const int8_t *want, size_t n,
             size_t ld) {
    if (memcmp(got, want, n) == 0) return BNT_OK;
    size_t i = 0;
    while (got[i] == want[i]) i++;
    return bnt_fail(c->err, BNT_E_MISMATCH, "%s (%s): [%zu][%zu] is %d, expected %d", slot,
                    c->where, i / ld, i % ld, got[i], want[i]);
}

void bnt_shapes_ternary(struct bnt_shapes *s, uint64_t rows, uint64_t cols, uint32_t block) {
    for (uint32_t i = 0; i < s->n_ternary; i++) {
        const bnt_ternary_shape *t = &s->ternary[i];
        if (t->rows == rows && t->cols == cols && t->block == block) return;
    }
    if (s->n_ternary == BNT_SHAPES_MOST) return;
    s->ternary[s->n_ternary++] =
        (bnt_ternary_shape){rows, cols, block, block ? BNT_TYPE_F16 : BNT_TYPE_F32};
}

void bnt_shapes_dense(struct bnt_shapes *s, uint64_t rows, uint64_t cols, uint32_t type) {
    for (uint32_t i = 0; i < s->n_dense; i++) {
        const bnt_dense_shape *d = &s->dense[i];
        if (d->rows == rows && d->cols == cols && d->type == type) return;
    }
    if (s->n_dense == BNT_SHAPES_MOST) return;
    s->dense[s->n_dense++] = (bnt_dense_shape){rows, cols, type, 0};
}

const char *bnt_layout_too_small(const bnt_layout *l, uint64_t cells, uint32_t milli_bits,
                                 uint64_t more) {
    uint64_t whole = cells / 8000 * milli_bits + cells % 8000 * milli_bits / 8000;
    if (l->bytes >= more && l->bytes - more >= whole) return NULL;
    return "fewer bytes than the values have information";
}

int check_layout(struct check *c, const char *slot, const bnt_layout *l, uint64_t cells,
                 uint32_t milli_bits, uint64_t more) {
    const char *why = bnt_layout_too_small(l, cells, milli_bits, more);
    return why ? check_fail(c, slot, why) : BNT_OK;
}

int bnt_selfcheck(const bnt_kernels *k, const bnt_kernels *judge,
                  const struct bnt_selfcheck_options *o, struct bnt_err *err) {
    static const struct bnt_selfcheck_options defaults;
    static const struct bnt_shapes nothing;
    static int (*const parts[BNT_GROUPS])(struct check *) = {
        [BNT_TERNARY] = check_ternary, [BNT_DENSE] = check_dense,
        [BNT_VECTOR] = check_vector,   [BNT_ATTENTION] = check_attention,
        [BNT_SEARCH] = check_search,   [BNT_MEASURE] = check_measure,
        [BNT_GELU] = check_gelu,       [BNT_WINDOW] = check_window,
        [BNT_CODES] = check_codes,
    };
    int status = BNT_OK;
    struct check *c = calloc(1, sizeof *c);
    if (!c) return bnt_fail_nomem(err, "the self-check", sizeof *c);
    if (!o) o = &defaults;
    *c = (struct check){.k = k,
                        .judge = judge,
                        .options = o,
                        .shapes = o->shapes ? o->shapes : &nothing,
                        .err = err,
                        .arena_size = ARENA,
                        .seed = SEED};
    c->arena = aligned_alloc(4096, ARENA);
    if (!c->arena) {
        status = bnt_fail_nomem(err, "the self-check", ARENA);
        goto out;
    }
    for (int g = 0; g < BNT_GROUPS && status == BNT_OK; g++) {
        c->group = bnt_group_name((enum bnt_group)g);
        bool tried = bnt_slots_same(k, judge, (enum bnt_group)g) ||
                     (o->known && bnt_slots_same(k, o->known, (enum bnt_group)g));
        if (!tried) status = parts[g](c);
    }
out:
    free(c->arena);
    free(c);
    return status;
}
