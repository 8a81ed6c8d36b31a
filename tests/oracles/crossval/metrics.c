/* metrics.c - distances between two engines' logits; see metrics.h. */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

int32_t best_token(const float *x, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (int32_t)best;
}

static double log_sum(const float *x, size_t n) {
    const double top = (double)x[best_token(x, n)];
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - top);
    return top + log(sum);
}

struct distance distance_at(const float *a, const float *b, size_t n, double doubt) {
    struct distance d = {.positions = 1};
    const int32_t top_a = best_token(a, n), top_b = best_token(b, n);
    const double za = log_sum(a, n), zb = log_sum(b, n);
    double aa = 0, bb = 0, ab = 0, diff = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)a[i], y = (double)b[i], e = x - y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
        diff += e * e;
        if (fabs(e) > d.max_abs) d.max_abs = fabs(e);
        d.kl += exp(y - zb) * ((y - zb) - (x - za));
    }
    d.rms = sqrt(diff / bb);
    d.cosine = ab / sqrt(aa * bb);
    if (!isfinite(aa) || !isfinite(bb) || !(bb > 0) || !(aa > 0)) {
        d.rms = d.kl = d.max_abs = INFINITY;
        d.cosine = 0;
        d.overruled = 1;
        return d;
    }
    d.same_top = top_a == top_b;
    /* Both engines see the other's choice behind their own: the nearer of the two gaps decides. */
    if (!d.same_top &&
        fmin((double)a[top_a] - (double)a[top_b], (double)b[top_b] - (double)b[top_a]) > doubt)
        d.overruled = 1;
    return d;
}

void distance_join(struct distance *w, const struct distance *d) {
    if (w->positions == 0) w->cosine = 1;
    w->rms = fmax(w->rms, d->rms);
    w->kl = fmax(w->kl, d->kl);
    w->max_abs = fmax(w->max_abs, d->max_abs);
    w->cosine = fmin(w->cosine, d->cosine);
    w->positions += d->positions;
    w->same_top += d->same_top;
    w->overruled += d->overruled;
}

static int rising(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double distance_median(const struct distance *d, size_t n) {
    double x[256];
    if (n == 0 || n > sizeof x / sizeof x[0]) return INFINITY;
    for (size_t i = 0; i < n; i++) x[i] = d[i].rms;
    qsort(x, n, sizeof x[0], rising);
    return x[n / 2];
}

bool within(const struct distance *d, const struct bounds *b) {
    return d->positions > 0 && d->median_rms <= b->median_rms && d->rms <= b->rms &&
           d->kl <= b->kl && d->max_abs <= b->max_abs && d->overruled == 0 &&
           (double)d->same_top >= b->same_top * (double)d->positions;
}
