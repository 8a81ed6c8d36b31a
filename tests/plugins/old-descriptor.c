/* old-descriptor.c - as if built before `extends`: what lies behind its descriptor is not read. */
#include "hostile.h"

TABLE()
NOTE("abi=1.2;name=old-descriptor;needs=;priority=90");
DESCRIPTOR(offsetof(bnt_plugin, extends), BNT_ABI_MAJOR, 2, 90, "old-descriptor", "1", "", kernels,
           (const char *)1);
