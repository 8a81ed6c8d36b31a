/*
 * responses.c - POST /v1/responses, OpenAI's newer form of a conversation, as far as it needs no
 * memory of earlier ones: what is sent is all that is known.
 */
#include <stddef.h>
#include <string.h>

#include "serve/openai.h"
#include "serve/talk.h"

#define FIELD(name, kind, member, lo, hi)                                                          \
    { name, kind, offsetof(struct serve_ask, member), lo, hi }
static const struct serve_field fields[] = {
    FIELD("temperature", SERVE_REAL, sampling.temperature, 0, 100),
    FIELD("top_p", SERVE_REAL, sampling.top_p, 0, 1),
    FIELD("top_k", SERVE_UINT, sampling.top_k, 0, 1e9),
    FIELD("min_p", SERVE_REAL, sampling.min_p, 0, 1),
    FIELD("seed", SERVE_SEED, sampling.seed, 0, 0),
    FIELD("stop", SERVE_STOPS, stops, 0, 0),
    FIELD("max_output_tokens", SERVE_UINT, max_tokens, 1, 4294967294.0),
    FIELD("stream", SERVE_BOOL, stream, 0, 0),
    FIELD("parallel_tool_calls", SERVE_BOOL, parallel, 0, 0),
    FIELD("previous_response_id", SERVE_REFUSED, n, 0, 0),
    FIELD("conversation", SERVE_REFUSED, n, 0, 0),
    FIELD("prompt", SERVE_REFUSED, n, 0, 0),
    FIELD("background", SERVE_REFUSED, n, 0, 0),
    FIELD("top_logprobs", SERVE_REFUSED, n, 0, 0),
};

/* Of tools, in the form that templates know, beside the client's own. */
static const char functions[] = "the tools as functions";

/* ---- telling --------------------------------------------------------------------------------- */

static bool is_cut(const struct serve_completion *c) {
    return strcmp(serve_finish_reason(&c->choices[0]), "length") == 0;
}

static size_t count_calls(const struct serve_completion *c) {
    return c->choices[0].calls ? c->choices[0].calls->count : 0;
}

static json_t *item_id(const struct serve_completion *c) {
    return json_sprintf("msg_%s", c->id + strlen("resp_"));
}

static json_t *call_id(const struct serve_completion *c, const char *prefix, size_t i) {
    return json_sprintf("%s_%s_%zu", prefix, c->id + strlen("resp_"), i);
}

static json_t *part(json_t *text) {
    return json_pack("{s:s, s:o, s:[], s:[]}", "type", "output_text", "text", text, "annotations",
                     "logprobs");
}

/* The one message that is made; text NULL: none yet. */
static json_t *item(const struct serve_completion *c, json_t *text) {
    json_t *content = json_array();
    if (text) json_array_append_new(content, part(text));
    return json_pack("{s:s, s:o, s:s, s:s, s:o}", "type", "message", "id", item_id(c), "status",
                     !text       ? "in_progress"
                     : is_cut(c) ? "incomplete"
                                 : "completed",
                     "role", "assistant", "content", content);
}

static json_t *call_item(const struct serve_completion *c, size_t i, bool done) {
    const struct bnt_call *call = &c->choices[0].calls->list[i];
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:s}", "type", "function_call", "id",
                     call_id(c, "fc", i), "call_id", call_id(c, "call", i), "name", call->name,
                     "arguments", done ? call->arguments : "", "status",
                     done ? "completed" : "in_progress");
}

/* The message, unless nothing was said but calls, and the calls behind it. */
static json_t *output(struct serve_completion *c) {
    json_t *list = json_array(), *text = serve_tools_whole(&c->choices[0]);
    if (json_string_length(text) || count_calls(c) == 0)
        json_array_append_new(list, item(c, json_incref(text)));
    for (size_t i = 0; i < count_calls(c); i++) json_array_append_new(list, call_item(c, i, true));
    json_decref(text);
    return list;
}

