/*
 * metrics.h - how far one engine's logits lie from another's.
 *
 * Plain arithmetic in double precision; knows no engine. The one idea: a difference counts where it
 * changes something, so besides distances there is the question whether the best token is the same,
 * and, where it is not, whether the two best were too close for either engine to be wrong.
 */
#ifndef CROSSVAL_METRICS_H
#define CROSSVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At one position, or the worst of several. Infinite when a logit is not finite. */
struct distance {
    double rms;     /* sqrt(sum (a - b)^2 / sum b^2) */
    double kl;      /* sum p log(p / q), nats; p of the reference b */
    double max_abs; /* max |a - b| */
    double cosine;
    double median_rms;                     /* of several positions: what distance_median found */
    size_t positions, same_top, overruled; /* overruled: another best token, clear of any doubt */
};

struct bounds {
    double median_rms, rms, kl, max_abs;
    double same_top; /* share of positions, the least */
};

/* The lowest id among equals. */
int32_t best_token(const float *x, size_t n);

/* `doubt`: logits closer than this are not told apart. */
struct distance distance_at(const float *a, const float *b, size_t n, double doubt);
/* *worst, zero-initialised, becomes the worse of both in each respect. */
void distance_join(struct distance *worst, const struct distance *d);
/* The median of rms; n at most 256. */
double distance_median(const struct distance *d, size_t n);
bool within(const struct distance *d, const struct bounds *b);

#endif
