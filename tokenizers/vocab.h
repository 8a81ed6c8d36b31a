/*
 * vocab.h - the pieces of a vocabulary: their text in the file, the bytes they stand for, scores,
 * types, and the way back from bytes to ids.
 *
 * Knows the two spellings of bytes (GPT-2's byte alphabet; SentencePiece's U+2581 and <0xXX>), and
 * nothing of merging. The idea: spelling is undone once, here, at open. Everything else works on
 * plain bytes, so that encoding needs no escaping and decoding is concatenation.
 */
#ifndef BNT_TOKENIZERS_VOCAB_H
#define BNT_TOKENIZERS_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"
#include "hash.h"

enum { BNT_PIECE_MAX = 65535 }; /* bytes; the longest known vocabularies stay below 300 */

struct bnt_piece {
    const uint8_t *text;  /* as in the file */
    const uint8_t *bytes; /* decoded */
    uint32_t text_len, bytes_len;
    float score;
    uint8_t type;   /* enum bnt_token_type */
    bool eog;       /* ends generation */
    bool mergeable; /* merges may make it: never CONTROL, UNKNOWN, BYTE, nor a USER_DEFINED mark */
};

struct bnt_index { /* open addressing, a power of two of slots */
    struct bnt_slot {
        uint32_t tag; /* the other half of the hash: who differs in it need not be looked at */
        int32_t id;   /* or -1 */
    } * slots;
    uint32_t mask;
};

struct bnt_vocab {
    struct bnt_hash_key key; /* of both indexes */
    bool byte_level;         /* GPT-2's alphabet, else SentencePiece */
    uint32_t count;
    struct bnt_piece *pieces;
    uint8_t *arena;             /* owns text and bytes */
    struct bnt_index by_text;   /* every piece that is not empty */
    struct bnt_index by_bytes;  /* the mergeable ones */
    int32_t byte_id[256];       /* the token of a single byte, or -1 */
    uint32_t longest;           /* bytes of the longest piece, either spelling */
    uint32_t longest_mergeable; /* bytes */
    bool spaces_lead;           /* no mergeable piece has a space behind another character */
};

/* Reads tokens, token_type and scores, which must be there if pieces merge by them (`scored`). On
 * failure *v is empty. */
int bnt_vocab_load(struct bnt_vocab *v, const struct bnt_gguf *g, bool byte_level, bool scored,
                   struct bnt_err *err);
void bnt_vocab_free(struct bnt_vocab *v);

/* A USER_DEFINED piece with U+2581 for a space, which a text has as a space: it merges, and is not
 * looked for before that. (Bytes are shorter than text in pieces of this type for no other cause.)
 */
bool bnt_piece_is_spaced(const struct bnt_piece *p);

/* Its text may mark something: more than a byte, and not white space only. */
bool bnt_piece_is_mark(const struct bnt_piece *p);

int32_t bnt_vocab_find(const struct bnt_vocab *v, const uint8_t *bytes, size_t len); /* or -1 */
int32_t bnt_vocab_find_text(const struct bnt_vocab *v, const void *text, size_t len);
/* The same in steps, so that memory can come while others are looked for. */
uint64_t bnt_vocab_hash_text(const struct bnt_vocab *v, const void *text, size_t len);
void bnt_vocab_prefetch(const struct bnt_vocab *v, uint64_t hash);       /* the slot */
void bnt_vocab_prefetch_piece(const struct bnt_vocab *v, uint64_t hash); /* what it leads to */
int32_t bnt_vocab_find_hashed(const struct bnt_vocab *v, uint64_t hash, const void *text,
                              size_t len);
int32_t bnt_vocab_named(const struct bnt_vocab *v, const char *text); /* find_text of a string */

#endif