static json_t *usage(const struct serve_completion *c) {
    const struct serve_usage u = serve_completion_usage(c);
    return json_pack("{s:I, s:{s:I}, s:I, s:{s:i}, s:I}", "input_tokens", (json_int_t)u.prompt,
                     "input_tokens_details", "cached_tokens", (json_int_t)u.cached, "output_tokens",
                     (json_int_t)u.made, "output_tokens_details", "reasoning_tokens", 0,
                     "total_tokens", (json_int_t)(u.prompt + u.made));
}

/* What the client gave, or `other`, which is taken over. */
static json_t *given_or(const struct serve_completion *c, const char *name, json_t *other) {
    json_t *v = json_object_get(c->body, name);
    if (!v || json_is_null(v)) return other;
    json_decref(other);
    return json_incref(v);
}

static json_t *text_of(const struct serve_completion *c) {
    json_t *given = json_object_get(c->body, "text");
    return json_is_object(json_object_get(given, "format"))
               ? json_incref(given)
               : json_pack("{s:{s:s}}", "format", "type", "text");
}

/* done: with what came of it. */
static json_t *response(struct serve_completion *c, bool done) {
    const struct bnt_sampling *s = &c->ask.sampling;
    const bool cut = done && is_cut(c);
    return json_pack(
        "{s:s, s:s, s:I, s:s, s:n, s:o, s:s, s:o, s:o, s:o, s:n, s:f, s:f, s:o, s:o, s:o, s:b, "
        "s:o, s:s, s:o, s:o, s:s}",
        "id", c->id, "object", "response", "created_at", (json_int_t)c->created, "status",
        !done ? "in_progress"
        : cut ? "incomplete"
              : "completed",
        "error", "incomplete_details",
        cut ? json_pack("{s:s}", "reason", "max_output_tokens") : json_null(), "model",
        c->server->model_id, "instructions", given_or(c, "instructions", json_null()),
        "max_output_tokens", given_or(c, "max_output_tokens", json_null()), "output",
        done ? output(c) : json_array(), "previous_response_id", "temperature",
        (double)s->temperature, "top_p", (double)s->top_p, "tools",
        given_or(c, "tools", json_array()), "tool_choice",
        given_or(c, "tool_choice", json_string("auto")), "parallel_tool_calls",
        given_or(c, "parallel_tool_calls", json_true()), "store", 0, "text", text_of(c),
        "truncation", "disabled", "metadata", given_or(c, "metadata", json_null()), "usage",
        done ? usage(c) : json_null(), "system_fingerprint", c->server->fingerprint);
}

static json_t *whole(struct serve_completion *c) {
    return response(c, true);
}

/* Events are numbered. */
static void tell(struct serve_completion *c, const char *name, json_t *data) {
    json_object_set_new(data, "type", json_string(name));
    json_object_set_new(data, "sequence_number", json_integer((json_int_t)c->choices[0].told++));
    serve_event(c, name, data);
}

/* ... of the one part of the one message; takes over the value of `name`. */
static void tell_of_part(struct serve_completion *c, const char *event, const char *name,
                         json_t *value) {
    tell(c, event,
         json_pack("{s:o, s:i, s:i, s:o}", "item_id", item_id(c), "output_index", 0,
                   "content_index", 0, name, value));
}

static void tell_of_text(struct serve_completion *c, const char *event, const char *name,
                         json_t *value) {
    tell(c, event,
         json_pack("{s:o, s:i, s:i, s:o, s:[]}", "item_id", item_id(c), "output_index", 0,
                   "content_index", 0, name, value, "logprobs"));
}

/* Where calls may come instead of it, the message begins when its text does. */
static void begin_message(struct serve_completion *c) {
    if (c->choices[0].offset++) return; /* it has begun */
    tell(c, "response.output_item.added",
         json_pack("{s:i, s:o}", "output_index", 0, "item", item(c, NULL)));
    tell_of_part(c, "response.content_part.added", "part", part(json_string("")));
}

static void begin(struct serve_completion *c) {
    tell(c, "response.created", json_pack("{s:o}", "response", response(c, false)));
    tell(c, "response.in_progress", json_pack("{s:o}", "response", response(c, false)));
    if (!c->choices[0].calls) begin_message(c);
}

