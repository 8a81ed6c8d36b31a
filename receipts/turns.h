/*
 * turns.h - between the files that make, take apart and verify the turns of a conversation.
 */
#ifndef BNT_TURNS_H
#define BNT_TURNS_H

#include "run/chat.h"
#include "verify.h"

json_int_t bnt_turn_number(const json_t *o, const char *name);
const json_t *bnt_turn_at(const json_t *receipt, size_t k);
int32_t *bnt_turn_ids(const json_t *list, size_t *n); /* malloc'd; NULL: no memory */
/* Of a user's text: {"bytes", "blake3", "sha256"}; NULL when it cannot be made. */
json_t *bnt_turn_hashes(const char *text, size_t len, struct bnt_err *err);
/* A text in the one form that it has in receipts: as it is where JSON can carry it, else as digits.
 */
json_t *bnt_turn_text(const char *text, size_t len);

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
