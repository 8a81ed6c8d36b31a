/* test_tokenizer_vocab.c - vocabularies as they are found: without some bytes, with merges over
 * SentencePiece's spelling, with pieces that hold newlines and spaces, in files that contradict
 * them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "suite.h"
#include "tokenizer.h"
#include "toy_vocab.h"

static struct bnt_tokenizer *open_toy(struct toy *toy) {
    struct bnt_tokenizer *t = NULL;
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    size_t size;
    uint8_t *data = toy_bytes(toy, &size);
    ck_assert_msg(bnt_gguf_open_memory(&g, data, size, &err) == BNT_OK, "%s", err.text);
    ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
    bnt_gguf_close(g);
    free(data);
    toy_free(toy);
    return t;
}

/* The ids of a text, which must decode to it, as "1 2 3". */
static const char *ids(const struct bnt_tokenizer *t, const char *text, size_t len,
                       unsigned flags) {
    static char out[1024];
    struct bnt_token_list l = {0};
    struct bnt_err err = {0};
    char *back;
    size_t n = 0, back_len;
    ck_assert_msg(bnt_tokenizer_encode(t, text, len, flags, &l, &err) == BNT_OK, "%s", err.text);
    for (size_t i = 0; i < l.count; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%d", i ? " " : "", l.ids[i]);
    out[n] = 0;
    ck_assert_int_eq(bnt_tokenizer_decode(t, l.ids, l.count, false, &back, &back_len, &err),
                     BNT_OK);
    ck_assert_uint_eq(back_len, len);
    ck_assert_int_eq(memcmp(back, text, len), 0);
    free(back);
    bnt_token_list_free(&l);
    return out;
}

static void rename_token(struct toy *toy, int id, const char *text) {
    free(toy->tokens[id]);
    toy->tokens[id] = malloc(strlen(text) + 1);
    ck_assert_ptr_nonnull(toy->tokens[id]);
    memcpy(toy->tokens[id], text, strlen(text) + 1);
}

/* ---- bytes without tokens ---------------------------------------------------------------------
 */

static void refused(const struct bnt_tokenizer *t, const char *text, unsigned flags,
                    const char *says) {
    struct bnt_token_list l = {0};
    struct bnt_err err = {0};
    ck_assert_int_eq(bnt_tokenizer_encode(t, text, strlen(text), flags, &l, &err),
                     BNT_E_UNSUPPORTED);
    ck_assert_msg(strstr(err.text, says) != NULL, "%s", err.text);
    bnt_token_list_free(&l);
}

/* GPT-NeoX, MPT, Falcon and StarCoder have no tokens for bytes that UTF-8 never has, or for some
 * control characters: only a text with such a byte is refused. */
START_TEST(missing_bytes_refuse_only_texts_with_them) {
    static const int missing[] = {0x03, 0xC0, 0xC1, 0xF5, 0xFF};
    static const char *const pre[] = {"olmo", "falcon", "starcoder", "llama-bpe"};
    for (size_t p = 0; p < sizeof pre / sizeof pre[0]; p++) {
        struct toy *toy = toy_bpe(pre[p]);
        struct bnt_tokenizer *t;
        for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
            char name[16];
            snprintf(name, sizeof name, "spare %zu", i);
            rename_token(toy, missing[i], name);
        }
        t = open_toy(toy);
        ids(t, "the \xC3\xA9\x02 world \xE4\xB8\xAD", 16, 0);
        refused(t, "the \xC0 world", 0, "byte 0xC0 at 4,");
        refused(t, "the world\x03", BNT_ENCODE_BOS, "byte 0x03 at 9,");
        refused(t, "\xFF", 0, "byte 0xFF at 0,");
        refused(t, "<|eot_id|>a\xF5", BNT_ENCODE_PARSE_SPECIAL, "byte 0xF5 at 11,");
        bnt_tokenizer_close(t);
    }
}
END_TEST

/* SentencePiece's likewise, each byte by itself, whether it has a token for what is unknown or not:
 * no text becomes that. */
