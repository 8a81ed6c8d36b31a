/*
 * output.c - which files a command reads, so that none of its results goes into one of them.
 *
 * The one idea: the options say everything that a run will read, so the list is made from them
 * alone, before anything is opened; receipts/output.h has the rule itself.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* Grown as needed; `failed` once memory was lacking. */
struct list {
    struct bnt_protected *files;
    size_t count, capacity;
    bool failed;
};

static void add(struct list *l, const struct stat *st, const char *what, bool by_name_only) {
    if (!S_ISREG(st->st_mode)) return;
    if (l->count == l->capacity) {
        size_t capacity = 2 * l->capacity + 16;
        void *grown = realloc(l->files, capacity * sizeof *l->files);
        if (!grown) {
            l->failed = true;
            return;
        }
        l->files = grown;
        l->capacity = capacity;
    }
    l->files[l->count++] =
        (struct bnt_protected){st->st_dev, st->st_ino, .by_name_only = by_name_only, what};
}

static void add_path(struct list *l, const char *path, const char *what) {
    struct stat st;
    if (!path) return;
    if (strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &st) == 0 : stat(path, &st) == 0)
        add(l, &st, what, false);
}

static void add_open(struct list *l, int fd, const char *what) {
    struct stat st;
    if (fstat(fd, &st) == 0) add(l, &st, what, true);
}

/* A model of several files, NAME-00001-of-00003.gguf: all of them. */
static void add_model(struct list *l, const char *path) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    unsigned parts = 0;
    int used = 0;
    add_path(l, path, "the model that is read");
    if (n < 20 || n >= sizeof part || sscanf(path + n - 10, "%5u.gguf%n", &parts, &used) != 1 ||
        used != 10 || strncmp(path + n - 14, "-of-", 4) != 0)
        return;
    for (unsigned i = 1; i <= parts; i++) {
        snprintf(part, sizeof part, "%.*s-%05u-of-%05u.gguf", (int)(n - 20), path, i, parts);
        add_path(l, part, "a part of the model");
    }
}

/* A checkpoint: all that is in its folder. */
static void add_folder(struct list *l, const char *path) {
    DIR *dir = opendir(path);
    struct dirent *d;
    struct stat st;
    while (dir && (d = readdir(dir)) != NULL)
        if (fstatat(dirfd(dir), d->d_name, &st, 0) == 0) add(l, &st, "the checkpoint", false);
    if (dir) closedir(dir);
}

static void add_plugins(struct list *l, const char *plugin_dir) {
    const char *variable = secure_getenv("BITNET_PLUGIN_DIR");
    DIR *dir = opendir(plugin_dir ? plugin_dir : variable ? variable : bnt_plugin_dir());
    struct dirent *d;
    struct stat st;
    while (dir && (d = readdir(dir)) != NULL) {
        size_t n = strlen(d->d_name);
        if (n > 3 && strcmp(d->d_name + n - 3, ".so") == 0 &&
            fstatat(dirfd(dir), d->d_name, &st, 0) == 0)
            add(l, &st, "a plugin", false);
    }
    if (dir) closedir(dir);
}

static void add_inputs(struct list *l, const struct cmd_args *args) {
    bool named = (args->command & (CMD_INSPECT | CMD_QUANTIZE)) && args->operand;
    add_model(l, named ? args->operand : cmd_model_path(args));
    add_path(l, args->file, "the text that is read");
    add_path(l, args->chat_template, "the chat template");
    add_path(l, args->sign, "the key that signs");
    add_path(l, args->signer, "the signer's key");
    add_path(l, args->api_key_file, "the file of keys");
    if (!cmd_is_schema_text(args->json_schema)) add_path(l, args->json_schema, "the schema");
    add_path(l, args->grammar, "the grammar");
    if (args->command == CMD_VERIFY) add_path(l, args->operand, "the receipt that is verified");
    if (args->command == CMD_BATCH) add_path(l, args->operand, "the requests");
    if (args->command == CMD_CONVERT && args->operand) add_folder(l, args->operand);
    add_plugins(l, args->plugin_dir);
    add_path(l, "-", "what comes from standard input");
    add_path(l, "/proc/self/exe", "the program itself");
}

