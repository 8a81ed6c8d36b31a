/*
 * filters.c - filters of texts, numbers and single values. list_filters.c has those of lists.
 *
 * As Jinja's own, with transformers' tojson: json.dumps without ASCII escapes.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval.h"

static bool give(struct jv *out, struct bnt_marked t) {
    *out = jv_marked(t);
    return true;
}

static bool given(const struct jv *slot) {
    return slot->kind != JV_ABSENT;
}

/* ---- texts ----------------------------------------------------------------------------------- */

ROUTINE(f_trim) {
    struct bnt_marked t, set = {0};
    (void)args;
    if (!jv_str(r, self, &t) ||
        (given(&slot[0]) && slot[0].kind != JV_NONE && !arg_text(r, &slot[0], "trim", &set)))
        return false;
    if (!text_strip_counted(r, t, set, true, true, &t)) return false;
    give(out, t);
    out->safe = self->kind == JV_TEXT && self->safe;
    return true;
}

static bool in_case(struct bnt_jinja_run *r, const struct jv *self, enum text_case how,
                    struct jv *out) {
    struct bnt_marked t;
    return jv_str(r, self, &t) && text_case(r, t, how, &t) && give(out, t);
}

ROUTINE(f_upper) {
    (void)args;
    (void)slot;
    return in_case(r, self, CASE_UPPER, out);
}
ROUTINE(f_lower) {
    (void)args;
    (void)slot;
    return in_case(r, self, CASE_LOWER, out);
}
ROUTINE(f_capitalize) {
    (void)args;
    (void)slot;
    return in_case(r, self, CASE_CAPITAL, out);
}

/* Not str.title: a word begins behind white space, a hyphen or an opening bracket. */
ROUTINE(f_title) {
    struct bnt_marked t, piece;
    struct pen p = {0};
    (void)args;
    (void)slot;
    if (!jv_str(r, self, &t) || !run_step(r, t.len)) return false;
    for (size_t at = 0, end; at < t.len; at = end) {
        int32_t c;
        bool divides = true;
        for (end = at; end < t.len;) { /* a word, or what stands between two */
            size_t n = text_next(t, end, &c);
            bool between = char_is_space(c) || (c > 0 && c < 0x80 && strchr("-({[<", c));
            if (end == at)
                divides = between;
            else if (between != divides)
                break;
            end += n;
        }
        size_t first = divides ? end : at + text_next(t, at, &c);
        if (divides ? !pen_put(r, &p, text_part(t, at, end))
                    : !text_case(r, text_part(t, at, first), CASE_UPPER, &piece) ||
                          !pen_put(r, &p, piece) ||
                          !text_case(r, text_part(t, first, end), CASE_LOWER, &piece) ||
                          !pen_put(r, &p, piece))
            return false;
    }
    return give(out, pen_done(&p));
}

ROUTINE(f_replace) {
    struct bnt_marked t, old, new;
    int64_t most = -1;
    (void)args;
    if (!jv_str(r, self, &t) || !jv_str(r, &slot[0], &old) || !jv_str(r, &slot[1], &new))
        return false;
    if (given(&slot[2]) && slot[2].kind != JV_NONE && !arg_int(r, &slot[2], "replace", &most))
        return false;
    return text_replace(r, t, old, new, most < 0 ? SIZE_MAX : (size_t)most, &t) && give(out, t);
}

ROUTINE(f_string) {
    struct bnt_marked t;
    (void)args;
    (void)slot;
    if (!jv_str(r, self, &t)) return false;
    give(out, t);
    out->safe = self->kind == JV_TEXT && self->safe;
    return true;
}

ROUTINE(f_safe) {
    if (!f_string(r, self, args, slot, out)) return false;
    out->safe = true;
    return true;
}

