/*
 * test_receipt_prompt.c - what a receipt of a run says of its prompt, without its text at hand.
 *
 * A forger makes the seals anew, so only what the tokens themselves say can convict him. The one
 * idea: each case is the prompt that an honest receipt would have, with one lie.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "receipt.h"
#include "suite.h"
#include "toy_vocab.h"
#include "verify.h"

enum { BYTE_LEVEL, SENTENCE_PIECE, VOCABULARIES };

static struct bnt_gguf *files[VOCABULARIES];
static struct bnt_tokenizer *tokenizers[VOCABULARIES];
static uint8_t *bytes[VOCABULARIES];

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

static void set_up(void) {
    struct bnt_err err = {0};
    for (int i = 0; i < VOCABULARIES; i++) {
        struct toy *toy = i == BYTE_LEVEL ? toy_bpe("gpt-2") : toy_spm();
        size_t size;
        bytes[i] = toy_bytes(toy, &size);
        must(bnt_gguf_open_memory(&files[i], bytes[i], size, &err), &err);
        must(bnt_tokenizer_open(&tokenizers[i], files[i], &err), &err);
        toy_free(toy);
    }
}

static void tear_down(void) {
    for (int i = 0; i < VOCABULARIES; i++) {
        bnt_tokenizer_close(tokenizers[i]);
        bnt_gguf_close(files[i]);
        free(bytes[i]);
    }
}

struct lie {
    int vocabulary;
    const char *text; /* that the model saw */
    unsigned flags;   /* and how it was encoded */
    const char *says; /* the text whose hashes the receipt has */
    bool recoverable; /* as the receipt has it */
    const char *word; /* for the template */
    enum bnt_check_state state;
    const char *part; /* of what verify says */
};

static json_t *receipt_of(const struct lie *l) {
    const struct bnt_tokenizer *t = tokenizers[l->vocabulary];
    struct bnt_token_list list = {0};
    struct bnt_err err = {0};
    char blake3[65], sha256[65];
    must(bnt_encode_prompt(t, l->text, strlen(l->text), l->flags, &list, &err), &err);
    bnt_blake3(l->says, strlen(l->says), blake3);
    must(bnt_receipt_sha256(l->says, strlen(l->says), sha256, &err), &err);
    json_t *r =
        json_pack("{s:{s:s, s:{s:b, s:b, s:b, s:I, s:s, s:s, s:b, s:o}}}", "result", "template",
                  l->word, "prompt", "add_bos", (int)((l->flags & BNT_ENCODE_BOS) != 0),
                  "parse_special", (int)((l->flags & BNT_ENCODE_PARSE_SPECIAL) != 0), "exact",
                  (int)((l->flags & BNT_ENCODE_EXACT) != 0), "bytes", (json_int_t)strlen(l->says),
                  "blake3", blake3, "sha256", sha256, "recoverable", (int)l->recoverable, "ids",
                  bnt_receipt_ids(list.ids, list.count));
    ck_assert_ptr_nonnull(r);
    bnt_token_list_free(&list);
    return r;
}

#define BOS BNT_ENCODE_BOS
#define SPECIAL (BNT_ENCODE_BOS | BNT_ENCODE_PARSE_SPECIAL)
static const struct lie lies[] = {
    /* honest */
    {BYTE_LEVEL, "the end", BOS, "the end", true, "raw", BNT_AGREES, "hashes"},
    {SENTENCE_PIECE, "a b", BOS, "a b", true, "raw", BNT_AGREES, "hashes"},
    {SENTENCE_PIECE,
     "a\xe2\x96\x81"
     "b",
     BOS,
     "a\xe2\x96\x81"
     "b",
     false, "raw", BNT_NOT_CHECKED, "-p or -f"},
    {SENTENCE_PIECE, "", BOS, "", false, "raw", BNT_AGREES, "empty"},
    /* another template's name; nothing of it is true of a run */
    {BYTE_LEVEL, "the end", BOS, "the end", true, "llama3", BNT_DIFFERS, "template: "},
    /* "it cannot be had", so that no hash is looked at */
    {BYTE_LEVEL, "the end", BOS, "another text", false, "raw", BNT_DIFFERS, "recoverable: false"},
    {BYTE_LEVEL, "the end", SPECIAL, "another text", false, "raw", BNT_DIFFERS,
     "recoverable: false"},
    {BYTE_LEVEL, "the end", SPECIAL, "the end", false, "raw", BNT_DIFFERS, "recoverable: false"},
    {SENTENCE_PIECE, "ab", BOS, "ac", false, "raw", BNT_DIFFERS, "prompt.bytes: 2"},
    {SENTENCE_PIECE, "a b", BOS, "another text", false, "raw", BNT_DIFFERS, "prompt.bytes: 12"},
    {SENTENCE_PIECE, "a b", BOS, "a b", false, "raw", BNT_DIFFERS, "prompt.bytes: 3"},
    {SENTENCE_PIECE, "a b c", BOS, "a_b_c______", false, "raw", BNT_DIFFERS, "prompt.bytes: 11"},
    {SENTENCE_PIECE, "a b", SPECIAL, "another text", false, "raw", BNT_DIFFERS, "prompt.bytes: 12"},
};

START_TEST(a_prompt_is_what_its_tokens_say) {
    const struct lie *l = &lies[_i];
    struct bnt_verification v = {0};
    struct bnt_err err = {0};
    json_t *r = receipt_of(l);
    must(bnt_verify_prompt(&v, r, tokenizers[l->vocabulary], NULL, 0, NULL, &err), &err);
    ck_assert_msg(v.checks[BNT_CHECK_PROMPT].state == l->state &&
                      strstr(v.checks[BNT_CHECK_PROMPT].text, l->part),
                  "%s: %s", bnt_check_state_name(v.checks[BNT_CHECK_PROMPT].state),
                  v.checks[BNT_CHECK_PROMPT].text);
    /* Whoever has the text, finds every lie about it. */
    memset(&v, 0, sizeof v);
    must(bnt_verify_prompt(&v, r, tokenizers[l->vocabulary], l->text, strlen(l->text), NULL, &err),
         &err);
    bool lied = strcmp(l->text, l->says) != 0 || strcmp(l->word, "raw") != 0;
    ck_assert_int_eq(v.checks[BNT_CHECK_PROMPT].state, lied ? BNT_DIFFERS : BNT_AGREES);
    json_decref(r);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt_prompt");
    TCase *t = tcase_create("prompt");
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_prompt_is_what_its_tokens_say, 0, sizeof lies / sizeof lies[0]);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
