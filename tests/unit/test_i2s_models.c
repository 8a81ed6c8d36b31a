/*
 * test_i2s_models.c - the layout of whole models: three layouts of three models are told apart and
 * compute the same; what cannot be told is assumed, and said; what disagrees is refused.
 *
 * The models: the trained one of models/, whatever its shape; a smaller network cut out of it
 * (fewer blocks, neurons and heads, every channel at another place); and one of the widths of
 * BitNet b1.58 2B-4T whose structure synth_i2s.h has planted. Their tensors are written by the
 * tests' own encoder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "decode.h"
#include "encode.h"
#include "file/gguf.h"
#include "gguf_write.h"
#include "model/i2s_layout.h"
#include "rng.h"
#include "run/engine.h"
#include "split.h"
#include "suite.h"
#include "synth.h"

static const char trained[] = TEST_SOURCE "/models/bitnet-demo-i2_s.gguf";
static char path[64];

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

/* ---- writing models --------------------------------------------------------------------------
 */

enum { MOST_BLOCKS = 32, MOST = 2048 };

/* The trained model's shape; head is the size of one. */
static struct { size_t blocks, embd, ff, heads, kv_heads, head; } shape;

static size_t size_of(const struct bnt_gguf *g, const char *name) {
    char key[96];
    uint64_t v = 0;
    snprintf(key, sizeof key, "bitnet-b1.58.%s", name);
    ck_assert_msg(bnt_gguf_u64(g, key, &v) && v > 0 && v <= MOST, "%s: %d", key, (int)v);
    return (size_t)v;
}

static void read_shape(void) {
    struct bnt_err err = {0};
    struct bnt_gguf *g;
    must(bnt_gguf_open(&g, trained, &err), &err);
    shape.blocks = size_of(g, "block_count"), shape.embd = size_of(g, "embedding_length");
    shape.ff = size_of(g, "feed_forward_length"), shape.heads = size_of(g, "attention.head_count");
    shape.kv_heads = size_of(g, "attention.head_count_kv");
    shape.head = shape.embd / shape.heads;
    ck_assert(shape.blocks >= 4 && shape.blocks <= MOST_BLOCKS && shape.heads > shape.kv_heads);
    bnt_gguf_close(g);
}

static void set_up(void) {
    read_shape();
    snprintf(path, sizeof path, "/tmp/bitnet-test-i2s-%d.gguf", (int)getpid());
}

/* What is kept of the trained model, and where it goes: channel i of the copy is channel keep[i] of
 * the original. */
struct cut {
    size_t n_blocks, n_ff, n_q, n_kv;
    size_t blocks[MOST_BLOCKS], embd[MOST], ff[MOST], q[MOST], kv[MOST];
    char layout;
    char other_from_block;   /* blocks from this one on are written in `other`; 0: none */
    const char *other_kinds; /* and these kinds of matrices: "attn_q attn_k"; NULL: none */
    char other;
    bool gains_tell; /* norms before q, k, v and before gate and up are what their columns weigh */
};

static void shuffle(size_t *list, size_t n, uint64_t seed) {
    struct rng r = rng_stream(seed, n);
    for (size_t i = 0; i < n; i++) list[i] = i;
    for (size_t i = n - 1; i > 0; i--) {
        size_t j = rng_below(&r, (uint32_t)i + 1), was = list[i];
        list[i] = list[j];
        list[j] = was;
    }
}

/* Everything, where it was. */
static struct cut whole(char layout) {
    struct cut c = {.n_blocks = shape.blocks,
                    .n_ff = shape.ff,
                    .n_q = shape.heads * shape.head,
                    .n_kv = shape.kv_heads * shape.head,
                    .layout = layout};
    for (size_t i = 0; i < MOST; i++) {
        if (i < MOST_BLOCKS) c.blocks[i] = i;
        c.embd[i] = c.ff[i] = c.q[i] = c.kv[i] = i;
    }
    return c;
}

/* All blocks but the second and the last but two, 128 neurons less, a head less in each group, and
 * the groups the other way round; residual channels and neurons in another order. */
