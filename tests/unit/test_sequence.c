/*
 * test_sequence.c - sequences by themselves: their files, their memory, and wishes that make no
 * sense.
 *
 * That a sequence computes the same whatever happens to it is test_schedule.c's.
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "bitnet/bitnet.h"
#include "suite.h"
#include "synth.h"

enum { TOKENS = 5 };

static const int32_t ids[TOKENS] = {3, 1, 4, 1, 5};
static char dir[64];
static struct bnt_err err;
static struct bnt_engine *engine;
static struct bnt_context *context;
static struct bnt_sequence *sequence;

static const char *in_dir(const char *file) {
    static char path[4][PATH_MAX];
    static unsigned turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, file);
    return path[turn];
}

static void must(int status) {
    ck_assert_msg(status == BNT_OK, "%s", err.text);
}

static void open_model(struct bnt_engine **e, struct bnt_context **c, const char *arch,
                       uint64_t seed, uint64_t n_ctx) {
    struct synth s;
    const struct bnt_context_options o = {.n_ctx = n_ctx, .threads = 2, .no_bind = true};
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.seed = seed;
    ck_assert_int_eq(synth_save(&s, in_dir("model.gguf"), NULL), 0);
    must(bnt_engine_open(e, in_dir("model.gguf"), NULL, &err));
    must(bnt_context_open(c, *e, &o, &err));
}

static int feed(struct bnt_sequence *s, const int32_t *tokens, size_t n) {
    const struct bnt_span span = {.sequence = s, .ids = tokens, .count = n};
    return bnt_context_feed(context, &span, 1, &err);
}

static void set_up(void) {
    strcpy(dir, "/tmp/bitnet-sequence-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    open_model(&engine, &context, "bitnet-b1.58", 5, 64);
    must(bnt_sequence_open(&sequence, context, &err));
    must(feed(sequence, ids, TOKENS));
    must(bnt_sequence_save(sequence, in_dir("saved"), &err));
}

static void tear_down(void) {
    char command[128];
    bnt_sequence_close(sequence);
    bnt_context_close(context);
    bnt_engine_close(engine);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static uint8_t *bytes;
static size_t size;

static void read_saved(void) {
    FILE *f = fopen(in_dir("saved"), "rb");
    struct stat st;
    ck_assert(f && fstat(fileno(f), &st) == 0);
    size = (size_t)st.st_size;
    bytes = malloc(size + 1);
    ck_assert_uint_eq(fread(bytes, 1, size, f), size);
    fclose(f);
}

static int load_bytes(size_t n) {
    struct bnt_sequence *s = (struct bnt_sequence *)dir;
    FILE *f = fopen(in_dir("other"), "wb");
    ck_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    int status = bnt_sequence_load(&s, context, in_dir("other"), &err);
    ck_assert(status == BNT_OK || s == NULL);
    bnt_sequence_close(s);
    return status;
}

START_TEST(a_damaged_file_is_refused) {
    read_saved();
    must(load_bytes(size));
    for (size_t n = 0; n < size; n += n < 80 || n + 80 > size ? 1 : 97)
        ck_assert_int_eq(load_bytes(n), BNT_E_FORMAT);
    bytes[size] = 0;
    ck_assert_int_eq(load_bytes(size + 1), BNT_E_FORMAT);
    for (size_t at = 0; at < size; at += at < 120 || at + 80 > size ? 1 : 97) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1u << bit);
            int status = load_bytes(size);
            ck_assert_msg(status == BNT_E_FORMAT || status == BNT_E_MISMATCH ||
                              status == BNT_E_LIMIT,
                          "byte %zu, bit %u: %s", at, bit, bnt_status_name(status));
            bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
    must(load_bytes(size));
    free(bytes);
}
END_TEST

/* By somebody who can compute hashes: an infinity, which no run stores and attention may hide. */
START_TEST(a_value_that_is_not_finite_is_refused) {
    static const uint16_t values[] = {0x7c00, 0xfc00, 0x7e01};
    read_saved();
    for (size_t i = 0; i < 3; i++) {
        struct bnt_sha256 h;
        char hex[65];
        memcpy(bytes + size - 32 - 2, &values[i], 2);
        bnt_sha256_begin(&h);
        bnt_sha256_add(&h, bytes, size - 32);
        must(bnt_sha256_end(&h, hex, &err));
        for (size_t k = 0; k < 32; k++) {
            unsigned byte;
            ck_assert_int_eq(sscanf(hex + 2 * k, "%2x", &byte), 1);
            bytes[size - 32 + k] = (uint8_t)byte;
        }
        ck_assert_int_eq(load_bytes(size), BNT_E_FORMAT);
    }
    free(bytes);
}
END_TEST

