/* tools.c - see tools.h. */
#include "serve/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "run/call_form.h"
#include "serve/completion.h"
#include "serve/talk.h"

/* ---- what must be called -----------------------------------------------------------------------
 */

/* What a keyword holds: anything else than schemas is data, in which "$ref" is a name like others.
 */
enum holds { HOLDS_DATA, HOLDS_SCHEMAS, HOLDS_NAMED };

static enum holds held_by(const char *keyword) {
    static const char *const schemas[] = {
        "items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "propertyNames", "allOf"};
    static const char *const named[] = {"properties", "$defs", "definitions"};
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        if (strcmp(keyword, schemas[i]) == 0) return HOLDS_SCHEMAS;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(keyword, named[i]) == 0) return HOLDS_NAMED;
    return HOLDS_DATA;
}

/* A schema, or a list of them, within another: where its references lead from there. `named`: the
 * members are schemas, whatever their names. */
static json_t *moved(const json_t *v, const char *to, bool named) {
    if (json_is_array(v)) {
        json_t *out = json_array();
        for (size_t i = 0; i < json_array_size(v); i++)
            json_array_append_new(out, moved(json_array_get(v, i), to, false));
        return out;
    }
    if (!json_is_object(v)) return json_deep_copy(v);
    json_t *out = json_object(), *value;
    const char *key;
    json_object_foreach((json_t *)v, key, value) {
        const char *ref = !named && strcmp(key, "$ref") == 0 ? json_string_value(value) : NULL;
        const enum holds holds = named ? HOLDS_SCHEMAS : held_by(key);
        if (ref && ref[0] == '#' && (!ref[1] || ref[1] == '/'))
            json_object_set_new(out, key, json_sprintf("%s%s", to, ref + 1));
        else
            json_object_set_new(out, key,
                                holds == HOLDS_DATA ? json_deep_copy(value)
                                                    : moved(value, to, holds == HOLDS_NAMED));
    }
    return out;
}

/* One that is not kept to its parameters may have any. */
static json_t *call_schema(const json_t *function, size_t i, const char *member, bool kept) {
    const json_t *parameters = json_object_get(function, "parameters");
    char to[64];
    snprintf(to, sizeof to, "#/anyOf/%zu/properties/%s", i, member);
    json_t *arguments = !kept ? json_pack("{s:s}", "type", "object")
                        : json_is_object(parameters)
                            ? moved(parameters, to, false)
                            : json_pack("{s:s, s:b}", "type", "object", "additionalProperties", 0);
    json_object_del(arguments, "$schema");
    json_object_del(arguments, "$id");
    json_object_set_new(arguments, "type", json_string("object")); /* as a call is read */
    return json_pack("{s:s, s:{s:{s:O}, s:o}, s:[s, s], s:b}", "type", "object", "properties",
                     "name", "const", json_object_get(function, "name"), member, arguments,
                     "required", "name", member, "additionalProperties", 0);
}

static bool is_strict(const json_t *function) {
    return json_is_true(json_object_get(function, "strict"));
}

struct calls_of {
    const char *name;   /* of the only tool that may be called; NULL: any */
    const char *member; /* what a call names its arguments */
    bool all_kept;      /* to their parameters, or those that are strict */
    json_t *draft; /* "$schema" of what they are kept to, which the constraint has; NULL: none */
};

static const json_t *function_of(const struct serve_completion *c, size_t i) {
    return json_object_get(json_array_get(c->tools.list, i), "function");
}

static bool is_among(const struct serve_completion *c, const struct calls_of *of, size_t i) {
    return !of->name || strcmp(of->name, c->tools.names[i]) == 0;
}

static bool is_kept(const struct serve_completion *c, const struct calls_of *of, size_t i) {
    return is_among(c, of, i) && (of->all_kept || is_strict(function_of(c, i)));
}

/* of->draft becomes the one that parameters name; false: two differ, and the client was told. */
static bool find_draft(struct serve_completion *c, struct calls_of *of) {
    for (size_t i = 0; i < c->tools.n; i++) {
        const json_t *parameters = json_object_get(function_of(c, i), "parameters");
        json_t *named = is_kept(c, of, i) ? json_object_get(parameters, "$schema") : NULL;
        if (named && of->draft && !json_equal(named, of->draft)) {
            serve_completion_refuse(c, 400, "tools",
                                    "tools: parameters of %s: its $schema is another than that of "
                                    "a tool before it",
                                    c->tools.names[i]);
            return false;
        }
        if (named) of->draft = named;
    }
    return true;
}

