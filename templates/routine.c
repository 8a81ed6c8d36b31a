/*
 * routine.c - how routines take their arguments, and the functions that every template knows.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "eval.h"

/* ---- arguments ------------------------------------------------------------------------------- */

/* The place of a name among the parameters, or MOST_SLOTS. */
static unsigned place(const char *params, const char *name, size_t len) {
    for (unsigned i = 0; *params; i++) {
        size_t n = strcspn(params, " ");
        if (n == len && memcmp(params, name, n) == 0) return i;
        params += n + strspn(params + n, " ");
    }
    return MOST_SLOTS;
}

static unsigned count(const char *params) {
    unsigned n = *params != '\0';
    for (; *params; params++) n += *params == ' ';
    return n;
}

bool routine_run(struct bnt_jinja_run *r, const struct routine *f, const struct jv *self,
                 const struct jv_args *args, struct jv *out) {
    struct jv slot[MOST_SLOTS];
    const char *params = f->params;
    for (unsigned i = 0; i < MOST_SLOTS; i++) slot[i] = (struct jv){.kind = JV_ABSENT};
    if (params) {
        bool by_name = *params != '/';
        params += !by_name;
        unsigned n = count(params);
        if (args->n > n)
            return run_error(r, "'%s' takes %u arguments here, not %zu", f->name, n, args->n);
        for (size_t i = 0; i < args->n; i++) slot[i] = args->at[i];
        for (size_t i = 0; i < args->n_named; i++) {
            const char *name = args->named[i].name;
            unsigned k = by_name ? place(params, name, strlen(name)) : MOST_SLOTS;
            char shown[40];
            if (k >= n || slot[k].kind != JV_ABSENT)
                return run_error(r, "'%s' has no argument '%s' left", f->name,
                                 bnt_printable(shown, sizeof shown, name, strlen(name)));
            slot[k] = args->named[i].value;
        }
        for (unsigned i = 0; i < f->required; i++)
            if (slot[i].kind == JV_ABSENT)
                return run_error(r, "'%s' needs %u arguments", f->name, f->required);
    }
    return f->run(r, self, args, slot, out);
}

bool routine_bind(struct bnt_jinja_run *r, const struct routine *f, const struct jv *self,
                  struct jv *out) {
    struct jv_callable *c = run_take(r, sizeof *c);
    if (!c) return false;
    *c = (struct jv_callable){.name = f->name, .routine = f};
    if (self) c->self = *self;
    *out = (struct jv){.kind = JV_CALLABLE, .as.callable = c};
    return true;
}

bool arg_text(struct bnt_jinja_run *r, const struct jv *v, const char *what,
              struct bnt_marked *out) {
    if (v->kind == JV_TEXT) {
        *out = v->as.text;
        return true;
    }
    return run_error(r, "%s is a %s, not a text", what, jv_type_name(v));
}

bool arg_int(struct bnt_jinja_run *r, const struct jv *v, const char *what, int64_t *out) {
    return jv_as_int(v, out) ||
           run_error(r, "%s is a %s, not a whole number", what, jv_type_name(v));
}

/* ---- functions ------------------------------------------------------------------------------- */

