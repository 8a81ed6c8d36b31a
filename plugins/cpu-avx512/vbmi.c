/*
 * vbmi.c - the ternary product once more, five weights a byte, for CPUs with VNNI and VBMI.
 *
 * Headers come first, so that the wider target covers our functions only.
 */
#include <immintrin.h>

#include "bitnet/plugin.h"

#define AVX512_VNNI 1
#define AVX512_VBMI 1
#define KERNEL(name) fives_##name

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512vnni,avx512vbmi"))), apply_to = function)
#else
#pragma GCC target("avx512vnni,avx512vbmi")
#endif

#include "ternary.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif
