/*
 * vocab_bpe.c - tokenizer.json with byte-level BPE, and what vocab_rank.c's kind has in common with
 * it.
 *
 * The one idea: what cuts a text into words is recognised by its expressions, in their spelling,
 * not by the model's name; they are those of tokenizers/pretok_table.c, or the file is refused with
 * the expression that nobody knows.
 */
#include <string.h>

#include "convert/json_file.h"
#include "convert/vocab_in.h"
#include "pretok.h"

/* What "ByteLevel" cuts by, unless it is told not to. */
static const char gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
                           "\\s+(?!\\S)|\\s+";

/* A step, or one of a sequence's. */
static bool has_type(const json_t *step, const char *list, const char *type) {
    const json_t *steps = json_object_get(step, list);
    if (bnt_json_is_type(step, type)) return true;
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (bnt_json_is_type(json_array_get(steps, i), type)) return true;
    return false;
}

bool bnt_vocab_in_is_byte_level(const json_t *tokenizer) {
    return has_type(json_object_get(tokenizer, "pre_tokenizer"), "pretokenizers", "ByteLevel") ||
           has_type(json_object_get(tokenizer, "decoder"), "decoders", "ByteLevel");
}

/* ---- the pre-tokenizer ---------------------------------------------------------------------- */

struct cuts {
    const char *of[BNT_CUTS_MAX];
    size_t count;
};

static int add_cut(struct cuts *c, const char *regex, struct bnt_err *err) {
    if (c->count == BNT_CUTS_MAX)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "tokenizer.json: more than %d cuts", BNT_CUTS_MAX);
    c->of[c->count++] = regex;
    return BNT_OK;
}

static int unknown_step(const json_t *step, struct bnt_err *err) {
    const char *type = bnt_json_text(step, "type");
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.json: a pre-tokenizer of type '%.40s' in this form is not known",
                    type ? type : "?");
}

static int add_step(struct cuts *c, const json_t *step, struct bnt_err *err) {
    if (bnt_json_is_type(step, "ByteLevel")) {
        if (bnt_json_true(step, "add_prefix_space")) return unknown_step(step, err);
        return json_is_false(json_object_get(step, "use_regex")) ? BNT_OK : add_cut(c, gpt2, err);
    }
    if (bnt_json_is_type(step, "Digits"))
        return add_cut(c, bnt_json_true(step, "individual_digits") ? "\\p{N}" : "\\p{N}+", err);
    const char *behaviour = bnt_json_text(step, "behavior");
    const char *regex = bnt_json_text(json_object_get(step, "pattern"), "Regex");
    const bool inverted = bnt_json_true(step, "invert");
    if (!bnt_json_is_type(step, "Split") || !regex || !behaviour ||
        strcmp(behaviour, inverted ? "Removed" : "Isolated") != 0)
        return unknown_step(step, err);
    return add_cut(c, regex, err);
}

static bool same_cuts(const struct cuts *c, const struct bnt_pretok *row) {
    size_t n = 0;
    if (!row->cuts) return false;
    while (row->cuts[n]) n++;
    if (n != c->count) return false;
    for (size_t i = 0; i < n; i++)
        if (strcmp(c->of[i], row->cuts[i]) != 0) return false;
    return true;
}

static int find_pre(struct bnt_vocab_in *v, const json_t *pre_tokenizer, bool ignore_merges,
                    struct bnt_err *err) {
    const json_t *steps = json_object_get(pre_tokenizer, "pretokenizers");
    const struct bnt_pretok *row;
    struct cuts c = {0};
    bool known = false;
    int status = BNT_OK;
    if (bnt_json_is_type(pre_tokenizer, "Sequence")) {
        for (size_t i = 0; i < json_array_size(steps) && status == BNT_OK; i++)
            status = add_step(&c, json_array_get(steps, i), err);
    } else {
        status = add_step(&c, pre_tokenizer, err);
    }
    if (status != BNT_OK) return status;
    for (size_t i = 0; (row = bnt_pretok_at(i)) != NULL && !v->pre; i++) {
        if (!same_cuts(&c, row)) continue;
        known = true;
        if (row->ignore_merges == ignore_merges) v->pre = row->name;
    }
    if (v->pre) return BNT_OK;
    if (known)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tokenizer.json: ignore_merges is %s, which no pre-tokenizer with these "
                        "expressions is known to have",
                        ignore_merges ? "true" : "false");
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.json: no pre-tokenizer is known that cuts by %zu expression(s) "
                    "beginning with %.200s",
                    c.count, c.count ? c.of[0] : "none");
}

