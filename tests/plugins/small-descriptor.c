/* small-descriptor.c - a descriptor too small to have kernels(). */
#include "hostile.h"

NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(
    BNT_ABI_MINOR) ";name=small-descriptor;needs=;priority=90");
DESCRIPTOR(40, BNT_ABI_MAJOR, BNT_ABI_MINOR, 90, "small-descriptor", "1", "", NULL, NULL);
