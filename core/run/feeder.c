/*
 * feeder.c - see feeder.h.
 *
 * The one idea: guesses lie behind the text, in the place that the tokens will have that the answer
 * chooses. A row is used as long as the token that was fed before it is the one that was chosen.
 */
#include "run/feeder.h"

#include "run/context.h"

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* How many of the guesses can come: in the vocabulary, and let by the answer. */
static size_t expect(struct bnt_answer *a, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= a->n_vocab || bnt_answer_expect(a, ids[i]) != BNT_OK)
            return i;
    return n;
}

/* First what must come; behind that, only what the answer may still want. */
static size_t guess(struct bnt_feeder *f, size_t room) {
    struct bnt_answer *a = f->answer;
    const size_t n = a->n_history, left = a->o->n_predict - a->out->n_tokens;
    int32_t *out = a->history + n, id;
    size_t k = 0;
    if (left == 0 || n >= a->context) return 0;
    room = smaller(room, smaller(BNT_MOST_GUESSES, left - 1));
    room = smaller(room, (size_t)(a->context - n));
    while (k < room && (id = bnt_answer_forced(a)) >= 0) {
        out[k] = id;
        if (!expect(a, out + k, 1)) return k;
        k++;
    }
    if (!f->guesser.guess || k == room) return k;
    size_t guessed = f->guesser.guess(f->guesser.arg, a->history, n + k, out + k, room - k);
    return k + expect(a, out + k, guessed);
}

struct bnt_span bnt_feeder_span(struct bnt_feeder *f, size_t most) {
    struct bnt_answer *a = f->answer;
    const size_t fed = (size_t)f->sequence->position, text = a->n_history - fed;
    struct bnt_span span = {.sequence = f->sequence, .ids = a->history + fed, .rows = f->rows};
    f->count = smaller(text, most);
    f->guesses = 0;
    if (text <= most) {
        bnt_answer_look(a);
        f->guesses = guess(f, most - text);
        span.n_rows = 1 + f->guesses;
    }
    span.count = f->count + f->guesses;
    for (size_t i = 0; i < span.n_rows; i++) {
        f->rows[i] = (struct bnt_row){.token = (uint32_t)(text - 1 + i)};
        bnt_answer_ask(a, i, &f->rows[i]);
    }
    return span;
}

int bnt_feeder_take(struct bnt_feeder *f, size_t span) {
    struct bnt_answer *a = f->answer;
    struct bnt_generation *out = a->out;
    const uint64_t text = f->sequence->position - f->guesses;
    size_t right = 0;
    int status = BNT_OK;
    const struct bnt_result *r;
    out->drafted += f->guesses;
    for (size_t i = 0; (r = bnt_context_result(f->sequence->context, span, i)) != NULL; i++) {
        const int32_t guessed = i < f->guesses ? a->history[a->n_history] : -1;
        const size_t made = out->n_tokens;
        out->decode_steps += f->began;
        f->began = true;
        status = bnt_answer_step(
            a, &(struct bnt_answer_row){
                   r->hidden, {r->logits, r->top, r->n_top, r->named, f->rows[i].allowed}});
        if (status != BNT_OK || a->over || out->n_tokens == made) break;
        if (guessed != out->tokens[made]) break;
        right++;
    }
    out->accepted += right;
    bnt_sequence_truncate(f->sequence, text + right);
    return status;
}
