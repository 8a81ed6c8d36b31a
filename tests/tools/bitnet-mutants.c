/*
 * bitnet-mutants COUNT [SEED [FIRST]] - sound models with faults in their structure, through the
 * judge and through the best backend: both refuse one with the same status, or both compute the
 * same logits.
 *
 * The one idea: a file is taken apart into keys and tensors, edited as such (types, values, names,
 * shapes, places, scales, codes), and put together again, so that an edit reaches what lies behind
 * the container's own checks. The judge gets the tokens one by one, the other backend all at once
 * and by two threads. Mutants are run in a process of their own, a portion at a time: one that dies
 * is counted and named. With BNT_TEST_MEASURE every mutant has a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sha256.h"
#include "gguf_write.h"
#include "rng.h"
#include "run/engine.h"
#include "synth.h"

enum { ALIGNMENT = 32, MOST_KEYS = 64, MOST_TENSORS = 64, TOKENS = 5, PORTION = 100 };

struct text {
    char bytes[96];
    size_t len;
};

struct key {
    struct text name;
    uint32_t type;
    uint8_t *value;
    size_t size;
};

struct tensor {
    struct text name;
    uint32_t type, n_dims;
    uint64_t dims[4];
    uint8_t *data;
    size_t bytes;
    int64_t shift; /* added to the offset that is right */
};

struct file {
    uint32_t version;
    int64_t more_keys, more_tensors; /* added to the counts */
    unsigned n_keys, n_tensors;
    struct key keys[MOST_KEYS];
    struct tensor tensors[MOST_TENSORS];
    size_t cut; /* bytes that are missing at the end */
};

/* ---- apart and together ---------------------------------------------------------------------- */

static struct text text_of(struct bnt_str s) {
    struct text t = {.len = s.len};
    if (s.len > sizeof t.bytes) abort();
    memcpy(t.bytes, s.ptr, s.len);
    return t;
}

static uint8_t *copy(const void *from, size_t n, size_t room) {
    uint8_t *to = calloc(1, (room > n ? room : n) + 1);
    if (!to) abort();
    memcpy(to, from, n);
    return to;
}

static size_t scalar_size(uint32_t type) {
    static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < 13 ? sizes[type] : 0;
}

/* The value's bytes as they lie in the file, an array's type and count before them. */
static void take_key(struct key *k, const struct bnt_gguf_kv *kv) {
    const uint8_t *at = kv->data;
    uint64_t cursor = 0;
    k->name = text_of(kv->key);
    k->type = (uint32_t)kv->type;
    k->size = kv->count * scalar_size((uint32_t)kv->elem_type);
    if (kv->elem_type == BNT_GGUF_STRING)
        for (uint64_t i = 0; i < kv->count; i++)
            k->size += 8 + bnt_gguf_next_string(kv, &cursor).len;
    if (kv->type == BNT_GGUF_ARRAY) {
        at -= 12;
        k->size += 12;
    }
    k->value = copy(at, k->size, 0);
}

static void take_apart(struct file *f, const uint8_t *data, size_t size) {
    struct bnt_gguf *g;
    *f = (struct file){.version = 3};
    if (bnt_gguf_open_memory(&g, data, size, NULL) != BNT_OK) abort();
    if (bnt_gguf_kv_count(g) > MOST_KEYS || bnt_gguf_tensor_count(g) > MOST_TENSORS) abort();
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++)
        take_key(&f->keys[f->n_keys++], bnt_gguf_kv_at(g, i));
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, i);
        struct tensor *to = &f->tensors[f->n_tensors++];
        *to = (struct tensor){.name = text_of(t->name),
                              .type = enc_file_id(t->type),
                              .n_dims = t->n_dims,
                              .data = copy(t->data, t->bytes, 0),
                              .bytes = t->bytes};
        memcpy(to->dims, t->dims, sizeof to->dims);
    }
    bnt_gguf_close(g);
}

static void put_text(struct gw_buf *b, const struct text *t) {
    gw_put_u64(b, t->len);
    gw_put(b, t->bytes, t->len);
}

static void pad(struct gw_buf *b) {
    static const uint8_t zero[ALIGNMENT];
    gw_put(b, zero, (ALIGNMENT - b->size % ALIGNMENT) % ALIGNMENT);
}

