/*
 * batch.c - see batch.h.
 *
 * The one idea: lines are submitted some way ahead and written in their order, so that what is
 * written is always the beginning of what one process alone would write in the end.
 */
#include "serve/batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "receipt.h"

enum { AHEAD = 4, SYNC_LINES = 64, DIGITS = 24 };
static const char opening[] = "{\"id\":\"batch_req_";

/* ---- lines ----------------------------------------------------------------------------------- */

static size_t cut_lines(struct serve_lines *l, size_t size, struct serve_line *list) {
    size_t n = 0;
    for (size_t at = 0, end; at < size; at = end + 1) {
        const char *stop = memchr(l->text + at, '\n', size - at);
        end = stop ? (size_t)(stop - l->text) : size;
        size_t from = at, to = end;
        while (from < to && strchr(" \t\r", l->text[from]) && l->text[from]) from++;
        while (to > from && strchr(" \t\r", l->text[to - 1]) && l->text[to - 1]) to--;
        if (from == to) continue;
        if (list) list[n] = (struct serve_line){l->text + from, to - from};
        n++;
    }
    return n;
}

int serve_lines_read(struct serve_lines *out, int fd, const char *path, struct bnt_err *err) {
    struct stat st;
    size_t size = 0;
    *out = (struct serve_lines){0};
    if (fstat(fd, &st) != 0) return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return bnt_fail(err, BNT_E_USAGE, "%s: not a file", path);
    out->text = malloc((size_t)st.st_size + 1);
    if (!out->text) return bnt_fail_nomem(err, path, (size_t)st.st_size);
    while (size < (size_t)st.st_size) {
        ssize_t n = read(fd, out->text + size, (size_t)st.st_size - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
        if (n == 0) break;
        size += (size_t)n;
    }
    out->count = cut_lines(out, size, NULL);
    out->list = calloc(out->count + 1, sizeof *out->list);
    if (!out->list) return bnt_fail_nomem(err, path, out->count * sizeof *out->list);
    cut_lines(out, size, out->list);
    return BNT_OK;
}

void serve_lines_free(struct serve_lines *l) {
    free(l->text);
    free(l->list);
    *l = (struct serve_lines){0};
}

/* ---- one line -------------------------------------------------------------------------------- */

struct work;

struct item {
    struct serve_request face; /* first: both have one address */
    struct work *work;
    const char *path;
    char *body;
    json_t *custom_id; /* or NULL */
    char digits[65];   /* of its place and its text: what its ids are made of */
    /* under the lock */
    bool done;
    const char *error; /* why it is no request, or NULL: then */
    unsigned status;
    json_t *reply;
};

struct work {
    struct serve_batch *batch;
    struct serve_server *server;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct item *items; /* [room], line i at i % room */
    size_t room;
};

static void finish(struct item *item, unsigned status, json_t *reply) {
    pthread_mutex_lock(&item->work->lock);
    item->status = status;
    item->reply = reply;
    item->done = true;
    pthread_cond_signal(&item->work->changed);
    pthread_mutex_unlock(&item->work->lock);
}

/* ---- as a request ---------------------------------------------------------------------------- */

static const struct item *item_of(const struct serve_request *r) {
    return (const struct item *)r;
}

static const char *get_method(const struct serve_request *r) {
    (void)r;
    return "POST";
}

static const char *get_path(const struct serve_request *r) {
    return item_of(r)->path;
}

static const char *get_field(const struct serve_request *r, const char *name) {
    (void)r;
    (void)name;
    return NULL;
}

static const char *get_body(const struct serve_request *r, size_t *len) {
    *len = strlen(item_of(r)->body);
    return item_of(r)->body;
}

static const char *get_digits(const struct serve_request *r) {
    return item_of(r)->digits;
}

static void put_header(struct serve_request *r, const char *name, const char *value) {
    (void)r;
    (void)name;
    (void)value;
}

static void reply_static(struct serve_request *r, unsigned status, const char *type,
                         const void *body, size_t len) {
    (void)type;
    finish((struct item *)r, status, bnt_json_part(body, len, JSON_ALLOW_NUL));
}

static void reply(struct serve_request *r, unsigned status, const char *type, char *body,
                  size_t len) {
    reply_static(r, status, type, body, len);
    free(body);
}

static void watch(struct serve_request *r, void (*gone)(void *arg), void *arg) {
    (void)r;
    (void)gone;
    (void)arg;
}

/* No line asks for a stream: fit_body sees to that. */
static const struct serve_request_ops ops = {.method = get_method,
                                             .path = get_path,
                                             .header = get_field,
                                             .query = get_field,
                                             .body = get_body,
                                             .digits = get_digits,
                                             .put_header = put_header,
                                             .reply = reply,
                                             .reply_static = reply_static,
                                             .watch = watch};

/* ---- from a line to a request ---------------------------------------------------------------- */

static const struct {
    const char *url;
    void (*handle)(struct serve_server *s, struct serve_request *r);
} handlers[] = {{"/v1/chat/completions", serve_openai_chat},
                {"/v1/completions", serve_openai_text}};

/* What would make the result depend on more than the line: a stream, and a seed that is drawn. */
static int fit_body(json_t *body, const struct serve_line *line, struct bnt_err *err) {
    char hex[65];
    json_object_del(body, "stream");
    json_object_del(body, "stream_options");
    const json_t *seed = json_object_get(body, "seed");
    if (seed && !json_is_null(seed)) return BNT_OK;
    int status = bnt_receipt_sha256(line->text, line->len, hex, err);
    if (status != BNT_OK) return status;
    hex[13] = '\0'; /* 52 bits, which every reader of JSON has */
    json_object_set_new(body, "seed", json_integer((json_int_t)strtoull(hex, NULL, 16)));
    return BNT_OK;
}

/* What is wrong with the line, or NULL; *handler is its row. */
static const char *find_fault(const struct serve_server *s, const json_t *o, size_t *handler) {
    const char *method = json_string_value(json_object_get(o, "method"));
    const char *url = json_string_value(json_object_get(o, "url"));
    if (!json_is_object(o)) return "the line is no JSON object";
    if (!json_is_string(json_object_get(o, "custom_id"))) return "custom_id must be a text";
    if (method && strcmp(method, "POST") != 0) return "method must be POST";
    for (*handler = 0; *handler < sizeof handlers / sizeof handlers[0]; ++*handler)
        if (url && strcmp(url, handlers[*handler].url) == 0) break;
    if (*handler == sizeof handlers / sizeof handlers[0])
        return "url must be /v1/chat/completions or /v1/completions";
    if (!json_is_object(json_object_get(o, "body"))) return "body must be an object";
    if (json_is_true(json_object_get(json_object_get(o, "body"), "receipt")) && !s->receipts.folder)
        return "receipt: --receipts=DIR says where it goes";
    return NULL;
}

static int make_digits(struct item *item, size_t index, const struct serve_line *line,
                       struct bnt_err *err) {
    char hex[65], text[100];
    int status = bnt_receipt_sha256(line->text, line->len, hex, err);
    int n = snprintf(text, sizeof text, "%zu %s", index, hex);
    return status == BNT_OK ? bnt_receipt_sha256(text, (size_t)n, item->digits, err) : status;
}

static int submit(struct work *w, size_t index, struct bnt_err *err) {
    const struct serve_line *line = &w->batch->lines->list[index];
    struct item *item = &w->items[index % w->room];
    size_t handler = 0;
    json_t *o;
    const int read = bnt_json_load(&o, line->text, line->len, JSON_ALLOW_NUL, NULL);
    *item = (struct item){.face.ops = &ops, .work = w, .error = find_fault(w->server, o, &handler)};
    int status = read == BNT_E_NOMEM ? bnt_fail_nomem(err, "a request", line->len)
                                     : make_digits(item, index, line, err);
    if (status == BNT_OK) item->custom_id = json_incref(json_object_get(o, "custom_id"));
    if (status == BNT_OK && !item->error) {
        json_t *body = json_object_get(o, "body");
        status = fit_body(body, line, err);
        item->path = handlers[handler].url;
        item->body = status == BNT_OK ? json_dumps(body, JSON_COMPACT) : NULL;
        if (status == BNT_OK && (!item->body || bnt_json_lost()))
            status = bnt_fail_nomem(err, "a request", line->len);
    }
    json_decref(o);
    if (status == BNT_OK && item->error)
        finish(item, 0, NULL);
    else if (status == BNT_OK)
        handlers[handler].handle(w->server, &item->face);
    return status;
}

/* ---- from a reply to a line ------------------------------------------------------------------ */

static json_t *id_of(const char *prefix, const struct item *item) {
    char id[64];
    snprintf(id, sizeof id, "%s%.*s", prefix, DIGITS, item->digits);
    return json_string(id);
}

/* Calls of tools have ids of their own: "call_", the line's digits, choice and call. */
static void fit_calls(const struct item *item) {
    const json_t *choices = json_object_get(item->reply, "choices");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *message = json_object_get(json_array_get(choices, i), "message");
        const json_t *calls = json_object_get(message, "tool_calls");
        for (size_t k = 0; k < json_array_size(calls); k++) {
            char id[100];
            snprintf(id, sizeof id, "call_%.*s_%zu_%zu", DIGITS, item->digits, i, k);
            json_object_set_new(json_array_get(calls, k), "id", json_string(id));
        }
    }
}

