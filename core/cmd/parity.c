/*
 * parity.c - `bitnet parity`: does a backend give the judge's bits?
 *
 * Knows options, where the receipt goes, and the watchdog; what is compared is core/parity's.
 * Whatever happens, a receipt is left: the watchdog completes the draft when time is up.
 */
#include "cmd/parity.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "cmd/cmd.h"
#include "cmd/watchdog.h"
#include "receipt.h"

struct command {
    const struct cmd_args *args;
    struct parity p;
    char path[PATH_MAX];       /* under p's mutex, as output */
    struct bnt_output *output; /* the file of that name */
    struct bnt_output *html;   /* of --html, or NULL */
};

static void last_words(void *arg) {
    struct command *c = arg;
    struct parity *p = &c->p;
    struct bnt_err err = {0};
    char where[8192];
    pthread_mutex_lock(&p->mutex);
    parity_where(p, where, sizeof where);
    parity_add_progress(p, p->draft);
    int written = parity_write(p->draft, c->output, &err);
    dprintf(STDERR_FILENO, "bitnet: parity: time limit of %" PRIu32 " s reached (%s); %s %s\n",
            c->args->timeout, where,
            written == BNT_OK ? "receipt:" : "no receipt:", written == BNT_OK ? c->path : err.text);
    char *text = c->args->json ? json_dumps(p->draft, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    if (text && !bnt_json_lost()) dprintf(STDOUT_FILENO, "%s\n", text);
}

/* ---- where the receipt goes ----------------------------------------------------------------- */

static int make_folder(const char *path, struct bnt_err *err) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return BNT_OK;
    return bnt_fail(err, BNT_E_IO, "cannot make the folder '%.400s': %s", path, strerror(errno));
}

/* -o, or BASELINES_DIR/YYYY-MM-DD/parity-NAME.json, whose missing folders are made, or
 * parity-NAME.json here. */
static int choose_path(struct command *c, const char *name, struct bnt_err *err) {
    const char *base = getenv("BASELINES_DIR");
    char path[PATH_MAX];
    struct tm t = bnt_receipt_utc(time(NULL));
    const bool dated = !c->args->output && base && *base;
    int n = c->args->output ? snprintf(path, sizeof path, "%s", c->args->output)
            : dated         ? snprintf(path, sizeof path, "%s/%04d-%02d-%02d/parity-%s.json", base,
                                       t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, name)
                            : snprintf(path, sizeof path, "parity-%s.json", name);
    if (n < 0 || (size_t)n >= sizeof path)
        return bnt_fail(err, BNT_E_IO, "the receipt's path is too long");
    for (char *slash = path + 1; dated && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int status = make_folder(path, err);
        *slash = '/';
        if (status != BNT_OK) return status;
    }
    struct bnt_output *output;
    if (c->output && strcmp(path, c->path) == 0) return BNT_OK;
    int status = cmd_output_open(&output, c->args, path, err);
    if (status != BNT_OK) return status;
    if ((status = cmd_reports_apart(c->html, output, err)) != BNT_OK) {
        bnt_output_close(output);
        return status;
    }
    pthread_mutex_lock(&c->p.mutex);
    bnt_output_close(c->output);
    c->output = output;
    memcpy(c->path, path, sizeof path);
    pthread_mutex_unlock(&c->p.mutex);
    return BNT_OK;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void show(const struct parity *p) {
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        uint64_t compared = 0, different = 0;
        if (!q->ran && !q->stepped) continue;
        for (unsigned k = 0; k < BNT_OP_COUNT; k++) {
            compared += q->lockstep.compared[k];
            different += q->lockstep.different[k];
        }
        printf("%s: %zu tokens\n", q->name, q->list.count);
        if (q->ran)
            printf("  search     %zu of %zu tokens found by a search of the head\n", q->x.searched,
                   q->x.steps);
        if (q->freed)
            printf("  free run   %zu of %zu tokens equal, %zu of %zu logit vectors\n",
                   q->free.equal_tokens, q->x.steps, q->free.equal_logits, q->x.steps);
        if (q->stepped)
            printf("  lock-step  %" PRIu64 " operations, %" PRIu64 " values, %" PRIu64
                   " operations different\n",
                   compared, q->lockstep.values, different);
        if (q->stepped && q->judged_from)
            printf("             from position %zu on\n", q->judged_from);
        if (q->chaotic)
            printf("  chaos      %zu of %zu tokens equal, %zu of %zu logit vectors, %zu backends\n",
                   q->chaos.equal_tokens, q->x.steps, q->chaos.equal_logits, q->x.steps,
                   bnt_chaos_count(p->chaos));
    }
}

