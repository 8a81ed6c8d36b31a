/* bpe.c - see bpe.h. */
#include "bpe.h"

#include <stdlib.h>
#include <string.h>

static const char KEY[] = "tokenizer.ggml.merges";

/* ---- pairs ------------------------------------------------------------------------------------
 */

static uint64_t hash_of(const struct bnt_bpe *b, int32_t left, int32_t right) {
    return bnt_hash_u64(&b->key, (uint64_t)(uint32_t)left << 32 | (uint32_t)right);
}

static uint32_t *slot_of(const struct bnt_bpe *b, uint64_t hash, int32_t left, int32_t right) {
    for (uint32_t i = (uint32_t)hash & b->mask;; i = (i + 1) & b->mask) {
        uint32_t rank = b->slots[i];
        if (rank == UINT32_MAX) return &b->slots[i];
        if (b->pairs[rank].left == left && b->pairs[rank].right == right) return &b->slots[i];
    }
}

bool bnt_bpe_rule(const void *ctx, const struct bnt_symbol *l, const struct bnt_symbol *r,
                  uint32_t *order, int32_t *id) {
    const struct bnt_bpe *b = ctx;
    uint32_t rank =
        *slot_of(b, hash_of(b, l->id, r->id), l->id, r->id); /* no pair has an id of -1 */
    if (rank == UINT32_MAX) return false;
    *order = rank;
    *id = b->pairs[rank].result;
    return true;
}

static int unknown_piece(struct bnt_err *err, uint32_t rank, struct bnt_str merge) {
    char text[160];
    return bnt_fail(err, BNT_E_FORMAT, "'%s'[%u], '%s': not two pieces that make a third", KEY,
                    rank, bnt_printable(text, sizeof text, merge.ptr, merge.len));
}

struct merge { /* "left right", cut at the first space that is not the first byte */
    struct bnt_str text;
    size_t left, right; /* bytes; 0: there is no such space */
    uint64_t left_hash, right_hash;
};

static void read_merge(struct merge *m, const struct bnt_vocab *v, struct bnt_str s) {
    const char *space =
        s.len > 2 && s.len <= 2 * BNT_PIECE_MAX ? memchr(s.ptr + 1, ' ', s.len - 1) : NULL;
    *m = (struct merge){.text = s};
    if (!space) return;
    m->left = (size_t)(space - s.ptr);
    m->right = s.len - m->left - 1;
    m->left_hash = bnt_vocab_hash_text(v, s.ptr, m->left);
    m->right_hash = bnt_vocab_hash_text(v, space + 1, m->right);
    bnt_vocab_prefetch(v, m->left_hash);
    bnt_vocab_prefetch(v, m->right_hash);
}

static bool is_joined(const struct bnt_vocab *v, int32_t id, const struct merge *m) {
    const struct bnt_piece *p = &v->pieces[id];
    return p->text_len == m->left + m->right && memcmp(p->text, m->text.ptr, m->left) == 0 &&
           memcmp(p->text + m->left, m->text.ptr + m->left + 1, m->right) == 0;
}

/* The piece of both together. Merges come in the order of what they make, so that it mostly is the
 * one of the merge before, or the next. */
static int32_t joined_piece(const struct bnt_vocab *v, const struct merge *m, int32_t before,
                            uint8_t *joined) {
    for (int32_t id = before; id < before + 2 && (uint32_t)id < v->count; id++)
        if (is_joined(v, id, m)) return id;
    memcpy(joined, m->text.ptr, m->left);
    memcpy(joined + m->left, m->text.ptr + m->left + 1, m->right);
    return bnt_vocab_find_text(v, joined, m->left + m->right);
}

static int find_pair(struct bnt_pair *p, const struct bnt_vocab *v, uint32_t rank,
                     const struct merge *m, int32_t before, uint8_t *joined, struct bnt_err *err) {
    *p = (struct bnt_pair){-1, -1, -1};
    if (m->left && m->right) {
        p->left = bnt_vocab_find_hashed(v, m->left_hash, m->text.ptr, m->left);
        p->right = bnt_vocab_find_hashed(v, m->right_hash, m->text.ptr + m->left + 1, m->right);
        p->result = joined_piece(v, m, before, joined);
    }
    if (p->left < 0 || p->right < 0 || p->result < 0) return unknown_piece(err, rank, m->text);
    return BNT_OK;
}

/* Of equal pairs the first counts. */
static void add_pair(struct bnt_bpe *b, const struct bnt_vocab *v, uint32_t rank, uint64_t hash) {
    const struct bnt_pair *p = &b->pairs[rank];
    uint32_t *slot;
    if (!v->pieces[p->left].mergeable || !v->pieces[p->right].mergeable ||
        !v->pieces[p->result].mergeable)
        return;
    slot = slot_of(b, hash, p->left, p->right);
    if (*slot == UINT32_MAX) *slot = rank;
}

