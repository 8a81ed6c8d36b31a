/*
 * talk.h - the messages of a conversation, as interfaces send them, and the prompt that the model's
 * template makes of them. Knows no interface.
 */
#ifndef BNT_SERVE_TALK_H
#define BNT_SERVE_TALK_H

#include "serve/completion.h"

enum { SERVE_MOST_MESSAGES = 4096 };

struct serve_talk { /* zero-initialised; freed by serve_talk_free */
    struct bnt_message *messages;
    char **texts;     /* those that were put together, [n], or NULL */
    json_t **members; /* [n]: what a message has besides: of calls of tools; or NULL */
    size_t n, room;
};

/* content: a text, or a list of {"type": "text", "text": ...}, joined by line ends. What it points
 * to must outlast the talk. `role`: "system", "developer", "user", "assistant", "tool". An
 * assistant may have said nothing (null). */
int serve_talk_add(struct serve_talk *t, const char *role, const json_t *content,
                   struct bnt_err *err);
/* Of the message that was added last; taken over. */
void serve_talk_members(struct serve_talk *t, json_t *members);
void serve_talk_free(struct serve_talk *t);
/* By whether the request has tools. */
const struct serve_template *serve_template_of(const struct serve_server *s, bool tools);
/* The prompt of c, behind which the answer goes on; false: the client was told, and c is freed. */
bool serve_talk_prompt(struct serve_completion *c, const struct serve_talk *t);

#endif
