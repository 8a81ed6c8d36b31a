/*
 * fuzz_template.c - hostile messages, and hostile template texts in a file.
 *
 * The first byte chooses: the input is a file's template text, which is recognised or refused; or
 * it is a system text, the rest of an answer and a message (0xFE divides them) for one of the
 * families, whose rendering must have the control tokens of a harmless one and no other, and must
 * give its texts back.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_template CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "run/chat.h"
#include "toy_vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bnt_tokenizer *tokenizer;

static void make_tokenizer(void) {
    static const char *const controls[] = {"<|start_header_id|>", "<|end_header_id|>",
                                           "<|im_start|>",        "<|im_end|>",
                                           "<|endoftext|>",       "</s>"};
    struct toy *toy = toy_bpe("llama-bpe");
    struct bnt_gguf *g = NULL;
    size_t size;
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        toy_token(toy, controls[i], TOY_CONTROL, 0);
    uint8_t *data = toy_bytes(toy, &size);
    if (bnt_gguf_open_memory(&g, data, size, NULL) || bnt_tokenizer_open(&tokenizer, g, NULL))
        abort();
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
}

static void try_text(const uint8_t *text, size_t len) {
    struct gw *w = gw_new(3, 32);
    struct bnt_template tm;
    struct bnt_err err = {0};
    struct bnt_gguf *g = NULL;
    struct gw_buf value = {0};
    size_t size;
    gw_put_u64(&value, len);
    gw_put(&value, text, len);
    gw_key_raw(w, "tokenizer.chat_template", GW_STRING, value.data, value.size);
    uint8_t *data = gw_memory(w, &size);
    if (bnt_gguf_open_memory(&g, data, size, &err)) abort();
    if (bnt_template_choose(&tm, g, tokenizer, NULL, &err) && !err.text[0]) abort();
    bnt_gguf_close(g);
    free(data);
    gw_buf_free(&value);
    gw_free(w);
}

static size_t count_controls(const struct bnt_token_list *l) {
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        n += bnt_tokenizer_type(tokenizer, l->ids[i]) == BNT_TOKEN_CONTROL;
    return n;
}

static void try_turn(const struct bnt_template *tm, const struct bnt_turn *turn) {
    struct bnt_turn plain = *turn, back = *turn;
    struct bnt_token_list l = {0}, harmless = {0};
    char *text;
    size_t len;
    plain.rest = plain.user = "x";
    plain.rest_len = plain.user_len = 1;
    if (plain.system_len) plain.system_len = 1;
    plain.system = "x";
    if (bnt_template_encode(tm, tokenizer, turn, &l, NULL) ||
        bnt_template_encode(tm, tokenizer, &plain, &harmless, NULL))
        abort();
    if (count_controls(&l) != count_controls(&harmless)) abort();
    for (size_t i = 1; i < l.count; i++)
        if (l.begin[i] != l.end[i - 1]) abort();
    if (bnt_chat_text(tokenizer, l.ids, l.count, turn->first, &text, &len, NULL)) abort();
    if (!bnt_template_parse(tm, tokenizer, text, len, &back)) abort();
    if (back.user_len != turn->user_len || memcmp(back.user, turn->user, turn->user_len) != 0)
        abort();
    free(text);
    bnt_token_list_free(&l);
    bnt_token_list_free(&harmless);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"llama3", "bitnet",  "qwen2",    "chatml",
                                        "llama2", "falcon3", "instruct", "raw"};
    struct bnt_template tm;
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    struct bnt_turn turn = {0};
    if (size < 1) return 0;
    if (!tokenizer) make_tokenizer();
    if (data[0] & 16) {
        try_text(data + 1, size - 1);
        return 0;
    }
    if (bnt_template_choose(&tm, NULL, tokenizer, names[data[0] & 7], NULL)) abort();
    turn.first = data[0] & 8;
    const char *cut = memchr(at, 0xFE, (size_t)(end - at));
    const char *other = cut ? cut : at;
    if (turn.first) {
        turn.system = at;
        turn.system_len = (size_t)(other - at);
        turn.rest = "";
    } else {
        turn.system = "";
        turn.rest = at;
        turn.rest_len = (size_t)(other - at);
    }
    turn.user = cut ? cut + 1 : at;
    turn.user_len = (size_t)(end - turn.user);
    try_turn(&tm, &turn);
    return 0;
}
