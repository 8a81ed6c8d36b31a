/*
 * fuzz_sequence.c - hostile saved sequences: refused, or what was loaded goes on like any other.
 *
 * The input is a list of edits of an honest file (where, which byte, or a cut). An odd first byte:
 * with a new hash, so that what is behind it is reached; an even one: with the old, and then
 * nothing but the honest file may load.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_sequence CORPUS_DIR
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "bitnet/bitnet.h"
#include "synth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOKENS = 5, N_CTX = 16, EDIT_BYTES = 4, MAX_EDITS = 16, HASH = 32, MOST = 1 << 20 };

static struct bnt_engine *engine;
static struct bnt_context *context;
static uint8_t honest[MOST];
static size_t honest_size;

/* A file without a name; -1 never. */
static int file_of(const void *bytes, size_t size, char path[40]) {
    int fd = memfd_create("sequence", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

static void make_honest(void) {
    static const int32_t ids[TOKENS] = {3, 1, 4, 1, 5};
    static char saved[] = "/tmp/bitnet-fuzz-sequence-XXXXXX";
    const struct bnt_context_options o = {.n_ctx = N_CTX, .threads = 1, .no_bind = true};
    const struct bnt_engine_options how = {.backend = "ref-scalar", .threads = 1};
    struct bnt_sequence *s;
    struct synth shape;
    char path[40];
    size_t bytes;
    synth_preset(&shape, "tiny");
    shape.blocks = 1;
    shape.vocab = 272;
    uint8_t *model = synth_memory(&shape, &bytes);
    file_of(model, bytes, path);
    free(model);
    if (bnt_engine_open(&engine, path, &how, NULL) ||
        bnt_context_open(&context, engine, &o, NULL) || bnt_sequence_open(&s, context, NULL))
        abort();
    const struct bnt_span span = {.sequence = s, .ids = ids, .count = TOKENS};
    int fd = mkstemp(saved);
    if (fd < 0 || bnt_context_feed(context, &span, 1, NULL) || bnt_sequence_save(s, saved, NULL))
        abort();
    close(fd);
    bnt_sequence_close(s);
    FILE *f = fopen(saved, "rb");
    honest_size = f ? fread(honest, 1, MOST, f) : 0;
    if (f) fclose(f);
    unlink(saved);
    if (honest_size < 2 * HASH || honest_size == MOST) abort();
}

static void seal(uint8_t *bytes, size_t size) {
    struct bnt_sha256 h;
    char hex[65];
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, bytes, size - HASH);
    if (bnt_sha256_end(&h, hex, NULL) != BNT_OK) abort();
    for (size_t k = 0; k < HASH; k++) {
        unsigned byte;
        if (sscanf(hex + 2 * k, "%2x", &byte) != 1) abort();
        bytes[size - HASH + k] = (uint8_t)byte;
    }
}

/* Place (3 bytes) and value; the last places of all are cuts. Returns the size that is left. */
static size_t apply(uint8_t *bytes, size_t size, const uint8_t *edit) {
    size_t at = (size_t)edit[0] | (size_t)edit[1] << 8 | (size_t)edit[2] << 16;
    if (at >= 0xffff00) return size > (size_t)edit[3] + HASH ? size - edit[3] : size;
    bytes[at % size] = edit[3];
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t bytes[MOST];
    struct bnt_sequence *s;
    struct bnt_err err = {0};
    char path[40];
    if (size < 1) return 0;
    if (!engine) make_honest();
    size_t left = honest_size;
    memcpy(bytes, honest, honest_size);
    for (size_t i = 1, n = 0; i + EDIT_BYTES <= size && n < MAX_EDITS; i += EDIT_BYTES, n++)
        left = apply(bytes, left, data + i);
    if (data[0] & 1) seal(bytes, left);
    const bool changed = left != honest_size || memcmp(bytes, honest, left) != 0;
    int fd = file_of(bytes, left, path);
    if (bnt_sequence_load(&s, context, path, &err) == BNT_OK) {
        const int32_t next = 9;
        const struct bnt_span span = {.sequence = s, .ids = &next, .count = 1};
        if (changed && !(data[0] & 1)) abort();
        if (bnt_context_feed(context, &span, 1, &err) != BNT_OK && !err.text[0]) abort();
        bnt_sequence_close(s);
    } else if (!err.text[0] || !changed) {
        abort();
    }
    close(fd);
    return 0;
}
