/* test_tokenizer_hostile.c - metadata that is wrong: each fault gives an error that names its key,
 * and none of it crashes; what is odd but harmless opens. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "suite.h"
#include "tokenizer.h"
#include "toy_vocab.h"

static int try_bytes(const uint8_t *data, size_t size, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    int rc = bnt_gguf_open_memory(&g, data, size, err);
    if (!rc) {
        rc = bnt_tokenizer_open(&t, g, err);
        ck_assert((rc == BNT_OK) == (t != NULL));
    }
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    return rc;
}

static void check(struct gw *w, int status, const char *says, int line) {
    struct bnt_err err = {0};
    size_t size;
    uint8_t *data = gw_memory(w, &size);
    int rc = try_bytes(data, size, &err);
    ck_assert_msg(rc == status, "line %d: %s %s", line, bnt_status_name(rc), err.text);
    if (says) ck_assert_msg(strstr(err.text, says) != NULL, "line %d: %s", line, err.text);
    gw_free(w);
    free(data);
}

/* One toy with one change, and the error it must give (NULL: it must open). */
#define REFUSES(status, says, make, ...)                                                           \
    do {                                                                                           \
        struct toy *toy = make;                                                                    \
        __VA_ARGS__;                                                                               \
        check(toy_gguf(toy), status, says, __LINE__);                                              \
        toy_free(toy);                                                                             \
    } while (0)
#define OPENS(make, ...) REFUSES(BNT_OK, NULL, make, __VA_ARGS__)
/* The same with one more key. */
#define KEY(status, says, make, ...)                                                               \
    do {                                                                                           \
        struct toy *toy = make;                                                                    \
        struct gw *w = toy_gguf(toy);                                                              \
        __VA_ARGS__;                                                                               \
        check(w, status, says, __LINE__);                                                          \
        toy_free(toy);                                                                             \
    } while (0)

static void rename_token(struct toy *t, int id, const char *text) {
    ck_assert_int_ge(id, 0);
    free(t->tokens[id]);
    t->tokens[id] = malloc(strlen(text) + 1);
    ck_assert_ptr_nonnull(t->tokens[id]);
    memcpy(t->tokens[id], text, strlen(text) + 1);
}

static void rename_merge(struct toy *t, int i, const char *text) {
    free(t->merges[i]);
    t->merges[i] = malloc(strlen(text) + 1);
    ck_assert_ptr_nonnull(t->merges[i]);
    memcpy(t->merges[i], text, strlen(text) + 1);
}

