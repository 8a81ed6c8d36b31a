/*
 * parity.c - `bitnet parity`: does a backend give the judge's bits?
 */
#include "cmd/cmd.h"

int cmd_parity(const struct cmd_args *args, struct bnt_err *err) {
    (void)args;
    return bnt_fail(err, BNT_E_UNSUPPORTED, "parity is not here yet");
}
