/*
 * fuzz_serve.c - hostile requests to every interface of the server, without a connection: each gets
 * one reply, whose JSON is whole, and none is the server's own fault.
 *
 * The first byte chooses the path; the rest is the body. One server for all, so that beginnings are
 * found and kept.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_serve CORPUS_DIR
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/request.h"
#include "serve/server.h"
#include "synth_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {"/v1/chat/completions",
                                    "/v1/completions",
                                    "/v1/messages",
                                    "/v1/messages/count_tokens",
                                    "/api/chat",
                                    "/api/generate",
                                    "/api/show",
                                    "/tokenize",
                                    "/detokenize",
                                    "/v1/verify",
                                    "/v1/embeddings",
                                    "/v1/responses"};
enum { PATHS = sizeof paths / sizeof paths[0], CONTEXT = 48, HEADER = 64 };

static struct serve_server server;

struct input {
    struct serve_request face; /* first: both have one address */
    const char *path, *body;
    size_t len;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned status;
    bool streams, ended;
};

static const struct input *of(const struct serve_request *r) {
    return (const struct input *)r;
}

static const char *get_method(const struct serve_request *r) {
    (void)r;
    return "POST";
}

static const char *get_path(const struct serve_request *r) {
    return of(r)->path;
}

static const char *get_field(const struct serve_request *r, const char *name) {
    (void)r;
    (void)name;
    return NULL;
}

static const char *get_body(const struct serve_request *r, size_t *len) {
    *len = of(r)->len;
    return of(r)->body;
}

static void put_header(struct serve_request *r, const char *name, const char *value) {
    (void)r;
    if (!name[0] || strpbrk(value, "\r\n")) abort();
}

static void end(struct serve_request *r) {
    struct input *in = (struct input *)r;
    pthread_mutex_lock(&in->lock);
    if (in->ended) abort();
    in->ended = true;
    pthread_cond_broadcast(&in->changed);
    pthread_mutex_unlock(&in->lock);
}

static void look_at(struct serve_request *r, unsigned status, const char *body, size_t len) {
    struct input *in = (struct input *)r;
    json_t *o = json_loadb(body, len, JSON_ALLOW_NUL, NULL);
    if (!o || in->streams || status == 500) abort();
    json_decref(o);
    in->status = status;
}

static void reply(struct serve_request *r, unsigned status, const char *type, char *body,
                  size_t len) {
    (void)type;
    look_at(r, status, body, len);
    free(body);
    end(r);
}

static void reply_static(struct serve_request *r, unsigned status, const char *type,
                         const void *body, size_t len) {
    (void)type;
    look_at(r, status, body, len);
    end(r);
}

static void stream_begin(struct serve_request *r, const char *type) {
    struct input *in = (struct input *)r;
    if (in->streams || !type) abort();
    in->streams = true;
}

static int stream_write(struct serve_request *r, const char *text, size_t len,
                        struct bnt_err *err) {
    (void)err;
    if (!of(r)->streams || (len && !text)) abort();
    return BNT_OK;
}

static void cut(struct serve_request *r) {
    (void)r;
    abort(); /* there is memory enough */
}

static void watch(struct serve_request *r, void (*gone)(void *arg), void *arg) {
    (void)r;
    (void)gone;
    (void)arg;
}

static const struct serve_request_ops ops = {.method = get_method,
                                             .path = get_path,
                                             .header = get_field,
                                             .query = get_field,
                                             .body = get_body,
                                             .put_header = put_header,
                                             .reply = reply,
                                             .reply_static = reply_static,
                                             .stream_begin = stream_begin,
                                             .stream_write = stream_write,
                                             .stream_end = end,
                                             .stream_cut = cut,
                                             .watch = watch};

static void open_server(void) {
    struct bnt_err err = {0};
    struct synth s;
    if (!synth_preset(&s, "tiny")) abort();
    s.blocks = 1;
    s.embd = s.ff = 128;
    s.heads = s.kv_heads = 2;
    s.head_dim = 64;
    const struct bnt_engine_options o = {.backend = "ref-scalar", .threads = 1};
    const struct serve_scheduler_options so = {
        .running = {.context = {.n_ctx = CONTEXT, .n_batch = 32, .threads = 1, .no_bind = true},
                    .parallel = 4,
                    .cache_bytes = 1 << 20,
                    .piece = 16},
        .queue = 64};
    const struct bnt_template_choice choice = {.name = "instruct"};
    server.engine = synth_engine(&s, &o, &err);
    if (!server.engine ||
        bnt_template_open(&server.chat.tm, server.engine->gguf, server.engine->tokenizer, &choice,
                          &err) ||
        serve_writer_open(&server.writer, &err) ||
        serve_scheduler_open(&server.scheduler, server.engine, &so, &err))
        abort();
    snprintf(server.model_id, sizeof server.model_id, "model");
    memset(server.model_sha256, 'a', 64);
    pthread_mutex_init(&server.receipts.lock, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (!server.engine) open_server();
    char *body = malloc(size);
    if (!body) abort();
    memcpy(body, data + 1, size - 1);
    body[size - 1] = '\0';
    struct input in = {.face = {&ops},
                       .path = paths[data[0] % PATHS],
                       .body = body,
                       .len = size - 1,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .changed = PTHREAD_COND_INITIALIZER};
    if (serve_admit(&server, &in.face)) serve_handle(&server, &in.face);
    pthread_mutex_lock(&in.lock);
    while (!in.ended) pthread_cond_wait(&in.changed, &in.lock);
    pthread_mutex_unlock(&in.lock);
    free(body);
    return 0;
}
