/* no-symbol.c - a note, but no constant. */
#include "hostile.h"

NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(BNT_ABI_MINOR) ";name=no-symbol;needs=;priority=90");
