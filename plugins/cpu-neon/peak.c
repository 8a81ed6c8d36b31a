/*
 * peak.c - what the arithmetic units of this CPU give when nothing has to be loaded.
 *
 * Loops of sixteen instructions, each with a register of its own to add to: enough to hide a
 * latency of four cycles on four pipes. They are assembly, so that no compiler decides what is
 * measured.
 */
#include "kernels.h"

enum { SUMS = 16 };

/* v0 and v1 are the factors; everything is 0. */
#define EACH(code_) ".irp r,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n" code_ "\n.endr\n"
#define LOOP(steps_, code_)                                                                        \
    __asm__ volatile(                                                                              \
        "movi v0.16b, #0\n"                                                                        \
        "movi v1.16b, #0\n" EACH("movi v\\r\\().16b, #0") "1:\n" EACH(code_) "subs %0, %0, #1\n"   \
                                                                             "b.ne 1b\n"           \
        : "+r"(steps_)                                                                             \
        :                                                                                          \
        : "cc", "v0", "v1", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",  \
          "v26", "v27", "v28", "v29", "v30", "v31")

#if defined(NEON_I8MM)
#define INT8 "smmla v\\r\\().4s, v0.16b, v1.16b"
#define INT8_EACH 32
#elif defined(NEON_DOTPROD)
#define INT8 "sdot v\\r\\().4s, v0.16b, v1.16b"
#define INT8_EACH 16
#else
#define INT8 "smlal v\\r\\().8h, v0.8b, v1.8b"
#define INT8_EACH 8
#endif

void KERNEL(peak)(const bnt_peak_args *a) {
    uint64_t steps = a->steps;
    *a->done = 0;
    if (steps == 0) return;
    if (a->kind == BNT_PEAK_INT8) {
        LOOP(steps, INT8);
        *a->done = a->steps * SUMS * INT8_EACH;
    } else if (a->kind == BNT_PEAK_F32) {
        LOOP(steps, "fmla v\\r\\().4s, v0.4s, v1.4s");
        *a->done = a->steps * SUMS * 4;
    }
}
