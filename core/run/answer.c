/*
 * answer.c - see answer.h.
 *
 * The one idea: text is emitted up to the last point that no stop string could reach back over, so
 * what was shown never has to be taken back.
 */
#include "run/answer.h"

#include <stdlib.h>
#include <string.h>

#include "run/engine.h"
#include "run/logprob.h"

static int emit_up_to(struct bnt_answer *a, size_t end) {
    size_t start = a->emitted;
    if (end <= start) return BNT_OK;
    a->emitted = end;
    return a->o->on_text
               ? a->o->on_text(a->o->on_text_arg, a->out->text + start, end - start, a->err)
               : BNT_OK;
}

/* Start of the earliest stop string in text[from ..], or SIZE_MAX; out->stop says which. */
static size_t find_stop(struct bnt_answer *a, size_t from) {
    size_t best = SIZE_MAX;
    for (unsigned i = 0; i < a->o->n_stops; i++) {
        const char *stop = a->o->stops[i];
        const char *hit = memmem(a->out->text + from, a->out->text_len - from, stop, strlen(stop));
        if (!hit || (size_t)(hit - a->out->text) >= best) continue;
        best = (size_t)(hit - a->out->text);
        a->out->stop = i;
    }
    return best;
}

/* Where the longest tail begins that could still grow into a stop string. */
static size_t safe_end(const struct bnt_answer *a) {
    size_t len = a->out->text_len, held = 0;
    for (unsigned i = 0; i < a->o->n_stops; i++) {
        size_t n = strlen(a->o->stops[i]) - 1;
        if (n > len - a->emitted) n = len - a->emitted;
        while (n > held && memcmp(a->out->text + len - n, a->o->stops[i], n) != 0) n--;
        if (n > held) held = n;
    }
    return len - held;
}

/* Takes text_len over from `len` to `len + added`; cuts it and says so at a stop string. */
static int accept_text(struct bnt_answer *a, size_t added, bool *stopped) {
    a->out->text_len += added;
    a->out->text[a->out->text_len] = '\0';
    size_t stop = find_stop(a, a->emitted);
    *stopped = stop != SIZE_MAX;
    if (*stopped) {
        a->out->text_len = stop;
        a->out->text[stop] = '\0';
        return emit_up_to(a, stop);
    }
    return emit_up_to(a, safe_end(a));
}

static int reserve_text(struct bnt_answer *a, size_t more) {
    if (a->out->text_len + more + 1 <= a->capacity) return BNT_OK;
    size_t capacity = 2 * (a->out->text_len + more + 1);
    char *p = realloc(a->out->text, capacity);
    if (!p) return bnt_fail_nomem(a->err, "the text", capacity);
    a->out->text = p;
    a->capacity = capacity;
    return BNT_OK;
}

static int add_token_text(struct bnt_answer *a, int32_t id, bool *stopped) {
    size_t room = bnt_tokenizer_max_piece(a->stream.t) + 8;
    int status = reserve_text(a, room);
    if (status != BNT_OK) return status;
    size_t added = bnt_stream_push(&a->stream, id, a->out->text + a->out->text_len, room);
    return accept_text(a, added, stopped);
}

/* chain = SHA-256(chain as 64 hexadecimal digits, "" at first, then the f32 hidden state). A link
 * per step, so that a verifier can say at which step a run first differs. */
static int chain_hidden(struct bnt_answer *a, const float *hidden, size_t n_embd) {
    struct bnt_sha256 h;
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, a->out->hidden_digest, strlen(a->out->hidden_digest));
    bnt_sha256_add(&h, hidden, n_embd * sizeof *hidden);
    return bnt_sha256_end(&h, a->out->hidden_digest, a->err);
}

