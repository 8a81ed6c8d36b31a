/*
 * http.c - see http.h.
 */
#include "hub/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/json_memory.h"

enum {
    TRIES = 7,
    JSON_MOST = 32 << 20,
    REDIRECTS_MOST = 8,
    STALL_SECONDS = 30, /* a transfer that brings nothing for so long has failed */
    RETRY_AFTER_MOST = 120,
};

struct bnt_http {
    CURL *easy;
    char endpoint[512];
    char host[300];                   /* of the endpoint, with scheme and port */
    struct curl_slist *plain, *token; /* headers without and with it; token NULL: there is none */
    const volatile sig_atomic_t *interrupted;
};

/* ---- settings ------------------------------------------------------------------------------- */

/* scheme://host:port of an address, lower case; "" when it is none. */
static void host_of(char *out, size_t size, const char *url) {
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    out[0] = '\0';
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        snprintf(out, size, "%s://%s:%s", scheme, host, port);
    for (char *c = out; *c; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

/* HF_TOKEN, else the first line of $HF_HOME/token; "" for none. */
static void read_token(char *token, size_t size) {
    const char *v = getenv("HF_TOKEN"), *home = getenv("HF_HOME");
    char path[1100];
    token[0] = '\0';
    if (v && *v) {
        snprintf(token, size, "%s", v);
    } else {
        if (home && *home)
            snprintf(path, sizeof path, "%s/token", home);
        else if ((home = getenv("HOME")) && *home)
            snprintf(path, sizeof path, "%s/.cache/huggingface/token", home);
        else
            return;
        FILE *f = fopen(path, "re");
        if (!f) return;
        if (!fgets(token, (int)size, f)) token[0] = '\0';
        fclose(f);
    }
    token[strcspn(token, " \t\r\n")] = '\0';
}

static bool set_headers(struct bnt_http *h) {
    char token[512], line[600];
    h->plain = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (!h->plain) return false;
    read_token(token, sizeof token);
    if (!token[0]) return true;
    snprintf(line, sizeof line, "Authorization: Bearer %s", token);
    h->token = curl_slist_append(NULL, "Accept-Encoding: identity");
    return h->token && curl_slist_append(h->token, line);
}

int bnt_http_open(struct bnt_http **out, const volatile sig_atomic_t *interrupted,
                  struct bnt_err *err) {
    const char *v = getenv("HF_ENDPOINT");
    struct bnt_http *h = calloc(1, sizeof *h);
    *out = NULL;
    if (!h) return bnt_fail_nomem(err, "a client", sizeof *h);
    snprintf(h->endpoint, sizeof h->endpoint, "%s", v && *v ? v : "https://huggingface.co");
    h->endpoint[strlen(h->endpoint) - (h->endpoint[strlen(h->endpoint) - 1] == '/')] = '\0';
    h->interrupted = interrupted;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(h->easy = curl_easy_init()) ||
        !set_headers(h)) {
        bnt_http_close(h);
        return bnt_fail_nomem(err, "a client", 0);
    }
    host_of(h->host, sizeof h->host, h->endpoint);
    if (strncmp(h->host, "http", 4) != 0) {
        char shown[100];
        bnt_printable(shown, sizeof shown, h->endpoint, strlen(h->endpoint));
        bnt_http_close(h);
        return bnt_fail(err, BNT_E_USAGE, "HF_ENDPOINT: '%s' is no http or https address", shown);
    }
    *out = h;
    return BNT_OK;
}

void bnt_http_close(struct bnt_http *h) {
    if (!h) return;
    curl_easy_cleanup(h->easy);
    curl_slist_free_all(h->plain);
    curl_slist_free_all(h->token);
    free(h);
}

const char *bnt_http_endpoint(const struct bnt_http *h) {
    return h->endpoint;
}

bool bnt_http_interrupted(const struct bnt_http *h) {
    return h->interrupted && *h->interrupted;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    return bnt_http_interrupted(arg);
}

/* What all requests have in common. From an https hub nothing leads to plain http. */
static void set_up(struct bnt_http *h, CURL *easy, const char *url, bool at_hub) {
    const bool secure = strncmp(h->endpoint, "https", 5) == 0;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, at_hub && h->token ? h->token : h->plain);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "bitnet/" BNT_VERSION);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 30L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, h);
}

/* ---- trying again --------------------------------------------------------------------------- */

bool bnt_http_may_pass(CURLcode code, long status) {
    switch (code) {
    case CURLE_OK: return status == 408 || status == 429 || status >= 500;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SSL_CONNECT_ERROR: return true;
    default: return false;
    }
}

double bnt_http_delay(unsigned n, long retry_after) {
    if (n >= TRIES || retry_after > RETRY_AFTER_MOST) return -1;
    return retry_after > 0 ? (double)retry_after : 0.1 * (double)(1u << n);
}

bool bnt_http_pause(const struct bnt_http *h, unsigned n, long retry_after) {
    double left = bnt_http_delay(n, retry_after);
    if (left < 0) return false;
    for (; left > 0 && !bnt_http_interrupted(h); left -= 0.05)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return !bnt_http_interrupted(h);
}

