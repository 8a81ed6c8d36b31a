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
    const char *name, *pre, *also; /* also: later models of it go with that; or NULL */
    uint32_t merges;
    const char *token;
    int32_t id;
} shared[] = {
    {"LLaMA-3", "llama-bpe", NULL, 280147, "!", 0},
    {"Qwen2", "qwen2", "qwen35", 151387, "<|im_start|>", 151644},
    {"GPT-2", "gpt-2", NULL, 50000, "<|endoftext|>", 50256},
    {"GPT-NeoX", "olmo", NULL, 50009, "<|padding|>", 1},
};

static const struct shared *whose(const struct bnt_tokenizer *t) {
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (t->bpe.count == shared[i].merges &&
            bnt_vocab_named(&t->vocab, shared[i].token) == shared[i].id)
            return &shared[i];
    return NULL;
}

/* A vocabulary was made with its own pre-tokenizer, which joins whatever merges make; another one
 * cuts some of it. Only pieces of ASCII are looked at: some vocabularies (Qwen2's) have letters
 * with marks that their own expression cuts. And none of digits alone: vocabularies made from
 * others have kept such pieces, though their expression takes digits one by one. At most 2^15
 * merges. */
unsigned bnt_notes_cut(const struct bnt_tokenizer *t, const struct bnt_splitter *pre,
                       unsigned *of) {
    enum { LOOK_AT = 1 << 15 };
    unsigned cut = 0;
    *of = 0;
    for (uint32_t i = 0; i < t->bpe.count; i += t->bpe.count / LOOK_AT + 1) {
        const struct bnt_piece *p = &t->vocab.pieces[t->bpe.pairs[i].result];
        struct bnt_words w = {.splitter = pre, .text = p->bytes, .len = p->bytes_len};
        bool ascii = true, digits = true;
        for (uint32_t k = 0; k < p->bytes_len; k++) {
            ascii = ascii && p->bytes[k] < 0x80;
            digits = digits && p->bytes[k] >= '0' && p->bytes[k] <= '9';
        }
        if (!p->mergeable || !ascii || digits) continue;
        ++*of;
        cut += bnt_words_next(&w) && w.end < w.len;
    }
    return cut;
}

/* Of 13 vocabularies none is cut by its own in more than 5 of 100,000 such pieces; of 349 pairs
 * that do not belong together 9 in 10 are above this (tests/oracles/pre_pairs.c). */
bool bnt_notes_contradict(unsigned cut, unsigned of) {
    return cut >= 8 && cut >= of / 2000.0;
}

static void note_pre(struct bnt_tokenizer *t) {
    const struct bnt_pretok *pre = t->bpe.pre;
    const struct shared *vocabulary = whose(t);
    unsigned of, cut;
    if (!pre) return;
    if (vocabulary) {
        if (bnt_pretok_named(vocabulary->pre)->cuts != pre->cuts &&
            (!vocabulary->also || bnt_pretok_named(vocabulary->also)->cuts != pre->cuts))
            note(t,
                 "the file states the pre-tokenizer '%s', but the vocabulary is %s's, which goes "
                 "with '%s': tokens may be wrong",
                 pre->name, vocabulary->name, vocabulary->pre);
        return;
    }
    cut = bnt_notes_cut(t, &t->bpe.splitter, &of);
    if (bnt_notes_contradict(cut, of))
        note(
            t,
            "the pre-tokenizer is '%s' (%s), which cuts %u of %u pieces of this vocabulary in two: "
            "tokens may be wrong",
            pre->name, t->info.pre_source, cut, of);
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
    note_pre(t);
    if (info->bos >= 0 && usual >= 0 && info->bos != usual)
        note(t, "the file states BOS as %d ('%s'), but the vocabulary has %d ('%s')", info->bos,
             shown(t, info->bos, is), usual, shown(t, usual, other));
    if (info->bos >= 0 && info->add_bos && t->vocab.pieces[info->bos].mergeable)
        note(t, "BOS, which is put before a text, is %d ('%s'), a piece of plain text", info->bos,
             shown(t, info->bos, is));
    if (info->eos >= 0 && t->vocab.pieces[info->eos].mergeable)
        note(
            t,
            "EOS, which ends an answer, is %d ('%s'), a piece of plain text: a message can hold it",
            info->eos, shown(t, info->eos, is));
    if (info->eot >= 0 && info->eot != info->eos && t->vocab.pieces[info->eot].mergeable)
        note(t, "the end of a turn is %d ('%s'), a piece of plain text: a message can hold it",
             info->eot, shown(t, info->eot, is));
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
