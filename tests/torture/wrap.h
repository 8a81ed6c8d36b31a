/*
 * wrap.h - allocations that fail on demand, and a count of those not given back.
 *
 * The linker's --wrap sends every malloc, calloc, realloc, reallocarray, aligned_alloc, strdup,
 * free, mmap, munmap and pthread_create of our own objects here. Other libraries call their own.
 */
#ifndef TORTURE_WRAP_H
#define TORTURE_WRAP_H

#include <stdbool.h>
#include <stddef.h>

/* From now on: call number n (from 1) fails, and with `all_after` every later one too; 0: none. */
void wrap_begin(unsigned long n, bool all_after);
/* Ends that; returns how many calls there were. */
unsigned long wrap_end(void);

/* What is held now: blocks, and bytes of mappings. */
long wrap_blocks(void);
long wrap_mapped(void);

/* Name of the function whose call failed last, "" if none did since wrap_begin, and the address it
 * was called from, for addr2line. */
const char *wrap_failed(void);
void *wrap_failed_from(void);

#endif
