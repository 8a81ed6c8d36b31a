/* tokenizer.c - see tokenizer.h: opening, encoding, and what can be asked of tokens. */
#include "tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* ---- open -------------------------------------------------------------------------------------
 */

/* By tokenizer.ggml.model: how pieces are spelled, and what orders the merges. */
static const struct kind {
    const char *name;
    bool byte_level, scored;
} kinds[] = {
    {"gpt2", true, false},
    {"llama", false, true},
    {"gemma4", false, false},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static const struct kind *find_kind(struct bnt_str name) {
    for (size_t i = 0; i < N_KINDS; i++)
        if (bnt_str_eq(name, kinds[i].name)) return &kinds[i];
    return NULL;
}

static int open_parts(struct bnt_tokenizer *t, const struct bnt_gguf *g, struct bnt_err *err) {
    static const char key[] = "tokenizer.ggml.model";
    struct bnt_tokenizer_info *info = &t->info;
    const struct bnt_pretok *pre = NULL;
    const struct kind *kind;
    struct bnt_str model;
    int rc;
    if (!bnt_gguf_str(g, key, &model))
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is missing or not a string", key);
    if (!(kind = find_kind(model))) {
        char name[64];
        return bnt_fail(err, BNT_E_UNSUPPORTED, "'%s' is '%s'; known are: gpt2 llama gemma4", key,
                        bnt_printable(name, sizeof name, model.ptr, model.len));
    }
    if ((rc = bnt_tokenizer_check_keys(g, err))) return rc;
    if ((rc = bnt_vocab_load(&t->vocab, g, kind->byte_level, kind->scored, err))) return rc;
    info->kind = kind->name;
    info->vocab_size = t->vocab.count;
    info->pre = "";
    info->pre_source = "default";
    if (kind->byte_level) {
        if ((rc = bnt_metadata_pre(g, &t->vocab, &pre, &info->pre_source, err))) return rc;
        info->pre = pre->name;
        info->ignore_merges = pre->ignore_merges;
    }
    if ((rc = bnt_metadata_special(info, &t->vocab, g, pre, err))) return rc;
    if (!kind->scored) {
        if ((rc = bnt_bpe_load(&t->bpe, &t->vocab, pre, g, err))) return rc;
        info->merges = t->bpe.count;
    }
    t->spm = (struct bnt_spm){&t->vocab, kind->scored ? NULL : &t->bpe};
    bnt_notes_take(t);
    return bnt_specials_init(&t->specials, &t->vocab, NULL, err);
}

int bnt_tokenizer_open(struct bnt_tokenizer **out, const struct bnt_gguf *g, struct bnt_err *err) {
    struct bnt_tokenizer *t = calloc(1, sizeof *t);
    int rc;
    *out = NULL;
    if (!t) return bnt_fail_nomem(err, "a tokenizer", sizeof *t);
    rc = open_parts(t, g, err);
    if (rc) {
        bnt_tokenizer_close(t);
        return rc;
    }
    *out = t;
    return BNT_OK;
}

void bnt_tokenizer_close(struct bnt_tokenizer *t) {
    if (!t) return;
    bnt_specials_free(&t->specials);
    bnt_bpe_free(&t->bpe);
    bnt_vocab_free(&t->vocab);
    free(t);
}

const struct bnt_tokenizer_info *bnt_tokenizer_info(const struct bnt_tokenizer *t) {
    return &t->info;
}

/* ---- tokens -----------------------------------------------------------------------------------
 */

static bool has(const struct bnt_tokenizer *t, int32_t id) {
    return id >= 0 && (uint32_t)id < t->vocab.count;
}

struct bnt_str bnt_tokenizer_piece(const struct bnt_tokenizer *t, int32_t id) {
    struct bnt_str s = {"", 0};
    if (!has(t, id)) return s;
    s.ptr = (const char *)t->vocab.pieces[id].text;
    s.len = t->vocab.pieces[id].text_len;
    return s;
}

enum bnt_token_type bnt_tokenizer_type(const struct bnt_tokenizer *t, int32_t id) {
    return has(t, id) ? (enum bnt_token_type)t->vocab.pieces[id].type : BNT_TOKEN_UNKNOWN;
}

bool bnt_tokenizer_is_eog(const struct bnt_tokenizer *t, int32_t id) {
    return has(t, id) && t->vocab.pieces[id].eog;
}

int32_t bnt_tokenizer_find(const struct bnt_tokenizer *t, const char *piece) {
    return bnt_vocab_named(&t->vocab, piece);
}

/* ---- encode -----------------------------------------------------------------------------------
 */

static int grow(struct bnt_token_list *l, struct bnt_err *err) {
    size_t n = l->capacity < 256 ? 256 : l->capacity + l->capacity / 2;
    size_t bytes = n * (sizeof *l->ids + sizeof *l->begin + sizeof *l->end);
    void *p;
    if (!(p = realloc(l->ids, n * sizeof *l->ids))) return bnt_fail_nomem(err, "tokens", bytes);
    l->ids = p;
    if (!(p = realloc(l->begin, n * sizeof *l->begin))) return bnt_fail_nomem(err, "tokens", bytes);
    l->begin = p;
    if (!(p = realloc(l->end, n * sizeof *l->end))) return bnt_fail_nomem(err, "tokens", bytes);
    l->end = p;
    l->capacity = n;
    return BNT_OK;
}

int bnt_token_push(struct bnt_token_list *l, int32_t id, size_t begin, size_t end,
                   struct bnt_err *err) {
    if (l->count == l->capacity) {
        int rc = grow(l, err);
        if (rc) return rc;
    }
    l->ids[l->count] = id;
    l->begin[l->count] = begin;
    l->end[l->count++] = end;
    return BNT_OK;
}

void bnt_token_list_free(struct bnt_token_list *l) {
    free(l->ids);
    free(l->begin);
    free(l->end);
    memset(l, 0, sizeof *l);
}

int bnt_tokenizer_encode(const struct bnt_tokenizer *t, const char *text, size_t len,
                         unsigned flags, struct bnt_token_list *list, struct bnt_err *err) {
    return bnt_encode_by(t, &t->specials, text, len, flags, list, err);
}

int bnt_encode_by(const struct bnt_tokenizer *t, const struct bnt_specials *specials,
                  const char *text, size_t len, unsigned flags, struct bnt_token_list *list,
                  struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = &t->info;
    const uint8_t *s = (const uint8_t *)text;
    bool control = flags & BNT_ENCODE_PARSE_SPECIAL, exact = flags & BNT_ENCODE_EXACT;
    bool prefix = info->add_space_prefix && /* at the start and after each special token */
                  !(flags & BNT_ENCODE_CONTINUES);
    struct bnt_special_search search = {0};
    struct bnt_merger m = {0};
    int rc = BNT_OK;
    list->count = 0;
    if (len > INT32_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "text of %zu bytes (limit %d)", len, INT32_MAX);
    if ((flags & BNT_ENCODE_BOS) && info->add_bos &&
        (rc = bnt_token_push(list, info->bos, 0, 0, err)))
        goto out;
    for (size_t pos = 0; pos < len;) {
        int32_t id;
        size_t stop;
        rc = bnt_specials_next(specials, s, pos, len, control, &search, &stop, &id, err);
        if (rc) goto out;
        if (stop > pos) {
            rc = t->vocab.byte_level
                     ? bnt_bpe_encode(&t->bpe, &t->vocab, s, pos, stop, prefix && s[pos] != ' ', &m,
                                      list, err)
                     : bnt_spm_encode(&t->spm, s, pos, stop, prefix, exact, &m, list, err);
            if (rc) goto out;
        }
        pos = stop + (id >= 0 ? t->vocab.pieces[id].text_len : 0);
        if (id >= 0 && (rc = bnt_token_push(list, id, stop, pos, err))) goto out;
        prefix = info->add_space_prefix && id >= 0;
    }
    if ((flags & BNT_ENCODE_BOS) && info->add_eos)
        rc = bnt_token_push(list, info->eos, len, len, err);
out:
    bnt_special_search_free(&search);
    bnt_merger_free(&m);
    return rc;
}
