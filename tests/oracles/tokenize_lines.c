/*
 * tokenize_lines.c - encodes texts for differ.mjs, one a line, so that a comparison of thousands
 * costs one start of the program.
 *
 *     tokenize_lines GGUF <LINES       each line: flags (a digit), a space, the text in hexadecimal
 *
 * Prints the ids of each on a line of its own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"

static unsigned digit(char c) {
    return (unsigned)(c >= 'a' ? c - 'a' + 10 : c - '0') & 15u;
}

int main(int argc, char **argv) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_err err = {0};
    struct bnt_token_list l = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    int rc = 1;
    if (argc != 2) {
        fprintf(stderr, "usage: tokenize_lines GGUF <LINES\n");
        return 2;
    }
    if (bnt_gguf_open(&g, argv[1], &err) || bnt_tokenizer_open(&t, g, &err)) goto out;
    while ((n = getline(&line, &capacity, stdin)) > 1) {
        unsigned flags = digit(line[0]);
        size_t len = 0;
        for (ssize_t i = 2; i + 1 < n && line[i] != '\n'; i += 2)
            line[len++] = (char)(digit(line[i]) << 4 | digit(line[i + 1]));
        if (bnt_tokenizer_encode(t, line, len, flags, &l, &err)) goto out;
        for (size_t i = 0; i < l.count; i++) printf("%s%" PRId32, i ? " " : "", l.ids[i]);
        putchar('\n');
    }
    rc = 0;
out:
    if (rc) fprintf(stderr, "tokenize_lines: %s\n", err.text);
    free(line);
    bnt_token_list_free(&l);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    return rc;
}
