/*
 * machine.c - see machine.h.
 *
 * A stack is a list of cells, the next expression first; a cell's data says how far its expression
 * has come: the part of a sequence, the count of a list, the members of a set. Before a byte is
 * read, every stack is unfolded until a byte stands on top of it or it is empty.
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/sort.h"

#define NO_CELL UINT32_MAX
enum { EMPTY_STACK = 0, UNKNOWN_STEP = -1 };

struct cell {
    uint64_t data;
    uint32_t node, next;
    uint32_t depth; /* cells from here down */
    uint32_t mark;  /* the round that last looked at it */
};

struct state {
    uint32_t first, count; /* its stacks, in `stacks`, by rising number */
};

/* Of a set's data. */
enum { SET_COUNT_SHIFT = BNT_SET_MEMBERS, SET_COUNT_MAX = (1 << (64 - BNT_SET_MEMBERS)) - 1 };
#define SET_SEEN ((UINT64_C(1) << BNT_SET_MEMBERS) - 1)

struct bnt_machine {
    const struct bnt_grammar *g;
    struct cell *cells;
    uint32_t n_cells, cell_capacity;
    uint32_t *cell_slots, cell_mask;
    struct state *states;
    uint32_t n_states, state_capacity;
    uint32_t *state_slots, state_mask;
    uint32_t *stacks;
    uint32_t n_stacks, stack_capacity;
    int32_t *steps; /* [state][equal bytes]: state, or UNKNOWN_STEP */
    uint32_t *work; /* stacks that are to be unfolded */
    uint32_t n_work;
    uint32_t *found;
    uint32_t n_found;
    uint32_t round;
    uint64_t epoch, effort;
    bool full, no_memory, ambiguous;
    bnt_state start;
};

/* ---- stacks ---------------------------------------------------------------------------------- */

static uint32_t mix(uint64_t a, uint64_t b, uint64_t c) {
    uint64_t h = (a * 0x9e3779b97f4a7c15u) ^ (b + 0x7f4a7c15u) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 31 ^ c) * 0x94d049bb133111ebu;
    return (uint32_t)(h >> 32);
}

static bool more_slots(uint32_t **slots, uint32_t *mask, uint32_t used) {
    if (*mask && 2 * used < *mask) return true;
    uint32_t n = *mask ? 2 * (*mask + 1) : 4096;
    uint32_t *grown = malloc(n * sizeof *grown);
    if (!grown) return false;
    memset(grown, 0xFF, n * sizeof *grown);
    free(*slots);
    *slots = grown;
    *mask = n - 1;
    return true;
}

static bool room(struct bnt_machine *m, void *array, uint32_t count, uint32_t more,
                 uint32_t *capacity, uint32_t most, size_t size) {
    void **p = array;
    if (more > most - count) {
        m->full = true;
        return false;
    }
    if (count + more <= *capacity) return true;
    uint32_t n = 2 * (count + more) + 256 < most ? 2 * (count + more) + 256 : most;
    void *q = reallocarray(*p, n, size);
    if (!q) {
        m->no_memory = true;
        return false;
    }
    *p = q;
    *capacity = n;
    return true;
}

static void place_cell(struct bnt_machine *m, uint32_t i) {
    const struct cell *c = &m->cells[i];
    uint32_t at = mix(c->node, c->data, c->next) & m->cell_mask;
    while (m->cell_slots[at] != NO_CELL) at = (at + 1) & m->cell_mask;
    m->cell_slots[at] = i;
}

