/*
 * slots.c - see slots.h.
 *
 * The one idea: all slots are function pointers of one size, so a table of offsets lets one loop
 * read tables of plugins older or newer than this core.
 */
#include "plugin/slots.h"

#include <stdio.h>
#include <string.h>

typedef void any_fn(void);

#define SLOT(group, name, optional)                                                                \
    { #name, offsetof(bnt_kernels, name), group, optional }

const struct bnt_slot bnt_slots[] = {
    SLOT(BNT_TERNARY, ternary_layout, false),
    SLOT(BNT_TERNARY, ternary_pack, false),
    SLOT(BNT_TERNARY, ternary_unpack, false),
    SLOT(BNT_TERNARY, act_layout, false),
    SLOT(BNT_TERNARY, act_quantize, false),
    SLOT(BNT_TERNARY, act_unpack, false),
    SLOT(BNT_TERNARY, ternary_gemm, false),
    SLOT(BNT_DENSE, dense_layout, false),
    SLOT(BNT_DENSE, dense_pack, false),
    SLOT(BNT_DENSE, dense_unpack, false),
    SLOT(BNT_DENSE, dense_gemm, false),
    SLOT(BNT_VECTOR, rmsnorm, false),
    SLOT(BNT_VECTOR, rope, false),
    SLOT(BNT_VECTOR, gate, false),
    SLOT(BNT_VECTOR, add, false),
    SLOT(BNT_ATTENTION, kv_layout, false),
    SLOT(BNT_ATTENTION, kv_store, false),
    SLOT(BNT_ATTENTION, kv_load, false),
    SLOT(BNT_ATTENTION, attn_chunk, false),
    SLOT(BNT_ATTENTION, attn_merge, false),
    SLOT(BNT_ATTENTION, attn, true),
    SLOT(BNT_SEARCH, i8_layout, true),
    SLOT(BNT_SEARCH, i8_pack, true),
    SLOT(BNT_SEARCH, i8_unpack, true),
    SLOT(BNT_SEARCH, i8_gemv, true),
    SLOT(BNT_MEASURE, peak, true),
    SLOT(BNT_GELU, gate_gelu, false),
    SLOT(BNT_WINDOW, attn_window, false),
};
const size_t bnt_slot_count = sizeof bnt_slots / sizeof *bnt_slots;

/* The table covers the struct: a slot added to plugin.h has to be added here. */
_Static_assert(sizeof bnt_slots / sizeof *bnt_slots ==
                   (sizeof(bnt_kernels) - offsetof(bnt_kernels, ternary_layout)) / sizeof(any_fn *),
               "bnt_slots and bnt_kernels differ");

const char *bnt_group_name(enum bnt_group g) {
    static const char *const names[BNT_GROUPS] = {"ternary", "dense",   "vector", "attention",
                                                  "search",  "measure", "gelu",   "window"};
    return names[g];
}

static any_fn *get(const bnt_kernels *k, const struct bnt_slot *s) {
    any_fn *f = NULL;
    if (k->struct_size >= s->offset + sizeof f) memcpy(&f, (const char *)k + s->offset, sizeof f);
    return f;
}

static void append(char *dst, size_t size, const char *separator, const char *text) {
    size_t used = strlen(dst);
    snprintf(dst + used, size - used, "%s%s", used ? separator : "", text);
}

int bnt_slots_complete(bnt_kernels *out, const bnt_kernels *plugin, const bnt_kernels *judge,
                       char *by_judge, size_t by_judge_size, struct bnt_err *err) {
    char lacking[400] = "";
    const char *first_lack[BNT_GROUPS] = {NULL};
    unsigned whole = 0;
    by_judge[0] = '\0';
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    out->variant = BNT_HAS(plugin, variant) ? plugin->variant : "";
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const struct bnt_slot *s = &bnt_slots[i];
        if (!s->optional && !get(plugin, s) && !first_lack[s->group]) {
            first_lack[s->group] = s->name;
        }
    }
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const struct bnt_slot *s = &bnt_slots[i];
        any_fn *f = get(first_lack[s->group] ? judge : plugin, s);
        memcpy((char *)out + s->offset, &f, sizeof f);
    }
    if (!out->i8_layout || !out->i8_pack || !out->i8_unpack || !out->i8_gemv) {
        out->i8_layout = NULL; /* optional as a whole: all or nothing */
        out->i8_pack = NULL;
        out->i8_unpack = NULL;
        out->i8_gemv = NULL;
    }
    for (int g = 0; g < BNT_GROUPS; g++) {
        char lack[80];
        if (!first_lack[g]) {
            whole += g < BNT_SEARCH; /* the others alone would be no backend */
            continue;
        }
        snprintf(lack, sizeof lack, "%s lacks %s", bnt_group_name((enum bnt_group)g),
                 first_lack[g]);
        append(lacking, sizeof lacking, "; ", lack);
        append(by_judge, by_judge_size, ",", bnt_group_name((enum bnt_group)g));
    }
    if (whole == 0) return bnt_fail(err, BNT_E_BACKEND, "no whole group of kernels: %s", lacking);
    return BNT_OK;
}

bool bnt_slots_same(const bnt_kernels *a, const bnt_kernels *b, enum bnt_group g) {
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const struct bnt_slot *s = &bnt_slots[i];
        if (s->group == g && get(a, s) != get(b, s)) return false;
    }
    return true;
}
