/*
 * sequences.c - many texts at once: sequences MODEL TEXT... goes on with each text by 24 tokens,
 * all of them computed together, and says how alike the texts were.
 *     cc -std=c11 sequences.c $(pkg-config --cflags --libs bitnet) -lm
 *
 * Each text comes out as it does alone: what else is in a feed changes no bit.
 */
#include <bitnet/bitnet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, TOKENS = 24 };

struct text {
    struct bnt_sequence *sequence;
    struct bnt_decoder *decoder;
    int32_t *ids, next;
    size_t count;
    float *vector; /* the mean of its hidden states */
    char made[1 << 14];
};

static struct text texts[MOST];

static double cosine(const float *a, const float *b, uint32_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < n; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

/* One feed of all texts, the prompts first, then a token of each. */
static int feed(struct bnt_context *context, int n, int first, struct bnt_err *err) {
    struct bnt_span spans[MOST] = {0};
    struct bnt_row rows[MOST] = {0};
    for (int i = 0; i < n; i++) {
        spans[i].sequence = texts[i].sequence;
        spans[i].ids = first ? texts[i].ids : &texts[i].next;
        spans[i].count = first ? texts[i].count : 1;
        spans[i].rows = &rows[i];
        spans[i].n_rows = 1;
        spans[i].pool = first ? BNT_POOL_MEAN : BNT_POOL_NONE;
        rows[i].token = (uint32_t)(spans[i].count - 1);
        rows[i].want = BNT_ROW_TOP;
        rows[i].k = 1; /* greedy */
    }
    return bnt_context_feed(context, spans, (size_t)n, err);
}

static int start(struct text *t, const char *text, struct bnt_engine *engine,
                 struct bnt_context *context, struct bnt_err *err) {
    int status =
        bnt_engine_encode(engine, text, strlen(text), BNT_TEXT_PROMPT, &t->ids, &t->count, err);
    if (!status) status = bnt_sequence_open(&t->sequence, context, err);
    if (!status) status = bnt_decoder_open(&t->decoder, engine, true, 0, err);
    snprintf(t->made, sizeof t->made, "%s", text);
    return status;
}

static void take(struct bnt_context *context, int i) {
    uint32_t count;
    struct text *t = &texts[i];
    t->next = bnt_context_top(context, (size_t)i, 0, &count)[0].id;
    const char *piece = bnt_decoder_push(t->decoder, t->next, NULL);
    strncat(t->made, piece, sizeof t->made - strlen(t->made) - 1);
}

int main(int argc, char **argv) {
    struct bnt_context_options options = {.struct_size = sizeof options, .n_ctx = 256};
    struct bnt_engine *engine = NULL;
    struct bnt_context *context = NULL;
    struct bnt_err err = {0};
    int n = argc - 2, status = 0;
    if (n < 1 || n > MOST) return 2;
    if (bnt_engine_open(&engine, argv[1], NULL, &err) ||
        bnt_context_open(&context, engine, &options, &err))
        goto out;
    for (int i = 0; i < n && !status; i++)
        status = start(&texts[i], argv[i + 2], engine, context, &err);
    if (status || feed(context, n, 1, &err)) goto out;
    const uint32_t n_embd = bnt_engine_info(engine)->n_embd;
    for (int i = 0; i < n; i++) {
        texts[i].vector = malloc(n_embd * sizeof(float));
        if (!texts[i].vector) goto out;
        memcpy(texts[i].vector, bnt_context_pooled(context, (size_t)i), n_embd * sizeof(float));
    }
    for (int made = 1;; made++) {
        for (int i = 0; i < n; i++) take(context, i);
        if (made == TOKENS) break;
        if (feed(context, n, 0, &err)) goto out;
    }
    for (int i = 0; i < n; i++) puts(texts[i].made);
    for (int i = 1; i < n; i++)
        printf("cosine of texts 1 and %d: %.4f\n", i + 1,
               cosine(texts[0].vector, texts[i].vector, n_embd));
out:
    if (err.status) fprintf(stderr, "%s: %s\n", bnt_status_text(err.status), err.text);
    for (int i = 0; i < n; i++) {
        bnt_decoder_close(texts[i].decoder);
        bnt_sequence_close(texts[i].sequence);
        bnt_free(texts[i].ids);
        free(texts[i].vector);
    }
    bnt_context_close(context);
    bnt_engine_close(engine);
    return -err.status;
}
