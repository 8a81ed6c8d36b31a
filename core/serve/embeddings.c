/*
 * embeddings.c - POST /v1/embeddings, and ollama's /api/embed: texts in, vectors of length 1 out.
 *
 * A text is a job that makes nothing: its hidden states come by, token after token, and are pooled
 * as the model's file says. Same text, same bits, whatever is computed beside it.
 */
#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "run/pooling.h"
#include "serve/completion.h"

/* The number is only looked at: it has no other place. */
static const struct serve_field fields[] = {
    {"dimensions", SERVE_UINT, offsetof(struct serve_ask, max_tokens), 1, 1e6},
};

/* ---- pooling ----------------------------------------------------------------------------------
 */

/* A job's on_prompt_row. Sums are those of BNT_POOL_MEAN: in binary64, tokens in order. */
static int keep_row(void *arg, size_t token, const float *hidden, struct bnt_err *err) {
    struct serve_choice *choice = arg;
    const enum bnt_pooling pooling = choice->completion->pooling;
    const uint32_t n = bnt_engine_info(choice->completion->server->engine)->n_embd;
    if (!choice->sums) choice->sums = calloc(n, sizeof *choice->sums);
    if (!choice->sums) return bnt_fail_nomem(err, "an embedding", n * sizeof *choice->sums);
    if (pooling == BNT_POOL_FIRST && token > 0) return BNT_OK;
    if (pooling == BNT_POOL_LAST && token + 1 < choice->job.n) return BNT_OK;
    for (uint32_t i = 0; i < n; i++) choice->sums[i] += (double)hidden[i];
    return BNT_OK;
}

/* The vector of a choice that is done, [n_embd]; NULL when memory is short. */
static float *vector_of(const struct serve_choice *choice) {
    const uint32_t n = bnt_engine_info(choice->completion->server->engine)->n_embd;
    const double over = choice->completion->pooling == BNT_POOL_MEAN ? (double)choice->job.n : 1.0;
    float *v = bnt_json_take(n * sizeof *v);
    if (!v) return NULL;
    for (uint32_t i = 0; i < n; i++) v[i] = (float)(choice->sums[i] / over);
    bnt_normalize(v, n);
    return v;
}

/* ---- telling ----------------------------------------------------------------------------------
 */

static json_t *as_list(const float *v, uint32_t n) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) json_array_append_new(list, json_real((double)v[i]));
    return list;
}

/* Little-endian binary32, as SDKs ask for them. */
static json_t *as_base64(const float *v, uint32_t n) {
    const size_t bytes = n * sizeof *v;
    char *text = bnt_json_take(4 * (bytes / 3 + 1) + 1);
    if (!text) return NULL;
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)v, (int)bytes);
    json_t *string = json_string(text);
    free(text);
    return string;
}

static bool is_ollama(const struct serve_completion *c) {
    return strncmp(serve_path(c->request), "/api/", 5) == 0;
}

static json_t *vectors(const struct serve_completion *c) {
    const uint32_t n = bnt_engine_info(c->server->engine)->n_embd;
    const char *format = json_string_value(json_object_get(c->body, "encoding_format"));
    const bool base64 = format && strcmp(format, "base64") == 0;
    json_t *list = json_array();
    for (unsigned i = 0; i < c->count; i++) {
        float *v = vector_of(&c->choices[i]);
        if (!v) {
            json_decref(list);
            return NULL;
        }
        json_t *one = is_ollama(c) || !base64 ? as_list(v, n) : as_base64(v, n);
        if (!is_ollama(c))
            one = json_pack("{s:s, s:i, s:o}", "object", "embedding", "index", (int)i, "embedding",
                            one);
        json_array_append_new(list, one);
        free(v);
    }
    return list;
}

static json_t *whole(struct serve_completion *c) {
    const json_int_t tokens = (json_int_t)serve_completion_usage(c).prompt;
    json_t *called = json_object_get(c->body, "model");
    if (is_ollama(c))
        return json_pack("{s:o, s:o, s:I}", "model",
                         json_is_string(called) ? json_incref(called)
                                                : json_string(c->server->model_id),
                         "embeddings", vectors(c), "prompt_eval_count", tokens);
    return json_pack("{s:s, s:o, s:s, s:{s:I, s:I}}", "object", "list", "data", vectors(c), "model",
                     c->server->model_id, "usage", "prompt_tokens", tokens, "total_tokens", tokens);
}

static const struct serve_voice voice = {.whole = whole};

/* ---- asking -----------------------------------------------------------------------------------
 */

static bool read_format(struct serve_completion *c) {
    const json_t *format = json_object_get(c->body, "encoding_format");
    const char *name = json_string_value(format);
    if (!format || json_is_null(format) ||
        (name && (strcmp(name, "float") == 0 || strcmp(name, "base64") == 0)))
        return true;
    serve_completion_refuse(c, 400, "encoding_format", "encoding_format: must be float or base64");
    return false;
}

void serve_embeddings(struct serve_server *s, struct serve_request *r) {
    const uint32_t n = bnt_engine_info(s->engine)->n_embd;
    struct serve_completion *c = serve_completion_new(s, r, &voice, "embd-");
    struct bnt_err err = {0};
    if (!c) return;
    c->ask.max_tokens = n;
    if (!serve_completion_fields(c, fields, 1) || !read_format(c)) return;
    if (c->ask.max_tokens != n) {
        serve_completion_refuse(c, 400, "dimensions", "dimensions: this model has %u", n);
        return;
    }
    c->ask.max_tokens = 0; /* nothing is made */
    if (bnt_pooling_of(s->engine, &c->pooling, &err) != BNT_OK) {
        serve_completion_refuse(c, serve_status_of(err.status), NULL, "%s", err.text);
        return;
    }
    c->prompt_want = BNT_ROW_HIDDEN;
    c->on_prompt_row = keep_row;
    if (serve_read_prompts(c, "input")) serve_completion_start(c);
}
