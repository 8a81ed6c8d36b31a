/*
 * slots.c - see slots.h.
 *
 * The ideas: all slots are function pointers of one size, so a table of offsets lets one loop read
 * tables of plugins older or newer than this core; and of each slot it is known whose layouts it
 * reads or writes, so that no kernel ever meets an object of another's making.
 */
#include "plugin/slots.h"

#include <stdio.h>
#include <string.h>

typedef void any_fn(void);

/* Layouts, by the slot that decides each. */
enum { L_TERNARY = 1, L_ACTS = 2, L_DENSE = 4, L_KV = 8, L_I8 = 16, L_CODES = 32 };

#define SLOT(group, name, optional, layouts)                                                       \
    { #name, offsetof(bnt_kernels, name), group, optional, layouts }

const struct bnt_slot bnt_slots[] = {
    SLOT(BNT_TERNARY, ternary_layout, false, L_TERNARY),
    SLOT(BNT_TERNARY, ternary_pack, false, L_TERNARY),
    SLOT(BNT_TERNARY, ternary_unpack, false, L_TERNARY),
    SLOT(BNT_TERNARY, act_layout, false, L_ACTS),
    SLOT(BNT_TERNARY, act_quantize, false, L_ACTS),
    SLOT(BNT_TERNARY, act_unpack, false, L_ACTS),
    SLOT(BNT_TERNARY, ternary_gemm, false, L_TERNARY | L_ACTS),
    SLOT(BNT_DENSE, dense_layout, false, L_DENSE),
    SLOT(BNT_DENSE, dense_pack, false, L_DENSE),
    SLOT(BNT_DENSE, dense_unpack, false, L_DENSE),
    SLOT(BNT_DENSE, dense_gemm, false, L_DENSE),
    SLOT(BNT_VECTOR, rmsnorm, false, 0),
    SLOT(BNT_VECTOR, rope, false, 0),
    SLOT(BNT_VECTOR, gate, false, 0),
    SLOT(BNT_VECTOR, add, false, 0),
    SLOT(BNT_ATTENTION, kv_layout, false, L_KV),
    SLOT(BNT_ATTENTION, kv_store, false, L_KV),
    SLOT(BNT_ATTENTION, kv_load, false, L_KV),
    SLOT(BNT_ATTENTION, attn_chunk, false, L_KV),
    SLOT(BNT_ATTENTION, attn_merge, false, 0),
    SLOT(BNT_ATTENTION, attn, true, L_KV),
    SLOT(BNT_SEARCH, i8_layout, true, L_I8),
    SLOT(BNT_SEARCH, i8_pack, true, L_I8),
    SLOT(BNT_SEARCH, i8_unpack, true, L_I8),
    SLOT(BNT_SEARCH, i8_gemv, true, L_I8),
    SLOT(BNT_MEASURE, peak, true, 0),
    SLOT(BNT_GELU, gate_gelu, false, 0),
    SLOT(BNT_WINDOW, attn_window, false, 0),
    SLOT(BNT_CODES, code_layout, true, L_CODES),
    SLOT(BNT_CODES, code_pack, true, L_CODES),
    SLOT(BNT_CODES, code_unpack, true, L_CODES),
    SLOT(BNT_CODES, code_gemv, true, L_CODES),
};
const size_t bnt_slot_count = sizeof bnt_slots / sizeof *bnt_slots;

/* The table covers the struct: a slot added to plugin.h has to be added here. */
_Static_assert(sizeof bnt_slots / sizeof *bnt_slots ==
                   (sizeof(bnt_kernels) - offsetof(bnt_kernels, ternary_layout)) / sizeof(any_fn *),
               "bnt_slots and bnt_kernels differ");

const char *bnt_group_name(enum bnt_group g) {
    static const char *const names[BNT_GROUPS] = {
        "ternary", "dense", "vector", "attention", "search", "measure", "gelu", "window", "codes"};
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

/* Of a plugin's own table. */
struct given {
    unsigned slots[BNT_GROUPS];      /* how many of each group */
    uint32_t layouts;                /* that it decides */
    const char *lacking[BNT_GROUPS]; /* a slot that would meet a layout which is not its maker's */
    bool attention_parts;            /* attn_chunk or attn_merge */
};

static bool decides(const struct bnt_slot *s) {
    return strstr(s->name, "_layout") != NULL;
}

static void look(struct given *g, const bnt_kernels *plugin) {
    *g = (struct given){0};
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const struct bnt_slot *s = &bnt_slots[i];
        if (!get(plugin, s)) continue;
        g->slots[s->group]++;
        if (decides(s)) g->layouts |= s->layouts;
        g->attention_parts |= strncmp(s->name, "attn_", 5) == 0 && s->group == BNT_ATTENTION;
    }
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const struct bnt_slot *s = &bnt_slots[i];
        const bool composed = s->offset == offsetof(bnt_kernels, attn);
        if (!composed && s->layouts & g->layouts && !get(plugin, s) && !g->lacking[s->group])
            g->lacking[s->group] = s->name;
    }
}

