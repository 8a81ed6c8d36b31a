/*
 * vocab_in.h - a checkpoint's tokenizer as keys of a GGUF file.
 *
 * Three kinds: tokenizer.json with byte-level BPE (vocab_bpe.c), whose pre-tokenizer is recognised
 * by its expressions; tokenizer.model of SentencePiece (vocab_spm.c); and where that is missing,
 * tokenizer.json with the same in Hugging Face's words (vocab_rank.c). Whatever a file asks for
 * that GGUF has no word for (a normalizer, a dropout, Unigram) is refused. Must not know weights.
 */
#ifndef BNT_CONVERT_VOCAB_IN_H
#define BNT_CONVERT_VOCAB_IN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "convert/gguf_out.h"

/* As tokenizer.ggml.token_type has them. */
enum bnt_piece_type {
    BNT_PIECE_NORMAL = 1,
    BNT_PIECE_UNKNOWN,
    BNT_PIECE_CONTROL,
    BNT_PIECE_USER,
    BNT_PIECE_UNUSED,
    BNT_PIECE_BYTE,
};

struct bnt_piece_in {
    const char *text; /* owned by what it was read from; NULL: a gap in the vocabulary */
    size_t len;
    enum bnt_piece_type type;
    float score; /* SentencePiece only */
};

struct bnt_vocab_in {
    json_t *tokenizer, *config,
        *added;  /* tokenizer.json, tokenizer_config.json, added_tokens.json */
    char *model; /* tokenizer.model */
    size_t model_size;
    struct bnt_piece_in *pieces;
    uint32_t count, capacity;
    const char *pre;      /* BPE; NULL: SentencePiece */
    const json_t *merges; /* BPE */
    bool add_bos, add_eos, add_space;
    int64_t bos, eos, unk, pad; /* -1: none */
    int64_t eot;                /* what ends an answer, where `eos` is what ends a text; or -1 */
    const char *first, *last;   /* the tokens that are put around a text, where they are named */
    char *template;             /* chat_template.jinja */
    size_t template_size;
    json_t *templates; /* {name: text}; "default" is that of plain conversations */
    const char *note;  /* what the engine does otherwise than the checkpoint says; NULL: nothing */
    const char *template_note; /* the same of chat templates */
};

/* Reads the folder's tokenizer. rows: of the embedding, which the vocabulary is filled up to.
 * model_config: config.json, for ids that the tokenizer does not name. */
int bnt_vocab_in_read(struct bnt_vocab_in *v, const char *folder, uint32_t rows,
                      const json_t *model_config, struct bnt_err *err);
void bnt_vocab_in_keys(const struct bnt_vocab_in *v, struct bnt_gguf_out *out);
void bnt_vocab_in_free(struct bnt_vocab_in *v);

/* ---- between the files ----------------------------------------------------------------------- */

/* *out: piece `id`; the vocabulary grows to have it. NULL for an id that none has. BNT_E_NOMEM. */
int bnt_vocab_in_piece(struct bnt_piece_in **out, struct bnt_vocab_in *v, int64_t id,
                       struct bnt_err *err);
/* The same for the id that a JSON value is, if it is one. */
int bnt_vocab_in_piece_of(struct bnt_piece_in **out, struct bnt_vocab_in *v, const json_t *id,
                          struct bnt_err *err);
/* An added token that takes the spaces beside it, or stands between words alone: noted. */
void bnt_vocab_in_note_added(struct bnt_vocab_in *v, const json_t *added);
/* A text has a space in front, and what follows a special token has none. */
void bnt_vocab_in_note_first(struct bnt_vocab_in *v);
/* Chat templates (templates_in.c). */
int bnt_vocab_in_read_templates(struct bnt_vocab_in *v, struct bnt_err *err);
void bnt_vocab_in_put_templates(const struct bnt_vocab_in *v, struct bnt_gguf_out *out);
/* What both kinds of tokenizer.json have: pieces, merges, added tokens, BOS and EOS. */
int bnt_vocab_in_read_json(struct bnt_vocab_in *v, struct bnt_err *err);
int bnt_vocab_in_read_bpe(struct bnt_vocab_in *v, struct bnt_err *err);
bool bnt_vocab_in_is_byte_level(const json_t *tokenizer);
/* Its scores are the ranks of the merges. */
int bnt_vocab_in_read_rank(struct bnt_vocab_in *v, struct bnt_err *err);
int bnt_vocab_in_read_spm(struct bnt_vocab_in *v, const void *model, size_t size,
                          struct bnt_err *err);

#endif
