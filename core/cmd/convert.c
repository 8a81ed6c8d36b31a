/*
 * convert.c - `bitnet quantize` and `bitnet convert`: model files from model files and from
 * checkpoints.
 */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bitnet/dense.h"
#include "cmd/cmd.h"
#include "cmd/terminal.h"
#include "convert/convert.h"
#include "convert/dense_out.h"
#include "convert/quantize.h"
#include "machine/topology.h"
#include "model/i2s_layout.h"

/* ---- threads, a bar, Ctrl-C ----------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_sigint(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

static bool is_interrupted(void *arg) {
    (void)arg;
    return interrupted;
}

/* The first Ctrl-C ends it in order, a second one kills. */
static void watch_sigint(struct sigaction *before) {
    struct sigaction action = {.sa_handler = on_sigint, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, before);
}

static int default_threads(unsigned *threads, const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_topology *topology;
    *threads = args->threads.count ? args->threads.values[0] : 0;
    if (*threads) return BNT_OK;
    int status = bnt_topology_open(&topology, err);
    if (status != BNT_OK) return status;
    *threads = bnt_topology_default_threads(topology);
    bnt_topology_close(topology);
    return BNT_OK;
}

/* ---- quantize ------------------------------------------------------------------------------- */

static void say_what_was_read(const struct bnt_i2s_finding *i2s) {
    if (i2s->known == BNT_I2S_ASSUMED)
        fprintf(stderr,
                "bitnet: the weights do not tell their I2_S layout: %s is assumed (--i2s-layout "
                "states it)\n",
                bnt_i2s_name(i2s->layout));
    if (i2s->contradicted)
        fprintf(stderr,
                "bitnet: the weights are read in I2_S layout %s, as stated, but fit %s (by %.0f "
                "standard deviations)\n",
                bnt_i2s_name(i2s->layout), bnt_i2s_name(i2s->seen), i2s->margin);
}

static json_t *ignored_keys(const struct bnt_gguf *g) {
    json_t *list = json_array();
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (kv->ignored) json_array_append_new(list, cmd_json_text(kv->key.ptr, kv->key.len));
    }
    return list;
}

/* They are in the new file as in the old one, which was read without them. */
static void say_kept_keys(const struct bnt_gguf *g) {
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        char key[128];
        if (kv->ignored)
            fprintf(stderr,
                    "bitnet: the new file keeps the key '%s', and what needed --ignore-key for it "
                    "still does\n",
                    bnt_printable(key, sizeof key, kv->key.ptr, kv->key.len));
    }
}

static int report(const struct cmd_args *args, const struct bnt_gguf *g,
                  const struct bnt_quantize_options *o, const struct bnt_quantize_report *r,
                  struct bnt_err *err) {
    const char *type = bnt_trits_type_name(&o->type);
    if (args->json)
        return cmd_write_json(json_pack("{s:o, s:s, s:I, s:I, s:I, s:f, s:o}", "path",
                                        cmd_json_text(args->second, strlen(args->second)), "type",
                                        type, "bytes", (json_int_t)r->bytes, "converted",
                                        (json_int_t)r->converted, "copied", (json_int_t)r->copied,
                                        "worst_rounding", r->worst_rounding, "ignored_keys",
                                        ignored_keys(g)),
                              err);
    printf("%s: %zu tensors as %s, %zu copied, %.1f MB", args->second, r->converted, type,
           r->copied, (double)r->bytes / 1e6);
    if (r->worst_rounding > 0.0)
        printf("; scales were rounded, by at most %.2g of their value", r->worst_rounding);
    printf("\n");
    return cmd_flush(err);
}

