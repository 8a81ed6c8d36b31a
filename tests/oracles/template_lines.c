/*
 * template_lines.c - conversations through chat templates to tokens, for templates.mjs.
 *
 *     template_lines <CASES       JSON: [{"vocabulary": PATH, "template": JINJA TEXT or "name":
 * NAME, "turns": [[USER, ANSWER], ..., [USER]], "system": TEXT}, ...]
 *
 * Answers are encoded and answered as a model's would be. Prints one JSON object a case: the text
 * of all tokens (control tokens shown), and the ids of the first turn.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/chat.h"

static const char *text_of(const json_t *o, const char *key) {
    return json_string_value(json_object_get(o, key));
}

static int choose(struct bnt_template *tm, const struct bnt_tokenizer *t, const json_t *o,
                  struct bnt_err *err) {
    struct bnt_template_choice choice = {.name = text_of(o, "name"),
                                         .text = text_of(o, "template")};
    if (choice.text) choice.len = strlen(choice.text);
    return bnt_template_open(tm, NULL, t, &choice, err);
}

static int answer(struct bnt_chat *chat, const char *text, struct bnt_err *err) {
    struct bnt_token_list l = {0};
    int rc = bnt_tokenizer_encode(chat->tokenizer, text, strlen(text),
                                  BNT_ENCODE_EXACT | BNT_ENCODE_CONTINUES, &l, err);
    if (!rc) rc = bnt_chat_answer(chat, l.ids, l.count, strlen(text), err);
    bnt_token_list_free(&l);
    return rc;
}

static int print_case(const struct bnt_chat *chat, json_t *first, struct bnt_err *err) {
    const struct bnt_chat_context *x = &chat->turns[chat->n_turns - 1].before;
    char *text;
    size_t len;
    int rc = bnt_tokenizer_decode(chat->tokenizer, x->ids, x->count, true, &text, &len, err);
    if (rc) return rc;
    json_t *out = json_pack("{s:s%, s:O}", "text", text, len, "ids", first);
    json_dumpf(out, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(out);
    free(text);
    return 0;
}

static int talk(struct bnt_chat *chat, const json_t *o, struct bnt_err *err) {
    const char *system = text_of(o, "system");
    json_t *first = json_array(), *turn;
    size_t i, keep;
    int rc = bnt_chat_begin(chat, system, system ? strlen(system) : 0, err);
    json_array_foreach(json_object_get(o, "turns"), i, turn) {
        const char *user = json_string_value(json_array_get(turn, 0));
        const char *said = json_string_value(json_array_get(turn, 1));
        if (!rc) rc = bnt_chat_ask(chat, user, strlen(user), &keep, err);
        const struct bnt_chat_context *x = rc ? NULL : &chat->turns[i].before;
        for (size_t k = 0; x && i == 0 && k < x->count; k++)
            json_array_append_new(first, json_integer(x->ids[k]));
        if (!rc && said) rc = answer(chat, said, err);
    }
    if (!rc) rc = print_case(chat, first, err);
    json_decref(first);
    return rc;
}

static int one_case(const json_t *o, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_template tm = {0};
    int rc = bnt_gguf_open(&g, text_of(o, "vocabulary"), err);
    if (!rc) rc = bnt_tokenizer_open(&t, g, err);
    if (!rc) rc = choose(&tm, t, o, err);
    struct bnt_chat chat = {.tokenizer = t, .template = &tm};
    if (!rc) rc = talk(&chat, o, err);
    bnt_chat_free(&chat);
    bnt_template_close(&tm);
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    return rc;
}

int main(void) {
    struct bnt_err err = {0};
    json_error_t why;
    json_t *cases = json_loadf(stdin, 0, &why);
    int rc = json_is_array(cases) ? 0 : 2;
    for (size_t i = 0; i < json_array_size(cases) && !rc; i++)
        rc = one_case(json_array_get(cases, i), &err);
    if (rc) fprintf(stderr, "template_lines: %s\n", cases ? err.text : why.text);
    json_decref(cases);
    return rc ? 1 : 0;
}
