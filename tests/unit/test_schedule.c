/*
 * test_schedule.c - many sequences in one context: does each compute the bits that it has alone?
 *
 * The one idea: texts that branch. Text t has in its segment s the tokens of the low s bits of t,
 * so texts share beginnings, and a sequence may go over to another text wherever the two still
 * agree. What each text gives at each position is computed once, alone, by one session; then
 * schedules drawn at random join, split, fork, truncate, reopen and interrupt up to 16 sequences,
 * and every result is compared bit for bit. BITNET_SCHEDULES says how many in all, for each number
 * of threads, architecture and backend alike (default: one).
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bitnet/bitnet.h"
#include "plugin/backend.h"
#include "rng.h"
#include "suite.h"
#include "synth.h"

enum { TEXTS = 16, SEGMENT = 9, LENGTH = 5 * SEGMENT, SEQUENCES = 16, STEPS = 24, FEW = 72 };
enum { NAMES = 7 }; /* of a row, at most */

static char dir[64];
static struct bnt_err err;
static struct bnt_engine *engine;
static uint32_t n_vocab, n_embd;
static int32_t texts[TEXTS][LENGTH];
static float *all_logits, *all_hidden; /* [TEXTS][LENGTH][...] */

static void must(int status) {
    ck_assert_msg(status == BNT_OK, "%s", err.text);
}

static const char *in_dir(const char *file) {
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    return path;
}

static uint64_t below(struct rng *r, uint64_t n) {
    return rng_next(r) % n;
}

static unsigned shared_segments(unsigned a, unsigned b) {
    unsigned s = 1;
    while (s < LENGTH / SEGMENT && ((a ^ b) & ((1u << s) - 1)) == 0) s++;
    return s;
}

static void make_texts(void) {
    for (unsigned t = 0; t < TEXTS; t++)
        for (unsigned p = 0; p < LENGTH; p++) {
            unsigned s = p / SEGMENT, branch = t & ((1u << s) - 1);
            struct rng r = rng_stream(1000 + p, branch);
            texts[t][p] = (int32_t)below(&r, n_vocab);
        }
}

/* Each text by itself, token by token. */
static void make_references(void) {
    struct bnt_session *s;
    const struct bnt_session_options o = {.n_ctx = LENGTH, .threads = 1, .no_bind = true};
    must(bnt_session_open(&s, engine, &o, &err));
    all_logits = malloc(sizeof(float) * TEXTS * LENGTH * n_vocab);
    all_hidden = malloc(sizeof(float) * TEXTS * LENGTH * n_embd);
    ck_assert(all_logits && all_hidden);
    for (size_t t = 0; t < TEXTS; t++) {
        bnt_session_truncate(s, 0);
        for (size_t p = 0; p < LENGTH; p++) {
            must(bnt_session_feed(s, &texts[t][p], 1, BNT_WANT_LAST, &err));
            memcpy(all_logits + (t * LENGTH + p) * n_vocab, bnt_session_logits(s, 0),
                   n_vocab * sizeof(float));
            memcpy(all_hidden + (t * LENGTH + p) * n_embd, bnt_session_hidden(s),
                   n_embd * sizeof(float));
        }
    }
    bnt_session_close(s);
}

static const float *logits_at(unsigned t, uint64_t p) {
    return all_logits + (t * (size_t)LENGTH + p) * n_vocab;
}

static const float *hidden_at(unsigned t, uint64_t p) {
    return all_hidden + (t * (size_t)LENGTH + p) * n_embd;
}

static void open_engine(const char *backend, const char *arch, uint32_t type) {
    struct synth s;
    const struct bnt_engine_options o = {.backend = backend, .threads = 1};
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.type = type;
    if (strcmp(arch, "gemma3") == 0) s.window = 16, s.window_period = 2;
    s.vocab = 4200; /* so many that the head is searched */
    s.seed = 77;
    ck_assert_msg(!synth_fault(&s), "%s", synth_fault(&s));
    ck_assert_int_eq(synth_save(&s, in_dir("model.gguf"), NULL), 0);
    must(bnt_engine_open(&engine, in_dir("model.gguf"), &o, &err));
    n_vocab = bnt_engine_info(engine)->n_vocab;
    n_embd = bnt_engine_info(engine)->n_embd;
    make_texts();
    make_references();
}

