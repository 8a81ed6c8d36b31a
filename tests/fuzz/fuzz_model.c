/*
 * fuzz_model.c - hostile models, from the file to logits: refused with a reason, or they run.
 *
 * The one idea: the input is not a file but a recipe: which small sound model to make, and edits of
 * its metadata and weights (a byte, a number that is a limit of its type, a float that is none, a
 * file cut short). Bytes of a fuzzer's own would rarely get past the header. What runs must give
 * finite logits, the same when fed at once and token by token.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_model CORPUS_DIR
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bitnet/bitnet.h"
#include "ends.h"
#include "synth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BASES = 32, EDIT_BYTES = 5, MAX_EDITS = 24, TOKENS = 3 };

struct base {
    uint8_t *bytes;
    size_t size, weights; /* where the tensors' data begin: all before is metadata */
};

static const struct base *make_base(unsigned which) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet", "llama", "qwen3"};
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_TQ2_0, T_Q2_0};
    static struct base bases[BASES];
    struct base *b = &bases[which];
    struct synth s;
    if (b->bytes) return b;
    if (!synth_preset(&s, "tiny")) abort();
    s.arch = archs[which % 4];
    s.type = types[which / 4 % 4];
    s.blocks = 1;
    s.embd = s.ff = s.type == T_TQ1_0 || s.type == T_TQ2_0 || (which & 16) ? 256 : 128;
    s.heads = s.embd / 32;
    s.kv_heads = s.heads / 2;
    s.head_dim = 32;
    s.ctx = 64;
    if (which & 16) {
        s.untied = true;
        s.embd_type = T_Q8_0;
        s.output_type = T_Q6_K;
        s.yarn_factor = 4;
        s.yarn_context = 16;
        s.rope_freqs = true;
    }
    if (synth_fault(&s)) abort();
    b->bytes = synth_memory(&s, &b->size);
    /* The data are far larger than the metadata, and begin behind the last tensor's name. */
    static const char last[] = "output_norm.weight";
    for (size_t i = 0; i + sizeof last < b->size && i < 1 << 20; i++)
        if (memcmp(b->bytes + i, last, sizeof last - 1) == 0) b->weights = i + 256;
    if (!b->weights) abort();
    return b;
}

static void put(uint8_t *bytes, size_t size, size_t at, const void *value, size_t n) {
    if (at + n <= size) memcpy(bytes + at, value, n);
}

/* edit: kind, place (3 bytes), argument. Returns the size that is left. */
static size_t apply(uint8_t *bytes, size_t size, size_t weights, const uint8_t *edit) {
    const size_t place = (size_t)edit[1] | (size_t)edit[2] << 8 | (size_t)edit[3] << 16;
    const size_t key = place % weights, weight = weights + place % (size - weights);
    const uint64_t limit = end_of_integers(edit[4]);
    const float f = (float)end_of_reals(edit[4]);
    switch (edit[0] % 7) {
    case 0: put(bytes, size, key, &edit[4], 1); break;
    case 1: put(bytes, size, key, &limit, 4); break;
    case 2: put(bytes, size, key, &limit, 8); break;
    case 3: put(bytes, size, key, &f, 4); break;
    case 4: put(bytes, size, weight, &edit[4], 1); break;
    case 5: put(bytes, size, weight & ~(size_t)3, &f, 4); break;
    default: return edit[4] & 128 ? weight : size; /* cut */
    }
    return size;
}

/* A file without a name; -1 never. */
static int file_of(const uint8_t *bytes, size_t size, char *path, size_t room) {
    int fd = memfd_create("model", MFD_CLOEXEC);
    if (fd < 0) abort();
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, bytes + at, size - at);
        if (n <= 0) abort();
        at += (size_t)n;
    }
    snprintf(path, room, "/proc/self/fd/%d", fd);
    return fd;
}

static void feed(struct bnt_engine *e, const int32_t *ids, size_t at_once, float *logits,
                 int *status) {
    const struct bnt_session_options so = {.n_ctx = 8, .threads = 1, .no_bind = true};
    const uint32_t n_vocab = bnt_engine_info(e)->n_vocab;
    struct bnt_session *s;
    struct bnt_err err = {0};
    *status = bnt_session_open(&s, e, &so, &err);
    for (size_t i = 0; i < TOKENS && *status == BNT_OK; i += at_once)
        *status = bnt_session_feed(s, ids + i, at_once, BNT_WANT_LAST, &err);
    if (*status == BNT_OK)
        memcpy(logits, bnt_session_logits(s, 0), n_vocab * sizeof *logits);
    else if (!err.text[0])
        abort();
    bnt_session_close(s);
}

static void run(struct bnt_engine *e) {
    const uint32_t n_vocab = bnt_engine_info(e)->n_vocab;
    const int32_t ids[TOKENS] = {0, (int32_t)n_vocab - 1, (int32_t)n_vocab / 2};
    float *whole = calloc(n_vocab, sizeof *whole), *single = calloc(n_vocab, sizeof *single);
    int a, b;
    if (!whole || !single) abort();
    feed(e, ids, TOKENS, whole, &a);
    feed(e, ids, 1, single, &b);
    if (a == BNT_OK && b == BNT_OK && memcmp(whole, single, n_vocab * sizeof *whole) != 0) abort();
    for (uint32_t i = 0; i < n_vocab && a == BNT_OK; i++)
        if (!isfinite(whole[i])) abort();
    free(whole);
    free(single);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct bnt_engine_options options = {.backend = "ref-scalar", .threads = 1};
    struct bnt_engine *engine;
    struct bnt_err err = {0};
    char path[40];
    if (size < 1 || size > 1 + EDIT_BYTES * MAX_EDITS) return 0;
    const struct base *base = make_base(data[0] % BASES);
    uint8_t *bytes = malloc(base->size);
    size_t left = base->size;
    if (!bytes) abort();
    memcpy(bytes, base->bytes, base->size);
    for (size_t i = 1; i + EDIT_BYTES <= size && left > base->weights; i += EDIT_BYTES)
        left = apply(bytes, left, base->weights, data + i);
    const int fd = file_of(bytes, left, path, sizeof path);
    free(bytes);
    if (bnt_engine_open(&engine, path, &options, &err) == BNT_OK) {
        run(engine);
        bnt_engine_close(engine);
    } else if (!err.text[0]) {
        abort();
    }
    close(fd);
    return 0;
}
