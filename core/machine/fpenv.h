/*
 * fpenv.h - is this thread's floating-point environment the one NUMERICS asks for?
 *
 * Round to nearest even, no flush-to-zero, no denormals-are-zero, exceptions masked. A shared
 * object built with -ffast-math changes it in its host when loaded. Knows control registers;
 * knows nothing of plugins.
 */
#ifndef BNT_MACHINE_FPENV_H
#define BNT_MACHINE_FPENV_H

#include <stddef.h>
#include <stdint.h>

/* The control bits of the calling thread that differ from the default; 0 when all is well. */
uint32_t bnt_fpenv_deviation(void);

/* Puts the calling thread into the default environment. */
void bnt_fpenv_reset(void);

/* "flush-to-zero, rounding toward zero"; returns dst. */
char *bnt_fpenv_describe(uint32_t deviation, char *dst, size_t dst_size);

#endif
