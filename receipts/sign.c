/*
 * sign.c - see sign.h.
 *
 * The one idea: the seals that are signed are computed from the receipt at hand, never read from
 * it, so that a change breaks the signature whatever was done to the seals.
 */
#include "sign.h"

#include "verify.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_BYTES = 32, SIGNATURE_BYTES = 64, MOST_TEXT = 256 };

struct bnt_signer {
    EVP_PKEY *key;
};

/* ---- keys ----------------------------------------------------------------------------------- */

/* A passphrase is never asked for: a run may have no terminal. */
static int no_passphrase(char *room, int size, int writing, void *asked) {
    (void)room;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* The key of a file, private or public, as wanted; what is there instead is named. */
static int read_key(EVP_PKEY **out, const char *path, bool private, bool *exposed,
                    struct bnt_err *err) {
    struct stat st;
    bool encrypted = false;
    int status = BNT_OK;
    FILE *f = fopen(path, "rbe");
    *out = NULL;
    if (!f) return bnt_fail(err, BNT_E_IO, "key '%.300s': %s", path, strerror(errno));
    if (exposed) *exposed = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 077;
    *out = private ? PEM_read_PrivateKey(f, NULL, no_passphrase, &encrypted)
                   : PEM_read_PUBKEY(f, NULL, no_passphrase, &encrypted);
    if (*out && EVP_PKEY_base_id(*out) != EVP_PKEY_ED25519) {
        status = bnt_fail(err, BNT_E_UNSUPPORTED,
                          "key '%.300s' is for %s; receipts are signed with Ed25519", path,
                          OBJ_nid2sn(EVP_PKEY_base_id(*out)));
    } else if (!*out && encrypted) {
        status = bnt_fail(err, BNT_E_UNSUPPORTED,
                          "key '%.300s' is behind a passphrase, which nobody is asked for", path);
    } else if (!*out) {
        rewind(f);
        EVP_PKEY *other = private ? PEM_read_PUBKEY(f, NULL, no_passphrase, &encrypted)
                                  : PEM_read_PrivateKey(f, NULL, no_passphrase, &encrypted);
        if (other || encrypted)
            status = bnt_fail(err, BNT_E_FORMAT,
                              private ? "key '%.300s' is the public one; the private one signs"
                                      : "key '%.300s' is a private one, which is its owner's "
                                        "alone; `openssl pkey -pubout` gives the public one",
                              path);
        else
            status = bnt_fail(err, BNT_E_FORMAT, "key '%.300s': no %s key in PEM is in it", path,
                              private ? "private" : "public");
        EVP_PKEY_free(other);
    }
    fclose(f);
    ERR_clear_error();
    if (status != BNT_OK) {
        EVP_PKEY_free(*out);
        *out = NULL;
    }
    return status;
}

int bnt_signer_open(struct bnt_signer **out, const char *path, bool *exposed, struct bnt_err *err) {
    *out = calloc(1, sizeof **out);
    if (!*out) return bnt_fail_nomem(err, "a key", sizeof **out);
    int status = read_key(&(*out)->key, path, true, exposed, err);
    if (status == BNT_OK) return BNT_OK;
    bnt_signer_close(*out);
    *out = NULL;
    return status;
}

void bnt_signer_close(struct bnt_signer *signer) {
    if (!signer) return;
    EVP_PKEY_free(signer->key);
    free(signer);
}

static void to_hex(const unsigned char *bytes, size_t n, char *hex) {
    for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

/* Of digits that have been checked. */
static void from_hex(const char *hex, size_t n, unsigned char *bytes) {
    for (size_t i = 0; i < n; i++) {
        const char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (unsigned char)strtoul(two, NULL, 16);
    }
}

static bool public_half(EVP_PKEY *key, char hex[2 * KEY_BYTES + 1]) {
    unsigned char raw[KEY_BYTES];
    size_t n = sizeof raw;
    if (EVP_PKEY_get_raw_public_key(key, raw, &n) != 1 || n != sizeof raw) return false;
    to_hex(raw, n, hex);
    return true;
}

/* ---- what is signed ------------------------------------------------------------------------- */

static int signed_text(char text[MOST_TEXT], const json_t *receipt, struct bnt_err *err) {
    json_t *seals;
    int status = bnt_receipt_seals(receipt, &seals, err);
    if (status != BNT_OK) return status;
    snprintf(text, MOST_TEXT, "bitnet receipt 1\n%s\n%s\n",
             json_string_value(json_object_get(seals, "result_sha256")),
             json_string_value(json_object_get(seals, "circumstance_sha256")));
    json_decref(seals);
    return BNT_OK;
}

int bnt_receipt_sign(json_t *receipt, const struct bnt_signer *signer, struct bnt_err *err) {
    unsigned char value[SIGNATURE_BYTES];
    char text[MOST_TEXT], key[2 * KEY_BYTES + 1], hex[2 * SIGNATURE_BYTES + 1];
    size_t n = sizeof value;
    int status = signed_text(text, receipt, err);
    if (status != BNT_OK) return status;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer->key) == 1 &&
              EVP_DigestSign(ctx, value, &n, (const unsigned char *)text, strlen(text)) == 1 &&
              n == sizeof value && public_half(signer->key, key);
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (!ok) return bnt_fail(err, BNT_E_UNSUPPORTED, "libcrypto cannot sign with this key");
    to_hex(value, n, hex);
    json_t *signature =
        json_pack("{s:s, s:s, s:s}", "algorithm", "ed25519", "public_key", key, "value", hex);
    if (json_object_set_new(receipt, "signature", signature) != 0)
        return bnt_fail_nomem(err, "the signature", 0);
    return BNT_OK;
}

/* ---- and checked ---------------------------------------------------------------------------- */

/* Whether the signature is that of the key beside it. */
static bool holds(const char *text, const char *key_hex, const char *value_hex) {
    unsigned char raw[KEY_BYTES], value[SIGNATURE_BYTES];
    from_hex(key_hex, sizeof raw, raw);
    from_hex(value_hex, sizeof value, value);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, sizeof raw);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok =
        key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
        EVP_DigestVerify(ctx, value, sizeof value, (const unsigned char *)text, strlen(text)) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok;
}

