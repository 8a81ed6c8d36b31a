/*
 * selfcheck.h - a few milliseconds of worst cases against ref-scalar, before a plugin is used.
 *
 * Edge vectors and ragged shapes through every group, compared by memcmp. It is the door, not the
 * proof: the kernel checker in tests/ is the proof.
 */
#ifndef BNT_PLUGIN_SELFCHECK_H
#define BNT_PLUGIN_SELFCHECK_H

#include "base/err.h"
#include "bitnet/plugin.h"

/* 0, or BNT_E_MISMATCH with the slot, shape and first difference; BNT_E_NOMEM. */
int bnt_selfcheck(const bnt_kernels *k, const bnt_kernels *judge, struct bnt_err *err);

#endif
