/* test_tokenizer.c - encoding, decoding and streaming with toy vocabularies; what is promised of
 * every byte string is tried on many thousands. (Inside the loops an `if` stands before the
 * assertion: libcheck writes to a pipe at each.) */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rng.h"
#include "suite.h"
#include "tokenizer.h"
#include "toy_vocab.h"

/* ---- helpers ----------------------------------------------------------------------------------
 */

static struct bnt_tokenizer *open_bytes(uint8_t *data, size_t size, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    ck_assert_msg(bnt_gguf_open_memory(&g, data, size, err) == BNT_OK, "%s", err->text);
    bnt_tokenizer_open(&t, g, err);
    bnt_gguf_close(g); /* a tokenizer keeps nothing of the file */
    free(data);
    return t;
}

static struct bnt_tokenizer *open_toy(struct toy *toy) {
    struct bnt_err err = {0};
    size_t size;
    uint8_t *data = toy_bytes(toy, &size);
    struct bnt_tokenizer *t = open_bytes(data, size, &err);
    ck_assert_msg(t != NULL, "%s", err.text);
    toy_free(toy);
    return t;
}

static struct bnt_token_list encode(const struct bnt_tokenizer *t, const void *text, size_t len,
                                    unsigned flags) {
    struct bnt_token_list list = {0};
    struct bnt_err err = {0};
    if (bnt_tokenizer_encode(t, text, len, flags, &list, &err)) ck_abort_msg("%s", err.text);
    return list;
}

/* "piece piece" of a text. */
static const char *pieces(const struct bnt_tokenizer *t, const char *text, unsigned flags) {
    static char out[2048];
    struct bnt_token_list l = encode(t, text, strlen(text), flags);
    size_t n = 0;
    for (size_t i = 0; i < l.count; i++) {
        struct bnt_str s = bnt_tokenizer_piece(t, l.ids[i]);
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%.*s", i ? " " : "", (int)s.len, s.ptr);
    }
    out[n] = 0;
    bnt_token_list_free(&l);
    return out;
}

static char *decode(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, bool special,
                    size_t *len) {
    struct bnt_err err = {0};
    char *text;
    if (bnt_tokenizer_decode(t, ids, n, special, &text, len, &err)) ck_abort_msg("%s", err.text);
    return text;
}

static const char *decoded(const struct bnt_tokenizer *t, const int32_t *ids, size_t n,
                           bool special) {
    static char out[512];
    size_t len;
    char *text = decode(t, ids, n, special, &len);
    memcpy(out, text, len + 1);
    free(text);
    return out;
}

/* One text of one of six kinds. */
static size_t random_text(struct rng *r, uint8_t *text, size_t room) {
    static const char *const bits[] = {
        " ",
        "  ",
        "\n",
        "the",
        " the",
        "aaaa",
        "<s>",
        "</s>",
        "<ud>",
        "<unk>",
        "<0x41>",
        "<think>",
        "<|eot_id|>",
        "<|eot_id|>>",
        "<|begin_of_text|>",
        "\xE2\x96\x81",
        "\xE2\x96",
        "\xF0\x9F\x98",
        "\xC3\xA9",
        "'s",
        "123",
        "\x80",
        "\xFF",
        "abc",
        "\xED\xA0\x80",
        "whole",
        "<|",
        "<",
    };
    unsigned kind = rng_below(r, 6);
    size_t len = rng_below(r, (uint32_t)room - 32), n = 0;
    if (kind == 5) len %= 8;
    while (n < len) {
        if (kind == 0) {
            text[n++] = (uint8_t)rng_below(r, 256);
        } else if (kind == 1) {
            text[n++] = (uint8_t)(32 + rng_below(r, 95));
        } else if (kind == 2) { /* characters of 1 to 4 bytes, some of them not valid */
            uint32_t cp = rng_below(r, 0x110000) >> rng_below(r, 14);
            if (cp < 0x80) {
                text[n++] = (uint8_t)cp;
            } else if (cp < 0x800) {
                text[n++] = (uint8_t)(0xC0 | cp >> 6);
                text[n++] = (uint8_t)(0x80 | (cp & 63));
            } else if (cp < 0x10000) {
                text[n++] = (uint8_t)(0xE0 | cp >> 12);
                text[n++] = (uint8_t)(0x80 | (cp >> 6 & 63));
                text[n++] = (uint8_t)(0x80 | (cp & 63));
            } else {
                text[n++] = (uint8_t)(0xF0 | cp >> 18);
                text[n++] = (uint8_t)(0x80 | (cp >> 12 & 63));
                text[n++] = (uint8_t)(0x80 | (cp >> 6 & 63));
                text[n++] = (uint8_t)(0x80 | (cp & 63));
            }
        } else if (kind == 3) { /* long runs */
            size_t run = 1 + rng_below(r, 40);
            uint8_t c = (uint8_t) " a\n\xE2t\0"[rng_below(r, 6)];
            while (run-- && n < len) text[n++] = c;
        } else {
            const char *bit = bits[rng_below(r, sizeof bits / sizeof bits[0])];
            memcpy(text + n, bit, strlen(bit));
            n += strlen(bit);
        }
    }
    return n;
}

