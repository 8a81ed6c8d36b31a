/* extends-abi.c - its base is of another ABI major. */
#include "hostile.h"

EXTENDS("extends-abi", "abi-note");
