/* models.c - GET /health, /v1/models and /v1/models/ID; what the model is called. */
#include <string.h>

#include "serve/server.h"

const char *serve_model_name(const struct serve_server *s, unsigned i) {
    return i == 0 ? s->model_id : i <= s->n_aliases ? s->aliases[i - 1] : NULL;
}

bool serve_is_model(const struct serve_server *s, const char *called) {
    const char *name;
    for (unsigned i = 0; (name = serve_model_name(s, i)); i++) {
        const size_t n = strlen(name);
        if (strncmp(called, name, n) == 0 &&
            (called[n] == '\0' || strcmp(called + n, ":latest") == 0))
            return true;
    }
    return false;
}

void serve_health(struct serve_server *s, struct serve_request *r) {
    if (atomic_load(&s->draining))
        serve_fail(s, r, 503, NULL, "the server is going down");
    else
        serve_reply_json(r, 200, json_pack("{s:s}", "status", "ok"));
}

static json_t *describe(const struct serve_server *s, const char *name) {
    const struct bnt_engine_info *info = bnt_engine_info(s->engine);
    return json_pack("{s:s, s:s, s:I, s:s, s:I, s:{s:s, s:I, s:I, s:s}}", "id", name, "object",
                     "model", "created", (json_int_t)s->started, "owned_by", "bitnet",
                     "max_model_len", (json_int_t)serve_scheduler_context(s->scheduler), "meta",
                     "architecture", info->architecture, "n_params", (json_int_t)info->parameters,
                     "n_ctx_train", (json_int_t)info->n_ctx_train, "sha256", s->model_sha256);
}

void serve_models(struct serve_server *s, struct serve_request *r) {
    json_t *list = json_array();
    const char *name;
    for (unsigned i = 0; (name = serve_model_name(s, i)); i++)
        json_array_append_new(list, describe(s, name));
    serve_reply_json(r, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void serve_model(struct serve_server *s, struct serve_request *r) {
    const char *name = serve_path_rest(r);
    if (serve_is_model(s, name))
        serve_reply_json(r, 200, describe(s, name));
    else
        serve_fail(s, r, 404, "model", SERVE_OTHER_MODEL, s->model_id);
}
