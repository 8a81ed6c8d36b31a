/*
 * test_session.c - engine, session and generation on a small model: batches, limits, stop strings.
 *
 * What the logits are is test_graph's business; here it is that they do not depend on how tokens
 * are fed, and that every limit is refused with the session left as it was.
 */
#include <check.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/usage.h"
#include "receipt.h"
#include "run/engine.h"
#include "run/generate.h"
#include "suite.h"
#include "synth.h"

static char path[64];
static struct bnt_engine *engine;
static uint32_t n_vocab;
enum { COUNT = 100 };
static int32_t ids[COUNT];

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

static void set_up(void) {
    struct bnt_err err = {0};
    struct synth s;
    uint64_t bytes;
    snprintf(path, sizeof path, "/tmp/bitnet-test-session-%d.gguf", (int)getpid());
    ck_assert(synth_preset(&s, "tiny"));
    ck_assert_int_eq(synth_save(&s, path, &bytes), 0);
    must(bnt_engine_open(&engine, path, NULL, &err), &err);
    n_vocab = bnt_engine_info(engine)->n_vocab;
    for (int i = 0; i < COUNT; i++) ids[i] = (int32_t)((unsigned)i * 7919u % n_vocab);
}

static void tear_down(void) {
    bnt_engine_close(engine);
    unlink(path);
}

static struct bnt_session *session(uint32_t batch, unsigned threads) {
    struct bnt_err err = {0};
    struct bnt_session *s;
    must(
        bnt_session_open(&s, engine,
                         &(struct bnt_session_options){
                             .n_ctx = COUNT, .n_batch = batch, .threads = threads, .no_bind = true},
                         &err),
        &err);
    return s;
}

START_TEST(logits_do_not_depend_on_how_tokens_are_fed) {
    struct bnt_err err = {0};
    struct bnt_session *all = session(512, 1);
    must(bnt_session_feed(all, ids, COUNT, BNT_WANT_ALL, &err), &err);
    for (unsigned threads = 1; threads <= 3; threads++) {
        for (unsigned batch = 1; batch <= 64; batch = batch * 3 + 1) {
            struct bnt_session *s = session(batch, threads);
            size_t at = 0;
            for (size_t step = 1; at < COUNT; step = step * 2 + 1) { /* ragged feeds */
                size_t n = at + step < COUNT ? step : COUNT - at;
                must(bnt_session_feed(s, ids + at, n, BNT_WANT_LAST, &err), &err);
                at += n;
                ck_assert_uint_eq(bnt_session_position(s), at);
                ck_assert_mem_eq(bnt_session_logits(s, 0), bnt_session_logits(all, at - 1),
                                 n_vocab * sizeof(float));
            }
            bnt_session_close(s);
        }
    }
    bnt_session_close(all);
}
END_TEST

START_TEST(truncate_forgets) {
    struct bnt_err err = {0};
    struct bnt_session *a = session(16, 2), *b = session(16, 2);
    must(bnt_session_feed(a, ids, 40, BNT_WANT_LAST, &err), &err);
    bnt_session_truncate(a, 10);
    must(bnt_session_feed(a, ids + 50, 20, BNT_WANT_LAST, &err), &err);
    must(bnt_session_feed(b, ids, 10, BNT_WANT_NONE, &err), &err);
    ck_assert_ptr_null(bnt_session_logits(b, 0));
    must(bnt_session_feed(b, ids + 50, 20, BNT_WANT_LAST, &err), &err);
    ck_assert_mem_eq(bnt_session_logits(a, 0), bnt_session_logits(b, 0), n_vocab * sizeof(float));
    bnt_session_close(a);
    bnt_session_close(b);
}
END_TEST