static json_t *calls_schema(const struct serve_completion *c, const struct calls_of *of) {
    json_t *any = json_array();
    for (size_t i = 0; i < c->tools.n; i++)
        if (is_among(c, of, i))
            json_array_append_new(any, call_schema(function_of(c, i), json_array_size(any),
                                                   of->member, is_kept(c, of, i)));
    return json_pack("{s:O*, s:o}", "$schema", of->draft, "anyOf", any);
}

/* What is wrong with a schema of calls: of which tool's parameters, where it says so, and with
 * places as the tool has them. */
static void refuse_calls(struct serve_completion *c, unsigned status, const json_t *call,
                         const char *why) {
    static const char path[] = "#/anyOf/", below[] = "/properties/";
    const json_t *any = json_object_get(call, "anyOf"), *of = NULL;
    char told[sizeof((struct bnt_err *)0)->text], *to = told;
    if (json_array_size(any) == 1) of = json_array_get(any, 0);
    for (const char *at = why; *at;) {
        if (strncmp(at, path, sizeof path - 1) != 0) {
            *to++ = *at++;
            continue;
        }
        char *rest;
        of = json_array_get(any, strtoul(at + sizeof path - 1, &rest, 10));
        if (strncmp(rest, below, sizeof below - 1) == 0)
            rest += sizeof below - 1 + strcspn(rest + sizeof below - 1, "/:' ");
        *to++ = '#';
        at = rest;
    }
    *to = '\0';
    const json_t *properties = json_object_get(of, "properties");
    const char *name =
        json_string_value(json_object_get(json_object_get(properties, "name"), "const"));
    serve_completion_refuse(c, status, "tools",
                            name ? "tools: parameters of %s: %s" : "tools: %s%s", name ? name : "",
                            told);
}

/* Each tool that is kept to its parameters can be called: beside others, one that cannot would just
 * never be. False: the client was told, and c is freed. */
static bool each_has_calls(struct serve_completion *c, const struct calls_of *of) {
    int status = BNT_OK;
    const size_t n = of->name ? 0 : c->tools.n;
    for (size_t i = 0; i < n && status == BNT_OK; i++) {
        if (!is_kept(c, of, i)) continue;
        struct bnt_err err = {0};
        struct bnt_constraint *one = NULL;
        json_t *call =
            calls_schema(c, &(struct calls_of){c->tools.names[i], of->member, true, of->draft});
        char *text = serve_schema_text(call);
        status = text ? bnt_constraint_open(&one, c->server->engine, BNT_CONSTRAINT_SCHEMA, text,
                                            strlen(text), &err)
                      : bnt_fail_nomem(&err, "the tools", 0);
        if (status != BNT_OK) refuse_calls(c, status == BNT_E_NOMEM ? 503 : 400, call, err.text);
        bnt_constraint_close(one);
        json_decref(call);
        free(text);
    }
    return status == BNT_OK;
}

/* The text of a constraint, which is taken over; `call`: the schema of a call, in it. */
static bool constrain_by(struct serve_completion *c, uint32_t kind, json_t *shape,
                         const json_t *call, const struct calls_of *of) {
    struct bnt_err err = {0};
    struct serve_shapes *shapes = &c->server->shapes;
    char *text = serve_schema_text(shape);
    const size_t len = text ? strlen(text) : 0;
    int status = BNT_OK;
    bool fine;
    if (bnt_json_lost() || !text) /* a schema that lacks a part would ask for less */
        status = bnt_fail_nomem(&err, "the tools", 0);
    fine =
        status == BNT_OK && (serve_shape_known(shapes, kind, text, len) || each_has_calls(c, of));
    if (fine)
        status = serve_shape_get(shapes, c->server->engine, kind, text, len, &c->constraint, &err);
    if (status != BNT_OK) refuse_calls(c, status == BNT_E_NOMEM ? 503 : 400, call, err.text);
    json_decref(shape);
    free(text);
    return fine && status == BNT_OK;
}

/* Another constraint takes the place of the one that a text would have. */
static void drop_shape(struct serve_completion *c) {
    serve_shape_release(&c->server->shapes, c->constraint);
    c->constraint = NULL;
}

