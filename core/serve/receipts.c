/* receipts.c - see receipts.h. */
#include "serve/receipts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "receipt.h"

static const char prefix[] = "rcpt_";
enum { DIGITS = 32, MOST_BYTES = 64 << 20 };

int serve_receipt_id(char id[SERVE_RECEIPT_ID], const char *digits, unsigned choice,
                     struct bnt_err *err) {
    unsigned char bytes[DIGITS / 2];
    char name[100], hex[65];
    if (digits) {
        int n = snprintf(name, sizeof name, "receipt %.64s %u", digits, choice);
        int status = bnt_receipt_sha256(name, (size_t)n, hex, err);
        snprintf(id, SERVE_RECEIPT_ID, "%s%.*s", prefix, DIGITS, hex);
        return status;
    }
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return bnt_fail(err, BNT_E_IO, "no random numbers for the id of a receipt");
    char *at = stpcpy(id, prefix);
    for (size_t i = 0; i < sizeof bytes; i++, at += 2) snprintf(at, 3, "%02x", bytes[i]);
    return BNT_OK;
}

/* Nothing else becomes part of a path. */
static bool is_id(const char *id) {
    const size_t n = strlen(prefix);
    return strncmp(id, prefix, n) == 0 && strlen(id) == n + DIGITS &&
           strspn(id + n, "0123456789abcdef") == DIGITS;
}

static int path_of(const struct serve_receipts *r, const char *id, char path[PATH_MAX],
                   struct bnt_err *err) {
    int n = snprintf(path, PATH_MAX, "%s/%s.json", r->folder, id);
    return n < PATH_MAX ? BNT_OK : bnt_fail(err, BNT_E_USAGE, "--receipts: the path is too long");
}

static int put_file(const struct serve_receipts *r, const char *id, const json_t *receipt,
                    struct bnt_err *err) {
    char path[PATH_MAX];
    struct bnt_output *to = NULL;
    int status = path_of(r, id, path, err);
    if (status == BNT_OK)
        status = bnt_output_open(&to, BNT_OUTPUT_RECEIPT, path, false, NULL, 0, err);
    if (status == BNT_OK) status = bnt_receipt_write(receipt, to, err);
    bnt_output_close(to);
    return status;
}

int serve_receipts_put(struct serve_receipts *r, const char *id, const json_t *receipt,
                       struct bnt_err *err) {
    size_t len;
    if (r->folder) return put_file(r, id, receipt, err);
    char *text = bnt_receipt_as_text(receipt, &len);
    if (!text) return bnt_fail_nomem(err, "the receipt", 0);
    pthread_mutex_lock(&r->lock);
    free(r->kept[r->next].text);
    r->kept[r->next].text = text;
    snprintf(r->kept[r->next].id, SERVE_RECEIPT_ID, "%s", id);
    r->next = (r->next + 1) % SERVE_RECEIPTS;
    pthread_mutex_unlock(&r->lock);
    return BNT_OK;
}

static char *get_file(const struct serve_receipts *r, const char *id) {
    char path[PATH_MAX], *text = NULL;
    struct stat st;
    if (path_of(r, id, path, NULL) != BNT_OK) return NULL;
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= MOST_BYTES)
        text = malloc((size_t)st.st_size + 1);
    if (text && fread(text, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
        free(text);
        text = NULL;
    }
    if (text) text[st.st_size] = '\0';
    fclose(f);
    return text;
}

char *serve_receipts_get(struct serve_receipts *r, const char *id) {
    char *text = NULL;
    if (!is_id(id)) return NULL;
    if (r->folder) return get_file(r, id);
    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < SERVE_RECEIPTS && !text; i++)
        if (r->kept[i].text && strcmp(r->kept[i].id, id) == 0) text = strdup(r->kept[i].text);
    pthread_mutex_unlock(&r->lock);
    return text;
}

void serve_receipts_free(struct serve_receipts *r) {
    for (unsigned i = 0; i < SERVE_RECEIPTS; i++) free(r->kept[i].text);
}
