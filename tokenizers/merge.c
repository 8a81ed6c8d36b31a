/* merge.c - see merge.h. */
#include "merge.h"

#include <stdlib.h>
#include <string.h>

void bnt_merger_free(struct bnt_merger *m) {
    free(m->symbols);
    free(m->heap);
    memset(m, 0, sizeof *m);
}

void bnt_merger_reset(struct bnt_merger *m) {
    m->count = 0;
    m->heap_count = 0;
}

/* Makes room for one more element. */
static int reserve(void **array, size_t *capacity, size_t count, size_t size, struct bnt_err *err) {
    size_t want = *capacity < 64 ? 64 : *capacity + *capacity / 2, bytes;
    void *p;
    if (count < *capacity) return BNT_OK;
    if (__builtin_mul_overflow(want, size, &bytes) || !(p = realloc(*array, bytes)))
        return bnt_fail(err, BNT_E_NOMEM, "out of memory: %zu symbols of text", want);
    *array = p;
    *capacity = want;
    return BNT_OK;
}

int bnt_merger_add(struct bnt_merger *m, size_t begin, size_t len, int32_t id,
                   struct bnt_err *err) {
    void *array = m->symbols;
    uint32_t i = m->count;
    int rc = reserve(&array, &m->capacity, i, sizeof *m->symbols, err);
    m->symbols = array;
    if (rc) return rc;
    m->symbols[i] = (struct bnt_symbol){i ? i - 1 : BNT_NO_SYMBOL, BNT_NO_SYMBOL, (uint32_t)begin,
                                        (uint32_t)len, id};
    if (i) m->symbols[i - 1].next = i;
    m->count++;
    return BNT_OK;
}

/* ---- heap -------------------------------------------------------------------------------------
 */

static int heap_push(struct bnt_merger *m, struct bnt_candidate c, struct bnt_err *err) {
    void *array = m->heap;
    size_t i = m->heap_count;
    int rc = reserve(&array, &m->heap_capacity, i, sizeof *m->heap, err);
    m->heap = array;
    if (rc) return rc;
    for (; i && m->heap[(i - 1) / 2].key > c.key; i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = c;
    m->heap_count++;
    return BNT_OK;
}

static struct bnt_candidate heap_pop(struct bnt_merger *m) {
    struct bnt_candidate top = m->heap[0], last = m->heap[--m->heap_count];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < m->heap_count) {
        if (child + 1 < m->heap_count && m->heap[child + 1].key < m->heap[child].key) child++;
        if (m->heap[child].key >= last.key) break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = last;
    return top;
}

/* ---- merging ----------------------------------------------------------------------------------
 */

static int offer(struct bnt_merger *m, uint32_t left, uint32_t right, bnt_merge_rule rule,
                 const void *ctx, struct bnt_err *err) {
    uint32_t order;
    int32_t id;
    if (left == BNT_NO_SYMBOL || right == BNT_NO_SYMBOL) return BNT_OK;
    if (!rule(ctx, &m->symbols[left], &m->symbols[right], &order, &id)) return BNT_OK;
    return heap_push(m,
                     (struct bnt_candidate){(uint64_t)order << 32 | left,
                                            m->symbols[left].len + m->symbols[right].len, id},
                     err);
}

int bnt_merger_run(struct bnt_merger *m, bnt_merge_rule rule, const void *ctx,
                   struct bnt_err *err) {
    int rc;
    for (uint32_t i = 1; i < m->count; i++)
        if ((rc = offer(m, i - 1, i, rule, ctx, err))) return rc;

    while (m->heap_count) {
        struct bnt_candidate c = heap_pop(m);
        uint32_t l = (uint32_t)c.key, r;
        struct bnt_symbol *left = &m->symbols[l], *right;
        if (left->len == 0 || left->next == BNT_NO_SYMBOL) continue;
        r = left->next;
        right = &m->symbols[r];
        /* Symbols only grow: the sum is right only while both are as they were. */
        if (left->len + right->len != c.len) continue;
        left->len = c.len;
        left->id = c.id;
        left->next = right->next;
        right->len = 0;
        if (right->next != BNT_NO_SYMBOL) m->symbols[right->next].prev = l;
        if ((rc = offer(m, left->prev, l, rule, ctx, err))) return rc;
        if ((rc = offer(m, l, left->next, rule, ctx, err))) return rc;
    }
    return BNT_OK;
}
