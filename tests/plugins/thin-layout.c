/*
 * thin-layout.c - asks for less memory than trits have information, of large matrices only, and
 * then writes where nothing is.
 */
#include "hostile.h"

static int32_t layout(const bnt_ternary_shape *s, bnt_layout *l) {
    int32_t answer = ref_ternary_layout(s, l);
    if (s->rows > 1000) l->bytes /= 8;
    return answer;
}

TABLE(own.ternary_layout = layout)
BNT_PLUGIN("thin-layout", "1", "", 90, kernels);
