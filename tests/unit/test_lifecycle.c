/*
 * test_lifecycle.c - a hundred times from file to text and back to nothing: engines, plugins and
 * sessions are opened, used and closed, and the process is afterwards as large as before.
 *
 * Uses the public header as any program would, and the loader for plugins. The one idea: what a
 * process holds is counted by the kernel (/proc/self), so nothing here can forget to count. Every
 * round must load and give the same bytes: a failed load is a failed test, never a skipped one.
 */
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bitnet/bitnet.h"
#include "plugin/backend.h"
#include "plugin/vet.h"
#include "suite.h"
#include "synth.h"

enum { ROUNDS = 100, WARM = 20, STEPS = 8, TEAM = 4 };

/* The round of memory that may come and go: allocators keep what they had, and the address
 * sanitizer keeps freed blocks aside. A lost session or engine of the model here, a hundred times,
 * is more than either. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
enum { SLACK_MIB = 32 };
#else
enum { SLACK_MIB = 4 };
#endif

#if defined(__SANITIZE_ADDRESS__)
/* The sanitizer is a library of its own, which finds only what is visible. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "quarantine_size_mb=4"; /* else the growth of 100 rounds is its, not ours */
}
#endif

static char path[64];
static char plugin_dir[512];

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s: %s", bnt_status_name(status), err->text);
}

static void set_up(void) {
    struct synth s;
    uint64_t bytes;
    snprintf(path, sizeof path, "/tmp/bitnet-test-lifecycle-%d.gguf", (int)getpid());
    snprintf(plugin_dir, sizeof plugin_dir, "%s/plugins", TEST_BUILD);
    unsetenv("BITNET_PLUGIN_DIR");
    ck_assert(synth_preset(&s, "tiny"));
    ck_assert_int_eq(synth_save(&s, path, &bytes), 0);
}

static void tear_down(void) {
    unlink(path);
}

/* ---- what this process holds ------------------------------------------------------------------
 */

struct held {
    unsigned files, threads;
    unsigned long resident_mib;
};

static unsigned entries(const char *folder) {
    unsigned n = 0;
    DIR *d = opendir(folder);
    ck_assert_ptr_nonnull(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

static struct held held(void) {
    unsigned long size, resident;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return (struct held){entries("/proc/self/fd"), entries("/proc/self/task"),
                         resident * (unsigned long)sysconf(_SC_PAGESIZE) >> 20};
}

/* A joined thread leaves /proc/self/task a moment after pthread_join has returned. */
static struct held held_at_rest(unsigned threads) {
    struct held now = held();
    for (int tries = 0; now.threads > threads && tries < 200; tries++) {
        usleep(1000);
        now = held();
    }
    return now;
}

static void same_as(const struct held *before, const char *what) {
    struct held now = held_at_rest(before->threads);
    ck_assert_msg(now.files == before->files, "%s: %u open files, were %u", what, now.files,
                  before->files);
    ck_assert_msg(now.threads == before->threads, "%s: %u threads, were %u", what, now.threads,
                  before->threads);
    ck_assert_msg(now.resident_mib <= before->resident_mib + SLACK_MIB,
                  "%s: %lu MiB resident, were %lu", what, now.resident_mib, before->resident_mib);
}

/* ---- engines ----------------------------------------------------------------------------------
 */

/* The whole way of a program that uses the library; *text is malloc'd. */
static void round_trip(const struct bnt_engine_options *o, char **text, float *logit) {
    struct bnt_err err = {0};
    struct bnt_engine *engine;
    struct bnt_session *s;
    int32_t *ids, made[STEPS];
    size_t count, len;
    struct bnt_sampling sampling = bnt_sampling_default();
    must(bnt_engine_open(&engine, path, o, &err), &err);
    must(bnt_engine_encode(engine, "one two", 7, BNT_TEXT_PROMPT, &ids, &count, &err), &err);
    must(bnt_session_open(&s, engine, &(struct bnt_session_options){.n_ctx = 64, .threads = 2},
                          &err),
         &err);
    must(bnt_session_feed(s, ids, count, BNT_WANT_LAST, &err), &err);
    for (unsigned i = 0; i < STEPS; i++) {
        made[i] = bnt_sample(&sampling, bnt_session_logits(s, 0), bnt_engine_info(engine)->n_vocab,
                             NULL, 0, i, NULL);
        must(bnt_session_feed(s, &made[i], 1, BNT_WANT_LAST, &err), &err);
    }
    *logit = bnt_session_logits(s, 0)[made[STEPS - 1]];
    must(bnt_engine_decode(engine, made, STEPS, BNT_TEXT_SPECIAL, text, &len, &err), &err);
    ck_assert_uint_eq(strnlen(*text, len + 1), len);
    bnt_free(ids);
    bnt_session_close(s);
    bnt_engine_close(engine);
}

START_TEST(a_hundred_engines) {
    const struct bnt_engine_options o = {.plugin_dir = plugin_dir, .threads = 2};
    struct held before = {0};
    char *first;
    float logit;
    round_trip(&o, &first, &logit);
    for (int i = 1; i < ROUNDS; i++) {
        char *text;
        float again;
        if (i == WARM) before = held_at_rest(1);
        round_trip(&o, &text, &again);
        ck_assert_str_eq(text, first);
        ck_assert_mem_eq(&again, &logit, sizeof logit);
        bnt_free(text);
    }
    same_as(&before, "after 100 engines");
    bnt_free(first);
}
END_TEST

/* What the kernel says of this process in MiB: "VmRSS:", or "VmHWM:" for the most there was. */
static unsigned long status_mib(const char *what) {
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, what, strlen(what)) == 0) kib = strtoul(line + strlen(what), NULL, 10);
    fclose(f);
    ck_assert_uint_gt(kib, 0);
    return kib >> 10;
}

