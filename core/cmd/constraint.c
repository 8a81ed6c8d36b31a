/*
 * constraint.c - the options that give a text its shape.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"

bool cmd_is_schema_text(const char *option) {
    if (!option) return false;
    option += strspn(option, " \t\r\n");
    return *option == '{' || strcmp(option, "true") == 0 || strcmp(option, "false") == 0;
}

int cmd_open_constraint(struct bnt_constraint **out, const struct cmd_args *args,
                        struct bnt_engine *engine, uint32_t schema_kind, struct bnt_err *err) {
    const char *path = args->grammar ? args->grammar : args->json_schema, *text = NULL;
    char *file = NULL;
    size_t len = 0;
    *out = NULL;
    if (!!args->json_schema + !!args->grammar + !!args->format > 1)
        return bnt_fail(err, BNT_E_USAGE,
                        "--json-schema, --grammar and --format each give the text its shape");
    if (args->format && strcmp(args->format, "json") != 0)
        return bnt_fail(err, BNT_E_USAGE, "--format knows json, not '%.40s'", args->format);
    if (args->format) return bnt_constraint_open(out, engine, BNT_CONSTRAINT_JSON, NULL, 0, err);
    if (!path) return BNT_OK;
    if (!args->grammar && cmd_is_schema_text(path)) {
        text = path;
        len = strlen(path);
    } else {
        int status = cmd_read_file(path, &file, &len, err);
        if (status != BNT_OK) return status;
        text = file;
    }
    int status = bnt_constraint_open(
        out, engine, args->grammar ? BNT_CONSTRAINT_GRAMMAR : schema_kind, text, len, err);
    free(file);
    return status;
}
