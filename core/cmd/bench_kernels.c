#include "cmd/bench.h"
int bench_kernels(const struct cmd_args *args, struct bnt_err *err) {
    (void)args;
    return bnt_fail(err, BNT_E_USAGE, "not yet");
}
