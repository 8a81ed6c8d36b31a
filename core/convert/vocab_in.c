/* vocab_in.c - see vocab_in.h: which kind a folder has, special tokens, and the keys. */
#include "convert/vocab_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/json_file.h"

enum { MOST = 64 << 20, MAX_PIECES = 1 << 24 }; /* bytes of a file; pieces */

int bnt_vocab_in_piece(struct bnt_piece_in **out, struct bnt_vocab_in *v, int64_t id,
                       struct bnt_err *err) {
    *out = NULL;
    if (id < 0 || id >= MAX_PIECES) return BNT_OK;
    if (id >= v->capacity) {
        uint32_t capacity = (uint32_t)id + (uint32_t)id / 2 + 1024;
        struct bnt_piece_in *grown = realloc(v->pieces, capacity * sizeof *grown);
        if (!grown) return bnt_fail_nomem(err, "the vocabulary", capacity * sizeof *grown);
        memset(grown + v->capacity, 0, (capacity - v->capacity) * sizeof *grown);
        v->pieces = grown;
        v->capacity = capacity;
    }
    if (id >= v->count) v->count = (uint32_t)id + 1;
    *out = &v->pieces[id];
    return BNT_OK;
}

int bnt_vocab_in_piece_of(struct bnt_piece_in **out, struct bnt_vocab_in *v, const json_t *id,
                          struct bnt_err *err) {
    return bnt_vocab_in_piece(out, v, json_is_integer(id) ? json_integer_value(id) : -1, err);
}

/* ---- special tokens ------------------------------------------------------------------------- */

static int64_t id_of(const struct bnt_vocab_in *v, const char *text) {
    size_t len = text ? strlen(text) : 0;
    for (uint32_t i = 0; text && i < v->count; i++)
        if (v->pieces[i].text && v->pieces[i].len == len &&
            memcmp(v->pieces[i].text, text, len) == 0)
            return i;
    return -1;
}

/* By the text that tokenizer_config.json has under `name`, else by the id of config.json: of a list
 * of ends the first. */
static int special(const struct bnt_vocab_in *v, const json_t *model_config, const char *name,
                   int64_t *id, struct bnt_err *err) {
    char key[64];
    const json_t *token;
    const char *text;
    snprintf(key, sizeof key, "%s_token", name);
    token = json_object_get(v->config, key);
    text = json_is_object(token) ? bnt_json_text(token, "content") : json_string_value(token);
    *id = id_of(v, text);
    if (*id >= 0) return BNT_OK;
    if (text)
        return bnt_fail(err, BNT_E_FORMAT,
                        "tokenizer_config.json: \"%s\" is '%.60s', which no piece is", key, text);
    snprintf(key, sizeof key, "%s_token_id", name);
    token = json_object_get(model_config, key);
    if (json_is_array(token)) token = json_array_get(token, 0);
    if (json_is_integer(token)) *id = json_integer_value(token);
    if (*id >= 0 && *id < v->count) return BNT_OK;
    *id = -1;
    return BNT_OK;
}

/* GGUF puts its BOS and EOS around a text: they are the tokens that the tokenizer puts there, which
 * may be others than it calls so. (Embedding models on Qwen3 end texts with what is no end of an
 * answer.) */
static int take_around(struct bnt_vocab_in *v, struct bnt_err *err) {
    const int64_t first = v->add_bos && v->first ? id_of(v, v->first) : v->bos;
    const int64_t last = v->add_eos && v->last ? id_of(v, v->last) : v->eos;
    const bool lost = v->add_bos && v->first && first < 0;
    if (lost || (v->add_eos && v->last && last < 0))
        return bnt_fail(err, BNT_E_FORMAT,
                        "tokenizer.json: '%.60s' is put around a text, which no piece is",
                        lost ? v->first : v->last);
    if (last != v->eos) v->eot = v->eos;
    v->bos = first;
    v->eos = last;
    return BNT_OK;
}

static int read_special(struct bnt_vocab_in *v, const json_t *model_config, struct bnt_err *err) {
    int status = special(v, model_config, "bos", &v->bos, err);
    if (status == BNT_OK) status = special(v, model_config, "eos", &v->eos, err);
    if (status == BNT_OK) status = special(v, model_config, "unk", &v->unk, err);
    if (status == BNT_OK) status = special(v, model_config, "pad", &v->pad, err);
    if (status == BNT_OK) status = take_around(v, err);
    if (status != BNT_OK) return status;
    if (v->add_bos && v->bos < 0)
        return bnt_fail(err, BNT_E_FORMAT, "the tokenizer begins texts with BOS, and names none");
    if (v->add_eos && v->eos < 0)
        return bnt_fail(err, BNT_E_FORMAT, "the tokenizer ends texts with EOS, and names none");
    return BNT_OK;
}

