/*
 * generate.c - see generate.h.
 *
 * The one idea: text is emitted up to the last point that no stop string could reach back over, so
 * what was shown never has to be taken back.
 */
#include "run/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sha256.h"
#include "run/engine.h"

struct maker {
    const struct bnt_generate_options *o;
    struct bnt_generation *out;
    struct bnt_session *session;
    uint32_t n_embd, n_vocab;
    uint32_t top_k; /* largest logits that sampling needs; 0: all */
    void *scratch;
    struct bnt_stream stream;
    int32_t *history; /* all ids, then out->tokens: what the repetition penalty sees */
    size_t n_history;
    size_t capacity; /* of out->text */
    size_t emitted;
    struct bnt_err *err;
};

static int emit_up_to(struct maker *m, size_t end) {
    size_t start = m->emitted;
    if (end <= start) return BNT_OK;
    m->emitted = end;
    return m->o->on_text
               ? m->o->on_text(m->o->on_text_arg, m->out->text + start, end - start, m->err)
               : BNT_OK;
}

/* Start of the earliest stop string in text[from ..], or SIZE_MAX. */
static size_t find_stop(const struct maker *m, size_t from) {
    size_t best = SIZE_MAX;
    for (unsigned i = 0; i < m->o->n_stops; i++) {
        const char *stop = m->o->stops[i];
        const char *hit = memmem(m->out->text + from, m->out->text_len - from, stop, strlen(stop));
        if (hit && (size_t)(hit - m->out->text) < best) best = (size_t)(hit - m->out->text);
    }
    return best;
}

/* Where the longest tail begins that could still grow into a stop string. */
static size_t safe_end(const struct maker *m) {
    size_t len = m->out->text_len, held = 0;
    for (unsigned i = 0; i < m->o->n_stops; i++) {
        size_t n = strlen(m->o->stops[i]) - 1;
        if (n > len - m->emitted) n = len - m->emitted;
        while (n > held && memcmp(m->out->text + len - n, m->o->stops[i], n) != 0) n--;
        if (n > held) held = n;
    }
    return len - held;
}

/* Takes text_len over from `len` to `len + added`; cuts it and says so at a stop string. */
static int accept_text(struct maker *m, size_t added, bool *stopped) {
    m->out->text_len += added;
    m->out->text[m->out->text_len] = '\0';
    size_t stop = find_stop(m, m->emitted);
    *stopped = stop != SIZE_MAX;
    if (*stopped) {
        m->out->text_len = stop;
        m->out->text[stop] = '\0';
        return emit_up_to(m, stop);
    }
    return emit_up_to(m, safe_end(m));
}

static int reserve_text(struct maker *m, size_t more) {
    if (m->out->text_len + more + 1 <= m->capacity) return BNT_OK;
    size_t capacity = 2 * (m->out->text_len + more + 1);
    char *p = realloc(m->out->text, capacity);
    if (!p) return bnt_fail_nomem(m->err, "the text", capacity);
    m->out->text = p;
    m->capacity = capacity;
    return BNT_OK;
}

static int add_token_text(struct maker *m, int32_t id, bool *stopped) {
    size_t room = bnt_tokenizer_max_piece(m->stream.t) + 8;
    int status = reserve_text(m, room);
    if (status != BNT_OK) return status;
    size_t added = bnt_stream_push(&m->stream, id, m->out->text + m->out->text_len, room);
    return accept_text(m, added, stopped);
}

/* chain = SHA-256(chain as 64 hexadecimal digits, "" at first, then the f32 hidden state). A link
 * per step, so that a verifier can say at which step a run first differs. */
static int chain_hidden(struct maker *m, const float *hidden, size_t n_embd) {
    struct bnt_sha256 h;
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, m->out->hidden_digest, strlen(m->out->hidden_digest));
    bnt_sha256_add(&h, hidden, n_embd * sizeof *hidden);
    return bnt_sha256_end(&h, m->out->hidden_digest, m->err);
}

