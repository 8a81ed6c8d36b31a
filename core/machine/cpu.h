/*
 * cpu.h - what this CPU can run: features usable now, by names plugins use in their `needs`.
 *
 * Knows CPUID + XCR0 (x86) and hwcap (AArch64); knows nothing of plugins or of hwloc. A feature
 * whose register state the operating system does not save is not listed. The names are ours and
 * never change meaning:
 *   x86:     avx avx2 avx512bf16 avx512bw avx512cd avx512dq avx512f avx512vbmi avx512vl avx512vnni
 *            avxvnni bmi1 bmi2 f16c fma popcnt sse3 sse4_1 sse4_2 ssse3
 *   AArch64: bf16 dotprod fp16 i8mm neon sve
 */
#ifndef BNT_MACHINE_CPU_H
#define BNT_MACHINE_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "bitnet/plugin.h"

/* The features of this machine, detected once: features sorted, comma-separated, of static life.
 * Caches are what the C library knows (0 if nothing), threads the CPUs online. */
const bnt_cpu *bnt_cpu_get(void);
const char *bnt_cpu_model(void); /* "AMD EPYC ..." or "unknown" */

/* True when every name in `needs` (comma-separated, "" for none) is in `features`; otherwise the
 * missing ones are written to `missing` (may be NULL), comma-separated. */
bool bnt_cpu_has(const char *features, const char *needs, char *missing, size_t missing_size);

/* The decisions behind bnt_cpu_get as pure functions of what the hardware says, so that a test can
 * play any machine. dst gets the sorted list. */
struct bnt_cpu_x86 {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax;
    uint64_t xcr0; /* 0 when the OS does not use xsave */
};
void bnt_cpu_features_x86(const struct bnt_cpu_x86 *raw, char *dst, size_t dst_size);
void bnt_cpu_features_arm(uint64_t hwcap, uint64_t hwcap2, char *dst, size_t dst_size);

#endif
