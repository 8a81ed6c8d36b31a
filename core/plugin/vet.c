/*
 * vet.c - see vet.h.
 *
 * Must not choose. The one idea: ask in the order of what is risked - first what the file says,
 * then its constants, then its code on test vectors - and stop at the first wrong answer.
 *
 * The file is opened once; checked, hashed and loaded is what that descriptor stands for, so that
 * nobody can put another file under the path in between. The linker is given the descriptor's name
 * in /proc, each time in another spelling, since it takes an object of a name it knows for loaded.
 * Where /proc is missing the path is loaded, if it is the same file before and after; the folders
 * have been judged (safefile.h), so that only root and we could use that gap.
 *
 * Objects are never unloaded but in tests, so what loading did is remembered: an object that once
 * changed the floating-point environment does not get better by its constructors not running again,
 * and a file written to after loading would get the old code with a new hash.
 */
#include "plugin/vet.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "machine/cpu.h"
#include "machine/fpenv.h"
#include "machine/pool.h"
#include "plugin/judge.h"
#include "plugin/safefile.h"
#include "plugin/selfcheck.h"
#include "plugin/slots.h"

struct loaded {
    struct loaded *next;
    struct stat st;
    void *handle;
    uint32_t deviation; /* what loading did to the floating-point environment */
};

static struct loaded *loaded_list;
static unsigned loaded_count; /* ever; makes names */
static pthread_mutex_t loaded_mutex = PTHREAD_MUTEX_INITIALIZER;

enum bnt_verdict bnt_vet_file(struct bnt_plugin_file *f, const char *path, const bnt_cpu *cpu,
                              struct bnt_err *err) {
    char missing[200];
    memset(f, 0, sizeof *f);
    switch (bnt_safe_open(path, &f->fd, &f->st, err)) {
    case BNT_OK: break;
    case BNT_E_BACKEND: return BNT_VERDICT_UNSAFE;
    default: return BNT_VERDICT_UNREADABLE;
    }
    switch (bnt_elfnote_read(f->fd, &f->note, err)) {
    case BNT_OK: break;
    case BNT_E_FORMAT: return BNT_VERDICT_NOT_ELF;
    case BNT_E_BACKEND: return BNT_VERDICT_CPU; /* of another machine */
    case BNT_E_UNSUPPORTED: return BNT_VERDICT_NO_NOTE;
    default: return BNT_VERDICT_UNREADABLE;
    }
    if (f->note.abi_major != BNT_ABI_MAJOR) {
        bnt_fail(err, BNT_E_BACKEND, "made for plugin ABI %u.%u, this is %d.%d", f->note.abi_major,
                 f->note.abi_minor, BNT_ABI_MAJOR, BNT_ABI_MINOR);
        return BNT_VERDICT_ABI;
    }
    if (!bnt_cpu_has(cpu->features, f->note.needs, missing, sizeof missing)) {
        bnt_fail(err, BNT_E_BACKEND, "the CPU lacks %s", missing);
        return BNT_VERDICT_CPU;
    }
    return BNT_VERDICT_OK;
}

static enum bnt_verdict fp_refused(uint32_t deviation, const char *when, struct bnt_err *err) {
    char what[128];
    bnt_fail(err, BNT_E_BACKEND, "%s changed the floating-point environment: %s", when,
             bnt_fpenv_describe(deviation, what, sizeof what));
    return BNT_VERDICT_FP_ENVIRONMENT;
}

/* Puts the environment right if it is not; true when it was. */
static bool fp_intact(uint32_t *deviation) {
    *deviation = bnt_fpenv_deviation();
    if (*deviation) bnt_fpenv_reset();
    return *deviation == 0;
}

static bool is_path_of(const char *path, const struct stat *st) {
    struct stat now;
    return stat(path, &now) == 0 && bnt_same_file(&now, st);
}

/* A name of the open file that the linker has not seen yet; false where there is no /proc. The
 * process's number and not "self", so that a debugger finds the file as well. */
static bool descriptor_name(const struct bnt_plugin_file *f, char *name, size_t size) {
    size_t n = (size_t)snprintf(name, size, "/proc/%ld/fd/", (long)getpid());
    if (n + 2 * (size_t)loaded_count + 16 > size) return false;
    for (unsigned i = 0; i < loaded_count; i++, n += 2) memcpy(name + n, "./", 2);
    snprintf(name + n, size - n, "%d", f->fd);
    return is_path_of(name, &f->st);
}

static enum bnt_verdict cannot_load(const char *name, struct bnt_err *err) {
    char shown[500];
    const char *why = dlerror();
    size_t n = strlen(name);
    if (!why) why = "unknown error";
    if (strncmp(why, name, n) == 0 && strncmp(why + n, ": ", 2) == 0) why += n + 2;
    int spare = dup(STDERR_FILENO); /* the linker keeps its errno to itself */
    int status = spare < 0 && (errno == EMFILE || errno == ENFILE) ? BNT_E_LIMIT : BNT_E_BACKEND;
    if (spare >= 0) close(spare);
    bnt_fail(err, status, "%s", bnt_printable(shown, sizeof shown, why, strlen(why)));
    return BNT_VERDICT_DLOPEN;
}

