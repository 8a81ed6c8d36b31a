/*
 * measure.h - the test of the measure group, which a plugin may leave out.
 */
#ifndef CHECKKERN_MEASURE_H
#define CHECKKERN_MEASURE_H

#include "ck.h"

void ck_plan_peak(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_peak(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_peak(struct ck_ctx *ctx);

#endif
