/*
 * options.c - see options.h.
 */
#include "run/options.h"

#include <string.h>

int bnt_read_options(void *to, size_t size, const void *from, size_t from_size,
                     struct bnt_err *err) {
    const unsigned char *bytes = from;
    memset(to, 0, size);
    if (!from) return BNT_OK;
    if (from_size == 0) from_size = size;
    for (size_t i = size; i < from_size; i++)
        if (bytes[i])
            return bnt_fail(err, BNT_E_USAGE,
                            "an options struct of %zu bytes; this library knows %zu of them",
                            from_size, size);
    memcpy(to, from, from_size < size ? from_size : size);
    return BNT_OK;
}
