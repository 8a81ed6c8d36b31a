/*
 * walk.c - going through values item by item, as Python's iterators do: a list that grows meanwhile
 * is seen to grow, a generator computes an item when it is asked for it, and what came to its end
 * stays there.
 */
#include "text.h"

bool jv_walk_begin(struct bnt_jinja_run *r, const struct jv *v, struct jv_walk *w) {
    *w = (struct jv_walk){.of = *v};
    switch (v->kind) {
    case JV_DICT: w->changes = v->as.dict->changes; return true;
    case JV_VIEW: w->changes = v->as.view->of->changes; return true;
    case JV_UNDEFINED:
    case JV_TEXT:
    case JV_LIST:
    case JV_GENERATOR: return true;
    case JV_LOOP: return run_error(r, "to go through a loop is not done here");
    default: return run_error(r, "a %s cannot be gone through", jv_type_name(v));
    }
}

bool jv_walk_back(struct bnt_jinja_run *r, const struct jv *v, struct jv_walk *w) {
    if (!jv_walk_begin(r, v, w)) return false;
    w->back = true;
    w->at = v->kind == JV_DICT   ? v->as.dict->n
            : v->kind == JV_VIEW ? v->as.view->of->n
            : v->kind == JV_LIST ? v->as.list->n
                                 : 0;
    return true;
}

/* The place of the next of n items; false: there is none. */
static bool next_place(struct jv_walk *w, size_t n, size_t *at) {
    if (w->back ? w->at == 0 || w->at > n : w->at >= n) return false;
    *at = w->back ? --w->at : w->at++;
    return true;
}

static bool next_pair(struct bnt_jinja_run *r, struct jv_walk *w, struct jv_dict *d,
                      enum jv_view_of what, struct jv *item, bool *more) {
    size_t at;
    if (d->changes != w->changes)
        return run_error(r, "a dict that changes while it is gone through is not done here");
    if (!(*more = next_place(w, d->n, &at))) return true;
    if (what == VIEW_ITEMS) return jv_pair_new(r, &d->at[at].key, &d->at[at].value, item);
    *item = what == VIEW_KEYS ? d->at[at].key : d->at[at].value;
    return true;
}

static bool next_character(struct jv_walk *w, struct jv *item) {
    const struct bnt_marked t = w->of.as.text;
    int32_t c;
    if (w->at == t.len) return false;
    size_t end = w->at + text_next(t, w->at, &c);
    *item = jv_marked(text_part(t, w->at, end));
    w->at = end;
    return true;
}

bool jv_walk_next(struct bnt_jinja_run *r, struct jv_walk *w, struct jv *item, bool *more) {
    bool ok = true;
    size_t at;
    *more = false;
    if (w->done) return true;
    if (!run_step(r, 1)) return false;
    switch (w->of.kind) {
    case JV_TEXT: *more = next_character(w, item); break;
    case JV_LIST:
        if ((*more = next_place(w, w->of.as.list->n, &at))) *item = w->of.as.list->at[at];
        break;
    case JV_DICT: ok = next_pair(r, w, w->of.as.dict, VIEW_KEYS, item, more); break;
    case JV_VIEW: ok = next_pair(r, w, w->of.as.view->of, w->of.as.view->what, item, more); break;
    case JV_GENERATOR: ok = jv_generator_next(r, w->of.as.generator, item, more); break;
    default: break;
    }
    w->done = !*more;
    return ok;
}

bool jv_view_new(struct bnt_jinja_run *r, struct jv_dict *of, enum jv_view_of what,
                 struct jv *out) {
    struct jv_view *v = run_take(r, sizeof *v);
    if (!v) return false;
    *v = (struct jv_view){of, what};
    *out = (struct jv){.kind = JV_VIEW, .as.view = v};
    return true;
}

/* ---- generators ------------------------------------------------------------------------------ */

struct jv_generator *jv_generator_new(struct bnt_jinja_run *r, jv_next next, const struct jv *of,
                                      struct jv *out) {
    struct jv_generator *g = run_take(r, sizeof *g);
    if (!g) return NULL;
    *g = (struct jv_generator){.next = next, .walk = {.of = *of}};
    *out = (struct jv){.kind = JV_GENERATOR, .as.generator = g};
    return g;
}

bool jv_generator_next(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                       bool *more) {
    *more = false;
    if (g->done) return true;
    if (!run_enter(r)) return false;
    if (g->running) return run_error(r, "a generator that asks itself");
    g->running = true;
    bool ok = g->next(r, g, item, more);
    g->running = false;
    g->done = !*more;
    run_leave(r);
    return ok;
}

bool jv_generator_begin(struct bnt_jinja_run *r, struct jv_generator *g) {
    if (g->begun) return true;
    const struct jv of = g->walk.of;
    g->begun = true;
    return jv_walk_begin(r, &of, &g->walk);
}

/* ---- loops ----------------------------------------------------------------------------------- */

bool jv_loop_next(struct bnt_jinja_run *r, struct jv_loop *l, bool *more) {
    struct jv item;
    *more = l->peeked && l->after.kind != JV_ABSENT;
    if (*more)
        item = l->after;
    else if (!jv_walk_next(r, &l->walk, &item, more))
        return false;
    l->peeked = false;
    if (!*more) return true;
    l->before = l->now;
    l->now = item;
    l->index++;
    return true;
}

bool jv_loop_peek(struct bnt_jinja_run *r, struct jv_loop *l, const struct jv **after) {
    bool more = true;
    if (!l->peeked || l->after.kind == JV_ABSENT) {
        if (!jv_walk_next(r, &l->walk, &l->after, &more)) return false;
        if (!more) l->after.kind = JV_ABSENT;
        l->peeked = true;
    }
    *after = l->after.kind == JV_ABSENT ? NULL : &l->after;
    return true;
}

bool jv_loop_length(struct bnt_jinja_run *r, struct jv_loop *l, size_t *n) {
    struct jv rest;
    bool more = true;
    if (!l->measured && l->walk.of.kind != JV_GENERATOR) {
        if (!jv_length(r, &l->walk.of, &l->length)) return false;
    } else if (!l->measured) { /* what is left, kept to be gone through */
        if (!jv_list_new(r, LIST_PLAIN, 0, &rest)) return false;
        while (more) {
            struct jv item;
            if (!jv_walk_next(r, &l->walk, &item, &more)) return false;
            if (more && !jv_list_add(r, rest.as.list, &item)) return false;
        }
        l->length = rest.as.list->n + l->index + (l->peeked && l->after.kind != JV_ABSENT);
        l->walk = (struct jv_walk){.of = rest};
    }
    l->measured = true;
    *n = l->length;
    return true;
}
