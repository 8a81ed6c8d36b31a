/*
 * embed.c - `bitnet embed`: texts in, vectors out: the pooled hidden states of each text, and how
 * alike they are.
 *
 * Texts are computed several at once, each as a sequence of its own, so a vector does not depend on
 * the others. Knows contexts; pooling is theirs.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "run/pooling.h"

enum { TOGETHER = 32 };

struct text {
    const char *text;
    size_t len;
    struct bnt_token_list list;
};

struct work {
    const struct cmd_args *args;
    struct bnt_engine *engine;
    struct bnt_context *context;
    enum bnt_pooling pooling;
    struct text *texts;
    size_t n;
    uint32_t n_embd;
    float *vectors; /* [n][n_embd] */
};

/* ---- what is asked --------------------------------------------------------------------------- */

static const char *const pooling_names[] = {
    [BNT_POOL_MEAN] = "mean", [BNT_POOL_FIRST] = "first", [BNT_POOL_LAST] = "last"};

/* What was asked for, else what the file says. */
static int choose_pooling(struct work *w, struct bnt_err *err) {
    const char *asked = w->args->pooling;
    for (unsigned p = BNT_POOL_MEAN; asked && p <= BNT_POOL_LAST; p++)
        if (strcmp(asked, pooling_names[p]) == 0) {
            w->pooling = (enum bnt_pooling)p;
            return BNT_OK;
        }
    if (asked)
        return bnt_fail(err, BNT_E_USAGE, "--pooling: mean, first or last, not '%.40s'", asked);
    struct bnt_err why = {0};
    int status = bnt_pooling_of(w->engine, &w->pooling, &why);
    return status == BNT_OK ? BNT_OK
                            : bnt_fail(err, status, "%s, and --pooling states another", why.text);
}

/* One text, or the lines of it that hold something. */
static int split(struct work *w, const char *text, size_t len, struct bnt_err *err) {
    size_t lines = 1;
    for (size_t i = 0; i < len; i++) lines += text[i] == '\n';
    w->texts = calloc(w->args->lines ? lines : 1, sizeof *w->texts);
    if (!w->texts) return bnt_fail_nomem(err, "the texts", lines * sizeof *w->texts);
    if (!w->args->lines) {
        w->texts[w->n++] = (struct text){.text = text, .len = len};
        return BNT_OK;
    }
    for (size_t at = 0, end; at < len; at = end + 1) {
        const char *stop = memchr(text + at, '\n', len - at);
        end = stop ? (size_t)(stop - text) : len;
        size_t n = end - at;
        if (n && text[end - 1] == '\r') n--;
        if (n) w->texts[w->n++] = (struct text){.text = text + at, .len = n};
    }
    return w->n ? BNT_OK : bnt_fail(err, BNT_E_USAGE, "there is no line with a text");
}

static int encode(struct work *w, struct bnt_err *err) {
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(w->engine);
    const size_t most = (size_t)bnt_context_positions(w->context);
    const unsigned flags = w->args->no_bos ? 0u : (unsigned)BNT_ENCODE_BOS;
    for (size_t i = 0; i < w->n; i++) {
        struct text *text = &w->texts[i];
        int status = bnt_encode_prompt(t, text->text, text->len, flags, &text->list, err);
        if (status != BNT_OK) return status;
        char more[64];
        if (text->list.count > most)
            return bnt_fail(err, BNT_E_LIMIT, "text %zu has %zu tokens, and the context %zu (%s)",
                            i + 1, text->list.count, most,
                            cmd_more_context(more, sizeof more, w->engine, most));
    }
    return BNT_OK;
}

/* ---- vectors --------------------------------------------------------------------------------- */

static double cosine(const float *a, const float *b, uint32_t n) {
    double ab = 0.0, aa = 0.0, bb = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0.0 && bb > 0.0 ? ab / sqrt(aa * bb) : 0.0;
}

static int compute_some(struct work *w, size_t from, size_t count, struct bnt_sequence **sequences,
                        struct bnt_err *err) {
    struct bnt_span spans[TOGETHER];
    int status = BNT_OK;
    for (size_t i = 0; i < count && status == BNT_OK; i++) {
        const struct bnt_token_list *list = &w->texts[from + i].list;
        status = bnt_sequence_open(&sequences[i], w->context, err);
        spans[i] = (struct bnt_span){
            .sequence = sequences[i], .ids = list->ids, .count = list->count, .pool = w->pooling};
    }
    if (status == BNT_OK) status = bnt_context_feed(w->context, spans, count, err);
    for (size_t i = 0; i < count && status == BNT_OK; i++) {
        float *v = w->vectors + (from + i) * w->n_embd;
        memcpy(v, bnt_context_pooled(w->context, i), w->n_embd * sizeof *v);
        if (w->args->normalize) bnt_normalize(v, w->n_embd);
    }
    return status;
}

