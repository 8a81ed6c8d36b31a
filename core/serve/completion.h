/*
 * completion.h - a request for text, whichever interface it came by: its choices, each made by a
 * job, and the voice that tells the client.
 *
 * Made by the thread that serves connections, which must not touch it once it is started; from then
 * on it belongs to the scheduler's thread, and once all is made that has a receipt, to the writer's
 * (writer.h). Who tells the last of it frees it.
 */
#ifndef BNT_SERVE_COMPLETION_H
#define BNT_SERVE_COMPLETION_H

#include "serve/fields.h"
#include "serve/server.h"
#include "serve/tools.h"

struct serve_completion;

struct serve_likely {
    int32_t id;
    double logprob;
};

struct serve_choice {
    struct serve_completion *completion;
    unsigned index;
    struct serve_job job;
    struct bnt_calls *calls;           /* in its text; NULL without tools */
    double *prompt_logprobs;           /* [job.n], where they are asked for (logprobs.h) */
    struct serve_likely *prompt_top;   /* [job.n][ask.top_logprobs] */
    char receipt_id[SERVE_RECEIPT_ID]; /* where one is asked for */
    double *sums;                      /* [n_embd], of embeddings.c; or NULL */
    size_t told, offset; /* of a stream: tokens, and characters before them; of responses.c: events,
              and whether the message has begun; so of anthropic.c, its text */
};

/* How an interface tells it. Of a stream: begin, text as it is made, one's end, and the end of all;
 * nothing else: whole. */
struct serve_voice {
    const char *stream_type;
    const char *shapes[3]; /* what of its body asks for a shape; up to a NULL */
    json_t *(*whole)(struct serve_completion *c);
    void (*begin)(struct serve_completion *c);
    void (*text)(struct serve_completion *c, struct serve_choice *choice, const char *text,
                 size_t len);
    void (*choice_end)(struct serve_completion *c, struct serve_choice *choice);
    void (*end)(struct serve_completion *c);
    void (*fail)(struct serve_completion *c, unsigned status, const char *why); /* within it */
};

struct serve_completion {
    struct serve_server *server;
    struct serve_request *request;
    const struct serve_voice *voice;
    struct serve_ask ask;
    json_t *body; /* what strings of `ask` point into */
    char id[64];
    int64_t created;
    const char *turn_end;         /* the template's stop text, behind the client's own; or NULL */
    char *opening;                /* what the template began the answer with: "<think>"; or NULL */
    struct serve_choice *choices; /* [count]: those of prompt p are p * ask.n and on */
    struct serve_tools tools;
    json_t *variables;                 /* of the template: an object, or NULL */
    struct bnt_constraint *constraint; /* of each choice, or NULL; given back at the end */
    uint32_t shape;                    /* its kind */
    const json_t *schema;              /* what of the body it is, where it is a schema */
    unsigned count, left;
    int32_t **prompts; /* [n_prompts] */
    size_t *lengths;
    unsigned n_prompts, prompt_room;
    bool begun;
    bool cut;                       /* something of the stream is lost: it breaks off */
    struct bnt_receipt_place place; /* of receipts */
    struct serve_task task;
    /* What is wanted of each token of the prompts, as in a job; 0: nothing but log-probabilities,
     * where they are asked for. */
    uint32_t prompt_want;
    int (*on_prompt_row)(void *choice, size_t token, const float *values, struct bnt_err *err);
    enum bnt_pooling pooling; /* of embeddings.c */
};

/* Reads the body; NULL: the client has been told what is wrong. */
struct serve_completion *serve_completion_new(struct serve_server *s, struct serve_request *r,
                                              const struct serve_voice *voice, const char *prefix);
/* Gives up what was not started, after a reply. */
void serve_completion_free(struct serve_completion *c);
/* The fields of a table, by serve_read_fields, and the model's name; a shape that is asked for as
 * another interface has it is refused. False: the client was told. */
bool serve_completion_fields(struct serve_completion *c, const struct serve_field *table, size_t n);
/* What gives the choices their shape. False: the client was told. */
bool serve_completion_shape(struct serve_completion *c, uint32_t kind, const char *text, size_t len,
                            const char *param);
bool serve_schema_shape(struct serve_completion *c, const json_t *schema, const char *param);
/* A prompt more; its ids are taken over. */
bool serve_completion_prompt(struct serve_completion *c, int32_t *ids, size_t n);
/* prompts.c: of a field a text (a JSON string), or all that it has: a text, a list of texts, a list
 * of ids, or a list of lists of ids. False: the client was told, and c is freed. */
bool serve_text_prompt(struct serve_completion *c, const char *field, const json_t *text);
bool serve_read_prompts(struct serve_completion *c, const char *field);
/* Of prompts that are there, choices; hands all jobs over, or tells why not, and frees it. */
void serve_completion_start(struct serve_completion *c);
/* Tells what is wrong and frees it. */
__attribute__((format(printf, 4, 5))) void serve_completion_refuse(struct serve_completion *c,
                                                                   unsigned status,
                                                                   const char *param,
                                                                   const char *format, ...);

/* ---- for voices ------------------------------------------------------------------------------ */

/* All of it, with what the template began it with; NULL when memory is short. */
json_t *serve_choice_text(const struct serve_choice *choice);
/* "stop" or "length". */
const char *serve_finish_reason(const struct serve_choice *choice);
struct serve_usage {
    size_t prompt, cached, made;
};
struct serve_usage serve_completion_usage(const struct serve_completion *c);
/* "data: {...}", with the name of an event before it unless that is NULL; takes over `data`. When
 * it cannot be told whole, the stream is cut: a client never gets one that lacks something. */
void serve_event(struct serve_completion *c, const char *name, json_t *data);
/* A line of its own, the same way. */
void serve_event_line(struct serve_completion *c, json_t *data);

#endif