/* Groups that the core does without. */
static bool optional(enum bnt_group g) {
    return g == BNT_SEARCH || g == BNT_CODES || g == BNT_MEASURE;
}

static bool is_composed(const struct bnt_slot *s) {
    return s->offset == offsetof(bnt_kernels, attn);
}

/* The plugin's, its base's, the judge's, or none where the core does without. */
static any_fn *choose(enum bnt_maker *maker, const struct bnt_slot *s, const struct given *g,
                      const bnt_kernels *plugin, const struct bnt_table *base,
                      const bnt_kernels *judge) {
    const bool usable = g->slots[s->group] && !g->lacking[s->group];
    any_fn *f = usable ? get(plugin, s) : NULL;
    *maker = BNT_ITSELF;
    if (f) return f;
    *maker = BNT_NOBODY;
    /* Its own parts, or its own cache, are composed: another's would pass them by, or read it. */
    if (is_composed(s) && usable && (g->attention_parts || g->layouts & L_KV)) return NULL;
    if (base && (f = get(&base->kernels, s)) != NULL) {
        *maker = base->makers.of[s - bnt_slots] == BNT_JUDGE ? BNT_JUDGE : BNT_BASE;
        return f;
    }
    if ((base && is_composed(s)) || (optional(s->group) && !usable)) return NULL;
    if ((f = get(judge, s)) != NULL) *maker = BNT_JUDGE;
    return f;
}

int bnt_slots_complete(struct bnt_table *out, const bnt_kernels *plugin,
                       const struct bnt_table *base, const bnt_kernels *judge,
                       struct bnt_err *err) {
    char lacking[400] = "";
    unsigned usable = 0;
    struct given g;
    look(&g, plugin);
    memset(out, 0, sizeof *out);
    out->kernels.struct_size = sizeof out->kernels;
    out->kernels.variant = BNT_HAS(plugin, variant) ? plugin->variant : "";
    for (size_t i = 0; i < bnt_slot_count; i++) {
        enum bnt_maker maker;
        any_fn *f = choose(&maker, &bnt_slots[i], &g, plugin, base, judge);
        memcpy((char *)&out->kernels + bnt_slots[i].offset, &f, sizeof f);
        out->makers.of[i] = (unsigned char)maker;
    }
    for (int group = 0; group < BNT_GROUPS; group++) {
        char lack[120];
        usable += group != BNT_MEASURE && g.slots[group] && !g.lacking[group];
        if (!g.lacking[group]) continue;
        snprintf(lack, sizeof lack, "%s has a layout of its own, but not %s",
                 bnt_group_name((enum bnt_group)group), g.lacking[group]);
        append(lacking, sizeof lacking, "; ", lack);
    }
    if (usable == 0)
        return bnt_fail(err, BNT_E_BACKEND, "no kernels that could be used%s%s",
                        lacking[0] ? ": " : "", lacking);
    return BNT_OK;
}

void bnt_slots_list(const struct bnt_makers *m, enum bnt_maker maker, char *out, size_t size) {
    out[0] = '\0';
    for (int group = 0; group < BNT_GROUPS; group++) {
        bool some = false, others = false;
        for (size_t i = 0; i < bnt_slot_count; i++) {
            if ((int)bnt_slots[i].group != group) continue;
            some |= m->of[i] == maker;
            others |= m->of[i] != maker && m->of[i] != BNT_NOBODY;
        }
        if (some && !others) append(out, size, ",", bnt_group_name((enum bnt_group)group));
        for (size_t i = 0; some && others && i < bnt_slot_count; i++)
            if ((int)bnt_slots[i].group == group && m->of[i] == maker)
                append(out, size, ",", bnt_slots[i].name);
    }
}

bool bnt_slots_same(const bnt_kernels *a, const bnt_kernels *b, enum bnt_group g) {
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const struct bnt_slot *s = &bnt_slots[i];
        if (s->group == g && get(a, s) != get(b, s)) return false;
    }
    return true;
}
