/* extends-note.c - its note names a base, its descriptor none. */
#include "hostile.h"

TABLE()
NOTE("abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(
    BNT_ABI_MINOR) ";name=extends-note;needs=;priority=90;extends=good");
DESCRIPTOR(sizeof(bnt_plugin), BNT_ABI_MAJOR, BNT_ABI_MINOR, 90, "extends-note", "1", "", kernels,
           NULL);
