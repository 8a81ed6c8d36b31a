/*
 * ops.c - what operators, attributes and subscripts do with values, as Python and Jinja define it.
 */
#include <math.h>
#include <string.h>

#include "eval.h"

/* ---- arithmetic ------------------------------------------------------------------------------ */

static bool too_big(struct bnt_jinja_run *r) {
    return run_error(r, "a whole number that does not fit 64 bits");
}

static int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static bool power(struct bnt_jinja_run *r, int64_t base, int64_t n, int64_t *out) {
    for (*out = 1; n; n--) {
        if (base == 0 || base == 1) { /* however often */
            *out = base;
            return true;
        }
        if (base == -1) {
            *out = n % 2 ? -*out : *out;
            return true;
        }
        if (__builtin_mul_overflow(*out, base, out)) return too_big(r);
    }
    return true;
}

/* Python goes on with infinities here and raises there (2.0 ** 9999), and Jinja cannot write them
 * into the program that it makes: no operator gives one. */
static bool finite_real(struct bnt_jinja_run *r, const char *op, double v, struct jv *out) {
    if (!isfinite(v)) return run_error(r, "a result of %s that is not finite is not done here", op);
    *out = jv_real(v);
    return true;
}

/* Rounded once, as there. */
static bool quotient(struct bnt_jinja_run *r, int64_t a, int64_t b, struct jv *out) {
    const int64_t exact = INT64_C(1) << 53;
    if (a < -exact || a > exact || b < -exact || b > exact)
        return run_error(r, "/ of whole numbers beyond 2**53 is not done here");
    *out = jv_real((double)a / (double)b);
    return true;
}

static bool whole(struct bnt_jinja_run *r, char op, int64_t a, int64_t b, struct jv *out) {
    int64_t v = 0;
    bool over = false;
    if ((op == 'f' || op == '%' || op == '/') && b == 0) return run_error(r, "a division by zero");
    if ((op == 'f' || op == '%') && a == INT64_MIN && b == -1) return too_big(r);
    switch (op) {
    case '+': over = __builtin_add_overflow(a, b, &v); break;
    case '-': over = __builtin_sub_overflow(a, b, &v); break;
    case '*': over = __builtin_mul_overflow(a, b, &v); break;
    case 'f': v = floor_div(a, b); break;
    case '%': v = a - floor_div(a, b) * b; break;
    case '/': return quotient(r, a, b, out);
    default:
        if (b < 0 && a == 0) return run_error(r, "a division by zero");
        if (b < 0) return finite_real(r, "**", pow((double)a, (double)b), out);
        if (!power(r, a, b, &v)) return false;
    }
    if (over) return too_big(r);
    *out = jv_int(v);
    return true;
}

/* Of a / b the part below, towards the lower, and what is left. */
static double floor_real(double a, double b, double *rest) {
    double m = fmod(a, b), q = (a - m) / b;
    if (m != 0.0 && (m < 0.0) != (b < 0.0)) {
        m += b;
        q -= 1.0;
    }
    *rest = m != 0.0 ? m : copysign(0.0, b);
    if (q == 0.0) return copysign(0.0, a / b);
    const double below = floor(q); /* a - m is a multiple of b: what lies between is rounding */
    return q - below > 0.5 ? below + 1.0 : below;
}

static bool real(struct bnt_jinja_run *r, char op, double a, double b, struct jv *out) {
    double rest, q;
    if ((op == 'f' || op == '%' || op == '/') && b == 0.0)
        return run_error(r, "a division by zero");
    switch (op) {
    case '+': return finite_real(r, "+", a + b, out);
    case '-': return finite_real(r, "-", a - b, out);
    case '*': return finite_real(r, "*", a * b, out);
    case '/': return finite_real(r, "/", a / b, out);
    case 'p':
        if ((a < 0.0 && b != floor(b)) || (a == 0.0 && b < 0.0))
            return run_error(r, "a power that is no real number is not done here");
        return finite_real(r, "**", pow(a, b), out);
    default: break;
    }
    q = floor_real(a, b, &rest);
    return finite_real(r, op == '%' ? "%" : "//", op == '%' ? rest : q, out);
}

