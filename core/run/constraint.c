/*
 * constraint.c - a constraint for an engine: its grammar, compiled, over the engine's pieces, which
 * are sorted once, when the first constraint asks for them.
 */
#include <string.h>

#include "base/sha256.h"
#include "gbnf.h"
#include "guide.h"
#include "run/engine.h"
#include "schema.h"
#include "trigger.h"

static int compile(struct bnt_grammar **out, uint32_t kind, const char *text, size_t len,
                   struct bnt_err *err) {
    const struct bnt_schema_options written = {0};
    switch (kind) {
    case BNT_CONSTRAINT_SCHEMA: return bnt_schema_compile(out, text, len, &written, err);
    case BNT_CONSTRAINT_GRAMMAR: return bnt_gbnf_compile(out, text, len, err);
    case BNT_CONSTRAINT_CALLS: return bnt_trigger_compile(out, text, len, &written, err);
    case BNT_CONSTRAINT_JSON: return bnt_schema_any_object(out, &written, err);
    default: return bnt_fail(err, BNT_E_USAGE, "nothing is known of constraints of kind %u", kind);
    }
}

static int digest(struct bnt_constraint_source *s, const char *text, size_t len,
                  struct bnt_err *err) {
    const char *name = bnt_constraint_kind_name(s->kind);
    struct bnt_sha256 h;
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, name, strlen(name));
    bnt_sha256_add(&h, "\n", 1);
    if (s->kind != BNT_CONSTRAINT_JSON) bnt_sha256_add(&h, text, len);
    return bnt_sha256_end(&h, s->digest, err);
}

static int pieces_of(struct bnt_engine *e, const struct bnt_pieces **out, struct bnt_err *err) {
    int status = BNT_OK;
    pthread_mutex_lock(&e->pieces_lock);
    if (!e->pieces) status = bnt_pieces_open(&e->pieces, e->tokenizer, err);
    *out = e->pieces;
    pthread_mutex_unlock(&e->pieces_lock);
    return status;
}

int bnt_constraint_open(struct bnt_constraint **out, struct bnt_engine *engine, uint32_t kind,
                        const char *text, size_t len, struct bnt_err *err) {
    const struct bnt_pieces *pieces;
    struct bnt_grammar *g;
    struct bnt_constraint_source source = {.kind = (enum bnt_constraint_kind)kind};
    *out = NULL;
    int status = compile(&g, kind, text, len, err);
    if (status != BNT_OK) return status;
    status = digest(&source, text, len, err);
    if (status == BNT_OK) status = pieces_of(engine, &pieces, err);
    if (status == BNT_OK)
        return bnt_constraint_of(out, g, pieces, engine->info.n_vocab, &source, err);
    bnt_grammar_close(g);
    return status;
}