/* Without a token there is nothing to feed. */
static int start_from_nothing(const struct bnt_tokenizer *t, struct bnt_token_list *list,
                              struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    int32_t id = info->bos >= 0 ? info->bos : info->eos;
    if (id < 0)
        return bnt_fail(err, BNT_E_USAGE,
                        "the prompt is empty and the model has no token to start from");
    bnt_token_list_free(list);
    *list = (struct bnt_token_list){.ids = calloc(1, sizeof(int32_t)),
                                    .begin = calloc(1, sizeof(size_t)),
                                    .end = calloc(1, sizeof(size_t)),
                                    .count = 1,
                                    .capacity = 1};
    if (!list->ids || !list->begin || !list->end) return bnt_fail_nomem(err, "the prompt", 1);
    list->ids[0] = id;
    return BNT_OK;
}

int bnt_encode_prompt(const struct bnt_tokenizer *t, const char *text, size_t len, unsigned flags,
                      struct bnt_token_list *list, struct bnt_err *err) {
    int status = bnt_tokenizer_encode(t, text, len, flags, list, err);
    if (status == BNT_OK && list->count == 0) status = start_from_nothing(t, list, err);
    return status;
}

/* Feeds; afterwards the session has what choose() needs. */
static int feed(struct maker *m, const int32_t *ids, size_t n) {
    if (m->top_k) return bnt_session_feed_top(m->session, ids, n, m->top_k, m->err);
    return bnt_session_feed(m->session, ids, n, BNT_WANT_LAST, m->err);
}

static struct bnt_top choose(const struct maker *m) {
    uint64_t draw = m->out->n_tokens;
    struct bnt_top chosen = {0.0f, 0};
    if (m->top_k) {
        uint32_t count, at = 0;
        const struct bnt_top *top = bnt_session_top(m->session, &count);
        chosen.id = bnt_sample_top(&m->o->sampling, top, count, draw, m->scratch);
        while (top[at].id != chosen.id) at++;
        return top[at];
    }
    const float *logits = bnt_session_logits(m->session, 0);
    chosen.id =
        bnt_sample(&m->o->sampling, logits, m->n_vocab, m->history, m->n_history, draw, m->scratch);
    chosen.logit = logits[chosen.id];
    return chosen;
}

/* Sample, record, show, feed; until something says stop. */
static int decode(struct maker *m, struct bnt_sha256 *digest) {
    struct bnt_session *s = m->session;
    struct bnt_generation *out = m->out;
    bool stopped = false;
    int status = BNT_OK;
    out->reason = BNT_STOP_LENGTH;
    while (out->n_tokens < m->o->n_predict) {
        if (m->o->interrupted && *m->o->interrupted) {
            out->reason = BNT_STOP_INTERRUPTED;
            break;
        }
        if (m->o->full_logits)
            bnt_sha256_add(digest, bnt_session_logits(s, 0), (size_t)m->n_vocab * sizeof(float));
        if ((status = chain_hidden(m, bnt_session_hidden(s), m->n_embd)) != BNT_OK) break;
        struct bnt_top chosen = choose(m);
        int32_t id = chosen.id;
        struct bnt_step step = {out->n_tokens, id, chosen.logit, out->hidden_digest};
        memcpy(out->links[step.index], step.chain, 16);
        out->chosen_logits[step.index] = step.logit;
        out->tokens[out->n_tokens++] = m->history[m->n_history++] = id;
        if (m->o->on_step && (status = m->o->on_step(m->o->on_step_arg, &step, m->err)) != BNT_OK)
            break;
        if (bnt_tokenizer_is_eog(m->stream.t, id) && !m->o->ignore_eog) {
            out->reason = BNT_STOP_EOG;
            break;
        }
        status = add_token_text(m, id, &stopped);
        if (status != BNT_OK) break;
        if (stopped) {
            out->reason = BNT_STOP_STRING;
            break;
        }
        if (out->n_tokens == m->o->n_predict) break;
        if (bnt_session_position(s) == bnt_session_context(s)) {
            out->reason = BNT_STOP_CONTEXT;
            break;
        }
        status = feed(m, &id, 1);
        if (status != BNT_OK) break;
        out->decode_steps++;
    }
    if (status == BNT_OK && !stopped) { /* what was held back */
        status = reserve_text(m, 8);
        if (status == BNT_OK)
            status = accept_text(m, bnt_stream_flush(&m->stream, out->text + out->text_len, 8),
                                 &stopped);
        if (status == BNT_OK) status = emit_up_to(m, out->text_len);
    }
    return status;
}

