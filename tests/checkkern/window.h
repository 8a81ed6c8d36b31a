/*
 * window.h - the test of the window group.
 */
#ifndef CHECKKERN_WINDOW_H
#define CHECKKERN_WINDOW_H

#include "ck.h"

void ck_plan_attn_window(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_attn_window(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_attn_window(struct ck_ctx *ctx);

#endif