void bnt_vocab_in_note_added(struct bnt_vocab_in *v, const json_t *added) {
    if (v->note) return;
    if (bnt_json_true(added, "lstrip") || bnt_json_true(added, "rstrip") ||
        bnt_json_true(added, "single_word"))
        v->note = "added tokens take the spaces beside them, or stand between words alone (lstrip, "
                  "rstrip, single_word), which GGUF has no word for: texts with them get other "
                  "tokens";
}

void bnt_vocab_in_note_first(struct bnt_vocab_in *v) {
    v->note = "the tokenizer puts a space in front of a text's beginning alone, which GGUF has no "
              "word for: behind special tokens there is one, too";
}

/* Pieces that only tokenizer_config.json or added_tokens.json has, and what is special of the
 * others. */
static int read_added(struct bnt_vocab_in *v, struct bnt_err *err) {
    const json_t *decoder = json_object_get(v->config, "added_tokens_decoder");
    const char *key;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)decoder, key, entry) {
        char *end;
        const char *text = bnt_json_text(entry, "content");
        long long id = strtoll(key, &end, 10);
        struct bnt_piece_in *p;
        int status = bnt_vocab_in_piece(&p, v, text && !*end ? id : -1, err);
        if (status != BNT_OK) return status;
        if (!p)
            return bnt_fail(err, BNT_E_FORMAT, "tokenizer_config.json: added token '%.40s' is none",
                            key);
        bnt_vocab_in_note_added(v, entry);
        if (p->type == BNT_PIECE_UNKNOWN || p->type == BNT_PIECE_BYTE) continue;
        if (!p->text) p->score = -1000.0f;
        p->text = text;
        p->len = strlen(text);
        p->type = bnt_json_true(entry, "special") ? BNT_PIECE_CONTROL : BNT_PIECE_USER;
    }
    json_object_foreach(v->added, key, entry) {
        struct bnt_piece_in *p;
        int status = bnt_vocab_in_piece_of(&p, v, entry, err);
        if (status != BNT_OK) return status;
        if (!p) return bnt_fail(err, BNT_E_FORMAT, "added_tokens.json: token '%.40s' is none", key);
        if (p->text) continue;
        *p = (struct bnt_piece_in){key, strlen(key), BNT_PIECE_USER, -1000.0f};
    }
    return BNT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int read_files(struct bnt_vocab_in *v, const char *folder, struct bnt_err *err) {
    int status = bnt_folder_json(&v->tokenizer, folder, "tokenizer.json", MOST, true, err);
    if (status == BNT_OK)
        status = bnt_folder_json(&v->config, folder, "tokenizer_config.json", MOST, true, err);
    if (status == BNT_OK)
        status = bnt_folder_json(&v->added, folder, "added_tokens.json", MOST, true, err);
    if (status == BNT_OK)
        status =
            bnt_folder_read(&v->model, &v->model_size, folder, "tokenizer.model", MOST, true, err);
    if (status == BNT_OK)
        status = bnt_folder_read(&v->template, &v->template_size, folder, "chat_template.jinja",
                                 MOST, true, err);
    return status;
}

static int read_kind(struct bnt_vocab_in *v, struct bnt_err *err) {
    const json_t *flag;
    int status;
    if (v->tokenizer && bnt_vocab_in_is_byte_level(v->tokenizer))
        return bnt_vocab_in_read_bpe(v, err);
    if (!v->model && v->tokenizer) return bnt_vocab_in_read_rank(v, err);
    if (!v->model)
        return bnt_fail(err, BNT_E_IO, "the folder has no tokenizer.json and no tokenizer.model");
    v->add_bos = true;
    status = bnt_vocab_in_read_spm(v, v->model, v->model_size, err);
    flag = json_object_get(v->config, "add_bos_token");
    if (json_is_boolean(flag)) v->add_bos = json_is_true(flag);
    v->add_eos = bnt_json_true(v->config, "add_eos_token");
    flag = json_object_get(v->config, "add_prefix_space");
    if (json_is_boolean(flag)) v->add_space = json_is_true(flag);
    const char *scheme =
        bnt_json_text(json_object_get(v->tokenizer, "pre_tokenizer"), "prepend_scheme");
    if (v->add_space && ((scheme && strcmp(scheme, "first") == 0) ||
                         json_is_false(json_object_get(v->config, "legacy"))))
        bnt_vocab_in_note_first(v);
    return status;
}

