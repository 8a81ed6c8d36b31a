/*
 * metadata.c - what a file says of its tokenizer besides the pieces, and what to infer where it is
 * silent: pre-tokenizer, special ids, flags, and which tokens end a generation.
 *
 * Knows key names and the texts of well-known tokens. The idea: a stated value is obeyed or
 * refused, never replaced; an inferred one is reported as such, so that a receipt can say so.
 */
#include <string.h>

#include "internal.h"

/* ---- pre-tokenizer ----------------------------------------------------------------------------
 */

/* Files that do not name theirs, recognised by what only such vocabularies have. */
static const char *infer_pre(const struct bnt_gguf *g, const struct bnt_vocab *v) {
    const struct bnt_gguf_kv *merges = bnt_gguf_find(g, "tokenizer.ggml.merges");
    uint64_t n_merges = merges ? merges->count : 0;
    if (bnt_vocab_named(v, "<|begin_of_text|>") >= 0) return "llama-bpe";
    if (v->count >= 128000 && v->count <= 128256 && n_merges == 280147) return "llama-bpe";
    if (bnt_vocab_named(v, "<|im_start|>") >= 0 && v->count >= 151000 && v->count <= 152064)
        return "qwen2";
    if (v->count >= 50256 && v->count <= 50304 && n_merges == 50000 &&
        bnt_vocab_named(v, "<|endoftext|>") == 50256)
        return "gpt-2";
    if (n_merges == 50009 && bnt_vocab_named(v, "<|padding|>") == 1) return "olmo"; /* GPT-NeoX */
    return NULL;
}

int bnt_metadata_pre(const struct bnt_gguf *g, const struct bnt_vocab *v,
                     const struct bnt_pretok **pre, const char **source, struct bnt_err *err) {
    static const char key[] = "tokenizer.ggml.pre";
    struct bnt_str name;
    const char *inferred;
    if (bnt_gguf_str(g, key, &name)) {
        char shown[64], list[400];
        *pre = bnt_pretok_find(name);
        *source = "metadata";
        if (*pre && (*pre)->cuts) return BNT_OK;
        if (*pre)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "'%s' is '%s', which is no expression over byte-level BPE", key,
                            (*pre)->name);
        return bnt_fail(err, BNT_E_UNSUPPORTED, "'%s' is '%s', a pre-tokenizer not known here: %s",
                        key, bnt_printable(shown, sizeof shown, name.ptr, name.len),
                        bnt_pretok_names(list, sizeof list));
    }
    if (bnt_gguf_find(g, key)) return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a string", key);
    inferred = infer_pre(g, v);
    *pre = bnt_pretok_named(inferred ? inferred : "default");
    *source = inferred ? "inferred" : "default";
    return BNT_OK;
}

/* ---- well-known tokens ------------------------------------------------------------------------
 */

/* The first present is the end of turn where metadata names none. All CONTROL ones end generation.
 * `always`: the text is so unlike prose that it is CONTROL whatever the file's type says. */
static const struct {
    const char *text;
    bool eot, always;
} ends[] = {
    {"<|eot_id|>", true, true},    {"<|im_end|>", true, true},
    {"<|end|>", true, true},       {"<end_of_turn>", true, true},
    {"<|endoftext|>", true, true}, {"<|end_of_text|>", true, true},
    {"<EOT>", true, false},        {"_<EOT>", true, false},
    {"[EOT]", true, false},        {"<end_of_utterance>", true, true},
    {"<|eom_id|>", false, true},   {"<|return|>", false, false},
    {"<|call|>", false, false},    {"</s>", false, false},
    {"<eos>", false, false},       {"[EOS]", false, false},
};
enum { N_ENDS = sizeof ends / sizeof ends[0] };

/* Plain text may not become it any more. */
static void make_control(struct bnt_piece *p) {
    p->type = BNT_TOKEN_CONTROL;
    p->mergeable = false;
}

/* What opens a turn is CONTROL too, whatever the file's type says: else a message could hold it. */
static const char *const opens[] = {"<|im_start|>", "<|start_header_id|>", "<|end_header_id|>"};

