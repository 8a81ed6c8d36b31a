/*
 * texts.h - the texts that both tokenizers are given.
 *
 * The golden texts of tests/golden, whatever family they are filed under, and random ones made of
 * what pre-tokenizers and merges disagree about: valid UTF-8 only, since llama.cpp takes no other.
 * Text i depends on seed and i alone, so a failure is repeated by its number.
 */
#ifndef CROSSVAL_TEXTS_H
#define CROSSVAL_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char name[80];
    char *bytes;
    size_t len;
};

struct texts {
    struct text *list;
    size_t count;
};

/* All golden texts, each once. False with why set. */
bool texts_golden(struct texts *t, char why[600]);
void texts_free(struct texts *t);

enum { TEXT_MAX = 1024 };
/* Bytes written to out. */
size_t text_random(uint64_t seed, uint64_t i, char out[TEXT_MAX]);

#endif
