/*
 * libllama.c - llama.cpp's shared library; see libllama.h.
 *
 * The parameter structs are passed by value, so their size and the offsets of what is set here must
 * be the library's. They are written down from the public header of that version, with names of our
 * own, and check_layout refuses a library whose defaults do not lie where they should.
 */
#include "libllama.h"

#include <dirent.h>
#include <dlfcn.h>
#include <jansson.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

enum { TYPE_F16 = 1 };
enum { TYPES = 43 }; /* of the pinned version, whose calls read past their table for others */

struct model_params {
    void *devices, *buffer_overrides;
    int32_t gpu_layers, split_mode, load_mode, lazy_mode, main_gpu;
    void *tensor_split, *progress, *progress_arg, *key_overrides;
    bool vocab_only, check_tensors, extra_buffers, no_host, no_alloc, load_mtp;
};

struct context_params {
    uint32_t context, batch, ubatch, sequences, snapshots, outputs, outputs_per_sequence;
    int32_t threads, threads_batch;
    int32_t type, rope_scaling, pooling, attention, flash_attention;
    float rope_base, rope_scale, yarn_ext, yarn_attn, yarn_fast, yarn_slow;
    uint32_t yarn_context;
    float defrag;
    void *on_eval, *on_eval_arg;
    int32_t type_k, type_v;
    void *abort, *abort_arg;
    bool embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified;
    void *samplers;
    size_t n_samplers;
    void *other;
};

struct batch {
    int32_t n;
    int32_t *token;
    float *embedding;
    int32_t *position, *n_sequences;
    int32_t **sequence;
    int8_t *wanted;
};

struct type_traits {
    const char *name;
    int64_t block, interleaved;
    size_t bytes;
    bool quantized;
    void (*to_float)(const void *, float *, int64_t);
};

_Static_assert(offsetof(struct model_params, vocab_only) == 72, "layout");
_Static_assert(sizeof(struct model_params) == 80, "layout");
_Static_assert(offsetof(struct context_params, flash_attention) == 52, "layout");
_Static_assert(offsetof(struct context_params, type_k) == 104, "layout");
_Static_assert(sizeof(struct context_params) == 160, "layout");

/* X(result, name, arguments) */
#define FUNCTIONS(X)                                                                               \
    X(void, llama_log_set, (void (*)(int, const char *, void *), void *))                          \
    X(void, llama_backend_init, (void))                                                            \
    X(const char *, llama_print_system_info, (void))                                               \
    X(const char *, llama_version, (void))                                                         \
    X(const char *, ggml_commit, (void))                                                           \
    X(const char *, ggml_version, (void))                                                          \
    X(const char *, ggml_type_name, (int))                                                         \
    X(int64_t, ggml_blck_size, (int))                                                              \
    X(size_t, ggml_type_size, (int))                                                               \
    X(const struct type_traits *, ggml_get_type_traits, (int))                                     \
    X(void *, ggml_backend_load, (const char *))                                                   \
    X(void, ggml_backend_load_all_from_path, (const char *))                                       \
    X(size_t, ggml_backend_reg_count, (void))                                                      \
    X(struct model_params, llama_model_default_params, (void))                                     \
    X(struct context_params, llama_context_default_params, (void))                                 \
    X(void *, llama_model_load_from_file, (const char *, struct model_params))                     \
    X(void, llama_model_free, (void *))                                                            \
    X(const void *, llama_model_get_vocab, (const void *))                                         \
    X(int32_t, llama_vocab_n_tokens, (const void *))                                               \
    X(int, llama_model_rope_type, (const void *))                                                  \
    X(int32_t, llama_tokenize,                                                                     \
      (const void *, const char *, int32_t, int32_t *, int32_t, bool, bool))                       \
    X(void *, llama_init_from_model, (void *, struct context_params))                              \
    X(void, llama_free, (void *))                                                                  \
    X(uint32_t, llama_n_ctx, (const void *))                                                       \
    X(uint32_t, llama_n_seq_max, (const void *))                                                   \
    X(int32_t, llama_n_threads, (void *))                                                          \
    X(int32_t, llama_n_threads_batch, (void *))                                                    \
    X(void *, llama_get_memory, (const void *))                                                    \
    X(void, llama_memory_clear, (void *, bool))                                                    \
    X(int32_t, llama_decode, (void *, struct batch))                                               \
    X(float *, llama_get_logits_ith, (void *, int32_t))

