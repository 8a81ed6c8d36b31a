/*
 * fpenv.c - see fpenv.h.
 *
 * <fenv.h> knows rounding but not flush-to-zero, so the control registers are read themselves. The
 * one idea: report the exclusive-or with the default, so that 0 is "as it should be" everywhere.
 */
#include "machine/fpenv.h"

#include <fenv.h>
#include <stdio.h>

struct bit {
    uint32_t mask;
    const char *name;
};

#if defined(__x86_64__)
#define MXCSR_DEFAULT 0x1f80u /* all exceptions masked */
#define MXCSR_CONTROL 0xffc0u /* the rest are sticky flags */
#define X87_DEFAULT 0x037fu
#define X87_CONTROL 0x0f3fu

static const struct bit bits[] = {
    {0x8000u, "flush-to-zero"},       {0x0040u, "denormals-are-zero"}, {0x6000u, "rounding mode"},
    {0x1f80u, "unmasked exceptions"}, {X87_CONTROL << 16, "x87 mode"},
};

uint32_t bnt_fpenv_deviation(void) {
    uint32_t mxcsr;
    uint16_t x87;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return ((mxcsr ^ MXCSR_DEFAULT) & MXCSR_CONTROL) | ((x87 ^ X87_DEFAULT) & X87_CONTROL) << 16;
}

void bnt_fpenv_reset(void) {
    uint32_t mxcsr = MXCSR_DEFAULT;
    fesetenv(FE_DFL_ENV);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}
#elif defined(__aarch64__)
static const struct bit bits[] = {
    {1u << 24, "flush-to-zero"},      {1u << 0, "denormals-are-zero"},
    {3u << 22, "rounding mode"},      {1u << 19, "half-precision flush-to-zero"},
    {1u << 25, "default NaN"},        {1u << 1 | 1u << 2, "alternate handling"},
    {0x9f00u, "unmasked exceptions"},
};

uint32_t bnt_fpenv_deviation(void) {
    uint64_t fpcr;
    uint32_t known = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) known |= bits[i].mask;
    return (uint32_t)fpcr & known;
}

void bnt_fpenv_reset(void) {
    fesetenv(FE_DFL_ENV);
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
}
#else
static const struct bit bits[] = {{1u, "rounding mode"}};

uint32_t bnt_fpenv_deviation(void) {
    return fegetround() != FE_TONEAREST;
}

void bnt_fpenv_reset(void) {
    fesetenv(FE_DFL_ENV);
}
#endif

char *bnt_fpenv_describe(uint32_t deviation, char *dst, size_t dst_size) {
    size_t used = 0;
    if (dst_size) dst[0] = '\0';
    for (size_t i = 0; i < sizeof bits / sizeof *bits && used < dst_size; i++) {
        if (!(deviation & bits[i].mask)) continue;
        int n = snprintf(dst + used, dst_size - used, "%s%s", used ? ", " : "", bits[i].name);
        if (n < 0) break;
        used += (size_t)n;
    }
    return dst;
}
