/*
 * notes.c - what a file states of its tokenizer and its vocabulary contradicts.
 *
 * Knows vocabularies that many models share, by what only they have. A stated value is obeyed all
 * the same: it may be meant. The idea: the library says so in a line, and who opened the file shows
 * it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

__attribute__((format(printf, 2, 3))) static void note(struct bnt_tokenizer *t, const char *fmt,
                                                       ...) {
    va_list args;
    if (t->n_notes == BNT_NOTES_MAX) return;
    va_start(args, fmt);
    vsnprintf(t->notes[t->n_notes++], sizeof t->notes[0], fmt, args);
    va_end(args);
}

/* By the number of merges, and a token at its place. */
static const struct shared {
    const char *name, *pre;
    uint32_t merges;
    const char *token;
    int32_t id;
} shared[] = {
    {"LLaMA-3", "llama-bpe", 280147, "!", 0},
    {"Qwen2", "qwen2", 151387, "<|im_start|>", 151644},
    {"GPT-2", "gpt-2", 50000, "<|endoftext|>", 50256},
    {"GPT-NeoX", "olmo", 50009, "<|padding|>", 1},
};

static const struct shared *whose(const struct bnt_tokenizer *t) {
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (t->bpe.count == shared[i].merges &&
            bnt_vocab_named(&t->vocab, shared[i].token) == shared[i].id)
            return &shared[i];
    return NULL;
}

/* The token that is BOS wherever it is there. */
static int32_t usual_bos(const struct bnt_tokenizer *t) {
    static const char *const names[] = {"<|begin_of_text|>", "<bos>", "<s>"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int32_t id = bnt_vocab_named(&t->vocab, names[i]);
        if (id >= 0 && t->vocab.pieces[id].type == BNT_TOKEN_CONTROL) return id;
    }
    return -1;
}

static const char *shown(const struct bnt_tokenizer *t, int32_t id, char text[64]) {
    const struct bnt_piece *p = &t->vocab.pieces[id];
    return bnt_printable(text, 64, p->text, p->text_len);
}

void bnt_notes_take(struct bnt_tokenizer *t) {
    const struct bnt_tokenizer_info *info = &t->info;
    const struct bnt_pretok *stated = t->bpe.pre;
    const struct shared *vocabulary = whose(t);
    const int32_t usual = usual_bos(t);
    char is[64], other[64];
    if (stated && vocabulary && bnt_pretok_named(vocabulary->pre)->cuts != stated->cuts)
        note(t,
             "the file states the pre-tokenizer '%s', but the vocabulary is %s's, which goes with "
             "'%s': "
             "tokens may be wrong",
             stated->name, vocabulary->name, vocabulary->pre);
    if (info->bos >= 0 && usual >= 0 && info->bos != usual)
        note(t, "the file states BOS as %d ('%s'), but the vocabulary has %d ('%s')", info->bos,
             shown(t, info->bos, is), usual, shown(t, usual, other));
    if (info->bos >= 0 && info->add_bos && t->vocab.pieces[info->bos].mergeable)
        note(t, "BOS, which is put before a text, is %d ('%s'), a piece of plain text", info->bos,
             shown(t, info->bos, is));
    if (info->bos >= 0 && !info->add_bos &&
        (stated ? stated->add_bos && vocabulary : strcmp(info->kind, "gemma4") == 0))
        note(t,
             "the file states that no BOS is put before a text, but models of this vocabulary are "
             "used to one");
}

const char *bnt_tokenizer_note(const struct bnt_tokenizer *t, size_t i) {
    return i < t->n_notes ? t->notes[i] : NULL;
}

bool bnt_tokenizer_two_bos(const struct bnt_tokenizer *t, const struct bnt_token_list *list) {
    return list->count >= 2 && t->info.bos >= 0 && list->ids[0] == t->info.bos &&
           list->end[0] == list->begin[0] && list->ids[1] == t->info.bos;
}
