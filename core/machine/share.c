/* share.c - see share.h. A thread's tickets only rise, so its walk over the items goes one way. */
#include "machine/share.h"

#include "machine/pool.h"

static bool next_ticket(struct bnt_share *s, struct bnt_share_rows *at) {
    uint64_t ticket = atomic_fetch_add_explicit(&s->ticket, 1, memory_order_relaxed);
    for (; at->item < s->count; at->item++) {
        const struct bnt_share_item *item = &s->items[at->item];
        uint64_t chunks = item->rows ? (item->rows - 1) / item->chunk + 1 : 0;
        if (ticket - at->first < chunks) {
            at->lo = (ticket - at->first) * item->chunk;
            at->hi = item->rows - at->lo < item->chunk ? item->rows : at->lo + item->chunk;
            return true;
        }
        at->first += chunks;
    }
    return false;
}

static bool next_placed(const struct bnt_share *s, unsigned i, unsigned n,
                        struct bnt_share_rows *at) {
    for (; at->item < s->count; at->item++, at->inside = false) {
        const struct bnt_share_item *item = &s->items[at->item];
        if (!at->inside) bnt_slice(item->rows, item->step, i, n, &at->hi, &at->first);
        at->inside = true;
        at->lo = at->hi;
        if (at->lo >= at->first) continue;
        at->hi = at->first - at->lo < item->chunk ? at->first : at->lo + item->chunk;
        return true;
    }
    return false;
}

bool bnt_share_next(struct bnt_share *s, unsigned i, unsigned n, struct bnt_share_rows *at) {
    return s->placed ? next_placed(s, i, n, at) : next_ticket(s, at);
}
