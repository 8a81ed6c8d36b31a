/*
 * selfcheck_measure.c - what can be known of a peak without a clock: its count of multiply-adds is
 * steps times a constant, and a kind of loop from a later header is none.
 */
#include "plugin/selfcheck_parts.h"

int check_measure(struct check *c) {
    static const uint32_t kinds[] = {BNT_PEAK_INT8, BNT_PEAK_F32, 1000};
    if (!c->k->peak) return BNT_OK; /* the group is optional */
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        check_begin(c, "kind %u", kinds[i]);
        uint64_t *done = check_take(c, 3 * sizeof *done, 8, CHECK_FILL);
        if (!done) return c->err ? c->err->status : -1;
        for (uint64_t n = 0; n < 3; n++) c->k->peak(&(bnt_peak_args){kinds[i], 0, 7 * n, done + n});
        int status = check_end(c, "peak");
        if (status != BNT_OK) return status;
        if (done[0] != 0 || done[2] != 2 * done[1])
            return check_fail(c, "peak", "its count is not proportional to the steps");
        if ((done[1] != 0) != (kinds[i] <= BNT_PEAK_F32))
            return check_fail(c, "peak",
                              "its count is 0 for a kind of the ABI, or not for another");
    }
    return BNT_OK;
}
