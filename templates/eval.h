/*
 * eval.h - between the parts that run a program: names and their scopes, expressions, statements,
 * and routines, which are all that can be called by name.
 */
#ifndef BNT_TEMPLATES_EVAL_H
#define BNT_TEMPLATES_EVAL_H

#include "ast.h"
#include "text.h"

/* ---- names ----------------------------------------------------------------------------------- */

/* A block's own names, and those around it. A loop's body has a new one each time. */
struct scope {
    struct scope *outer;
    struct jv_dict names;
};

struct scope *scope_new(struct bnt_jinja_run *r, struct scope *outer);
bool scope_set(struct bnt_jinja_run *r, struct scope *s, const char *name, const struct jv *v);
/* *out: NULL where there is none. */
bool scope_get(struct bnt_jinja_run *r, struct scope *s, const struct jv *name,
               const struct jv **out);

/* ---- expressions and statements -------------------------------------------------------------- */

bool eval(struct bnt_jinja_run *r, struct scope *s, const struct node *n, struct jv *out);
/* A filter node, on `of`. */
bool eval_filter(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                 const struct jv *of, struct jv *out);
bool eval_args(struct bnt_jinja_run *r, struct scope *s, const struct node *call,
               struct jv_args *out);
/* obj.name and obj[key]; what is not there is undefined. */
bool value_attr(struct bnt_jinja_run *r, const struct jv *of, const char *name, struct jv *out);
bool value_item(struct bnt_jinja_run *r, const struct jv *of, const struct jv *key, struct jv *out);
bool value_slice(struct bnt_jinja_run *r, const struct jv *of, const struct jv part[3],
                 struct jv *out);
/* An attribute as filters are given it, "a.b.0", in a list of keys; empty where it is absent or
 * None. */
bool value_path(struct bnt_jinja_run *r, const struct jv *path, struct jv *parts);
/* The item of the item, and so on; `missing` (NULL, absent or None: nothing) in place of each that
 * is undefined. */
bool value_follow(struct bnt_jinja_run *r, const struct jv *v, const struct jv *parts,
                  const struct jv *missing, struct jv *out);
/* The same to compare by: a text without regard to case unless asked. */
bool value_key(struct bnt_jinja_run *r, const struct jv *item, const struct jv *parts,
               const struct jv *missing, bool with_case, struct jv *out);
bool value_binary(struct bnt_jinja_run *r, char op, const struct jv *a, const struct jv *b,
                  struct jv *out);
bool value_call(struct bnt_jinja_run *r, const struct jv *callee, const struct jv_args *args,
                struct jv *out);

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };
bool exec_body(struct bnt_jinja_run *r, struct scope *s, const struct node *body, struct pen *out,
               enum flow *flow);

/* ---- routines -------------------------------------------------------------------------------- */

/* A filter, test, method or function: `slot` holds an argument a parameter, JV_ABSENT where it was
 * not given. params NULL: it takes the arguments as they are; '/' before them: only by place. */
struct routine {
    const char *name, *params; /* names with spaces between */
    unsigned required;
    bool (*run)(struct bnt_jinja_run *r, const struct jv *self, const struct jv_args *args,
                struct jv *slot, struct jv *out);
    /* A method: of texts, lists or dicts. A filter or test: unused. */
    enum jv_kind of;
};

/* The kind of a function that a routine is: all have this form. */
#define ROUTINE(name)                                                                              \
    static bool name(struct bnt_jinja_run *r, const struct jv *self, const struct jv_args *args,   \
                     struct jv *slot, struct jv *out)

/* The argument was given, and is not none. */
static inline bool is_given(const struct jv *slot) {
    return slot->kind != JV_ABSENT && slot->kind != JV_NONE;
}

enum { MOST_SLOTS = 6 };

bool routine_run(struct bnt_jinja_run *r, const struct routine *routine, const struct jv *self,
                 const struct jv_args *args, struct jv *out);
bool routine_bind(struct bnt_jinja_run *r, const struct routine *routine, const struct jv *self,
                  struct jv *out); /* as a value that can be called */

const struct routine *filter_find(const char *name); /* each NULL where there is none */
const struct routine *test_find(const char *name);
bool filter_missing(const char *name); /* Jinja has it, and it is not done here */
bool test_missing(const char *name);
const struct routine *global_find(const char *name);
/* *refused: Python has it, and it is not done here. */
const struct routine *method_find(const struct jv *of, const char *name, bool *refused);
extern const struct routine list_filters[], lazy_filters[]; /* each up to one without a name */
/* A filter by its arguments; one that is not done on texts behind `safe` is refused. */
bool filter_run(struct bnt_jinja_run *r, const struct routine *f, const struct jv *of,
                const struct jv_args *args, struct jv *out);

/* Arguments as C has them; false: of another kind, and the run has failed. `what` names it. */
bool arg_text(struct bnt_jinja_run *r, const struct jv *v, const char *what,
              struct bnt_marked *out);
bool arg_int(struct bnt_jinja_run *r, const struct jv *v, const char *what, int64_t *out);

/* format.c: text % values, and text.format(...). */
bool format_percent(struct bnt_jinja_run *r, struct bnt_marked form, const struct jv *values,
                    struct bnt_marked *out);
bool format_braces(struct bnt_jinja_run *r, struct bnt_marked form, const struct jv_args *args,
                   struct bnt_marked *out);

#endif
