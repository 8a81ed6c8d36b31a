/*
 * dense.h - the tests of the dense group.
 */
#ifndef CHECKKERN_DENSE_H
#define CHECKKERN_DENSE_H

#include "ck.h"

void ck_plan_dense(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_dense_rows(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_dense_layout(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_dense(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_dense_layout(struct ck_ctx *ctx);
enum ck_outcome ck_run_dense_pack(struct ck_ctx *ctx);
enum ck_outcome ck_run_dense_unpack(struct ck_ctx *ctx);
enum ck_outcome ck_run_dense_gemm(struct ck_ctx *ctx);

#endif
