/*
 * convert.c - see convert.h.
 *
 * The one idea: the checkpoint's tensors are ticked off. Each gets a name, a form and a place in
 * the file, or it is part of another (a scale), or it is known to be no weight; any other is
 * refused.
 */
#include "convert/convert.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "bitnet/dense.h"
#include "convert/json_file.h"
#include "convert/prove.h"
#include "convert/vocab_in.h"
#include "convert/weights_in.h"

struct planned {
    struct bnt_tensor_out out;
    struct bnt_weights_in in;
    uint32_t order;
};

struct conversion {
    const struct bnt_convert_options *o;
    struct bnt_convert_report *report;
    struct bnt_safetensors *st;
    struct bnt_hf_config config;
    struct bnt_vocab_in vocab;
    struct planned *planned;
    struct bnt_st_tensor extra[3]; /* computed from the config: rotary factors */
    size_t count;
};

/* ---- one tensor ----------------------------------------------------------------------------- */

static int unclear_scale(const struct conversion *c, const struct bnt_st_tensor *t, float scale,
                         struct bnt_err *err) {
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tensor '%s': what its weight_scale %.6g means is unclear (%s): weights would "
                    "be +-%.6g if it multiplies, +-%.6g if it divides; --scale=multiply or "
                    "--scale=divide states it",
                    t->name, (double)scale, c->config.why, (double)scale, (double)(1.0f / scale));
}

static int packed_scale(struct conversion *c, struct bnt_weights_in *in, struct bnt_err *err) {
    const struct bnt_st_tensor *t = in->tensor;
    const enum bnt_scale_meaning meaning =
        c->o->scale != BNT_SCALE_UNCLEAR ? c->o->scale : c->config.scale;
    char name[256];
    float scale;
    snprintf(name, sizeof name, "%.*s_scale", (int)strnlen(t->name, 240), t->name);
    struct bnt_st_tensor *s = bnt_safetensors_find(c->st, name);
    if (!s)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is packed, and '%s' is missing", t->name,
                        name);
    s->used = true;
    if (s->elements != 1 || !bnt_st_is_float(s))
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s' has %" PRIu64 " elements of %s, not one float", name,
                        s->elements, s->type_name);
    bnt_st_floats(s, 0, 1, &scale);
    if (!(scale > 0.0f) || !isfinite(scale) || !isfinite(1.0f / scale))
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s' is %g", name, (double)scale);
    if (meaning == BNT_SCALE_UNCLEAR) return unclear_scale(c, t, scale, err);
    in->scale = meaning == BNT_SCALE_MULTIPLY ? scale : 1.0f / scale;
    return BNT_OK;
}

static void note_scale(struct bnt_convert_report *r, float scale) {
    if (r->least_scale == 0.0f || scale < r->least_scale) r->least_scale = scale;
    if (scale > r->most_scale) r->most_scale = scale;
}

static int plan_matrix(struct conversion *c, struct planned *p, const char *name,
                       struct bnt_err *err) {
    const struct bnt_st_tensor *t = p->in.tensor;
    const int floats = c->o->weights >= 0 ? c->o->weights : (int)c->config.floats;
    int status = BNT_OK;
    if (t->type == BNT_ST_U8) {
        p->in.form = BNT_FORM_PACKED;
        status = packed_scale(c, &p->in, err);
        note_scale(c->report, p->in.scale);
        c->report->packed++;
    } else if (floats == BNT_FLOATS_MASTER) {
        p->in.form = BNT_FORM_MASTER;
        c->report->master++;
    } else {
        p->in.form = BNT_FORM_TERNARY;
        c->report->ternary++;
    }
    if (status != BNT_OK) return status;
    return bnt_weights_ternary(&p->out, &p->in, name, &c->o->type, err);
}

static int plan_tensor(struct conversion *c, struct bnt_st_tensor *t, const struct bnt_name *row,
                       int32_t layer, struct bnt_err *err) {
    struct planned *p = &c->planned[c->count];
    const struct bnt_hf_config *config = &c->config;
    char name[96];
    if (layer < 0)
        snprintf(name, sizeof name, "%s", row->gguf);
    else
        snprintf(name, sizeof name, "blk.%" PRId32 ".%s", layer, row->gguf);
    if (layer >= (int32_t)config->layers)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': config.json has %u layers", t->name,
                        config->layers);
    *p = (struct planned){.in = {.tensor = t}, .order = bnt_name_order(row, layer)};
    if (config->arch->permuted)
        p->in.heads = row->heads == BNT_HEADS_Q    ? config->heads
                      : row->heads == BNT_HEADS_KV ? config->kv_heads
                                                   : 0;
    t->used = true;
    c->count++;
    if (row->kind == BNT_NAME_MATRIX) return plan_matrix(c, p, name, err);
    c->report->dense++;
    return bnt_weights_dense(&p->out, &p->in, name,
                             row->kind == BNT_NAME_VECTOR ? BNT_TYPE_F32 : c->o->embeddings, err);
}