/* What a reply has of its server and its hour. */
static void fit_reply(const struct item *item) {
    const char *id = json_string_value(json_object_get(item->reply, "id"));
    json_t *details =
        json_object_get(json_object_get(item->reply, "usage"), "prompt_tokens_details");
    if (id)
        json_object_set_new(item->reply, "id",
                            id_of(id[0] == 'c' && id[1] == 'h' ? "chatcmpl-" : "cmpl-", item));
    if (json_object_get(item->reply, "created"))
        json_object_set_new(item->reply, "created", json_integer(0));
    if (details) json_object_set_new(details, "cached_tokens", json_integer(0));
    json_object_del(item->reply, "timings");
    fit_calls(item);
}

static json_t *result_of(struct item *item) {
    json_t *response = NULL, *error = NULL;
    if (item->error) {
        error = json_pack("{s:s, s:s}", "code", "invalid_line", "message", item->error);
    } else {
        fit_reply(item);
        response = json_pack("{s:i, s:o, s:O}", "status_code", (int)item->status, "request_id",
                             id_of("req_", item), "body", item->reply);
    }
    return json_pack("{s:o, s:O?, s:o?, s:o?}", "id", id_of("batch_req_", item), "custom_id",
                     item->custom_id, "response", response, "error", error);
}

static int stopped(const struct item *item, size_t index, struct bnt_err *err) {
    const char *why =
        json_string_value(json_object_get(json_object_get(item->reply, "error"), "message"));
    return bnt_fail(err, item->status == 500 ? BNT_E_BACKEND : BNT_E_NOMEM, "line %zu: %s",
                    index + 1, why ? why : "out of memory");
}