static int32_t mark_turns(struct bnt_vocab *v) {
    int32_t eot = -1;
    for (size_t i = 0; i < sizeof opens / sizeof opens[0]; i++) {
        int32_t id = bnt_vocab_named(v, opens[i]);
        if (id >= 0) make_control(&v->pieces[id]);
    }
    for (size_t i = 0; i < N_ENDS; i++) {
        int32_t id = bnt_vocab_named(v, ends[i].text);
        struct bnt_piece *p;
        if (id < 0) continue;
        p = &v->pieces[id];
        if (p->type != BNT_TOKEN_CONTROL && !ends[i].always) continue;
        make_control(p);
        p->eog = true;
        if (ends[i].eot && eot < 0) eot = id;
    }
    return eot;
}

/* ---- ids and flags ----------------------------------------------------------------------------
 */

static bool is_whole(enum bnt_gguf_type type) {
    return type != BNT_GGUF_ARRAY && type != BNT_GGUF_STRING && type != BNT_GGUF_BOOL &&
           type != BNT_GGUF_F32 && type != BNT_GGUF_F64;
}

/* A token id: -1 where the file says none (-1 or 2^32 - 1). */
static int id_in(const struct bnt_gguf_kv *kv, uint32_t count, int32_t *id, struct bnt_err *err) {
    char key[128];
    bnt_printable(key, sizeof key, kv->key.ptr, kv->key.len);
    if (!is_whole(kv->type)) return bnt_fail(err, BNT_E_FORMAT, "'%s' is not an integer", key);
    const int64_t value = bnt_gguf_int_at(kv, 0);
    const bool none = value == -1 || value == UINT32_MAX;
    if (!none && (value < 0 || value >= count))
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is %lld, the vocabulary has %u tokens", key,
                        (long long)value, count);
    *id = none ? -1 : (int32_t)value;
    return BNT_OK;
}

static int read_flag(const struct bnt_gguf *g, const char *key, bool *flag, bool *stated,
                     struct bnt_err *err) {
    *stated = bnt_gguf_find(g, key) != NULL;
    if (*stated && !bnt_gguf_bool(g, key, flag))
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a bool", key);
    return BNT_OK;
}

/* "<this>", "[this]", and the same behind the space that SentencePiece writes. */
static bool is_bracketed(const struct bnt_piece *p) {
    const uint8_t *s = p->text;
    size_t n = p->text_len;
    if (n > 3 && memcmp(s, "\xE2\x96\x81", 3) == 0) s += 3, n -= 3;
    if (n > 1 && s[0] == '_') s++, n--;
    return n > 2 && ((s[0] == '<' && s[n - 1] == '>') || (s[0] == '[' && s[n - 1] == ']'));
}

/* What is named BOS, EOS and the like is CONTROL whatever the file's type says: else a message
 * could hold it. But a piece of plain text stays one, since texts would come out wrongly without
 * it; notes.c tells of those that matter. */
static void make_named(struct bnt_vocab *v, int32_t id) {
    struct bnt_piece *p = &v->pieces[id < 0 ? 0 : id];
    if (id < 0) return;
    if ((p->type == BNT_TOKEN_USER_DEFINED && bnt_piece_is_mark(p)) ||
        ((p->type == BNT_TOKEN_NORMAL || p->type == BNT_TOKEN_UNUSED) && is_bracketed(p)))
        make_control(p);
}

/* The ids that have a place in `info`; an absent one stays as it is. */
static int read_ids(struct bnt_tokenizer_info *info, int32_t *eom, const struct bnt_gguf *g,
                    uint32_t count, struct bnt_err *err) {
    const struct {
        const char *key;
        int32_t *id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", &info->bos},
               {"tokenizer.ggml.eos_token_id", &info->eos},
               {"tokenizer.ggml.unknown_token_id", &info->unk},
               {"tokenizer.ggml.eot_token_id", &info->eot},
               {"tokenizer.ggml.eom_token_id", eom},
               {"tokenizer.ggml.padding_token_id", &info->pad},
               {"tokenizer.ggml.separator_token_id", &info->sep},
               {"tokenizer.ggml.seperator_token_id", &info->sep}, /* as llama.cpp spells it */
               {"tokenizer.ggml.cls_token_id", &info->cls},
               {"tokenizer.ggml.mask_token_id", &info->mask}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_find(g, ids[i].key);
        const int rc = kv ? id_in(kv, count, ids[i].id, err) : BNT_OK;
        if (rc) return rc;
        if (kv && ids[i].id == &info->eot) info->eot_source = "metadata";
    }
    return BNT_OK;
}

