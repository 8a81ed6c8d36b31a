/*
 * batch.h - the lines of a file as requests, many at once, and their results as lines, in order.
 *
 * A line is what OpenAI's batches have: custom_id, method, url and body. It goes to the handler of
 * that url, as if it had come over a connection (request.h), and its result depends on the line
 * alone: the same bytes in whichever process, shard and company it was made.
 */
#ifndef BNT_SERVE_BATCH_H
#define BNT_SERVE_BATCH_H

#include <signal.h>
#include <stdint.h>

#include "serve/results.h"
#include "serve/server.h"
#include "serve/shard.h"

struct serve_line {
    const char *text;
    size_t len;
};

struct serve_lines { /* of an input; freed by serve_lines_free */
    char *text;
    struct serve_line *list; /* [count], those that are not empty */
    size_t count;
};

int serve_lines_read(struct serve_lines *out, int fd, const char *path, struct bnt_err *err);
void serve_lines_free(struct serve_lines *l);

struct serve_batch {
    const struct serve_lines *lines;
    size_t first, last; /* those that are to be done, in the end */
    struct serve_results *results;
    unsigned together; /* lines at once */
    const volatile sig_atomic_t *interrupted;
    void (*progress)(void *arg, uint64_t done, uint64_t all); /* may be NULL */
    void *progress_arg;
    size_t resumed, errors; /* lines whose results were there; results that are errors */
    char fingerprint[24];   /* of the server that answered those that were there; "" if none did */
};

/* Whether what the results' file has is of the first lines; says how many in b->resumed.
 * BNT_E_USAGE: it has something else. */
int serve_batch_resume(struct serve_batch *b, struct bnt_err *err);
/* The rest. BNT_E_USAGE: another model or template began them. BNT_E_INTERRUPTED, and whatever
 * stops the engine, leave whole lines behind; a line that cannot be done has a result that says
 * why. `s` has no HTTP server. */
int serve_batch_run(struct serve_batch *b, struct serve_server *s, struct bnt_err *err);

#endif
