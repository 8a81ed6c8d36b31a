/* toy_vocab.c - see toy_vocab.h. */
#include "toy_vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *toy_spell(char *dst, const void *bytes, size_t len) {
    const uint8_t *s = bytes;
    char *d = dst;
    for (size_t i = 0; i < len; i++) {
        unsigned cp = s[i], spare = 256;
        if (cp < 33 || (cp > 126 && cp < 161) || cp == 173) {
            for (unsigned b = 0; b < s[i]; b++)
                if (b < 33 || (b > 126 && b < 161) || b == 173) spare++;
            cp = spare;
        }
        if (cp < 128) {
            *d++ = (char)cp;
        } else {
            *d++ = (char)(0xC0 | cp >> 6);
            *d++ = (char)(0x80 | (cp & 0x3F));
        }
    }
    *d = 0;
    return dst;
}

static char *copy(const char *s) {
    size_t n = strlen(s) + 1;
    char *p = malloc(n);
    if (!p) abort();
    return memcpy(p, s, n);
}

uint32_t toy_token(struct toy *t, const char *text, int32_t type, float score) {
    uint64_t id = t->n_tokens;
    if (id == TOY_MAX) abort();
    t->tokens[id] = copy(text);
    t->types[id] = type;
    t->scores[id] = score;
    t->n_tokens = t->n_types = id + 1;
    if (strcmp(t->model, "llama") == 0) t->n_scores = id + 1;
    return (uint32_t)id;
}

int toy_find(const struct toy *t, const char *text) {
    for (uint64_t i = 0; i < t->n_tokens; i++)
        if (strcmp(t->tokens[i], text) == 0) return (int)i;
    return -1;
}

uint32_t toy_merge(struct toy *t, const char *left, const char *right) {
    char l[256], r[256], both[513];
    toy_spell(l, left, strlen(left));
    toy_spell(r, right, strlen(right));
    snprintf(both, sizeof both, "%s %s", l, r);
    if (t->n_merges == TOY_MAX) abort();
    t->merges[t->n_merges++] = copy(both);
    snprintf(both, sizeof both, "%s%s", l, r);
    return toy_find(t, both) >= 0 ? (uint32_t)toy_find(t, both) : toy_token(t, both, TOY_NORMAL, 0);
}

static struct toy *toy_new(const char *model, const char *pre) {
    struct toy *t = calloc(1, sizeof *t);
    if (!t) abort();
    t->model = model;
    t->pre = pre;
    return t;
}

struct toy *toy_bpe(const char *pre) {
    static const char *const merges[][2] = {
        {"t", "h"},     {"th", "e"},      {" ", "t"},       {"a", "a"},   {"aa", "aa"},
        {" ", " "},     {"  ", "  "},     {"i", "n"},       {"in", "g"},  {" t", "h"},
        {" th", "e"},   {"\xC3", "\xA9"}, {"\xF0", "\x9F"}, {"1", "2"},   {"12", "3"},
        {"aaaa", "aa"}, {"h", "e"},       {"'", "s"},       {"\n", "\n"}, {"e", "r"},
    };
    struct toy *t = toy_new("gpt2", pre);
    for (int b = 0; b < 256; b++) {
        char text[3], byte = (char)b;
        toy_token(t, toy_spell(text, &byte, 1), TOY_NORMAL, 0);
    }
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++)
        toy_merge(t, merges[i][0], merges[i][1]);
    toy_token(t, "whole", TOY_NORMAL, 0); /* a piece no merge makes */
    toy_token(t, "<|begin_of_text|>", TOY_CONTROL, 0);
    toy_token(t, "<|eot_id|>", TOY_CONTROL, 0);
    toy_token(t, "<|eot_id|>>", TOY_CONTROL, 0); /* longer than, and beginning like, another */
    toy_token(t, "<think>", TOY_USER_DEFINED, 0);
    return t;
}

