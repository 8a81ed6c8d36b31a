/*
 * watchdog.h - ends a command that takes too long, even one that hangs inside a kernel.
 *
 * A thread of its own waits for the limit, so nothing depends on the threads that are stuck. It is
 * the one place where something other than main ends the process.
 */
#ifndef BNT_CMD_WATCHDOG_H
#define BNT_CMD_WATCHDOG_H

#include "base/err.h"

struct cmd_watchdog;

/* After `seconds`: last_words(arg), which may neither wait for the command's threads nor count on
 * them, and the process ends with exit_status, a second later at the latest. */
int cmd_watchdog_start(struct cmd_watchdog **out, unsigned seconds, int exit_status,
                       void (*last_words)(void *arg), void *arg, struct bnt_err *err);
/* Either the limit has not been reached and never will be, or this does not return. */
void cmd_watchdog_stop(struct cmd_watchdog *w);

#endif