static void close_engine(void) {
    bnt_engine_close(engine);
    free(all_logits);
    free(all_hidden);
    engine = NULL;
    all_logits = all_hidden = NULL;
}

/* ---- one schedule ---------------------------------------------------------------------------- */

struct live {
    struct bnt_sequence *sequence;
    unsigned text;
    size_t at; /* tokens fed */
};

struct schedule {
    struct rng rng;
    struct bnt_context *context;
    struct live live[SEQUENCES];
    struct bnt_span spans[SEQUENCES];
    unsigned who[SEQUENCES]; /* spans[i] is of live[who[i]] */
    struct bnt_row rows[SEQUENCES][LENGTH];
    int32_t names[SEQUENCES][LENGTH][NAMES];
    unsigned n_spans;
    uint64_t patience; /* questions until a feed is cancelled; 0: it is not */
    uint64_t results;
};

static bool cancelled(void *arg) {
    struct schedule *c = arg;
    return c->patience && --c->patience == 0;
}

static size_t fed(const struct live *l) {
    size_t count;
    const int32_t *tokens = bnt_sequence_tokens(l->sequence, &count);
    ck_assert_uint_eq(count, l->at);
    if (count) ck_assert_mem_eq(tokens, texts[l->text], count * sizeof *tokens);
    return count;
}

/* Rising ids for a row, often none. */
static uint32_t name_some(struct schedule *c, unsigned i, size_t row) {
    int32_t *ids = c->names[i][row], id = -1;
    uint32_t n = below(&c->rng, 2) ? (uint32_t)below(&c->rng, NAMES + 1) : 0;
    for (uint32_t k = 0; k < n; k++) ids[k] = id += 1 + (int32_t)below(&c->rng, n_vocab / NAMES);
    return n;
}

static void compose(struct schedule *c) {
    struct rng *r = &c->rng;
    bool decode = below(r, 2); /* a token each, or pieces of any length */
    c->n_spans = 0;
    for (unsigned i = 0; i < SEQUENCES; i++) {
        struct live *l = &c->live[i];
        if (!l->sequence || l->at == LENGTH || below(r, 3) == 0) continue;
        size_t left = LENGTH - l->at, n = decode ? 1 : 1 + below(r, left), n_rows = 0;
        unsigned density = (unsigned)below(r, 4);
        for (size_t t = 0; t < n; t++) {
            if (t + 1 < n ? below(r, 4) >= density : below(r, 8) == 0) continue;
            c->rows[i][n_rows] = (struct bnt_row){.token = (uint32_t)t,
                                                  .want = (uint32_t)below(r, 8),
                                                  .k = 1 + (uint32_t)below(r, 50),
                                                  .n_ids = name_some(c, i, n_rows),
                                                  .ids = c->names[i][n_rows]};
            n_rows++;
        }
        c->who[c->n_spans] = i;
        c->spans[c->n_spans++] = (struct bnt_span){.sequence = l->sequence,
                                                   .ids = texts[l->text] + l->at,
                                                   .count = n,
                                                   .rows = c->rows[i],
                                                   .n_rows = n_rows,
                                                   .pool = (uint32_t)below(r, 4)};
    }
}

static void check_top(const struct bnt_top *top, uint32_t count, const struct bnt_row *row,
                      const float *named, const float *logits) {
    ck_assert_uint_eq(count, row->k < n_vocab - row->n_ids ? row->k : n_vocab - row->n_ids);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert(memcmp(&top[i].logit, &logits[top[i].id], sizeof(float)) == 0);
        if (i)
            ck_assert(top[i - 1].logit > top[i].logit ||
                      (top[i - 1].logit == top[i].logit && top[i - 1].id < top[i].id));
    }
    uint32_t above = 0, at = 0; /* nothing larger was left out but what is named */
    for (uint32_t v = 0; v < n_vocab; v++) {
        if (at < row->n_ids && (uint32_t)row->ids[at] == v)
            ck_assert(memcmp(&named[at++], &logits[v], sizeof(float)) == 0);
        else
            above += logits[v] > top[count - 1].logit;
    }
    ck_assert_uint_eq(at, row->n_ids);
    ck_assert_uint_lt(above, count);
}

