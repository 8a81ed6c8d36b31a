/*
 * rope.h - angle tables for rotary position embedding, NUMERICS clause 6.
 *
 * Computed in binary64 by routines of our own (no libm: its last bits differ between systems) and
 * rounded once to binary32.
 */
#ifndef BNT_RUN_ROPE_H
#define BNT_RUN_ROPE_H

#include <stdint.h>

/* freq[i] = scale * base^(-2i / n_rot) / factors[i] for i < n_rot / 2; factors may be NULL. */
void bnt_rope_frequencies(double *freq, uint32_t n_rot, double base, double scale,
                          const float *factors);

/* cos_out, sin_out [count][n_rot / 2] for positions pos .. pos + count - 1; angle = position *
 * freq[i], position < 2^24. */
void bnt_rope_table(float *cos_out, float *sin_out, const double *freq, uint32_t n_rot,
                    uint64_t pos, uint64_t count);

/* The scalar routines, for tests. |x| < 2^30 for sincos; x > 0 for log; |x| < 700 for exp. */
double bnt_exp_f64(double x);
double bnt_log_f64(double x);
void bnt_sincos_f64(double x, double *s, double *c);

#endif
