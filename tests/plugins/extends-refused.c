/* extends-refused.c - its base is refused: int16 gives wrong sums. */
#include "hostile.h"

EXTENDS("extends-refused", "int16");
