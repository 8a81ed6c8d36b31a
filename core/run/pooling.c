/* pooling.c - see pooling.h. */
#include "run/pooling.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "run/engine.h"

int bnt_pooling_of(const struct bnt_engine *engine, enum bnt_pooling *pooling,
                   struct bnt_err *err) {
    static const enum bnt_pooling known[] = {[1] = BNT_POOL_MEAN, BNT_POOL_FIRST, BNT_POOL_LAST};
    char key[128];
    snprintf(key, sizeof key, "%.100s.pooling_type", engine->info.architecture);
    const struct bnt_gguf_kv *kv = bnt_gguf_find(engine->gguf, key);
    const int64_t value = kv ? bnt_gguf_int_at(kv, 0) : -1;
    const bool unsaid = value == -1 || value == UINT32_MAX;
    if (!unsaid && (value < 1 || value >= (int64_t)(sizeof known / sizeof known[0])))
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "%s is %" PRId64 ", %s; --ignore-key=%s takes the mean", key, value,
                        value == 0 ? "which is one vector for each token, and none for a text"
                                   : "no pooling of hidden states",
                        key);
    *pooling = unsaid ? BNT_POOL_MEAN : known[value];
    return BNT_OK;
}

void bnt_normalize(float *v, uint32_t n) {
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) sum += (double)v[i] * (double)v[i];
    const double length = sqrt(sum);
    for (uint32_t i = 0; i < n && length > 0.0; i++) v[i] = (float)((double)v[i] / length);
}
