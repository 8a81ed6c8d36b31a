/* text.c - see text.h. */
#include "text.h"

#include <string.h>
#include <utf8proc.h>

#include "unicode.h"

/* ---- growing --------------------------------------------------------------------------------- */

static bool make_room(struct bnt_jinja_run *r, struct pen *p, size_t n, bool marks) {
    if (n > p->room - p->len) {
        size_t room = 2 * p->room + 32;
        if (n > SIZE_MAX / 4 - p->len) return run_fail(r, BNT_E_LIMIT, "a text without end");
        if (room < p->len + n) room = p->len + n;
        char *text = run_take(r, room);
        uint8_t *old = p->marks;
        if (!text) return false;
        if (p->len) memcpy(text, p->text, p->len);
        p->text = text;
        p->room = room;
        p->marks = NULL;
        if (old) {
            if (!(p->marks = run_take(r, room))) return false;
            memcpy(p->marks, old, p->len);
        }
    }
    if (marks && !p->marks) {
        if (!(p->marks = run_take(r, p->room))) return false;
        memset(p->marks, 0, p->len);
    }
    return true;
}

bool pen_put(struct bnt_jinja_run *r, struct pen *p, struct bnt_marked t) {
    if (t.len == 0) return true;
    if (!run_step(r, t.len / 64) || !make_room(r, p, t.len, t.marks != NULL)) return false;
    memcpy(p->text + p->len, t.text, t.len);
    if (t.marks)
        memcpy(p->marks + p->len, t.marks, t.len);
    else if (p->marks)
        memset(p->marks + p->len, 0, t.len);
    p->len += t.len;
    return true;
}

bool pen_text(struct bnt_jinja_run *r, struct pen *p, const char *s) {
    return pen_put(r, p, text_of(s, strlen(s)));
}

bool pen_bytes(struct bnt_jinja_run *r, struct pen *p, const char *s, size_t n, bool foreign) {
    size_t from = p->len;
    if (!pen_put(r, p, text_of(s, n)) || !make_room(r, p, 0, foreign && n)) return false;
    if (p->marks && n) memset(p->marks + from, foreign, n);
    return true;
}

bool pen_char(struct bnt_jinja_run *r, struct pen *p, int32_t cp, bool foreign) {
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(cp, bytes);
    return pen_bytes(r, p, (const char *)bytes, (size_t)n, foreign);
}

struct bnt_marked pen_done(const struct pen *p) {
    return (struct bnt_marked){p->text ? p->text : "", p->marks, p->len};
}

/* ---- looking --------------------------------------------------------------------------------- */

size_t text_next(struct bnt_marked t, size_t at, int32_t *cp) {
    return bnt_utf8_next((const uint8_t *)t.text + at, t.len - at, cp);
}

size_t text_before(struct bnt_marked t, size_t at, int32_t *cp) {
    for (size_t n = at < 4 ? at : 4; n > 1; n--)
        if (bnt_utf8_next((const uint8_t *)t.text + at - n, n, cp) == n) return at - n;
    bnt_utf8_next((const uint8_t *)t.text + at - 1, 1, cp);
    return at - 1;
}

size_t text_length(struct bnt_marked t) {
    size_t n = 0;
    int32_t cp;
    for (size_t at = 0; at < t.len; n++) at += text_next(t, at, &cp);
    return n;
}

bool text_equal(struct bnt_marked a, struct bnt_marked b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.text, b.text, a.len) == 0);
}

