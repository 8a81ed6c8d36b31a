/*
 * bitnet-synth - writes a GGUF model with random weights, of any shape and type, for tests and for
 * measuring speed without downloading anything. Not installed.
 *
 * Knows the command line only; tests/lib/synth.c knows models. The same options give the same
 * bytes on every machine.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gguf_write.h"
#include "synth.h"

static const char usage[] =
    "usage: bitnet-synth [options] -o FILE\n"
    "  --like tiny|2b4t|bonsai-1.7b  start from this shape (default tiny; options after it\n"
    "                          change it)\n"
    "  --arch NAME             bitnet-b1.58 bitnet-25 bitnet llama qwen2 qwen3 minicpm gemma3\n"
    "  --type T                linear layers: I2_S TQ1_0 TQ2_0 Q1_0 Q2_0 PQ2_0 PTQ1_0 IQ1_BN\n"
    "                          IQ2_BN F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 IQ4_NL Q2_K Q3_K\n"
    "                          Q4_K Q5_K Q6_K IQ4_XS\n"
    "  --embd-type T           token embeddings: the same\n"
    "  --untied[=T]            separate output.weight, of this type (default F16)\n"
    "  --blocks --embd --ff --heads --kv-heads --head-dim --n-rot --ctx --vocab N\n"
    "  --tokens N              fewer tokens than rows\n"
    "  --rope-base X --eps X\n"
    "  --q2-block 64|128       the block of all Q2_0 tensors (default 64)\n"
    "  --tq-scales equal|varied  of types with a scale a block or row: all equal, or each its own\n"
    "  --i2s-layout a|b|c      how I2_S weights are packed (default a)\n"
    "  --structure X           channels of I2_S tensors matter more or less, as training leaves\n"
    "                          them: 0 (default) to 1\n"
    "  --trained-head X        embedding, head (untied) and last norm with what training leaves: "
    "the\n"
    "                          next token's logit stands out by X standard deviations of all (a\n"
    "                          small trained model: 5.7)\n"
    "  --f16-scales            round I2_S scales to f16, as the block types do\n"
    "  --scale-tensors         NAME.scale beside each linear layer\n"
    "  --rope-linear X         positions divided by X\n"
    "  --yarn-factor X --yarn-context N --yarn-beta-fast X --yarn-beta-slow X\n"
    "  --rope-freqs            rope_freqs.weight\n"
    "  --norms-in              qwen3, gemma3: a norm before each projection\n"
    "  --window N --window-period N  gemma3: layers that see N positions\n"
    "  --longrope-context N    minicpm: longrope, with this original context\n"
    "  --chat-template TEXT    tokenizer.chat_template\n"
    "  --key NAME=T:VALUE      besides, this key, of type T: u (u32), i (i32), f (f32),\n"
    "                          b (bool), s (text); may be given 8 times\n"
    "  --omit-key NAME         without the key ARCH.NAME\n"
    "  --align N --gguf 2|3 --seed N\n";

enum {
    LIKE = 256,
    ARCH,
    TYPE,
    EMBD_TYPE,
    UNTIED,
    BLOCKS,
    EMBD,
    FF,
    HEADS,
    KV_HEADS,
    HEAD_DIM,
    N_ROT,
    CTX,
    VOCAB,
    TOKENS,
    ROPE_BASE,
    EPS,
    Q2_BLOCK,
    TQ_SCALES,
    I2S_LAYOUT,
    STRUCTURE,
    TRAINED_HEAD,
    F16_SCALES,
    CHAT_TEMPLATE,
    SCALE_TENSORS,
    ROPE_LINEAR,
    YARN_FACTOR,
    YARN_CONTEXT,
    YARN_BETA_FAST,
    YARN_BETA_SLOW,
    ROPE_FREQS,
    NORMS_IN,
    WINDOW,
    WINDOW_PERIOD,
    LONGROPE_CONTEXT,
    KEY,
    OMIT_KEY,
    ALIGN,
    GGUF,
    SEED
};

static const struct option options[] = {{"like", 1, NULL, LIKE},
                                        {"arch", 1, NULL, ARCH},
                                        {"type", 1, NULL, TYPE},
                                        {"embd-type", 1, NULL, EMBD_TYPE},
                                        {"untied", 2, NULL, UNTIED},
                                        {"blocks", 1, NULL, BLOCKS},
                                        {"embd", 1, NULL, EMBD},
                                        {"ff", 1, NULL, FF},
                                        {"heads", 1, NULL, HEADS},
                                        {"kv-heads", 1, NULL, KV_HEADS},
                                        {"head-dim", 1, NULL, HEAD_DIM},
                                        {"n-rot", 1, NULL, N_ROT},
                                        {"ctx", 1, NULL, CTX},
                                        {"vocab", 1, NULL, VOCAB},
                                        {"tokens", 1, NULL, TOKENS},
                                        {"rope-base", 1, NULL, ROPE_BASE},
                                        {"eps", 1, NULL, EPS},
                                        {"q2-block", 1, NULL, Q2_BLOCK},
                                        {"tq-scales", 1, NULL, TQ_SCALES},
                                        {"i2s-layout", 1, NULL, I2S_LAYOUT},
                                        {"structure", 1, NULL, STRUCTURE},
                                        {"trained-head", 1, NULL, TRAINED_HEAD},
                                        {"f16-scales", 0, NULL, F16_SCALES},
                                        {"chat-template", 1, NULL, CHAT_TEMPLATE},
                                        {"scale-tensors", 0, NULL, SCALE_TENSORS},
                                        {"rope-linear", 1, NULL, ROPE_LINEAR},
                                        {"yarn-factor", 1, NULL, YARN_FACTOR},
                                        {"yarn-context", 1, NULL, YARN_CONTEXT},
                                        {"yarn-beta-fast", 1, NULL, YARN_BETA_FAST},
                                        {"yarn-beta-slow", 1, NULL, YARN_BETA_SLOW},
                                        {"rope-freqs", 0, NULL, ROPE_FREQS},
                                        {"norms-in", 0, NULL, NORMS_IN},
                                        {"window", 1, NULL, WINDOW},
                                        {"window-period", 1, NULL, WINDOW_PERIOD},
                                        {"longrope-context", 1, NULL, LONGROPE_CONTEXT},
                                        {"key", 1, NULL, KEY},
                                        {"omit-key", 1, NULL, OMIT_KEY},
                                        {"align", 1, NULL, ALIGN},
                                        {"gguf", 1, NULL, GGUF},
                                        {"seed", 1, NULL, SEED},
                                        {"help", 0, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static _Noreturn void bad(const char *what, const char *value) {
    fprintf(stderr, "bitnet-synth: %s '%s'\n", what, value);
    exit(2);
}

static unsigned long long number(const char *text, unsigned long long max) {
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 0);
    if (errno || end == text || *end || *text == '-' || v > max) bad("bad number", text);
    return v;
}

static uint32_t number32(const char *text) {
    return (uint32_t)number(text, 0x7fffffff);
}

static float real(const char *text) {
    char *end;
    float v = strtof(text, &end);
    if (end == text || *end || !(v > 0)) bad("bad number", text);
    return v;
}

static uint32_t type(const char *text) {
    uint32_t t;
    if (!enc_type_by_name(text, &t)) bad("unknown type", text);
    return t;
}

/* All Q2_0 tensors of a file have blocks of one size. */
static void set_q2_block(struct synth *s, unsigned long long block) {
    uint32_t *types[] = {&s->type, &s->embd_type, &s->output_type};
    for (size_t i = 0; i < 3; i++)
        if (enc_file_id(*types[i]) == T_Q2_0) *types[i] = block == 64 ? T_Q2_0 : T_Q2_0_128;
}

