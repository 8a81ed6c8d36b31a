/*
 * pull.c - `bitnet pull` and `bitnet models`; and models of a hub wherever -m takes a file.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "hub/pull.h"

static volatile sig_atomic_t interrupted;

static void on_sigint(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

/* ---- what the user sees --------------------------------------------------------------------- */

struct view {
    bool terminal, shown;
    double start;
    uint64_t first; /* bytes that were there before */
    bool begun;
};

static void clear_line(struct view *v) {
    if (v->shown) fprintf(stderr, "\r\033[K");
    v->shown = false;
}

static void say(void *arg, const char *line) {
    clear_line(arg);
    fprintf(stderr, "bitnet: %s\n", line);
}

static void show_bar(void *arg, uint64_t done, uint64_t size) {
    struct view *v = arg;
    if (!v->begun) {
        v->begun = true;
        v->start = bnt_now();
        v->first = done;
    }
    const double seconds = bnt_now() - v->start;
    if (!v->terminal || size == 0) return;
    const int filled = (int)((double)done / (double)size * 30.0);
    const double rate = seconds > 0.5 ? (double)(done - v->first) / seconds : 0.0;
    fprintf(stderr, "\r[%.*s%*s] %3d %%  %.2f of %.2f GB  %.1f MB/s", filled,
            "##############################", 30 - filled, "",
            (int)((double)done / (double)size * 100.0), (double)done / 1e9, (double)size / 1e9,
            rate / 1e6);
    if (rate > 0) fprintf(stderr, "  %.0f s left ", (double)(size - done) / rate);
    fprintf(stderr, "\033[K");
    v->shown = true;
}

static int pull(char path[BNT_HUB_PATH], const struct bnt_hub_name *name, struct bnt_err *err) {
    struct view view = {.terminal = isatty(STDERR_FILENO)};
    const struct bnt_hub_ui ui = {
        .say = say, .progress = show_bar, .arg = &view, .interrupted = &interrupted};
    /* The first Ctrl-C ends it in order; a second one kills. */
    struct sigaction before, action = {.sa_handler = on_sigint, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, &before);
    int status = bnt_hub_pull(path, name, &ui, err);
    sigaction(SIGINT, &before, NULL);
    clear_line(&view);
    return status;
}

/* ---- -m ORG/NAME ---------------------------------------------------------------------------- */

static bool is_offline(const struct cmd_args *args) {
    return args->offline || bnt_hub_offline();
}

/* The path of a model named by its place on the hub, in `path`. */
static int find_model(char path[BNT_HUB_PATH], const char *text, const struct cmd_args *args,
                      struct bnt_err *err) {
    struct bnt_hub_name name;
    bool found;
    if (!bnt_hub_parse(&name, text)) return bnt_fail(err, BNT_E_USAGE, "no name of a model");
    int status = bnt_hub_find_cached(path, &found, &name, err);
    if (status != BNT_OK || found) return status;
    if (is_offline(args))
        return bnt_fail(err, BNT_E_IO,
                        "no file '%s', and no such model in the cache; offline, so the hub is not "
                        "asked",
                        text);
    return pull(path, &name, err);
}

/* The model that comes with the program, where a command needs it. */
static int find_own(const struct cmd_args *args, struct bnt_err *err) {
    const unsigned others = CMD_BACKENDS | CMD_QUANTIZE | CMD_CONVERT | CMD_VERIFY;
    if (args->command & others || args->kernels || args->help) return BNT_OK;
    if (access(cmd_model_path(args), F_OK) == 0 || errno != ENOENT) return BNT_OK;
    return bnt_fail(err, BNT_E_IO,
                    "the model that comes with the program is not there: '%.300s'. -m FILE names "
                    "another, -m ORG/NAME brings one from the hub",
                    cmd_model_path(args));
}

