/*
 * options.h - options structs of programs that were compiled with an older bitnet.h, or a newer.
 *
 * Each such struct begins with struct_size, and grows at its end only.
 */
#ifndef BNT_RUN_OPTIONS_H
#define BNT_RUN_OPTIONS_H

#include <stddef.h>

#include "base/err.h"

/* Copies a caller's options to `to` [size]; what the caller's header did not know is zero. `from`
 * NULL: all default. from_size: what the caller says; 0 stands for `size`. BNT_E_USAGE when the
 * caller's struct has more than ours and uses it. */
int bnt_read_options(void *to, size_t size, const void *from, size_t from_size,
                     struct bnt_err *err);

#endif
