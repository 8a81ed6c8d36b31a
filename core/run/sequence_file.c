/*
 * sequence_file.c - a sequence in a file: what it was fed, and its keys and values.
 *
 * The file, all of it little-endian:
 *     "BNTSEQ1\n"  numerics u32  layers u32  KV heads u32  head dimension u32  vocabulary u32
 *     0 u32  tokens u64  model [32]  ids [tokens] i32
 *     for each layer, each position: K [heads][dimension], V alike, binary16
 *     SHA-256 of everything before [32]
 * The one idea: binary16 values are what every backend's cache holds, so a file is of no backend.
 * Whether it is of this model, two things say: samples of all weights, and the last token, which is
 * computed again from the positions before it and must come out as the file has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/sha256.h"
#include "bitnet/numerics.h"
#include "run/context.h"

static const char magic[8] = {'B', 'N', 'T', 'S', 'E', 'Q', '1', '\n'};

enum { HASH = 32, HEADER = 8 + 6 * 4 + 8 + HASH, SAMPLES = 16, SAMPLE = 64 };

struct header {
    uint32_t numerics, n_layer, n_head_kv, head_dim, n_vocab;
    uint64_t tokens;
    uint8_t model[HASH];
};

/* ---- the model ------------------------------------------------------------------------------- */

static void from_hex(const char hex[65], uint8_t out[HASH]) {
    for (unsigned i = 0; i < HASH; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
}

/* Of names, shapes and, evenly spread over each matrix, SAMPLES times SAMPLE bytes. */
static int fingerprint(const struct bnt_model *m, uint8_t out[HASH], struct bnt_err *err) {
    struct bnt_sha256 h;
    char hex[65];
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, m->hp.arch, strlen(m->hp.arch));
    for (uint32_t k = 0; k < m->n_matrices; k++) {
        const struct bnt_matrix *mat = &m->matrices[k];
        const uint8_t *data = mat->ternary ? mat->src.data : mat->data;
        const uint64_t bytes = mat->ternary ? mat->src.bytes : mat->bytes;
        const uint64_t shape[2] = {mat->rows, mat->cols};
        bnt_sha256_add(&h, mat->name, strlen(mat->name) + 1);
        bnt_sha256_add(&h, shape, sizeof shape);
        for (uint64_t i = 0; i < SAMPLES; i++) {
            uint64_t at = bytes > SAMPLE ? (bytes - SAMPLE) / (SAMPLES - 1) * i : 0;
            bnt_sha256_add(&h, data + at, bytes < SAMPLE ? bytes : SAMPLE);
        }
    }
    int status = bnt_sha256_end(&h, hex, err);
    if (status == BNT_OK) from_hex(hex, out);
    return status;
}

static int header_of(const struct bnt_context *c, uint64_t tokens, struct header *out,
                     struct bnt_err *err) {
    const struct bnt_hparams *hp = &c->engine->model->hp;
    *out = (struct header){.numerics = BNT_NUMERICS_VERSION,
                           .n_layer = hp->n_layer,
                           .n_head_kv = hp->n_head_kv,
                           .head_dim = hp->head_dim,
                           .n_vocab = hp->n_vocab,
                           .tokens = tokens};
    return fingerprint(c->engine->model, out->model, err);
}

/* ---- bytes, hashed as they pass -------------------------------------------------------------- */

struct stream {
    FILE *file;
    struct bnt_sha256 hash;
    bool failed;
};

static void put(struct stream *s, const void *bytes, size_t n) {
    bnt_sha256_add(&s->hash, bytes, n);
    s->failed |= fwrite(bytes, 1, n, s->file) != n;
}

static void get(struct stream *s, void *bytes, size_t n) {
    memset(bytes, 0, n);
    s->failed |= fread(bytes, 1, n, s->file) != n;
    bnt_sha256_add(&s->hash, bytes, n);
}

