/* undefined.c - refers to a function nobody has: dlopen fails at once, not in the middle of a run.
 */
#include "hostile.h"

void bitnet_test_function_that_nobody_has(void);

static void add(const bnt_add_args *a) {
    (void)a;
    bitnet_test_function_that_nobody_has();
}

TABLE(own.add = add)
BNT_PLUGIN("undefined", "1", "", 90, kernels);