/* The only thing that is said: one call. */
static bool constrain_to_call(struct serve_completion *c, const char *name) {
    drop_shape(c);
    struct calls_of of = {name, "arguments", true, NULL};
    if (!find_draft(c, &of)) return false;
    json_t *call = calls_schema(c, &of);
    return constrain_by(c, BNT_CONSTRAINT_SCHEMA, call, call, &of);
}

/* Text, or the answer's shape, and calls that are kept to the parameters of those that are strict.
 */
static bool constrain_calls(struct serve_completion *c) {
    struct bnt_call_form form;
    struct bnt_err err = {0};
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(c->server->engine);
    const bool shaped = c->constraint != NULL;
    if (bnt_call_form_of(&form, &serve_template_of(c->server, true)->tm, t, &err) != BNT_OK) {
        serve_completion_refuse(c, 400, "tools",
                                "tools: %s is not possible here with tool_choice auto: %s; "
                                "with %s it is",
                                shaped ? "a shape of the answer" : "strict", err.text,
                                shaped ? "'none', 'required'"
                                       : "'required' or the name of a function");
        return false;
    }
    if (shaped && c->shape == BNT_CONSTRAINT_GRAMMAR) {
        serve_completion_refuse(
            c, 400, "tools", "tools: beside a grammar none can be called; with a schema they can");
        return false;
    }
    c->tools.mark = form.mark;
    c->tools.shaped = shaped;
    struct calls_of of = {NULL, form.arguments, false, NULL};
    if (!find_draft(c, &of)) return false;
    json_t *call = calls_schema(c, &of);
    json_t *shape = json_pack("{s:s, s:s, s:b, s:i, s:o}", "mark", form.mark, "end", form.end,
                              "list", form.list, "most", c->tools.most == 1, "call", call);
    if (shaped)
        json_object_set_new(shape, "text",
                            c->shape == BNT_CONSTRAINT_SCHEMA
                                ? json_deep_copy(c->schema)
                                : json_pack("{s:s}", "type", "object"));
    drop_shape(c);
    return constrain_by(c, BNT_CONSTRAINT_CALLS, shape, call, &of);
}

/* ---- reading ------------------------------------------------------------------------------------
 */

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/"

/* Parameters that are left out are none. */
static bool are_of_object(const json_t *parameters) {
    const json_t *type = json_object_get(parameters, "type");
    bool is = !type || (json_is_string(type) && strcmp(json_string_value(type), "object") == 0);
    for (size_t i = 0; i < json_array_size(type) && !is; i++)
        is = json_is_string(json_array_get(type, i)) &&
             strcmp(json_string_value(json_array_get(type, i)), "object") == 0;
    return !parameters || json_is_null(parameters) || (json_is_object(parameters) && is);
}

static bool is_named(const struct serve_tools *t, const char *name) {
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->names[i], name) == 0) return true;
    return false;
}

/* Why the model cannot be told of tools, or NULL. */
static const char *no_place(const struct serve_completion *c) {
    const struct serve_template *by = serve_template_of(c->server, true);
    if (by->fault.status) return by->fault.text;
    return bnt_template_takes_tools(&by->tm)
               ? NULL
               : "the model's chat template has no place for tools; bitnet serve "
                 "--chat-template=FILE gives it one that has";
}

static const char *fault_of(struct serve_completion *c, const json_t *tool) {
    const char *type = json_string_value(json_object_get(tool, "type"));
    const json_t *function = json_object_get(tool, "function");
    const json_t *strict = json_object_get(function, "strict");
    const char *name = json_string_value(json_object_get(function, "name"));
    if (!type || strcmp(type, "function") != 0) return "only tools of type function are known";
    if (!name || !*name) return "a function without a name";
    if (name[strspn(name, NAME_CHARACTERS)])
        return "a function's name has other characters than letters, digits and _-.:/";
    if (strict && !json_is_null(strict) && !json_is_boolean(strict))
        return "strict must be true or false";
    if (is_named(&c->tools, name)) return "two functions of one name";
    if (c->tools.n == SERVE_MOST_TOOLS) return "too many tools";
    if (!are_of_object(json_object_get(function, "parameters")))
        return "parameters must be the JSON schema of an object";
    c->tools.names[c->tools.n++] = name;
    return NULL;
}

