/*
 * http.h - requests to a hub of models: what there is, and where its bytes lie. Over libcurl.
 *
 * Knows addresses and the hub's headers; must not know the cache or GGUF. The token (HF_TOKEN, else
 * $HF_HOME/token) goes to the hub's own host only, never to where a redirect leads. Proxies are
 * those of the environment, as libcurl reads it. A request that fails for a reason that may pass
 * (connection, 408, 429, 5xx) is made again, with growing pauses or as Retry-After says.
 */
#ifndef BNT_HUB_HTTP_H
#define BNT_HUB_HTTP_H

#include <curl/curl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "hub/name.h"

struct bnt_http; /* one thread at a time */

/* interrupted: looked at while waiting; may be NULL. Requests then end with BNT_E_INTERRUPTED. */
int bnt_http_open(struct bnt_http **out, const volatile sig_atomic_t *interrupted,
                  struct bnt_err *err);
void bnt_http_close(struct bnt_http *h);
const char *bnt_http_endpoint(const struct bnt_http *h); /* HF_ENDPOINT, else the public hub */

/* GET {endpoint}{path}, parsed; at most 32 MiB. */
int bnt_http_json(struct bnt_http *h, const char *path, json_t **out, struct bnt_err *err);

/* A file of a repository, as HEAD of its address says. */
struct bnt_hub_file {
    char commit[41]; /* that the revision stands for */
    char etag[65];   /* 64 digits: SHA-256 of the bytes; 40: git's SHA-1 of a small file */
    uint64_t size;
    char url[4096]; /* of the bytes */
    bool at_hub;    /* and they are asked for with the token */
};
int bnt_http_find(struct bnt_http *h, const struct bnt_hub_name *name, const char *file,
                  struct bnt_hub_file *out, struct bnt_err *err);

/* The first n bytes of it, or all if it is shorter: *bytes (malloc'd) and *got. */
int bnt_http_begin(struct bnt_http *h, const struct bnt_hub_file *file, size_t n, uint8_t **bytes,
                   size_t *got, struct bnt_err *err);

/* ---- for fetch.c: transfers of its own ------------------------------------------------------- */

/* A transfer of bytes [from, to] of the file, whose data go to write(data, 1, n, arg). The caller
 * cleans it up. NULL: out of memory. */
CURL *bnt_http_transfer(struct bnt_http *h, const struct bnt_hub_file *file, uint64_t from,
                        uint64_t to, size_t (*write)(char *, size_t, size_t, void *), void *arg);
bool bnt_http_interrupted(const struct bnt_http *h);
/* Seconds to wait after n tries that failed; -1: enough of them. `retry_after`: seconds that the
 * server asked for, or 0. */
double bnt_http_delay(unsigned n, long retry_after);
/* Waits so long: false when there have been too many, or when interrupted. */
bool bnt_http_pause(const struct bnt_http *h, unsigned n, long retry_after);
/* Whether a transfer that ended so may succeed later. */
bool bnt_http_may_pass(CURLcode code, long status);
/* "HTTP 403: ..." or what libcurl says. */
void bnt_http_explain(char *text, size_t size, CURLcode code, long status);

#endif
