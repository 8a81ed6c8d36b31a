/*
 * cpu.h - what this CPU can run: features usable now, by names plugins use in their `needs`.
 *
 * Knows CPUID + XCR0 (x86) and hwcap (AArch64); knows nothing of plugins. A feature whose register
 * state the operating system does not save is not listed.
 */
#ifndef BNT_MACHINE_CPU_H
#define BNT_MACHINE_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "bitnet/plugin.h"

/* The features of this machine, detected once: features sorted, comma-separated, of static life. */
const bnt_cpu *bnt_cpu_get(void);
const char *bnt_cpu_model(void); /* "AMD EPYC ..." or "unknown" */

/* True when every name in `needs` (comma-separated, "" for none) is in `features`; otherwise the
 * missing ones are written to `missing`, comma-separated. */
bool bnt_cpu_has(const char *features, const char *needs, char *missing, size_t missing_size);

#endif
