/*
 * guide.c - see guide.h.
 *
 * A set of tokens depends on the state alone, so each is found once: by a walk over the sorted
 * pieces, of which each takes up the automaton where it parts from the one before it. States that
 * differ only in counts that no piece can exhaust share one set.
 */
#include "guide.h"

#include <stdlib.h>
#include <string.h>

#include "machine.h"

/* Shared by whoever holds it. */
struct token_set {
    unsigned holders;
    uint64_t words[];
};

/* The tokens of a text that is forced, but for the last. */
struct run {
    uint32_t count; /* 0: none */
    int32_t ids[];
};

struct bnt_constraint {
    struct bnt_grammar *grammar;
    struct bnt_machine *machine;
    const struct bnt_pieces *pieces;
    uint32_t n_words;
    struct bnt_constraint_source source;
    struct token_set **sets; /* [state] */
    struct run **runs;       /* [state] */
    unsigned n_sets;
    bnt_state *walk;          /* [longest piece + 1]: where a walk is after each byte */
    struct bnt_guide *guides; /* all that are open */
};

/* A place in the text: a state, and how much of a forced run is behind it. */
struct spot {
    bnt_state state;
    uint32_t run;          /* tokens of the run of `from` that were taken */
    bnt_state from;        /* where that run began; BNT_STATE_DEAD: in no run */
    struct token_set *set; /* what may follow, once it was asked for */
};

struct bnt_guide {
    struct bnt_constraint *c;
    struct bnt_guide *next, **link;
    struct spot now;
    struct spot ahead[BNT_GUIDE_AHEAD + 1]; /* the first is `now` */
    size_t n_ahead;                         /* spots in it, from 1 */
};

/* ---- what is remembered ------------------------------------------------------------------------
 */

static void drop(struct token_set *set) {
    if (set && --set->holders == 0) free(set);
}

static struct token_set *new_set(const struct bnt_constraint *c) {
    struct token_set *set = calloc(1, sizeof *set + c->n_words * sizeof *set->words);
    if (set) set->holders = 1;
    return set;
}

static void add_to(struct token_set *set, int32_t id) {
    set->words[id / 64] |= UINT64_C(1) << id % 64;
}

static void forget_sets(struct bnt_constraint *c) {
    for (size_t i = 0; c->sets && i < BNT_MACHINE_STATES; i++) {
        drop(c->sets[i]);
        c->sets[i] = NULL;
    }
    c->n_sets = 0;
}

static void forget_runs(struct bnt_constraint *c) {
    for (size_t i = 0; c->runs && i < BNT_MACHINE_STATES; i++) {
        free(c->runs[i]);
        c->runs[i] = NULL;
    }
}

/* The machine is full: all that nobody holds goes. */
static int forget(struct bnt_constraint *c, struct bnt_err *err) {
    size_t n = 0;
    for (const struct bnt_guide *g = c->guides; g; g = g->next) n += 2 * (g->n_ahead + 1);
    bnt_state **held = malloc((n + 1) * sizeof *held);
    if (!held) return bnt_fail_nomem(err, "the grammar's states", n);
    n = 0;
    for (struct bnt_guide *g = c->guides; g; g = g->next) {
        held[n++] = &g->now.state;
        held[n++] = &g->now.from;
        for (size_t i = 0; i < g->n_ahead; i++) {
            held[n++] = &g->ahead[i].state;
            held[n++] = &g->ahead[i].from;
        }
    }
    forget_sets(c);
    forget_runs(c);
    int status = bnt_machine_forget(c->machine, held, n, err);
    free(held);
    return status;
}

/* ---- steps -------------------------------------------------------------------------------------
 */

/* What to do after BNT_STATE_NONE: BNT_OK to try again, from *s, which has another number now. */
static int make_room(struct bnt_constraint *c, unsigned *tries, struct bnt_err *err) {
    if (!bnt_machine_full(c->machine) || (*tries)++) return bnt_machine_explain(c->machine, err);
    return forget(c, err);
}

/* After the bytes of a token; `at` is held by a guide. *to is BNT_STATE_DEAD where it may not. */
static int step_token(struct bnt_constraint *c, const bnt_state *at, int32_t id, bnt_state *to,
                      struct bnt_err *err) {
    const uint8_t *bytes;
    uint32_t len;
    unsigned tries = 0;
    *to = BNT_STATE_DEAD;
    if (!bnt_pieces_of(c->pieces, id, &bytes, &len)) return BNT_OK;
    for (;;) {
        bnt_state s = *at;
        for (uint32_t i = 0; i < len && s != BNT_STATE_DEAD && s != BNT_STATE_NONE; i++)
            s = bnt_machine_step(c->machine, s, bytes[i]);
        if (s != BNT_STATE_NONE) {
            *to = s;
            return BNT_OK;
        }
        int status = make_room(c, &tries, err);
        if (status != BNT_OK) return status;
    }
}