static void store(uint8_t *p, uint64_t v, unsigned n) {
    for (unsigned i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t load(const uint8_t *p, unsigned n) {
    uint64_t v = 0;
    for (unsigned i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void put_header(struct stream *s, const struct header *h) {
    uint8_t b[HEADER] = {0};
    const uint32_t words[5] = {h->numerics, h->n_layer, h->n_head_kv, h->head_dim, h->n_vocab};
    memcpy(b, magic, sizeof magic);
    for (unsigned i = 0; i < 5; i++) store(b + 8 + 4 * i, words[i], 4);
    store(b + 32, h->tokens, 8);
    memcpy(b + 40, h->model, HASH);
    put(s, b, sizeof b);
}

/* False when these are no such file's first bytes. */
static bool get_header(struct stream *s, struct header *h) {
    uint8_t b[HEADER];
    get(s, b, sizeof b);
    h->numerics = (uint32_t)load(b + 8, 4);
    h->n_layer = (uint32_t)load(b + 12, 4);
    h->n_head_kv = (uint32_t)load(b + 16, 4);
    h->head_dim = (uint32_t)load(b + 20, 4);
    h->n_vocab = (uint32_t)load(b + 24, 4);
    h->tokens = load(b + 32, 8);
    memcpy(h->model, b + 40, HASH);
    return !s->failed && memcmp(b, magic, sizeof magic) == 0 && load(b + 28, 4) == 0;
}

/* K and V of one position of one layer, as binary32 and as the file has them. */
struct row {
    uint32_t width;
    float *k, *v;
    uint8_t *halves; /* [2 * width] binary16 */
};

static int row_open(struct row *r, const struct bnt_kv *kv, struct bnt_err *err) {
    r->width = kv->shape.heads * kv->shape.head_dim;
    r->k = malloc(r->width * (2 * sizeof(float) + 4));
    if (!r->k) return bnt_fail_nomem(err, "a row of the cache", r->width * 12);
    r->v = r->k + r->width;
    r->halves = (uint8_t *)(r->v + r->width);
    return BNT_OK;
}

static void put_row(struct stream *s, const struct row *r) {
    for (uint32_t i = 0; i < 2 * r->width; i++)
        store(r->halves + 2 * i, bnt_f32_to_f16(r->k[i]), 2);
    put(s, r->halves, 4 * (size_t)r->width);
}

static void get_row(struct stream *s, struct row *r) {
    get(s, r->halves, 4 * (size_t)r->width);
    for (uint32_t i = 0; i < 2 * r->width; i++) {
        uint16_t half = (uint16_t)load(r->halves + 2 * i, 2);
        s->failed |= (half & 0x7c00) == 0x7c00; /* no run stores what is not finite (range.h) */
        r->k[i] = bnt_f16_to_f32(half);
    }
}

/* ---- writing --------------------------------------------------------------------------------- */

static int failed(struct bnt_err *err, const char *path, const char *why) {
    return bnt_fail(err, BNT_E_IO, "'%s': %s", path, why);
}

/* What may be a FIFO is opened without waiting for its other end. NULL: errno says why. */
static FILE *open_to_read(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    if (fd >= 0 && !f) close(fd);
    return f;
}

/* A new file, or one that takes the place of another of its kind: nothing else is overwritten. */
static int may_write(const char *path, struct bnt_err *err) {
    char begins[sizeof magic];
    FILE *f = open_to_read(path);
    if (!f) return errno == ENOENT ? BNT_OK : failed(err, path, strerror(errno));
    size_t n = fread(begins, 1, sizeof begins, f);
    struct stat st;
    bool regular = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
    fclose(f);
    if (regular && (n == 0 || (n == sizeof magic && memcmp(begins, magic, n) == 0))) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "'%s' exists and is no saved sequence", path);
}

static void write_all(struct stream *s, const struct bnt_sequence *q, const struct header *h,
                      struct row *row) {
    put_header(s, h);
    for (uint64_t i = 0; i < q->position; i++) {
        uint8_t id[4];
        store(id, (uint32_t)q->tokens[i], 4);
        put(s, id, sizeof id);
    }
    for (uint32_t layer = 0; layer < q->kv.n_layer; layer++)
        for (uint64_t pos = 0; pos < q->position && !s->failed; pos++) {
            bnt_kv_read(&q->kv, layer, pos, row->k, row->v);
            put_row(s, row);
        }
}

static int write_file(const struct bnt_sequence *q, const char *name, const struct header *h,
                      struct bnt_err *err) {
    struct stream s = {.file = fopen(name, "wbxe")};
    struct row row = {0};
    uint8_t hash[HASH];
    char hex[65];
    if (!s.file) return failed(err, name, strerror(errno));
    bnt_sha256_begin(&s.hash);
    int status = row_open(&row, &q->kv, err);
    if (status == BNT_OK) write_all(&s, q, h, &row);
    int hashed = bnt_sha256_end(&s.hash, hex, status == BNT_OK ? err : NULL);
    if (status == BNT_OK) status = hashed;
    if (status == BNT_OK) {
        from_hex(hex, hash);
        s.failed |= fwrite(hash, 1, HASH, s.file) != HASH || fflush(s.file) != 0 ||
                    fsync(fileno(s.file)) != 0;
        if (s.failed) status = failed(err, name, strerror(errno));
    }
    if (fclose(s.file) != 0 && status == BNT_OK) status = failed(err, name, strerror(errno));
    free(row.k);
    return status;
}

int bnt_sequence_save(const struct bnt_sequence *q, const char *path, struct bnt_err *err) {
    struct header h;
    int status = may_write(path, err);
    if (status == BNT_OK) status = header_of(q->context, q->position, &h, err);
    if (status != BNT_OK) return status;
    size_t size = strlen(path) + 32;
    char *beside = malloc(size);
    if (!beside) return bnt_fail_nomem(err, "a file name", size);
    snprintf(beside, size, "%s.%ld.part", path, (long)getpid());
    status = write_file(q, beside, &h, err);
    if (status == BNT_OK && rename(beside, path) != 0) status = failed(err, path, strerror(errno));
    if (status != BNT_OK) unlink(beside);
    free(beside);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int check_header(const struct bnt_context *c, const struct header *h, uint64_t bytes,
                        const char *path, struct bnt_err *err) {
    struct header own;
    uint64_t rows, size, ids;
    int status = header_of(c, h->tokens, &own, err);
    if (status != BNT_OK) return status;
    if (h->numerics != own.numerics)
        return bnt_fail(err, BNT_E_MISMATCH, "'%s' has numerics version %" PRIu32 ", this is %d",
                        path, h->numerics, BNT_NUMERICS_VERSION);
    if (h->n_layer != own.n_layer || h->n_head_kv != own.n_head_kv || h->head_dim != own.head_dim ||
        h->n_vocab != own.n_vocab || memcmp(h->model, own.model, HASH) != 0)
        return bnt_fail(err, BNT_E_MISMATCH, "'%s' is of another model", path);
    if (h->tokens > c->options.n_ctx)
        return bnt_fail(err, BNT_E_LIMIT,
                        "'%s' has %" PRIu64 " tokens, a sequence of this context %" PRIu64, path,
                        h->tokens, c->options.n_ctx);
    if (!bnt_mul_u64(h->tokens, (uint64_t)h->n_layer * h->n_head_kv * h->head_dim, &rows) ||
        !bnt_mul_u64(rows, 4, &size) || !bnt_mul_u64(h->tokens, 4, &ids) ||
        !bnt_add_u64(size, ids, &size) || !bnt_add_u64(size, HEADER + HASH, &size) || size != bytes)
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is cut or damaged: %" PRIu64 " bytes", path,
                        bytes);
    return BNT_OK;
}

/* Ids, then all rows; those of the last position go to `last` too, [n_layer][2 * width]. */
static void read_all(struct stream *s, struct bnt_sequence *q, uint64_t tokens, struct row *row,
                     float *last) {
    for (uint64_t i = 0; i < tokens; i++) {
        uint8_t id[4];
        get(s, id, sizeof id);
        q->tokens[i] = (int32_t)load(id, 4);
    }
    for (uint32_t layer = 0; layer < q->kv.n_layer; layer++)
        for (uint64_t pos = 0; pos < tokens && !s->failed; pos++) {
            get_row(s, row);
            bnt_kv_write(&q->kv, layer, pos, row->k, row->v);
            if (pos + 1 == tokens)
                memcpy(last + (size_t)layer * 2 * row->width, row->k,
                       2 * row->width * sizeof *last);
        }
}

static int check_hash(struct stream *s, const char *path, struct bnt_err *err) {
    uint8_t hash[HASH], stated[HASH] = {0};
    char hex[65];
    int status = bnt_sha256_end(&s->hash, hex, err);
    if (status != BNT_OK) return status;
    from_hex(hex, hash);
    s->failed |= fread(stated, 1, HASH, s->file) != HASH;
    if (!s->failed && memcmp(hash, stated, HASH) == 0) return BNT_OK;
    return bnt_fail(err, BNT_E_FORMAT, "'%s' is damaged", path);
}

/* Computes the last token again, over what the file has of those before it. */
static int check_last(struct bnt_sequence *q, struct row *row, const float *last, const char *path,
                      struct bnt_err *err) {
    struct bnt_exec *e = q->context->exec;
    uint64_t pos = q->position - 1;
    int status = bnt_exec_run_one(e, &q->kv, pos, &q->tokens[pos], 1, 0, err);
    if (status == BNT_OK) status = bnt_exec_verdict(e, err);
    for (uint32_t layer = 0; layer < q->kv.n_layer && status == BNT_OK; layer++) {
        bnt_kv_read(&q->kv, layer, pos, row->k, row->v);
        if (memcmp(row->k, last + (size_t)layer * 2 * row->width, 2 * row->width * sizeof *last))
            status =
                bnt_fail(err, BNT_E_MISMATCH,
                         "'%s' is not what this model computes: its last token gives other keys "
                         "and values in layer %" PRIu32,
                         path, layer);
    }
    return status;
}

static int read_sequence(struct bnt_sequence *q, struct stream *s, uint64_t tokens,
                         const char *path, struct bnt_err *err) {
    struct row row = {0};
    float *last = NULL;
    bnt_kv_changes(&q->kv);
    int status = row_open(&row, &q->kv, err);
    if (status == BNT_OK) status = bnt_sequence_reserve(q, tokens, err);
    if (status == BNT_OK) {
        size_t size = (size_t)q->kv.n_layer * 2 * row.width * sizeof *last;
        last = malloc(size);
        if (!last) status = bnt_fail_nomem(err, "a row of the cache", size);
    }
    if (status == BNT_OK) {
        read_all(s, q, tokens, &row, last);
        status = check_hash(s, path, err);
    }
    if (status == BNT_OK && tokens) status = bnt_sequence_check(q, q->tokens, tokens, err);
    q->position = tokens;
    if (status == BNT_OK && tokens) status = check_last(q, &row, last, path, err);
    free(row.k);
    free(last);
    return status;
}

int bnt_sequence_load(struct bnt_sequence **out, struct bnt_context *c, const char *path,
                      struct bnt_err *err) {
    struct stream s = {.file = open_to_read(path)};
    struct bnt_sequence *q = NULL;
    struct header h = {0};
    struct stat st;
    int status;
    *out = NULL;
    if (!s.file) return failed(err, path, strerror(errno));
    bnt_sha256_begin(&s.hash);
    if (fstat(fileno(s.file), &st) != 0 || !S_ISREG(st.st_mode))
        status = failed(err, path, "no regular file");
    else if (!get_header(&s, &h))
        status = bnt_fail(err, BNT_E_FORMAT, "'%s' is no saved sequence", path);
    else
        status = check_header(c, &h, (uint64_t)st.st_size, path, err);
    if (status == BNT_OK) status = bnt_sequence_open(&q, c, err);
    if (status == BNT_OK) status = read_sequence(q, &s, h.tokens, path, err);
    char unused[65]; /* where reading ended early, the hash is still in progress */
    (void)bnt_sha256_end(&s.hash, unused, NULL);
    fclose(s.file);
    if (status != BNT_OK) {
        bnt_sequence_close(q);
        return status;
    }
    *out = q;
    return BNT_OK;
}