/* From opening a model to its first token, memory never exceeds the file's size by more than 15 %:
 * there are packed weights and the head's copy, and not their sources beside them. */
START_TEST(memory_of_a_model) {
    const struct bnt_engine_options o = {.plugin_dir = plugin_dir, .threads = 2};
    struct bnt_err err = {0};
    struct bnt_engine *engine;
    struct bnt_session *s;
    const int32_t ids[] = {5, 6, 7};
    char big[80];
    int made;
    snprintf(big, sizeof big, "%s.big", path);
    pid_t maker = fork(); /* what it takes to make the model is not ours */
    if (maker == 0) {
        struct synth shape;
        uint64_t bytes;
        bool ok = synth_preset(&shape, "tiny");
        shape.embd = shape.heads * shape.head_dim * 4;
        shape.heads *= 4;
        shape.ff = 4 * shape.embd;
        shape.vocab = (32u << 20) / 2 / shape.embd;
        shape.blocks = (32u << 20) / (4 * shape.embd * shape.embd);
        shape.embd_type = T_F16;
        shape.ctx = 4096;
        _exit(ok && !synth_fault(&shape) && synth_save(&shape, big, &bytes) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(maker, &made, 0), maker);
    ck_assert_int_eq(made, 0);
    unsigned long before = status_mib("VmRSS:");
    must(bnt_engine_open(&engine, big, &o, &err), &err);
    must(bnt_session_open(&s, engine, &(struct bnt_session_options){.threads = 2}, &err), &err);
    must(bnt_session_feed_top(s, ids, 3, 1, &err), &err);
    unsigned long most = status_mib("VmHWM:") - before;
    unsigned long file = (unsigned long)(bnt_engine_info(engine)->file_bytes >> 20);
    ck_assert_uint_ge(file, 48);
    ck_assert_msg(most <= file + file * 15 / 100 + SLACK_MIB, "%lu MiB for a file of %lu MiB", most,
                  file);
    ck_assert_uint_ge(most, bnt_engine_info(engine)->packed_bytes >> 20); /* and it was seen */
    bnt_session_close(s);
    bnt_engine_close(engine);
    unlink(big);
}
END_TEST

/* A load that fails must be seen to fail, and hold nothing either. */
START_TEST(a_hundred_failed_loads) {
    const struct bnt_engine_options wrong = {.plugin_dir = plugin_dir, .backend = "cpu-nonsense"};
    struct held before = {0};
    char cut[80];
    snprintf(cut, sizeof cut, "%s.cut", path);
    FILE *in = fopen(path, "rb"), *out = fopen(cut, "wb");
    ck_assert(in && out);
    for (int i = 0; i < 20000; i++) fputc(fgetc(in), out);
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct bnt_engine *engine = (struct bnt_engine *)(uintptr_t)1;
        struct bnt_err err = {0};
        if (i == WARM) before = held_at_rest(1);
        ck_assert_int_eq(bnt_engine_open(&engine, cut, NULL, &err), BNT_E_FORMAT);
        ck_assert_ptr_null(engine);
        ck_assert_int_eq(bnt_engine_open(&engine, "/nowhere.gguf", NULL, &err), BNT_E_IO);
        ck_assert_int_eq(bnt_engine_open(&engine, path, &wrong, &err), BNT_E_BACKEND);
        ck_assert_ptr_null(engine);
        ck_assert_uint_gt(strlen(err.text), 10);
    }
    same_as(&before, "after 300 failed loads");
    unlink(cut);
}
END_TEST

