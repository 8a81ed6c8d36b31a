/* metrics.c - GET /metrics: what Prometheus reads, in its text format. */
#include <stdio.h>
#include <stdlib.h>

#include "serve/server.h"

struct metric {
    const char *name, *type, *help;
    double value;
};

void serve_metrics(struct serve_server *s, struct serve_request *r) {
    const struct serve_counts *c = serve_scheduler_counts(s->scheduler);
    const struct serve_load load = serve_scheduler_load(s->scheduler);
    const struct bnt_engine_info *info = bnt_engine_info(s->engine);
    const struct metric metrics[] = {
        {"http_requests_total", "counter", "HTTP requests that came.",
         (double)atomic_load(&s->requests)},
        {"http_refused_total", "counter", "HTTP requests that got a status of 400 or above.",
         (double)atomic_load(&s->refused)},
        {"answers_total", "counter", "Answers that ended, in whatever way.",
         (double)atomic_load(&c->jobs)},
        {"answers_cancelled_total", "counter", "Of those, whose client went away.",
         (double)atomic_load(&c->cancelled)},
        {"answers_failed_total", "counter", "Of those, that failed.",
         (double)atomic_load(&c->failed)},
        {"prompt_tokens_total", "counter", "Tokens of prompts, those included that were there.",
         (double)atomic_load(&c->prompt_tokens)},
        {"prompt_tokens_cached_total", "counter", "Of those, that were there already.",
         (double)atomic_load(&c->cached_tokens)},
        {"generated_tokens_total", "counter", "Tokens that were made.",
         (double)atomic_load(&c->made_tokens)},
        {"steps_total", "counter", "Steps of the scheduler.", (double)atomic_load(&c->steps)},
        {"step_seconds_total", "counter", "Seconds that they took.",
         (double)atomic_load(&c->microseconds) * 1e-6},
        {"requests_running", "gauge", "Answers that are being made.", load.running},
        {"requests_waiting", "gauge", "Answers that wait for a place.", load.waiting},
        {"prefix_cache_sequences", "gauge", "Beginnings that are kept.", load.kept},
        {"prefix_cache_bytes", "gauge", "Memory that they take.", (double)load.kept_bytes},
        {"weights_bytes", "gauge", "Memory of the packed weights.", (double)info->packed_bytes},
        {"start_time_seconds", "gauge", "When the server started, since 1970.", (double)s->started},
    };
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f) {
        serve_fail(s, r, 503, NULL, "out of memory");
        return;
    }
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        fprintf(f, "# HELP bitnet_%s %s\n# TYPE bitnet_%s %s\nbitnet_%s %.16g\n", metrics[i].name,
                metrics[i].help, metrics[i].name, metrics[i].type, metrics[i].name,
                metrics[i].value);
    fprintf(f,
            "# HELP bitnet_info What is served, by what.\n# TYPE bitnet_info gauge\n"
            "bitnet_info{version=\"%s\",backend=\"%s\",fingerprint=\"%s\"} 1\n",
            BNT_VERSION, info->backend, s->fingerprint);
    if (fclose(f) != 0) {
        free(text);
        serve_fail(s, r, 503, NULL, "out of memory");
        return;
    }
    serve_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
}
