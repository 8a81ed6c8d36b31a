/*
 * tokenizer.h - text to token ids and back, from GGUF metadata alone.
 *
 * Kinds: `gpt2` (byte-level BPE), `llama` (SentencePiece BPE with byte fallback) and `gemma4` (the
 * same with merges by rank), by tokenizer.ggml.model; the pre-tokenizer by tokenizer.ggml.pre,
 * inferred when absent. Knows nothing of tensors or kernels. Immutable after open, so safe to share
 * between threads.
 *
 * Promise: decode(encode(bytes)) == bytes for every byte string, valid UTF-8 or not; a text with a
 * byte that the vocabulary has no token for (in some, those that UTF-8 never has) is refused. The
 * one exception is the format's own: SentencePiece writes a space as U+2581, so that a literal
 * U+2581 becomes a space, as in every other engine; BNT_ENCODE_EXACT keeps it.
 *
 * Texts of USER_DEFINED tokens always become those tokens, as in sentencepiece, Hugging Face and
 * llama.cpp; those of CONTROL and UNKNOWN tokens only on request, and plain text can never become
 * such a token by merging. What a file states as a special token is CONTROL, whatever its type
 * says, unless it is plainly text (metadata.c). The leftmost match counts, the longest of those.
 */
#ifndef BNT_TOKENIZER_H
#define BNT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"

/* Tokenizer.ggml.token_type. */
enum bnt_token_type {
    BNT_TOKEN_NORMAL = 1,
    BNT_TOKEN_UNKNOWN = 2,
    BNT_TOKEN_CONTROL = 3,
    BNT_TOKEN_USER_DEFINED = 4,
    BNT_TOKEN_UNUSED = 5,
    BNT_TOKEN_BYTE = 6,
};

enum bnt_encode_flags {
    BNT_ENCODE_BOS = 1,           /* put BOS (and EOS) where the model's metadata asks for it */
    BNT_ENCODE_PARSE_SPECIAL = 2, /* texts of CONTROL and UNKNOWN tokens become those tokens */
    BNT_ENCODE_EXACT = 4,         /* SentencePiece: a literal U+2581 is spelled in byte tokens */
    BNT_ENCODE_CONTINUES = 8,     /* the text goes on from another: no space is put before it */
};

/* Token i came from bytes [begin[i], end[i]) of the text; added ones (BOS) have begin == end. */
struct bnt_token_list {
    int32_t *ids;
    size_t *begin, *end;
    size_t count, capacity;
};

struct bnt_tokenizer_info {
    const char *kind;       /* "gpt2", "llama" or "gemma4" */
    const char *pre;        /* "llama-bpe", ...; "" where kind is not gpt2 */
    const char *pre_source; /* "metadata", "inferred", "default" */
    const char *eot_source; /* "metadata", "inferred", "none" */
    uint32_t vocab_size;
    uint32_t merges;
    int32_t bos, eos, eot, unk;  /* ids or -1 */
    int32_t pad, sep, cls, mask; /* as the file states them */
    bool add_bos, add_eos, add_space_prefix, ignore_merges;
};

struct bnt_tokenizer; /* opaque */

int bnt_tokenizer_open(struct bnt_tokenizer **out, const struct bnt_gguf *g, struct bnt_err *err);
void bnt_tokenizer_close(struct bnt_tokenizer *t);
const struct bnt_tokenizer_info *bnt_tokenizer_info(const struct bnt_tokenizer *t);

/* What the file states and its vocabulary contradicts: line i, for whoever opened the file to show;
 * NULL behind the last. */
const char *bnt_tokenizer_note(const struct bnt_tokenizer *t, size_t i);

/* Replaces *list (zero-initialised by the caller, freed by bnt_token_list_free). */
int bnt_tokenizer_encode(const struct bnt_tokenizer *t, const char *text, size_t len,
                         unsigned flags, struct bnt_token_list *list, struct bnt_err *err);
void bnt_token_list_free(struct bnt_token_list *list);

