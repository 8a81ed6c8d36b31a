/*
 * test_tokenizer_work.c - files that are made to cost time: pieces and merges that collide, special
 * texts that almost match everywhere. Work is counted, not timed.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "rng.h"
#include "suite.h"
#include "toy_vocab.h"

/* ---- files ------------------------------------------------------------------------------------
 */

struct strings {
    char **list;
    size_t count, capacity;
};

static void add(struct strings *s, const char *text, size_t len) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 1024;
        s->list = realloc(s->list, s->capacity * sizeof *s->list);
        ck_assert_ptr_nonnull(s->list);
    }
    s->list[s->count] = malloc(len + 1);
    if (!s->list[s->count]) ck_abort();
    memcpy(s->list[s->count], text, len);
    s->list[s->count++][len] = 0;
}

static void drop(struct strings *s) {
    for (size_t i = 0; i < s->count; i++) free(s->list[i]);
    free(s->list);
}

static void add_bytes(struct strings *s) {
    for (int b = 0; b < 256; b++) {
        char text[3], byte = (char)b;
        toy_spell(text, &byte, 1);
        add(s, text, strlen(text));
    }
}

static struct bnt_tokenizer *open_strings(const struct strings *tokens,
                                          const struct strings *merges, const int32_t *types) {
    struct gw *w = gw_new(3, 32);
    struct bnt_tokenizer *t = NULL;
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    uint8_t *data;
    size_t size;
    gw_key_str(w, "tokenizer.ggml.model", "gpt2");
    gw_key_str(w, "tokenizer.ggml.pre", "gpt-2");
    gw_key_strings(w, "tokenizer.ggml.tokens", (const char *const *)tokens->list, tokens->count);
    gw_key_strings(w, "tokenizer.ggml.merges", (const char *const *)merges->list, merges->count);
    if (types)
        gw_key_array(w, "tokenizer.ggml.token_type", GW_I32, types, sizeof *types, tokens->count);
    data = gw_memory(w, &size);
    ck_assert_msg(bnt_gguf_open_memory(&g, data, size, &err) == BNT_OK, "%s", err.text);
    ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
    bnt_gguf_close(g);
    free(data);
    gw_free(w);
    return t;
}

/* ---- collisions -------------------------------------------------------------------------------
 * The hashes of version 0.10, whose keys anybody could find. */

#define OLD_FACTOR 0xD6E8FEB86659FD93u

/* Pieces of 16 bytes, all with one hash: the second word undoes what the first one made. */
static void add_colliding_piece(struct strings *s, struct rng *r) {
    for (;;) {
        uint64_t words[2] = {rng_next(r) | 0x0101010101010101u, 0}, h;
        char text[16];
        h = (0x9E3779B97F4A7C15u ^ 16u ^ words[0]) * OLD_FACTOR;
        h ^= h >> 32;
        words[1] = h ^ 0x5555555555555555u;
        memcpy(text, words, 16);
        if (memchr(text, 0, 16)) continue; /* the writer takes strings */
        add(s, text, 16);
        return;
    }
}

static uint32_t old_pair_slot(uint32_t left, uint32_t right, uint32_t mask) {
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    return (uint32_t)(h * OLD_FACTOR >> 32) & mask;
}

enum { MANY = 100000, SLOTS = 1 << 18, WINDOW = 1024, BASE = 5200 };

/* How far all entries lie from the slots that they belong into: the work of putting them there. */
static uint64_t piece_displacement(const struct bnt_vocab *v) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= v->by_text.mask; i++) {
        int32_t id = v->by_text.slots[i].id;
        if (id < 0) continue;
        sum += (i - (uint32_t)bnt_hash(&v->key, v->pieces[id].text, v->pieces[id].text_len)) &
               v->by_text.mask;
    }
    return sum;
}

static uint64_t pair_displacement(const struct bnt_bpe *b) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= b->mask; i++) {
        const struct bnt_pair *p;
        if (b->slots[i] == UINT32_MAX) continue;
        p = &b->pairs[b->slots[i]];
        sum += (i - (uint32_t)bnt_hash_u64(&b->key, (uint64_t)(uint32_t)p->left << 32 |
                                                        (uint32_t)p->right)) &
               b->mask;
    }
    return sum;
}

