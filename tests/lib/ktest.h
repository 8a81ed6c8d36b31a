/*
 * ktest.h - what tests of kernels share: kernel sets to test, guarded memory, edge vectors, random
 * partitions, comparison by bytes.
 *
 * A kernel set is one table of one plugin as one CPU would get it. All sets of all plugins in the
 * build are found by looking, so a new plugin is tested without a line changed here. Memory from
 * kt_alloc ends at a page that cannot be touched; what a slice must not write is a pattern that the
 * judge's copy has as well, so comparing whole buffers finds both wrong values and stray stores.
 */
#ifndef TEST_KTEST_H
#define TEST_KTEST_H

#include <stddef.h>
#include <stdint.h>

#include "bitnet/plugin.h"
#include "rng.h"

extern const bnt_plugin bnt_judge_plugin; /* ref-scalar, linked in */

struct kt_set {
    char name[96]; /* "cpu-avx512/avx512-vnni" */
    const bnt_kernels *k;
};

/* Every set this CPU can run of every plugin in the build; says on stderr what is left out, and
 * why. Returns their number. */
size_t kt_load(struct kt_set *sets, size_t max);

/* The judge's most portable set: no instruction beyond the architecture's baseline. */
const bnt_kernels *kt_judge(void);

/* Memory filled with `byte`, aligned to `align`, that ends less than `align` bytes before a guard
 * page. All of it is released by kt_release. */
void *kt_alloc(size_t bytes, size_t align, int byte);
void *kt_copy(const void *from, size_t bytes, size_t align);
void kt_release(void);

/* Values of a kind; kinds below KT_RANDOM are the edges. */
enum kt_kind {
    KT_ONES,
    KT_MINUS_ONES,
    KT_ZEROS,
    KT_SPIKE,    /* one large value among zeros */
    KT_TIES,     /* k + 1/2 with a maximum of 127: every product lies on a rounding tie */
    KT_DENORMAL, /* binary32 subnormals */
    KT_SIGNED,   /* +0 and -0 */
    KT_HUGE,     /* around 1e30 */
    KT_RANDOM,   /* nearly normal */
    KT_WIDE,     /* normal times powers of two from 2^-20 to 2^20 */
    KT_KINDS
};
const char *kt_kind_name(enum kt_kind kind);
void kt_floats(struct rng *r, float *x, size_t n, enum kt_kind kind);
void kt_trits(struct rng *r, int8_t *w, size_t n,
              enum kt_kind kind); /* ONES .. SPIKE, else random */

/* Cuts [lo, hi) into at most `max` slices, in random order: slice i is cut[2i] .. cut[2i + 1]. */
size_t kt_cuts(struct rng *r, uint64_t lo, uint64_t hi, uint64_t *cut, size_t max);

/* What is being tested, for messages; then a comparison that fails the test with that text. */
void kt_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *kt_context(void);
void kt_same(const char *what, const void *want, const void *got, size_t bytes);

/* The seed of this run: BITNET_SEED, or a constant. */
uint64_t kt_seed(void);

#endif