/* ---- all tensors ---------------------------------------------------------------------------- */

static bool is_head(const struct bnt_name *row) {
    return strcmp(row->gguf, "output.weight") == 0;
}

/* Piece by piece, since both may be large. */
static bool same_bytes(const struct bnt_st_tensor *a, const struct bnt_st_tensor *b) {
    const uint64_t step = 1 << 20, n = a->elements;
    if (a->type != b->type || a->bytes != b->bytes || n == 0) return false;
    for (uint64_t at = 0; at < n; at += step) {
        const uint64_t count = n - at < step ? n - at : step, size = a->bytes / n;
        if (memcmp(a->data + at * size, b->data + at * size, (size_t)(count * size)) != 0)
            return false;
        bnt_st_release(a, at, count);
        bnt_st_release(b, at, count);
    }
    return true;
}

/* A tied model's head is the embedding; some checkpoints hold it twice. */
static int check_tied(struct conversion *c, struct bnt_st_tensor *head, struct bnt_err *err) {
    const struct bnt_st_tensor *e = bnt_safetensors_find(c->st, "model.embed_tokens.weight");
    head->used = true;
    if (e && same_bytes(e, head)) return BNT_OK;
    return bnt_fail(err, BNT_E_FORMAT,
                    "config.json says that the head is the embedding (tie_word_embeddings), and "
                    "'%s' is another matrix",
                    head->name);
}

static int plan_all(struct conversion *c, struct bnt_err *err) {
    bool head = false;
    for (size_t i = 0; i < bnt_safetensors_count(c->st); i++) {
        struct bnt_st_tensor *t = bnt_safetensors_at(c->st, i);
        int32_t layer;
        const struct bnt_name *row = bnt_name_find(c->config.arch->bit, t->name, &layer);
        if (bnt_name_is_no_weight(t->name)) t->used = true;
        if (!row) continue;
        int status = BNT_OK;
        if (is_head(row) && c->config.tied == 1)
            status = check_tied(c, t, err);
        else
            status = plan_tensor(c, t, row, layer, err);
        if (status != BNT_OK) return status;
        head = head || is_head(row);
    }
    if (!head && c->config.tied == 0)
        return bnt_fail(err, BNT_E_FORMAT,
                        "config.json says that the head is a matrix of its own "
                        "(tie_word_embeddings is false), and there is none");
    for (size_t i = 0; i < bnt_safetensors_count(c->st); i++) {
        const struct bnt_st_tensor *t = bnt_safetensors_at(c->st, i);
        char shown[120];
        if (!t->used)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "tensor '%s' has no place in the %s graph; a file without it would "
                            "give wrong text",
                            bnt_printable(shown, sizeof shown, t->name, strlen(t->name)),
                            c->config.arch->gguf);
    }
    return BNT_OK;
}

/* A vector that the config stands for. */
static int plan_extra(struct conversion *c, unsigned i, const char *name, const float *values,
                      struct bnt_err *err) {
    const uint64_t n = c->config.head_dim / 2;
    if (!values) return BNT_OK;
    struct planned *p = &c->planned[c->count++];
    c->extra[i] = (struct bnt_st_tensor){.name = name,
                                         .type = BNT_ST_F32,
                                         .type_name = "F32",
                                         .n_dims = 1,
                                         .dims = {n, 1, 1, 1, 1, 1, 1, 1},
                                         .elements = n,
                                         .bytes = n * sizeof *values,
                                         .data = (const uint8_t *)values};
    *p = (struct planned){.in = {.tensor = &c->extra[i]}, .order = UINT32_MAX};
    return bnt_weights_dense(&p->out, &p->in, name, BNT_TYPE_F32, err);
}

static int by_order(const void *a, const void *b) {
    const struct planned *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return strcmp(x->out.name, y->out.name);
}

