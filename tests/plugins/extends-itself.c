/* extends-itself.c - a circle of one. */
#include "hostile.h"

EXTENDS("extends-itself", "extends-itself");
