/*
 * library_chat.c - the part of bitnet.h that makes tokens of a conversation.
 *
 * Opens the template for each call: who goes on with a long conversation keeps its tokens, feeds
 * what is new, and uses the inside (chat.h) if it can.
 */
#include <stdlib.h>
#include <string.h>

#include "run/engine.h"
#include "run/options.h"
#include "run/template.h"

static int read_role(struct bnt_message *to, const struct bnt_chat_message *from, size_t i,
                     struct bnt_err *err) {
    static const char *const names[] = {
        [BNT_ROLE_SYSTEM] = "system", [BNT_ROLE_USER] = "user", [BNT_ROLE_ASSISTANT] = "assistant"};
    char shown[64];
    for (unsigned role = BNT_ROLE_SYSTEM; role <= BNT_ROLE_ASSISTANT; role++) {
        if (!from->role || strcmp(from->role, names[role]) != 0) continue;
        *to = (struct bnt_message){
            .role = (enum bnt_role)role, .text = from->len ? from->text : "", .len = from->len};
        return BNT_OK;
    }
    const char *role = from->role ? from->role : "";
    return bnt_fail(err, BNT_E_USAGE,
                    "message %zu: the role '%s' is none of system, user, assistant", i,
                    bnt_printable(shown, sizeof shown, role, strlen(role)));
}

static int render(const struct bnt_template *tm, const struct bnt_chat_message *messages, size_t n,
                  int64_t time, struct bnt_rendering *out, struct bnt_err *err) {
    struct bnt_message *list = calloc(n + 1, sizeof *list);
    int status = list ? BNT_OK : bnt_fail_nomem(err, "the conversation", n * sizeof *list);
    for (size_t i = 0; i < n && status == BNT_OK; i++)
        status = read_role(&list[i], &messages[i], i, err);
    if (status == BNT_OK) status = bnt_template_render(tm, list, n, time, out, err);
    free(list);
    return status;
}

int bnt_engine_chat(const struct bnt_engine *engine, const struct bnt_chat_message *messages,
                    size_t n, const struct bnt_chat_options *options, int32_t **ids, size_t *count,
                    const char **stop, struct bnt_err *err) {
    struct bnt_chat_options o;
    struct bnt_template tm = {0};
    struct bnt_rendering r = {0};
    struct bnt_token_list list = {0};
    *ids = NULL;
    *count = 0;
    if (stop) *stop = NULL;
    int status = bnt_read_options(&o, sizeof o, options, options ? options->struct_size : 0, err);
    if (status != BNT_OK) return status;
    const bool has_system = n && messages[0].role && strcmp(messages[0].role, "system") == 0;
    const struct bnt_template_choice choice = {.name = o.template_name,
                                               .text = o.template_text,
                                               .len = o.template_len,
                                               .system = !has_system       ? NULL
                                                         : messages[0].len ? messages[0].text
                                                                           : "",
                                               .system_len = has_system ? messages[0].len : 0};
    status = bnt_template_open(&tm, engine->gguf, engine->tokenizer, &choice, err);
    if (status == BNT_OK) status = render(&tm, messages, n, o.time, &r, err);
    if (status == BNT_OK)
        status = bnt_template_encode(&tm, engine->tokenizer, &r, 0, false, &list, err);
    if (status == BNT_OK) {
        *ids = list.ids;
        *count = list.count;
        list.ids = NULL;
        if (stop) *stop = tm.stop; /* a named template's, which is no copy */
    }
    bnt_token_list_free(&list);
    bnt_rendering_free(&r);
    bnt_template_close(&tm);
    return status;
}
