/*
 * logits.c - the same model in both engines, position by position.
 *
 * One pass over 64 tokens gives everything: 48 random ones, then our own greedy choice. The
 * reference computes them twice, one at a time and in one batch; the worse counts. Must not know
 * which differences are right: models.c says what is allowed, mutants.c proves that it is little.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/sha256.h"
#include "models.h"
#include "ours.h"
#include "rng.h"

/* ---- one comparison ---------------------------------------------------------------------------
 */

static void compare_rows(struct comparison *r, const float *a, const float *b, size_t vocab,
                         double doubt, bool first) {
    for (size_t i = 0; i < POSITIONS; i++) {
        struct distance d = distance_at(a + i * vocab, b + i * vocab, vocab, doubt);
        distance_join(&r->at[i], &d);
        distance_join(&r->worst, &d);
        if (!first || i < PROMPT - 1 || i == POSITIONS - 1) continue;
        r->greedy_same += d.same_top;
        if (!d.same_top && r->first_divergence < 0) r->first_divergence = (long)(i - (PROMPT - 1));
    }
}

static bool reference_rows(const struct crossval *c, const char *path, const int32_t *tokens,
                           uint32_t vocab, float *rows[3], char why[600]) {
    static const enum ll_feed feeds[3] = {LL_SINGLY, LL_BATCH, LL_LONE};
    struct ll_model *m = ll_model_open(c->ll, path, false, why);
    bool ok = m != NULL;
    if (ok && ll_model_vocab(m) != vocab) {
        snprintf(why, 600, "vocabularies of %u and %u tokens", ll_model_vocab(m), vocab);
        ok = false;
    }
    for (int i = 0; ok && i < 3; i++) {
        rows[i] = calloc((size_t)POSITIONS * vocab, sizeof *rows[i]);
        ok = rows[i] && ll_logits(m, tokens, POSITIONS, feeds[i], rows[i], why);
    }
    ll_model_close(m);
    return ok;
}

static bool same_bits(const struct ours *a, const struct ours *b) {
    const size_t size = (size_t)POSITIONS * a->vocab * sizeof(float);
    return a->vocab == b->vocab && memcmp(a->logits, b->logits, size) == 0 &&
           memcmp(a->lone, b->lone, size) == 0;
}

bool compare(const struct crossval *c, const char *ours_path, const char *ll_path, uint32_t vocab,
             const struct level_bounds *b, struct comparison *r, char why[600]) {
    struct ours best = {0}, judge = {0};
    int32_t tokens[POSITIONS], again[POSITIONS];
    float *rows[3] = {NULL, NULL, NULL};
    struct rng rng = rng_named(c->seed, "prompt");
    struct bnt_err err;
    bool ok = false;
    *r = (struct comparison){.first_divergence = -1};
    for (size_t i = 0; i < PROMPT; i++) tokens[i] = again[i] = (int32_t)rng_below(&rng, vocab);
    if (!ours_run(&best, ours_path, "auto", tokens, PROMPT, STEPS, why) ||
        !ours_run(&judge, ours_path, "ref-scalar", again, PROMPT, STEPS, why))
        goto out;
    snprintf(r->backend, sizeof r->backend, "%s", best.backend);
    if (memcmp(tokens, again, sizeof tokens) != 0 || !same_bits(&best, &judge)) {
        snprintf(why, 600, "%s and ref-scalar differ", best.backend);
        goto out;
    }
    if (!reference_rows(c, ll_path, tokens, best.vocab, rows, why)) goto out;
    for (int i = 0; i < 2; i++)
        compare_rows(r, best.logits, rows[i], best.vocab, 2 * b->text.max_abs, i == 0);
    for (size_t i = 0; i < POSITIONS; i++) {
        struct distance d = distance_at(best.lone + i * best.vocab, rows[2] + i * best.vocab,
                                        best.vocab, 2 * b->lone.max_abs);
        r->lone_at[i] = d;
        distance_join(&r->lone, &d);
    }
    r->worst.median_rms = distance_median(r->at, POSITIONS);
    r->lone.median_rms = distance_median(r->lone_at, POSITIONS);
    ok = bnt_sha256_file(ours_path, r->sha256, &err) == BNT_OK;
    if (!ok) snprintf(why, 600, "%s", err.text);
out:
    for (int i = 0; i < 3; i++) free(rows[i]);
    ours_free(&best);
    ours_free(&judge);
    return ok;
}