int cmd_quantize(const struct cmd_args *args, struct bnt_err *err) {
    struct bar bar;
    struct bnt_quantize_options o = {.i2s_layout = args->i2s_layout,
                                     .round_scales = args->round_scales,
                                     .progress = bar_show,
                                     .cancelled = is_interrupted,
                                     .arg = &bar};
    struct bnt_quantize_report r;
    struct bnt_gguf *g = NULL;
    struct bnt_output *output = NULL;
    if (!args->operand || !args->second)
        return bnt_fail(err, BNT_E_USAGE,
                        "which model, and what is the new one called? bitnet quantize IN.gguf "
                        "OUT.gguf --type=T");
    if (!args->type) return bnt_fail(err, BNT_E_USAGE, "--type says which type: " BNT_TRITS_TYPES);
    int status = bnt_trits_type_named(&o.type, args->type, err);
    if (status == BNT_OK) status = default_threads(&o.threads, args, err);
    if (status == BNT_OK) status = cmd_open_gguf(&g, args->operand, args, err);
    if (status == BNT_OK) status = cmd_output_open(&output, args, args->second, err);
    if (status == BNT_OK) {
        struct sigaction before;
        watch_sigint(&before);
        bar_begin(&bar, "writing");
        status = bnt_quantize(g, output, &o, &r, err);
        bar_end(&bar);
        sigaction(SIGINT, &before, NULL);
    }
    if (status == BNT_OK) say_what_was_read(&r.i2s);
    if (status == BNT_OK) say_kept_keys(g);
    if (status == BNT_OK) status = report(args, g, &o, &r, err);
    bnt_output_close(output);
    bnt_gguf_close(g);
    return status;
}

/* ---- convert -------------------------------------------------------------------------------- */

static int one_of(int *out, const char *option, const char *word, const char *const *words,
                  struct bnt_err *err) {
    char shown[40];
    for (int i = 0; word && words[i]; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *out = i;
        return BNT_OK;
    }
    if (!word) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "--%s: '%s' is neither '%s' nor '%s'", option,
                    bnt_printable(shown, sizeof shown, word, strlen(word)), words[0], words[1]);
}

static int read_options(struct bnt_convert_options *o, const struct cmd_args *args,
                        struct bnt_err *err) {
    static const char *const scales[] = {"multiply", "divide", NULL};
    static const char *const floats[] = {"ternary", "master", NULL};
    int scale = -1;
    int status = bnt_trits_type_named(&o->type, args->type ? args->type : "I2_S", err);
    if (status == BNT_OK)
        status =
            bnt_dense_type_named(&o->embeddings, args->embeddings ? args->embeddings : "f16", err);
    if (status == BNT_OK) status = one_of(&scale, "scale", args->scale, scales, err);
    if (status == BNT_OK) status = one_of(&o->weights, "weights", args->weights, floats, err);
    if (scale >= 0) o->scale = scale == 0 ? BNT_SCALE_MULTIPLY : BNT_SCALE_DIVIDE;
    if (status == BNT_OK) status = default_threads(&o->threads, args, err);
    return status;
}

/* From Lewis Carroll's "Alice's Adventures in Wonderland" (1865). */
static const char check_text[] =
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having "
    "nothing to do: once or twice she had peeped into the book her sister was reading, but it had "
    "no pictures or conversations in it, and what is the use of a book, thought Alice, without "
    "pictures or conversations? So she was considering in her own mind, as well as she could, for "
    "the hot day made her feel very sleepy and stupid, whether the pleasure of making a "
    "daisy-chain "
    "would be worth the trouble of getting up and picking the daisies.";

struct check {
    double nats; /* a token */
    size_t tokens;
    uint32_t n_vocab;
};

static int check(struct check *c, const struct cmd_args *args, struct bnt_err *err) {
    struct cmd_args with = *args;
    struct bnt_engine *engine = NULL;
    struct bnt_session *session = NULL;
    struct bnt_token_list list = {0};
    with.model = args->output;
    with.ctx = 0;
    int status = cmd_open_engine(&engine, &with, err);
    if (status == BNT_OK)
        status = bnt_tokenizer_encode(bnt_engine_tokenizer(engine), check_text,
                                      sizeof check_text - 1, BNT_TEXT_BOS, &list, err);
    if (status == BNT_OK && list.count < 2)
        status = bnt_fail(err, BNT_E_UNSUPPORTED, "the text of --check has no tokens");
    if (status == BNT_OK) status = cmd_open_session(&session, engine, &with, 0, err);
    if (status == BNT_OK) {
        size_t most = (size_t)bnt_session_context(session);
        size_t n = list.count < most ? list.count : most;
        c->n_vocab = bnt_engine_info(engine)->n_vocab;
        c->tokens = n - 1;
        c->nats = 0.0;
        status = cmd_score_window(session, c->n_vocab, list.ids, n, &c->nats, NULL, err);
        c->nats /= (double)c->tokens;
    }
    bnt_session_close(session);
    bnt_token_list_free(&list);
    bnt_engine_close(engine);
    return status;
}

