/* extends-right.c - extends extends-left, which extends this one. */
#include "hostile.h"

EXTENDS("extends-right", "extends-left");
