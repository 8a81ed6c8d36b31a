/*
 * ck.h - what the parts of bitnet-checkkern share: a kernel set under test, a case, its context.
 *
 * The checker knows plugin.h and the judge, and nothing of what is inside a plugin. The one idea:
 * a case is a slot, a shape and a class of inputs; it is made from (seed, slot, number) alone, so
 * any case can be repeated by itself; it runs in a child process, whose death is a result too; and
 * it is judged by bytes.
 */
#ifndef CHECKKERN_CK_H
#define CHECKKERN_CK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/plugin.h"
#include "plugin/slots.h"

/* Under a sanitizer its own run-time reports faults; signal handlers and foreign stacks would only
 * be in its way. Children still die alone, so crashes are counted all the same. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define CK_SANITIZED 1
#endif
#endif
#ifndef CK_SANITIZED
#define CK_SANITIZED 0
#endif

#define CK_COUNT(array) (sizeof(array) / sizeof *(array))

/* The stack a kernel gets. Real threads have more; a kernel that needs more than this has arrays
 * that should be tiles. Documented in bitnet-checkkern(1). */
#define CK_STACK_BYTES ((size_t)256 << 10)

extern const bnt_plugin bnt_judge_plugin; /* ref-scalar, linked in */

/* ---- a kernel set ------------------------------------------------------------------------- */

enum { CK_SEGMENTS = 8 };

struct ck_segment { /* memory of the plugin's own that a kernel could write: .data and .bss */
    const unsigned char *at;
    size_t size;
};

struct ck_set {
    char plugin[64], variant[64];
    char path[4096]; /* "" for the linked-in ref-scalar */
    bnt_kernels k;   /* complete: what it leaves out is the judge's */
    const bnt_kernels *judge;
    char base[64];            /* the plugin it extends, or "" */
    struct bnt_makers makers; /* of its slots: what others made is not tested here */
    struct ck_segment segments[CK_SEGMENTS];
    unsigned n_segments;
};

/* ---- inputs ------------------------------------------------------------------------------- */

struct ck_rng {
    uint64_t state;
};
uint64_t ck_next(struct ck_rng *r);
uint32_t ck_below(struct ck_rng *r, uint32_t n); /* 0 .. n-1 */
float ck_normal(struct ck_rng *r);               /* nearly normal, within +-3.5 */
void ck_seed(struct ck_rng *r, uint64_t seed, const char *name, uint64_t number);

/* Classes of inputs, the edges first. */
enum ck_kind {
    CK_ONES, /* trits: all +1; floats: all equal, so that all quantize to +127 */
    CK_MINUS_ONES,
    CK_ZEROS,
    CK_SPIKE,       /* one large value among zeros and tiny ones */
    CK_ALTERNATING, /* signs alternate, magnitudes are equal */
    CK_TIES,        /* x * s is k + 1/2 exactly, whatever the block */
    CK_NEAR_TIES,   /* within two units in the last place of a tie, for any maximum */
    CK_DENORMAL,
    CK_SIGNED_ZEROS,
    CK_TINY,    /* all 1e-30 (a dense weight: -1e-30): products vanish, and leave a sign */
    CK_HUGE,    /* +-1e30 and around it */
    CK_LARGEST, /* up to the largest finite value */
    CK_RANDOM,
    CK_WIDE, /* normal times powers of two from 2^-20 to 2^20 */
    CK_KINDS
};
const char *ck_kind_name(enum ck_kind kind);
void ck_floats(struct ck_rng *r, float *x, size_t n, enum ck_kind kind);
void ck_trits(struct ck_rng *r, int8_t *w, size_t n, enum ck_kind kind);
/* Finite; binary16 values where scale_type promises it. */
void ck_scales(struct ck_rng *r, float *s, size_t n, uint32_t scale_type);
/* n weights, whole blocks, of a tensor as a file could hold it: any codes, finite factors. */
void ck_dense_fill(struct ck_rng *r, uint32_t type, uint8_t *p, uint64_t n, enum ck_kind kind);

/* ---- buffers: guard.c --------------------------------------------------------------------- */

/* Where a buffer lies between its two guard pages. A byte that must be aligned may leave a little
 * room in front of the far guard; what is written there is found afterwards. */
enum ck_place { CK_AT_END, CK_AT_START, CK_AT_START_SKEWED /* + 1 byte where alignment is 1 */ };

void ck_buffers_release(void);
/* Memory filled with `fill` (0: untouched zero pages, so that a buffer may be far larger than
 * memory). NULL is never returned; the process exits with a message when memory is short. */
void *ck_buffer(const char *name, uint64_t bytes, uint32_t align, int fill, enum ck_place place);
void *ck_buffer_copy(const char *name, const void *from, uint64_t bytes, uint32_t align,
                     enum ck_place place);
void ck_seal(const void *buffer);    /* read-only from here on */
const char *ck_buffers_damage(void); /* "wrote in front of 'y'", or NULL */
char *ck_describe_address(const void *address, bool write, char *dst, size_t size);

