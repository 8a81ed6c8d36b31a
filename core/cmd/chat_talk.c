/*
 * chat_talk.c - see chat.h: a conversation over a session.
 *
 * The session keeps what it has computed; a turn feeds only the tokens that are new. Every turn
 * that was made is kept for the receipt, with the number of tokens before it that stayed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd/chat.h"
#include "sign.h"

static const char *no_turn = "no turn was made yet";

static int open_template(struct talk *t, struct bnt_err *err) {
    struct bnt_template_choice choice = {0};
    char *text = NULL;
    int status = cmd_template_choice(&choice, &text, t->args->chat_template, err);
    choice.system = t->args->system;
    choice.system_len = choice.system ? strlen(choice.system) : 0;
    if (status == BNT_OK)
        status = bnt_template_open(&t->tm, t->engine->gguf, t->engine->tokenizer, &choice, err);
    free(text);
    return status;
}

/* A number of the file's general.sampling.*, where it is one that the options could say. */
static bool makers_number(const struct talk *t, const char *name, double lo, double hi,
                          double *out) {
    char key[64];
    double value;
    uint64_t whole;
    snprintf(key, sizeof key, "general.sampling.%s", name);
    if (!bnt_gguf_f64(t->engine->gguf, key, &value)) {
        if (!bnt_gguf_u64(t->engine->gguf, key, &whole)) return false;
        value = (double)whole;
    }
    if (!(value >= lo && value <= hi)) {
        fprintf(stderr, "bitnet: %s is %g, which is not from %g to %g: left out\n", key, value, lo,
                hi);
        return false;
    }
    *out = value;
    return true;
}

/* What else a file may recommend: a line for each that would change what is drawn. */
static void tell_others(const struct talk *t) {
    static const char *const others[] = {"sequence", "xtc_probability", "mirostat"};
    char key[64];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        double number;
        uint64_t whole;
        snprintf(key, sizeof key, "general.sampling.%s", others[i]);
        if (!bnt_gguf_find(t->engine->gguf, key)) continue;
        if (bnt_gguf_f64(t->engine->gguf, key, &number) && number == 0.0) continue;
        if (bnt_gguf_u64(t->engine->gguf, key, &whole) && whole == 0) continue;
        fprintf(stderr, "bitnet: the file recommends %s, which is not known here: left out\n", key);
    }
}

/* Who asks for no sampling gets what the model's makers recommend, if their file says. */
static struct bnt_sampling choose_sampling(struct talk *t) {
    const struct cmd_args *args = t->args;
    struct bnt_sampling s = cmd_sampling(args);
    double temp, x;
    if (args->temp_given || args->truncation_given ||
        !makers_number(t, "temp", 0.0, 100.0, &temp) || temp == 0.0)
        return s;
    t->makers = true;
    s.temperature = (float)temp;
    if (makers_number(t, "top_k", 0.0, 1e9, &x)) s.top_k = (uint32_t)x;
    if (makers_number(t, "top_p", 0.0, 1.0, &x)) s.top_p = (float)x;
    if (makers_number(t, "min_p", 0.0, 1.0, &x)) s.min_p = (float)x;
    if (args->repeat_penalty == 1.0f && makers_number(t, "penalty_repeat", 1e-3, 1e3, &x))
        s.repeat_penalty = (float)x;
    if (makers_number(t, "penalty_last_n", 0.0, 1e9, &x)) s.repeat_last = (uint32_t)x;
    if (!args->seed_given) s.seed = cmd_fresh_seed() & 0x7fffffffffffffffu;
    tell_others(t);
    return s;
}

