/* serve_none.c - `bitnet serve` of a program that was built without an HTTP library. */
#include "cmd/cmd.h"

int cmd_serve(const struct cmd_args *args, struct bnt_err *err) {
    (void)args;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "this program was built without libmicrohttpd, which `bitnet serve` needs: "
                    "install libmicrohttpd-dev and build again");
}