/* ---- normalizer, and what is put around a text ---------------------------------------------- */

static int check_normalizer(struct bnt_vocab_in *v, const json_t *normalizer, struct bnt_err *err) {
    const char *type = bnt_json_text(normalizer, "type");
    if (!normalizer || json_is_null(normalizer)) return BNT_OK;
    if (type && strcmp(type, "Sequence") == 0 &&
        json_array_size(json_object_get(normalizer, "normalizers")) == 0)
        return BNT_OK;
    if (type && strcmp(type, "NFC") == 0) {
        v->note =
            "the tokenizer composes characters first (NFC), which GGUF has no word for: texts "
            "in decomposed Unicode get other tokens";
        return BNT_OK;
    }
    return bnt_fail(err, BNT_E_UNSUPPORTED, "tokenizer.json: a normalizer of type '%.40s'",
                    type ? type : "?");
}

/* The token's text, or NULL. */
static const char *special_step(const json_t *step) {
    return bnt_json_text(json_object_get(step, "SpecialToken"), "id");
}

/* What puts anything around a text in another way is not known. */
static int check_processor(const json_t *step, struct bnt_err *err) {
    static const char *const known[] = {"ByteLevel", "TemplateProcessing", "Sequence"};
    const char *type = bnt_json_text(step, "type");
    if (!step || json_is_null(step)) return BNT_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (type && strcmp(type, known[i]) == 0) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED, "tokenizer.json: a post_processor of type '%.40s'",
                    type ? type : "?");
}

/* A template of "single" texts, itself or in a sequence. */
static const json_t *single_of(const json_t *processor) {
    const json_t *steps = json_object_get(processor, "processors");
    if (bnt_json_is_type(processor, "TemplateProcessing"))
        return json_object_get(processor, "single");
    for (size_t i = 0; i < json_array_size(steps); i++)
        if (bnt_json_is_type(json_array_get(steps, i), "TemplateProcessing"))
            return json_object_get(json_array_get(steps, i), "single");
    return NULL;
}

static int read_around(struct bnt_vocab_in *v, struct bnt_err *err) {
    const json_t *processor = json_object_get(v->tokenizer, "post_processor");
    const json_t *single = single_of(processor), *steps = json_object_get(processor, "processors");
    const size_t n = json_array_size(single);
    int status = check_processor(processor, err);
    for (size_t i = 0; i < json_array_size(steps) && status == BNT_OK; i++)
        status = check_processor(json_array_get(steps, i), err);
    if (status != BNT_OK) return status;
    if (!single) {
        v->add_bos = bnt_json_true(v->config, "add_bos_token");
        v->add_eos = bnt_json_true(v->config, "add_eos_token");
        return BNT_OK;
    }
    v->first = n > 1 ? special_step(json_array_get(single, 0)) : NULL;
    v->last = n > 1 ? special_step(json_array_get(single, n - 1)) : NULL;
    v->add_bos = v->first != NULL;
    v->add_eos = v->last != NULL;
    if (n - v->add_bos - v->add_eos == 1) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tokenizer.json: a text gets more around it than a first and a last token");
}

/* ---- the model ------------------------------------------------------------------------------ */