int bnt_generate(struct bnt_generation *out, struct bnt_engine *engine, struct bnt_session *session,
                 const int32_t *ids, size_t n, const struct bnt_generate_options *options,
                 struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    const uint64_t context = bnt_session_context(session), fed = bnt_session_position(session);
    const uint64_t room = n < context ? context - n : 0;
    size_t most = options->n_predict < room + 1 ? options->n_predict : (size_t)room + 1;
    struct maker m = {.o = options,
                      .out = out,
                      .err = err,
                      .session = session,
                      .n_embd = info->n_embd,
                      .n_vocab = info->n_vocab,
                      .top_k = options->full_logits ? 0 : bnt_sampling_needs(&options->sampling)};
    struct bnt_sha256 digest;
    struct bnt_err hash_err;
    int status, hashed;

    *out = (struct bnt_generation){.tokens = calloc(most + 1, sizeof *out->tokens),
                                   .chosen_logits = calloc(most + 1, sizeof *out->chosen_logits),
                                   .links = calloc(most + 1, sizeof *out->links)};
    m.history = malloc((n + most + 1) * sizeof *m.history);
    m.scratch = malloc((size_t)info->n_vocab * 16);
    bnt_sha256_begin(&digest);
    if (!out->tokens || !out->chosen_logits || !out->links || !m.history || !m.scratch) {
        status = bnt_fail_nomem(err, "generation", (size_t)info->n_vocab * 16);
        goto out;
    }
    if (fed >= n) {
        status = bnt_fail(err, BNT_E_USAGE,
                          "the session holds %zu tokens and the text to go on from has %zu: "
                          "none is left to compute",
                          (size_t)fed, n);
        goto out;
    }
    if ((status = reserve_text(&m, 256)) != BNT_OK) goto out;
    out->text[0] = '\0';
    memcpy(m.history, ids, n * sizeof *ids);
    m.n_history = n;
    bnt_stream_init(&m.stream, bnt_engine_tokenizer(engine), false, false);

    out->prefill_tokens = n - (size_t)fed;
    double start = bnt_now();
    status = feed(&m, ids + fed, out->prefill_tokens);
    double prefilled = bnt_now();
    out->prefill_seconds = prefilled - start;
    if (status == BNT_OK) status = decode(&m, &digest);
    out->decode_seconds = bnt_now() - prefilled;
out:
    hashed = bnt_sha256_end(&digest, out->logits_digest, &hash_err);
    if (!options->full_logits) out->logits_digest[0] = '\0';
    if (status == BNT_OK && hashed != BNT_OK) status = bnt_fail(err, hashed, "%s", hash_err.text);
    free(m.history);
    free(m.scratch);
    return status;
}

void bnt_generation_free(struct bnt_generation *g) {
    free(g->tokens);
    free(g->chosen_logits);
    free(g->links);
    free(g->text);
    *g = (struct bnt_generation){0};
}

const char *bnt_stop_reason_name(enum bnt_stop_reason reason) {
    switch (reason) {
    case BNT_STOP_LENGTH: return "length";
    case BNT_STOP_EOG: return "end-of-text";
    case BNT_STOP_STRING: return "stop-string";
    case BNT_STOP_CONTEXT: return "context-full";
    case BNT_STOP_INTERRUPTED: return "interrupted";
    }
    return "?";
}
