/* testers.c - the tests: what stands behind `is`. */
#include <math.h>
#include <string.h>

#include "eval.h"

/* A test that needs no argument, by one condition on the value v. */
#define TEST(name, condition)                                                                      \
    ROUTINE(name) {                                                                                \
        const struct jv *v = self;                                                                 \
        (void)r;                                                                                   \
        (void)args;                                                                                \
        (void)slot;                                                                                \
        *out = jv_bool(condition);                                                                 \
        return true;                                                                               \
    }

TEST(t_defined, v->kind != JV_UNDEFINED)
TEST(t_undefined, v->kind == JV_UNDEFINED)
TEST(t_none, v->kind == JV_NONE)
TEST(t_boolean, v->kind == JV_BOOL)
TEST(t_true, v->kind == JV_BOOL && v->as.truth)
TEST(t_false, v->kind == JV_BOOL && !v->as.truth)
TEST(t_integer, v->kind == JV_INT)
TEST(t_float, v->kind == JV_FLOAT)
TEST(t_number, jv_is_number(v))
TEST(t_string, v->kind == JV_TEXT)
TEST(t_mapping, v->kind == JV_DICT)
TEST(t_iterable, v->kind == JV_TEXT || v->kind == JV_LIST || v->kind == JV_DICT ||
                     v->kind == JV_VIEW || v->kind == JV_GENERATOR || v->kind == JV_UNDEFINED ||
                     v->kind == JV_LOOP)
TEST(t_sequence, v->kind == JV_TEXT || v->kind == JV_DICT || v->kind == JV_UNDEFINED ||
                     (v->kind == JV_LIST && v->as.list->kind <= LIST_RANGE))
TEST(t_callable, v->kind == JV_CALLABLE || v->kind == JV_LOOP || v->kind == JV_UNDEFINED)

/* Some letter is in this case, and none in another. */
static bool is_case(struct bnt_jinja_run *r, const struct jv *v, bool upper, struct jv *out) {
    struct bnt_marked t;
    bool some = false, other = false;
    if (!jv_str(r, v, &t) || !run_step(r, t.len / 4)) return false;
    for (size_t at = 0; at < t.len && !other;) {
        int32_t c;
        at += text_next(t, at, &c);
        some = some || (upper ? char_is_upper(c) : char_is_lower(c));
        other = char_is_title(c) || (upper ? char_is_lower(c) : char_is_upper(c));
    }
    *out = jv_bool(some && !other);
    return true;
}

ROUTINE(t_lower) {
    (void)args;
    (void)slot;
    return is_case(r, self, false, out);
}

ROUTINE(t_upper) {
    (void)args;
    (void)slot;
    return is_case(r, self, true, out);
}

/* The remainder is this number; of a text it is what % makes of that. */
static bool remainder_is(struct bnt_jinja_run *r, const struct jv *v, const struct jv *by,
                         int64_t wanted, struct jv *out) {
    const struct jv number = jv_int(wanted);
    struct jv rest;
    bool equal;
    if (!value_binary(r, '%', v, by, &rest) || !jv_equal(r, &rest, &number, &equal)) return false;
    *out = jv_bool(equal);
    return true;
}

ROUTINE(t_even) {
    const struct jv two = jv_int(2);
    (void)args;
    (void)slot;
    return remainder_is(r, self, &two, 0, out);
}

ROUTINE(t_odd) {
    const struct jv two = jv_int(2);
    (void)args;
    (void)slot;
    return remainder_is(r, self, &two, 1, out);
}

ROUTINE(t_divisible) {
    (void)args;
    return remainder_is(r, self, &slot[0], 0, out);
}

ROUTINE(t_eq) {
    bool equal;
    (void)args;
    if (!jv_equal(r, self, &slot[0], &equal)) return false;
    *out = jv_bool(equal);
    return true;
}

ROUTINE(t_ne) {
    if (!t_eq(r, self, args, slot, out)) return false;
    out->as.truth = !out->as.truth;
    return true;
}

static bool order_is(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, int low,
                     int high, struct jv *out) {
    int order;
    if (!jv_compare(r, a, b, &order)) return false;
    order = (order > 0) - (order < 0);
    *out = jv_bool(order >= low && order <= high);
    return true;
}