static struct cut smaller(char layout) {
    struct cut c = whole(layout);
    c.n_blocks = 0;
    for (size_t i = 0; i < shape.blocks; i++)
        if (i != 1 && i != shape.blocks - 3) c.blocks[c.n_blocks++] = i;
    shuffle(c.embd, shape.embd, 1);
    shuffle(c.ff, shape.ff, 2);
    c.n_ff = shape.ff - 128, c.n_q = c.n_kv = 0;
    const size_t group = shape.heads / shape.kv_heads;
    for (size_t g = shape.kv_heads; g-- > 0;) {
        for (size_t i = 0; i < shape.head; i++) c.kv[c.n_kv++] = g * shape.head + i;
        for (size_t i = 0; i < (group - 1) * shape.head; i++)
            c.q[c.n_q++] = g * group * shape.head + i;
    }
    return c;
}

/* Which list a dimension of a tensor goes by; n stays 1 for vectors. */
static const size_t *dimension(const struct cut *c, const char *part, bool is_rows, size_t *n) {
    const struct {
        const char *part, *rows, *cols;
    } table[] = {
        {"attn_q", "q", "embd"},      {"attn_k", "kv", "embd"},   {"attn_v", "kv", "embd"},
        {"attn_output", "embd", "q"}, {"ffn_gate", "ff", "embd"}, {"ffn_up", "ff", "embd"},
        {"ffn_down", "embd", "ff"},   {"attn_norm", "", "embd"},  {"attn_sub_norm", "", "q"},
        {"ffn_norm", "", "embd"},     {"ffn_sub_norm", "", "ff"}, {"output_norm", "", "embd"},
        {"token_embd", "all", "embd"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *by = is_rows ? table[i].rows : table[i].cols;
        if (strcmp(part, table[i].part) != 0) continue;
        *n = !strcmp(by, "q")      ? c->n_q
             : !strcmp(by, "kv")   ? c->n_kv
             : !strcmp(by, "ff")   ? c->n_ff
             : !strcmp(by, "embd") ? shape.embd
                                   : *n;
        return !strcmp(by, "q")      ? c->q
               : !strcmp(by, "kv")   ? c->kv
               : !strcmp(by, "ff")   ? c->ff
               : !strcmp(by, "embd") ? c->embd
                                     : NULL;
    }
    ck_abort_msg("tensor part '%s'", part);
    return NULL;
}

/* A tensor of the original, cut; its bytes are malloc'd. */
static uint8_t *cut_tensor(const struct cut *c, const struct bnt_gguf_tensor *t, const char *part,
                           char layout, uint64_t dims[2], size_t *bytes) {
    size_t rows = t->dims[1], cols = t->dims[0];
    const size_t *row_of = dimension(c, part, true, &rows);
    const size_t *col_of = dimension(c, part, false, &cols);
    size_t size = t->type == T_F32 ? 4 : 2;
    dims[0] = cols, dims[1] = rows;
    if (t->type != T_I2_S) {
        uint8_t *out = malloc(*bytes = rows * cols * size);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < cols; i++)
                memcpy(out + (r * cols + i) * size,
                       t->data + ((row_of ? row_of[r] : r) * t->dims[0] + col_of[i]) * size, size);
        return out;
    }
    struct dec_tensor d;
    ck_assert(dec_open(&d, T_I2_S, t->data, t->elements, t->dims[0]));
    int8_t *trits = malloc(rows * cols);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i++)
            trits[r * cols + i] = d.trit[row_of[r] * t->dims[0] + col_of[i]];
    uint8_t *out = malloc(*bytes = rows * cols / 4 + ENC_I2_S_TAIL);
    enc_i2_s_layout(layout, trits, rows, cols, out);
    enc_i2_s_tail((float)d.scale[0], out + rows * cols / 4);
    free(trits);
    dec_close(&d);
    return out;
}

/* Weights that are not zero in each column of the matrices behind a norm. */
static void weigh_columns(const struct bnt_gguf *g, unsigned block, const char *norm,
                          float *count) {
    static const char *const behind[2][3] = {{"attn_q", "attn_k", "attn_v"},
                                             {"ffn_gate", "ffn_up"}};
    const char *const *parts = behind[strcmp(norm, "ffn_norm") == 0];
    memset(count, 0, MOST * sizeof *count);
    for (size_t p = 0; p < 3 && parts[p]; p++) {
        char name[96];
        struct dec_tensor d;
        snprintf(name, sizeof name, "blk.%u.%s.weight", block, parts[p]);
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, name);
        ck_assert(t && dec_open(&d, T_I2_S, t->data, t->elements, t->dims[0]));
        for (size_t i = 0; i < t->elements; i++) count[i % t->dims[0]] += (float)(d.trit[i] != 0);
        dec_close(&d);
    }
}

