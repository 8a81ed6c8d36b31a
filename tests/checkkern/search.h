/*
 * search.h - the tests of the search group, which a plugin may leave out.
 */
#ifndef CHECKKERN_SEARCH_H
#define CHECKKERN_SEARCH_H

#include "ck.h"

void ck_plan_i8_layout(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_i8(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_i8(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_i8_layout(struct ck_ctx *ctx);
enum ck_outcome ck_run_i8_pack(struct ck_ctx *ctx);
enum ck_outcome ck_run_i8_unpack(struct ck_ctx *ctx);
enum ck_outcome ck_run_i8_gemv(struct ck_ctx *ctx);

#endif