/* All pieces that may follow s; false: the machine has no room. */
static bool walk_pieces(struct bnt_constraint *c, bnt_state s, struct token_set *set) {
    const struct bnt_pieces *p = c->pieces;
    uint32_t alive = 0; /* bytes of the piece before that can be gone over */
    c->walk[0] = s;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct bnt_piece_at *at = &p->sorted[i];
        const uint8_t *bytes = p->bytes + at->offset;
        if (at->common > alive) continue; /* parts from it behind its dead end */
        uint32_t n = at->common;
        for (; n < at->len; n++) {
            bnt_state to = bnt_machine_step(c->machine, c->walk[n], bytes[n]);
            if (to == BNT_STATE_NONE) return false;
            if (to == BNT_STATE_DEAD) break;
            c->walk[n + 1] = to;
        }
        alive = n;
        if (n == at->len)
            add_to(set, at->id);
        else if (n == 0)
            i = p->first[bytes[0] + 1] - 1; /* none of this first byte */
    }
    return true;
}

/* The set of a state that a guide holds. */
static int find_set(struct bnt_constraint *c, const bnt_state *at, struct token_set **out,
                    struct bnt_err *err) {
    unsigned tries = 0;
    for (;;) {
        bnt_state s = bnt_machine_alike(c->machine, *at, c->pieces->longest);
        if (s != BNT_STATE_NONE && c->sets[s]) {
            c->sets[s]->holders++;
            *out = c->sets[s];
            return BNT_OK;
        }
        struct token_set *set = new_set(c);
        if (!set) return bnt_fail_nomem(err, "a set of tokens", c->n_words);
        if (s != BNT_STATE_NONE && walk_pieces(c, s, set)) {
            if (bnt_machine_accepts(c->machine, s))
                for (uint32_t i = 0; i < c->pieces->n_ends; i++) add_to(set, c->pieces->ends[i]);
            if (c->n_sets == BNT_CONSTRAINT_SETS) forget_sets(c);
            c->n_sets++;
            set->holders++;
            *out = c->sets[s] = set;
            return BNT_OK;
        }
        drop(set);
        int status = make_room(c, &tries, err);
        if (status != BNT_OK) return status;
    }
}

/* ---- forced runs -------------------------------------------------------------------------------
 */

/* The bytes that must follow, as far as there is one way; SIZE_MAX: no room for states. */
static size_t forced_text(struct bnt_constraint *c, bnt_state s, uint8_t out[BNT_FORCED_MAX]) {
    size_t n = 0;
    while (n < BNT_FORCED_MAX && !bnt_machine_accepts(c->machine, s)) {
        struct bnt_byte_class next;
        unsigned ways = 0, byte = 0;
        bnt_machine_next(c->machine, s, &next);
        for (unsigned w = 0; w < 4; w++) {
            ways += (unsigned)__builtin_popcountll(next.bits[w]);
            if (next.bits[w]) byte = 64 * w + (unsigned)__builtin_ctzll(next.bits[w]);
        }
        if (ways != 1) break;
        s = bnt_machine_step(c->machine, s, (uint8_t)byte);
        if (s == BNT_STATE_NONE) return SIZE_MAX;
        out[n++] = (uint8_t)byte;
    }
    return n;
}

/* Whether the tokens are exactly this text. */
static bool spells(const struct bnt_pieces *p, const struct bnt_token_list *list,
                   const uint8_t *text, size_t len) {
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        const uint8_t *bytes;
        uint32_t n;
        if (!bnt_pieces_of(p, list->ids[i], &bytes, &n) || n > len - at ||
            memcmp(bytes, text + at, n) != 0)
            return false;
        at += n;
    }
    return at == len;
}

static struct run *new_run(const struct bnt_constraint *c, const uint8_t *text, size_t len) {
    struct bnt_token_list list = {0};
    struct run *run = NULL;
    int status = BNT_OK;
    if (len > 1)
        status = bnt_tokenizer_encode(c->pieces->tokenizer, (const char *)text, len,
                                      BNT_ENCODE_EXACT | BNT_ENCODE_CONTINUES, &list, NULL);
    size_t count = 0;
    if (status == BNT_OK && list.count > 1 && spells(c->pieces, &list, text, len))
        count = list.count - 1;
    if (status != BNT_E_NOMEM) run = malloc(sizeof *run + count * sizeof *run->ids);
    if (run) {
        run->count = (uint32_t)count;
        if (count) memcpy(run->ids, list.ids, count * sizeof *run->ids);
    }
    bnt_token_list_free(&list);
    return run;
}

