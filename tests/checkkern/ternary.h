/*
 * ternary.h - the inputs of a ternary case, shared by the tests of its slots and by the benchmark.
 */
#ifndef CHECKKERN_TERNARY_H
#define CHECKKERN_TERNARY_H

#include "ck.h"

struct ck_ternary {
    bnt_ternary_shape ws;
    bnt_act_shape as;
    bnt_layout wl, al; /* the plugin's */
    uint64_t first;    /* the first row that is used: 0, or near the end of a huge matrix */
    uint64_t blocks;   /* of a row; 1 when there is one scale */
    uint64_t ldx;
    int8_t *trits; /* [rows - first][cols], sealed */
    float *scales; /* [rows - first][blocks], sealed; NULL when block is 0 */
    float *x;      /* [tokens][ldx], with NaN between the rows, sealed */
};

/* Asks the plugin for layouts and makes the inputs. */
enum ck_outcome ck_ternary_make(struct ck_ctx *ctx, struct ck_ternary *t);
/* Packs rows [lo, hi) by the plugin, from an input of exactly that size. */
void ck_ternary_pack(struct ck_ctx *ctx, const struct ck_ternary *t, uint64_t lo, uint64_t hi,
                     void *packed);
void *ck_ternary_judge_packed(struct ck_ctx *ctx, const struct ck_ternary *t);
void *ck_ternary_judge_acts(struct ck_ctx *ctx, const struct ck_ternary *t);
/* Activations by the plugin, in memory that holds garbage, cut if asked; sealed. */
void *ck_ternary_acts(struct ck_ctx *ctx, const struct ck_ternary *t, bool cut,
                      enum ck_place place);

void ck_plan_ternary(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_packing(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_acts(struct ck_cases *list, struct ck_rng *r, bool long_run);
void ck_plan_shapes(struct ck_cases *list, struct ck_rng *r, bool long_run); /* for layouts */
char *ck_describe_ternary(const struct ck_case *c, char *dst, size_t size);
char *ck_describe_packing(const struct ck_case *c, char *dst, size_t size);
char *ck_describe_acts(const struct ck_case *c, char *dst, size_t size);

enum ck_outcome ck_run_ternary_layout(struct ck_ctx *ctx);
enum ck_outcome ck_run_ternary_pack(struct ck_ctx *ctx);
enum ck_outcome ck_run_ternary_unpack(struct ck_ctx *ctx);
enum ck_outcome ck_run_ternary_gemm(struct ck_ctx *ctx);
enum ck_outcome ck_run_act_layout(struct ck_ctx *ctx);
enum ck_outcome ck_run_act_quantize(struct ck_ctx *ctx);
enum ck_outcome ck_run_act_unpack(struct ck_ctx *ctx);

#endif