ROUTINE(f_indent) {
    struct bnt_marked t, by;
    struct pen p = {0}, spaces = {0};
    struct jv lines;
    int64_t width = 4;
    bool first = given(&slot[1]) && jv_truth(&slot[1]),
         blank = given(&slot[2]) && jv_truth(&slot[2]);
    (void)args;
    if (!arg_text(r, self, "indent", &t)) return false;
    if (slot[0].kind == JV_TEXT) {
        by = slot[0].as.text;
    } else {
        if (given(&slot[0]) && !arg_int(r, &slot[0], "indent", &width)) return false;
        while (width-- > 0)
            if (!run_step(r, 1) || !pen_text(r, &spaces, " ")) return false;
        by = pen_done(&spaces);
    }
    /* With one more end of a line, of which the last is an empty line. */
    if (!jv_list_new(r, LIST_PLAIN, 0, &lines) || !pen_put(r, &p, t) || !pen_text(r, &p, "\n") ||
        !text_lines(r, pen_done(&p), false, lines.as.list))
        return false;
    p = (struct pen){0};
    for (size_t i = 0; i < lines.as.list->n; i++) {
        struct bnt_marked line = lines.as.list->at[i].as.text;
        bool indented = i == 0 ? first : blank || line.len;
        if ((i && !pen_text(r, &p, "\n")) || (indented && !pen_put(r, &p, by)) ||
            !pen_put(r, &p, line))
            return false;
    }
    return give(out, pen_done(&p));
}

ROUTINE(f_format) {
    struct bnt_marked t;
    struct jv list;
    (void)slot;
    if (args->n_named) return run_error(r, "format with names is not known here");
    if (!jv_str(r, self, &t) || !jv_list_new(r, LIST_TUPLE, args->n, &list)) return false;
    for (size_t i = 0; i < args->n; i++)
        if (!jv_list_add(r, list.as.list, &args->at[i])) return false;
    return format_percent(r, t, &list, &t) && give(out, t);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* transformers: tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False). */
ROUTINE(f_tojson) {
    struct json_style s = {.ascii = given(&slot[0]) && jv_truth(&slot[0]),
                           .sorted = given(&slot[3]) && jv_truth(&slot[3])};
    struct bnt_marked t;
    struct pen spaces = {0};
    struct jv_list *pair;
    int64_t width = 0;
    (void)args;
    if (slot[1].kind == JV_TEXT) {
        s.indent = slot[1].as.text;
    } else if (given(&slot[1]) && slot[1].kind != JV_NONE && self->kind != JV_TEXT) {
        if (!arg_int(r, &slot[1], "tojson: the indent", &width)) return false;
        while (width-- > 0)
            if (!run_step(r, 1) || !pen_text(r, &spaces, " ")) return false;
        s.indent = pen_done(&spaces);
    }
    s.item = s.indent.text ? text_of(",", 1) : text_of(", ", 2);
    s.key = text_of(": ", 2);
    if (given(&slot[2]) && slot[2].kind != JV_NONE) {
        if (!jv_iterate(r, &slot[2], &pair)) return false;
        if (pair->n != 2) return run_error(r, "tojson: two separators are needed");
        if (!arg_text(r, &pair->at[0], "tojson: a separator", &s.item) ||
            !arg_text(r, &pair->at[1], "tojson: a separator", &s.key))
            return false;
    }
    return jv_json(r, self, &s, &t) && give(out, t);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* The text of a number without white space around it, digits of all scripts as those of ASCII.
 * SIZE_MAX: some other character is in it, or it is too long. */
static size_t number_text(struct bnt_marked t, char out[64]) {
    size_t n = 0;
    t = text_strip(t, (struct bnt_marked){0}, true, true);
    for (size_t at = 0; at < t.len;) {
        int32_t c;
        at += text_next(t, at, &c);
        int digit = char_decimal(c);
        if (digit < 0 && (c <= 0x20 || c >= 0x7f)) return SIZE_MAX;
        if (n == 63) return SIZE_MAX;
        out[n++] = digit < 0 ? (char)c : (char)('0' + digit);
    }
    out[n] = '\0';
    return n;
}

/* float() of a text; false: it is none. */
static bool text_real(struct bnt_marked t, double *out) {
    char number[64], *end;
    size_t n = number_text(t, number), len = 0;
    if (n == 0 || n == SIZE_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)number[i];
        bool between = c == '_' && i && isdigit((unsigned char)number[i - 1]) &&
                       isdigit((unsigned char)number[i + 1]);
        if (!between && !isdigit(c) && !strchr("+-.eEinfatyINFATY", c)) return false;
        if (!between) number[len++] = (char)c;
    }
    number[len] = '\0';
    *out = strtod(number, &end);
    return end == number + len;
}