START_TEST(a_hundred_sessions) {
    const struct bnt_engine_options o = {.plugin_dir = plugin_dir, .threads = 2};
    struct bnt_err err = {0};
    struct bnt_engine *engine;
    struct held before = {0};
    const int32_t ids[] = {5, 6, 7};
    must(bnt_engine_open(&engine, path, &o, &err), &err);
    for (int i = 0; i < ROUNDS; i++) {
        struct bnt_session *s;
        if (i == WARM) before = held_at_rest(1);
        must(bnt_session_open(&s, engine, &(struct bnt_session_options){.threads = 2}, &err), &err);
        must(bnt_session_feed(s, ids, 3, BNT_WANT_ALL, &err), &err);
        ck_assert_int_eq(bnt_session_feed(s, (const int32_t[]){-1}, 1, BNT_WANT_LAST, &err),
                         BNT_E_LIMIT);
        bnt_session_close(s);
    }
    same_as(&before, "after 100 sessions");
    bnt_engine_close(engine);
}
END_TEST

/* ---- plugins ----------------------------------------------------------------------------------
 */

static bool mapped(const char *file) {
    char line[4600];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(f);
    while (!found && fgets(line, sizeof line, f)) found = strstr(line, file) != NULL;
    fclose(f);
    return found;
}

