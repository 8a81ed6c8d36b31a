/*
 * keys.c - the keys under tokenizer.ggml.: what each of them is to us.
 *
 * Any of them may change which tokens a text becomes, so what the table does not name is refused
 * with the key's name, as under an architecture's prefix (model/keys.c); and so is a step that no
 * tokenizer here has, unless its value leaves the step out. Special ids have names without number
 * (fim_pre_token_id, ...): all that end so are known. Other keys under tokenizer. (chat templates,
 * the original's JSON) do not concern tokens.
 */
#include <string.h>

#include "internal.h"

enum meaning {
    READ,    /* by vocab.c, bpe.c and metadata.c, which see to types and values */
    NO_STEP, /* a bool: must be false */
    EMPTY,   /* a list: must have nothing in it */
};

static const struct {
    const char *name; /* behind "tokenizer.ggml." */
    enum meaning meaning;
} table[] = {
    {"model", READ},
    {"pre", READ},
    {"tokens", READ},
    {"token_type", READ},
    {"scores", READ},
    {"merges", READ},
    {"add_bos_token", READ},
    {"add_eos_token", READ},
    {"add_space_prefix", READ},
    {"eos_token_ids", READ},
    {"token_type_count", READ}, /* of segments, which texts here have one of */
    {"suppress_tokens", READ},  /* of what a model may choose: model/keys.c */
    {"add_sep_token", NO_STEP},
    {"add_separator_token", NO_STEP},
    {"add_padding_token", NO_STEP},
    {"add_unknown_token", NO_STEP},
    {"add_mask_token", NO_STEP},
    {"add_cls_token", NO_STEP},
    {"remove_extra_whitespaces", NO_STEP},
    {"normalizer.lowercase", NO_STEP},
    {"normalizer.strip_accents", NO_STEP},
    {"normalizer.nfc", NO_STEP},
    {"precompiled_charsmap", EMPTY},
};

static bool ends_in(struct bnt_str s, const char *tail) {
    const size_t n = strlen(tail);
    return s.len >= n && memcmp(s.ptr + s.len - n, tail, n) == 0;
}

/* `s`: the key's name behind the prefix. */
static int check(const struct bnt_gguf_kv *kv, struct bnt_str s, struct bnt_err *err) {
    char name[128];
    bnt_printable(name, sizeof name, kv->key.ptr, kv->key.len);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const enum meaning meaning = table[i].meaning;
        if (!bnt_str_eq(s, table[i].name)) continue;
        if (meaning == NO_STEP && kv->type != BNT_GGUF_BOOL)
            return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a bool", name);
        if (meaning == EMPTY && kv->type != BNT_GGUF_ARRAY)
            return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a list", name);
        if (meaning == READ || (meaning == EMPTY ? kv->count == 0 : !bnt_gguf_int_at(kv, 0)))
            return BNT_OK;
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "'%s' asks for a step that no tokenizer here has; --ignore-key=%s runs "
                        "without it",
                        name, name);
    }
    if (ends_in(s, "_token_id")) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "key '%s' is not known to this program and may change the tokens; "
                    "--ignore-key=%s runs without it",
                    name, name);
}

int bnt_tokenizer_check_keys(const struct bnt_gguf *g, struct bnt_err *err) {
    static const char prefix[] = "tokenizer.ggml.";
    const size_t n = sizeof prefix - 1;
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (kv->ignored || kv->key.len < n || memcmp(kv->key.ptr, prefix, n) != 0) continue;
        int rc = check(kv, (struct bnt_str){kv->key.ptr + n, kv->key.len - n}, err);
        if (rc) return rc;
    }
    return BNT_OK;
}
