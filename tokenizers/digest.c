/*
 * digest.c - one number for everything that decides a tokenizer's ids, for receipts.
 *
 * The canonical form is independent of the file's layout, key order and spelling of defaults. It is
 * "bitnet-tokenizer-1\n", then, all integers little-endian and each string behind its u32 length:
 * kind, family of the pre-tokenizer ("" for llama); u8 add_bos, add_eos, add_space_prefix,
 * ignore_merges; i32 bos, eos, eot, unk; u32 count of pieces, and for each its text, u8 type, f32
 * score as bits; u32 count of merges, and for each i32 left, right, result by rank.
 */
#include <openssl/evp.h>
#include <string.h>

#include "internal.h"

struct sink { /* gathers small writes: EVP calls cost more than the hashing */
    EVP_MD_CTX *ctx;
    bool ok;
    size_t n;
    uint8_t buf[4096];
};

static void flush(struct sink *s) {
    if (s->ok && EVP_DigestUpdate(s->ctx, s->buf, s->n) != 1) s->ok = false;
    s->n = 0;
}

static void put(struct sink *s, const void *data, size_t len) {
    const uint8_t *p = data;
    while (len) {
        size_t k = sizeof s->buf - s->n;
        if (k > len) k = len;
        memcpy(s->buf + s->n, p, k);
        s->n += k;
        p += k;
        len -= k;
        if (s->n == sizeof s->buf) flush(s);
    }
}

static void put_u8(struct sink *s, unsigned v) {
    uint8_t b = (uint8_t)v;
    put(s, &b, 1);
}

static void put_u32(struct sink *s, uint32_t v) {
    uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    put(s, b, 4);
}

static void put_text(struct sink *s, const void *text, size_t len) {
    put_u32(s, (uint32_t)len);
    put(s, text, len);
}

static void put_all(struct sink *s, const struct bnt_tokenizer *t) {
    const struct bnt_tokenizer_info *info = &t->info;
    const char *family = t->bpe.pre ? t->bpe.pre->family : "";
    put(s, "bitnet-tokenizer-1\n", 19);
    put_text(s, info->kind, strlen(info->kind));
    put_text(s, family, strlen(family));
    put_u8(s, info->add_bos);
    put_u8(s, info->add_eos);
    put_u8(s, info->add_space_prefix);
    put_u8(s, info->ignore_merges);
    put_u32(s, (uint32_t)info->bos);
    put_u32(s, (uint32_t)info->eos);
    put_u32(s, (uint32_t)info->eot);
    put_u32(s, (uint32_t)info->unk);
    put_u32(s, t->vocab.count);
    for (uint32_t i = 0; i < t->vocab.count; i++) {
        const struct bnt_piece *p = &t->vocab.pieces[i];
        uint32_t score;
        memcpy(&score, &p->score, 4);
        put_text(s, p->text, p->text_len);
        put_u8(s, p->type);
        put_u32(s, score);
    }
    put_u32(s, t->bpe.count);
    for (uint32_t i = 0; i < t->bpe.count; i++) {
        put_u32(s, (uint32_t)t->bpe.pairs[i].left);
        put_u32(s, (uint32_t)t->bpe.pairs[i].right);
        put_u32(s, (uint32_t)t->bpe.pairs[i].result);
    }
}

int bnt_tokenizer_digest(const struct bnt_tokenizer *t, uint8_t out[32], struct bnt_err *err) {
    struct sink s = {.ctx = EVP_MD_CTX_new(), .ok = true};
    if (!s.ctx) return bnt_fail(err, BNT_E_NOMEM, "out of memory: SHA-256");
    if (EVP_DigestInit_ex(s.ctx, EVP_sha256(), NULL) != 1) s.ok = false;
    put_all(&s, t);
    flush(&s);
    if (EVP_DigestFinal_ex(s.ctx, out, NULL) != 1) s.ok = false;
    EVP_MD_CTX_free(s.ctx);
    return s.ok ? BNT_OK : bnt_fail(err, BNT_E_UNSUPPORTED, "libcrypto gives no SHA-256");
}
