/*
 * trial.h - plugins are tried in processes of their own before this one loads them.
 *
 * A plugin that crashes, calls exit or never comes back would take this process with it; as a child
 * it only takes the child. The one idea: the child is this very program, started anew with one
 * special word (a process with threads must not be forked and go on), and it does with the plugin
 * what its parent would: bnt_vet_load. What it is doing, and what came of it, stands in memory that
 * both see. Only programs that say so can do that: in a library's host plugins are judged in the
 * host's process.
 */
#ifndef BNT_PLUGIN_TRIAL_H
#define BNT_PLUGIN_TRIAL_H

#include <stddef.h>

#include "plugin/selfcheck.h"
#include "plugin/vet.h"

/* argv[1] of a helper: it hands over to bnt_trial_main, before anything else. */
#define BNT_TRIAL_WORD "--try-plugin"
int bnt_trial_main(void); /* the exit status */

/* `program` answers that word; "/proc/self/exe" for one's own. NULL (at first): no trials. A
 * literal; before any plugin is looked for. */
void bnt_trial_helper(const char *program);

struct bnt_trial {
    const struct bnt_plugin_file *file; /* passed bnt_vet_file */
    const char *path;
    const struct bnt_plugin_file *base; /* that it extends, found good; NULL for none */
    const char *base_path;
    enum bnt_verdict verdict; /* when `made`: OK, DIED, HUNG, or what bnt_vet_load found */
    bool made;
    struct bnt_err err; /* why not OK; or why the trial could not be made */
};

/* Makes all of them, side by side. One that begins no new step for too long (less than a second of
 * its own time: waiting for a CPU does not count) is ended. A trial that cannot be made, where
 * there is no helper or the system starts none, has `made` false: then the plugin is judged in this
 * process. BNT_E_NOMEM and BNT_E_LIMIT, in err: what this process lacks. */
void bnt_trials(struct bnt_trial *trials, size_t count, const struct bnt_shapes *shapes);

#endif