START_TEST(colliding_pieces_cost_no_more) {
    struct strings tokens = {0}, merges = {0};
    struct rng r = rng_named(1, "pieces");
    struct bnt_tokenizer *t;
    add_bytes(&tokens);
    for (int i = 0; i < MANY; i++) add_colliding_piece(&tokens, &r);
    t = open_strings(&tokens, &merges, NULL);
    ck_assert_uint_eq(t->vocab.by_text.mask, SLOTS - 1);
    ck_assert_uint_lt(piece_displacement(&t->vocab), 2 * MANY);
    bnt_tokenizer_close(t);
    drop(&tokens);
    drop(&merges);
}
END_TEST

static void base_name(char text[4], unsigned i) {
    text[0] = (char)('A' + i % 26);
    text[1] = (char)('A' + i / 26 % 26);
    text[2] = (char)('A' + i / 676 % 26);
    text[3] = 0;
}

/* 100,000 pairs that all belonged into a window of 1,024 slots of 262,144. */
START_TEST(colliding_merges_cost_no_more) {
    struct strings tokens = {0}, merges = {0};
    struct bnt_tokenizer *t;
    add_bytes(&tokens);
    for (unsigned i = 0; i < BASE; i++) {
        char text[4];
        base_name(text, i);
        add(&tokens, text, 3);
    }
    for (unsigned l = 0; l < BASE && merges.count < MANY; l++) {
        for (unsigned k = 0; k < BASE && merges.count < MANY; k++) {
            char left[4], right[4], both[8];
            if (old_pair_slot(256 + l, 256 + k, SLOTS - 1) >= WINDOW) continue;
            base_name(left, l);
            base_name(right, k);
            snprintf(both, sizeof both, "%s%s", left, right);
            add(&tokens, both, 6);
            snprintf(both, sizeof both, "%s %s", left, right);
            add(&merges, both, 7);
        }
    }
    ck_assert_uint_eq(merges.count, MANY);
    t = open_strings(&tokens, &merges, NULL);
    ck_assert_uint_eq(t->bpe.mask, SLOTS - 1);
    ck_assert_uint_lt(pair_displacement(&t->bpe), 2 * MANY);
    bnt_tokenizer_close(t);
    drop(&tokens);
    drop(&merges);
}
END_TEST

/* Each tokenizer draws a key of its own; nothing that it answers shows which. */
START_TEST(keys_decide_nothing) {
    static const char text[] = "the other thing is aaaaaaaa whole \xC3\xA9<|eot_id|>";
    uint8_t first[32], again[32];
    struct bnt_token_list a = {0}, b = {0};
    struct bnt_hash_key key = {0, 0};
    unsigned others = 0;
    for (int i = 0; i < 8; i++) {
        struct toy *toy = toy_bpe("llama-bpe");
        struct bnt_gguf *g = NULL;
        struct bnt_tokenizer *t = NULL;
        struct bnt_err err = {0};
        size_t size;
        uint8_t *data = toy_bytes(toy, &size);
        ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
        ck_assert_int_eq(bnt_tokenizer_open(&t, g, &err), BNT_OK);
        others += i && t->vocab.key.k0 != key.k0;
        key = t->vocab.key;
        ck_assert_int_eq(bnt_tokenizer_digest(t, i ? again : first, &err), BNT_OK);
        ck_assert_int_eq(bnt_tokenizer_encode(t, text, sizeof text - 1, BNT_ENCODE_PARSE_SPECIAL,
                                              i ? &b : &a, &err),
                         BNT_OK);
        if (i) {
            ck_assert_int_eq(memcmp(first, again, 32), 0);
            ck_assert_uint_eq(a.count, b.count);
            ck_assert_int_eq(memcmp(a.ids, b.ids, a.count * sizeof *a.ids), 0);
        }
        bnt_tokenizer_close(t);
        bnt_gguf_close(g);
        free(data);
        toy_free(toy);
    }
    ck_assert_uint_eq(others, 7);
    bnt_token_list_free(&a);
    bnt_token_list_free(&b);
}
END_TEST

/* SipHash-1-3 of its authors' test key over 0, 1, 2, ...: values of the reference program with one
 * and three rounds. */
START_TEST(hash_is_siphash) {
    const struct bnt_hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    static const uint64_t want[] = {0xabac0158050fc4dcu, 0xc9f49bf37d57ca93u, 0x82cb9b024dc7d44du};
    uint8_t bytes[16];
    uint64_t word;
    for (uint8_t i = 0; i < 16; i++) bytes[i] = i;
    for (size_t i = 0; i < 3; i++) ck_assert_uint_eq(bnt_hash(&key, bytes, i), want[i]);
    memcpy(&word, bytes, 8);
    ck_assert_uint_eq(bnt_hash_u64(&key, word), bnt_hash(&key, bytes, 8));
}
END_TEST

/* ---- special texts ----------------------------------------------------------------------------
 */

