/*
 * vocab.c - a synthetic byte-level BPE vocabulary; see vocab.h.
 *
 * Pieces lie one after another in one arena, as UTF-8. A new piece is the concatenation of two
 * earlier ones, mostly short and mostly letters; a hash set of pieces keeps them distinct.
 */
#include "vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"

enum { MAX_PIECE = 24, MAX_SPECIAL = 48 }; /* bytes of UTF-8 */

static void *alloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size);
    if (!p) abort();
    return p;
}

struct set { /* open addressing, ids of tokens + 1 */
    uint32_t *slots, mask;
    const char **tokens;
};

/* The slot of the piece, or the empty one where it belongs. */
static uint32_t *slot_of(const struct set *s, const char *piece) {
    uint64_t h = rng_named(1, piece).key;
    for (uint32_t i = (uint32_t)h & s->mask;; i = (i + 1) & s->mask)
        if (!s->slots[i] || strcmp(s->tokens[s->slots[i] - 1], piece) == 0) return &s->slots[i];
}

/* GPT-2's disguise: printable bytes stand for themselves and come first, the others follow as
 * U+0100 upwards. Token id i in, UTF-8 out. */
static void byte_piece(uint32_t id, char *out) {
    uint32_t c, n = 0;
    if (id < 188) {
        for (c = '!'; n < id || !((c >= '!' && c <= '~') || (c >= 0xa1 && c != 0xad)); c++)
            n += (c >= '!' && c <= '~') || (c >= 0xa1 && c != 0xad);
    } else {
        c = 0x100 + (id - 188);
    }
    if (c < 0x80) {
        out[0] = (char)c;
        out[1] = 0;
    } else {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        out[2] = 0;
    }
}

enum { ID_SPACE = 188 + 32 }; /* byte 0x20 in the disguise: U+0120 */

/* A piece to join: a letter, any byte, or an earlier merge (earlier ones more often). */
static uint32_t pick(struct rng *r, uint32_t made, int first) {
    uint32_t kind = rng_below(r, 16);
    if (made && kind < 9) {
        uint32_t a = rng_below(r, made), b = rng_below(r, made);
        return 256 + (a < b ? a : b);
    }
    if (first && kind == 9) return ID_SPACE;
    if (kind == 10) return rng_below(r, 256);
    if (kind == 11) return 'A' - '!' + rng_below(r, 26);
    return 'a' - '!' + rng_below(r, 26);
}

static void special_name(uint32_t i, char *out) {
    static const char *const names[11] = {
        "begin_of_text",
        "end_of_text",
        "reserved_special_token_0",
        "reserved_special_token_1",
        "finetune_right_pad_id",
        "reserved_special_token_2",
        "start_header_id",
        "end_header_id",
        "eom_id",
        "eot_id",
        "python_tag",
    };
    if (i < 11) {
        snprintf(out, MAX_SPECIAL, "<|%s|>", names[i]);
    } else {
        snprintf(out, MAX_SPECIAL, "<|reserved_special_token_%u|>", (unsigned)(i - 8));
    }
}

static char *keep(char **end, const char *text) {
    char *start = *end;
    size_t n = strlen(text) + 1;
    memcpy(start, text, n);
    *end += n;
    return start;
}

static void add_merges(struct vocab *v, uint64_t seed, char **end) {
    struct set s = {.mask = 1, .tokens = v->tokens};
    while (s.mask < 4 * v->size) s.mask = s.mask * 2 + 1;
    s.slots = alloc((size_t)s.mask + 1, sizeof *s.slots);
    for (uint32_t i = 0; i < 256; i++) *slot_of(&s, v->tokens[i]) = i + 1;
    struct rng r = rng_named(seed, "vocabulary");
    for (uint32_t made = 0; made < v->merges;) {
        const char *left = v->tokens[pick(&r, made, 1)], *right = v->tokens[pick(&r, made, 0)];
        char text[2 * MAX_PIECE + 2];
        if (strlen(left) + strlen(right) > MAX_PIECE) continue;
        if (strncmp(right, v->tokens[ID_SPACE], 2) == 0) continue; /* spaces begin words */
        snprintf(text, sizeof text, "%s%s", left, right);
        uint32_t *slot = slot_of(&s, text);
        if (*slot) continue;
        v->tokens[256 + made] = keep(end, text);
        snprintf(text, sizeof text, "%s %s", left, right);
        v->merge_texts[made] = keep(end, text);
        *slot = 256 + ++made;
    }
    free(s.slots);
}

struct vocab *vocab_new(uint32_t size, uint64_t seed) {
    struct vocab *v = alloc(1, sizeof *v);
    v->size = size;
    v->special = size >= 2048 ? 256 : 16;
    v->merges = size - 256 - v->special;
    v->tokens = alloc(size, sizeof *v->tokens);
    v->merge_texts = alloc(v->merges, sizeof *v->merge_texts);
    v->types = alloc(size, sizeof *v->types);
    v->arena = alloc((size_t)size * (2 * MAX_PIECE + 3) + 512 * MAX_SPECIAL, 1);
    char *end = v->arena, text[MAX_SPECIAL];
    for (uint32_t i = 0; i < 256; i++) {
        byte_piece(i, text);
        v->tokens[i] = keep(&end, text);
    }
    add_merges(v, seed, &end);
    uint32_t base = 256 + v->merges;
    for (uint32_t i = 0; i < v->special; i++) {
        special_name(i, text);
        v->tokens[base + i] = keep(&end, text);
    }
    for (uint32_t i = 0; i < size; i++) v->types[i] = i < base ? 1 : 3;
    v->bos = base;
    v->eos = base + 1;
    v->eot = base + 9;
    return v;
}

void vocab_free(struct vocab *v) {
    if (!v) return;
    free(v->tokens);
    free(v->merge_texts);
    free(v->types);
    free(v->arena);
    free(v);
}
