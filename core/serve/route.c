/*
 * route.c - which function a path goes to, who may come in, and how a request fails.
 *
 * The one idea: a row of the table says everything about a path, its form of errors included.
 */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "serve/server.h"

static const struct serve_route routes[] = {
    {"GET", "/", serve_page, serve_error_openai, true},
    {"GET", "/page.css", serve_page, serve_error_openai, true},
    {"GET", "/page.js", serve_page, serve_error_openai, true},
    {"GET", "/marked.min.js", serve_page, serve_error_openai, true},
    {"GET", "/purify.min.js", serve_page, serve_error_openai, true},
    {"GET", "/health", serve_health, serve_error_openai, true},
    {"GET", "/v1/models", serve_models, serve_error_openai, false},
    {"GET", "/v1/models/*", serve_model, serve_error_openai, false},
    {"POST", "/v1/chat/completions", serve_openai_chat, serve_error_openai, false},
    {"POST", "/v1/completions", serve_openai_text, serve_error_openai, false},
    {"POST", "/v1/responses", serve_responses, serve_error_openai, false},
    {"POST", "/v1/embeddings", serve_embeddings, serve_error_openai, false},
    {"POST", "/v1/messages", serve_anthropic_messages, serve_error_anthropic, false},
    {"POST", "/v1/messages/count_tokens", serve_anthropic_count, serve_error_anthropic, false},
    {"POST", "/api/chat", serve_ollama_chat, serve_error_ollama, false},
    {"POST", "/api/generate", serve_ollama_generate, serve_error_ollama, false},
    {"POST", "/api/embed", serve_embeddings, serve_error_ollama, false},
    {"POST", "/api/show", serve_ollama_show, serve_error_ollama, false},
    {"GET", "/api/tags", serve_ollama_tags, serve_error_ollama, false},
    {"GET", "/api/ps", serve_ollama_ps, serve_error_ollama, false},
    {"GET", "/api/version", serve_ollama_version, serve_error_ollama, false},
    {"GET", "/v1/receipts/*", serve_receipt, serve_error_openai, false},
    {"GET", "/v1/constraints/*", serve_constraint, serve_error_openai, false},
    {"POST", "/v1/verify", serve_verify, serve_error_openai, false},
    {"POST", "/tokenize", serve_tokenize, serve_error_openai, false},
    {"POST", "/detokenize", serve_detokenize, serve_error_openai, false},
    {"GET", "/tokenizer_info", serve_tokenizer_info, serve_error_openai, false},
    {"GET", "/props", serve_props, serve_error_openai, false},
    {"GET", "/metrics", serve_metrics, serve_error_openai, false},
};
enum { ROWS = sizeof routes / sizeof routes[0] };

static bool fits(const struct serve_route *row, const char *path) {
    size_t n = strlen(row->path);
    if (row->path[n - 1] == '*') return strncmp(row->path, path, n - 1) == 0 && path[n - 1];
    return strcmp(row->path, path) == 0;
}

/* With `method`, or NULL: any. */
static const struct serve_route *find(const char *path, const char *method) {
    if (method && strcmp(method, "HEAD") == 0) method = "GET";
    for (size_t i = 0; i < ROWS; i++)
        if (fits(&routes[i], path) && (!method || strcmp(method, routes[i].method) == 0))
            return &routes[i];
    return NULL;
}

const char *serve_path_rest(const struct serve_request *r) {
    const struct serve_route *row = find(serve_path(r), serve_method(r));
    return serve_path(r) + strlen(row->path) - 1;
}

/* ---- failing -------------------------------------------------------------------------------- */

static const char *error_type(unsigned status) {
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
    }
}

json_t *serve_error_openai(unsigned status, const char *param, const char *message) {
    return json_pack("{s:{s:o, s:s, s:s?, s:s?}}", "error", "message",
                     serve_json_text(message, strlen(message)), "type", error_type(status), "param",
                     param, "code",
                     status == 401   ? "invalid_api_key"
                     : status == 404 ? "not_found"
                     : status == 429 ? "queue_full"
                                     : NULL);
}

/* How the interface that a path is of tells of errors, also where it has no such path. */
static serve_error_form *error_of(const char *path) {
    static const struct {
        const char *begin, *like;
    } families[] = {{"/api/", "/api/chat"}, {"/v1/messages", "/v1/messages"}};
    const struct serve_route *row = find(path, NULL);
    for (size_t i = 0; i < sizeof families / sizeof *families && !row; i++)
        if (strncmp(path, families[i].begin, strlen(families[i].begin)) == 0)
            row = find(families[i].like, NULL);
    return row ? row->error : serve_error_openai;
}

