/*
 * json_file.h - JSON from files of a checkpoint, of bounded size, without keys that are there
 * twice; and members of it by name. Must not know what they mean.
 */
#ifndef BNT_CONVERT_JSON_FILE_H
#define BNT_CONVERT_JSON_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* FOLDER/NAME, whole, at most `most` bytes, and a NUL behind it; *text is malloc'd, NULL when there
 * is no such file and that may be. */
int bnt_folder_read(char **text, size_t *len, const char *folder, const char *name, size_t most,
                    bool optional, struct bnt_err *err);
/* The same as a JSON object. */
int bnt_folder_json(json_t **out, const char *folder, const char *name, size_t most, bool optional,
                    struct bnt_err *err);
int bnt_json_parse(json_t **out, const char *text, size_t len, const char *what,
                   struct bnt_err *err);

/* A string member; NULL when it is absent, null or no string. */
const char *bnt_json_text(const json_t *object, const char *key);
/* Whether its member "type" is `type`. */
bool bnt_json_is_type(const json_t *object, const char *type);
/* A member that is true. */
bool bnt_json_true(const json_t *object, const char *key);

#endif
