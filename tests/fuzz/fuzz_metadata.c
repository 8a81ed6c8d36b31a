/*
 * fuzz_metadata.c - hostile metadata as a whole: what a file says of its network, its vocabulary
 * and its chat template, up to where weights would be read. Thousands a second, where fuzz_model,
 * which computes, tries a hundred.
 *
 * The one idea is fuzz_model's: the input is a recipe: which sound file to begin with, and edits of
 * its metadata. An edit changes bytes where they stand, or puts one key more into room that the
 * file has for that: a name that readers know, of any type, with a value at the ends of what there
 * is. What opens must have a plan, and encode and decode a text.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_metadata CORPUS_DIR
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ends.h"
#include "gguf_write.h"
#include "model/plan.h"
#include "run/template.h"
#include "synth.h"
#include "tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BASES = 16, EDIT_BYTES = 6, MAX_EDITS = 24, ROOM = 640 };

static const char room_name[] = "fuzz.room";

struct base {
    uint8_t *bytes;
    size_t size, metadata; /* bytes of both; the second without the tensors' data */
    size_t room;           /* where the key that makes room begins */
};

static void make_room(struct gw *w, const void *arg) {
    char text[ROOM + 1];
    (void)arg;
    memset(text, ' ', ROOM);
    text[ROOM] = '\0';
    gw_key_str(w, room_name, text);
}

static size_t place_of(const struct base *b, const char *text) {
    const uint8_t *p = memmem(b->bytes, b->size, text, strlen(text));
    if (!p) abort();
    return (size_t)(p - b->bytes);
}

static const char *const archs[] = {"bitnet-b1.58", "llama",  "qwen2",  "minicpm",
                                    "qwen3",        "gemma3", "bitnet", "bitnet-25"};

static const struct base *make_base(unsigned which) {
    static struct base bases[BASES];
    struct base *b = &bases[which];
    struct synth s;
    if (b->bytes) return b;
    if (!synth_preset(&s, "tiny")) abort();
    s.arch = archs[which % 8];
    s.blocks = 2;
    s.embd = s.ff = 128;
    s.heads = 4;
    s.kv_heads = 2;
    s.head_dim = 32;
    s.ctx = 64;
    s.more_keys = make_room;
    if (which & 8) {
        s.chat_template =
            "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}";
        s.untied = true;
        s.output_type = T_Q8_0;
        s.rope_freqs = true;
        s.yarn_factor = 4;
        s.yarn_context = 16;
    }
    if (which % 8 == 5) s.window = 16;
    if (which % 8 == 3) s.longrope_context = 32;
    if (which % 8 == 3) s.yarn_factor = 0, s.rope_freqs = false;
    if (synth_fault(&s)) abort();
    b->bytes = synth_memory(&s, &b->size);
    b->room = place_of(b, room_name) - 8;
    b->metadata = place_of(b, "output_norm.weight") + 64;
    return b;
}

/* ---- edits ------------------------------------------------------------------------------------
 */

static const char *const under_arch[] = {
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "vocab_size",
    "hidden_activation",
    "hidden_act",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.scale",
    "attention.query_pre_attn_scalar",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.attn_factor",
    "rope.scaling.original_context_length",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_ext_factor",
    "embedding_scale",
    "residual_scale",
    "logit_scale",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "rope.freq_base_swa",
    "rope.local.freq_base",
    "pooling_type",
    "attention.causal",
    "final_logit_softcapping",
    "expert_count",
    "no_such_key",
};

static const char *const elsewhere[] = {
    "general.alignment",
    "general.type",
    "general.tensor_data_layout",
    "general.name",
    "general.quantization_version",
    "general.sampling.temp",
    "general.sampling.top_k",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.eos_token_ids",
    "tokenizer.ggml.normalizer.lowercase",
    "tokenizer.ggml.suppress_tokens",
    "tokenizer.ggml.frobnicate",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.add_space_prefix",
    "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.precompiled_charsmap",
    "tokenizer.chat_template",
    "split.count",
    "prism.rotation",
    "quantize.imatrix.file",
};

static const char *const texts[] = {
    "",           "silu",    "gelu",
    "relu2",      "yarn",    "linear",
    "none",       "default", "llama-bpe",
    "qwen2",      "gpt-2",   "longrope",
    "model",      "adapter", "\xff\xfe",
    "<|im_end|>", "{{ 1 }}", "{% for m in messages %}{{ m['content'] }}{% endfor %}",
};

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPES };

static void put_value(struct gw_buf *b, unsigned type, uint8_t which) {
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    const uint64_t n = end_of_integers(which);
    const double d = end_of_reals(which);
    const float f = (float)d;
    if (type == F32)
        gw_put(b, &f, sizeof f);
    else if (type == F64)
        gw_put(b, &d, sizeof d);
    else if (type == STRING)
        gw_put_str(b, texts[which % (sizeof texts / sizeof *texts)]);
    else
        gw_put(b, &n, sizes[type]);
}

