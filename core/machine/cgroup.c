/*
 * cgroup.c - see cgroup.h.
 *
 * The one idea: limits hold for a group and everything below it, so the answer is the least over
 * the path from our group to the root. Inside a container /proc/self/cgroup may name a path that
 * is not mounted; walking up passes over what is missing and ends at the mount itself, which is
 * then our own group.
 */
#include "machine/cgroup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNLIMITED_V1 (1ull << 60) /* v1 writes "no limit" as a huge page-rounded number */

static bool read_line(const char *folder, const char *file, char *dst, int size) {
    char path[PATH_MAX];
    bool ok = false;
    int n = snprintf(path, sizeof path, "%s/%s", folder, file);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    FILE *f = fopen(path, "re");
    if (!f) return false;
    ok = fgets(dst, size, f) != NULL;
    fclose(f);
    return ok;
}

static void take_quota(struct bnt_cgroup *out, int64_t quota, int64_t period) {
    if (quota <= 0 || period <= 0) return;
    int64_t cpus = quota / period + (quota % period != 0);
    if (cpus > INT_MAX) return;
    if (out->quota_cpus == 0 || (unsigned)cpus < out->quota_cpus) out->quota_cpus = (unsigned)cpus;
}

static void take_memory(struct bnt_cgroup *out, uint64_t bytes) {
    if (bytes == 0 || bytes >= UNLIMITED_V1) return;
    if (out->memory == 0 || bytes < out->memory) out->memory = bytes;
}

/* Whatever limit files a folder has, of either version. */
static void take_folder(struct bnt_cgroup *out, const char *folder) {
    char line[128];
    int64_t quota, period;
    uint64_t bytes;
    if (read_line(folder, "cpu.max", line, sizeof line) &&
        sscanf(line, "%" SCNd64 " %" SCNd64, &quota, &period) == 2) { /* "max 100000" is none */
        take_quota(out, quota, period);
    }
    if (read_line(folder, "cpu.cfs_quota_us", line, sizeof line) &&
        sscanf(line, "%" SCNd64, &quota) == 1 &&
        read_line(folder, "cpu.cfs_period_us", line, sizeof line) &&
        sscanf(line, "%" SCNd64, &period) == 1) {
        take_quota(out, quota, period);
    }
    if ((read_line(folder, "memory.max", line, sizeof line) ||
         read_line(folder, "memory.limit_in_bytes", line, sizeof line)) &&
        sscanf(line, "%" SCNu64, &bytes) == 1) {
        take_memory(out, bytes);
    }
}

/* Every folder from mount/path up to mount. */
static void walk_up(struct bnt_cgroup *out, const char *mount, const char *path) {
    char folder[PATH_MAX];
    size_t floor = strlen(mount);
    int n = snprintf(folder, sizeof folder, "%s%s", mount, path);
    if (n < 0 || (size_t)n >= sizeof folder) return;
    for (;;) {
        char *slash;
        take_folder(out, folder);
        slash = strrchr(folder, '/');
        if (!slash || slash < folder + floor) break;
        *slash = '\0';
    }
}

void bnt_cgroup_read(struct bnt_cgroup *out, const char *root, const char *self) {
    char line[PATH_MAX + 128], mount[PATH_MAX];
    memset(out, 0, sizeof *out);
    FILE *f = fopen(self, "re");
    if (!f) {
        take_folder(out, root);
        return;
    }
    while (fgets(line, sizeof line, f)) { /* ID:CONTROLLERS:/PATH */
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path) continue;
        *path++ = '\0';
        controllers++;
        path[strcspn(path, "\n")] = '\0';
        if (strstr(path, "..")) path[0] = '\0'; /* outside our namespace: only the mount is ours */
        int n = *controllers ? snprintf(mount, sizeof mount, "%s/%s", root, controllers)
                             : snprintf(mount, sizeof mount, "%s", root);
        if (n > 0 && (size_t)n < sizeof mount) walk_up(out, mount, path);
    }
    fclose(f);
}
