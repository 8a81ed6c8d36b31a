/* talk.c - see talk.h. */
#include "serve/talk.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum bnt_role role;
} roles[] = {{"system", BNT_ROLE_SYSTEM},
             {"developer", BNT_ROLE_SYSTEM},
             {"user", BNT_ROLE_USER},
             {"assistant", BNT_ROLE_ASSISTANT},
             {"tool", BNT_ROLE_TOOL}};

static int find_role(const char *name, enum bnt_role *role, struct bnt_err *err) {
    char shown[40];
    for (size_t i = 0; name && i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(name, roles[i].name) != 0) continue;
        *role = roles[i].role;
        return BNT_OK;
    }
    if (!name) return bnt_fail(err, BNT_E_USAGE, "a message without a role");
    return bnt_fail(
        err, BNT_E_USAGE,
        "a message of role '%s': only system, developer, user, assistant and tool are known",
        bnt_printable(shown, sizeof shown, name, strlen(name)));
}

/* The text of a part, or NULL. */
static const json_t *part_text(const json_t *part) {
    const char *type = json_string_value(json_object_get(part, "type"));
    const json_t *text = json_object_get(part, "text");
    if (!type || !json_is_string(text)) return NULL;
    return strcmp(type, "text") == 0 || strcmp(type, "input_text") == 0 ||
                   strcmp(type, "output_text") == 0
               ? text
               : NULL;
}

static int join_parts(const json_t *parts, char **out, size_t *len, struct bnt_err *err) {
    size_t n = json_array_size(parts), room = 1, at = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *text = part_text(json_array_get(parts, i));
        if (!text) return bnt_fail(err, BNT_E_USAGE, "a message may have parts of type text only");
        room += json_string_length(text) + 1;
    }
    char *joined = malloc(room);
    if (!joined) return bnt_fail_nomem(err, "a message", room);
    for (size_t i = 0; i < n; i++) {
        const json_t *text = part_text(json_array_get(parts, i));
        if (i) joined[at++] = '\n';
        memcpy(joined + at, json_string_value(text), json_string_length(text));
        at += json_string_length(text);
    }
    joined[at] = '\0';
    *out = joined;
    *len = at;
    return BNT_OK;
}

static int grow(struct serve_talk *t, struct bnt_err *err) {
    if (t->n < t->room) return BNT_OK;
    if (t->n == SERVE_MOST_MESSAGES)
        return bnt_fail(err, BNT_E_LIMIT, "more than %d messages", SERVE_MOST_MESSAGES);
    size_t room = 2 * t->room + 8;
    struct bnt_message *messages = realloc(t->messages, room * sizeof *messages);
    if (messages) t->messages = messages;
    char **texts = realloc(t->texts, room * sizeof *texts);
    if (texts) t->texts = texts;
    json_t **members = realloc(t->members, room * sizeof *members);
    if (members) t->members = members;
    if (!messages || !texts || !members)
        return bnt_fail_nomem(err, "the messages", room * sizeof *messages);
    t->room = room;
    return BNT_OK;
}

int serve_talk_add(struct serve_talk *t, const char *role, const json_t *content,
                   struct bnt_err *err) {
    int status = grow(t, err);
    if (status != BNT_OK) return status;
    struct bnt_message m = {.text = "", .len = 0};
    char *joined = NULL;
    if ((status = find_role(role, &m.role, err)) != BNT_OK) return status;
    if (json_is_array(content)) {
        status = join_parts(content, &joined, &m.len, err);
        m.text = joined;
    } else if (json_is_string(content)) {
        m.text = json_string_value(content);
        m.len = json_string_length(content);
    } else if (m.role != BNT_ROLE_ASSISTANT || !(content == NULL || json_is_null(content))) {
        status =
            bnt_fail(err, BNT_E_USAGE, "a message's content must be a text or a list of parts");
    }
    if (status != BNT_OK) return status;
    t->messages[t->n] = m;
    t->members[t->n] = NULL;
    t->texts[t->n++] = joined;
    return BNT_OK;
}

void serve_talk_members(struct serve_talk *t, json_t *members) {
    json_decref(t->members[t->n - 1]);
    t->members[t->n - 1] = members;
}

void serve_talk_free(struct serve_talk *t) {
    for (size_t i = 0; i < t->n; i++) {
        free(t->texts[i]);
        json_decref(t->members[i]);
    }
    free(t->members);
    free(t->messages);
    free(t->texts);
    *t = (struct serve_talk){0};
}

const struct serve_template *serve_template_of(const struct serve_server *s, bool tools) {
    return tools && s->has_for_tools ? &s->for_tools : &s->chat;
}

static int render(struct serve_completion *c, const struct serve_talk *t,
                  const struct bnt_template *tm, struct bnt_token_list *list, struct bnt_err *err) {
    struct serve_server *s = c->server;
    struct bnt_rendering r = {0};
    const struct bnt_template_tools tools = {c->tools.list, t->members, c->variables};
    int status =
        bnt_template_render_tools(tm, t->messages, t->n, &tools,
                                  s->date ? s->date : c->created - c->created % 86400, &r, err);
    if (status == BNT_OK)
        status = bnt_template_encode(tm, bnt_engine_tokenizer(s->engine), &r, 0, false, list, err);
    size_t opening = status == BNT_OK ? bnt_rendering_thinking(&r) : 0;
    if (opening && !(c->opening = strndup(r.text + r.len - opening, opening)))
        status = bnt_fail_nomem(err, "the prompt", opening);
    bnt_rendering_free(&r);
    return status;
}

static bool has_calls(const struct serve_talk *t) {
    bool has = false;
    for (size_t i = 0; i < t->n && !has; i++)
        has = json_array_size(json_object_get(t->members[i], "tool_calls")) > 0;
    return has;
}

bool serve_talk_prompt(struct serve_completion *c, const struct serve_talk *t) {
    struct bnt_token_list list = {0};
    struct bnt_err err = {0};
    const bool calls = has_calls(t);
    const struct serve_template *by = serve_template_of(c->server, c->tools.list || calls);
    int status = BNT_OK;
    if (by->fault.status)
        status = bnt_fail(&err, by->fault.status, "%s", by->fault.text);
    else if (calls && !bnt_template_takes_calls(&by->tm))
        status = bnt_fail(&err, BNT_E_USAGE,
                          "the model's chat template has no place for the tool_calls of a message; "
                          "bitnet serve --chat-template=FILE gives it one that has");
    else if (t->n == 0 || t->messages[t->n - 1].role == BNT_ROLE_ASSISTANT)
        status = bnt_fail(&err, BNT_E_USAGE, "the last message must be one to answer");
    if (status == BNT_OK) status = render(c, t, &by->tm, &list, &err);
    if (status != BNT_OK) {
        bnt_token_list_free(&list);
        serve_completion_refuse(c, serve_status_of(status), "messages", "%s", err.text);
        return false;
    }
    c->turn_end = by->tm.stop;
    if (c->turn_end) c->ask.stops[c->ask.n_stops++] = c->turn_end;
    int32_t *ids = list.ids;
    size_t n = list.count;
    list.ids = NULL;
    bnt_token_list_free(&list);
    return serve_completion_prompt(c, ids, n);
}
