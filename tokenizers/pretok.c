/* pretok.c - see pretok.h. */
#include "pretok.h"

#include <string.h>
#include <utf8proc.h>

int bnt_splitter_init(struct bnt_splitter *s, const struct bnt_pretok *pre, struct bnt_err *err) {
    int rc = BNT_OK;
    memset(s, 0, sizeof *s);
    for (size_t i = 0; pre->cuts[i] && !rc; i++) {
        struct bnt_cut *cut = &s->cuts[s->count++];
        if (strcmp(pre->cuts[i], BNT_CUT_THREES) == 0)
            cut->kind = BNT_CUT_GROUPS;
        else if (strcmp(pre->cuts[i], BNT_CUT_THREES_APART) == 0)
            cut->kind = BNT_CUT_GROUPS_APART;
        else if (strcmp(pre->cuts[i], BNT_CUT_THREES_BEFORE) == 0)
            cut->kind = BNT_CUT_GROUPS_BEFORE;
        else
            rc = bnt_regex_compile(&cut->regex, pre->cuts[i], err);
    }
    if (rc) bnt_splitter_free(s);
    return rc;
}

void bnt_splitter_free(struct bnt_splitter *s) {
    for (size_t i = 0; i < s->count; i++) bnt_regex_free(&s->cuts[i].regex);
    memset(s, 0, sizeof *s);
}

/* ---- expressions ------------------------------------------------------------------------------
 */

/* The end of the word of cut `i` that begins at pos: a match, or what lies before the next one. */
static size_t regex_cut(struct bnt_words *w, size_t i, size_t pos, size_t limit) {
    const struct bnt_regex *regex = &w->splitter->cuts[i].regex;
    size_t at = pos;
    if (pos == w->cuts[i].match && w->cuts[i].match_end > pos) return w->cuts[i].match_end;
    while (at < limit) {
        size_t end = bnt_regex_match(regex, w->text, at, limit, &w->seen);
        int32_t cp;
        if (end > at) {
            if (at == pos) return end;
            w->cuts[i].match = at;
            w->cuts[i].match_end = end;
            return at;
        }
        at += bnt_utf8_next(w->text + at, limit - at, &cp);
    }
    return limit;
}

/* ---- digits in threes -------------------------------------------------------------------------
 */

static bool is_digit(int32_t cp, bool any_number) {
    unsigned kind = bnt_kind_of(cp);
    return kind == UTF8PROC_CATEGORY_ND ||
           (any_number && (kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO));
}

/* A character of \w, to which the engines of the trained tokenizers count all numbers. */
static bool is_word(int32_t cp) {
    unsigned kind = bnt_kind_of(cp);
    return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_PC;
}

/* Behind so many characters. */
static size_t advance(const struct bnt_words *w, size_t pos, size_t limit, size_t n) {
    int32_t cp;
    for (; n && pos < limit; n--) pos += bnt_utf8_next(w->text + pos, limit - pos, &cp);
    return pos;
}

/* The next run of digits at or behind pos, as the cut's match, and where its first group ends (or,
 * where the places before groups are wanted, begins). False if there is none. */
static bool find_run(struct bnt_words *w, size_t i, size_t pos, size_t limit) {
    const enum bnt_cut_kind kind = w->splitter->cuts[i].kind;
    size_t run = limit, digits = 0;
    while (pos < limit) {
        int32_t cp;
        size_t step = bnt_utf8_next(w->text + pos, limit - pos, &cp);
        w->seen++;
        if (is_digit(cp, kind == BNT_CUT_GROUPS)) {
            if (digits++ == 0) run = pos;
        } else if (digits && !(kind == BNT_CUT_GROUPS_APART && is_word(cp))) {
            break;
        } else {
            digits = 0;
        }
        pos += step;
    }
    if (digits == 0) return false;
    w->cuts[i].match = run;
    w->cuts[i].match_end = pos;
    w->cuts[i].first =
        advance(w, run, pos, digits % 3 || kind == BNT_CUT_GROUPS_BEFORE ? digits % 3 : 3);
    if (digits < 3) w->cuts[i].first = pos;
    return true;
}

static size_t groups_cut(struct bnt_words *w, size_t i, size_t pos, size_t limit) {
    const bool before = w->splitter->cuts[i].kind == BNT_CUT_GROUPS_BEFORE;
    if (pos >= w->cuts[i].match_end && !find_run(w, i, pos, limit)) return limit;
    if (!before) {
        if (pos < w->cuts[i].match) return w->cuts[i].match;
        if (pos == w->cuts[i].match) return w->cuts[i].first;
        return advance(w, pos, limit, 3);
    }
    for (;;) { /* the places before a group, of which a run of one or two digits has none */
        size_t first = w->cuts[i].first, end = w->cuts[i].match_end;
        size_t next = pos < first ? first : advance(w, pos, end, 3);
        if (next < end) return next;
        if (!find_run(w, i, end, limit)) return limit;
    }
}

/* ---- words ------------------------------------------------------------------------------------
 */

bool bnt_words_next(struct bnt_words *w) {
    size_t pos = w->end, limit = w->len;
    if (pos >= w->len) return false;
    for (size_t i = 0; i < w->splitter->count; i++) {
        if (pos >= w->cuts[i].end)
            w->cuts[i].end = w->splitter->cuts[i].kind == BNT_CUT_REGEX
                                 ? regex_cut(w, i, pos, limit)
                                 : groups_cut(w, i, pos, limit);
        limit = w->cuts[i].end;
    }
    w->begin = pos;
    w->end = limit;
    return true;
}
