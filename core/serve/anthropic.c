/* anthropic.c - POST /v1/messages and /v1/messages/count_tokens, as Anthropic's clients ask. */
#include <stddef.h>
#include <string.h>

#include "serve/completion.h"
#include "serve/talk.h"

#define FIELD(name, kind, member, lo, hi)                                                          \
    { name, kind, offsetof(struct serve_ask, member), lo, hi }
/* The last two are not the interface's own. */
static const struct serve_field fields[] = {
    FIELD("temperature", SERVE_REAL, sampling.temperature, 0, 100),
    FIELD("top_k", SERVE_UINT, sampling.top_k, 0, 1e9),
    FIELD("top_p", SERVE_REAL, sampling.top_p, 0, 1),
    FIELD("stop_sequences", SERVE_STOPS, stops, 0, 0),
    FIELD("stream", SERVE_BOOL, stream, 0, 0),
    FIELD("mcp_servers", SERVE_REFUSED, n, 0, 0),
    FIELD("container", SERVE_REFUSED, n, 0, 0),
    FIELD("min_p", SERVE_REAL, sampling.min_p, 0, 1),
    FIELD("seed", SERVE_SEED, sampling.seed, 0, 0),
};
static const struct serve_field most = FIELD("max_tokens", SERVE_UINT, max_tokens, 1, 4294967294.0);

/* ---- telling --------------------------------------------------------------------------------- */

static const char *error_type(unsigned status) {
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

json_t *serve_error_anthropic(unsigned status, const char *param, const char *message) {
    (void)param; /* messages name the field */
    return json_pack("{s:s, s:{s:s, s:o}}", "type", "error", "error", "type", error_type(status),
                     "message", serve_json_text(message, strlen(message)));
}

/* The client's own stop text that ended it, or NULL; the template's comes behind those. */
static const char *stop_of(const struct serve_completion *c) {
    const struct bnt_generation *made = &c->choices[0].job.made;
    const unsigned own = c->ask.n_stops - (c->turn_end != NULL);
    return made->reason == BNT_STOP_STRING && made->stop < own ? c->ask.stops[made->stop] : NULL;
}

static const char *reason_of(const struct serve_completion *c) {
    if (strcmp(serve_finish_reason(&c->choices[0]), "length") == 0) return "max_tokens";
    if (stop_of(c)) return "stop_sequence";
    return serve_tools_called(&c->choices[0]) ? "tool_use" : "end_turn";
}

static json_t *usage(const struct serve_completion *c) {
    const struct serve_usage u = serve_completion_usage(c);
    return json_pack("{s:I, s:I, s:I, s:I}", "input_tokens", (json_int_t)(u.prompt - u.cached),
                     "cache_creation_input_tokens", (json_int_t)0, "cache_read_input_tokens",
                     (json_int_t)u.cached, "output_tokens", (json_int_t)u.made);
}

/* reason NULL: it is being made. Takes over content. */
static json_t *message(const struct serve_completion *c, json_t *content, const char *reason) {
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:s?, s:s?, s:o}", "id", c->id, "type", "message",
                     "role", "assistant", "model", c->server->model_id, "content", content,
                     "stop_reason", reason, "stop_sequence", reason ? stop_of(c) : NULL, "usage",
                     usage(c));
}

/* input NULL: it follows. */
static json_t *call_block(const struct serve_completion *c, const struct bnt_call *call,
                          json_t *input) {
    char id[64];
    serve_new_id(c->server, "toolu_", id);
    return json_pack("{s:s, s:s, s:s, s:o}", "type", "tool_use", "id", id, "name", call->name,
                     "input", input ? input : json_object());
}

static json_t *whole(struct serve_completion *c) {
    struct serve_choice *choice = &c->choices[0];
    json_t *content = json_array(), *text = serve_tools_whole(choice);
    const size_t calls = choice->calls ? choice->calls->count : 0;
    if (json_string_length(text) || calls == 0)
        json_array_append_new(content, json_pack("{s:s, s:O}", "type", "text", "text", text));
    json_decref(text);
    for (size_t i = 0; i < calls; i++) {
        const struct bnt_call *call = &choice->calls->list[i];
        json_array_append_new(content, call_block(c, call, serve_tools_arguments(call)));
    }
    return message(c, content, reason_of(c));
}

/* An event has its name twice. */
static void tell(struct serve_completion *c, const char *name, json_t *data) {
    json_object_set_new(data, "type", json_string(name));
    serve_event(c, name, data);
}

static void begin(struct serve_completion *c) {
    tell(c, "message_start", json_pack("{s:o}", "message", message(c, json_array(), NULL)));
}

/* The block of the text is there from its first text on; `offset` says whether it is. */
static void begin_text(struct serve_completion *c) {
    if (!c->choices[0].offset)
        tell(c, "content_block_start",
             json_pack("{s:i, s:{s:s, s:s}}", "index", 0, "content_block", "type", "text", "text",
                       ""));
    c->choices[0].offset = 1;
}

