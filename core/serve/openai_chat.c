/* openai_chat.c - POST /v1/chat/completions. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "serve/logprobs.h"
#include "serve/openai.h"
#include "serve/talk.h"

static const struct serve_field fields[] = {
    OPENAI_FIELDS,
    OPENAI_FIELD("max_completion_tokens", SERVE_UINT, max_tokens, 0, 4294967294.0),
    OPENAI_FIELD("parallel_tool_calls", SERVE_BOOL, parallel, 0, 0),
    OPENAI_FIELD("functions", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("function_call", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("documents", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("chat_template", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("continue_final_message", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("logprobs", SERVE_BOOL, logprobs, 0, 0),
    OPENAI_FIELD("top_logprobs", SERVE_UINT, top_logprobs, 0, 20),
};
static const char chunk_object[] = "chat.completion.chunk";

/* ---- telling --------------------------------------------------------------------------------- */

static json_t *call_json(const struct serve_completion *c, const struct bnt_call *call) {
    char id[64];
    serve_new_id(c->server, "call_", id);
    return json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", id, "type", "function", "function", "name",
                     call->name, "arguments", call->arguments);
}

static const char *finish_of(const struct serve_choice *choice) {
    return serve_tools_called(choice) ? "tool_calls" : serve_finish_reason(choice);
}

static json_t *message_of(struct serve_completion *c, struct serve_choice *choice) {
    json_t *content = serve_tools_whole(choice), *calls = NULL;
    if (choice->calls && choice->calls->count) calls = json_array();
    for (size_t i = 0; calls && i < choice->calls->count; i++)
        json_array_append_new(calls, call_json(c, &choice->calls->list[i]));
    if (calls && !json_string_length(content)) {
        json_decref(content);
        content = json_null();
    }
    json_t *message =
        json_pack("{s:s, s:o, s:n}", "role", "assistant", "content", content, "refusal");
    if (calls) json_object_set_new(message, "tool_calls", calls);
    return message;
}

static json_t *whole(struct serve_completion *c) {
    json_t *choices = json_array();
    for (unsigned i = 0; i < c->count; i++) {
        struct serve_choice *choice = &c->choices[i];
        json_t *message = message_of(c, choice);
        json_t *o =
            json_pack("{s:i, s:o, s:o, s:s}", "index", (int)i, "message", message, "logprobs",
                      serve_chat_logprobs(choice, 0, serve_shown_tokens(choice)), "finish_reason",
                      finish_of(choice));
        openai_receipt(choice, o);
        json_array_append_new(choices, o);
    }
    json_t *o = openai_object(c, "chat.completion", choices);
    json_object_set_new(o, "usage", openai_usage(c));
    return o;
}

/* One choice's delta and the log-probabilities of its tokens, which are taken over. */
static void tell(struct serve_completion *c, unsigned index, json_t *delta, json_t *logprobs,
                 const char *finish) {
    json_t *choice = json_pack("{s:i, s:o, s:o, s:s?}", "index", (int)index, "delta", delta,
                               "logprobs", logprobs, "finish_reason", finish);
    if (finish) openai_receipt(&c->choices[index], choice);
    json_t *o = openai_object(c, chunk_object, json_pack("[o]", choice));
    if (c->ask.stream_usage) json_object_set_new(o, "usage", json_null());
    serve_event(c, NULL, o);
}

static void begin(struct serve_completion *c) {
    for (unsigned i = 0; i < c->count; i++)
        tell(c, i, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), json_null(), NULL);
}

/* Of the tokens since the last chunk. */
static json_t *new_logprobs(struct serve_choice *choice) {
    const size_t from = choice->told, to = serve_shown_tokens(choice);
    choice->told = to;
    return from < to ? serve_chat_logprobs(choice, from, to) : json_null();
}

/* What was heard last: text, and calls from number `from` on, each in one piece. */
static void tell_heard(struct serve_completion *c, struct serve_choice *choice, size_t from) {
    struct bnt_calls *calls = choice->calls;
    if (calls->n_text)
        tell(c, choice->index, json_pack("{s:o}", "content", serve_tools_text(choice)),
             new_logprobs(choice), NULL);
    for (; from < calls->count; from++) {
        json_t *call = call_json(c, &calls->list[from]);
        json_object_set_new(call, "index", json_integer((json_int_t)from));
        tell(c, choice->index, json_pack("{s:[o]}", "tool_calls", call), new_logprobs(choice),
             NULL);
    }
}

static void text(struct serve_completion *c, struct serve_choice *choice, const char *text,
                 size_t len) {
    if (choice->calls) {
        size_t from = choice->calls->count;
        serve_tools_hear(choice, text, len);
        tell_heard(c, choice, from);
        return;
    }
    tell(c, choice->index, json_pack("{s:o}", "content", serve_json_text(text, len)),
         new_logprobs(choice), NULL);
}