static uint64_t search_steps(const struct bnt_tokenizer *t, const char *text, size_t len,
                             size_t *matches) {
    struct bnt_special_search search = {0};
    struct bnt_err err = {0};
    uint64_t steps;
    *matches = 0;
    for (size_t pos = 0, begin; pos < len;) {
        int32_t id;
        ck_assert_int_eq(bnt_specials_next(&t->specials, (const uint8_t *)text, pos, len, false,
                                           &search, &begin, &id, &err),
                         BNT_OK);
        if (id < 0) break;
        pos = begin + t->vocab.pieces[id].text_len;
        ++*matches;
    }
    steps = search.steps;
    bnt_special_search_free(&search);
    return steps;
}

/* One of 65,535 bytes, with or without ones of a byte beside it, and texts that almost are it. */
START_TEST(long_special_texts_cost_no_more) {
    enum { LONG = 65535, TEXT = 100000 };
    for (int with_short = 0; with_short < 2; with_short++) {
        for (int end = 0; end < 3; end++) { /* where the piece differs from the text */
            struct strings tokens = {0}, merges = {0};
            int32_t *types;
            char *piece = malloc(LONG), *text = malloc(TEXT);
            struct bnt_tokenizer *t;
            size_t matches, want;
            ck_assert_ptr_nonnull(piece);
            ck_assert_ptr_nonnull(text);
            memset(piece, '~', LONG);
            memset(text, '~', TEXT);
            if (end == 0) piece[0] = '^';
            if (end == 1) piece[LONG - 1] = '^';
            add_bytes(&tokens);
            add(&tokens, piece, LONG);
            types = calloc(tokens.count + 2, sizeof *types);
            ck_assert_ptr_nonnull(types);
            for (size_t i = 0; i < tokens.count; i++) types[i] = 1;
            types[256] = BNT_TOKEN_USER_DEFINED;
            if (with_short) types['~'] = BNT_TOKEN_USER_DEFINED;
            t = open_strings(&tokens, &merges, types);
            ck_assert_uint_le(search_steps(t, text, TEXT, &matches), 3 * TEXT);
            want = end == 2 ? 1 : 0;
            if (with_short) want += end == 2 ? TEXT - LONG : TEXT;
            ck_assert_uint_eq(matches, want);
            bnt_tokenizer_close(t);
            drop(&tokens);
            drop(&merges);
            free(types);
            free(piece);
            free(text);
        }
    }
}
END_TEST

/* Against the plain way: at each place the longest text that is there, from left to right. */
START_TEST(finds_the_leftmost_longest) {
    struct rng r = rng_named(3, "specials");
    for (int round = 0; round < 300; round++) {
        struct strings tokens = {0}, merges = {0};
        int32_t types[300];
        struct bnt_tokenizer *t;
        add_bytes(&tokens);
        for (int i = 0; i < 300; i++) types[i] = 1;
        while (tokens.count < 266) {
            char text[8];
            size_t len = 2 + rng_below(&r, 5);
            bool twice = false;
            for (size_t i = 0; i < len; i++) text[i] = "ab<"[rng_below(&r, 3)];
            for (size_t i = 0; i < tokens.count; i++)
                twice |= strlen(tokens.list[i]) == len && memcmp(tokens.list[i], text, len) == 0;
            if (twice) continue;
            types[tokens.count] = rng_below(&r, 2) ? BNT_TOKEN_USER_DEFINED : BNT_TOKEN_CONTROL;
            add(&tokens, text, len);
        }
        t = open_strings(&tokens, &merges, types);
        for (int k = 0; k < 30; k++) {
            struct bnt_special_search search = {0};
            const bool control = k % 2;
            uint8_t text[40];
            size_t len = rng_below(&r, 40), pos = 0;
            for (size_t i = 0; i < len; i++) text[i] = (uint8_t) "ab<x"[rng_below(&r, 4)];
            while (pos < len) {
                size_t begin = pos, longest = 0, found;
                int32_t want = -1, id = -1;
                for (; begin < len && want < 0; begin += want < 0) {
                    for (int32_t i = 256; i < 266; i++) {
                        size_t n = strlen(tokens.list[i]);
                        if (!control && types[i] == BNT_TOKEN_CONTROL) continue;
                        if (n <= longest || n > len - begin ||
                            memcmp(text + begin, tokens.list[i], n) != 0)
                            continue;
                        longest = n;
                        want = i;
                    }
                }
                bnt_specials_next(&t->specials, text, pos, len, control, &search, &found, &id,
                                  NULL);
                if (id != want || found != begin) ck_abort_msg("%d at %zu", id, found);
                pos = begin + longest;
                if (want < 0) break;
            }
            bnt_special_search_free(&search);
        }
        bnt_tokenizer_close(t);
        drop(&tokens);
        drop(&merges);
    }
}
END_TEST