void serve_fail(struct serve_server *s, struct serve_request *r, unsigned status, const char *param,
                const char *format, ...) {
    char message[700];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    atomic_fetch_add(&s->refused, 1);
    if (status == 429 || status == 503) serve_put_header(r, "Retry-After", "1");
    if (status == 401) serve_put_header(r, "WWW-Authenticate", "Bearer");
    serve_reply_json(r, status, error_of(serve_path(r))(status, param, message));
}

void serve_refuse(void *server, struct serve_request *r, unsigned status, const char *why) {
    serve_fail(server, r, status, NULL, "%s", why);
}

unsigned serve_status_of(int status) {
    switch (status) {
    case BNT_E_USAGE:
    case BNT_E_FORMAT:
    case BNT_E_LIMIT:
    case BNT_E_UNSUPPORTED: return 400;
    case BNT_E_INTERRUPTED:
    case BNT_E_NOMEM: return 503;
    default: return 500;
    }
}

/* ---- who may come in ------------------------------------------------------------------------ */

static bool has_key(const struct serve_keys *keys, const char *key) {
    bool found = false; /* all are compared, each in a time that tells only its length */
    for (size_t i = 0; i < keys->count; i++)
        if (strlen(key) == strlen(keys->list[i]) &&
            CRYPTO_memcmp(key, keys->list[i], strlen(key)) == 0)
            found = true;
    return found;
}

static bool is_authorised(const struct serve_server *s, const struct serve_request *r) {
    static const char bearer[] = "Bearer ";
    const char *key = serve_header(r, "Authorization");
    if (s->keys.count == 0) return true;
    if (key && strncasecmp(key, bearer, strlen(bearer)) == 0) {
        key += strlen(bearer);
        while (*key == ' ') key++;
    } else {
        key = serve_header(r, "x-api-key"); /* Anthropic's clients */
    }
    return key && has_key(&s->keys, key);
}

/* A page that a name of its own leads to this machine, or that asks from another origin. */
static bool is_foreign(const struct serve_server *s, const struct serve_request *r) {
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = serve_header(r, "Host"), *origin = serve_header(r, "Origin");
    bool here = false;
    if (origin && s->origin && (strcmp(s->origin, "*") == 0 || strcmp(s->origin, origin) == 0))
        return false;
    if (origin) {
        const char *name = strstr(origin, "://");
        if (!host || !name || strcasecmp(name + 3, host) != 0) return true;
    }
    if (!s->loopback || s->keys.count || !host) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (strncasecmp(host, names[i], n) == 0 && (host[n] == '\0' || host[n] == ':')) here = true;
    }
    return !here;
}

static void allow_origin(const struct serve_server *s, struct serve_request *r) {
    if (!s->origin || !serve_header(r, "Origin")) return;
    serve_put_header(r, "Access-Control-Allow-Origin", s->origin);
    serve_put_header(r, "Access-Control-Allow-Headers", "*, Authorization");
    serve_put_header(r, "Access-Control-Allow-Methods", "GET, POST");
}

/* False: it has been refused, before its body was read. */
bool serve_admit(void *server, struct serve_request *r) {
    struct serve_server *s = server;
    const char *path = serve_path(r), *method = serve_method(r);
    const struct serve_route *row = find(path, method);
    char shown[80];
    atomic_fetch_add(&s->requests, 1);
    serve_put_header(r, "X-Content-Type-Options", "nosniff");
    if (is_foreign(s, r)) {
        serve_fail(s, r, 403, NULL,
                   "a page of another origin asks (--cors allows one), or this is no name of the "
                   "server");
        return false;
    }
    allow_origin(s, r);
    if (s->origin && strcmp(method, "OPTIONS") == 0) {
        serve_reply_static(r, 204, "text/plain", "", 0);
        return false;
    }
    bnt_printable(shown, sizeof shown, path, strlen(path));
    if (!row && find(path, NULL)) {
        serve_put_header(r, "Allow", find(path, NULL)->method);
        serve_fail(s, r, 405, NULL, "%s takes %s", shown, find(path, NULL)->method);
    } else if (!row) {
        serve_fail(s, r, 404, NULL, "there is no %s here", shown);
    } else if (!row->open && !is_authorised(s, r)) {
        serve_fail(s, r, 401, NULL, "a valid API key is needed");
    } else if (!row->open && atomic_load(&s->draining)) {
        serve_fail(s, r, 503, NULL, "the server is going down");
    } else {
        return true;
    }
    return false;
}

void serve_handle(void *server, struct serve_request *r) {
    find(serve_path(r), serve_method(r))->handle(server, r);
}
