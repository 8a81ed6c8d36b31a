/* extends-nobody.c - its base does not exist. */
#include "hostile.h"

EXTENDS("extends-nobody", "nobody");
