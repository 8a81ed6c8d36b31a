/* mismatch-priority.c - pushes itself forward in its note. */
#include "hostile.h"

TABLE()
NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(
    BNT_ABI_MINOR) ";name=mismatch-priority;needs=;priority=90");
DESCRIPTOR(sizeof(bnt_plugin), BNT_ABI_MAJOR, BNT_ABI_MINOR, 1, "mismatch-priority", "1", "",
           kernels, NULL);
