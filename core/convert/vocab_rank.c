/*
 * vocab_rank.c - tokenizer.json with SentencePiece's BPE in Hugging Face's words: spaces are
 * U+2581, unknown characters are spelled in bytes, and merges have ranks instead of pieces scores
 * (LLaMA-2 and what was made of it).
 *
 * The one idea: GGUF's kind "llama" merges any two neighbours that are a piece together, the
 * highest score first. The list of merges says the same if it holds every way to make a piece of
 * two, and those of one piece beside each other; then the place of a piece in it is its score. That
 * is checked, and another list is refused: it would give other tokens.
 */
#include <string.h>

#include "convert/json_file.h"
#include "convert/vocab_in.h"

enum { LONGEST = 1023 }; /* bytes of a piece */

static const char space[] = "\xe2\x96\x81"; /* U+2581 */

static int other_step(const char *what, const json_t *step, struct bnt_err *err) {
    const char *type = bnt_json_text(step, "type");
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.json: a %s of type '%.40s' in this form is not known; where its "
                    "makers publish a tokenizer.model, put it beside it",
                    what, type ? type : "?");
}

static bool is_text(const json_t *object, const char *key, const char *text) {
    const char *s = bnt_json_text(object, key);
    return s && strcmp(s, text) == 0;
}

/* ---- spaces --------------------------------------------------------------------------------- */

/* One step of a normalizer: U+2581 in front, or for spaces. */
static int normalize(struct bnt_vocab_in *v, const json_t *step, bool *spaces,
                     struct bnt_err *err) {
    if (bnt_json_is_type(step, "Prepend") && is_text(step, "prepend", space)) {
        v->add_space = true;
        return BNT_OK;
    }
    if (bnt_json_is_type(step, "Replace") && is_text(step, "content", space) &&
        is_text(json_object_get(step, "pattern"), "String", " ")) {
        *spaces = true;
        return BNT_OK;
    }
    return other_step("normalizer", step, err);
}

static int read_metaspace(struct bnt_vocab_in *v, const json_t *step, bool *spaces,
                          struct bnt_err *err) {
    const char *scheme = bnt_json_text(step, "prepend_scheme");
    if (*spaces || !bnt_json_is_type(step, "Metaspace") || !is_text(step, "replacement", space) ||
        !json_is_false(json_object_get(step, "split")) || !scheme)
        return other_step("pre-tokenizer", step, err);
    *spaces = true;
    v->add_space = strcmp(scheme, "never") != 0;
    if (strcmp(scheme, "first") == 0) bnt_vocab_in_note_first(v);
    return BNT_OK;
}

static int read_spaces(struct bnt_vocab_in *v, struct bnt_err *err) {
    const json_t *normalizer = json_object_get(v->tokenizer, "normalizer");
    const json_t *cutter = json_object_get(v->tokenizer, "pre_tokenizer");
    const json_t *steps = json_object_get(normalizer, "normalizers");
    bool spaces = false;
    int status = BNT_OK;
    if (bnt_json_is_type(normalizer, "Sequence"))
        for (size_t i = 0; i < json_array_size(steps) && status == BNT_OK; i++)
            status = normalize(v, json_array_get(steps, i), &spaces, err);
    else if (normalizer && !json_is_null(normalizer))
        status = normalize(v, normalizer, &spaces, err);
    if (status == BNT_OK && cutter && !json_is_null(cutter))
        status = read_metaspace(v, cutter, &spaces, err);
    if (status == BNT_OK && !spaces)
        status = bnt_fail(err, BNT_E_UNSUPPORTED,
                          "tokenizer.json is neither byte-level BPE nor SentencePiece's (spaces "
                          "stay spaces), and there is no tokenizer.model");
    return status;
}

/* ---- what pieces are ------------------------------------------------------------------------ */

static int64_t find(const json_t *vocab, const char *text, size_t len) {
    char key[LONGEST + 1];
    if (len > LONGEST) return -1;
    memcpy(key, text, len);
    key[len] = '\0';
    const json_t *id = json_object_get(vocab, key);
    return id ? json_integer_value(id) : -1;
}

static bool is_byte(const char *text) { /* <0x0A> */
    static const char digits[] = "0123456789ABCDEF";
    return strlen(text) == 6 && memcmp(text, "<0x", 3) == 0 && strchr(digits, text[3]) &&
           strchr(digits, text[4]) && text[5] == '>';
}