int talk_open(struct talk *t, const struct cmd_args *args, const volatile sig_atomic_t *interrupted,
              struct bnt_err *err) {
    t->args = args;
    int status = cmd_read_day(&t->context.time, args->date, err);
    if (status == BNT_OK) status = cmd_open_signer(&t->signer, args, err);
    if (status == BNT_OK) status = cmd_open_engine(&t->engine, args, err);
    if (status == BNT_OK) status = open_template(t, err);
    if (status == BNT_OK)
        status = cmd_open_constraint(&t->constraint, args, t->engine, BNT_CONSTRAINT_SCHEMA, err);
    if (status != BNT_OK) return status;
    t->context.tokenizer = t->engine->tokenizer;
    t->context.template = &t->tm;
    unsigned n = args->n_stops;
    memcpy(t->stops, args->stops, n * sizeof *t->stops);
    if (t->tm.stop) t->stops[n++] = t->tm.stop;
    t->options = (struct bnt_generate_options){.sampling = choose_sampling(t),
                                               .n_predict = args->n_predict,
                                               .logprobs = args->logprobs,
                                               .top_logprobs = args->top_logprobs,
                                               .constraint = t->constraint,
                                               .stops = t->stops,
                                               .n_stops = n,
                                               .lookup = !args->no_draft,
                                               .interrupted = interrupted};
    status = cmd_open_session(&t->session, t->engine, args,
                              args->threads.count ? args->threads.values[0] : 0, err);
    if (status != BNT_OK) return status;
    /* An answer that has no end must leave room for the next message. */
    const uint64_t half = (bnt_session_context(t->session) + 1) / 2;
    if (!args->n_predict) t->options.n_predict = half < 512 ? (size_t)half : 512;
    return talk_begin(t, args->system, err);
}

void talk_close(struct talk *t) {
    for (size_t i = 0; i < t->n_turns; i++) {
        free(t->turns[i].user);
        free(t->turns[i].system);
        free(t->turns[i].ids);
        bnt_generation_free(&t->turns[i].g);
    }
    free(t->turns);
    bnt_chat_free(&t->context);
    bnt_template_close(&t->tm);
    bnt_signer_close(t->signer);
    bnt_session_close(t->session);
    bnt_constraint_close(t->constraint);
    bnt_engine_close(t->engine);
}

int talk_begin(struct talk *t, const char *system, struct bnt_err *err) {
    return bnt_chat_begin(&t->context, system, system ? strlen(system) : 0, err);
}

int talk_reset(struct talk *t, struct bnt_err *err) {
    (void)err;
    bnt_chat_rewind(&t->context, 0);
    return BNT_OK;
}

static struct talk_turn *new_turn(struct talk *t, const char *user, size_t len,
                                  struct bnt_err *err) {
    if (t->n_turns == t->capacity) {
        size_t capacity = 2 * t->capacity + 16;
        void *grown = realloc(t->turns, capacity * sizeof *t->turns);
        if (!grown) {
            bnt_fail_nomem(err, "the conversation", capacity * sizeof *t->turns);
            return NULL;
        }
        t->turns = grown;
        t->capacity = capacity;
    }
    struct talk_turn *turn = &t->turns[t->n_turns];
    *turn = (struct talk_turn){.user = malloc(len + 1), .user_len = len};
    if (!turn->user) {
        bnt_fail_nomem(err, "a message", len);
        return NULL;
    }
    memcpy(turn->user, user, len);
    turn->user[len] = '\0';
    return turn;
}

/* The last turn of the conversation, as a receipt wants it. */
static int note_turn(struct talk *t, struct talk_turn *made, size_t keep, struct bnt_err *err) {
    const struct bnt_chat *c = &t->context;
    const struct bnt_chat_context *x = &c->turns[c->n_turns - 1].before;
    made->depth = c->n_turns - 1;
    made->keep = keep;
    made->n_ids = x->count - keep;
    made->ids = malloc((made->n_ids + 1) * sizeof *made->ids);
    if (!made->ids) return bnt_fail_nomem(err, "the conversation", made->n_ids);
    memcpy(made->ids, x->ids + keep, made->n_ids * sizeof *made->ids);
    if (made->depth || !c->system) return BNT_OK;
    made->system = malloc(c->system_len + 1);
    if (!made->system) return bnt_fail_nomem(err, "the system text", c->system_len);
    memcpy(made->system, c->system, c->system_len + 1);
    made->system_len = c->system_len;
    return BNT_OK;
}

static int answer(struct talk *t, struct talk_turn *made, size_t keep, struct bnt_err *err) {
    const struct bnt_chat_context *x = &t->context.turns[t->context.n_turns - 1].before;
    struct bnt_generate_options options = t->options;
    options.sampling.seed += t->n_turns;
    bnt_session_truncate(t->session, keep); /* a turn may have been taken back */
    int status = bnt_generate(&made->g, t->engine, t->session, x->ids, x->count, &options, err);
    t->n_turns++; /* an answer that failed is freed with the others */
    if (status != BNT_OK) return status;
    return bnt_chat_answer(&t->context, made->g.tokens, made->g.n_tokens, made->g.text_len, err);
}

