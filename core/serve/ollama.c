/*
 * ollama.c - POST /api/chat and /api/generate, as ollama's clients ask.
 *
 * A stream is a line of JSON for each piece of text, and one with the counts. What a request does
 * not say is as it is with ollama: a stream, temperature 0.8, top_k 40, top_p 0.9 and a repetition
 * penalty of 1.1.
 */
#include "serve/ollama.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/completion.h"
#include "serve/talk.h"

#define FIELD(name, kind, member, lo, hi)                                                          \
    { name, kind, offsetof(struct serve_ask, member), lo, hi }
static const struct serve_field fields[] = {
    FIELD("stream", SERVE_BOOL, stream, 0, 0), FIELD("think", SERVE_REFUSED, n, 0, 0), /* true */
    FIELD("suffix", SERVE_REFUSED, n, 0, 0),   FIELD("images", SERVE_REFUSED, n, 0, 0),
    FIELD("template", SERVE_REFUSED, n, 0, 0), FIELD("context", SERVE_REFUSED, n, 0, 0),
    FIELD("logprobs", SERVE_REFUSED, n, 0, 0), FIELD("tool_choice", SERVE_REFUSED, n, 0, 0),
};
/* Of "options". What is not here chooses machines and memory, or nothing. */
static const struct serve_field options[] = {
    FIELD("temperature", SERVE_REAL, sampling.temperature, 0, 100),
    FIELD("top_k", SERVE_UINT, sampling.top_k, 0, 1e9),
    FIELD("top_p", SERVE_REAL, sampling.top_p, 0, 1),
    FIELD("min_p", SERVE_REAL, sampling.min_p, 0, 1),
    FIELD("repeat_penalty", SERVE_REAL, sampling.repeat_penalty, 1e-3, 1e3),
    FIELD("repeat_last_n", SERVE_UINT, sampling.repeat_last, 0, 1e9),
    FIELD("presence_penalty", SERVE_REAL, sampling.presence_penalty, -100, 100),
    FIELD("frequency_penalty", SERVE_REAL, sampling.frequency_penalty, -100, 100),
    FIELD("seed", SERVE_SEED, sampling.seed, 0, 0),
    FIELD("stop", SERVE_STOPS, stops, 0, 0),
    FIELD("mirostat", SERVE_REFUSED, n, 0, 0),
};

/* ---- telling --------------------------------------------------------------------------------- */

json_t *serve_error_ollama(unsigned status, const char *param, const char *message) {
    (void)status;
    (void)param;
    return json_pack("{s:o}", "error", serve_json_text(message, strlen(message)));
}

json_t *ollama_time(int64_t seconds) {
    char text[40] = "";
    time_t at = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&at, &parts)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(text);
}

static bool is_chat(const struct serve_completion *c) {
    return strcmp(serve_path(c->request), "/api/chat") == 0;
}

/* Text, which is taken over, in an object that says whether more comes. */
static json_t *piece(const struct serve_completion *c, json_t *text, bool done) {
    json_t *o = json_pack("{s:O, s:o, s:b}", "model", json_object_get(c->body, "model"),
                          "created_at", ollama_time((int64_t)time(NULL)), "done", (int)done);
    if (is_chat(c))
        json_object_set_new(o, "message",
                            json_pack("{s:s, s:o}", "role", "assistant", "content", text));
    else
        json_object_set_new(o, "response", text);
    return o;
}

static json_int_t nanoseconds(double from, double to) {
    return from > 0.0 && to > from ? (json_int_t)((to - from) * 1e9) : 0;
}

/* The last object: with the whole text, or behind a stream. */
static json_t *last(const struct serve_completion *c, json_t *text) {
    const struct serve_job *job = &c->choices[0].job;
    json_t *o = piece(c, text, true);
    json_t *counts = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "done_reason", serve_finish_reason(&c->choices[0]),
        "total_duration", nanoseconds(job->submitted, job->ended), "load_duration", (json_int_t)0,
        "prompt_eval_count", (json_int_t)job->n, "prompt_eval_duration",
        nanoseconds(job->started, job->first), "eval_count", (json_int_t)job->made.n_tokens,
        "eval_duration", nanoseconds(job->first, job->ended));
    json_object_update(o, counts);
    json_decref(counts);
    return o;
}

