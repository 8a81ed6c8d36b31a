/* abi-note.c - note and descriptor of another ABI major: refused by the note alone. */
#include <stdlib.h>

#include "hostile.h"

__attribute__((constructor)) static void must_not_run(void) {
    abort();
}

NOTE("abi=2.0;name=abi-note;needs=;priority=90");
DESCRIPTOR(sizeof(bnt_plugin), 2, 0, 90, "abi-note", "1", "", NULL, NULL);
