/*
 * pieces.h - the tokens of a vocabulary, sorted by the bytes they stand for, so that an automaton
 * walks over all of them at once.
 *
 * Knows tokenizers; knows nothing of tensors. Tokens that show no text (control tokens, unknown
 * ones) have the one byte BNT_NO_TEXT (trigger.h), which no JSON and no grammar asks for; those
 * that end a text have none. Immutable.
 */
#ifndef BNT_GRAMMARS_PIECES_H
#define BNT_GRAMMARS_PIECES_H

#include "tokenizer.h"

struct bnt_piece_at {
    uint32_t offset, len; /* in `bytes` */
    uint32_t common;      /* bytes at its beginning that are those of the piece before it */
    int32_t id;
};

struct bnt_pieces {
    const struct bnt_tokenizer *tokenizer;
    uint8_t *bytes;
    struct bnt_piece_at *sorted; /* by their bytes */
    uint32_t count;
    uint32_t first[257]; /* where those that begin with a byte begin */
    uint32_t *place;     /* [n_ids]: in `sorted`; UINT32_MAX: not there */
    uint32_t n_ids;      /* of the vocabulary */
    uint32_t longest;    /* bytes */
    int32_t *ends;       /* tokens that end a text */
    uint32_t n_ends;
};

/* The tokenizer must outlive them. */
int bnt_pieces_open(struct bnt_pieces **out, const struct bnt_tokenizer *t, struct bnt_err *err);
void bnt_pieces_close(struct bnt_pieces *p);
/* The bytes of a token; false: it ends a text. */
bool bnt_pieces_of(const struct bnt_pieces *p, int32_t id, const uint8_t **bytes, uint32_t *len);

#endif
