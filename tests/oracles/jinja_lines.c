/*
 * jinja_lines.c - renders templates by our interpreter, for jinja.mjs and jinja_reference.py.
 *
 *     jinja_lines <CASES      JSON: [{"template": TEXT or INDEX, "time": SECONDS, "values": {...}},
 * ...]
 *
 * A template that is a number is that of the case before. Prints one JSON object a case:
 * {"text": ...} or {"status": NAME, "error": ...}. All texts of the values are somebody else's;
 * "marked" is how many bytes of the text say so.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

static bool value_of(struct bnt_jinja_run *r, const json_t *j, struct jv *out) {
    const char *key;
    json_t *item;
    size_t i;
    switch (json_typeof(j)) {
    case JSON_NULL: *out = jv_none(); return true;
    case JSON_TRUE:
    case JSON_FALSE: *out = jv_bool(json_is_true(j)); return true;
    case JSON_INTEGER: *out = jv_int(json_integer_value(j)); return true;
    case JSON_REAL: *out = jv_real(json_real_value(j)); return true;
    case JSON_STRING:
        return jv_text_copy(r, json_string_value(j), json_string_length(j), true, out);
    case JSON_ARRAY:
        if (!jv_list_new(r, LIST_PLAIN, json_array_size(j), out)) return false;
        json_array_foreach(j, i, item) {
            struct jv v;
            if (!value_of(r, item, &v) || !jv_list_add(r, out->as.list, &v)) return false;
        }
        return true;
    case JSON_OBJECT: break;
    }
    if (!jv_dict_new(r, JV_DICT, out)) return false;
    json_object_foreach((json_t *)j, key, item) {
        struct jv k, v;
        if (!jv_text_copy(r, key, strlen(key), true, &k) || !value_of(r, item, &v) ||
            !jv_dict_set(r, out->as.dict, &k, &v))
            return false;
    }
    return true;
}

static json_t *render(const struct bnt_jinja *program, const json_t *o) {
    struct bnt_jinja_run *run = NULL;
    struct bnt_marked text = {0};
    struct bnt_err err = {0};
    const char *name;
    json_t *item, *out = NULL;
    size_t marked = 0;
    int rc = bnt_jinja_begin(&run, program, NULL, &err);
    if (rc == BNT_OK) bnt_jinja_set_time(run, json_integer_value(json_object_get(o, "time")));
    json_object_foreach(json_object_get(o, "values"), name, item) {
        struct jv v;
        if (rc == BNT_OK) rc = value_of(run, item, &v) ? BNT_OK : (int)BNT_E_LIMIT;
        if (rc == BNT_OK) rc = bnt_jinja_set(run, name, &v, &err);
    }
    if (rc == BNT_OK) rc = bnt_jinja_render(run, &text, &err);
    for (size_t i = 0; rc == BNT_OK && text.marks && i < text.len; i++) marked += text.marks[i];
    if (rc == BNT_OK)
        out = json_pack("{s:s%, s:I}", "text", text.text, text.len, "marked", (json_int_t)marked);
    else
        out = json_pack("{s:s, s:s}", "status", bnt_status_name(rc), "error", err.text);
    bnt_jinja_end(run);
    return out;
}

int main(void) {
    struct bnt_err err = {0};
    json_error_t why;
    json_t *cases = json_loadf(stdin, JSON_ALLOW_NUL, &why), *o;
    size_t i;
    if (!json_is_array(cases)) {
        fprintf(stderr, "jinja_lines: %s\n", why.text);
        return 1;
    }
    struct bnt_jinja *program = NULL; /* of the case before, which mostly is this one's as well */
    int rc = BNT_OK;
    json_array_foreach(cases, i, o) {
        const json_t *source = json_object_get(o, "template");
        if (json_is_string(source)) {
            bnt_jinja_close(program);
            rc = bnt_jinja_open(&program, json_string_value(source), json_string_length(source),
                                &err);
        }
        json_t *line = rc == BNT_OK ? render(program, o)
                                    : json_pack("{s:s, s:s}", "status", bnt_status_name(rc),
                                                "error", err.text);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    }
    bnt_jinja_close(program);
    json_decref(cases);
    return 0;
}
