/*
 * inspect.c - `bitnet inspect`: what is in a model file. Loads no weights, and of I2_S looks at a
 * sample; a file whose graph we cannot run is shown all the same, with the reason.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/terminal.h"
#include "model/i2s_layout.h"
#include "model/remarks.h"

static const char *value_type_name(enum bnt_gguf_type type) {
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "?";
}

static void show_scalar(const struct bnt_gguf_kv *kv, uint64_t i, char *out, size_t size) {
    switch (kv->elem_type) {
    case BNT_GGUF_F32:
    case BNT_GGUF_F64: snprintf(out, size, "%.9g", bnt_gguf_float_at(kv, i)); break;
    case BNT_GGUF_BOOL: snprintf(out, size, "%s", bnt_gguf_int_at(kv, i) ? "true" : "false"); break;
    default: snprintf(out, size, "%" PRId64, bnt_gguf_int_at(kv, i)); break;
    }
}

static void show_value(const struct bnt_gguf_kv *kv, char *out, size_t size) {
    uint64_t cursor = 0;
    char shown[96];
    if (kv->type == BNT_GGUF_ARRAY) {
        snprintf(out, size, "[%" PRIu64 " x %s]", kv->count, value_type_name(kv->elem_type));
    } else if (kv->type == BNT_GGUF_STRING) {
        struct bnt_str s = bnt_gguf_next_string(kv, &cursor);
        snprintf(out, size, "'%s'", bnt_printable(shown, sizeof shown, s.ptr, s.len));
    } else {
        show_scalar(kv, 0, out, size);
    }
}

static const char *dims_text(const struct bnt_gguf_tensor *t, char *out, size_t size) {
    size_t n = 0;
    for (unsigned d = 0; d < t->n_dims && n < size; d++)
        n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64, d ? " x " : "", t->dims[d]);
    return out;
}

/* Bytes of the tensors of each type, one line a type. */
static void show_types(const struct bnt_gguf *g) {
    const struct bnt_type_info *type;
    for (uint32_t row = 0; (type = bnt_type_at(row)) != NULL; row++) {
        uint64_t count = 0, bytes = 0, elements = 0;
        for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
            const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, i);
            if (t->type != type->id) continue;
            count++;
            bytes += t->bytes;
            elements += t->elements;
        }
        if (count)
            printf("  %-8s %5" PRIu64 " tensors %14" PRIu64 " weights %12.1f MB\n", type->name,
                   count, elements, (double)bytes / 1e6);
    }
}

static void show_all(const struct bnt_gguf *g) {
    char key[128], value[192], where[32] = "";
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        show_value(kv, value, sizeof value);
        printf("key %-48s %-6s %s%s\n", bnt_printable(key, sizeof key, kv->key.ptr, kv->key.len),
               value_type_name(kv->type), value, kv->ignored ? " (ignored)" : "");
    }
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
        const struct bnt_gguf_tensor *tensor = bnt_gguf_tensor_at(g, i);
        if (bnt_gguf_parts(g) > 1)
            snprintf(where, sizeof where, " of part %" PRIu32, tensor->part + 1);
        printf("tensor %-40s %-6s %-20s %12" PRIu64 " bytes at %" PRIu64 "%s\n",
               bnt_printable(key, sizeof key, tensor->name.ptr, tensor->name.len),
               bnt_type(tensor->type)->name, dims_text(tensor, value, sizeof value), tensor->bytes,
               tensor->offset, where);
    }
}

static void show_text(const struct cmd_args *args, const struct bnt_gguf *g,
                      const struct bnt_model *m, const struct bnt_tokenizer *t,
                      const char *why_not) {
    printf("GGUF version %" PRIu32 ", %zu keys, %zu tensors, %.1f MB", bnt_gguf_version(g),
           bnt_gguf_kv_count(g), bnt_gguf_tensor_count(g), (double)bnt_gguf_size(g) / 1e6);
    if (bnt_gguf_parts(g) > 1) printf(", %zu parts", bnt_gguf_parts(g));
    printf("\n");
    show_types(g);
    if (m) {
        const struct bnt_hparams *hp = &m->hp;
        printf("model '%s': %s, %" PRIu32 " blocks, embedding %" PRIu32 ", feed-forward %" PRIu32
               ", %" PRIu32 " heads of %" PRIu32 ", %" PRIu32 " KV heads, context %" PRIu64
               ", vocabulary %" PRIu32 "%s\n",
               hp->name, hp->arch, hp->n_layer, hp->n_embd, hp->n_ff, hp->n_head, hp->head_dim,
               hp->n_head_kv, hp->n_ctx_train, hp->n_vocab,
               m->head == m->embedding ? ", tied head" : "");
        printf("  %" PRIu64 " parameters, %" PRIu64 " of them ternary\n", m->parameters,
               m->ternary_parameters);
        char remarks[BNT_REMARKS][256];
        const size_t n = bnt_model_remarks(m, remarks);
        for (size_t i = 0; i < n; i++) printf("  %s\n", remarks[i]);
    }
    if (m && m->i2s.known != BNT_I2S_NONE) {
        printf("  I2_S layout %s, %s", bnt_i2s_name(m->i2s.layout),
               bnt_i2s_known_name(m->i2s.known));
        if (m->i2s.known == BNT_I2S_ASSUMED)
            printf(": the weights do not tell\n");
        else
            printf("; the weights fit %s best, by %.1f standard deviations of chance\n",
                   bnt_i2s_name(m->i2s.seen), m->i2s.margin);
    }
    if (t) {
        const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
        printf("tokenizer %s, pre '%s' (%s), %" PRIu32 " tokens, %" PRIu32
               " merges, bos %d, eos %d, eot %d (%s)\n",
               info->kind, info->pre, info->pre_source, info->vocab_size, info->merges, info->bos,
               info->eos, info->eot, info->eot_source);
    }
    if (args->all) show_all(g);
    if (why_not)
        printf("%sthis program cannot run it:%s %s\n", color(stdout, COLOR_BAD),
               color(stdout, COLOR_NONE), why_not);
}
static json_t *scalar_json(const struct bnt_gguf_kv *kv) {
    uint64_t cursor = 0;
    struct bnt_str s;
    switch (kv->type) {
    case BNT_GGUF_STRING: s = bnt_gguf_next_string(kv, &cursor); return cmd_json_text(s.ptr, s.len);
    case BNT_GGUF_ARRAY:
        return json_pack("{s:s, s:I}", "array_of", value_type_name(kv->elem_type), "count",
                         (json_int_t)kv->count);
    case BNT_GGUF_BOOL: return json_boolean(bnt_gguf_int_at(kv, 0));
    case BNT_GGUF_F32:
    case BNT_GGUF_F64: {
        json_t *real = json_real(bnt_gguf_float_at(kv, 0));
        return real ? real : json_null(); /* infinities and NaN have no JSON */
    }
    default: return json_integer(bnt_gguf_int_at(kv, 0));
    }
}

