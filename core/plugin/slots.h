/*
 * slots.h - the slots of bnt_kernels as a table, and the completion of a plugin's own table.
 *
 * Knows which slots make a group and which are optional; knows nothing of files or of what the
 * slots compute.
 */
#ifndef BNT_PLUGIN_SLOTS_H
#define BNT_PLUGIN_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "bitnet/plugin.h"

enum bnt_group {
    BNT_TERNARY,
    BNT_DENSE,
    BNT_VECTOR,
    BNT_ATTENTION,
    BNT_SEARCH,
    BNT_MEASURE,
    BNT_GELU,
    BNT_WINDOW,
    BNT_GROUPS
};

struct bnt_slot {
    const char *name;
    size_t offset; /* in bnt_kernels */
    enum bnt_group group;
    bool optional;
};

extern const struct bnt_slot bnt_slots[];
extern const size_t bnt_slot_count;
const char *bnt_group_name(enum bnt_group g); /* "ternary" */

/* Fills *out from a plugin's table of any struct_size and, for groups it leaves out or has not
 * whole, from the judge. by_judge gets the names of those groups. BNT_E_BACKEND when no group is
 * whole, saying what each one lacks. */
int bnt_slots_complete(bnt_kernels *out, const bnt_kernels *plugin, const bnt_kernels *judge,
                       char *by_judge, size_t by_judge_size, struct bnt_err *err);

/* True when both tables use the same functions for the group. */
bool bnt_slots_same(const bnt_kernels *a, const bnt_kernels *b, enum bnt_group g);

#endif
