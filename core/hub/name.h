/*
 * name.h - names of models on a hub: ORG/NAME[/FILE][@REV], as `bitnet pull` and -m take them.
 *
 * Knows what such a name may look like; must not know the network or the cache. A name is used in
 * paths and addresses, so only letters, digits, '-', '_' and '.' are in it, and no part is "..".
 */
#ifndef BNT_HUB_NAME_H
#define BNT_HUB_NAME_H

#include <stdbool.h>

struct bnt_hub_name {
    char repo[200]; /* "ORG/NAME" */
    char file[400]; /* "FILE" or "FOLDER/FILE"; "" for none */
    char rev[100];  /* branch, tag or commit; "main" where none is given */
};

/* False when the text is no such name; *out is undefined then. */
bool bnt_hub_parse(struct bnt_hub_name *out, const char *text);

/* Whether a name or path ends in ".gguf", with something before it. */
bool bnt_hub_is_model_file(const char *name);

/* Whether `text`, given where a model's file is expected, means a model on the hub: it has the form
 * of a name, does not look like a path (.gguf in second place), and there is no such file. */
bool bnt_hub_is_name(const char *text);

#endif
