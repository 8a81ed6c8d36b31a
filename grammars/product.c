/*
 * product.c - see product.h.
 *
 * One machine runs all conditions, each from its own beginning: its states are the parts of the
 * tuples, and bytes that it does not tell apart are one class. Tuples are found breadth first; then
 * those that lead to no end become the dead state.
 */
#include "product.h"

#include <stdlib.h>
#include <string.h>

#include "machine.h"

enum { PARTS = BNT_CONDITIONS + 1, SLOTS = 2 * BNT_AUTOMATON_STATES, FAR = 1 << 30 };

struct builder {
    struct bnt_machine *m;
    const struct bnt_condition *list;
    size_t parts; /* of a tuple: the root's state, and each condition's */
    struct bnt_automaton *a;
    bnt_state *tuples;  /* [state][part] */
    uint16_t *slots;    /* states by their tuples: open addressing, 0 is empty */
    uint8_t bytes[256]; /* one of each class */
    uint64_t *effort;
    struct bnt_err *err;
    int status;
};

static void stop(struct builder *b, int status, const char *what) {
    if (b->status != BNT_OK) return;
    b->status = bnt_fail(b->err, status, "%s", what);
}

/* ---- tuples -----------------------------------------------------------------------------------
 */

static uint8_t flags_of(const struct builder *b, const bnt_state *tuple) {
    if (!bnt_machine_accepts(b->m, tuple[0])) return 0;
    for (size_t i = 1; i < b->parts; i++)
        if (bnt_machine_accepts(b->m, tuple[i]) == b->list[i - 1].denied) return BNT_PLACE_BETWEEN;
    return BNT_PLACE_BETWEEN | BNT_PLACE_ENDS;
}

