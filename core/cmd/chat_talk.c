/*
 * chat_talk.c - see chat.h: a conversation over a session.
 *
 * The session keeps what it has computed; a turn feeds only the tokens that are new. Every turn
 * that was made is kept for the receipt, with the number of tokens before it that stayed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/chat.h"

static const char *no_turn = "no turn was made yet";

int talk_open(struct talk *t, const struct cmd_args *args, const volatile sig_atomic_t *interrupted,
              struct bnt_err *err) {
    int status = cmd_open_engine(&t->engine, args, err);
    if (status != BNT_OK) return status;
    t->args = args;
    t->context.tokenizer = t->engine->tokenizer;
    status = bnt_template_choose(&t->tm, t->engine->gguf, t->engine->tokenizer, args->chat_template,
                                 err);
    if (status != BNT_OK) return status;
    unsigned n = args->n_stops;
    memcpy(t->stops, args->stops, n * sizeof *t->stops);
    if (t->tm.stop) t->stops[n++] = t->tm.stop;
    t->options = (struct bnt_generate_options){.sampling = cmd_sampling(args),
                                               .n_predict = args->n_predict,
                                               .stops = t->stops,
                                               .n_stops = n,
                                               .interrupted = interrupted};
    status = cmd_open_session(&t->session, t->engine, args,
                              args->threads.count ? args->threads.values[0] : 0, err);
    if (status != BNT_OK) return status;
    return talk_begin(t, args->system ? args->system : t->tm.system, err);
}

void talk_close(struct talk *t) {
    for (size_t i = 0; i < t->n_turns; i++) {
        free(t->turns[i].user);
        bnt_token_list_free(&t->turns[i].list);
        bnt_generation_free(&t->turns[i].g);
    }
    free(t->turns);
    free(t->system);
    bnt_chat_free(&t->context);
    bnt_session_close(t->session);
    bnt_engine_close(t->engine);
}

int talk_begin(struct talk *t, const char *text, struct bnt_err *err) {
    if (text) {
        size_t len = strlen(text);
        const char *s = bnt_template_trim(&t->tm, BNT_MESSAGE_SYSTEM, text, &len);
        char *copy = strndup(s, len);
        if (!copy) return bnt_fail_nomem(err, "the system text", len);
        free(t->system);
        t->system = copy;
    }
    bnt_chat_rewind(&t->context, 0);
    return BNT_OK;
}

/* The tokens of a turn, when there is room for them and for an answer. */
static int render(struct talk *t, const struct bnt_turn *turn, struct bnt_token_list *list,
                  struct bnt_err *err) {
    uint64_t room = bnt_session_context(t->session);
    int status = bnt_template_encode(&t->tm, t->engine->tokenizer, turn, list, err);
    if (status != BNT_OK) return status;
    if (list->count == 0) return bnt_fail(err, BNT_E_USAGE, "an empty message");
    if (t->context.count + list->count > room)
        return bnt_fail(err, BNT_E_LIMIT,
                        "the context is full: the conversation has %zu tokens, this message %zu, "
                        "and there is room for %" PRIu64 " (/reset begins anew, -c gives more)",
                        t->context.count, list->count, room);
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

static int answer(struct talk *t, struct talk_turn *made, struct bnt_err *err) {
    struct bnt_generate_options options = t->options;
    options.sampling.seed += t->n_turns - 1;
    int status = bnt_chat_add(&t->context, made->list.ids, made->list.count, err);
    if (status != BNT_OK) return status;
    bnt_session_truncate(t->session, made->keep); /* a turn may have been taken back */
    status = bnt_generate(&made->g, t->engine, t->session, t->context.ids, t->context.count,
                          &options, err);
    if (status != BNT_OK) return status;
    return bnt_chat_answer(&t->context, made->g.tokens, made->g.n_tokens, made->g.text_len, err);
}

/* `text` is as the template takes it. */
static int ask(struct talk *t, const char *text, size_t len, struct bnt_err *err) {
    struct bnt_turn turn = {.user = text, .user_len = len};
    struct bnt_token_list list = {0};
    bnt_chat_next(&t->context, &turn);
    turn.system = t->system;
    turn.system_len = turn.first ? strlen(t->system) : 0;
    int status = render(t, &turn, &list, err);
    struct talk_turn *made = status == BNT_OK ? new_turn(t, text, len, err) : NULL;
    if (!made) {
        bnt_token_list_free(&list);
        return status == BNT_OK ? (int)BNT_E_NOMEM : status;
    }
    t->n_turns++;
    made->keep = t->context.count;
    made->system_len = turn.system_len;
    made->list = list;
    return answer(t, made, err);
}

int talk_ask(struct talk *t, const char *text, size_t len, struct bnt_err *err) {
    bool behind = t->context.count == 0 && t->system[0];
    text = bnt_template_trim(&t->tm, behind ? BNT_MESSAGE_FIRST : BNT_MESSAGE_USER, text, &len);
    return ask(t, text, len, err);
}

int talk_again(struct talk *t, struct bnt_err *err) {
    if (t->context.n_ends == 0) return bnt_fail(err, BNT_E_USAGE, "%s", no_turn);
    const struct talk_turn *last = &t->turns[t->n_turns - 1];
    size_t len = last->user_len;
    char *text = malloc(len + 1);
    if (!text) return bnt_fail_nomem(err, "a message", len);
    memcpy(text, last->user, len);
    bnt_chat_rewind(&t->context, last->keep);
    int status = ask(t, text, len, err);
    free(text);
    return status;
}

int talk_save(const struct talk *t, struct bnt_output *to, struct bnt_err *err) {
    struct bnt_receipt_turn *turns = calloc(t->n_turns + 1, sizeof *turns);
    json_t *receipt = NULL;
    if (!turns) return bnt_fail_nomem(err, "the receipt", t->n_turns * sizeof *turns);
    for (size_t i = 0; i < t->n_turns; i++) {
        const struct talk_turn *k = &t->turns[i];
        turns[i] = (struct bnt_receipt_turn){.keep = k->keep,
                                             .user = k->user,
                                             .user_len = k->user_len,
                                             .system_len = k->system_len,
                                             .ids = k->list.ids,
                                             .n_ids = k->list.count,
                                             .generation = &k->g};
    }
    int status = t->n_turns ? BNT_OK : bnt_fail(err, BNT_E_USAGE, "no receipt: %s", no_turn);
    if (status == BNT_OK)
        status = bnt_receipt_build(&receipt, t->engine, t->session,
                                   &(struct bnt_receipt_run){.model_path = cmd_model_path(t->args),
                                                             .template_id = t->tm.name,
                                                             .deterministic = t->args->seed_given,
                                                             .options = &t->options,
                                                             .turns = turns,
                                                             .n_turns = t->n_turns},
                                   err);
    if (status == BNT_OK) status = bnt_receipt_write(receipt, to, err);
    json_decref(receipt);
    free(turns);
    return status;
}
