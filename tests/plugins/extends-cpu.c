/* extends-cpu.c - its base is for another CPU. */
#include "hostile.h"

EXTENDS("extends-cpu", "needs");