START_TEST(a_file_of_another_model_is_refused) {
    static const char *const archs[] = {"bitnet-b1.58", "llama", "bitnet-b1.58"};
    static const uint64_t seeds[] = {6, 5, 5}, contexts[] = {64, 64, TOKENS - 1};
    static const int wanted[] = {BNT_E_MISMATCH, BNT_E_MISMATCH, BNT_E_LIMIT};
    for (int i = 0; i < 3; i++) {
        struct bnt_engine *e;
        struct bnt_context *c;
        struct bnt_sequence *s;
        open_model(&e, &c, archs[i], seeds[i], contexts[i]);
        ck_assert_int_eq(bnt_sequence_load(&s, c, in_dir("saved"), &err), wanted[i]);
        ck_assert_ptr_null(s);
        bnt_context_close(c);
        bnt_engine_close(e);
    }
}
END_TEST

START_TEST(only_its_own_kind_is_replaced) {
    struct bnt_sequence *s;
    ck_assert_int_eq(bnt_sequence_save(sequence, in_dir("model.gguf"), &err), BNT_E_USAGE);
    ck_assert_int_eq(bnt_sequence_save(sequence, dir, &err), BNT_E_USAGE);
    ck_assert_int_eq(bnt_sequence_save(sequence, in_dir("no/such"), &err), BNT_E_IO);
    ck_assert_int_eq(bnt_sequence_load(&s, context, in_dir("nothing"), &err), BNT_E_IO);
    ck_assert_int_eq(bnt_sequence_load(&s, context, dir, &err), BNT_E_IO);
    ck_assert_int_eq(bnt_sequence_load(&s, context, in_dir("model.gguf"), &err), BNT_E_FORMAT);
    ck_assert_int_eq(mkfifo(in_dir("fifo"), 0600), 0); /* nobody is at its other end */
    ck_assert_int_eq(bnt_sequence_save(sequence, in_dir("fifo"), &err), BNT_E_USAGE);
    ck_assert_int_eq(bnt_sequence_load(&s, context, in_dir("fifo"), &err), BNT_E_IO);
    must(bnt_sequence_save(sequence, in_dir("saved"), &err)); /* again */
    bnt_sequence_truncate(sequence, 0);
    must(bnt_sequence_save(sequence, in_dir("empty"), &err));
    must(bnt_sequence_load(&s, context, in_dir("empty"), &err));
    size_t count;
    bnt_sequence_tokens(s, &count);
    ck_assert_uint_eq(count, 0);
    bnt_sequence_close(s);
}
END_TEST

/* ---- wishes ---------------------------------------------------------------------------------- */