/* ---- byte-level BPE ---------------------------------------------------------------------------
 */

START_TEST(bpe_merges_by_rank) {
    struct bnt_tokenizer *t = open_toy(toy_bpe("gpt-2"));
    ck_assert_str_eq(pieces(t, "the", 0), "the");
    ck_assert_str_eq(pieces(t, "bathe", 0), "b a the");
    ck_assert_str_eq(pieces(t, "he the", 0), "he \xC4\xA0 the"); /* "th" outranks " t" */
    ck_assert_str_eq(pieces(t, "aaaaaaa", 0), "aaaaaa a");
    ck_assert_str_eq(pieces(t, "aaa", 0), "aa a"); /* leftmost of equals */
    ck_assert_str_eq(pieces(t, "sing", 0), "s ing");
    ck_assert_str_eq(pieces(t, "\xC3\xA9", 0), "\xC3\x83\xC2\xA9");
    ck_assert_str_eq(pieces(t, "", 0), "");
    ck_assert_str_eq(pieces(t, "whole", 0), "w h o l e");
    bnt_tokenizer_close(t);
    t = open_toy(toy_bpe("llama-bpe")); /* ignore_merges: a word that is a piece is that piece */
    ck_assert_str_eq(pieces(t, "whole", 0), "whole");
    ck_assert_str_eq(pieces(t, "wholes", 0), "w h o l e s");
    ck_assert(bnt_tokenizer_info(t)->ignore_merges);
    bnt_tokenizer_close(t);
}
END_TEST

START_TEST(special_tokens_need_asking) {
    struct bnt_tokenizer *t = open_toy(toy_bpe("llama-bpe"));
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    unsigned ask = BNT_ENCODE_PARSE_SPECIAL;
    ck_assert_str_eq(pieces(t, "a<|eot_id|>b", 0), "a < | e o t _ i d | > b");
    ck_assert_str_eq(pieces(t, "a<|eot_id|>b", ask), "a <|eot_id|> b");
    ck_assert_str_eq(pieces(t, "<|eot_id|>>", ask), "<|eot_id|>>"); /* the longest */
    ck_assert_str_eq(pieces(t, "<|eot_id|<|eot_id|>", ask), "< | e o t _ i d | <|eot_id|>");
    ck_assert_str_eq(pieces(t, "x<think>y", 0), "x <think> y"); /* USER_DEFINED: always */
    ck_assert_str_eq(pieces(t, "a", BNT_ENCODE_BOS), "<|begin_of_text|> a");
    ck_assert_str_eq(pieces(t, "", BNT_ENCODE_BOS), "<|begin_of_text|>");
    ck_assert_int_eq(info->eot, bnt_tokenizer_find(t, "<|eot_id|>"));
    ck_assert_str_eq(info->eot_source, "inferred");
    ck_assert(bnt_tokenizer_is_eog(t, info->eot));
    ck_assert(!bnt_tokenizer_is_eog(t, info->bos));
    ck_assert(!bnt_tokenizer_is_eog(t, -1) && !bnt_tokenizer_is_eog(t, 1 << 30));
    ck_assert_int_eq(bnt_tokenizer_type(t, info->eot), BNT_TOKEN_CONTROL);
    bnt_tokenizer_close(t);
}
END_TEST

