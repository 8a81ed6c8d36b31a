/* abi-descriptor.c - the note says ABI 1, the constant says 2. */
#include "hostile.h"

NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(
    BNT_ABI_MINOR) ";name=abi-descriptor;needs=;priority=90");
DESCRIPTOR(sizeof(bnt_plugin), 2, 0, 90, "abi-descriptor", "1", "", NULL, NULL);