bool serve_tool_mode_of(const char *word, enum serve_tool_mode *mode) {
    static const char *const words[] = {"auto", "none", "required"}; /* in the order of the modes */
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *mode = (enum serve_tool_mode)i;
        return true;
    }
    return false;
}

bool serve_tools_read(struct serve_completion *c, const json_t *tools,
                      struct serve_tool_choice choice) {
    struct serve_tools *t = &c->tools;
    const bool none = choice.mode == SERVE_TOOLS_NONE, any = choice.mode == SERVE_TOOLS_ANY;
    const bool must = any || choice.mode == SERVE_TOOLS_NAMED;
    if (!tools || json_is_null(tools)) {
        if (must) serve_completion_refuse(c, 400, "tool_choice", "tool_choice: there are no tools");
        return !must;
    }
    const char *why = json_is_array(tools) ? NULL : "must be a list";
    for (size_t i = 0; i < json_array_size(tools) && !why; i++)
        why = fault_of(c, json_array_get(tools, i));
    if (!why && t->n && !none) why = no_place(c);
    const bool missing = !why && must && !(any ? t->n > 0 : is_named(t, choice.name));
    if (missing)
        serve_completion_refuse(
            c, 400, "tool_choice",
            any ? "tool_choice: there are no tools%s"
                : "tool_choice: '%.60s' is none of none, auto, required and the "
                  "names of the tools",
            any ? "" : choice.name);
    else if (why)
        serve_completion_refuse(c, 400, "tools", "tools: %s", why);
    if (missing || why) return false;
    t->list = tools;
    t->most = c->ask.parallel && !must ? BNT_CALLS_MOST : 1;
    t->must = must;
    if (none || t->n == 0) *t = (struct serve_tools){.list = NULL};
    if (must) return constrain_to_call(c, any ? NULL : choice.name);
    bool kept = t->n && c->constraint;
    for (size_t i = 0; i < t->n && !kept; i++)
        kept = is_strict(json_object_get(json_array_get(tools, i), "function"));
    return !kept || constrain_calls(c);
}

/* ---- answers ------------------------------------------------------------------------------------
 */

/* Calls whose memory was short are not heard further: nothing of the answer may be told. */
static void heard(struct serve_choice *choice, int status) {
    if (status == BNT_OK) return;
    choice->calls->n_text = 0;
    bnt_json_miss();
}

void serve_tools_hear(struct serve_choice *choice, const char *text, size_t len) {
    heard(choice, bnt_calls_push(choice->calls, text, len, NULL));
}

void serve_tools_end(struct serve_choice *choice) {
    const struct serve_tools *t = &choice->completion->tools;
    const bool only_calls = t->must || (t->shaped && !choice->calls->begun);
    heard(choice, bnt_calls_end(choice->calls, NULL));
    /* Half of a call, where nothing but calls was to come, is neither a call nor a text. */
    if (only_calls && choice->job.made.reason != BNT_STOP_EOG) choice->calls->n_text = 0;
}

json_t *serve_tools_text(const struct serve_choice *choice) {
    const struct bnt_calls *calls = choice->calls;
    return serve_json_text(calls->n_text ? calls->text : "", calls->n_text);
}

json_t *serve_tools_whole(struct serve_choice *choice) {
    json_t *all = serve_choice_text(choice);
    if (!choice->calls) return all;
    bnt_calls_restart(choice->calls);
    serve_tools_hear(choice, json_string_value(all), json_string_length(all));
    json_t *text = serve_tools_text(choice);
    serve_tools_end(choice);
    json_t *rest = serve_tools_text(choice);
    json_t *both = json_sprintf("%s%s", json_string_value(text), json_string_value(rest));
    json_decref(all);
    json_decref(text);
    json_decref(rest);
    return both;
}

bool serve_tools_called(const struct serve_choice *choice) {
    return choice->calls && choice->calls->count &&
           strcmp(serve_finish_reason(choice), "stop") == 0;
}

json_t *serve_tools_arguments(const struct bnt_call *call) {
    const size_t n = strlen(call->arguments);
    json_t *v = bnt_json_part(call->arguments, n, JSON_ALLOW_NUL);
    if (!v) v = bnt_json_part(call->arguments, n, BNT_CALL_JSON); /* an integer beyond 64 bits */
    return v ? v : json_object();
}
