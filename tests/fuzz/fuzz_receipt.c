/*
 * fuzz_receipt.c - hostile receipts: refused as such, or verified without harm, whatever they say.
 *
 * The first byte chooses: the rest is the text of a receipt; or it is a list of edits (which value,
 * what becomes of it) of an honest receipt, a run's or a conversation's, so that the checks behind
 * the form are reached. No receipt with an edit that changes anything computed may verify.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_receipt CORPUS_DIR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receipt.h"
#include "sign.h"
#include "synth_engine.h"
#include "verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EDIT_BYTES = 4, MAX_EDITS = 8, STEPS = 4 };

static struct bnt_engine *engine;
static json_t *honest;

static void make_engine(void) {
    struct bnt_err err = {0};
    struct synth s;
    if (!synth_preset(&s, "tiny")) abort();
    s.blocks = 1;
    s.embd = s.ff = 128;
    s.heads = s.kv_heads = 2;
    s.head_dim = 64;
    engine =
        synth_engine(&s, &(struct bnt_engine_options){.backend = "ref-scalar", .threads = 1}, &err);
    if (!engine) abort();
}

/* With a key that was made for this and signs nothing else. */
static void sign(json_t *receipt) {
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIGExcTqJmRUZdmZii7UG8tGU4BD2V+6yslyH3Qf2Nop1\n"
                              "-----END PRIVATE KEY-----\n";
    char path[] = "/tmp/bitnet-fuzz-key-XXXXXX";
    struct bnt_signer *signer;
    struct bnt_err err = {0};
    bool exposed;
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, pem, sizeof pem - 1) != (ssize_t)sizeof pem - 1) abort();
    close(fd);
    if (bnt_signer_open(&signer, path, &exposed, &err) || bnt_receipt_sign(receipt, signer, &err))
        abort();
    bnt_signer_close(signer);
    unlink(path);
}

static void make_honest(void) {
    static const struct bnt_bias biases[] = {{5, 0.5f}, {9, -3.0f}};
    const struct bnt_session_options so = {.n_ctx = 32, .threads = 1, .no_bind = true};
    struct bnt_generate_options o = {.sampling = bnt_sampling_default(),
                                     .n_predict = STEPS,
                                     .logprobs = true,
                                     .top_logprobs = 2};
    o.sampling.presence_penalty = 0.5f;
    o.sampling.biases = biases;
    o.sampling.n_biases = 2;
    static const char prompt[] = "some words";
    struct bnt_token_list list = {0};
    struct bnt_session *session;
    struct bnt_generation g;
    struct bnt_err err = {0};
    if (bnt_session_open(&session, engine, &so, &err) ||
        bnt_encode_prompt(engine->tokenizer, prompt, sizeof prompt - 1, BNT_ENCODE_BOS, &list,
                          &err) ||
        bnt_generate(&g, engine, session, list.ids, list.count, &o, &err))
        abort();
    const struct bnt_receipt_run run = {.template_id = "raw",
                                        .prompt = prompt,
                                        .prompt_len = sizeof prompt - 1,
                                        .encode_flags = BNT_ENCODE_BOS,
                                        .ids = list.ids,
                                        .n_ids = list.count,
                                        .options = &o,
                                        .generation = &g};
    if (bnt_receipt_build(&honest, engine, session, &run, &err)) abort();
    sign(honest);
    bnt_generation_free(&g);
    bnt_token_list_free(&list);
    bnt_session_close(session);
}

/* ---- edits ---------------------------------------------------------------------------------- */

/* Value number *k of the tree below o, counted as it is walked; its holder and place. */
struct place {
    json_t *holder;
    const char *key;
    size_t index;
};

static bool find(json_t *o, unsigned *k, struct place *p) {
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_object(o)) {
        json_object_foreach(o, key, value) {
            *p = (struct place){o, key, 0};
            if ((*k)-- == 0) return true;
            if (find(value, k, p)) return true;
        }
    } else {
        json_array_foreach(o, i, value) {
            *p = (struct place){o, NULL, i};
            if ((*k)-- == 0) return true;
            if (find(value, k, p)) return true;
        }
    }
    return false;
}

