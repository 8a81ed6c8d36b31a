/*
 * output.c - which files a command reads, so that none of its results goes into one of them.
 *
 * The one idea: the options say everything that a run will read, so the list is made from them
 * alone, before anything is opened; receipts/output.h has the rule itself.
 */
#include <dirent.h>
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
    add_path(l, path, "the model");
    if (n < 20 || n >= sizeof part || sscanf(path + n - 10, "%5u.gguf%n", &parts, &used) != 1 ||
        used != 10 || strncmp(path + n - 14, "-of-", 4) != 0)
        return;
    for (unsigned i = 1; i <= parts; i++) {
        snprintf(part, sizeof part, "%.*s-%05u-of-%05u.gguf", (int)(n - 20), path, i, parts);
        add_path(l, part, "a part of the model");
    }
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
    bool named = args->command == CMD_INSPECT && args->operand;
    add_model(l, named ? args->operand : cmd_model_path(args));
    add_path(l, args->file, "the text that is read");
    add_path(l, args->chat_template, "the chat template");
    add_path(l, args->chat_template, "the chat template");
    if (args->command == CMD_VERIFY) add_path(l, args->operand, "the receipt that is verified");
    add_plugins(l, args->plugin_dir);
}

int cmd_output_open(struct bnt_output **out, const struct cmd_args *args, const char *path,
                    struct bnt_err *err) {
    struct list l = {0};
    *out = NULL;
    add_inputs(&l, args);
    add_open(&l, STDOUT_FILENO, "what goes to standard output (/dev/stdout adds to it)");
    add_open(&l, STDERR_FILENO, "what goes to standard error (/dev/stderr adds to it)");
    int status = l.failed ? bnt_fail_nomem(err, "the list of inputs", l.count * sizeof *l.files)
                          : bnt_output_open(out, path, args->force, l.files, l.count, err);
    free(l.files);
    return status;
}

int cmd_check_stdout(const struct cmd_args *args, struct bnt_err *err) {
    struct list l = {0};
    struct stat st;
    int status = BNT_OK;
    if (fstat(STDOUT_FILENO, &st) != 0 || !S_ISREG(st.st_mode)) return BNT_OK;
    add_inputs(&l, args);
    if (l.failed) status = bnt_fail_nomem(err, "the list of inputs", l.count * sizeof *l.files);
    for (size_t i = 0; i < l.count && status == BNT_OK; i++) {
        if (l.files[i].dev == st.st_dev && l.files[i].ino == st.st_ino)
            status =
                bnt_fail(err, BNT_E_USAGE, "standard output would overwrite %s", l.files[i].what);
    }
    free(l.files);
    return status;
}
