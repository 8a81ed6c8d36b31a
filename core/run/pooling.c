/* pooling.c - see pooling.h. */
#include "run/pooling.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "run/engine.h"

int bnt_pooling_of(const struct bnt_engine *engine, enum bnt_pooling *pooling,
                   struct bnt_err *err) {
    static const enum bnt_pooling known[] = {BNT_POOL_MEAN, BNT_POOL_MEAN, BNT_POOL_FIRST,
                                             BNT_POOL_LAST};
    char key[128];
    uint64_t value = 0;
    snprintf(key, sizeof key, "%.100s.pooling_type", engine->info.architecture);
    bnt_gguf_u64(engine->gguf, key, &value);
    if (value >= sizeof known / sizeof known[0])
        return bnt_fail(err, BNT_E_UNSUPPORTED, "%s is %" PRIu64 ": no pooling of hidden states",
                        key, value);
    *pooling = known[value];
    return BNT_OK;
}

void bnt_normalize(float *v, uint32_t n) {
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    const double length = sqrt(sum);
    for (uint32_t i = 0; i < n && length > 0.0; i++) v[i] = (float)((double)v[i] / length);
}