static struct gw_buf put_together(const struct file *f) {
    struct gw_buf b = {0};
    uint64_t at = 0;
    gw_put(&b, "GGUF", 4);
    gw_put_u32(&b, f->version);
    gw_put_u64(&b, f->n_tensors + (uint64_t)f->more_tensors);
    gw_put_u64(&b, f->n_keys + (uint64_t)f->more_keys);
    for (unsigned i = 0; i < f->n_keys; i++) {
        put_text(&b, &f->keys[i].name);
        gw_put_u32(&b, f->keys[i].type);
        gw_put(&b, f->keys[i].value, f->keys[i].size);
    }
    for (unsigned i = 0; i < f->n_tensors; i++) {
        const struct tensor *t = &f->tensors[i];
        put_text(&b, &t->name);
        gw_put_u32(&b, t->n_dims);
        for (unsigned d = 0; d < t->n_dims; d++) gw_put_u64(&b, t->dims[d % 4]);
        gw_put_u32(&b, t->type);
        gw_put_u64(&b, at + (uint64_t)t->shift);
        at += (t->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
    pad(&b);
    for (unsigned i = 0; i < f->n_tensors; i++) {
        gw_put(&b, f->tensors[i].data, f->tensors[i].bytes);
        pad(&b);
    }
    b.size -= f->cut < b.size ? f->cut : b.size;
    return b;
}

static void discard(struct file *f) {
    for (unsigned i = 0; i < f->n_keys; i++) free(f->keys[i].value);
    for (unsigned i = 0; i < f->n_tensors; i++) free(f->tensors[i].data);
}

/* ---- the sound ones -------------------------------------------------------------------------- */

enum { BASES = 48 };

static const struct gw_buf *base(unsigned which) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet",  "llama",  "qwen2",
                                        "qwen3",        "minicpm", "gemma3", "bitnet-25"};
    static const uint32_t types[] = {T_I2_S, T_TQ2_0, T_TQ1_0, T_Q2_0, T_Q8_0, T_Q4_K};
    static const uint32_t embds[] = {T_F16, T_Q6_K, T_TQ2_0, T_F32, T_Q4_0};
    static struct gw_buf made[BASES];
    struct synth s;
    if (made[which].data) return &made[which];
    synth_preset(&s, "tiny");
    s.arch = archs[which % 8];
    s.type = types[which / 8];
    s.embd_type = embds[which % 5];
    s.blocks = 1;
    s.embd = s.ff = 256;
    s.heads = 4;
    s.kv_heads = 2;
    s.head_dim = 64;
    s.vocab = 272;
    s.ctx = 64;
    s.tq_varied = which % 3 == 1;
    s.untied = which % 7 == 3;
    s.output_type = T_F16;
    s.scale_tensors = s.type == T_I2_S && which % 2;
    s.rope_freqs = which % 5 == 2;
    if (which % 4 == 1) s.rope_linear = 4;
    if (strcmp(s.arch, "gemma3") == 0) {
        s.window = 3;
        s.window_period = 2;
    }
    if (strcmp(s.arch, "minicpm") == 0 && which > 20) {
        s.longrope_context = 32;
        s.rope_freqs = false;
        s.rope_linear = 0;
    }
    const char *fault = synth_fault(&s);
    if (fault) {
        fprintf(stderr, "bitnet-mutants: %s: %s\n", s.arch, fault);
        exit(1);
    }
    made[which].data = synth_memory(&s, &made[which].size);
    return &made[which];
}

/* ---- edits ----------------------------------------------------------------------------------- */

static uint64_t any_number(struct rng *r, uint64_t was) {
    static const uint64_t limits[] = {0,           1,          2,          3,          31,
                                      32,          64,         128,        255,        256,
                                      257,         0x7fff,     0xffff,     0x7fffffff, 0x80000000u,
                                      0xffffffffu, 1ull << 32, 1ull << 62, 1ull << 63, UINT64_MAX};
    switch (rng_below(r, 6)) {
    case 0: return was + 1;
    case 1: return was - 1;
    case 2: return was * 2;
    case 3: return was / 2;
    case 4: return rng_next(r);
    default: return limits[rng_below(r, 20)];
    }
}

static float any_float(struct rng *r) {
    static const uint32_t bits[] = {0,          0x80000000, 1,          0x80000001, 0x7fffff,
                                    0x800000,   0x3f800000, 0xbf800000, 0x7f7fffff, 0xff7fffff,
                                    0x7f800000, 0xff800000, 0x7fc00000, 0x0da24260, 0x60ad78ec};
    if (rng_below(r, 2)) return bnt_f32_from_bits(bits[rng_below(r, 15)]);
    return bnt_f32_from_bits((uint32_t)rng_next(r));
}

