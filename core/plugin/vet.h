/*
 * vet.h - one plugin file, from a path to a usable backend or a verdict with its reason.
 *
 * Two steps: bnt_vet_file maps none of its code, bnt_vet_load does. Knows nothing of choosing
 * between plugins.
 */
#ifndef BNT_PLUGIN_VET_H
#define BNT_PLUGIN_VET_H

#include <sys/stat.h>

#include "plugin/elfnote.h"
#include "plugin/selfcheck.h"
#include "plugin/verdict.h"

struct bnt_plugin_file {
    int fd; /* -1, or open: what was checked is what is hashed */
    struct stat st;
    struct bnt_elfnote note; /* name "" when it could not be read */
};

/* Safe file, ELF, note, ABI, CPU. `path` is real. The caller closes f->fd. */
enum bnt_verdict bnt_vet_file(struct bnt_plugin_file *f, const char *path, const bnt_cpu *cpu,
                              struct bnt_err *err);

struct bnt_vetting {
    const struct bnt_shapes *shapes; /* of the model at hand, or NULL */
    const struct bnt_backend *base;  /* that the file extends, loaded; NULL when it extends none */
    bool checked;                    /* a trial (trial.h) has made the self-check */
    /* Called before each step, by thread 0 or 1; "" when it has come to its end. May be NULL. */
    void (*step)(void *arg, unsigned thread, const char *what);
    void *arg;
};

/* dlopen, symbol, descriptor, floating-point environment, all kernel sets for this CPU; then the
 * self-check of each, by this thread and by one of a pool at the same time, since a plugin may
 * behave there as it does not here. `how` may be NULL. */
enum bnt_verdict bnt_vet_load(struct bnt_sets *out, const struct bnt_plugin_file *f,
                              const char *path, const bnt_cpu *cpu, const struct bnt_vetting *how,
                              struct bnt_err *err);

/* For tests that load a plugin again and again: unloads every object and forgets what loading it
 * did. No backend may be in use, in any thread. */
void bnt_vet_unload_all(void);

#endif