/* USER_DEFINED tokens that somebody's own text (a chat template) is made of, so that nobody else's
 * may become them: marks like any control token, though the vocabulary calls them ordinary text.
 * White space and single bytes are no marks. Immutable once sealed. */
struct bnt_reserved; /* opaque; closed by bnt_reserved_close, which takes NULL */
int bnt_reserved_open(struct bnt_reserved **out, const struct bnt_tokenizer *t,
                      struct bnt_err *err);
/* Those of text[0, len) outside of the marks [len] (NULL: none). */
int bnt_reserved_add(struct bnt_reserved *r, const char *text, const uint8_t *marks, size_t len,
                     struct bnt_err *err);
int bnt_reserved_seal(struct bnt_reserved *r, struct bnt_err *err);
bool bnt_reserved_has(const struct bnt_reserved *r, int32_t id);
void bnt_reserved_close(struct bnt_reserved *r);

/* A text of which parts are somebody else's: marks [len], not 0 there; NULL: none. Texts of CONTROL
 * and reserved tokens become them in the other parts, and never in these; apart from that the
 * tokens are those of the whole text. `continues`: it goes on from another text. Appends to *list.
 * `reserved` may be NULL. */
int bnt_tokenizer_encode_marked(const struct bnt_tokenizer *t, const struct bnt_reserved *reserved,
                                const char *text, const uint8_t *marks, size_t len, bool continues,
                                struct bnt_token_list *list, struct bnt_err *err);
/* The list begins with two BOS: the text's own, and the one that was put before it. */
bool bnt_tokenizer_two_bos(const struct bnt_tokenizer *t, const struct bnt_token_list *list);

/* The vocabulary's text of a token, as in the file ("Ġworld", "<0x0A>"). */
struct bnt_str bnt_tokenizer_piece(const struct bnt_tokenizer *t, int32_t id);
enum bnt_token_type bnt_tokenizer_type(const struct bnt_tokenizer *t, int32_t id);
bool bnt_tokenizer_is_eog(const struct bnt_tokenizer *t, int32_t id); /* end of generation */
int32_t bnt_tokenizer_find(const struct bnt_tokenizer *t,
                           const char *piece); /* as in file; or -1 */

/* Decodes ids to bytes. *text is malloc'd and NUL-terminated (the NUL not counted); CONTROL
 * and UNKNOWN tokens are left out unless `special`. Undoes the space prefix, which encoding puts at
 * the start of the text and behind each special token. */
int bnt_tokenizer_decode(const struct bnt_tokenizer *t, const int32_t *ids, size_t count,
                         bool special, char **text, size_t *len, struct bnt_err *err);

/* Streaming decode: feed tokens, get bytes that never end inside a UTF-8 character. */
struct bnt_stream {
    const struct bnt_tokenizer *t;
    bool special; /* also show CONTROL tokens */
    bool strip;   /* the next piece loses the space prefix */
    uint8_t pending[8];
    size_t n_pending;
};
/* text_start: the first token fed begins the text (not the continuation of a prompt). */
void bnt_stream_init(struct bnt_stream *s, const struct bnt_tokenizer *t, bool text_start,
                     bool special);
/* Writes at most `size` bytes to out; returns the count. bnt_tokenizer_max_piece() is always
 * enough; where size is not, SIZE_MAX, and nothing is consumed. Ids outside the vocabulary show
 * nothing. */
size_t bnt_stream_push(struct bnt_stream *s, int32_t id, char *out, size_t size);
size_t bnt_stream_flush(struct bnt_stream *s, char *out, size_t size); /* what is left, as it is */
size_t bnt_tokenizer_max_piece(const struct bnt_tokenizer *t); /* bytes one push may write */

/* SHA-256 of the canonical form of everything that decides ids (digest.c, docs/RECEIPTS.md). */
int bnt_tokenizer_digest(const struct bnt_tokenizer *t, uint8_t out[32], struct bnt_err *err);

#endif
