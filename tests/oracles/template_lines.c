/*
 * template_lines.c - renders conversations by our templates, for templates.mjs.
 *
 *     template_lines <CASES       JSON: [{"vocabulary": PATH, "template": JINJA TEXT,
 *                                 "turns": [[USER, ANSWER], ..., [USER]], "system": TEXT}, ...]
 *
 * Prints one JSON object a case: the template's name, the text of all turns' tokens (control tokens
 * shown), and the ids of the first turn.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_write.h"
#include "template.h"

static const char *text_of(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* The template from a file that holds nothing else: its text is tried with any vocabulary. */
static int choose(struct bnt_template *tm, const struct bnt_tokenizer *t, const json_t *o,
                  struct bnt_err *err) {
    struct gw *w = gw_new(3, 32);
    struct bnt_gguf *g = NULL;
    size_t size;
    gw_key_str(w, "tokenizer.chat_template", text_of(o, "template"));
    uint8_t *data = gw_memory(w, &size);
    int rc = bnt_gguf_open_memory(&g, data, size, err);
    if (!rc) rc = bnt_template_choose(tm, g, t, NULL, err);
    bnt_gguf_close(g);
    gw_free(w);
    free(data);
    return rc;
}

/* Trims as the command does. */
static struct bnt_turn turn_of(const struct bnt_template *tm, const json_t *o, size_t i) {
    const json_t *turns = json_object_get(o, "turns");
    const char *rest = i ? json_string_value(json_array_get(json_array_get(turns, i - 1), 1)) : "";
    struct bnt_turn turn = {.first = i == 0, .rest = rest, .rest_len = strlen(rest)};
    if (i == 0) {
        const char *system = text_of(o, "system");
        if (!json_object_get(o, "system")) system = tm->system;
        turn.system_len = strlen(system);
        turn.system = bnt_template_trim(tm, BNT_MESSAGE_SYSTEM, system, &turn.system_len);
    }
    turn.user = json_string_value(json_array_get(json_array_get(turns, i), 0));
    turn.user_len = strlen(turn.user);
    turn.user = bnt_template_trim(tm, turn.system_len ? BNT_MESSAGE_FIRST : BNT_MESSAGE_USER,
                                  turn.user, &turn.user_len);
    return turn;
}

static int render(const struct bnt_template *tm, const struct bnt_tokenizer *t, const json_t *o,
                  struct bnt_err *err) {
    struct bnt_token_list l = {0};
    size_t n = json_array_size(json_object_get(o, "turns")), first = 0, len;
    char *text = NULL;
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        struct bnt_turn turn = turn_of(tm, o, i);
        rc = bnt_template_encode(tm, t, &turn, &l, err);
        if (i == 0) first = l.count;
    }
    if (!rc) rc = bnt_tokenizer_decode(t, l.ids, l.count, true, &text, &len, err);
    if (!rc) {
        json_t *ids = json_array();
        for (size_t i = 0; i < first; i++) json_array_append_new(ids, json_integer(l.ids[i]));
        json_t *out =
            json_pack("{s:s, s:s%, s:o}", "name", tm->name, "text", text, len, "ids", ids);
        json_dumpf(out, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(out);
    }
    free(text);
    bnt_token_list_free(&l);
    return rc;
}

static int one_case(const json_t *o, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_template tm;
    int rc = bnt_gguf_open(&g, text_of(o, "vocabulary"), err);
    if (!rc) rc = bnt_tokenizer_open(&t, g, err);
    if (!rc) rc = choose(&tm, t, o, err);
    if (!rc) rc = render(&tm, t, o, err);
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
