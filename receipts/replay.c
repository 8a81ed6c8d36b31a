/*
 * replay.c - computes a receipt's run again and stops at the first step that differs. See verify.h.
 *
 * The one idea: up to the first difference both runs were fed the same tokens, so generating freely
 * and comparing step by step finds the same first step as feeding the recorded tokens would, and
 * checks sampling and the reason to stop as well. The recorded tokens are its guesses of what comes
 * next, so that it computes as fast as a prompt.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guide.h"
#include "verify.h"

struct replay {
    struct bnt_verification *v;
    const json_t *output, *ids, *logits, *chain, *logprobs; /* the last: NULL without */
    size_t n;
    const struct bnt_sampling *sampling;
};

static const char *text_at(const json_t *list, size_t i) {
    return json_string_value(json_array_get(list, i));
}

/* Whether there was a difference before. */
static bool differs(struct replay *r, const char *what, size_t step, const char *a, const char *b) {
    struct bnt_difference *d = &r->v->first;
    if (d->what) return true;
    d->what = what;
    d->step = step;
    snprintf(d->receipt, sizeof d->receipt, "%s", a);
    snprintf(d->replay, sizeof d->replay, "%s", b);
    return false;
}

/* All that differs in one step goes into one line; the first of it is kept as the difference. */
static void compare_step(struct replay *r, const struct bnt_step *s) {
    char *text = r->v->checks[BNT_CHECK_REPLAY].text, link[17], a[32], b[32], drawn[80] = "";
    const size_t room = sizeof r->v->checks[BNT_CHECK_REPLAY].text;
    json_int_t id = json_integer_value(json_array_get(r->ids, s->index));
    size_t used = (size_t)snprintf(text, room, "step %zu: ", s->index), start = used;
    snprintf(link, sizeof link, "%.16s", s->chain);
    if (strcmp(link, text_at(r->chain, s->index)) != 0) {
        differs(r, "hidden", s->index, text_at(r->chain, s->index), link);
        used += (size_t)snprintf(text + used, room - used,
                                 "hidden state: chain %s in the receipt, %s in the replay",
                                 text_at(r->chain, s->index), link);
    }
    if (id != s->id) {
        snprintf(a, sizeof a, "%" JSON_INTEGER_FORMAT, id);
        snprintf(b, sizeof b, "%" PRId32, s->id);
        differs(r, "token", s->index, a, b);
        if (r->sampling->temperature > 0.0f)
            snprintf(drawn, sizeof drawn, " (drawn with seed %" PRIu64 ")", r->sampling->seed);
        used += (size_t)snprintf(text + used, room - used,
                                 "%stoken: %s in the receipt, %s in the replay%s",
                                 used > start ? "; " : "", a, b, drawn);
    }
    snprintf(b, sizeof b, "%08" PRIx32, bnt_f32_bits(s->logit));
    if (strcmp(text_at(r->logits, s->index), b) != 0) {
        differs(r, "logit", s->index, text_at(r->logits, s->index), b);
        used += (size_t)snprintf(text + used, room - used,
                                 "%schosen logit: %s in the receipt, %s in the replay",
                                 used > start ? "; " : "", text_at(r->logits, s->index), b);
    }
    r->v->first.id = s->id;
    r->v->first.logit = bnt_f32_bits(s->logit);
    if (used == start) text[0] = '\0';
}

/* What the model found likely in a step whose token and logit agree. */
static int compare_logprobs(struct replay *r, const struct bnt_step *s, struct bnt_err *err) {
    const json_t *there = json_array_get(r->logprobs, s->index);
    json_t *here = bnt_receipt_step_logprobs(s->logprob, s->top, s->n_top);
    char *a = bnt_receipt_canonical(there), *b = here ? bnt_receipt_canonical(here) : NULL;
    int status = a && b ? BNT_OK : bnt_fail_nomem(err, "a comparison", 0);
    if (status == BNT_OK && strcmp(a, b) != 0) {
        differs(r, "logprob", s->index, a, b);
        snprintf(r->v->checks[BNT_CHECK_REPLAY].text, sizeof r->v->checks[BNT_CHECK_REPLAY].text,
                 "step %zu: log-probabilities: %.120s in the receipt, %.120s in the replay",
                 s->index, a, b);
    }
    json_decref(here);
    free(a);
    free(b);
    return status;
}