/* The state of a tuple, a new one unless it is known. */
static uint16_t state_of(struct builder *b, const bnt_state *tuple) {
    struct bnt_automaton *a = b->a;
    uint64_t hash = 0;
    for (size_t i = 0; i < b->parts; i++) {
        bool lost = tuple[i] == BNT_STATE_DEAD && (i == 0 || !b->list[i - 1].denied);
        if (lost) return BNT_AUTOMATON_DEAD;
        hash = (hash ^ tuple[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    size_t at = hash % SLOTS, size = b->parts * sizeof *tuple;
    for (; b->slots[at]; at = (at + 1) % SLOTS)
        if (memcmp(b->tuples + b->slots[at] * b->parts, tuple, size) == 0) return b->slots[at];
    if (a->n_states == BNT_AUTOMATON_STATES) {
        stop(b, BNT_E_LIMIT, "its patterns, formats and lengths together need too many states");
        return BNT_AUTOMATON_DEAD;
    }
    memcpy(b->tuples + a->n_states * b->parts, tuple, size);
    a->flags[a->n_states] = flags_of(b, tuple);
    b->slots[at] = (uint16_t)a->n_states;
    return (uint16_t)a->n_states++;
}

static void spend(struct builder *b, uint64_t effort) {
    if (effort > *b->effort)
        stop(b, BNT_E_LIMIT, "its patterns, formats and lengths together take too many steps");
    *b->effort -= effort > *b->effort ? *b->effort : effort;
}

/* A condition's state; BNT_STATE_DEAD and a status where the machine has no room. */
static bnt_state checked(struct builder *b, bnt_state s) {
    if (s != BNT_STATE_NONE) return s;
    if (b->status == BNT_OK) b->status = bnt_machine_explain(b->m, b->err);
    return BNT_STATE_DEAD;
}

static void take_steps(struct builder *b, uint32_t from) {
    struct bnt_automaton *a = b->a;
    bnt_state tuple[PARTS];
    for (uint32_t c = 0; c < a->n_classes && b->status == BNT_OK; c++) {
        uint64_t before = bnt_machine_effort(b->m);
        for (size_t i = 0; i < b->parts; i++) {
            bnt_state s = b->tuples[from * b->parts + i];
            tuple[i] = s == BNT_STATE_DEAD ? s : checked(b, bnt_machine_step(b->m, s, b->bytes[c]));
            if (i == 0 && tuple[0] == BNT_STATE_DEAD) break;
        }
        a->next[(size_t)from * a->n_classes + c] =
            tuple[0] == BNT_STATE_DEAD ? BNT_AUTOMATON_DEAD : state_of(b, tuple);
        spend(b, bnt_machine_effort(b->m) - before + 1 + b->parts / 4);
    }
}

static void find_tuples(struct builder *b) {
    struct bnt_automaton *a = b->a;
    bnt_state tuple[PARTS] = {bnt_machine_start(b->m)};
    for (size_t i = 1; i < b->parts; i++)
        tuple[i] = checked(b, bnt_machine_from(b->m, b->list[i - 1].e));
    a->n_states = BNT_AUTOMATON_BEGIN;
    if (b->status == BNT_OK) state_of(b, tuple);
    for (uint32_t s = BNT_AUTOMATON_BEGIN; s < a->n_states && b->status == BNT_OK; s++)
        take_steps(b, s);
}

/* ---- ends -------------------------------------------------------------------------------------
 */

/* States that lead to a state, in one array: those of s from first[s]. */
struct backwards {
    uint32_t *first;
    uint16_t *from;
};

static bool turn_round(const struct bnt_automaton *a, struct backwards *out) {
    size_t n = a->n_states, edges = n * a->n_classes;
    out->first = calloc(n + 2, sizeof *out->first);
    out->from = malloc((edges + 1) * sizeof *out->from);
    if (!out->first || !out->from) return false;
    for (size_t e = a->n_classes; e < edges; e++) out->first[a->next[e] + 2]++;
    for (size_t s = 2; s < n + 2; s++) out->first[s] += out->first[s - 1];
    for (size_t e = a->n_classes; e < edges; e++)
        out->from[out->first[a->next[e] + 1]++] = (uint16_t)(e / a->n_classes);
    return true;
}

/* How many characters have to begin, from each state, until a text ends: nearest first. Two rings
 * of one distance each: a byte that begins a character leads from the next into this one. */
static void measure(const struct bnt_automaton *a, const struct backwards *back, uint16_t *work) {
    uint16_t *now = work, *later = work + a->n_states;
    uint32_t n_now = 0, n_later = 0;
    for (uint32_t s = 0; s < a->n_states; s++) {
        a->left[s] = s && a->flags[s] & BNT_PLACE_ENDS ? 0 : FAR;
        if (a->left[s] == 0) now[n_now++] = (uint16_t)s;
    }
    for (uint32_t far = 0; n_now; far++) {
        for (uint32_t i = 0; i < n_now; i++) {
            for (uint32_t e = back->first[now[i]]; e < back->first[now[i] + 1]; e++) {
                uint16_t s = back->from[e];
                if (a->left[s] != FAR) continue;
                bool begins = a->flags[s] & BNT_PLACE_BETWEEN;
                a->left[s] = far + begins;
                if (begins)
                    later[n_later++] = s;
                else
                    now[n_now++] = s;
            }
        }
        uint16_t *free_one = now;
        now = later;
        n_now = n_later;
        later = free_one;
        n_later = 0;
    }
}

/* What leads to no end is taken out: all, or the beginning stays the first. */
static void trim(struct bnt_automaton *a, uint16_t *number) {
    uint32_t kept = 0, classes = a->n_classes;
    for (uint32_t s = 0; s < a->n_states; s++)
        number[s] = s && a->left[s] == FAR ? BNT_AUTOMATON_DEAD : (uint16_t)kept++;
    for (uint32_t s = 0; s < a->n_states; s++) {
        if (s && !number[s]) continue;
        uint32_t to = number[s];
        a->flags[to] = a->flags[s];
        a->left[to] = a->left[s];
        if (s && a->left[s] > a->most_left) a->most_left = a->left[s];
        for (uint32_t c = 0; c < classes; c++)
            a->next[(size_t)to * classes + c] = number[a->next[(size_t)s * classes + c]];
    }
    a->n_states = kept;
    void *next = realloc(a->next, (size_t)kept * classes * sizeof *a->next);
    if (next) a->next = next;
}

static void find_ends(struct builder *b) {
    struct bnt_automaton *a = b->a;
    struct backwards back = {0};
    uint16_t *work = malloc(2 * a->n_states * sizeof *work);
    a->left = malloc(a->n_states * sizeof *a->left);
    if (work && a->left && turn_round(a, &back)) {
        measure(a, &back, work);
        trim(a, work);
    } else {
        b->status = bnt_fail_nomem(b->err, "the ends of strings", a->n_states);
    }
    free(back.first);
    free(back.from);
    free(work);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static void make(struct builder *b, const struct bnt_grammar *of) {
    struct bnt_automaton *a = b->a;
    for (unsigned byte = 256; byte-- > 0;) b->bytes[of->equal[byte]] = (uint8_t)byte;
    memcpy(a->class_of, of->equal, sizeof a->class_of);
    a->n_classes = of->n_equal;
    a->next = calloc((size_t)BNT_AUTOMATON_STATES * a->n_classes, sizeof *a->next);
    a->flags = calloc(BNT_AUTOMATON_STATES, 1);
    b->tuples = malloc(BNT_AUTOMATON_STATES * b->parts * sizeof *b->tuples);
    b->slots = calloc(SLOTS, sizeof *b->slots);
    if (!a->next || !a->flags || !b->tuples || !b->slots)
        b->status = bnt_fail_nomem(b->err, "the states of strings", BNT_AUTOMATON_STATES);
    if (b->status == BNT_OK) b->status = bnt_machine_open(&b->m, of, b->err);
    if (b->status == BNT_OK) find_tuples(b);
    if (b->status == BNT_OK) find_ends(b);
    free(b->tuples);
    free(b->slots);
    bnt_machine_close(b->m);
}

int bnt_product(struct bnt_automaton **out, const struct bnt_grammar *of,
                const struct bnt_condition *list, size_t n, struct bnt_lengths lengths,
                uint64_t *effort, struct bnt_err *err) {
    struct builder b = {.list = list, .parts = n + 1, .effort = effort, .err = err};
    bool none = true;
    *out = NULL;
    if (n > BNT_CONDITIONS)
        return bnt_fail(err, BNT_E_LIMIT, "more than %d patterns and formats of one string",
                        BNT_CONDITIONS);
    b.a = calloc(1, sizeof *b.a);
    if (!b.a) return bnt_fail_nomem(err, "the states of strings", sizeof *b.a);
    make(&b, of);
    if (b.status == BNT_OK && b.a->n_states > BNT_AUTOMATON_BEGIN)
        b.status = bnt_automaton_bound(b.a, lengths, &none, effort, err);
    if (b.status != BNT_OK || none) {
        bnt_automaton_close(b.a);
        return b.status;
    }
    *out = b.a;
    return BNT_OK;
}
