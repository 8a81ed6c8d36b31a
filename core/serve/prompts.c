/* prompts.c - prompts as interfaces for texts send them: texts or ids, one or many. */
#include <stdlib.h>

#include "serve/completion.h"

bool serve_text_prompt(struct serve_completion *c, const char *field, const json_t *text) {
    struct bnt_token_list list = {0};
    struct bnt_err err = {0};
    int status = bnt_encode_prompt(bnt_engine_tokenizer(c->server->engine), json_string_value(text),
                                   json_string_length(text), BNT_ENCODE_BOS, &list, &err);
    if (status != BNT_OK) {
        bnt_token_list_free(&list);
        serve_completion_refuse(c, serve_status_of(status), field, "%s", err.text);
        return false;
    }
    int32_t *ids = list.ids;
    const size_t n = list.count;
    list.ids = NULL;
    bnt_token_list_free(&list);
    return serve_completion_prompt(c, ids, n);
}

static bool add_ids(struct serve_completion *c, const json_t *list) {
    const size_t n = json_array_size(list);
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    if (!ids) {
        serve_completion_refuse(c, 503, NULL, "out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(list, i);
        const json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        ids[i] = value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
    }
    return serve_completion_prompt(c, ids, n);
}

bool serve_read_prompts(struct serve_completion *c, const char *field) {
    const json_t *prompt = json_object_get(c->body, field);
    if (json_is_string(prompt)) return serve_text_prompt(c, field, prompt);
    if (json_is_integer(json_array_get(prompt, 0))) return add_ids(c, prompt);
    for (size_t i = 0; i < json_array_size(prompt); i++) {
        const json_t *p = json_array_get(prompt, i);
        if (json_is_string(p) ? !serve_text_prompt(c, field, p)
                              : json_is_array(p) && !add_ids(c, p))
            return false;
    }
    if (c->n_prompts && c->n_prompts == json_array_size(prompt)) return true;
    serve_completion_refuse(c, 400, field,
                            "%s: must be a text, a list of texts, a list of ids, or a list of "
                            "lists of ids",
                            field);
    return false;
}