/* The stack with this on top of `next`; NO_CELL where its need does not fit, or nothing fits. */
static uint32_t push(struct bnt_machine *m, uint32_t node, uint64_t data, uint32_t next) {
    uint32_t depth = m->cells[next].depth;
    m->effort++;
    if (depth + m->g->nodes[node].need > BNT_GRAMMAR_DEPTH) return NO_CELL;
    uint32_t mask = m->cell_mask;
    uint32_t at = mix(node, data, next) & mask;
    for (; m->cell_slots[at] != NO_CELL; at = (at + 1) & mask) {
        const struct cell *c = &m->cells[m->cell_slots[at]];
        if (c->node == node && c->data == data && c->next == next) return m->cell_slots[at];
    }
    if (!room(m, &m->cells, m->n_cells, 1, &m->cell_capacity, BNT_MACHINE_CELLS, sizeof *m->cells))
        return NO_CELL;
    m->cells[m->n_cells++] = (struct cell){data, node, next, depth + 1, 0};
    if (!more_slots(&m->cell_slots, &m->cell_mask, m->n_cells)) {
        m->no_memory = true;
        m->n_cells--;
        return NO_CELL;
    }
    if (m->cell_mask == mask)
        m->cell_slots[at] = m->n_cells - 1;
    else
        for (uint32_t i = 1; i < m->n_cells; i++) place_cell(m, i);
    return m->n_cells - 1;
}

/* ---- unfolding --------------------------------------------------------------------------------
 */

/* To be unfolded, unless it was in this round. */
static void follow(struct bnt_machine *m, uint32_t stack) {
    if (stack == NO_CELL || m->cells[stack].mark == m->round) return;
    m->cells[stack].mark = m->round;
    if (m->n_work == BNT_MACHINE_READINGS) {
        m->ambiguous = true;
        return;
    }
    m->work[m->n_work++] = stack;
}

static void unfold_list(struct bnt_machine *m, const struct bnt_node *n, uint32_t node,
                        uint64_t count, uint32_t next) {
    const uint32_t *kids = m->g->kids + n->first;
    uint32_t prefix = n->count - 2;
    if (count >= n->min) follow(m, next);
    if (count >= n->max) return;
    uint32_t element = count < prefix ? kids[count + 2] : kids[1];
    uint64_t then = count + 1;
    if (n->max == BNT_NO_LIMIT && then > n->min && then > prefix)
        then = n->min > prefix ? n->min : prefix;      /* from here on all counts are alike */
    if (n->max == BNT_NO_LIMIT && then == 0) then = 1; /* but a separator comes first */
    uint32_t below = then == n->max ? next : push(m, node, then, next);
    if (below == NO_CELL) return;
    uint32_t stack = push(m, element, 0, below);
    if (count > 0 && stack != NO_CELL && kids[0] != BNT_EXPR_EMPTY)
        stack = push(m, kids[0], 0, stack);
    follow(m, stack);
}

/* One more member: on top of what the set is then. */
static void take_member(struct bnt_machine *m, const struct bnt_node *n, uint32_t node,
                        uint32_t kid, uint64_t seen, uint64_t count, uint32_t next) {
    uint64_t most = n->max != BNT_NO_LIMIT ? n->max : n->min > 1 ? n->min : 1;
    uint64_t then = count + 1 > most ? most : count + 1;
    uint32_t stack = push(m, node, seen | then << SET_COUNT_SHIFT, next);
    if (stack != NO_CELL) stack = push(m, BNT_KID(kid), 0, stack);
    if (count > 0 && stack != NO_CELL) stack = push(m, m->g->kids[n->first], 0, stack);
    follow(m, stack);
}

static void unfold_any_order(struct bnt_machine *m, const struct bnt_node *n, uint32_t node,
                             uint64_t data, uint32_t next) {
    const uint32_t *kids = m->g->kids + n->first;
    uint64_t seen = data & SET_SEEN, count = data >> SET_COUNT_SHIFT;
    uint64_t missing = n->required & ~seen;
    unsigned must = (unsigned)__builtin_popcountll(missing);
    if (!missing && count >= n->min) follow(m, next);
    for (uint32_t i = 2; i < n->count; i++) {
        uint64_t bit = UINT64_C(1) << (i - 2);
        if (seen & bit || BNT_KID(kids[i]) == BNT_EXPR_NEVER) continue;
        if (count + 1 + must - !!(missing & bit) <= n->max)
            take_member(m, n, node, kids[i], seen | bit, count, next);
    }
    if (count + 1 + must <= n->max) take_member(m, n, node, kids[1], seen, count, next);
}

