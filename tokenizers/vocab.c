/* vocab.c - see vocab.h. */
#include "vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "tokenizer.h"
#include "unicode.h"

static const char KEY_TOKENS[] = "tokenizer.ggml.tokens";
static const char KEY_TYPES[] = "tokenizer.ggml.token_type";
static const char KEY_SCORES[] = "tokenizer.ggml.scores";

/* ---- index ------------------------------------------------------------------------------------
 */

static int index_init(struct bnt_index *x, uint32_t count, struct bnt_err *err) {
    size_t n = 16;
    while (n < (size_t)count * 2) n *= 2;
    x->slots = malloc(n * sizeof *x->slots);
    if (!x->slots) return bnt_fail_nomem(err, "a vocabulary's index", n * sizeof *x->slots);
    memset(x->slots, 0xFF, n * sizeof *x->slots);
    x->mask = (uint32_t)(n - 1);
    return BNT_OK;
}

static void spelling(const struct bnt_vocab *v, const struct bnt_index *x, int32_t id,
                     const uint8_t **s, size_t *len) {
    const struct bnt_piece *p = &v->pieces[id];
    bool text = x == &v->by_text;
    *s = text ? p->text : p->bytes;
    *len = text ? p->text_len : p->bytes_len;
}

/* The slot that holds these bytes, or the empty one where they belong. */
static struct bnt_slot *slot_of(const struct bnt_vocab *v, const struct bnt_index *x, uint64_t hash,
                                const uint8_t *s, size_t len) {
    const uint32_t tag = (uint32_t)(hash >> 32);
    for (uint32_t i = (uint32_t)hash & x->mask;; i = (i + 1) & x->mask) {
        const uint8_t *have;
        size_t have_len;
        if (x->slots[i].id < 0) return &x->slots[i];
        if (x->slots[i].tag != tag) continue;
        spelling(v, x, x->slots[i].id, &have, &have_len);
        if (have_len == len && memcmp(have, s, len) == 0) return &x->slots[i];
    }
}

int32_t bnt_vocab_find(const struct bnt_vocab *v, const uint8_t *bytes, size_t len) {
    int32_t id;
    if (len == 0 || len > v->longest_mergeable) return -1;
    id = slot_of(v, &v->by_bytes, bnt_hash(&v->key, bytes, len), bytes, len)->id;
    return id < 0 || !v->pieces[id].mergeable ? -1 : id;
}

uint64_t bnt_vocab_hash_text(const struct bnt_vocab *v, const void *text, size_t len) {
    return bnt_hash(&v->key, text, len);
}

void bnt_vocab_prefetch(const struct bnt_vocab *v, uint64_t hash) {
    __builtin_prefetch(&v->by_text.slots[(uint32_t)hash & v->by_text.mask]);
}

void bnt_vocab_prefetch_piece(const struct bnt_vocab *v, uint64_t hash) {
    int32_t id = v->by_text.slots[(uint32_t)hash & v->by_text.mask].id;
    if (id >= 0) __builtin_prefetch(&v->pieces[id]);
}

int32_t bnt_vocab_find_hashed(const struct bnt_vocab *v, uint64_t hash, const void *text,
                              size_t len) {
    if (len == 0 || len > v->longest) return -1;
    return slot_of(v, &v->by_text, hash, text, len)->id;
}

int32_t bnt_vocab_find_text(const struct bnt_vocab *v, const void *text, size_t len) {
    if (len == 0 || len > v->longest) return -1;
    return bnt_vocab_find_hashed(v, bnt_vocab_hash_text(v, text, len), text, len);
}

int32_t bnt_vocab_named(const struct bnt_vocab *v, const char *text) {
    return bnt_vocab_find_text(v, text, strlen(text));
}

/* ---- spellings --------------------------------------------------------------------------------
 */

/* GPT-2 writes printable Latin-1 bytes as themselves and the other 68, in order, as U+0100.. */
static int byte_of(int32_t cp) {
    if ((cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 172) || (cp >= 174 && cp <= 255)) return cp;
    if (cp < 256 || cp >= 256 + 68) return -1;
    cp -= 256;
    return cp < 33 ? cp : cp < 67 ? cp - 33 + 127 : 173;
}

