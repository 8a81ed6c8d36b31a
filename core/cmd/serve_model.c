/*
 * serve_model.c - opens a model for requests: names, template, scheduler, for the server and for
 * batches.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bitnet/numerics.h"
#include "cmd/serve.h"
#include "receipt.h"
#include "sign.h"

static void name_model(struct serve_server *s, const char *path) {
    static const char suffix[] = ".gguf";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bnt_printable(s->model_id, sizeof s->model_id, name, strlen(name));
    size_t n = strlen(s->model_id), cut = strlen(suffix);
    if (n > cut && strcmp(s->model_id + n - cut, suffix) == 0) s->model_id[n - cut] = '\0';
}

/* Equal wherever the same request gives the same text: of the model, the tokenizer, the numerics
 * and the chat templates. */
static int make_fingerprint(struct serve_server *s, struct bnt_err *err) {
    char tokenizer[65] = "", text[400], hex[65];
    uint8_t digest[32];
    int status = cmd_hash_model(s->model_sha256, s->engine->gguf, err);
    if (status == BNT_OK) status = bnt_tokenizer_digest(s->engine->tokenizer, digest, err);
    if (status != BNT_OK) return status;
    for (unsigned i = 0; i < 32; i++) snprintf(tokenizer + 2 * i, 3, "%02x", digest[i]);
    int n = snprintf(text, sizeof text, "%s %s %d %s %s", s->model_sha256, tokenizer,
                     BNT_NUMERICS_VERSION, s->chat.tm.sha256, s->for_tools.tm.sha256);
    status = bnt_receipt_sha256(text, (size_t)n, hex, err);
    snprintf(s->fingerprint, sizeof s->fingerprint, "bn_%.20s", hex);
    return status;
}

/* One that cannot be used is an error of the requests that need it. */
static int open_template(struct serve_template *out, const struct serve_server *s,
                         const struct bnt_template_choice *choice) {
    out->fault.status =
        bnt_template_open(&out->tm, s->engine->gguf, s->engine->tokenizer, choice, &out->fault);
    if (out->tm.remark[0]) fprintf(stderr, "bitnet: %s\n", out->tm.remark);
    return out->fault.status;
}

static void open_own_for_tools(struct serve_server *s) {
    const struct bnt_template_choice choice = {.for_tools = true};
    s->has_for_tools = bnt_template_has_for_tools(s->engine->gguf);
    if (s->has_for_tools && open_template(&s->for_tools, s, &choice) != BNT_OK)
        fprintf(stderr, "bitnet: no tools: %s\n", s->for_tools.fault.text);
}

static int open_templates(struct serve_server *s, char **text, const struct cmd_args *args,
                          struct bnt_err *err) {
    struct bnt_template_choice choice;
    int status = cmd_template_choice(&choice, text, args->chat_template, err);
    if (status != BNT_OK) return status;
    status = open_template(&s->chat, s, &choice);
    if (args->chat_template)
        return status == BNT_OK ? BNT_OK : bnt_fail(err, status, "%s", s->chat.fault.text);
    if (status != BNT_OK) /* texts can be gone on from without one */
        fprintf(stderr, "bitnet: no conversations: %s\n", s->chat.fault.text);
    open_own_for_tools(s);
    return BNT_OK;
}

static int check_folder(const char *path, struct bnt_err *err) {
    struct stat st;
    if (stat(path, &st) != 0)
        return bnt_fail(err, BNT_E_IO, "--receipts: %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return bnt_fail(err, BNT_E_USAGE, "--receipts: %s: is no folder", path);
    if (access(path, W_OK | X_OK) != 0)
        return bnt_fail(err, BNT_E_IO, "--receipts: %s: %s", path, strerror(errno));
    return BNT_OK;
}

/* Before anything that takes time. */
static int open_receipts(struct serve_server *s, const struct cmd_args *args, struct bnt_err *err) {
    pthread_mutex_init(&s->receipts.lock, NULL);
    s->receipts.folder = args->receipts;
    int status = args->receipts ? check_folder(args->receipts, err) : BNT_OK;
    return status == BNT_OK ? cmd_open_signer(&s->signer, args, err) : status;
}

int cmd_serve_open_scheduler(struct serve_server *s, const struct cmd_args *args,
                             struct bnt_err *err) {
    const struct serve_scheduler_options o = {
        .running = {.context = {.n_ctx = args->ctx,
                                .n_batch = args->batch,
                                .threads = args->threads.count ? args->threads.values[0] : 0,
                                .no_bind = args->bind_none},
                    .parallel = args->parallel,
                    .cache_bytes = (uint64_t)args->prefix_cache << 20},
        .queue = args->queue};
    int status = serve_writer_open(&s->writer, err);
    return status == BNT_OK ? serve_scheduler_open(&s->scheduler, s->engine, &o, err) : status;
}

int cmd_serve_open_model(struct serve_server *s, char **template_text, const struct cmd_args *args,
                         struct bnt_err *err) {
    s->started = (int64_t)time(NULL);
    serve_shapes_open(&s->shapes);
    int status = open_receipts(s, args, err);
    if (status == BNT_OK && args->date) status = cmd_read_day(&s->date, args->date, err);
    if (status == BNT_OK) status = cmd_open_engine(&s->engine, args, err);
    if (status != BNT_OK) return status;
    name_model(s, s->engine->model_path);
    s->aliases = args->aliases;
    s->n_aliases = args->n_aliases;
    status = open_templates(s, template_text, args, err);
    return status == BNT_OK ? make_fingerprint(s, err) : status;
}

void cmd_serve_close_model(struct serve_server *s) {
    serve_stop(s);
    serve_scheduler_close(s->scheduler);
    serve_shapes_close(&s->shapes);
    bnt_template_close(&s->chat.tm);
    bnt_template_close(&s->for_tools.tm);
    bnt_engine_close(s->engine);
    serve_receipts_free(&s->receipts);
    bnt_signer_close(s->signer);
}