/* int() of a text; *fits: 64 bits are enough. */
static bool text_int(struct bnt_marked t, int64_t base, int64_t *out, bool *fits) {
    char number[64], *s = number;
    bool minus = false, digit_before = false, zeros = false, prefixed = false;
    uint64_t v = 0;
    size_t n = number_text(t, number);
    if (n == SIZE_MAX || base == 1 || base < 0 || base > 36) return false;
    if (*s == '-' || *s == '+') minus = *s++ == '-';
    if (s[0] == '0' && s[1]) {
        int64_t named = (s[1] | 32) == 'x'   ? 16
                        : (s[1] | 32) == 'o' ? 8
                        : (s[1] | 32) == 'b' ? 2
                                             : 0;
        prefixed = named && (base == 0 || base == named);
        if (prefixed) s += 2 + (s[2] == '_');
        if (prefixed) base = named;
    }
    if (base == 0) {
        base = 10;
        zeros = *s == '0'; /* then nothing else may stand */
    }
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        int64_t d = isdigit(c) ? c - '0' : isalpha(c) ? (c | 32) - 'a' + 10 : 99;
        if (c == '_' && digit_before && s[1]) {
            digit_before = false;
            continue;
        }
        if (d >= base || (zeros && d)) return false;
        *fits = *fits && v <= ((uint64_t)INT64_MAX - (uint64_t)d) / (uint64_t)base;
        v = v * (uint64_t)base + (uint64_t)d;
        digit_before = true;
    }
    *out = minus ? -(int64_t)v : (int64_t)v;
    return digit_before && *fits;
}

static bool whole_of(struct bnt_jinja_run *r, double f, struct jv *out) {
    if (!(f > -9.2e18 && f < 9.2e18))
        return run_error(r, "a number that does not fit 64 bits, as a whole one");
    *out = jv_int((int64_t)f);
    return true;
}

static bool no_number(struct bnt_jinja_run *r, const struct jv *v) {
    return run_error(r, "'%s' is undefined, and no number", v->as.missing);
}

ROUTINE(f_int) {
    int64_t base = 10, i;
    bool fits = true, based = !given(&slot[1]) || jv_as_int(&slot[1], &base);
    double f;
    (void)args;
    if (self->kind == JV_TEXT && !run_step(r, self->as.text.len / 8)) return false;
    if (self->kind == JV_UNDEFINED) return no_number(r, self);
    if (self->kind == JV_FLOAT && isinf(self->as.real)) return whole_of(r, self->as.real, out);
    if (jv_as_int(self, &i))
        *out = jv_int(i);
    else if (self->kind == JV_FLOAT && isfinite(self->as.real))
        return whole_of(r, self->as.real, out);
    else if (self->kind == JV_TEXT && based && text_int(self->as.text, base, &i, &fits))
        *out = jv_int(i);
    else if (!fits)
        return run_error(r, "a number that does not fit 64 bits, as a whole one");
    else if (self->kind == JV_TEXT && text_real(self->as.text, &f) && isfinite(f))
        return whole_of(r, f, out);
    else
        *out = given(&slot[0]) ? slot[0] : jv_int(0);
    return true;
}

ROUTINE(f_float) {
    double f;
    (void)args;
    if (self->kind == JV_TEXT && !run_step(r, self->as.text.len / 8)) return false;
    if (self->kind == JV_UNDEFINED) return no_number(r, self);
    if (jv_is_number(self))
        *out = jv_real(jv_as_real(self));
    else if (self->kind == JV_TEXT && text_real(self->as.text, &f))
        *out = jv_real(f);
    else
        *out = given(&slot[0]) ? slot[0] : jv_real(0.0);
    return true;
}