/* All that no result may go into. */
static void add_all(struct list *l, const struct cmd_args *args) {
    add_inputs(l, args);
    add_open(l, STDOUT_FILENO, "what goes to standard output (/dev/stdout adds to it)");
    add_open(l, STDERR_FILENO, "what goes to standard error (/dev/stderr adds to it)");
}

static int no_list(const struct list *l, struct bnt_err *err) {
    return bnt_fail_nomem(err, "the list of inputs", l->count * sizeof *l->files);
}

/* What of the list an open file is; NULL: nothing. */
static const char *find(const struct list *l, const struct stat *st) {
    for (size_t i = 0; S_ISREG(st->st_mode) && i < l->count; i++)
        if (l->files[i].dev == st->st_dev && l->files[i].ino == st->st_ino) return l->files[i].what;
    return NULL;
}

static int open_output(struct bnt_output **out, enum bnt_output_kind kind,
                       const struct cmd_args *args, const char *path, struct bnt_err *err) {
    struct list l = {0};
    *out = NULL;
    add_all(&l, args);
    int status = l.failed ? no_list(&l, err)
                          : bnt_output_open(out, kind, path, args->force, l.files, l.count, err);
    free(l.files);
    return status;
}

int cmd_output_open(struct bnt_output **out, const struct cmd_args *args, const char *path,
                    struct bnt_err *err) {
    const bool model = args->command & (CMD_QUANTIZE | CMD_CONVERT);
    return open_output(out, model ? BNT_OUTPUT_MODEL : BNT_OUTPUT_RECEIPT, args, path, err);
}

int cmd_reports_apart(const struct bnt_output *report, const struct bnt_output *receipt,
                      struct bnt_err *err) {
    if (!report || !receipt || !bnt_output_same(report, receipt)) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "'%.400s' is where the receipt goes",
                    bnt_output_path(report));
}

int cmd_report_open(struct bnt_output **out, const struct cmd_args *args, const char *path,
                    const struct bnt_output *receipt, struct bnt_err *err) {
    int status = open_output(out, BNT_OUTPUT_REPORT, args, path, err);
    if (status == BNT_OK && (status = cmd_reports_apart(*out, receipt, err)) != BNT_OK) {
        bnt_output_close(*out);
        *out = NULL;
    }
    return status;
}

int cmd_check_results(const struct cmd_args *args, const char *path, struct bnt_err *err) {
    struct list l = {0};
    struct stat st;
    int status = BNT_OK;
    add_all(&l, args);
    const char *what = stat(path, &st) == 0 ? find(&l, &st) : NULL;
    if (l.failed)
        status = no_list(&l, err);
    else if (what)
        status = bnt_fail(err, BNT_E_USAGE, "the results '%.400s' would overwrite %s", path, what);
    free(l.files);
    return status;
}

/* Where the message of a refusal goes when it may not go to standard error. */
static void speak_to(int fd) {
    const int to = fd >= 0 ? fd : open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (to < 0 || dup2(to, STDERR_FILENO) < 0) close(STDERR_FILENO);
    if (fd < 0 && to >= 0) close(to);
}

void cmd_spare_words(int argc, char **argv) {
    struct list l = {0};
    struct stat st;
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        const char *path = argv[i][0] == '-' && value ? value + 1 : argv[i];
        add_path(&l, path, "a word");
        add_folder(&l, path);
    }
    if (fstat(STDERR_FILENO, &st) == 0 && find(&l, &st))
        speak_to(fstat(STDOUT_FILENO, &st) == 0 && find(&l, &st) ? -1 : STDOUT_FILENO);
    free(l.files);
}

int cmd_check_standard(const struct cmd_args *args, struct bnt_err *err) {
    struct list l = {0};
    struct stat st;
    int status = BNT_OK;
    add_inputs(&l, args);
    const char *out = fstat(STDOUT_FILENO, &st) == 0 ? find(&l, &st) : NULL;
    const char *error = fstat(STDERR_FILENO, &st) == 0 ? find(&l, &st) : NULL;
    if (l.failed)
        status = no_list(&l, err);
    else if (out || error)
        status = bnt_fail(err, BNT_E_USAGE, "standard %s would overwrite %s",
                          out ? "output" : "error", out ? out : error);
    if (error) speak_to(out ? -1 : STDOUT_FILENO);
    free(l.files);
    return status;
}
