/*
 * cpu.c - names the features of this CPU that a program may use now.
 *
 * For choosing plugins before any of their code is mapped. Must not know plugins, hwloc or threads.
 * The one idea: CPUID says what the silicon has, XCR0 what the operating system saves on a context
 * switch; a feature is listed when both agree. Everything between raw registers and names is one
 * table, sorted by name, so the list comes out sorted.
 */
#include "machine/cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define XCR0_AVX 0x06ull    /* XMM and YMM state */
#define XCR0_AVX512 0xe6ull /* and opmask, ZMM_Hi256, Hi16_ZMM */

static void append(char *dst, size_t size, const char *name, size_t len) {
    size_t used = strlen(dst);
    if (used + len + 2 > size) return;
    if (used) dst[used++] = ',';
    memcpy(dst + used, name, len);
    dst[used + len] = '\0';
}

void bnt_cpu_features_x86(const struct bnt_cpu_x86 *raw, char *dst, size_t dst_size) {
    const struct {
        const char *name;
        uint32_t reg;
        unsigned bit;
        uint64_t state;
    } table[] = {
        {"avx", raw->leaf1_ecx, 28, XCR0_AVX},
        {"avx2", raw->leaf7_ebx, 5, XCR0_AVX},
        {"avx512bf16", raw->leaf7_1_eax, 5, XCR0_AVX512},
        {"avx512bw", raw->leaf7_ebx, 30, XCR0_AVX512},
        {"avx512cd", raw->leaf7_ebx, 28, XCR0_AVX512},
        {"avx512dq", raw->leaf7_ebx, 17, XCR0_AVX512},
        {"avx512f", raw->leaf7_ebx, 16, XCR0_AVX512},
        {"avx512vbmi", raw->leaf7_ecx, 1, XCR0_AVX512},
        {"avx512vl", raw->leaf7_ebx, 31, XCR0_AVX512},
        {"avx512vnni", raw->leaf7_ecx, 11, XCR0_AVX512},
        {"avxvnni", raw->leaf7_1_eax, 4, XCR0_AVX},
        {"bmi1", raw->leaf7_ebx, 3, 0},
        {"bmi2", raw->leaf7_ebx, 8, 0},
        {"f16c", raw->leaf1_ecx, 29, XCR0_AVX},
        {"fma", raw->leaf1_ecx, 12, XCR0_AVX},
        {"popcnt", raw->leaf1_ecx, 23, 0},
        {"sse3", raw->leaf1_ecx, 0, 0},
        {"sse4_1", raw->leaf1_ecx, 19, 0},
        {"sse4_2", raw->leaf1_ecx, 20, 0},
        {"ssse3", raw->leaf1_ecx, 9, 0},
    };
    if (dst_size) dst[0] = '\0';
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if ((table[i].reg >> table[i].bit & 1) && (raw->xcr0 & table[i].state) == table[i].state) {
            append(dst, dst_size, table[i].name, strlen(table[i].name));
        }
    }
}

void bnt_cpu_features_arm(uint64_t hwcap, uint64_t hwcap2, char *dst, size_t dst_size) {
    const struct {
        const char *name;
        uint64_t reg;
        unsigned bit; /* of the Linux hwcap words */
    } table[] = {
        {"bf16", hwcap2, 14}, {"dotprod", hwcap, 20}, {"fp16", hwcap, 10},
        {"i8mm", hwcap2, 13}, {"neon", hwcap, 1},     {"sve", hwcap, 22},
    };
    if (dst_size) dst[0] = '\0';
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].reg >> table[i].bit & 1) {
            append(dst, dst_size, table[i].name, strlen(table[i].name));
        }
    }
}

static char features_[512], model_[128];
static bnt_cpu cpu_;

/* Copies text with runs of blanks squeezed to one and none at the ends. */
static void squeeze(char *dst, size_t size, const char *text) {
    size_t n = 0;
    for (; *text && *text != '\n' && n + 2 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c <= ' ' || c >= 0x7f) {
            if (n && dst[n - 1] != ' ') dst[n++] = ' ';
        } else {
            dst[n++] = (char)c;
        }
    }
    if (n && dst[n - 1] == ' ') n--;
    dst[n] = '\0';
}

/* The value of the first "key : value" line of /proc/cpuinfo. */
static bool cpuinfo(const char *key, char *dst, size_t size) {
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, strlen(key)) != 0) continue;
        squeeze(dst, size, colon + 1);
        found = dst[0] != '\0';
    }
    fclose(f);
    return found;
}