static json_t *remarks_json(const struct bnt_model *m) {
    char lines[BNT_REMARKS][256];
    const size_t n = bnt_model_remarks(m, lines);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_string(lines[i]));
    return list;
}

static json_t *as_json(const struct bnt_gguf *g, const struct bnt_model *m,
                       const struct bnt_tokenizer *t, const char *why_not) {
    json_t *keys = json_object(), *tensors = json_array(), *o;
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        char key[128];
        json_object_set_new(keys, bnt_printable(key, sizeof key, kv->key.ptr, kv->key.len),
                            scalar_json(kv));
    }
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
        const struct bnt_gguf_tensor *tensor = bnt_gguf_tensor_at(g, i);
        json_t *dims = json_array();
        for (unsigned d = 0; d < tensor->n_dims; d++)
            json_array_append_new(dims, json_integer((json_int_t)tensor->dims[d]));
        json_array_append_new(tensors,
                              json_pack("{s:o, s:s, s:o, s:i, s:I, s:I}", "name",
                                        cmd_json_text(tensor->name.ptr, tensor->name.len), "type",
                                        bnt_type(tensor->type)->name, "dims", dims, "part",
                                        (int)tensor->part + 1, "offset", (json_int_t)tensor->offset,
                                        "bytes", (json_int_t)tensor->bytes));
    }
    o = json_pack("{s:i, s:i, s:I, s:o, s:o, s:b}", "gguf_version", (int)bnt_gguf_version(g),
                  "parts", (int)bnt_gguf_parts(g), "file_bytes", (json_int_t)bnt_gguf_size(g),
                  "metadata", keys, "tensors", tensors, "runnable", why_not == NULL);
    if (o && why_not) json_object_set_new(o, "reason", json_string(why_not));
    if (o && m)
        json_object_set_new(o, "parameters",
                            json_pack("{s:I, s:I}", "all", (json_int_t)m->parameters, "ternary",
                                      (json_int_t)m->ternary_parameters));
    if (o && m) json_object_set_new(o, "remarks", remarks_json(m));
    if (o && m && m->i2s.known != BNT_I2S_NONE)
        json_object_set_new(o, "i2s",
                            cmd_json_i2s(bnt_i2s_name(m->i2s.layout),
                                         bnt_i2s_known_name(m->i2s.known), m->i2s.margin));
    if (o && t) {
        const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
        json_object_set_new(o, "tokenizer",
                            json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s}", "kind",
                                      info->kind, "pre", info->pre, "pre_source", info->pre_source,
                                      "vocab_size", (int)info->vocab_size, "merges",
                                      (int)info->merges, "bos", info->bos, "eos", info->eos, "eot",
                                      info->eot, "eot_source", info->eot_source));
    }
    return o;
}

int cmd_inspect(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_model *m = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_err model_err = {0}, tokenizer_err = {0};
    enum bnt_i2s_layout stated;
    const char *why_not = NULL;
    bool is_auto;
    if (args->operand && args->model)
        return bnt_fail(err, BNT_E_USAGE, "the model is named twice: '%s' and -m '%s'",
                        args->operand, args->model);
    int status = bnt_i2s_parse(args->i2s_layout, &is_auto, &stated, err);
    if (status != BNT_OK) return status;
    status = cmd_open_gguf(&g, args->operand ? args->operand : cmd_model_path(args), args, err);
    if (status != BNT_OK) return status;
    if (bnt_tokenizer_open(&t, g, &tokenizer_err) != BNT_OK)
        why_not = tokenizer_err.text;
    else
        cmd_show_notes(t, NULL);
    if (bnt_model_open(&m, g, &model_err) != BNT_OK ||
        bnt_i2s_find(m, args->i2s_layout, &model_err) != BNT_OK)
        why_not = model_err.text;
    /* What this process lacks says nothing of the file. */
    if (tokenizer_err.status == BNT_E_NOMEM || model_err.status == BNT_E_NOMEM) {
        status = bnt_fail(err, BNT_E_NOMEM, "%s", why_not);
    } else if (args->json) {
        status = cmd_write_json(as_json(g, m, t, why_not), err);
    } else {
        show_text(args, g, m, t, why_not);
        status = cmd_flush(err);
    }
    bnt_tokenizer_close(t);
    bnt_model_close(m);
    bnt_gguf_close(g);
    return status;
}
