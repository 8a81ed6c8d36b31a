/*
 * trits.h - the readers of ternary blocks, for the rows of the type table. Layouts:
 * docs/FORMATS.md.
 */
#ifndef BNT_FILE_TRITS_H
#define BNT_FILE_TRITS_H

#include "file/types.h"

bnt_trits_fn bnt_trits_tq1_0, bnt_trits_tq2_0, bnt_trits_ptq1_0, bnt_trits_q1_0, bnt_trits_q2_0,
    bnt_trits_q2_0_128, bnt_trits_iq1_bn, bnt_trits_iq2_bn;

#endif