/* Takes over text. */
static void tell_text(struct serve_completion *c, json_t *text) {
    begin_text(c);
    tell(c, "content_block_delta",
         json_pack("{s:i, s:{s:s, s:o}}", "index", 0, "delta", "type", "text_delta", "text", text));
}

static void text(struct serve_completion *c, struct serve_choice *choice, const char *text,
                 size_t len) {
    if (choice->calls) {
        serve_tools_hear(choice, text, len);
        if (choice->calls->n_text) tell_text(c, serve_tools_text(choice));
        return;
    }
    tell_text(c, serve_json_text(text, len));
}

/* Each is a block of its own, behind the one of the text. */
static void tell_calls(struct serve_completion *c, const struct bnt_calls *calls) {
    for (size_t i = 0; i < calls->count; i++) {
        const int index = (int)(i + c->choices[0].offset);
        tell(c, "content_block_start",
             json_pack("{s:i, s:o}", "index", index, "content_block",
                       call_block(c, &calls->list[i], NULL)));
        tell(c, "content_block_delta",
             json_pack("{s:i, s:{s:s, s:s}}", "index", index, "delta", "type", "input_json_delta",
                       "partial_json", calls->list[i].arguments));
        tell(c, "content_block_stop", json_pack("{s:i}", "index", index));
    }
}

static void choice_end(struct serve_completion *c, struct serve_choice *choice) {
    if (choice->calls) {
        serve_tools_end(choice);
        if (choice->calls->n_text) tell_text(c, serve_tools_text(choice));
    }
    if (!choice->calls || choice->calls->count == 0)
        begin_text(c); /* it has one, if an empty one */
    if (choice->offset) tell(c, "content_block_stop", json_pack("{s:i}", "index", 0));
    if (choice->calls) tell_calls(c, choice->calls);
    tell(c, "message_delta",
         json_pack("{s:{s:s, s:s?}, s:o}", "delta", "stop_reason", reason_of(c), "stop_sequence",
                   stop_of(c), "usage", usage(c)));
}

static void end(struct serve_completion *c) {
    tell(c, "message_stop", json_object());
}

static void fail(struct serve_completion *c, unsigned status, const char *why) {
    serve_event(c, "error", serve_error_anthropic(status, NULL, why));
}

static const struct serve_voice voice = {.stream_type = "text/event-stream",
                                         .shapes = {"output_config", "output_format"},
                                         .whole = whole,
                                         .begin = begin,
                                         .text = text,
                                         .choice_end = choice_end,
                                         .end = end,
                                         .fail = fail};

/* ---- asking ---------------------------------------------------------------------------------- */

static bool is_type(const json_t *block, const char *type) {
    const char *is = json_string_value(json_object_get(block, "type"));
    return is && strcmp(is, type) == 0;
}

/* What a tool gave is a message of its own. */
static int add_result(struct serve_talk *talk, const json_t *block, struct bnt_err *err) {
    const json_t *content = json_object_get(block, "content");
    json_t *none = content ? NULL : json_array();
    int status = serve_talk_add(talk, "tool", content ? content : none, err);
    json_decref(none);
    if (status == BNT_OK)
        serve_talk_members(
            talk, json_pack("{s:O*}", "tool_call_id", json_object_get(block, "tool_use_id")));
    return status;
}

/* A message of blocks: results of tools, the text of the others, calls of tools. */
static int add_blocks(struct serve_talk *talk, const char *role, const json_t *blocks,
                      struct bnt_err *err) {
    json_t *texts = json_array(), *calls = json_array();
    bool results = false;
    int status = BNT_OK;
    for (size_t i = 0; i < json_array_size(blocks) && status == BNT_OK; i++) {
        json_t *block = json_array_get(blocks, i);
        if (is_type(block, "tool_result")) {
            status = add_result(talk, block, err);
            results = true;
        } else if (is_type(block, "tool_use")) {
            json_array_append_new(calls,
                                  json_pack("{s:O*, s:s, s:{s:O*, s:O*}}", "id",
                                            json_object_get(block, "id"), "type", "function",
                                            "function", "name", json_object_get(block, "name"),
                                            "arguments", json_object_get(block, "input")));
        } else {
            json_array_append(texts, block);
        }
    }
    if (status == BNT_OK && !(results && json_array_size(texts) == 0))
        status = serve_talk_add(talk, role, texts, err);
    if (status == BNT_OK && json_array_size(calls))
        serve_talk_members(talk, json_pack("{s:O}", "tool_calls", calls));
    json_decref(texts);
    json_decref(calls);
    return status;
}