START_TEST(names_the_faulty_key) {
    const int F = BNT_E_FORMAT, U = BNT_E_UNSUPPORTED;
    OPENS(toy_bpe("gpt-2"), (void)toy);
    OPENS(toy_spm(), (void)toy);
    REFUSES(U, "'tokenizer.ggml.model' is 'bert'", toy_spm(), toy->model = "bert");
    REFUSES(U, "'tokenizer.ggml.pre' is 'unheard-of'", toy_bpe("unheard-of"), (void)toy);
    REFUSES(U, "llama-bpe", toy_bpe("unheard-of"), (void)toy); /* and says what is known */
    REFUSES(U, "'sarvam-moe', which is no expression", toy_bpe("sarvam-moe"), (void)toy);
    REFUSES(U, "''", toy_bpe(""), (void)toy);
    REFUSES(U, "\\x", toy_bpe("a\nb"), (void)toy);

    REFUSES(F, "'tokenizer.ggml.tokens' has 0", toy_spm(),
            toy->n_tokens = toy->n_types = toy->n_scores = 0);
    REFUSES(F, "'tokenizer.ggml.token_type' has", toy_spm(), toy->n_types--);
    REFUSES(F, "'tokenizer.ggml.scores' has", toy_spm(), toy->n_scores--);
    REFUSES(F, "'tokenizer.ggml.scores' has", toy_spm(), toy->n_scores++);
    REFUSES(F, "'tokenizer.ggml.scores' is missing", toy_spm(), toy->n_scores = 0);
    REFUSES(F, "'tokenizer.ggml.scores'[280]", toy_spm(), toy->scores[280] = NAN);
    REFUSES(F, "'tokenizer.ggml.token_type'[5] is 7", toy_spm(), toy->types[5] = 7);
    REFUSES(F, "'tokenizer.ggml.token_type'[5] is -1", toy_bpe("gpt-2"), toy->types[5] = -1);
    REFUSES(F, "are both 'the'", toy_bpe("gpt-2"), toy_token(toy, "the", TOY_NORMAL, 0));
    REFUSES(F, "[4] is of type BYTE", toy_spm(), rename_token(toy, 4, "<0xG1>"));
    OPENS(toy_bpe("gpt-2"), rename_token(toy, 'a', "zzz"); toy->n_merges = 0); /* see tokenizer */
    OPENS(toy_spm(), toy->types[3 + 0x41] = TOY_NORMAL; toy->types[0] = TOY_CONTROL);
    OPENS(toy_spm(), toy->types[3 + 0x41] = TOY_NORMAL); /* UNK is there */
    OPENS(toy_spm(), toy->n_types = 0);
    OPENS(toy_bpe("gpt-2"), toy->n_types = 0);
    OPENS(toy_spm(), toy->scores[280] = INFINITY; toy->scores[281] = -INFINITY);
    OPENS(toy_bpe("gpt-2"), toy_token(toy, "", TOY_CONTROL, 0); toy_token(toy, "", TOY_NORMAL, 0));

    REFUSES(F, "'tokenizer.ggml.merges' is missing", toy_bpe("gpt-2"), toy->no_merges = 1);
    OPENS(toy_bpe("gpt-2"), toy->n_merges = 0);
    REFUSES(F, "'tokenizer.ggml.merges'[1], 'th zz'", toy_bpe("gpt-2"),
            rename_merge(toy, 1, "th zz"));
    REFUSES(F, "'tokenizer.ggml.merges'[1]", toy_bpe("gpt-2"), rename_merge(toy, 1, "q z"));
    REFUSES(F, "'tokenizer.ggml.merges'[0], ''", toy_bpe("gpt-2"), rename_merge(toy, 0, ""));
    REFUSES(F, "'tokenizer.ggml.merges'[0]", toy_bpe("gpt-2"), rename_merge(toy, 0, " "));
    REFUSES(F, "'tokenizer.ggml.merges'[0]", toy_bpe("gpt-2"), rename_merge(toy, 0, "th"));
    REFUSES(F, "'tokenizer.ggml.merges'[0]", toy_bpe("gpt-2"), rename_merge(toy, 0, "th "));
    OPENS(toy_bpe("gpt-2"), rename_merge(toy, 1, "t h")); /* a pair twice: the first counts */
}
END_TEST

START_TEST(checks_ids_and_flags) {
    const int F = BNT_E_FORMAT;
    static const char *const ids[] = {
        "tokenizer.ggml.bos_token_id",     "tokenizer.ggml.eos_token_id",
        "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.eot_token_id",
        "tokenizer.ggml.padding_token_id", "tokenizer.ggml.seperator_token_id",
        "tokenizer.ggml.cls_token_id",     "tokenizer.ggml.fim_pre_token_id",
        "tokenizer.ggml.foo_token_id",     "tokenizer.ggml._token_id"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        KEY(F, ids[i], toy_spm(), gw_key_u32(w, ids[i], (uint32_t)toy->n_tokens));
        KEY(F, ids[i], toy_spm(), gw_key_i32(w, ids[i], -2));
        KEY(F, ids[i], toy_bpe("gpt-2"), gw_key_u64(w, ids[i], UINT64_MAX / 2));
        KEY(F, ids[i], toy_spm(), gw_key_str(w, ids[i], "1"));
        KEY(F, ids[i], toy_spm(), gw_key_f32(w, ids[i], 1));
        KEY(F, ids[i], toy_spm(), gw_key_bool(w, ids[i], 1));
        KEY(F, ids[i], toy_spm(), gw_key_strings(w, ids[i], NULL, 0));
        KEY(BNT_OK, NULL, toy_spm(), gw_key_u32(w, ids[i], UINT32_MAX)); /* "none" */
        KEY(BNT_OK, NULL, toy_spm(), gw_key_i32(w, ids[i], -1));
        KEY(BNT_OK, NULL, toy_spm(), gw_key_u32(w, ids[i], (uint32_t)toy->n_tokens - 1));
    }
    KEY(F, "add_bos_token", toy_spm(), gw_key_u32(w, ids[0], UINT32_MAX);
        gw_key_bool(w, "tokenizer.ggml.add_bos_token", 1));
    KEY(BNT_OK, NULL, toy_spm(), gw_key_u32(w, ids[0], UINT32_MAX));
    KEY(F, "add_eos_token", toy_bpe("gpt-2"), gw_key_bool(w, "tokenizer.ggml.add_eos_token", 1));
    KEY(F, "add_eos_token", toy_spm(), gw_key_u32(w, "tokenizer.ggml.add_eos_token", 1));
    KEY(F, "add_space_prefix", toy_spm(), gw_key_str(w, "tokenizer.ggml.add_space_prefix", "no"));
}
END_TEST