/* Takes over delta. */
static void tell_delta(struct serve_completion *c, json_t *delta) {
    begin_message(c);
    tell_of_text(c, "response.output_text.delta", "delta", delta);
}

static void text(struct serve_completion *c, struct serve_choice *choice, const char *text,
                 size_t len) {
    if (choice->calls) {
        serve_tools_hear(choice, text, len);
        if (choice->calls->n_text) tell_delta(c, serve_tools_text(choice));
        return;
    }
    tell_delta(c, serve_json_text(text, len));
}

static void tell_call(struct serve_completion *c, size_t i, int index) {
    tell(c, "response.output_item.added",
         json_pack("{s:i, s:o}", "output_index", index, "item", call_item(c, i, false)));
    const struct bnt_call *call = &c->choices[0].calls->list[i];
    tell(c, "response.function_call_arguments.delta",
         json_pack("{s:o, s:i, s:s}", "item_id", call_id(c, "fc", i), "output_index", index,
                   "delta", call->arguments));
    tell(c, "response.function_call_arguments.done",
         json_pack("{s:o, s:i, s:s, s:s}", "item_id", call_id(c, "fc", i), "output_index", index,
                   "name", call->name, "arguments", call->arguments));
    tell(c, "response.output_item.done",
         json_pack("{s:i, s:o}", "output_index", index, "item", call_item(c, i, true)));
}

static void choice_end(struct serve_completion *c, struct serve_choice *choice) {
    if (choice->calls) {
        serve_tools_end(choice);
        if (choice->calls->n_text) tell_delta(c, serve_tools_text(choice));
    }
    if (count_calls(c) == 0) begin_message(c); /* it has one, if an empty one */
    const int first = choice->offset != 0;
    if (first) {
        json_t *said = serve_tools_whole(choice);
        tell_of_text(c, "response.output_text.done", "text", json_incref(said));
        tell_of_part(c, "response.content_part.done", "part", part(json_incref(said)));
        tell(c, "response.output_item.done",
             json_pack("{s:i, s:o}", "output_index", 0, "item", item(c, json_incref(said))));
        json_decref(said);
    }
    for (size_t i = 0; i < count_calls(c); i++) tell_call(c, i, first + (int)i);
}

static void end(struct serve_completion *c) {
    tell(c, is_cut(c) ? "response.incomplete" : "response.completed",
         json_pack("{s:o}", "response", response(c, true)));
}

static void fail(struct serve_completion *c, unsigned status, const char *why) {
    tell(c, "error",
         json_pack("{s:s, s:o, s:n}", "code", status < 500 ? "invalid_request" : "server_error",
                   "message", serve_json_text(why, strlen(why)), "param"));
}

static const struct serve_voice voice = {.stream_type = "text/event-stream",
                                         .shapes = {"text.format", "text"},
                                         .whole = whole,
                                         .begin = begin,
                                         .text = text,
                                         .choice_end = choice_end,
                                         .end = end,
                                         .fail = fail};

/* ---- asking ---------------------------------------------------------------------------------- */

static bool is_type(const json_t *o, const char *type) {
    const char *is = json_string_value(json_object_get(o, "type"));
    return is && strcmp(is, type) == 0;
}

/* A call is the assistant's; those that stand behind one another, or behind what it said, are of
 * one message. */
static int add_call(struct serve_talk *talk, const json_t *call, struct bnt_err *err) {
    const bool goes_on = talk->n && talk->messages[talk->n - 1].role == BNT_ROLE_ASSISTANT;
    int status = goes_on ? BNT_OK : serve_talk_add(talk, "assistant", NULL, err);
    if (status != BNT_OK) return status;
    if (!talk->members[talk->n - 1]) serve_talk_members(talk, json_pack("{s:[]}", "tool_calls"));
    json_array_append_new(json_object_get(talk->members[talk->n - 1], "tool_calls"),
                          openai_call(json_object_get(call, "call_id"), call));
    return BNT_OK;
}