int bnt_verify_signature(struct bnt_verification *v, const json_t *receipt, const char *path,
                         struct bnt_err *err) {
    const enum bnt_check c = BNT_CHECK_SIGNATURE;
    const json_t *signature = json_object_get(receipt, "signature");
    const char *by = json_string_value(json_object_get(signature, "public_key"));
    char text[MOST_TEXT], expected[2 * KEY_BYTES + 1] = "";
    int status = BNT_OK;
    if (path) {
        EVP_PKEY *key;
        if ((status = read_key(&key, path, false, NULL, err)) != BNT_OK) return status;
        bool ok = public_half(key, expected);
        EVP_PKEY_free(key);
        if (!ok) return bnt_fail(err, BNT_E_UNSUPPORTED, "libcrypto cannot use '%.300s'", path);
    }
    if (!signature) {
        if (path) bnt_verify_say(v, c, BNT_DIFFERS, "the receipt is not signed");
        return BNT_OK;
    }
    if ((status = signed_text(text, receipt, err)) != BNT_OK) return status;
    if (!holds(text, by, json_string_value(json_object_get(signature, "value"))))
        bnt_verify_say(v, c, BNT_DIFFERS,
                       "it is not that of key %s over this receipt: one of them was changed", by);
    if (path && strcmp(by, expected) != 0)
        bnt_verify_say(v, c, BNT_DIFFERS, "by key %s, while '%.150s' is %s", by, path, expected);
    bnt_verify_say(
        v, c, BNT_AGREES,
        path ? "by key %s, as expected" : "by key %s; whose that is, --signer=PUB can say", by);
    return BNT_OK;
}
