/*
 * test_keys.h - models with one key more, less or otherwise than usual, for the tests of keys.
 */
#ifndef TEST_KEYS_H
#define TEST_KEYS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_write.h"
#include "model/model.h"
#include "synth.h"

/* One key: its whole name, its type, its value. */
struct key {
    const char *name;
    char type; /* u, i, U (64 bits), f, d, b, s; A: list of u32, B: of bool, F: of f32 */
    double number;
    const char *text;
    double list[4];
    size_t count;
};

static double window = 64; /* of gemma3; 0: the key says so, -1: there is no key */

static inline void write_key(struct gw *w, const void *arg) {
    const struct key *k = arg;
    if (window == 0) gw_key_u32(w, "gemma3.attention.sliding_window", 0);
    uint32_t u[4];
    float f[4];
    uint8_t b[4];
    for (size_t i = 0; i < k->count; i++) {
        u[i] = (uint32_t)k->list[i];
        f[i] = (float)k->list[i];
        b[i] = k->list[i] != 0;
    }
    switch (k->type) {
    case 'u': gw_key_u32(w, k->name, (uint32_t)k->number); break;
    case 'i': gw_key_i32(w, k->name, (int32_t)k->number); break;
    case 'U': gw_key_u64(w, k->name, (uint64_t)k->number); break;
    case 'f': gw_key_f32(w, k->name, (float)k->number); break;
    case 'd': gw_key_f64(w, k->name, k->number); break;
    case 'b': gw_key_bool(w, k->name, k->number != 0); break;
    case 's': gw_key_str(w, k->name, k->text); break;
    case 'A': gw_key_array(w, k->name, GW_U32, u, 4, k->count); break;
    case 'B': gw_key_array(w, k->name, GW_BOOL, b, 1, k->count); break;
    case 'F': gw_key_array(w, k->name, GW_F32, f, 4, k->count); break;
    default: ck_abort_msg("no such type");
    }
}

struct opened {
    uint8_t *data;
    struct bnt_gguf *g;
    struct bnt_model *m;
    int status;
    struct bnt_err err;
};

static inline void forget(struct opened *o) {
    bnt_model_close(o->m);
    bnt_gguf_close(o->g);
    free(o->data);
}

static inline void describe(struct synth *s, const char *arch) {
    synth_preset(s, "tiny");
    s->arch = arch;
    s->vocab = 272;
    if (strcmp(arch, "gemma3") == 0 && window > 0) s->window = (uint32_t)window;
}

/* `key` in place of the usual one of that name, if there is one. */
static inline struct opened open_with(const char *arch, const struct key *key, const char *ignore) {
    struct opened o = {0};
    struct synth s;
    size_t size;
    describe(&s, arch);
    if (key) {
        size_t n = strlen(arch);
        s.omit_key =
            strncmp(key->name, arch, n) == 0 && key->name[n] == '.' ? key->name + n + 1 : NULL;
        s.more_keys = write_key;
        s.more_keys_arg = key;
    }
    o.data = synth_memory(&s, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&o.g, o.data, size, &o.err), BNT_OK);
    if (ignore) ck_assert(bnt_gguf_ignore(o.g, ignore));
    o.status = bnt_model_open(&o.m, o.g, &o.err);
    return o;
}

static inline void refused(const char *arch, const struct key *key, int status) {
    struct opened o = open_with(arch, key, NULL);
    ck_assert_msg(o.status < 0, "%s was accepted", key->name);
    ck_assert_msg(o.status == status, "%s: %s", bnt_status_name(o.status), o.err.text);
    ck_assert_msg(strstr(o.err.text, key->name), "'%s' does not name %s", o.err.text, key->name);
    forget(&o);
}

static inline struct opened accepted(const char *arch, const struct key *key) {
    struct opened o = open_with(arch, key, NULL);
    ck_assert_msg(o.status == BNT_OK, "%s: %s", key ? key->name : "", o.err.text);
    return o;
}

#endif
