/*
 * bitnet-extremes COUNT [SEED [BACKEND]] - models whose metadata and gains stand at the ends of
 * what is valid, and what this machine computes from each: a line "NUMBER ARCH DIGEST", or the
 * status of a refusal in the digest's place. The lines must be the same on every machine
 * (extremes.sh).
 *
 * The digest is over the logits of a few tokens and over the rotary tables at the last positions of
 * the context, which no short text reaches. Values are drawn from bits and with plain arithmetic,
 * so that every machine makes the same models.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "bitnet/numerics.h"
#include "rng.h"
#include "run/engine.h"
#include "synth.h"

enum { TOKENS = 6, TAIL = 4 /* positions of the tables */ };

/* Between 2^lo and 2^hi, any significand; now and then an end of the range. */
static float between(struct rng *r, int lo, int hi) {
    int e = lo + (int)rng_below(r, (uint32_t)(hi - lo));
    uint32_t bits = (uint32_t)(e + 127) << 23 | (uint32_t)(rng_next(r) & 0x7fffff);
    switch (rng_below(r, 8)) {
    case 0: return ldexpf(1, lo);
    case 1: return ldexpf(1, hi);
    default: return bnt_f32_from_bits(bits);
    }
}

/* A finite binary32 of any size and sign: subnormal and zero, too. */
static float anything(struct rng *r) {
    static const uint32_t edges[] = {0,          0x80000000, 1,          0x80000001,
                                     0x7fffff,   0x800000,   0x3f800000, 0xbf800000,
                                     0x7f7fffff, 0x0da24260, 0x1f8db79f, 0x60ad78ec};
    if (rng_below(r, 3) == 0) return bnt_f32_from_bits(edges[rng_below(r, 12)]);
    if (rng_below(r, 2) == 0) return between(r, -20, 10) * (rng_below(r, 2) ? 1.0f : -1.0f);
    uint32_t bits = (uint32_t)rng_next(r);
    return bnt_f32_from_bits((bits & 0x7f800000u) == 0x7f800000u ? bits & 0xbfffffffu : bits);
}

static bool coin(struct rng *r) {
    return rng_below(r, 2);
}

static struct synth draw(struct rng *r) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet",  "llama",  "qwen2",
                                        "qwen3",        "minicpm", "gemma3", "bitnet-25"};
    static const uint32_t types[] = {T_I2_S, T_TQ2_0, T_F16, T_F32};
    static const char *const activations[] = {"silu", "relu2", "gelu_pytorch_tanh"};
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = archs[rng_below(r, 8)];
    s.type = types[rng_below(r, 4)];
    s.seed = rng_next(r) >> 32;
    s.blocks = 1;
    s.ff = 256;
    s.head_dim = 32u << rng_below(r, 3);
    s.heads = 256 / s.head_dim;
    s.kv_heads = 1;
    s.n_rot = coin(r) ? 0 : 16;
    s.vocab = 272;
    s.ctx = 8u << rng_below(r, 21);
    s.eps = between(r, -126, 0);
    s.rope_base = between(r, 0, 39);
    s.tq_varied = coin(r);
    const bool gemma3 = strcmp(s.arch, "gemma3") == 0, minicpm = strcmp(s.arch, "minicpm") == 0;
    switch (rng_below(r, 4)) {
    case 0: s.rope_linear = between(r, -9, 19); break;
    case 1:
        if (gemma3) break;
        s.yarn_factor = between(r, -9, 19);
        s.yarn_context = 1u << rng_below(r, 24);
        s.yarn_beta_fast = between(r, -6, 13);
        s.yarn_beta_slow = between(r, -6, 13);
        break;
    case 2:
        if (minicpm) s.longrope_context = 1u << rng_below(r, 20);
        break;
    default: break;
    }
    s.rope_freqs = !s.longrope_context && rng_below(r, 3) == 0;
    if (coin(r)) s.rope_attn_factor = between(r, -9, 9);
    if (coin(r)) s.attn_scale = between(r, -19, 19);
    if (coin(r)) s.activation = activations[rng_below(r, 3)];
    s.norms_in = (gemma3 || strcmp(s.arch, "qwen3") == 0) && coin(r);
    if (gemma3 && coin(r)) {
        s.window = 1u << rng_below(r, 4);
        s.window_period = 1 + rng_below(r, 3);
        s.window_rope_base = between(r, 0, 39);
    }
    s.embd_scale = between(r, -19, 19);
    s.branch_scale = between(r, -19, 19);
    s.logit_scale = between(r, -19, 19);
    s.scale_tensors = s.type == T_I2_S && coin(r);
    return s;
}

