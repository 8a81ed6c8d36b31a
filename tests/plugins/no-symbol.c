/* no-symbol.c - a note, but no constant. */
#include "hostile.h"

NOTE("abi=1.0;name=no-symbol;needs=;priority=90");