START_TEST(limits_are_refused_and_change_nothing) {
    struct bnt_err err = {0};
    struct bnt_session *s = session(16, 1), *none;
    must(bnt_session_feed(s, ids, 90, BNT_WANT_LAST, &err), &err);
    ck_assert_int_eq(bnt_session_feed(s, ids, 11, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "context of 100 tokens is full"));
    ck_assert_uint_eq(bnt_session_position(s), 90);
    int32_t bad[] = {0, (int32_t)n_vocab};
    ck_assert_int_eq(bnt_session_feed(s, bad, 2, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    bad[1] = -1;
    ck_assert_int_eq(bnt_session_feed(s, bad, 2, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    ck_assert_uint_eq(bnt_session_position(s), 90);
    must(bnt_session_feed(s, ids, 10, BNT_WANT_LAST, &err), &err);
    must(bnt_session_feed(s, ids, 0, BNT_WANT_LAST, &err), &err); /* nothing is fine */
    bnt_session_close(s);
    ck_assert_int_eq(
        bnt_session_open(&none, engine, &(struct bnt_session_options){.n_ctx = 1u << 30}, &err),
        BNT_E_LIMIT);
    ck_assert_ptr_null(none);
}
END_TEST

/* ---- generation ------------------------------------------------------------------------------ */

struct shown {
    char text[4096];
    size_t len;
};

static int show(void *arg, const char *text, size_t len, struct bnt_err *err) {
    struct shown *s = arg;
    (void)err;
    memcpy(s->text + s->len, text, len);
    s->len += len;
    return BNT_OK;
}

static struct bnt_generation generate(struct bnt_generate_options o, struct shown *shown) {
    struct bnt_err err = {0};
    struct bnt_generation g;
    struct bnt_session *s = session(16, 1);
    o.on_text = shown ? show : NULL;
    o.on_text_arg = shown;
    must(bnt_generate(&g, engine, s, ids, 5, &o, &err), &err);
    bnt_session_close(s);
    return g;
}

/* As between the turns of a conversation; the penalty looks back on all ids, fed before or not. */
START_TEST(a_session_that_holds_the_beginning_goes_on_from_it) {
    struct bnt_generate_options o = {.sampling = bnt_sampling_default(), .n_predict = 20};
    struct bnt_err err = {0};
    o.sampling.temperature = 0.9f;
    o.sampling.repeat_penalty = 1.3f;
    struct bnt_generation whole = generate(o, NULL), g;
    for (size_t fed = 0; fed < 5; fed++) {
        struct bnt_session *s = session(16, 1);
        must(bnt_session_feed(s, ids, fed, BNT_WANT_NONE, &err), &err);
        must(bnt_generate(&g, engine, s, ids, 5, &o, &err), &err);
        ck_assert_uint_eq(g.prefill_tokens, 5 - fed);
        ck_assert_uint_eq(g.n_tokens, whole.n_tokens);
        ck_assert_mem_eq(g.tokens, whole.tokens, g.n_tokens * sizeof *g.tokens);
        ck_assert_str_eq(g.hidden_digest, whole.hidden_digest);
        bnt_generation_free(&g);
        bnt_session_close(s);
    }
    struct bnt_session *s = session(16, 1);
    must(bnt_session_feed(s, ids, 5, BNT_WANT_NONE, &err), &err);
    ck_assert_int_eq(bnt_generate(&g, engine, s, ids, 5, &o, &err), BNT_E_USAGE);
    ck_assert_str_eq(err.text, "the session holds 5 tokens and the text to go on from has 5: "
                               "none is left to compute");
    bnt_generation_free(&g);
    bnt_session_close(s);
    bnt_generation_free(&whole);
}
END_TEST

START_TEST(a_stop_string_is_found_across_tokens_and_never_shown) {
    struct bnt_generate_options o = {
        .sampling = bnt_sampling_default(), .n_predict = 60, .ignore_eog = true};
    struct bnt_generation whole = generate(o, NULL);
    ck_assert_uint_ge(whole.text_len, 40);
    for (size_t at = 3; at + 12 < whole.text_len; at += 5) { /* each stretch of its text in turn */
        for (size_t len = 1; len <= 12; len += 3) {
            char stop[16] = {0};
            struct shown shown = {.len = 0};
            memcpy(stop, whole.text + at, len);
            if (strlen(stop) != len) continue;
            size_t first =
                (size_t)((char *)memmem(whole.text, whole.text_len, stop, len) - whole.text);
            o.stops = (const char *const[]){stop, "this text never comes up"};
            o.n_stops = 2;
            struct bnt_generation g = generate(o, &shown);
            ck_assert_int_eq(g.reason, BNT_STOP_STRING);
            ck_assert_uint_eq(g.text_len, first);
            ck_assert_uint_eq(shown.len, first);
            ck_assert_mem_eq(shown.text, whole.text, first);
            bnt_generation_free(&g);
        }
    }
    bnt_generation_free(&whole);
}
END_TEST

START_TEST(text_held_back_for_a_stop_string_comes_at_the_end) {
    struct bnt_generate_options o = {
        .sampling = bnt_sampling_default(), .n_predict = 20, .ignore_eog = true};
    struct bnt_generation whole = generate(o, NULL);
    char stop[64];
    struct shown shown = {.len = 0};
    /* the last bytes of the text, and one more that does not come */
    snprintf(stop, sizeof stop, "%.*s\x01", 4, whole.text + whole.text_len - 4);
    o.stops = (const char *const[]){stop};
    o.n_stops = 1;
    struct bnt_generation g = generate(o, &shown);
    ck_assert_int_eq(g.reason, BNT_STOP_LENGTH);
    ck_assert_uint_eq(shown.len, whole.text_len);
    ck_assert_mem_eq(shown.text, whole.text, shown.len);
    bnt_generation_free(&g);
    bnt_generation_free(&whole);
}
END_TEST

START_TEST(generation_ends_where_it_should) {
    volatile sig_atomic_t now = 1;
    struct bnt_generate_options o = {
        .sampling = bnt_sampling_default(), .n_predict = 1000, .ignore_eog = true};
    struct bnt_generation g = generate(o, NULL);
    ck_assert_int_eq(g.reason, BNT_STOP_CONTEXT);
    ck_assert_uint_eq(g.n_tokens, COUNT - 5 + 1); /* the last one needs no place */
    ck_assert_uint_eq(g.decode_steps, COUNT - 5);
    bnt_generation_free(&g);
    o.n_predict = 0;
    g = generate(o, NULL);
    ck_assert_int_eq(g.reason, BNT_STOP_LENGTH);
    ck_assert_uint_eq(g.n_tokens, 0);
    bnt_generation_free(&g);
    o.n_predict = 10;
    o.interrupted = &now;
    g = generate(o, NULL);
    ck_assert_int_eq(g.reason, BNT_STOP_INTERRUPTED);
    bnt_generation_free(&g);
}
END_TEST

/* A model whose weights overflow gives an error, not tokens. */
START_TEST(logits_that_are_not_finite_are_an_error) {
    struct bnt_err err = {0};
    struct bnt_engine *broken;
    struct bnt_session *s;
    char other[80];
    snprintf(other, sizeof other, "%s.broken", path);
    FILE *in = fopen(path, "rb"), *out = fopen(other, "wb");
    ck_assert(in && out);
    const struct bnt_gguf_tensor *t = bnt_gguf_tensor(engine->gguf, "blk.0.attn_norm.weight");
    uint64_t at = 0;
    ck_assert_ptr_nonnull(t);
    for (int c; (c = fgetc(in)) != EOF; at++) {
        bool inside = at >= t->offset && at < t->offset + t->bytes;
        static const unsigned char huge[4] = {0xff, 0xff, 0x7f, 0x7f}; /* FLT_MAX */
        fputc(inside ? huge[(at - t->offset) % 4] : c, out);
    }
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
    must(bnt_engine_open(&broken, other, NULL, &err), &err);
    must(bnt_session_open(&s, broken, &(struct bnt_session_options){.no_bind = true}, &err), &err);
    ck_assert_int_eq(bnt_session_feed(s, ids, 20, BNT_WANT_LAST, &err), BNT_E_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.text, "not finite"));
    ck_assert_uint_eq(bnt_session_position(s), 0);
    bnt_session_close(s);
    bnt_engine_close(broken);
    unlink(other);
}
END_TEST

/* Of an embedding that is its head, only the rows that a text needs are read, and not where they
 * are mapped: the kernel would map all that lies around them. Nor does a receipt keep the file. */
START_TEST(the_file_does_not_become_resident) {
    enum { TOKENS = 400, MADE = 50 };
    struct bnt_err err = {0};
    struct bnt_engine *wide;
    struct bnt_session *s;
    struct synth shape;
    uint64_t bytes;
    uint32_t n;
    char other[80];
    int32_t text[TOKENS];
    snprintf(other, sizeof other, "%s.wide", path);
    ck_assert(synth_preset(&shape, "tiny"));
    shape.vocab = 60000;
    ck_assert_int_eq(synth_save(&shape, other, &bytes), 0);
    ck_assert_uint_gt(bytes, 30 << 20);
    for (int i = 0; i < TOKENS; i++) text[i] = i * (60000 / TOKENS);
    must(bnt_engine_open(&wide, other, NULL, &err), &err);
    must(bnt_session_open(&s, wide, &(struct bnt_session_options){.threads = 2, .no_bind = true},
                          &err),
         &err);
    must(bnt_session_feed_top(s, text, 1, 40, &err), &err);
    uint64_t before = bnt_usage_now().file;
    must(bnt_session_feed_top(s, text, TOKENS, 40, &err), &err);
    for (int i = 0; i < MADE; i++) {
        int32_t id = bnt_session_top(s, &n)[0].id;
        must(bnt_session_feed_top(s, &id, 1, 40, &err), &err);
    }
    ck_assert_uint_lt(bnt_usage_now().file, before + (2 << 20));
    uint64_t peak = bnt_usage_now().peak;
    json_decref(bnt_receipt_model(wide->gguf, NULL, NULL, &err)); /* the hash of the whole file */
    ck_assert_uint_lt(bnt_usage_now().peak, peak + (4 << 20));
    bnt_session_close(s);
    bnt_engine_close(wide);
    unlink(other);
}
END_TEST

START_TEST(a_caller_who_changed_the_rounding_is_told) {
    struct bnt_err err = {0};
    struct bnt_session *s = session(16, 1);
    fesetround(FE_UPWARD);
    int status = bnt_session_feed(s, ids, 3, BNT_WANT_LAST, &err);
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(status, BNT_E_NUMERIC);
    ck_assert_ptr_nonnull(strstr(err.text, "rounding"));
    must(bnt_session_feed(s, ids, 3, BNT_WANT_LAST, &err), &err);
    bnt_session_close(s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("session");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, logits_do_not_depend_on_how_tokens_are_fed);
    tcase_add_test(tc, truncate_forgets);
    tcase_add_test(tc, limits_are_refused_and_change_nothing);
    tcase_add_test(tc, a_session_that_holds_the_beginning_goes_on_from_it);
    tcase_add_test(tc, a_stop_string_is_found_across_tokens_and_never_shown);
    tcase_add_test(tc, text_held_back_for_a_stop_string_comes_at_the_end);
    tcase_add_test(tc, generation_ends_where_it_should);
    tcase_add_test(tc, logits_that_are_not_finite_are_an_error);
    tcase_add_test(tc, the_file_does_not_become_resident);
    tcase_add_test(tc, a_caller_who_changed_the_rounding_is_told);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
