/*
 * gguf_variants.c - type ids that stand for more than one layout: which one a file has.
 *
 * The one idea: writers put tensor after tensor without gaps, so where the next tensor begins says
 * how large this one is, and the layouts of an id differ in size. A file that fits none of them, or
 * more than one, is refused, never guessed at. Which ids these are, the type table says.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/checked.h"
#include "file/gguf_internal.h"
#include "file/types.h"

/* True when every tensor of file id `id`, taken as `type`, ends where the next tensor begins or the
 * file ends, up to alignment. Offsets are still relative to data_start, which is inside the file.
 */
static bool fits(const struct bnt_gguf *g, const uint32_t *order, uint64_t data_start, uint32_t id,
                 uint32_t type) {
    for (size_t i = 0; i < g->n_tensors; i++) {
        const struct bnt_gguf_tensor *t = &g->tensors[order[i]];
        uint64_t bytes, end, next;
        if (t->type != id) continue;
        if (!bnt_type_bytes(type, t->dims[0], t->elements, &bytes) ||
            !bnt_add_u64(t->offset, bytes, &end) || !bnt_align_u64(end, g->alignment, &next))
            return false;
        if (i + 1 < g->n_tensors) {
            if (g->tensors[order[i + 1]].offset != next) return false;
        } else {
            uint64_t left = g->size - data_start;
            if (left < end || left - end >= g->alignment) return false;
        }
    }
    return true;
}

/* Gives the tensors of file id `id` the id of the one layout they fit. */
static int resolve(struct bnt_gguf *g, const uint32_t *order, uint64_t data_start, uint32_t id,
                   struct bnt_err *err) {
    const struct bnt_type_info *t, *found = NULL;
    char names[200] = "";
    size_t used = 0;
    unsigned count = 0;
    for (uint32_t i = 0; (t = bnt_type_at(i)); i++) {
        if (BNT_FILE_ID(t->id) != id) continue;
        int n = snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", t->name);
        if (n > 0 && (size_t)n < sizeof names - used) used += (size_t)n;
        if (data_start > g->size || !fits(g, order, data_start, id, t->id)) continue;
        found = t;
        count++;
    }
    if (count != 1)
        return bnt_fail(err, BNT_E_FORMAT,
                        "the places of the tensors of type %" PRIu32
                        " fit %s of the layouts that programs have written under that id: %s",
                        id, count ? "more than one" : "none", names);
    for (size_t i = 0; i < g->n_tensors; i++)
        if (g->tensors[i].type == id) g->tensors[i].type = found->id;
    return BNT_OK;
}

static bool has_type(const struct bnt_gguf *g, uint32_t id) {
    for (size_t i = 0; i < g->n_tensors; i++)
        if (g->tensors[i].type == id) return true;
    return false;
}

int bnt_gguf_resolve_variants(struct bnt_gguf *g, uint64_t data_start, struct bnt_err *err) {
    const struct bnt_type_info *t;
    uint32_t *order = NULL;
    int status = BNT_OK;
    for (size_t i = 0; i < g->n_tensors; i++) { /* ids that only we give mean nothing in a file */
        uint32_t *type = &g->tensors[i].type;
        if (*type != BNT_FILE_ID(*type) && bnt_type(*type)->kind != BNT_KIND_UNKNOWN)
            *type = UINT32_MAX;
    }
    for (uint32_t i = 0; (t = bnt_type_at(i)) && status == BNT_OK; i++) {
        uint32_t id = BNT_FILE_ID(t->id);
        if (t->id == id || !has_type(g, id)) continue;
        if (!order) order = bnt_gguf_offset_order(g);
        if (!order) return bnt_fail_nomem(err, "the tensor order", g->n_tensors * sizeof *order);
        status = resolve(g, order, data_start, id, err);
    }
    free(order);
    return status;
}
