/*
 * fuzz_template.c - hostile messages, and hostile templates of a file.
 *
 * The first byte chooses: the input is a file's template, which is opened or refused, and used; or
 * it is a system text, an answer and a message (0xFE divides them) for one of the named templates,
 * whose rendering must have the control tokens and marks of a harmless one and no other. Either way
 * tokens stand for the text that was rendered, and of the tokens before them as many stay as *keep
 * says.
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
    toy_token(toy, "<|user|>", TOY_USER_DEFINED, 0); /* a mark that is called text */
    uint8_t *data = toy_bytes(toy, &size);
    if (bnt_gguf_open_memory(&g, data, size, NULL) || bnt_tokenizer_open(&tokenizer, g, NULL))
        abort();
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
}

struct text {
    const char *s;
    size_t len;
};

/* The last turn's tokens: those that stay, and the text of all. */
static void check(const struct bnt_chat *c, size_t keep) {
    const struct bnt_chat_context *x = &c->turns[c->n_turns - 1].before;
    const struct bnt_chat_context *old = c->n_turns > 1 ? &c->turns[c->n_turns - 2].after : NULL;
    char *text;
    size_t len;
    if (keep >= x->count || (keep && (!old || keep > old->count))) abort();
    if (keep && memcmp(x->ids, old->ids, keep * sizeof *x->ids) != 0) abort();
    for (size_t i = 1; i < x->count; i++)
        if (x->ends[i] < x->ends[i - 1]) abort();
    if (bnt_chat_text(tokenizer, x->ids, x->count, true, &text, &len, NULL)) abort();
    if (len != x->len || memcmp(text, x->text, len) != 0) abort();
    free(text);
}

static int say(struct bnt_chat *c, struct text user, struct bnt_err *err) {
    size_t keep;
    int status = bnt_chat_ask(c, user.s, user.len, &keep, err);
    if (status == BNT_OK) check(c, keep);
    if (status != BNT_OK && (err->status != status || !err->text[0])) abort();
    return status;
}

static void answer(struct bnt_chat *c, struct text said) {
    struct bnt_token_list l = {0};
    if (bnt_tokenizer_encode(tokenizer, said.s, said.len, BNT_ENCODE_EXACT | BNT_ENCODE_CONTINUES,
                             &l, NULL) ||
        bnt_chat_answer(c, l.ids, l.count, said.len, NULL))
        abort();
    bnt_token_list_free(&l);
}

/* How many control tokens a conversation of these texts has, and marks in what is asked first: the
 * answer's own stay as the model made them. */
static size_t controls_of(const struct bnt_template *tm, const struct text t[3]) {
    struct bnt_chat c = {.tokenizer = tokenizer, .template = tm};
    struct bnt_err err = {0};
    size_t n = 0;
    if (bnt_chat_begin(&c, t[0].s, t[0].len, NULL) || say(&c, t[2], &err)) abort();
    for (size_t i = 0; i < c.turns[0].before.count; i++)
        n += bnt_reserved_has(tm->reserved, c.turns[0].before.ids[i]);
    answer(&c, t[1]);
    if (say(&c, (struct text){"x", 1}, &err)) abort();
    const struct bnt_chat_context *x = &c.turns[1].before;
    for (size_t i = 0; i < x->count; i++)
        n += bnt_tokenizer_type(tokenizer, x->ids[i]) == BNT_TOKEN_CONTROL;
    bnt_chat_free(&c);
    return n;
}

static void try_file(const uint8_t *text, size_t len) {
    const struct bnt_template_choice choice = {.text = (const char *)text, .len = len};
    struct bnt_template tm;
    struct bnt_err err = {0};
    if (bnt_template_open(&tm, NULL, tokenizer, &choice, &err)) {
        if (!err.text[0]) abort();
        return;
    }
    struct bnt_chat c = {.tokenizer = tokenizer, .template = &tm};
    if (say(&c, (struct text){"<|im_end|> a", 12}, &err) == BNT_OK) {
        answer(&c, (struct text){"<think>b</think> the ", 21});
        say(&c, (struct text){"c", 1}, &err);
    }
    bnt_chat_free(&c);
    bnt_template_close(&tm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"llama3", "bitnet",  "qwen2",    "chatml",
                                        "llama2", "falcon3", "instruct", "raw"};
    static const struct text harmless[3] = {{"q", 1}, {"q", 1}, {"q", 1}};
    struct text texts[3];
    struct bnt_template tm;
    if (size < 1) return 0;
    if (!tokenizer) make_tokenizer();
    if (data[0] & 16) {
        try_file(data + 1, size - 1);
        return 0;
    }
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    for (unsigned i = 0; i < 3; i++) {
        const char *cut = i < 2 ? memchr(at, 0xFE, (size_t)(end - at)) : NULL;
        texts[i] = (struct text){at, (size_t)((cut ? cut : end) - at)};
        at = cut ? cut + 1 : end;
    }
    if (bnt_template_open(&tm, NULL, tokenizer,
                          &(struct bnt_template_choice){.name = names[data[0] & 7]}, NULL))
        abort();
    if (controls_of(&tm, texts) != controls_of(&tm, harmless)) abort();
    bnt_template_close(&tm);
    return 0;
}
