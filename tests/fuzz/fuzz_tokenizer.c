/*
 * fuzz_tokenizer.c - hostile vocabularies and hostile texts.
 *
 * The first byte chooses: the input is a GGUF file whose tokenizer, if it opens, encodes the file's
 * own first bytes; or it is a text for one of the toy vocabularies, which must come back as it was,
 * whole and streamed, with ranges that cover it.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_tokenizer CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"
#include "toy_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stream(const struct bnt_tokenizer *t, const struct bnt_token_list *l, const char *whole,
                   size_t len) {
    size_t room = bnt_tokenizer_max_piece(t), at = 0;
    char *out = malloc(room);
    struct bnt_stream s;
    if (!out) abort();
    bnt_stream_init(&s, t, true, true);
    for (size_t i = 0; i <= l->count; i++) {
        size_t n = i < l->count ? bnt_stream_push(&s, l->ids[i], out, room)
                                : bnt_stream_flush(&s, out, room);
        if (n > len - at || memcmp(out, whole + at, n) != 0) abort();
        at += n;
    }
    if (at != len) abort();
    free(out);
}

/* `lossless`: the vocabulary is known to keep the promise. */
static void round_trip(const struct bnt_tokenizer *t, const uint8_t *text, size_t len,
                       unsigned flags, bool lossless) {
    struct bnt_token_list l = {0};
    size_t back_len;
    char *back;
    int rc = bnt_tokenizer_encode(t, (const char *)text, len, flags, &l, NULL);
    if (rc == BNT_E_UNSUPPORTED) { /* a byte that no token stands for */
        bnt_token_list_free(&l);
        return;
    }
    if (rc) abort();
    if (bnt_tokenizer_decode(t, l.ids, l.count, true, &back, &back_len, NULL)) abort();
    if (lossless && (back_len != len || memcmp(back, text, len) != 0)) abort();
    for (size_t i = 0; i < l.count; i++)
        if (l.begin[i] != (i ? l.end[i - 1] : 0) || l.end[i] > len) abort();
    stream(t, &l, back, back_len);
    free(back);
    bnt_token_list_free(&l);
}

static struct bnt_tokenizer *toy_tokenizer(struct toy *toy) {
    struct bnt_tokenizer *t = NULL;
    struct bnt_gguf *g = NULL;
    size_t size;
    uint8_t *data = toy_bytes(toy, &size);
    if (bnt_gguf_open_memory(&g, data, size, NULL) || bnt_tokenizer_open(&t, g, NULL)) abort();
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const pre[] = {"gpt-2",       "llama-bpe", "default",      "starcoder",
                                      "deepseek-v3", "gpt-4o",    "superbpe",     "tiny_aya",
                                      "kimi-k2",     "bloom",     "deepseek-llm", "exaone-moe"};
    enum { PRE = sizeof pre / sizeof pre[0], SPM = PRE, GEMMA, TOYS };
    static struct bnt_tokenizer *toys[TOYS]; /* made once: they are what is tested, not how */
    unsigned choice, flags;
    if (size < 1) return 0;
    choice = data[0] & 31;
    flags = (data[0] & 32 ? BNT_ENCODE_PARSE_SPECIAL : 0u) | BNT_ENCODE_EXACT;
    data++;
    size--;
    if (choice >= TOYS) {
        struct bnt_gguf *g = NULL;
        struct bnt_tokenizer *t = NULL;
        struct bnt_err err = {0};
        if (bnt_gguf_open_memory(&g, data, size, &err) == BNT_OK &&
            bnt_tokenizer_open(&t, g, &err) == BNT_OK) {
            uint8_t digest[32];
            round_trip(t, data, size < 4096 ? size : 4096, flags,
                       strcmp(bnt_tokenizer_info(t)->kind, "gpt2") == 0);
            if (bnt_tokenizer_digest(t, digest, &err)) abort();
        } else if (!err.text[0]) {
            abort();
        }
        bnt_tokenizer_close(t);
        bnt_gguf_close(g);
        return 0;
    }
    if (!toys[choice])
        toys[choice] = toy_tokenizer(choice < PRE    ? toy_bpe(pre[choice])
                                     : choice == SPM ? toy_spm()
                                                     : toy_gemma());
    round_trip(toys[choice], data, size, flags, true);
    return 0;
}
