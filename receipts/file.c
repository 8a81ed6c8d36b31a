/*
 * file.c - receipts as text: read whole and written whole (where to, output.h knows).
 *
 * The file is four lines between braces, one for each sealed part and its seals, so that standard
 * tools can cut out a part and hash it (docs/RECEIPTS.md).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receipt.h"

/* A stranger's receipt must not take memory without bound: a parsed value takes up to 150 times its
 * bytes. These limits allow a million steps. */
enum { MAX_BYTES = 64 << 20, MAX_VALUES = 1 << 22, MAX_CONTAINERS = 1 << 17 };

/* Counts values (each has a comma or a colon before it, or a bracket) and lists and objects by
 * their marks outside of strings, without parsing. */
static int check_size(const char *path, const char *text, size_t len, struct bnt_err *err) {
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

/* ---- writing -------------------------------------------------------------------------------- */

static char *as_text(const json_t *receipt, size_t *len) {
    static const char *const keys[] = {"circumstance", "circumstance_sha256", "field_sha256",
                                       "result", "result_sha256"};
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    bool ok = f != NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && ok; i++) {
        char *part = bnt_receipt_canonical(json_object_get(receipt, keys[i]));
        ok = part && fprintf(f, "%s\"%s\":%s", i ? ",\n" : "{\n", keys[i], part) > 0;
        free(part);
    }
    ok = ok && fputs("\n}\n", f) >= 0;
    if (f && fclose(f) != 0) ok = false;
    if (ok) return text;
    free(text);
    return NULL;
}

int bnt_receipt_write(const json_t *receipt, struct bnt_output *to, struct bnt_err *err) {
    size_t len = 0;
    char *text = as_text(receipt, &len);
    int status;
    if (!text) return bnt_fail_nomem(err, "the receipt", len);
    status = check_size(bnt_output_path(to), text, len, err); /* what is written can be read */
    if (status == BNT_OK) status = bnt_output_write(to, text, len, err);
    free(text);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

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
    int status = check_size(name, text, len, err);
    if (status != BNT_OK) return status;
    json_t *receipt = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!receipt)
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
