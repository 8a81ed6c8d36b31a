/*
 * attention.h - the tests of the attention group.
 */
#ifndef CHECKKERN_ATTENTION_H
#define CHECKKERN_ATTENTION_H

#include "ck.h"

void ck_plan_kv(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_kv_layout(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_attention(struct ck_cases *list, struct ck_rng *r, bool long_run);
char *ck_describe_kv(const struct ck_case *c, char *dst, size_t size);
char *ck_describe_attention(const struct ck_case *c, char *dst, size_t size);
enum ck_outcome ck_run_kv_layout(struct ck_ctx *ctx);
enum ck_outcome ck_run_kv_store(struct ck_ctx *ctx);
enum ck_outcome ck_run_kv_load(struct ck_ctx *ctx);
enum ck_outcome ck_run_attn_chunk(struct ck_ctx *ctx);
enum ck_outcome ck_run_attn_merge(struct ck_ctx *ctx);
enum ck_outcome ck_run_attn(struct ck_ctx *ctx);

#endif