/* Each plugin file of the build, by itself: vetted, loaded, self-checked, unloaded. */
START_TEST(a_hundred_loads_of_each_plugin) {
    struct bnt_err err = {0};
    struct bnt_backends *all, *one;
    unsigned tried = 0;
    const struct bnt_backends_options every = {.plugin_dir = plugin_dir, .try_all = true};
    must(bnt_backends_open(&all, &every, &err), &err);
    for (size_t i = 0; i < bnt_backends_count(all); i++) {
        const struct bnt_candidate *c = bnt_backends_at(all, i);
        struct held before = {0};
        if (!c->path[0] || c->verdict == BNT_VERDICT_DUPLICATE) continue;
        if (c->verdict == BNT_VERDICT_CPU) continue; /* none of its code may be mapped here */
        ck_assert_msg(c->verdict == BNT_VERDICT_OK, "%s: %s", c->path, c->reason);
        for (int r = 0; r < ROUNDS; r++) {
            const struct bnt_backends_options only = {.plugin_dir = plugin_dir, .want = c->name};
            bnt_vet_unload_all();
            ck_assert_msg(!mapped(c->path), "%s is still mapped", c->path);
            if (r == WARM) before = held();
            must(bnt_backends_open(&one, &only, &err), &err);
            ck_assert_str_eq(bnt_backends_chosen(one)->path, c->path);
            ck_assert_msg(mapped(c->path), "%s is not mapped", c->path);
            bnt_backends_close(one);
        }
        bnt_vet_unload_all();
        same_as(&before, c->name);
        tried++;
    }
    bnt_backends_close(all);
    ck_assert_msg(tried > 0, "no plugin in %s could be loaded", plugin_dir);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------
 */

struct user {
    pthread_t thread;
    struct bnt_engine *engine;
    const float *want; /* [STEPS][n_vocab] */
    unsigned number;
    struct bnt_err err;
    bool differs;
};

/* A conversation of its own on the shared engine, several times, each cut into feeds otherwise. */
static void *converse(void *arg) {
    struct user *u = arg;
    size_t n_vocab = bnt_engine_info(u->engine)->n_vocab;
    for (unsigned r = 0; r < 3; r++) {
        struct bnt_session *s;
        struct bnt_session_options o = {.n_ctx = 64, .threads = 1 + u->number % 2, .no_bind = true};
        char *text = NULL;
        int32_t *ids = NULL;
        size_t count, len;
        if (bnt_session_open(&s, u->engine, &o, &u->err)) return NULL;
        for (int32_t i = 0; i < STEPS && !u->err.status; i++) {
            if (bnt_session_feed(s, &i, 1, BNT_WANT_LAST, &u->err)) break;
            u->differs |= memcmp(bnt_session_logits(s, 0), u->want + (size_t)i * n_vocab,
                                 n_vocab * sizeof *u->want) != 0;
        }
        if (!bnt_engine_encode(u->engine, "some words", 10, 0, &ids, &count, &u->err) &&
            !bnt_engine_decode(u->engine, ids, count, 0, &text, &len, &u->err))
            u->differs |= strcmp(text, "some words") != 0;
        bnt_free(text);
        bnt_free(ids);
        bnt_session_close(s);
    }
    return NULL;
}

START_TEST(sessions_in_threads_share_an_engine) {
    const struct bnt_engine_options o = {.plugin_dir = plugin_dir, .threads = 2};
    struct bnt_err err = {0};
    struct bnt_engine *engine;
    struct bnt_session *s;
    struct user users[TEAM] = {0};
    int32_t ids[STEPS];
    for (int32_t i = 0; i < STEPS; i++) ids[i] = i;
    must(bnt_engine_open(&engine, path, &o, &err), &err);
    must(bnt_session_open(&s, engine, NULL, &err), &err);
    must(bnt_session_feed(s, ids, STEPS, BNT_WANT_ALL, &err), &err);
    for (unsigned i = 0; i < TEAM; i++) {
        users[i].engine = engine;
        users[i].want = bnt_session_logits(s, 0);
        users[i].number = i;
        ck_assert_int_eq(pthread_create(&users[i].thread, NULL, converse, &users[i]), 0);
    }
    for (unsigned i = 0; i < TEAM; i++) {
        pthread_join(users[i].thread, NULL);
        must(users[i].err.status, &users[i].err);
        ck_assert_msg(!users[i].differs, "thread %u got other logits or text", i);
    }
    bnt_session_close(s);
    bnt_engine_close(engine);
}
END_TEST

/* Engines too may be opened in several threads at once: the loader is shared. */
static void *open_and_close(void *arg) {
    const struct bnt_engine_options o = {.plugin_dir = plugin_dir, .threads = 1};
    struct user *u = arg;
    for (int r = 0; r < 3; r++) {
        struct bnt_engine *engine;
        if (bnt_engine_open(&engine, path, &o, &u->err)) return NULL;
        bnt_engine_close(engine);
    }
    return NULL;
}

START_TEST(engines_opened_at_once) {
    struct user users[TEAM] = {0};
    for (unsigned i = 0; i < TEAM; i++)
        ck_assert_int_eq(pthread_create(&users[i].thread, NULL, open_and_close, &users[i]), 0);
    for (unsigned i = 0; i < TEAM; i++) {
        pthread_join(users[i].thread, NULL);
        must(users[i].err.status, &users[i].err);
    }
}
END_TEST

/* ---- text
 * --------------------------------------------------------------------------------------*/

START_TEST(the_decoder_gives_what_decoding_gives) {
    static const char text[] = "h\xc3\xa9llo w\xc3\xb6rld \xe2\x82\xac \xf0\x9f\x8c\x8d \xff.";
    struct bnt_err err = {0};
    struct bnt_engine *engine;
    struct bnt_decoder *d;
    int32_t *ids, *empty;
    size_t count, len, part, used = 0;
    char *whole, joined[200];
    must(bnt_engine_open(&engine, path, NULL, &err), &err);
    must(bnt_engine_encode(engine, text, sizeof text - 1, BNT_TEXT_BOS, &ids, &count, &err), &err);
    must(bnt_engine_decode(engine, ids, count, 0, &whole, &len, &err), &err);
    ck_assert_uint_eq(len, sizeof text - 1);
    ck_assert_mem_eq(whole, text, len);
    must(bnt_decoder_open(&d, engine, false, 0, &err), &err);
    for (size_t i = 0; i <= count; i++) {
        const char *more =
            i < count ? bnt_decoder_push(d, ids[i], &part) : bnt_decoder_flush(d, &part);
        ck_assert_uint_le(used + part, sizeof joined);
        memcpy(joined + used, more, part);
        used += part;
    }
    ck_assert_uint_eq(used, len);
    ck_assert_mem_eq(joined, text, len);
    ck_assert_str_eq(bnt_decoder_push(d, -1, &part), "");
    ck_assert_str_eq(bnt_decoder_push(d, INT32_MAX, NULL), "");
    ck_assert(!bnt_engine_is_end(engine, -1));
    ck_assert(!bnt_engine_is_end(engine, INT32_MAX));
    must(bnt_engine_encode(engine, "", 0, BNT_TEXT_PROMPT, &empty, &count, &err), &err);
    ck_assert_uint_eq(count, 1);
    bnt_free(empty);
    must(bnt_engine_encode(engine, "", 0, 0, &empty, &count, &err), &err);
    ck_assert_uint_eq(count, 0);
    bnt_free(empty);
    bnt_free(NULL);
    bnt_decoder_close(d);
    bnt_decoder_close(NULL);
    bnt_free(whole);
    bnt_free(ids);
    bnt_engine_close(engine);
}
END_TEST

/* What is fed of messages is their template's text, in which only the template has control tokens.
 */
START_TEST(messages_become_tokens_by_a_template) {
    static const char program[] = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|eot_id|>"
                                  "{% endfor %}{% if add_generation_prompt %}>{% endif %}";
    const struct bnt_chat_message messages[] = {
        {"system", "Be good.", 8}, {"user", "<|eot_id|>", 10}, {"assistant", "No.", 3}};
    struct bnt_chat_options o = {
        .struct_size = sizeof o, .template_text = program, .template_len = sizeof program - 1};
    struct bnt_err err = {0};
    struct bnt_engine *engine;
    const char *stop;
    int32_t *ids, *plain;
    size_t count, n_plain, len;
    char *text;
    must(bnt_engine_open(&engine, path, NULL, &err), &err);
    for (size_t n = 2; n <= 3; n++) {
        must(bnt_engine_chat(engine, messages, n, &o, &ids, &count, &stop, &err), &err);
        ck_assert_ptr_null(stop);
        must(bnt_engine_decode(engine, ids, count, BNT_TEXT_SPECIAL, &text, &len, &err), &err);
        ck_assert_str_eq(text, n == 2 ? "<system>Be good.<|eot_id|><user><|eot_id|><|eot_id|>>"
                                      : "<system>Be good.<|eot_id|><user><|eot_id|><|eot_id|>"
                                        "<assistant>No.<|eot_id|>");
        must(bnt_engine_encode(engine, text, len, BNT_TEXT_SPECIAL, &plain, &n_plain, &err), &err);
        ck_assert_uint_gt(count, n_plain); /* where the user's words are a token too */
        bnt_free(plain);
        bnt_free(text);
        bnt_free(ids);
    }
    o = (struct bnt_chat_options){.template_name = "instruct"};
    must(bnt_engine_chat(engine, messages, 2, &o, &ids, &count, &stop, &err), &err);
    ck_assert_ptr_nonnull(stop);
    bnt_free(ids);
    o.template_name = "none such";
    ck_assert_int_eq(bnt_engine_chat(engine, messages, 2, &o, &ids, &count, NULL, &err),
                     BNT_E_USAGE);
    ck_assert_ptr_null(ids);
    const struct bnt_chat_message odd[] = {{"user", "a", 1}, {"tool\n", "b", 1}};
    ck_assert_int_eq(bnt_engine_chat(engine, odd, 2, NULL, &ids, &count, NULL, &err), BNT_E_USAGE);
    ck_assert_str_eq(err.text,
                     "message 1: the role 'tool\\x0a' is none of system, user, assistant");
    bnt_engine_close(engine);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lifecycle");
    TCase *tc = tcase_create("lifecycle");
    tcase_set_timeout(tc, 600);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_hundred_engines);
    tcase_add_test(tc, memory_of_a_model);
    tcase_add_test(tc, a_hundred_failed_loads);
    tcase_add_test(tc, a_hundred_sessions);
    tcase_add_test(tc, a_hundred_loads_of_each_plugin);
    tcase_add_test(tc, sessions_in_threads_share_an_engine);
    tcase_add_test(tc, engines_opened_at_once);
    tcase_add_test(tc, messages_become_tokens_by_a_template);
    tcase_add_test(tc, the_decoder_gives_what_decoding_gives);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