/* Whatever stands under tokenizer.ggml. is read, or leaves the tokens as they are, or is refused by
 * its name; and whoever knows better may leave it out. */
START_TEST(no_key_is_passed_over) {
    const int F = BNT_E_FORMAT, U = BNT_E_UNSUPPORTED;
    static const char *const flags[] = {"normalizer.lowercase", "normalizer.strip_accents",
                                        "normalizer.nfc",       "remove_extra_whitespaces",
                                        "add_sep_token",        "add_padding_token",
                                        "add_unknown_token",    "add_mask_token"};
    static const char *const lists[] = {"precompiled_charsmap"};
    static const char *const fine[] = {"tokenizer.ggml.fim_pre_token_id",
                                       "tokenizer.ggml.seperator_token_id",
                                       "tokenizer.ggml.token_type_count", "tokenizer.x.frobnicate"};
    static const char *const unknown[] = {"tokenizer.ggml.", "tokenizer.ggml.normalizer",
                                          "tokenizer.ggml.byte_fallback",
                                          "tokenizer.ggml.token_ids"};
    const uint8_t bytes[4] = {1, 2, 3, 0};
    char key[64];
    for (unsigned kind = 0; kind < 3; kind++) {
#define TOY (kind == 0 ? toy_spm() : kind == 1 ? toy_gemma() : toy_bpe("gpt-2"))
        for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
            snprintf(key, sizeof key, "tokenizer.ggml.%s", flags[i]);
            KEY(U, key, TOY, gw_key_bool(w, key, 1));
            KEY(BNT_OK, NULL, TOY, gw_key_bool(w, key, 0));
            KEY(F, key, TOY, gw_key_u32(w, key, 0));
        }
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
            snprintf(key, sizeof key, "tokenizer.ggml.%s", lists[i]);
            KEY(U, key, TOY, gw_key_array(w, key, GW_U8, bytes, 1, 4));
            KEY(U, key, TOY, gw_key_array(w, key, GW_I32, bytes, 4, 1));
            KEY(BNT_OK, NULL, TOY, gw_key_array(w, key, GW_U8, bytes, 1, 0));
            KEY(F, key, TOY, gw_key_str(w, key, ""));
        }
        for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
            KEY(BNT_OK, NULL, TOY, gw_key_u32(w, fine[i], 1));
        for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
            KEY(U, unknown[i], TOY, gw_key_u32(w, unknown[i], 0));
#undef TOY
    }
}
END_TEST

/* A toy's file, with what was written into it besides; its parts go with it. */
struct file {
    struct toy *toy;
    struct gw *w;
    uint8_t *data;
    struct bnt_gguf *g;
};

static void open_file(struct file *f) {
    struct bnt_err err = {0};
    size_t size;
    f->data = gw_memory(f->w, &size);
    ck_assert_msg(bnt_gguf_open_memory(&f->g, f->data, size, &err) == BNT_OK, "%s", err.text);
}

static void close_file(struct file *f) {
    bnt_gguf_close(f->g);
    gw_free(f->w);
    free(f->data);
    toy_free(f->toy);
}