/* A number in the place of another, in the value's own type. */
static void set_value(struct rng *r, struct key *k) {
    const size_t n = scalar_size(k->type);
    if (k->type == GW_F32) {
        float x = any_float(r);
        memcpy(k->value, &x, sizeof x);
    } else if (k->type == GW_F64) {
        double x = (double)any_float(r) * (rng_below(r, 2) ? 1.0 : 1e200);
        memcpy(k->value, &x, sizeof x);
    } else if (n) {
        uint64_t was = 0;
        memcpy(&was, k->value, n);
        was = any_number(r, was);
        memcpy(k->value, &was, n);
    } else if (k->size > 8) { /* a byte of a string or an array, its length perhaps */
        k->value[rng_below(r, 4) ? 8 + rng_below(r, (uint32_t)k->size - 8)
                                 : rng_below(r, (uint32_t)k->size)] ^=
            (uint8_t)(1u << rng_below(r, 8));
    }
}

/* The same number, or none, as another type. */
static void set_type(struct rng *r, struct key *k) {
    static const uint32_t types[] = {GW_U8,   GW_I8,  GW_U16, GW_I16, GW_U32,    GW_I32, GW_F32,
                                     GW_BOOL, GW_U64, GW_I64, GW_F64, GW_STRING, 13};
    uint64_t was = 0;
    float as_float;
    memcpy(&was, k->value, k->size < 8 ? k->size : 8);
    if (k->type == GW_ARRAY || k->type == GW_STRING) was = rng_below(r, 8);
    if (k->type == GW_F32) {
        memcpy(&as_float, k->value, 4);
        was = as_float >= 0 && as_float < 1e9f ? (uint64_t)as_float : 0;
    }
    k->type = types[rng_below(r, 13)];
    k->size = scalar_size(k->type);
    free(k->value);
    if (k->type == GW_F32) {
        as_float = (float)was;
        memcpy(&was, &as_float, 4);
    }
    if (k->type == GW_F64) {
        double as_double = (double)was;
        memcpy(&was, &as_double, 8);
    }
    if (k->type == GW_STRING) {
        was = 0; /* an empty text */
        k->size = 8;
    }
    k->value = copy(&was, 8, 0);
}

/* An array's count or element type, with the bytes as they are. */
static void set_array(struct rng *r, struct key *k) {
    uint64_t count;
    if (k->type != GW_ARRAY) return;
    memcpy(&count, k->value + 4, 8);
    if (rng_below(r, 2)) {
        count = any_number(r, count);
        memcpy(k->value + 4, &count, 8);
    } else {
        uint32_t type = rng_below(r, 14);
        memcpy(k->value, &type, 4);
    }
}

static void rename_text(struct rng *r, struct text *t) {
    if (t->len == 0) return;
    switch (rng_below(r, 3)) {
    case 0: t->bytes[rng_below(r, (uint32_t)t->len)] ^= (char)(1u << rng_below(r, 7)); break;
    case 1: t->len--; break;
    default: t->bytes[t->len - 1] = (char)rng_next(r);
    }
}

static void edit_key(struct rng *r, struct file *f) {
    const unsigned i = rng_below(r, f->n_keys), other = rng_below(r, f->n_keys);
    struct key *k = &f->keys[i], swapped;
    switch (rng_below(r, 12)) {
    case 0: set_type(r, k); break;
    case 1: rename_text(r, &k->name); break;
    case 2: /* gone */
        free(k->value);
        *k = f->keys[--f->n_keys];
        break;
    case 3: /* twice */
        if (f->n_keys == MOST_KEYS) break;
        f->keys[f->n_keys] = *k;
        f->keys[f->n_keys++].value = copy(k->value, k->size, 0);
        break;
    case 4: /* names change places */
        swapped = *k;
        k->name = f->keys[other].name;
        f->keys[other].name = swapped.name;
        break;
    case 5:
    case 6: set_array(r, k); break;
    default: set_value(r, k);
    }
}