#if defined(__x86_64__)
static void detect(void) {
    struct bnt_cpu_x86 raw = {0};
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d)) {
        raw.leaf1_ecx = c;
        if (c >> 27 & 1) { /* OSXSAVE: xgetbv exists and the OS uses it */
            unsigned lo, hi;
            __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
            raw.xcr0 = (uint64_t)hi << 32 | lo;
        }
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        raw.leaf7_ebx = b;
        raw.leaf7_ecx = c;
        if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) raw.leaf7_1_eax = a;
    }
    bnt_cpu_features_x86(&raw, features_, sizeof features_);

    unsigned brand[13] = {0}; /* 48 characters and a terminator */
    if (__get_cpuid(0x80000004u, &a, &b, &c, &d)) {
        for (unsigned i = 0; i < 3; i++) {
            unsigned *p = brand + 4 * i;
            __get_cpuid(0x80000002u + i, p, p + 1, p + 2, p + 3);
        }
        squeeze(model_, sizeof model_, (const char *)brand);
    }
}
#elif defined(__aarch64__)
static void detect(void) {
    char implementer[16], part[16];
    bnt_cpu_features_arm(getauxval(AT_HWCAP), getauxval(AT_HWCAP2), features_, sizeof features_);
    if (cpuinfo("model name", model_, sizeof model_)) return;
    if (cpuinfo("CPU implementer", implementer, sizeof implementer) &&
        cpuinfo("CPU part", part, sizeof part)) {
        snprintf(model_, sizeof model_, "AArch64 implementer %s part %s", implementer, part);
    }
}
#else
static void detect(void) {
}
#endif

/* Of a cache for data, by what Linux says of the first CPU: lines like "2", "Unified", "1024K". */
static uint64_t cache_by_sysfs(long level) {
    for (int i = 0; i < 8; i++) {
        static const char *const names[] = {"level", "type", "size"};
        char path[80], line[3][32];
        bool read = true;
        for (size_t k = 0; k < 3 && read; k++) {
            snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", i,
                     names[k]);
            FILE *f = fopen(path, "re");
            read = f && fgets(line[k], sizeof line[k], f);
            if (f) fclose(f);
        }
        if (!read) return 0;
        if (strtol(line[0], NULL, 10) == level && line[1][0] != 'I')
            return strtoull(line[2], NULL, 10) * (strchr(line[2], 'M') ? 1u << 20 : 1u << 10);
    }
    return 0;
}

/* `name`: what sysconf calls it, -1 where the C library has no such name (musl). */
static uint64_t cache_size(int name, long level) {
    long v = name < 0 ? 0 : sysconf(name);
    return v > 0 ? (uint64_t)v : cache_by_sysfs(level);
}

#ifdef _SC_LEVEL1_DCACHE_SIZE
enum { L1D = _SC_LEVEL1_DCACHE_SIZE, L2 = _SC_LEVEL2_CACHE_SIZE, L3 = _SC_LEVEL3_CACHE_SIZE };
#else
enum { L1D = -1, L2 = -1, L3 = -1 };
#endif

static void fill(void) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    detect();
    if (!model_[0] && !cpuinfo("model name", model_, sizeof model_)) strcpy(model_, "unknown");
    cpu_.struct_size = sizeof cpu_;
    cpu_.threads = online > 0 ? (uint32_t)online : 1;
    cpu_.features = features_;
    cpu_.l1d = cache_size(L1D, 1);
    cpu_.l2 = cache_size(L2, 2);
    cpu_.l3 = cache_size(L3, 3);
}

static void ensure(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill);
}

const bnt_cpu *bnt_cpu_get(void) {
    ensure();
    return &cpu_;
}

const char *bnt_cpu_model(void) {
    ensure();
    return model_;
}

static bool listed(const char *list, const char *name, size_t len) {
    while (*list) {
        size_t n = strcspn(list, ",");
        if (n == len && memcmp(list, name, len) == 0) return true;
        list += n + (list[n] == ',');
    }
    return false;
}

bool bnt_cpu_has(const char *features, const char *needs, char *missing, size_t missing_size) {
    bool all = true;
    if (missing && missing_size) missing[0] = '\0';
    while (*needs) {
        size_t n = strcspn(needs, ",");
        if (n && !listed(features, needs, n)) {
            all = false;
            if (missing) append(missing, missing_size, needs, n);
        }
        needs += n + (needs[n] == ',');
    }
    return all;
}