static int hex(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* The value of "<0xXX>", or -1. */
static int byte_token(const uint8_t *s, size_t len) {
    if (len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>') return -1;
    return hex(s[3]) < 0 || hex(s[4]) < 0 ? -1 : hex(s[3]) * 16 + hex(s[4]);
}

/* Byte-level text to bytes; *exact is false if a character lies outside the alphabet (it is kept
 * as it is). dst has room for len bytes. */
static size_t undo_byte_level(uint8_t *dst, const uint8_t *s, size_t len, bool *exact) {
    size_t n = 0;
    *exact = true;
    for (size_t i = 0; i < len;) {
        int32_t cp;
        size_t step = bnt_utf8_next(s + i, len - i, &cp);
        int byte = byte_of(cp);
        if (byte < 0) {
            *exact = false;
            memcpy(dst + n, s + i, step);
            n += step;
        } else {
            dst[n++] = (uint8_t)byte;
        }
        i += step;
    }
    return n;
}

/* SentencePiece text to bytes: U+2581 is a space. A space of the file's own is never met in escaped
 * text: such a piece decodes, but nothing becomes it. */
static size_t undo_escapes(uint8_t *dst, const uint8_t *s, size_t len, bool *exact) {
    size_t n = 0;
    *exact = true;
    for (size_t i = 0; i < len;) {
        if (len - i >= 3 && memcmp(s + i, "\xE2\x96\x81", 3) == 0) {
            dst[n++] = ' ';
            i += 3;
        } else {
            if (s[i] == ' ') *exact = false;
            dst[n++] = s[i++];
        }
    }
    return n;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static bool integer(enum bnt_gguf_type t) {
    return t != BNT_GGUF_F32 && t != BNT_GGUF_F64 && t != BNT_GGUF_STRING && t != BNT_GGUF_ARRAY &&
           t != BNT_GGUF_BOOL;
}

/* An array of `count` numbers under `key`, or NULL in *out where the key is absent. */
static int number_array(const struct bnt_gguf *g, const char *key, bool integers, uint64_t count,
                        const struct bnt_gguf_kv **out, struct bnt_err *err) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, key);
    *out = NULL;
    if (!kv) return BNT_OK;
    if (kv->type != BNT_GGUF_ARRAY || integer(kv->elem_type) != integers ||
        (!integers && kv->elem_type != BNT_GGUF_F32 && kv->elem_type != BNT_GGUF_F64))
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is not an array of %s", key,
                        integers ? "integers" : "floats");
    if (kv->count != count)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' has %llu elements for %llu tokens", key,
                        (unsigned long long)kv->count, (unsigned long long)count);
    *out = kv;
    return BNT_OK;
}

/* Files without token_type: what SentencePiece would have said. */
static uint8_t guess_type(const struct bnt_vocab *v, const struct bnt_piece *p) {
    if (v->byte_level) return BNT_TOKEN_NORMAL;
    if (byte_token(p->text, p->text_len) >= 0) return BNT_TOKEN_BYTE;
    if (p->text_len == 5 && memcmp(p->text, "<unk>", 5) == 0) return BNT_TOKEN_UNKNOWN;
    if (p->text_len == 3 && memcmp(p->text, "<s>", 3) == 0) return BNT_TOKEN_CONTROL;
    if (p->text_len == 4 && memcmp(p->text, "</s>", 4) == 0) return BNT_TOKEN_CONTROL;
    return BNT_TOKEN_NORMAL;
}

static int copy_texts(struct bnt_vocab *v, const struct bnt_gguf_kv *tokens, struct bnt_err *err) {
    uint64_t total = 0, cursor = 0;
    uint8_t *at;
    for (uint32_t i = 0; i < v->count; i++) {
        struct bnt_str s = bnt_gguf_next_string(tokens, &cursor);
        if (s.len > BNT_PIECE_MAX)
            return bnt_fail(err, BNT_E_FORMAT, "'%s'[%u] has %zu bytes (limit %d)", KEY_TOKENS, i,
                            s.len, BNT_PIECE_MAX);
        total += 2 * s.len; /* text and bytes; cannot overflow: 2^31 times 2^17 */
    }
    if (total >= SIZE_MAX) return bnt_fail(err, BNT_E_LIMIT, "'%s' is too large", KEY_TOKENS);
    v->arena = at = malloc((size_t)total + 1);
    if (!at) return bnt_fail_nomem(err, KEY_TOKENS, (size_t)total + 1);
    cursor = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        struct bnt_str s = bnt_gguf_next_string(tokens, &cursor);
        if (s.len) memcpy(at, s.ptr, s.len);
        v->pieces[i].text = at;
        v->pieces[i].text_len = (uint32_t)s.len;
        at += s.len;
        v->pieces[i].bytes = at;
        at += s.len;
        if (s.len > v->longest) v->longest = (uint32_t)s.len;
    }
    return BNT_OK;
}