static int report_conversion(const struct cmd_args *args, const struct bnt_convert_options *o,
                             const struct bnt_convert_report *r, const struct check *c,
                             struct bnt_err *err) {
    const char *type = bnt_trits_type_name(&o->type);
    if (args->json)
        return cmd_write_json(
            json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o}", "path",
                      cmd_json_text(args->output, strlen(args->output)), "architecture",
                      r->architecture, "type", type, "embeddings", bnt_dense_name(o->embeddings),
                      "bytes", (json_int_t)r->bytes, "packed", (json_int_t)r->packed, "ternary",
                      (json_int_t)r->ternary, "master", (json_int_t)r->master, "dense",
                      (json_int_t)r->dense, "least_scale", (double)r->least_scale, "most_scale",
                      (double)r->most_scale, "worst_rounding", r->worst_rounding, "nats",
                      c->tokens ? json_real(c->nats) : json_null()),
            err);
    printf("%s: %s, %zu matrices as %s (%zu were packed, %zu ternary floats, %zu master weights), "
           "%zu dense tensors, %.1f MB",
           args->output, r->architecture, r->packed + r->ternary + r->master, type, r->packed,
           r->ternary, r->master, r->dense, (double)r->bytes / 1e6);
    if (r->most_scale > 0.0f)
        printf("; scales from %.4g to %.4g", (double)r->least_scale, (double)r->most_scale);
    if (r->worst_rounding > 0.0)
        printf("; scales were rounded, by at most %.2g of their value", r->worst_rounding);
    printf("\n");
    if (c->tokens)
        printf("check: %.3f nats a token over %zu tokens; guessing gives %.3f\n", c->nats,
               c->tokens, log((double)c->n_vocab));
    return cmd_flush(err);
}

int cmd_convert(const struct cmd_args *args, struct bnt_err *err) {
    struct bar bar;
    struct bnt_convert_options o = {.round_scales = args->round_scales,
                                    .weights = -1,
                                    .progress = bar_show,
                                    .cancelled = is_interrupted,
                                    .arg = &bar};
    struct bnt_convert_report r = {0};
    struct bnt_output *output = NULL;
    struct check c = {0};
    if (!args->operand || !args->output)
        return bnt_fail(err, BNT_E_USAGE,
                        "which checkpoint, and what is the model called? bitnet convert DIR -o "
                        "FILE.gguf");
    int status = read_options(&o, args, err);
    if (status == BNT_OK) status = cmd_output_open(&output, args, args->output, err);
    if (status == BNT_OK) {
        struct sigaction before;
        watch_sigint(&before);
        bar_begin(&bar, "writing");
        status = bnt_convert(args->operand, output, &o, &r, err);
        bar_end(&bar);
        sigaction(SIGINT, &before, NULL);
    }
    bnt_output_close(output);
    if (status == BNT_OK && r.note) fprintf(stderr, "bitnet: %s\n", r.note);
    if (status == BNT_OK && r.template_note) fprintf(stderr, "bitnet: %s\n", r.template_note);
    if (status == BNT_OK && args->check) status = check(&c, args, err);
    if (status == BNT_OK) status = report_conversion(args, &o, &r, &c, err);
    if (status == BNT_OK && c.tokens && c.nats >= log((double)c.n_vocab))
        status = bnt_fail(err, BNT_E_MISMATCH,
                          "the new model foresees a plain text no better than guessing does");
    return status;
}
