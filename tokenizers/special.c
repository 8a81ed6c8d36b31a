/* special.c - see special.h. */
#include "special.h"

#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"

static bool is_special(const struct bnt_piece *p) {
    return p->text_len > 0 && (p->type == BNT_TOKEN_CONTROL || p->type == BNT_TOKEN_UNKNOWN ||
                               p->type == BNT_TOKEN_USER_DEFINED);
}

struct entry { /* what qsort compares */
    const struct bnt_piece *piece;
    int32_t id;
};

static int compare(const void *a, const void *b) {
    const struct bnt_piece *p = ((const struct entry *)a)->piece;
    const struct bnt_piece *q = ((const struct entry *)b)->piece;
    size_t n = p->text_len < q->text_len ? p->text_len : q->text_len;
    int c = memcmp(p->text, q->text, n);
    return c ? c : (p->text_len > q->text_len) - (p->text_len < q->text_len);
}

int bnt_specials_init(struct bnt_specials *s, const struct bnt_vocab *v, struct bnt_err *err) {
    struct entry *entries = NULL;
    size_t n = 0;
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < v->count; i++) s->count += is_special(&v->pieces[i]);
    if (s->count == 0) return BNT_OK;
    entries = malloc(s->count * sizeof *entries);
    s->ids = malloc(s->count * sizeof *s->ids);
    if (!entries || !s->ids) {
        free(entries);
        return bnt_fail_nomem(err, "special tokens", s->count * sizeof *entries);
    }
    for (uint32_t i = 0; i < v->count; i++) {
        const struct bnt_piece *p = &v->pieces[i];
        if (!is_special(p)) continue;
        entries[n++] = (struct entry){p, (int32_t)i};
        s->always += p->type == BNT_TOKEN_USER_DEFINED;
        s->first[p->text[0]] = true;
    }
    qsort(entries, n, sizeof *entries, compare);
    for (size_t i = 0; i < n; i++) s->ids[i] = entries[i].id;
    free(entries);
    return BNT_OK;
}

void bnt_specials_free(struct bnt_specials *s) {
    free(s->ids);
    memset(s, 0, sizeof *s);
}

/* The longest match that begins at pos, or -1. All of ids[lo, hi) share text[pos, pos + n). */
static int32_t longest_at(const struct bnt_specials *s, const struct bnt_vocab *v,
                          const uint8_t *text, size_t pos, size_t len, bool control) {
    size_t lo = 0, hi = s->count;
    int32_t best = -1;
    for (size_t n = 0; lo < hi; n++) {
        const struct bnt_piece *p = &v->pieces[s->ids[lo]];
        size_t a, b;
        if (p->text_len == n) { /* the shortest sorts first, and texts are unique */
            if (control || p->type == BNT_TOKEN_USER_DEFINED) best = s->ids[lo];
            lo++;
        }
        if (pos + n >= len) break;
        for (a = lo, b = hi; a < b;) { /* first with byte n not less */
            size_t mid = a + (b - a) / 2;
            if (v->pieces[s->ids[mid]].text[n] < text[pos + n])
                a = mid + 1;
            else
                b = mid;
        }
        lo = a;
        for (b = hi; a < b;) { /* first with byte n greater */
            size_t mid = a + (b - a) / 2;
            if (v->pieces[s->ids[mid]].text[n] <= text[pos + n])
                a = mid + 1;
            else
                b = mid;
        }
        hi = a;
    }
    return best;
}

size_t bnt_specials_find(const struct bnt_specials *s, const struct bnt_vocab *v,
                         const uint8_t *text, size_t pos, size_t len, bool control, int32_t *id,
                         size_t *match_len) {
    if ((control ? s->count : s->always) == 0) return len;
    for (; pos < len; pos++) {
        int32_t found;
        if (!s->first[text[pos]]) continue;
        found = longest_at(s, v, text, pos, len, control);
        if (found < 0) continue;
        *id = found;
        *match_len = v->pieces[found].text_len;
        return pos;
    }
    return len;
}