bool bnt_piece_is_mark(const struct bnt_piece *p) {
    if (p->text_len < 2) return false;
    for (size_t i = 0; i < p->text_len;) {
        const bool block = p->text_len - i >= 3 && memcmp(p->text + i, "\xE2\x96\x81", 3) == 0;
        if (!block && !strchr(" \t\r\n", p->text[i] ? p->text[i] : 'x')) return true;
        i += block ? 3 : 1;
    }
    return false;
}

bool bnt_piece_is_spaced(const struct bnt_piece *p) {
    return p->type == BNT_TOKEN_USER_DEFINED && p->bytes_len != p->text_len;
}

/* Fills bytes and mergeable. Which types plain text may become follows sentencepiece: NORMAL,
 * USER_DEFINED and UNUSED. A USER_DEFINED piece is found in a text before anything merges, so that
 * none that is a mark need be merged: who leaves its text out of that search has left it out. A
 * shorter one is spelled raw, so in byte-level vocabularies it merges only where both spellings
 * agree. Those that are spaced (vocab.h) merge as NORMAL ones do. */
static int decode_piece(struct bnt_vocab *v, uint32_t id, struct bnt_err *err) {
    struct bnt_piece *p = &v->pieces[id];
    uint8_t *dst = v->arena + (p->bytes - v->arena);
    bool exact = false;
    size_t n = p->text_len;
    int byte;
    switch (p->type) {
    case BNT_TOKEN_BYTE:
        byte = byte_token(p->text, p->text_len);
        if (byte < 0)
            return bnt_fail(err, BNT_E_FORMAT, "'%s'[%u] is of type BYTE but not <0x00>..<0xFF>",
                            KEY_TOKENS, id);
        dst[0] = (uint8_t)byte;
        n = 1;
        if (!v->byte_level) v->byte_id[byte] = (int32_t)id;
        break;
    case BNT_TOKEN_NORMAL:
    case BNT_TOKEN_UNUSED:
        n = v->byte_level ? undo_byte_level(dst, p->text, p->text_len, &exact)
                          : undo_escapes(dst, p->text, p->text_len, &exact);
        break;
    case BNT_TOKEN_USER_DEFINED:
        if (!v->byte_level) {
            n = undo_escapes(dst, p->text, p->text_len, &exact);
            exact = true;
            break;
        }
        n = undo_byte_level(dst, p->text, p->text_len, &exact);
        exact = exact && n == p->text_len && memcmp(dst, p->text, n) == 0;
        n = p->text_len;
        if (n) memcpy(dst, p->text, n);
        break;
    default:
        if (n) memcpy(dst, p->text, n);
    }
    p->bytes_len = (uint32_t)n;
    p->mergeable = exact && n > 0;
    if (p->type == BNT_TOKEN_USER_DEFINED && !bnt_piece_is_spaced(p) && bnt_piece_is_mark(p))
        p->mergeable = false;
    if (!p->mergeable) return BNT_OK;
    if (v->byte_level && n == 1) v->byte_id[dst[0]] = (int32_t)id;
    if (n > v->longest_mergeable) v->longest_mergeable = (uint32_t)n;
    for (size_t i = 1; i < n; i++)
        if (dst[i] == ' ' && dst[i - 1] != ' ') v->spaces_lead = false;
    return BNT_OK;
}

static int add_text(struct bnt_vocab *v, uint32_t id, uint64_t hash, struct bnt_err *err) {
    const struct bnt_piece *p = &v->pieces[id];
    struct bnt_slot *slot = slot_of(v, &v->by_text, hash, p->text, p->text_len);
    if (slot->id >= 0) {
        char name[64];
        return bnt_fail(err, BNT_E_FORMAT, "'%s'[%d] and [%u] are both '%s'", KEY_TOKENS, slot->id,
                        id, bnt_printable(name, sizeof name, p->text, p->text_len));
    }
    *slot = (struct bnt_slot){(uint32_t)(hash >> 32), (int32_t)id};
    return BNT_OK;
}

