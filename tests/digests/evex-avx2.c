/*
 * evex-avx2.c - cpu-avx2's set for AVX-VNNI on a CPU that has vpdpbusd in AVX-512's encoding only.
 *
 * The code is the plugin's, line for line, and so is what the instruction computes; which bits name
 * it is the compiler's part. So the set runs, and is compared and timed, where AVX-VNNI is missing.
 * Its loop over registers alone is assembly of the VEX form: the other set's stands in.
 */
#include <immintrin.h>

#include "bitnet/plugin.h"

#define AVX2_VNNI 1
#define KERNEL(name) vnni_##name
#define _mm256_dpbusd_avx_epi32 _mm256_dpbusd_epi32

#include "../../plugins/cpu-avx2/ternary.c"

#include "../../plugins/cpu-avx2/search.c"

#include "../../plugins/cpu-avx2/codes.c"

void vnni_peak(const bnt_peak_args *a) {
    base_peak(a);
}

#define CHOOSE_FOR "avxvnni"
#include "chosen.h"

#include "../../plugins/cpu-avx2/plugin.c"
