/*
 * methods.c - what texts, lists, dicts and loops can be asked to do: Python's methods.
 *
 * Python's other methods are named at the end, so that one of them is refused and not taken for a
 * key.
 */
#include <string.h>

#include "eval.h"

static const struct bnt_marked spaces = {NULL, NULL, 0};

static bool give(struct jv *out, struct bnt_marked t) {
    *out = jv_marked(t);
    return true;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static bool strip(struct bnt_jinja_run *r, const struct jv *self, const struct jv *slot, bool left,
                  bool right, struct jv *out) {
    struct bnt_marked set = spaces, t = self->as.text;
    if (slot->kind != JV_ABSENT && slot->kind != JV_NONE && !arg_text(r, slot, "strip", &set))
        return false;
    return text_strip_counted(r, t, set, left, right, &t) && give(out, t);
}

ROUTINE(m_strip) {
    (void)args;
    return strip(r, self, slot, true, true, out);
}
ROUTINE(m_lstrip) {
    (void)args;
    return strip(r, self, slot, true, false, out);
}
ROUTINE(m_rstrip) {
    (void)args;
    return strip(r, self, slot, false, true, out);
}

static bool change_case(struct bnt_jinja_run *r, const struct jv *self, enum text_case how,
                        struct jv *out) {
    struct bnt_marked t;
    return text_case(r, self->as.text, how, &t) && give(out, t);
}

ROUTINE(m_lower) {
    (void)args;
    (void)slot;
    return change_case(r, self, CASE_LOWER, out);
}
ROUTINE(m_upper) {
    (void)args;
    (void)slot;
    return change_case(r, self, CASE_UPPER, out);
}
ROUTINE(m_title) {
    (void)args;
    (void)slot;
    return change_case(r, self, CASE_TITLE, out);
}
ROUTINE(m_capitalize) {
    (void)args;
    (void)slot;
    return change_case(r, self, CASE_CAPITAL, out);
}

static bool split(struct bnt_jinja_run *r, const struct jv *self, const struct jv *slot, bool right,
                  struct jv *out) {
    struct bnt_marked sep = spaces;
    int64_t most = -1;
    if (slot[0].kind != JV_ABSENT && slot[0].kind != JV_NONE &&
        !arg_text(r, &slot[0], "split", &sep))
        return false;
    if (slot[1].kind != JV_ABSENT && !arg_int(r, &slot[1], "split", &most)) return false;
    return jv_list_new(r, LIST_PLAIN, 0, out) &&
           text_split(r, self->as.text, sep, most < 0 ? SIZE_MAX : (size_t)most, right,
                      out->as.list);
}

ROUTINE(m_split) {
    (void)args;
    return split(r, self, slot, false, out);
}
ROUTINE(m_rsplit) {
    (void)args;
    return split(r, self, slot, true, out);
}

ROUTINE(m_splitlines) {
    int64_t keep = 0;
    (void)args;
    if (slot[0].kind != JV_ABSENT && !arg_int(r, &slot[0], "splitlines", &keep)) return false;
    return jv_list_new(r, LIST_PLAIN, 0, out) &&
           text_lines(r, self->as.text, keep != 0, out->as.list);
}

static bool partition(struct bnt_jinja_run *r, const struct jv *self, const struct jv *slot,
                      bool right, struct jv *out) {
    struct bnt_marked sep, t = self->as.text, part[3];
    size_t at;
    if (!arg_text(r, &slot[0], "partition", &sep)) return false;
    if (sep.len == 0) return run_error(r, "partition at an empty text");
    if (!right)
        at = text_find(t, sep, 0);
    else if (!text_rfind(r, t, sep, &at))
        return false;
    const struct bnt_marked none = text_of("", 0);
    part[0] = at != SIZE_MAX ? text_part(t, 0, at) : right ? none : t;
    part[1] = at != SIZE_MAX ? text_part(t, at, at + sep.len) : none;
    part[2] = at != SIZE_MAX ? text_part(t, at + sep.len, t.len) : right ? t : none;
    if (!run_step(r, t.len / 64) || !jv_list_new(r, LIST_TUPLE, 3, out)) return false;
    for (unsigned i = 0; i < 3; i++) {
        struct jv v = jv_marked(part[i]);
        if (!jv_list_add(r, out->as.list, &v)) return false;
    }
    return true;
}

ROUTINE(m_partition) {
    (void)args;
    return partition(r, self, slot, false, out);
}
ROUTINE(m_rpartition) {
    (void)args;
    return partition(r, self, slot, true, out);
}

/* startswith, endswith: of one text, or of a tuple of them. */
static bool edge(struct bnt_jinja_run *r, const struct jv *self, const struct jv *what, bool start,
                 struct jv *out) {
    struct bnt_marked t;
    bool many = what->kind == JV_LIST && what->as.list->kind == LIST_TUPLE, hit = false;
    for (size_t i = 0; i < (many ? what->as.list->n : 1) && !hit; i++) {
        if (!arg_text(r, many ? &what->as.list->at[i] : what, start ? "startswith" : "endswith",
                      &t))
            return false;
        if (!run_step(r, 1 + t.len / 64)) return false;
        hit = start ? text_starts(self->as.text, t) : text_ends(self->as.text, t);
    }
    *out = jv_bool(hit);
    return true;
}

ROUTINE(m_startswith) {
    (void)args;
    return edge(r, self, &slot[0], true, out);
}
ROUTINE(m_endswith) {
    (void)args;
    return edge(r, self, &slot[0], false, out);
}

static bool cut_edge(struct bnt_jinja_run *r, const struct jv *self, const struct jv *what,
                     bool start, struct jv *out) {
    struct bnt_marked t = self->as.text, edge_text;
    if (!edge(r, self, what, start, out) || !arg_text(r, what, "removeprefix", &edge_text))
        return false;
    if (!out->as.truth || edge_text.len == 0) return give(out, t);
    return give(out, start ? text_part(t, edge_text.len, t.len)
                           : text_part(t, 0, t.len - edge_text.len));
}

ROUTINE(m_removeprefix) {
    (void)args;
    return cut_edge(r, self, &slot[0], true, out);
}
ROUTINE(m_removesuffix) {
    (void)args;
    return cut_edge(r, self, &slot[0], false, out);
}

static bool find(struct bnt_jinja_run *r, const struct jv *self, const struct jv *slot, bool right,
                 struct jv *out) {
    struct bnt_marked t = self->as.text, what;
    size_t at;
    if (!arg_text(r, &slot[0], "find", &what) || !run_step(r, t.len / 64)) return false;
    if (!right)
        at = text_find(t, what, 0);
    else if (!text_rfind(r, t, what, &at))
        return false;
    *out = jv_int(at == SIZE_MAX ? -1 : (int64_t)text_length(text_part(t, 0, at)));
    return true;
}

ROUTINE(m_find) {
    (void)args;
    return find(r, self, slot, false, out);
}
ROUTINE(m_rfind) {
    (void)args;
    return find(r, self, slot, true, out);
}

ROUTINE(m_text_index) {
    (void)args;
    if (!find(r, self, slot, false, out)) return false;
    return out->as.integer >= 0 || run_error(r, "index: the text is not in it");
}

ROUTINE(m_text_count) {
    struct bnt_marked t = self->as.text, what;
    int64_t n = 0;
    (void)args;
    if (!arg_text(r, &slot[0], "count", &what) || !run_step(r, t.len / 16)) return false;
    if (what.len == 0) n = (int64_t)text_length(t) + 1;
    for (size_t at = 0; what.len && (at = text_find(t, what, at)) != SIZE_MAX; at += what.len) n++;
    *out = jv_int(n);
    return true;
}

ROUTINE(m_replace) {
    struct bnt_marked old, new, t;
    int64_t most = -1;
    (void)args;
    if (!arg_text(r, &slot[0], "replace", &old) || !arg_text(r, &slot[1], "replace", &new) ||
        (slot[2].kind != JV_ABSENT && !arg_int(r, &slot[2], "replace", &most)))
        return false;
    return text_replace(r, self->as.text, old, new, most < 0 ? SIZE_MAX : (size_t)most, &t) &&
           give(out, t);
}

ROUTINE(m_join) {
    struct jv_list *l;
    struct bnt_marked t;
    (void)args;
    return jv_iterate(r, &slot[0], &l) && text_join(r, self->as.text, l, false, &t) && give(out, t);
}

ROUTINE(m_format) {
    struct bnt_marked t;
    (void)slot;
    return format_braces(r, self->as.text, args, &t) && give(out, t);
}

ROUTINE(m_zfill) {
    struct bnt_marked t = self->as.text;
    struct pen p = {0};
    int64_t width, n = (int64_t)text_length(t);
    (void)args;
    if (!arg_int(r, &slot[0], "zfill", &width)) return false;
    size_t sign = t.len && (t.text[0] == '-' || t.text[0] == '+');
    if (!pen_put(r, &p, text_part(t, 0, sign))) return false;
    for (; n < width; n++)
        if (!run_step(r, 1) || !pen_text(r, &p, "0")) return false;
    return pen_put(r, &p, text_part(t, sign, t.len)) && give(out, pen_done(&p));
}

enum char_class { CHARS_DIGIT, CHARS_ALPHA, CHARS_ALNUM, CHARS_SPACE };

static bool all_of(struct bnt_jinja_run *r, const struct jv *self, enum char_class class,
                   struct jv *out) {
    struct bnt_marked t = self->as.text;
    bool all = t.len > 0;
    if (!run_step(r, t.len / 4)) return false;
    for (size_t at = 0; at < t.len && all;) {
        int32_t c;
        at += text_next(t, at, &c);
        all = class == CHARS_SPACE   ? char_is_space(c)
              : class == CHARS_ALPHA ? char_is_letter(c)
              : class == CHARS_DIGIT ? char_is_digit(c)
                                     : char_is_letter(c) || char_is_numeric(c);
    }
    *out = jv_bool(all);
    return true;
}

ROUTINE(m_isdigit) {
    (void)args;
    (void)slot;
    return all_of(r, self, CHARS_DIGIT, out);
}
ROUTINE(m_isalpha) {
    (void)args;
    (void)slot;
    return all_of(r, self, CHARS_ALPHA, out);
}
ROUTINE(m_isalnum) {
    (void)args;
    (void)slot;
    return all_of(r, self, CHARS_ALNUM, out);
}
ROUTINE(m_isspace) {
    (void)args;
    (void)slot;
    return all_of(r, self, CHARS_SPACE, out);
}

static bool test_case(struct bnt_jinja_run *r, const struct jv *self, const char *test,
                      struct jv *out) {
    const struct jv_args none = {0};
    return routine_run(r, test_find(test), self, &none, out);
}

ROUTINE(m_islower) {
    (void)args;
    (void)slot;
    return test_case(r, self, "lower", out);
}
ROUTINE(m_isupper) {
    (void)args;
    (void)slot;
    return test_case(r, self, "upper", out);
}

/* ---- lists ----------------------------------------------------------------------------------- */

ROUTINE(m_append) {
    (void)args;
    *out = jv_none();
    return jv_list_add(r, self->as.list, &slot[0]);
}

ROUTINE(m_extend) {
    struct jv_list *l;
    (void)args;
    *out = jv_none();
    if (!jv_iterate(r, &slot[0], &l)) return false;
    for (size_t i = 0; i < l->n; i++)
        if (!jv_list_add(r, self->as.list, &l->at[i])) return false;
    return true;
}

ROUTINE(m_insert) {
    struct jv_list *l = self->as.list;
    int64_t at, n = (int64_t)l->n;
    (void)args;
    *out = jv_none();
    if (!arg_int(r, &slot[0], "insert", &at) || !run_step(r, l->n / 16) ||
        !jv_list_add(r, l, &slot[1]))
        return false;
    if (at < 0) at += n;
    at = at < 0 ? 0 : at > n ? n : at;
    memmove(l->at + at + 1, l->at + at, (size_t)(n - at) * sizeof *l->at);
    l->at[at] = slot[1];
    return true;
}

ROUTINE(m_list_pop) {
    struct jv_list *l = self->as.list;
    int64_t at = -1;
    (void)args;
    if (slot[0].kind != JV_ABSENT && !arg_int(r, &slot[0], "pop", &at)) return false;
    if (at < 0) at += (int64_t)l->n;
    if (at < 0 || (uint64_t)at >= l->n) return run_error(r, "pop: there is no such item");
    *out = l->at[at];
    memmove(l->at + at, l->at + at + 1, (l->n - (size_t)at - 1) * sizeof *l->at);
    l->n--;
    return run_step(r, l->n / 16);
}

static bool count_in(struct bnt_jinja_run *r, const struct jv *self, const struct jv *what,
                     int64_t *n, int64_t *first) {
    *n = 0;
    *first = -1;
    for (size_t i = 0; i < self->as.list->n; i++) {
        bool equal;
        if (!jv_equal(r, &self->as.list->at[i], what, &equal)) return false;
        if (equal && (*n)++ == 0) *first = (int64_t)i;
    }
    return true;
}

ROUTINE(m_list_count) {
    int64_t n, first;
    (void)args;
    if (!count_in(r, self, &slot[0], &n, &first)) return false;
    *out = jv_int(n);
    return true;
}

ROUTINE(m_list_index) {
    int64_t n, first;
    (void)args;
    if (!count_in(r, self, &slot[0], &n, &first)) return false;
    if (first < 0) return run_error(r, "index: the item is not in the list");
    *out = jv_int(first);
    return true;
}

ROUTINE(m_list_copy) {
    struct jv_list *l;
    (void)args;
    (void)slot;
    if (!jv_iterate(r, self, &l)) return false;
    *out = (struct jv){.kind = JV_LIST, .as.list = l};
    return true;
}

/* ---- dicts ----------------------------------------------------------------------------------- */

ROUTINE(m_get) {
    bool ok;
    const struct jv *v = jv_dict_get(r, self->as.dict, &slot[0], &ok);
    (void)args;
    *out = v ? *v : slot[1].kind != JV_ABSENT ? slot[1] : jv_none();
    return ok;
}

ROUTINE(m_keys) {
    (void)args;
    (void)slot;
    return jv_view_new(r, self->as.dict, VIEW_KEYS, out);
}
ROUTINE(m_values) {
    (void)args;
    (void)slot;
    return jv_view_new(r, self->as.dict, VIEW_VALUES, out);
}
ROUTINE(m_items) {
    (void)args;
    (void)slot;
    return jv_view_new(r, self->as.dict, VIEW_ITEMS, out);
}

ROUTINE(m_dict_pop) {
    bool ok;
    const struct jv *v = jv_dict_get(r, self->as.dict, &slot[0], &ok);
    (void)args;
    if (!ok) return false;
    if (!v && slot[1].kind == JV_ABSENT) return run_error(r, "pop: there is no such key");
    *out = v ? *v : slot[1];
    if (v) jv_dict_remove(self->as.dict, v);
    return true;
}

ROUTINE(m_update) {
    struct jv from;
    if (!routine_run(r, global_find("dict"), NULL, args, &from)) return false;
    for (size_t i = 0; i < from.as.dict->n; i++)
        if (!jv_dict_set(r, self->as.dict, &from.as.dict->at[i].key, &from.as.dict->at[i].value))
            return false;
    (void)slot;
    *out = jv_none();
    return true;
}

ROUTINE(m_dict_copy) {
    const struct jv_args one = {.at = (struct jv[]){*self}, .n = 1};
    (void)args;
    (void)slot;
    return routine_run(r, global_find("dict"), NULL, &one, out);
}

/* ---- loops ----------------------------------------------------------------------------------- */

ROUTINE(m_cycle) {
    (void)slot;
    if (args->n == 0 || args->n_named) return run_error(r, "loop.cycle of nothing, or of names");
    *out = args->at[(self->as.loop->index - 1) % args->n];
    return true;
}

ROUTINE(m_changed) {
    struct jv_loop *l = self->as.loop;
    struct jv now;
    bool equal = false;
    (void)slot;
    if (args->n_named) return run_error(r, "loop.changed takes no names");
    if (!jv_list_new(r, LIST_TUPLE, args->n, &now)) return false;
    for (size_t i = 0; i < args->n; i++)
        if (!jv_list_add(r, now.as.list, &args->at[i])) return false;
    if (l->changed.kind != JV_ABSENT && !jv_equal(r, &l->changed, &now, &equal)) return false;
    l->changed = now;
    *out = jv_bool(!equal);
    return true;
}

/* ---- finding --------------------------------------------------------------------------------- */

static const struct routine methods[] = {
    {"strip", "/chars", 0, m_strip, JV_TEXT},
    {"lstrip", "/chars", 0, m_lstrip, JV_TEXT},
    {"rstrip", "/chars", 0, m_rstrip, JV_TEXT},
    {"lower", "", 0, m_lower, JV_TEXT},
    {"upper", "", 0, m_upper, JV_TEXT},
    {"title", "", 0, m_title, JV_TEXT},
    {"capitalize", "", 0, m_capitalize, JV_TEXT},
    {"split", "sep maxsplit", 0, m_split, JV_TEXT},
    {"rsplit", "sep maxsplit", 0, m_rsplit, JV_TEXT},
    {"splitlines", "keepends", 0, m_splitlines, JV_TEXT},
    {"partition", "/sep", 1, m_partition, JV_TEXT},
    {"rpartition", "/sep", 1, m_rpartition, JV_TEXT},
    {"startswith", "/prefix", 1, m_startswith, JV_TEXT},
    {"endswith", "/suffix", 1, m_endswith, JV_TEXT},
    {"removeprefix", "/prefix", 1, m_removeprefix, JV_TEXT},
    {"removesuffix", "/suffix", 1, m_removesuffix, JV_TEXT},
    {"find", "/sub", 1, m_find, JV_TEXT},
    {"rfind", "/sub", 1, m_rfind, JV_TEXT},
    {"index", "/sub", 1, m_text_index, JV_TEXT},
    {"count", "/sub", 1, m_text_count, JV_TEXT},
    {"replace", "/old new count", 2, m_replace, JV_TEXT},
    {"join", "/iterable", 1, m_join, JV_TEXT},
    {"format", NULL, 0, m_format, JV_TEXT},
    {"zfill", "/width", 1, m_zfill, JV_TEXT},
    {"isdigit", "", 0, m_isdigit, JV_TEXT},
    {"isalpha", "", 0, m_isalpha, JV_TEXT},
    {"isalnum", "", 0, m_isalnum, JV_TEXT},
    {"isspace", "", 0, m_isspace, JV_TEXT},
    {"islower", "", 0, m_islower, JV_TEXT},
    {"isupper", "", 0, m_isupper, JV_TEXT},
    {"append", "/object", 1, m_append, JV_LIST},
    {"extend", "/iterable", 1, m_extend, JV_LIST},
    {"insert", "/index object", 2, m_insert, JV_LIST},
    {"pop", "/index", 0, m_list_pop, JV_LIST},
    {"copy", "", 0, m_list_copy, JV_LIST},
    {"count", "/value", 1, m_list_count, JV_LIST},
    {"index", "/value", 1, m_list_index, JV_LIST},
    {"get", "/key default", 1, m_get, JV_DICT},
    {"keys", "", 0, m_keys, JV_DICT},
    {"values", "", 0, m_values, JV_DICT},
    {"items", "", 0, m_items, JV_DICT},
    {"pop", "/key default", 1, m_dict_pop, JV_DICT},
    {"update", NULL, 0, m_update, JV_DICT},
    {"copy", "", 0, m_dict_copy, JV_DICT},
    {"cycle", NULL, 0, m_cycle, JV_LOOP},
    {"changed", NULL, 0, m_changed, JV_LOOP},
};

static bool is_among(const char *name, const char *names) {
    size_t n = strlen(name);
    if (n == 0 || !strchr(names, name[0])) return false; /* "" would be found for ever */
    for (const char *at = names; (at = strstr(at, name)) != NULL; at += n)
        if ((at == names || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) return true;
    return false;
}

const struct routine *method_find(const struct jv *of, const char *name, bool *refused) {
    static const char texts[] =
        "casefold center encode expandtabs format_map isascii isdecimal isidentifier isnumeric "
        "isprintable istitle ljust maketrans rindex rjust swapcase translate";
    static const char numbers[] = "real imag numerator denominator conjugate bit_length bit_count "
                                  "as_integer_ratio to_bytes from_bytes is_integer hex fromhex";
    bool tuple = of->kind == JV_LIST && of->as.list->kind != LIST_PLAIN;
    *refused = false;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        const struct routine *m = &methods[i];
        if (m->of != of->kind || m->name[0] != name[0] || strcmp(m->name, name) != 0) continue;
        if (!tuple) return m;
        /* A tuple or a range can only be counted in. */
        bool both =
            of->as.list->kind <= LIST_RANGE && (!strcmp(name, "count") || !strcmp(name, "index"));
        return both ? m : NULL;
    }
    switch (of->kind) {
    case JV_TEXT: *refused = is_among(name, texts); break;
    case JV_LIST:
        *refused = is_among(name, !tuple                            ? "clear remove reverse sort"
                                  : of->as.list->kind == LIST_RANGE ? "start stop step"
                                                                    : "");
        break;
    case JV_VIEW:
    case JV_GENERATOR:
        *refused = is_among(name, "mapping isdisjoint send throw close gi_code gi_frame");
        break;
    case JV_DICT: *refused = is_among(name, "clear fromkeys popitem setdefault"); break;
    case JV_INT:
    case JV_BOOL:
    case JV_FLOAT: *refused = is_among(name, numbers); break;
    case JV_CALLABLE:
        *refused =
            of->as.callable->macro && is_among(name, "name arguments catch_kwargs catch_varargs "
                                                     "caller explicit_caller");
        break;
    default: break;
    }
    return NULL;
}
