/* no-note.c - a descriptor without a note: its code must not be mapped to find that out. */
#include <stdlib.h>

#include "hostile.h"

__attribute__((constructor)) static void must_not_run(void) {
    abort();
}

TABLE()
DESCRIPTOR(sizeof(bnt_plugin), BNT_ABI_MAJOR, BNT_ABI_MINOR, 90, "no-note", "1", "", kernels, NULL);
