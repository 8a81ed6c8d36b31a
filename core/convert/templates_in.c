/*
 * templates_in.c - a checkpoint's chat templates as keys of a GGUF file; see vocab_in.h.
 *
 * A text, or a list of texts with names, of which "default" is that of plain conversations; of a
 * name that comes twice the last.
 */
#include <stdio.h>
#include <string.h>

#include "convert/json_file.h"
#include "convert/vocab_in.h"

enum { NAME_ROOM = 64 };

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* As gguf-py writes a name in a key: each other character is a '_'. */
static void key_name(char out[NAME_ROOM], const char *name) {
    size_t n = 0;
    for (; *name && n + 1 < NAME_ROOM; name++)
        if ((*name & 0xc0) != 0x80) /* not within a character of UTF-8 */
            out[n++] = (char)(strchr(NAME_CHARACTERS, *name) ? *name : '_');
    out[n] = '\0';
}

static bool add_list(json_t *named, const json_t *list) {
    bool good = true;
    for (size_t i = 0; i < json_array_size(list) && good; i++) {
        const json_t *entry = json_array_get(list, i);
        const char *given = bnt_json_text(entry, "name");
        json_t *text = json_object_get(entry, "template");
        char name[NAME_ROOM];
        if (!given || !*given || !json_is_string(text)) continue;
        key_name(name, given);
        good = json_object_set(named, name, text) == 0;
    }
    return good;
}

int bnt_vocab_in_read_templates(struct bnt_vocab_in *v, struct bnt_err *err) {
    json_t *given = json_object_get(v->config, "chat_template");
    bool good = (v->templates = json_object()) != NULL;
    if (good && v->template)
        good = json_object_set_new(v->templates, "default",
                                   json_stringn_nocheck(v->template, v->template_size)) == 0;
    else if (good && json_is_string(given))
        good = json_object_set(v->templates, "default", given) == 0;
    else if (good)
        good = add_list(v->templates, given);
    if (!good) return bnt_fail_nomem(err, "the chat templates", 0);
    if (json_object_size(v->templates) && !json_object_get(v->templates, "default"))
        v->template_note = "tokenizer_config.json lists chat templates, and none is the default: "
                           "plain conversations have none";
    return BNT_OK;
}

void bnt_vocab_in_put_templates(const struct bnt_vocab_in *v, struct bnt_gguf_out *out) {
    static const char key[] = "tokenizer.chat_template";
    const json_t *plain = json_object_get(v->templates, "default");
    const size_t others = json_object_size(v->templates) - (plain != NULL);
    const char *name;
    json_t *text;
    if (plain) bnt_gguf_out_str(out, key, json_string_value(plain), json_string_length(plain));
    if (others) bnt_gguf_out_array(out, "tokenizer.chat_templates", BNT_GGUF_STRING, others);
    json_object_foreach(v->templates, name, text) {
        if (text != plain) bnt_gguf_out_string(out, name, strlen(name));
    }
    json_object_foreach(v->templates, name, text) {
        char named[sizeof key + NAME_ROOM];
        snprintf(named, sizeof named, "%s.%s", key, name);
        if (text != plain)
            bnt_gguf_out_str(out, named, json_string_value(text), json_string_length(text));
    }
}
