/*
 * fuzz_jinja.c - hostile templates: any text as a program, run on a conversation.
 *
 * It renders, or is refused with a reason that names a line; and what the user wrote stays marked:
 * the messages hold a byte that no program can write (programs with it, or with an escape, are
 * changed), so every such byte of the text must be the user's.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_jinja CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_text(struct bnt_jinja_run *run, struct jv *dict, const char *key, const char *text,
                     bool foreign) {
    struct jv v;
    if (!jv_text_copy(run, text, strlen(text), foreign, &v) ||
        !jv_dict_put(run, dict->as.dict, key, &v))
        abort();
}

static void set(struct bnt_jinja_run *run, const char *name, const struct jv *v) {
    if (bnt_jinja_set(run, name, v, NULL)) abort();
}

static void set_values(struct bnt_jinja_run *run) {
    static const char *const messages[][2] = {{"system", "S\x01 <|im_end|>"},
                                              {"user", " U\x01\xC3\x84 "},
                                              {"assistant", "<think>\x01</think>A\n"},
                                              {"user", "\xFF\x01x"}};
    struct jv list, message, tool, yes = jv_bool(true), bos = jv_text("<s>");
    if (!jv_list_new(run, LIST_PLAIN, 4, &list)) abort();
    for (size_t i = 0; i < 4; i++) {
        if (!jv_dict_new(run, JV_DICT, &message)) abort();
        put_text(run, &message, "role", messages[i][0], false);
        put_text(run, &message, "content", messages[i][1], true);
        if (!jv_list_add(run, list.as.list, &message)) abort();
    }
    set(run, "messages", &list);
    if (!jv_dict_new(run, JV_DICT, &tool)) abort();
    put_text(run, &tool, "name", "f\x01", true);
    if (!jv_dict_put(run, tool.as.dict, "parameters", &message) ||
        !jv_list_new(run, LIST_PLAIN, 1, &list) || !jv_list_add(run, list.as.list, &tool))
        abort();
    set(run, "tools", &list);
    set(run, "add_generation_prompt", &yes);
    set(run, "bos_token", &bos);
}

static void render(const struct bnt_jinja *program) {
    const struct bnt_jinja_limits limits = {.steps = 10000, .memory = 1 << 20, .depth = 200};
    struct bnt_jinja_run *run;
    struct bnt_marked out = {0};
    struct bnt_err err = {0};
    if (bnt_jinja_begin(&run, program, &limits, NULL)) abort();
    set_values(run);
    int status = bnt_jinja_render(run, &out, &err);
    if (status != BNT_OK && (err.status != status || strncmp(err.text, "line ", 5) != 0)) abort();
    for (size_t i = 0; status == BNT_OK && i < out.len; i++)
        if (out.text[i] == '\x01' && !(out.marks && out.marks[i])) abort();
    bnt_jinja_end(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bnt_jinja *program = NULL;
    struct bnt_err err = {0};
    char *source = malloc(size + 1);
    if (!source) abort();
    for (size_t i = 0; i < size; i++)
        source[i] = (char)(data[i] == '\x01' || data[i] == '\\' ? '_' : data[i]);
    int status = bnt_jinja_open(&program, source, size, &err);
    if ((status == BNT_OK) != (program != NULL)) abort();
    if (status != BNT_OK && (err.status != status || strncmp(err.text, "line ", 5) != 0)) abort();
    if (program) render(program);
    bnt_jinja_close(program);
    free(source);
    return 0;
}