/* The row of another type; half of the time with as many bytes as it asks for. */
static void set_tensor_type(struct rng *r, struct tensor *t) {
    static const uint32_t types[] = {
        T_F32,  T_F16,  T_Q4_0,   T_Q4_1,   T_Q5_0,   T_Q5_1,   T_Q8_0,    T_Q2_K,  T_Q3_K,
        T_Q4_K, T_Q5_K, T_Q6_K,   T_IQ4_NL, T_IQ4_XS, T_BF16,   T_TQ1_0,   T_TQ2_0, T_I2_S,
        T_Q1_0, T_Q2_0, T_IQ1_BN, T_IQ2_BN, T_PQ2_0,  T_PTQ1_0, T_Q2_0_128};
    const bool known = rng_below(r, 12) != 0;
    const uint32_t type = known ? types[rng_below(r, 25)] : (uint32_t)rng_next(r) % 200;
    uint64_t rows = t->dims[1] * t->dims[2] * t->dims[3], bytes;
    t->type = known ? enc_file_id(type) : type;
    if (!known || rng_below(r, 8) == 0 || rows == 0 || rows > 1 << 12) return;
    bytes = enc_tensor_bytes(type, rows, t->dims[0]);
    if (bytes == 0 || bytes > 1 << 22) return;
    uint8_t *data = copy(t->data, bytes < t->bytes ? bytes : t->bytes, bytes);
    for (uint64_t at = t->bytes; at < bytes; at++) data[at] = t->bytes ? t->data[at % t->bytes] : 0;
    free(t->data);
    t->data = data;
    t->bytes = bytes;
}

static void set_shape(struct rng *r, struct tensor *t) {
    const unsigned d = rng_below(r, t->n_dims ? t->n_dims : 1), e = rng_below(r, 4);
    uint64_t was = t->dims[d % 4];
    switch (rng_below(r, 4)) {
    case 0: t->n_dims = rng_below(r, 6); break;
    case 1: /* turned round, or one more of size 1 */
        t->dims[d % 4] = t->dims[e];
        t->dims[e] = was;
        if (e >= t->n_dims) t->n_dims = e + 1;
        break;
    default: t->dims[d % 4] = any_number(r, was);
    }
}

/* Scales where formats have them (the first and last bytes of blocks, the end of a tensor), codes
 * elsewhere. */
static void set_weights(struct rng *r, struct tensor *t) {
    static const uint16_t halves[] = {0, 0x8000, 1, 0x3ff, 0x400, 0x7bff, 0xfbff, 0x7c00, 0x7e00};
    static const uint32_t blocks[] = {2, 4, 18, 20, 22, 24, 34, 54, 66, 84, 110, 144, 176, 210};
    if (t->bytes < 256) return;
    const uint32_t block = blocks[rng_below(r, 14)], n = (uint32_t)(t->bytes / block);
    size_t at = (size_t)rng_below(r, n) * block + (rng_below(r, 2) ? block - 2 : 0);
    float x = any_float(r);
    switch (rng_below(r, 5)) {
    case 0: memcpy(t->data + at, &halves[rng_below(r, 9)], 2); break;
    case 1: memcpy(t->data + (at & ~(size_t)3), &x, 4); break;
    case 2: memcpy(t->data + t->bytes - 32, &x, 4); break;
    case 3:
        for (unsigned i = 0; i < 64; i++) t->data[at / 4 + i] = (uint8_t)rng_next(r);
        break;
    default: memset(t->data + at / 2, rng_below(r, 2) ? 0xff : 0, 64);
    }
}

static void edit_tensor(struct rng *r, struct file *f) {
    const unsigned i = rng_below(r, f->n_tensors), other = rng_below(r, f->n_tensors);
    struct tensor *t = &f->tensors[i], swapped = *t;
    switch (rng_below(r, 14)) {
    case 0:
    case 1: set_tensor_type(r, t); break;
    case 2: set_shape(r, t); break;
    case 3: rename_text(r, &t->name); break;
    case 4: /* gone */
        free(t->data);
        *t = f->tensors[--f->n_tensors];
        break;
    case 5: /* twice */
        if (f->n_tensors == MOST_TENSORS) break;
        f->tensors[f->n_tensors] = *t;
        f->tensors[f->n_tensors++].data = copy(t->data, t->bytes, 0);
        break;
    case 6: /* names change places */
        t->name = f->tensors[other].name;
        f->tensors[other].name = swapped.name;
        break;
    case 7:
        t->shift = rng_below(r, 2) ? (int64_t)any_number(r, 0)
                                   : ((int64_t)rng_below(r, 9) - 4) * ALIGNMENT;
        break;
    case 8: /* order */
        *t = f->tensors[other];
        f->tensors[other] = swapped;
        break;
    default: set_weights(r, t);
    }
}

static void edit(struct rng *r, struct file *f) {
    const uint32_t kind = rng_below(r, 40);
    if (kind < 18 && f->n_keys)
        edit_key(r, f);
    else if (kind < 37 && f->n_tensors)
        edit_tensor(r, f);
    else if (kind == 37)
        f->version = (uint32_t)any_number(r, f->version);
    else if (kind == 38)
        *(rng_below(r, 2) ? &f->more_keys : &f->more_tensors) = (int64_t)any_number(r, 0);
    else
        f->cut = rng_below(r, 4096);
}

