/*
 * fuzz_checkpoint.c - hostile checkpoints: what `bitnet convert` reads.
 *
 * The first byte chooses: a safetensors file as it is; the header of one (its length and 64 bytes
 * of data are added, so that the JSON is reached without luck); config.json; tokenizer.json; or a
 * SentencePiece model.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_checkpoint CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "convert/config.h"
#include "convert/json_file.h"
#include "convert/safetensors.h"
#include "convert/vocab_in.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int status, const struct bnt_err *err) {
    if (status != BNT_OK && (err->status != status || !err->text[0])) abort();
}

/* Every byte of every tensor is in the file. */
static void safetensors(const uint8_t *data, size_t size) {
    struct bnt_safetensors *s;
    struct bnt_err err = {0};
    int status = bnt_safetensors_open_memory(&s, data, size, &err);
    check(status, &err);
    for (size_t i = 0; status == BNT_OK && i < bnt_safetensors_count(s); i++) {
        const struct bnt_st_tensor *t = bnt_safetensors_at(s, i);
        float x[16];
        if (bnt_safetensors_find(s, t->name) != t) abort();
        if (t->bytes && (t->data < data || t->data + t->bytes > data + size)) abort();
        bnt_st_floats(t, 0, t->elements < 16 ? t->elements : 16, x);
        bnt_st_release(t, 0, t->elements);
    }
    if (status == BNT_OK) bnt_safetensors_close(s);
}

static void header(const uint8_t *data, size_t size) {
    const uint64_t length = size;
    uint8_t *file = calloc(1, size + 72);
    if (!file) return;
    memcpy(file, &length, sizeof length);
    memcpy(file + 8, data, size);
    safetensors(file, size + 72);
    free(file);
}

static void config(json_t *json) {
    struct bnt_hf_config c;
    struct bnt_err err = {0};
    struct bnt_gguf_out *out = bnt_gguf_out_new(32);
    int status = bnt_hf_config_read(&c, json, &err);
    check(status, &err);
    if (out && status == BNT_OK) check(bnt_hf_config_keys(&c, out, &err), &err);
    bnt_hf_config_free(&c);
    bnt_gguf_out_free(out);
}

static void keys(const struct bnt_vocab_in *v) {
    struct bnt_gguf_out *out = bnt_gguf_out_new(32);
    if (out && v->count < 10000) bnt_vocab_in_keys(v, out);
    bnt_gguf_out_free(out);
}

static void tokenizer(json_t *json) {
    struct bnt_vocab_in v = {.tokenizer = json_incref(json)};
    struct bnt_err err = {0};
    int status = bnt_vocab_in_is_byte_level(json) ? bnt_vocab_in_read_bpe(&v, &err)
                                                  : bnt_vocab_in_read_rank(&v, &err);
    check(status, &err);
    if (status == BNT_OK) keys(&v);
    bnt_vocab_in_free(&v);
}

static void model(const uint8_t *data, size_t size) {
    struct bnt_vocab_in v = {0};
    struct bnt_err err = {0};
    int status = bnt_vocab_in_read_spm(&v, data, size, &err);
    check(status, &err);
    if (status == BNT_OK) keys(&v);
    bnt_vocab_in_free(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bnt_err err = {0};
    json_t *json;
    if (size < 1) return 0;
    const uint8_t kind = data[0] % 5;
    data++, size--;
    if (kind == 0) safetensors(data, size);
    if (kind == 1) header(data, size);
    if (kind == 4) model(data, size);
    if (kind != 2 && kind != 3) return 0;
    int status = bnt_json_parse(&json, (const char *)data, size, "the input", &err);
    check(status, &err);
    if (status != BNT_OK) return 0;
    if (kind == 2) config(json);
    if (kind == 3) tokenizer(json);
    json_decref(json);
    return 0;
}
