/*
 * format.c - texts with places for values: Python's % and str.format, as far as templates use them.
 *
 * A place takes on the marks of what is put there. What is not done is refused: flags and types
 * beyond those of percent_value, and every format specification between braces.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "eval.h"

/* ---- % --------------------------------------------------------------------------------------- */

struct place {
    bool left, zero, has_precision;
    size_t width, precision;
    char type;
};

static size_t read_number(struct bnt_marked t, size_t *at) {
    size_t n = 0;
    while (*at < t.len && isdigit((unsigned char)t.text[*at]) && n < 100000)
        n = n * 10 + (size_t)(t.text[(*at)++] - '0');
    return n;
}

/* Behind the '%' or the "(name)". */
static struct place read_place(struct bnt_marked t, size_t *at) {
    struct place p = {0};
    for (; *at < t.len && (t.text[*at] == '-' || t.text[*at] == '0'); ++*at)
        *(t.text[*at] == '-' ? &p.left : &p.zero) = true;
    p.width = read_number(t, at);
    if (*at < t.len && t.text[*at] == '.') {
        ++*at;
        p.has_precision = true;
        p.precision = read_number(t, at);
    }
    p.type = *at < t.len ? t.text[(*at)++] : '\0';
    return p;
}

static bool put_padded(struct bnt_jinja_run *r, struct pen *out, const struct place *p,
                       struct bnt_marked t, const char *with) {
    size_t n = text_length(t), pad = p->width > n ? p->width - n : 0;
    if (p->left && !pen_put(r, out, t)) return false;
    while (pad--)
        if (!pen_text(r, out, p->left ? " " : with)) return false;
    return p->left || pen_put(r, out, t);
}

static bool percent_value(struct bnt_jinja_run *r, struct pen *out, const struct place *p,
                          const struct jv *v) {
    struct bnt_marked t;
    int64_t i;
    if (p->type == 's' || p->type == 'r') {
        if (!(p->type == 's' ? jv_str(r, v, &t) : jv_repr(r, v, &t))) return false;
        if (p->has_precision && text_length(t) > p->precision &&
            !text_slice(r, t, (const int64_t[]){0, (int64_t)p->precision, 1}, p->precision, &t))
            return false;
        return put_padded(r, out, p, t, " ");
    }
    if (p->type == 'd' || p->type == 'i') {
        char number[32];
        if (!jv_is_number(v)) return run_error(r, "%%d of a %s", jv_type_name(v));
        if (!jv_as_int(v, &i)) {
            if (!(v->as.real > -9e18 && v->as.real < 9e18))
                return run_error(r, "%%d of a number that does not fit 64 bits");
            i = (int64_t)v->as.real;
        }
        if (p->has_precision) return run_error(r, "%%d with a precision is not known here");
        int n = snprintf(number, sizeof number, "%" PRId64, i);
        t = text_of(number, (size_t)n);
        if (p->zero && !p->left && i < 0) { /* the sign comes before the zeros */
            struct place rest = *p;
            rest.width -= rest.width > 0;
            return pen_text(r, out, "-") && put_padded(r, out, &rest, text_part(t, 1, t.len), "0");
        }
        return put_padded(r, out, p, t, p->zero ? "0" : " ");
    }
    return run_error(r, "a place '%%%c' is not known here",
                     isprint((unsigned char)p->type) ? p->type : '?');
}

bool format_percent(struct bnt_jinja_run *r, struct bnt_marked form, const struct jv *values,
                    struct bnt_marked *out) {
    bool tuple = values->kind == JV_LIST && values->as.list->kind == LIST_TUPLE;
    const struct jv *all = tuple ? values->as.list->at : values;
    size_t n = tuple ? values->as.list->n : 1, used = 0;
    struct pen p = {0};
    for (size_t at = 0; at < form.len;) {
        size_t from = at;
        while (at < form.len && form.text[at] != '%') at++;
        if (!pen_put(r, &p, text_part(form, from, at))) return false;
        if (at == form.len) break;
        at++;
        if (at < form.len && form.text[at] == '(')
            return run_error(r, "places with names ('%%(name)s') are not known here");
        struct place place = read_place(form, &at);
        if (place.type == '%') {
            if (!pen_text(r, &p, "%")) return false;
        } else if (used == n) {
            return run_error(r, "a text has more places than values");
        } else if (!percent_value(r, &p, &place, &all[used++])) {
            return false;
        }
    }
    /* Python lets stand what no place has asked for and what can be asked for an item. */
    bool asked = values->kind == JV_DICT || values->kind == JV_UNDEFINED ||
                 (values->kind == JV_LIST &&
                  (values->as.list->kind == LIST_PLAIN || values->as.list->kind == LIST_RANGE));
    if (used < n && !asked) return run_error(r, "a text has fewer places than values");
    *out = pen_done(&p);
    return true;
}

/* ---- {} -------------------------------------------------------------------------------------- */

/* Places are all counted, or all numbered. */
struct counting {
    size_t next;
    bool counted, numbered;
};

static const struct jv *braces_value(struct bnt_jinja_run *r, struct bnt_marked name,
                                     const struct jv_args *args, struct counting *c) {
    size_t at = 0, i = name.len == 0 ? c->next++ : read_number(name, &at);
    if (at == name.len) {
        *(name.len == 0 ? &c->counted : &c->numbered) = true;
        if (i < args->n && !(c->counted && c->numbered)) return &args->at[i];
        run_fail(r, BNT_E_UNSUPPORTED,
                 i < args->n ? "format: some places are numbered and some are not"
                             : "format: there is no argument %zu",
                 i);
        return NULL;
    }
    for (size_t k = 0; k < args->n_named; k++)
        if (text_equal(name, text_of(args->named[k].name, strlen(args->named[k].name))))
            return &args->named[k].value;
    run_fail(r, BNT_E_UNSUPPORTED, "format: what stands between these braces is not known here");
    return NULL;
}

bool format_braces(struct bnt_jinja_run *r, struct bnt_marked form, const struct jv_args *args,
                   struct bnt_marked *out) {
    struct pen p = {0};
    struct counting counting = {0};
    for (size_t at = 0; at < form.len; at++) {
        char c = form.text[at];
        bool twice = at + 1 < form.len && form.text[at + 1] == c;
        if ((c != '{' && c != '}') || twice) {
            if (!run_step(r, 1) || !pen_put(r, &p, text_part(form, at, at + 1))) return false;
            at += (c == '{' || c == '}') && twice;
            continue;
        }
        size_t end = text_find(form, text_of("}", 1), at);
        if (c == '}' || end == SIZE_MAX) return run_error(r, "format: a brace without its other");
        const struct jv *v = braces_value(r, text_part(form, at + 1, end), args, &counting);
        struct bnt_marked t;
        if (!v || !jv_str(r, v, &t) || !pen_put(r, &p, t)) return false;
        at = end;
    }
    *out = pen_done(&p);
    return true;
}
