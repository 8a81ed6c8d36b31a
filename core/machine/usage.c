/*
 * usage.c - see usage.h; from /proc/self/status.
 */
#include "machine/usage.h"

#include <inttypes.h>
#include <stdio.h>

struct bnt_usage bnt_usage_now(void) {
    struct bnt_usage u = {0};
    char line[256];
    uint64_t kib;
    FILE *f = fopen("/proc/self/status", "re");
    if (!f) return u;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %" SCNu64, &kib) == 1) u.peak = kib * 1024;
        if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1) u.anonymous = kib * 1024;
        if (sscanf(line, "RssFile: %" SCNu64, &kib) == 1) u.file = kib * 1024;
    }
    fclose(f);
    return u;
}
