/*
 * blake3.c - see blake3.h.
 *
 * Chunks of 1024 bytes are the leaves of a binary tree whose left subtrees are whole. The one idea:
 * after n whole chunks, the subtrees that wait for their right sibling are as many as n has one
 * bits, so a stack of 64 - 10 chaining values serves any size without recursion.
 */
#include "base/blake3.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 64, CHUNK = 1024, MAX_DEPTH = 54, ROUNDS = 7 };
enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };

static const uint32_t iv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Everything a compression depends on: a chunk's last block or a parent, before it is known whether
 * it is the root. */
struct node {
    uint32_t cv[8], block[16];
    uint64_t counter;
    uint32_t len, flags;
};

static uint32_t rotr(uint32_t x, unsigned n) {
    return x >> n | x << (32 - n);
}

static void mix(uint32_t v[16], unsigned a, unsigned b, unsigned c, unsigned d, uint32_t x,
                uint32_t y) {
    v[a] += v[b] + x;
    v[d] = rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotr(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 7);
}

static void compress(const struct node *n, uint32_t flags, uint32_t out[8]) {
    static const uint8_t order[16] = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    uint32_t v[16], m[16], next[16];
    memcpy(v, n->cv, 32);
    memcpy(v + 8, iv, 16);
    v[12] = (uint32_t)n->counter;
    v[13] = (uint32_t)(n->counter >> 32);
    v[14] = n->len;
    v[15] = n->flags | flags;
    memcpy(m, n->block, sizeof m);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 4; i++) /* columns */
            mix(v, i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1]);
        for (unsigned i = 0; i < 4; i++) /* diagonals */
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i],
                m[9 + 2 * i]);
        for (unsigned i = 0; i < 16; i++) next[i] = m[order[i]];
        memcpy(m, next, sizeof m);
    }
    for (unsigned i = 0; i < 8; i++) out[i] = v[i] ^ v[i + 8];
}

static void load_block(struct node *n, const uint8_t *p, size_t len) {
    uint8_t padded[BLOCK] = {0};
    if (len) memcpy(padded, p, len);
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *w = padded + 4 * i;
        n->block[i] = w[0] | (uint32_t)w[1] << 8 | (uint32_t)w[2] << 16 | (uint32_t)w[3] << 24;
    }
    n->len = (uint32_t)len;
}

/* A chunk of at most 1024 bytes, all blocks but the last compressed. */
static void chunk(struct node *n, const uint8_t *p, size_t len, uint64_t counter) {
    memcpy(n->cv, iv, sizeof iv);
    n->counter = counter;
    n->flags = CHUNK_START;
    for (; len > BLOCK; p += BLOCK, len -= BLOCK) {
        load_block(n, p, BLOCK);
        compress(n, 0, n->cv);
        n->flags = 0;
    }
    load_block(n, p, len);
    n->flags |= CHUNK_END;
}

static void parent(struct node *n, const uint32_t left[8], const uint32_t right[8]) {
    memcpy(n->cv, iv, sizeof iv);
    memcpy(n->block, left, 32);
    memcpy(n->block + 8, right, 32);
    n->counter = 0;
    n->len = BLOCK;
    n->flags = PARENT;
}

void bnt_blake3(const void *data, size_t size, char hex[65]) {
    static const char digit[] = "0123456789abcdef";
    const uint8_t *p = data;
    uint32_t stack[MAX_DEPTH][8], cv[8];
    unsigned depth = 0;
    uint64_t done = 0;
    struct node n;

    for (; size > CHUNK; p += CHUNK, size -= CHUNK) {
        chunk(&n, p, CHUNK, done++);
        compress(&n, 0, cv);
        for (uint64_t whole = done; whole % 2 == 0; whole /= 2) {
            parent(&n, stack[--depth], cv);
            compress(&n, 0, cv);
        }
        memcpy(stack[depth++], cv, sizeof cv);
    }
    chunk(&n, p, size, done);
    while (depth) {
        compress(&n, 0, cv);
        parent(&n, stack[--depth], cv);
    }
    compress(&n, ROOT, cv);
    for (unsigned i = 0; i < 64; i++) /* words little-endian, digits of a byte high first */
        hex[i] = digit[cv[i / 8] >> (8 * (i % 8 / 2) + (i % 2 ? 0 : 4)) & 15];
    hex[64] = '\0';
}