/* A CONTROL token that merges, or a whole word, would spell: plain text must not become it. */
START_TEST(plain_text_never_becomes_control) {
    struct toy *toy = toy_bpe("llama-bpe");
    struct bnt_tokenizer *t;
    toy->types[toy_find(toy, "the")] = TOY_CONTROL;
    toy->types[toy_find(toy, "whole")] = TOY_CONTROL;
    t = open_toy(toy);
    ck_assert_str_eq(pieces(t, "the whole", 0), "th e \xC4\xA0 w h o l e");
    ck_assert_str_eq(pieces(t, "the", BNT_ENCODE_PARSE_SPECIAL), "the");
    bnt_tokenizer_close(t);

    toy = toy_spm();
    toy->types[toy_find(toy, "abc")] = TOY_CONTROL;
    t = open_toy(toy);
    ck_assert_str_eq(pieces(t, "babc", 0), "\xE2\x96\x81 b ab c");
    bnt_tokenizer_close(t);
}
END_TEST

START_TEST(pre_tokenizer_is_stated_or_inferred) {
    struct toy *toy = toy_bpe(NULL);
    struct bnt_tokenizer *t = open_toy(toy);
    ck_assert_str_eq(bnt_tokenizer_info(t)->pre, "llama-bpe"); /* <|begin_of_text|> is there */
    ck_assert_str_eq(bnt_tokenizer_info(t)->pre_source, "inferred");
    ck_assert(bnt_tokenizer_info(t)->add_bos);
    bnt_tokenizer_close(t);

    toy = toy_bpe(NULL);
    toy->tokens[toy_find(toy, "<|begin_of_text|>")][2] = 'B';
    t = open_toy(toy);
    ck_assert_str_eq(bnt_tokenizer_info(t)->pre, "default");
    ck_assert_str_eq(bnt_tokenizer_info(t)->pre_source, "default");
    ck_assert(!bnt_tokenizer_info(t)->add_bos);
    bnt_tokenizer_close(t);

    t = open_toy(toy_bpe("falcon3"));
    ck_assert_str_eq(bnt_tokenizer_info(t)->pre, "falcon3");
    ck_assert_str_eq(bnt_tokenizer_info(t)->pre_source, "metadata");
    bnt_tokenizer_close(t);
}
END_TEST

/* ---- SentencePiece ----------------------------------------------------------------------------
 */

START_TEST(spm_merges_by_score) {
    struct bnt_tokenizer *t = open_toy(toy_spm());
    ck_assert_str_eq(pieces(t, "the", 0), "\xE2\x96\x81the");
    ck_assert_str_eq(pieces(t, "bab", 0), "\xE2\x96\x81 b ab");
    ck_assert_str_eq(pieces(t, "babc", 0), "\xE2\x96\x81 b abc"); /* ab before bc: leftmost */
    ck_assert_str_eq(pieces(t, "x\xC3\xA9", 0), "\xE2\x96\x81 <0x78> \xC3\xA9");
    ck_assert_str_eq(pieces(t, "\xFF\xE2\x96", 0), "\xE2\x96\x81 <0xFF> <0xE2> <0x96>");
    ck_assert_str_eq(pieces(t, "", 0), "");
    ck_assert_str_eq(pieces(t, "", BNT_ENCODE_BOS), "<s>");
    ck_assert_str_eq(pieces(t, "n", BNT_ENCODE_BOS), "<s> \xE2\x96\x81 n");
    ck_assert_str_eq(pieces(t, "n</s>n", BNT_ENCODE_PARSE_SPECIAL),
                     "\xE2\x96\x81 n </s> \xE2\x96\x81 n");
    ck_assert_str_eq(pieces(t, "n</s>n", 0), "\xE2\x96\x81 n < <0x2F> s > n");
    ck_assert_str_eq(pieces(t, "n<ud>n", 0), "\xE2\x96\x81 n <ud> \xE2\x96\x81 n");
    bnt_tokenizer_close(t);
}
END_TEST