/* With the mutex held: the object of the open file, loaded now or before. */
static enum bnt_verdict load(struct loaded **out, const struct bnt_plugin_file *f, const char *path,
                             struct bnt_err *err) {
    char name[PATH_MAX];
    struct loaded *l = loaded_list;
    while (l && !(l->st.st_dev == f->st.st_dev && l->st.st_ino == f->st.st_ino)) l = l->next;
    if (l) { /* the linker knows objects by inode, too */
        *out = l;
        if (bnt_same_file(&f->st, &l->st)) return BNT_VERDICT_OK;
        bnt_fail(err, BNT_E_BACKEND, "the file was changed after this process had loaded it");
        return BNT_VERDICT_UNSAFE;
    }
    l = calloc(1, sizeof *l);
    if (!l) {
        bnt_fail_nomem(err, "the list of loaded plugins", sizeof *l);
        return BNT_VERDICT_DLOPEN;
    }
    l->st = f->st;
    bool by_path = !descriptor_name(f, name, sizeof name);
    const char *what = by_path ? path : name;
    if (is_path_of(what, &f->st)) l->handle = dlopen(what, RTLD_NOW | RTLD_LOCAL);
    loaded_count++;
    (void)fp_intact(&l->deviation); /* a failed dlopen may have run constructors as well */
    if (!is_path_of(what, &f->st)) {
        bnt_fail(err, BNT_E_BACKEND, "the file was changed while it was being loaded");
        free(l);
        return BNT_VERDICT_UNSAFE;
    }
    if (!l->handle) {
        free(l);
        return cannot_load(what, err);
    }
    l->next = loaded_list;
    loaded_list = l;
    *out = l;
    return BNT_VERDICT_OK;
}

void bnt_vet_unload_all(void) {
    pthread_mutex_lock(&loaded_mutex);
    while (loaded_list) {
        struct loaded *l = loaded_list;
        loaded_list = l->next;
        dlclose(l->handle);
        free(l);
    }
    loaded_count = 0;
    pthread_mutex_unlock(&loaded_mutex);
}

static enum bnt_verdict differs(const char *field, const char *note, const char *descriptor,
                                struct bnt_err *err) {
    char shown[200] = "nothing";
    if (descriptor) bnt_printable(shown, sizeof shown, descriptor, strnlen(descriptor, 300));
    bnt_fail(err, BNT_E_BACKEND, "%s: the note says '%.200s', the descriptor '%s'", field, note,
             shown);
    return BNT_VERDICT_NOTE_MISMATCH;
}

static enum bnt_verdict check_descriptor(const bnt_plugin *d, const struct bnt_elfnote *note,
                                         struct bnt_err *err) {
    if (d->abi_major != BNT_ABI_MAJOR) { /* of another major only the first fields are known */
        bnt_fail(err, BNT_E_BACKEND, "the descriptor says plugin ABI %u.%u, this is %d.%d",
                 d->abi_major, d->abi_minor, BNT_ABI_MAJOR, BNT_ABI_MINOR);
        return BNT_VERDICT_ABI;
    }
    if (d->struct_size < offsetof(bnt_plugin, kernels) + sizeof d->kernels) {
        bnt_fail(err, BNT_E_BACKEND, "a descriptor of %u bytes, expected at least %zu",
                 d->struct_size, offsetof(bnt_plugin, kernels) + sizeof d->kernels);
        return BNT_VERDICT_ABI;
    }
    if (d->abi_minor != note->abi_minor) {
        bnt_fail(err, BNT_E_BACKEND, "abi: the note says 1.%u, the descriptor 1.%u",
                 note->abi_minor, d->abi_minor);
        return BNT_VERDICT_NOTE_MISMATCH;
    }
    if (!d->name || strcmp(d->name, note->name) != 0) {
        return differs("name", note->name, d->name, err);
    }
    if (!d->needs || strcmp(d->needs, note->needs) != 0) {
        return differs("needs", note->needs, d->needs, err);
    }
    if (d->priority != note->priority) {
        bnt_fail(err, BNT_E_BACKEND, "priority: the note says %d, the descriptor %d",
                 (int)note->priority, (int)d->priority);
        return BNT_VERDICT_NOTE_MISMATCH;
    }
    const char *extends = BNT_HAS(d, extends) ? d->extends : "";
    if (strcmp(extends, note->extends) != 0) return differs("extends", note->extends, extends, err);
    return BNT_VERDICT_OK;
}

/* ---- the self-check, by a team of two ------------------------------------------------------- */

enum { MEMBERS = 2 };

struct member {
    const struct bnt_vetting *how;
    const bnt_kernels *k, *known;
    unsigned number;
    int status;
    struct bnt_err err;
};

static void step(const struct bnt_vetting *how, unsigned thread, const char *what) {
    if (how->step) how->step(how->arg, thread, what);
}

static void pass_on(void *arg, const char *what) {
    const struct member *m = arg;
    step(m->how, m->number, what);
}

static void check_as_member(void *arg, unsigned i, unsigned n) {
    struct member *m = (struct member *)arg + i;
    const struct bnt_selfcheck_options o = {m->how->shapes, m->known, pass_on, m};
    (void)n;
    m->status = bnt_selfcheck(m->k, &bnt_judge()->kernels, &o, &m->err);
    pass_on(m, "");
}

/* What `known` has as well was checked with it. */
static enum bnt_verdict check_kernels(const bnt_kernels *k, const bnt_kernels *known,
                                      const struct bnt_vetting *how, struct bnt_err *err) {
    struct member team[MEMBERS] = {{.how = how, .k = k, .known = known},
                                   {.how = how, .k = k, .known = known, .number = 1}};
    struct bnt_pool *pool;
    unsigned member = 0;
    int status = bnt_pool_open(&pool, MEMBERS, NULL, err);
    if (status != BNT_OK) return BNT_VERDICT_SELF_CHECK;
    bnt_pool_run(pool, check_as_member, team);
    uint32_t deviation = bnt_pool_deviation(pool, &member);
    bnt_pool_close(pool);
    if (deviation)
        return fp_refused(deviation,
                          member ? "one of its kernels, on another thread," : "one of its kernels",
                          err);
    if (team[0].status == BNT_OK && team[1].status == BNT_OK) return BNT_VERDICT_OK;
    member = team[0].status == BNT_OK;
    bnt_fail(err, team[member].status, "%s%.500s", member ? "on another thread: " : "",
             team[member].err.text);
    return BNT_VERDICT_SELF_CHECK;
}

/* ---- loading -------------------------------------------------------------------------------- */

static bool is_new(const struct bnt_sets *sets, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(&sets->of[i].kernels, &sets->of[n].kernels, sizeof sets->of[n].kernels) == 0)
            return false;
    return true;
}

/* Set number n of the plugin. NO_KERNELS beyond the first: there are no more. */
static enum bnt_verdict load_set(struct bnt_sets *out, uint32_t n, const bnt_plugin *d,
                                 const bnt_cpu *cpu, const struct bnt_vetting *how,
                                 struct bnt_err *err) {
    uint32_t deviation;
    struct bnt_backend *set = &out->of[n];
    if (n > 0) { /* path and hash are the file's */
        memcpy(set->path, out->of[0].path, sizeof set->path);
        memcpy(set->sha256, out->of[0].sha256, sizeof set->sha256);
    }
    step(how, 0, "its kernels()");
    enum bnt_verdict v = bnt_backend_fill(set, d, how->base, &bnt_judge()->kernels, cpu, n, err);
    if (!fp_intact(&deviation)) return fp_refused(deviation, "its kernels()", err);
    if (v == BNT_VERDICT_OK && !is_new(out, n)) return BNT_VERDICT_NO_KERNELS;
    if (v != BNT_VERDICT_OK || how->checked) return v;
    v = check_kernels(&set->kernels, n > 0 ? &out->of[0].kernels : NULL, how, err);
    if (v == BNT_VERDICT_OK || n == 0) return v;
    const struct bnt_err why = *err;
    bnt_fail(err, why.status, "%s: %.500s", set->variant, why.text);
    return v;
}

enum bnt_verdict bnt_vet_load(struct bnt_sets *out, const struct bnt_plugin_file *f,
                              const char *path, const bnt_cpu *cpu, const struct bnt_vetting *how,
                              struct bnt_err *err) {
    static const struct bnt_vetting usual;
    struct loaded *l = NULL;
    if (!how) how = &usual;
    memset(out, 0, sizeof *out);
    strncpy(out->of[0].path, path, sizeof out->of[0].path - 1);
    if (bnt_sha256_fd(f->fd, out->of[0].sha256, err) != BNT_OK) return BNT_VERDICT_UNREADABLE;

    step(how, 0, "loading it");
    pthread_mutex_lock(&loaded_mutex);
    enum bnt_verdict v = load(&l, f, path, err);
    pthread_mutex_unlock(&loaded_mutex);
    if (v != BNT_VERDICT_OK) return v;

    const bnt_plugin *d = dlsym(l->handle, BNT_PLUGIN_SYMBOL);
    if (!d) {
        bnt_fail(err, BNT_E_BACKEND, "it does not export %s", BNT_PLUGIN_SYMBOL);
        return BNT_VERDICT_NO_SYMBOL;
    }
    v = check_descriptor(d, &f->note, err);
    if (v != BNT_VERDICT_OK) return v;
    if (l->deviation) return fp_refused(l->deviation, "loading it", err);

    while (out->count < BNT_SETS_MOST) {
        struct bnt_err why = {0};
        v = load_set(out, out->count, d, cpu, how, &why);
        if (v == BNT_VERDICT_NO_KERNELS && out->count > 0) break;
        if (v != BNT_VERDICT_OK) {
            if (err) *err = why;
            return v;
        }
        out->count++;
    }
    return BNT_VERDICT_OK;
}