/* Calls from number `from` on, in the message of an object. */
static json_t *with_calls(json_t *o, const struct serve_choice *choice, size_t from) {
    json_t *list = json_array();
    for (; choice->calls && from < choice->calls->count; from++) {
        const struct bnt_call *call = &choice->calls->list[from];
        json_array_append_new(list, json_pack("{s:{s:s, s:o}}", "function", "name", call->name,
                                              "arguments", serve_tools_arguments(call)));
    }
    if (json_array_size(list)) json_object_set(json_object_get(o, "message"), "tool_calls", list);
    json_decref(list);
    return o;
}

static json_t *whole(struct serve_completion *c) {
    json_t *text = serve_tools_whole(&c->choices[0]);
    return with_calls(last(c, text), &c->choices[0], 0);
}

/* What was heard of an answer with tools; calls from number `from` on. */
static void tell_heard(struct serve_completion *c, const struct serve_choice *choice, size_t from) {
    if (choice->calls->n_text || from < choice->calls->count)
        serve_event_line(c, with_calls(piece(c, serve_tools_text(choice), false), choice, from));
}

static void begin(struct serve_completion *c) {
    (void)c;
}

static void text(struct serve_completion *c, struct serve_choice *choice, const char *text,
                 size_t len) {
    if (choice->calls) {
        size_t from = choice->calls->count;
        serve_tools_hear(choice, text, len);
        tell_heard(c, choice, from);
        return;
    }
    serve_event_line(c, piece(c, serve_json_text(text, len), false));
}

static void choice_end(struct serve_completion *c, struct serve_choice *choice) {
    if (!choice->calls) return;
    size_t from = choice->calls->count;
    serve_tools_end(choice);
    tell_heard(c, choice, from);
}

static void end(struct serve_completion *c) {
    serve_event_line(c, last(c, json_string("")));
}

static void fail(struct serve_completion *c, unsigned status, const char *why) {
    serve_event_line(c, serve_error_ollama(status, NULL, why));
}

static const struct serve_voice voice = {.stream_type = "application/x-ndjson",
                                         .shapes = {"format"},
                                         .whole = whole,
                                         .begin = begin,
                                         .text = text,
                                         .choice_end = choice_end,
                                         .end = end,
                                         .fail = fail};

/* ---- asking ---------------------------------------------------------------------------------- */

/* Numbers that have a meaning below zero, and those that only say nothing at one. */
static int read_odd_ones(struct serve_ask *ask, const json_t *o, const char **param,
                         struct bnt_err *err) {
    static const char *const at_one[] = {"typical_p", "tfs_z"};
    const json_t *most = json_object_get(o, *param = "num_predict");
    if (most && !json_is_null(most)) {
        if (!json_is_integer(most) || json_integer_value(most) > INT32_MAX)
            return bnt_fail(err, BNT_E_USAGE, "num_predict: must be a whole number");
        if (json_integer_value(most) >= 0) ask->max_tokens = (uint32_t)json_integer_value(most);
    }
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_object_get(o, *param = at_one[i]);
        if (json_is_number(v) && json_number_value(v) != 1.0)
            return bnt_fail(err, BNT_E_USAGE, "%s: this server cannot do that", *param);
    }
    return BNT_OK;
}

/* "json", or a schema. False: the client was told. */
static bool read_format(struct serve_completion *c) {
    const json_t *format = json_object_get(c->body, "format");
    const char *word = json_string_value(format);
    if (!format || json_is_null(format) || (word && !*word)) return true;
    if (word && strcmp(word, "json") == 0)
        return serve_completion_shape(c, BNT_CONSTRAINT_JSON, "", 0, "format");
    if (json_is_object(format)) return serve_schema_shape(c, format, "format");
    serve_completion_refuse(c, 400, "format", "format: must be \"json\" or a JSON schema");
    return false;
}