/* The run that begins at a state which a guide holds. */
static int find_run(struct bnt_constraint *c, const bnt_state *at, const struct run **out,
                    struct bnt_err *err) {
    uint8_t text[BNT_FORCED_MAX];
    unsigned tries = 0;
    size_t len;
    *out = c->runs[*at];
    if (*out) return BNT_OK;
    while ((len = forced_text(c, *at, text)) == SIZE_MAX) {
        int status = make_room(c, &tries, err);
        if (status != BNT_OK) return status;
    }
    *out = c->runs[*at] = new_run(c, text, len);
    return *out ? BNT_OK : bnt_fail_nomem(err, "a forced text", len);
}

/* The token that a forced run has at this spot, or -1; *last: the run ends with it. */
static int forced_at(struct bnt_constraint *c, const struct spot *s, int32_t *id, bool *last,
                     struct bnt_err *err) {
    bool inside = s->from != BNT_STATE_DEAD;
    const struct run *run;
    int status = find_run(c, inside ? &s->from : &s->state, &run, err);
    uint32_t at = inside ? s->run : 0;
    *id = status == BNT_OK && at < run->count ? run->ids[at] : -1;
    *last = *id < 0 || at + 1 == run->count;
    return status;
}

/* ---- spots -------------------------------------------------------------------------------------
 */

static bool is_end(const struct bnt_constraint *c, int32_t id) {
    for (uint32_t i = 0; i < c->pieces->n_ends; i++)
        if (c->pieces->ends[i] == id) return true;
    return false;
}

/* Where a token leads from a spot that is held; to->state is BNT_STATE_DEAD where it may not. */
static int go(struct bnt_constraint *c, const struct spot *from, int32_t id, struct spot *to,
              struct bnt_err *err) {
    int32_t forced;
    bool last;
    *to = (struct spot){.state = BNT_STATE_DEAD, .from = BNT_STATE_DEAD};
    int status = forced_at(c, from, &forced, &last, err);
    if (status != BNT_OK || (forced >= 0 && id != forced)) return status;
    status = step_token(c, &from->state, id, &to->state, err);
    if (status != BNT_OK || last) return status;
    bool inside = from->from != BNT_STATE_DEAD;
    to->from = inside ? from->from : from->state;
    to->run = inside ? from->run + 1 : 1;
    return BNT_OK;
}

int bnt_guide_accept(struct bnt_guide *g, int32_t id, struct bnt_err *err) {
    struct spot to;
    if (is_end(g->c, id)) {
        if (bnt_guide_may_end(g)) return BNT_OK;
        return bnt_fail(err, BNT_E_USAGE, "the text may not end here by its grammar");
    }
    int status = go(g->c, &g->now, id, &to, err);
    if (status != BNT_OK) return status;
    if (to.state == BNT_STATE_DEAD)
        return bnt_fail(err, BNT_E_USAGE, "token %d may not follow by the text's grammar", id);
    g->now = to;
    return BNT_OK;
}

bool bnt_guide_may_end(const struct bnt_guide *g) {
    return bnt_machine_accepts(g->c->machine, g->now.state);
}

void bnt_guide_look(struct bnt_guide *g) {
    for (size_t i = 0; i < g->n_ahead; i++) drop(g->ahead[i].set);
    g->ahead[0] = g->now;
    g->n_ahead = 1;
}

bool bnt_guide_expect(struct bnt_guide *g, int32_t id) {
    struct spot to;
    if (g->n_ahead > BNT_GUIDE_AHEAD || is_end(g->c, id)) return false;
    if (go(g->c, &g->ahead[g->n_ahead - 1], id, &to, NULL) != BNT_OK) return false;
    if (to.state == BNT_STATE_DEAD) return false;
    g->ahead[g->n_ahead++] = to;
    return true;
}

int32_t bnt_guide_forced(struct bnt_guide *g) {
    int32_t id;
    bool last;
    return forced_at(g->c, &g->ahead[g->n_ahead - 1], &id, &last, NULL) == BNT_OK ? id : -1;
}

