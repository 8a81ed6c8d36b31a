/* extends-crash.c - its base crashes while it is loaded. */
#include "hostile.h"

EXTENDS("extends-crash", "crash-load");
