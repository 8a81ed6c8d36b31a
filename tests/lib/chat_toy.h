/*
 * chat_toy.h - a toy vocabulary with the tokens that chat templates need, and its file, for the
 * tests of templates and conversations.
 */
#ifndef TEST_CHAT_TOY_H
#define TEST_CHAT_TOY_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "run/chat.h"
#include "toy_vocab.h"

struct chat_file {
    uint8_t *data; /* what g reads */
    struct bnt_gguf *g;
    struct bnt_tokenizer *t;
};

static inline struct toy *with_controls(struct toy *toy) {
    static const char *const controls[] = {"<|start_header_id|>", "<|end_header_id|>",
                                           "<|im_start|>",        "<|im_end|>",
                                           "<|endoftext|>",       "</s>"};
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++)
        if (toy_find(toy, controls[i]) < 0) toy_token(toy, controls[i], TOY_CONTROL, 0);
    return toy;
}

/* What was written, with the template `jinja` unless that is NULL; takes both. */
static inline struct chat_file open_written(struct gw *w, struct toy *toy, const char *jinja) {
    struct chat_file f = {NULL, NULL, NULL};
    struct bnt_err err = {0};
    size_t size;
    if (jinja) gw_key_str(w, "tokenizer.chat_template", jinja);
    f.data = gw_memory(w, &size);
    gw_free(w);
    ck_assert_msg(bnt_gguf_open_memory(&f.g, f.data, size, &err) == BNT_OK, "%s", err.text);
    ck_assert_msg(bnt_tokenizer_open(&f.t, f.g, &err) == BNT_OK, "%s", err.text);
    toy_free(toy);
    return f;
}

static inline struct chat_file open_file(struct toy *toy, const char *jinja) {
    return open_written(toy_gguf(toy), toy, jinja);
}

static inline void close_file(struct chat_file *f) {
    bnt_tokenizer_close(f->t);
    bnt_gguf_close(f->g);
    free(f->data);
}

/* The file's own, or the named one. */
static inline struct bnt_template open_template(const struct chat_file *f, const char *name) {
    struct bnt_template tm;
    struct bnt_err err = {0};
    ck_assert_msg(bnt_template_open(&tm, f->g, f->t, &(struct bnt_template_choice){.name = name},
                                    &err) == BNT_OK,
                  "%s", err.text);
    return tm;
}

static inline struct bnt_chat begin_chat(const struct chat_file *f, const struct bnt_template *tm,
                                         const char *system) {
    struct bnt_chat c = {.tokenizer = f->t, .template = tm};
    ck_assert(bnt_chat_begin(&c, system, system ? strlen(system) : 0, NULL) == BNT_OK);
    return c;
}

/* A message; the number of tokens that stayed. */
static inline size_t ask(struct bnt_chat *c, const char *user) {
    struct bnt_err err = {0};
    size_t keep;
    ck_assert_msg(bnt_chat_ask(c, user, strlen(user), &keep, &err) == BNT_OK, "%s", err.text);
    return keep;
}

/* The last message answered with the tokens of a text. */
static inline void answer(struct bnt_chat *c, const char *text) {
    struct bnt_token_list l = {0};
    struct bnt_err err = {0};
    ck_assert(bnt_tokenizer_encode(c->tokenizer, text, strlen(text),
                                   BNT_ENCODE_EXACT | BNT_ENCODE_CONTINUES, &l, &err) == BNT_OK);
    ck_assert_msg(bnt_chat_answer(c, l.ids, l.count, strlen(text), &err) == BNT_OK, "%s", err.text);
    bnt_token_list_free(&l);
}

/* The text of what the model is to see, and that it is the text of its tokens. */
static inline const char *seen(const struct bnt_chat *c) {
    static char out[4096];
    const struct bnt_chat_context *x = &c->turns[c->n_turns - 1].before;
    char *text;
    size_t len;
    ck_assert(bnt_chat_text(c->tokenizer, x->ids, x->count, true, &text, &len, NULL) == BNT_OK);
    ck_assert_uint_lt(len, sizeof out);
    memcpy(out, text, len);
    out[len] = '\0';
    ck_assert_uint_eq(len, x->len);
    ck_assert_str_eq(x->text, out);
    for (size_t i = 1; i < x->count; i++) ck_assert_uint_le(x->ends[i - 1], x->ends[i]);
    if (x->count) ck_assert_uint_eq(x->ends[x->count - 1], x->len);
    free(text);
    return out;
}

#endif