START_TEST(wishes_that_make_no_sense) {
    const struct bnt_row twice[] = {{.token = 1, .want = BNT_ROW_HIDDEN},
                                    {.token = 1, .want = BNT_ROW_HIDDEN}};
    const struct bnt_row beyond = {.token = 2, .want = BNT_ROW_HIDDEN};
    const struct bnt_row unknown = {.token = 0, .want = 8};
    const struct bnt_row none = {.token = 0, .want = BNT_ROW_TOP};
    const struct bnt_row many = {.token = 0, .want = BNT_ROW_TOP, .k = 257};
    struct bnt_span span = {.sequence = sequence, .ids = ids, .count = 2};
    const struct {
        const struct bnt_row *rows;
        size_t n;
    } wrong[] = {{twice, 2}, {&beyond, 1}, {&unknown, 1}, {&none, 1}, {&many, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        span.rows = wrong[i].rows;
        span.n_rows = wrong[i].n;
        ck_assert_int_eq(bnt_context_feed(context, &span, 1, &err), BNT_E_USAGE);
    }
    span.n_rows = 0;
    span.pool = 9;
    ck_assert_int_eq(bnt_context_feed(context, &span, 1, &err), BNT_E_USAGE);
    span.pool = BNT_POOL_NONE;
    const struct bnt_span both[] = {span, span};
    ck_assert_int_eq(bnt_context_feed(context, both, 2, &err), BNT_E_USAGE);
    must(bnt_context_feed(context, both, 1, &err));
    span.count = 0;
    ck_assert_int_eq(bnt_context_feed(context, &span, 1, &err), BNT_E_USAGE);
    const int32_t stranger = (int32_t)bnt_engine_info(engine)->n_vocab;
    ck_assert_int_eq(feed(sequence, &stranger, 1), BNT_E_LIMIT);
    struct bnt_sequence *fork;
    ck_assert_int_eq(bnt_sequence_fork(&fork, sequence, TOKENS + 3, &err), BNT_E_USAGE);
    ck_assert_ptr_null(bnt_context_logits(context, 7, 0));
    must(bnt_context_feed(context, NULL, 0, &err));
}
END_TEST

START_TEST(options_of_other_versions) {
    struct {
        struct bnt_context_options o;
        uint64_t later;
    } newer = {.o = {.struct_size = sizeof newer, .n_ctx = 8, .threads = 1, .no_bind = true}};
    struct bnt_context_options older = {.struct_size =
                                            offsetof(struct bnt_context_options, n_batch),
                                        .n_ctx = 8,
                                        .threads = 4097}; /* which it does not know of */
    struct bnt_context *c;
    must(bnt_context_open(&c, engine, &newer.o, &err));
    bnt_context_close(c);
    newer.later = 1;
    ck_assert_int_eq(bnt_context_open(&c, engine, &newer.o, &err), BNT_E_USAGE);
    must(bnt_context_open(&c, engine, &older, &err));
    ck_assert_uint_eq(bnt_context_positions(c), 8);
    bnt_context_close(c);
}
END_TEST

static int patience;

static bool impatient(void *arg) {
    (void)arg;
    return patience-- <= 0;
}

START_TEST(opening_can_be_cancelled) {
    const struct bnt_engine_options o = {
        .struct_size = sizeof o, .threads = 2, .cancelled = impatient};
    struct bnt_engine *e;
    int times = 0, status;
    do {
        patience = times++;
        status = bnt_engine_open(&e, in_dir("model.gguf"), &o, &err);
        ck_assert(status == BNT_OK || (status == BNT_E_INTERRUPTED && !e));
    } while (status != BNT_OK && times < 1000);
    must(status);
    ck_assert_int_gt(times, 1);
    bnt_engine_close(e);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t resident(void) {
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%*u %zu", &pages) != 1) pages = 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* 64 of them, with room for 4096 positions of a model with 30 layers; what was fed and forgotten is
 * given back, too. */
START_TEST(idle_sequences_cost_next_to_nothing) {
    enum { IDLE = 64 };
    static struct bnt_sequence *idle[IDLE];
    struct synth s;
    struct bnt_engine *e;
    struct bnt_context *c;
    const struct bnt_context_options o = {.n_ctx = 4096, .threads = 1, .no_bind = true};
    synth_preset(&s, "tiny");
    s.blocks = 30;
    s.kv_heads = s.heads;
    s.ctx = 4096;
    ck_assert_int_eq(synth_save(&s, in_dir("deep.gguf"), NULL), 0);
    must(bnt_engine_open(&e, in_dir("deep.gguf"), NULL, &err));
    must(bnt_context_open(&c, e, &o, &err));
    size_t before = resident();
    for (int i = 0; i < IDLE; i++) {
        must(bnt_sequence_open(&idle[i], c, &err));
        const struct bnt_span span = {.sequence = idle[i], .ids = ids, .count = TOKENS};
        must(bnt_context_feed(c, &span, 1, &err));
        bnt_sequence_truncate(idle[i], 0);
    }
    size_t after = resident();
    ck_assert_uint_lt(after, before + ((size_t)64 << 20));
    for (int i = 0; i < IDLE; i++) bnt_sequence_close(idle[i]);
    bnt_context_close(c);
    bnt_engine_close(e);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sequences");
    TCase *tc = tcase_create("sequences");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_damaged_file_is_refused);
    tcase_add_test(tc, a_value_that_is_not_finite_is_refused);
    tcase_add_test(tc, a_file_of_another_model_is_refused);
    tcase_add_test(tc, only_its_own_kind_is_replaced);
    tcase_add_test(tc, wishes_that_make_no_sense);
    tcase_add_test(tc, options_of_other_versions);
    tcase_add_test(tc, opening_can_be_cancelled);
    tcase_add_test(tc, idle_sequences_cost_next_to_nothing);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