void bnt_http_explain(char *text, size_t size, CURLcode code, long status) {
    if (code != CURLE_OK)
        snprintf(text, size, "%s", curl_easy_strerror(code));
    else
        snprintf(
            text, size, "HTTP %ld%s", status,
            status == 401 || status == 403
                ? ": not there, or not open to you; where a licence must be accepted, do so on "
                  "the hub's page and set HF_TOKEN"
            : status == 404 ? ": no such model, revision or file"
            : status == 429 ? ": too many requests"
                            : "");
}

/* ---- single requests ------------------------------------------------------------------------ */

struct body {
    uint8_t *bytes;
    size_t n, most;
    bool cut;     /* there was more than `most` */
    bool lacking; /* memory for it */
};

static size_t on_body(char *data, size_t one, size_t n, void *arg) {
    struct body *b = arg;
    (void)one;
    if (n > b->most - b->n) {
        n = b->most - b->n;
        b->cut = true;
    }
    uint8_t *grown = realloc(b->bytes, b->n + n + 1);
    if (!grown) {
        b->lacking = true;
        return 0;
    }
    memcpy(grown + b->n, data, n);
    b->bytes = grown;
    b->n += n;
    return b->cut ? 0 : n;
}

struct headers {
    char commit[41], etag[65], linked_etag[65], location[4096];
    uint64_t size, linked_size;
    bool has_size, has_linked_size;
};

/* The value of a header line of that name, without quotes and W/; false for another name. */
static bool value_of(const char *line, size_t n, const char *name, char *out, size_t size) {
    size_t len = strlen(name);
    if (n <= len || strncasecmp(line, name, len) != 0 || line[len] != ':') return false;
    const char *v = line + len + 1, *end = line + n;
    while (v < end && (*v == ' ' || *v == '\t')) v++;
    while (end > v && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) end--;
    if (end - v >= 2 && v[0] == 'W' && v[1] == '/') v += 2;
    if (end - v >= 2 && *v == '"' && end[-1] == '"') v++, end--;
    if ((size_t)(end - v) >= size) return false;
    memcpy(out, v, (size_t)(end - v));
    out[end - v] = '\0';
    return true;
}

static bool number_of(const char *line, size_t n, const char *name, uint64_t *out) {
    char text[32], *end;
    if (!value_of(line, n, name, text, sizeof text) || text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static size_t on_header(char *line, size_t one, size_t n, void *arg) {
    struct headers *h = arg;
    (void)one;
    if (n > 5 && strncmp(line, "HTTP/", 5) == 0) { /* of a new answer; the commit is the first's */
        h->etag[0] = h->location[0] = '\0';
        h->has_size = false;
    }
    if (!h->commit[0]) value_of(line, n, "x-repo-commit", h->commit, sizeof h->commit);
    value_of(line, n, "etag", h->etag, sizeof h->etag);
    value_of(line, n, "x-linked-etag", h->linked_etag, sizeof h->linked_etag);
    value_of(line, n, "location", h->location, sizeof h->location);
    if (number_of(line, n, "x-linked-size", &h->linked_size)) h->has_linked_size = true;
    if (number_of(line, n, "content-length", &h->size)) h->has_size = true;
    return n;
}

/* One request, tried again while that may help. The easy handle is set up but for its pauses. */
static int perform(struct bnt_http *h, const char *what, struct body *body, long *status,
                   struct bnt_err *err) {
    char why[200];
    for (unsigned n = 1;; n++) {
        curl_off_t after = 0;
        if (body) body->n = 0;
        *status = 0;
        CURLcode code = curl_easy_perform(h->easy);
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, status);
        curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after);
        if (code == CURLE_WRITE_ERROR && body && body->cut) code = CURLE_OK;
        if (body && body->lacking) return bnt_fail_nomem(err, "an answer of the hub", body->n);
        if (code == CURLE_OK && *status < 400) return BNT_OK;
        if (bnt_http_interrupted(h)) return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
        if (bnt_http_may_pass(code, *status) && bnt_http_pause(h, n, (long)after)) continue;
        if (bnt_http_interrupted(h)) return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
        bnt_http_explain(why, sizeof why, code, *status);
        return bnt_fail(err, BNT_E_IO, "%.200s: %s", what, why);
    }
}

int bnt_http_json(struct bnt_http *h, const char *path, json_t **out, struct bnt_err *err) {
    char url[2048];
    struct body body = {.most = JSON_MOST};
    json_error_t why;
    long status;
    snprintf(url, sizeof url, "%s%s", h->endpoint, path);
    curl_easy_reset(h->easy);
    set_up(h, h->easy, url, true);
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, &body);
    int result = perform(h, url, &body, &status, err);
    if (result == BNT_OK && (status != 200 || body.cut))
        result = bnt_fail(err, BNT_E_IO, "%.200s: %s", url,
                          body.cut ? "an answer of more than 32 MiB" : "no list");
    if (result == BNT_OK) {
        result = bnt_json_load(out, (const char *)body.bytes, body.n, 0, &why);
        if (result == BNT_E_NOMEM)
            result = bnt_fail_nomem(err, "an answer of the hub", body.n);
        else if (result != BNT_OK)
            result = bnt_fail(err, BNT_E_IO, "%.200s: no JSON: %s", url, why.text);
    }
    free(body.bytes);
    return result;
}

