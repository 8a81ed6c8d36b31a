/*
 * locate.c - see locate.h.
 *
 * The one idea: two runs part in an operation that one of them got wrong, and ref-scalar says
 * which. So the replay's backend is judged first. If it is right everywhere, the other run was
 * wrong, and the plugin that made it is judged too when the same file is here.
 */
#include "cmd/locate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "cmd/cmd.h"
#include "cmd/parity.h"
#include "cmd/terminal.h"

struct work {
    const json_t *receipt;
    const struct bnt_verification *v;
    const struct cmd_args *args;
    const volatile sig_atomic_t *interrupted;
    int32_t *ids; /* the prompt, then what both runs were fed until the step that differs */
    size_t n_prompt, n;
};

static const json_t *part(const json_t *o, const char *outer, const char *inner) {
    return json_object_get(json_object_get(o, outer), inner);
}

static int collect_ids(struct work *w, struct bnt_err *err) {
    const json_t *result = json_object_get(w->receipt, "result");
    const json_t *prompt = part(result, "prompt", "ids"), *made = part(result, "output", "ids");
    w->n_prompt = json_array_size(prompt);
    w->n = w->n_prompt + w->v->first.step;
    w->ids = malloc((w->n + 1) * sizeof *w->ids);
    if (!w->ids) return bnt_fail_nomem(err, "the tokens", w->n * sizeof *w->ids);
    for (size_t i = 0; i < w->n; i++)
        w->ids[i] = (int32_t)json_integer_value(
            i < w->n_prompt ? json_array_get(prompt, i) : json_array_get(made, i - w->n_prompt));
    return BNT_OK;
}

/* ---- one backend beside the judge ----------------------------------------------------------- */

/* The batches are those of the replay: a kernel for many tokens may be wrong where the one for one
 * token is right. */
static int feed_judged(const struct work *w, struct bnt_session *s, const struct bnt_lockstep *l,
                       struct bnt_err *err) {
    struct bar bar;
    bar_begin(&bar, "locating");
    int status = bnt_session_feed(s, w->ids, w->n_prompt, BNT_WANT_LAST, err);
    for (size_t i = w->n_prompt; i < w->n && status == BNT_OK; i++) {
        if (bnt_lockstep_report(l)->found) break;
        if (*w->interrupted) {
            bar_end(&bar);
            return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
        }
        bar_show(&bar, i - w->n_prompt, w->v->first.step);
        status = bnt_session_feed(s, &w->ids[i], 1, BNT_WANT_LAST, err);
    }
    bar_end(&bar);
    return status;
}

/* What the step's full logits give; the replay may have searched for the largest only. */
static int draw(const struct work *w, const struct bnt_session *s, uint32_t n_vocab, int32_t *id,
                uint32_t *logit, struct bnt_err *err) {
    struct bnt_bias biases[BNT_BIASES_MOST];
    const struct bnt_sampling sampling = bnt_receipt_sampling(w->receipt, biases);
    const float *logits = bnt_session_logits(s, 0);
    void *scratch = malloc((size_t)n_vocab * 16);
    if (!scratch) return bnt_fail_nomem(err, "sampling", (size_t)n_vocab * 16);
    *id = bnt_sample(&sampling, logits, n_vocab, w->ids, w->n, w->v->first.step, scratch);
    *logit = bnt_f32_bits(logits[*id]);
    free(scratch);
    return BNT_OK;
}

/* Every operation is right: then is the token that the replay made the one of the logits? */
static int judge_search(struct cmd_suspect *s, const struct work *w,
                        const struct bnt_verification *made, const struct bnt_session *session,
                        uint32_t n_vocab, struct bnt_err *err) {
    int32_t id = 0;
    uint32_t logit = 0;
    int status = draw(w, session, n_vocab, &id, &logit, err);
    if (status != BNT_OK || (id == made->first.id && logit == made->first.logit)) return status;
    s->state = BNT_DIFFERS;
    snprintf(s->text, sizeof s->text,
             "the search of the head, step %zu: token %" PRId32 " with logit 0x%08" PRIx32
             ", while all logits, equal to ref-scalar's, give token %" PRId32 " with 0x%08" PRIx32,
             w->v->first.step, made->first.id, made->first.logit, id, logit);
    return BNT_OK;
}

