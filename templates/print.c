/*
 * print.c - values as texts: Python's str() and repr(), and JSON as json.dumps writes it.
 *
 * What a text inside a value says keeps its marks, the letters of its escapes too; brackets, quotes
 * and numbers are the template's.
 */
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text.h"

/* ---- numbers --------------------------------------------------------------------------------- */

/* repr(float): the fewest digits that give the number back; an exponent below 1e-4 and from 1e16.
 */
static void write_real(double f, char out[64]) {
    char digits[40];
    int precision = 1;
    if (isnan(f) || isinf(f)) {
        strcpy(out, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    do snprintf(digits, sizeof digits, "%.*e", precision - 1, f);
    while (strtod(digits, NULL) != f && ++precision < 18);
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        char *e = strchr(digits, 'e');
        snprintf(out, 64, "%.*s%s", (int)(e - digits), digits, e);
    } else {
        snprintf(out, 64, "%.*f", precision - 1 > exponent ? precision - 1 - exponent : 1, f);
    }
    /* The library may run in a program whose locale writes commas. */
    const char *point = localeconv()->decimal_point;
    char *at = strstr(out, point);
    if (at && strcmp(point, ".") != 0) {
        *at = '.';
        memmove(at + 1, at + strlen(point), strlen(at + strlen(point)) + 1);
    }
}

/* ---- str and repr ---------------------------------------------------------------------------- */

static bool put_repr(struct bnt_jinja_run *r, struct pen *p, const struct jv *v);

static bool is_printable(int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == ' ';
    default: return true;
    }
}

static bool put_escape(struct bnt_jinja_run *r, struct pen *p, bool foreign, const char *form,
                       unsigned c) {
    char text[16];
    int n = snprintf(text, sizeof text,
                     form[0] == '1'   ? "\\x%02x"
                     : form[0] == '2' ? "\\u%04x"
                                      : "\\U%08x",
                     c);
    return pen_bytes(r, p, text, (size_t)n, foreign);
}