START_TEST(spm_spaces_come_and_go) {
    struct bnt_tokenizer *t = open_toy(toy_spm());
    int32_t bos = 1, p = bnt_tokenizer_find(t, "\xE2\x96\x81t"), ud = bnt_tokenizer_find(t, "<ud>");
    int32_t n = bnt_tokenizer_find(t, "n");
    ck_assert_str_eq(decoded(t, (int32_t[]){p, p}, 2, false), "t t");
    ck_assert_str_eq(decoded(t, (int32_t[]){n, p}, 2, false), "n t");
    ck_assert_str_eq(decoded(t, (int32_t[]){bos, p}, 2, false), "t");
    ck_assert_str_eq(decoded(t, (int32_t[]){bos, p}, 2, true), "<s>t");
    ck_assert_str_eq(decoded(t, (int32_t[]){p, ud, p, p}, 4, false), "t<ud>t t");
    /* A literal U+2581 is a space, unless asked to be exact. */
    ck_assert_str_eq(pieces(t, "\xE2\x96\x81t", 0), pieces(t, " t", 0));
    ck_assert_str_eq(pieces(t, "n\xE2\x96\x81", BNT_ENCODE_EXACT),
                     "\xE2\x96\x81 n <0xE2> <0x96> <0x81>");
    bnt_tokenizer_close(t);
}
END_TEST

/* Spaces inside pieces: the shortcut that merges word by word must not be taken. */
START_TEST(spm_pieces_across_words) {
    struct toy *toy = toy_spm();
    struct bnt_tokenizer *t;
    toy_token(toy, "n\xE2\x96\x81", TOY_NORMAL, 5);
    t = open_toy(toy);
    ck_assert_str_eq(pieces(t, "in the", 0), "\xE2\x96\x81 i n\xE2\x96\x81 t he");
    bnt_tokenizer_close(t);
}
END_TEST

/* ---- promises ---------------------------------------------------------------------------------
 */

/* Characters complete, as far as a text that may be invalid has them: no output of a stream ends
 * with the beginning of one unless the rest never came. Then whole and streamed text are equal. */
