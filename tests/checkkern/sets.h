/*
 * sets.h - kernel sets to test: from plugin files, through the loader's own vetting.
 */
#ifndef CHECKKERN_SETS_H
#define CHECKKERN_SETS_H

#include "runner.h"

enum { CK_MAX_SETS = 64 };

struct ck_sets {
    struct ck_set *at[CK_MAX_SETS];
    size_t count;
    unsigned refused, skipped; /* plugins that did not load; that this CPU cannot run */
};

/* Adds every set that a plugin can give to this CPU. `what` is a path (it has a '/' or ends in
 * ".so"), or the name of a plugin in the plugin folder; "ref-scalar" is the linked-in one where no
 * such file exists. Says on stdout what was refused, on stderr what was skipped. */
void ck_sets_add(struct ck_sets *sets, const char *what, const struct ck_options *options);
/* All files of the plugin folder. */
void ck_sets_add_folder(struct ck_sets *sets, const struct ck_options *options);
void ck_sets_free(struct ck_sets *sets);

#endif
