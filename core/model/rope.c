/*
 * rope.c - see rope.h.
 *
 * The one idea: plain + - * / in binary64, in one fixed order, are the same everywhere; short
 * Taylor series on small ranges are then exact to about one unit in the last place, far below the
 * binary32 rounding that follows.
 */
#include "model/rope.h"

#include <string.h>

static const double LN2_HI =
    0x1.62e42fee00000p-1; /* ln 2 with 32 trailing zero bits, and the rest */
static const double LN2_LO = 0x1.a39ef35793c76p-33;

/* Nearest integer, ties to even, |x| < 2^51. */
static double rint_f64(double x) {
    const double magic = 0x1.8p52;
    double t = x + magic;
    return t - magic;
}

static double scale_by_power_of_two(double x, int n) {
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double p;
    memcpy(&p, &bits, sizeof p);
    return x * p;
}

double bnt_exp_f64(double x) {
    double n = rint_f64(x * 0x1.71547652b82fep+0); /* 1 / ln 2 */
    double r = (x - n * LN2_HI) - n * LN2_LO;
    double sum = 1.0;
    for (int k = 18; k >= 1; k--) sum = 1.0 + sum * (r / k); /* |r| < 0.35 */
    return scale_by_power_of_two(sum, (int)n);
}

/* log x = n ln 2 + 2 atanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt 2). */
double bnt_log_f64(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL;
    double m, sum = 0.0;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        n += 1;
    }
    double z = (m - 1.0) / (m + 1.0), z2 = z * z; /* |z| < 0.172 */
    for (int k = 21; k >= 1; k -= 2) sum = sum * z2 + 1.0 / k;
    return n * LN2_HI + (n * LN2_LO + 2.0 * z * sum);
}

/* sin and cos on |r| <= pi/4. */
static double sin_small(double r) {
    double r2 = r * r, sum = 1.0;
    for (int k = 18; k >= 2; k -= 2) sum = 1.0 - sum * (r2 / (k * (k + 1)));
    return r * sum;
}

static double cos_small(double r) {
    double r2 = r * r, sum = 1.0;
    for (int k = 19; k >= 1; k -= 2) sum = 1.0 - sum * (r2 / (k * (k + 1)));
    return sum;
}

void bnt_sincos_f64(double x, double *s, double *c) {
    /* pi/2 in three parts; k times the first, of 31 bits, is exact up to k = 2^22, x about 2^22.6,
     * and its error is 2e-9 at most up to BNT_ROPE_MAX_ANGLE. */
    const double P1 = 0x1.921fb54400000p+0, P2 = 0x1.0b4611a600000p-34, P3 = 0x1.3198a2e037073p-69;
    double k = rint_f64(x * 0x1.45f306dc9c883p-1);
    double r = ((x - k * P1) - k * P2) - k * P3;
    double sn = sin_small(r), cs = cos_small(r);
    switch ((int64_t)k & 3) {
    case 0: *s = sn, *c = cs; break;
    case 1: *s = cs, *c = -sn; break;
    case 2: *s = -sn, *c = -cs; break;
    default: *s = -cs, *c = sn; break;
    }
}

/* The dimension (not a whole number) that turns `turns` times within the original context, between
 * 0 and n_rot - 1: a base next to 1 puts it nearly anywhere. */
static double dimension_of_turns(double turns, uint32_t n_rot, double log_base,
                                 const struct bnt_rope_scaling *s) {
    const double two_pi = 0x1.921fb54442d18p+2;
    double d = n_rot * bnt_log_f64(s->original_context / (turns * two_pi)) / (2.0 * log_base);
    return d > 0.0 ? d < n_rot - 1.0 ? d : n_rot - 1.0 : 0.0; /* a NaN gives 0 */
}

void bnt_rope_frequencies(double *freq, uint32_t n_rot, double base,
                          const struct bnt_rope_scaling *s, const float *factors) {
    double log_base = bnt_log_f64(base), low = 0.0, high = 0.0;
    if (s->yarn) { /* whole dimensions, as the method's authors round them */
        low = (double)(int64_t)dimension_of_turns(s->beta_fast, n_rot, log_base, s);
        high = dimension_of_turns(s->beta_slow, n_rot, log_base, s);
        if (high > (double)(int64_t)high) high = (double)((int64_t)high + 1);
        if (high - low < 0.001) high = low + 0.001;
    }
    for (uint32_t i = 0; i < n_rot / 2; i++) {
        double full = bnt_exp_f64(-(2.0 * i / n_rot) * log_base), slow = full / s->factor;
        double keep = s->yarn ? 1.0 - (i - low) / (high - low) : 0.0; /* share of `full` */
        keep = keep < 0.0 ? 0.0 : keep > 1.0 ? 1.0 : keep;
        freq[i] = slow * (1.0 - keep) + full * keep;
        if (factors) freq[i] = freq[i] / (double)factors[i];
    }
}

uint32_t bnt_rope_first_beyond(const double *freq, uint32_t n_rot, uint64_t last) {
    uint32_t i = 0;
    while (i < n_rot / 2 && (double)last * freq[i] <= BNT_ROPE_MAX_ANGLE) i++;
    return i;
}

double bnt_rope_magnitude(const struct bnt_rope_scaling *s) {
    double yarn = s->yarn && s->factor > 1.0 ? 1.0 + 0.1 * bnt_log_f64(s->factor) : 1.0;
    return yarn * s->attn_factor;
}

void bnt_rope_table(float *cos_out, float *sin_out, const double *freq, uint32_t n_rot,
                    double magnitude, uint64_t pos, uint64_t count) {
    for (uint64_t t = 0; t < count; t++) {
        for (uint32_t i = 0; i < n_rot / 2; i++) {
            double s, c;
            bnt_sincos_f64((double)(pos + t) * freq[i], &s, &c);
            *sin_out++ = (float)(s * magnitude);
            *cos_out++ = (float)(c * magnitude);
        }
    }
}