/* made: what this backend's own replay found; its first difference is in the same step. */
static int judge_backend(struct cmd_suspect *s, const struct work *w, struct bnt_engine *engine,
                         unsigned threads, const struct bnt_verification *made,
                         struct bnt_err *err) {
    const json_t *limits = part(w->receipt, "result", "limits");
    const uint64_t least = bnt_model_least_context(
        engine->model, (uint64_t)json_integer_value(json_object_get(limits, "context")));
    const struct bnt_session_options o = {.n_ctx = w->n < least ? least : w->n,
                                          .n_batch = w->args->batch,
                                          .threads = threads,
                                          .no_bind = w->args->bind_none};
    const bnt_kernels *judge = &bnt_judge()->kernels;
    struct bnt_session *session = NULL;
    struct bnt_weights weights = {0};
    struct bnt_lockstep *l = NULL;
    int status = bnt_session_open(&session, engine, &o, err);
    if (status != BNT_OK) return status;
    struct bnt_exec *x = bnt_session_exec(session);
    status = bnt_weights_load(&weights, engine->model, judge,
                              &(struct bnt_loading){.pool = bnt_look_pool(x)}, err);
    if (status == BNT_OK) status = bnt_lockstep_open(&l, x, &weights, judge, true, NULL, err);
    if (status == BNT_OK) status = feed_judged(w, session, l, err);
    if (l) {
        const struct bnt_lockstep_report *r = bnt_lockstep_report(l);
        if (r->found && status == BNT_E_NUMERIC) status = BNT_OK; /* its numbers overflow, too */
        for (unsigned k = 0; k < BNT_OP_COUNT; k++) s->operations += r->compared[k];
        s->in_operation = r->found;
        s->first = r->first;
        if (r->found) snprintf(s->tensor, sizeof s->tensor, "%s", r->first.tensor);
        s->first.tensor = s->tensor;
        s->state = r->found ? BNT_DIFFERS : BNT_AGREES;
        if (r->found)
            bnt_op_difference_text(&r->first, engine->info.n_layer, s->text, sizeof s->text);
        else
            snprintf(s->text, sizeof s->text,
                     "agrees with ref-scalar in each of %" PRIu64 " operations (%" PRIu64
                     " values) up to step %zu",
                     s->operations, r->values, w->v->first.step);
        if (!r->found && status == BNT_OK)
            status = judge_search(s, w, made, session, engine->info.n_vocab, err);
    }
    bnt_lockstep_close(l);
    bnt_weights_free(&weights);
    bnt_session_close(session);
    return status;
}

static struct cmd_suspect *add(struct cmd_location *out, const char *backend, bool named) {
    struct cmd_suspect *s = &out->suspects[out->n_suspects++];
    snprintf(s->backend, sizeof s->backend, "%.63s", backend);
    s->named = named;
    return s;
}

static int judge_replay(struct cmd_location *out, const struct work *w, struct bnt_engine *engine,
                        struct bnt_err *err) {
    struct cmd_suspect *s = add(out, engine->backend->name, false);
    if (engine->backend == bnt_judge()) {
        s->state = BNT_AGREES;
        snprintf(s->text, sizeof s->text, "is the judge itself");
        return BNT_OK;
    }
    return judge_backend(s, w, engine, w->args->threads.count ? w->args->threads.values[0] : 0,
                         w->v, err);
}

/* ---- the plugin that the receipt names ------------------------------------------------------ */

/* Its file in the plugin folder, by name and hash; NULL, and why in `text`, when it is not there.
 * The recorded path is a stranger's word and not looked at. */
