/*
 * torture.c - the n-th allocation fails, for n rising until a whole run no longer has an n-th.
 *
 * A run: open an engine, encode, open a session and a decoder, feed, sample, decode, generate,
 * close. Each failure must come back as a status with a text and leave nothing behind (blocks,
 * mappings, open files, threads); a run after all of them gives the tokens of the first one. Twice:
 * only the n-th call fails, then all from the n-th on, as when memory is really gone. So too where
 * JSON is read. With an argument, only that n, and what came of it.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "bitnet/bitnet.h"
#include "plugin/vet.h"
#include "run/generate.h"
#include "synth.h"
#include "wrap.h"

enum { STEPS = 4, MOST_CALLS = 100000, MOST_FAULTS = 20 };

static char path[64], plugin_dir[512];

struct outcome {
    int status;
    struct bnt_err err;
    int32_t ids[STEPS];
    char text[256];
};

/* Everything a program does with the library. */
static int live(struct outcome *o, const char *backend) {
    const struct bnt_engine_options how = {
        .backend = backend, .plugin_dir = plugin_dir, .threads = 2};
    const struct bnt_session_options sizes = {.n_ctx = 32, .n_batch = 4, .threads = 2};
    struct bnt_sampling sampling = {
        .temperature = 1.0f, .top_p = 0.9f, .top_k = 40, .repeat_penalty = 1.1f};
    struct bnt_engine *engine = NULL;
    struct bnt_session *s = NULL;
    struct bnt_decoder *d = NULL;
    struct bnt_generation made = {0};
    int32_t *ids = NULL;
    char *whole = NULL;
    void *scratch = NULL;
    size_t count, len, used = 0;
    int status;
    if ((status = bnt_engine_open(&engine, path, &how, &o->err)) ||
        (status = bnt_engine_encode(engine, "one <|eot_id|> two \xff", 20,
                                    BNT_TEXT_PROMPT | BNT_TEXT_SPECIAL, &ids, &count, &o->err)) ||
        (status = bnt_session_open(&s, engine, &sizes, &o->err)) ||
        (status = bnt_decoder_open(&d, engine, true, 0, &o->err)) ||
        (status = bnt_session_feed(s, ids, 6, BNT_WANT_ALL, &o->err)) ||
        (status = bnt_session_feed_top(s, ids, 1, 1, &o->err)))
        goto out;
    scratch = malloc((size_t)bnt_engine_info(engine)->n_vocab * 16);
    if (!scratch) { /* ours, not the library's */
        status = o->err.status = BNT_E_NOMEM;
        strcpy(o->err.text, "the caller's own scratch");
        goto out;
    }
    for (unsigned i = 0; i < STEPS && !status; i++) {
        if ((status = bnt_session_feed(s, ids, 1, BNT_WANT_LAST, &o->err))) goto out;
        o->ids[i] = bnt_sample(&sampling, bnt_session_logits(s, 0),
                               bnt_engine_info(engine)->n_vocab, ids, 4, i, scratch);
        used += (size_t)snprintf(o->text + used, sizeof o->text - used, "%s",
                                 bnt_decoder_push(d, o->ids[i], NULL));
    }
    if ((status = bnt_engine_decode(engine, o->ids, STEPS, 0, &whole, &len, &o->err))) goto out;
    bnt_session_truncate(s, 0);
    struct bnt_generate_options g = {.sampling = sampling, .n_predict = STEPS};
    status = bnt_generate(&made, engine, s, ids, 3, &g, &o->err);
out:
    free(scratch);
    bnt_generation_free(&made);
    bnt_free(whole);
    bnt_free(ids);
    bnt_decoder_close(d);
    bnt_session_close(s);
    bnt_engine_close(engine);
    o->status = status;
    return status;
}

