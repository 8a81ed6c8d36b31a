/*
 * ktest.c - see ktest.h.
 */
#include "ktest.h"

#include <check.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine/cpu.h"

/* ---- kernel sets -------------------------------------------------------------------------- */

static const bnt_kernels *set_for(const bnt_plugin *plugin, const char *features) {
    static bnt_cpu cpu; /* outlives the call; plugins must not keep it, but a test is no place to */
    cpu = *bnt_cpu_get();
    cpu.features = features;
    bnt_host host = {sizeof host, BNT_ABI_MAJOR, BNT_ABI_MINOR, 0, &cpu};
    return plugin->kernels(&host);
}

/* The sets a plugin gives to this CPU, and to one that has only what the plugin needs. */
static size_t add_sets(const bnt_plugin *plugin, struct kt_set *sets, size_t n, size_t max) {
    const char *features[2] = {bnt_cpu_get()->features, plugin->needs};
    const bnt_kernels *seen[2] = {NULL, NULL};
    for (int i = 0; i < 2 && n < max; i++) {
        seen[i] = set_for(plugin, features[i]);
        if (!seen[i] || (i && seen[i] == seen[0])) continue;
        snprintf(sets[n].name, sizeof sets[n].name, "%s/%s", plugin->name, seen[i]->variant);
        sets[n++].k = seen[i];
    }
    return n;
}

size_t kt_load(struct kt_set *sets, size_t max) {
    size_t n = 0;
    DIR *dir = opendir(TEST_BUILD "/plugins");
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        char path[4096], missing[256];
        size_t length = strlen(e->d_name);
        if (length < 4 || strcmp(e->d_name + length - 3, ".so") != 0) continue;
        snprintf(path, sizeof path, TEST_BUILD "/plugins/%s", e->d_name);
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        const bnt_plugin *plugin = handle ? dlsym(handle, BNT_PLUGIN_SYMBOL) : NULL;
        if (!plugin) {
            fprintf(stderr, "%s: %s\n", e->d_name, dlerror());
            abort();
        }
        if (bnt_cpu_has(bnt_cpu_get()->features, plugin->needs, missing, sizeof missing))
            n = add_sets(plugin, sets, n, max);
        else
            fprintf(stderr, "%s: not tested, this CPU lacks %s\n", plugin->name, missing);
    }
    if (dir) closedir(dir);
    return n;
}

const bnt_kernels *kt_judge(void) {
    return set_for(&bnt_judge_plugin, "");
}

/* ---- memory ------------------------------------------------------------------------------- */

static struct block {
    void *at;
    size_t bytes;
} blocks[4096];
static size_t n_blocks;

void *kt_alloc(size_t bytes, size_t align, int byte) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (bytes + align + page - 1) / page * page;
    char *at = mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || n_blocks == sizeof blocks / sizeof *blocks ||
        mprotect(at + body, page, PROT_NONE) != 0)
        abort();
    blocks[n_blocks++] = (struct block){at, body + page};
    char *start = at + (body - bytes) / align * align;
    memset(start, byte, bytes);
    return start;
}

void *kt_copy(const void *from, size_t bytes, size_t align) {
    return memcpy(kt_alloc(bytes, align, 0), from, bytes);
}

void kt_release(void) {
    while (n_blocks > 0) {
        n_blocks--;
        munmap(blocks[n_blocks].at, blocks[n_blocks].bytes);
    }
}

/* ---- values ------------------------------------------------------------------------------- */

const char *kt_kind_name(enum kt_kind kind) {
    static const char *const names[KT_KINDS] = {
        [KT_ONES] = "ones",           [KT_MINUS_ONES] = "minus-ones",
        [KT_ZEROS] = "zeros",         [KT_SPIKE] = "spike",
        [KT_TIES] = "ties",           [KT_DENORMAL] = "denormal",
        [KT_SIGNED] = "signed-zeros", [KT_HUGE] = "huge",
        [KT_RANDOM] = "random",       [KT_WIDE] = "wide"};
    return names[kind];
}

