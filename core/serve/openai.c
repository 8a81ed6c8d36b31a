/* openai.c - see openai.h. */
#include "serve/openai.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"

void openai_stream_options(struct serve_completion *c) {
    const json_t *options = json_object_get(c->body, "stream_options");
    c->ask.stream_usage = json_is_true(json_object_get(options, "include_usage"));
}

json_t *openai_object(const struct serve_completion *c, const char *object, json_t *choices) {
    return json_pack("{s:s, s:s, s:I, s:s, s:o, s:s, s:I}", "id", c->id, "object", object,
                     "created", (json_int_t)c->created, "model", c->server->model_id, "choices",
                     choices, "system_fingerprint", c->server->fingerprint, "seed",
                     (json_int_t)c->ask.sampling.seed);
}

void openai_receipt(const struct serve_choice *choice, json_t *o) {
    if (choice->receipt_id[0])
        json_object_set_new(o, "receipt_id", json_string(choice->receipt_id));
}

json_t *openai_usage(const struct serve_completion *c) {
    const struct serve_usage u = serve_completion_usage(c);
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)u.prompt,
                     "completion_tokens", (json_int_t)u.made, "total_tokens",
                     (json_int_t)(u.prompt + u.made), "prompt_tokens_details", "cached_tokens",
                     (json_int_t)u.cached);
}

void openai_stream_end(struct serve_completion *c, const char *object) {
    static const char done[] = "data: [DONE]\n\n";
    if (c->ask.stream_usage) {
        json_t *o = openai_object(c, object, json_array());
        json_object_set_new(o, "usage", openai_usage(c));
        serve_event(c, NULL, o);
    }
    serve_stream_write(c->request, done, strlen(done), NULL);
}

void openai_stream_fail(struct serve_completion *c, unsigned status, const char *why) {
    serve_event(c, NULL, serve_error_openai(status, NULL, why));
}

/* {"type": "json_schema", "json_schema": {"name", "strict", "schema": {...}}}: strict or not, the
 * answer is valid by it. */
bool openai_format(struct serve_completion *c, const json_t *format, const char *param) {
    const char *type = json_string_value(json_object_get(format, "type"));
    if (type && strcmp(type, "text") == 0) return true;
    const bool object = type && strcmp(type, "json_object") == 0;
    if (object && json_is_object(json_object_get(format, "json_schema"))) {
        serve_completion_refuse(c, 400, param, "%s: a json_schema is of type json_schema", param);
        return false;
    }
    if (object && !json_object_get(format, "schema"))
        return serve_completion_shape(c, BNT_CONSTRAINT_JSON, "", 0, param);
    const json_t *outer = json_object_get(format, "json_schema");
    const json_t *schema = json_object_get(outer, "schema");
    if (!schema) schema = json_object_get(format, "schema");
    if (!type || (!object && strcmp(type, "json_schema") != 0) || !schema) {
        serve_completion_refuse(c, 400, param,
                                "%s: type must be text, json_object or json_schema, this with a "
                                "schema",
                                param);
        return false;
    }
    return serve_schema_shape(c, schema, param);
}

bool openai_shape(struct serve_completion *c) {
    const json_t *format = json_object_get(c->body, "response_format");
    const json_t *grammar = json_object_get(c->body, "grammar");
    if (format && !json_is_null(format) && !openai_format(c, format, "response_format"))
        return false;
    if (!grammar || json_is_null(grammar)) return true;
    if (!json_is_string(grammar)) {
        serve_completion_refuse(c, 400, "grammar", "grammar: must be a text in GBNF");
        return false;
    }
    return serve_completion_shape(c, BNT_CONSTRAINT_GRAMMAR, json_string_value(grammar),
                                  json_string_length(grammar), "grammar");
}

json_t *openai_call(json_t *id, const json_t *call) {
    const json_t *given = json_object_get(call, "arguments");
    const char *text = given ? json_string_value(given) : "{}";
    json_t *arguments = text ? bnt_json_part(text, given ? json_string_length(given) : 2, 0) : NULL;
    if (!arguments) arguments = json_deep_copy(given);
    return json_pack("{s:O*, s:s, s:{s:O*, s:o}}", "id", id, "type", "function", "function", "name",
                     json_object_get(call, "name"), "arguments", arguments);
}

static const char *name_of(const json_t *tool) {
    const json_t *function = json_object_get(tool, "function");
    return json_string_value(json_object_get(function ? function : tool, "name"));
}

/* Those of the tools that `allowed` names, in a list that the body keeps; NULL: one is not there,
 * or it is no list of functions. */
static const json_t *allowed_of(struct serve_completion *c, const json_t *tools,
                                const json_t *allowed) {
    json_t *list = json_array();
    bool fine = json_array_size(allowed) > 0;
    for (size_t i = 0; i < json_array_size(allowed) && fine; i++) {
        const char *name = name_of(json_array_get(allowed, i));
        json_t *found = NULL;
        for (size_t k = 0; k < json_array_size(tools) && name && !found; k++) {
            const char *other = name_of(json_array_get(tools, k));
            if (other && strcmp(name, other) == 0) found = json_array_get(tools, k);
        }
        fine = found != NULL;
        bool again = false;
        for (size_t k = 0; k < json_array_size(list); k++)
            again = again || json_array_get(list, k) == found;
        if (found && !again) json_array_append(list, found);
    }
    json_object_set_new(c->body, "bitnet: allowed tools", list);
    return fine ? list : NULL;
}

bool openai_tools(struct serve_completion *c, const json_t *tools, const json_t *named) {
    const json_t *choice = json_object_get(c->body, "tool_choice");
    const char *type = json_string_value(json_object_get(choice, "type"));
    if (type && strcmp(type, "allowed_tools") == 0) {
        const json_t *inner = json_object_get(choice, type);
        if (!inner) inner = choice; /* as in responses */
        tools = allowed_of(c, tools, json_object_get(inner, "tools"));
        choice = json_object_get(inner, "mode");
        enum serve_tool_mode mode;
        if (!tools || !json_is_string(choice) ||
            !serve_tool_mode_of(json_string_value(choice), &mode) || mode == SERVE_TOOLS_NONE) {
            serve_completion_refuse(c, 400, "tool_choice",
                                    "tool_choice: allowed_tools must have a mode, and names of the "
                                    "tools that are there");
            return false;
        }
    }
    struct serve_tool_choice which = {SERVE_TOOLS_AUTO, NULL};
    const char *word = json_string_value(choice);
    if (!word || !serve_tool_mode_of(word, &which.mode)) { /* or a tool's bare name */
        which.name = word ? word : json_string_value(json_object_get(named, "name"));
        if (which.name && choice) which.mode = SERVE_TOOLS_NAMED;
    }
    if (which.mode == SERVE_TOOLS_AUTO && !word && choice && !json_is_null(choice)) {
        serve_completion_refuse(c, 400, "tool_choice",
                                "tool_choice: must be none, auto, required or a function");
        return false;
    }
    return serve_tools_read(c, tools, which);
}