static void check_stream(const struct bnt_tokenizer *t, const struct bnt_token_list *l,
                         const char *whole, size_t len, bool special) {
    size_t room = bnt_tokenizer_max_piece(t), at = 0, n;
    char *out = malloc(room);
    struct bnt_stream s;
    ck_assert_ptr_nonnull(out);
    bnt_stream_init(&s, t, true, special);
    for (size_t i = 0; i <= l->count; i++) {
        n = i < l->count ? bnt_stream_push(&s, l->ids[i], out, room)
                         : bnt_stream_flush(&s, out, room);
        if (n > len - at || memcmp(out, whole + at, n) != 0) ck_abort_msg("streamed text differs");
        at += n;
        /* Inside a character of the whole: valid lead, and continuation bytes follow the cut. */
        if (n && at < len && (uint8_t)whole[at] >= 0x80 && (uint8_t)whole[at] < 0xC0) {
            size_t back = 1;
            while (back < 3 && back < at && ((uint8_t)whole[at - back] & 0xC0) == 0x80) back++;
            uint8_t lead = (uint8_t)whole[at - back];
            size_t need = lead >= 0xF0 && lead <= 0xF4 ? 4
                          : lead >= 0xE0               ? 3
                          : lead >= 0xC2               ? 2
                                                       : 1;
            if (lead >= 0xC2 && lead <= 0xF4 && need > back) {
                uint8_t second = (uint8_t)whole[at - back + 1];
                bool valid = !((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
                               (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F));
                if (valid) ck_abort_msg("a character was cut after %zu of %zu bytes", back, need);
            }
        }
    }
    ck_assert_uint_eq(at, len);
    free(out);
}

static void round_trips(const struct bnt_tokenizer *t, const char *seed, int rounds) {
    struct rng r = rng_named(20, seed);
    bool spm = bnt_tokenizer_info(t)->kind[0] == 'l';
    uint8_t text[400];
    for (int round = 0; round < rounds; round++) {
        size_t len = random_text(&r, text, sizeof text), back_len;
        unsigned flags = (rng_below(&r, 2) ? BNT_ENCODE_PARSE_SPECIAL : 0u);
        struct bnt_token_list l = encode(t, text, len, flags | BNT_ENCODE_EXACT);
        char *back = decode(t, l.ids, l.count, true, &back_len);
        bool covered = true;
        ck_assert_msg(back_len == len && memcmp(back, text, len) == 0,
                      "%s round %d: %zu bytes became %zu", seed, round, len, back_len);
        for (size_t i = 0; i < l.count; i++)
            covered = covered && l.begin[i] == (i ? l.end[i - 1] : 0) && l.begin[i] <= l.end[i];
        ck_assert_msg(covered, "%s round %d: ranges do not follow each other", seed, round);
        ck_assert_uint_eq(l.count ? l.end[l.count - 1] : 0, len);
        check_stream(t, &l, back, back_len, true);
        free(back);
        bnt_token_list_free(&l);
        if (spm) { /* inexact: the same but for U+2581 */
            uint8_t spaced[sizeof text];
            size_t n = 0;
            for (size_t i = 0; i < len; n++) {
                bool bar = len - i >= 3 && memcmp(text + i, "\xE2\x96\x81", 3) == 0;
                spaced[n] = bar ? ' ' : text[i];
                i += bar ? 3 : 1;
            }
            l = encode(t, text, len, flags);
            back = decode(t, l.ids, l.count, true, &back_len);
            ck_assert(n == back_len && memcmp(back, spaced, n) == 0);
            free(back);
            bnt_token_list_free(&l);
        }
    }
}

START_TEST(every_byte_string_returns) {
    static const char *const pre[] = {"gpt-2", "llama-bpe", "default", "qwen2"};
    struct gw *w;
    struct bnt_err err = {0};
    struct bnt_tokenizer *t;
    struct toy *toy;
    size_t size;
    for (size_t i = 0; i < 4; i++) {
        t = open_toy(toy_bpe(pre[i]));
        round_trips(t, pre[i], 5000);
        bnt_tokenizer_close(t);
    }
    t = open_toy(toy_spm());
    round_trips(t, "spm", 20000);
    bnt_tokenizer_close(t);
    for (int spm = 0; spm < 2; spm++) { /* and with the unusual choice of prefix */
        toy = spm ? toy_spm() : toy_bpe("gpt-2");
        w = toy_gguf(toy);
        gw_key_bool(w, "tokenizer.ggml.add_space_prefix", !spm);
        uint8_t *data = gw_memory(w, &size);
        t = open_bytes(data, size, &err);
        ck_assert_msg(t != NULL, "%s", err.text);
        if (spm) round_trips(t, "prefix", 5000);
        if (!spm) { /* a space where none stands, also behind a special token */
            ck_assert_str_eq(pieces(t, "the", 0), "\xC4\xA0 the");
            ck_assert_str_eq(pieces(t, " the", 0), "\xC4\xA0 the");
            ck_assert_str_eq(pieces(t, "x<think>y", 0), "\xC4\xA0 x <think> \xC4\xA0 y");
            ck_assert_str_eq(pieces(t, " x<think> y", 0), "\xC4\xA0 x <think> \xC4\xA0 y");
        }
        bnt_tokenizer_close(t);
        gw_free(w);
        toy_free(toy);
    }
}
END_TEST

/* A USER_DEFINED piece with U+2581 for a space is found where a text has the space, at any score,
 * and nothing is put behind it. */
START_TEST(user_defined_pieces_have_spaces) {
    for (int with_prefix = 0; with_prefix < 2; with_prefix++) {
        struct bnt_err err = {0};
        struct toy *toy = toy_spm();
        int run = toy_find(toy, "\xE2\x96\x81\xE2\x96\x81");
        size_t size;
        toy->types[run] = TOY_USER_DEFINED;
        toy_token(toy,
                  "\xE2\x96\x81"
                  "c",
                  TOY_USER_DEFINED, -1000);
        struct gw *w = toy_gguf(toy);
        gw_key_bool(w, "tokenizer.ggml.add_space_prefix", with_prefix);
        uint8_t *data = gw_memory(w, &size);
        struct bnt_tokenizer *t = open_bytes(data, size, &err);
        ck_assert_msg(t != NULL, "%s", err.text);
        ck_assert_str_eq(pieces(t, "b  b", 0), with_prefix
                                                   ? "\xE2\x96\x81 b \xE2\x96\x81\xE2\x96\x81 b"
                                                   : "b \xE2\x96\x81\xE2\x96\x81 b");
        ck_assert_str_eq(pieces(t, "b cb", 0), with_prefix ? "\xE2\x96\x81 b \xE2\x96\x81"
                                                             "c b"
                                                           : "b \xE2\x96\x81"
                                                             "c b");
        round_trips(t, "spaced", 5000);
        bnt_tokenizer_close(t);
        gw_free(w);
        toy_free(toy);
    }
}
END_TEST

START_TEST(any_ids_stream_as_they_decode) {
    struct bnt_tokenizer *both[2] = {open_toy(toy_bpe("gpt-2")), open_toy(toy_spm())};
    struct rng r = rng_named(21, "ids");
    for (int round = 0; round < 20000; round++) {
        const struct bnt_tokenizer *t = both[round & 1];
        int32_t ids[24];
        struct bnt_token_list l = {.ids = ids, .count = rng_below(&r, 24)};
        bool special = rng_below(&r, 2);
        size_t len;
        char *whole;
        for (size_t i = 0; i < l.count; i++)
            ids[i] = (int32_t)rng_below(&r, bnt_tokenizer_info(t)->vocab_size);
        whole = decode(t, ids, l.count, special, &len);
        check_stream(t, &l, whole, len, special);
        free(whole);
    }
    bnt_tokenizer_close(both[0]);
    bnt_tokenizer_close(both[1]);
}
END_TEST

START_TEST(streams_hold_back_and_refuse) {
    struct bnt_tokenizer *t = open_toy(toy_bpe("gpt-2"));
    struct bnt_stream s;
    char out[64];
    bnt_stream_init(&s, t, true, false);
    ck_assert_uint_eq(bnt_stream_push(&s, 0xE2, out, sizeof out), 0);
    ck_assert_uint_eq(bnt_stream_push(&s, 0x96, out, sizeof out), 0);
    ck_assert_uint_eq(bnt_stream_push(&s, 0x81, out, 2), SIZE_MAX); /* no room: not consumed */
    ck_assert_uint_eq(bnt_stream_push(&s, 0x81, out, sizeof out), 3);
    ck_assert_uint_eq(bnt_stream_push(&s, 0xF0, out, sizeof out), 0);
    ck_assert_uint_eq(bnt_stream_push(&s, 'x', out, sizeof out), 2); /* surely invalid */
    ck_assert_uint_eq(bnt_stream_push(&s, -1, out, sizeof out), 0);
    ck_assert_uint_eq(bnt_stream_push(&s, 1 << 20, out, sizeof out), 0);
    ck_assert_uint_eq(bnt_stream_push(&s, 0xC3, out, sizeof out), 0);
    ck_assert_uint_eq(bnt_stream_flush(&s, out, 0), SIZE_MAX);
    ck_assert_uint_eq(bnt_stream_flush(&s, out, sizeof out), 1);
    ck_assert_uint_eq(bnt_stream_flush(&s, out, sizeof out), 0);
    bnt_tokenizer_close(t);
    t = open_toy(toy_spm());
    int32_t p = bnt_tokenizer_find(t, "\xE2\x96\x81t");
    bnt_stream_init(&s, t, false, false); /* the continuation of a text keeps its space */
    ck_assert_uint_eq(bnt_stream_push(&s, p, out, sizeof out), 2);
    bnt_stream_init(&s, t, true, false);
    ck_assert_uint_eq(bnt_stream_push(&s, p, out, sizeof out), 1);
    bnt_tokenizer_close(t);
}
END_TEST

/* ---- time, threads, digest --------------------------------------------------------------------
 */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(long_runs_take_no_longer) {
    enum { N = 1 << 20 };
    struct bnt_tokenizer *both[2] = {open_toy(toy_bpe("llama-bpe")), open_toy(toy_spm())};
    char *text = malloc(N);
    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < 2; i++) {
        for (const char *c = "a \n1'<\xE2"; *c; c++) {
            double start = seconds();
            struct bnt_token_list l;
            memset(text, *c, N);
            l = encode(both[i], text, N, BNT_ENCODE_PARSE_SPECIAL);
            bnt_token_list_free(&l);
            /* 0.1 to 0.4 s measured; quadratic would be hours. */
            ck_assert_msg(seconds() - start < 20, "1 MB of 0x%02X took too long", (uint8_t)*c);
        }
        bnt_tokenizer_close(both[i]);
    }
    free(text);
}
END_TEST