static void copy_key(struct gw *w, const struct cut *c, const struct bnt_gguf_kv *kv) {
    static const char arch[] = "bitnet-b1.58.";
    const struct {
        const char *key;
        size_t value;
    } sizes[] = {{"bitnet-b1.58.block_count", c->n_blocks},
                 {"bitnet-b1.58.feed_forward_length", c->n_ff},
                 {"bitnet-b1.58.attention.head_count", c->n_q / shape.head},
                 {"bitnet-b1.58.attention.head_count_kv", c->n_kv / shape.head}};
    char key[96];
    snprintf(key, sizeof key, "%.*s", (int)kv->key.len, kv->key.ptr);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (strcmp(key, sizes[i].key) != 0) continue;
        gw_key_u32(w, key, (uint32_t)sizes[i].value);
        if (i == 2 && c->n_q != shape.embd) {
            gw_key_u32(w, "bitnet-b1.58.attention.key_length", (uint32_t)shape.head);
            gw_key_u32(w, "bitnet-b1.58.attention.value_length", (uint32_t)shape.head);
        }
        return;
    }
    ck_assert(!strstr(key, "key_length") || strncmp(key, arch, sizeof arch - 1) != 0);
    split_copy_key(w, kv);
}

static void save_cut(const struct cut *c) {
    struct bnt_err err = {0};
    struct bnt_gguf *g;
    struct gw *w = gw_new(3, 32);
    uint8_t *owned[16 * MOST_BLOCKS];
    size_t n = 0;
    must(bnt_gguf_open(&g, trained, &err), &err);
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) copy_key(w, c, bnt_gguf_kv_at(g, i));
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, i);
        char name[96], part[64];
        unsigned block = 0, to = 0;
        uint64_t dims[2];
        size_t bytes;
        snprintf(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
        if (sscanf(name, "blk.%u.%63[^.]", &block, part) == 2) {
            while (to < c->n_blocks && c->blocks[to] != block) to++;
            if (to == c->n_blocks) continue;
            snprintf(name, sizeof name, "blk.%u.%s.weight", to, part);
        } else {
            ck_assert_int_eq(sscanf(name, "%63[^.]", part), 1);
        }
        bool other = (c->other_from_block && to >= (unsigned)c->other_from_block) ||
                     (c->other_kinds && strstr(c->other_kinds, part));
        char layout = other ? c->other : c->layout;
        owned[n] = cut_tensor(c, t, part, layout, dims, &bytes);
        if (c->gains_tell && (!strcmp(part, "attn_norm") || !strcmp(part, "ffn_norm"))) {
            float count[MOST], *gain = (float *)(void *)owned[n];
            weigh_columns(g, block, part, count);
            for (size_t k = 0; k < shape.embd; k++) gain[k] = count[c->embd[k]] / (float)shape.ff;
        }
        gw_tensor(w, name, t->type, t->n_dims, dims, owned[n++], bytes);
    }
    ck_assert_int_eq(gw_save(w, path), 0);
    gw_free(w);
    while (n) free(owned[--n]);
    bnt_gguf_close(g);
}

/* The widths of 2B-4T, two blocks and a small vocabulary. */
static void save_planted(char layout, float structure) {
    struct synth s;
    uint64_t bytes;
    ck_assert(synth_preset(&s, "2b4t"));
    s.blocks = 2, s.vocab = 512, s.structure = structure, s.i2s_layout = layout;
    ck_assert_int_eq(synth_save(&s, path, &bytes), 0);
}

/* ---- what comes of them ---------------------------------------------------------------------- */

static const int32_t ids[] = {3, 141, 59, 265, 358, 97, 93, 238};
enum { COUNT = sizeof ids / sizeof ids[0] };

/* The logits of the last token; malloc'd. */
static float *logits_of(const char *asked, struct bnt_engine_info *info) {
    struct bnt_err err = {0};
    struct bnt_engine *e;
    struct bnt_session *s;
    must(bnt_engine_open(&e, path, &(struct bnt_engine_options){.i2s_layout = asked}, &err), &err);
    must(bnt_session_open(&s, e, &(struct bnt_session_options){.n_ctx = COUNT, .no_bind = true},
                          &err),
         &err);
    must(bnt_session_feed(s, ids, COUNT, BNT_WANT_LAST, &err), &err);
    *info = *bnt_engine_info(e);
    float *logits = malloc(info->n_vocab * sizeof *logits);
    memcpy(logits, bnt_session_logits(s, 0), info->n_vocab * sizeof *logits);
    bnt_session_close(s);
    bnt_engine_close(e);
    return logits;
}

