/*
 * hash.h - a keyed hash for tables whose keys come from files.
 *
 * SipHash-1-3 (Aumasson and Bernstein; one round a word, three at the end). Who writes the file
 * does not know the key, which is drawn at random for every table, so that no file can put its
 * pieces or merges into one place of it. What a table answers does not depend on the key.
 */
#ifndef BNT_TOKENIZERS_HASH_H
#define BNT_TOKENIZERS_HASH_H

#include <stddef.h>
#include <stdint.h>

struct bnt_hash_key {
    uint64_t k0, k1;
};

/* From the system's random numbers; where it gives none, from the clock and addresses. */
struct bnt_hash_key bnt_hash_key_draw(void);

uint64_t bnt_hash(const struct bnt_hash_key *key, const void *bytes, size_t len);
uint64_t bnt_hash_u64(const struct bnt_hash_key *key, uint64_t word); /* of its 8 bytes */

#endif
