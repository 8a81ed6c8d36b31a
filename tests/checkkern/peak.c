/*
 * peak.c - what the arithmetic units give when nothing has to be loaded.
 *
 * Loops over registers alone, with enough independent sums to hide the latency, called only where
 * the CPU has what they need.
 */
#include <time.h>

#include "bench.h"
#include "machine/cpu.h"

enum { SUMS = 12, STEPS = 20000, TRIES = 100 };

/* A loop of twelve instructions, each with a register of its own to add to. Registers are written
 * out, so that the compiler neither spills one nor has to be told about features. */
#define LOOP(name_, start_, code_, ...)                                                            \
    static void name_(void) {                                                                      \
        __asm__ volatile(start_ ::: __VA_ARGS__);                                                  \
        for (int i = 0; i < STEPS; i++) __asm__ volatile(code_ ::: __VA_ARGS__);                   \
    }
struct loop {
    const char *name, *needs;
    void (*run)(void);
    double per_step; /* multiply-adds of an instruction */
};

#if defined(__x86_64__)

#define ONE(op_, r_, n_) op_ " %%" r_ "14, %%" r_ "15, %%" r_ n_ "\n"
/* clang-format off */
#define TWELVE(op_, r_)                                                                            \
    ONE(op_, r_, "0") ONE(op_, r_, "1") ONE(op_, r_, "2") ONE(op_, r_, "3") ONE(op_, r_, "4")      \
    ONE(op_, r_, "5") ONE(op_, r_, "6") ONE(op_, r_, "7") ONE(op_, r_, "8") ONE(op_, r_, "9")      \
    ONE(op_, r_, "10") ONE(op_, r_, "11")
/* clang-format on */
/* A product of bytes and an addition of words, as the sums of a kernel without VNNI are made. */
#define PAIR(r_, n_)                                                                               \
    "vpmaddubsw %%" r_ "14, %%" r_ "15, %%" r_ "13\n"                                              \
    "vpaddw %%" r_ "13, %%" r_ n_ ", %%" r_ n_ "\n"
/* clang-format off */
#define TWELVE_PAIRS(r_)                                                                           \
    PAIR(r_, "0") PAIR(r_, "1") PAIR(r_, "2") PAIR(r_, "3") PAIR(r_, "4") PAIR(r_, "5")            \
    PAIR(r_, "6") PAIR(r_, "7") PAIR(r_, "8") PAIR(r_, "9") PAIR(r_, "10") PAIR(r_, "11")
/* clang-format on */
#define USED                                                                                       \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

LOOP(vpdpbusd_zmm, "vzeroall", TWELVE("vpdpbusd", "zmm"), USED)
LOOP(maddubs_zmm, "vzeroall", TWELVE_PAIRS("zmm"), USED)
LOOP(fma_zmm, "vzeroall", TWELVE("vfmadd231ps", "zmm"), USED)
LOOP(vpdpbusd_ymm, "vzeroall", TWELVE("%{vex%} vpdpbusd", "ymm"), USED)
LOOP(maddubs_ymm, "vzeroall", TWELVE_PAIRS("ymm"), USED)
LOOP(fma_ymm, "vzeroall", TWELVE("vfmadd231ps", "ymm"), USED)

static const struct loop loops[] = {{"int8 vpdpbusd zmm", "avx512f,avx512vnni", vpdpbusd_zmm, 64},
                                    {"int8 vpmaddubsw zmm", "avx512f,avx512bw", maddubs_zmm, 64},
                                    {"int8 vpdpbusd ymm", "avx2,avxvnni", vpdpbusd_ymm, 32},
                                    {"int8 vpmaddubsw ymm", "avx2", maddubs_ymm, 32},
                                    {"f32 fma zmm", "avx512f", fma_zmm, 16},
                                    {"f32 fma ymm", "avx2,fma", fma_ymm, 8}};
#elif defined(__aarch64__)

#define ONE(op_, n_, to_, from_) op_ " v" n_ to_ ", v0" from_ ", v1" from_ "\n"
/* clang-format off */
#define TWELVE(op_, to_, from_)                                                                    \
    ONE(op_, "16", to_, from_) ONE(op_, "17", to_, from_) ONE(op_, "18", to_, from_)               \
    ONE(op_, "19", to_, from_) ONE(op_, "20", to_, from_) ONE(op_, "21", to_, from_)               \
    ONE(op_, "22", to_, from_) ONE(op_, "23", to_, from_) ONE(op_, "24", to_, from_)               \
    ONE(op_, "25", to_, from_) ONE(op_, "26", to_, from_) ONE(op_, "27", to_, from_)
/* clang-format on */
#define USED "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27"

LOOP(smmla, "", ".arch armv8.6-a\n" TWELVE("smmla", ".4s", ".16b"), USED)
LOOP(sdot, "", ".arch armv8.6-a\n" TWELVE("sdot", ".4s", ".16b"), USED)
LOOP(smlal, "", TWELVE("smlal", ".8h", ".8b"), USED)
LOOP(fmla, "", TWELVE("fmla", ".4s", ".4s"), USED)

static const struct loop loops[] = {{"int8 smmla", "i8mm", smmla, 32},
                                    {"int8 sdot", "dotprod", sdot, 16},
                                    {"int8 smlal", "neon", smlal, 8},
                                    {"f32 fmla", "neon", fmla, 4}};
#else
static const struct loop loops[1];
#endif

size_t ck_measure_peaks(struct ck_peak *peaks, size_t max) {
    size_t n = 0;
    for (size_t i = 0; i < CK_COUNT(loops) && n < max; i++) {
        double best = 0.0;
        if (!loops[i].run || !bnt_cpu_has(bnt_cpu_get()->features, loops[i].needs, NULL, 0))
            continue;
        for (int t = 0; t < TRIES; t++) {
            struct timespec a, b;
            clock_gettime(CLOCK_MONOTONIC, &a);
            loops[i].run();
            clock_gettime(CLOCK_MONOTONIC, &b);
            double s = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
            double rate = (double)STEPS * (double)SUMS * loops[i].per_step / s;
            if (rate > best) best = rate;
        }
        peaks[n++] = (struct ck_peak){loops[i].name, best};
    }
    return n;
}