static json_t *other_value(const json_t *old, unsigned how, unsigned argument) {
    static const json_int_t numbers[] = {
        0, 1, -1, 255, 2147483647, 4294967295, (json_int_t)1 << 53, INT64_MAX};
    char text[160];
    switch (how) {
    case 0: return json_integer(numbers[argument % 8]);
    case 1: return json_string(argument & 1 ? "raw" : "");
    case 2: return json_boolean(argument & 1);
    case 3: return json_array();
    case 4: return json_null();
    case 5: /* the next integer, and the least one after the greatest */
        return json_integer((json_int_t)((uint64_t)json_integer_value(old) + 1));
    default:
        snprintf(text, sizeof text, "%s", json_is_string(old) ? json_string_value(old) : "0");
        if (text[0]) text[argument % strlen(text)] = "0123456789abcdef"[argument % 16];
        return json_string(text);
    }
}

static void edit(json_t *receipt, const uint8_t *e) {
    unsigned k = (unsigned)e[0] | (unsigned)e[1] << 8;
    struct place p;
    if (!find(receipt, &k, &p)) return;
    if (p.key) {
        json_t *old = json_object_get(p.holder, p.key);
        if (e[2] == 255)
            json_object_del(p.holder, p.key);
        else
            json_object_set_new(p.holder, p.key, other_value(old, e[2] % 7, e[3]));
    } else if (e[2] == 255) {
        json_array_remove(p.holder, p.index);
    } else {
        json_array_set_new(p.holder, p.index,
                           other_value(json_array_get(p.holder, p.index), e[2] % 7, e[3]));
    }
}

/* ---- what is tried -------------------------------------------------------------------------- */

/* Computing again takes most of the time, and looks at results alone. */
static bool verifies(const json_t *receipt, bool replay) {
    const struct bnt_session_options so = {.threads = 1, .no_bind = true};
    struct bnt_verification v = {0};
    struct bnt_err err = {0};
    const struct bnt_tokenizer *t = engine->tokenizer;
    const struct bnt_verify_template template = {.g = engine->gguf};
    if (bnt_verify_seals(&v, receipt, &err) || bnt_verify_signature(&v, receipt, NULL, &err) ||
        bnt_verify_model(&v, receipt, engine->gguf, &err) ||
        bnt_verify_tokenizer(&v, receipt, t, &err) ||
        bnt_verify_prompt(&v, receipt, t, NULL, 0, &template, &err) ||
        (replay && bnt_verify_replay(&v, receipt, engine, &so, NULL, &err))) {
        if (!err.text[0]) abort();
        return false;
    }
    v.no_replay = !replay;
    return bnt_verify_outcome(&v, &err) == BNT_OK;
}

static bool same(const json_t *a, const json_t *b, const char *part) {
    return json_equal(json_object_get(a, part), json_object_get(b, part));
}

static void try_text(const char *text, size_t len) {
    struct bnt_err err = {0};
    json_t *receipt;
    int status = bnt_receipt_parse(&receipt, "input", text, len, &err);
    if ((status == BNT_OK) != (receipt != NULL)) abort();
    if (status != BNT_OK && !err.text[0]) abort();
    if (receipt) verifies(receipt, true);
    json_decref(receipt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bnt_err err = {0};
    if (size < 1) return 0;
    if (!engine) {
        make_engine();
        make_honest();
        if (!verifies(honest, true)) abort();
    }
    if (data[0] & 1) {
        try_text((const char *)data + 1, size - 1);
        return 0;
    }
    json_t *receipt = json_deep_copy(honest);
    for (size_t i = 1; i + EDIT_BYTES <= size && i < EDIT_BYTES * MAX_EDITS; i += EDIT_BYTES)
        edit(receipt, data + i);
    /* With its old seals, nothing but the honest one is true. */
    if (bnt_receipt_check(receipt, &err) == BNT_OK && verifies(receipt, data[0] & 2) &&
        (!same(receipt, honest, "result") ||
         (same(receipt, honest, "signature") && !same(receipt, honest, "circumstance"))))
        abort();
    json_decref(receipt);
    return 0;
}
