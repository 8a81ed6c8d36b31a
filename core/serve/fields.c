/* fields.c - see fields.h. */
#include "serve/fields.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/sort.h"
#include "run/sample.h"

struct serve_ask serve_ask_default(void) {
    struct serve_ask ask = {
        .sampling = bnt_sampling_default(), .max_tokens = UINT32_MAX, .n = 1, .parallel = true};
    uint64_t seed = 0;
    ask.sampling.temperature = 1.0f;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) seed = 0;
    ask.sampling.seed = seed >> 11; /* every reader of JSON has numbers of 53 bits */
    return ask;
}

bool serve_asks_for_nothing(const json_t *v) {
    const char *text = json_string_value(v);
    if (json_is_object(v)) {
        const char *type = json_string_value(json_object_get(v, "type"));
        return json_object_size(v) == 0 || (type && strcmp(type, "text") == 0);
    }
    if (text) return !*text || strcmp(text, "none") == 0 || strcmp(text, "auto") == 0;
    return json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_number(v) && json_number_value(v) == 0.0);
}

static int read_stops(const json_t *v, struct serve_ask *ask, const char *name,
                      struct bnt_err *err) {
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n > SERVE_MOST_STOPS)
        return bnt_fail(err, BNT_E_USAGE, "%s: at most %d texts", name, SERVE_MOST_STOPS);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        const char *text = json_string_value(one);
        if (!text) return bnt_fail(err, BNT_E_USAGE, "%s: must be a text or a list of texts", name);
        if (strlen(text) != json_string_length(one))
            return bnt_fail(err, BNT_E_USAGE, "%s: a text with a NUL", name);
        if (*text) ask->stops[ask->n_stops++] = text;
    }
    return BNT_OK;
}

static int by_id(const void *a, const void *b) {
    const struct bnt_bias *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int read_biases(const struct serve_field *f, json_t *v, struct serve_ask *ask,
                       struct bnt_err *err) {
    const char *key;
    json_t *one;
    uint32_t n = 0;
    if (!json_is_object(v))
        return bnt_fail(err, BNT_E_USAGE, "%s: must be an object of ids and numbers", f->name);
    if (json_object_size(v) > BNT_BIASES_MOST)
        return bnt_fail(err, BNT_E_USAGE, "%s: at most %d of them", f->name, BNT_BIASES_MOST);
    struct bnt_bias *list = calloc(json_object_size(v) + 1, sizeof *list);
    if (!list) return bnt_fail_nomem(err, f->name, json_object_size(v) * sizeof *list);
    free(ask->biases);
    ask->biases = list;
    json_object_foreach(v, key, one) {
        char *end;
        const double number = json_number_value(one);
        errno = 0;
        const long id = strtol(key, &end, 10);
        if (end == key || *end || errno || id < 0 || id > INT32_MAX || !json_is_number(one) ||
            !(number >= f->lo && number <= f->hi))
            return bnt_fail(err, BNT_E_USAGE, "%s: must name ids, with numbers from %g to %g",
                            f->name, f->lo, f->hi);
        list[n++] = (struct bnt_bias){(int32_t)id, (float)number};
    }
    bnt_sort(list, n, sizeof *list, by_id);
    for (uint32_t i = 1; i < n; i++)
        if (list[i].id == list[i - 1].id)
            return bnt_fail(err, BNT_E_USAGE, "%s: id %d twice", f->name, (int)list[i].id);
    ask->sampling.n_biases = n;
    return BNT_OK;
}

static int read_one(const struct serve_field *f, json_t *v, void *ask, struct bnt_err *err) {
    void *to = (char *)ask + f->offset;
    const double number = json_number_value(v);
    switch (f->kind) {
    case SERVE_BOOL:
        if (!json_is_boolean(v))
            return bnt_fail(err, BNT_E_USAGE, "%s: must be true or false", f->name);
        *(bool *)to = json_is_true(v);
        return BNT_OK;
    case SERVE_UINT:
        if (!json_is_integer(v) || number < f->lo || number > f->hi)
            return bnt_fail(err, BNT_E_USAGE, "%s: must be a whole number from %.0f to %.0f",
                            f->name, f->lo, f->hi);
        *(uint32_t *)to = (uint32_t)json_integer_value(v);
        return BNT_OK;
    case SERVE_REAL:
        if (!json_is_number(v) || !(number >= f->lo && number <= f->hi))
            return bnt_fail(err, BNT_E_USAGE, "%s: must be a number from %g to %g", f->name, f->lo,
                            f->hi);
        *(float *)to = (float)number;
        return BNT_OK;
    case SERVE_SEED:
        if (!json_is_integer(v) || json_integer_value(v) < 0)
            return bnt_fail(err, BNT_E_USAGE, "%s: must be a whole number, not negative", f->name);
        *(uint64_t *)to = (uint64_t)json_integer_value(v);
        ((struct serve_ask *)ask)->seed_given = true;
        return BNT_OK;
    case SERVE_BIASES: return read_biases(f, v, ask, err);
    case SERVE_STOPS: return read_stops(v, ask, f->name, err);
    case SERVE_REFUSED:
        if (serve_asks_for_nothing(v)) return BNT_OK;
        return bnt_fail(err, BNT_E_USAGE, "%s: this server cannot do that", f->name);
    }
    return BNT_OK;
}

int serve_read_fields(const struct serve_field *table, size_t n, const json_t *body, void *ask,
                      const char **param, struct bnt_err *err) {
    for (size_t i = 0; i < n; i++) {
        json_t *v = json_object_get(body, table[i].name);
        if (!v || json_is_null(v)) continue;
        int status = read_one(&table[i], v, ask, err);
        if (status == BNT_OK) continue;
        *param = table[i].name;
        return status;
    }
    return BNT_OK;
}