/* data: the first kid that may still come, from 0. */
static void unfold_ordered(struct bnt_machine *m, const struct bnt_node *n, uint32_t node,
                           uint64_t data, uint32_t next) {
    const uint32_t *kids = m->g->kids + n->first;
    uint64_t from = data & SET_SEEN, count = data >> SET_COUNT_SHIFT, must = 0, can = 0;
    bool others = kids[1] != BNT_EXPR_NEVER;
    for (uint64_t i = from + 2; i < n->count; i++) {
        if (kids[i] & BNT_KID_REQUIRED)
            must++;
        else if (kids[i] != BNT_EXPR_NEVER)
            can++;
    }
    for (uint64_t i = from + 2; i < n->count; i++) {
        bool required = kids[i] & BNT_KID_REQUIRED;
        if (!required && kids[i] == BNT_EXPR_NEVER) continue;
        if (required)
            must--;
        else
            can--;
        if (count + 1 + must <= n->max && (others || count + 1 + must + can >= n->min))
            take_member(m, n, node, kids[i], i - 1, count, next);
        if (required) return;
    }
    if (count >= n->min) follow(m, next);
    if (count + 1 <= n->max) take_member(m, n, node, kids[1], n->count - 2, count, next);
}

static bool is_automaton(const struct bnt_machine *m, uint32_t node) {
    return m->g->nodes[node].kind == BNT_NODE_AUTOMATON;
}

static const struct bnt_automaton *automaton(const struct bnt_machine *m, uint32_t node) {
    return m->g->automata[m->g->nodes[node].first];
}

static void unfold(struct bnt_machine *m, uint32_t stack) {
    const struct cell c = m->cells[stack];
    const struct bnt_node *n = &m->g->nodes[c.node];
    const uint32_t *kids = m->g->kids + n->first;
    if (stack == EMPTY_STACK) {
        m->found[m->n_found++] = stack;
        return;
    }
    switch (n->kind) {
    case BNT_NODE_NEVER: break;
    case BNT_NODE_EMPTY: follow(m, c.next); break;
    case BNT_NODE_BYTES: m->found[m->n_found++] = stack; break;
    case BNT_NODE_AUTOMATON:
        if (bnt_automaton_ends(automaton(m, c.node), c.data)) follow(m, c.next);
        if (bnt_automaton_goes_on(automaton(m, c.node), c.data)) m->found[m->n_found++] = stack;
        break;
    case BNT_NODE_RULE: follow(m, push(m, m->g->rules[n->first].body, 0, c.next)); break;
    case BNT_NODE_ALT:
        for (uint32_t i = 0; i < n->count; i++) follow(m, push(m, kids[i], 0, c.next));
        break;
    case BNT_NODE_SEQ: {
        uint32_t below = c.data + 1 < n->count - 1 ? push(m, c.node, c.data + 1, c.next)
                                                   : push(m, kids[n->count - 1], 0, c.next);
        if (below != NO_CELL) follow(m, push(m, kids[c.data], 0, below));
        break;
    }
    case BNT_NODE_LIST: unfold_list(m, n, c.node, c.data, c.next); break;
    case BNT_NODE_SET:
        if (n->ordered)
            unfold_ordered(m, n, c.node, c.data, c.next);
        else
            unfold_any_order(m, n, c.node, c.data, c.next);
        break;
    }
}

/* ---- states -----------------------------------------------------------------------------------
 */