static int check_names(const struct conversion *c, struct bnt_err *err) {
    for (size_t i = 1; i < c->count; i++)
        if (strcmp(c->planned[i].out.name, c->planned[i - 1].out.name) == 0)
            return bnt_fail(err, BNT_E_FORMAT, "'%s' and '%s' are both %s",
                            c->planned[i - 1].in.tensor->name, c->planned[i].in.tensor->name,
                            c->planned[i].out.name);
    return BNT_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put_general(const struct conversion *c, struct bnt_gguf_out *keys, const char *folder) {
    const char *name = bnt_json_text(c->config.json, "_name_or_path");
    const uint32_t file_type = bnt_trits_file_type(&c->o->type);
    if (!name || !name[0]) name = folder;
    size_t len = strlen(name);
    while (len > 1 && name[len - 1] == '/') len--;
    size_t from = len;
    while (from > 0 && name[from - 1] != '/') from--;
    bnt_gguf_out_str(keys, "general.architecture", c->config.arch->gguf,
                     strlen(c->config.arch->gguf));
    bnt_gguf_out_str(keys, "general.type", "model", 5);
    bnt_gguf_out_str(keys, "general.name", name + from, len - from);
    if (file_type) bnt_gguf_out_u32(keys, "general.file_type", file_type);
}

static int write_all(struct conversion *c, struct bnt_gguf_out *keys, struct bnt_pool *pool,
                     struct bnt_output *output, struct bnt_err *err) {
    struct bnt_weights_in *ins = calloc(c->count + 1, sizeof *ins);
    struct bnt_tensor_out *outs = calloc(c->count + 1, sizeof *outs);
    int status = BNT_OK;
    if (!ins || !outs) status = bnt_fail_nomem(err, "the list of tensors", c->count * sizeof *outs);
    for (size_t i = 0; i < c->count && status == BNT_OK; i++) ins[i] = c->planned[i].in;
    if (status == BNT_OK) status = bnt_weights_means(ins, c->count, pool, err);
    for (size_t i = 0; i < c->count && status == BNT_OK; i++) {
        outs[i] = c->planned[i].out;
        outs[i].source = &ins[i];
        if (ins[i].form != BNT_FORM_MASTER) continue;
        outs[i].scale = ins[i].scale;
        note_scale(c->report, ins[i].scale);
    }
    struct bnt_write w = {.keys = keys,
                          .tensors = outs,
                          .count = c->count,
                          .pool = pool,
                          .round_scales = c->o->round_scales,
                          .progress = c->o->progress,
                          .cancelled = c->o->cancelled,
                          .arg = c->o->arg};
    if (status == BNT_OK) status = bnt_write(&w, output, err);
    c->report->bytes = w.bytes;
    c->report->worst_rounding = w.worst_rounding;
    free(outs);
    free(ins);
    return status;
}

static int convert(struct conversion *c, const char *folder, struct bnt_output *output,
                   struct bnt_err *err) {
    struct bnt_gguf_out *keys = bnt_gguf_out_new(32);
    struct bnt_pool *pool = NULL;
    const struct bnt_hf_config *config = &c->config;
    int status = BNT_OK;
    c->planned = calloc(bnt_safetensors_count(c->st) + 4, sizeof *c->planned);
    if (!keys || !c->planned) status = bnt_fail_nomem(err, "the list of tensors", 0);
    if (status == BNT_OK) {
        put_general(c, keys, folder);
        status = bnt_hf_config_keys(&c->config, keys, err);
    }
    if (status == BNT_OK)
        status = bnt_vocab_in_read(&c->vocab, folder, config->vocab, config->json, err);
    if (status == BNT_OK) {
        bnt_vocab_in_keys(&c->vocab, keys);
        c->report->note = c->vocab.note;
        c->report->template_note = c->vocab.template_note;
        bnt_vocab_in_free(&c->vocab);
        c->vocab = (struct bnt_vocab_in){0};
        status = plan_all(c, err);
    }
    if (status == BNT_OK) status = plan_extra(c, 0, "rope_freqs.weight", config->rope_freqs, err);
    if (status == BNT_OK)
        status = plan_extra(c, 1, "rope_factors_short.weight", config->rope_short, err);
    if (status == BNT_OK)
        status = plan_extra(c, 2, "rope_factors_long.weight", config->rope_long, err);
    if (status == BNT_OK) {
        bnt_sort(c->planned, c->count, sizeof *c->planned, by_order);
        status = check_names(c, err);
    }
    if (status == BNT_OK) status = bnt_pool_open(&pool, c->o->threads, NULL, err);
    if (status == BNT_OK) status = write_all(c, keys, pool, output, err);
    bnt_pool_close(pool);
    bnt_gguf_out_free(keys);
    return status;
}

int bnt_convert(const char *folder, struct bnt_output *output,
                const struct bnt_convert_options *options, struct bnt_convert_report *report,
                struct bnt_err *err) {
    enum { CONFIG_MOST = 16 << 20 };
    struct conversion c = {.o = options, .report = report};
    json_t *json = NULL;
    *report = (struct bnt_convert_report){0};
    int status = bnt_folder_json(&json, folder, "config.json", CONFIG_MOST, false, err);
    if (status == BNT_OK) status = bnt_hf_config_read(&c.config, json, err);
    if (status == BNT_OK) status = bnt_safetensors_open(&c.st, folder, err);
    if (status == BNT_OK) {
        report->architecture = c.config.arch->gguf;
        status = convert(&c, folder, output, err);
    }
    if (status == BNT_OK) status = bnt_prove_file(bnt_output_part(output), NULL, err);
    if (status == BNT_OK) status = bnt_output_commit(output, err);
    free(c.planned);
    bnt_vocab_in_free(&c.vocab);
    bnt_hf_config_free(&c.config);
    bnt_safetensors_close(c.st);
    json_decref(json);
    return status;
}
