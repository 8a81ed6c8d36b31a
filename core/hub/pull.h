/*
 * pull.h - a model by its name on the hub: from the cache, or brought there.
 *
 * The header comes first and is judged; what cannot run is refused before its gigabytes move. Where
 * no file is named, the repository's best is chosen: the smallest that runs, ternary ones first.
 */
#ifndef BNT_HUB_PULL_H
#define BNT_HUB_PULL_H

#include "hub/cache.h"
#include "hub/http.h"

/* What the user is told meanwhile; all may be NULL. */
struct bnt_hub_ui {
    void (*say)(void *arg, const char *line);
    void (*progress)(void *arg, uint64_t done, uint64_t size);
    void *arg;
    const volatile sig_atomic_t *interrupted;
};

/* HF_HUB_OFFLINE is set to something else than 0, "", false, no or off. */
bool bnt_hub_offline(void);

/* The path of a model that is in the cache; *found tells. Without name->file it is the best of the
 * snapshot's. Asks nobody. */
int bnt_hub_find_cached(char path[BNT_HUB_PATH], bool *found, const struct bnt_hub_name *name,
                        struct bnt_err *err);

/* Brings it: asks the hub what the revision is now, and moves only what is not there yet.
 * BNT_E_UNSUPPORTED, BNT_E_FORMAT ...: the model cannot run, for the reason that inspect would
 * give. Else as bnt_fetch_file. */
int bnt_hub_pull(char path[BNT_HUB_PATH], const struct bnt_hub_name *name,
                 const struct bnt_hub_ui *ui, struct bnt_err *err);

#endif
