/*
 * serve.c - `bitnet serve`: opens the model, listens, and goes down in order.
 *
 * The first SIGTERM or SIGINT lets what runs end, within --drain seconds, and takes nothing new; a
 * second ends it at once.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/serve.h"

enum { BODY_BYTES = 16 << 20, IDLE_SECONDS = 60, LAST_WORDS = 20 /* ticks */ };

static int read_keys(struct serve_keys *keys, char **text, const char *path, struct bnt_err *err) {
    size_t len;
    if (!path) return BNT_OK;
    int status = cmd_read_file(path, text, &len, err);
    if (status != BNT_OK) return status;
    size_t lines = 1;
    for (size_t i = 0; i < len; i++) lines += (*text)[i] == '\n';
    char *end = realloc(*text, len + 1), *rest = NULL;
    if (end) *text = end;
    if (!end || !(keys->list = calloc(lines, sizeof *keys->list)))
        return bnt_fail_nomem(err, "the keys", len);
    end[len] = '\0';
    for (char *line = strtok_r(end, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
        if (*line && *line != '#') keys->list[keys->count++] = line;
    if (keys->count) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "%s: no key is in it", path);
}

static bool is_loopback(const char *host) {
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 ||
           strcmp(host, "::1") == 0;
}

static int open_http(struct serve_server *s, const struct cmd_args *args, struct bnt_err *err) {
    const struct serve_http_options o = {.host = args->host,
                                         .port = args->port,
                                         .connections = args->connections,
                                         .idle = IDLE_SECONDS,
                                         .body = BODY_BYTES,
                                         .admit = serve_admit,
                                         .handle = serve_handle,
                                         .refuse = serve_refuse,
                                         .arg = s};
    s->loopback = is_loopback(args->host);
    s->origin = args->cors;
    if (!s->loopback && s->keys.count == 0)
        fprintf(stderr, "bitnet: whoever reaches %s can ask: --api-key-file keeps others out\n",
                args->host);
    return serve_http_open(&s->http, &o, err);
}

/* ---- from start to end ----------------------------------------------------------------------- */

static void signals_of(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

/* Until all requests have their replies, the time is over, or somebody insists. */
static void drain(struct serve_server *s, unsigned seconds, const sigset_t *signals) {
    const double end = bnt_now() + seconds;
    const struct timespec tick = {.tv_nsec = 50000000};
    atomic_store(&s->draining, true);
    serve_http_quiet(s->http);
    while (serve_http_open_requests(s->http) && bnt_now() < end)
        if (sigtimedwait(signals, NULL, &tick) > 0) break;
    serve_scheduler_abort(s->scheduler);
    serve_stop(s); /* all replies are given, */
    for (int i = 0; i < LAST_WORDS && serve_http_open_requests(s->http); i++)
        nanosleep(&tick, NULL); /* and now on their way */
}

static int serve_until_told(struct serve_server *s, const struct cmd_args *args,
                            const sigset_t *signals, struct bnt_err *err) {
    const bool v6 = strchr(args->host, ':') != NULL;
    int sig = 0;
    char url[300];
    snprintf(url, sizeof url, "http://%s%.200s%s:%u", v6 ? "[" : "", args->host, v6 ? "]" : "",
             serve_http_port(s->http));
    if (!args->json) printf("bitnet: %s at %s\n", s->model_id, url);
    int status = args->json
                     ? cmd_write_json(json_pack("{s:s, s:s, s:i}", "model", s->model_id, "url", url,
                                                "port", (int)serve_http_port(s->http)),
                                      err)
                     : cmd_flush(err);
    if (status != BNT_OK) return status;
    sigwait(signals, &sig);
    drain(s, args->drain, signals);
    return BNT_OK;
}

int cmd_serve(const struct cmd_args *args, struct bnt_err *err) {
    struct serve_server s = {0};
    char *template_text = NULL, *keys_text = NULL;
    sigset_t signals;
    int status = read_keys(&s.keys, &keys_text, args->api_key_file, err);
    if (status == BNT_OK) status = cmd_serve_open_model(&s, &template_text, args, err);
    if (status == BNT_OK) {
        signals_of(&signals); /* no thread but this one gets them */
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        status = cmd_serve_open_scheduler(&s, args, err);
    }
    if (status == BNT_OK) status = open_http(&s, args, err);
    if (status == BNT_OK) status = serve_until_told(&s, args, &signals, err);
    serve_stop(&s);
    serve_http_close(s.http);
    cmd_serve_close_model(&s);
    free(template_text);
    free(s.keys.list);
    free(keys_text);
    return status;
}
