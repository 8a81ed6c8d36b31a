/*
 * test_race.c - a file that another process writes into while it is loaded.
 *
 * What was checked must not be read again: a length that grows behind its check would be copied
 * past the end of its room. A thread flips bytes of the file through a shared mapping while it is
 * opened again and again; each time it opens or is refused with words, and AddressSanitizer has
 * nothing to say.
 */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bitnet/bitnet.h"
#include "gguf_write.h"
#include "rng.h"
#include "suite.h"
#include "synth.h"
#include "tokenizer.h"

struct flipper {
    uint8_t *bytes;
    size_t size;
    const size_t *places; /* bytes that are flipped; NULL: any */
    size_t n_places;
    atomic_bool stop;
    atomic_ulong flips;
};

/* A byte is another for a moment, and then itself again. */
static void *flip(void *arg) {
    struct flipper *f = arg;
    struct rng r = rng_named(1, "flips");
    while (!atomic_load(&f->stop)) {
        size_t at = f->places ? f->places[rng_below(&r, (uint32_t)f->n_places)]
                              : rng_below(&r, (uint32_t)f->size);
        volatile uint8_t *byte = &f->bytes[at];
        uint8_t was = *byte;
        *byte = (uint8_t)(was ^ (1u << rng_below(&r, 8)));
        for (volatile int i = 0; i < 50; i++) continue;
        *byte = was;
        atomic_fetch_add(&f->flips, 1);
    }
    return NULL;
}

/* Calls `load` that many times on the file at `path` while it is flipped. */
static void race(struct flipper *f, const char *path, int times,
                 int (*load)(const char *, struct bnt_err *)) {
    pthread_t thread;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    f->bytes = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(f->bytes, MAP_FAILED);
    close(fd);
    ck_assert_int_eq(pthread_create(&thread, NULL, flip, f), 0);
    while (atomic_load(&f->flips) == 0) usleep(100);
    for (int i = 0; i < times; i++) {
        struct bnt_err err = {0};
        int status = load(path, &err);
        if (status != BNT_OK && !err.text[0]) ck_abort_msg("load %d: refused without a word", i);
    }
    atomic_store(&f->stop, true);
    pthread_join(thread, NULL);
    ck_assert_uint_gt(atomic_load(&f->flips), (unsigned long)times);
    munmap(f->bytes, f->size);
    unlink(path);
}

/* ---- a vocabulary -----------------------------------------------------------------------------
 */

enum { TOKENS = 20000 };

static int load_tokenizer(const char *path, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_token_list l = {0};
    int rc = bnt_gguf_open(&g, path, err);
    if (!rc) rc = bnt_tokenizer_open(&t, g, err);
    if (!rc) rc = bnt_tokenizer_encode(t, "t1 t2 t3", 8, 0, &l, err);
    bnt_token_list_free(&l);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    return rc;
}

/* Lengths of pieces grow by 256 to 32,768 bytes, or their counts do. */
START_TEST(lengths_that_change) {
    static const char key[] = "tokenizer.ggml.tokens";
    static size_t places[TOKENS];
    static float scores[TOKENS];
    struct gw *w = gw_new(3, 32);
    char **tokens = calloc(TOKENS, sizeof *tokens), path[64];
    struct flipper f = {.places = places, .n_places = TOKENS};
    uint8_t *data, *at;
    ck_assert_ptr_nonnull(tokens);
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] = malloc(12);
        ck_assert_ptr_nonnull(tokens[i]);
        snprintf(tokens[i], 12, i ? "t%d" : "<unk>", i);
    }
    gw_key_str(w, "general.architecture", "llama");
    gw_key_str(w, "tokenizer.ggml.model", "llama");
    gw_key_strings(w, key, (const char *const *)tokens, TOKENS);
    gw_key_array(w, "tokenizer.ggml.scores", GW_F32, scores, sizeof scores[0], TOKENS);
    data = gw_memory(w, &f.size);
    at = memmem(data, f.size, key, sizeof key - 1);
    ck_assert_ptr_nonnull(at);
    at += sizeof key - 1 + 16; /* the type, the elements' type, the count */
    for (int i = 0; i < TOKENS; i++) {
        places[i] = (size_t)(at - data) + 1; /* the second byte of a length */
        at += 8 + strlen(tokens[i]);
    }
    snprintf(path, sizeof path, "/tmp/bitnet-race-%d.gguf", (int)getpid());
    ck_assert_int_eq(gw_save(w, path), 0);
    race(&f, path, 300, load_tokenizer);
    for (int i = 0; i < TOKENS; i++) free(tokens[i]);
    free(tokens);
    free(data);
    gw_free(w);
}
END_TEST

/* ---- a whole model ----------------------------------------------------------------------------
 */

static int load_engine(const char *path, struct bnt_err *err) {
    const struct bnt_engine_options options = {.backend = "ref-scalar", .threads = 1};
    struct bnt_engine *e = NULL;
    int status = bnt_engine_open(&e, path, &options, err);
    bnt_engine_close(e);
    return status;
}

START_TEST(any_byte_that_changes) {
    struct flipper f = {0};
    struct synth s;
    uint64_t size;
    char path[64];
    ck_assert(synth_preset(&s, "tiny"));
    snprintf(path, sizeof path, "/tmp/bitnet-race-%d-model.gguf", (int)getpid());
    ck_assert_int_eq(synth_save(&s, path, &size), 0);
    f.size = (size_t)size;
    race(&f, path, 100, load_engine);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("race");
    TCase *tc = tcase_create("files that change");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, lengths_that_change);
    tcase_add_test(tc, any_byte_that_changes);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
