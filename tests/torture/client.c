/*
 * client.c - see client.h.
 *
 * HTTP over a socket, a connection for each request, so that a reply that was cut is seen as one:
 * its length or its last chunk is missing.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 100 /* seconds without a byte */, MOST = 4 << 20 };

static const struct {
    const char *path, *body; /* body NULL: GET */
} requests[] = {
    {"/health", NULL},
    {"/v1/models", NULL},
    {"/v1/completions", "{\"prompt\":\"one two\",\"max_tokens\":3,\"seed\":1,\"logprobs\":1}"},
    {"/v1/completions", "{\"prompt\":\"one\",\"max_tokens\":3,\"seed\":1,\"stream\":true}"},
    {"/v1/chat/completions",
     "{\"messages\":[{\"role\":\"user\",\"content\":\"one\"}],\"max_tokens\":3,\"seed\":1}"},
    {"/v1/messages", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"two\"}],"
                     "\"max_tokens\":2,\"temperature\":0}"},
    {"/v1/responses", "{\"input\":\"one\",\"max_output_tokens\":16,\"temperature\":0}"},
    {"/v1/responses",
     "{\"input\":[{\"role\":\"user\",\"content\":\"one\"},{\"type\":\"function_call\","
     "\"call_id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":"
     "\"function_call_output\",\"call_id\":\"1\",\"output\":\"two\"}],"
     "\"max_output_tokens\":3,\"temperature\":0,\"stream\":true}"},
    {"/v1/embeddings", "{\"input\":[\"one\",\"two\"]}"},
    {"/api/generate", "{\"prompt\":\"one\",\"options\":{\"num_predict\":3,\"temperature\":0}}"},
    {"/tokenize", "{\"prompt\":\"one two\"}"},
    {"/detokenize", "{\"tokens\":[5,6]}"},
};
enum { REQUESTS = sizeof requests / sizeof requests[0] };

/* ---- the wire -------------------------------------------------------------------------------- */

static int dial(unsigned port) {
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = PATIENCE};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) abort();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) == 0) return fd;
    close(fd);
    return -1;
}

/* All that comes until the other side closes; *late: it did not within our patience. */
static char *receive(int fd, bool *late) {
    char *text = calloc(1, MOST);
    size_t used = 0;
    ssize_t n;
    if (!text) abort();
    while (used < MOST - 1 && (n = recv(fd, text + used, MOST - 1 - used, 0)) > 0)
        used += (size_t)n;
    *late = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return text;
}

/* Puts the chunks of a body together, in place; false when the last one is missing. */
static bool unchunk(char *body) {
    char *to = body, *end;
    for (const char *at = body;;) {
        const unsigned long n = strtoul(at, &end, 16);
        if (end == at || strncmp(end, "\r\n", 2) != 0 || strlen(end + 2) < n + 2) break;
        memmove(to, end + 2, n);
        to += n;
        at = end + 2 + n + 2;
        if (n == 0) {
            *to = '\0';
            return true;
        }
    }
    *to = '\0';
    return false;
}

static const char *header(const char *head, const char *name) {
    const char *line = head;
    while ((line = strstr(line, "\r\n")) != NULL) {
        line += 2;
        if (strncasecmp(line, name, strlen(name)) == 0) return line + strlen(name);
    }
    return NULL;
}

/* A JSON value, or those of a stream's lines (with "data: " before them, or bare), or the text. */
static json_t *read_body(const char *body) {
    json_t *one = json_loads(body, 0, NULL), *events;
    if (one) return one;
    events = json_array();
    for (const char *line = body; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *value = strncmp(line, "data: ", 6) == 0 ? line + 6 : line;
        json_t *event = json_loads(value, JSON_DISABLE_EOF_CHECK, NULL);
        if (event) json_array_append_new(events, event);
    }
    return events;
}

