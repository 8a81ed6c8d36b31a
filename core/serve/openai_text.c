/* openai_text.c - POST /v1/completions: texts that are gone on from. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "receipt.h"
#include "serve/logprobs.h"
#include "serve/openai.h"

static const struct serve_field fields[] = {
    OPENAI_FIELDS,
    OPENAI_FIELD("suffix", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("tools", SERVE_REFUSED, n, 0, 0),
    OPENAI_FIELD("logprobs", SERVE_UINT, top_logprobs, 0, 20),
    OPENAI_FIELD("echo", SERVE_BOOL, echo, 0, 0),
};
static const char object[] = "text_completion";
enum { DEFAULT_TOKENS = 16 }; /* the interface's */

/* ---- telling --------------------------------------------------------------------------------- */

static json_t *one(unsigned index, json_t *text, json_t *logprobs, const char *finish) {
    return json_pack("{s:i, s:o, s:o, s:s?}", "index", (int)index, "text", text, "logprobs",
                     logprobs, "finish_reason", finish);
}

/* The prompt's text before what was made of it, where it is echoed. */
static json_t *text_of(const struct serve_completion *c, const struct serve_job *job) {
    char *prompt = NULL, *all;
    size_t n = 0;
    if (!c->ask.echo) return serve_json_text(job->made.text, job->made.text_len);
    if (bnt_receipt_prompt_text(bnt_engine_tokenizer(c->server->engine), job->ids, job->n,
                                BNT_ENCODE_BOS, &prompt, &n, NULL) != BNT_OK) {
        bnt_json_miss();
        return NULL;
    }
    json_t *text = NULL;
    if ((all = bnt_json_take(n + job->made.text_len + 1)) != NULL) {
        memcpy(all, prompt, n);
        memcpy(all + n, job->made.text, job->made.text_len);
        text = serve_json_text(all, n + job->made.text_len);
    }
    free(all);
    free(prompt);
    return text;
}

static json_t *whole(struct serve_completion *c) {
    json_t *choices = json_array();
    for (unsigned i = 0; i < c->count; i++) {
        const struct serve_choice *choice = &c->choices[i];
        size_t offset = 0;
        json_t *o = one(i, text_of(c, &choice->job),
                        serve_text_logprobs(choice, 0, serve_shown_tokens(choice), &offset),
                        serve_finish_reason(choice));
        openai_receipt(choice, o);
        json_array_append_new(choices, o);
    }
    json_t *o = openai_object(c, object, choices);
    json_object_set_new(o, "usage", openai_usage(c));
    return o;
}

static void tell(struct serve_completion *c, struct serve_choice *choice, json_t *text,
                 const char *finish) {
    const size_t from = choice->told, to = serve_shown_tokens(choice);
    json_t *logprobs =
        from < to ? serve_text_logprobs(choice, from, to, &choice->offset) : json_null();
    choice->told = to;
    json_t *told = one(choice->index, text, logprobs, finish);
    if (finish) openai_receipt(choice, told);
    json_t *o = openai_object(c, object, json_pack("[o]", told));
    if (c->ask.stream_usage) json_object_set_new(o, "usage", json_null());
    serve_event(c, NULL, o);
}

static void begin(struct serve_completion *c) {
    (void)c;
}

static void text(struct serve_completion *c, struct serve_choice *choice, const char *text,
                 size_t len) {
    tell(c, choice, serve_json_text(text, len), NULL);
}

static void choice_end(struct serve_completion *c, struct serve_choice *choice) {
    tell(c, choice, json_string(""), serve_finish_reason(choice));
}

static void end(struct serve_completion *c) {
    openai_stream_end(c, object);
}

static const struct serve_voice voice = {.stream_type = "text/event-stream",
                                         .shapes = {"response_format", "grammar"},
                                         .whole = whole,
                                         .begin = begin,
                                         .text = text,
                                         .choice_end = choice_end,
                                         .end = end,
                                         .fail = openai_stream_fail};

/* ---- asking ---------------------------------------------------------------------------------- */

void serve_openai_text(struct serve_server *s, struct serve_request *r) {
    struct serve_completion *c = serve_completion_new(s, r, &voice, "cmpl-");
    if (!c) return;
    c->ask.max_tokens = DEFAULT_TOKENS;
    c->ask.logprobs = json_is_integer(json_object_get(c->body, "logprobs"));
    if (!serve_completion_fields(c, fields, sizeof fields / sizeof fields[0])) return;
    openai_stream_options(c);
    if (!openai_shape(c)) return;
    if (c->ask.echo && c->ask.stream)
        serve_completion_refuse(c, 400, "echo", "echo: not of a stream");
    else if (serve_read_prompts(c, "prompt"))
        serve_completion_start(c);
}