static int add_result(struct serve_talk *talk, const json_t *result, struct bnt_err *err) {
    int status = serve_talk_add(talk, "tool", json_object_get(result, "output"), err);
    if (status == BNT_OK)
        serve_talk_members(talk,
                           json_pack("{s:O*}", "tool_call_id", json_object_get(result, "call_id")));
    return status;
}

static int add_item(struct serve_talk *talk, const json_t *m, struct bnt_err *err) {
    const json_t *type = json_object_get(m, "type");
    if (is_type(m, "function_call")) return add_call(talk, m, err);
    if (is_type(m, "function_call_output")) return add_result(talk, m, err);
    if (type && !json_is_null(type) && !is_type(m, "message")) {
        const char *name = json_is_string(type) ? json_string_value(type) : "?";
        return bnt_fail(err, BNT_E_USAGE,
                        "input: this server takes messages, function_call and "
                        "function_call_output, no '%.40s'",
                        name);
    }
    return serve_talk_add(talk, json_string_value(json_object_get(m, "role")),
                          json_object_get(m, "content"), err);
}

static int read_input(const json_t *body, struct serve_talk *talk, struct bnt_err *err) {
    const json_t *input = json_object_get(body, "input");
    const json_t *instructions = json_object_get(body, "instructions");
    int status = BNT_OK;
    if (json_string_length(instructions))
        status = serve_talk_add(talk, "system", instructions, err);
    if (status == BNT_OK && json_is_string(input)) return serve_talk_add(talk, "user", input, err);
    if (status == BNT_OK && !json_is_array(input))
        return bnt_fail(err, BNT_E_USAGE, "input: must be a text or a list of items");
    for (size_t i = 0; i < json_array_size(input) && status == BNT_OK; i++)
        status = add_item(talk, json_array_get(input, i), err);
    return status;
}

/* What is asked for besides: reasoning.encrypted_content alone, of which there is none here. */
static bool read_include(struct serve_completion *c) {
    const json_t *list = json_object_get(c->body, "include");
    bool fine = !list || json_is_null(list) || json_is_array(list);
    for (size_t i = 0; i < json_array_size(list) && fine; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        fine = name && strcmp(name, "reasoning.encrypted_content") == 0;
    }
    if (!fine) serve_completion_refuse(c, 400, "include", "include: this server cannot do that");
    return fine;
}

/* tools, tool_choice and parallel_tool_calls. */
static bool read_tools(struct serve_completion *c) {
    const json_t *tools = json_object_get(c->body, "tools");
    const json_t *choice = json_object_get(c->body, "tool_choice");
    if (json_array_size(tools)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(tools); i++) {
            json_t *t = json_array_get(tools, i);
            json_array_append_new(list, json_pack("{s:O*, s:{s:O*, s:O*, s:O*, s:O*}}", "type",
                                                  json_object_get(t, "type"), "function", "name",
                                                  json_object_get(t, "name"), "description",
                                                  json_object_get(t, "description"), "parameters",
                                                  json_object_get(t, "parameters"), "strict",
                                                  json_object_get(t, "strict")));
        }
        json_object_set_new(c->body, functions, list); /* the body keeps it */
        tools = list;
    }
    return openai_tools(c, tools, is_type(choice, "function") ? choice : NULL);
}

void serve_responses(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = serve_completion_new(s, r, &voice, "resp_");
    struct serve_talk talk = {0};
    struct bnt_err err = {0};
    if (!c || !serve_completion_fields(c, fields, sizeof fields / sizeof fields[0])) return;
    const json_t *text = json_object_get(c->body, "text");
    if (text && !json_is_null(text) && !json_is_object(text)) {
        serve_completion_refuse(c, 400, "text", "text: must be an object");
        return;
    }
    const json_t *format = json_object_get(text, "format");
    if (format && !json_is_null(format) && !openai_format(c, format, "text")) return;
    if (!read_include(c) || !read_tools(c)) return;
    int status = read_input(c->body, &talk, &err);
    if (status != BNT_OK)
        serve_completion_refuse(c, serve_status_of(status), "input", "%s", err.text);
    else if (serve_talk_prompt(c, &talk))
        serve_completion_start(c);
    serve_talk_free(&talk);
}