/* Keys beyond those of the description, as they were given. */
static struct {
    const char *text[8];
    size_t n;
} more;

static void write_keys(struct gw *w, const void *arg) {
    (void)arg;
    for (size_t i = 0; i < more.n; i++) {
        char name[96];
        const char *at = strchr(more.text[i], '='), *value = at ? at + 3 : NULL;
        if (!at || !at[1] || at[2] != ':' || (size_t)(at - more.text[i]) >= sizeof name)
            bad("bad --key", more.text[i]);
        snprintf(name, sizeof name, "%.*s", (int)(at - more.text[i]), more.text[i]);
        switch (at[1]) {
        case 'u': gw_key_u32(w, name, (uint32_t)number(value, UINT32_MAX)); break;
        case 'i': gw_key_i32(w, name, (int32_t)strtol(value, NULL, 10)); break;
        case 'f': gw_key_f32(w, name, strtof(value, NULL)); break;
        case 'b': gw_key_bool(w, name, strcmp(value, "true") == 0); break;
        case 's': gw_key_str(w, name, value); break;
        default: bad("bad type in --key", more.text[i]);
        }
    }
}

static void apply(struct synth *s, int c, const char *arg) {
    switch (c) {
    case LIKE:
        if (!synth_preset(s, arg)) bad("unknown shape", arg);
        break;
    case ARCH: s->arch = arg; break;
    case TYPE: s->type = type(arg); break;
    case EMBD_TYPE: s->embd_type = type(arg); break;
    case UNTIED:
        s->untied = true;
        if (arg) s->output_type = type(arg);
        break;
    case BLOCKS: s->blocks = number32(arg); break;
    case EMBD: s->embd = number32(arg); break;
    case FF: s->ff = number32(arg); break;
    case HEADS: s->heads = number32(arg); break;
    case KV_HEADS: s->kv_heads = number32(arg); break;
    case HEAD_DIM: s->head_dim = number32(arg); break;
    case N_ROT: s->n_rot = number32(arg); break;
    case CTX: s->ctx = number32(arg); break;
    case VOCAB: s->vocab = number32(arg); break;
    case TOKENS: s->tokens = number32(arg); break;
    case ROPE_BASE: s->rope_base = real(arg); break;
    case EPS: s->eps = real(arg); break;
    case TQ_SCALES:
        if (strcmp(arg, "equal") != 0 && strcmp(arg, "varied") != 0) bad("bad --tq-scales", arg);
        s->tq_varied = *arg == 'v';
        break;
    case I2S_LAYOUT:
        if (arg[0] < 'a' || arg[0] > 'c' || arg[1]) bad("bad --i2s-layout", arg);
        s->i2s_layout = arg[0];
        break;
    case STRUCTURE:
        if ((s->structure = real(arg)) > 1) bad("bad --structure", arg);
        break;
    case TRAINED_HEAD:
        s->stands_out = real(arg);
        s->untied = true;
        break;
    case F16_SCALES: s->f16_scales = true; break;
    case CHAT_TEMPLATE: s->chat_template = optarg; break;
    case SCALE_TENSORS: s->scale_tensors = true; break;
    case ROPE_LINEAR: s->rope_linear = real(arg); break;
    case YARN_FACTOR: s->yarn_factor = real(arg); break;
    case YARN_CONTEXT: s->yarn_context = number32(arg); break;
    case YARN_BETA_FAST: s->yarn_beta_fast = real(arg); break;
    case YARN_BETA_SLOW: s->yarn_beta_slow = real(arg); break;
    case ROPE_FREQS: s->rope_freqs = true; break;
    case NORMS_IN: s->norms_in = true; break;
    case WINDOW: s->window = number32(arg); break;
    case WINDOW_PERIOD: s->window_period = number32(arg); break;
    case LONGROPE_CONTEXT: s->longrope_context = number32(arg); break;
    case KEY:
        if (more.n == 8) bad("too many keys:", arg);
        more.text[more.n++] = arg;
        s->more_keys = write_keys;
        break;
    case OMIT_KEY: s->omit_key = arg; break;
    case ALIGN: s->alignment = number32(arg); break;
    case GGUF: s->version = number32(arg); break;
    case SEED: s->seed = number(arg, UINT64_MAX); break;
    case 'h': fputs(usage, stdout); exit(0);
    default: fputs(usage, stderr); exit(2);
    }
}