/* A line that cannot be done is a result; a program that cannot go on is none. */
static int write_result(struct work *w, size_t index, struct bnt_err *err) {
    struct item *item = &w->items[index % w->room];
    if (!item->error && (!item->reply || item->status >= 500)) return stopped(item, index, err);
    json_t *o = result_of(item);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    int status = text && !bnt_json_lost()
                     ? serve_results_add(w->batch->results, text, strlen(text), err)
                     : bnt_fail_nomem(err, "a result", 1);
    if (item->error || item->status != 200) w->batch->errors++;
    free(text);
    return status;
}

static void forget(struct item *item) {
    json_decref(item->custom_id);
    json_decref(item->reply);
    free(item->body);
    *item = (struct item){0};
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* False: interrupted before the line was done. */
static bool await(struct work *w, size_t index) {
    struct item *item = &w->items[index % w->room];
    pthread_mutex_lock(&w->lock);
    while (!item->done && !*w->batch->interrupted) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        pthread_cond_timedwait(&w->changed, &w->lock, &until);
    }
    pthread_mutex_unlock(&w->lock);
    return !*w->batch->interrupted;
}

static int run(struct work *w, size_t *submitted, size_t *written, struct bnt_err *err) {
    struct serve_batch *b = w->batch;
    int status = serve_results_begin(b->results, err);
    while (status == BNT_OK && *written < b->last) {
        while (status == BNT_OK && *submitted < b->last && *submitted - *written < w->room)
            status = submit(w, (*submitted)++, err);
        if (status != BNT_OK) break;
        if (!await(w, *written)) return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
        status = write_result(w, *written, err);
        forget(&w->items[*written % w->room]);
        ++*written;
        if (status == BNT_OK && *written % SYNC_LINES == 0)
            status = serve_results_sync(b->results, err);
        if (b->progress) b->progress(b->progress_arg, *written - b->first, b->last - b->first);
    }
    return status == BNT_OK ? serve_results_sync(b->results, err) : status;
}