/* A rendering that is one mark after another, of which somebody else wrote some; reading it again
 * for each of them would take hours. */
START_TEST(marked_texts_are_read_once) {
    enum { MARK = 7, COUNT = 1 << 19 };
    struct toy *toy = toy_bpe("gpt-2");
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_err err = {0};
    struct bnt_token_list l = {0};
    size_t size, bytes = (size_t)MARK * COUNT;
    uint8_t *data = toy_bytes(toy, &size), *marks = calloc(bytes, 1);
    char *text = malloc(bytes);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(marks);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
    ck_assert_int_eq(bnt_tokenizer_open(&t, g, &err), BNT_OK);
    for (size_t i = 0; i < COUNT; i++) memcpy(text + i * MARK, "<think>", MARK);
    memset(marks + MARK, 1, MARK); /* the second is a user's: ordinary tokens */
    ck_assert_int_eq(bnt_tokenizer_encode_marked(t, NULL, text, marks, bytes, false, &l, &err),
                     BNT_OK);
    ck_assert_uint_ge(l.count, COUNT);
    ck_assert_int_eq(l.ids[0], l.ids[l.count - 1]);
    ck_assert_uint_eq(l.begin[l.count - 1], bytes - MARK);
    for (size_t i = 0; i < COUNT - 2; i++) ck_assert_int_eq(l.ids[l.count - 1 - i], l.ids[0]);
    bnt_token_list_free(&l);
    free(text);
    free(marks);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
}
END_TEST

/* What begins in one window and ends in the next is found, wherever the border lies. */
START_TEST(windows_hide_nothing) {
    enum { TEXT = (1 << 20) + 64 };
    struct toy *toy = toy_bpe("gpt-2");
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_err err = {0};
    size_t size, matches;
    uint8_t *data = toy_bytes(toy, &size);
    char *text = malloc(TEXT);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
    ck_assert_int_eq(bnt_tokenizer_open(&t, g, &err), BNT_OK);
    for (size_t at = (1 << 20) - 9; at < (1 << 20) + 3; at++) {
        memset(text, 'x', TEXT);
        memcpy(text + at, "<think>", 7);
        ck_assert_uint_le(search_steps(t, text, TEXT, &matches), 2 * TEXT);
        ck_assert_uint_eq(matches, 1);
    }
    free(text);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
}
END_TEST

/* 65 of them have more than 4 MiB. */
START_TEST(special_texts_have_a_limit) {
    static char piece[65536];
    struct strings tokens = {0};
    int32_t types[256 + 65];
    struct gw *w = gw_new(3, 32);
    struct bnt_tokenizer *t = NULL;
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    uint8_t *data;
    size_t size;
    add_bytes(&tokens);
    memset(piece, 'x', 65535);
    for (size_t i = 0; i < 256; i++) types[i] = 1;
    for (size_t i = 256; i < 256 + 65; i++) {
        piece[65534] = (char)('0' + (i - 256));
        types[i] = BNT_TOKEN_CONTROL;
        add(&tokens, piece, 65535);
    }
    gw_key_str(w, "tokenizer.ggml.model", "gpt2");
    gw_key_strings(w, "tokenizer.ggml.tokens", (const char *const *)tokens.list, tokens.count);
    gw_key_strings(w, "tokenizer.ggml.merges", NULL, 0);
    gw_key_array(w, "tokenizer.ggml.token_type", GW_I32, types, sizeof types[0], tokens.count);
    data = gw_memory(w, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
    ck_assert_int_eq(bnt_tokenizer_open(&t, g, &err), BNT_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "65 special tokens with 4259775 bytes"));
    bnt_gguf_close(g);
    free(data);
    gw_free(w);
    drop(&tokens);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tokenizer, work");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, colliding_pieces_cost_no_more);
    tcase_add_test(tc, colliding_merges_cost_no_more);
    tcase_add_test(tc, keys_decide_nothing);
    tcase_add_test(tc, hash_is_siphash);
    tcase_add_test(tc, long_special_texts_cost_no_more);
    tcase_add_test(tc, finds_the_leftmost_longest);
    tcase_add_test(tc, windows_hide_nothing);
    tcase_add_test(tc, marked_texts_are_read_once);
    tcase_add_test(tc, special_texts_have_a_limit);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