int main(int argc, char **argv) {
    struct synth s;
    const char *path = NULL;
    unsigned long long q2_block = 0; /* 0: as the types say */
    synth_preset(&s, "tiny");
    for (int c; (c = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        if (c == 'o') {
            path = optarg;
        } else if (c == Q2_BLOCK) {
            q2_block = number(optarg, 128);
            if (q2_block != 64 && q2_block != 128) bad("bad --q2-block", optarg);
        } else {
            apply(&s, c, optarg);
        }
    }
    if (optind < argc) bad("unexpected argument", argv[optind]);
    if (!path) bad("where to? -o FILE is missing; try", "--help");
    if (q2_block) set_q2_block(&s, q2_block);
    const char *fault = synth_fault(&s);
    if (fault) {
        fprintf(stderr, "bitnet-synth: %s\n", fault);
        return 2;
    }
    uint64_t bytes = 0;
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    if (synth_save(&s, path, &bytes) != 0) {
        fprintf(stderr, "bitnet-synth: %s: %s\n", path, strerror(errno));
        return 3;
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    double seconds = (double)(t1.tv_sec - t0.tv_sec) + 1e-9 * (double)(t1.tv_nsec - t0.tv_nsec);
    fprintf(stderr, "%s: %s, %s, %.3f M parameters, %llu bytes, %.1f s\n", path, s.arch,
            enc_type_name(s.type), 1e-6 * (double)synth_parameters(&s), (unsigned long long)bytes,
            seconds);
    return 0;
}
