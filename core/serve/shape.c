/* shape.c - see shape.h. */
#include "serve/shape.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json_memory.h"
#include "json.h"

void serve_shapes_open(struct serve_shapes *s) {
    *s = (struct serve_shapes){.clock = 0};
    pthread_mutex_init(&s->lock, NULL);
}

static void empty(struct serve_shape *shape) {
    bnt_constraint_close(shape->constraint);
    free(shape->text);
    *shape = (struct serve_shape){.users = 0};
}

void serve_shapes_close(struct serve_shapes *s) {
    for (size_t i = 0; i < SERVE_SHAPES; i++) empty(&s->list[i]);
    pthread_mutex_destroy(&s->lock);
}

static struct bnt_constraint *use(struct serve_shapes *s, struct serve_shape *shape) {
    shape->users++;
    shape->used = ++s->clock;
    return shape->constraint;
}

/* Under the lock; NULL: none. */
static struct serve_shape *of_text(struct serve_shapes *s, uint32_t kind, const char *text,
                                   size_t len) {
    for (size_t i = 0; i < SERVE_SHAPES; i++) {
        struct serve_shape *shape = &s->list[i];
        if (shape->constraint && shape->kind == kind && shape->len == len &&
            memcmp(shape->text, text, len) == 0)
            return shape;
    }
    return NULL;
}

static struct serve_shape *of_digest(struct serve_shapes *s, const char *digest) {
    for (size_t i = 0; i < SERVE_SHAPES; i++) {
        struct serve_shape *shape = &s->list[i];
        if (shape->constraint && strcmp(bnt_constraint_digest(shape->constraint), digest) == 0)
            return shape;
    }
    return NULL;
}

bool serve_shape_known(struct serve_shapes *s, uint32_t kind, const char *text, size_t len) {
    pthread_mutex_lock(&s->lock);
    const bool known = of_text(s, kind, text, len) != NULL;
    pthread_mutex_unlock(&s->lock);
    return known;
}

/* Keeps it in the place of the one that was used longest ago; while all are in use it is its
 * user's alone. */
static void keep(struct serve_shapes *s, struct bnt_constraint *constraint, uint32_t kind,
                 const char *text, size_t len) {
    struct serve_shape *place = NULL;
    char *copy = malloc(len + 1);
    if (!copy) return;
    memcpy(copy, text, len);
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < SERVE_SHAPES; i++)
        if (s->list[i].users == 0 && (!place || s->list[i].used < place->used)) place = &s->list[i];
    if (place) {
        empty(place);
        *place = (struct serve_shape){constraint, kind, copy, len, 1, ++s->clock};
        copy = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    free(copy);
}

int serve_shape_get(struct serve_shapes *s, struct bnt_engine *engine, uint32_t kind,
                    const char *text, size_t len, struct bnt_constraint **out,
                    struct bnt_err *err) {
    pthread_mutex_lock(&s->lock);
    struct serve_shape *shape = of_text(s, kind, text, len);
    *out = shape ? use(s, shape) : NULL;
    pthread_mutex_unlock(&s->lock);
    if (*out) return BNT_OK;
    int status = bnt_constraint_open(out, engine, kind, text, len, err);
    if (status == BNT_OK) keep(s, *out, kind, text, len);
    return status;
}

struct bnt_constraint *serve_shape_find(struct serve_shapes *s, const char *digest) {
    pthread_mutex_lock(&s->lock);
    struct serve_shape *shape = of_digest(s, digest);
    struct bnt_constraint *found = shape ? use(s, shape) : NULL;
    pthread_mutex_unlock(&s->lock);
    return found;
}

char *serve_shape_text(struct serve_shapes *s, const char *digest, size_t *len) {
    pthread_mutex_lock(&s->lock);
    const struct serve_shape *shape = of_digest(s, digest);
    char *text = shape ? malloc(shape->len + 1) : NULL;
    if (text) memcpy(text, shape->text, shape->len);
    *len = text ? shape->len : 0;
    pthread_mutex_unlock(&s->lock);
    return text;
}

/* A number of Jansson's text, from `s` on, as Python writes it; behind both. */
static const char *copy_number(const char *s, char **out) {
    size_t n = strspn(s, "0123456789+-.eE");
    json_t *v = strcspn(s, ".eE") < n ? bnt_json_part(s, n, JSON_DECODE_ANY) : NULL;
    char text[BNT_NUMBER_TEXT];
    if (json_is_real(v)) bnt_json_real_repr(v, text);
    const size_t len = json_is_real(v) ? strlen(text) : n;
    memcpy(*out, json_is_real(v) ? text : s, len);
    json_decref(v);
    *out += len;
    return s + n;
}

char *serve_schema_text(const json_t *schema) {
    char *from = schema ? json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY) : NULL, *to;
    char *text = from ? bnt_json_take(8 * strlen(from) + 1) : NULL; /* 1e15 has 18 characters */
    const char *s = from;
    for (to = text; text && *s;) {
        size_t quoted = *s == '"';
        while (quoted && s[quoted] != '"') quoted += s[quoted] == '\\' ? 2 : 1;
        if (*s == '-' || (*s >= '0' && *s <= '9')) {
            s = copy_number(s, &to);
        } else {
            for (const char *end = s + quoted + 1; s < end;) {
                const bool code = s[0] == '\\' && s[1] == 'u'; /* 001F for Python's 001f */
                *to++ = *s++;
                if (code) *to++ = *s++;
                for (unsigned i = 0; code && i < 4; i++) *to++ = (char)(*s | 0x20), s++;
                if (!code && s[-1] == '\\') *to++ = *s++;
            }
        }
    }
    if (text) *to = '\0';
    free(from);
    return text;
}

void serve_shape_release(struct serve_shapes *s, struct bnt_constraint *constraint) {
    bool kept = false;
    if (!constraint) return;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < SERVE_SHAPES; i++) {
        if (s->list[i].constraint != constraint) continue;
        s->list[i].users--;
        kept = true;
    }
    pthread_mutex_unlock(&s->lock);
    if (!kept) bnt_constraint_close(constraint);
}
