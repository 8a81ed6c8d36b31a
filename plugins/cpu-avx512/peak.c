/*
 * peak.c - what the arithmetic units of this CPU give when nothing has to be loaded.
 *
 * Loops of twelve instructions, each with a register of its own to add to: enough to hide a latency
 * of five cycles on two ports. They are assembly, so that no compiler decides what is measured.
 * Units of 256 bits (Zen 4) do one such instruction a cycle, two units of 512 bits two.
 */
#include "kernels.h"

enum { SUMS = 12 };

/* zmm14 and zmm15 are the factors; everything is 0, which was seen to be as fast as any values. */
#define LOOP(steps_, code_)                                                                        \
    __asm__ volatile("vzeroall\n"                                                                  \
                     "1:\n"                                                                        \
                     ".irp r,0,1,2,3,4,5,6,7,8,9,10,11\n" code_ ".endr\n"                          \
                     "decq %0\n"                                                                   \
                     "jnz 1b\n"                                                                    \
                     "vzeroall\n"                                                                  \
                     : "+r"(steps_)                                                                \
                     :                                                                             \
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",       \
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

#if defined(AVX512_VNNI)
#define INT8 "vpdpbusd %%zmm14, %%zmm15, %%zmm\\r\n"
#else /* products of bytes summed in words, as long as they have room for more */
#define INT8                                                                                       \
    "vpmaddubsw %%zmm14, %%zmm15, %%zmm13\n"                                                       \
    "vpaddw %%zmm13, %%zmm\\r, %%zmm\\r\n"
#endif

void KERNEL(peak)(const bnt_peak_args *a) {
    uint64_t steps = a->steps;
    *a->done = 0;
    if (steps == 0) return;
    if (a->kind == BNT_PEAK_INT8) {
        LOOP(steps, INT8);
        *a->done = a->steps * SUMS * 64;
    } else if (a->kind == BNT_PEAK_F32) {
        LOOP(steps, "vfmadd231ps %%zmm14, %%zmm15, %%zmm\\r\n");
        *a->done = a->steps * SUMS * 16;
    }
}

#undef INT8
#undef LOOP