static void check_row(struct schedule *c, unsigned s, size_t r) {
    const struct live *l = &c->live[c->who[s]];
    const struct bnt_row *row = &c->spans[s].rows[r];
    uint64_t p = l->at + row->token;
    uint32_t count;
    const float *hidden = bnt_context_hidden(c->context, s, r);
    const float *logits = bnt_context_logits(c->context, s, r);
    const struct bnt_top *top = bnt_context_top(c->context, s, r, &count);
    ck_assert_int_eq(hidden != NULL, (row->want & BNT_ROW_HIDDEN) != 0);
    ck_assert_int_eq(logits != NULL, (row->want & BNT_ROW_LOGITS) != 0);
    ck_assert_int_eq(top != NULL, (row->want & BNT_ROW_TOP) != 0);
    if (hidden) ck_assert_mem_eq(hidden, hidden_at(l->text, p), n_embd * sizeof *hidden);
    if (logits) ck_assert_mem_eq(logits, logits_at(l->text, p), n_vocab * sizeof *logits);
    if (top) check_top(top, count, row, bnt_context_named(c->context, s, r), logits_at(l->text, p));
    c->results++;
}

static void check_pooled(struct schedule *c, unsigned s) {
    const struct live *l = &c->live[c->who[s]];
    const struct bnt_span *span = &c->spans[s];
    const float *pooled = bnt_context_pooled(c->context, s);
    ck_assert_int_eq(pooled != NULL, span->pool != BNT_POOL_NONE);
    for (uint32_t i = 0; pooled && i < n_embd; i++) {
        double sum = 0;
        for (size_t t = 0; t < span->count; t++) sum += (double)hidden_at(l->text, l->at + t)[i];
        float want = (float)(sum / (double)span->count);
        if (span->pool == BNT_POOL_FIRST) want = hidden_at(l->text, l->at)[i];
        if (span->pool == BNT_POOL_LAST) want = hidden_at(l->text, l->at + span->count - 1)[i];
        ck_assert(memcmp(&pooled[i], &want, sizeof want) == 0);
    }
}

static void feed(struct schedule *c) {
    compose(c);
    c->patience = below(&c->rng, 6) == 0 ? 1 + below(&c->rng, 40) : 0;
    bool impatient = c->patience != 0;
    int status = bnt_context_feed(c->context, c->spans, c->n_spans, &err);
    ck_assert_msg(status == BNT_OK || (impatient && status == BNT_E_INTERRUPTED), "%s", err.text);
    ck_assert(status == BNT_OK || c->patience == 0);
    for (unsigned s = 0; s < c->n_spans; s++) {
        if (status != BNT_OK) {
            ck_assert_ptr_null(bnt_context_pooled(c->context, s));
            ck_assert_ptr_null(bnt_context_hidden(c->context, s, 0));
            fed(&c->live[c->who[s]]); /* stands where it stood */
            continue;
        }
        for (size_t r = 0; r < c->spans[s].n_rows; r++) check_row(c, s, r);
        check_pooled(c, s);
        ck_assert_ptr_null(bnt_context_logits(c->context, s, c->spans[s].n_rows));
        c->live[c->who[s]].at += c->spans[s].count;
        fed(&c->live[c->who[s]]);
    }
}