static unsigned entries(const char *folder) {
    unsigned n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

struct held {
    long blocks, mapped;
    unsigned files, threads;
};

static struct held held(void) {
    return (struct held){wrap_blocks(), wrap_mapped(), entries("/proc/self/fd"),
                         entries("/proc/self/task")};
}

/* NULL when all is as it should be. */
static const char *judge(const struct outcome *o, const struct held *before) {
    struct held now = held();
    for (int tries = 0; now.threads != before->threads && tries < 200; tries++) {
        usleep(1000); /* a joined thread is listed a moment longer */
        now = held();
    }
    if (now.blocks != before->blocks) return "blocks were not freed";
    if (now.mapped != before->mapped) return "mappings were not freed";
    if (now.files != before->files) return "files were left open";
    if (now.threads != before->threads) return "threads were left";
    /* Doing without would be a choice that nobody sees: a slower backend, a full head. */
    if (o->status == BNT_OK) return "nobody was told";
    if (o->err.status != o->status) return "the error object has another status";
    if (strlen(o->err.text) < 5) return "the error has no text";
    /* A thread that cannot be started is a limit, by documentation; all else is memory. */
    bool thread = strcmp(wrap_failed(), "pthread_create") == 0;
    if (o->status != (thread ? BNT_E_LIMIT : BNT_E_NOMEM)) return "an unexpected status";
    return NULL;
}

struct tally {
    unsigned long cases, faults;
};

static void one(unsigned long n, bool all_after, const char *backend, const struct outcome *want,
                bool tell, struct tally *t, bool *reached) {
    struct outcome o = {0};
    bnt_vet_unload_all(); /* so that loading a plugin is part of every run */
    struct held before = held();
    wrap_begin(n, all_after);
    live(&o, backend);
    *reached = wrap_end() >= n;
    bnt_vet_unload_all();
    if (!*reached && tell) return;
    if (!*reached) { /* all went well, after all those failures */
        bool same = o.status == BNT_OK && memcmp(o.ids, want->ids, sizeof o.ids) == 0 &&
                    strcmp(o.text, want->text) == 0;
        t->cases++;
        t->faults += !same;
        if (!same) printf("FAILED: the run without a fault gives something else\n");
        return;
    }
    const char *fault = judge(&o, &before);
    t->cases++;
    t->faults += fault != NULL;
    if (!tell && !(fault && t->faults <= MOST_FAULTS)) return;
    printf("%scall %lu%s (%s from %p): %s: %s\n", fault ? "FAILED: " : "", n,
           all_after ? " and all after" : "", wrap_failed(), wrap_failed_from(),
           bnt_status_name(o.status), o.err.text);
    if (fault) printf("  %s\n", fault);
}

/* A JSON text is read whole, or memory was short: tokens that grow, at every place. */
static void read_json(struct tally *t) {
    char text[1200];
    int n = snprintf(text, sizeof text, "{\"a\":[");
    for (unsigned digits = 1; digits <= 18; digits++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%.*s,0.%.*s,", (int)digits,
                      "123456789012345678", (int)digits, "123456789012345678");
    n += snprintf(text + n, sizeof text - (size_t)n, "\"%0100d\",1e9999999999,{},true]}", 0);
    for (unsigned broken = 0; broken < 3; broken++) {
        if (broken == 1) memcpy(strstr(text, "1e9999999999"), "0", 1);
        if (broken == 2) memcpy(strstr(text, "00000000"), "\n", 1);
        for (unsigned all = 0; all < 2; all++) {
            bool reached = true;
            int whole = 0;
            for (unsigned long k = 0; reached && k < MOST_CALLS; k++) { /* 0: none */
                json_t *v = NULL;
                long before = wrap_blocks();
                wrap_begin(k, all);
                int status = bnt_json_load(&v, text, (size_t)n, 0, NULL);
                reached = wrap_end() >= k;
                if (k == 0) whole = status;
                bool right = (status == BNT_OK) == (v != NULL) &&
                             status == (k && reached ? BNT_E_NOMEM : whole);
                json_decref(v);
                right &= wrap_blocks() == before;
                if (!right) printf("FAILED: JSON, call %lu: %s\n", k, bnt_status_name(status));
                t->cases++;
                t->faults += !right;
            }
        }
    }
}

int main(int argc, char **argv) {
    static const char *const backends[] = {"ref-scalar", "auto"};
    unsigned long only = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    struct tally t = {0};
    struct synth s;
    uint64_t bytes;
    snprintf(path, sizeof path, "/tmp/bitnet-torture-%d.gguf", (int)getpid());
    snprintf(plugin_dir, sizeof plugin_dir, "%s/plugins", TEST_BUILD);
    if (!synth_preset(&s, "tiny")) return 1;
    s.vocab = 4096; /* a head that is searched in a copy of its own */
    s.embd_type = T_Q6_K;
    if (synth_fault(&s) || synth_save(&s, path, &bytes) != 0) return 1;
    for (unsigned b = 0; b < 2; b++) {
        struct outcome want = {0};
        if (live(&want, backends[b]) != BNT_OK) { /* and whatever is made once a process */
            printf("FAILED: %s without a fault: %s\n", backends[b], want.err.text);
            t.faults++;
            continue;
        }
        for (unsigned all = 0; all < 2; all++) {
            bool reached = true;
            for (unsigned long n = only ? only : 1; reached && n < MOST_CALLS; n++) {
                one(n, all, backends[b], &want, only != 0, &t, &reached);
                if (only) break;
            }
        }
    }
    bnt_json_watch();
    if (!only) read_json(&t);
    unlink(path);
    printf("%lu passed, %lu failed\n", t.cases - t.faults, t.faults);
    return t.faults || t.cases == 0;
}
