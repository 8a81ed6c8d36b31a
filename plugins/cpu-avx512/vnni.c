/*
 * vnni.c - the integer products once more, for CPUs with AVX-512 VNNI.
 *
 * Headers come first, so that the wider target covers our functions only.
 */
#include <immintrin.h>

#include "bitnet/plugin.h"

#define AVX512_VNNI 1
#define KERNEL(name) vnni_##name

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512vnni"))), apply_to = function)
#else
#pragma GCC target("avx512vnni")
#endif

#include "ternary.c"

#include "search.c"

#include "codes.c"

#include "peak.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif
