/*
 * chat.h - a conversation as tokens: what the model is given each turn, and which of its answer
 * stays.
 *
 * The context grows turn by turn: the tokens of a turn by its template, then the tokens of the
 * answer as the model made them, but for the token that ended it (the template has its own) and for
 * tokens that reach beyond the text shown (a stop string). Text of theirs that was shown and now
 * has no token, the rest, begins the next turn. Knows tokens and templates; feeds nothing.
 */
#ifndef BNT_RUN_CHAT_H
#define BNT_RUN_CHAT_H

#include "template.h"

struct bnt_chat_end { /* of an answer: where a turn can begin */
    size_t count;     /* tokens of the context until then */
    char *rest;
    size_t rest_len;
};

struct bnt_chat { /* zero-initialised but for the tokenizer; freed by bnt_chat_free */
    const struct bnt_tokenizer *tokenizer;
    int32_t *ids; /* the context */
    size_t count, capacity;
    struct bnt_chat_end *ends; /* of the answers in it, in order */
    size_t n_ends, ends_capacity;
};

void bnt_chat_free(struct bnt_chat *c);

/* turn->first and rest, for the turn that comes next; rest lasts until the chat is changed. */
void bnt_chat_next(const struct bnt_chat *c, struct bnt_turn *turn);
/* The tokens of a turn; then those of its answer, of which `text_len` bytes were shown. */
int bnt_chat_add(struct bnt_chat *c, const int32_t *ids, size_t n, struct bnt_err *err);
int bnt_chat_answer(struct bnt_chat *c, const int32_t *ids, size_t n, size_t text_len,
                    struct bnt_err *err);
/* Back to where an answer ended, or to the beginning (0). False, and nothing changes, when `count`
 * is no such place. */
bool bnt_chat_rewind(struct bnt_chat *c, size_t count);

/* The text of a turn's tokens, control tokens shown. *text is malloc'd. */
int bnt_chat_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, bool first,
                  char **text, size_t *len, struct bnt_err *err);

#endif
