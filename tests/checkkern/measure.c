/*
 * measure.c - the loop that is timed for the machine's peak. How fast it is nobody can check here;
 * that it counts what it does, ends, and leaves the caller's state alone can be.
 */
#include "measure.h"

#include <stdio.h>

void ck_plan_peak(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t steps[] = {1, 0, 2, 1000};
    for (uint32_t kind = 0; kind < 4; kind++) { /* the last two are none */
        for (size_t i = 0; i < CK_COUNT(steps); i++)
            ck_add(list, (struct ck_case){.type = kind, .rows = steps[i]});
        for (int i = 0; i < (long_run ? 20 : 2); i++)
            ck_add(list, (struct ck_case){.type = kind, .rows = ck_below(r, 100000)});
    }
}

char *ck_describe_peak(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "kind %u, %llu steps", c->type, (ck_ull)c->rows);
    return dst;
}

static uint64_t count(struct ck_ctx *ctx, uint64_t steps) {
    uint64_t *done = ck_buffer("done", sizeof *done, 8, CK_CANARY, CK_AT_END);
    CK_CALL(ctx, peak, (&(bnt_peak_args){ctx->c->type, 0, steps, done}));
    return *done;
}

enum ck_outcome ck_run_peak(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    if (!BNT_HAS(ctx->k, peak)) return CK_UNSUPPORTED;
    uint64_t one = count(ctx, 1), all = count(ctx, c->rows);
    if ((one != 0) != (c->type <= BNT_PEAK_F32))
        ck_fail(ctx, "it counts %llu multiply-adds a step", (ck_ull)one);
    if (all != one * c->rows)
        ck_fail(ctx, "it counts %llu multiply-adds a step, and %llu in all", (ck_ull)one,
                (ck_ull)all);
    return CK_PASSED;
}