static int by_number(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static uint32_t hash_stacks(const uint32_t *stacks, uint32_t n) {
    uint32_t h = n;
    for (uint32_t i = 0; i < n; i++) h = mix(h, stacks[i], i);
    return h;
}

static bool new_state(struct bnt_machine *m) {
    uint32_t capacity = m->state_capacity;
    if (!room(m, &m->states, m->n_states, 1, &m->state_capacity, BNT_MACHINE_STATES,
              sizeof *m->states) ||
        !room(m, &m->stacks, m->n_stacks, m->n_found, &m->stack_capacity, BNT_MACHINE_STACKS,
              sizeof *m->stacks))
        return false;
    if (m->state_capacity != capacity) {
        size_t row = m->g->n_equal * sizeof *m->steps;
        int32_t *steps = realloc(m->steps, m->state_capacity * row);
        if (!steps) {
            m->state_capacity = capacity;
            m->no_memory = true;
            return false;
        }
        m->steps = steps;
    }
    memset(m->steps + (size_t)m->n_states * m->g->n_equal, 0xFF, m->g->n_equal * sizeof *m->steps);
    if (m->n_found) memcpy(m->stacks + m->n_stacks, m->found, m->n_found * sizeof *m->found);
    m->states[m->n_states] = (struct state){m->n_stacks, m->n_found};
    m->n_stacks += m->n_found;
    return true;
}

/* The state of the stacks that were found. */
static bnt_state intern(struct bnt_machine *m) {
    bnt_sort(m->found, m->n_found, sizeof *m->found, by_number);
    uint32_t at = hash_stacks(m->found, m->n_found) & m->state_mask;
    for (; m->state_slots[at] != NO_CELL; at = (at + 1) & m->state_mask) {
        const struct state *s = &m->states[m->state_slots[at]];
        if (s->count == m->n_found && (s->count == 0 || memcmp(m->stacks + s->first, m->found,
                                                               m->n_found * sizeof *m->found) == 0))
            return m->state_slots[at];
    }
    uint32_t mask = m->state_mask;
    if (!new_state(m)) return BNT_STATE_NONE;
    if (!more_slots(&m->state_slots, &m->state_mask, ++m->n_states)) {
        m->n_states--;
        m->no_memory = true;
        return BNT_STATE_NONE;
    }
    if (m->state_mask == mask) {
        m->state_slots[at] = m->n_states - 1;
        return m->n_states - 1;
    }
    for (uint32_t i = 0; i < m->n_states; i++) {
        at = hash_stacks(m->stacks + m->states[i].first, m->states[i].count) & m->state_mask;
        while (m->state_slots[at] != NO_CELL) at = (at + 1) & m->state_mask;
        m->state_slots[at] = i;
    }
    return m->n_states - 1;
}

static void begin_round(struct bnt_machine *m) {
    m->n_work = m->n_found = 0;
    m->full = m->no_memory = m->ambiguous = false;
    if (++m->round == 0) { /* after 2^32 of them */
        for (uint32_t i = 0; i < m->n_cells; i++) m->cells[i].mark = 0;
        m->round = 1;
    }
}

static bnt_state end_round(struct bnt_machine *m) {
    for (uint32_t i = 0; i < m->n_work && !m->ambiguous; i++) unfold(m, m->work[i]);
    if (m->full || m->no_memory || m->ambiguous) return BNT_STATE_NONE;
    return intern(m);
}

bnt_state bnt_machine_start(struct bnt_machine *m) {
    if (m->start != BNT_STATE_NONE) return m->start;
    return m->start = bnt_machine_from(m, m->g->root);
}

bnt_state bnt_machine_from(struct bnt_machine *m, bnt_expr e) {
    begin_round(m);
    follow(m, push(m, e, 0, EMPTY_STACK));
    return end_round(m);
}

uint64_t bnt_machine_effort(const struct bnt_machine *m) {
    return m->effort;
}

static bool has(const struct bnt_byte_class *c, uint8_t byte) {
    return c->bits[byte / 64] >> byte % 64 & 1;
}

bnt_state bnt_machine_step(struct bnt_machine *m, bnt_state s, uint8_t byte) {
    size_t at = (size_t)s * m->g->n_equal + m->g->equal[byte];
    if (m->steps[at] != UNKNOWN_STEP) return (bnt_state)m->steps[at];
    begin_round(m);
    for (uint32_t i = 0; i < m->states[s].count; i++) {
        const struct cell c = m->cells[m->stacks[m->states[s].first + i]];
        if (c.depth == 0) continue; /* the empty stack */
        uint64_t place = c.data;
        if (!is_automaton(m, c.node)) {
            if (has(&m->g->classes[m->g->nodes[c.node].first], byte)) follow(m, c.next);
        } else if (bnt_automaton_step(automaton(m, c.node), &place, byte)) {
            follow(m, push(m, c.node, place, c.next));
        }
    }
    bnt_state to = end_round(m);
    if (to != BNT_STATE_NONE) m->steps[at] = (int32_t)to;
    return to;
}

bool bnt_machine_accepts(const struct bnt_machine *m, bnt_state s) {
    return m->states[s].count && m->stacks[m->states[s].first] == EMPTY_STACK;
}

static void add_next(const struct bnt_machine *m, const struct cell *c,
                     struct bnt_byte_class *out) {
    if (is_automaton(m, c->node)) {
        for (unsigned b = 0; b < 256; b++) {
            uint64_t place = c->data;
            if (bnt_automaton_step(automaton(m, c->node), &place, (uint8_t)b))
                out->bits[b / 64] |= UINT64_C(1) << b % 64;
        }
    } else {
        const struct bnt_byte_class *class = &m->g->classes[m->g->nodes[c->node].first];
        for (unsigned w = 0; w < 4; w++) out->bits[w] |= class->bits[w];
    }
}

bool bnt_machine_next(const struct bnt_machine *m, bnt_state s, struct bnt_byte_class *out) {
    bool any = false;
    *out = (struct bnt_byte_class){{0}};
    for (uint32_t i = 0; i < m->states[s].count; i++) {
        uint32_t stack = m->stacks[m->states[s].first + i];
        if (stack == EMPTY_STACK) continue;
        add_next(m, &m->cells[stack], out);
        any = true;
    }
    return any;
}

/* ---- opening, forgetting -----------------------------------------------------------------------
 */

static bool begin(struct bnt_machine *m) {
    m->start = BNT_STATE_NONE;
    m->n_cells = m->n_states = m->n_stacks = m->round = 0;
    if (!m->work) m->work = malloc(BNT_MACHINE_READINGS * sizeof *m->work);
    if (!m->found) m->found = malloc((BNT_MACHINE_READINGS + 1) * sizeof *m->found);
    if (!m->work || !m->found || !more_slots(&m->cell_slots, &m->cell_mask, 1) ||
        !more_slots(&m->state_slots, &m->state_mask, 1) ||
        !room(m, &m->cells, 0, 1, &m->cell_capacity, BNT_MACHINE_CELLS, sizeof *m->cells))
        return false;
    memset(m->cell_slots, 0xFF, (m->cell_mask + 1) * sizeof *m->cell_slots);
    memset(m->state_slots, 0xFF, (m->state_mask + 1) * sizeof *m->state_slots);
    m->cells[m->n_cells++] = (struct cell){0, BNT_EXPR_EMPTY, 0, 0, 0};
    begin_round(m); /* without a stack: the dead state, number 0 */
    return intern(m) == BNT_STATE_DEAD;
}

int bnt_machine_open(struct bnt_machine **out, const struct bnt_grammar *g, struct bnt_err *err) {
    struct bnt_machine *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) return bnt_fail_nomem(err, "an automaton", sizeof *m);
    m->g = g;
    if (!begin(m)) {
        bnt_machine_close(m);
        return bnt_fail_nomem(err, "an automaton", 0);
    }
    if (bnt_machine_start(m) == BNT_STATE_NONE) {
        int status = bnt_machine_explain(m, err);
        bnt_machine_close(m);
        return status;
    }
    *out = m;
    return BNT_OK;
}

