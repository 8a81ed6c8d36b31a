/*
 * bitnet-split - writes a model as N files, as gguf-split of llama.cpp does, for tests. Not
 * installed. Knows the command line only; tests/lib/split.c knows parts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "split.h"

int main(int argc, char **argv) {
    struct bnt_gguf *g;
    struct bnt_err err = {0};
    int n = argc == 4 ? atoi(argv[2]) : 0;
    if (n < 1 || n > 100) {
        fprintf(stderr, "usage: bitnet-split MODEL N PREFIX: PREFIX-00001-of-0000N.gguf ...\n");
        return 2;
    }
    if (bnt_gguf_open(&g, argv[1], &err) != BNT_OK) {
        fprintf(stderr, "bitnet-split: %s\n", err.text);
        return 3;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct split_part p = split_place(g, (unsigned)i, (unsigned)n);
        struct gw *w = split_write(g, &p);
        snprintf(path, sizeof path, "%s-%05d-of-%05d.gguf", argv[3], i + 1, n);
        if (gw_save(w, path) != 0) {
            perror(path);
            return 3;
        }
        gw_free(w);
    }
    bnt_gguf_close(g);
    return 0;
}