ROUTINE(g_range) {
    int64_t a = 0, b, step = 1;
    (void)self;
    (void)args;
    if (!arg_int(r, &slot[0], "range", &b)) return false;
    if (slot[1].kind != JV_ABSENT) {
        a = b;
        if (!arg_int(r, &slot[1], "range", &b)) return false;
    }
    if (slot[2].kind != JV_ABSENT && !arg_int(r, &slot[2], "range", &step)) return false;
    if (step == 0) return run_error(r, "range: the step is zero");
    if (!jv_list_new(r, LIST_RANGE, 0, out)) return false;
    for (int64_t i = a; step > 0 ? i < b : i > b;) {
        struct jv v = jv_int(i);
        if (out->as.list->n >= JINJA_RANGE)
            return run_fail(r, BNT_E_LIMIT, "range: over %d numbers", JINJA_RANGE);
        if (!run_step(r, 1) || !jv_list_add(r, out->as.list, &v)) return false;
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return true;
}

/* dict(mapping or nothing, names=...), and a namespace of the same. */
static bool make_dict(struct bnt_jinja_run *r, const struct jv_args *args, enum jv_kind kind,
                      struct jv *out) {
    if (!jv_dict_new(r, kind, out)) return false;
    struct jv_dict *d = out->as.dict;
    if (args->n > 1) return run_error(r, "a dict of %zu arguments", args->n);
    if (args->n == 1 && args->at[0].kind == JV_UNDEFINED)
        return run_error(r, "'%s' is undefined, and no dict", args->at[0].as.missing);
    if (args->n == 1 && args->at[0].kind == JV_DICT) {
        const struct jv_dict *from = args->at[0].as.dict;
        for (size_t i = 0; i < from->n; i++)
            if (!jv_dict_set(r, d, &from->at[i].key, &from->at[i].value)) return false;
    } else if (args->n == 1) {
        struct jv_list *l, *pair;
        if (!jv_iterate(r, &args->at[0], &l)) return false;
        for (size_t i = 0; i < l->n; i++) {
            if (!jv_iterate(r, &l->at[i], &pair)) return false;
            if (pair->n != 2) return run_error(r, "a dict of something else than pairs");
            if (!jv_dict_set(r, d, &pair->at[0], &pair->at[1])) return false;
        }
    }
    for (size_t i = 0; i < args->n_named; i++)
        if (!jv_dict_set(r, d, &args->named[i].key, &args->named[i].value)) return false;
    return true;
}

ROUTINE(g_dict) {
    (void)self;
    (void)slot;
    return make_dict(r, args, JV_DICT, out);
}

ROUTINE(g_namespace) {
    (void)self;
    (void)slot;
    return make_dict(r, args, JV_NAMESPACE, out);
}

ROUTINE(g_raise) {
    char shown[320];
    struct bnt_marked t;
    (void)self;
    (void)args;
    (void)out;
    if (!jv_str(r, &slot[0], &t)) return false;
    return run_fail(r, BNT_E_USAGE, "the template says: %s",
                    bnt_printable(shown, sizeof shown, t.text, t.len));
}

/* strftime in English, whatever the locale: the time is data of the rendering, not of the machine.
 */
ROUTINE(g_strftime) {
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    struct bnt_marked form;
    struct pen p = {0};
    struct tm t;
    time_t seconds = (time_t)r->time;
    (void)self;
    (void)args;
    if (!arg_text(r, &slot[0], "strftime_now: the format", &form)) return false;
    r->used_time = true;
    if (!gmtime_r(&seconds, &t)) return run_error(r, "strftime_now: no such time");
    for (size_t i = 0; i < form.len; i++) {
        char piece[32];
        char c = form.text[i], key = c == '%' && i + 1 < form.len ? form.text[i + 1] : '\0';
        unsigned hour = (unsigned)t.tm_hour, year = (unsigned)(t.tm_year + 1900);
        if (!run_step(r, 1)) return false;
        if (c != '%') {
            if (!pen_put(r, &p, text_part(form, i, i + 1))) return false;
            continue;
        }
        bool bare = key == '-' && i + 2 < form.len; /* without the zero before it */
        if (bare) key = form.text[++i + 1];
        switch (key) {
        case 'Y': snprintf(piece, sizeof piece, "%u", year); break;
        case 'y': snprintf(piece, sizeof piece, "%02u", year % 100); break;
        case 'm': snprintf(piece, sizeof piece, "%02d", t.tm_mon + 1); break;
        case 'd': snprintf(piece, sizeof piece, "%02d", t.tm_mday); break;
        case 'e': snprintf(piece, sizeof piece, "%2d", t.tm_mday); break;
        case 'H': snprintf(piece, sizeof piece, "%02u", hour); break;
        case 'I': snprintf(piece, sizeof piece, "%02u", (hour + 11) % 12 + 1); break;
        case 'M': snprintf(piece, sizeof piece, "%02d", t.tm_min); break;
        case 'S': snprintf(piece, sizeof piece, "%02d", t.tm_sec); break;
        case 'j': snprintf(piece, sizeof piece, "%03d", t.tm_yday + 1); break;
        case 'p': snprintf(piece, sizeof piece, "%s", hour < 12 ? "AM" : "PM"); break;
        case 'A': snprintf(piece, sizeof piece, "%s", days[t.tm_wday]); break;
        case 'a': snprintf(piece, sizeof piece, "%.3s", days[t.tm_wday]); break;
        case 'B': snprintf(piece, sizeof piece, "%s", months[t.tm_mon]); break;
        case 'b': snprintf(piece, sizeof piece, "%.3s", months[t.tm_mon]); break;
        case 'F':
            snprintf(piece, sizeof piece, "%u-%02d-%02d", year, t.tm_mon + 1, t.tm_mday);
            break;
        case 'T': snprintf(piece, sizeof piece, "%02u:%02d:%02d", hour, t.tm_min, t.tm_sec); break;
        case '%': snprintf(piece, sizeof piece, "%%"); break;
        default: return run_error(r, "strftime_now: a format that is not known here");
        }
        i++;
        if (!pen_text(r, &p, piece + (bare && piece[0] == '0' && piece[1]))) return false;
    }
    *out = jv_marked(pen_done(&p));
    return true;
}

const struct routine *global_find(const char *name) {
    static const struct routine all[] = {
        {"range", "start stop step", 1, g_range, 0},  {"dict", NULL, 0, g_dict, 0},
        {"namespace", NULL, 0, g_namespace, 0},       {"raise_exception", "message", 1, g_raise, 0},
        {"strftime_now", "format", 1, g_strftime, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}
