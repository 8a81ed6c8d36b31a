/*
 * judge.h - ref-scalar, which is linked in and judges all others; and how a descriptor, its own or
 * a file's, becomes a backend.
 */
#ifndef BNT_PLUGIN_JUDGE_H
#define BNT_PLUGIN_JUDGE_H

#include "plugin/verdict.h"

const struct bnt_backend *bnt_judge(void); /* ref-scalar, always there */

int bnt_judge_priority(void); /* in the order of choice */

/* Descriptor and table number `set` into *out, what the table lacks taken from `base` (NULL: it
 * extends nobody) and `judge` (NULL: it lacks nothing); NO_KERNELS, or OK. */
enum bnt_verdict bnt_backend_fill(struct bnt_backend *out, const bnt_plugin *plugin,
                                  const struct bnt_backend *base, const bnt_kernels *judge,
                                  const bnt_cpu *cpu, uint32_t set, struct bnt_err *err);

#endif