static bool repeat(struct bnt_jinja_run *r, const struct jv *of, int64_t times, struct jv *out) {
    if (of->kind == JV_TEXT) {
        struct pen p = {0};
        for (int64_t i = 0; i < times && of->as.text.len; i++)
            if (!run_step(r, 1) || !pen_put(r, &p, of->as.text)) return false;
        *out = jv_marked(pen_done(&p));
        return true;
    }
    const struct jv_list *l = of->as.list;
    if (!jv_list_new(r, l->kind, 0, out)) return false;
    for (int64_t i = 0; i < times && l->n; i++)
        for (size_t k = 0; k < l->n; k++)
            if (!run_step(r, 1) || !jv_list_add(r, out->as.list, &l->at[k])) return false;
    return true;
}

static bool can_repeat(const struct jv *v) {
    return (v->kind == JV_TEXT && !v->safe) ||
           (v->kind == JV_LIST && v->as.list->kind <= LIST_TUPLE);
}

static bool add_lists(struct bnt_jinja_run *r, const struct jv_list *a, const struct jv_list *b,
                      struct jv *out) {
    if (!run_step(r, a->n + b->n) || !jv_list_new(r, a->kind, a->n + b->n, out)) return false;
    struct jv_list *l = out->as.list;
    if (a->n) memcpy(l->at, a->at, a->n * sizeof *l->at);
    if (b->n) memcpy(l->at + a->n, b->at, b->n * sizeof *l->at);
    l->n = a->n + b->n;
    return true;
}

