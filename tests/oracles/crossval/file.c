/*
 * file.c - a file of the user's choice (CROSSVAL_GGUF) in both engines.
 *
 * What llama.cpp cannot read has no reference: that is said and ends the program, before anything
 * else is computed. The bounds are those of models.c for files, which are wider: real models are
 * deeper than ours.
 */
#include <stdio.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "models.h"

/* Any ternary weight makes the difference: activations are quantized for it. */
static bool is_ternary(const char *path, bool *ternary, char why[600]) {
    struct bnt_engine *e = NULL;
    struct bnt_err err = {0};
    if (bnt_engine_open(&e, path, NULL, &err) != BNT_OK) {
        snprintf(why, 600, "%.500s", err.text);
        return false;
    }
    *ternary = bnt_engine_info(e)->ternary_parameters > 0;
    bnt_engine_close(e);
    return true;
}

/* Why nothing can be compared: `status` is the report's. */
static bool stop(const struct crossval *c, const char *status, const char *why) {
    c->report->stopped = status;
    snprintf(c->report->why, sizeof c->report->why, "%s: %.500s", c->file, why);
    printf("no comparison: %s\n", c->report->why);
    return false;
}

bool check_file(const struct crossval *c) {
    struct comparison r;
    char why[600] = "";
    bool ternary;
    if (!is_ternary(c->file, &ternary, why)) return stop(c, "error", why);
    struct ll_model *m = ll_model_open(c->ll, c->file, true, why);
    if (!m) return stop(c, "no_reference", why);
    uint32_t vocab = ll_model_vocab(m);
    ll_model_close(m);
    /* The whole of it: types that llama.cpp lacks show only now. */
    if (!(m = ll_model_open(c->ll, c->file, false, why))) return stop(c, "no_reference", why);
    ll_model_close(m);
    check_file_tokens(c);
    const struct level_bounds *b = &levels[ternary ? FILE_TERNARY : FILE_DENSE];
    if (compare(c, c->file, c->file, vocab, b, &r, why))
        report_comparison(c->report, c->file, &r, b);
    else
        report_case(c->report, KIND_LOGITS, c->file, false, NULL, "%s", why);
    return true;
}
