/*
 * value.h - the values of a Jinja program, and the run that owns them.
 *
 * Values are Python's, as far as templates can see: None, numbers, texts, lists and their kin,
 * dicts, and a few that can be called. They lie in the run's arena and are freed with it; there is
 * nothing to release one by one, and a program can make no more than the arena's limit. A function
 * that can fail returns false, and the run then has its error, with the line of the template.
 */
#ifndef BNT_TEMPLATES_VALUE_H
#define BNT_TEMPLATES_VALUE_H

#include "jinja.h"
#include "jinja_limits.h"

/* ---- memory ---------------------------------------------------------------------------------- */

struct arena {
    struct arena_block *last;
    size_t used,
        limit;      /* bytes handed out; they count against the limit with their blocks' rests */
    bool no_memory; /* that was why the last one was not given, not the limit */
};

void *arena_take(struct arena *a,
                 size_t size);           /* aligned to 16; NULL: over the limit, or no memory */
int arena_status(const struct arena *a); /* of a NULL: BNT_E_LIMIT or BNT_E_NOMEM */
void arena_free(struct arena *a);

/* ---- values ---------------------------------------------------------------------------------- */

enum jv_kind {
    JV_UNDEFINED, /* a name, attribute or item that is not there */
    JV_ABSENT,    /* an argument that was not given; no program sees it */
    JV_NONE,
    JV_BOOL,
    JV_INT,
    JV_FLOAT,
    JV_TEXT,
    JV_LIST,
    JV_DICT,
    JV_VIEW,      /* of a dict: its keys, values or items as they are now */
    JV_GENERATOR, /* what filters give that Python computes as it is asked: can be read once */
    JV_NAMESPACE,
    JV_LOOP,
    JV_CALLABLE,
};

enum jv_list_kind {
    LIST_PLAIN,
    LIST_TUPLE,
    LIST_GROUP, /* a tuple with the names grouper and list */
    LIST_RANGE,
};

struct jv {
    enum jv_kind kind;
    bool safe; /* of a text: went through `safe`, which changes what + does in Jinja */
    union {
        bool truth;
        int64_t integer;
        double real;
        struct bnt_marked text;
        const char *missing; /* what is undefined, for the message */
        struct jv_list *list;
        struct jv_dict *dict; /* of a namespace as well */
        struct jv_view *view;
        struct jv_generator *generator;
        struct jv_loop *loop;
        struct jv_callable *callable;
    } as;
};

struct jv_list {
    enum jv_list_kind kind;
    struct jv *at;
    size_t n, capacity;
};

struct jv_pair {
    struct jv key, value;
};

struct jv_dict { /* in the order of insertion */
    struct jv_pair *at;
    size_t n, capacity;
    size_t *index, slots; /* places + 1 by hash; valid while indexed */
    bool indexed;
    unsigned changes; /* grows when a key comes or goes */
};

enum jv_view_of { VIEW_KEYS, VIEW_VALUES, VIEW_ITEMS };
struct jv_view {
    struct jv_dict *of;
    enum jv_view_of what;
};

struct jv_walk { /* through the items of a value */
    struct jv of;
    size_t at;        /* the next place; of a text, in bytes; backwards the one behind it */
    unsigned changes; /* of a dict, when it began */
    bool back, done;
};

struct jv_loop { /* the variable `loop` */
    struct jv_walk walk;
    struct jv before, now, after; /* items; after: absent where there is none */
    size_t index, length;         /* index: from 1 */
    bool peeked, measured;        /* after, length are known */
    struct jv changed;            /* the last argument of loop.changed, a tuple */
};

struct jv_named {
    const char *name;
    struct jv key; /* the name as a text, with its marks: those of ** may be somebody else's */
    struct jv value;
};

struct jv_args {
    struct jv *at;
    size_t n;
    struct jv_named *named;
    size_t n_named, room; /* room: for named ones */
};

typedef bool (*jv_next)(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                        bool *more);
struct jv_generator {
    jv_next next;
    struct jv_walk walk; /* through what it is made of; before it has begun only `of` counts */
    bool begun, running, done;
    struct jv_args args; /* of a filter, or those of its parameters that it needs */
    struct jv slot[2], kept;
    bool by_attribute, wanted;
    const struct node *loop; /* of a loop with a condition */
    struct scope *scope;
};

/* What can be called: a macro, a global function, a method of a value. */
struct jv_callable {
    const char *name;
    const struct node *macro; /* a macro or the body of a call; else NULL */
    struct scope *scope;      /* where it was made */
    const struct routine *routine;
    struct jv self; /* of a method */
};

/* ---- a run ----------------------------------------------------------------------------------- */

struct bnt_jinja_run {
    const struct bnt_jinja *program;
    struct arena arena;
    struct bnt_jinja_limits limits;
    uint64_t steps;
    unsigned depth, line;
    struct scope *globals;
    int64_t time;
    bool used_time;
    struct bnt_err *err, own_err;
};

/* Says why, with the line; always false. */
__attribute__((format(printf, 3, 4))) bool run_fail(struct bnt_jinja_run *r, int status,
                                                    const char *fmt, ...);
/* What Python would call an error. */
#define run_error(r, ...) (run_fail(r, BNT_E_UNSUPPORTED, __VA_ARGS__), false)
void *run_take(struct bnt_jinja_run *r, size_t size); /* NULL: failed */
/* The n items of `size` bytes at `at`, with room for one more: where they are, or in a larger place
 * (*capacity says for how many). NULL: failed. */
