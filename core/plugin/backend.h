/*
 * backend.h - finds, vets and loads kernel plugins, and chooses one.
 *
 * Steps for each file, each with its own reason when it fails: safe file (nobody else may write
 * it or its folder), ELF with our note (read before any of its code is mapped), ABI major, CPU
 * needs met, dlopen, symbol, descriptor equals note, floating-point environment unchanged, a
 * kernel set for this CPU, self-check against ref-scalar. A plugin that extends another is looked
 * at after that one, and refused with it. What maps code is tried in a process of
 * its own first, where the program can do that (trial.h). The result is the decision table.
 * ref-scalar is linked in: it cannot be replaced by a file, and it judges all others.
 */
#ifndef BNT_PLUGIN_BACKEND_H
#define BNT_PLUGIN_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "plugin/judge.h"
#include "plugin/places.h"

struct bnt_candidate {
    char name[64]; /* from the note, else the file name */
    char path[4096];
    int priority;
    enum bnt_verdict verdict;
    char reason[600]; /* one line: what failed, with names and numbers; "" when ok */
    bool chosen;
};

struct bnt_shapes; /* selfcheck.h */
struct bnt_work;   /* choice.h */

struct bnt_backends; /* the decision table; opaque; owns the loaded plugins, which stay loaded */

struct bnt_backends_options {
    const char *plugin_dir; /* --plugin-dir, or NULL: BITNET_PLUGIN_DIR (secure_getenv), or
                               bnt_plugin_dir() */
    const char *want;       /* "auto" or NULL: the best that passes; a name: that one or an error;
                               NAME:VARIANT one of its kernel sets */
    bool try_all;           /* vet every candidate to the end (`bitnet backends`) */
    const struct bnt_shapes *shapes; /* of the model it is for; NULL: none in particular */
    const struct bnt_work *work; /* choice.h: what decides between the sets of the chosen plugin;
                                    NULL: the first one is taken */
};

/*
 * Files are judged in the order of their names, and a name belongs to the first that has it; the
 * table is in the order of choice: highest priority first, then by name, then files whose note
 * could not be read. `auto` vets in that order and stops at the first that passes; what stands
 * below it is NOT_TRIED and none of its code has been mapped.
 */

/* Fails with BNT_E_BACKEND and the candidate's reason when `want` names one that is refused or
 * unknown; the table is then still made (*out non-NULL) so that it can be shown. A folder named by
 * the caller or the environment must exist: "" is BNT_E_USAGE, a missing one BNT_E_IO, both without
 * a table. BNT_E_NOMEM and BNT_E_LIMIT, without a table: memory or descriptors were lacking,
 * perhaps to judge one of the files: that says nothing against it, and no reason to compute slower.
 * The calling thread must be in the default floating-point environment: BNT_E_NUMERIC. */
int bnt_backends_open(struct bnt_backends **out, const struct bnt_backends_options *options,
                      struct bnt_err *err);
void bnt_backends_close(struct bnt_backends *b);
const struct bnt_backend *bnt_backends_chosen(const struct bnt_backends *b); /* NULL if none */
size_t bnt_backends_count(const struct bnt_backends *b);
const struct bnt_candidate *bnt_backends_at(const struct bnt_backends *b, size_t i);
/* Usable backend number i, for those with verdict ok; NULL otherwise. */
const struct bnt_backend *bnt_backends_get(const struct bnt_backends *b, size_t i);
/* All its kernel sets; NULL for ref-scalar, which has one, and what is not usable. */
const struct bnt_sets *bnt_backends_sets(const struct bnt_backends *b, size_t i);
const char *bnt_backends_dir(const struct bnt_backends *b); /* the folder that was searched */
/* One line on the folder as a whole, for the reader of the table: that it does not exist or holds
 * no plugin; "" when there is nothing to say. */
const char *bnt_backends_note(const struct bnt_backends *b);
/* One line when `auto` perhaps chose a slower one than it could have: a plugin that may be for this
 * CPU and would come first was refused, or there is no folder, or none in it for this CPU, and why;
 * "" when all is well. */
const char *bnt_backends_warning(const struct bnt_backends *b);

#endif
