/*
 * logprob.c - see logprob.h: exp and log of binary64 by + - * / alone, as clause 11 writes them.
 */
#include "run/logprob.h"

#include <string.h>

#include "bitnet/numerics.h"
#include "run/head.h"

static const double LOG2E = 0x1.71547652b82fep+0, LN2_HI = 0x1.62e42feep-1,
                    LN2_LO = 0x1.a39ef35793c76p-33, SQRT2 = 0x1.6a09e667f3bcdp+0;

static double from_bits(uint64_t bits) {
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static uint64_t to_bits(double d) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

/* x <= 0 */
static double exp_of(double x) {
    static const double factorial[] = {1.0,       1.0,        2.0,         6.0,         24.0,
                                       120.0,     720.0,      5040.0,      40320.0,     362880.0,
                                       3628800.0, 39916800.0, 479001600.0, 6227020800.0};
    if (x < -700.0) return 0.0;
    double n = (x * LOG2E + 0x1.8p52) - 0x1.8p52; /* to the nearest whole number */
    double r = (x - n * LN2_HI) - n * LN2_LO, p = 1.0 / factorial[13];
    for (int k = 12; k >= 0; k--) p = p * r + 1.0 / factorial[k];
    return p * from_bits((uint64_t)(1023 + (int64_t)n) << 52);
}

/* x >= 1 */
static double log_of(double x) {
    const uint64_t bits = to_bits(x);
    double e = (double)((int64_t)(bits >> 52) - 1023);
    double m = from_bits((bits & 0xfffffffffffff) | UINT64_C(1023) << 52);
    if (m > SQRT2) {
        m = m * 0.5;
        e = e + 1.0;
    }
    double s = (m - 1.0) / (m + 1.0), z = s * s, p = 1.0 / 23.0;
    for (int k = 10; k >= 0; k--) p = p * z + 1.0 / (double)(2 * k + 1);
    return e * LN2_HI + ((2.0 * s) * p + e * LN2_LO);
}

struct bnt_softmax bnt_softmax_of(const float *logits, uint32_t n) {
    double lanes[BNT_LANES] = {0};
    float max = logits[0];
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > max) max = logits[i];
    for (uint32_t i = 0; i < n; i++)
        lanes[i % BNT_LANES] += exp_of((double)logits[i] - (double)max);
    for (unsigned half = BNT_LANES / 2; half; half /= 2)
        for (unsigned l = 0; l < half; l++) lanes[l] += lanes[l + half];
    return (struct bnt_softmax){(double)max, log_of(lanes[0])};
}

uint32_t bnt_logprob_best(const struct bnt_softmax *s, const float *logits, uint32_t n, uint32_t k,
                          struct bnt_top *best) {
    uint32_t count = 0;
    if (k == 0) return 0;
    for (uint32_t i = 0; i < n; i++)
        bnt_keep_best(best, &count, k, (struct bnt_top){logits[i], (int32_t)i});
    bnt_sort_best(best, count);
    for (uint32_t i = 0; i < count; i++) best[i].logit = (float)bnt_logprob(s, best[i].logit);
    return count;
}