/* Filling byte of outputs: as binary32 a NaN that no kernel computes. */
enum { CK_CANARY = 0xa7 };

/* ---- a case ------------------------------------------------------------------------------- */

struct ck_case { /* a slot uses the fields it knows */
    uint64_t rows, cols, tokens, pos;
    uint32_t block, scale_type, type;
    uint32_t dim, n_rot, heads, kv_heads, style;
    enum ck_kind w, x;
    bool far; /* only the last rows of an object larger than 4 GiB */
};

struct ck_cases {
    struct ck_case *at;
    size_t count, room;
};
void ck_add(struct ck_cases *list, struct ck_case c);

struct ck_ctx {
    const struct ck_set *set;
    const bnt_kernels *k, *judge;
    const struct ck_case *c;
    struct ck_rng rng;
    const char *slot; /* under test */
    char range[160];  /* the slice that was computed last */
};

enum ck_outcome { CK_PASSED, CK_UNSUPPORTED /* the plugin does not take this shape */ };

/* One test for each slot of plugin.h. `plan` lists the cases, edges first; `describe` says what a
 * case is, in one line. */
struct ck_test {
    const char *slot;
    size_t offset; /* in bnt_kernels */
    void (*plan)(struct ck_cases *list, struct ck_rng *r, bool long_run);
    enum ck_outcome (*run)(struct ck_ctx *ctx);
    char *(*describe)(const struct ck_case *c, char *dst, size_t size);
};
extern const struct ck_test ck_tests[];
extern const size_t ck_test_count;

/* Ends the case as failed, with a line of text. */
_Noreturn void ck_fail(struct ck_ctx *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- calling: call.c ---------------------------------------------------------------------- */

/* Calls a slot of the set under test on a small stack, then looks at what a kernel must leave
 * alone: callee-saved registers, floating-point control, x87 and direction flag, the arguments. */
#define CK_CALL(ctx, slot_, args_)                                                                 \
    ((void)sizeof((ctx)->k->slot_(args_), 0),                                                      \
     ck_call((ctx), #slot_, offsetof(bnt_kernels, slot_), (args_), sizeof *(args_)))
void ck_call(struct ck_ctx *ctx, const char *slot, size_t offset, const void *args, size_t size);
/* The same for the answers of *_layout slots, which are checked for sense. */
#define CK_LAYOUT(ctx, slot_, shape_, out_)                                                        \
    ck_layout((ctx), #slot_, (ctx)->k->slot_((shape_), (out_)), (out_))
enum ck_outcome ck_layout(struct ck_ctx *ctx, const char *slot, int32_t answer,
                          const bnt_layout *layout);
void ck_call_open(void); /* once in a process: the stack, the signal handlers */
bool ck_is_stack_guard(const void *address);
size_t ck_stack_used(void);      /* the most that any call of this process has used */
void ck_stage(const char *slot); /* for the report of a crash: what is being called */

/* ---- expecting: expect.c ------------------------------------------------------------------ */

/* Outputs are grids of floats (or bytes): `want` has everything, `so_far` what was asked for up to
 * now with canaries elsewhere, `got` is the plugin's. After each call the slice is copied from want
 * to so_far, and so_far and got are compared whole: wrong values, missing ones and stray ones. */
struct ck_grid {
    const char *name;
    void *want, *so_far, *got;
    uint64_t ld, count; /* elements from row to row, and in all */
    size_t size;        /* of an element: 1 or 4 */
};
/* want is the judge's, made by the caller; so_far and got are made here. */
struct ck_grid ck_grid_of(const char *name, void *want, uint64_t count, uint64_t ld, size_t size,
                          enum ck_place place);
/* The same for an output that is an input as well: both begin as copies of `start`. */
struct ck_grid ck_grid_in_place(const char *name, void *want, const void *start, uint64_t count,
                                uint64_t ld, size_t size, enum ck_place place);
void ck_grid_take(struct ck_grid *g, uint64_t row_lo, uint64_t row_hi, uint64_t lo, uint64_t hi);
void ck_grid_compare(struct ck_ctx *ctx, const struct ck_grid *g);

struct ck_slices {
    uint64_t lo[10], hi[10];
    unsigned count;
};
/* [lo, hi) in one slice; or cut in up to nine, in random order, one of them empty now and then; or
 * the same of a random part of it. */
struct ck_slices ck_whole(uint64_t lo, uint64_t hi);
struct ck_slices ck_cut(struct ck_rng *r, uint64_t lo, uint64_t hi);
struct ck_slices ck_cut_part(struct ck_rng *r, uint64_t lo, uint64_t hi);
void ck_say(struct ck_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define CK_ROUNDS 2 /* 0: one call, buffers end at a guard; 1: slices, buffers begin at one */
static inline enum ck_place ck_place_of(int round) {
    return round == 0 ? CK_AT_END : CK_AT_START;
}

typedef unsigned long long ck_ull; /* for printf */

#endif