static void *encode_often(void *arg) {
    round_trips(arg, "threads", 300);
    return NULL;
}

START_TEST(threads_share_a_tokenizer) {
    struct bnt_tokenizer *both[2] = {open_toy(toy_bpe("llama-bpe")), open_toy(toy_spm())};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, encode_often, both[i & 1]), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    bnt_tokenizer_close(both[0]);
    bnt_tokenizer_close(both[1]);
}
END_TEST

static void digest_of(struct toy *toy, char hex[65]) {
    struct bnt_tokenizer *t = open_toy(toy);
    uint8_t d[32];
    ck_assert_int_eq(bnt_tokenizer_digest(t, d, NULL), BNT_OK);
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", d[i]);
    bnt_tokenizer_close(t);
}

START_TEST(digest_is_canonical) {
    struct toy *toy = calloc(1, sizeof *toy);
    char a[65], b[65];
    ck_assert_ptr_nonnull(toy);
    toy->model = "llama";
    toy_token(toy, "<unk>", TOY_UNKNOWN, 0);
    toy_token(toy, "<s>", TOY_CONTROL, 0);
    toy_token(toy, "</s>", TOY_CONTROL, 0);
    toy_token(toy,
              "\xE2\x96\x81"
              "a",
              TOY_NORMAL, -1.5f);
    digest_of(toy, a); /* computed from the description in digest.c by another program */
    ck_assert_str_eq(a, "778862554a777989f7cbf139f9e463da75f8d50a840d0bc453108e96e5c64236");

    digest_of(toy_bpe("llama-bpe"), a);
    digest_of(toy_bpe(NULL), b); /* inferring gives the same tokenizer as stating */
    ck_assert_str_eq(a, b);
    digest_of(toy_bpe("llama3"), b); /* as do other names of the same rules */
    ck_assert_str_eq(a, b);
    digest_of(toy_bpe("qwen2"), b);
    ck_assert_str_ne(a, b);
    toy = toy_bpe("llama-bpe");
    toy_merge(toy, "w", "h");
    digest_of(toy, b);
    ck_assert_str_ne(a, b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tokenizer");
    TCase *tc = tcase_create("tokenizer");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, bpe_merges_by_rank);
    tcase_add_test(tc, special_tokens_need_asking);
    tcase_add_test(tc, plain_text_never_becomes_control);
    tcase_add_test(tc, pre_tokenizer_is_stated_or_inferred);
    tcase_add_test(tc, spm_merges_by_score);
    tcase_add_test(tc, spm_spaces_come_and_go);
    tcase_add_test(tc, spm_pieces_across_words);
    tcase_add_test(tc, every_byte_string_returns);
    tcase_add_test(tc, user_defined_pieces_have_spaces);
    tcase_add_test(tc, any_ids_stream_as_they_decode);
    tcase_add_test(tc, streams_hold_back_and_refuse);
    tcase_add_test(tc, long_runs_take_no_longer);
    tcase_add_test(tc, threads_share_a_tokenizer);
    tcase_add_test(tc, digest_is_canonical);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