/* ---- what becomes of one --------------------------------------------------------------------- */

static int compute(const char *path, const char *backend, uint32_t at_once, unsigned threads,
                   char hex[65], struct bnt_err *err) {
    struct bnt_engine *e = NULL;
    struct bnt_session *s = NULL;
    struct bnt_sha256 h;
    int status = bnt_engine_open(
        &e, path, &(struct bnt_engine_options){.backend = backend, .threads = threads}, err);
    if (status == BNT_OK)
        status = bnt_session_open(
            &s, e,
            &(struct bnt_session_options){
                .n_ctx = TOKENS, .n_batch = at_once, .threads = threads, .no_bind = true},
            err);
    bnt_sha256_begin(&h);
    for (int32_t i = 0; i < TOKENS && status == BNT_OK; i += (int32_t)at_once) {
        int32_t ids[TOKENS];
        const int32_t n_vocab = (int32_t)e->info.n_vocab;
        for (int32_t t = 0; t < TOKENS; t++) ids[t] = (i + t) * 61 % n_vocab;
        status = bnt_session_feed(s, ids, at_once, BNT_WANT_ALL, err);
        for (uint32_t t = 0; t < at_once && status == BNT_OK; t++)
            bnt_sha256_add(&h, bnt_session_logits(s, t), (size_t)n_vocab * sizeof(float));
    }
    int ended = bnt_sha256_end(&h, hex, err);
    bnt_session_close(s);
    bnt_engine_close(e);
    return status == BNT_OK ? ended : status;
}

struct tally {
    unsigned long next, computed, failed; /* next: the mutant that is being run */
};

static void one(unsigned long number, uint64_t seed, const char *path, int fd, struct tally *t) {
    struct rng r = rng_stream(seed, number);
    const struct gw_buf *from = base(rng_below(&r, BASES));
    struct bnt_err a = {0}, b = {0};
    char judge[65] = "", best[65] = "";
    struct file f;
    take_apart(&f, from->data, from->size);
    for (unsigned n = 1 + rng_below(&r, 3); n > 0; n--) edit(&r, &f);
    struct gw_buf bytes = put_together(&f);
    discard(&f);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes.data, bytes.size, 0) != (ssize_t)bytes.size)
        abort();
    gw_buf_free(&bytes);
    int one = compute(path, "ref-scalar", 1, 1, judge, &a);
    int two = compute(path, "auto", TOKENS, 2, best, &b);
    t->computed += one == BNT_OK;
    if (one != two || (one == BNT_OK && strcmp(judge, best) != 0) ||
        (one != BNT_OK && !a.text[0])) {
        printf("FAILED: mutant %lu: ref-scalar: %s %.16s %s; auto: %s %.16s %s\n", number,
               bnt_status_name(one), judge, a.text, bnt_status_name(two), best, b.text);
        t->failed++;
    } else if (getenv("BNT_TEST_MEASURE")) {
        printf("%lu %s %.16s %s\n", number, bnt_status_name(one), one == BNT_OK ? judge : "",
               a.text);
    }
}

int main(int argc, char **argv) {
    char path[] = "/tmp/bitnet-mutants-XXXXXX";
    const unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const unsigned long first = argc > 3 ? strtoul(argv[3], NULL, 10) : 0, end = first + count;
    struct tally *t =
        mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = mkstemp(path);
    if (count == 0) {
        fprintf(stderr, "usage: bitnet-mutants COUNT [SEED [FIRST]]\n");
        return 2;
    }
    if (t == MAP_FAILED || fd < 0) return 3;
    for (t->next = first; t->next < end;) {
        const unsigned long stop = t->next + PORTION < end ? t->next + PORTION : end;
        int status;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(600);
            for (; t->next < stop; t->next++) one(t->next, seed, path, fd, t);
            fflush(stdout);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid) return 3;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
        printf("FAILED: mutant %lu: the process ended with %s %d\n", t->next,
               WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        t->failed++;
        t->next++;
    }
    close(fd);
    unlink(path);
    printf("%lu of %lu mutants computed\n", t->computed, count);
    if (t->computed < count / 10) t->failed++; /* edits that only break the container show little */
    printf("%lu passed, %lu failed\n", count > t->failed ? count - t->failed : 0, t->failed);
    return t->failed != 0;
}