int cmd_resolve_model(struct cmd_args *args, struct bnt_err *err) {
    static char path[BNT_HUB_PATH];
    const char **where = (args->command & (CMD_INSPECT | CMD_QUANTIZE)) && args->operand
                             ? &args->operand
                             : &args->model;
    if (args->command == CMD_PULL || args->command == CMD_MODELS) return BNT_OK;
    if (!*where) return find_own(args, err);
    if (!bnt_hub_is_name(*where)) return BNT_OK;
    int status = find_model(path, *where, args, err);
    if (status == BNT_OK) *where = path;
    return status;
}

/* ---- bitnet pull ---------------------------------------------------------------------------- */

int cmd_pull(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_hub_name name;
    char path[BNT_HUB_PATH], shown[100];
    int status;
    if (!args->operand)
        return bnt_fail(err, BNT_E_USAGE, "which model? bitnet pull ORG/NAME[/FILE][@REVISION]");
    if (!bnt_hub_parse(&name, args->operand))
        return bnt_fail(err, BNT_E_USAGE, "'%s' is no name of a model: ORG/NAME[/FILE][@REVISION]",
                        bnt_printable(shown, sizeof shown, args->operand, strlen(args->operand)));
    if (is_offline(args)) {
        bool found;
        status = bnt_hub_find_cached(path, &found, &name, err);
        if (status == BNT_OK && !found)
            status =
                bnt_fail(err, BNT_E_IO, "%s is not in the cache; offline, so the hub is not asked",
                         args->operand);
    } else {
        status = pull(path, &name, err);
    }
    if (status != BNT_OK) return status;
    if (args->json) return cmd_write_json(json_pack("{s:s}", "path", path), err);
    printf("%s\n", path);
    return cmd_flush(err);
}

/* ---- bitnet models -------------------------------------------------------------------------- */

static int remove_model(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_hub_name name;
    uint64_t freed;
    if (!bnt_hub_parse(&name, args->remove))
        return bnt_fail(err, BNT_E_USAGE, "--remove: '%s' is no name of a model: ORG/NAME[/FILE]",
                        args->remove);
    int status = bnt_hub_remove(&name, &freed, err);
    if (status != BNT_OK) return status;
    if (args->json)
        return cmd_write_json(json_pack("{s:I}", "freed_bytes", (json_int_t)freed), err);
    printf("removed; %.2f GB are free again\n", (double)freed / 1e9);
    return cmd_flush(err);
}

static json_t *as_json(const struct bnt_hub_entry *entries, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count && list; i++) {
        const struct bnt_hub_entry *e = &entries[i];
        json_t *o =
            json_pack("{s:s, s:s, s:s, s:I, s:s}", "repo", e->name.repo, "file", e->name.file,
                      "revision", e->name.rev, "bytes", (json_int_t)e->bytes, "path", e->path);
        if (!o || json_array_append_new(list, o) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int cmd_models(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_hub_entry *entries;
    char root[BNT_HUB_PATH];
    size_t count;
    uint64_t total = 0;
    if (args->remove) return remove_model(args, err);
    int status = bnt_hub_cache_root(root, err);
    if (status == BNT_OK) status = bnt_hub_list(&entries, &count, err);
    if (status != BNT_OK) return status;
    if (args->json) {
        status = cmd_write_json(as_json(entries, count), err);
        free(entries);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        const struct bnt_hub_entry *e = &entries[i];
        if (e->bytes)
            printf("%8.2f GB  %s/%s @%.8s\n", (double)e->bytes / 1e9, e->name.repo, e->name.file,
                   e->name.rev);
        else
            printf("   damaged   %s/%s @%.8s\n", e->name.repo, e->name.file, e->name.rev);
        total += e->bytes;
    }
    free(entries);
    if (count)
        printf("%8.2f GB  in %s\n", (double)total / 1e9, root);
    else
        printf("no models in %s; `bitnet pull ORG/NAME` brings one\n", root);
    return cmd_flush(err);
}
