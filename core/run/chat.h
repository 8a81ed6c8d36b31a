/*
 * chat.h - a conversation as tokens: what the model is given for each turn.
 *
 * A template renders the whole conversation anew for every turn, and may change what it said before
 * (it drops the thinking of earlier answers, say). The model has seen tokens, its own among them.
 * The one idea: as far as the new text is the text of those tokens, they stay as they are; the rest
 * is encoded, and only that is fed. Where all of the old text stands, the new tokens begin behind
 * it; otherwise behind the last control token before the first change, since tokens never reach
 * across one.
 *
 * Of an answer those tokens stay that were shown: not the one that ended it (the template has its
 * own) and none that reaches beyond the text shown (a stop string).
 */
#ifndef BNT_RUN_CHAT_H
#define BNT_RUN_CHAT_H

#include "run/template.h"

/* Tokens and the text they stand for. */
struct bnt_chat_context {
    int32_t *ids;
    size_t *ends; /* [count]: where each token's bytes end */
    size_t count;
    char *text;
    uint8_t *marks;
    size_t len;
};

struct bnt_chat_turn {
    char *user, *answer;
    size_t user_len, answer_len;
    size_t own;                     /* bytes of the answer that the template began it with */
    struct bnt_chat_context before; /* what the model sees for the answer */
    struct bnt_chat_context after;  /* and what of both stays; empty while there is no answer */
};

struct bnt_chat { /* zero-initialised but for tokenizer, template and time; freed by bnt_chat_free
                   */
    const struct bnt_tokenizer *tokenizer;
    const struct bnt_template *template;
    int64_t time;   /* what strftime_now says */
    bool used_time; /* and somebody asked */
    char *system;   /* NULL: no system message, which is something else than an empty one */
    size_t system_len;
    struct bnt_chat_turn *turns; /* of the conversation as it stands */
    size_t n_turns, capacity;
};

void bnt_chat_free(struct bnt_chat *c);
/* Forgets all turns; with this system text, or NULL for none, from now on. */
int bnt_chat_begin(struct bnt_chat *c, const char *system, size_t len, struct bnt_err *err);
/* Adds a turn, not answered yet. turns[n_turns - 1].before is what the model is to see, its first
 * *keep tokens as it saw them before. BNT_E_USAGE when nothing would be new; nothing has changed
 * after an error. */
int bnt_chat_ask(struct bnt_chat *c, const char *user, size_t len, size_t *keep,
                 struct bnt_err *err);
/* The answer to the last turn: its tokens, of which `text_len` bytes were shown. BNT_E_MISMATCH
 * when the tokens have fewer. */
int bnt_chat_answer(struct bnt_chat *c, const int32_t *ids, size_t n, size_t text_len,
                    struct bnt_err *err);
/* Back to the first n turns. */
void bnt_chat_rewind(struct bnt_chat *c, size_t n);
/* What stays of the conversation: of its last turn's `after`, or nothing. */
size_t bnt_chat_count(const struct bnt_chat *c);

/* The text of tokens, control tokens shown; `first`: they begin a text. *text is malloc'd. */
int bnt_chat_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, bool first,
                  char **text, size_t *len, struct bnt_err *err);

#endif