/* The id under any tokenizer.ggml.*_token_id: padding, separators, marks of gaps to fill. */
static int make_all_named(struct bnt_vocab *v, const struct bnt_gguf *g, struct bnt_err *err) {
    static const char head[] = "tokenizer.ggml.", tail[] = "_token_id";
    const size_t h = sizeof head - 1, n = sizeof tail - 1;
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        const struct bnt_str key = kv->key;
        int32_t id;
        if (kv->ignored || key.len < h + n || memcmp(key.ptr, head, h) != 0 ||
            memcmp(key.ptr + key.len - n, tail, n) != 0)
            continue;
        const int rc = id_in(kv, v->count, &id, err);
        if (rc) return rc;
        make_named(v, id);
    }
    return BNT_OK;
}

/* Where a model has several tokens that end an answer, some writers list them. */
static int read_ends(struct bnt_vocab *v, const struct bnt_gguf *g, struct bnt_err *err) {
    static const char key[] = "tokenizer.ggml.eos_token_ids";
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, key);
    if (kv && (kv->type != BNT_GGUF_ARRAY || !is_whole(kv->elem_type)))
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a list of integers", key);
    for (uint64_t i = 0; kv && i < kv->count; i++) {
        const int64_t id = bnt_gguf_int_at(kv, i);
        if (id < 0 || id >= v->count)
            return bnt_fail(err, BNT_E_FORMAT, "'%s' has %lld, the vocabulary has %u tokens", key,
                            (long long)id, v->count);
        make_named(v, (int32_t)id);
        v->pieces[id].eog = true;
    }
    return BNT_OK;
}

static int32_t first_of_type(const struct bnt_vocab *v, enum bnt_token_type type) {
    for (uint32_t i = 0; i < v->count; i++)
        if (v->pieces[i].type == type) return (int32_t)i;
    return -1;
}

int bnt_metadata_special(struct bnt_tokenizer_info *info, struct bnt_vocab *v,
                         const struct bnt_gguf *g, const struct bnt_pretok *pre,
                         struct bnt_err *err) {
    static const char key_add_bos[] = "tokenizer.ggml.add_bos_token";
    static const char key_add_eos[] = "tokenizer.ggml.add_eos_token";
    const bool gemma4 = strcmp(info->kind, "gemma4") == 0;
    int32_t eom = -1;
    bool stated;
    int rc;
    info->bos = bnt_vocab_named(v, pre ? "<|begin_of_text|>" : gemma4 ? "<bos>" : "<s>");
    info->eos = pre ? -1 : bnt_vocab_named(v, gemma4 ? "<eos>" : "</s>");
    info->unk = pre ? -1 : first_of_type(v, BNT_TOKEN_UNKNOWN);
    info->eot = mark_turns(v);
    info->eot_source = info->eot >= 0 ? "inferred" : "none";
    info->pad = info->sep = info->cls = info->mask = -1;
    if ((rc = read_ids(info, &eom, g, v->count, err))) return rc;
    if (info->eos >= 0) v->pieces[info->eos].eog = true;
    if (info->eot >= 0) v->pieces[info->eot].eog = true;
    if (eom >= 0) v->pieces[eom].eog = true;
    make_named(v, info->bos);
    make_named(v, info->eos);
    make_named(v, info->eot);
    if ((rc = make_all_named(v, g, err))) return rc;
    if ((rc = read_ends(v, g, err))) return rc;

    info->add_bos = pre ? pre->add_bos : true;
    rc = read_flag(g, key_add_bos, &info->add_bos, &stated, err);
    if (rc) return rc;
    if (info->add_bos && info->bos < 0) {
        if (stated)
            return bnt_fail(err, BNT_E_FORMAT, "'%s' is true, but no BOS exists", key_add_bos);
        info->add_bos = false;
    }
    info->add_eos = false;
    rc = read_flag(g, key_add_eos, &info->add_eos, &stated, err);
    if (rc) return rc;
    if (info->add_eos && info->eos < 0)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is true, but no EOS exists", key_add_eos);
    info->add_space_prefix = strcmp(info->kind, "llama") == 0;
    return read_flag(g, "tokenizer.ggml.add_space_prefix", &info->add_space_prefix, &stated, err);
}