struct ll {
#define X(result, name, arguments) result(*name) arguments;
    FUNCTIONS(X)
#undef X
    struct ll_facts facts;
    bool quickest;   /* as the library chooses */
    char log[65536]; /* what the library said in the call at hand */
    size_t log_len;
};

struct ll_model {
    struct ll *l;
    void *model;
    const void *vocab;
};

/* ---- finding and loading --------------------------------------------------------------------- */

static void keep_log(int level, const char *text, void *arg) {
    struct ll *l = arg;
    size_t n = strlen(text);
    (void)level;
    if (n > sizeof l->log - 1 - l->log_len) n = sizeof l->log - 1 - l->log_len;
    memcpy(l->log + l->log_len, text, n);
    l->log_len += n;
    l->log[l->log_len] = 0;
}

static void clear_log(struct ll *l) {
    l->log_len = 0;
    l->log[0] = 0;
}

/* The log has a line whose text after `name` begins, blanks and "=" aside, with `value`. */
static bool logged(const struct ll *l, const char *name, const char *value) {
    for (const char *p = l->log; (p = strstr(p, name)) != NULL;) {
        p += strlen(name);
        p += strspn(p, " =");
        if (strncmp(p, value, strlen(value)) == 0) return true;
    }
    return false;
}

/* The name has a version in it, which is the package's business: the first that fits. */
static bool find_library(const char *dir, char *path, size_t size) {
    struct dirent *e;
    bool found = false;
    DIR *d = opendir(dir);
    if (!d) return false;
    while (!found && (e = readdir(d)) != NULL) {
        const char *name = e->d_name;
        if (strncmp(name, "libllama.", 9) == 0 && strstr(name, "so"))
            found = snprintf(path, size, "%s/%s", dir, name) < (int)size;
    }
    closedir(d);
    return found;
}

static bool check_layout(const struct ll *l, char why[600]) {
    struct model_params m = l->llama_model_default_params();
    struct context_params c = l->llama_context_default_params();
    const char *bad = NULL;
    if (m.gpu_layers != -1 || m.split_mode != 1 || m.main_gpu != 0 || m.key_overrides)
        bad = "model parameters";
    if (m.vocab_only || m.check_tensors || !m.extra_buffers || m.no_host || m.no_alloc)
        bad = "switches of the model parameters";
    if (c.context != 512 || c.batch != 2048 || c.ubatch != 512 || c.sequences != 1 ||
        c.threads != 4 || c.threads_batch != 4)
        bad = "sizes in the context parameters";
    if (c.rope_scaling != -1 || c.pooling != -1 || c.attention != -1 || c.flash_attention != -1 ||
        c.rope_base != 0 || c.rope_scale != 0 || c.yarn_ext != -1 || c.defrag != -1)
        bad = "kinds in the context parameters";
    if (c.type_k != TYPE_F16 || c.type_v != TYPE_F16 || c.embeddings || !c.offload_kqv ||
        !c.no_perf || c.kv_unified || c.samplers || c.n_samplers || c.other)
        bad = "end of the context parameters";
    if (!bad) return true;
    snprintf(why, 600, "%.200s: %s: the defaults are not where libllama.c expects them",
             l->facts.path, bad);
    return false;
}

