/*
 * safefile.h - opens a file that will be run as code, if nobody else could have written it.
 *
 * The rules, for the real path (all symbolic links resolved):
 *   - the file is a regular file, and it and its folder belong to root or to us (effective user);
 *   - neither is writable by others, nor by a group other than our own effective one. Our own is
 *     allowed, since users with a private group and umask 002 make every file so. Where many users
 *     share one primary group, its members are trusted by this;
 *   - no folder above is writable by others, except with the sticky bit (as /tmp has), under which
 *     nobody can rename what belongs to us.
 * Knows nothing of ELF or plugins.
 */
#ifndef BNT_PLUGIN_SAFEFILE_H
#define BNT_PLUGIN_SAFEFILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

/* `path` is absolute and real. Fills *fd and *st. BNT_E_IO: cannot be opened or is no regular file;
 * BNT_E_BACKEND: against the rules. */
int bnt_safe_open(const char *path, int *fd, struct stat *st, struct bnt_err *err);

/* True when path still is the very file that *st was taken from, unmodified since. */
bool bnt_same_file(const char *path, const struct stat *st);

#endif
