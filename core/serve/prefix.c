/* prefix.c - see prefix.h. */
#include "serve/prefix.h"

static size_t shared(const struct bnt_sequence *s, const int32_t *ids, size_t n) {
    size_t count, same = 0;
    const int32_t *tokens = bnt_sequence_tokens(s, &count);
    while (same < count && same < n && tokens[same] == ids[same]) same++;
    return same;
}

static uint64_t bytes_of(const struct serve_prefix *p, const struct bnt_sequence *s) {
    size_t count;
    bnt_sequence_tokens(s, &count);
    return count * p->per_position; /* a context bounds it */
}

static struct bnt_sequence *take(struct serve_prefix *p, unsigned i) {
    struct bnt_sequence *s = p->kept[i].sequence;
    p->bytes -= bytes_of(p, s);
    p->kept[i] = p->kept[--p->count];
    return s;
}

static void drop_oldest(struct serve_prefix *p) {
    unsigned oldest = 0;
    for (unsigned i = 1; i < p->count; i++)
        if (p->kept[i].used < p->kept[oldest].used) oldest = i;
    bnt_sequence_close(take(p, oldest));
}

int serve_prefix_open(struct bnt_sequence **out, struct serve_prefix *p,
                      struct bnt_context *context, struct bnt_sequence *const *others,
                      unsigned n_others, const int32_t *ids, size_t n, struct bnt_err *err) {
    size_t best = SERVE_PREFIX_LEAST - 1, length;
    unsigned at = 0;
    const struct bnt_sequence *from = NULL;
    if (!p->budget) return bnt_sequence_open(out, context, err);
    n--; /* the last token is always computed: its row is what goes on */
    for (unsigned i = 0; i < p->count; i++) {
        size_t same = shared(p->kept[i].sequence, ids, n);
        if (same <= best) continue;
        best = same;
        from = p->kept[at = i].sequence;
    }
    if (from) {
        p->kept[at].used = ++p->clock;
        bnt_sequence_tokens(from, &length);
        if (length == best) { /* all of it: a conversation goes on, and nothing is lost */
            *out = take(p, at);
            return BNT_OK;
        }
    }
    for (unsigned i = 0; i < n_others; i++) {
        size_t same = shared(others[i], ids, n);
        if (same <= best) continue;
        best = same;
        from = others[i];
    }
    return from ? bnt_sequence_fork(out, from, best, err) : bnt_sequence_open(out, context, err);
}

void serve_prefix_keep(struct serve_prefix *p, struct bnt_sequence *sequence) {
    size_t count, length;
    const int32_t *ids = bnt_sequence_tokens(sequence, &count);
    uint64_t bytes = bytes_of(p, sequence);
    if (count < SERVE_PREFIX_LEAST || bytes > p->budget) {
        bnt_sequence_close(sequence);
        return;
    }
    for (unsigned i = p->count; i-- > 0;) { /* those that it begins with are of no use beside it */
        bnt_sequence_tokens(p->kept[i].sequence, &length);
        if (length <= count && shared(p->kept[i].sequence, ids, count) == length)
            bnt_sequence_close(take(p, i));
    }
    while (p->count == SERVE_PREFIX_MOST || p->bytes + bytes > p->budget) drop_oldest(p);
    p->kept[p->count].sequence = sequence;
    p->kept[p->count++].used = ++p->clock;
    p->bytes += bytes;
}

void serve_prefix_close(struct serve_prefix *p) {
    while (p->count) drop_oldest(p);
}