START_TEST(an_ignored_key_changes_no_token) {
    static const char key[] = "tokenizer.ggml.normalizer.lowercase";
    struct toy *toy = toy_spm();
    struct file f = {.toy = toy, .w = toy_gguf(toy)};
    struct bnt_tokenizer *t = NULL;
    struct bnt_err err = {0};
    gw_key_bool(f.w, key, 1);
    open_file(&f);
    ck_assert_int_eq(bnt_tokenizer_open(&t, f.g, &err), BNT_E_UNSUPPORTED);
    ck_assert(bnt_gguf_ignore(f.g, key));
    ck_assert_int_eq(bnt_tokenizer_open(&t, f.g, &err), BNT_OK);
    bnt_tokenizer_close(t);
    close_file(&f);
}
END_TEST

/* Each of a list ends an answer, and no message can hold it. */
START_TEST(ends_that_are_listed) {
    static const char key[] = "tokenizer.ggml.eos_token_ids";
    struct toy *toy = toy_spm();
    struct file f = {.toy = toy, .w = toy_gguf(toy)};
    struct bnt_tokenizer *t = NULL;
    struct bnt_err err = {0};
    const int32_t ids[] = {2, toy_find(toy, "<ud>")};
    gw_key_array(f.w, key, GW_I32, ids, 4, 2);
    open_file(&f);
    ck_assert_msg(bnt_tokenizer_open(&t, f.g, &err) == BNT_OK, "%s", err.text);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(bnt_tokenizer_is_eog(t, ids[i]));
        ck_assert_int_eq(bnt_tokenizer_type(t, ids[i]), BNT_TOKEN_CONTROL);
    }
    ck_assert(!bnt_tokenizer_is_eog(t, 1));
    bnt_tokenizer_close(t);
    close_file(&f);
}
END_TEST

START_TEST(wrong_lists_of_ends) {
    static const char key[] = "tokenizer.ggml.eos_token_ids";
    static const int32_t beyond = TOY_MAX, none = -1;
    const int F = BNT_E_FORMAT;
    KEY(F, key, toy_spm(), gw_key_array(w, key, GW_I32, &beyond, 4, 1));
    KEY(F, key, toy_spm(), gw_key_array(w, key, GW_I32, &none, 4, 1));
    KEY(F, key, toy_spm(), gw_key_u32(w, key, 2));
    KEY(F, key, toy_spm(), gw_key_strings(w, key, NULL, 0));
}
END_TEST

START_TEST(checks_types_of_arrays) {
    const int F = BNT_E_FORMAT;
    static const uint8_t zeros[8];
    struct gw *w;
    const struct {
        const char *key;
        uint32_t type;
    } one[] = {{"tokenizer.ggml.tokens", GW_U32},     {"tokenizer.ggml.tokens", GW_STRING},
               {"tokenizer.ggml.token_type", GW_F32}, {"tokenizer.ggml.token_type", GW_STRING},
               {"tokenizer.ggml.scores", GW_I32},     {"tokenizer.ggml.scores", GW_BOOL},
               {"tokenizer.ggml.merges", GW_U8}};
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++) {
        for (int array = 0; array < 2; array++) { /* as a scalar, as an array */
            struct toy *toy;
            if (array && i == 1) continue; /* that would be right */
            toy = toy_bpe("gpt-2");
            w = gw_new(3, 32);
            gw_key_str(w, "tokenizer.ggml.model", "gpt2");
            if (strcmp(one[i].key, "tokenizer.ggml.tokens") != 0)
                gw_key_strings(w, "tokenizer.ggml.tokens", (const char *const *)toy->tokens, 1);
            if (!array)
                gw_key_raw(w, one[i].key, one[i].type, zeros,
                           one[i].type == GW_BOOL || one[i].type == GW_U8 ? 1
                           : one[i].type == GW_STRING                     ? 8
                                                                          : 4);
            else if (one[i].type == GW_STRING)
                gw_key_strings(w, one[i].key, (const char *const *)toy->tokens, 1);
            else
                gw_key_array(w, one[i].key, one[i].type, zeros,
                             one[i].type == GW_BOOL || one[i].type == GW_U8 ? 1 : 4, 1);
            check(w, F, one[i].key, __LINE__);
            toy_free(toy);
        }
    }
    w = gw_new(3, 32);
    check(w, F, "'tokenizer.ggml.model' is missing", __LINE__);
    w = gw_new(3, 32);
    gw_key_str(w, "tokenizer.ggml.model", "gpt2");
    check(w, F, "'tokenizer.ggml.tokens' is missing", __LINE__);
}
END_TEST

