/* common.c - see cmd.h. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "cmd/cmd.h"
#include "cmd/fatal.h"
#include "cmd/terminal.h"
#include "facts.h"
#include "json_repair.h"
#include "model/remarks.h"
#include "named.h"
#include "receipt.h"
#include "sign.h"

const char *cmd_model_path(const struct cmd_args *args) {
    return args->model ? args->model : bnt_model_path();
}

/* ---- opening -------------------------------------------------------------------------------- */

/* What the user should know of how I2_S weights were read, where it is not plainly right. */
static void say_i2s_layout(const struct cmd_args *args, const struct bnt_engine_info *info) {
    if (!info->i2s_layout && args->i2s_layout && args->command != CMD_VERIFY)
        fprintf(stderr, "bitnet: the model has no I2_S tensors: --i2s-layout says nothing here\n");
    else if (info->i2s_contradicted)
        fprintf(stderr,
                "bitnet: the weights are read in I2_S layout %s, as stated, but fit %s (by %.0f "
                "standard deviations): the text will be wrong\n",
                info->i2s_layout, info->i2s_seen, info->i2s_margin);
    else if (info->i2s_layout && strcmp(info->i2s_known, "assumed") == 0)
        fprintf(stderr,
                "bitnet: the weights do not tell their I2_S layout: %s is assumed (--i2s-layout "
                "states it)\n",
                info->i2s_layout);
}

json_t *cmd_json_i2s(const char *layout, const char *known, double margin) {
    if (!layout) return json_null();
    return json_pack("{s:s, s:s, s:f}", "layout", layout, "known", known, "margin",
                     floor(margin * 10.0) / 10.0);
}

/* A misspelt key would leave everything as it was. */
static void say_ignored(const struct cmd_args *args, const struct bnt_gguf *g) {
    for (unsigned i = 0; i < args->n_ignore_keys; i++) {
        bool found = false;
        for (size_t k = 0; k < bnt_gguf_kv_count(g) && !found; k++)
            found = bnt_str_eq(bnt_gguf_kv_at(g, k)->key, args->ignore_keys[i]);
        if (!found)
            fprintf(stderr, "bitnet: --ignore-key=%s: the file has no such key\n",
                    args->ignore_keys[i]);
    }
}

static void show_remarks(const struct bnt_model *m) {
    char lines[BNT_REMARKS][256];
    const size_t n = bnt_model_remarks(m, lines);
    for (size_t i = 0; i < n; i++) fprintf(stderr, "bitnet: %s\n", lines[i]);
}

int cmd_open_engine(struct bnt_engine **out, const struct cmd_args *args, struct bnt_err *err) {
    struct bar bar;
    struct bnt_engine_options options = {
        .backend = args->backend,
        .plugin_dir = args->plugin_dir,
        .threads = args->threads.count ? args->threads.values[0] : 0,
        .ignore_keys = args->ignore_keys,
        .n_ignore_keys = args->n_ignore_keys,
        .together = args->command & (CMD_SERVE | CMD_BATCH) ? args->parallel : 1,
        .i2s_layout = args->i2s_layout};
    bar_begin(&bar, "loading");
    if (bar.terminal) {
        options.progress = bar_show;
        options.progress_arg = &bar;
    }
    int status = bnt_engine_open(out, cmd_model_path(args), &options, err);
    bar_end(&bar);
    if (status == BNT_OK) {
        const struct bnt_backend *b = (*out)->backend;
        cmd_fatal_backend(b->name, b->path, b->base);
    }
    if (status == BNT_OK) say_ignored(args, (*out)->gguf);
    if (status == BNT_OK) say_i2s_layout(args, bnt_engine_info(*out));
    if (status == BNT_OK && bnt_engine_info(*out)->backend_warning[0])
        fprintf(stderr, "bitnet: %s\n", bnt_engine_info(*out)->backend_warning);
    if (status == BNT_OK) cmd_show_notes(bnt_engine_tokenizer(*out), NULL);
    if (status == BNT_OK) show_remarks((*out)->model);
    return status;
}

int cmd_hash_model(char hex[65], const struct bnt_gguf *g, struct bnt_err *err) {
    struct bar bar;
    bar_begin(&bar, "hashing the model");
    int status = bnt_receipt_model_sha256(g, hex, bar_show, &bar, err);
    bar_end(&bar);
    return status;
}

int cmd_open_gguf(struct bnt_gguf **out, const char *path, const struct cmd_args *args,
                  struct bnt_err *err) {
    int status = bnt_gguf_open_without(out, path, args->ignore_keys, args->n_ignore_keys, err);
    if (status == BNT_OK) say_ignored(args, *out);
    return status;
}

int cmd_open_session(struct bnt_session **out, struct bnt_engine *engine,
                     const struct cmd_args *args, unsigned threads, struct bnt_err *err) {
    return bnt_session_open(out, engine,
                            &(struct bnt_session_options){.n_ctx = args->ctx,
                                                          .n_batch = args->batch,
                                                          .threads = threads,
                                                          .no_bind = args->bind_none},
                            err);
}