static int read_types(struct bnt_vocab_in *v, const json_t *model, struct bnt_err *err) {
    const char *unk = bnt_json_text(model, "unk_token");
    unsigned bytes = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        struct bnt_piece_in *p = &v->pieces[i];
        if (!p->text) continue;
        if (p->len > LONGEST)
            return bnt_fail(err, BNT_E_LIMIT, "tokenizer.json: piece %u has %zu bytes", i, p->len);
        if (p->type == BNT_PIECE_NORMAL && is_byte(p->text)) {
            p->type = BNT_PIECE_BYTE;
            bytes++;
        }
        if (unk && strcmp(p->text, unk) == 0) p->type = BNT_PIECE_UNKNOWN;
    }
    if (bnt_json_true(model, "byte_fallback") == (bytes == 256)) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.json: byte_fallback is %s, and %u of 256 bytes are pieces",
                    bytes == 256 ? "not true" : "true", bytes);
}

/* ---- scores --------------------------------------------------------------------------------- */

/* How many ways there are to make a piece of two. */
static size_t ways(const json_t *vocab, const struct bnt_piece_in *p) {
    size_t n = 0;
    for (size_t k = 1; k < p->len; k++)
        if (find(vocab, p->text, k) >= 0 && find(vocab, p->text + k, p->len - k) >= 0) n++;
    return n;
}

/* The two halves of merge i: pieces of the vocabulary. */
static bool halves(const struct bnt_vocab_in *v, const json_t *vocab, size_t i,
                   const struct bnt_piece_in **a, const struct bnt_piece_in **b) {
    const json_t *m = json_array_get(v->merges, i);
    const char *text = json_string_value(m), *gap = text ? strchr(text, ' ') : NULL;
    int64_t left, right;
    if (text) {
        left = find(vocab, text, (size_t)(gap - text));
        right = find(vocab, gap + 1, strlen(gap + 1));
    } else {
        left = find(vocab, json_string_value(json_array_get(m, 0)),
                    json_string_length(json_array_get(m, 0)));
        right = find(vocab, json_string_value(json_array_get(m, 1)),
                     json_string_length(json_array_get(m, 1)));
    }
    if (left < 0 || right < 0) return false;
    *a = &v->pieces[left];
    *b = &v->pieces[right];
    return true;
}

/* The piece that merge i makes; NULL: none. *cut: where the second half begins in it. */
static struct bnt_piece_in *made_by(const struct bnt_vocab_in *v, const json_t *vocab, size_t i,
                                    size_t *cut) {
    const struct bnt_piece_in *a, *b;
    char text[LONGEST];
    if (!halves(v, vocab, i, &a, &b) || a->len + b->len > sizeof text) return NULL;
    memcpy(text, a->text, a->len);
    memcpy(text + a->len, b->text, b->len);
    *cut = a->len;
    const int64_t id = find(vocab, text, a->len + b->len);
    return id < 0 ? NULL : &v->pieces[id];
}

static int wrong_list(const struct bnt_piece_in *p, const char *why, struct bnt_err *err) {
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.json: the merges of '%.60s' %s, so that scores cannot say the same",
                    p->text, why);
}

/* Scores fall from -1 by one for each piece that is made; pieces that are not keep 0, which no
 * merge asks for. */
static int read_scores(struct bnt_vocab_in *v, const json_t *vocab, struct bnt_err *err) {
    const size_t n = json_array_size(v->merges);
    float rank = 0.0f;
    for (size_t i = 0; i < n;) {
        size_t first = i, cut, before = 0;
        struct bnt_piece_in *p = made_by(v, vocab, i, &cut);
        if (!p) return bnt_fail(err, BNT_E_FORMAT, "tokenizer.json: merge %zu is not of pieces", i);
        if (p->score != 0.0f) return wrong_list(p, "are not beside each other", err);
        p->score = rank -= 1.0f;
        for (; i < n && made_by(v, vocab, i, &cut) == p; i++) {
            for (size_t k = first; k < i; k++) {
                made_by(v, vocab, k, &before);
                if (before == cut) return wrong_list(p, "are there twice", err);
            }
        }
        if (p->type == BNT_PIECE_NORMAL && i - first != ways(vocab, p))
            return wrong_list(p, "are not all that the vocabulary allows", err);
    }
    for (uint32_t i = 0; i < v->count; i++) {
        const struct bnt_piece_in *p = &v->pieces[i];
        if (p->text && p->type == BNT_PIECE_NORMAL && p->score == 0.0f && ways(vocab, p))
            return wrong_list(p, "are missing", err);
    }
    return BNT_OK;
}

int bnt_vocab_in_read_rank(struct bnt_vocab_in *v, struct bnt_err *err) {
    const json_t *model = json_object_get(v->tokenizer, "model");
    int status = bnt_vocab_in_read_json(v, err);
    if (status == BNT_OK && bnt_json_true(model, "ignore_merges"))
        status =
            bnt_fail(err, BNT_E_UNSUPPORTED,
                     "tokenizer.json: ignore_merges is true, which SentencePiece does not know");
    if (status == BNT_OK) status = read_spaces(v, err);
    if (status == BNT_OK) status = read_types(v, model, err);
    if (status == BNT_OK) status = read_scores(v, json_object_get(model, "vocab"), err);
    return status;
}