static json_t *ask(unsigned port, size_t i) {
    char *text = NULL, *body;
    bool late = false, whole = false;
    int status = 0, fd = dial(port);
    json_t *value = NULL;
    if (fd >= 0) {
        const char *send_body = requests[i].body ? requests[i].body : "";
        char *request;
        int n = asprintf(&request,
                         "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         requests[i].body ? "POST" : "GET", requests[i].path, strlen(send_body),
                         send_body);
        if (n < 0) abort();
        (void)!send(fd, request, (size_t)n, MSG_NOSIGNAL);
        free(request);
        text = receive(fd, &late);
        close(fd);
    }
    if (text && sscanf(text, "HTTP/1.1 %d", &status) == 1 && (body = strstr(text, "\r\n\r\n"))) {
        *(body += 2) = '\0';
        const char *length = header(text, "Content-Length:");
        body += 2;
        whole = length ? strlen(body) == strtoul(length, NULL, 10) : unchunk(body);
        value = read_body(body);
    }
    free(text);
    return json_pack("{s:s, s:i, s:b, s:b, s:o}", "request", requests[i].path, "http", status,
                     "whole", whole, "late", late, "body", value ? value : json_null());
}

/* ---- a server's life ---------------------------------------------------------------------------
 */

static bool has_ended(pid_t pid) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid;
}

/* 0: it ended before it listened. */
static unsigned port_of(pid_t server, const char *said) {
    for (;;) {
        const bool ended = has_ended(server); /* first, so that its last words are read */
        char text[1000] = "";
        FILE *f = fopen(said, "r");
        if (f && fread(text, 1, sizeof text - 1, f)) {
            const char *port = strchr(text, '\n') ? strstr(text, "\"port\":") : NULL;
            fclose(f);
            if (port) return (unsigned)strtoul(port + strlen("\"port\":"), NULL, 10);
        } else if (f) {
            fclose(f);
        }
        if (ended) return 0;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

void client_talk(pid_t server, const char *said, const char *replies) {
    const unsigned port = port_of(server, said);
    FILE *f = port ? fopen(replies, "w") : NULL;
    for (size_t i = 0; f && i < REQUESTS; i++) {
        json_t *reply = ask(port, i);
        if (!reply || json_dumpf(reply, f, JSON_COMPACT) != 0) abort();
        fputc('\n', f);
        json_decref(reply);
    }
    if (f) fclose(f);
    kill(server, SIGTERM);
}

/* ---- judging -----------------------------------------------------------------------------------
 */

static bool is_error(const json_t *o) {
    const json_t *error = json_object_get(o, "error");
    const json_t *message = json_is_string(error) ? error : json_object_get(error, "message");
    return json_string_length(message) > 4;
}

/* Of the server's own accord, or in the last event of a stream. */
static bool failed_openly(const json_t *reply) {
    const json_t *body = json_object_get(reply, "body");
    if (json_integer_value(json_object_get(reply, "http")) >= 429) return is_error(body);
    for (size_t i = 0; i < json_array_size(body); i++)
        if (is_error(json_array_get(body, i))) return true;
    return false;
}

static const char *judge_one(const json_t *wanted, const json_t *got,
                             const char *(*lacks)(const char *, const json_t *, const json_t *)) {
    if (json_is_true(json_object_get(got, "late"))) return "no answer in time";
    if (!json_is_true(json_object_get(got, "whole")) || failed_openly(got)) return NULL;
    return lacks("the reply", wanted, got);
}

const char *client_judge(const char *wanted, const char *got,
                         const char *(*lacks)(const char *, const json_t *, const json_t *)) {
    static char text[200];
    for (size_t i = 0; i < REQUESTS; i++) {
        json_t *x = json_loads(wanted, JSON_DISABLE_EOF_CHECK, NULL);
        json_t *y = json_loads(got, JSON_DISABLE_EOF_CHECK, NULL);
        const char *why = x && y ? judge_one(x, y, lacks) : "a reply is missing";
        if (why) snprintf(text, sizeof text, "%s: %.100s", requests[i].path, why);
        json_decref(x);
        json_decref(y);
        if (why) return text;
        wanted += strcspn(wanted, "\n") + 1;
        got += strcspn(got, "\n") + 1;
    }
    return NULL;
}