static void read_json(const char *path, const char *key, const char *key2, char *out, size_t size) {
    json_t *j = json_load_file(path, 0, NULL);
    json_t *v = json_object_get(j, key);
    if (key2) v = json_object_get(json_object_get(v, "llamaCpp"), key2);
    if (json_is_string(v)) snprintf(out, size, "%s", json_string_value(v));
    json_decref(j);
}

static bool read_facts(struct ll *l, const char *dir, char why[600]) {
    struct ll_facts *f = &l->facts;
    struct bnt_err err;
    char path[4200];
    if (!l->quickest && (bnt_sha256_file(f->path, f->sha256, &err) ||
                         bnt_sha256_file(f->cpu_path, f->cpu_sha256, &err))) {
        snprintf(why, 600, "%s", err.text);
        return false;
    }
    snprintf(f->commit, sizeof f->commit, "%s", l->ggml_commit());
    snprintf(f->ggml_version, sizeof f->ggml_version, "%s", l->ggml_version());
    snprintf(f->version, sizeof f->version, "%s", l->llama_version());
    snprintf(f->system_info, sizeof f->system_info, "%s", l->llama_print_system_info());
    snprintf(path, sizeof path, "%s/../../package.json", dir);
    read_json(path, "name", NULL, f->package, sizeof f->package);
    read_json(path, "version", NULL, f->package_version, sizeof f->package_version);
    snprintf(path, sizeof path, "%s/_nlcBuildMetadata.json", dir);
    read_json(path, "buildOptions", "release", f->release, sizeof f->release);
    return true;
}

/* Which variant the library chose: the only one that has stayed mapped. */
static int find_cpu(struct dl_phdr_info *info, size_t size, void *arg) {
    struct ll_facts *f = arg;
    (void)size;
    if (!strstr(info->dlpi_name, "/libggml-cpu-")) return 0;
    snprintf(f->cpu_path, sizeof f->cpu_path, "%s", info->dlpi_name);
    return 1;
}

static bool load_cpu(struct ll *l, const char *dir, const char *variant, char why[600]) {
    struct ll_facts *f = &l->facts;
    if (variant) {
        snprintf(f->cpu_path, sizeof f->cpu_path, "%s/libggml-cpu-%s.so", dir, variant);
        l->ggml_backend_load(f->cpu_path);
    } else {
        l->ggml_backend_load_all_from_path(dir);
        dl_iterate_phdr(find_cpu, f);
    }
    if (l->ggml_backend_reg_count() == 1) return true;
    snprintf(why, 600, "'%.300s' did not become the only backend",
             f->cpu_path[0] ? f->cpu_path : dir);
    return false;
}