void bnt_machine_close(struct bnt_machine *m) {
    if (!m) return;
    free(m->cells);
    free(m->cell_slots);
    free(m->states);
    free(m->state_slots);
    free(m->stacks);
    free(m->steps);
    free(m->work);
    free(m->found);
    free(m);
}

bool bnt_machine_full(const struct bnt_machine *m) {
    return m->full && !m->no_memory && !m->ambiguous;
}

int bnt_machine_explain(const struct bnt_machine *m, struct bnt_err *err) {
    if (m->no_memory) return bnt_fail(err, BNT_E_NOMEM, "no memory for the grammar's states");
    if (m->ambiguous)
        return bnt_fail(err, BNT_E_LIMIT, "the grammar has more than %d readings of one place",
                        BNT_MACHINE_READINGS);
    return bnt_fail(err, BNT_E_LIMIT, "the grammar's states need more than %d cells",
                    BNT_MACHINE_CELLS);
}

uint64_t bnt_machine_epoch(const struct bnt_machine *m) {
    return m->epoch;
}

/* A held state's stacks, each as its cells from the bottom up. */
struct saved {
    struct cell *cells;
    uint32_t *lengths;
    uint32_t n_cells, count;
};

static bool save(const struct bnt_machine *m, bnt_state s, struct saved *out) {
    const struct state *state = &m->states[s];
    uint32_t total = 0;
    for (uint32_t i = 0; i < state->count; i++)
        total += m->cells[m->stacks[state->first + i]].depth;
    *out = (struct saved){.cells = malloc((total + 1) * sizeof *out->cells),
                          .lengths = malloc((state->count + 1) * sizeof *out->lengths),
                          .count = state->count};
    if (!out->cells || !out->lengths) return false;
    for (uint32_t i = 0; i < state->count; i++) {
        uint32_t stack = m->stacks[state->first + i], n = m->cells[stack].depth;
        for (uint32_t k = n; k > 0; k--, stack = m->cells[stack].next)
            out->cells[out->n_cells + k - 1] = m->cells[stack];
        out->lengths[i] = n;
        out->n_cells += n;
    }
    return true;
}