const char *cmd_more_context(char *room, size_t size, const struct bnt_engine *engine,
                             uint64_t context) {
    const uint64_t trained = engine->info.n_ctx_train;
    if (context < trained)
        snprintf(room, size, "-c gives more, up to %" PRIu64, trained);
    else
        snprintf(room, size, "the model was made for no more");
    return room;
}

/* ---- sampling and receipts ------------------------------------------------------------------ */

uint64_t cmd_fresh_seed(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec) ^ (uint64_t)getpid() << 40;
}

struct bnt_sampling cmd_sampling(const struct cmd_args *args) {
    struct bnt_sampling s = bnt_sampling_default();
    s.temperature = args->temp;
    s.top_k = args->top_k;
    s.top_p = args->top_p;
    s.min_p = args->min_p;
    s.repeat_penalty = args->repeat_penalty;
    s.presence_penalty = args->presence_penalty;
    s.frequency_penalty = args->frequency_penalty;
    s.biases = args->biases;
    s.n_biases = args->n_biases;
    s.seed = args->seed;
    if (!args->seed_given && s.temperature > 0.0f) s.seed = cmd_fresh_seed() & 0x7fffffffffffffffu;
    s.seed = bnt_sampling_seed(s.seed, args->choice);
    return s;
}

double cmd_rate(size_t n, double seconds) {
    return seconds > 0.0 ? (double)n / seconds : 0.0;
}

int cmd_open_receipt(struct bnt_output **out, const struct cmd_args *args, struct bnt_err *err) {
    *out = NULL;
    if (!args->receipt) return BNT_OK;
    for (unsigned i = 0; i < args->n_stops; i++) {
        json_t *stop = json_string(args->stops[i]);
        if (!stop)
            return bnt_fail(err, BNT_E_USAGE,
                            "stop string %u is not UTF-8 text, and a receipt cannot hold it",
                            i + 1);
        json_decref(stop);
    }
    return cmd_output_open(out, args, args->receipt, err);
}

int cmd_open_signer(struct bnt_signer **out, const struct cmd_args *args, struct bnt_err *err) {
    bool exposed = false;
    *out = NULL;
    if (!args->sign) return BNT_OK;
    int status = bnt_signer_open(out, args->sign, &exposed, err);
    if (status == BNT_OK && exposed)
        fprintf(stderr, "bitnet: '%s': others than its owner may read this key (chmod 600)\n",
                args->sign);
    return status;
}

/* ---- reading and writing -------------------------------------------------------------------- */

int cmd_read_file(const char *path, char **text, size_t *len, struct bnt_err *err) {
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    size_t capacity = 0, n = 0, got;
    char *buffer = NULL;
    int status = BNT_OK;
    if (!f) return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
    do {
        if (n + 65536 > capacity) {
            capacity = 2 * capacity + 65536;
            char *grown = realloc(buffer, capacity);
            if (!grown) {
                status = bnt_fail_nomem(err, path, capacity);
                goto out;
            }
            buffer = grown;
        }
        got = fread(buffer + n, 1, capacity - n, f);
        n += got;
    } while (got && n <= CMD_MAX_TEXT);
    if (n > CMD_MAX_TEXT)
        status = bnt_fail(err, BNT_E_LIMIT, "%s: more than %d bytes of text", path, CMD_MAX_TEXT);
    else if (ferror(f))
        status = bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
out:
    if (!is_stdin) fclose(f);
    if (status != BNT_OK) {
        free(buffer);
        return status;
    }
    *text = buffer;
    *len = n;
    return BNT_OK;
}

int cmd_read_day(int64_t *day, const char *date, struct bnt_err *err) {
    struct tm t = {0};
    int end = 0;
    if (date && (sscanf(date, "%4d-%2d-%2d%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &end) != 3 ||
                 date[end] || end != 10 || t.tm_year < 1970 || t.tm_mon < 1 || t.tm_mon > 12 ||
                 t.tm_mday < 1 || t.tm_mday > 31))
        return bnt_fail(err, BNT_E_USAGE, "--date: '%.40s' is no date like 2026-01-31", date);
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    const int day_of_month = t.tm_mday;
    int64_t seconds = date ? (int64_t)timegm(&t) : (int64_t)time(NULL);
    if (date && t.tm_mday != day_of_month) /* it went on into the next month */
        return bnt_fail(err, BNT_E_USAGE, "--date: %s is no day of the calendar", date);
    *day = seconds - seconds % 86400;
    return BNT_OK;
}

/* A name that is none of ours and no file stays a name, which whoever opens it refuses. */
/* A pipe or file that the program was started with: `echo text | bitnet`. */
static bool has_input(void) {
    struct stat st;
    return fstat(STDIN_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode));
}

