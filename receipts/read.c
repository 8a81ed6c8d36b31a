/*
 * read.c - receipts read: a text becomes a receipt whose structure has been checked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "read.h"

/* A stranger's receipt must not take memory without bound: a parsed value takes up to 150 times its
 * bytes. These limits allow a million steps. */
enum { MAX_BYTES = 64 << 20, MAX_VALUES = 1 << 22, MAX_CONTAINERS = 1 << 17 };

/* Counts values (each has a comma or a colon before it, or a bracket) and lists and objects by
 * their marks outside of strings, without parsing. */
int bnt_receipt_check_size(const char *path, const char *text, size_t len, struct bnt_err *err) {
    size_t values = 0, containers = 0;
    bool in_string = false;
    if (len > MAX_BYTES)
        return bnt_fail(err, BNT_E_LIMIT, "receipt '%.400s': more than %d bytes", path, MAX_BYTES);
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '"') in_string = false;
            if (c == '\\') i++;
        } else if (c == '"') {
            in_string = true;
        } else {
            values += c == ',' || c == ':';
            containers += c == '{' || c == '[';
        }
    }
    if (values > MAX_VALUES || containers > MAX_CONTAINERS)
        return bnt_fail(
            err, BNT_E_LIMIT,
            "receipt '%.400s': %zu values in %zu lists and objects; at most %d in %d can "
            "be read",
            path, values, containers, MAX_VALUES, MAX_CONTAINERS);
    return BNT_OK;
}

static int read_text(const char *path, char **text, size_t *len, struct bnt_err *err) {
    int status = BNT_OK;
    size_t capacity = 0, n = 0;
    FILE *f = fopen(path, "rbe");
    *text = NULL;
    if (!f) return bnt_fail(err, BNT_E_IO, "receipt '%.400s': %s", path, strerror(errno));
    for (size_t got = 1; got && n <= MAX_BYTES; n += got) {
        if (n == capacity) {
            capacity = 2 * capacity + 65536;
            char *grown = realloc(*text, capacity);
            if (!grown) {
                status = bnt_fail_nomem(err, path, capacity);
                break;
            }
            *text = grown;
        }
        got = fread(*text + n, 1, capacity - n, f);
    }
    if (status == BNT_OK && ferror(f))
        status = bnt_fail(err, BNT_E_IO, "receipt '%.400s': %s", path, strerror(errno));
    *len = n;
    fclose(f);
    return status;
}

int bnt_receipt_parse(json_t **out, const char *name, const char *text, size_t len,
                      struct bnt_err *err) {
    char shown[200];
    json_error_t why;
    *out = NULL;
    int status = bnt_receipt_check_size(name, text, len, err);
    if (status != BNT_OK) return status;
    json_t *receipt;
    status = bnt_json_load(&receipt, text, len, JSON_REJECT_DUPLICATES, &why);
    if (status == BNT_E_NOMEM) return bnt_fail_nomem(err, "the receipt", len);
    if (status != BNT_OK)
        return bnt_fail(err, BNT_E_FORMAT, "receipt: line %d: %s", why.line,
                        bnt_printable(shown, sizeof shown, why.text, strlen(why.text)));
    status = bnt_receipt_check(receipt, err);
    if (status == BNT_OK)
        *out = receipt;
    else
        json_decref(receipt);
    return status;
}

int bnt_receipt_read(json_t **out, const char *path, struct bnt_err *err) {
    char *text;
    size_t len = 0;
    *out = NULL;
    int status = read_text(path, &text, &len, err);
    if (status == BNT_OK) status = bnt_receipt_parse(out, path, text, len, err);
    free(text);
    return status;
}