START_TEST(missing_bytes_of_sentencepiece) {
    for (int gemma = 0; gemma <= 1; gemma++) {
        for (int b = 1; b < 256; b++) {
            struct toy *toy = gemma ? toy_gemma() : toy_spm();
            const int32_t first = gemma ? 4 : 3, unknown = gemma ? 3 : 0;
            char text[] = {'a', 'b', (char)b, 'a', 0}, says[32];
            bool piece = false;
            for (uint64_t i = (uint64_t)first + 256; i < toy->n_tokens; i++)
                piece |= strlen(toy->tokens[i]) == 1 && toy->tokens[i][0] == (char)b;
            if (b == ' ' || piece) {
                toy_free(toy);
                continue;
            }
            toy->types[first + b] = TOY_NORMAL; /* <0x41> is a text now, and A has no piece */
            if (b % 2) toy->types[unknown] = TOY_CONTROL;
            struct bnt_tokenizer *t = open_toy(toy);
            snprintf(says, sizeof says, "byte 0x%02X at 2,", (unsigned)b);
            ids(t, "ab", 2, 0);
            refused(t, text, 0, says);
            bnt_tokenizer_close(t);
        }
    }
    /* None has a token: a character of several bytes is named by its first. */
    struct toy *toy = toy_spm();
    for (int b = 0; b < 256; b++) toy->types[3 + b] = TOY_UNUSED, toy->tokens[3 + b][1] = '1';
    struct bnt_tokenizer *t = open_toy(toy);
    ids(t, "an \xC3\xA9", 5, 0); /* a piece */
    refused(t, "an \xC3\xAA", 0, "byte 0xC3 at 3,");
    bnt_tokenizer_close(t);
}
END_TEST

/* ---- merges over SentencePiece's spelling -----------------------------------------------------
 * Ids of toy_gemma: 4 + the byte; 260 is the space, 261 two of them, then a b c ab bc " a", one
 * newline, two, five, a tab, <td>. */

START_TEST(gemma4_merges_by_rank) {
    struct bnt_tokenizer *t = open_toy(toy_gemma());
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    ck_assert_str_eq(info->kind, "gemma4");
    ck_assert_str_eq(info->pre, "");
    ck_assert(info->add_bos && !info->add_space_prefix && !info->add_eos);
    ck_assert_int_eq(info->bos, 2);
    ck_assert_int_eq(info->eos, 1);
    ck_assert_uint_eq(info->merges, 5);
    ck_assert_str_eq(ids(t, "abc", 3, 0), "262 266"); /* b c is the first rank */
    ck_assert_str_eq(ids(t, "ab", 2, 0), "265");
    ck_assert_str_eq(ids(t, " a  a", 5, BNT_ENCODE_BOS), "2 267 261 262");
    ck_assert_str_eq(ids(t, "a \xC3\xA9", 4, 0), "262 260 199 173"); /* byte tokens */
    ck_assert_str_eq(ids(t, "\xFF", 1, 0), "259");
    ck_assert_str_eq(ids(t, "a<td>b", 6, 0), "262 272 263"); /* USER_DEFINED: always */
    ck_assert_str_eq(ids(t, "\t\t", 2, 0), "271 271");
    bnt_tokenizer_close(t);
}
END_TEST

START_TEST(gemma4_runs_of_newlines) {
    struct bnt_tokenizer *t = open_toy(toy_gemma());
    ck_assert_str_eq(ids(t, "a\n", 2, 0), "262 268");
    ck_assert_str_eq(ids(t, "\n\na", 3, 0), "269 262");
    ck_assert_str_eq(ids(t, "\n\n\n", 3, 0), "269 268");
    ck_assert_str_eq(ids(t, "a\n\n\n\n\nb", 7, 0), "262 270 263"); /* a piece no merge makes */
    ck_assert_str_eq(ids(t, "\n\n\n\n\n\n", 6, 0), "269 269 269");
    ck_assert_str_eq(ids(t, "\n \n", 3, 0), "268 260 268");
    bnt_tokenizer_close(t);
}
END_TEST

/* Both ends of a text, of each kind, where the file asks for them and the caller does. */
START_TEST(both_ends_are_added) {
    for (unsigned kind = 0; kind < 3; kind++) {
        struct toy *toy = kind == 0 ? toy_spm() : kind == 1 ? toy_gemma() : toy_bpe("gpt-2");
        struct gw *w = toy_gguf(toy);
        struct bnt_tokenizer *t = NULL;
        struct bnt_gguf *g = NULL;
        struct bnt_token_list l = {0};
        struct bnt_err err = {0};
        size_t size;
        if (kind == 2) gw_key_u32(w, "tokenizer.ggml.eos_token_id", 7);
        if (kind == 2) gw_key_u32(w, "tokenizer.ggml.bos_token_id", 6);
        gw_key_bool(w, "tokenizer.ggml.add_bos_token", 1);
        gw_key_bool(w, "tokenizer.ggml.add_eos_token", 1);
        uint8_t *data = gw_memory(w, &size);
        ck_assert_msg(bnt_gguf_open_memory(&g, data, size, &err) == BNT_OK, "%s", err.text);
        ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
        const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
        ck_assert(info->add_bos && info->add_eos);
        ck_assert_int_eq(bnt_tokenizer_encode(t, "a", 1, BNT_ENCODE_BOS, &l, &err), BNT_OK);
        ck_assert_int_eq(l.ids[0], info->bos);
        ck_assert_int_eq(l.ids[l.count - 1], info->eos);
        const size_t with = l.count;
        ck_assert_int_eq(bnt_tokenizer_encode(t, "a", 1, 0, &l, &err), BNT_OK);
        ck_assert_uint_eq(l.count, with - 2);
        bnt_token_list_free(&l);
        bnt_tokenizer_close(t);
        bnt_gguf_close(g);
        gw_free(w);
        free(data);
        toy_free(toy);
    }
}
END_TEST