int bnt_vocab_in_read(struct bnt_vocab_in *v, const char *folder, uint32_t rows,
                      const json_t *model_config, struct bnt_err *err) {
    *v = (struct bnt_vocab_in){.bos = -1, .eos = -1, .unk = -1, .pad = -1, .eot = -1};
    int status = read_files(v, folder, err);
    if (status == BNT_OK) status = read_kind(v, err);
    if (status == BNT_OK) status = read_added(v, err);
    if (status == BNT_OK) status = read_special(v, model_config, err);
    if (status == BNT_OK) status = bnt_vocab_in_read_templates(v, err);
    if (status != BNT_OK) return status;
    if (v->count > rows)
        return bnt_fail(err, BNT_E_FORMAT,
                        "the tokenizer has %" PRIu32
                        " tokens, config.json a vocab_size of %" PRIu32,
                        v->count, rows);
    struct bnt_piece_in *last;
    status = bnt_vocab_in_piece(&last, v, (int64_t)rows - 1, err);
    if (status == BNT_OK && !last)
        status = bnt_fail(err, BNT_E_FORMAT, "a vocab_size of %" PRIu32, rows);
    return status;
}

void bnt_vocab_in_free(struct bnt_vocab_in *v) {
    json_decref(v->tokenizer);
    json_decref(v->config);
    json_decref(v->added);
    json_decref(v->templates);
    free(v->model);
    free(v->template);
    free(v->pieces);
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* What is no token of the tokenizer has a row in the embedding all the same. */
static void put_pieces(const struct bnt_vocab_in *v, struct bnt_gguf_out *out) {
    bnt_gguf_out_array(out, "tokenizer.ggml.tokens", BNT_GGUF_STRING, v->count);
    for (uint32_t i = 0; i < v->count; i++) {
        char gap[24];
        const struct bnt_piece_in *p = &v->pieces[i];
        if (p->text) {
            bnt_gguf_out_string(out, p->text, p->len);
        } else {
            snprintf(gap, sizeof gap, "[PAD%" PRIu32 "]", i);
            bnt_gguf_out_string(out, gap, strlen(gap));
        }
    }
    if (!v->pre) {
        bnt_gguf_out_array(out, "tokenizer.ggml.scores", BNT_GGUF_F32, v->count);
        for (uint32_t i = 0; i < v->count; i++) {
            float score = v->pieces[i].text ? v->pieces[i].score : -1000.0f;
            bnt_gguf_out_raw(out, &score, sizeof score);
        }
    }
    bnt_gguf_out_array(out, "tokenizer.ggml.token_type", BNT_GGUF_I32, v->count);
    for (uint32_t i = 0; i < v->count; i++) {
        int32_t type = v->pieces[i].text ? (int32_t)v->pieces[i].type : BNT_PIECE_UNUSED;
        bnt_gguf_out_raw(out, &type, sizeof type);
    }
}

/* A merge is "a b", or a list of the two in newer files. */
static void put_merges(const struct bnt_vocab_in *v, struct bnt_gguf_out *out) {
    const size_t n = json_array_size(v->merges);
    bnt_gguf_out_array(out, "tokenizer.ggml.merges", BNT_GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(v->merges, i);
        const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
        if (json_is_string(m)) {
            bnt_gguf_out_string(out, json_string_value(m), json_string_length(m));
            continue;
        }
        const uint64_t len = json_string_length(a) + 1 + json_string_length(b);
        bnt_gguf_out_raw(out, &len, sizeof len);
        bnt_gguf_out_raw(out, json_string_value(a), json_string_length(a));
        bnt_gguf_out_raw(out, " ", 1);
        bnt_gguf_out_raw(out, json_string_value(b), json_string_length(b));
    }
}

void bnt_vocab_in_keys(const struct bnt_vocab_in *v, struct bnt_gguf_out *out) {
    const struct {
        const char *key;
        int64_t id;
    } ids[] = {{"tokenizer.ggml.bos_token_id", v->bos},
               {"tokenizer.ggml.eos_token_id", v->eos},
               {"tokenizer.ggml.eot_token_id", v->eot},
               {"tokenizer.ggml.unknown_token_id", v->unk},
               {"tokenizer.ggml.padding_token_id", v->pad}};
    if (v->pre) {
        bnt_gguf_out_str(out, "tokenizer.ggml.model", "gpt2", 4);
        bnt_gguf_out_str(out, "tokenizer.ggml.pre", v->pre, strlen(v->pre));
    } else {
        bnt_gguf_out_str(out, "tokenizer.ggml.model", "llama", 5);
        bnt_gguf_out_bool(out, "tokenizer.ggml.add_space_prefix", v->add_space);
    }
    put_pieces(v, out);
    if (v->pre) put_merges(v, out);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id >= 0) bnt_gguf_out_u32(out, ids[i].key, (uint32_t)ids[i].id);
    bnt_gguf_out_bool(out, "tokenizer.ggml.add_bos_token", v->add_bos);
    if (v->add_eos) bnt_gguf_out_bool(out, "tokenizer.ggml.add_eos_token", true);
    bnt_vocab_in_put_templates(v, out);
}
