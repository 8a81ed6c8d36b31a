/*
 * library.c - the parts of bitnet.h that only programs outside this tree need: text to ids and back
 * without the tokenizer's own header.
 *
 * Must not know how tokens are made. The one idea: what is handed out is one plain block that
 * bnt_free takes, or lasts until the next call and is owned by what gave it.
 */
#include <stdlib.h>
#include <string.h>

#include "run/engine.h"
#include "run/generate.h"

struct bnt_decoder {
    struct bnt_stream stream;
    size_t size; /* of text, without the NUL */
    char text[];
};

const char *bnt_version(void) {
    return BNT_VERSION;
}

void bnt_free(void *memory) {
    free(memory);
}

const char *bnt_default_model(void) {
    return bnt_model_path();
}

int bnt_engine_encode(const struct bnt_engine *engine, const char *text, size_t len, unsigned flags,
                      int32_t **ids, size_t *count, struct bnt_err *err) {
    struct bnt_token_list list = {0};
    unsigned how = 0;
    *ids = NULL;
    *count = 0;
    if (flags & (BNT_TEXT_BOS | BNT_TEXT_PROMPT)) how |= BNT_ENCODE_BOS;
    if (flags & BNT_TEXT_SPECIAL) how |= BNT_ENCODE_PARSE_SPECIAL;
    int status = flags & BNT_TEXT_PROMPT
                     ? bnt_encode_prompt(engine->tokenizer, text, len, how, &list, err)
                     : bnt_tokenizer_encode(engine->tokenizer, text, len, how, &list, err);
    if (status == BNT_OK) {
        *ids = list.ids;
        *count = list.count;
        list.ids = NULL;
    }
    bnt_token_list_free(&list);
    return status;
}

int bnt_engine_decode(const struct bnt_engine *engine, const int32_t *ids, size_t count,
                      unsigned flags, char **text, size_t *len, struct bnt_err *err) {
    *text = NULL;
    *len = 0;
    return bnt_tokenizer_decode(engine->tokenizer, ids, count, (flags & BNT_TEXT_SPECIAL) != 0,
                                text, len, err);
}

bool bnt_engine_is_end(const struct bnt_engine *engine, int32_t id) {
    return bnt_tokenizer_is_eog(engine->tokenizer, id);
}

int bnt_decoder_open(struct bnt_decoder **out, const struct bnt_engine *engine, bool continues,
                     unsigned flags, struct bnt_err *err) {
    size_t size = bnt_tokenizer_max_piece(engine->tokenizer);
    *out = NULL;
    if (size < sizeof(((struct bnt_stream *)0)->pending)) /* what a flush may hold */
        size = sizeof(((struct bnt_stream *)0)->pending);
    struct bnt_decoder *d = malloc(sizeof *d + size + 1);
    if (!d) return bnt_fail_nomem(err, "the decoder", sizeof *d + size + 1);
    bnt_stream_init(&d->stream, engine->tokenizer, !continues, (flags & BNT_TEXT_SPECIAL) != 0);
    d->size = size;
    *out = d;
    return BNT_OK;
}

void bnt_decoder_close(struct bnt_decoder *decoder) {
    free(decoder);
}

static const char *ended(struct bnt_decoder *d, size_t written, size_t *len) {
    if (written > d->size) written = 0; /* cannot be: the text has room for any piece */
    d->text[written] = '\0';
    if (len) *len = written;
    return d->text;
}

const char *bnt_decoder_push(struct bnt_decoder *d, int32_t id, size_t *len) {
    return ended(d, bnt_stream_push(&d->stream, id, d->text, d->size), len);
}

const char *bnt_decoder_flush(struct bnt_decoder *d, size_t *len) {
    return ended(d, bnt_stream_flush(&d->stream, d->text, d->size), len);
}
