/*
 * bench_llama.c - times llama.cpp's shared library as `bitnet bench` and `bitnet run` time ours;
 * bench_llama.py asks both.
 *
 *     bench_llama LIBRARY_DIR MODEL THREADS ATTENTION prefill N
 *     bench_llama LIBRARY_DIR MODEL THREADS ATTENTION decode N SEQUENCES...
 *     bench_llama LIBRARY_DIR MODEL THREADS ATTENTION first TEXT
 *
 * ATTENTION is `flash` or `plain`. Prints one JSON object. The library has what is quickest: the
 * CPU variant and layout of weights of its own choice, batches of 512, a context no larger than it
 * takes; and as in its own llama-bench, tokens to decode are given, so it has none to choose.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crossval/libllama.h"
#include "machine/usage.h"

struct peer {
    struct ll *ll;
    struct ll_model *model;
    struct ll_settings settings;
    uint32_t vocab, random;
    char why[600];
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Ids that spread over the vocabulary; what they are does not matter. */
static int32_t any_id(struct peer *p) {
    p->random = p->random * 1664525u + 1013904223u;
    return (int32_t)(p->random % p->vocab);
}

static struct ll_context *open_for(struct peer *p, uint32_t sequences, uint32_t positions) {
    struct ll_settings s = p->settings;
    s.sequences = sequences;
    s.context = sequences * ((positions + 255) / 256 * 256);
    return ll_context_open(p->model, &s, p->why);
}

/* A prompt, of which the logits of the last token are wanted. */
static bool prompt(struct peer *p, struct ll_context *c, const int32_t *ids, uint32_t n) {
    struct ll_token t[LL_FEED_MOST];
    for (uint32_t at = 0; at < n;) {
        uint32_t k = 0;
        for (; k < LL_FEED_MOST && at < n; k++, at++)
            t[k] = (struct ll_token){ids ? ids[at] : any_id(p), (int32_t)at, 0, at + 1 == n};
        if (!ll_feed(c, t, k, p->why)) return false;
        if (at == n) return ll_row(c, k - 1) != NULL;
    }
    return false;
}

/* Sequences that each go on by a token, n times. */
static bool steps(struct peer *p, struct ll_context *c, uint32_t sequences, uint32_t n) {
    struct ll_token t[LL_FEED_MOST];
    for (uint32_t at = 0; at < n; at++) {
        for (uint32_t i = 0; i < sequences; i++)
            t[i] = (struct ll_token){any_id(p), (int32_t)at, (int32_t)i, true};
        if (!ll_feed(c, t, sequences, p->why) || !ll_row(c, sequences - 1)) return false;
    }
    return true;
}

/* Once to touch what is used, and once for its time: tokens a second. */
static double prefill_rate(struct peer *p, uint32_t n) {
    struct ll_context *c = open_for(p, 1, n);
    double start = 0, end = 0;
    bool ok = c && prompt(p, c, NULL, n);
    if (ok) {
        ll_forget(c);
        start = now();
        ok = prompt(p, c, NULL, n);
        end = now();
    }
    ll_context_close(c);
    return ok ? n / (end - start) : 0;
}

static double decode_rate(struct peer *p, uint32_t n, uint32_t sequences) {
    enum { WARM = 4 };
    struct ll_context *c = open_for(p, sequences, n);
    double start = 0, end = 0;
    bool ok = c && steps(p, c, sequences, n < WARM ? n : WARM);
    if (ok) {
        ll_forget(c);
        start = now();
        ok = steps(p, c, sequences, n);
        end = now();
    }
    ll_context_close(c);
    return ok ? (double)n * sequences / (end - start) : 0;
}

/* The likeliest token after a text; -1 with why set. */
static int32_t first_token(struct peer *p, const char *text, int32_t *n) {
    int32_t *ids = NULL, best = -1;
    *n = ll_tokenize(p->model, text, strlen(text), true, false, &ids);
    snprintf(p->why, sizeof p->why, "the text has no tokens");
    struct ll_context *c = *n > 0 ? open_for(p, 1, (uint32_t)*n + 1) : NULL;
    if (c && prompt(p, c, ids, (uint32_t)*n)) {
        const float *x = ll_row(c, (size_t)(*n - 1) % LL_FEED_MOST);
        best = 0;
        for (uint32_t i = 1; i < p->vocab; i++)
            if (x[i] > x[best]) best = (int32_t)i;
    }
    ll_context_close(c);
    free(ids);
    return best;
}

/* What is asked, as a member of the answer; NULL with why set. */
static json_t *measure(struct peer *p, int argc, char **argv) {
    const uint32_t n = (uint32_t)strtoul(argv[1], NULL, 10);
    if (strcmp(argv[0], "first") == 0 && argc == 2) {
        int32_t read, id = first_token(p, argv[1], &read);
        return id < 0 ? NULL : json_pack("{s:i, s:i}", "prompt_tokens", read, "token", id);
    }
    if (strcmp(argv[0], "prefill") == 0 && argc == 2 && n) {
        double rate = prefill_rate(p, n);
        return rate > 0 ? json_pack("{s:[f]}", "tok_s", rate) : NULL;
    }
    snprintf(p->why, sizeof p->why, "nothing that is known is asked for: %.100s", argv[0]);
    if (strcmp(argv[0], "decode") != 0 || argc < 3 || !n) return NULL;
    json_t *rates = json_array();
    for (int i = 2; i < argc; i++) {
        const uint32_t sequences = (uint32_t)strtoul(argv[i], NULL, 10);
        double rate = sequences && sequences <= LL_FEED_MOST ? decode_rate(p, n, sequences) : 0;
        if (!(rate > 0)) {
            json_decref(rates);
            return NULL;
        }
        json_array_append_new(rates, json_real(rate));
    }
    return json_pack("{s:o}", "tok_s", rates);
}

int main(int argc, char **argv) {
    struct peer p = {.random = 12345};
    if (argc >= 7) {
        p.settings.threads = (int32_t)strtol(argv[3], NULL, 10);
        p.settings.flash_attention = strcmp(argv[4], "flash") == 0;
    }
    if (p.settings.threads < 1 || (!p.settings.flash_attention && strcmp(argv[4], "plain") != 0)) {
        fprintf(stderr, "usage: bench_llama LIBRARY_DIR MODEL THREADS flash|plain "
                        "prefill N | decode N SEQUENCES... | first TEXT\n");
        return 2;
    }
    json_t *answer = NULL;
    if (ll_open(&p.ll, argv[1], NULL, p.why) == LL_OK &&
        (p.model = ll_model_open(p.ll, argv[2], false, p.why)) != NULL) {
        p.vocab = ll_model_vocab(p.model);
        answer = measure(&p, argc - 5, argv + 5);
    }
    if (answer) {
        const struct ll_facts *f = ll_facts(p.ll);
        const char *cpu = strrchr(f->cpu_path, '/');
        json_object_set_new(answer, "version", json_string(f->version));
        json_object_set_new(answer, "commit", json_string(f->commit));
        json_object_set_new(answer, "cpu", json_string(cpu ? cpu + 1 : ""));
        json_object_set_new(answer, "peak_bytes", json_integer((json_int_t)bnt_usage_now().peak));
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
    } else {
        fprintf(stderr, "bench_llama: %s: %s\n", argv[2], p.why);
    }
    const int status = answer ? 0 : 1;
    json_decref(answer);
    ll_model_close(p.model);
    ll_close(p.ll);
    return status;
}