enum ll_status ll_open(struct ll **out, const char *dir, const char *variant, char why[600]) {
    struct ll *l = calloc(1, sizeof *l);
    enum ll_status status = LL_FAILED;
    void *h;
    *out = NULL;
    snprintf(why, 600, "out of memory");
    if (!l) return LL_FAILED;
    if (!find_library(dir, l->facts.path, sizeof l->facts.path)) {
        snprintf(why, 600, "no libllama*.so in '%.400s'", dir);
        status = LL_ABSENT;
        goto out;
    }
    h = dlopen(l->facts.path, RTLD_NOW | RTLD_LOCAL);
    if (!h) {
        snprintf(why, 600, "%s", dlerror());
        status = LL_ABSENT;
        goto out;
    }
    /* POSIX lets a function pointer be had from a void pointer; C has no word for it but this. */
#define X(result, name, arguments)                                                                 \
    *(void **)&l->name = dlsym(h, #name);                                                          \
    if (!l->name) {                                                                                \
        snprintf(why, 600, "%.200s: no function '%s'", l->facts.path, #name);                      \
        goto out;                                                                                  \
    }
    FUNCTIONS(X)
#undef X
    l->llama_log_set(keep_log, l);
    if (!check_layout(l, why)) goto out;
    l->quickest = variant == NULL;
    if (!load_cpu(l, dir, variant, why)) goto out;
    l->llama_backend_init();
    if (!read_facts(l, dir, why)) goto out;
    *out = l;
    return LL_OK;
out:
    if (l->llama_log_set) l->llama_log_set(NULL, NULL);
    free(l);
    return status;
}

const struct ll_facts *ll_facts(const struct ll *l) {
    return &l->facts;
}

void ll_close(struct ll *l) {
    if (!l) return;
    l->llama_log_set(NULL, NULL);
    free(l);
}

/* ---- models ---------------------------------------------------------------------------------- */

/* The end of the log, where the reason of a failure stands, as one line. */
static void last_words(const struct ll *l, const char *what, char why[600]) {
    const size_t keep = 400;
    snprintf(why, 600, "%s: %s", what, l->log + (l->log_len > keep ? l->log_len - keep : 0));
    for (char *p = why; *p; p++)
        if ((unsigned char)*p < ' ') *p = ' ';
}

/* The traits lie where they are thought to when they say what the calls do. */
bool ll_type(const struct ll *l, uint32_t id, struct ll_type *out) {
    const char *name = id < TYPES ? l->ggml_type_name((int)id) : NULL;
    if (!name || l->ggml_blck_size((int)id) <= 0) return false;
    const struct type_traits *t = l->ggml_get_type_traits((int)id);
    *out = (struct ll_type){name, (size_t)l->ggml_blck_size((int)id), l->ggml_type_size((int)id),
                            NULL};
    if (t->name == name && (size_t)t->block == out->block && t->bytes == out->bytes)
        out->to_float = t->to_float;
    return true;
}

struct ll_model *ll_model_open(struct ll *l, const char *path, bool vocab_only, char why[600]) {
    struct model_params p = l->llama_model_default_params();
    struct ll_model *m = calloc(1, sizeof *m);
    snprintf(why, 600, "out of memory");
    if (!m) return NULL;
    p.gpu_layers = 0;
    p.vocab_only = vocab_only;
    p.extra_buffers = l->quickest; /* without, weights stay in the file's layout */
    clear_log(l);
    m->l = l;
    m->model = l->llama_model_load_from_file(path, p);
    if (!m->model) {
        last_words(l, "llama.cpp does not load it", why);
        free(m);
        return NULL;
    }
    m->vocab = l->llama_model_get_vocab(m->model);
    return m;
}

void ll_model_close(struct ll_model *m) {
    if (!m) return;
    m->l->llama_model_free(m->model);
    free(m);
}

uint32_t ll_model_vocab(const struct ll_model *m) {
    return (uint32_t)m->l->llama_vocab_n_tokens(m->vocab);
}

int ll_model_rope_type(const struct ll_model *m) {
    return m->l->llama_model_rope_type(m->model);
}

int32_t ll_tokenize(const struct ll_model *m, const char *text, size_t len, bool add_special,
                    bool parse_special, int32_t **ids) {
    int32_t room = (int32_t)len + 16, n;
    *ids = malloc((size_t)room * sizeof **ids);
    if (!*ids) return -1;
    n = m->l->llama_tokenize(m->vocab, text, (int32_t)len, *ids, room, add_special, parse_special);
    return n < 0 ? -1 : n; /* no token is shorter than a byte, but for those added */
}

/* ---- contexts -------------------------------------------------------------------------------- */

struct ll_context {
    struct ll *l;
    void *context;
    int32_t id[LL_FEED_MOST], position[LL_FEED_MOST], one[LL_FEED_MOST], sequence[LL_FEED_MOST];
    int32_t *sequences[LL_FEED_MOST];
    int8_t wanted[LL_FEED_MOST];
};

static bool took(const struct ll_context *c, const struct ll_settings *s) {
    const struct ll *l = c->l;
    return l->llama_n_ctx(c->context) == s->context &&
           l->llama_n_threads(c->context) == s->threads &&
           l->llama_n_threads_batch(c->context) == s->threads &&
           l->llama_n_seq_max(c->context) == s->sequences &&
           logged(l, "flash_attn", s->flash_attention ? "enabled" : "disabled") &&
           logged(l, "K (f16):", "") && logged(l, "V (f16):", "");
}

struct ll_context *ll_context_open(struct ll_model *m, const struct ll_settings *s, char why[600]) {
    struct ll *l = m->l;
    struct context_params p = l->llama_context_default_params();
    struct ll_context *c = calloc(1, sizeof *c);
    snprintf(why, 600, "out of memory");
    if (!c) return NULL;
    p.context = s->context;
    p.batch = p.ubatch = LL_FEED_MOST;
    p.sequences = s->sequences;
    p.threads = p.threads_batch = s->threads;
    p.flash_attention = s->flash_attention;
    p.type_k = p.type_v = TYPE_F16;
    clear_log(l);
    c->l = l;
    c->context = l->llama_init_from_model(m->model, p);
    if (c->context && took(c, s)) return c;
    if (c->context)
        snprintf(why, 600, "llama.cpp did not take the settings (threads, context, attention, KV)");
    else
        last_words(l, "llama.cpp makes no context", why);
    ll_context_close(c);
    return NULL;
}

void ll_context_close(struct ll_context *c) {
    if (!c) return;
    if (c->context) c->l->llama_free(c->context);
    free(c);
}

bool ll_feed(struct ll_context *c, const struct ll_token *tokens, size_t n, char why[600]) {
    const struct batch b = {(int32_t)n, c->id, NULL, c->position, c->one, c->sequences, c->wanted};
    if (n > LL_FEED_MOST) {
        snprintf(why, 600, "more than %d tokens at once", LL_FEED_MOST);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        c->id[i] = tokens[i].id;
        c->position[i] = tokens[i].position;
        c->sequence[i] = tokens[i].sequence;
        c->sequences[i] = &c->sequence[i];
        c->wanted[i] = tokens[i].wanted;
        c->one[i] = 1;
    }
    if (c->l->llama_decode(c->context, b) == 0) return true;
    last_words(c->l, "llama_decode failed", why);
    return false;
}

const float *ll_row(struct ll_context *c, size_t i) {
    return c->l->llama_get_logits_ith(c->context, (int32_t)i);
}

void ll_forget(struct ll_context *c) {
    c->l->llama_memory_clear(c->l->llama_get_memory(c->context), true);
}

/* ---- logits ---------------------------------------------------------------------------------- */

bool ll_logits(struct ll_model *m, const int32_t *tokens, size_t n, enum ll_feed feed,
               float *logits, char why[600]) {
    const struct ll_settings settings = {.context = LL_LOGITS_MOST, .sequences = 1, .threads = 1};
    const size_t vocab = ll_model_vocab(m), step = feed == LL_BATCH ? n : 1;
    struct ll_token fed[LL_LOGITS_MOST];
    if (n > LL_LOGITS_MOST) {
        snprintf(why, 600, "more than %d tokens", LL_LOGITS_MOST);
        return false;
    }
    struct ll_context *c = ll_context_open(m, &settings, why);
    bool ok = c != NULL;
    for (size_t i = 0; i < n; i++)
        fed[i] = (struct ll_token){
            .id = tokens[i], .position = feed == LL_LONE ? 0 : (int32_t)i, .wanted = true};
    for (size_t at = 0; ok && at < n; at += step) {
        if (feed == LL_LONE) ll_forget(c);
        ok = ll_feed(c, fed + at, step, why);
        for (size_t i = 0; ok && i < step; i++) {
            const float *x = ll_row(c, i);
            if (!(ok = x != NULL)) last_words(m->l, "no logits", why);
            if (ok) memcpy(logits + (at + i) * vocab, x, vocab * sizeof *x);
        }
    }
    ll_context_close(c);
    return ok;
}