static void save(int model, char layout) {
    struct cut c;
    if (model == 0) c = whole(layout), save_cut(&c);
    if (model == 1) c = smaller(layout), save_cut(&c);
    if (model == 2) save_planted(layout, 0.25f);
}

START_TEST(nine_of_nine) {
    float *right = NULL;
    for (char layout = 'a'; layout <= 'c'; layout++) {
        struct bnt_engine_info info;
        save(_i, layout);
        float *logits = logits_of(NULL, &info);
        ck_assert_msg(info.i2s_layout[0] == layout && !strcmp(info.i2s_known, "found"),
                      "model %d in %c: %s, %s, margin %g", _i, layout, info.i2s_layout,
                      info.i2s_known, info.i2s_margin);
        ck_assert(info.i2s_margin > 50.0);
        if (right) ck_assert_mem_eq(logits, right, info.n_vocab * sizeof *logits);
        free(right);
        right = logits;
    }
    free(right);
    unlink(path);
}
END_TEST

/* The copy that changes nothing has the logits of the original. */
START_TEST(the_copy_is_faithful) {
    struct bnt_engine_info info;
    struct cut c = whole('c');
    save_cut(&c);
    float *copy = logits_of(NULL, &info);
    unlink(path);
    ck_assert_int_eq(symlink(trained, path), 0);
    float *original = logits_of("auto", &info);
    ck_assert_mem_eq(copy, original, info.n_vocab * sizeof *copy);
    unlink(path);
    free(copy);
    free(original);
}
END_TEST

START_TEST(a_stated_layout_is_used) {
    struct bnt_engine_info info, wrong;
    struct cut c = smaller('b');
    save_cut(&c);
    float *found = logits_of(NULL, &info), *stated = logits_of("b", &info),
          *other = logits_of("a", &wrong);
    ck_assert_str_eq(info.i2s_known, "stated");
    ck_assert(!info.i2s_contradicted);
    ck_assert_mem_eq(found, stated, info.n_vocab * sizeof *found);
    ck_assert_str_eq(wrong.i2s_layout, "a"); /* it is obeyed, and the contradiction is known */
    ck_assert(wrong.i2s_contradicted);
    ck_assert_str_eq(wrong.i2s_seen, "b");
    ck_assert(memcmp(found, other, info.n_vocab * sizeof *found) != 0);
    free(found);
    free(stated);
    free(other);
    unlink(path);
}
END_TEST

/* Random weights cannot tell, whatever their layout, shape and seed: A, and it is said. */
START_TEST(random_weights_are_assumed) {
    struct bnt_err err = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct synth s;
        struct bnt_gguf *g;
        struct bnt_model *m;
        size_t size;
        ck_assert(synth_preset(&s, "tiny"));
        s.arch = seed % 2 ? "llama" : "bitnet-b1.58";
        s.seed = seed;
        s.blocks = 1 + (uint32_t)seed % 3;
        s.ff = seed % 4 ? 512 : 1536;
        s.i2s_layout = (char)('a' + seed % 3);
        uint8_t *data = synth_memory(&s, &size);
        must(bnt_gguf_open_memory(&g, data, size, &err), &err);
        must(bnt_model_open(&m, g, &err), &err);
        must(bnt_i2s_find(m, NULL, &err), &err);
        ck_assert_msg(m->i2s.known == BNT_I2S_ASSUMED && m->i2s.layout == BNT_I2S_A,
                      "seed %d: %s, margin %g", (int)seed, bnt_i2s_known_name(m->i2s.known),
                      m->i2s.margin);
        bnt_model_close(m);
        bnt_gguf_close(g);
        free(data);
    }
}
END_TEST

static void find_in_synth(struct synth *s, const char *asked, int status, const char *says) {
    struct bnt_err err = {0};
    struct bnt_gguf *g;
    struct bnt_model *m;
    size_t size;
    uint8_t *data = synth_memory(s, &size);
    must(bnt_gguf_open_memory(&g, data, size, &err), &err);
    must(bnt_model_open(&m, g, &err), &err);
    int got = bnt_i2s_find(m, asked, &err);
    ck_assert_msg(got == status, "%s: %s", bnt_status_name(got), err.text);
    if (status == BNT_OK)
        ck_assert_str_eq(bnt_i2s_known_name(m->i2s.known), says);
    else
        ck_assert_msg(strstr(err.text, says), "'%s' does not say '%s'", err.text, says);
    bnt_model_close(m);
    bnt_gguf_close(g);
    free(data);
}

