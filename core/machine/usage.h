/*
 * usage.h - the memory that this process holds, as the kernel counts it.
 */
#ifndef BNT_MACHINE_USAGE_H
#define BNT_MACHINE_USAGE_H

#include <stdint.h>

/* Bytes in memory; 0 where the system does not say. */
struct bnt_usage {
    uint64_t peak; /* the most that ever was resident (VmHWM), pages of mapped files included */
    uint64_t anonymous; /* now, without the pages of files: what nobody can take back (RssAnon) */
    uint64_t file;      /* now, pages of mapped files: the page cache has them anyway (RssFile) */
};

struct bnt_usage bnt_usage_now(void);

#endif