ROUTINE(f_abs) {
    int64_t i;
    (void)args;
    (void)slot;
    if (self->kind == JV_FLOAT) {
        *out = jv_real(fabs(self->as.real));
        return true;
    }
    if (!arg_int(r, self, "abs", &i)) return false;
    if (i == INT64_MIN) return run_error(r, "a whole number that does not fit 64 bits");
    *out = jv_int(i < 0 ? -i : i);
    return true;
}

ROUTINE(f_round) {
    int64_t precision = 0, i;
    char text[400];
    (void)args;
    if (given(&slot[0]) && !arg_int(r, &slot[0], "round", &precision)) return false;
    if (!jv_is_number(self)) return run_error(r, "round of a %s", jv_type_name(self));
    if (precision < 0 || precision > 40)
        return run_error(r, "round to such a precision is not done here");
    double f = jv_as_real(self), scale = pow(10.0, (double)precision);
    if (given(&slot[1]) && (jv_is(&slot[1], "ceil") || jv_is(&slot[1], "floor"))) {
        const double scaled = f * scale, v = jv_is(&slot[1], "ceil") ? ceil(scaled) : floor(scaled);
        if (!isfinite(v) || precision > 22) /* a power of ten that no float is */
            return run_error(r, "round by ceil or floor of such a number is not done here");
        *out = jv_real(self->kind == JV_FLOAT ? (v + 0.0) / scale : f); /* no -0.0: v is an int */
        return true;
    }
    if (given(&slot[1]) && !jv_is(&slot[1], "common"))
        return run_error(r, "round: an unknown method");
    if (jv_as_int(self, &i)) {
        *out = jv_int(i);
        return true;
    }
    /* The decimal nearest to the exact value, ties to even: what printf does, and Python. */
    snprintf(text, sizeof text, "%.*f", (int)precision, f);
    *out = jv_real(strtod(text, NULL));
    return true;
}

/* ---- any value ------------------------------------------------------------------------------- */

ROUTINE(f_default) {
    bool boolean = given(&slot[1]) && jv_truth(&slot[1]);
    (void)args;
    (void)r;
    *out = *self;
    if (self->kind == JV_UNDEFINED || (boolean && !jv_truth(self)))
        *out = given(&slot[0]) ? slot[0] : jv_text("");
    return true;
}

ROUTINE(f_length) {
    size_t n;
    (void)args;
    (void)slot;
    if (!jv_length(r, self, &n)) return false;
    *out = jv_int((int64_t)n);
    return true;
}

const struct routine *filter_find(const char *name) {
    static const struct routine all[] = {
        {"trim", "chars", 0, f_trim, 0},
        {"upper", "", 0, f_upper, 0},
        {"lower", "", 0, f_lower, 0},
        {"capitalize", "", 0, f_capitalize, 0},
        {"title", "", 0, f_title, 0},
        {"replace", "old new count", 2, f_replace, 0},
        {"string", "", 0, f_string, 0},
        {"safe", "", 0, f_safe, 0},
        {"indent", "width first blank", 0, f_indent, 0},
        {"format", NULL, 0, f_format, 0},
        {"tojson", "ensure_ascii indent separators sort_keys", 0, f_tojson, 0},
        {"int", "default base", 0, f_int, 0},
        {"float", "default", 0, f_float, 0},
        {"abs", "", 0, f_abs, 0},
        {"round", "precision method", 0, f_round, 0},
        {"default", "default_value boolean", 0, f_default, 0},
        {"d", "default_value boolean", 0, f_default, 0},
        {"length", "", 0, f_length, 0},
        {"count", "", 0, f_length, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    for (const struct routine *f = list_filters; f->name; f++)
        if (strcmp(f->name, name) == 0) return f;
    for (const struct routine *f = lazy_filters; f->name; f++)
        if (strcmp(f->name, name) == 0) return f;
    return NULL;
}

bool filter_missing(const char *name) {
    static const char *const names[] = {"attr",           "center",      "e",        "escape",
                                        "filesizeformat", "forceescape", "pprint",   "random",
                                        "slice",          "striptags",   "truncate", "urlencode",
                                        "urlize",         "wordcount",   "wordwrap", "xmlattr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}