/* In blocks: the slots of a block are on their way from memory while it is hashed. */
static int fill_index(struct bnt_vocab *v, struct bnt_err *err) {
    enum { BLOCK = 32 };
    uint64_t text[BLOCK], bytes[BLOCK];
    for (uint32_t at = 0; at < v->count; at += BLOCK) {
        const uint32_t n = v->count - at < BLOCK ? v->count - at : BLOCK;
        for (uint32_t i = 0; i < n; i++) {
            const struct bnt_piece *p = &v->pieces[at + i];
            text[i] = bytes[i] = bnt_hash(&v->key, p->text, p->text_len);
            if (p->bytes_len != p->text_len || memcmp(p->bytes, p->text, p->text_len) != 0)
                bytes[i] = bnt_hash(&v->key, p->bytes, p->bytes_len);
            bnt_vocab_prefetch(v, text[i]);
            __builtin_prefetch(&v->by_bytes.slots[(uint32_t)bytes[i] & v->by_bytes.mask]);
        }
        for (uint32_t i = 0; i < n; i++) {
            const struct bnt_piece *p = &v->pieces[at + i];
            struct bnt_slot *slot;
            int rc = p->text_len ? add_text(v, at + i, text[i], err) : BNT_OK;
            if (rc) return rc;
            if (!p->mergeable) continue;
            slot = slot_of(v, &v->by_bytes, bytes[i], p->bytes, p->bytes_len);
            if (slot->id < 0) /* two spellings of one string: the first */
                *slot = (struct bnt_slot){(uint32_t)(bytes[i] >> 32), (int32_t)(at + i)};
        }
    }
    return BNT_OK;
}

static int load(struct bnt_vocab *v, const struct bnt_gguf *g, bool scored, struct bnt_err *err) {
    const struct bnt_gguf_kv *tokens = bnt_gguf_find(g, KEY_TOKENS), *types, *scores;
    int rc;
    if (!tokens) return bnt_fail(err, BNT_E_FORMAT, "'%s' is missing", KEY_TOKENS);
    if (tokens->type != BNT_GGUF_ARRAY || tokens->elem_type != BNT_GGUF_STRING)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is not an array of strings", KEY_TOKENS);
    if (tokens->count == 0 || tokens->count > INT32_MAX / 4)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' has %llu elements", KEY_TOKENS,
                        (unsigned long long)tokens->count);
    v->count = (uint32_t)tokens->count;

    if ((rc = number_array(g, KEY_TYPES, true, v->count, &types, err))) return rc;
    if ((rc = number_array(g, KEY_SCORES, false, v->count, &scores, err))) return rc;
    if (!scores && scored)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is missing: it decides what merges", KEY_SCORES);

    v->pieces = calloc(v->count, sizeof *v->pieces);
    if (!v->pieces) return bnt_fail_nomem(err, KEY_TOKENS, v->count * sizeof *v->pieces);
    if ((rc = copy_texts(v, tokens, err))) return rc;
    if ((rc = index_init(&v->by_text, v->count, err))) return rc;
    if ((rc = index_init(&v->by_bytes, v->count, err))) return rc;

    for (uint32_t i = 0; i < v->count; i++) {
        struct bnt_piece *p = &v->pieces[i];
        int64_t type = types ? bnt_gguf_int_at(types, i) : guess_type(v, p);
        double score = scores ? bnt_gguf_float_at(scores, i) : 0;
        if (type < 0 || type > BNT_TOKEN_BYTE)
            return bnt_fail(err, BNT_E_FORMAT, "'%s'[%u] is %lld, not a token type", KEY_TYPES, i,
                            (long long)type);
        if (isnan(score))
            return bnt_fail(err, BNT_E_FORMAT, "'%s'[%u] is not a number", KEY_SCORES, i);
        p->type = (uint8_t)(type ? type : BNT_TOKEN_NORMAL); /* 0: undefined */
        p->score = (float)score;
        if ((rc = decode_piece(v, i, err))) return rc;
    }
    return fill_index(v, err);
}

int bnt_vocab_load(struct bnt_vocab *v, const struct bnt_gguf *g, bool byte_level, bool scored,
                   struct bnt_err *err) {
    int rc;
    memset(v, 0, sizeof *v);
    v->byte_level = byte_level;
    v->key = bnt_hash_key_draw();
    v->spaces_lead = true;
    for (int i = 0; i < 256; i++) v->byte_id[i] = -1;
    rc = load(v, g, scored, err);
    if (rc) bnt_vocab_free(v);
    return rc;
}

void bnt_vocab_free(struct bnt_vocab *v) {
    free(v->pieces);
    free(v->arena);
    free(v->by_text.slots);
    free(v->by_bytes.slots);
    memset(v, 0, sizeof *v);
}