/* A few values of binary32 tensors become anything at all, RoPE factors among them. */
static void disturb(uint8_t *data, size_t size, struct rng *r) {
    struct bnt_gguf *g = NULL;
    if (bnt_gguf_open_memory(&g, data, size, NULL) != BNT_OK) abort();
    const size_t n = bnt_gguf_tensor_count(g);
    for (unsigned k = rng_below(r, 6); k-- > 0;) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, rng_below(r, (uint32_t)n));
        const struct bnt_gguf_tensor *rope = bnt_gguf_tensor(g, "rope_freqs.weight");
        if (rope && coin(r)) t = rope;
        float x = t == rope ? between(r, -30, 30) : anything(r);
        size_t at = t->offset;
        if (t->type == T_F32)
            at += 4 * rng_below(r, (uint32_t)t->elements);
        else if (t->type == T_I2_S)
            at += t->bytes - 32; /* its scale */
        else
            continue;
        memcpy(data + at, &x, sizeof x);
    }
    bnt_gguf_close(g);
}

static int tables(const struct bnt_model *m, struct bnt_sha256 *h) {
    const uint32_t half = m->hp.n_rot / 2;
    double freq[128];
    float c[TAIL * 128], s[TAIL * 128];
    for (unsigned set = 0; set < (m->hp.window ? BNT_ROPE_SETS : 1u); set++) {
        bnt_model_frequencies(m, (enum bnt_rope_set)set, m->hp.n_ctx_train, freq);
        bnt_rope_table(c, s, freq, m->hp.n_rot, bnt_rope_magnitude(&m->hp.rope_scaling),
                       m->hp.n_ctx_train - TAIL, TAIL);
        bnt_sha256_add(h, c, TAIL * half * sizeof *c);
        bnt_sha256_add(h, s, TAIL * half * sizeof *s);
    }
    return BNT_OK;
}

static int compute(const char *path, const char *backend, char hex[65], struct bnt_err *err) {
    static const int32_t ids[TOKENS] = {3, 141, 59, 26, 5, 97};
    struct bnt_engine *e = NULL;
    struct bnt_session *s = NULL;
    struct bnt_sha256 h;
    int status = bnt_engine_open(
        &e, path, &(struct bnt_engine_options){.backend = backend, .threads = 1}, err);
    if (status == BNT_OK)
        status = bnt_session_open(
            &s, e, &(struct bnt_session_options){.n_ctx = 8, .threads = 1, .no_bind = true}, err);
    if (status == BNT_OK) status = bnt_session_feed(s, ids, TOKENS, BNT_WANT_ALL, err);
    bnt_sha256_begin(&h);
    for (size_t i = 0; i < TOKENS && status == BNT_OK; i++)
        bnt_sha256_add(&h, bnt_session_logits(s, i), e->info.n_vocab * sizeof(float));
    if (status == BNT_OK) status = tables(e->model, &h);
    int ended = bnt_sha256_end(&h, hex, err);
    bnt_session_close(s);
    bnt_engine_close(e);
    return status == BNT_OK ? ended : status;
}

int main(int argc, char **argv) {
    char path[] = "/tmp/bitnet-extremes-XXXXXX", hex[65];
    const unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const char *backend = argc > 3 ? argv[3] : "ref-scalar";
    if (count == 0) {
        fprintf(stderr, "usage: bitnet-extremes COUNT [SEED [BACKEND]]\n");
        return 2;
    }
    int fd = mkstemp(path);
    if (fd < 0) return 3;
    for (unsigned long i = 0; i < count; i++) {
        struct rng r = rng_stream(seed, i);
        struct synth s = draw(&r);
        struct bnt_err err = {0};
        const char *fault = synth_fault(&s);
        size_t size = 0;
        if (fault) {
            fprintf(stderr, "bitnet-extremes: model %lu: %s\n", i, fault);
            return 1;
        }
        uint8_t *data = synth_memory(&s, &size);
        disturb(data, size, &r);
        if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) return 3;
        free(data);
        int status = compute(path, backend, hex, &err);
        printf("%lu %s %s\n", i, s.arch, status == BNT_OK ? hex : bnt_status_name(status));
        if (status != BNT_OK && getenv("BNT_TEST_MEASURE")) fprintf(stderr, "%s\n", err.text);
    }
    close(fd);
    unlink(path);
    return 0;
}
