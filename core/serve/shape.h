/*
 * shape.h - what gives answers their shape: schemas and grammars, compiled once for all requests
 * that ask for the same.
 */
#ifndef BNT_SERVE_SHAPE_H
#define BNT_SERVE_SHAPE_H

#include <jansson.h>
#include <pthread.h>

#include "bitnet/bitnet.h"

enum { SERVE_SHAPES = 32 }; /* that are kept */

struct serve_shapes {
    pthread_mutex_t lock;
    struct serve_shape {
        struct bnt_constraint *constraint;
        uint32_t kind;
        char *text;
        size_t len;
        unsigned users;
        uint64_t used; /* when, for who has to go */
    } list[SERVE_SHAPES];
    uint64_t clock;
};

void serve_shapes_open(struct serve_shapes *s);
void serve_shapes_close(struct serve_shapes *s); /* after the scheduler, before the engine */
/* One for this text, compiled or found; given back by serve_shape_release. From any thread; what is
 * asked of it, the scheduler's asks. */
int serve_shape_get(struct serve_shapes *s, struct bnt_engine *engine, uint32_t kind,
                    const char *text, size_t len, struct bnt_constraint **out, struct bnt_err *err);
/* Whether one of this text is kept. */
bool serve_shape_known(struct serve_shapes *s, uint32_t kind, const char *text, size_t len);
/* One that is kept, by its digest as a receipt has it; or NULL. */
struct bnt_constraint *serve_shape_find(struct serve_shapes *s, const char *digest);
/* A copy of its text, to be freed; NULL: none is kept. */
char *serve_shape_text(struct serve_shapes *s, const char *digest, size_t *len);
/* A schema of a request as the text that its digest is of: what Python's json.dumps(schema,
 * separators=(",", ":"), ensure_ascii=False) writes. NULL: memory is short. */
char *serve_schema_text(const json_t *schema);
void serve_shape_release(struct serve_shapes *s, struct bnt_constraint *constraint);

#endif
