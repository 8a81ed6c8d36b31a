/* request.c - see request.h. */
#include "serve/request.h"

const char *serve_method(const struct serve_request *r) {
    return r->ops->method(r);
}

const char *serve_path(const struct serve_request *r) {
    return r->ops->path(r);
}

const char *serve_header(const struct serve_request *r, const char *name) {
    return r->ops->header(r, name);
}

const char *serve_query(const struct serve_request *r, const char *name) {
    return r->ops->query(r, name);
}

const char *serve_body(const struct serve_request *r, size_t *len) {
    return r->ops->body(r, len);
}

const char *serve_digits(const struct serve_request *r) {
    return r->ops->digits ? r->ops->digits(r) : NULL;
}

void serve_put_header(struct serve_request *r, const char *name, const char *value) {
    r->ops->put_header(r, name, value);
}

void serve_reply(struct serve_request *r, unsigned status, const char *type, char *body,
                 size_t len) {
    r->ops->reply(r, status, type, body, len);
}

void serve_reply_static(struct serve_request *r, unsigned status, const char *type,
                        const void *body, size_t len) {
    r->ops->reply_static(r, status, type, body, len);
}

void serve_stream_begin(struct serve_request *r, const char *type) {
    r->ops->stream_begin(r, type);
}

int serve_stream_write(struct serve_request *r, const char *text, size_t len, struct bnt_err *err) {
    return r->ops->stream_write(r, text, len, err);
}

void serve_stream_end(struct serve_request *r) {
    r->ops->stream_end(r);
}

void serve_stream_cut(struct serve_request *r) {
    r->ops->stream_cut(r);
}

void serve_watch(struct serve_request *r, void (*gone)(void *arg), void *arg) {
    r->ops->watch(r, gone, arg);
}
