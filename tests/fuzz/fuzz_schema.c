/*
 * fuzz_schema.c - hostile JSON schemas, patterns among them, and texts of those that compile.
 *
 * The schema is what stands before the first 0xFE; the bytes behind it choose among those that may
 * follow. What is written so never meets a dead end, and when the automaton says that the text may
 * end, it is JSON. Behind a 0x01 stand calls in free text (trigger.h) instead, which are no JSON.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_schema CORPUS_DIR
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "schema.h"
#include "trigger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const char *text, size_t len) {
    json_error_t why;
    json_t *v = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    /* what jansson refuses and JSON does not: large numbers, NUL in a key, deep nesting */
    if (!v && !strstr(why.text, "too big") && !strstr(why.text, "overflow") &&
        !strstr(why.text, "NUL") && !strstr(why.text, "\\u0000") && !strstr(why.text, "depth"))
        abort();
    json_decref(v);
}

static void run(struct bnt_machine *m, bool json, const uint8_t *choices, size_t n) {
    static char text[1 << 16];
    bnt_state s = bnt_machine_start(m);
    for (size_t i = 0; i < n && i < sizeof text; i++) {
        struct bnt_byte_class next;
        bool any = bnt_machine_next(m, s, &next);
        if (json && bnt_machine_accepts(m, s)) check_json(text, i);
        if (!any && !bnt_machine_accepts(m, s)) abort();
        if (!any) return;
        uint8_t byte = choices[i];
        while (!(next.bits[byte / 64] >> byte % 64 & 1)) byte++;
        s = bnt_machine_step(m, s, byte);
        if (s == BNT_STATE_NONE) return;
        if (s == BNT_STATE_DEAD) abort();
        text[i] = (char)byte;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *cut = size ? memchr(data, 0xFE, size) : NULL;
    size_t len = cut ? (size_t)(cut - data) : size;
    struct bnt_schema_options options = {size & 1, size & 2, size & 4};
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    const bool calls = len && data[0] == 1;
    if (calls ? bnt_trigger_compile(&g, (const char *)data + 1, len - 1, &options, &err)
              : bnt_schema_compile(&g, (const char *)data, len, &options, &err)) {
        if (!err.text[0]) abort();
        return 0;
    }
    if (bnt_machine_open(&m, g, &err) == BNT_OK) {
        if (cut) run(m, !calls, cut + 1, size - len - 1);
        bnt_machine_close(m);
    } else if (!err.text[0]) {
        abort();
    }
    bnt_grammar_close(g);
    return 0;
}
