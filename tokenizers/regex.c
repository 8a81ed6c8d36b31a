/* regex.c - programs to automata, and running those; see regex.h. */
#include "regex.h"

#include <stdlib.h>
#include <string.h>

enum { DEAD, START, STATES_MAX = 4096 };

/* A state: where its threads stand before the next character, the preferred first. */
struct state {
    uint32_t *threads;
    size_t count;
};

struct builder {
    const struct bnt_program *p;
    struct bnt_regex *r;
    struct state states[STATES_MAX];
    uint32_t *list; /* threads of the state that is being found */
    size_t n_list;
    uint32_t *stack; /* instructions that are still to be followed */
    uint32_t *seen;  /* [instruction]: the round that last came by */
    uint32_t round;
    bool matched;
};

/* The state with the threads of b->list; a new one if there is none. */
static int state_for(struct builder *b, uint16_t *state, struct bnt_err *err) {
    const size_t bytes = b->n_list * sizeof *b->list;
    size_t i;
    for (i = 0; i < b->r->states; i++) {
        if (b->states[i].count != b->n_list) continue;
        if (bytes && memcmp(b->states[i].threads, b->list, bytes) != 0) continue;
        *state = (uint16_t)i;
        return BNT_OK;
    }
    if (i == STATES_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "an expression of more than %d states", STATES_MAX);
    if (bytes) {
        b->states[i].threads = malloc(bytes);
        if (!b->states[i].threads) return bnt_fail_nomem(err, "a state", bytes);
        memcpy(b->states[i].threads, b->list, bytes);
    }
    b->states[i].count = b->n_list;
    b->r->states++;
    *state = (uint16_t)i;
    return BNT_OK;
}

/* Follows one thread over everything that takes no character, in order of preference, with `class`
 * as the next character. False once a match is found: the threads behind it do not count. */
static bool follow(struct builder *b, uint32_t pc, unsigned class) {
    const uint64_t members = b->r->classes.members[class];
    size_t depth = 0;
    b->stack[depth++] = pc;
    while (depth) {
        const struct bnt_inst *inst;
        pc = b->stack[--depth];
        if (b->seen[pc] == b->round) continue;
        b->seen[pc] = b->round;
        inst = &b->p->insts[pc];
        switch (inst->op) {
        case BNT_INST_SPLIT:
            if (inst->y != inst->x) b->stack[depth++] = inst->y;
            b->stack[depth++] = inst->x;
            break;
        case BNT_INST_NOT:
            if (!(members >> inst->set & 1)) b->stack[depth++] = pc + 1;
            break;
        case BNT_INST_CHAR:
            if (members >> inst->set & 1) b->list[b->n_list++] = pc + 1;
            break;
        case BNT_INST_MATCH: b->matched = true; return false;
        }
    }
    return true;
}

static int fill_row(struct builder *b, size_t state, struct bnt_err *err) {
    const unsigned classes = b->r->classes.count;
    for (unsigned class = 0; class < classes; class ++) {
        const struct state *from = &b->states[state];
        uint16_t to;
        int rc;
        b->n_list = 0;
        b->matched = false;
        b->round++;
        for (size_t i = 0; i < from->count; i++)
            if (!follow(b, from->threads[i], class)) break;
        if ((rc = state_for(b, &to, err))) return rc;
        b->r->next[state * classes + class] = (uint16_t)(to << 1 | b->matched);
    }
    return BNT_OK;
}

static int build(struct builder *b, struct bnt_err *err) {
    const size_t row = b->r->classes.count * sizeof *b->r->next;
    size_t rows = 0;
    uint16_t state;
    int rc = state_for(b, &state, err); /* no thread: DEAD */
    b->list[0] = 0;
    b->n_list = 1;
    if (!rc) rc = state_for(b, &state, err); /* START */
    for (size_t i = 0; !rc && i < b->r->states; i++) {
        if (i == rows) {
            uint16_t *grown = realloc(b->r->next, (rows = 2 * rows + 16) * row);
            if (!grown) return bnt_fail_nomem(err, "an expression's states", rows * row);
            b->r->next = grown;
        }
        rc = fill_row(b, i, err);
    }
    return rc;
}

static int compile(struct bnt_regex *r, const struct bnt_program *p, struct bnt_err *err) {
    const struct bnt_charset *sets[BNT_CHARSETS_MAX];
    struct builder *b;
    int rc;
    for (size_t i = 0; i < p->n_sets; i++) sets[i] = p->sets[i];
    if ((rc = bnt_classes_init(&r->classes, sets, p->n_sets, err))) return rc;
    b = calloc(1, sizeof *b);
    if (!b) return bnt_fail_nomem(err, "an expression", sizeof *b);
    b->p = p;
    b->r = r;
    b->list = calloc(p->count + 1, sizeof *b->list);
    b->stack = calloc(2 * p->count + 2, sizeof *b->stack); /* each pushes two at most, once */
    b->seen = calloc(p->count, sizeof *b->seen);
    rc = b->list && b->stack && b->seen ? build(b, err)
                                        : bnt_fail_nomem(err, "an expression", p->count);
    for (size_t i = 0; i < r->states; i++) free(b->states[i].threads);
    free(b->list);
    free(b->stack);
    free(b->seen);
    free(b);
    return rc;
}

int bnt_regex_compile(struct bnt_regex *r, const char *expression, struct bnt_err *err) {
    struct bnt_program p;
    int rc;
    memset(r, 0, sizeof *r);
    if ((rc = bnt_program_parse(&p, expression, err))) return rc;
    rc = compile(r, &p, err);
    bnt_program_free(&p);
    if (rc) bnt_regex_free(r);
    return rc;
}

void bnt_regex_free(struct bnt_regex *r) {
    bnt_classes_free(&r->classes);
    free(r->next);
    memset(r, 0, sizeof *r);
}

size_t bnt_regex_match(const struct bnt_regex *r, const uint8_t *text, size_t pos, size_t end,
                       uint64_t *seen) {
    const size_t classes = r->classes.count;
    size_t match = pos, at = pos;
    unsigned state = START;
    uint64_t n = 0;
    for (;;) {
        unsigned class = 0, to;
        size_t step = 0;
        if (at < end) {
            int32_t cp;
            step = bnt_utf8_next(text + at, end - at, &cp);
            class = bnt_class_in(&r->classes, cp);
        }
        n++;
        to = r->next[state * classes + class];
        if (to & 1) match = at;
        state = to >> 1;
        if (state == DEAD) break;
        at += step;
    }
    *seen += n;
    return match;
}