static void choice_end(struct serve_completion *c, struct serve_choice *choice) {
    if (choice->calls) {
        size_t from = choice->calls->count;
        serve_tools_end(choice);
        tell_heard(c, choice, from);
    }
    tell(c, choice->index, json_object(), new_logprobs(choice), finish_of(choice));
}

static void end(struct serve_completion *c) {
    openai_stream_end(c, chunk_object);
}

static const struct serve_voice voice = {.stream_type = "text/event-stream",
                                         .shapes = {"response_format", "grammar"},
                                         .whole = whole,
                                         .begin = begin,
                                         .text = text,
                                         .choice_end = choice_end,
                                         .end = end,
                                         .fail = openai_stream_fail};

/* ---- asking ---------------------------------------------------------------------------------- */

static json_t *calls_of(const json_t *calls) {
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        json_array_append_new(
            list, openai_call(json_object_get(call, "id"), json_object_get(call, "function")));
    }
    return list;
}

static int read_messages(const json_t *list, struct serve_talk *talk, struct bnt_err *err) {
    if (!json_is_array(list)) return bnt_fail(err, BNT_E_USAGE, "messages: must be a list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        const json_t *calls = json_object_get(m, "tool_calls");
        json_t *id = json_object_get(m, "tool_call_id"), *name = json_object_get(m, "name");
        int status = serve_talk_add(talk, role, json_object_get(m, "content"), err);
        if (status != BNT_OK) return status;
        if (json_object_size(json_object_get(m, "function_call")))
            return bnt_fail(err, BNT_E_USAGE, "a message's function_call: tool_calls says it");
        json_t *thought = json_object_get(m, "reasoning_content");
        if (!json_is_string(thought)) thought = json_object_get(m, "reasoning");
        json_t *made = json_array_size(calls) ? calls_of(calls) : NULL;
        serve_talk_members(talk, json_pack("{s:o*, s:O*, s:O*, s:O*}", "tool_calls", made,
                                           "tool_call_id", json_is_string(id) ? id : NULL, "name",
                                           json_is_string(name) ? name : NULL, "reasoning_content",
                                           json_is_string(thought) ? thought : NULL));
    }
    return BNT_OK;
}

/* chat_template_kwargs, as other servers have it, and enable_thinking by itself. False: the client
 * was told. */
static bool read_variables(struct serve_completion *c) {
    const json_t *given = json_object_get(c->body, "chat_template_kwargs");
    const bool unprompted = json_is_false(json_object_get(c->body, "add_generation_prompt"));
    const char *name, *fault = NULL;
    json_t *v, *thinking = json_object_get(c->body, "enable_thinking");
    if (given && !json_is_null(given) && !json_is_object(given)) fault = "must be an object";
    json_object_foreach((json_t *)given, name, v) {
        if (bnt_template_has_variable(name)) fault = "sets what the server says (messages, ...)";
    }
    if (fault)
        serve_completion_refuse(c, 400, "chat_template_kwargs", "chat_template_kwargs: %s", fault);
    else if (unprompted)
        serve_completion_refuse(c, 400, "add_generation_prompt",
                                "add_generation_prompt: this server cannot do that");
    if (fault || unprompted) return false;
    json_t *all = json_object();
    if (json_is_boolean(thinking)) json_object_set(all, "enable_thinking", thinking);
    if (json_is_object(given)) json_object_update(all, (json_t *)given);
    c->variables = all;
    return true;
}

void serve_openai_chat(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = serve_completion_new(s, r, &voice, "chatcmpl-");
    struct serve_talk talk = {0};
    struct bnt_err err = {0};
    if (!c || !serve_completion_fields(c, fields, sizeof fields / sizeof fields[0])) return;
    openai_stream_options(c);
    const json_t *choice = json_object_get(c->body, "tool_choice");
    if (!read_variables(c)) return;
    if (!openai_shape(c) ||
        !openai_tools(c, json_object_get(c->body, "tools"), json_object_get(choice, "function")))
        return;
    if (c->ask.top_logprobs && !c->ask.logprobs) {
        serve_completion_refuse(c, 400, "top_logprobs", "top_logprobs: logprobs must be true");
        return;
    }
    int status = read_messages(json_object_get(c->body, "messages"), &talk, &err);
    if (status != BNT_OK)
        serve_completion_refuse(c, serve_status_of(status), "messages", "%s", err.text);
    else if (serve_talk_prompt(c, &talk))
        serve_completion_start(c);
    serve_talk_free(&talk);
}
