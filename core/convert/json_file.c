/* json_file.c - see json_file.h. */
#include "convert/json_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_memory.h"

int bnt_folder_read(char **text, size_t *len, const char *folder, const char *name, size_t most,
                    bool optional, struct bnt_err *err) {
    char path[PATH_MAX];
    struct stat st;
    int status = BNT_OK;
    *text = NULL;
    *len = 0;
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return bnt_fail(err, BNT_E_IO, "%s: %s", name, strerror(ENAMETOOLONG));
    if (stat(path, &st) != 0) {
        if (errno == ENOENT && optional) return BNT_OK;
        return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) return bnt_fail(err, BNT_E_IO, "%s: not a regular file", path);
    if ((unsigned long long)st.st_size > most)
        return bnt_fail(err, BNT_E_LIMIT, "%s: %lld bytes; at most %zu are read", path,
                        (long long)st.st_size, most);
    FILE *f = fopen(path, "rb");
    if (!f) return bnt_fail(err, BNT_E_IO, "%s: %s", path, strerror(errno));
    char *room = malloc((size_t)st.st_size + 1);
    if (!room)
        status = bnt_fail_nomem(err, path, (size_t)st.st_size);
    else
        *len = fread(room, 1, (size_t)st.st_size, f);
    if (status == BNT_OK && ferror(f)) status = bnt_fail(err, BNT_E_IO, "%s: cannot be read", path);
    fclose(f);
    if (status != BNT_OK) {
        free(room);
        return status;
    }
    room[*len] = '\0';
    *text = room;
    return BNT_OK;
}

int bnt_json_parse(json_t **out, const char *text, size_t len, const char *what,
                   struct bnt_err *err) {
    json_error_t why;
    int status = bnt_json_load(out, text, len, JSON_REJECT_DUPLICATES, &why);
    if (status == BNT_E_NOMEM) return bnt_fail_nomem(err, what, len);
    if (*out && json_is_object(*out)) return BNT_OK;
    if (*out) {
        json_decref(*out);
        *out = NULL;
        return bnt_fail(err, BNT_E_FORMAT, "%s: not a JSON object", what);
    }
    return bnt_fail(err, BNT_E_FORMAT, "%s: line %d: %s", what, why.line, why.text);
}

int bnt_folder_json(json_t **out, const char *folder, const char *name, size_t most, bool optional,
                    struct bnt_err *err) {
    char *text;
    size_t len;
    *out = NULL;
    int status = bnt_folder_read(&text, &len, folder, name, most, optional, err);
    if (status == BNT_OK && text) status = bnt_json_parse(out, text, len, name, err);
    free(text);
    return status;
}

const char *bnt_json_text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

bool bnt_json_is_type(const json_t *object, const char *type) {
    const char *s = bnt_json_text(object, "type");
    return s && strcmp(s, type) == 0;
}

bool bnt_json_true(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}
