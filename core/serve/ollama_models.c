/* ollama_models.c - GET /api/tags, /api/ps, /api/version and POST /api/show: what is served, as
 * ollama's clients ask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file/types.h"
#include "serve/ollama.h"
#include "serve/talk.h"

/* "2.4B", "700M" */
static json_t *size_name(uint64_t parameters) {
    char text[24];
    const double millions = (double)parameters * 1e-6;
    snprintf(text, sizeof text, millions >= 1000.0 ? "%.1fB" : "%.0fM",
             millions >= 1000.0 ? millions * 1e-3 : millions);
    return json_string(text);
}

/* Of the tensors of all types the one that has most weights. */
static const char *most_used_type(const struct bnt_gguf *g) {
    uint64_t most = 0;
    const char *name = "";
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
        const uint32_t type = bnt_gguf_tensor_at(g, i)->type;
        uint64_t sum = 0;
        for (size_t k = 0; k < bnt_gguf_tensor_count(g); k++)
            if (bnt_gguf_tensor_at(g, k)->type == type) sum += bnt_gguf_tensor_at(g, k)->elements;
        if (sum <= most) continue;
        most = sum;
        name = bnt_type(type)->name;
    }
    return name;
}

static json_t *details(const struct serve_server *s) {
    const struct bnt_engine_info *info = bnt_engine_info(s->engine);
    return json_pack("{s:s, s:s, s:s, s:[s], s:o, s:s}", "parent_model", "", "format", "gguf",
                     "family", info->architecture, "families", info->architecture, "parameter_size",
                     size_name(info->parameters), "quantization_level",
                     most_used_type(s->engine->gguf));
}

static json_t *describe(const struct serve_server *s, const char *name) {
    const char *tag = strchr(name, ':') ? "" : ":latest"; /* "qwen:0.5b" has one */
    return json_pack("{s:s+, s:s+, s:o, s:I, s:s, s:o}", "name", name, tag, "model", name, tag,
                     "modified_at", ollama_time(s->started), "size",
                     (json_int_t)bnt_engine_info(s->engine)->file_bytes, "digest", s->model_sha256,
                     "details", details(s));
}

void serve_ollama_tags(struct serve_server *s, struct serve_request *r) {
    json_t *list = json_array();
    const char *name;
    for (unsigned i = 0; (name = serve_model_name(s, i)); i++)
        json_array_append_new(list, describe(s, name));
    serve_reply_json(r, 200, json_pack("{s:o}", "models", list));
}

/* It is in memory as long as the server runs. */
void serve_ollama_ps(struct serve_server *s, struct serve_request *r) {
    json_t *model = describe(s, s->model_id);
    json_object_set_new(model, "expires_at", json_string("9999-12-31T23:59:59Z"));
    json_object_set_new(model, "size_vram", json_integer(0));
    json_object_set_new(model, "context_length",
                        json_integer((json_int_t)serve_scheduler_context(s->scheduler)));
    serve_reply_json(r, 200, json_pack("{s:[o]}", "models", model));
}

void serve_ollama_version(struct serve_server *s, struct serve_request *r) {
    (void)s;
    serve_reply_json(r, 200, json_pack("{s:s}", "version", BNT_VERSION));
}

/* What is known of its shape, by the names that its file has for it. */
static json_t *model_info(const struct serve_server *s) {
    const struct bnt_engine_info *info = bnt_engine_info(s->engine);
    const struct {
        const char *name;
        uint64_t value;
    } shape[] = {
        {"context_length", info->n_ctx_train},  {"block_count", info->n_layer},
        {"embedding_length", info->n_embd},     {"feed_forward_length", info->n_ff},
        {"attention.head_count", info->n_head}, {"attention.head_count_kv", info->n_head_kv},
        {"vocab_size", info->n_vocab}};
    json_t *o =
        json_pack("{s:s, s:s, s:I}", "general.architecture", info->architecture, "general.basename",
                  s->model_id, "general.parameter_count", (json_int_t)info->parameters);
    for (size_t i = 0; i < sizeof shape / sizeof shape[0]; i++) {
        char key[100];
        snprintf(key, sizeof key, "%.60s.%s", info->architecture, shape[i].name);
        json_object_set_new(o, key, json_integer((json_int_t)shape[i].value));
    }
    return o;
}

/* By which clients know whether a model can be told of tools. */
static json_t *capabilities(const struct serve_server *s) {
    const struct serve_template *by = serve_template_of(s, true);
    const bool tools = by->fault.status == BNT_OK && bnt_template_takes_tools(&by->tm);
    return json_pack("[s, s*]", "completion", tools ? "tools" : NULL);
}

void serve_ollama_show(struct serve_server *s, struct serve_request *r) {
    json_t *body = serve_body_object(s, r);
    if (!body) return;
    const json_t *name = json_object_get(body, "model");
    struct bnt_str chat = {0};
    if (!name) name = json_object_get(body, "name");
    if (bnt_gguf_find(s->engine->gguf, "tokenizer.chat_template"))
        bnt_gguf_str(s->engine->gguf, "tokenizer.chat_template", &chat);
    if (!json_is_string(name) || !serve_is_model(s, json_string_value(name)))
        serve_fail(s, r, json_is_string(name) ? 404 : 400, "model", SERVE_OTHER_MODEL, s->model_id);
    else
        serve_reply_json(
            r, 200,
            json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "modelfile", "", "parameters", "",
                      "template", chat.ptr ? serve_json_text(chat.ptr, chat.len) : json_string(""),
                      "details", details(s), "model_info", model_info(s), "modified_at",
                      ollama_time(s->started), "capabilities", capabilities(s)));
    json_decref(body);
}
