/*
 * server.h - what every interface of the server shares: the model that is served, the scheduler,
 * and how a request fails. Each interface is a file of its own, which knows this and nothing of the
 * others.
 */
#ifndef BNT_SERVE_SERVER_H
#define BNT_SERVE_SERVER_H

#include <jansson.h>

#include "run/template.h"
#include "serve/http.h"
#include "serve/receipts.h"
#include "serve/scheduler.h"
#include "serve/shape.h"
#include "serve/writer.h"

struct serve_keys { /* --api-key-file */
    char **list;
    size_t count;
};

struct serve_template {
    struct bnt_template tm; /* closed where it cannot be used */
    struct bnt_err fault;   /* why it cannot; status 0: it can */
};

struct serve_server {
    struct bnt_engine *engine;
    struct serve_scheduler *scheduler;
    struct serve_writer writer;
    struct serve_http *http;
    struct serve_shapes shapes;
    struct serve_template chat;
    struct serve_template for_tools; /* the file's own for requests with tools, */
    bool has_for_tools;              /* if it has one; else `chat` is for them, too */
    char model_id[128];              /* its file's name without ".gguf" */
    const char *const *aliases;      /* other names that it may be called by */
    unsigned n_aliases;
    char model_sha256[65]; /* of its file or files */
    char fingerprint[24];  /* of model, tokenizer, numerics, templates: "bn_", 20 digits */
    int64_t started;       /* seconds since 1970 */
    int64_t date;          /* what templates are told; 0: today */
    struct serve_keys keys;
    struct serve_receipts receipts;
    struct bnt_signer *signer;       /* of receipts; NULL: nobody */
    const char *origin;              /* --cors; NULL: pages of no other origin may ask */
    bool loopback;                   /* only this machine can reach it */
    atomic_bool draining;            /* no new work */
    atomic_ullong requests, refused; /* over HTTP, since the start; refused: status 400 and above */
    atomic_ullong last_id;
};

/* Scheduler and writer, until all that was submitted is told; what comes now is refused. */
void serve_stop(struct serve_server *s);

/* How an interface says what went wrong; `param` names the field, or is NULL. */
typedef json_t *serve_error_form(unsigned status, const char *param, const char *message);
json_t *serve_error_openai(unsigned status, const char *param, const char *message);
json_t *serve_error_anthropic(unsigned status, const char *param, const char *message);
json_t *serve_error_ollama(unsigned status, const char *param, const char *message);

/* A row of the table of paths (route.c). */
struct serve_route {
    const char *method, *path; /* a path that ends with '*' stands for all that begin so */
    void (*handle)(struct serve_server *s, struct serve_request *r);
    serve_error_form *error;
    bool open; /* without a key */
};

/* For serve_http_options: what comes in, goes to its row; the rest is refused. */
bool serve_admit(void *server, struct serve_request *r);
void serve_handle(void *server, struct serve_request *r);
void serve_refuse(void *server, struct serve_request *r, unsigned status, const char *why);

/* The whole reply; takes over the reference. NULL counts as out of memory. */
void serve_reply_json(struct serve_request *r, unsigned status, json_t *body);
/* An error in the form of the interface that the path belongs to. */
__attribute__((format(printf, 5, 6))) void serve_fail(struct serve_server *s,
                                                      struct serve_request *r, unsigned status,
                                                      const char *param, const char *format, ...);
/* The HTTP status of one of ours. */
unsigned serve_status_of(int status);
/* What the path has behind its row's '*'. */
const char *serve_path_rest(const struct serve_request *r);
/* The body as a JSON object; NULL: it was none, and the client has been told. */
json_t *serve_body_object(struct serve_server *s, struct serve_request *r);
/* Bytes as a JSON string: what is not UTF-8 becomes U+FFFD. */
json_t *serve_json_text(const char *text, size_t len);
/* "chatcmpl-" and what makes it unlike any other. */
void serve_new_id(struct serve_server *s, const char *prefix, char id[64]);
/* The served model's names: 0 is its own, the others are --alias's; NULL beyond the last. */
const char *serve_model_name(const struct serve_server *s, unsigned i);
/* Whether it is called so; ollama's clients put ":latest" behind a name. */
bool serve_is_model(const struct serve_server *s, const char *called);
#define SERVE_OTHER_MODEL "the model that is served here is '%s' (--alias gives it other names)"
/* Tokens as a list; NULL when memory is short. */
json_t *serve_json_ids(const int32_t *ids, size_t n);

/* ---- interfaces ------------------------------------------------------------------------------ */

void serve_page(struct serve_server *s, struct serve_request *r);
void serve_health(struct serve_server *s, struct serve_request *r);
void serve_models(struct serve_server *s, struct serve_request *r);
void serve_model(struct serve_server *s, struct serve_request *r);
void serve_openai_chat(struct serve_server *s, struct serve_request *r);
void serve_openai_text(struct serve_server *s, struct serve_request *r);
void serve_responses(struct serve_server *s, struct serve_request *r);
void serve_embeddings(struct serve_server *s, struct serve_request *r);
void serve_anthropic_messages(struct serve_server *s, struct serve_request *r);
void serve_anthropic_count(struct serve_server *s, struct serve_request *r);
void serve_ollama_chat(struct serve_server *s, struct serve_request *r);
void serve_ollama_generate(struct serve_server *s, struct serve_request *r);
void serve_ollama_tags(struct serve_server *s, struct serve_request *r);
void serve_ollama_ps(struct serve_server *s, struct serve_request *r);
void serve_ollama_show(struct serve_server *s, struct serve_request *r);
void serve_ollama_version(struct serve_server *s, struct serve_request *r);
void serve_tokenize(struct serve_server *s, struct serve_request *r);
void serve_detokenize(struct serve_server *s, struct serve_request *r);
void serve_tokenizer_info(struct serve_server *s, struct serve_request *r);
void serve_props(struct serve_server *s, struct serve_request *r);
void serve_receipt(struct serve_server *s, struct serve_request *r);
void serve_constraint(struct serve_server *s, struct serve_request *r);
void serve_verify(struct serve_server *s, struct serve_request *r);
void serve_metrics(struct serve_server *s, struct serve_request *r);

#endif
