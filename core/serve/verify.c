/*
 * verify.c - POST /v1/verify: is what a receipt says true? Its seals, model, tokenizer and prompt,
 * and the answer itself, computed again beside other requests.
 *
 * As `bitnet verify` does, for receipts of runs that were made with this server's context.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/sample.h"
#include "serve/server.h"
#include "verify.h"

struct replay {
    struct serve_server *server;
    struct serve_request *request;
    json_t *receipt;
    struct bnt_verification v;
    struct bnt_bias biases[BNT_BIASES_MOST];
    const char **stops;
    int32_t *ids;
    struct serve_job job;
};

static void forget(struct replay *p) {
    serve_shape_release(&p->server->shapes, p->v.constraint);
    bnt_generation_free(&p->job.made);
    json_decref(p->receipt);
    free(p->stops);
    free(p->ids);
    free(p);
}

static const json_t *part(const struct replay *p, const char *name) {
    return json_object_get(json_object_get(p->receipt, "result"), name);
}

/* ---- telling --------------------------------------------------------------------------------- */

static void compare(struct replay *p, struct bnt_err *err) {
    const json_t *there = part(p, "output");
    json_t *here = bnt_receipt_output(&p->job.made, err), *value;
    const char *key;
    json_object_foreach(here, key, value) {
        if (!json_equal(value, json_object_get(there, key)))
            bnt_verify_say(&p->v, BNT_CHECK_REPLAY, BNT_DIFFERS, "output.%s differs", key);
    }
    if (here)
        bnt_verify_say(&p->v, BNT_CHECK_REPLAY, BNT_AGREES,
                       "%zu steps on %s, beside other requests", p->job.made.n_tokens,
                       bnt_engine_info(p->server->engine)->backend);
    json_decref(here);
}

static void reply(struct replay *p) {
    json_t *checks = json_array();
    const bool all = bnt_verify_outcome(&p->v, NULL) == BNT_OK;
    for (unsigned c = 0; c < BNT_CHECK_COUNT; c++) {
        const char *text = p->v.checks[c].text;
        json_array_append_new(checks, json_pack("{s:s, s:s, s:o}", "check", bnt_check_name(c),
                                                "state", bnt_check_state_name(p->v.checks[c].state),
                                                "text", serve_json_text(text, strlen(text))));
    }
    serve_reply_json(p->request, 200,
                     json_pack("{s:b, s:o, s:I}", "verified", (int)all, "checks", checks, "steps",
                               (json_int_t)p->job.made.n_tokens));
}

static void on_gone(void *arg) {
    struct replay *p = arg;
    serve_scheduler_cancel(p->server->scheduler, &p->job);
}

static void on_done(void *arg) {
    struct replay *p = arg;
    struct bnt_err err = p->job.err;
    if (p->job.status == BNT_OK) compare(p, &err);
    if (p->v.checks[BNT_CHECK_REPLAY].state != BNT_NOT_CHECKED)
        reply(p);
    else
        serve_fail(p->server, p->request, serve_status_of(err.status), NULL, "%s", err.text);
    forget(p);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The receipt in the body, or that of the id in it; NULL: the client was told. */
static json_t *read_receipt(struct serve_server *s, struct serve_request *r, const json_t *body) {
    json_t *receipt = NULL;
    const char *id = json_string_value(json_object_get(body, "receipt_id"));
    const json_t *given = json_object_get(body, "receipt");
    char *text = id      ? serve_receipts_get(&s->receipts, id)
                 : given ? json_dumps(given, JSON_COMPACT | JSON_ENCODE_ANY)
                         : NULL;
    struct bnt_err err = {0};
    if (!text)
        serve_fail(s, r, id ? 404 : 400, id ? "receipt_id" : "receipt",
                   id ? "there is no receipt of that id, or no more"
                      : "receipt_id or receipt: one of them is needed");
    else if (bnt_receipt_parse(&receipt, "given", text, strlen(text), &err) != BNT_OK)
        serve_fail(s, r, 400, "receipt", "%s", err.text);
    free(text);
    return receipt;
}

/* A schema or grammar of the body: a string has its bytes, another value is written as the server
 * writes the schemas of requests. */
static int given_shape(struct replay *p, const json_t *given, uint32_t kind, struct bnt_err *err) {
    char *text = json_is_string(given) ? NULL : serve_schema_text(given);
    if (!json_is_string(given) && !text) return bnt_fail_nomem(err, "a schema", 0);
    const char *from = text ? text : json_string_value(given);
    int status =
        serve_shape_get(&p->server->shapes, p->server->engine, kind, from,
                        text ? strlen(text) : json_string_length(given), &p->v.constraint, err);
    free(text);
    return status;
}

/* What gave the answer its shape: what the body has, or what this server remembers. */
static int find_shape(struct replay *p, const json_t *body, struct bnt_err *err) {
    const json_t *recorded = json_object_get(part(p, "limits"), "constraint");
    const json_t *schema = json_object_get(body, "json_schema");
    const json_t *grammar = json_object_get(body, "grammar");
    if (schema && grammar)
        return bnt_fail(err, BNT_E_USAGE, "json_schema or grammar: an answer has one shape");
    if (grammar && !json_is_string(grammar))
        return bnt_fail(err, BNT_E_USAGE, "grammar: must be a string");
    if (!recorded && !schema && !grammar) return BNT_OK;
    if (!recorded)
        return bnt_fail(err, BNT_E_USAGE, "the receipt's text was made without a %s",
                        schema ? "schema" : "grammar");
    const char *kind = json_string_value(json_object_get(recorded, "kind"));
    const char *digest = json_string_value(json_object_get(recorded, "sha256"));
    if (grammar) return given_shape(p, grammar, BNT_CONSTRAINT_GRAMMAR, err);
    if (schema)
        return given_shape(
            p, schema, strcmp(kind, "calls") == 0 ? BNT_CONSTRAINT_CALLS : BNT_CONSTRAINT_SCHEMA,
            err);
    if (strcmp(kind, "json") == 0)
        return serve_shape_get(&p->server->shapes, p->server->engine, BNT_CONSTRAINT_JSON, "", 0,
                               &p->v.constraint, err);
    p->v.constraint = serve_shape_find(&p->server->shapes, digest);
    if (p->v.constraint) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE,
                    "the %s of digest %s is needed, which this server does not remember: %s gives "
                    "it",
                    kind, digest, strcmp(kind, "gbnf") == 0 ? "grammar" : "json_schema");
}