ROUTINE(t_lt) {
    (void)args;
    return order_is(r, self, &slot[0], -1, -1, out);
}
ROUTINE(t_le) {
    (void)args;
    return order_is(r, self, &slot[0], -1, 0, out);
}
ROUTINE(t_gt) {
    (void)args;
    return order_is(r, self, &slot[0], 1, 1, out);
}
ROUTINE(t_ge) {
    (void)args;
    return order_is(r, self, &slot[0], 0, 1, out);
}

ROUTINE(t_in) {
    bool found;
    (void)args;
    if (!jv_contains(r, &slot[0], self, &found)) return false;
    *out = jv_bool(found);
    return true;
}

/* Python's `is`: of what exists once, the value; of lists and dicts, the thing itself. */
ROUTINE(t_sameas) {
    const struct jv *a = self, *b = &slot[0];
    bool same = a->kind == b->kind;
    (void)args;
    if (same && a->kind == JV_BOOL)
        same = a->as.truth == b->as.truth;
    else if (same && a->kind == JV_LIST)
        same = a->as.list == b->as.list;
    else if (same && (a->kind == JV_DICT || a->kind == JV_NAMESPACE))
        same = a->as.dict == b->as.dict;
    else if (same && a->kind != JV_NONE && !jv_equal(r, a, b, &same))
        return false;
    else if (same && a->kind != JV_NONE)
        return run_error(r, "'sameas' of two values of kind %s is not known here", jv_type_name(a));
    *out = jv_bool(same);
    return true;
}

ROUTINE(t_filter) {
    struct bnt_marked t;
    char name[40];
    (void)args;
    (void)slot;
    bool is_key;
    if (!jv_is_key(r, self, &is_key)) return false;
    const bool by_identity = self->kind == JV_NAMESPACE || self->kind == JV_LOOP ||
                             self->kind == JV_CALLABLE || self->kind == JV_GENERATOR;
    if (self->kind != JV_TEXT && (is_key || by_identity)) {
        *out = jv_bool(false);
        return true;
    }
    if (!arg_text(r, self, "is filter", &t)) return false;
    bnt_printable(name, sizeof name, t.text, t.len);
    *out = jv_bool(filter_find(name) || filter_missing(name));
    return true;
}

const struct routine *test_find(const char *name) {
    static const struct routine all[] = {
        {"defined", "", 0, t_defined, 0},
        {"undefined", "", 0, t_undefined, 0},
        {"none", "", 0, t_none, 0},
        {"boolean", "", 0, t_boolean, 0},
        {"true", "", 0, t_true, 0},
        {"false", "", 0, t_false, 0},
        {"integer", "", 0, t_integer, 0},
        {"float", "", 0, t_float, 0},
        {"number", "", 0, t_number, 0},
        {"string", "", 0, t_string, 0},
        {"mapping", "", 0, t_mapping, 0},
        {"iterable", "", 0, t_iterable, 0},
        {"sequence", "", 0, t_sequence, 0},
        {"callable", "", 0, t_callable, 0},
        {"lower", "", 0, t_lower, 0},
        {"upper", "", 0, t_upper, 0},
        {"even", "", 0, t_even, 0},
        {"odd", "", 0, t_odd, 0},
        {"divisibleby", "num", 1, t_divisible, 0},
        {"eq", "other", 1, t_eq, 0},
        {"equalto", "other", 1, t_eq, 0},
        {"==", "other", 1, t_eq, 0},
        {"ne", "other", 1, t_ne, 0},
        {"!=", "other", 1, t_ne, 0},
        {"lt", "other", 1, t_lt, 0},
        {"lessthan", "other", 1, t_lt, 0},
        {"<", "other", 1, t_lt, 0},
        {"le", "other", 1, t_le, 0},
        {"<=", "other", 1, t_le, 0},
        {"gt", "other", 1, t_gt, 0},
        {"greaterthan", "other", 1, t_gt, 0},
        {">", "other", 1, t_gt, 0},
        {"ge", "other", 1, t_ge, 0},
        {">=", "other", 1, t_ge, 0},
        {"in", "seq", 1, t_in, 0},
        {"sameas", "other", 1, t_sameas, 0},
        {"filter", "", 0, t_filter, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    return NULL;
}

bool test_missing(const char *name) {
    return strcmp(name, "escaped") == 0 || strcmp(name, "test") == 0;
}