START_TEST(bounds_lengths) {
    struct toy *toy = toy_spm();
    char *huge = malloc(65536 + 1);
    struct bnt_err err = {0};
    struct bnt_token_list list = {0};
    struct bnt_tokenizer *t = NULL;
    struct bnt_gguf *g = NULL;
    uint8_t *data;
    size_t size, len;
    uint32_t id;
    char *text;
    ck_assert_ptr_nonnull(huge);
    memset(huge, 'x', 65536);
    huge[65536] = 0;
    id = toy_token(toy, huge, TOY_USER_DEFINED, 0);
    check(toy_gguf(toy), BNT_E_FORMAT, "limit 65535", __LINE__);
    huge[65535] = 0; /* the longest allowed */
    rename_token(toy, (int)id, huge);
    data = toy_bytes(toy, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
    ck_assert_msg(bnt_tokenizer_open(&t, g, &err) == BNT_OK, "%s", err.text);
    ck_assert_int_eq(bnt_tokenizer_encode(t, huge, 65535, 0, &list, &err), BNT_OK);
    ck_assert_uint_eq(list.count, 1);
    ck_assert_uint_ge(bnt_tokenizer_max_piece(t), 65535);
    /* A length no text has is refused before the text is looked at. */
    ck_assert_int_eq(bnt_tokenizer_encode(t, huge, (size_t)1 << 31, 0, &list, &err), BNT_E_LIMIT);
    ck_assert_int_eq(
        bnt_tokenizer_decode(t, (int32_t[]){1, (int32_t)id + 1}, 2, true, &text, &len, &err),
        BNT_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "token 287"));
    ck_assert_int_eq(bnt_tokenizer_decode(t, (int32_t[]){-1}, 1, true, &text, &len, &err),
                     BNT_E_USAGE);
    ck_assert_int_eq(bnt_tokenizer_decode(t, NULL, 0, true, &text, &len, &err), BNT_OK);
    ck_assert_uint_eq(len, 0);
    free(text);
    ck_assert_uint_eq(bnt_tokenizer_piece(t, -5).len, 0);
    bnt_token_list_free(&list);
    bnt_tokenizer_close(t);
    bnt_tokenizer_close(NULL);
    bnt_gguf_close(g);
    free(data);
    free(huge);
    toy_free(toy);
}
END_TEST

/* Random damage to good files: an error or a tokenizer that keeps its promise, never a crash. */
START_TEST(survives_random_damage) {
    struct rng r = rng_named(30, "damage");
    unsigned opened = 0;
    for (int spm = 0; spm < 2; spm++) {
        struct toy *toy = spm ? toy_spm() : toy_bpe("llama-bpe");
        size_t size;
        uint8_t *good = toy_bytes(toy, &size), *bad = malloc(size);
        ck_assert_ptr_nonnull(bad);
        for (int round = 0; round < 5000; round++) {
            struct bnt_err err = {0};
            unsigned hits = 1 + rng_below(&r, 3);
            memcpy(bad, good, size);
            for (unsigned i = 0; i < hits; i++)
                bad[rng_below(&r, (uint32_t)size)] = (uint8_t)rng_below(&r, 256);
            if (try_bytes(bad, size, &err) == BNT_OK)
                opened++;
            else if (!err.text[0])
                ck_abort_msg("round %d: refused without a word", round);
        }
        free(bad);
        free(good);
        toy_free(toy);
    }
    ck_assert_uint_gt(opened, 100);
    ck_assert_uint_lt(opened, 9000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tokenizer, hostile");
    TCase *tc = tcase_create("metadata");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, names_the_faulty_key);
    tcase_add_test(tc, checks_ids_and_flags);
    tcase_add_test(tc, no_key_is_passed_over);
    tcase_add_test(tc, an_ignored_key_changes_no_token);
    tcase_add_test(tc, ends_that_are_listed);
    tcase_add_test(tc, wrong_lists_of_ends);
    tcase_add_test(tc, checks_types_of_arrays);
    tcase_add_test(tc, bounds_lengths);
    tcase_add_test(tc, survives_random_damage);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
