/* logprobs.c - see logprobs.h. */
#include "serve/logprobs.h"
#include "base/json_memory.h"

#include <stdlib.h>
#include <string.h>

#include "run/logprob.h"

/* A token's own bytes, control tokens shown. */
static size_t token_bytes(const struct serve_choice *choice, int32_t id, char *out, size_t room) {
    struct bnt_stream s;
    bnt_stream_init(&s, bnt_engine_tokenizer(choice->completion->server->engine), false, true);
    size_t n = bnt_stream_push(&s, id, out, room);
    return n == SIZE_MAX ? 0 : n + bnt_stream_flush(&s, out + n, room - n);
}

static char *token_room(const struct serve_choice *choice, size_t *room) {
    *room = bnt_tokenizer_max_piece(bnt_engine_tokenizer(choice->completion->server->engine)) + 16;
    return bnt_json_take(*room);
}

size_t serve_shown_tokens(const struct serve_choice *choice) {
    const struct bnt_generation *made = &choice->job.made;
    return made->n_tokens -
           (made->n_tokens && made->reason == BNT_STOP_EOG && choice->job.answer.over);
}

/* ---- of the prompt --------------------------------------------------------------------------- */

int serve_keep_logprobs(void *arg, size_t token, const float *logits, struct bnt_err *err) {
    struct serve_choice *choice = arg;
    const struct serve_job *job = &choice->job;
    const uint32_t n_vocab = bnt_engine_info(choice->completion->server->engine)->n_vocab;
    const uint32_t top = choice->completion->ask.top_logprobs;
    if (!choice->prompt_logprobs) {
        choice->prompt_logprobs = calloc(job->n, sizeof *choice->prompt_logprobs);
        choice->prompt_top = calloc(job->n * top + 1, sizeof *choice->prompt_top);
    }
    if (!choice->prompt_logprobs || !choice->prompt_top)
        return bnt_fail_nomem(err, "log-probabilities", job->n * sizeof(double));
    if (token + 1 == job->n) return BNT_OK;
    const struct bnt_softmax softmax = bnt_softmax_of(logits, n_vocab);
    struct bnt_top best[BNT_LOGPROBS_MOST];
    const uint32_t n = bnt_logprob_best(&softmax, logits, n_vocab, top, best);
    choice->prompt_logprobs[token + 1] = bnt_logprob(&softmax, logits[job->ids[token + 1]]);
    for (uint32_t i = 0; i < n; i++)
        choice->prompt_top[(token + 1) * top + i] = (struct serve_likely){
            best[i].id, bnt_logprob(&softmax, logits[best[i].id])}; /* in binary64, as above */
    return BNT_OK;
}

/* ---- one token ------------------------------------------------------------------------------- */

struct one {
    int32_t id;
    double logprob;
    uint32_t n_likely;
    struct serve_likely likely[BNT_LOGPROBS_MOST];
};

static struct one made_token(const struct serve_choice *choice, size_t i) {
    const struct bnt_generation *made = &choice->job.made;
    struct one t = {.id = made->tokens[i], .logprob = (double)made->logprobs[i]};
    t.n_likely = made->n_top_logprobs;
    for (uint32_t k = 0; k < t.n_likely; k++) {
        const struct bnt_top *top = &made->top_logprobs[i * made->n_top_logprobs + k];
        t.likely[k] = (struct serve_likely){top->id, (double)top->logit};
    }
    return t;
}

static struct one prompt_token(const struct serve_choice *choice, size_t i) {
    const uint32_t top = choice->completion->ask.top_logprobs;
    struct one t = {.id = choice->job.ids[i], .logprob = choice->prompt_logprobs[i]};
    t.n_likely = top;
    for (uint32_t k = 0; k < top; k++) t.likely[k] = choice->prompt_top[i * top + k];
    return t;
}

static json_t *chat_token(const struct serve_choice *choice, int32_t id, double logprob, char *text,
                          size_t room) {
    const size_t n = token_bytes(choice, id, text, room);
    json_t *bytes = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    return json_pack("{s:o, s:f, s:o}", "token", serve_json_text(text, n), "logprob", logprob,
                     "bytes", bytes);
}

json_t *serve_chat_logprobs(const struct serve_choice *choice, size_t from, size_t to) {
    size_t room;
    if (!choice->completion->ask.logprobs) return json_null();
    char *text = token_room(choice, &room);
    if (!text) return NULL;
    json_t *content = json_array();
    for (size_t i = from; i < to; i++) {
        const struct one t = made_token(choice, i);
        json_t *o = chat_token(choice, t.id, t.logprob, text, room), *list = json_array();
        for (uint32_t k = 0; k < t.n_likely; k++)
            json_array_append_new(
                list, chat_token(choice, t.likely[k].id, t.likely[k].logprob, text, room));
        json_object_set_new(o, "top_logprobs", list);
        json_array_append_new(content, o);
    }
    free(text);
    return json_pack("{s:o, s:n}", "content", content, "refusal");
}

/* ---- lists of them --------------------------------------------------------------------------- */

struct lists {
    json_t *tokens, *logprobs, *top, *offsets;
    char *text;
    size_t room, offset;
};

static size_t characters(const char *text, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

static void put_likely(const struct serve_choice *choice, json_t *o, int32_t id, double logprob,
                       struct lists *l) {
    const size_t n = token_bytes(choice, id, l->text, l->room);
    json_t *key = serve_json_text(l->text, n);
    const char *name = json_string_value(key);
    if (name && !json_object_get(o, name)) /* the likeliest of those that look alike */
        json_object_set_new(o, name, json_real(logprob));
    json_decref(key);
}

/* known false: the first token of all, which nothing foresaw. */
static void put(const struct serve_choice *choice, struct lists *l, const struct one *t,
                bool known) {
    const size_t n = token_bytes(choice, t->id, l->text, l->room);
    json_array_append_new(l->tokens, serve_json_text(l->text, n));
    json_array_append_new(l->offsets, json_integer((json_int_t)l->offset));
    l->offset += characters(l->text, n);
    json_array_append_new(l->logprobs, known ? json_real(t->logprob) : json_null());
    json_t *o = known ? json_object() : json_null();
    for (uint32_t k = 0; k < t->n_likely && known; k++)
        put_likely(choice, o, t->likely[k].id, t->likely[k].logprob, l);
    if (known) put_likely(choice, o, t->id, t->logprob, l);
    json_array_append_new(l->top, o);
}

json_t *serve_text_logprobs(const struct serve_choice *choice, size_t from, size_t to,
                            size_t *offset) {
    const struct serve_ask *ask = &choice->completion->ask;
    struct lists l = {.offset = *offset};
    if (!ask->logprobs) return json_null();
    if (!(l.text = token_room(choice, &l.room))) return NULL;
    l.tokens = json_array();
    l.logprobs = json_array();
    l.top = json_array();
    l.offsets = json_array();
    for (size_t i = 0; ask->echo && from == 0 && i < choice->job.n; i++) {
        const struct one t = prompt_token(choice, i);
        put(choice, &l, &t, i > 0);
    }
    for (size_t i = from; i < to; i++) {
        const struct one t = made_token(choice, i);
        put(choice, &l, &t, true);
    }
    free(l.text);
    *offset = l.offset;
    return json_pack("{s:o, s:o, s:o, s:o}", "tokens", l.tokens, "token_logprobs", l.logprobs,
                     "top_logprobs", l.top, "text_offset", l.offsets);
}