/* One key more, in the room. Returns how much of it is taken then. */
static size_t put_key(uint8_t *bytes, const struct base *base, size_t taken, const char *arch,
                      const uint8_t *edit) {
    const unsigned n_under = sizeof under_arch / sizeof *under_arch;
    const unsigned name = edit[1] % (n_under + sizeof elsewhere / sizeof *elsewhere);
    const unsigned type = edit[2] % TYPES, element = edit[4] % TYPES;
    struct gw_buf b = {0};
    char key[128];
    if (name < n_under)
        snprintf(key, sizeof key, "%s.%s", arch, under_arch[name]);
    else
        snprintf(key, sizeof key, "%s", elsewhere[name - n_under]);
    gw_put_str(&b, key);
    gw_put_u32(&b, type);
    if (type == ARRAY && element != ARRAY) {
        const unsigned n = edit[5] % 5;
        gw_put_u32(&b, element);
        gw_put_u64(&b, edit[5] & 128 ? end_of_integers(edit[5]) : n);
        for (unsigned i = 0; i < n; i++)
            put_value(&b, element, (uint8_t)(edit[3] + i * (edit[5] >> 5)));
    } else if (type == ARRAY) {
        gw_put_u32(&b, U32);
        gw_put_u64(&b, 0);
    } else {
        put_value(&b, type, edit[3]);
    }
    if (b.size + taken <= ROOM) {
        struct gw_buf rest = {0};
        const uint64_t left = ROOM - taken - b.size;
        uint64_t count;
        memcpy(&count, bytes + 16, sizeof count);
        count++;
        memcpy(bytes + 16, &count, sizeof count);
        gw_put_str(&rest, room_name);
        gw_put_u32(&rest, STRING);
        gw_put_u64(&rest, left);
        memcpy(bytes + base->room + taken, b.data, b.size);
        memcpy(bytes + base->room + taken + b.size, rest.data, rest.size);
        taken += b.size;
        gw_buf_free(&rest);
    }
    gw_buf_free(&b);
    return taken;
}

static void change(uint8_t *bytes, const struct base *base, const uint8_t *edit) {
    const size_t at =
        ((size_t)edit[1] | (size_t)edit[2] << 8 | (size_t)edit[3] << 16) % base->metadata;
    const uint64_t n = end_of_integers(edit[4]);
    const float f = (float)end_of_reals(edit[4]);
    switch (edit[0] % 4) {
    case 0: bytes[at] = edit[4]; break;
    case 1: memcpy(bytes + at, &n, 4); break;
    case 2: memcpy(bytes + at, &n, 8); break;
    default: memcpy(bytes + at, &f, 4); break;
    }
}

/* ---- what is opened ---------------------------------------------------------------------------
 */

static void use_vocabulary(const struct bnt_gguf *g, const struct bnt_tokenizer *t) {
    static const char text[] = "Ab 12\n<|im_end|> \xC3\xA9</s>";
    const struct bnt_template_choice own = {0};
    struct bnt_template tm = {0};
    struct bnt_token_list l = {0};
    struct bnt_err err = {0};
    if (bnt_tokenizer_encode(t, text, sizeof text - 1, 0, &l, &err) != BNT_OK && !err.text[0])
        abort();
    for (size_t i = 0; i < l.count; i++)
        if (l.ids[i] < 0 || l.end[i] > sizeof text - 1 || l.begin[i] > l.end[i]) abort();
    bnt_token_list_free(&l);
    err = (struct bnt_err){0};
    if (bnt_template_open(&tm, g, t, &own, &err) != BNT_OK && !err.text[0]) abort();
    bnt_template_close(&tm);
}

static void use(const struct bnt_gguf *g) {
    struct bnt_model *m = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_plan plan = {0};
    struct bnt_err err = {0};
    if (bnt_model_open(&m, g, &err) == BNT_OK) {
        if (bnt_plan_build(&plan, m, &err) == BNT_OK)
            if (!plan.n_ops || plan.n_ops > plan.capacity) abort();
        bnt_plan_free(&plan);
        bnt_model_close(m);
    } else if (!err.text[0] || m) {
        abort();
    }
    err = (struct bnt_err){0};
    if (bnt_tokenizer_open(&t, g, &err) == BNT_OK) {
        use_vocabulary(g, t);
        bnt_tokenizer_close(t);
    } else if (!err.text[0] || t) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t *bytes;
    static size_t capacity;
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    if (size < 1 || size > 1 + EDIT_BYTES * MAX_EDITS) return 0;
    const struct base *base = make_base(data[0] % BASES);
    size_t taken = 0;
    if (base->size > capacity) {
        bytes = realloc(bytes, capacity = base->size);
        if (!bytes) abort();
    }
    memcpy(bytes, base->bytes, base->size);
    for (size_t i = 1; i + EDIT_BYTES <= size; i += EDIT_BYTES) {
        if (data[i] & 4)
            taken = put_key(bytes, base, taken, archs[data[0] % 8], data + i);
        else
            change(bytes, base, data + i);
    }
    if (bnt_gguf_open_memory(&g, bytes, base->size, &err) == BNT_OK)
        use(g);
    else if (!err.text[0])
        abort();
    bnt_gguf_close(g);
    return 0;
}