static int check_model(const json_t *model, struct bnt_err *err) {
    static const char *const empty[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const char *type = bnt_json_text(model, "type");
    const json_t *dropout = json_object_get(model, "dropout");
    if (type && strcmp(type, "BPE") != 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tokenizer.json: a model of type '%.40s'; only BPE is converted, from here "
                        "or from a tokenizer.model",
                        type);
    for (size_t i = 0; i < 2; i++) {
        const char *text = bnt_json_text(model, empty[i]);
        if (text && text[0])
            return bnt_fail(err, BNT_E_UNSUPPORTED, "tokenizer.json: \"%s\" is '%.40s'", empty[i],
                            text);
    }
    if (json_is_number(dropout) && json_number_value(dropout) != 0.0)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "tokenizer.json: merges are dropped at random");
    return BNT_OK;
}

static int check_merges(const json_t *merges, struct bnt_err *err) {
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *m = json_array_get(merges, i);
        const char *text = json_string_value(m);
        const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
        bool pair = json_array_size(m) == 2 && json_is_string(a) && json_is_string(b) &&
                    !strchr(json_string_value(a), ' ') && !strchr(json_string_value(b), ' ');
        if (!pair && !(text && strchr(text, ' ')))
            return bnt_fail(err, BNT_E_FORMAT, "tokenizer.json: merge %zu is no pair of pieces", i);
    }
    return BNT_OK;
}

static int read_pieces(struct bnt_vocab_in *v, const json_t *vocab, struct bnt_err *err) {
    const json_t *added = json_object_get(v->tokenizer, "added_tokens");
    const char *text;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)vocab, text, id) {
        struct bnt_piece_in *p;
        int status = bnt_vocab_in_piece_of(&p, v, id, err);
        if (status != BNT_OK) return status;
        if (!p || p->text)
            return bnt_fail(err, BNT_E_FORMAT, "tokenizer.json: piece '%.40s' has no id of its own",
                            text);
        *p = (struct bnt_piece_in){text, strlen(text), BNT_PIECE_NORMAL, 0.0f};
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *a = json_array_get(added, i);
        const char *content = bnt_json_text(a, "content");
        struct bnt_piece_in *p;
        int status = bnt_vocab_in_piece_of(&p, v, content ? json_object_get(a, "id") : NULL, err);
        if (status != BNT_OK) return status;
        if (!p) return bnt_fail(err, BNT_E_FORMAT, "tokenizer.json: added token %zu is none", i);
        bnt_vocab_in_note_added(v, a);
        *p = (struct bnt_piece_in){content, strlen(content),
                                   bnt_json_true(a, "special") ? BNT_PIECE_CONTROL : BNT_PIECE_USER,
                                   0.0f};
    }
    return BNT_OK;
}

int bnt_vocab_in_read_json(struct bnt_vocab_in *v, struct bnt_err *err) {
    const json_t *model = json_object_get(v->tokenizer, "model");
    const json_t *vocab = json_object_get(model, "vocab");
    int status = check_model(model, err);
    v->merges = json_object_get(model, "merges");
    if (status == BNT_OK && (!json_is_object(vocab) || !json_is_array(v->merges)))
        status = bnt_fail(err, BNT_E_FORMAT, "tokenizer.json: no vocab or no merges");
    if (status == BNT_OK) status = check_merges(v->merges, err);
    if (status == BNT_OK) status = read_pieces(v, vocab, err);
    if (status == BNT_OK) status = read_around(v, err);
    return status;
}

int bnt_vocab_in_read_bpe(struct bnt_vocab_in *v, struct bnt_err *err) {
    int status = bnt_vocab_in_read_json(v, err);
    if (status == BNT_OK)
        status = check_normalizer(v, json_object_get(v->tokenizer, "normalizer"), err);
    if (status == BNT_OK)
        status =
            find_pre(v, json_object_get(v->tokenizer, "pre_tokenizer"),
                     bnt_json_true(json_object_get(v->tokenizer, "model"), "ignore_merges"), err);
    return status;
}
