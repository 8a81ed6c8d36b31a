/*
 * codes.h - the tests of the group of small codes, which a plugin may leave out.
 */
#ifndef CHECKKERN_CODES_H
#define CHECKKERN_CODES_H

#include "ck.h"

void ck_plan_code_layout(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_codes(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_codes(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_code_layout(struct ck_ctx *ctx);
enum ck_outcome ck_run_code_pack(struct ck_ctx *ctx);
enum ck_outcome ck_run_code_unpack(struct ck_ctx *ctx);
enum ck_outcome ck_run_code_gemv(struct ck_ctx *ctx);

#endif
