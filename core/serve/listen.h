/*
 * listen.h - a socket that waits for connections at an address that is this program's alone.
 */
#ifndef BNT_SERVE_LISTEN_H
#define BNT_SERVE_LISTEN_H

#include "base/err.h"

/* The first address of `host` that can be had. *fd is the caller's; *port is the one that was
 * taken, for port 0 one that was free. BNT_E_USAGE: host is none; BNT_E_IO: what the system says,
 * of a port where somebody listens already too. */
int serve_listen(int *fd, unsigned *port, const char *host, struct bnt_err *err);

#endif
