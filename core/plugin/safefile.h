/*
 * safefile.h - opens a file that will be run as code, if nobody else could have written it.
 *
 * The rules, for the real path (all symbolic links resolved):
 *   - the file is a regular file; it and every folder above it, up to the root, belong to root or
 *     to us (effective user): whoever owns a folder can put another one under its name;
 *   - none is writable by others. Nor by a group, unless it is its owner's private one: of the
 *     owner's name and without other members, as systems with umask 002 make it for each user;
 *   - a folder above the file's own may be writable with the sticky bit (as /tmp is), under which
 *     nobody can rename what belongs to us.
 * Knows nothing of ELF or plugins.
 */
#ifndef BNT_PLUGIN_SAFEFILE_H
#define BNT_PLUGIN_SAFEFILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

/* `path` is absolute and real. Fills *fd and *st. BNT_E_IO: cannot be opened or is no regular file;
 * BNT_E_LIMIT: no descriptor is left; BNT_E_BACKEND: against the rules. */
int bnt_safe_open(const char *path, int *fd, struct stat *st, struct bnt_err *err);

/* True when the two are one file, unmodified. */
bool bnt_same_file(const struct stat *a, const struct stat *b);

#endif
