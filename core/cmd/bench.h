/*
 * bench.h - what `bitnet bench` measured, between its parts: bench.c measures, bench_report.c
 * prints.
 */
#ifndef BNT_CMD_BENCH_H
#define BNT_CMD_BENCH_H

#include "bench/limits.h"
#include "cmd/cmd.h"
#include "machine/usage.h"

struct bench_test {
    char name[24];         /* pp512, tg128 */
    unsigned team;         /* index in the list of thread counts */
    uint32_t depth, count; /* tokens in the context before; tokens that are timed, of each */
    uint32_t batch;        /* sequences */
    uint32_t accept;       /* guesses of a hundred that are right; 0: none are made */
    uint64_t drafted, accepted;
    unsigned depth_index;
    bool decode, cached;     /* cached: what it reads fits into a cache, and memory is no limit */
    double *rates;           /* [repetitions] tokens per second, sorted at the end */
    double min, median, max; /* of them */
    double *beside;          /* [repetitions] the limit just before and after each, on average */
    /* Of the best the machine gave in this run, and of what it gave beside each repetition, the
     * median; 0 when that is not known. */
    double limit_fraction, beside_fraction;
    double read_fraction, int8_fraction; /* of both limits' best; 0: not known */
};

struct bench {
    const struct cmd_args *args;
    struct cmd_list threads, sizes[2], depths, batches; /* sizes: of prefill, of decode */
    struct bnt_engine *engine;
    struct bnt_backends *best; /* `auto`: its loop over registers is the machine's peak */
    struct bnt_session *sessions[MAX_LIST];
    struct bnt_meter *meter; /* sessions and its teams by entry of the thread list */
    struct bench_test *tests;
    size_t n_tests;
    double *rates;               /* [tests][2][repetitions], each test's rates and beside */
    int32_t *ids;                /* that prefill is fed, and depth */
    struct bnt_token_list start; /* the prompt of decode: an empty one */
    /* [depths][most_batch][most_made], -1 where none was made yet */
    int32_t *made;
    uint32_t most_batch, most_made;
    double first_token_seconds;
    struct bnt_usage usage;
};

double bench_median(const double *sorted, size_t n);
int bench_by_value(const void *a, const void *b); /* for qsort of doubles */

json_t *bench_known(double x); /* null for what is not known: 0 */
/* The best of a limit in 1e9 a second, by thread count. */
json_t *bench_limit(const struct bnt_meter *m, const struct cmd_list *threads, enum bnt_limit what);
/* bench_decode.c: a decode after the session's tokens, and its time. */
int bench_decode(struct bench *b, struct bench_test *t, double *seconds, struct bnt_err *err);
int bench_report(const struct bench *b, struct bnt_err *err);
int bench_plot(const struct bench *b, struct bnt_output *to, struct bnt_err *err); /* SVG */
/* `bench --kernels`. */
int bench_kernels(const struct cmd_args *args, struct bnt_err *err);

#endif
