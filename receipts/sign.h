/*
 * sign.h - who vouches for a receipt: Ed25519 signatures over its seals.
 *
 * Keys are PEM files as `openssl genpkey -algorithm ed25519` makes them. What is signed is a text
 * of three lines that standard tools can make and check as well (docs/RECEIPTS.md). Knows libcrypto
 * and the seals; must not know what a receipt says.
 */
#ifndef BNT_RECEIPT_SIGN_H
#define BNT_RECEIPT_SIGN_H

#include <jansson.h>
#include <stdbool.h>

#include "facts.h"

struct bnt_signer; /* a private key; opaque */

/* Reads the key. BNT_E_IO when the file cannot be read, BNT_E_FORMAT when there is no private key
 * in it, BNT_E_UNSUPPORTED for one of another algorithm, or behind a passphrase. *exposed: others
 * than its owner may read the file. */
int bnt_signer_open(struct bnt_signer **out, const char *path, bool *exposed, struct bnt_err *err);
void bnt_signer_close(struct bnt_signer *signer);

/* Adds `signature` to a sealed receipt, in place of one that it had. */
int bnt_receipt_sign(json_t *receipt, const struct bnt_signer *signer, struct bnt_err *err);

#endif