/* Beside a text that went through `safe`, Jinja writes another as HTML; the sum is safe, too. */
static bool put_operand(struct bnt_jinja_run *r, struct pen *p, const struct jv *v, bool escape) {
    static const char letters[] = "&<>'\"";
    static const char *const escapes[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    struct bnt_marked t = v->as.text;
    size_t from = 0;
    if (!escape || v->safe) return pen_put(r, p, t);
    for (size_t i = 0; i < t.len; i++) {
        const char *hit = t.text[i] ? strchr(letters, t.text[i]) : NULL;
        if (!hit) continue;
        const char *as = escapes[hit - letters];
        if (!pen_put(r, p, text_part(t, from, i)) ||
            !pen_bytes(r, p, as, strlen(as), t.marks && t.marks[i]))
            return false;
        from = i + 1;
    }
    return pen_put(r, p, text_part(t, from, t.len));
}

bool value_binary(struct bnt_jinja_run *r, char op, const struct jv *a, const struct jv *b,
                  struct jv *out) {
    int64_t i, k;
    if (jv_as_int(a, &i) && jv_as_int(b, &k)) return whole(r, op, i, k, out);
    if (jv_is_number(a) && jv_is_number(b)) return real(r, op, jv_as_real(a), jv_as_real(b), out);
    bool safe = (a->kind == JV_TEXT && a->safe) || (b->kind == JV_TEXT && b->safe);
    if (safe && op != '+')
        return run_error(r, "this operator on a text that went through 'safe' is not known here");
    if (op == '+' && a->kind == JV_TEXT && b->kind == JV_TEXT) {
        struct pen p = {0};
        if (!put_operand(r, &p, a, safe) || !put_operand(r, &p, b, safe)) return false;
        *out = jv_marked(pen_done(&p));
        out->safe = safe;
        return true;
    }
    if (op == '+' && a->kind == JV_LIST && b->kind == JV_LIST && a->as.list->kind <= LIST_TUPLE &&
        a->as.list->kind == b->as.list->kind)
        return add_lists(r, a->as.list, b->as.list, out);
    if (op == '*' && can_repeat(a) && jv_as_int(b, &k)) return repeat(r, a, k, out);
    if (op == '*' && can_repeat(b) && jv_as_int(a, &k)) return repeat(r, b, k, out);
    if (op == '%' && a->kind == JV_TEXT) {
        struct bnt_marked t;
        if (!format_percent(r, a->as.text, b, &t)) return false;
        *out = jv_marked(t);
        return true;
    }
    const char sign[] = {op == 'p' || op == 'f' ? (op == 'p' ? '*' : '/') : op,
                         op == 'p'   ? '*'
                         : op == 'f' ? '/'
                                     : '\0',
                         '\0'};
    if (a->kind == JV_UNDEFINED || b->kind == JV_UNDEFINED)
        return run_error(r, "'%s' is undefined, where %s needs a value",
                         a->kind == JV_UNDEFINED ? a->as.missing : b->as.missing, sign);
    return run_error(r, "%s between a %s and a %s", sign, jv_type_name(a), jv_type_name(b));
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* What asks for items or the number of items that the loop has not come to. */
static bool loop_ahead(struct bnt_jinja_run *r, struct jv_loop *l, const char *name, struct jv *out,
                       bool *known) {
    const struct jv *after;
    size_t n;
    bool last = strcmp(name, "last") == 0;
    *known = true;
    if (last || strcmp(name, "nextitem") == 0) {
        if (!jv_loop_peek(r, l, &after)) return false;
        *out = last ? jv_bool(!after) : after ? *after : jv_undefined("there is no next item");
        return true;
    }
    size_t back = strcmp(name, "revindex") == 0    ? l->index - 1
                  : strcmp(name, "revindex0") == 0 ? l->index
                                                   : 0;
    *known = back || strcmp(name, "revindex") == 0 || strcmp(name, "length") == 0;
    if (!*known) return true;
    if (!jv_loop_length(r, l, &n)) return false;
    *out = jv_int((int64_t)n - (int64_t)back);
    return true;
}

static bool loop_attr(struct bnt_jinja_run *r, const struct jv *of, const char *name,
                      struct jv *out) {
    struct jv_loop *l = of->as.loop;
    bool known;
    const struct {
        const char *name;
        struct jv value;
    } all[] = {{"index", jv_int((int64_t)l->index)},
               {"index0", jv_int((int64_t)l->index - 1)},
               {"first", jv_bool(l->index == 1)},
               {"depth", jv_int(1)}, /* of recursive loops */
               {"depth0", jv_int(0)},
               {"previtem", l->index > 1 ? l->before : jv_undefined("there is no previous item")}};
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
        if (strcmp(name, all[k].name) == 0) {
            *out = all[k].value;
            return true;
        }
    if (!loop_ahead(r, l, name, out, &known)) return false;
    if (known) return true;
    bool refused;
    const struct routine *m = method_find(of, name, &refused);
    if (m) return routine_bind(r, m, of, out);
    if (name[0] == '_') return run_error(r, "'loop.%s' is not open to templates", name);
    *out = jv_undefined(name);
    return true;
}

static const char *name_copy(struct bnt_jinja_run *r, struct bnt_marked t) {
    char *copy = run_take(r, 64);
    return copy ? bnt_printable(copy, 64, t.text, t.len) : "";
}

bool value_attr(struct bnt_jinja_run *r, const struct jv *of, const char *name, struct jv *out) {
    struct jv key = jv_text(name);
    bool refused = false, ok = true;
    const struct jv *found = NULL;
    if (of->kind == JV_UNDEFINED)
        return run_error(r, "'%s' is undefined, and has no '%s'", of->as.missing, name);
    if (of->kind == JV_LOOP) return loop_attr(r, of, name, out);
    if (of->kind == JV_TEXT && of->safe)
        return run_error(r, "'%s' of a text that went through 'safe' is not known here", name);
    const struct routine *m = method_find(of, name, &refused);
    if (m) return routine_bind(r, m, of, out);
    if (refused) return run_error(r, "'%s' of a %s is not known here", name, jv_type_name(of));
    if (of->kind == JV_DICT || of->kind == JV_NAMESPACE)
        found = jv_dict_get(r, of->as.dict, &key, &ok);
    if (!ok) return false;
    if (of->kind == JV_LIST && of->as.list->kind == LIST_GROUP) {
        if (strcmp(name, "grouper") == 0) found = &of->as.list->at[0];
        if (strcmp(name, "list") == 0) found = &of->as.list->at[1];
    }
    if (!found && strncmp(name, "__", 2) == 0)
        return run_error(r, "'%s': names with two underscores are not open to templates", name);
    *out = found ? *found : jv_undefined(name);
    return true;
}

bool value_item(struct bnt_jinja_run *r, const struct jv *of, const struct jv *key,
                struct jv *out) {
    const char *missing = "an item";
    int64_t i;
    bool is_key = false;
    if (of->kind == JV_DICT && !jv_is_key(r, key, &is_key)) return false;
    if (is_key) {
        bool ok;
        const struct jv *found = jv_dict_get(r, of->as.dict, key, &ok);
        if (!ok) return false;
        if (found) {
            *out = *found;
            return true;
        }
    }
    if (key->kind == JV_TEXT) {
        const char *name = name_copy(r, key->as.text);
        return value_attr(r, of, name, out);
    }
    if (of->kind == JV_UNDEFINED)
        return run_error(r, "'%s' is undefined, and has no items", of->as.missing);
    *out = jv_undefined(missing);
    if (!jv_as_int(key, &i)) return true;
    if (of->kind == JV_LIST && of->as.list->kind <= LIST_RANGE) {
        const struct jv_list *l = of->as.list;
        if (i < 0) i += (int64_t)l->n;
        if (i >= 0 && (uint64_t)i < l->n) *out = l->at[i];
    } else if (of->kind == JV_TEXT) {
        size_t n;
        struct bnt_marked t;
        if (!jv_length(r, of, &n)) return false;
        if (i < 0) i += (int64_t)n;
        if (i < 0 || (uint64_t)i >= n) return true;
        if (!text_slice(r, of->as.text, (const int64_t[]){i, i + 1, 1}, 1, &t)) return false;
        *out = jv_marked(t);
        out->safe = of->safe;
    }
    return true;
}

/* Python's slice.indices: *count items from range[0] on, each range[2] further. The parts are whole
 * numbers or None. */
static bool slice_indices(struct bnt_jinja_run *r, const struct jv part[3], size_t len,
                          int64_t range[3], size_t *count) {
    int64_t n = (int64_t)len, step = 1;
    *count = 0;
    if (part[2].kind != JV_NONE) jv_as_int(&part[2], &step);
    if (step == 0) return run_error(r, "a slice whose step is zero");
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    for (int k = 0; k < 2; k++) {
        int64_t v = (k == 0) == (step > 0) ? low : high;
        if (part[k].kind != JV_NONE) {
            jv_as_int(&part[k], &v);
            if (v < 0) v += n;
            v = v < low ? low : v > high ? high : v;
        }
        range[k] = v;
    }
    range[2] = step;
    if (step > 0 && range[0] < range[1])
        *count = (size_t)((range[1] - range[0] - 1) / step + 1);
    else if (step < 0 && range[1] < range[0])
        *count = (size_t)((range[0] - range[1] - 1) / -(step + (step == INT64_MIN)) + 1);
    return true;
}

bool value_slice(struct bnt_jinja_run *r, const struct jv *of, const struct jv part[3],
                 struct jv *out) {
    int64_t range[3];
    size_t n, count;
    bool list = of->kind == JV_LIST && of->as.list->kind <= LIST_RANGE;
    /* Of literals Jinja computes it beforehand, and takes Python's error for what is undefined. */
    if (of->kind != JV_TEXT && !list)
        return run_error(r, "a slice of a %s is not done here", jv_type_name(of));
    for (unsigned i = 0; i < 3; i++)
        if (part[i].kind != JV_NONE && part[i].kind != JV_INT && part[i].kind != JV_BOOL)
            return run_error(r, "a slice by a %s is not done here", jv_type_name(&part[i]));
    if (!jv_length(r, of, &n) || !slice_indices(r, part, n, range, &count)) return false;
    if (!list) {
        struct bnt_marked t;
        if (!text_slice(r, of->as.text, range, count, &t)) return false;
        *out = jv_marked(t);
        out->safe = of->safe;
        return true;
    }
    const struct jv_list *l = of->as.list;
    enum jv_list_kind kind = l->kind == LIST_GROUP ? LIST_TUPLE : l->kind;
    if (!run_step(r, count) || !jv_list_new(r, kind, count, out)) return false;
    for (size_t i = 0; i < count; i++)
        if (!jv_list_add(r, out->as.list, &l->at[range[0] + (int64_t)i * range[2]])) return false;
    return true;
}
