/*
 * template.h - chat templates: a conversation as the tokens that the model was trained on.
 *
 * A file's template is a Jinja program (tokenizer.chat_template). It is not run: the known families
 * are recognised by their text and written here as data; an unknown one is refused. Knows the texts
 * around a message and the tokens they become; keeps no conversation (core/run/chat.h does).
 *
 * Promise: what a user writes never becomes a control token. Texts of control tokens count only
 * inside the template's own pieces, and the tokens that mark turns must be control tokens of the
 * vocabulary, or the template is refused. Apart from that a rendering has exactly the tokens of the
 * rendered text as a whole.
 */
#ifndef BNT_TEMPLATE_H
#define BNT_TEMPLATE_H

#include "tokenizer.h"

struct bnt_template_family; /* opaque: a row of template.c */

struct bnt_template {
    const struct bnt_template_family *family;
    const char *name;   /* "llama3", ... */
    const char *source; /* "metadata", "given" (by name), "none": the file has none */
    const char *remark; /* one sentence that the user should know, or NULL */
    const char *system; /* what the template says where nobody gives a system text; "" mostly */
    const char *stop;   /* a text that ends an answer where no token does, or NULL */
    bool bos;           /* a conversation begins with BOS */
    bool trim;          /* white space around a message is taken off */
};

/* One turn: what stands between the answer before it and the answer to come. */
struct bnt_turn {
    bool first;       /* of the conversation: BOS and the system text may stand before it */
    const char *rest; /* text of the answer before that has no tokens yet; not of a first */
    size_t rest_len;
    const char *system; /* of a first; none where the length is 0 */
    size_t system_len;
    const char *user;
    size_t user_len;
};

/* Chooses by `name`, or when it is NULL by the file's metadata, or when that has none `instruct`.
 * BNT_E_USAGE for an unknown name (the message lists them), BNT_E_UNSUPPORTED for an unknown
 * template and for a vocabulary that lacks what the template needs. */
int bnt_template_choose(struct bnt_template *out, const struct bnt_gguf *g,
                        const struct bnt_tokenizer *t, const char *name, struct bnt_err *err);

enum bnt_message {
    BNT_MESSAGE_SYSTEM,
    BNT_MESSAGE_FIRST, /* the user's, behind a system text */
    BNT_MESSAGE_USER,
};

/* Takes off what the template takes off: the result, *len long, is what it puts in. */
const char *bnt_template_trim(const struct bnt_template *tm, enum bnt_message message,
                              const char *text, size_t *len);

/* Appends the turn's tokens to *list; system and user as bnt_template_trim leaves them. */
int bnt_template_encode(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                        const struct bnt_turn *turn, struct bnt_token_list *list,
                        struct bnt_err *err);

/* The reverse, for who checks a rendering: finds system (of turn->system_len) and user text in the
 * rendered text of a turn; turn->first and rest are given. False when the text is no rendering.
 * turn->user points into `text`. */
bool bnt_template_parse(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                        const char *text, size_t len, struct bnt_turn *turn);

#endif
