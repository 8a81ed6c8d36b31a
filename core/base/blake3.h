/*
 * blake3.h - BLAKE3 of memory: plain hashing, 32 bytes, as lower-case hexadecimal.
 *
 * After the specification "BLAKE3: one function, fast everywhere" (O'Connor, Aumasson, Neves,
 * Wilcox-O'Hearn). Portable and one-shot: it hashes prompts, which are short.
 */
#ifndef BNT_BASE_BLAKE3_H
#define BNT_BASE_BLAKE3_H

#include <stddef.h>

void bnt_blake3(const void *data, size_t size, char hex[65]);

#endif
