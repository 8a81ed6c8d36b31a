/*
 * vnni.c - the integer products once more, for CPUs with AVX-VNNI (the VEX form of vpdpbusd).
 *
 * It adds no code of its own. The headers come first, so that the wider target covers only ours.
 */
#include <immintrin.h>

#include "bitnet/plugin.h"

#define AVX2_VNNI 1
#define KERNEL(name) vnni_##name

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avxvnni"))), apply_to = function)
#else
#pragma GCC target("avxvnni")
#endif

#include "ternary.c"

#include "search.c"

#include "codes.c"

#include "peak.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif
