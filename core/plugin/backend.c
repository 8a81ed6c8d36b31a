/*
 * backend.c - see backend.h.
 *
 * Must not open, map or run anything itself: vet.c judges one file, this file orders the judgements
 * and picks. The one idea: stage one (no code mapped) sorts every file, then stage two walks down
 * that order only as far as the choice needs.
 */
#include "plugin/backend.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sort.h"
#include "machine/cpu.h"
#include "machine/fpenv.h"
#include "plugin/choice.h"
#include "plugin/trial.h"
#include "plugin/vet.h"

#define MAX_FILES 256u

struct entry {
    struct bnt_candidate c;
    struct bnt_plugin_file file;
    const struct entry *base;          /* that it extends, once that one is found to be OK */
    const struct bnt_backend *backend; /* of an OK one: the set that is taken */
    struct bnt_sets *sets;             /* of an OK one, unless it is the judge */
    bool judge, pending;               /* pending: passed stage one */
    bool checked;                      /* and a trial */
};

struct bnt_backends {
    struct entry *entries;
    size_t count;
    struct entry *chosen;
    char dir[PATH_MAX], note[600];
    char warning[800];
    struct bnt_err lacking; /* memory or a descriptor to judge a file: nothing against the file */
};

/* ---- stage one: the folder ------------------------------------------------------------------ */

static int find_folder(struct bnt_backends *b, const struct bnt_backends_options *o,
                       struct bnt_err *err) {
    const char *dir = o ? o->plugin_dir : NULL;
    const char *said_by = "--plugin-dir";
    if (!dir) {
        dir = secure_getenv("BITNET_PLUGIN_DIR"); /* NULL in a set-user-id program */
        said_by = "BITNET_PLUGIN_DIR";
    }
    if (dir && !*dir) return bnt_fail(err, BNT_E_USAGE, "%s is empty", said_by);
    if (realpath(dir ? dir : bnt_plugin_dir(), b->dir)) return BNT_OK;
    int why = errno;
    b->dir[0] = '\0';
    if (dir) {
        return bnt_fail(err, BNT_E_IO,
                        "plugin folder '%.300s' (%s): %s. Without %s the program's own is used",
                        dir, said_by, strerror(why), said_by);
    }
    snprintf(b->dir, sizeof b->dir, "%s", bnt_plugin_dir());
    snprintf(b->note, sizeof b->note, "no plugin folder: %s", strerror(why));
    return BNT_OK;
}

static bool ends_with_so(const char *name) {
    size_t n = strlen(name);
    return n > 3 && name[0] != '.' && strcmp(name + n - 3, ".so") == 0;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of b->dir that end in .so, sorted, so that no file system decides for us. */
static int list_folder(struct bnt_backends *b, char **names, size_t *count, struct bnt_err *err) {
    int status = BNT_OK;
    struct dirent *d;
    DIR *dir = b->note[0] ? NULL : opendir(b->dir);
    *count = 0;
    if (b->note[0]) return BNT_OK; /* no folder */
    if (!dir) {
        return bnt_fail(err, BNT_E_IO, "plugin folder '%.400s': %s", b->dir, strerror(errno));
    }
    while ((d = readdir(dir)) != NULL) {
        if (!ends_with_so(d->d_name)) continue;
        if (*count == MAX_FILES) {
            status = bnt_fail(err, BNT_E_LIMIT, "plugin folder '%.400s' holds more than %u files",
                              b->dir, MAX_FILES);
            goto out;
        }
        names[*count] = strdup(d->d_name);
        if (!names[*count]) {
            status = bnt_fail_nomem(err, "a file name", strlen(d->d_name));
            goto out;
        }
        ++*count;
    }
    if (*count == 0) {
        snprintf(b->note, sizeof b->note, "no plugin in the folder");
    }
    bnt_sort(names, *count, sizeof *names, compare_names);
out:
    closedir(dir);
    return status;
}

__attribute__((format(printf, 3, 4))) static void refuse(struct entry *e, enum bnt_verdict v,
                                                         const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->c.reason, sizeof e->c.reason, fmt, ap);
    va_end(ap);
    e->c.verdict = v;
}

/* The first lack counts: what fails afterwards may fail for it. */
static void lack(struct bnt_backends *b, const struct bnt_err *why) {
    if (!b->lacking.status) b->lacking = *why;
}

/* Refuses for the reason in *why; what this process lacks is no reason to take another backend
 * unasked. */
static void refuse_why(struct bnt_backends *b, struct entry *e, enum bnt_verdict v,
                       const struct bnt_err *why) {
    refuse(e, v, "%s", why->text);
    if (why->status == BNT_E_NOMEM || why->status == BNT_E_LIMIT) lack(b, why);
}

static void name_from_file(struct entry *e, const char *file) {
    char shown[sizeof e->c.name];
    size_t len = strlen(file) - 3;
    bnt_printable(shown, sizeof shown, file, len);
    memcpy(e->c.name, shown, sizeof shown);
}

/* Judges DIR/FILE as far as that goes without its code. */
static void add_file(struct bnt_backends *b, const char *file) {
    struct entry *e = &b->entries[b->count++];
    struct bnt_err err = {0};
    char path[PATH_MAX];
    e->file.fd = -1;
    name_from_file(e, file);
    int n = snprintf(path, sizeof path, "%s/%s", b->dir, file);
    if (n < 0 || (size_t)n >= sizeof path) {
        refuse(e, BNT_VERDICT_UNREADABLE, "the path is too long");
        return;
    }
    if (!realpath(path, e->c.path)) {
        snprintf(e->c.path, sizeof e->c.path, "%s", path);
        refuse(e, BNT_VERDICT_UNREADABLE, "cannot resolve: %s", strerror(errno));
        return;
    }
    enum bnt_verdict v = bnt_vet_file(&e->file, e->c.path, bnt_cpu_get(), &err);
    if (e->file.note.name[0]) {
        memcpy(e->c.name, e->file.note.name, sizeof e->c.name);
        e->c.priority = e->file.note.priority;
    }
    if (v != BNT_VERDICT_OK) {
        refuse_why(b, e, v, &err);
        return;
    }
    e->pending = true;
    refuse(e, BNT_VERDICT_NOT_TRIED, "not needed");
    if (strcmp(e->c.name, bnt_judge()->name) == 0) {
        refuse(e, BNT_VERDICT_DUPLICATE,
               "'%.400s' is not loaded: the judge is the one in the program, above; a build tree "
               "has the file for bitnet-checkkern",
               e->c.path);
        e->pending = false;
    }
    for (struct entry *f = b->entries; f < e && e->pending; f++) {
        if (!f->file.note.name[0] || strcmp(f->c.name, e->c.name) != 0) continue;
        refuse(e, BNT_VERDICT_DUPLICATE, "the name is taken by '%.400s'", f->c.path);
        e->pending = false;
    }
}

static void add_judge(struct bnt_backends *b) {
    struct entry *e = &b->entries[b->count++];
    e->file.fd = -1;
    e->judge = true;
    e->backend = bnt_judge();
    memcpy(e->c.name, bnt_judge()->name, sizeof e->c.name);
    e->c.priority = bnt_judge_priority();
    e->c.verdict = BNT_VERDICT_OK;
}

/* ---- stage two: the choice ------------------------------------------------------------------ */

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    bool nx = x->judge || x->file.note.name[0], ny = y->judge || y->file.note.name[0];
    if (nx != ny) return nx ? -1 : 1;
    if (x->c.priority != y->c.priority) return x->c.priority > y->c.priority ? -1 : 1;
    int by_name = strcmp(x->c.name, y->c.name);
    if (by_name) return by_name;
    if (x->judge != y->judge) return x->judge ? -1 : 1;
    return strcmp(x->c.path, y->c.path);
}

static struct entry *find(struct bnt_backends *b, const char *name) {
    struct entry *found = NULL;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (strcmp(e->c.name, name) != 0) continue;
        if (!found || found->c.verdict == BNT_VERDICT_DUPLICATE) found = e;
    }
    return found;
}

/* `only` NULL: all that extend nobody, or whose base is there. */
static bool is_to_be_tried(const struct entry *e, const struct entry *only) {
    if (!e->pending || e->checked) return false;
    return only ? e == only : !e->file.note.extends[0] || e->base;
}

static void try_plugins(struct bnt_backends *b, struct entry *only,
                        const struct bnt_shapes *shapes) {
    size_t n = 0;
    struct bnt_trial *trials = calloc(b->count, sizeof *trials);
    struct bnt_err err = {0};
    if (!trials) {
        bnt_fail_nomem(&err, "the trials of plugins", b->count * sizeof *trials);
        lack(b, &err);
        return;
    }
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!is_to_be_tried(e, only)) continue;
        trials[n++] = (struct bnt_trial){.file = &e->file,
                                         .path = e->c.path,
                                         .base = e->base ? &e->base->file : NULL,
                                         .base_path = e->base ? e->base->c.path : NULL};
    }
    bnt_trials(trials, n, shapes);
    n = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (!is_to_be_tried(e, only)) continue;
        struct bnt_trial *t = &trials[n++];
        e->checked = t->made && t->verdict == BNT_VERDICT_OK;
        if (t->made && !e->checked) {
            refuse_why(b, e, t->verdict, &t->err);
            e->pending = false;
        } else if (!t->made && (t->err.status == BNT_E_NOMEM || t->err.status == BNT_E_LIMIT)) {
            lack(b, &t->err);
        } else if (!t->made && t->err.status && !b->note[0]) {
            snprintf(b->note, sizeof b->note, "plugins were judged in this process: %.400s",
                     t->err.text);
        }
    }
    free(trials);
}

static void load(struct bnt_backends *b, struct entry *e, const struct bnt_shapes *shapes) {
    struct bnt_err err = {0};
    e->pending = false;
    struct bnt_sets *sets = malloc(sizeof *sets);
    if (!sets) {
        bnt_fail_nomem(&err, "a backend", sizeof *sets);
        refuse_why(b, e, BNT_VERDICT_UNREADABLE, &err);
        return;
    }
    const struct bnt_vetting how = {
        .shapes = shapes, .base = e->base ? e->base->backend : NULL, .checked = e->checked};
    enum bnt_verdict v = bnt_vet_load(sets, &e->file, e->c.path, bnt_cpu_get(), &how, &err);
    if (v == BNT_VERDICT_OK) {
        e->sets = sets;
        e->backend = &sets->of[0];
        refuse(e, BNT_VERDICT_OK, "%s", "");
    } else {
        refuse_why(b, e, v, &err);
        free(sets);
    }
}

/* Sees to it that the plugin which e extends is there, or refuses e. One level only, so that this
 * ends, and whose layouts hold is plain to see. */
static void find_base(struct bnt_backends *b, struct entry *e, const struct bnt_shapes *shapes) {
    const char *name = e->file.note.extends;
    if (!e->pending || !name[0] || e->base) return;
    struct entry *base = find(b, name);
    if (base && base->pending && !base->file.note.extends[0]) {
        try_plugins(b, base, shapes);
        if (base->pending && !b->lacking.status) load(b, base, shapes);
    }
    if (b->lacking.status) return;
    e->pending = false;
    if (!base)
        refuse(e, BNT_VERDICT_BASE, "it extends '%s', which is not in this folder", name);
    else if (base->judge)
        refuse(e, BNT_VERDICT_BASE, "it extends '%s': every plugin does, and says nothing", name);
    else if (base->file.note.extends[0])
        refuse(e, BNT_VERDICT_BASE, "it extends '%s', which itself extends '%s'", name,
               base->file.note.extends);
    else if (base->c.verdict == BNT_VERDICT_CPU) /* so this one is for another CPU as well */
        refuse(e, BNT_VERDICT_CPU, "it extends '%s': %.400s", name, base->c.reason);
    else if (base->c.verdict != BNT_VERDICT_OK)
        refuse(e, BNT_VERDICT_BASE, "it extends '%s', which is refused (%s): %.400s", name,
               bnt_verdict_name(base->c.verdict), base->c.reason);
    else
        e->base = base, e->pending = true;
}

static void decide(struct bnt_backends *b, struct entry *wanted, bool strict, bool try_all,
                   const struct bnt_shapes *shapes) {
    struct entry *chosen = NULL;
    if (try_all) { /* side by side, and then those that extend them */
        try_plugins(b, NULL, shapes);
        for (size_t i = 0; i < b->count; i++) find_base(b, &b->entries[i], shapes);
        try_plugins(b, NULL, shapes);
    }
    for (size_t i = 0; i < b->count && !b->lacking.status; i++) {
        struct entry *e = &b->entries[i];
        bool asked = strict ? e == wanted : !chosen;
        if (asked) find_base(b, e, shapes);
        if (e->pending && asked && !e->checked) try_plugins(b, e, shapes);
        if (e->pending && (asked || try_all)) load(b, e, shapes);
        if (asked && e->c.verdict == BNT_VERDICT_OK) chosen = e;
    }
    if (!chosen) return;
    chosen->c.chosen = true;
    b->chosen = chosen;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        if (e->pending) refuse(e, BNT_VERDICT_NOT_TRIED, "%s was chosen first", chosen->c.name);
    }
}

/* Whether the refused might have been chosen, had it been right. */
static bool is_missed(const struct entry *e, const struct entry *chosen) {
    switch (e->c.verdict) {
    case BNT_VERDICT_OK:
    case BNT_VERDICT_NO_NOTE: /* a file of another kind */
    case BNT_VERDICT_CPU:
    case BNT_VERDICT_DUPLICATE:
    case BNT_VERDICT_NOT_TRIED: return false;
    default: return !e->file.note.name[0] || e->c.priority > chosen->c.priority;
    }
}

static void warn(struct bnt_backends *b) {
    const struct entry *chosen = NULL, *first = NULL, *other = NULL; /* for another CPU */
    unsigned missed = 0;
    char more[64] = "";
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].c.chosen) chosen = &b->entries[i];
    for (size_t i = 0; i < b->count && chosen; i++) {
        if (!other && b->entries[i].c.verdict == BNT_VERDICT_CPU) other = &b->entries[i];
        if (!is_missed(&b->entries[i], chosen)) continue;
        if (!missed++) first = &b->entries[i];
    }
    const char *slower = chosen && chosen->judge ? ", several times slower than a plugin" : "";
    if (missed > 1) snprintf(more, sizeof more, " (and %u more: `bitnet backends`)", missed - 1);
    if (first)
        snprintf(b->warning, sizeof b->warning,
                 "plugin '%s' refused (%s): %.400s%s; computing with %s%s", first->c.name,
                 bnt_verdict_name(first->c.verdict), first->c.reason, more, chosen->c.name, slower);
    else if (b->note[0] && chosen)
        snprintf(b->warning, sizeof b->warning,
                 "'%.300s': %.200s (--plugin-dir=DIR names another folder); computing with %s%s",
                 b->dir, b->note, chosen->c.name, slower);
    else if (chosen && chosen->judge && other)
        snprintf(b->warning, sizeof b->warning,
                 "no plugin in '%.200s' is for this CPU (%s: %.300s; `bitnet backends` lists all); "
                 "computing with %s%s",
                 b->dir, other->c.name, other->c.reason, chosen->c.name, slower);
    else if (chosen && chosen->judge)
        snprintf(b->warning, sizeof b->warning,
                 "'%.300s' has no plugin besides %s, which is built in (--plugin-dir=DIR names "
                 "another folder); computing with it%s",
                 b->dir, chosen->c.name, slower);
}

/* Which of the chosen plugin's sets computes: the one asked for, or the quickest. */
static int take_set(struct entry *e, const char *variant, const struct bnt_work *work,
                    struct bnt_err *err) {
    char names[300] = "", shown[100];
    int status = BNT_OK;
    struct bnt_sets *sets = e->sets;
    if (!variant && (!sets || !work)) return BNT_OK;
    if (!variant) {
        status = bnt_sets_choose(sets, work, err);
        e->backend = &sets->of[sets->taken];
        return status;
    }
    for (unsigned i = 0; sets && i < sets->count; i++) {
        size_t used = strlen(names);
        if (strcmp(sets->of[i].variant, variant) == 0) {
            sets->taken = i;
            e->backend = &sets->of[i];
            return BNT_OK;
        }
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", sets->of[i].variant);
    }
    if (!sets && strcmp(e->backend->variant, variant) == 0) return BNT_OK;
    bnt_printable(shown, sizeof shown, variant, strlen(variant));
    return bnt_fail(err, BNT_E_BACKEND,
                    "backend '%s' has no kernel set '%s' for this CPU; it has: %s", e->c.name,
                    shown, sets ? names : e->backend->variant);
}

static int explain(const struct bnt_backends *b, const struct entry *wanted, const char *want,
                   struct bnt_err *err) {
    char names[300] = "", shown[100];
    bnt_printable(shown, sizeof shown, want, strlen(want));
    if (wanted) {
        return bnt_fail(err, BNT_E_BACKEND, "backend '%s' refused (%s): %.420s", shown,
                        bnt_verdict_name(wanted->c.verdict), wanted->c.reason);
    }
    for (size_t i = 0; i < b->count; i++) {
        size_t used = strlen(names);
        if (b->entries[i].c.verdict == BNT_VERDICT_DUPLICATE) continue;
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", b->entries[i].c.name);
    }
    return bnt_fail(err, BNT_E_BACKEND, "no backend '%s' in '%.150s'; there are: %s", shown, b->dir,
                    names);
}

int bnt_backends_open(struct bnt_backends **out, const struct bnt_backends_options *options,
                      struct bnt_err *err) {
    int status = BNT_OK;
    size_t files = 0;
    char *names[MAX_FILES];
    char what[128];
    static const struct bnt_backends_options usual;
    if (!options) options = &usual;
    const char *want = options->want ? options->want : "auto", *variant = strchr(want, ':');
    bool strict = strcmp(want, "auto") != 0;
    struct entry *wanted = NULL;
    char name[sizeof wanted->c.name];
    snprintf(name, sizeof name, "%.*s", variant ? (int)(variant - want) : (int)sizeof name, want);
    *out = NULL;
    uint32_t deviation = bnt_fpenv_deviation();
    if (deviation) {
        return bnt_fail(err, BNT_E_NUMERIC, "the floating-point environment is not the default: %s",
                        bnt_fpenv_describe(deviation, what, sizeof what));
    }
    if (!bnt_judge()->name[0]) return bnt_fail(err, BNT_E_BACKEND, "ref-scalar has no kernels");
    struct bnt_backends *b = calloc(1, sizeof *b);
    if (!b) return bnt_fail_nomem(err, "the table of backends", sizeof *b);
    status = find_folder(b, options, err);
    if (status != BNT_OK) goto out;
    status = list_folder(b, names, &files, err);
    if (status != BNT_OK) goto out;
    b->entries = calloc(files + 1, sizeof *b->entries);
    if (!b->entries) {
        status = bnt_fail_nomem(err, "the table of backends", (files + 1) * sizeof *b->entries);
        goto out;
    }
    for (size_t i = 0; i < files; i++) add_file(b, names[i]);
    add_judge(b);
    bnt_sort(b->entries, b->count, sizeof *b->entries, compare_entries);
    if (strict) wanted = find(b, variant ? name : want);
    decide(b, wanted, strict, options->try_all, options->shapes);
    if (b->lacking.status) {
        status =
            bnt_fail(err, b->lacking.status, "a plugin could not be judged: %s", b->lacking.text);
        goto out;
    }
    if (b->chosen) status = take_set(b->chosen, variant ? variant + 1 : NULL, options->work, err);
    if (status != BNT_OK && !strict) goto out;
    if (!strict) warn(b);
    *out = b;
    if (strict && !b->chosen) status = explain(b, wanted, want, err);
out:
    for (size_t i = 0; i < files; i++) free(names[i]);
    if (!*out) bnt_backends_close(b);
    return status;
}

void bnt_backends_close(struct bnt_backends *b) {
    if (!b) return;
    for (size_t i = 0; i < b->count; i++) {
        struct entry *e = &b->entries[i];
        free(e->sets);
        if (e->file.fd >= 0) close(e->file.fd);
    }
    free(b->entries);
    free(b);
}

const struct bnt_backend *bnt_backends_chosen(const struct bnt_backends *b) {
    return b->chosen ? b->chosen->backend : NULL;
}

size_t bnt_backends_count(const struct bnt_backends *b) {
    return b->count;
}

const struct bnt_candidate *bnt_backends_at(const struct bnt_backends *b, size_t i) {
    return i < b->count ? &b->entries[i].c : NULL;
}

const struct bnt_backend *bnt_backends_get(const struct bnt_backends *b, size_t i) {
    return i < b->count ? b->entries[i].backend : NULL;
}

const struct bnt_sets *bnt_backends_sets(const struct bnt_backends *b, size_t i) {
    return i < b->count ? b->entries[i].sets : NULL;
}

const char *bnt_backends_dir(const struct bnt_backends *b) {
    return b->dir;
}

const char *bnt_backends_warning(const struct bnt_backends *b) {
    return b->warning;
}

const char *bnt_backends_note(const struct bnt_backends *b) {
    return b->note;
}
