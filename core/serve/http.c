/*
 * http.c - see http.h; over libmicrohttpd, the only file that knows it.
 *
 * One thread serves all connections. A connection whose reply is being made is suspended, and
 * resumed when there is something to send. The library does not look at suspended connections, and
 * of one that came to its end together with its last bytes it reads only these. So a second thread
 * asks all sockets ten times a second whether the client is still there. A client that has closed
 * its side of the connection counts as gone.
 */
#include "serve/http.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve/listen.h"

enum {
    WATCH_MS = 100,
    HEADER_BYTES = 32 << 10,
    MOST_HEADERS = 12,
    STREAM_BLOCK = 8 << 10,
    READ_AT_MOST = 8
};

struct connection {
    int fd;
    bool ended;                   /* the library has been told */
    struct http_request *request; /* that it carries now, from arrival to the end of the reply */
    struct connection *next, *before;
};

struct serve_http {
    struct serve_http_options o;
    struct MHD_Daemon *daemon;
    unsigned port;
    int listening; /* -1: given up */
    pthread_t watcher;
    struct pollfd *polls; /* the watcher's: one for each connection */
    pthread_mutex_t lock; /* of the list, what is in it, and `open` */
    struct connection *first;
    unsigned open; /* requests */
    bool closing;
};

enum phase { READING, WORKING, REPLIED };

struct http_request {
    struct serve_request face; /* what handlers have of it; first, so that both have one address */
    struct serve_http *http;
    struct MHD_Connection *connection;
    char *method, *path;
    char *body;
    size_t len, capacity, came; /* came: bytes, those included that are too many */
    pthread_mutex_t lock;
    /* under the lock */
    enum phase phase;
    bool suspended, gone;
    bool held, over; /* by the library; by the handler */
    void (*on_gone)(void *arg);
    void *on_gone_arg;
    struct MHD_Response *response;
    unsigned status;
    bool streams, ended, cut;
    char *out; /* of a stream, what was not sent yet: [sent, out_len) */
    size_t out_len, out_capacity, sent;
    struct {
        const char *name;
        char *value;
    } headers[MOST_HEADERS];
    unsigned n_headers;
};

/* ---- life of a connection ------------------------------------------------------------------- */

/* The library's callback at both ends; *own is ours, NULL where memory was short. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode what) {
    struct serve_http *h = arg;
    struct connection *c = *own;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        if (!info || !(*own = c = calloc(1, sizeof *c))) return;
        c->fd = info->connect_fd;
        pthread_mutex_lock(&h->lock);
        c->next = h->first;
        if (c->next) c->next->before = c;
        h->first = c;
        pthread_mutex_unlock(&h->lock);
    } else if (c) {
        pthread_mutex_lock(&h->lock);
        *(c->before ? &c->before->next : &h->first) = c->next;
        if (c->next) c->next->before = c->before;
        pthread_mutex_unlock(&h->lock);
        free(c);
        *own = NULL;
    }
}

/* What it carries from now on. */
static void carry(struct serve_http *h, struct MHD_Connection *connection, struct http_request *r) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info ? info->socket_context : NULL;
    pthread_mutex_lock(&h->lock);
    if (c) c->request = r;
    if (r)
        h->open++;
    else
        h->open--;
    pthread_mutex_unlock(&h->lock);
}

/* ---- life of a request ---------------------------------------------------------------------- */