/* Widths that begin no group, rows that are not in fours, models without such tensors. */
START_TEST(odd_models) {
    struct synth s;
    ck_assert(synth_preset(&s, "tiny"));
    s.embd = 96, s.ff = 160, s.heads = 4, s.kv_heads = 2, s.head_dim = 24;
    find_in_synth(&s, NULL, BNT_OK, "assumed");
    find_in_synth(&s, "b", BNT_OK, "stated");
    find_in_synth(&s, "d", BNT_E_USAGE, "'d' is not a, b, c or auto");
    s.embd = 64, s.ff = 34, s.heads = 2, s.kv_heads = 1, s.head_dim = 32;
    find_in_synth(&s, NULL, BNT_OK, "assumed");
    find_in_synth(&s, "b", BNT_E_FORMAT, "'blk.0.ffn_gate.weight' has 34 rows");
    ck_assert(synth_preset(&s, "tiny"));
    s.type = T_TQ2_0;
    find_in_synth(&s, NULL, BNT_OK, "none");
    find_in_synth(&s, "c", BNT_OK, "none"); /* it says nothing */
}
END_TEST

START_TEST(layers_that_disagree_are_refused) {
    struct bnt_err err = {0};
    struct bnt_engine *e;
    struct cut c = whole('a');
    c.other = 'c', c.other_from_block = (char)(shape.blocks - 2);
    save_cut(&c);
    ck_assert_int_eq(bnt_engine_open(&e, path, NULL, &err), BNT_E_FORMAT);
    char odd[80];
    snprintf(odd, sizeof odd, "blk.%zu is in layout c, the file as a whole in I2_S layout a",
             shape.blocks - 2);
    ck_assert_msg(strstr(err.text, odd), "%s", err.text);
    struct bnt_engine_info info; /* who insists may read it */
    free(logits_of("a", &info));
    unlink(path);
}
END_TEST

/* Whatever kind of matrix is in whatever other layout, alone or with others of its half of a block.
 * How much each kind tells by itself is the optimizer's affair; here the gains say what the columns
 * do. */
START_TEST(kinds_that_disagree_are_refused) {
    static const char *const kinds[] = {"attn_q",
                                        "attn_k",
                                        "attn_v",
                                        "attn_output",
                                        "ffn_gate",
                                        "ffn_up",
                                        "ffn_down",
                                        "attn_q attn_k attn_v attn_output",
                                        "ffn_gate ffn_up ffn_down"};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (char other = 'a'; other <= 'c'; other++) {
            struct cut c = whole((char)('a' + _i % 3));
            if (_i >= 3) c = smaller((char)('a' + _i % 3));
            struct bnt_err err = {0};
            struct bnt_engine *e = NULL;
            c.other = other, c.other_kinds = kinds[k], c.gains_tell = true;
            if (other == c.layout) continue;
            save_cut(&c);
            char odd[64], first[32];
            sscanf(kinds[k], "%31s", first);
            snprintf(odd, sizeof odd, "%s is in layout %c", first, other);
            ck_assert_msg(bnt_engine_open(&e, path, NULL, &err) == BNT_E_FORMAT,
                          "%s in %c, the others in %c", kinds[k], other, c.layout);
            /* or a block is, whose other kinds tell less */
            ck_assert_msg((strstr(err.text, odd) || strstr(err.text, "blk.")) &&
                              strstr(err.text, "a file has one layout"),
                          "%s", err.text);
        }
    }
    unlink(path);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("i2s_models");
    TCase *tc = tcase_create("i2s_models");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_loop_test(tc, nine_of_nine, 0, 3);
    tcase_add_test(tc, the_copy_is_faithful);
    tcase_add_test(tc, a_stated_layout_is_used);
    tcase_add_test(tc, random_weights_are_assumed);
    tcase_add_test(tc, odd_models);
    tcase_add_test(tc, layers_that_disagree_are_refused);
    tcase_add_loop_test(tc, kinds_that_disagree_are_refused, 0, 6);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