static int find_allowed(struct bnt_constraint *c, struct spot *s, struct bnt_err *err) {
    int32_t forced;
    bool last;
    int status = forced_at(c, s, &forced, &last, err);
    if (status != BNT_OK) return status;
    if (forced < 0) return find_set(c, &s->state, &s->set, err);
    s->set = new_set(c);
    if (!s->set) return bnt_fail_nomem(err, "a set of tokens", c->n_words);
    add_to(s->set, forced);
    return BNT_OK;
}

int bnt_guide_allowed(struct bnt_guide *g, size_t ahead, const uint64_t **out,
                      struct bnt_err *err) {
    struct spot *s = &g->ahead[ahead];
    *out = NULL;
    if (ahead >= g->n_ahead) return bnt_fail(err, BNT_E_USAGE, "nothing is expected there");
    int status = s->set ? BNT_OK : find_allowed(g->c, s, err);
    if (status != BNT_OK) return status;
    for (uint32_t i = 0; i < g->c->n_words; i++) {
        if (!s->set->words[i]) continue;
        *out = s->set->words;
        return BNT_OK;
    }
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "the vocabulary has no token that its grammar lets follow here");
}

/* ---- opening -----------------------------------------------------------------------------------
 */

int bnt_constraint_of(struct bnt_constraint **out, struct bnt_grammar *g,
                      const struct bnt_pieces *pieces, uint32_t n_vocab,
                      const struct bnt_constraint_source *source, struct bnt_err *err) {
    struct bnt_constraint *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c) {
        bnt_grammar_close(g);
        return bnt_fail_nomem(err, "a grammar", sizeof *c);
    }
    c->source = *source;
    c->grammar = g;
    c->pieces = pieces;
    c->n_words = (n_vocab + 63) / 64;
    c->sets = calloc(BNT_MACHINE_STATES, sizeof *c->sets);
    c->runs = calloc(BNT_MACHINE_STATES, sizeof *c->runs);
    c->walk = malloc((pieces->longest + 1) * sizeof *c->walk);
    int status = BNT_OK;
    if (!c->sets || !c->runs || !c->walk)
        status = bnt_fail_nomem(err, "a grammar", BNT_MACHINE_STATES);
    if (status == BNT_OK) status = bnt_machine_open(&c->machine, g, err);
    if (status != BNT_OK) {
        bnt_constraint_close(c);
        return status;
    }
    *out = c;
    return BNT_OK;
}

const char *bnt_constraint_digest(const struct bnt_constraint *c) {
    return c->source.digest;
}

const struct bnt_constraint_source *bnt_constraint_source(const struct bnt_constraint *c) {
    return &c->source;
}

const char *bnt_constraint_kind_name(enum bnt_constraint_kind kind) {
    switch (kind) {
    case BNT_CONSTRAINT_SCHEMA: return "json-schema";
    case BNT_CONSTRAINT_GRAMMAR: return "gbnf";
    case BNT_CONSTRAINT_JSON: return "json";
    case BNT_CONSTRAINT_CALLS: return "calls";
    }
    return "?";
}

void bnt_constraint_close(struct bnt_constraint *c) {
    if (!c) return;
    forget_sets(c);
    forget_runs(c);
    bnt_machine_close(c->machine);
    bnt_grammar_close(c->grammar);
    free(c->sets);
    free(c->runs);
    free(c->walk);
    free(c);
}

int bnt_guide_open(struct bnt_guide **out, struct bnt_constraint *c, struct bnt_err *err) {
    struct bnt_guide *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g) return bnt_fail_nomem(err, "a guide", sizeof *g);
    g->c = c;
    g->now = (struct spot){.state = bnt_machine_start(c->machine), .from = BNT_STATE_DEAD};
    if (g->now.state == BNT_STATE_NONE) {
        int status =
            bnt_machine_full(c->machine) ? forget(c, err) : bnt_machine_explain(c->machine, err);
        g->now.state = bnt_machine_start(c->machine);
        if (status != BNT_OK || g->now.state == BNT_STATE_NONE) {
            free(g);
            return status != BNT_OK ? status : bnt_fail_nomem(err, "a guide", 0);
        }
    }
    g->next = c->guides;
    g->link = &c->guides;
    if (c->guides) c->guides->link = &g->next;
    c->guides = g;
    bnt_guide_look(g);
    *out = g;
    return BNT_OK;
}

void bnt_guide_close(struct bnt_guide *g) {
    if (!g) return;
    for (size_t i = 0; i < g->n_ahead; i++) drop(g->ahead[i].set);
    *g->link = g->next;
    if (g->next) g->next->link = g->link;
    free(g);
}