static bool put_quoted(struct bnt_jinja_run *r, struct pen *p, struct bnt_marked t) {
    bool one = text_find(t, text_of("'", 1), 0) != SIZE_MAX;
    bool two = text_find(t, text_of("\"", 1), 0) != SIZE_MAX;
    const char quote[] = {one && !two ? '"' : '\'', '\0'};
    if (!run_step(r, t.len) || !pen_text(r, p, quote)) return false;
    for (size_t at = 0, n; at < t.len; at += n) {
        int32_t c;
        bool foreign = t.marks && t.marks[at], ok;
        n = text_next(t, at, &c);
        if (c == '\n' || c == '\r' || c == '\t')
            ok = pen_bytes(r, p, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", 2, foreign);
        else if (c == quote[0] || c == '\\')
            ok = pen_bytes(r, p, "\\", 1, foreign) && pen_put(r, p, text_part(t, at, at + n));
        else if (c < 0)
            ok = put_escape(r, p, foreign, "2", 0xdc00u + (unsigned char)t.text[at]);
        else if (is_printable(c))
            ok = pen_put(r, p, text_part(t, at, at + n));
        else
            ok = put_escape(r, p, foreign, c < 0x100 ? "1" : c < 0x10000 ? "2" : "4", (unsigned)c);
        if (!ok) return false;
    }
    return pen_text(r, p, quote);
}

static bool put_items(struct bnt_jinja_run *r, struct pen *p, const struct jv_list *l) {
    bool tuple = l->kind == LIST_TUPLE || l->kind == LIST_GROUP;
    if (!pen_text(r, p, tuple ? "(" : "[")) return false;
    for (size_t i = 0; i < l->n; i++)
        if ((i && !pen_text(r, p, ", ")) || !put_repr(r, p, &l->at[i])) return false;
    return pen_text(r, p, tuple ? (l->n == 1 ? ",)" : ")") : "]");
}

static bool put_pairs(struct bnt_jinja_run *r, struct pen *p, const struct jv_dict *d) {
    if (!pen_text(r, p, "{")) return false;
    for (size_t i = 0; i < d->n; i++)
        if ((i && !pen_text(r, p, ", ")) || !put_repr(r, p, &d->at[i].key) ||
            !pen_text(r, p, ": ") || !put_repr(r, p, &d->at[i].value))
            return false;
    return pen_text(r, p, "}");
}

static bool put_simple(struct bnt_jinja_run *r, struct pen *p, const struct jv *v) {
    char number[64];
    switch (v->kind) {
    case JV_UNDEFINED: return true;
    case JV_NONE: return pen_text(r, p, "None");
    case JV_BOOL: return pen_text(r, p, v->as.truth ? "True" : "False");
    case JV_INT:
        snprintf(number, sizeof number, "%" PRId64, v->as.integer);
        return pen_text(r, p, number);
    case JV_FLOAT: write_real(v->as.real, number); return pen_text(r, p, number);
    default: return run_error(r, "a %s is not printed here", jv_type_name(v));
    }
}

static bool put_repr(struct bnt_jinja_run *r, struct pen *p, const struct jv *v) {
    bool ok;
    if (!run_enter(r) || !run_step(r, 1)) return false;
    if (v->kind == JV_TEXT)
        ok = (!v->safe || pen_text(r, p, "Markup(")) && put_quoted(r, p, v->as.text) &&
             (!v->safe || pen_text(r, p, ")"));
    else if (v->kind == JV_UNDEFINED)
        ok = pen_text(r, p, "Undefined");
    else if (v->kind == JV_LIST && v->as.list->kind <= LIST_GROUP)
        ok = put_items(r, p, v->as.list);
    else if (v->kind == JV_DICT)
        ok = put_pairs(r, p, v->as.dict);
    else
        ok = put_simple(r, p, v);
    run_leave(r);
    return ok;
}

bool jv_repr(struct bnt_jinja_run *r, const struct jv *v, struct bnt_marked *out) {
    struct pen p = {0};
    if (!put_repr(r, &p, v)) return false;
    *out = pen_done(&p);
    return true;
}

bool jv_str(struct bnt_jinja_run *r, const struct jv *v, struct bnt_marked *out) {
    if (v->kind == JV_TEXT) {
        *out = v->as.text;
        return true;
    }
    if (v->kind == JV_UNDEFINED) {
        *out = text_of("", 0);
        return true;
    }
    return jv_repr(r, v, out);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static bool put_json(struct bnt_jinja_run *r, struct pen *p, const struct jv *v,
                     const struct json_style *s, unsigned level);

static bool put_json_text(struct bnt_jinja_run *r, struct pen *p, struct bnt_marked t, bool ascii) {
    size_t from = 0;
    char e[16];
    if (!run_step(r, t.len / 4) || !pen_text(r, p, "\"")) return false;
    for (size_t at = 0, n; at < t.len; at += n) {
        static const char named[] = "\"\\\n\r\t\b\f", letters[] = "\"\\nrtbf";
        int32_t c;
        int len = 0;
        n = text_next(t, at, &c);
        const char *hit = c > 0 && c < 0x80 ? strchr(named, c) : NULL;
        if (hit)
            len = snprintf(e, sizeof e, "\\%c", letters[hit - named]);
        else if (c < 0 && ascii)
            len = snprintf(e, sizeof e, "\\u%04x", 0xdc00u + (unsigned char)t.text[at]);
        else if (c >= 0 && (c < 0x20 || (ascii && c > 0x7e && c < 0x10000)))
            len = snprintf(e, sizeof e, "\\u%04x", (unsigned)c);
        else if (ascii && c >= 0x10000)
            len = snprintf(e, sizeof e, "\\u%04x\\u%04x", 0xd7c0u + ((unsigned)c >> 10),
                           0xdc00u + ((unsigned)c & 0x3ff));
        if (len == 0) continue;
        if (!pen_put(r, p, text_part(t, from, at)) ||
            !pen_bytes(r, p, e, (size_t)len, t.marks && t.marks[at]))
            return false;
        from = at + n;
    }
    return pen_put(r, p, text_part(t, from, t.len)) && pen_text(r, p, "\"");
}

static bool put_json_scalar(struct bnt_jinja_run *r, struct pen *p, const struct jv *v) {
    if (v->kind == JV_NONE) return pen_text(r, p, "null");
    if (v->kind == JV_BOOL) return pen_text(r, p, v->as.truth ? "true" : "false");
    if (v->kind == JV_FLOAT && !isfinite(v->as.real))
        return pen_text(r, p,
                        isnan(v->as.real) ? "NaN"
                        : v->as.real < 0  ? "-Infinity"
                                          : "Infinity");
    if (v->kind == JV_INT || v->kind == JV_FLOAT) return put_simple(r, p, v);
    return run_error(r, "a value of kind %s has no JSON", jv_type_name(v));
}

static bool new_line(struct bnt_jinja_run *r, struct pen *p, const struct json_style *s,
                     unsigned level) {
    if (!s->indent.text) return true;
    if (!pen_text(r, p, "\n")) return false;
    for (unsigned i = 0; i < level; i++)
        if (!pen_put(r, p, s->indent)) return false;
    return true;
}

static bool put_json_list(struct bnt_jinja_run *r, struct pen *p, const struct jv_list *l,
                          const struct json_style *s, unsigned level) {
    if (l->kind > LIST_GROUP) return run_error(r, "only lists and tuples have JSON");
    if (l->n == 0) return pen_text(r, p, "[]");
    if (!pen_text(r, p, "[")) return false;
    for (size_t i = 0; i < l->n; i++)
        if ((i && !pen_put(r, p, s->item)) || !new_line(r, p, s, level + 1) ||
            !put_json(r, p, &l->at[i], s, level + 1))
            return false;
    return new_line(r, p, s, level) && pen_text(r, p, "]");
}

static bool put_json_key(struct bnt_jinja_run *r, struct pen *p, const struct jv *key,
                         const struct json_style *s) {
    if (key->kind == JV_TEXT) return put_json_text(r, p, key->as.text, s->ascii);
    return pen_text(r, p, "\"") && put_json_scalar(r, p, key) && pen_text(r, p, "\"");
}

/* The pairs in the order of their keys. */
static bool sorted(struct bnt_jinja_run *r, const struct jv_dict *d, struct jv_pair **out) {
    struct jv_pair *at = run_take(r, d->n * sizeof *at);
    if (!at) return false;
    for (size_t i = 0; i < d->n; i++) { /* by insertion: dicts are small */
        size_t k = i;
        int order = 1;
        for (; k > 0; k--) {
            if (!run_step(r, 1) || !jv_compare(r, &at[k - 1].key, &d->at[i].key, &order))
                return false;
            if (order <= 0) break;
            at[k] = at[k - 1];
        }
        at[k] = d->at[i];
    }
    *out = at;
    return true;
}

static bool put_json_dict(struct bnt_jinja_run *r, struct pen *p, const struct jv_dict *d,
                          const struct json_style *s, unsigned level) {
    struct jv_pair *at = d->at;
    if (d->n == 0) return pen_text(r, p, "{}");
    if (s->sorted && !sorted(r, d, &at)) return false;
    if (!pen_text(r, p, "{")) return false;
    for (size_t i = 0; i < d->n; i++)
        if ((i && !pen_put(r, p, s->item)) || !new_line(r, p, s, level + 1) ||
            !put_json_key(r, p, &at[i].key, s) || !pen_put(r, p, s->key) ||
            !put_json(r, p, &at[i].value, s, level + 1))
            return false;
    return new_line(r, p, s, level) && pen_text(r, p, "}");
}

static bool put_json(struct bnt_jinja_run *r, struct pen *p, const struct jv *v,
                     const struct json_style *s, unsigned level) {
    bool ok;
    if (!run_enter(r) || !run_step(r, 1)) return false;
    if (v->kind == JV_TEXT)
        ok = put_json_text(r, p, v->as.text, s->ascii);
    else if (v->kind == JV_LIST)
        ok = put_json_list(r, p, v->as.list, s, level);
    else if (v->kind == JV_DICT)
        ok = put_json_dict(r, p, v->as.dict, s, level);
    else
        ok = put_json_scalar(r, p, v);
    run_leave(r);
    return ok;
}

bool jv_json(struct bnt_jinja_run *r, const struct jv *v, const struct json_style *style,
             struct bnt_marked *out) {
    struct pen p = {0};
    if (!put_json(r, &p, v, style, 0)) return false;
    *out = pen_done(&p);
    return true;
}
