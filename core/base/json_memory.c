/*
 * json_memory.c - see json_memory.h.
 *
 * Jansson takes its memory where it is told to, so one function sees every failure. And its reader
 * does not survive every one: where the text of a token cannot grow, an assertion of its own may
 * end the process (lex_unget_unsave). So while a text is read, what fails is taken from a reserve
 * that was laid by before, and the reader is told that the text ends there. It is handed over in
 * chunks, so that little is asked for in between.
 */
#include "base/json_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/status.h"

/* A byte of JSON makes the reader ask for less than 400. */
enum { CHUNK = 64, RESERVE = 64 * 1024 };

struct reading {
    const char *text;
    size_t len, at;
    char *reserve;
    size_t size, used;
};

static _Thread_local bool lost;
static _Thread_local struct reading *reading; /* of this thread, now; or NULL */

void *bnt_json_take(size_t size) {
    void *p = malloc(size);
    if (!p) bnt_json_miss();
    return p;
}

void bnt_json_miss(void) {
    lost = true;
}

static void *take(size_t size) {
    struct reading *r = reading;
    void *p = bnt_json_take(size);
    if (p || !r || size > r->size - r->used) return p;
    p = r->reserve + r->used;
    size = (size + 15) / 16 * 16;
    r->used = size < r->size - r->used ? r->used + size : r->size;
    return p;
}

static void give(void *p) {
    const struct reading *r = reading;
    if (r && (uintptr_t)p - (uintptr_t)r->reserve < r->size) return;
    free(p);
}

void bnt_json_watch(void) {
    json_set_alloc_funcs(take, give);
}

static size_t next_chunk(void *to, size_t room, void *arg) {
    struct reading *r = arg;
    size_t n = r->len - r->at;
    if (lost) return (size_t)-1;
    if (n > CHUNK) n = CHUNK;
    if (n > room) n = room;
    if (n) memcpy(to, r->text + r->at, n);
    r->at += n;
    return n;
}

bool bnt_json_lost(void) {
    bool was = lost;
    lost = false;
    return was;
}

int bnt_json_load(json_t **out, const char *text, size_t len, size_t flags, json_error_t *why) {
    struct reading r = {.text = text, .len = len};
    *out = NULL;
    /* A token grows by doubling, and is copied. */
    if (len <= (SIZE_MAX - RESERVE) / 4) r.reserve = bnt_json_take(r.size = 4 * len + RESERVE);
    if (r.reserve) {
        reading = &r;
        *out = json_load_callback(next_chunk, &r, flags, why);
        if (lost) {
            json_decref(*out);
            *out = NULL;
        }
        reading = NULL;
        free(r.reserve);
    } else {
        bnt_json_miss();
    }
    if (bnt_json_lost()) return BNT_E_NOMEM;
    return *out ? BNT_OK : BNT_E_FORMAT;
}

json_t *bnt_json_part(const char *text, size_t len, size_t flags) {
    json_t *value;
    if (bnt_json_load(&value, text, len, flags, NULL) == BNT_E_NOMEM) bnt_json_miss();
    return value;
}