static int reserve_logprobs(struct bnt_answer *a, size_t steps) {
    struct bnt_generation *out = a->out;
    uint32_t n = a->o->top_logprobs < a->n_vocab ? a->o->top_logprobs : a->n_vocab;
    out->n_top_logprobs = n < BNT_LOGPROBS_MOST ? n : BNT_LOGPROBS_MOST;
    out->logprobs = calloc(steps + 1, sizeof *out->logprobs);
    out->top_logprobs = calloc((steps + 1) * (out->n_top_logprobs + 1u), sizeof *out->top_logprobs);
    if (out->logprobs && out->top_logprobs) return BNT_OK;
    return bnt_fail_nomem(a->err, "log-probabilities", steps * sizeof *out->top_logprobs);
}

static void note_logprobs(struct bnt_answer *a, struct bnt_step *step, const float *logits) {
    struct bnt_generation *out = a->out;
    struct bnt_top *top = out->top_logprobs + step->index * out->n_top_logprobs;
    const struct bnt_softmax softmax = bnt_softmax_of(logits, a->n_vocab);
    step->logprob = out->logprobs[step->index] = (float)bnt_logprob(&softmax, step->logit);
    step->n_top = bnt_logprob_best(&softmax, logits, a->n_vocab, out->n_top_logprobs, top);
    step->top = top;
}

/* ---- from begin to end ---------------------------------------------------------------------- */

int bnt_answer_begin(struct bnt_answer *a, struct bnt_generation *out, struct bnt_engine *engine,
                     const struct bnt_generate_options *o, const int32_t *ids, size_t n,
                     uint64_t context, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    const uint64_t room = n < context ? context - n : 0;
    size_t most = o->n_predict < room + 1 ? o->n_predict : (size_t)room + 1;
    *a = (struct bnt_answer){.o = o,
                             .out = out,
                             .n_embd = info->n_embd,
                             .n_vocab = info->n_vocab,
                             .context = context,
                             .over = o->n_predict == 0,
                             .err = err};
    *out = (struct bnt_generation){.tokens = calloc(most + 1, sizeof *out->tokens),
                                   .chosen_logits = calloc(most + 1, sizeof *out->chosen_logits),
                                   .links = calloc(most + 1, sizeof *out->links),
                                   .reason = BNT_STOP_LENGTH};
    a->history = malloc((n + most + 1) * sizeof *a->history);
    bnt_sha256_begin(&a->digest);
    bnt_stream_init(&a->stream, bnt_engine_tokenizer(engine), false, false);
    if (!out->tokens || !out->chosen_logits || !out->links || !a->history)
        return bnt_fail_nomem(err, "generation", (n + most) * sizeof *a->history);
    memcpy(a->history, ids, n * sizeof *ids);
    a->n_history = n;
    int status = reserve_text(a, 256);
    if (status != BNT_OK) return status;
    out->text[0] = '\0';
    status = bnt_chooser_begin(&a->chooser, &o->sampling, a->n_vocab, o->full_logits || o->logprobs,
                               ids, n, err);
    if (status == BNT_OK && o->logprobs) status = reserve_logprobs(a, most);
    if (status == BNT_OK && o->constraint && o->ignore_eog)
        status = bnt_fail(err, BNT_E_USAGE,
                          "a text with a grammar ends where that says: end-of-text tokens cannot "
                          "be ignored");
    if (status == BNT_OK && o->constraint) status = bnt_guide_open(&a->guide, o->constraint, err);
    return status;
}

void bnt_answer_look(struct bnt_answer *a) {
    if (a->guide) bnt_guide_look(a->guide);
}

int bnt_answer_expect(struct bnt_answer *a, int32_t id) {
    int status = bnt_chooser_name(&a->chooser, id, a->err);
    if (status == BNT_OK && a->guide && !bnt_guide_expect(a->guide, id)) status = BNT_E_USAGE;
    return status;
}

int32_t bnt_answer_forced(const struct bnt_answer *a) {
    return a->guide ? bnt_guide_forced(a->guide) : -1;
}

