/*
 * canon.c - the canonical form of JSON values, and the seals made of it.
 *
 * Canonical: keys sorted by bytes, no white space, ASCII only (\uXXXX with upper-case digits). A
 * receipt holds no real numbers, so nothing depends on how a library prints them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "facts.h"

enum { SHORT = 16 }; /* digits of a field's seal */

int bnt_receipt_sha256(const void *data, size_t size, char hex[65], struct bnt_err *err) {
    struct bnt_sha256 h;
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, data, size);
    return bnt_sha256_end(&h, hex, err);
}

char *bnt_receipt_canonical(const json_t *value) {
    return json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
}

int bnt_receipt_hash(const json_t *value, char hex[65], struct bnt_err *err) {
    char *text = bnt_receipt_canonical(value);
    if (!text) return bnt_fail_nomem(err, "the receipt", 0);
    int status = bnt_receipt_sha256(text, strlen(text), hex, err);
    free(text);
    return status;
}

static int seal_turns(json_t *seals, const char *path, const json_t *turns, struct bnt_err *err);

/* Seals PREFIX.KEY for each member, and what is in those that are objects, and in the turns of a
 * conversation, one by one. */
static int seal_members(json_t *seals, const char *prefix, const json_t *object, bool deeper,
                        struct bnt_err *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        char path[256], hex[65];
        int status, n = snprintf(path, sizeof path, "%s.%s", prefix, key);
        if (n < 0 || (size_t)n >= sizeof path)
            return bnt_fail(err, BNT_E_FORMAT, "%.100s: a name of %d bytes", prefix, n);
        if (deeper && json_is_object(value)) {
            status = seal_members(seals, path, value, false, err);
        } else if (deeper && json_is_array(value) && strcmp(key, "turns") == 0) {
            status = seal_turns(seals, path, value, err);
        } else {
            status = bnt_receipt_hash(value, hex, err);
            if (status == BNT_OK && json_object_set_new(seals, path, json_stringn(hex, SHORT)) != 0)
                status = bnt_fail_nomem(err, "the receipt", SHORT);
        }
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

/* PATH.K.KEY: an edit names the turn. */
static int seal_turns(json_t *seals, const char *path, const json_t *turns, struct bnt_err *err) {
    int status = BNT_OK;
    for (size_t k = 0; k < json_array_size(turns) && status == BNT_OK; k++) {
        char prefix[300];
        snprintf(prefix, sizeof prefix, "%s.%zu", path, k);
        status = seal_members(seals, prefix, json_array_get(turns, k), false, err);
    }
    return status;
}

int bnt_receipt_seals(const json_t *receipt, json_t **out, struct bnt_err *err) {
    static const char *const parts[][2] = {{"result", "result_sha256"},
                                           {"circumstance", "circumstance_sha256"}};
    json_t *o = json_object(), *fields = json_object();
    int status = o && fields ? BNT_OK : bnt_fail_nomem(err, "the receipt", sizeof *o);
    for (size_t i = 0; i < 2 && status == BNT_OK; i++) {
        const json_t *part = json_object_get(receipt, parts[i][0]);
        char hex[65];
        status = bnt_receipt_hash(part, hex, err);
        if (status == BNT_OK && json_object_set_new(o, parts[i][1], json_string(hex)) != 0)
            status = bnt_fail_nomem(err, "the receipt", sizeof hex);
        if (status == BNT_OK) status = seal_members(fields, parts[i][0], part, true, err);
    }
    if (status == BNT_OK && json_object_set(o, "field_sha256", fields) != 0)
        status = bnt_fail_nomem(err, "the receipt", sizeof *o);
    json_decref(fields);
    if (status != BNT_OK) {
        json_decref(o);
        o = NULL;
    }
    *out = o;
    return status;
}
