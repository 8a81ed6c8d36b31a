/*
 * plugin.c - ref-scalar, the judge: what every other plugin must agree with, byte for byte.
 *
 * Plain loops in the order of docs/NUMERICS.md, without intrinsics, for any CPU. The program links
 * these files in as well as loading them as a plugin; they know nothing of either. The one choice
 * made here is whether the compiler's own use of the FMA instruction is allowed.
 */
#include "kernels.h"

#if defined(__x86_64__)
/* Whether `name` is one of the comma-separated words of `list`. */
static int has_word(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return 1;
    return 0;
}
#endif

static const bnt_kernels *choose(const bnt_host *host) {
#if defined(__x86_64__)
    if (BNT_HAS(host, cpu) && BNT_HAS(host->cpu, features) &&
        has_word(host->cpu->features, "avx2") && has_word(host->cpu->features, "fma"))
        return &ref_fma_table;
#else
    (void)host;
#endif
    return &ref_table;
}

BNT_PLUGIN("ref-scalar", "1.0.0", "", 0, choose);
