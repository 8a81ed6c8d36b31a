/*
 * request.h - a request as its handler has it: what was asked, and the reply.
 *
 * Where it came from is behind a table of functions: a connection (http.h), or a line of a file
 * (core/batch). A request lasts until its handler has replied whole, or ended the stream.
 */
#ifndef BNT_SERVE_REQUEST_H
#define BNT_SERVE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct serve_request {
    const struct serve_request_ops *ops;
};

const char *serve_method(const struct serve_request *r);
const char *serve_path(const struct serve_request *r);
const char *serve_header(const struct serve_request *r, const char *name); /* or NULL */
const char *serve_query(const struct serve_request *r, const char *name);  /* or NULL */
const char *serve_body(const struct serve_request *r, size_t *len);
/* What names a request for good, wherever it is done: 64 hexadecimal digits of a line of a file;
 * NULL: nothing does. */
const char *serve_digits(const struct serve_request *r);

/* Of the reply, before it is given; `name` is a literal, `value` is copied. */
void serve_put_header(struct serve_request *r, const char *name, const char *value);
/* The whole reply; takes over `body`, which was malloc'd. `type` is a literal. Ends the request. */
void serve_reply(struct serve_request *r, unsigned status, const char *type, char *body,
                 size_t len);
/* The same of bytes that last for ever. */
void serve_reply_static(struct serve_request *r, unsigned status, const char *type,
                        const void *body, size_t len);

/* A stream: begin, write as often as needed, end, which ends the request. Writing never waits; it
 * fails with BNT_E_IO when the client has gone away. */
void serve_stream_begin(struct serve_request *r, const char *type);
int serve_stream_write(struct serve_request *r, const char *text, size_t len, struct bnt_err *err);
void serve_stream_end(struct serve_request *r);
/* Something of the stream is lost. What is written from here on is not sent, and the end will be no
 * end: the client sees that the reply broke off. */
void serve_stream_cut(struct serve_request *r);

/* Who replies later: gone(arg) is called when the client goes away before that, at most once and
 * never after the request ended. It may not reply. */
void serve_watch(struct serve_request *r, void (*gone)(void *arg), void *arg);

/* ---- behind it: each does what the function of that name does ----------------------------------
 */

struct serve_request_ops {
    const char *(*method)(const struct serve_request *r);
    const char *(*path)(const struct serve_request *r);
    const char *(*header)(const struct serve_request *r, const char *name);
    const char *(*query)(const struct serve_request *r, const char *name);
    const char *(*body)(const struct serve_request *r, size_t *len);
    const char *(*digits)(const struct serve_request *r); /* may be NULL */
    void (*put_header)(struct serve_request *r, const char *name, const char *value);
    void (*reply)(struct serve_request *r, unsigned status, const char *type, char *body,
                  size_t len);
    void (*reply_static)(struct serve_request *r, unsigned status, const char *type,
                         const void *body, size_t len);
    void (*stream_begin)(struct serve_request *r, const char *type);
    int (*stream_write)(struct serve_request *r, const char *text, size_t len, struct bnt_err *err);
    void (*stream_end)(struct serve_request *r);
    void (*stream_cut)(struct serve_request *r);
    void (*watch)(struct serve_request *r, void (*gone)(void *arg), void *arg);
};

#endif
