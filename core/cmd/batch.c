/*
 * batch.c - `bitnet batch`: a file of requests in, a file of results out.
 *
 * Knows options, files and signals; what a line is and how it is done is serve/batch.h's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/serve.h"
#include "cmd/terminal.h"
#include "serve/batch.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int signum) {
    (void)signum;
    interrupted = 1;
}

/* OUT, or of several parts OUT.00001-of-00004: their names in order are their order. */
static int name_results(char *path, size_t room, const char *out, const struct serve_shard *shard,
                        struct bnt_err *err) {
    int n = shard->count == 1
                ? snprintf(path, room, "%s", out)
                : snprintf(path, room, "%s.%05u-of-%05u", out, shard->index + 1, shard->count);
    if (n > 0 && (size_t)n < room) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "-o: the name is too long");
}

static int run(const struct cmd_args *args, struct serve_batch *b, struct bnt_err *err) {
    struct serve_server s = {0};
    struct cmd_args all = *args;
    char *template_text = NULL;
    all.queue = INT32_MAX; /* whatever a line asks for may wait */
    int status = cmd_serve_open_model(&s, &template_text, &all, err);
    if (status == BNT_OK) status = cmd_serve_open_scheduler(&s, &all, err);
    if (status == BNT_OK) {
        const struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
        sigaction(SIGINT, &stop, NULL); /* a second one ends the program: no harm is done */
        sigaction(SIGTERM, &stop, NULL);
        status = serve_batch_run(b, &s, err);
    }
    cmd_serve_close_model(&s);
    free(template_text);
    return status;
}

static int tell(const struct cmd_args *args, const struct serve_batch *b,
                const struct serve_shard *shard, const char *path, struct bnt_err *err) {
    const size_t lines = b->last - b->first;
    if (args->json)
        return cmd_write_json(json_pack("{s:o, s:I, s:I, s:I, s:i, s:i}", "output",
                                        cmd_json_text(path, strlen(path)), "lines",
                                        (json_int_t)lines, "resumed", (json_int_t)b->resumed,
                                        "errors", (json_int_t)b->errors, "shard", (int)shard->index,
                                        "shards", (int)shard->count),
                              err);
    if (b->errors)
        fprintf(stderr, "bitnet: %zu of %zu results are errors\n", b->errors, lines - b->resumed);
    return BNT_OK;
}

static int do_batch(const struct cmd_args *args, int fd, struct serve_lines *lines,
                    struct serve_results *results, struct bnt_err *err) {
    struct serve_shard shard;
    char path[4096];
    int status = serve_shard_find(&shard, args->shard, err);
    if (status == BNT_OK) status = name_results(path, sizeof path, args->output, &shard, err);
    if (status == BNT_OK) status = cmd_check_results(args, path, err);
    if (status == BNT_OK) status = serve_lines_read(lines, fd, args->operand, err);
    if (status == BNT_OK) status = serve_results_open(results, path, err);
    if (status != BNT_OK) return status;
    if (shard.by)
        fprintf(stderr, "bitnet: shard %u of %u (%s)\n", shard.index, shard.count, shard.by);
    struct serve_batch b = {.lines = lines,
                            .results = results,
                            .together = args->parallel,
                            .interrupted = &interrupted};
    serve_shard_range(&shard, lines->count, &b.first, &b.last);
    status = serve_batch_resume(&b, err);
    if (status == BNT_OK && b.resumed < b.last - b.first) {
        struct bar bar;
        bar_begin(&bar, "answering");
        b.progress = bar_show;
        b.progress_arg = &bar;
        status = run(args, &b, err);
        bar_end(&bar);
    }
    return status == BNT_OK ? tell(args, &b, &shard, path, err) : status;
}

int cmd_batch(const struct cmd_args *args, struct bnt_err *err) {
    struct serve_lines lines = {0};
    struct serve_results results = {0};
    if (!args->operand || !args->output)
        return bnt_fail(err, BNT_E_USAGE, "IN.jsonl names the requests, -o OUT.jsonl the results");
    int fd = open(args->operand, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return bnt_fail(err, BNT_E_IO, "%s: %s", args->operand, strerror(errno));
    int status = do_batch(args, fd, &lines, &results, err);
    serve_results_close(&results);
    serve_lines_free(&lines);
    close(fd);
    return status;
}
