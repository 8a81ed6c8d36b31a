/*
 * fuzz_gguf.c - any bytes at all: the GGUF reader refuses them or can be read to the last byte.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_gguf CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "gguf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    int status = bnt_gguf_open_memory(&g, data, size, &err);
    if ((status == BNT_OK) != (g != NULL)) abort();
    if (status != BNT_OK && (status != err.status || !err.text[0])) abort();
    if (g) gguf_walk(g);
    bnt_gguf_close(g);
    return 0;
}
