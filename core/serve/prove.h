/*
 * prove.h - an answer's receipt: whether its prompt can be told by one, and the receipt itself.
 */
#ifndef BNT_SERVE_PROVE_H
#define BNT_SERVE_PROVE_H

#include "serve/completion.h"

/* A receipt has a prompt's tokens, and by these flags its text gives them back to who verifies it.
 * BNT_E_UNSUPPORTED where none do: a message spells a control token, say. */
int serve_prove_flags(const struct serve_server *s, const int32_t *ids, size_t n, unsigned *flags,
                      struct bnt_err *err);
/* Of a choice that is done; from the writer's thread. Keeps it under choice->receipt_id. */
int serve_prove(struct serve_choice *choice, struct bnt_err *err);

#endif
