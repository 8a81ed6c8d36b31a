/* completion.c - see completion.h. */
#include "serve/completion.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_memory.h"
#include "run/sample.h"
#include "serve/logprobs.h"
#include "serve/prove.h"

enum { MOST_PROMPTS = 1024 };

/* ---- making one ------------------------------------------------------------------------------ */

struct serve_completion *serve_completion_new(struct serve_server *s, struct serve_request *r,
                                              const struct serve_voice *voice, const char *prefix) {
    json_t *body = serve_body_object(s, r);
    if (!body) return NULL;
    struct serve_completion *c = calloc(1, sizeof *c);
    if (!c) {
        json_decref(body);
        serve_fail(s, r, 503, NULL, "out of memory");
        return NULL;
    }
    c->server = s;
    c->request = r;
    c->voice = voice;
    c->body = body;
    c->ask = serve_ask_default();
    c->created = (int64_t)time(NULL);
    serve_new_id(s, prefix, c->id);
    return c;
}

void serve_completion_free(struct serve_completion *c) {
    for (unsigned i = 0; i < c->count; i++) {
        bnt_generation_free(&c->choices[i].job.made);
        free(c->choices[i].prompt_logprobs);
        free(c->choices[i].prompt_top);
        if (c->choices[i].calls) bnt_calls_free(c->choices[i].calls);
        free(c->choices[i].calls);
        free(c->choices[i].sums);
    }
    serve_shape_release(&c->server->shapes, c->constraint);
    free(c->ask.biases);
    for (unsigned i = 0; i < c->n_prompts; i++) free(c->prompts[i]);
    free(c->prompts);
    free(c->lengths);
    free(c->choices);
    free(c->opening);
    json_decref(c->variables);
    json_decref(c->body);
    free(c);
}

void serve_completion_refuse(struct serve_completion *c, unsigned status, const char *param,
                             const char *format, ...) {
    char message[700];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    serve_fail(c->server, c->request, status, param, "%s", message);
    serve_completion_free(c);
}

/* Of every interface. */
static const struct serve_field receipt_field = {"receipt", SERVE_BOOL,
                                                 offsetof(struct serve_ask, receipt), 0, 0};

/* By these fields servers are asked for an answer's shape. An answer without it, where it was asked
 * for in another's words, would be no answer. */
static const char *foreign_shape(const struct serve_completion *c) {
    static const char *const words[] = {"response_format",
                                        "format",
                                        "grammar",
                                        "json_schema",
                                        "guided_json",
                                        "guided_regex",
                                        "guided_choice",
                                        "guided_grammar",
                                        "structured_outputs",
                                        "output_format",
                                        "output_config",
                                        "ebnf",
                                        "regex",
                                        "text"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const json_t *v = json_object_get(c->body, words[i]);
        const bool any = json_is_object(v) && json_object_size(v) == 0; /* a schema of any value */
        bool ours = !v || json_is_null(v) || (!any && serve_asks_for_nothing(v));
        for (const char *const *w = c->voice->shapes; *w && !ours; w++)
            ours = strcmp(*w, words[i]) == 0;
        if (!ours) return words[i];
    }
    return NULL;
}

bool serve_completion_fields(struct serve_completion *c, const struct serve_field *table,
                             size_t n) {
    struct bnt_err err = {0};
    const char *param = NULL;
    const json_t *model = json_object_get(c->body, "model");
    if (model && !json_is_null(model) &&
        !(json_is_string(model) && serve_is_model(c->server, json_string_value(model)))) {
        serve_completion_refuse(c, 404, "model", SERVE_OTHER_MODEL, c->server->model_id);
        return false;
    }
    int status = serve_read_fields(table, n, c->body, &c->ask, &param, &err);
    if (status == BNT_OK)
        status = serve_read_fields(&receipt_field, 1, c->body, &c->ask, &param, &err);
    c->ask.receipt = c->ask.receipt || serve_header(c->request, "X-Bitnet-Receipt");
    if (status == BNT_OK && (param = foreign_shape(c)) != NULL)
        status = bnt_fail(&err, BNT_E_USAGE, "%s: this interface is not asked for a shape so%s%s",
                          param, c->voice->shapes[0] ? ", but by " : "",
                          c->voice->shapes[0] ? c->voice->shapes[0] : "");
    if (status == BNT_OK) return true;
    serve_completion_refuse(c, 400, param, "%s", err.text);
    return false;
}

