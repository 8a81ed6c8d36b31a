/* special.c - see special.h. */
#include "special.h"

#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "tokenizer.h"

static bool is_special(const struct bnt_vocab *v, uint32_t id, const uint8_t *reserved) {
    const struct bnt_piece *p = &v->pieces[id];
    if (p->text_len == 0 || bnt_piece_is_spaced(p)) return false;
    if (p->type == BNT_TOKEN_USER_DEFINED) return !reserved || !reserved[id];
    return !reserved && (p->type == BNT_TOKEN_CONTROL || p->type == BNT_TOKEN_UNKNOWN);
}

/* ---- building ---------------------------------------------------------------------------------
 */

struct entry { /* what is sorted */
    const struct bnt_piece *piece;
    int32_t id;
};

/* Byte i of a text, from its end. */
static uint8_t back(const struct bnt_piece *p, size_t i) {
    return p->text[p->text_len - 1 - i];
}

static int compare(const void *a, const void *b) {
    const struct bnt_piece *p = ((const struct entry *)a)->piece;
    const struct bnt_piece *q = ((const struct entry *)b)->piece;
    size_t n = p->text_len < q->text_len ? p->text_len : q->text_len;
    for (size_t i = 0; i < n; i++)
        if (back(p, i) != back(q, i)) return back(p, i) < back(q, i) ? -1 : 1;
    return (p->text_len > q->text_len) - (p->text_len < q->text_len);
}

struct builder {
    struct bnt_specials *s;
    const struct entry *entries; /* sorted */
    struct span {
        uint32_t begin, end; /* entries that go through the node */
        uint32_t depth;
    } * spans;
};

static uint32_t child_of(const struct bnt_specials *s, uint32_t node, uint8_t byte) {
    uint32_t lo, hi;
    if (node == 0) return s->root[byte];
    lo = s->nodes[node].children;
    hi = s->nodes[node + 1].children;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->nodes[mid].byte == byte) return mid;
        if (s->nodes[mid].byte < byte)
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

/* The node for `byte` after `from`, going to shorter suffixes until there is one. */
static uint32_t step(const struct bnt_specials *s, uint32_t from, uint8_t byte, uint64_t *steps) {
    for (;; from = s->nodes[from].fail) {
        uint32_t to = child_of(s, from, byte);
        ++*steps;
        if (to || from == 0) return to;
    }
}

/* Children of node i, from the entries that go through it; the one that ends here, if any, sorts
 * first (texts are unique). */
static void expand(struct builder *b, uint32_t i) {
    struct bnt_specials *s = b->s;
    const struct span at = b->spans[i];
    uint32_t e = at.begin;
    s->nodes[i].children = s->count;
    if (b->entries[e].piece->text_len == at.depth) {
        s->nodes[i].any = b->entries[e].id;
        if (b->entries[e].piece->type == BNT_TOKEN_USER_DEFINED)
            s->nodes[i].always = b->entries[e].id;
        e++;
    }
    while (e < at.end) {
        const uint8_t byte = back(b->entries[e].piece, at.depth);
        const uint32_t child = s->count++;
        b->spans[child] = (struct span){e, e, at.depth + 1};
        s->nodes[child] = (struct bnt_special_node){.any = -1, .always = -1, .byte = byte};
        while (e < at.end && back(b->entries[e].piece, at.depth) == byte) e++;
        b->spans[child].end = e;
        if (i == 0) s->root[byte] = child;
    }
}

/* What ends at a node and at its suffixes: suffixes are shorter, so they come before it. */
static void link_suffixes(struct bnt_specials *s) {
    uint64_t steps = 0;
    for (uint32_t i = 0; i + 1 < s->count; i++) {
        struct bnt_special_node *n = &s->nodes[i];
        if (n->any < 0) n->any = s->nodes[n->fail].any;
        if (n->always < 0) n->always = s->nodes[n->fail].always;
        for (uint32_t c = n->children; c < s->nodes[i + 1].children; c++)
            s->nodes[c].fail = i ? step(s, n->fail, s->nodes[c].byte, &steps) : 0;
    }
}

/* Nodes of sorted texts: the root, and for each text what it does not share with the one before. */
static size_t count_nodes(const struct entry *entries, uint32_t n) {
    size_t count = 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct bnt_piece *p = entries[i].piece, *q = i ? entries[i - 1].piece : p;
        size_t shared = 0;
        while (i && shared < q->text_len && shared < p->text_len &&
               back(p, shared) == back(q, shared))
            shared++;
        count += p->text_len - shared;
    }
    return count;
}