void *run_grow(struct bnt_jinja_run *r, void *at, size_t n, size_t *capacity, size_t size);
bool run_step(struct bnt_jinja_run *r, uint64_t n); /* counts work */
bool run_enter(struct bnt_jinja_run *r);            /* counts depth; undone by run_leave */
void run_leave(struct bnt_jinja_run *r);

/* ---- making values --------------------------------------------------------------------------- */

static inline struct jv jv_none(void) {
    return (struct jv){.kind = JV_NONE};
}
static inline struct jv jv_bool(bool b) {
    return (struct jv){.kind = JV_BOOL, .as.truth = b};
}
static inline struct jv jv_int(int64_t i) {
    return (struct jv){.kind = JV_INT, .as.integer = i};
}
static inline struct jv jv_real(double f) {
    return (struct jv){.kind = JV_FLOAT, .as.real = f};
}
static inline struct jv jv_marked(struct bnt_marked t) {
    return (struct jv){.kind = JV_TEXT, .as.text = t};
}
struct jv jv_text(const char *s); /* the program's or the template's own; not copied */
static inline struct jv jv_undefined(const char *what) {
    return (struct jv){.kind = JV_UNDEFINED, .as.missing = what};
}
/* A copy: the first `own` bytes are the template's, the rest is somebody else's. */
bool jv_text_begun(struct bnt_jinja_run *r, const char *s, size_t len, size_t own, struct jv *out);
/* A copy; all of it somebody else's, or (foreign false) the template's. */
bool jv_text_copy(struct bnt_jinja_run *r, const char *s, size_t len, bool foreign, struct jv *out);
bool jv_list_new(struct bnt_jinja_run *r, enum jv_list_kind kind, size_t room, struct jv *out);
bool jv_list_add(struct bnt_jinja_run *r, struct jv_list *l, const struct jv *v);
bool jv_pair_new(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b,
                 struct jv *out); /* a tuple */
/* Of a dict: Python can hash it. */
bool jv_is_key(struct bnt_jinja_run *r, const struct jv *v, bool *is);
bool jv_dict_new(struct bnt_jinja_run *r, enum jv_kind kind, struct jv *out);
/* Replaces, or adds at the end; a key that cannot be one is refused. */
bool jv_dict_set(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key,
                 const struct jv *v);
bool jv_dict_put(struct bnt_jinja_run *r, struct jv_dict *d, const char *key, const struct jv *v);
/* NULL: not there, or the run has failed (found by *ok). */
const struct jv *jv_dict_get(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key,
                             bool *ok);
void jv_dict_remove(struct jv_dict *d, const struct jv *value); /* value: what jv_dict_get gave */

/* JSON (jansson.h): all of its texts are somebody else's. */
struct json_t;
bool jv_from_json(struct bnt_jinja_run *r, const struct json_t *v, struct jv *out);

/* ---- asking values --------------------------------------------------------------------------- */

const char *jv_type_name(const struct jv *v);     /* Python's: "str", "dict" */
bool jv_is_number(const struct jv *v);            /* bool as well */
bool jv_is(const struct jv *v, const char *text); /* a text with these bytes */
bool jv_truth(const struct jv *v);
bool jv_equal(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, bool *equal);
/* *order: below, equal to or above 0; an error where Python has no order. */
bool jv_compare(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, int *order);
bool jv_contains(struct bnt_jinja_run *r, const struct jv *in, const struct jv *what, bool *found);
bool jv_length(struct bnt_jinja_run *r, const struct jv *v, size_t *n);
/* Everything a for loop would see, as a new list; a generator is read to its end. */
bool jv_iterate(struct bnt_jinja_run *r, const struct jv *v, struct jv_list **out);
bool jv_as_int(const struct jv *v, int64_t *i); /* int and bool */
double jv_as_real(const struct jv *v);          /* of a number */

/* ---- going through values (walk.c) ----------------------------------------------------------- */

bool jv_walk_begin(struct bnt_jinja_run *r, const struct jv *v, struct jv_walk *w);
bool jv_walk_back(struct bnt_jinja_run *r, const struct jv *v, struct jv_walk *w); /* no text */
bool jv_walk_next(struct bnt_jinja_run *r, struct jv_walk *w, struct jv *item, bool *more);
bool jv_view_new(struct bnt_jinja_run *r, struct jv_dict *of, enum jv_view_of what, struct jv *out);
struct jv_generator *jv_generator_new(struct bnt_jinja_run *r, jv_next next, const struct jv *of,
                                      struct jv *out);
bool jv_generator_begin(struct bnt_jinja_run *r, struct jv_generator *g); /* its walk, once */
bool jv_generator_next(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                       bool *more);
bool jv_loop_next(struct bnt_jinja_run *r, struct jv_loop *l, bool *more);
bool jv_loop_peek(struct bnt_jinja_run *r, struct jv_loop *l,
                  const struct jv **after); /* or NULL */
bool jv_loop_length(struct bnt_jinja_run *r, struct jv_loop *l, size_t *n);

/* ---- printing (print.c) ---------------------------------------------------------------------- */

bool jv_str(struct bnt_jinja_run *r, const struct jv *v, struct bnt_marked *out);  /* str() */
bool jv_repr(struct bnt_jinja_run *r, const struct jv *v, struct bnt_marked *out); /* repr() */

struct json_style {
    bool ascii, sorted;
    struct bnt_marked indent;    /* text NULL: on one line */
    struct bnt_marked item, key; /* separators */
};
bool jv_json(struct bnt_jinja_run *r, const struct jv *v, const struct json_style *style,
             struct bnt_marked *out);

#endif