/* Why it cannot be replayed here, or NULL. */
static const char *misfit(const struct replay *p) {
    const json_t *limits = part(p, "limits");
    const uint64_t context = (uint64_t)json_integer_value(json_object_get(limits, "context"));
    const char *reason = json_string_value(json_object_get(part(p, "output"), "stop_reason"));
    if (bnt_receipt_turns(p->receipt)) return "of a whole conversation; bitnet verify takes those";
    if (context != serve_scheduler_context(p->server->scheduler))
        return "made with a context of another size than this server's; bitnet verify takes it";
    if (strcmp(reason, bnt_stop_reason_name(BNT_STOP_INTERRUPTED)) == 0)
        return "of a run that was interrupted; bitnet verify takes those";
    return NULL;
}

/* Everything but computing. The model's hash is known since the start. */
static int check(struct replay *p, struct bnt_err *err) {
    struct serve_server *s = p->server;
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(s->engine);
    const char *sha256 = json_string_value(json_object_get(part(p, "model"), "sha256"));
    const struct bnt_verify_template template = {.g = s->engine->gguf};
    int status = bnt_verify_seals(&p->v, p->receipt, err);
    bnt_verify_say(&p->v, BNT_CHECK_MODEL,
                   strcmp(sha256, s->model_sha256) == 0 ? BNT_AGREES : BNT_DIFFERS, "sha256 %s",
                   sha256);
    if (status == BNT_OK) status = bnt_verify_tokenizer(&p->v, p->receipt, t, err);
    if (status == BNT_OK) status = bnt_verify_prompt(&p->v, p->receipt, t, NULL, 0, &template, err);
    return status;
}

static int fill_job(struct replay *p, struct bnt_err *err) {
    const json_t *limits = part(p, "limits"), *stops = json_object_get(limits, "stops");
    const json_t *ids = json_object_get(part(p, "prompt"), "ids");
    const unsigned n_stops = (unsigned)json_array_size(stops);
    struct serve_job *job = &p->job;
    job->n = json_array_size(ids);
    p->ids = malloc((job->n + 1) * sizeof *p->ids);
    p->stops = calloc(n_stops + 1u, sizeof *p->stops);
    if (!p->ids || !p->stops) return bnt_fail_nomem(err, "a replay", job->n * sizeof *p->ids);
    for (size_t i = 0; i < job->n; i++)
        p->ids[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    for (unsigned i = 0; i < n_stops; i++)
        p->stops[i] = json_string_value(json_array_get(stops, i));
    job->ids = p->ids;
    job->options = (struct bnt_generate_options){
        .sampling = bnt_receipt_sampling(p->receipt, p->biases),
        .n_predict = (size_t)json_integer_value(json_object_get(limits, "predict")),
        .ignore_eog = json_is_true(json_object_get(limits, "ignore_eos")),
        .stops = p->stops,
        .n_stops = n_stops,
        .constraint = p->v.constraint};
    job->options.logprobs = bnt_receipt_wants_logprobs(p->receipt, &job->options.top_logprobs);
    job->on_done = on_done;
    job->arg = p;
    return BNT_OK;
}

static void replay(struct serve_server *s, struct serve_request *r, const json_t *body) {
    json_t *receipt = read_receipt(s, r, body);
    struct bnt_err err = {0};
    if (!receipt) return;
    struct replay *p = calloc(1, sizeof *p);
    if (!p) {
        json_decref(receipt);
        serve_fail(s, r, 503, NULL, "out of memory");
        return;
    }
    p->server = s;
    p->request = r;
    p->receipt = receipt;
    const char *why = misfit(p);
    if (why) bnt_fail(&err, BNT_E_UNSUPPORTED, "a receipt %s", why);
    if (!err.status && find_shape(p, body, &err) == BNT_OK && check(p, &err) == BNT_OK &&
        bnt_verify_constraint(&p->v, receipt))
        fill_job(p, &err);
    if (!err.status &&
        bnt_verify_outcome(&p->v, NULL) == BNT_E_MISMATCH) { /* computing it says no more */
        reply(p);
        forget(p);
        return;
    }
    serve_watch(r, on_gone, p);
    unsigned refused = err.status ? serve_status_of(err.status) : 0;
    if (!err.status &&
        serve_scheduler_submit(s->scheduler, &(struct serve_job *){&p->job}, 1, &err) == BNT_OK)
        return;
    if (!refused) refused = err.status == BNT_E_LIMIT ? 429 : serve_status_of(err.status);
    serve_watch(r, NULL, NULL);
    serve_fail(s, r, refused, "receipt", "%s", err.text);
    forget(p);
}

void serve_verify(struct serve_server *s, struct serve_request *r) {
    json_t *body = serve_body_object(s, r);
    if (!body) return;
    replay(s, r, body);
    json_decref(body);
}