/* The same pieces behind scores, as Gemma's `llama` files have them: no space is put in front. */
START_TEST(gemma_by_score) {
    struct toy *toy = toy_gemma();
    struct bnt_tokenizer *t;
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    struct gw *w;
    size_t size;
    uint8_t *data;
    toy->model = "llama";
    toy->n_scores = toy->n_tokens;
    for (uint64_t i = 0; i < toy->n_tokens; i++) toy->scores[i] = -(float)i;
    w = toy_gguf(toy);
    gw_key_bool(w, "tokenizer.ggml.add_space_prefix", 0);
    gw_key_u32(w, "tokenizer.ggml.bos_token_id", 2);
    data = gw_memory(w, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
    ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
    ck_assert_str_eq(ids(t, "abc", 3, 0), "265 264"); /* "ab" has the better score */
    ck_assert_str_eq(ids(t, " a  a", 5, BNT_ENCODE_BOS), "2 267 261 262");
    ck_assert_str_eq(ids(t, "a\n\nb", 4, 0), "262 269 263");
    ck_assert_str_eq(ids(t, "a<td>b", 6, 0), "262 272 263");
    ck_assert_str_eq(ids(t, "\xFF", 1, 0), "259");
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    free(data);
    gw_free(w);
    toy_free(toy);
}
END_TEST

START_TEST(gemma_keeps_every_byte) {
    static const char *const bits[] = {"a",    "b",    "c",    " ",    "  ",       "\n",
                                       "\n\n", "\xC3", "<td>", "\xFF", "\xE2\x96", "\xE2\x96\x81",
                                       "<bos>"};
    struct bnt_tokenizer *t = open_toy(toy_gemma());
    struct rng r = rng_named(9, "gemma");
    for (int round = 0; round < 5000; round++) {
        char text[256] = "";
        size_t len = 0;
        for (size_t i = rng_below(&r, 30); i; i--) {
            const char *bit = bits[rng_below(&r, sizeof bits / sizeof bits[0])];
            memcpy(text + len, bit, strlen(bit));
            len += strlen(bit);
        }
        ids(t, text, len, BNT_ENCODE_EXACT);
    }
    bnt_tokenizer_close(t);
}
END_TEST

/* ---- notes ------------------------------------------------------------------------------------
 */

/* The notes of a toy with further keys, each in a line. */
static const char *notes(struct toy *toy, const char *key, int is_bool, uint32_t value) {
    static char out[1024];
    struct bnt_tokenizer *t = NULL;
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    struct gw *w = toy_gguf(toy);
    const char *note;
    size_t size, n = 0;
    uint8_t *data;
    if (key && is_bool) gw_key_bool(w, key, (int)value);
    if (key && !is_bool) gw_key_u32(w, key, value);
    data = gw_memory(w, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
    ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
    out[0] = 0;
    for (size_t i = 0; (note = bnt_tokenizer_note(t, i)); i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s\n", note);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    free(data);
    gw_free(w);
    toy_free(toy);
    return out;
}

START_TEST(notes_a_bos_that_is_contradicted) {
    static const char key[] = "tokenizer.ggml.bos_token_id", add[] = "tokenizer.ggml.add_bos_token";
    struct toy *toy = toy_bpe("llama-bpe");
    const uint32_t plain = (uint32_t)toy_find(toy, "whole"), usual = plain + 1;
    const char *said = notes(toy, key, 0, plain);
    ck_assert_ptr_nonnull(strstr(said, "BOS as 276 ('whole'), but the vocabulary has 277"));
    ck_assert_ptr_nonnull(strstr(said, "a piece of plain text"));
    ck_assert_str_eq(notes(toy_bpe("llama-bpe"), key, 0, usual), "");
    ck_assert_str_eq(notes(toy_bpe("llama-bpe"), NULL, 0, 0), "");
    ck_assert_str_eq(notes(toy_spm(), NULL, 0, 0), "");
    ck_assert_str_eq(notes(toy_gemma(), NULL, 0, 0), "");
    ck_assert_ptr_nonnull(strstr(notes(toy_gemma(), add, 1, 0), "used to one"));
    ck_assert_ptr_nonnull(strstr(notes(toy_spm(), key, 0, 2), "BOS as 2 ('</s>')"));
    toy = toy_bpe("gpt-2"); /* Falcon's: BOS is a text, but is not put anywhere */
    rename_token(toy, toy_find(toy, "<|begin_of_text|>"), "<|padding|>");
    ck_assert_str_eq(notes(toy, key, 0, plain), "");
}
END_TEST

/* Every key that states a special token: no plain text becomes it, whatever its type; merges lead
 * to it, too. But a word, which texts need, stays what it is, and is told where it matters. */
START_TEST(a_stated_token_is_no_plain_text) {
    static const char *const keys[] = {"bos",     "eos",     "eot",       "eom",     "unknown",
                                       "padding", "mask",    "separator", "fim_pre", "fim_suf",
                                       "fim_mid", "fim_pad", "fim_rep",   "fim_sep"};
    enum { KEYS = sizeof keys / sizeof keys[0] };
    static const int32_t types[] = {TOY_NORMAL, TOY_USER_DEFINED, TOY_UNUSED, TOY_CONTROL};
    for (size_t i = 0; i < 4 * KEYS; i++) {
        const char *name = keys[i % KEYS];
        struct toy *toy = toy_bpe("llama-bpe");
        struct bnt_gguf *g = NULL;
        struct bnt_tokenizer *t = NULL;
        struct bnt_err err = {0};
        struct bnt_token_list l = {0};
        char key[64];
        size_t size;
        toy_merge(toy, "<", "u");
        uint32_t id = toy_merge(toy, "<u", ">");
        toy->types[id] = types[i / KEYS];
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
        struct gw *w = toy_gguf(toy);
        gw_key_u32(w, key, id);
        uint8_t *data = gw_memory(w, &size);
        ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
        ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
        ck_assert_int_eq(bnt_tokenizer_encode(t, "a<u>b<u", 7, 0, &l, &err), BNT_OK);
        for (size_t k = 0; k < l.count; k++) ck_assert_int_ne(l.ids[k], (int32_t)id);
        ck_assert_int_eq(bnt_tokenizer_encode(t, "a<u>b<u", 7, BNT_ENCODE_PARSE_SPECIAL, &l, &err),
                         BNT_OK);
        ck_assert_int_eq(l.ids[1], (int32_t)id);
        ck_assert_int_eq(bnt_tokenizer_is_eog(t, (int32_t)id), i % KEYS >= 1 && i % KEYS <= 3);
        bnt_token_list_free(&l);
        bnt_tokenizer_close(t);
        bnt_gguf_close(g);
        free(data);
        gw_free(w);
        toy_free(toy);
    }
    struct toy *toy = toy_bpe("llama-bpe");
    const uint32_t word = (uint32_t)toy_find(toy, "the");
    const char *said = notes(toy, "tokenizer.ggml.eos_token_id", 0, word);
    ck_assert_ptr_nonnull(strstr(said, "'the'), a piece of plain text: a message can hold it"));
    said = notes(toy_bpe("llama-bpe"), "tokenizer.ggml.eot_token_id", 0, word);
    ck_assert_ptr_nonnull(strstr(said, "'the'), a piece of plain text: a message can hold it"));
    ck_assert_str_eq(notes(toy_bpe("llama-bpe"), "tokenizer.ggml.padding_token_id", 0, word), "");
}
END_TEST

/* 280,147 merges are LLaMA-3's; here they are mostly one and the same. */
START_TEST(notes_a_pre_tokenizer_that_is_contradicted) {
    enum { MERGES = 280147 };
    static const char *merges[MERGES];
    static const char *const stated[] = {"gpt-2", "llama-bpe", "smaug-bpe", "qwen2"};
    for (size_t i = 0; i < MERGES; i++) merges[i] = "t h";
    for (size_t i = 0; i < sizeof stated / sizeof stated[0]; i++) {
        struct toy *toy = toy_bpe(stated[i]);
        struct bnt_tokenizer *t = NULL;
        struct bnt_gguf *g = NULL;
        struct bnt_err err = {0};
        const char *note;
        struct gw *w;
        uint8_t *data;
        size_t size;
        char *swap = toy->tokens[0]; /* "!" is the first token there */
        toy->tokens[0] = toy->tokens['!'];
        toy->tokens['!'] = swap;
        toy->no_merges = 1;
        w = toy_gguf(toy);
        gw_key_strings(w, "tokenizer.ggml.merges", merges, MERGES);
        data = gw_memory(w, &size);
        ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
        ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
        note = bnt_tokenizer_note(t, 0);
        if (i == 0 || i == 3) {
            ck_assert_ptr_nonnull(note);
            ck_assert_ptr_nonnull(strstr(note, stated[i]));
            ck_assert_ptr_nonnull(strstr(note, "LLaMA-3's"));
            ck_assert_ptr_null(bnt_tokenizer_note(t, 1));
        } else {
            ck_assert_ptr_null(note);
        }
        ck_assert_str_eq(bnt_tokenizer_info(t)->pre, stated[i]); /* obeyed all the same */
        bnt_tokenizer_close(t);
        bnt_gguf_close(g);
        free(data);
        gw_free(w);
        toy_free(toy);
    }
}
END_TEST

/* A vocabulary that nobody knows, with pieces that some expressions cut; on published ones:
 * tests/oracles/pre_pairs.c. */
START_TEST(notes_a_pre_tokenizer_that_cuts_pieces) {
    static const struct {
        const char *pre;
        const char *made[2]; /* each of ten merges: a text, and one of ten digits or letters */
        bool letters, told;
    } cases[] = {
        {"gpt-2", {" ", ""}, false, false},
        {"llama-bpe", {" ", ""}, false, true},
        {"qwen2", {" ", ""}, false, true},
        {"gpt-2", {".", ""}, true, true},
        {"llama-bpe", {".", ""}, true, false},
        {"gpt-4o", {"a", ""}, true, true},
        {"llama-bpe", {"a", ""}, true, false},
        {"qwen2", {"1", ""}, false, false}, /* digits alone */
        {"default", {"0", "("}, false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct toy *toy = toy_bpe(cases[i].pre);
        const char *said;
        for (int k = 0; k < 10; k++) {
            char last[8];
            snprintf(last, sizeof last, "%c%s", (cases[i].letters ? 'A' : '0') + k,
                     cases[i].made[1]);
            if (cases[i].made[1][0]) toy_merge(toy, (char[]){last[0], 0}, cases[i].made[1]);
            toy_merge(toy, cases[i].made[0], last);
        }
        said = notes(toy, NULL, 0, 0);
        ck_assert_msg(!!strstr(said, "pieces of this vocabulary in two") == cases[i].told,
                      "%s %zu: %s", cases[i].pre, i, said);
    }
}
END_TEST

START_TEST(sees_two_bos) {
    struct bnt_tokenizer *t = open_toy(toy_bpe("llama-bpe"));
    static const struct {
        const char *text;
        unsigned flags;
        bool two;
    } cases[] = {
        {"<|begin_of_text|>a", BNT_ENCODE_BOS | BNT_ENCODE_PARSE_SPECIAL, true},
        {"<|begin_of_text|>a", BNT_ENCODE_PARSE_SPECIAL, false},
        {"<|begin_of_text|><|begin_of_text|>a", BNT_ENCODE_PARSE_SPECIAL, false}, /* as written */
        {"<|begin_of_text|>a", BNT_ENCODE_BOS, false},
        {"a", BNT_ENCODE_BOS, false},
        {"", BNT_ENCODE_BOS, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bnt_token_list l = {0};
        ck_assert_int_eq(
            bnt_tokenizer_encode(t, cases[i].text, strlen(cases[i].text), cases[i].flags, &l, NULL),
            BNT_OK);
        ck_assert_int_eq(bnt_tokenizer_two_bos(t, &l), cases[i].two);
        bnt_token_list_free(&l);
    }
    bnt_tokenizer_close(t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tokenizer, vocabularies");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, missing_bytes_refuse_only_texts_with_them);
    tcase_add_test(tc, missing_bytes_of_sentencepiece);
    tcase_add_test(tc, gemma4_merges_by_rank);
    tcase_add_test(tc, gemma4_runs_of_newlines);
    tcase_add_test(tc, both_ends_are_added);
    tcase_add_test(tc, gemma_by_score);
    tcase_add_test(tc, gemma_keeps_every_byte);
    tcase_add_test(tc, notes_a_bos_that_is_contradicted);
    tcase_add_test(tc, a_stated_token_is_no_plain_text);
    tcase_add_test(tc, notes_a_pre_tokenizer_that_is_contradicted);
    tcase_add_test(tc, notes_a_pre_tokenizer_that_cuts_pieces);
    tcase_add_test(tc, sees_two_bos);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
