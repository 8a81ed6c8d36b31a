/*
 * rope.h - angle tables for rotary position embedding, NUMERICS clause 6.
 *
 * Computed in binary64 by routines of our own (no libm: its last bits differ between systems) and
 * rounded once to binary32.
 */
#ifndef BNT_MODEL_ROPE_H
#define BNT_MODEL_ROPE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How a model reaches beyond the context it was trained on. `factor` divides positions; with YaRN
 * (Peng et al., "YaRN: efficient context window extension", 2023) only those of slow dimensions:
 * dimensions that turn more than beta_fast times within the original context keep their frequency,
 * those that turn less than beta_slow times are divided, between them the two are mixed. YaRN also
 * multiplies q and k by 1 + 0.1 ln(factor), here in the table.
 */
struct bnt_rope_scaling {
    double factor;      /* 1: none */
    double attn_factor; /* multiplies q and k as well, of whatever type the scaling is; 1: none */
    bool yarn;
    double original_context, beta_fast, beta_slow; /* YaRN only */
};

/* Up to here sines and cosines are exact to 1e-9, which rounding to binary32 does not show; it is
 * what 2^24 positions make at the rate of one. */
#define BNT_ROPE_MAX_ANGLE 0x1p24

/* freq[i] = base^(-2i / n_rot), scaled, divided by factors[i], for i < n_rot / 2; factors may be
 * NULL. */
void bnt_rope_frequencies(double *freq, uint32_t n_rot, double base,
                          const struct bnt_rope_scaling *scaling, const float *factors);
/* The first i < n_rot / 2 whose angle at position `last` is beyond BNT_ROPE_MAX_ANGLE (or is none:
 * not a number); n_rot / 2 when all are within. */
uint32_t bnt_rope_first_beyond(const double *freq, uint32_t n_rot, uint64_t last);
/* What cosines and sines are multiplied by. */
double bnt_rope_magnitude(const struct bnt_rope_scaling *scaling);

/* cos_out, sin_out [count][n_rot / 2] for positions pos .. pos + count - 1; angle = position *
 * freq[i], none beyond BNT_ROPE_MAX_ANGLE. */
void bnt_rope_table(float *cos_out, float *sin_out, const double *freq, uint32_t n_rot,
                    double magnitude, uint64_t pos, uint64_t count);

/* The scalar routines, for tests. |x| <= BNT_ROPE_MAX_ANGLE for sincos; x > 0 for log; |x| < 700
 * for exp. */
double bnt_exp_f64(double x);
double bnt_log_f64(double x);
void bnt_sincos_f64(double x, double *s, double *c);

#endif
