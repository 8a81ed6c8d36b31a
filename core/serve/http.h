/*
 * http.h - requests in and replies out, over whatever speaks HTTP (http.c: libmicrohttpd).
 *
 * A handler gets each request when all of it has come, in the thread that serves connections, and
 * replies there or later from any thread: once and whole, or as a stream. A request lasts until its
 * handler has replied whole, or released it. Must not know what is asked for.
 */
#ifndef BNT_SERVE_HTTP_H
#define BNT_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "serve/request.h"

struct serve_http;

struct serve_http_options {
    const char *host;
    unsigned port;        /* 0: one that is free */
    unsigned connections; /* at once */
    unsigned idle;        /* seconds without a byte, of a client that should send or read */
    size_t body;          /* bytes of a request's body at most */
    /* Before the body is read: whether the request may come in; it replies where not. */
    bool (*admit)(void *arg, struct serve_request *r);
    void (*handle)(void *arg, struct serve_request *r);
    /* A request that cannot be read: 413 and the like. Replies. */
    void (*refuse)(void *arg, struct serve_request *r, unsigned status, const char *why);
    void *arg;
};

int serve_http_open(struct serve_http **out, const struct serve_http_options *options,
                    struct bnt_err *err);
unsigned serve_http_port(const struct serve_http *h);
/* Takes no more connections; those that are there go on. */
void serve_http_quiet(struct serve_http *h);
/* Connections, and requests that no reply has been given to in full. */
unsigned serve_http_open_requests(struct serve_http *h);
void serve_http_close(struct serve_http *h);

#endif
