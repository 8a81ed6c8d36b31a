/* mismatch-name.c - goes by two names. */
#include "hostile.h"

TABLE()
NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(
    BNT_ABI_MINOR) ";name=mismatch-name;needs=;priority=90");
DESCRIPTOR(sizeof(bnt_plugin), BNT_ABI_MAJOR, BNT_ABI_MINOR, 90, "other", "1", "", kernels, NULL);