static int check_room(const struct talk *t, size_t keep, struct bnt_err *err) {
    size_t n = t->context.turns[t->context.n_turns - 1].before.count;
    uint64_t room = bnt_session_context(t->session);
    if (n <= room) return BNT_OK;
    char more[64];
    return bnt_fail(err, BNT_E_LIMIT,
                    "the context is full: the conversation has %zu tokens, this message %zu, "
                    "and there is room for %" PRIu64 " (/reset begins anew; %s)",
                    keep, n - keep, room, cmd_more_context(more, sizeof more, t->engine, room));
}

int talk_ask(struct talk *t, const char *text, size_t len, struct bnt_err *err) {
    size_t keep, depth = t->context.n_turns;
    int status = bnt_chat_ask(&t->context, text, len, &keep, err);
    if (status != BNT_OK) return status;
    status = check_room(t, keep, err);
    struct talk_turn *made = status == BNT_OK ? new_turn(t, text, len, err) : NULL;
    if (status == BNT_OK) status = made ? note_turn(t, made, keep, err) : (int)BNT_E_NOMEM;
    if (status == BNT_OK)
        status = answer(t, made, keep, err);
    else if (made)
        t->n_turns++;
    if (status != BNT_OK) bnt_chat_rewind(&t->context, depth);
    return status;
}

int talk_again(struct talk *t, struct bnt_err *err) {
    if (t->context.n_turns == 0) return bnt_fail(err, BNT_E_USAGE, "%s", no_turn);
    const struct bnt_chat_turn *last = &t->context.turns[t->context.n_turns - 1];
    size_t len = last->user_len;
    char *text = malloc(len + 1);
    if (!text) return bnt_fail_nomem(err, "a message", len);
    memcpy(text, last->user, len);
    bnt_chat_rewind(&t->context, t->context.n_turns - 1);
    int status = talk_ask(t, text, len, err);
    free(text);
    return status;
}

int talk_save(const struct talk *t, struct bnt_output *to, struct bnt_err *err) {
    struct bnt_receipt_turn *turns = calloc(t->n_turns + 1, sizeof *turns);
    json_t *receipt = NULL;
    time_t day = (time_t)t->context.time;
    struct tm parts;
    char date[16] = "";
    if (t->context.used_time && gmtime_r(&day, &parts))
        strftime(date, sizeof date, "%Y-%m-%d", &parts);
    if (!turns) return bnt_fail_nomem(err, "the receipt", t->n_turns * sizeof *turns);
    for (size_t i = 0; i < t->n_turns; i++) {
        const struct talk_turn *k = &t->turns[i];
        turns[i] = (struct bnt_receipt_turn){.keep = k->keep,
                                             .depth = k->depth,
                                             .user = k->user,
                                             .user_len = k->user_len,
                                             .system = k->system,
                                             .system_len = k->system_len,
                                             .ids = k->ids,
                                             .n_ids = k->n_ids,
                                             .generation = &k->g};
    }
    char hex[65];
    int status = t->n_turns ? BNT_OK : bnt_fail(err, BNT_E_USAGE, "no receipt: %s", no_turn);
    if (status == BNT_OK) status = cmd_hash_model(hex, t->engine->gguf, err);
    if (status == BNT_OK)
        status = bnt_receipt_build(&receipt, t->engine, t->session,
                                   &(struct bnt_receipt_run){.model_sha256 = hex,
                                                             .template_id = t->tm.name,
                                                             .template_sha256 = t->tm.sha256,
                                                             .template_date = date,
                                                             .deterministic = t->args->seed_given,
                                                             .options = &t->options,
                                                             .signer = t->signer,
                                                             .turns = turns,
                                                             .n_turns = t->n_turns},
                                   err);
    if (status == BNT_OK) status = bnt_receipt_write(receipt, to, err);
    json_decref(receipt);
    free(turns);
    return status;
}