static const struct bnt_candidate *find_plugin(const struct bnt_backends *b, const char *name,
                                               const char *sha256, char *text, size_t size) {
    char hex[65];
    for (size_t i = 0; i < bnt_backends_count(b); i++) {
        const struct bnt_candidate *c = bnt_backends_at(b, i);
        if (!c->path[0] || strcmp(c->name, name) != 0) continue;
        if (bnt_sha256_file(c->path, hex, NULL) == BNT_OK && strcmp(hex, sha256) == 0) return c;
        snprintf(text, size, "the plugin of that name here is another file");
        return NULL;
    }
    snprintf(text, size, "no plugin of that name is here");
    return NULL;
}

/* Whether this backend extends the file that the receipt says its own did; NULL stands for "". */
static bool is_same_base(const struct bnt_backend *b, const json_t *recorded) {
    const char *sha256 = json_string_value(json_object_get(recorded, "base_sha256"));
    return strcmp(sha256 ? sha256 : "", b->base_sha256) == 0;
}

/* As many threads as the receipt's run had, where this machine has them: they cut the work. */
static unsigned threads_of(const struct work *w, const struct bnt_engine *engine) {
    json_int_t n = json_integer_value(part(w->receipt, "circumstance", "threads"));
    if (w->args->threads.count) return w->args->threads.values[0];
    return n >= 1 && n <= (json_int_t)bnt_topology_info(engine->topology)->pus ? (unsigned)n : 0;
}

static int judge_opened(struct cmd_suspect *s, const struct work *w, struct bnt_engine *engine,
                        struct bnt_err *err) {
    struct bnt_verification again = {0};
    unsigned threads = threads_of(w, engine);
    const struct bnt_session_options o = {
        .n_batch = w->args->batch, .threads = threads, .no_bind = w->args->bind_none};
    int status = bnt_verify_replay(&again, w->receipt, engine, &o, w->interrupted, err);
    bool repeats = !again.first.what || again.first.step > w->v->first.step;
    if (status == BNT_OK && repeats) { /* it made in that step what the receipt says */
        const json_t *output = part(w->receipt, "result", "output");
        const char *logit =
            json_string_value(json_array_get(json_object_get(output, "logits"), w->v->first.step));
        again.first.id = (int32_t)json_integer_value(
            json_array_get(json_object_get(output, "ids"), w->v->first.step));
        again.first.logit = (uint32_t)strtoul(logit, NULL, 16);
    }
    if (status == BNT_OK && (repeats || again.first.step == w->v->first.step))
        status = judge_backend(s, w, engine, threads, &again, err);
    else if (status == BNT_OK)
        snprintf(s->text, sizeof s->text, "its replay differs already in step %zu",
                 again.first.step);
    if (status == BNT_OK) {
        size_t used = strlen(s->text);
        snprintf(s->text + used, sizeof s->text - used, "; its replay %s",
                 repeats ? "gives this step as the receipt has it" : "does not give the receipt");
    }
    return status;
}

static int judge_named(struct cmd_location *out, const struct work *w,
                       const struct bnt_engine *engine, struct bnt_err *err) {
    const json_t *backend = part(w->receipt, "circumstance", "backend");
    const char *name = json_string_value(json_object_get(backend, "name"));
    const char *sha256 = json_string_value(json_object_get(backend, "sha256"));
    struct cmd_args args = *w->args;
    struct bnt_engine *e = NULL;
    struct bnt_err refused = {0};
    const bool is_judge = strcmp(name, bnt_judge()->name) == 0;
    const struct bnt_backend *here = engine->backend;
    if (strcmp(name, here->name) == 0 && (is_judge || strcmp(sha256, here->sha256) == 0) &&
        is_same_base(here, backend))
        return BNT_OK; /* it made the replay */
    struct cmd_suspect *s = add(out, name, true);
    if (is_judge) {
        s->state = BNT_AGREES;
        snprintf(s->text, sizeof s->text, "is the judge itself, if what the receipt says is true");
        return BNT_OK;
    }
    if (!find_plugin(engine->backends, name, sha256, s->text, sizeof s->text)) return BNT_OK;
    args.backend = name;
    int status = cmd_open_engine(&e, &args, &refused);
    if (status == BNT_E_BACKEND) /* the self-check has found its fault, or it is for another CPU */
        snprintf(s->text, sizeof s->text, "is here and refused: %s", refused.text);
    else if (status != BNT_OK)
        return bnt_fail(err, status, "%s", refused.text);
    else if (!is_same_base(e->backend, backend))
        snprintf(s->text, sizeof s->text, "is here, but the plugin it extends is another file");
    else
        status = judge_opened(s, w, e, err);
    bnt_engine_close(e);
    return status == BNT_E_BACKEND ? BNT_OK : status;
}

