/* spm.c - see spm.h. */
#include "spm.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

struct stretch { /* of text, normalised: spaces are spaces, never U+2581 */
    const struct bnt_vocab *v;
    const struct bnt_bpe *ranks;
    uint8_t *text;
    uint32_t *origin; /* where the symbol's first byte lies in the caller's text; one more at end */
    size_t len;
};

/* Floats in descending order as unsigned integers in ascending order. */
static uint32_t order_of(float score) {
    uint32_t bits;
    score += 0.0f; /* -0 equals 0 */
    memcpy(&bits, &score, 4);
    return bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
}

static bool by_score(const void *ctx, const struct bnt_symbol *l, const struct bnt_symbol *r,
                     uint32_t *order, int32_t *id) {
    const struct stretch *s = ctx;
    *id = bnt_vocab_find(s->v, s->text + l->begin, (size_t)l->len + r->len);
    if (*id < 0) return false;
    *order = order_of(s->v->pieces[*id].score);
    return true;
}

/* Makes symbols of the characters from *at on, up to where no merge reaches across: where no piece
 * has a space behind something else, that is in front of each space that follows another character.
 * So a text costs no more than its words, and the same tokens result. Vocabularies with ranks are
 * cut between newlines and all else besides, as they were made: [^\n]+|\n+. */
static int split(struct stretch *s, const uint8_t *text, size_t *at, size_t end, bool prefix,
                 bool exact, struct bnt_merger *m, struct bnt_err *err) {
    int rc;
    s->len = 0;
    bnt_merger_reset(m);
    while (*at < end || prefix) {
        int32_t cp = -1;
        size_t step = prefix ? 0 : bnt_utf8_next(text + *at, end - *at, &cp), len = step;
        if (s->ranks && s->len && (cp == '\n') != (s->text[s->len - 1] == '\n')) break;
        if (prefix || cp == ' ' || (cp == 0x2581 && !exact)) {
            if (s->v->spaces_lead && s->len && s->text[s->len - 1] != ' ') break;
            s->text[s->len] = ' ';
            len = 1;
        } else {
            memcpy(s->text + s->len, text + *at, step);
        }
        s->origin[m->count] = (uint32_t)*at;
        rc = bnt_merger_add(m, s->len, len, bnt_vocab_find(s->v, s->text + s->len, len), err);
        if (rc) return rc;
        s->len += len;
        *at += step;
        prefix = false;
    }
    s->origin[m->count] = (uint32_t)*at;
    return BNT_OK;
}

/* In vocabularies with ranks a run of newlines that is a piece becomes it, whatever the merges say.
 */
static bool join_newlines(const struct stretch *s, struct bnt_merger *m) {
    int32_t id = s->ranks && s->text[0] == '\n' ? bnt_vocab_find(s->v, s->text, s->len) : -1;
    if (id < 0) return false;
    m->symbols[0].id = id;
    m->symbols[0].len = (uint32_t)s->len;
    m->symbols[0].next = BNT_NO_SYMBOL;
    return true;
}

/* A character without a piece: its bytes. The format's UNK would lose them. */
static int spell(const struct stretch *s, const struct bnt_symbol *sym, size_t from, size_t to,
                 struct bnt_token_list *out, struct bnt_err *err) {
    int rc = BNT_OK;
    for (uint32_t i = 0; i < sym->len && !rc; i++) {
        const uint8_t byte = s->text[sym->begin + i];
        const bool last = i + 1 == sym->len;
        const size_t at = from + i < to ? from + i : to;
        if (s->v->byte_id[byte] < 0)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "the text has byte 0x%02X at %zu, for which the vocabulary has no "
                            "token",
                            byte, at);
        rc = bnt_token_push(out, s->v->byte_id[byte], at, last ? to : at + 1, err);
    }
    return rc;
}

int bnt_spm_encode(const struct bnt_spm *spm, const uint8_t *text, size_t begin, size_t end,
                   bool prefix, bool exact, struct bnt_merger *m, struct bnt_token_list *out,
                   struct bnt_err *err) {
    size_t room = end - begin + 2;
    struct stretch s = {.v = spm->v,
                        .ranks = spm->ranks,
                        .text = malloc(room),
                        .origin = malloc(room * sizeof *s.origin)};
    int rc = BNT_OK;
    if (!s.text || !s.origin) {
        rc = bnt_fail_nomem(err, "text to encode", room * 5);
        goto out;
    }
    for (size_t at = begin; at < end; prefix = false) {
        if ((rc = split(&s, text, &at, end, prefix, exact, m, err))) goto out;
        if (!join_newlines(&s, m)) {
            rc = s.ranks ? bnt_merger_run(m, bnt_bpe_rule, s.ranks, err)
                         : bnt_merger_run(m, by_score, &s, err);
            if (rc) goto out;
        }
        for (uint32_t i = 0; i != BNT_NO_SYMBOL; i = m->symbols[i].next) {
            const struct bnt_symbol *sym = &m->symbols[i];
            uint32_t next = sym->next == BNT_NO_SYMBOL ? m->count : sym->next;
            size_t from = s.origin[i], to = s.origin[next];
            rc = sym->id >= 0 ? bnt_token_push(out, sym->id, from, to, err)
                              : spell(&s, sym, from, to, out, err);
            if (rc) goto out;
        }
    }
out:
    free(s.text);
    free(s.origin);
    return rc;
}
