/* flush.c - does to its host what -ffast-math start-up code does. */
#include "hostile.h"

__attribute__((constructor)) static void flush(void) {
#if defined(__x86_64__)
    unsigned mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr |= 0x8040u;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(1ull << 24));
#endif
}

TABLE()
BNT_PLUGIN("flush", "1", "", 90, kernels);
