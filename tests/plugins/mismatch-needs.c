/* mismatch-needs.c - needs more than its note admits. */
#include "hostile.h"

TABLE()
NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(
    BNT_ABI_MINOR) ";name=mismatch-needs;needs=;priority=90");
DESCRIPTOR(sizeof(bnt_plugin), BNT_ABI_MAJOR, BNT_ABI_MINOR, 90, "mismatch-needs", "1", "avx2",
           kernels, NULL);
