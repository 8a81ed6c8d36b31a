/*
 * vector.h - the tests of the vector group.
 */
#ifndef CHECKKERN_VECTOR_H
#define CHECKKERN_VECTOR_H

#include "ck.h"

void ck_plan_rmsnorm(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_rope(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_gate(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_gate_gelu(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_add(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_rmsnorm(const struct ck_case *c, char *dst, size_t size);
char *ck_describe_rope(const struct ck_case *c, char *dst, size_t size);
char *ck_describe_gate(const struct ck_case *c, char *dst, size_t size);
char *ck_describe_add(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_rmsnorm(struct ck_ctx *ctx);
enum ck_outcome ck_run_rope(struct ck_ctx *ctx);
enum ck_outcome ck_run_gate(struct ck_ctx *ctx);
enum ck_outcome ck_run_gate_gelu(struct ck_ctx *ctx);
enum ck_outcome ck_run_add(struct ck_ctx *ctx);

#endif