static struct http_request *new_request(struct serve_http *h, struct MHD_Connection *connection,
                                        const char *path, const char *method) {
    struct http_request *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->http = h;
    r->connection = connection;
    r->method = strdup(method);
    r->path = strdup(path);
    r->held = true;
    if (!r->method || !r->path) {
        free(r->method);
        free(r->path);
        free(r);
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    carry(h, connection, r);
    return r;
}

static void free_request(struct http_request *r) {
    for (unsigned i = 0; i < r->n_headers; i++) free(r->headers[i].value);
    if (r->response) MHD_destroy_response(r->response);
    pthread_mutex_destroy(&r->lock);
    free(r->method);
    free(r->path);
    free(r->body);
    free(r->out);
    free(r);
}

/* Once the library and the handler have both let go of it. */
static void let_go(struct http_request *r, bool *who, bool value) {
    pthread_mutex_lock(&r->lock);
    *who = value;
    bool last = !r->held && (r->over || r->phase == READING);
    pthread_mutex_unlock(&r->lock);
    if (last) free_request(r);
}

/* Under r->lock. */
static void resume(struct http_request *r) {
    if (!r->suspended) return;
    r->suspended = false;
    MHD_resume_connection(r->connection);
}

static void tell_gone(struct http_request *r) {
    pthread_mutex_lock(&r->lock);
    r->gone = true;
    void (*tell)(void *) = r->on_gone;
    r->on_gone = NULL;
    if (tell) tell(r->on_gone_arg);
    pthread_mutex_unlock(&r->lock);
}

/* ---- what a handler asks -------------------------------------------------------------------- */

static const char *get_method(const struct serve_request *face) {
    const struct http_request *r = (const struct http_request *)face;
    return r->method;
}

static const char *get_path(const struct serve_request *face) {
    const struct http_request *r = (const struct http_request *)face;
    return r->path;
}

static const char *get_header(const struct serve_request *face, const char *name) {
    const struct http_request *r = (const struct http_request *)face;
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static const char *get_query(const struct serve_request *face, const char *name) {
    const struct http_request *r = (const struct http_request *)face;
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

static const char *get_body(const struct serve_request *face, size_t *len) {
    const struct http_request *r = (const struct http_request *)face;
    *len = r->len;
    return r->body ? r->body : "";
}

static void watch_request(struct serve_request *face, void (*gone)(void *arg), void *arg) {
    struct http_request *r = (struct http_request *)face;
    pthread_mutex_lock(&r->lock);
    r->on_gone = gone;
    r->on_gone_arg = arg;
    pthread_mutex_unlock(&r->lock);
}

static void put_header(struct serve_request *face, const char *name, const char *value) {
    struct http_request *r = (struct http_request *)face;
    if (r->n_headers == MOST_HEADERS) return;
    char *copy = strdup(value);
    if (!copy) return;
    r->headers[r->n_headers].name = name;
    r->headers[r->n_headers++].value = copy;
}

/* ---- replying ------------------------------------------------------------------------------- */

static void give(struct http_request *r, unsigned status, const char *type,
                 struct MHD_Response *response, bool ends) {
    if (response) {
        MHD_add_response_header(response, "Content-Type", type);
        for (unsigned i = 0; i < r->n_headers; i++)
            MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
    }
    pthread_mutex_lock(&r->lock);
    r->response = response;
    r->status = status;
    r->phase = REPLIED;
    if (ends) r->on_gone = NULL;
    resume(r);
    pthread_mutex_unlock(&r->lock);
    if (ends) let_go(r, &r->over, true);
}

static void reply(struct serve_request *face, unsigned status, const char *type, char *body,
                  size_t len) {
    struct http_request *r = (struct http_request *)face;
    give(r, status, type, MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE), true);
}

static void reply_static(struct serve_request *face, unsigned status, const char *type,
                         const void *body, size_t len) {
    struct http_request *r = (struct http_request *)face;
    union {
        const void *from;
        void *to; /* the library reads it only */
    } bytes = {.from = body};
    give(r, status, type, MHD_create_response_from_buffer(len, bytes.to, MHD_RESPMEM_PERSISTENT),
         true);
}

/* The library asks for more of a stream. */
static ssize_t read_stream(void *arg, uint64_t at, char *to, size_t room) {
    struct http_request *r = arg;
    (void)at;
    pthread_mutex_lock(&r->lock);
    size_t n = r->out_len - r->sent;
    ssize_t result;
    if (n) {
        if (n > room) n = room;
        memcpy(to, r->out + r->sent, n);
        r->sent += n;
        if (r->sent == r->out_len) r->sent = r->out_len = 0;
        result = (ssize_t)n;
    } else if (r->ended) {
        result = r->cut ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
        result = 0;
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

static void stream_begin(struct serve_request *face, const char *type) {
    struct http_request *r = (struct http_request *)face;
    r->streams = true;
    put_header(&r->face, "Cache-Control", "no-store");
    put_header(&r->face, "X-Accel-Buffering", "no"); /* nginx passes it on as it comes */
    give(r, 200, type,
         MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, r, NULL),
         false);
}

static int stream_write(struct serve_request *face, const char *text, size_t len,
                        struct bnt_err *err) {
    struct http_request *r = (struct http_request *)face;
    int status = BNT_OK;
    pthread_mutex_lock(&r->lock);
    if (r->gone) {
        status = bnt_fail(err, BNT_E_IO, "the client has gone away");
    } else if (r->cut) {
        status = bnt_fail(err, BNT_E_IO, "the stream was cut");
    } else {
        if (r->out_len + len > r->out_capacity) {
            size_t capacity = 2 * (r->out_len + len);
            char *grown = realloc(r->out, capacity);
            if (grown) r->out = grown, r->out_capacity = capacity;
        }
        if (r->out_len + len <= r->out_capacity) {
            memcpy(r->out + r->out_len, text, len);
            r->out_len += len;
            resume(r);
        } else {
            status = bnt_fail_nomem(err, "a stream", len);
            r->cut = true;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

static void stream_end(struct serve_request *face) {
    struct http_request *r = (struct http_request *)face;
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    r->on_gone = NULL;
    resume(r);
    pthread_mutex_unlock(&r->lock);
    let_go(r, &r->over, true);
}

static void stream_cut(struct serve_request *face) {
    struct http_request *r = (struct http_request *)face;
    pthread_mutex_lock(&r->lock);
    r->cut = true;
    pthread_mutex_unlock(&r->lock);
}

static const struct serve_request_ops ops = {.method = get_method,
                                             .path = get_path,
                                             .header = get_header,
                                             .query = get_query,
                                             .body = get_body,
                                             .put_header = put_header,
                                             .reply = reply,
                                             .reply_static = reply_static,
                                             .stream_begin = stream_begin,
                                             .stream_write = stream_write,
                                             .stream_end = stream_end,
                                             .stream_cut = stream_cut,
                                             .watch = watch_request};

/* ---- what the library calls ----------------------------------------------------------------- */

static enum MHD_Result queue(struct http_request *r) {
    struct MHD_Response *response = r->response;
    r->response = NULL;
    if (!response) return MHD_NO;
    enum MHD_Result result = MHD_queue_response(r->connection, r->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct http_request *r, unsigned status, const char *why) {
    r->phase = WORKING;
    r->http->o.refuse(r->http->o.arg, &r->face, status, why);
    return queue(r);
}

/* So much that it is not even read in order to be refused. */
static bool far_too_large(const struct http_request *r) {
    const char *text = get_header(&r->face, "Content-Length");
    return text && strtoull(text, NULL, 10) > READ_AT_MOST * r->http->o.body;
}

/* What is too large is read and forgotten, so that the client is there to be told. */
static bool take_body(struct http_request *r, const char *data, size_t n) {
    const size_t most = r->http->o.body;
    r->came += n;
    if (r->came > most) return r->came <= READ_AT_MOST * most;
    if (r->len + n + 1 > r->capacity) {
        size_t capacity = 2 * (r->len + n) + 1;
        char *grown = realloc(r->body, capacity);
        if (!grown) return false;
        r->body = grown;
        r->capacity = capacity;
    }
    memcpy(r->body + r->len, data, n);
    r->len += n;
    r->body[r->len] = '\0';
    return true;
}

static enum MHD_Result work(struct http_request *r) {
    if (r->came > r->len) return refuse(r, 413, "the body is too large");
    r->phase = WORKING;
    r->http->o.handle(r->http->o.arg, &r->face);
    pthread_mutex_lock(&r->lock);
    if (r->phase == WORKING) {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
        pthread_mutex_unlock(&r->lock);
        return MHD_YES;
    }
    pthread_mutex_unlock(&r->lock);
    return queue(r);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **state) {
    struct serve_http *h = arg;
    struct http_request *r = *state;
    (void)version;
    if (!r) {
        if (!(r = *state = new_request(h, connection, path, method))) return MHD_NO;
        r->face.ops = &ops;
        if (far_too_large(r)) return refuse(r, 413, "the body is too large");
        r->phase = WORKING;
        bool welcome = h->o.admit(h->o.arg, &r->face);
        if (!welcome) return queue(r);
        r->phase = READING;
        return MHD_YES;
    }
    if (r->phase == REPLIED) return queue(r);
    if (r->phase == READING && *n) {
        if (!take_body(r, data, *n)) return MHD_NO;
        *n = 0;
        return MHD_YES;
    }
    return r->phase == READING ? work(r) : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why) {
    struct serve_http *h = arg;
    struct http_request *r = *state;
    (void)why;
    if (!r) return;
    *state = NULL;
    carry(h, connection, NULL);
    tell_gone(r);
    let_go(r, &r->held, false);
}

/* ---- the watcher ---------------------------------------------------------------------------- */

/* Under h->lock, which keeps the connection: its client will say no more. */
static void end(struct connection *c) {
    struct http_request *r = c->request;
    bool asks = false;
    if (!c->ended) shutdown(c->fd, SHUT_RD); /* which wakes the library */
    c->ended = true;
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    asks = r->suspended && !r->gone;
    pthread_mutex_unlock(&r->lock);
    if (asks) tell_gone(r); /* what it cancels will end the request */
}

static void *watch(void *arg) {
    struct serve_http *h = arg;
    const struct connection *c;
    pthread_mutex_lock(&h->lock);
    while (!h->closing) {
        nfds_t n = 0, i = 0;
        for (c = h->first; c && n < h->o.connections; c = c->next)
            h->polls[n++] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
        if (poll(h->polls, n, 0) > 0)
            for (struct connection *each = h->first; each && i < n; each = each->next)
                if (h->polls[i++].revents & (POLLRDHUP | POLLHUP | POLLERR)) end(each);
        pthread_mutex_unlock(&h->lock);
        usleep(WATCH_MS * 1000);
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- opening and closing -------------------------------------------------------------------- */

static void say_nothing(void *arg, const char *format, va_list args) {
    (void)arg;
    (void)format;
    (void)args;
}

static int start(struct serve_http *h, struct bnt_err *err) {
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    int fd;
    h->port = h->o.port;
    int status = serve_listen(&fd, &h->port, h->o.host, err);
    if (status != BNT_OK) return status;
    h->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, h, MHD_OPTION_EXTERNAL_LOGGER, say_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_CONNECTION_LIMIT,
        h->o.connections, MHD_OPTION_CONNECTION_TIMEOUT, h->o.idle,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    /* The socket is the library's, also where it fails. */
    return h->daemon ? BNT_OK : bnt_fail(err, BNT_E_LIMIT, "the system gives no server");
}

int serve_http_open(struct serve_http **out, const struct serve_http_options *options,
                    struct bnt_err *err) {
    struct serve_http *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h) return bnt_fail_nomem(err, "the server", sizeof *h);
    h->o = *options;
    h->listening = -1;
    pthread_mutex_init(&h->lock, NULL);
    h->polls = calloc(h->o.connections, sizeof *h->polls);
    int status = h->polls ? start(h, err)
                          : bnt_fail_nomem(err, "connections", h->o.connections * sizeof *h->polls);
    if (status == BNT_OK && pthread_create(&h->watcher, NULL, watch, h) != 0) {
        MHD_stop_daemon(h->daemon);
        status = bnt_fail(err, BNT_E_LIMIT, "no thread for the server");
    }
    if (status != BNT_OK) {
        pthread_mutex_destroy(&h->lock);
        free(h->polls);
        free(h);
        return status;
    }
    *out = h;
    return BNT_OK;
}

unsigned serve_http_port(const struct serve_http *h) {
    return h->port;
}

void serve_http_quiet(struct serve_http *h) {
    h->listening = MHD_quiesce_daemon(h->daemon);
    if (h->listening >= 0) close(h->listening);
}

unsigned serve_http_open_requests(struct serve_http *h) {
    pthread_mutex_lock(&h->lock);
    unsigned n = h->open;
    pthread_mutex_unlock(&h->lock);
    return n;
}

void serve_http_close(struct serve_http *h) {
    if (!h) return;
    pthread_mutex_lock(&h->lock);
    h->closing = true;
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->watcher, NULL);
    MHD_stop_daemon(h->daemon);
    pthread_mutex_destroy(&h->lock);
    free(h->polls);
    free(h);
}
