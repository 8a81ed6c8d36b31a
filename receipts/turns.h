/*
 * turns.h - between the files that verify the turns of a conversation.
 */
#ifndef BNT_TURNS_H
#define BNT_TURNS_H

#include "run/chat.h"
#include "verify.h"

/* What a verifier goes through a conversation with. */
struct bnt_turn_walk {
    struct bnt_verification *v;
    const json_t *receipt;
    struct bnt_template tm;
    struct bnt_chat chat;
    int32_t *seen; /* what the session had seen when the last turn was answered */
    size_t n_seen;
    bool old; /* a receipt from before templates were run: its texts are only in its tokens */
    size_t unchecked;
};

#define SAY(w, ...) bnt_verify_say((w)->v, BNT_CHECK_PROMPT, BNT_DIFFERS, __VA_ARGS__)

/* The tokens that the template makes of the conversation and this text are those of the receipt:
 * then the turn is added. *fits false: they are others, and nothing was added. */
int bnt_turn_try(struct bnt_turn_walk *w, const int32_t *ids, size_t n, size_t keep,
                 const char *user, size_t len, bool *fits, struct bnt_err *err);
/* Says which facts of a turn's text are not these; takes over `here`. */
int bnt_turn_compare(struct bnt_turn_walk *w, size_t k, const json_t *prompt, json_t *here,
                     struct bnt_err *err);
/* turns_old.c */
int bnt_turn_verify_old(struct bnt_turn_walk *w, size_t k, const json_t *prompt, const int32_t *ids,
                        size_t n, size_t keep, struct bnt_err *err);

#endif