static int on_step(void *arg, const struct bnt_step *s, struct bnt_err *err) {
    struct replay *r = arg;
    char a[80];
    if (s->index < r->n) {
        compare_step(r, s);
        if (r->logprobs && !r->v->first.what) {
            int status = compare_logprobs(r, s, err);
            if (status != BNT_OK) return status;
        }
    } else {
        snprintf(a, sizeof a, "%s", json_string_value(json_object_get(r->output, "stop_reason")));
        differs(r, "end", s->index, a, "goes on");
        snprintf(r->v->checks[BNT_CHECK_REPLAY].text, sizeof r->v->checks[BNT_CHECK_REPLAY].text,
                 "step %zu: the receipt ends here (%s), the replay goes on", s->index, a);
    }
    if (r->v->first.what) return bnt_fail(err, BNT_E_MISMATCH, "the replay differs");
    r->v->steps++;
    return BNT_OK;
}

/* What no single step shows: how it ended, and the text. */
static int compare_end(struct replay *r, const struct bnt_generation *g, bool interrupted,
                       struct bnt_err *err) {
    char *text = r->v->checks[BNT_CHECK_REPLAY].text, sha256[65];
    const size_t room = sizeof r->v->checks[BNT_CHECK_REPLAY].text;
    const char *there = json_string_value(json_object_get(r->output, "stop_reason"));
    const char *here = bnt_stop_reason_name(g->reason);
    if (interrupted && g->reason == BNT_STOP_LENGTH) here = there;
    if (g->n_tokens < r->n || strcmp(here, there) != 0) {
        differs(r, "end", g->n_tokens, there, here);
        snprintf(text, room,
                 "output.stop_reason: '%s' after %zu tokens in the receipt, '%s' after %zu in the "
                 "replay",
                 there, r->n, here, g->n_tokens);
        return BNT_OK;
    }
    there = json_string_value(json_object_get(r->output, "hidden_sha256"));
    if (strcmp(there, g->hidden_digest) != 0) {
        differs(r, "hidden", r->n ? r->n - 1 : 0, there, g->hidden_digest);
        snprintf(text, room, "output.hidden_sha256: %s in the receipt, %s in the replay", there,
                 g->hidden_digest);
        return BNT_OK;
    }
    int status = bnt_receipt_sha256(g->text, g->text_len, sha256, err);
    if (status != BNT_OK) return status;
    there = json_string_value(json_object_get(r->output, "text_sha256"));
    json_int_t bytes = json_integer_value(json_object_get(r->output, "text_bytes"));
    if (strcmp(there, sha256) != 0 || (size_t)bytes != g->text_len) {
        differs(r, "text", r->n, there, sha256);
        snprintf(text, room,
                 "output.text_sha256: %s of %" JSON_INTEGER_FORMAT
                 " bytes in the receipt, %s of %zu in the replay",
                 there, bytes, sha256, g->text_len);
    }
    return BNT_OK;
}

/* ---- what comes next, by the receipt --------------------------------------------------------- */

struct recording {
    const json_t *ids; /* of the steps */
    size_t prompt;     /* tokens before them */
};

/* The replay is given the recorded tokens ahead, to compute many at once. It chooses each by itself
 * all the same: what it would not have chosen ends it. */
static size_t recall_next(void *arg, const int32_t *ids, size_t n, int32_t *out, size_t most) {
    const struct recording *r = arg;
    size_t k = 0, at = n - r->prompt;
    (void)ids;
    for (; k < most && at + k < json_array_size(r->ids); k++)
        out[k] = (int32_t)json_integer_value(json_array_get(r->ids, at + k));
    return k;
}

/* ---- the recorded options ------------------------------------------------------------------- */

static json_int_t number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

/* Why this engine cannot even begin, in `text`; "" when it can. */
static void find_misfit(char *text, size_t room, const struct bnt_engine_info *info,
                        const struct bnt_sampling *sampling, const int32_t *ids, size_t n,
                        uint64_t context) {
    text[0] = '\0';
    if (context > info->n_ctx_train || n > context)
        snprintf(text, room,
                 "limits.context: %" PRIu64 " for a prompt of %zu tokens; the model has %" PRIu64,
                 context, n, info->n_ctx_train);
    for (size_t i = 0; i < n && !text[0]; i++) {
        if ((uint32_t)ids[i] >= info->n_vocab)
            snprintf(text, room, "prompt.ids[%zu]: %" PRId32 " is not in the vocabulary of %u", i,
                     ids[i], info->n_vocab);
    }
    for (uint32_t i = 0; i < sampling->n_biases && !text[0]; i++) {
        if ((uint32_t)sampling->biases[i].id >= info->n_vocab)
            snprintf(text, room,
                     "sampling.logit_bias[%u]: %" PRId32 " is not in the vocabulary of %u", i,
                     sampling->biases[i].id, info->n_vocab);
    }
}

