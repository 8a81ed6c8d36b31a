/*
 * slots.h - the slots of bnt_kernels as a table, and the completion of a plugin's own table from
 * those of its base, if it extends one, and of the judge.
 *
 * Knows which slots make a group and which are optional; knows nothing of files or of what the
 * slots compute.
 */
#ifndef BNT_PLUGIN_SLOTS_H
#define BNT_PLUGIN_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    BNT_CODES,
    BNT_GROUPS
};

struct bnt_slot {
    const char *name;
    size_t offset; /* in bnt_kernels */
    enum bnt_group group;
    bool optional;
    uint32_t layouts; /* bits: whose objects it reads or writes, or decides */
};

/* In the order of bnt_kernels. */
enum { BNT_SLOTS = (sizeof(bnt_kernels) - offsetof(bnt_kernels, ternary_layout)) / sizeof(void *) };
extern const struct bnt_slot bnt_slots[];
extern const size_t bnt_slot_count;
const char *bnt_group_name(enum bnt_group g); /* "ternary" */

/* Who made the kernels of a completed table. */
enum bnt_maker { BNT_NOBODY, BNT_ITSELF, BNT_BASE, BNT_JUDGE };
struct bnt_makers {
    unsigned char of[BNT_SLOTS]; /* enum bnt_maker; NOBODY: an optional slot that is not there */
};

enum { BNT_SLOT_LIST = 400 /* bytes that a list needs at most */ };

/* A completed table, and whose its slots are. */
struct bnt_table {
    bnt_kernels kernels;
    struct bnt_makers makers;
};

/* Fills *out from a plugin's table of any struct_size and, for what it leaves out, from its base
 * (NULL: it extends nobody) and the judge. A slot may be left out when it meets no layout of the
 * plugin's own; a group in which one is missing that does is left out whole. BNT_E_BACKEND when
 * nothing of the plugin can be used, saying what is lacking. */
int bnt_slots_complete(struct bnt_table *out, const bnt_kernels *plugin,
                       const struct bnt_table *base, const bnt_kernels *judge, struct bnt_err *err);

/* The groups that are this maker's whole, and of others the slots: "dense,rope"; "" for none. */
void bnt_slots_list(const struct bnt_makers *m, enum bnt_maker maker, char *out, size_t size);

/* True when both tables use the same functions for the group. */
bool bnt_slots_same(const bnt_kernels *a, const bnt_kernels *b, enum bnt_group g);

#endif