static float one_float(struct rng *r, enum kt_kind kind) {
    switch (kind) {
    case KT_ONES: return 1.0f;
    case KT_MINUS_ONES: return -1.0f;
    case KT_TIES: return (float)rng_below(r, 253) - 126.0f + 0.5f;
    case KT_DENORMAL: return bnt_f32_from_bits((uint32_t)rng_next(r) & 0x807fffffu);
    case KT_SIGNED: return rng_below(r, 2) ? 0.0f : -0.0f;
    case KT_HUGE: return rng_normal(r) * 1e30f;
    case KT_RANDOM: return rng_normal(r);
    case KT_WIDE:
        return rng_normal(r) * (float)(1u << rng_below(r, 21)) / (float)(1u << rng_below(r, 21));
    default: return 0.0f;
    }
}

void kt_floats(struct rng *r, float *x, size_t n, enum kt_kind kind) {
    for (size_t i = 0; i < n; i++) x[i] = one_float(r, kind);
    if (kind == KT_SPIKE && n) x[rng_below(r, (uint32_t)n)] = rng_below(r, 2) ? 1000.0f : -1000.0f;
    if (kind == KT_TIES && n) x[rng_below(r, (uint32_t)n)] = 127.0f;
}

void kt_trits(struct rng *r, int8_t *w, size_t n, enum kt_kind kind) {
    for (size_t i = 0; i < n; i++)
        w[i] = (int8_t)(kind == KT_ONES         ? 1
                        : kind == KT_MINUS_ONES ? -1
                        : kind <= KT_SPIKE      ? 0
                                                : (int)rng_below(r, 3) - 1);
    if (kind == KT_SPIKE && n) w[rng_below(r, (uint32_t)n)] = 1;
}

size_t kt_cuts(struct rng *r, uint64_t lo, uint64_t hi, uint64_t *cut, size_t max) {
    size_t n = 0;
    for (uint64_t at = lo; at < hi; n++) {
        uint64_t left = hi - at, take = n + 1 == max ? left : 1 + rng_below(r, (uint32_t)left);
        if (n == 0 && rng_below(r, 4) == 0) take = left; /* often the whole in one */
        cut[2 * n] = at;
        cut[2 * n + 1] = at += take;
    }
    for (size_t i = n; i-- > 1;) {
        size_t j = rng_below(r, (uint32_t)i + 1);
        for (size_t k = 0; k < 2; k++) {
            uint64_t t = cut[2 * i + k];
            cut[2 * i + k] = cut[2 * j + k];
            cut[2 * j + k] = t;
        }
    }
    return n;
}

/* ---- messages ----------------------------------------------------------------------------- */

static char context[512];

void kt_case(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
}

const char *kt_context(void) {
    return context;
}

void kt_same(const char *what, const void *want, const void *got, size_t bytes) {
    const unsigned char *a = want, *b = got;
    size_t i = 0;
    if (memcmp(want, got, bytes) == 0) return;
    while (a[i] == b[i]) i++;
    uint32_t word_a = 0, word_b = 0;
    size_t at = i & ~(size_t)3, n = bytes - at < 4 ? bytes - at : 4;
    memcpy(&word_a, a + at, n);
    memcpy(&word_b, b + at, n);
    ck_abort_msg(
        "%s: %s differs at byte %zu of %zu: want %08x (%.9g), got %08x (%.9g); repeat with "
        "BITNET_SEED=%llu",
        context, what, i, bytes, word_a, (double)bnt_f32_from_bits(word_a), word_b,
        (double)bnt_f32_from_bits(word_b), (unsigned long long)kt_seed());
}

uint64_t kt_seed(void) {
    const char *text = getenv("BITNET_SEED");
    return text && *text ? strtoull(text, NULL, 10) : 20261122;
}