void bnt_answer_ask(struct bnt_answer *a, size_t ahead, struct bnt_row *row) {
    if (a->guide && a->trouble == BNT_OK)
        a->trouble = bnt_guide_allowed(a->guide, ahead, &row->allowed, a->err);
    bnt_chooser_ask(&a->chooser, row);
}

/* The step's token, recorded and told. */
static int take(struct bnt_answer *a, const struct bnt_answer_row *row, int32_t *id) {
    struct bnt_generation *out = a->out;
    if (a->o->full_logits)
        bnt_sha256_add(&a->digest, row->choices.logits, (size_t)a->n_vocab * sizeof(float));
    int status = chain_hidden(a, row->hidden, a->n_embd);
    if (status != BNT_OK) return status;
    struct bnt_top chosen = bnt_chooser_take(&a->chooser, &row->choices, a->history, a->n_history);
    if ((status = bnt_chooser_made(&a->chooser, chosen.id, a->err)) != BNT_OK) return status;
    struct bnt_step step = {.index = out->n_tokens,
                            .id = chosen.id,
                            .logit = chosen.logit,
                            .chain = out->hidden_digest};
    if (a->o->logprobs) note_logprobs(a, &step, row->choices.logits);
    memcpy(out->links[step.index], step.chain, 16);
    out->chosen_logits[step.index] = step.logit;
    bool ends = bnt_tokenizer_is_eog(a->stream.t, chosen.id);
    if (a->guide && !ends) status = bnt_guide_accept(a->guide, chosen.id, a->err);
    if (status != BNT_OK) return status;
    *id = out->tokens[out->n_tokens++] = a->history[a->n_history++] = chosen.id;
    return a->o->on_step ? a->o->on_step(a->o->on_step_arg, &step, a->err) : BNT_OK;
}

static int stop(struct bnt_answer *a, enum bnt_stop_reason reason) {
    a->over = true;
    a->out->reason = reason;
    return BNT_OK;
}

int bnt_answer_step(struct bnt_answer *a, const struct bnt_answer_row *row) {
    int32_t id;
    if (a->o->interrupted && *a->o->interrupted) return stop(a, BNT_STOP_INTERRUPTED);
    if (a->trouble != BNT_OK) return a->trouble;
    int status = take(a, row, &id);
    if (status != BNT_OK) return status;
    if (bnt_tokenizer_is_eog(a->stream.t, id) && !a->o->ignore_eog) return stop(a, BNT_STOP_EOG);
    status = add_token_text(a, id, &a->cut);
    if (status != BNT_OK) return status;
    if (a->cut) return stop(a, BNT_STOP_STRING);
    if (a->out->n_tokens == a->o->n_predict) return stop(a, BNT_STOP_LENGTH);
    if (a->n_history > a->context) return stop(a, BNT_STOP_CONTEXT); /* the token has no place */
    return BNT_OK;
}

/* What was held back for a character or a stop string that did not come. */
static int release(struct bnt_answer *a) {
    int status = reserve_text(a, 8);
    if (status == BNT_OK)
        status = accept_text(a, bnt_stream_flush(&a->stream, a->out->text + a->out->text_len, 8),
                             &a->cut);
    return status == BNT_OK ? emit_up_to(a, a->out->text_len) : status;
}

int bnt_answer_end(struct bnt_answer *a, int status) {
    struct bnt_err hash_err;
    if (status == BNT_OK && !a->cut) status = release(a);
    int hashed = bnt_sha256_end(&a->digest, a->out->logits_digest, &hash_err);
    if (!a->o->full_logits) a->out->logits_digest[0] = '\0';
    if (status == BNT_OK && hashed != BNT_OK)
        status = bnt_fail(a->err, hashed, "%s", hash_err.text);
    free(a->history);
    bnt_chooser_end(&a->chooser);
    bnt_guide_close(a->guide);
    a->guide = NULL;
    a->history = NULL;
    return status;
}
