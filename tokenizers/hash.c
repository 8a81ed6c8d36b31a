/* hash.c - see hash.h. */
#include "hash.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by) {
    return x << by | x >> (64 - by);
}

static inline void mix(struct state *s) {
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word) {
    s->v3 ^= word;
    mix(s);
    s->v0 ^= word;
}

static inline struct state begin(const struct bnt_hash_key *key) {
    return (struct state){key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du,
                          key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u};
}

static inline uint64_t finish(struct state *s, uint64_t last) {
    absorb(s, last);
    s->v2 ^= 0xff;
    for (int i = 0; i < 3; i++) mix(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t bnt_hash(const struct bnt_hash_key *key, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    struct state s = begin(key);
    uint64_t last = (uint64_t)len << 56, word;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        absorb(&s, word);
    }
    for (size_t i = 0; i < len; i++) last |= (uint64_t)p[i] << 8 * i;
    return finish(&s, last);
}

uint64_t bnt_hash_u64(const struct bnt_hash_key *key, uint64_t word) {
    struct state s = begin(key);
    absorb(&s, word);
    return finish(&s, UINT64_C(8) << 56);
}

struct bnt_hash_key bnt_hash_key_draw(void) {
    struct bnt_hash_key key;
    struct timespec now;
    if (getrandom(&key, sizeof key, 0) == (ssize_t)sizeof key) return key;
    clock_gettime(CLOCK_REALTIME, &now);
    key.k0 = (uint64_t)now.tv_nsec * 0x9E3779B97F4A7C15u ^ (uint64_t)now.tv_sec;
    key.k1 = (uint64_t)(uintptr_t)&key * 0xD6E8FEB86659FD93u;
    return key;
}
