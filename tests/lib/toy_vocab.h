/*
 * toy_vocab.h - small vocabularies for the tokenizer's tests and fuzzer, as GGUF bytes.
 *
 * Three are made: byte-level BPE (256 bytes, merges, special tokens), SentencePiece (byte tokens,
 * scored pieces, special tokens) and the same with merges (gemma4). Every part can be changed
 * before the file is built, so that wrong files are as easy to make as right ones.
 */
#ifndef TEST_TOY_VOCAB_H
#define TEST_TOY_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "gguf_write.h"

enum { TOY_MAX = 1024 };

struct toy {
    const char *model, *pre; /* pre NULL: no key */
    char *tokens[TOY_MAX];   /* malloc'd */
    int32_t types[TOY_MAX];
    float scores[TOY_MAX];
    char *merges[TOY_MAX];
    uint64_t n_tokens, n_types, n_scores, n_merges; /* 0 types, scores: no key */
    int no_merges;                                  /* leave out even an empty list */
};

enum { TOY_NORMAL = 1, TOY_UNKNOWN, TOY_CONTROL, TOY_USER_DEFINED, TOY_UNUSED, TOY_BYTE };

/* Ids: the byte b is b; the merges of "the", " the", "aaaa...", "    ...", 'é'; then specials. */
struct toy *toy_bpe(const char *pre);
/* Ids: 0 <unk>, 1 <s>, 2 </s>, 3 + b the byte b, then pieces, then <ud> (USER_DEFINED). */
struct toy *toy_spm(void);
/* Ids: 0 <pad>, 1 <eos>, 2 <bos>, 3 <unk>, 4 + b the byte b, then pieces, then <td> (USER_DEFINED).
 */
struct toy *toy_gemma(void);
void toy_free(struct toy *t);

uint32_t toy_token(struct toy *t, const char *text, int32_t type, float score); /* its id */
/* The merge of two strings of bytes, and its token. */
uint32_t toy_merge(struct toy *t, const char *left, const char *right);
int toy_find(const struct toy *t, const char *text); /* id or -1 */

struct gw *toy_gguf(const struct toy *t); /* for further keys; gw_free */
uint8_t *toy_bytes(const struct toy *t, size_t *size);

/* Writes bytes in GPT-2's alphabet; dst has room for 2 bytes each and the NUL. */
char *toy_spell(char *dst, const void *bytes, size_t len);

#endif
