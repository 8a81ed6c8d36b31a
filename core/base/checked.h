/*
 * checked.h - arithmetic on sizes that come from files or users.
 *
 * Each returns true when the exact result fits, and then stores it; false leaves *out alone.
 */
#ifndef BNT_BASE_CHECKED_H
#define BNT_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bnt_add_u64(uint64_t a, uint64_t b, uint64_t *out) {
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

static inline bool bnt_mul_u64(uint64_t a, uint64_t b, uint64_t *out) {
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

/* Rounds up to a multiple of align, a power of two. */
static inline bool bnt_align_u64(uint64_t a, uint64_t align, uint64_t *out) {
    uint64_t r;
    if (!bnt_add_u64(a, align - 1, &r)) return false;
    *out = r & ~(align - 1);
    return true;
}

#endif