int cmd_read_prompt(const struct cmd_args *args, char **text, size_t *len, struct bnt_err *err) {
    if (args->prompt && args->file)
        return bnt_fail(err, BNT_E_USAGE, "-p and -f both give a prompt");
    if (args->file) return cmd_read_file(args->file, text, len, err);
    if (!args->prompt && has_input()) {
        int status = cmd_read_file("-", text, len, err);
        if (status == BNT_OK && *len && (*text)[*len - 1] == '\n') --*len;
        return status;
    }
    *text = strdup(args->prompt ? args->prompt : "");
    if (!*text) return bnt_fail_nomem(err, "the prompt", 1);
    *len = strlen(*text);
    return BNT_OK;
}

int cmd_template_choice(struct bnt_template_choice *choice, char **text, const char *option,
                        struct bnt_err *err) {
    *choice = (struct bnt_template_choice){.name = option};
    *text = NULL;
    if (!option || bnt_named_template(option) || access(option, F_OK) != 0) return BNT_OK;
    int status = cmd_read_file(option, text, &choice->len, err);
    if (status != BNT_OK) return status;
    choice->name = NULL;
    choice->text = *text;
    return BNT_OK;
}

static int write_failed(struct bnt_err *err) {
    return bnt_fail(err, BNT_E_IO, "cannot write the result to stdout: %s", strerror(errno));
}

int cmd_write(const char *text, size_t len, struct bnt_err *err) {
    return fwrite(text, 1, len, stdout) == len ? BNT_OK : write_failed(err);
}

int cmd_flush(struct bnt_err *err) {
    return fflush(stdout) == 0 ? BNT_OK : write_failed(err);
}

int cmd_write_json(json_t *object, struct bnt_err *err) {
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    int status = BNT_OK;
    if (bnt_json_lost() || !text)
        status = bnt_fail_nomem(err, "the JSON result", 0);
    else if (printf("%s\n", text) < 0)
        status = write_failed(err);
    free(text);
    json_decref(object);
    return status == BNT_OK ? cmd_flush(err) : status;
}

json_t *cmd_json_text(const char *text, size_t len) {
    return bnt_json_repair(text, len, false);
}

json_t *cmd_json_warning(const struct bnt_engine *engine) {
    const char *text = bnt_engine_info(engine)->backend_warning;
    return text[0] ? cmd_json_text(text, strlen(text)) : json_null();
}

json_t *cmd_json_logprobs(const struct bnt_generation *g) {
    json_t *list = g->logprobs ? json_array() : NULL;
    for (size_t i = 0; g->logprobs && i < g->n_tokens; i++) {
        json_t *likely = json_array();
        for (uint32_t k = 0; k < g->n_top_logprobs; k++) {
            const struct bnt_top *top = &g->top_logprobs[i * g->n_top_logprobs + k];
            json_array_append_new(
                likely, json_pack("{s:i, s:f}", "id", (int)top->id, "logprob", (double)top->logit));
        }
        json_array_append_new(list, json_pack("{s:i, s:f, s:o}", "id", (int)g->tokens[i], "logprob",
                                              (double)g->logprobs[i], "top", likely));
    }
    return list;
}

json_t *cmd_json_ids(const int32_t *ids, size_t n) {
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(array, json_integer(ids[i]));
    return array;
}

/* ---- tokens --------------------------------------------------------------------------------- */

void cmd_show_notes(const struct bnt_tokenizer *t, const struct bnt_token_list *list) {
    const char *note;
    if (list && bnt_tokenizer_two_bos(t, list))
        fprintf(stderr, "bitnet: the text begins with BOS, and another is put before it (--no-bos "
                        "leaves it out)\n");
    for (size_t i = 0; !list && (note = bnt_tokenizer_note(t, i)); i++)
        fprintf(stderr, "bitnet: %s\n", note);
}

void cmd_show_untold(const struct bnt_engine *engine, const struct bnt_generation *g) {
    const uint32_t known = bnt_tokenizer_info(bnt_engine_tokenizer(engine))->vocab_size;
    size_t n = 0;
    for (size_t i = 0; i < g->n_tokens; i++) n += (uint32_t)g->tokens[i] >= known;
    if (n)
        fprintf(stderr,
                "bitnet: %zu of the %zu tokens made have no text: the tokenizer has %" PRIu32 "\n",
                n, g->n_tokens, known);
}

void cmd_debug_tokens(const struct bnt_tokenizer *t, const struct bnt_token_list *list, size_t n) {
    static const char *const types[] = {"?",    "normal", "unknown", "control",
                                        "user", "unused", "byte"};
    fprintf(stderr, "index     id  type     bytes      piece\n");
    for (size_t i = 0; i < list->count && i < n; i++) {
        struct bnt_str piece = bnt_tokenizer_piece(t, list->ids[i]);
        unsigned type = (unsigned)bnt_tokenizer_type(t, list->ids[i]);
        char shown[128], span[48];
        snprintf(span, sizeof span, "%zu..%zu", list->begin[i], list->end[i]);
        fprintf(stderr, "%5zu %6d  %-8s %-10s '%s'\n", i, list->ids[i], types[type <= 6 ? type : 0],
                span, bnt_printable(shown, sizeof shown, piece.ptr, piece.len));
    }
    if (list->count > n) fprintf(stderr, "... %zu more\n", list->count - n);
}