int text_compare(struct bnt_marked a, struct bnt_marked b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.text, b.text, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

size_t text_find(struct bnt_marked t, struct bnt_marked what, size_t from) {
    if (from > t.len || what.len > t.len - from) return SIZE_MAX;
    if (what.len == 0) return from;
    const char *at = memmem(t.text + from, t.len - from, what.text, what.len);
    return at ? (size_t)(at - t.text) : SIZE_MAX;
}

bool text_rfind(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked what, size_t *at) {
    *at = SIZE_MAX;
    if (what.len > t.len) return true;
    if (!run_step(r, t.len / 64)) return false;
    for (size_t i = t.len - what.len + 1; i-- > 0;) {
        if (what.len && t.text[i] != what.text[0]) continue;
        if (!run_step(r, 1 + what.len / 64)) return false;
        if (what.len && memcmp(t.text + i, what.text, what.len) != 0) continue;
        *at = i;
        return true;
    }
    return true;
}

bool text_starts(struct bnt_marked t, struct bnt_marked with) {
    return t.len >= with.len && text_equal(text_part(t, 0, with.len), with);
}

bool text_ends(struct bnt_marked t, struct bnt_marked with) {
    return t.len >= with.len && text_equal(text_part(t, t.len - with.len, t.len), with);
}

static bool in_set(struct bnt_marked set, struct bnt_marked one, int32_t cp) {
    if (!set.text) return char_is_space(cp);
    for (size_t at = 0, n; at < set.len; at += n) {
        int32_t c;
        n = text_next(set, at, &c);
        if (text_equal(text_part(set, at, at + n), one)) return true;
    }
    return false;
}

struct bnt_marked text_strip(struct bnt_marked t, struct bnt_marked set, bool left, bool right) {
    size_t from = 0, to = t.len;
    int32_t cp;
    while (left && from < to) {
        size_t n = text_next(t, from, &cp);
        if (!in_set(set, text_part(t, from, from + n), cp)) break;
        from += n;
    }
    while (right && to > from) {
        size_t at = text_before(t, to, &cp);
        if (!in_set(set, text_part(t, at, to), cp)) break;
        to = at;
    }
    return text_part(t, from, to);
}

bool text_strip_counted(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked set,
                        bool left, bool right, struct bnt_marked *out) {
    if (!run_step(r, t.len / 8 * (1 + set.len))) return false;
    *out = text_strip(t, set, left, right);
    return true;
}

bool text_slice(struct bnt_jinja_run *r, struct bnt_marked t, const int64_t range[3], size_t n,
                struct bnt_marked *out) {
    struct pen p = {0};
    size_t at = 0, from = 0;
    int32_t cp;
    if (n == 0) {
        *out = text_of("", 0);
        return true;
    }
    if (!run_step(r, t.len / 16)) return false;
    for (int64_t i = 0; i < range[0]; i++) at += text_next(t, at, &cp);
    from = at;
    if (range[2] == 1) {
        for (size_t i = 0; i < n; i++) at += text_next(t, at, &cp);
        *out = text_part(t, from, at);
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        size_t end = at + text_next(t, at, &cp);
        if (!pen_put(r, &p, text_part(t, at, end)) || !run_step(r, 1)) return false;
        for (int64_t k = 0; i + 1 < n && k < range[2]; k++) at += text_next(t, at, &cp);
        for (int64_t k = 0; i + 1 < n && k > range[2]; k--) at = text_before(t, at, &cp);
    }
    *out = pen_done(&p);
    return true;
}

/* ---- taking apart and putting together ------------------------------------------------------- */

bool text_replace(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked old,
                  struct bnt_marked new, size_t most, struct bnt_marked *out) {
    struct pen p = {0};
    size_t at = 0;
    if (!run_step(r, t.len / 16)) return false;
    while (most-- > 0) {
        size_t hit = text_find(t, old, at), end = hit;
        int32_t cp;
        if (hit == SIZE_MAX) break;
        if (old.len == 0 && hit < t.len) end += text_next(t, hit, &cp); /* between characters */
        if (!run_step(r, 1) || !pen_put(r, &p, text_part(t, at, hit)) || !pen_put(r, &p, new) ||
            (old.len == 0 && !pen_put(r, &p, text_part(t, hit, end))))
            return false;
        at = old.len ? hit + old.len : end;
        if (old.len == 0 && hit == t.len) break;
    }
    if (!pen_put(r, &p, text_part(t, at, t.len))) return false;
    *out = pen_done(&p);
    return true;
}

static bool add_part(struct bnt_jinja_run *r, struct jv_list *l, struct bnt_marked t) {
    struct jv v = jv_marked(t);
    return run_step(r, 1) && jv_list_add(r, l, &v);
}

static bool split_at_spaces(struct bnt_jinja_run *r, struct bnt_marked t, size_t most,
                            struct jv_list *out) {
    const struct bnt_marked spaces = {0};
    for (t = text_strip(t, spaces, true, false); t.len; t = text_strip(t, spaces, true, false)) {
        size_t end = 0, n;
        int32_t cp;
        if (most-- == 0) return add_part(r, out, t);
        for (; end < t.len; end += n) {
            n = text_next(t, end, &cp);
            if (char_is_space(cp)) break;
        }
        if (!add_part(r, out, text_part(t, 0, end))) return false;
        t = text_part(t, end, t.len);
    }
    return true;
}

static void turn_round(struct jv_list *l, size_t from) {
    for (size_t i = from, k = l->n; i + 1 < k; i++) {
        struct jv v = l->at[i];
        l->at[i] = l->at[--k];
        l->at[k] = v;
    }
}

static bool split_from_right(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked sep,
                             size_t most, struct jv_list *out) {
    size_t from = out->n;
    while (most-- > 0) {
        size_t at;
        if (!text_rfind(r, t, sep, &at)) return false;
        if (at == SIZE_MAX) break;
        if (!add_part(r, out, text_part(t, at + sep.len, t.len))) return false;
        t = text_part(t, 0, at);
    }
    if (!add_part(r, out, t)) return false;
    turn_round(out, from);
    return true;
}

bool text_split(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked sep, size_t most,
                bool from_right, struct jv_list *out) {
    if (!run_step(r, t.len / 8)) return false;
    if (!sep.text) {
        if (from_right && most != SIZE_MAX)
            return run_error(r, "rsplit at white space with a limit is not done here");
        return split_at_spaces(r, t, most, out);
    }
    if (sep.len == 0) return run_error(r, "split at an empty text");
    if (from_right) return split_from_right(r, t, sep, most, out);
    size_t at = 0;
    while (most-- > 0) {
        size_t hit = text_find(t, sep, at);
        if (hit == SIZE_MAX) break;
        if (!add_part(r, out, text_part(t, at, hit))) return false;
        at = hit + sep.len;
    }
    return add_part(r, out, text_part(t, at, t.len));
}

static bool ends_line(int32_t c) {
    return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

bool text_lines(struct bnt_jinja_run *r, struct bnt_marked t, bool keep_ends, struct jv_list *out) {
    size_t from = 0;
    for (size_t at = 0, n; at < t.len;) {
        int32_t c;
        n = text_next(t, at, &c);
        if (!ends_line(c)) {
            at += n;
            continue;
        }
        size_t end = at + n;
        if (c == '\r' && end < t.len && t.text[end] == '\n') end++;
        if (!add_part(r, out, text_part(t, from, keep_ends ? end : at))) return false;
        from = at = end;
    }
    return from == t.len || add_part(r, out, text_part(t, from, t.len));
}

bool text_join(struct bnt_jinja_run *r, struct bnt_marked between, const struct jv_list *l,
               bool any, struct bnt_marked *out) {
    struct pen p = {0};
    for (size_t i = 0; i < l->n; i++) {
        struct bnt_marked t;
        if (!any && l->at[i].kind != JV_TEXT)
            return run_error(r, "join: item %zu is a %s, not a text", i, jv_type_name(&l->at[i]));
        if ((i && !pen_put(r, &p, between)) || !jv_str(r, &l->at[i], &t) || !pen_put(r, &p, t))
            return false;
    }
    *out = pen_done(&p);
    return true;
}