static int run_again(struct replay *r, const json_t *receipt, struct bnt_engine *engine,
                     struct bnt_session *session, const int32_t *ids, size_t n,
                     const volatile sig_atomic_t *interrupted, struct bnt_err *err) {
    const json_t *limits = json_object_get(json_object_get(receipt, "result"), "limits");
    const json_t *list = json_object_get(limits, "stops");
    const char *reason = json_string_value(json_object_get(r->output, "stop_reason"));
    bool cut = strcmp(reason, bnt_stop_reason_name(BNT_STOP_INTERRUPTED)) == 0;
    unsigned n_stops = (unsigned)json_array_size(list);
    unsigned top;
    const bool logprobs = bnt_receipt_wants_logprobs(receipt, &top);
    const char **stops = calloc(n_stops + 1u, sizeof *stops);
    struct recording recording = {r->ids, n};
    struct bnt_generation g;
    if (!stops) return bnt_fail_nomem(err, "stop strings", n_stops * sizeof *stops);
    for (unsigned i = 0; i < n_stops; i++) stops[i] = text_at(list, i);
    struct bnt_generate_options o = {.sampling = *r->sampling,
                                     .n_predict = cut ? r->n : (size_t)number(limits, "predict"),
                                     .constraint = r->v->constraint,
                                     .ignore_eog =
                                         json_is_true(json_object_get(limits, "ignore_eos")),
                                     .stops = stops,
                                     .n_stops = n_stops,
                                     .logprobs = logprobs,
                                     .top_logprobs = top,
                                     .on_step = on_step,
                                     .on_step_arg = r,
                                     .interrupted = interrupted,
                                     .guesser = {recall_next, &recording}};
    int status = bnt_generate(&g, engine, session, ids, n, &o, err);
    if (status == BNT_E_MISMATCH && r->v->first.what)
        status = BNT_OK;
    else if (status == BNT_OK && g.reason == BNT_STOP_INTERRUPTED)
        status = bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    else if (status == BNT_OK)
        status = compare_end(r, &g, cut, err);
    bnt_generation_free(&g);
    free(stops);
    return status;
}

/* A run as a receipt has it; of a conversation, a turn. */
struct recorded {
    json_t *receipt; /* of a run */
    int32_t *ids;    /* all that the model saw before its first step */
    size_t n, steps;
};

static void forget(struct recorded *o) {
    json_decref(o->receipt);
    free(o->ids);
}

static int recall(struct recorded *o, const json_t *receipt, size_t k, struct bnt_err *err) {
    *o = (struct recorded){0};
    int status = BNT_OK;
    if (bnt_receipt_turns(receipt))
        status = bnt_receipt_turn(&o->receipt, receipt, k, err);
    else
        o->receipt = json_incref((json_t *)receipt);
    if (status != BNT_OK) return status;
    const json_t *result = json_object_get(o->receipt, "result");
    const json_t *list = json_object_get(json_object_get(result, "prompt"), "ids");
    o->n = json_array_size(list);
    o->steps = json_array_size(json_object_get(json_object_get(result, "output"), "ids"));
    o->ids = malloc((o->n + 1) * sizeof *o->ids);
    if (!o->ids) {
        forget(o);
        return bnt_fail_nomem(err, "the prompt", o->n * sizeof *o->ids);
    }
    for (size_t i = 0; i < o->n; i++)
        o->ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return BNT_OK;
}

/* What differs in a turn is said of that turn. */
static void name_turn(struct bnt_verification *v, size_t k) {
    char *text = v->checks[BNT_CHECK_REPLAY].text, said[sizeof v->checks[0].text];
    snprintf(said, sizeof said, "%s", text);
    snprintf(text, sizeof said, "turns[%zu]: %.370s", k, said);
    v->first.turn = k;
}

static int replay_one(struct bnt_verification *v, const struct recorded *o,
                      struct bnt_engine *engine, struct bnt_session *session,
                      const volatile sig_atomic_t *interrupted, struct bnt_err *err) {
    const json_t *output = json_object_get(json_object_get(o->receipt, "result"), "output");
    struct bnt_bias biases[BNT_BIASES_MOST];
    const struct bnt_sampling sampling = bnt_receipt_sampling(o->receipt, biases);
    struct replay r = {.v = v,
                       .output = output,
                       .ids = json_object_get(output, "ids"),
                       .logits = json_object_get(output, "logits"),
                       .chain = json_object_get(output, "hidden_chain"),
                       .logprobs = json_object_get(output, "logprobs"),
                       .n = o->steps,
                       .sampling = &sampling};
    return run_again(&r, o->receipt, engine, session, o->ids, o->n, interrupted, err);
}

/* Room for the recorded steps and one more shows every end, and costs less memory than 2^24
 * positions that a stranger's receipt may ask for. 0 when something cannot even begin. */