static int load(struct bnt_bpe *b, const struct bnt_vocab *v, const struct bnt_gguf *g,
                uint8_t *joined, struct bnt_err *err) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, KEY);
    enum { BLOCK = 32 }; /* slots are on their way from memory while merges are read */
    struct merge block[BLOCK];
    uint64_t hashes[BLOCK];
    uint64_t cursor = 0;
    size_t slots = 16;
    int32_t before = 0;
    int rc;
    if (!kv) return bnt_fail(err, BNT_E_FORMAT, "'%s' is missing", KEY);
    if (kv->type != BNT_GGUF_ARRAY || kv->elem_type != BNT_GGUF_STRING)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is not an array of strings", KEY);
    if (kv->count > INT32_MAX / 4)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' has %llu elements", KEY,
                        (unsigned long long)kv->count);
    b->count = (uint32_t)kv->count;
    while (slots < (size_t)b->count * 2) slots *= 2;
    b->mask = (uint32_t)(slots - 1);
    b->slots = malloc(slots * sizeof *b->slots);
    b->pairs = calloc((size_t)b->count + 1, sizeof *b->pairs);
    if (!b->slots || !b->pairs) return bnt_fail_nomem(err, KEY, slots * sizeof *b->slots);
    memset(b->slots, 0xFF, slots * sizeof *b->slots);

    for (uint32_t at = 0; at < b->count; at += BLOCK) {
        const uint32_t n = b->count - at < BLOCK ? b->count - at : BLOCK;
        for (uint32_t i = 0; i < n; i++)
            read_merge(&block[i], v, bnt_gguf_next_string(kv, &cursor));
        for (uint32_t i = 0; i < n; i++) {
            bnt_vocab_prefetch_piece(v, block[i].left_hash);
            bnt_vocab_prefetch_piece(v, block[i].right_hash);
        }
        for (uint32_t i = 0; i < n; i++) {
            struct bnt_pair *p = &b->pairs[at + i];
            rc = find_pair(p, v, at + i, &block[i], before, joined, err);
            if (rc) return rc;
            before = p->result;
            hashes[i] = hash_of(b, p->left, p->right);
            __builtin_prefetch(&b->slots[(uint32_t)hashes[i] & b->mask], 1);
        }
        for (uint32_t i = 0; i < n; i++) add_pair(b, v, at + i, hashes[i]);
    }
    return BNT_OK;
}

int bnt_bpe_load(struct bnt_bpe *b, const struct bnt_vocab *v, const struct bnt_pretok *pre,
                 const struct bnt_gguf *g, struct bnt_err *err) {
    uint8_t *joined;
    int rc;
    memset(b, 0, sizeof *b);
    b->pre = pre;
    b->key = bnt_hash_key_draw();
    if (pre && (rc = bnt_splitter_init(&b->splitter, pre, err))) return rc;
    joined = malloc(2 * BNT_PIECE_MAX);
    rc = joined ? load(b, v, g, joined, err) : bnt_fail_nomem(err, KEY, 2 * BNT_PIECE_MAX);
    free(joined);
    if (rc) bnt_bpe_free(b);
    return rc;
}

void bnt_bpe_free(struct bnt_bpe *b) {
    free(b->pairs);
    free(b->slots);
    bnt_splitter_free(&b->splitter);
    memset(b, 0, sizeof *b);
}

/* ---- encoding ---------------------------------------------------------------------------------
 */

/* Tokens of the word text[begin, end); `origin` is where text lies in what the caller encodes, and
 * an invented space takes no room there. */
static int encode_word(const struct bnt_bpe *b, const struct bnt_vocab *v, const uint8_t *text,
                       size_t begin, size_t end, size_t origin, bool prefix, struct bnt_merger *m,
                       struct bnt_token_list *out, struct bnt_err *err) {
    int rc;
    bnt_merger_reset(m);
    if (b->pre->ignore_merges) {
        int32_t id = bnt_vocab_find(v, text + begin, end - begin);
        if (id >= 0 && (rc = bnt_merger_add(m, begin, end - begin, id, err))) return rc;
    }
    if (m->count == 0) {
        for (size_t i = begin; i < end; i++) {
            int32_t id = v->byte_id[text[i]];
            if (id < 0)
                return bnt_fail(err, BNT_E_UNSUPPORTED,
                                "the text has byte 0x%02X at %zu, for which the vocabulary has no "
                                "token",
                                text[i], origin + (i ? i - prefix : 0));
            if ((rc = bnt_merger_add(m, i, 1, id, err))) return rc;
        }
        if ((rc = bnt_merger_run(m, bnt_bpe_rule, b, err))) return rc;
    }
    for (uint32_t i = 0; i != BNT_NO_SYMBOL; i = m->symbols[i].next) {
        size_t from = m->symbols[i].begin, to = from + m->symbols[i].len;
        if (prefix) {
            from -= from > 0;
            to--;
        }
        if ((rc = bnt_token_push(out, m->symbols[i].id, origin + from, origin + to, err)))
            return rc;
    }
    return BNT_OK;
}

int bnt_bpe_encode(const struct bnt_bpe *b, const struct bnt_vocab *v, const uint8_t *text,
                   size_t begin, size_t end, bool prefix, struct bnt_merger *m,
                   struct bnt_token_list *out, struct bnt_err *err) {
    struct bnt_words w = {.splitter = &b->splitter, .text = text + begin, .len = end - begin};
    uint8_t *copy = NULL;
    int rc = BNT_OK;
    if (prefix) {
        copy = malloc(w.len + 1);
        if (!copy) return bnt_fail_nomem(err, "text to encode", w.len + 1);
        copy[0] = ' ';
        memcpy(copy + 1, text + begin, w.len);
        w.text = copy;
        w.len++;
    }
    while (!rc && bnt_words_next(&w))
        rc = encode_word(b, v, w.text, w.begin, w.end, begin, prefix, m, out, err);
    free(copy);
    return rc;
}