static int read_messages(const json_t *body, struct serve_talk *talk, struct bnt_err *err) {
    const json_t *list = json_object_get(body, "messages");
    const json_t *system = json_object_get(body, "system");
    int status = BNT_OK;
    if (!json_is_array(list)) return bnt_fail(err, BNT_E_USAGE, "messages: must be a list");
    if (system && !json_is_null(system)) status = serve_talk_add(talk, "system", system, err);
    for (size_t i = 0; i < json_array_size(list) && status == BNT_OK; i++) {
        const json_t *m = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        const json_t *content = json_object_get(m, "content");
        status = json_is_array(content) ? add_blocks(talk, role, content, err)
                                        : serve_talk_add(talk, role, content, err);
    }
    return status;
}

/* In the form that templates know. False: the client was told. */
static bool read_tools(struct serve_completion *c) {
    const json_t *choice = json_object_get(c->body, "tool_choice"), *tools;
    struct serve_tool_choice which = {SERVE_TOOLS_AUTO, NULL};
    if (is_type(choice, "tool")) {
        which.mode = SERVE_TOOLS_NAMED;
        which.name = json_string_value(json_object_get(choice, "name"));
    } else if (is_type(choice, "any")) {
        which.mode = SERVE_TOOLS_ANY;
    } else if (is_type(choice, "none")) {
        which.mode = SERVE_TOOLS_NONE;
    }
    if (which.mode == SERVE_TOOLS_NAMED ? !which.name
                                        : which.mode == SERVE_TOOLS_AUTO && choice &&
                                              !json_is_null(choice) && !is_type(choice, "auto")) {
        serve_completion_refuse(c, 400, "tool_choice",
                                "tool_choice: type must be auto, any, none, or tool with a name");
        return false;
    }
    tools = json_object_get(c->body, "tools");
    c->ask.parallel = !json_is_true(json_object_get(choice, "disable_parallel_tool_use"));
    if (!json_is_array(tools)) return serve_tools_read(c, tools, which);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *t = json_array_get(tools, i), *type = json_object_get(t, "type");
        const bool ours = !type || json_is_null(type) || is_type(t, "custom");
        json_t *function =
            json_pack("{s:O*, s:O*, s:O*, s:O*}", "name", json_object_get(t, "name"), "description",
                      json_object_get(t, "description"), "parameters",
                      json_object_get(t, "input_schema"), "strict", json_object_get(t, "strict"));
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", ours ? "function" : "other",
                                              "function", function));
    }
    json_object_set_new(c->body, "tools", list); /* the body keeps it */
    return serve_tools_read(c, list, which);
}

/* output_config.format, or output_format as it was called before. False: the client was told. */
static bool read_format(struct serve_completion *c) {
    const json_t *format = json_object_get(json_object_get(c->body, "output_config"), "format");
    const json_t *former = json_object_get(c->body, "output_format");
    if (format && former && !json_is_null(former) && !json_equal(format, former)) {
        serve_completion_refuse(c, 400, "output_format",
                                "output_format: output_config has another format");
        return false;
    }
    if (!format) format = former;
    if (!format || json_is_null(format)) return true;
    const json_t *schema = json_object_get(format, "schema");
    if (is_type(format, "json_schema") && json_is_object(schema))
        return serve_schema_shape(c, schema, "output_config");
    serve_completion_refuse(c, 400, "output_config",
                            "output_config: format must be of type json_schema, with a schema");
    return false;
}

/* The prompt that is asked for; NULL: the client has been told what is wrong. */
static struct serve_completion *read_body(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = serve_completion_new(s, r, &voice, "msg_");
    struct serve_talk talk = {0};
    struct bnt_err err = {0};
    if (!c || !serve_completion_fields(c, fields, sizeof fields / sizeof fields[0])) return NULL;
    const json_t *thinking = json_object_get(json_object_get(c->body, "thinking"), "type");
    if (thinking &&
        strcmp(json_string_value(thinking) ? json_string_value(thinking) : "", "disabled") != 0) {
        serve_completion_refuse(c, 400, "thinking", "thinking: this server cannot do that");
        return NULL;
    }
    if (!read_format(c) || !read_tools(c)) return NULL;
    int status = read_messages(c->body, &talk, &err);
    if (status != BNT_OK) {
        serve_completion_refuse(c, serve_status_of(status), "messages", "%s", err.text);
        c = NULL;
    } else if (!serve_talk_prompt(c, &talk)) {
        c = NULL;
    }
    serve_talk_free(&talk);
    return c;
}

void serve_anthropic_messages(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = read_body(s, r);
    if (!c || !serve_completion_fields(c, &most, 1)) return;
    if (c->ask.max_tokens == UINT32_MAX)
        serve_completion_refuse(c, 400, "max_tokens", "max_tokens: must be given");
    else
        serve_completion_start(c);
}

void serve_anthropic_count(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = read_body(s, r);
    if (!c) return;
    serve_reply_json(r, 200, json_pack("{s:I}", "input_tokens", (json_int_t)c->lengths[0]));
    serve_completion_free(c);
}
