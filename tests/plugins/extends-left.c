/* extends-left.c - extends extends-right, which extends this one. */
#include "hostile.h"

EXTENDS("extends-left", "extends-right");