struct toy *toy_spm(void) {
    static const struct {
        const char *text;
        float score;
    } pieces[] = {
        {"\xE2\x96\x81\xE2\x96\x81", -1e9f},
        {"\xE2\x96\x81t", 0},
        {"er", -1},
        {"in", -2},
        {"\xE2\x96\x81"
         "a",
         -3},
        {"he", -4},
        {"\xE2\x96\x81the", -5},
        {"ab", -6},
        {"bc", -6},
        {"abc", -7},
        {"aa", -8},
        {"\xE2\x96\x81", -9},
        {"t", -10},
        {"h", -11},
        {"e", -12},
        {"a", -13},
        {"b", -14},
        {"c", -15},
        {"r", -16},
        {"i", -17},
        {"n", -18},
        {"\xC3\xA9", -19},
        {"<", -20},
        {">", -21},
        {"<s", -22},
        {"s", -23},
    };
    struct toy *t = toy_new("llama", NULL);
    toy_token(t, "<unk>", TOY_UNKNOWN, 0);
    toy_token(t, "<s>", TOY_CONTROL, 0);
    toy_token(t, "</s>", TOY_CONTROL, 0);
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", b);
        toy_token(t, text, TOY_BYTE, 0);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        toy_token(t, pieces[i].text, TOY_NORMAL, pieces[i].score);
    toy_token(t, "<ud>", TOY_USER_DEFINED, 0);
    return t;
}

struct toy *toy_gemma(void) {
    static const char *const pieces[] = {"\xE2\x96\x81",
                                         "\xE2\x96\x81\xE2\x96\x81",
                                         "a",
                                         "b",
                                         "c",
                                         "ab",
                                         "bc",
                                         ("\xE2\x96\x81"
                                          "a"),
                                         "\n",
                                         "\n\n",
                                         "\n\n\n\n\n",
                                         "\t"};
    static const char *const merges[] = {"b c", "a b", "\xE2\x96\x81 \xE2\x96\x81",
                                         "\xE2\x96\x81 a", "\n \n"};
    struct toy *t = toy_new("gemma4", NULL);
    toy_token(t, "<pad>", TOY_CONTROL, 0);
    toy_token(t, "<eos>", TOY_CONTROL, 0);
    toy_token(t, "<bos>", TOY_CONTROL, 0);
    toy_token(t, "<unk>", TOY_UNKNOWN, 0);
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", b);
        toy_token(t, text, TOY_BYTE, 0);
    }
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
        toy_token(t, pieces[i], TOY_NORMAL, 0);
    for (size_t i = 0; i < sizeof merges / sizeof merges[0]; i++)
        t->merges[t->n_merges++] = copy(merges[i]);
    toy_token(t, "<td>", TOY_USER_DEFINED, 0);
    return t;
}

void toy_free(struct toy *t) {
    for (size_t i = 0; i < TOY_MAX; i++) {
        free(t->tokens[i]);
        free(t->merges[i]);
    }
    free(t);
}

struct gw *toy_gguf(const struct toy *t) {
    struct gw *w = gw_new(3, 32);
    gw_key_str(w, "general.architecture", "llama");
    gw_key_str(w, "tokenizer.ggml.model", t->model);
    if (t->pre) gw_key_str(w, "tokenizer.ggml.pre", t->pre);
    gw_key_strings(w, "tokenizer.ggml.tokens", (const char *const *)t->tokens, t->n_tokens);
    if (t->n_types)
        gw_key_array(w, "tokenizer.ggml.token_type", GW_I32, t->types, sizeof t->types[0],
                     t->n_types);
    if (t->n_scores)
        gw_key_array(w, "tokenizer.ggml.scores", GW_F32, t->scores, sizeof t->scores[0],
                     t->n_scores);
    if (strcmp(t->model, "llama") != 0 && !t->no_merges)
        gw_key_strings(w, "tokenizer.ggml.merges", (const char *const *)t->merges, t->n_merges);
    return w;
}

uint8_t *toy_bytes(const struct toy *t, size_t *size) {
    struct gw *w = toy_gguf(t);
    uint8_t *data = gw_memory(w, size);
    gw_free(w);
    return data;
}