static int compute(struct work *w, struct bnt_err *err) {
    int status = BNT_OK;
    w->vectors = calloc(w->n * w->n_embd, sizeof *w->vectors);
    if (!w->vectors) return bnt_fail_nomem(err, "the vectors", w->n * w->n_embd * sizeof(float));
    for (size_t from = 0; from < w->n && status == BNT_OK; from += TOGETHER) {
        struct bnt_sequence *sequences[TOGETHER] = {NULL};
        size_t count = w->n - from < TOGETHER ? w->n - from : TOGETHER;
        status = compute_some(w, from, count, sequences, err);
        for (size_t i = 0; i < count; i++) bnt_sequence_close(sequences[i]);
    }
    return status;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static json_t *json_cosines(const struct work *w) {
    json_t *rows = json_array();
    for (size_t i = 0; i < w->n; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < w->n; j++)
            json_array_append_new(row, json_real(cosine(w->vectors + i * w->n_embd,
                                                        w->vectors + j * w->n_embd, w->n_embd)));
        json_array_append_new(rows, row);
    }
    return rows;
}

static int print_json(const struct work *w, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(w->engine);
    const char *path = cmd_model_path(w->args);
    json_t *list = json_array();
    for (size_t i = 0; i < w->n; i++) {
        json_t *vector = json_array();
        for (uint32_t k = 0; k < w->n_embd; k++)
            json_array_append_new(vector, json_real((double)w->vectors[i * w->n_embd + k]));
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:o}", "index", (json_int_t)i, "tokens",
                                        (json_int_t)w->texts[i].list.count, "embedding", vector));
    }
    json_t *o =
        json_pack("{s:o, s:s, s:o, s:s, s:i, s:b, s:o}", "model", cmd_json_text(path, strlen(path)),
                  "backend", info->backend, "backend_warning", cmd_json_warning(w->engine),
                  "pooling", pooling_names[w->pooling], "dimensions", (int)w->n_embd, "normalized",
                  (int)w->args->normalize, "embeddings", list);
    if (w->args->cosine) json_object_set_new(o, "cosine", json_cosines(w));
    return cmd_write_json(o, err);
}

static int print_cosines(const struct work *w, struct bnt_err *err) {
    for (size_t i = 0; i < w->n; i++)
        for (size_t j = i + 1; j < w->n; j++)
            printf("%zu %zu %.6f\n", i + 1, j + 1,
                   cosine(w->vectors + i * w->n_embd, w->vectors + j * w->n_embd, w->n_embd));
    return cmd_flush(err);
}

static int print_numbers(const struct work *w, struct bnt_err *err) {
    for (size_t i = 0; i < w->n; i++)
        for (uint32_t k = 0; k < w->n_embd; k++)
            printf("%.9g%c", (double)w->vectors[i * w->n_embd + k], k + 1 < w->n_embd ? ' ' : '\n');
    return cmd_flush(err);
}

static int print(const struct work *w, struct bnt_err *err) {
    if (w->args->json) return print_json(w, err);
    if (w->args->cosine) return print_cosines(w, err);
    if (!w->args->raw) return print_numbers(w, err);
    int status = cmd_write((const char *)w->vectors, w->n * w->n_embd * sizeof *w->vectors, err);
    return status == BNT_OK ? cmd_flush(err) : status;
}

/* ---------------------------------------------------------------------------------------------- */

static int open_context(struct work *w, struct bnt_err *err) {
    const struct cmd_args *args = w->args;
    const struct bnt_context_options o = {.n_ctx = args->ctx,
                                          .n_batch = args->batch,
                                          .threads =
                                              args->threads.count ? args->threads.values[0] : 0,
                                          .no_bind = args->bind_none};
    int status = cmd_open_engine(&w->engine, args, err);
    if (status != BNT_OK) return status;
    w->n_embd = bnt_engine_info(w->engine)->n_embd;
    return bnt_context_open(&w->context, w->engine, &o, err);
}

int cmd_embed(const struct cmd_args *args, struct bnt_err *err) {
    struct work w = {.args = args};
    char *text = NULL;
    size_t len;
    if (args->json + args->raw > 1 || (args->raw && args->cosine))
        return bnt_fail(err, BNT_E_USAGE, "--raw has vectors only: neither --json nor --cosine");
    int status = cmd_read_prompt(args, &text, &len, err);
    if (status == BNT_OK && len == 0)
        status = bnt_fail(err, BNT_E_USAGE, "there is no text: -p, -f or a pipe gives it");
    if (status == BNT_OK) status = split(&w, text, len, err);
    if (status == BNT_OK) status = open_context(&w, err);
    if (status == BNT_OK) status = choose_pooling(&w, err);
    if (status == BNT_OK) status = encode(&w, err);
    if (status == BNT_OK) status = compute(&w, err);
    if (status == BNT_OK) status = print(&w, err);
    for (size_t i = 0; i < w.n; i++) bnt_token_list_free(&w.texts[i].list);
    free(w.texts);
    free(w.vectors);
    bnt_context_close(w.context);
    bnt_engine_close(w.engine);
    free(text);
    return status;
}