bool serve_completion_shape(struct serve_completion *c, uint32_t kind, const char *text, size_t len,
                            const char *param) {
    struct bnt_err err = {0};
    int status = c->constraint ? bnt_fail(&err, BNT_E_USAGE, "the answer has a shape already")
                               : serve_shape_get(&c->server->shapes, c->server->engine, kind, text,
                                                 len, &c->constraint, &err);
    c->shape = kind;
    if (status == BNT_OK) return true;
    serve_completion_refuse(c, status == BNT_E_NOMEM ? 503 : 400, param, "%s", err.text);
    return false;
}

bool serve_schema_shape(struct serve_completion *c, const json_t *schema, const char *param) {
    char *text = serve_schema_text(schema);
    c->schema = schema;
    if (!text) {
        serve_completion_refuse(c, 503, NULL, "out of memory");
        return false;
    }
    bool fine = serve_completion_shape(c, BNT_CONSTRAINT_SCHEMA, text, strlen(text), param);
    free(text);
    return fine;
}

bool serve_completion_prompt(struct serve_completion *c, int32_t *ids, size_t n) {
    const uint64_t context = serve_scheduler_context(c->server->scheduler);
    const uint32_t n_vocab = bnt_engine_info(c->server->engine)->n_vocab;
    const char *why = n == 0 ? "the prompt is empty" : NULL;
    for (size_t i = 0; i < n && !why; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
            why = "the prompt has an id that is not in the vocabulary";
    if (c->n_prompts == MOST_PROMPTS) why = "there are too many prompts";
    if (!why && n <= context && c->n_prompts == c->prompt_room) {
        unsigned room = 2 * c->prompt_room + 4;
        int32_t **prompts = realloc(c->prompts, room * sizeof *prompts);
        if (prompts) c->prompts = prompts;
        size_t *lengths = realloc(c->lengths, room * sizeof *lengths);
        if (lengths) c->lengths = lengths;
        if (!prompts || !lengths) {
            free(ids);
            serve_completion_refuse(c, 503, NULL, "out of memory");
            return false;
        }
        c->prompt_room = room;
    }
    struct bnt_err err = {0};
    unsigned flags;
    if (!why && n <= context && c->ask.receipt &&
        serve_prove_flags(c->server, ids, n, &flags, &err) != BNT_OK) {
        free(ids);
        serve_completion_refuse(c, serve_status_of(err.status), "receipt", "%s", err.text);
        return false;
    }
    if (!why && n <= context) {
        c->prompts[c->n_prompts] = ids;
        c->lengths[c->n_prompts++] = n;
        return true;
    }
    free(ids);
    if (why)
        serve_completion_refuse(c, 400, "prompt", "%s", why);
    else
        serve_completion_refuse(c, 400, "prompt", "the prompt has %zu tokens, and the context %zu",
                                n, (size_t)context);
    return false;
}

/* ---- while it is made ------------------------------------------------------------------------ */

static void on_gone(void *arg) {
    struct serve_completion *c = arg;
    for (unsigned i = 0; i < c->count; i++)
        serve_scheduler_cancel(c->server->scheduler, &c->choices[i].job);
}

static void begin(struct serve_completion *c) {
    if (c->begun) return;
    c->begun = true;
    serve_stream_begin(c->request, c->voice->stream_type);
    c->voice->begin(c);
    for (unsigned i = 0; i < c->count && c->opening; i++)
        c->voice->text(c, &c->choices[i], c->opening, strlen(c->opening));
}

static void cut(struct serve_completion *c) {
    c->cut = true;
    serve_stream_cut(c->request);
}

static int on_text(void *arg, const char *text, size_t len, struct bnt_err *err) {
    struct serve_choice *choice = arg;
    struct serve_completion *c = choice->completion;
    begin(c);
    c->voice->text(c, choice, text, len);
    if (bnt_json_lost()) cut(c); /* of what is held back, or was not told for that reason */
    return c->cut ? bnt_fail_nomem(err, "a stream", len) : BNT_OK;
}

/* The first that failed speaks for all; one that was cut off because the client left, for none. */
static const struct serve_choice *failed(const struct serve_completion *c) {
    for (unsigned i = 0; i < c->count; i++)
        if (c->choices[i].job.status != BNT_OK) return &c->choices[i];
    return NULL;
}

static void finish(struct serve_completion *c) {
    const struct serve_choice *bad = failed(c);
    const char *why = !bad                                   ? NULL
                      : bad->job.status == BNT_E_INTERRUPTED ? "the server is going down"
                                                             : bad->job.err.text;
    if (bad && !c->begun) {
        serve_completion_refuse(c, serve_status_of(bad->job.status), NULL, "%s", why);
        return;
    }
    if (!c->ask.stream) {
        serve_reply_json(c->request, 200, c->voice->whole(c));
    } else {
        begin(c);
        if (bad)
            c->voice->fail(c, serve_status_of(bad->job.status), why);
        else
            c->voice->end(c);
        serve_stream_end(c->request);
    }
    serve_completion_free(c);
}

static void end_choice(struct serve_completion *c, struct serve_choice *choice) {
    if (!c->ask.stream || choice->job.status != BNT_OK) return;
    begin(c);
    c->voice->choice_end(c, choice);
}

/* The writer's: a receipt is there before anybody is told of the answer's end. */
static void prove_all(void *arg) {
    struct serve_completion *c = arg;
    for (unsigned i = 0; i < c->count; i++) {
        struct serve_choice *choice = &c->choices[i];
        if (choice->job.status == BNT_OK)
            choice->job.status = serve_prove(choice, &choice->job.err);
        end_choice(c, choice);
    }
    finish(c);
}

static void on_done(void *arg) {
    struct serve_choice *choice = arg;
    struct serve_completion *c = choice->completion;
    if (!c->ask.receipt) end_choice(c, choice);
    if (--c->left) return;
    if (c->ask.receipt) {
        c->place = serve_scheduler_place(c->server->scheduler);
        c->task = (struct serve_task){.run = prove_all, .arg = c};
        serve_writer_add(&c->server->writer, &c->task);
    } else {
        finish(c);
    }
}

/* ---- starting -------------------------------------------------------------------------------- */

static void fill_job(struct serve_completion *c, unsigned i) {
    struct serve_choice *choice = &c->choices[i];
    const unsigned prompt = i / c->ask.n;
    choice->completion = c;
    choice->index = i;
    struct bnt_sampling sampling = c->ask.sampling;
    const uint64_t context = serve_scheduler_context(c->server->scheduler);
    const size_t most = c->ask.max_tokens < context ? c->ask.max_tokens : (size_t)context + 1;
    sampling.seed = bnt_sampling_seed(sampling.seed, i % c->ask.n);
    sampling.biases = c->ask.biases;
    choice->job.ids = c->prompts[prompt];
    choice->job.n = c->lengths[prompt];
    choice->job.options = (struct bnt_generate_options){.sampling = sampling,
                                                        .n_predict = most,
                                                        .ignore_eog = c->ask.ignore_eos,
                                                        .constraint = c->constraint,
                                                        .logprobs = c->ask.logprobs,
                                                        .top_logprobs = c->ask.top_logprobs,
                                                        .stops = c->ask.stops,
                                                        .n_stops = c->ask.n_stops,
                                                        .on_text = c->ask.stream ? on_text : NULL,
                                                        .on_text_arg = choice};
    choice->job.prompt_want = c->prompt_want;
    choice->job.on_prompt_row = c->on_prompt_row;
    if (c->ask.echo && c->ask.logprobs) {
        choice->job.prompt_want = BNT_ROW_LOGITS;
        choice->job.on_prompt_row = serve_keep_logprobs;
    }
    choice->job.on_done = on_done;
    choice->job.arg = choice;
}

static struct bnt_calls *new_calls(const struct serve_tools *tools) {
    struct bnt_calls *calls = calloc(1, sizeof *calls);
    if (calls)
        *calls = (struct bnt_calls){
            .names = tools->names, .n_names = tools->n, .most = tools->most, .mark = tools->mark};
    return calls;
}

/* Their ids stand in a header, whatever the interface and before a stream begins. */
static int name_receipts(struct serve_completion *c, struct bnt_err *err) {
    char *all = calloc(c->count, SERVE_RECEIPT_ID + 2), *at = all;
    int status = all ? BNT_OK : bnt_fail_nomem(err, "ids of receipts", c->count);
    for (unsigned i = 0; i < c->count && status == BNT_OK; i++) {
        status = serve_receipt_id(c->choices[i].receipt_id, serve_digits(c->request), i, err);
        if (status == BNT_OK) at += sprintf(at, "%s%s", i ? ", " : "", c->choices[i].receipt_id);
    }
    if (status == BNT_OK) serve_put_header(c->request, "X-Bitnet-Receipt", all);
    free(all);
    return status;
}

void serve_completion_start(struct serve_completion *c) {
    struct bnt_err err = {0};
    const unsigned count = c->n_prompts * c->ask.n;
    if (bnt_json_lost()) { /* what was read of the request may lack a part */
        serve_completion_refuse(c, 503, NULL, "out of memory");
        return;
    }
    c->choices = calloc(count, sizeof *c->choices);
    struct serve_job **jobs = calloc(count, sizeof *jobs);
    if (!c->choices || !jobs) {
        free(jobs);
        serve_completion_refuse(c, 503, NULL, "out of memory");
        return;
    }
    c->count = c->left = count;
    for (unsigned i = 0; i < count; i++) {
        fill_job(c, i);
        if (c->tools.n && !(c->choices[i].calls = new_calls(&c->tools))) {
            free(jobs);
            serve_completion_refuse(c, 503, NULL, "out of memory");
            return;
        }
        jobs[i] = &c->choices[i].job;
    }
    if (c->ask.receipt && name_receipts(c, &err) != BNT_OK) {
        free(jobs);
        serve_completion_refuse(c, 503, NULL, "%s", err.text);
        return;
    }
    struct serve_request *r = c->request;
    serve_watch(r, on_gone, c);
    int status = serve_scheduler_submit(c->server->scheduler, jobs, count, &err);
    free(jobs);
    if (status == BNT_OK) return; /* from here on it is not ours */
    serve_watch(r, NULL, NULL);
    serve_completion_refuse(c, status == BNT_E_LIMIT ? 429 : 503, NULL, "%s", err.text);
}

void serve_stop(struct serve_server *s) {
    if (s->scheduler) serve_scheduler_stop(s->scheduler);
    serve_writer_close(&s->writer);
}

/* ---- for voices ------------------------------------------------------------------------------ */

json_t *serve_choice_text(const struct serve_choice *choice) {
    const struct bnt_generation *made = &choice->job.made;
    const char *opening = choice->completion->opening ? choice->completion->opening : "";
    const size_t n = strlen(opening);
    char *all = bnt_json_take(n + made->text_len + 1);
    if (!all) return NULL;
    memcpy(all, opening, n);
    memcpy(all + n, made->text, made->text_len);
    json_t *text = serve_json_text(all, n + made->text_len);
    free(all);
    return text;
}

const char *serve_finish_reason(const struct serve_choice *choice) {
    const enum bnt_stop_reason reason = choice->job.made.reason;
    return reason == BNT_STOP_EOG || reason == BNT_STOP_STRING ? "stop" : "length";
}

struct serve_usage serve_completion_usage(const struct serve_completion *c) {
    struct serve_usage u = {0};
    for (unsigned i = 0; i < c->count; i++) {
        const struct serve_job *job = &c->choices[i].job;
        if (i % c->ask.n == 0) {
            u.prompt += job->n;
            u.cached += job->cached;
        }
        u.made += job->made.n_tokens;
    }
    return u;
}

static void send(struct serve_completion *c, const char *before, const char *name,
                 const char *between, json_t *data, const char *after) {
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL, *all = NULL;
    json_decref(data);
    int n = text && !bnt_json_lost()
                ? asprintf(&all, "%s%s%s%s%s", before, name, between, text, after)
                : -1;
    int status = n < 0 ? BNT_E_NOMEM : serve_stream_write(c->request, all, (size_t)n, NULL);
    if (n >= 0) free(all);
    free(text);
    if (status == BNT_E_NOMEM) cut(c); /* that the client is gone is no fault */
}

void serve_event(struct serve_completion *c, const char *name, json_t *data) {
    if (name)
        send(c, "event: ", name, "\ndata: ", data, "\n\n");
    else
        send(c, "", "", "data: ", data, "\n\n");
}

void serve_event_line(struct serve_completion *c, json_t *data) {
    send(c, "", "", "", data, "\n");
}
