/*
 * fuzz_grammar.c - hostile grammars (GBNF), and texts run through those that compile.
 *
 * The grammar is what stands before the first 0xFE, the text is what follows. Whatever the text,
 * each state but the dead one can go on or end, the bytes it names are those that lead on, and
 * forgetting all other states changes none of this.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_grammar CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "gbnf.h"
#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(const struct bnt_byte_class *c, uint8_t byte) {
    return c->bits[byte / 64] >> byte % 64 & 1;
}

/* The text's bytes choose among those that may follow, so that long texts are found. */
static void run(struct bnt_machine *m, const uint8_t *text, size_t len) {
    bnt_state s = bnt_machine_start(m);
    struct bnt_err err = {0};
    for (size_t i = 0; i < len; i++) {
        struct bnt_byte_class next;
        bool any = bnt_machine_next(m, s, &next);
        uint8_t byte = text[i];
        if (!any && !bnt_machine_accepts(m, s)) abort();
        if (!any) return;
        bnt_state to = bnt_machine_step(m, s, byte);
        if (to != BNT_STATE_NONE && (to != BNT_STATE_DEAD) != has(&next, byte)) abort();
        while (!has(&next, byte)) byte++;
        to = bnt_machine_step(m, s, byte);
        if (to == BNT_STATE_NONE) {
            if (bnt_machine_explain(m, &err) == BNT_OK || !err.text[0]) abort();
            return;
        }
        if (to == BNT_STATE_DEAD) abort();
        s = to;
        if (i % 16 == 15) {
            bnt_state *held[] = {&s};
            bool accepts = bnt_machine_accepts(m, s);
            bnt_machine_next(m, s, &next);
            if (bnt_machine_forget(m, held, 1, NULL)) abort();
            struct bnt_byte_class again;
            bnt_machine_next(m, s, &again);
            if (bnt_machine_accepts(m, s) != accepts || memcmp(&next, &again, sizeof next) != 0)
                abort();
        }
        bnt_machine_alike(m, s, 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *cut = size ? memchr(data, 0xFE, size) : NULL;
    size_t len = cut ? (size_t)(cut - data) : size;
    struct bnt_grammar *g;
    struct bnt_machine *m;
    struct bnt_err err = {0};
    if (bnt_gbnf_compile(&g, (const char *)data, len, &err)) {
        if (!err.text[0]) abort();
        return 0;
    }
    if (bnt_machine_open(&m, g, &err) == BNT_OK) {
        if (cut) run(m, cut + 1, size - len - 1);
        bnt_machine_close(m);
    } else if (!err.text[0]) {
        abort();
    }
    bnt_grammar_close(g);
    return 0;
}
