/* extends-judge.c - names what every plugin extends. */
#include "hostile.h"

EXTENDS("extends-judge", "ref-scalar");