/* What happens to one of the sequences between feeds. */
static void disturb(struct schedule *c) {
    struct rng *r = &c->rng;
    struct live *l = &c->live[below(r, SEQUENCES)], *other = &c->live[below(r, SEQUENCES)];
    if (!l->sequence) {
        must(bnt_sequence_open(&l->sequence, c->context, &err));
        l->text = (unsigned)below(r, TEXTS);
        l->at = 0;
        return;
    }
    unsigned text = (unsigned)below(r, TEXTS);
    switch (below(r, 5)) {
    case 0: /* forgets, at least as much as lets it go on with another text */
        l->at = below(r, l->at + 1);
        if (l->at > shared_segments(l->text, text) * SEGMENT)
            l->at = shared_segments(l->text, text) * SEGMENT;
        bnt_sequence_truncate(l->sequence, l->at);
        l->text = text;
        break;
    case 1:
        bnt_sequence_close(l->sequence);
        *l = (struct live){0};
        break;
    case 2: /* through a file */
        must(bnt_sequence_save(l->sequence, in_dir("sequence"), &err));
        bnt_sequence_close(l->sequence);
        c->patience = 0;
        must(bnt_sequence_load(&l->sequence, c->context, in_dir("sequence"), &err));
        break;
    default: /* a fork of part of it */
        if (other == l) return;
        bnt_sequence_close(other->sequence);
        *other = *l;
        other->at = below(r, l->at + 1);
        must(bnt_sequence_fork(&other->sequence, l->sequence, other->at, &err));
    }
    if (l->sequence) fed(l);
    if (other->sequence) fed(other);
}

static uint64_t run_schedule(uint64_t seed, unsigned threads) {
    struct schedule *c = calloc(1, sizeof *c);
    ck_assert_ptr_nonnull(c);
    c->rng = rng_stream(seed, threads);
    const struct bnt_context_options o = {.struct_size = sizeof o,
                                          .n_ctx = LENGTH,
                                          .n_batch = 1 + (uint32_t)below(&c->rng, 70),
                                          .threads = threads,
                                          .no_bind = true,
                                          .cancelled = cancelled,
                                          .cancelled_arg = c};
    must(bnt_context_open(&c->context, engine, &o, &err));
    for (int step = 0; step < STEPS; step++) {
        for (uint64_t n = below(&c->rng, step ? 4 : 20); n > 0; n--) disturb(c);
        feed(c);
    }
    for (unsigned i = 0; i < SEQUENCES; i++) bnt_sequence_close(c->live[i].sequence);
    bnt_context_close(c->context);
    uint64_t results = c->results;
    free(c);
    return results;
}

static const char *const backends[] = {"ref-scalar", "cpu-avx2", "cpu-avx512", "cpu-neon"};
static const char *const archs[] = {"bitnet-b1.58", "llama", "qwen3", "qwen2", "minicpm", "gemma3"};
enum { ARCHS = sizeof archs / sizeof *archs, MOST_THREADS = 3 };
enum { LOOPS = sizeof backends / sizeof *backends * ARCHS * MOST_THREADS };

static bool usable(const char *name) {
    struct bnt_backends *table = NULL;
    int status = bnt_backends_open(&table, &(struct bnt_backends_options){.want = name}, &err);
    bnt_backends_close(table);
    return status == BNT_OK;
}

/* Loop _i: a backend, an architecture, a number of threads. One loop stays below the 71 minutes
 * that libcheck can count, even where all of BITNET_SCHEDULES=10000 run on a busy machine. */
START_TEST(every_sequence_computes_what_it_does_alone) {
    const unsigned threads = 1 + (unsigned)_i % MOST_THREADS,
                   arch = (unsigned)_i / MOST_THREADS % ARCHS;
    const char *backend = backends[_i / (MOST_THREADS * ARCHS)], *wish = getenv("BITNET_SCHEDULES");
    long wanted = wish ? strtol(wish, NULL, 10) : FEW;
    uint64_t results = 0;
    if (!usable(backend)) return;
    open_engine(backend, archs[arch], arch % 2 ? T_TQ2_0 : T_I2_S);
    for (long n = 0; n < (wanted + LOOPS - 1) / LOOPS; n++)
        results += run_schedule((uint64_t)n, threads);
    ck_assert_uint_gt(results, 0);
    close_engine();
}
END_TEST

static void set_up(void) {
    strcpy(dir, "/tmp/bitnet-schedule-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

int main(void) {
    Suite *suite = suite_create("schedules");
    TCase *tc = tcase_create("schedules");
    tcase_set_timeout(tc, 36000);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, every_sequence_computes_what_it_does_alone, 0, LOOPS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