static bnt_state restore(struct bnt_machine *m, const struct saved *s) {
    const struct cell *c = s->cells;
    begin_round(m);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t stack = EMPTY_STACK;
        for (uint32_t k = 0; k < s->lengths[i] && stack != NO_CELL; k++, c++)
            stack = push(m, c->node, c->data, stack);
        if (stack == NO_CELL) return BNT_STATE_NONE;
        m->found[m->n_found++] = stack;
    }
    return intern(m);
}

int bnt_machine_forget(struct bnt_machine *m, bnt_state **held, size_t n, struct bnt_err *err) {
    struct saved *saved = calloc(n + 1, sizeof *saved);
    bool fine = saved != NULL;
    for (size_t i = 0; i < n && fine; i++) fine = save(m, *held[i], &saved[i]);
    fine = fine && begin(m) && bnt_machine_start(m) != BNT_STATE_NONE;
    for (size_t i = 0; i < n && fine; i++)
        fine = (*held[i] = restore(m, &saved[i])) != BNT_STATE_NONE;
    for (size_t i = 0; saved && i < n; i++) {
        free(saved[i].cells);
        free(saved[i].lengths);
    }
    free(saved);
    m->epoch++;
    return fine ? BNT_OK : bnt_fail_nomem(err, "the grammar's states", 0);
}

/* A list far from both of its limits is like one that has just met them: its count, brought down.
 */
static uint64_t alike_count(const struct bnt_machine *m, uint32_t node, uint64_t count,
                            uint64_t bytes) {
    const struct bnt_node *n = &m->g->nodes[node];
    if (is_automaton(m, node)) return bnt_automaton_alike(automaton(m, node), count, bytes);
    if (n->kind != BNT_NODE_LIST || n->count != 2 || count <= 1) return count;
    if (count + bytes <= n->min) return 1;
    uint64_t low = n->min > 1 ? n->min : 1;
    if (count > low && n->max != BNT_NO_LIMIT && count + bytes <= n->max) return low;
    return count;
}

bnt_state bnt_machine_alike(struct bnt_machine *m, bnt_state s, uint32_t bytes) {
    struct saved saved = {0};
    bool differs = false, fine = save(m, s, &saved);
    for (uint32_t i = 0; i < saved.n_cells && fine; i++) {
        struct cell *c = &saved.cells[i];
        uint64_t data = alike_count(m, c->node, c->data, bytes);
        differs |= data != c->data;
        c->data = data;
    }
    bnt_state to = s;
    if (!fine) {
        m->no_memory = true;
        to = BNT_STATE_NONE;
    } else if (differs) {
        to = restore(m, &saved);
    }
    free(saved.cells);
    free(saved.lengths);
    return to;
}
