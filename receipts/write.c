/*
 * write.c - receipts built, sealed, and written whole (where to, output.h knows).
 *
 * The file is four lines between braces, one for each sealed part and its seals, so that standard
 * tools can cut out a part and hash it (docs/RECEIPTS.md).
 */
#include "write.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_memory.h"
#include "read.h"
#include "run/exec.h"
#include "sign.h"

int bnt_receipt_build_at(json_t **out, const struct bnt_engine *e,
                         const struct bnt_receipt_place *place, const struct bnt_receipt_run *run,
                         struct bnt_err *err) {
    struct bnt_err why = {.status = BNT_E_NOMEM, .text = "out of memory: the receipt"};
    json_t *receipt = json_object(), *seals = NULL;
    int status;
    *out = NULL;
    if (json_object_set_new(receipt, "result", bnt_receipt_result(e, place, run, &why)) != 0 ||
        json_object_set_new(receipt, "circumstance", bnt_receipt_circumstance(e, place, run)) != 0)
        status = bnt_fail(err, why.status, "%s", why.text);
    else
        status = bnt_receipt_seals(receipt, &seals, err);
    if (status == BNT_OK && json_object_update(receipt, seals) != 0)
        status = bnt_fail_nomem(err, "the receipt", 0);
    if (bnt_json_lost()) status = bnt_fail_nomem(err, "the receipt", 0);
    if (status == BNT_OK && run->signer) status = bnt_receipt_sign(receipt, run->signer, err);
    if (status == BNT_OK) status = bnt_receipt_check(receipt, err); /* never one we would refuse */
    json_decref(seals);
    if (status == BNT_OK)
        *out = receipt;
    else
        json_decref(receipt);
    return status;
}

void bnt_receipt_count_calls(struct bnt_receipt_place *place, const struct bnt_exec *exec) {
    for (size_t i = 0; i < BNT_SLOTS; i++) place->calls[i] = bnt_exec_calls(exec, i);
}

struct bnt_receipt_place bnt_receipt_place_of(const struct bnt_session *s) {
    struct bnt_receipt_place place = {.context = bnt_session_context(s),
                                      .bytes = bnt_session_bytes(s),
                                      .threads = bnt_session_threads(s)};
    bnt_receipt_count_calls(&place, bnt_session_exec((struct bnt_session *)s));
    return place;
}

int bnt_receipt_build(json_t **out, const struct bnt_engine *e, const struct bnt_session *s,
                      const struct bnt_receipt_run *run, struct bnt_err *err) {
    const struct bnt_receipt_place place = bnt_receipt_place_of(s);
    return bnt_receipt_build_at(out, e, &place, run, err);
}

char *bnt_receipt_as_text(const json_t *receipt, size_t *len) {
    static const char *const keys[] = {"circumstance", "circumstance_sha256", "field_sha256",
                                       "result",       "result_sha256",       "signature"};
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    bool ok = f != NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && ok; i++) {
        const json_t *value = json_object_get(receipt, keys[i]);
        if (!value && i == sizeof keys / sizeof keys[0] - 1) break; /* nobody signed it */
        char *part = bnt_receipt_canonical(value);
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
    char *text = bnt_receipt_as_text(receipt, &len);
    int status;
    if (bnt_json_lost() || !text) {
        free(text);
        return bnt_fail_nomem(err, "the receipt", len);
    }
    status = bnt_receipt_check_size(bnt_output_path(to), text, len,
                                    err); /* what is written can be read */
    if (status == BNT_OK) status = bnt_output_write(to, text, len, err);
    free(text);
    return status;
}