/* ---- words ---------------------------------------------------------------------------------- */

/* The turns before were fed in pieces, and here in one: not a difference, unless kernels have one.
 */
static const char *caution(const struct work *w) {
    return w->v->first.turn ? " (the turns before it were computed in one batch)" : "";
}

static void conclude(struct cmd_location *out, const struct work *w) {
    const struct cmd_suspect *here = &out->suspects[0], *named = &out->suspects[1];
    char judged[160], blame[128] = ", or in an edit of the receipt";
    if (here->state == BNT_DIFFERS) {
        snprintf(out->conclusion, sizeof out->conclusion,
                 "this machine's backend '%s' is wrong: the receipt may be true", here->backend);
        return;
    }
    snprintf(judged, sizeof judged, "is the judge itself");
    if (here->operations)
        snprintf(judged, sizeof judged,
                 "agrees with ref-scalar in every operation up to step %zu%s", w->v->first.step,
                 caution(w));
    if (out->n_suspects > 1 && named->state == BNT_DIFFERS)
        snprintf(blame, sizeof blame, ": its plugin '%.63s' is wrong", named->backend);
    snprintf(out->conclusion, sizeof out->conclusion,
             "this machine's backend %s: the difference lies in the run that made the receipt%s",
             judged, blame);
}

int cmd_locate(struct cmd_location *out, const json_t *receipt, const struct bnt_verification *v,
               struct bnt_engine *engine, const struct cmd_args *args,
               const volatile sig_atomic_t *interrupted, struct bnt_err *err) {
    struct work w = {.receipt = receipt, .v = v, .args = args, .interrupted = interrupted};
    const char *what = v->first.what;
    *out = (struct cmd_location){0};
    if (!what || strcmp(what, "end") == 0 || strcmp(what, "text") == 0) {
        snprintf(out->conclusion, sizeof out->conclusion,
                 "no operation is concerned: all %zu steps that were replayed agree", v->steps);
        return BNT_OK;
    }
    int status = collect_ids(&w, err);
    if (status == BNT_OK) status = judge_replay(out, &w, engine, err);
    if (status == BNT_OK && out->suspects[0].state == BNT_AGREES)
        status = judge_named(out, &w, engine, err);
    if (status == BNT_OK) conclude(out, &w);
    free(w.ids);
    return status;
}

json_t *cmd_location_json(const struct cmd_location *l, uint32_t n_layer) {
    json_t *list = json_array();
    for (unsigned i = 0; i < l->n_suspects; i++) {
        const struct cmd_suspect *s = &l->suspects[i];
        json_array_append_new(
            list, json_pack("{s:o, s:b, s:s, s:o, s:I, s:o}", "backend",
                            cmd_json_text(s->backend, strlen(s->backend)), "named_by_receipt",
                            (int)s->named, "state", bnt_check_state_name(s->state), "text",
                            cmd_json_text(s->text, strlen(s->text)), "operations",
                            (json_int_t)s->operations, "first_difference",
                            s->in_operation ? parity_difference(&s->first, n_layer) : json_null()));
    }
    return json_pack("{s:o, s:o}", "conclusion",
                     cmd_json_text(l->conclusion, strlen(l->conclusion)), "backends", list);
}
