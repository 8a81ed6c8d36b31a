/*
 * rng.h - the tests' random numbers: counter-based, so that any stream can start anywhere.
 *
 * Value i of stream k is a mix of (seed, k, i); nothing else, so the same seed gives the same
 * files on every machine and in any order of generation. The mix is the finalizer of SplitMix64
 * (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014).
 * Only integer operations and exact float operations: no libm.
 */
#ifndef TEST_RNG_H
#define TEST_RNG_H

#include <stdint.h>

struct rng {
    uint64_t key, counter;
};

static inline uint64_t rng_mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline struct rng rng_stream(uint64_t seed, uint64_t stream) {
    struct rng r = {rng_mix(rng_mix(seed + 0x9e3779b97f4a7c15u) + stream), 0};
    return r;
}

/* A stream by name (FNV-1a). */
static inline struct rng rng_named(uint64_t seed, const char *name) {
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return rng_stream(seed, h);
}

static inline uint64_t rng_next(struct rng *r) {
    return rng_mix(r->key + ++r->counter * 0x9e3779b97f4a7c15u);
}

/* 0 .. n-1, n below 2^32; the bias is below n / 2^32. */
static inline uint32_t rng_below(struct rng *r, uint32_t n) {
    return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

/* [0, 1), 24 bits. */
static inline float rng_unit(struct rng *r) {
    return (float)(rng_next(r) >> 40) * 0x1p-24f;
}

/* Nearly normal, mean 0 and variance 1: the sum of four uniforms, within +-3.46. */
static inline float rng_normal(struct rng *r) {
    uint64_t u = rng_next(r);
    int32_t sum = (int32_t)((u & 0xffff) + (u >> 16 & 0xffff) + (u >> 32 & 0xffff) + (u >> 48));
    return (float)(sum - 131070) * (1.7320508f / 65536.0f);
}

#endif