static int finish(struct command *c, enum parity_status result, int status, struct bnt_err *err) {
    const struct parity *p = &c->p;
    struct bnt_err write_err = {0};
    json_t *receipt = parity_receipt(p, result, status == BNT_OK ? NULL : err->text);
    int written = parity_write(receipt, c->output, &write_err);
    if (c->args->json && written != BNT_E_NOMEM) {
        int printed = cmd_write_json(receipt, written == BNT_OK ? &write_err : NULL);
        if (written == BNT_OK) written = printed;
    } else {
        json_decref(receipt);
        show(p);
        if (written == BNT_OK) printf("receipt: %s\n", c->path);
        int printed = cmd_flush(written == BNT_OK ? &write_err : NULL);
        if (written == BNT_OK) written = printed;
    }
    if (c->html) {
        struct bnt_err html_err = {0};
        const int shown =
            parity_html(p, cmd_model_path(c->args), parity_status_name(result), c->html, &html_err);
        if (status == BNT_OK && shown != BNT_OK) return bnt_fail(err, shown, "%s", html_err.text);
    }
    if (status == BNT_OK && written != BNT_OK) return bnt_fail(err, written, "%s", write_err.text);
    return status;
}

static struct parity_options options_of(const struct cmd_args *args) {
    return (struct parity_options){.backend = args->backend,
                                   .against = args->against,
                                   .plugin_dir = args->plugin_dir,
                                   .prompt_set = args->prompt_set,
                                   .free_run =
                                       args->free_run || args->chaos_given || !args->lockstep,
                                   .lockstep = args->lockstep || !args->free_run,
                                   .chaotic = args->chaos_given,
                                   .first_only = args->first_only,
                                   .cells = args->html != NULL,
                                   .steps = args->n_predict,
                                   .n_batch = args->batch,
                                   .timeout = args->timeout,
                                   .threads = args->threads.count ? args->threads.values[0] : 0,
                                   .no_bind = args->bind_none,
                                   .seed_given = args->seed_given,
                                   .seed = args->seed,
                                   .chaos = args->chaos};
}

static int run(struct command *c, enum parity_status *result, struct bnt_err *err) {
    struct parity *p = &c->p;
    *result = PARITY_ERROR;
    parity_enter(p, PHASE_OPENING);
    int status = cmd_open_engine(&p->engine, c->args, err);
    if (status == BNT_OK) status = choose_path(c, p->engine->backend->name, err);
    if (status == BNT_OK) status = parity_run(p, result, err);
    if (status == BNT_OK && (status = parity_judge(p, err)) != BNT_OK) *result = PARITY_DIVERGENCE;
    return status;
}

int cmd_parity(const struct cmd_args *args, struct bnt_err *err) {
    struct cmd_watchdog *watchdog = NULL;
    enum parity_status result;
    struct command *c = calloc(1, sizeof *c);
    if (!c) return bnt_fail_nomem(err, "parity", sizeof *c);
    c->args = args;
    c->p.o = options_of(args);
    c->p.start = bnt_now();
    pthread_mutex_init(&c->p.mutex, NULL);
    int status = parity_choose_prompts(&c->p, err);
    if (status == BNT_OK) status = choose_path(c, args->backend ? args->backend : "auto", err);
    if (status == BNT_OK && args->html)
        status = cmd_report_open(&c->html, args, args->html, c->output, err);
    if (status == BNT_OK) status = parity_publish(&c->p, err);
    if (status == BNT_OK)
        status = cmd_watchdog_start(&watchdog, args->timeout, bnt_status_exit(BNT_E_TIMEOUT),
                                    last_words, c, err);
    if (status == BNT_OK) {
        status = run(c, &result, err);
        cmd_watchdog_stop(watchdog);
        status = finish(c, result, status, err);
    }
    parity_close(&c->p);
    bnt_output_close(c->output);
    bnt_output_close(c->html);
    free(c);
    return status;
}