/* False: the client was told. */
static bool read_fields(struct serve_completion *c) {
    const json_t *o = json_object_get(c->body, "options");
    struct bnt_sampling *s = &c->ask.sampling;
    struct bnt_err err = {0};
    const char *param = "options";
    c->ask.stream = true;
    s->temperature = 0.8f;
    s->top_k = 40;
    s->top_p = 0.9f;
    s->repeat_penalty = 1.1f;
    if (!json_is_string(json_object_get(c->body, "model"))) {
        serve_completion_refuse(c, 400, "model", "model: must be given");
        return false;
    }
    if (!serve_completion_fields(c, fields, sizeof fields / sizeof fields[0])) return false;
    int status = !o || json_is_null(o) || json_is_object(o)
                     ? BNT_OK
                     : bnt_fail(&err, BNT_E_USAGE, "options: must be an object");
    if (status == BNT_OK)
        status = serve_read_fields(options, sizeof options / sizeof options[0], o, &c->ask, &param,
                                   &err);
    if (status == BNT_OK) status = read_odd_ones(&c->ask, o, &param, &err);
    if (json_is_false(json_object_get(c->body, "think")))
        c->variables = json_pack("{s:b}", "enable_thinking", 0);
    if (status == BNT_OK) return read_format(c);
    serve_completion_refuse(c, serve_status_of(status), param, "%s", err.text);
    return false;
}

/* Nothing to answer: it is asked whether the model is there. */
static void reply_loaded(struct serve_completion *c) {
    json_t *o = piece(c, json_string(""), true);
    json_object_set_new(o, "done_reason", json_string("load"));
    serve_reply_json(c->request, 200, o);
    serve_completion_free(c);
}

static int read_messages(const json_t *list, struct serve_talk *talk, struct bnt_err *err) {
    if (!json_is_array(list)) return bnt_fail(err, BNT_E_USAGE, "messages: must be a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        if (json_array_size(json_object_get(m, "images")))
            return bnt_fail(err, BNT_E_USAGE, "messages: this server takes no images");
        json_t *calls = json_object_get(m, "tool_calls"), *name = json_object_get(m, "tool_name");
        int status = serve_talk_add(talk, json_string_value(json_object_get(m, "role")),
                                    json_object_get(m, "content"), err);
        if (status != BNT_OK) return status;
        if (json_array_size(calls) || name)
            serve_talk_members(talk, json_pack("{s:O*, s:O*}", "tool_calls", calls, "name", name));
    }
    return BNT_OK;
}

static void ask_talk(struct serve_completion *c, const struct serve_talk *talk, int status,
                     const struct bnt_err *err) {
    if (status != BNT_OK)
        serve_completion_refuse(c, serve_status_of(status), "messages", "%s", err->text);
    else if (serve_talk_prompt(c, talk))
        serve_completion_start(c);
}

void serve_ollama_chat(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = serve_completion_new(s, r, &voice, "");
    struct serve_talk talk = {0};
    struct bnt_err err = {0};
    if (!c || !read_fields(c)) return;
    if (!serve_tools_read(c, json_object_get(c->body, "tools"),
                          (struct serve_tool_choice){SERVE_TOOLS_AUTO, NULL}))
        return;
    int status = read_messages(json_object_get(c->body, "messages"), &talk, &err);
    if (status == BNT_OK && talk.n == 0)
        reply_loaded(c);
    else
        ask_talk(c, &talk, status, &err);
    serve_talk_free(&talk);
}

void serve_ollama_generate(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = serve_completion_new(s, r, &voice, "");
    struct serve_talk talk = {0};
    struct bnt_err err = {0};
    int status = BNT_OK;
    if (!c || !read_fields(c)) return;
    const json_t *prompt = json_object_get(c->body, "prompt");
    const json_t *system = json_object_get(c->body, "system");
    const bool raw = json_is_true(json_object_get(c->body, "raw")) || s->chat.fault.status;
    if (json_array_size(json_object_get(c->body, "tools"))) {
        serve_completion_refuse(c, 400, "tools", "tools: /api/chat can do that");
        return;
    }
    if (!json_string_length(prompt)) {
        reply_loaded(c);
        return;
    }
    if (raw) { /* as it is; so without a template, too */
        if (serve_text_prompt(c, "prompt", prompt)) serve_completion_start(c);
        return;
    }
    if (json_string_length(system)) status = serve_talk_add(&talk, "system", system, &err);
    if (status == BNT_OK) status = serve_talk_add(&talk, "user", prompt, &err);
    ask_talk(c, &talk, status, &err);
    serve_talk_free(&talk);
}
