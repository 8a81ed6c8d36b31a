/*
 * from_json.c - JSON as values of a run. Every text in it is somebody else's; keys are too, but
 * only values are printed as they are.
 */
#include <jansson.h>
#include <string.h>

#include "value.h"

static bool convert(struct bnt_jinja_run *run, const json_t *v, unsigned depth, struct jv *out) {
    if (depth == JINJA_JSON_DEPTH) return run_fail(run, BNT_E_LIMIT, "JSON that nests too deep");
    switch (json_typeof(v)) {
    case JSON_NULL: *out = jv_none(); return true;
    case JSON_TRUE:
    case JSON_FALSE: *out = jv_bool(json_is_true(v)); return true;
    case JSON_INTEGER: *out = jv_int(json_integer_value(v)); return true;
    case JSON_REAL: *out = jv_real(json_real_value(v)); return true;
    case JSON_STRING:
        return jv_text_copy(run, json_string_value(v), json_string_length(v), true, out);
    case JSON_ARRAY:
        if (!jv_list_new(run, LIST_PLAIN, json_array_size(v), out)) return false;
        for (size_t i = 0; i < json_array_size(v); i++) {
            struct jv one;
            if (!convert(run, json_array_get(v, i), depth + 1, &one) ||
                !jv_list_add(run, out->as.list, &one))
                return false;
        }
        return true;
    case JSON_OBJECT: break;
    }
    const char *name;
    json_t *value;
    if (!jv_dict_new(run, JV_DICT, out)) return false;
    json_object_foreach((json_t *)v, name, value) {
        struct jv key, one;
        if (!jv_text_copy(run, name, strlen(name), true, &key) ||
            !convert(run, value, depth + 1, &one) || !jv_dict_set(run, out->as.dict, &key, &one))
            return false;
    }
    return true;
}

bool jv_from_json(struct bnt_jinja_run *run, const struct json_t *v, struct jv *out) {
    return convert(run, v, 0, out);
}
