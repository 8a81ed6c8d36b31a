/* extends-more.c - extends a plugin that extends another, which is good. */
#include "hostile.h"

EXTENDS("extends-more", "extends-shifted");