static int build(struct bnt_specials *s, struct entry *entries, uint32_t n, struct bnt_err *err) {
    struct builder b = {.s = s, .entries = entries};
    size_t room;
    bnt_sort(entries, n, sizeof *entries, compare);
    room = count_nodes(entries, n) + 1; /* the last says where children end */
    s->nodes = malloc(room * sizeof *s->nodes);
    b.spans = malloc(room * sizeof *b.spans);
    if (!s->nodes || !b.spans) {
        free(b.spans);
        return bnt_fail_nomem(err, "special tokens", room * sizeof *s->nodes);
    }
    s->nodes[0] = (struct bnt_special_node){.any = -1, .always = -1};
    b.spans[0] = (struct span){0, n, 0};
    s->count = 1;
    for (uint32_t i = 0; i < s->count; i++) expand(&b, i);
    s->nodes[s->count] = (struct bnt_special_node){.children = s->count};
    s->count++;
    free(b.spans);
    link_suffixes(s);
    return BNT_OK;
}

int bnt_specials_init(struct bnt_specials *s, const struct bnt_vocab *v, const uint8_t *reserved,
                      struct bnt_err *err) {
    struct entry *entries;
    size_t bytes = 0;
    uint32_t n = 0;
    int rc;
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < v->count; i++) {
        if (!is_special(v, i, reserved)) continue;
        bytes += v->pieces[i].text_len;
        if (v->pieces[i].text_len > s->longest) s->longest = v->pieces[i].text_len;
        s->some = true;
        s->some_always |= v->pieces[i].type == BNT_TOKEN_USER_DEFINED;
        n++;
    }
    if (n == 0) return BNT_OK;
    if (bytes > BNT_SPECIAL_BYTES_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "%u special tokens with %zu bytes of text (limit %d)", n,
                        bytes, BNT_SPECIAL_BYTES_MAX);
    entries = malloc(n * sizeof *entries);
    if (!entries) return bnt_fail_nomem(err, "special tokens", n * sizeof *entries);
    n = 0;
    for (uint32_t i = 0; i < v->count; i++)
        if (is_special(v, i, reserved)) entries[n++] = (struct entry){&v->pieces[i], (int32_t)i};
    rc = build(s, entries, n, err);
    free(entries);
    return rc;
}

void bnt_specials_free(struct bnt_specials *s) {
    free(s->nodes);
    memset(s, 0, sizeof *s);
}

/* ---- searching --------------------------------------------------------------------------------
 */

enum { WINDOW = 1 << 20 };

static int add_hit(struct bnt_special_search *h, size_t begin, int32_t id, struct bnt_err *err) {
    if (h->count == h->capacity) {
        size_t n = h->capacity ? 2 * h->capacity : 64;
        void *grown = realloc(h->hits, n * sizeof *h->hits);
        if (!grown) return bnt_fail_nomem(err, "special tokens of a text", n * sizeof *h->hits);
        h->hits = grown;
        h->capacity = n;
    }
    h->hits[h->count++] = (struct bnt_special_hit){begin, id};
    return BNT_OK;
}

/* The hits of the window at pos. What begins in it may end behind it, by the longest text at most.
 */
static int scan(const struct bnt_specials *s, const uint8_t *text, size_t pos, size_t len,
                bool control, struct bnt_special_search *h, struct bnt_err *err) {
    const size_t window = len - pos < WINDOW ? len - pos : WINDOW;
    const size_t behind = len - pos - window < s->longest ? len - pos - window : s->longest;
    uint32_t node = 0;
    h->count = 0;
    h->window_end = pos + window;
    for (size_t i = h->window_end + behind; i-- > pos;) {
        int32_t id;
        int rc;
        node = step(s, node, text[i], &h->steps);
        id = control ? s->nodes[node].any : s->nodes[node].always;
        if (id >= 0 && i < h->window_end && (rc = add_hit(h, i, id, err))) return rc;
    }
    return BNT_OK;
}

int bnt_specials_next(const struct bnt_specials *s, const uint8_t *text, size_t pos, size_t len,
                      bool control, struct bnt_special_search *search, size_t *begin, int32_t *id,
                      struct bnt_err *err) {
    *begin = len;
    *id = -1;
    if (!(control ? s->some : s->some_always)) return BNT_OK;
    for (;;) {
        int rc;
        while (search->count && search->hits[search->count - 1].begin < pos) search->count--;
        if (search->count) break;
        if (pos < search->window_end) pos = search->window_end;
        if (pos == len) return BNT_OK;
        if ((rc = scan(s, text, pos, len, control, search, err))) return rc;
    }
    *begin = search->hits[search->count - 1].begin;
    *id = search->hits[search->count - 1].id;
    return BNT_OK;
}

void bnt_special_search_free(struct bnt_special_search *search) {
    free(search->hits);
    memset(search, 0, sizeof *search);
}