/* Where a redirect leads: the full address, and whether it was a relative one. */
static bool resolve(char *url, size_t size, const char *location, bool *relative) {
    CURLU *u = curl_url();
    char *full = NULL;
    *relative = strstr(location, "://") == NULL && strncmp(location, "//", 2) != 0;
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_set(u, CURLUPART_URL, location, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_URL, &full, 0) == CURLUE_OK && strlen(full) < size;
    if (ok) snprintf(url, size, "%s", full);
    curl_free(full);
    curl_url_cleanup(u);
    return ok;
}

static bool is_hex(const char *s, size_t n) {
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static int check_facts(const struct headers *f, struct bnt_hub_file *out, const char *url,
                       struct bnt_err *err) {
    snprintf(out->etag, sizeof out->etag, "%s", f->linked_etag[0] ? f->linked_etag : f->etag);
    snprintf(out->commit, sizeof out->commit, "%s", f->commit);
    if (!is_hex(out->commit, 40))
        return bnt_fail(err, BNT_E_IO, "%.300s: the answer names no commit: is this a hub?", url);
    if (!is_hex(out->etag, 64) && !is_hex(out->etag, 40))
        return bnt_fail(err, BNT_E_IO, "%.300s: the answer has no hash to check the file by", url);
    if (!f->has_linked_size && !f->has_size)
        return bnt_fail(err, BNT_E_IO, "%.300s: the answer has no size", url);
    out->size = f->has_linked_size ? f->linked_size : f->size;
    return BNT_OK;
}

int bnt_http_find(struct bnt_http *h, const struct bnt_hub_name *name, const char *file,
                  struct bnt_hub_file *out, struct bnt_err *err) {
    struct headers facts = {0};
    char url[4096], host[300];
    *out = (struct bnt_hub_file){.at_hub = true};
    snprintf(url, sizeof url, "%s/%s/resolve/%s/%s", h->endpoint, name->repo, name->rev, file);
    for (unsigned n = 0; n < REDIRECTS_MOST; n++) {
        bool relative = false;
        long status;
        curl_easy_reset(h->easy);
        set_up(h, h->easy, url, true);
        curl_easy_setopt(h->easy, CURLOPT_NOBODY, 1L);
        curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, &facts);
        int result = perform(h, url, NULL, &status, err);
        if (result != BNT_OK) return result;
        if (status >= 300) {
            if (!facts.location[0] || !resolve(url, sizeof url, facts.location, &relative))
                return bnt_fail(err, BNT_E_IO, "%.300s: HTTP %ld leads nowhere", url, status);
            if (relative) continue;
        }
        snprintf(out->url, sizeof out->url, "%s", url);
        host_of(host, sizeof host, url);
        out->at_hub = strcmp(host, h->host) == 0;
        return check_facts(&facts, out, url, err);
    }
    return bnt_fail(err, BNT_E_IO, "%.300s: more than %d redirects", url, REDIRECTS_MOST);
}

CURL *bnt_http_transfer(struct bnt_http *h, const struct bnt_hub_file *file, uint64_t from,
                        uint64_t to, size_t (*write)(char *, size_t, size_t, void *), void *arg) {
    char range[64];
    CURL *easy = curl_easy_init();
    if (!easy) return NULL;
    set_up(h, easy, file->url, file->at_hub);
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, from, to);
    curl_easy_setopt(easy, CURLOPT_RANGE, range);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, arg);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, file->at_hub ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MOST);
    return easy;
}

int bnt_http_begin(struct bnt_http *h, const struct bnt_hub_file *file, size_t n, uint8_t **bytes,
                   size_t *got, struct bnt_err *err) {
    struct body body = {.most = n < file->size ? n : (size_t)file->size};
    long status;
    *bytes = NULL;
    if (body.most == 0) return bnt_fail(err, BNT_E_FORMAT, "the file is empty");
    CURL *easy = bnt_http_transfer(h, file, 0, body.most - 1, on_body, &body), *usual = h->easy;
    if (!easy) return bnt_fail_nomem(err, "a transfer", 0);
    h->easy = easy;
    int result = perform(h, file->url, &body, &status, err);
    h->easy = usual;
    curl_easy_cleanup(easy);
    if (result == BNT_OK && body.n < body.most)
        result =
            bnt_fail(err, BNT_E_IO, "%.300s: %zu of %zu bytes came", file->url, body.n, body.most);
    if (result != BNT_OK) {
        free(body.bytes);
        return result;
    }
    *bytes = body.bytes;
    *got = body.n;
    return BNT_OK;
}