static json_t *distance_json(const struct distance *d, const struct bounds *b) {
    return json_pack("{s:f,s:f,s:f,s:f,s:f,s:i,s:i,s:i,s:{s:f,s:f,s:f,s:f,s:f}}", "relative_rms",
                     d->rms, "relative_rms_median", d->median_rms, "kl", d->kl, "max_abs",
                     d->max_abs, "cosine", d->cosine, "same_top", (int)d->same_top, "overruled",
                     (int)d->overruled, "compared", (int)d->positions, "bounds", "relative_rms",
                     b->rms, "relative_rms_median", b->median_rms, "kl", b->kl, "max_abs",
                     b->max_abs, "same_top", b->same_top);
}

static json_t *comparison_json(const struct comparison *r, const struct level_bounds *b) {
    json_t *rms = json_array(), *kl = json_array(), *same = json_array();
    for (size_t i = 0; i < POSITIONS; i++) {
        json_array_append_new(rms, json_real(r->at[i].rms));
        json_array_append_new(kl, json_real(r->at[i].kl));
        json_array_append_new(same, json_boolean(r->at[i].same_top == r->at[i].positions));
    }
    return json_pack("{s:s,s:s,s:o,s:o,s:{s:o,s:o,s:o},s:{s:i,s:i,s:o}}", "backend", r->backend,
                     "model_sha256", r->sha256, "text", distance_json(&r->worst, &b->text), "lone",
                     distance_json(&r->lone, &b->lone), "by_position", "relative_rms", rms, "kl",
                     kl, "same_top", same, "greedy", "steps", STEPS, "same", (int)r->greedy_same,
                     "first_divergence_step",
                     r->first_divergence < 0 ? json_null() : json_integer(r->first_divergence));
}

void report_comparison(struct report *report, const char *name, const struct comparison *r,
                       const struct level_bounds *b) {
    report->greedy_steps += STEPS;
    report->greedy_same += r->greedy_same;
    report->cosine = r->worst.cosine < report->cosine ? r->worst.cosine : report->cosine;
    if (r->first_divergence >= 0 &&
        (report->first_divergence < 0 || r->first_divergence < report->first_divergence))
        report->first_divergence = r->first_divergence;
    report_case(report, KIND_LOGITS, name,
                within(&r->worst, &b->text) && within(&r->lone, &b->lone), comparison_json(r, b),
                "rms %.1e (%.1e) kl %.1e top %zu/%zu%s; lone %.1e (%.1e) %.1e; greedy %zu/%d",
                r->worst.median_rms, r->worst.rms, r->worst.kl, r->worst.same_top,
                r->worst.positions, r->worst.overruled ? " OVERRULED" : "", r->lone.median_rms,
                r->lone.rms, r->lone.kl, r->greedy_same, STEPS);
}

static void check_model(const struct crossval *c, const struct model *m) {
    const struct level_bounds *b = &levels[m->level];
    const struct synth s = describe(m);
    struct comparison r;
    char path[4096], why[600] = "";
    if (!save(c, &s, m->name, path, why) || !compare(c, path, path, SYNTH_IDS, b, &r, why)) {
        report_case(c->report, KIND_LOGITS, m->name, false, NULL, "%s", why);
        return;
    }
    unlink(path);
    report_comparison(c->report, m->name, &r, b);
}

void check_logits(const struct crossval *c) {
    for (size_t i = 0; i < n_models; i++) check_model(c, &models[i]);
    check_mutations(c);
}
