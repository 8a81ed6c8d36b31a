/*
 * facts.c - see facts.h.
 *
 * The one idea: floats are written as the eight digits of their bits and 64-bit numbers as decimal
 * strings, so that neither a locale nor a reader's number type can change them.
 */
#include "facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/json_memory.h"
#include "base/sha256.h"

enum { HASHED_AT_ONCE = 1 << 15 }; /* bytes of the model's file */

json_t *bnt_receipt_bits(float f) {
    char hex[9];
    snprintf(hex, sizeof hex, "%08" PRIx32, bnt_f32_bits(f));
    return json_string(hex);
}

float bnt_receipt_float(const json_t *bits) {
    return bnt_f32_from_bits((uint32_t)strtoul(json_string_value(bits), NULL, 16));
}

static int tokenizer_digest(const struct bnt_tokenizer *t, char hex[65], struct bnt_err *err) {
    uint8_t digest[32];
    int status = bnt_tokenizer_digest(t, digest, err);
    for (unsigned i = 0; i < 32 && status == BNT_OK; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return status;
}

int bnt_receipt_prompt_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n,
                            unsigned flags, char **text, size_t *len, struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    bool marks = flags & BNT_ENCODE_BOS;
    if (marks && info->add_bos && n && ids[0] == info->bos) {
        ids++;
        n--;
    }
    if (marks && info->add_eos && n && ids[n - 1] == info->eos) n--;
    return bnt_tokenizer_decode(t, ids, n, flags & BNT_ENCODE_PARSE_SPECIAL, text, len, err);
}

/* The keys that the model was opened without; a file opened whole has no such member. */
static int add_ignored(json_t *model, const struct bnt_gguf *g) {
    json_t *keys = json_array();
    int bad = keys == NULL;
    for (size_t i = 0; i < bnt_gguf_kv_count(g) && !bad; i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (kv->ignored) bad = json_array_append_new(keys, json_stringn(kv->key.ptr, kv->key.len));
    }
    if (!bad && json_array_size(keys)) bad = json_object_set(model, "ignored_keys", keys);
    json_decref(keys);
    return bad;
}

int bnt_receipt_model_sha256(const struct bnt_gguf *g, char hex[65],
                             void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                             struct bnt_err *err) {
    const uint64_t step = 8 << 20;
    struct bnt_sha256 h;
    uint64_t done = 0;
    bnt_sha256_begin(&h);
    for (size_t i = 0; i < bnt_gguf_parts(g); i++) {
        size_t size;
        const uint8_t *bytes = bnt_gguf_part(g, i, &size);
        for (size_t at = 0, n; at < size; at += n) { /* it need not become resident for this */
            uint8_t piece[HASHED_AT_ONCE];
            n = size - at < sizeof piece ? size - at : sizeof piece;
            bnt_gguf_copy(g, bytes + at, n, piece);
            bnt_sha256_add(&h, piece, n);
            done += n;
            if (progress && done / step != (done - n) / step) progress(arg, done, bnt_gguf_size(g));
        }
    }
    return bnt_sha256_end(&h, hex, err);
}

json_t *bnt_receipt_model(const struct bnt_gguf *g, const char *sha256, const char *i2s_layout,
                          struct bnt_err *err) {
    struct bnt_str arch = {"", 0};
    char hex[65];
    bnt_gguf_str(g, "general.architecture", &arch);
    if (!sha256 && bnt_receipt_model_sha256(g, hex, NULL, NULL, err) != BNT_OK) return NULL;
    json_t *parts = bnt_gguf_parts(g) > 1 ? json_integer((json_int_t)bnt_gguf_parts(g)) : NULL;
    json_t *o = json_pack("{s:s%, s:I, s:s, s:s*, s:o*}", "architecture", arch.ptr, arch.len,
                          "bytes", (json_int_t)bnt_gguf_size(g), "sha256", sha256 ? sha256 : hex,
                          "i2s_layout", i2s_layout, "parts", parts);
    if (add_ignored(o, g) == 0) return o;
    json_decref(o);
    return NULL;
}

json_t *bnt_receipt_tokenizer(const struct bnt_tokenizer *t, struct bnt_err *err) {
    const struct bnt_tokenizer_info *i = bnt_tokenizer_info(t);
    char hex[65];
    if (tokenizer_digest(t, hex, err) != BNT_OK) return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:b, s:b, s:b, "
                     "s:b}",
                     "source", "gguf", "kind", i->kind, "pre", i->pre, "pre_source", i->pre_source,
                     "eot_source", i->eot_source, "digest", hex, "vocab_size",
                     (json_int_t)i->vocab_size, "merges_count", (json_int_t)i->merges, "bos",
                     (int)i->bos, "eos", (int)i->eos, "eot", (int)i->eot, "unk", (int)i->unk,
                     "add_bos", (int)i->add_bos, "add_eos", (int)i->add_eos, "add_space_prefix",
                     (int)i->add_space_prefix, "ignore_merges", (int)i->ignore_merges);
}

json_t *bnt_receipt_ids(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        if (json_array_append_new(array, json_integer(ids[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* ---- of a generation --------------------------------------------------------------------------
 */

json_t *bnt_receipt_output(const struct bnt_generation *g, struct bnt_err *err) {
    json_t *logits = json_array(), *chain = json_array();
    char text[65];
    if (bnt_receipt_sha256(g->text, g->text_len, text, err) != BNT_OK) goto fail;
    for (size_t i = 0; i < g->n_tokens; i++) {
        if (json_array_append_new(logits, bnt_receipt_bits(g->chosen_logits[i])) != 0 ||
            json_array_append_new(chain, json_string(g->links[i])) != 0)
            goto fail;
    }
    return json_pack("{s:o, s:o, s:o, s:s, s:s, s:I, s:s, s:o*}", "ids",
                     bnt_receipt_ids(g->tokens, g->n_tokens), "logits", logits, "hidden_chain",
                     chain, "hidden_sha256", g->hidden_digest, "stop_reason",
                     bnt_stop_reason_name(g->reason), "text_bytes", (json_int_t)g->text_len,
                     "text_sha256", text, "logprobs", g->logprobs ? bnt_receipt_logprobs(g) : NULL);
fail:
    json_decref(logits);
    json_decref(chain);
    return NULL;
}

/* ---- texts of a conversation --------------------------------------------------------------------
 */

json_t *bnt_turn_hashes(const char *text, size_t len, struct bnt_err *err) {
    char blake3[65], sha256[65];
    bnt_blake3(text, len, blake3);
    if (bnt_receipt_sha256(text, len, sha256, err) != BNT_OK) return NULL;
    return json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)len, "blake3", blake3, "sha256",
                     sha256);
}

/* A text as it is where JSON can carry it, else the digits of its bytes. */
json_t *bnt_turn_text(const char *text, size_t len) {
    json_t *as_is = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
    if (as_is) return json_pack("{s:s, s:o}", "encoding", "utf-8", "text", as_is);
    char *hex = bnt_json_take(2 * len + 1);
    for (size_t i = 0; hex && i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)(unsigned char)text[i]);
    json_t *o = hex ? json_pack("{s:s, s:s}", "encoding", "hex", "text", hex) : NULL;
    free(hex);
    return o;
}