static int context_needed(uint64_t *n_ctx, struct bnt_verification *v, const json_t *receipt,
                          const struct bnt_engine *engine, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    const json_t *limits = json_object_get(json_object_get(receipt, "result"), "limits");
    const uint64_t context = (uint64_t)number(limits, "context");
    const size_t turns = bnt_receipt_turns(receipt);
    char *text = v->checks[BNT_CHECK_REPLAY].text;
    struct bnt_bias biases[BNT_BIASES_MOST];
    uint64_t need = 0;
    for (size_t k = 0; k < (turns ? turns : 1); k++) {
        struct recorded o;
        int status = recall(&o, receipt, k, err);
        if (status != BNT_OK) return status;
        const struct bnt_sampling sampling = bnt_receipt_sampling(o.receipt, biases);
        find_misfit(text, sizeof v->checks[0].text, info, &sampling, o.ids, o.n, context);
        if (o.n + o.steps > need) need = o.n + o.steps;
        forget(&o);
        if (!text[0]) continue;
        if (turns) name_turn(v, k);
        *n_ctx = 0;
        return BNT_OK;
    }
    /* Where the context's size chooses among RoPE factors, it must choose as it did. */
    const uint64_t least = bnt_model_least_context(engine->model, context);
    if (need < least) need = least;
    *n_ctx = context < need ? context : need;
    return BNT_OK;
}

/* How a user names it; of "json" nothing but its kind is needed. */
static const char *option_of(const char *kind) {
    return strcmp(kind, "json") == 0   ? "--format=json"
           : strcmp(kind, "gbnf") == 0 ? "--grammar=FILE"
                                       : "--json-schema=FILE";
}

bool bnt_verify_constraint(struct bnt_verification *v, const json_t *receipt) {
    const json_t *limits = json_object_get(json_object_get(receipt, "result"), "limits");
    const json_t *wanted = json_object_get(limits, "constraint");
    const char *kind = json_string_value(json_object_get(wanted, "kind"));
    const char *sha256 = json_string_value(json_object_get(wanted, "sha256"));
    if (!wanted) {
        v->constraint = NULL;
        return true;
    }
    const struct bnt_constraint_source *given =
        v->constraint ? bnt_constraint_source(v->constraint) : NULL;
    if (given && strcmp(bnt_constraint_kind_name(given->kind), kind) == 0 &&
        strcmp(given->digest, sha256) == 0)
        return true;
    if (given)
        bnt_verify_say(v, BNT_CHECK_REPLAY, BNT_DIFFERS,
                       "the text was made with another %s, of digest %s (each byte counts; "
                       "GET /v1/constraints/DIGEST gives a server's)",
                       kind, sha256);
    else
        bnt_verify_say(v, BNT_CHECK_REPLAY, BNT_NOT_CHECKED,
                       "the %s of digest %s is needed: %s gives it", kind, sha256, option_of(kind));
    return false;
}

int bnt_verify_replay(struct bnt_verification *v, const json_t *receipt, struct bnt_engine *engine,
                      const struct bnt_session_options *options,
                      const volatile sig_atomic_t *interrupted, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    const size_t turns = bnt_receipt_turns(receipt);
    const json_t *list = json_object_get(json_object_get(receipt, "result"), "turns");
    struct bnt_session_options so = *options;
    struct bnt_session *session = NULL;
    if (!bnt_verify_constraint(v, receipt)) return BNT_OK;
    int status = context_needed(&so.n_ctx, v, receipt, engine, err);
    v->checks[BNT_CHECK_REPLAY].state = BNT_DIFFERS;
    if (status != BNT_OK || so.n_ctx == 0) return status;
    status = bnt_session_open(&session, engine, &so, err);
    for (size_t k = 0; k < (turns ? turns : 1) && status == BNT_OK && !v->first.what; k++) {
        struct recorded o;
        if ((status = recall(&o, receipt, k, err)) != BNT_OK) break;
        /* What this turn kept, the session has computed and found equal. */
        bnt_session_truncate(session, (uint64_t)number(json_array_get(list, k), "keep"));
        status = replay_one(v, &o, engine, session, interrupted, err);
        if (status == BNT_OK && v->first.what && turns) name_turn(v, k);
        forget(&o);
    }
    if (status == BNT_OK && !v->first.what) {
        v->checks[BNT_CHECK_REPLAY].state = BNT_AGREES;
        snprintf(v->checks[BNT_CHECK_REPLAY].text, sizeof v->checks[0].text,
                 "%zu steps on %s (%s), %u thread%s", v->steps, info->backend,
                 info->backend_variant, bnt_session_threads(session),
                 bnt_session_threads(session) == 1 ? "" : "s");
    }
    bnt_session_close(session);
    return status;
}