int serve_batch_run(struct serve_batch *b, struct serve_server *s, struct bnt_err *err) {
    struct work w = {.batch = b, .server = s, .room = (size_t)AHEAD * b->together};
    size_t written = b->first + b->resumed, submitted = written;
    if (b->fingerprint[0] && strcmp(b->fingerprint, s->fingerprint) != 0)
        return bnt_fail(err, BNT_E_USAGE,
                        "%s was begun with another model or chat template (%s, here %s); name a "
                        "new file, or what it was begun with",
                        b->results->path, b->fingerprint, s->fingerprint);
    w.items = calloc(w.room, sizeof *w.items);
    if (!w.items) return bnt_fail_nomem(err, "the lines", w.room * sizeof *w.items);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    int status = run(&w, &submitted, &written, err);
    if (status != BNT_OK) serve_scheduler_abort(s->scheduler);
    serve_stop(s); /* nobody touches the items from here on */
    for (size_t i = 0; i < w.room; i++) forget(&w.items[i]);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    free(w.items);
    return status;
}

/* ---- resuming -------------------------------------------------------------------------------- */

/* BNT_OK, BNT_E_NOMEM, or another status: it is not. */
static int is_result_of(struct serve_batch *of, const char *text, size_t len,
                        const struct serve_line *line) {
    json_t *result, *o;
    const int a = bnt_json_load(&result, text, len, JSON_ALLOW_NUL, NULL);
    const int b = bnt_json_load(&o, line->text, line->len, JSON_ALLOW_NUL, NULL);
    const json_t *there = json_object_get(result, "custom_id"),
                 *here = json_object_get(o, "custom_id");
    bool is = json_object_get(result, "response") &&
              (json_is_null(there) ? !here || json_is_null(here) : json_equal(there, here) == 1);
    const json_t *body = json_object_get(json_object_get(result, "response"), "body");
    const char *by = json_string_value(json_object_get(body, "system_fingerprint"));
    if (is && by) snprintf(of->fingerprint, sizeof of->fingerprint, "%s", by);
    json_decref(result);
    json_decref(o);
    if (a == BNT_E_NOMEM || b == BNT_E_NOMEM) return BNT_E_NOMEM;
    return is ? BNT_OK : BNT_E_USAGE;
}

int serve_batch_resume(struct serve_batch *b, struct bnt_err *err) {
    const struct serve_results *r = b->results;
    const char *at = r->text, *end = r->text + r->len;
    const size_t all = b->last - b->first, n = sizeof opening - 1;
    for (b->resumed = 0; at < end && b->resumed < all; b->resumed++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const struct serve_line *line = &b->lines->list[b->first + b->resumed];
        const int status = is_result_of(b, at, (size_t)(stop - at), line);
        if (status == BNT_E_NOMEM) return bnt_fail_nomem(err, "a result", (size_t)(stop - at));
        if (status != BNT_OK)
            return bnt_fail(err, BNT_E_USAGE,
                            "%s holds something else: its line %zu is not the result of request "
                            "%zu; name a new file, or the one that this batch began",
                            r->path, b->resumed + 1, b->first + b->resumed + 1);
        at = stop + 1;
    }
    if (at < end || (r->piece && b->resumed == all))
        return bnt_fail(err, BNT_E_USAGE, "%s has more than the results of %zu lines", r->path,
                        all);
    if (memcmp(end, opening, r->piece < n ? r->piece : n) != 0)
        return bnt_fail(err, BNT_E_USAGE, "%s: its last line is no result that was cut off",
                        r->path);
    return BNT_OK;
}
