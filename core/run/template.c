/* template.c - see template.h. */
#include "run/template.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sha256.h"
#include "named.h"
#include "value.h"

static const char own_key[] = "tokenizer.chat_template";
static const char others_prefix[] = "tokenizer.chat_template."; /* and a name */
static const char tools_key[] = "tokenizer.chat_template.tool_use";
static const char open_tag[] = "<think>", close_tag[] = "</think>";

/* ---- choosing ------------------------------------------------------------------------------- */

static int unknown_name(const char *name, struct bnt_err *err) {
    char names[200], shown[64];
    return bnt_fail(
        err, BNT_E_USAGE,
        "no chat template is called '%s', nor is there a file of that name; known are: %s",
        bnt_printable(shown, sizeof shown, name, strlen(name)),
        bnt_named_templates(names, sizeof names));
}

/* The file's own text; *text stays NULL where it has none. */
static int own_text(const struct bnt_gguf *g, const char *key, const char **text, size_t *len,
                    struct bnt_err *err) {
    struct bnt_str s;
    if (!g || !bnt_gguf_find(g, key)) return BNT_OK;
    if (!bnt_gguf_str(g, key, &s)) return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a string", key);
    *text = s.ptr;
    *len = s.len;
    return BNT_OK;
}

bool bnt_template_has_for_tools(const struct bnt_gguf *g) {
    return bnt_gguf_find(g, tools_key) != NULL;
}

/* Of a file without a template of its own: the names of those that it has for something else. */
static void remark_others(struct bnt_template *tm, const struct bnt_gguf *g) {
    const size_t n = sizeof others_prefix - 1;
    char names[160] = "", shown[40];
    for (size_t i = 0, at = 0; g && i < bnt_gguf_kv_count(g) && at < sizeof names; i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (kv->ignored || kv->key.len <= n || memcmp(kv->key.ptr, others_prefix, n) != 0) continue;
        bnt_printable(shown, sizeof shown, kv->key.ptr + n, kv->key.len - n);
        at += (size_t)snprintf(names + at, sizeof names - at, "%s'%s'", at ? ", " : "", shown);
    }
    if (names[0])
        snprintf(tm->remark, sizeof tm->remark,
                 "the file has no default chat template, only %s: --chat-template=FILE may take "
                 "the text of one",
                 names);
}

static char *piece_text(const struct bnt_tokenizer *t, int32_t id) {
    struct bnt_str s = bnt_tokenizer_piece(t, id);
    return id >= 0 ? strndup(s.ptr, s.len) : strdup("");
}

/* What a template is given besides BOS and EOS where the vocabulary has it: all that transformers
 * calls special tokens. */
static const struct {
    const char *name;
    size_t id; /* where it stands in the info */
} more_tokens[BNT_MORE_TOKENS] = {{"unk_token", offsetof(struct bnt_tokenizer_info, unk)},
                                  {"pad_token", offsetof(struct bnt_tokenizer_info, pad)},
                                  {"sep_token", offsetof(struct bnt_tokenizer_info, sep)},
                                  {"cls_token", offsetof(struct bnt_tokenizer_info, cls)},
                                  {"mask_token", offsetof(struct bnt_tokenizer_info, mask)}};

/* All but BOS, which named templates may want or not. */
static int take_tokens(struct bnt_template *tm, const struct bnt_tokenizer *t,
                       struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    bool ok = (tm->eos = piece_text(t, info->eos)) != NULL;
    for (size_t i = 0; ok && i < BNT_MORE_TOKENS; i++) {
        int32_t id;
        memcpy(&id, (const char *)info + more_tokens[i].id, sizeof id);
        if (id >= 0) ok = (tm->more[i] = piece_text(t, id)) != NULL;
    }
    return ok ? BNT_OK : bnt_fail_nomem(err, "a chat template", 1);
}

/* As conversations before templates were run had named ones: who wrote the texts had trimmed them.
 */
static char *without_trim(const char *text) {
    static const char what[] = " | trim";
    char *copy = strdup(text), *at = copy;
    while (at && (at = strstr(at, what)) != NULL)
        memmove(at, at + strlen(what), strlen(at + strlen(what)) + 1);
    return copy;
}

/* ---- its marks ------------------------------------------------------------------------------ */

static const struct bnt_message talks[][3] = {
    {{BNT_ROLE_USER, "Hello", 5, 0},
     {BNT_ROLE_ASSISTANT, "Yes?", 4, 0},
     {BNT_ROLE_USER, "Bye", 3, 0}},
    {{BNT_ROLE_SYSTEM, "Be", 2, 0},
     {BNT_ROLE_USER, "Hello", 5, 0},
     {BNT_ROLE_ASSISTANT, "Yes?", 4, 0}},
    {{BNT_ROLE_USER, "Hello", 5, 0},
     {BNT_ROLE_ASSISTANT, "Yes?", 4, 0},
     {BNT_ROLE_TOOL, "It", 2, 0}},
};
enum { TALKS = sizeof talks / sizeof talks[0] };

/* Talk i, with this system text; without one as it stands, or, where the template does not take it
 * so, with one. */
static int render_talk(const struct bnt_template *tm, size_t i, const struct bnt_message *system,
                       struct bnt_rendering *r, struct bnt_err *err) {
    const struct bnt_message *talk = talks[i];
    const bool has = talk[0].role == BNT_ROLE_SYSTEM;
    const struct bnt_message with[] = {system ? *system : talks[1][0], talk[has], talk[1 + has],
                                       talk[2]};
    struct bnt_err why = {0};
    if (system) return bnt_template_render(tm, with, has ? 3 : 4, 0, r, err);
    const int status = bnt_template_render(tm, talk, 3, 0, r, err);
    if (status == BNT_OK || status == BNT_E_NOMEM || has) return status;
    bnt_rendering_free(r);
    return bnt_template_render(tm, with, 4, 0, r, &why) == BNT_OK ? BNT_OK : status;
}

/* Those of the marks it writes that the vocabulary calls USER_DEFINED: what stands in its source,
 * and what comes out when each role has its turn ('<|' + role + '|>'), as far as it knows the role.
 * The same for every conversation: tokens do not depend on what its system text is. */
static int reserve_marks(struct bnt_template *tm, const struct bnt_tokenizer *t,
                         struct bnt_err *err) {
    const char *text = NULL;
    size_t len;
    int status = bnt_reserved_open(&tm->reserved, t, err);
    for (size_t i = 0; status == BNT_OK && bnt_jinja_literal(tm->program, i, &text, &len); i++)
        status = bnt_reserved_add(tm->reserved, text, NULL, len, err);
    for (size_t i = 0; i < TALKS && status == BNT_OK; i++) {
        struct bnt_rendering r = {0};
        struct bnt_err why = {0};
        int rendered = render_talk(tm, i, NULL, &r, &why);
        if (rendered == BNT_OK)
            status = bnt_reserved_add(tm->reserved, r.text, r.marks, r.len, err);
        else if (rendered == BNT_E_NOMEM) /* not the template's word */
            status = bnt_fail(err, rendered, "%s", why.text);
        bnt_rendering_free(&r);
    }
    return status == BNT_OK ? bnt_reserved_seal(tm->reserved, err) : status;
}

/* NULL: no message can hold the text as one token. */
static const char *why_no_mark(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                               const char *text) {
    int32_t id = bnt_tokenizer_find(t, text);
    if (id >= 0 && bnt_tokenizer_type(t, id) == BNT_TOKEN_CONTROL) return NULL;
    if (bnt_reserved_has(tm->reserved, id)) return NULL;
    return id < 0 ? "the vocabulary does not have" : "is ordinary text in this vocabulary";
}

/* What marks the turns of a named template must be out of reach of plain text. */
static int check_needs(const struct bnt_template *tm, const struct bnt_named_template *named,
                       const struct bnt_tokenizer *t, struct bnt_err *err) {
    for (unsigned i = 0; i < 4 && named->needs[i]; i++) {
        const char *why = why_no_mark(tm, t, named->needs[i]);
        if (why)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "chat template '%s' needs the control token '%s', which %s",
                            named->name, named->needs[i], why);
    }
    return BNT_OK;
}

/* How long text[0, n) is as a mark, or 0: <|this|>, and <this> or [this] where that is a token. */
static size_t mark_at(const struct bnt_tokenizer *t, const char *text, size_t n) {
    enum { LONGEST = 48 };
    const char close = n && *text == '[' ? ']' : '>';
    char mark[LONGEST + 1];
    size_t end = 1;
    if (n < 4 || (*text != '<' && *text != '[')) return 0;
    while (end < n && end < LONGEST && !strchr(" \n<>[]", text[end])) end++;
    if (end == n || end == LONGEST || text[end] != close) return 0;
    end++;
    memcpy(mark, text, end);
    mark[end] = '\0';
    if (close == '>' && end > 4 && mark[1] == '|' && mark[end - 2] == '|') return end;
    return end > 4 && bnt_tokenizer_find(t, mark) >= 0 ? end : 0;
}

/* The model was trained on the file's template as it is; but a mark that is ordinary text, any
 * message can imitate, and that is told. */
static void remark_marks(struct bnt_template *tm, const struct bnt_tokenizer *t,
                         const struct bnt_rendering *r) {
    for (size_t at = 0, n; at < r->len && !tm->remark[0]; at++) {
        char mark[64], shown[64];
        if (r->marks[at] || !(n = mark_at(t, r->text + at, r->len - at))) continue;
        memcpy(mark, r->text + at, n);
        mark[n] = '\0';
        const char *why = why_no_mark(tm, t, mark);
        if (why)
            snprintf(tm->remark, sizeof tm->remark,
                     "the chat template writes '%s', which %s: a message can imitate it",
                     bnt_printable(shown, sizeof shown, mark, n), why);
    }
}

/* Nothing puts a BOS before a rendering; but a template may write two (bos_token, and its text). */
static void remark_bos(struct bnt_template *tm, const struct bnt_rendering *r) {
    const size_t n = strlen(tm->bos);
    char shown[64];
    if (n && r->len >= 2 * n && memcmp(r->text, tm->bos, n) == 0 &&
        memcmp(r->text + n, tm->bos, n) == 0)
        snprintf(tm->remark, sizeof tm->remark,
                 "the chat template begins a conversation with two BOS ('%s'), which models are "
                 "not used to",
                 bnt_printable(shown, sizeof shown, tm->bos, n));
}

/* Whether the text of a message stands in the rendering; its letters may be others. */
static bool is_said(const struct bnt_rendering *r, const struct bnt_message *m) {
    for (size_t at = 0; at + m->len <= r->len; at++)
        if (r->marks[at] && strncasecmp(r->text + at, m->text, m->len) == 0) return true;
    return false;
}

/* What has no place for messages is no chat template: mostly the name of one, or nothing. A
 * template may leave out old turns; it is told where it leaves out what was asked last. */
static int check_says(struct bnt_template *tm, const char *text, size_t len,
                      const struct bnt_rendering *r, struct bnt_err *err) {
    char name[32];
    bool any = false;
    for (size_t i = 0; i < 3; i++) any = any || is_said(r, &talks[0][i]);
    if (any) {
        if (!is_said(r, &talks[0][2]))
            snprintf(tm->remark, sizeof tm->remark,
                     "the chat template (%s) leaves out a conversation's last message", tm->name);
        return BNT_OK;
    }
    while (len && strchr(" \n\r\t", text[len - 1])) len--;
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : 0), text);
    if (!len) return bnt_fail(err, BNT_E_UNSUPPORTED, "the chat template (%s) is empty", tm->name);
    if (bnt_named_template(name))
        return bnt_fail(
            err, BNT_E_UNSUPPORTED,
            "the chat template (%s) is only a name: --chat-template=%s uses the one that "
            "is called so",
            tm->name, name);
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "the chat template (%s) leaves out what messages say: it is no template for "
                    "conversations",
                    tm->name);
}

/* With a tool: templates for tools may need one. */
static bool render_tooled(const struct bnt_template *tm, const struct bnt_message *system,
                          struct bnt_rendering *r) {
    const struct bnt_message talk[] = {system ? *system : talks[1][0], talks[0][0], talks[0][1],
                                       talks[0][2]};
    json_t *tool = json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:{}, s:[]}}}", "type", "function",
                             "function", "name", "now", "description", "Time", "parameters", "type",
                             "object", "properties", "required");
    json_t *list = json_pack("[o]", tool);
    const struct bnt_template_tools with = {.list = list};
    bnt_rendering_free(r);
    const int status = bnt_template_render_tools(tm, talk, 4, &with, 0, r, NULL);
    json_decref(list);
    return status == BNT_OK;
}

/* A template that cannot render two turns is of no use, and better said at once. */
static int try_out(struct bnt_template *tm, const struct bnt_tokenizer *t, const char *text,
                   size_t len, const struct bnt_template_choice *choice, struct bnt_err *err) {
    const struct bnt_message given = {BNT_ROLE_SYSTEM, choice->system, choice->system_len, 0};
    const struct bnt_message *system = choice->system ? &given : NULL;
    struct bnt_rendering r = {0};
    const bool tooled = choice->for_tools && render_tooled(tm, system, &r);
    int status = tooled ? BNT_OK : render_talk(tm, 0, system, &r, err);
    if (status != BNT_OK && status != BNT_E_NOMEM && bnt_template_takes_tools(tm) &&
        render_tooled(tm, system, &r)) {
        snprintf(tm->remark, sizeof tm->remark,
                 "the chat template (%s) renders only conversations with tools", tm->name);
        status = BNT_OK;
    }
    if (status == BNT_OK) status = check_says(tm, text, len, &r, err);
    if (status == BNT_OK) remark_bos(tm, &r);
    if (status == BNT_OK) remark_marks(tm, t, &r);
    bnt_rendering_free(&r);
    return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int parse(struct bnt_template *tm, const struct bnt_tokenizer *t, const char *text,
                 size_t len, struct bnt_err *err) {
    struct bnt_err why = {0};
    struct bnt_sha256 hash;
    bnt_sha256_begin(&hash);
    bnt_sha256_add(&hash, text, len);
    int status = bnt_sha256_end(&hash, tm->sha256, err);
    if (status != BNT_OK) return status;
    status = bnt_jinja_open(&tm->program, text, len, &why);
    if (status != BNT_OK)
        return bnt_fail(err, status, "the chat template (%s): %s", tm->name, why.text);
    tm->splits = bnt_jinja_mentions(tm->program, "reasoning_content");
    return reserve_marks(tm, t, err);
}

static int open_named(struct bnt_template *tm, const struct bnt_tokenizer *t,
                      const struct bnt_named_template *named,
                      const struct bnt_template_choice *choice, struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    bool bos = choice->old ? choice->old_bos : named->bos || info->add_bos;
    char *own = choice->old ? without_trim(named->text) : NULL;
    tm->name = named->name;
    tm->stop = named->stop;
    tm->bos = piece_text(t, bos ? info->bos : -1);
    if (!tm->bos || (choice->old && !own)) {
        free(own);
        return bnt_fail_nomem(err, "a chat template", 1);
    }
    int status = parse(tm, t, own ? own : named->text, strlen(own ? own : named->text), err);
    free(own);
    return status == BNT_OK ? check_needs(tm, named, t, err) : status;
}

static int open_any(struct bnt_template *tm, const struct bnt_gguf *g,
                    const struct bnt_tokenizer *t, const struct bnt_template_choice *choice,
                    struct bnt_err *err) {
    const struct bnt_named_template *named = choice->name ? bnt_named_template(choice->name) : NULL;
    const char *text = choice->text, *remark = NULL;
    size_t len = choice->len;
    tm->source = choice->name || text ? "given" : "metadata";
    tm->name = text ? "file" : choice->for_tools ? "tool_use" : "model";
    if (choice->name && !named) return unknown_name(choice->name, err);
    int status = take_tokens(tm, t, err);
    if (status == BNT_OK && !named && !text)
        status = own_text(g, choice->for_tools ? tools_key : own_key, &text, &len, err);
    if (status != BNT_OK) return status;
    if (text && !choice->text) named = bnt_template_instead(text, len, &remark);
    if (!named && !text) {
        named = bnt_named_template("instruct");
        tm->source = "none";
        remark_others(tm, g);
    }
    if (remark) snprintf(tm->remark, sizeof tm->remark, "%s", remark);
    if (named) return open_named(tm, t, named, choice, err);
    if (!(tm->bos = piece_text(t, bnt_tokenizer_info(t)->bos)))
        return bnt_fail_nomem(err, "a chat template", 1);
    status = parse(tm, t, text, len, err);
    return status == BNT_OK ? try_out(tm, t, text, len, choice, err) : status;
}

int bnt_template_open(struct bnt_template *out, const struct bnt_gguf *g,
                      const struct bnt_tokenizer *t, const struct bnt_template_choice *choice,
                      struct bnt_err *err) {
    *out = (struct bnt_template){0};
    int status = open_any(out, g, t, choice, err);
    if (status != BNT_OK) bnt_template_close(out);
    return status;
}

void bnt_template_close(struct bnt_template *tm) {
    bnt_jinja_close(tm->program);
    bnt_reserved_close(tm->reserved);
    free(tm->bos);
    free(tm->eos);
    for (size_t i = 0; i < BNT_MORE_TOKENS; i++) free(tm->more[i]);
    *tm = (struct bnt_template){0};
}

/* ---- messages as values --------------------------------------------------------------------- */

static bool put_text(struct bnt_jinja_run *run, struct jv *dict, const char *key, const char *text,
                     size_t len, size_t own) {
    struct jv v;
    return jv_text_begun(run, text, len, own, &v) && jv_dict_put(run, dict->as.dict, key, &v);
}

static void trim(const char **text, size_t *len) {
    while (*len && strchr(" \t\r\n", **text)) ++*text, --*len;
    while (*len && strchr(" \t\r\n", (*text)[*len - 1])) --*len;
}

/* An answer whose thinking the template wants by itself: what stands up to "</think>", and the
 * rest. */
static bool put_split(struct bnt_jinja_run *run, struct jv *dict, const struct bnt_message *m) {
    const char *end = m->text + m->len, *at = m->text, *thought, *close;
    size_t n;
    while (at < end && strchr(" \t\r\n", *at)) at++;
    bool thinks = (size_t)(end - at) >= strlen(open_tag) && !memcmp(at, open_tag, strlen(open_tag));
    if (!thinks) return put_text(run, dict, "content", m->text, m->len, m->own);
    thought = at + strlen(open_tag);
    close = memmem(thought, (size_t)(end - thought), close_tag, strlen(close_tag));
    n = (size_t)((close ? close : end) - thought);
    at = close ? close + strlen(close_tag) : end;
    while (at < end && strchr(" \t\r\n", *at)) at++;
    trim(&thought, &n);
    return put_text(run, dict, "reasoning_content", thought, n, 0) &&
           put_text(run, dict, "content", at, (size_t)(end - at), 0);
}

static bool put_members(struct bnt_jinja_run *run, struct jv *dict, const json_t *members) {
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)members, name, v) {
        struct jv value;
        if (!jv_from_json(run, v, &value) || !jv_dict_put(run, dict->as.dict, name, &value))
            return false;
    }
    return true;
}

static bool put_message(struct bnt_jinja_run *run, bool splits, const struct bnt_message *m,
                        const json_t *members, struct jv *list) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    struct jv dict, role = jv_text(roles[m->role]);
    return jv_dict_new(run, JV_DICT, &dict) && jv_dict_put(run, dict.as.dict, "role", &role) &&
           (splits && m->role == BNT_ROLE_ASSISTANT
                ? put_split(run, &dict, m)
                : put_text(run, &dict, "content", m->text, m->len, m->own)) &&
           put_members(run, &dict, members) && jv_list_add(run, list->as.list, &dict);
}

bool bnt_template_has_variable(const char *name) {
    static const char *const own[] = {"messages",  "tools",    "documents", "add_generation_prompt",
                                      "bos_token", "eos_token"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i], name) == 0) return true;
    for (size_t i = 0; i < BNT_MORE_TOKENS; i++)
        if (strcmp(more_tokens[i].name, name) == 0) return true;
    return false;
}

static bool put_more_tokens(struct bnt_jinja_run *run, const struct bnt_template *tm) {
    for (size_t i = 0; i < BNT_MORE_TOKENS; i++) {
        if (!tm->more[i]) continue;
        const struct jv text = jv_text(tm->more[i]);
        if (bnt_jinja_set(run, more_tokens[i].name, &text, NULL) != BNT_OK) return false;
    }
    return true;
}

static bool put_variables(struct bnt_jinja_run *run, const json_t *variables) {
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)variables, name, v) {
        struct jv value;
        if (!jv_from_json(run, v, &value) || bnt_jinja_set(run, name, &value, NULL) != BNT_OK)
            return false;
    }
    return true;
}

static bool put_values(struct bnt_jinja_run *run, const struct bnt_template *tm,
                       const struct bnt_message *messages, size_t n,
                       const struct bnt_template_tools *with) {
    struct jv list, tools = jv_none();
    if (!jv_list_new(run, LIST_PLAIN, n, &list)) return false;
    for (size_t i = 0; i < n; i++)
        if (!put_message(run, tm->splits, &messages[i], with->members ? with->members[i] : NULL,
                         &list))
            return false;
    if (with->list && !jv_from_json(run, with->list, &tools)) return false;
    const struct {
        const char *name;
        struct jv value;
    } all[] = {
        {"messages", list},
        {"tools", tools},
        {"documents", jv_none()},
        {"add_generation_prompt", jv_bool(n == 0 || messages[n - 1].role != BNT_ROLE_ASSISTANT)},
        {"bos_token", jv_text(tm->bos)},
        {"eos_token", jv_text(tm->eos)}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (bnt_jinja_set(run, all[i].name, &all[i].value, NULL) != BNT_OK) return false;
    return put_more_tokens(run, tm) && put_variables(run, with->variables);
}

/* ---- rendering ------------------------------------------------------------------------------ */

static int keep(const struct bnt_marked *text, bool used_time, struct bnt_rendering *out,
                struct bnt_err *err) {
    *out = (struct bnt_rendering){.text = malloc(text->len + 1),
                                  .marks = calloc(text->len + 1, 1),
                                  .len = text->len,
                                  .used_time = used_time};
    if (!out->text || !out->marks) {
        bnt_rendering_free(out);
        return bnt_fail_nomem(err, "a conversation", text->len);
    }
    if (text->len) memcpy(out->text, text->text, text->len);
    if (text->len && text->marks) memcpy(out->marks, text->marks, text->len);
    out->text[text->len] = '\0';
    return BNT_OK;
}

bool bnt_template_takes_tools(const struct bnt_template *tm) {
    return bnt_jinja_mentions(tm->program, "tools");
}

bool bnt_template_takes_calls(const struct bnt_template *tm) {
    return bnt_jinja_mentions(tm->program, "tool_calls");
}

int bnt_template_render(const struct bnt_template *tm, const struct bnt_message *messages, size_t n,
                        int64_t time, struct bnt_rendering *out, struct bnt_err *err) {
    const struct bnt_template_tools none = {.list = NULL};
    return bnt_template_render_tools(tm, messages, n, &none, time, out, err);
}

int bnt_template_render_tools(const struct bnt_template *tm, const struct bnt_message *messages,
                              size_t n, const struct bnt_template_tools *tools, int64_t time,
                              struct bnt_rendering *out, struct bnt_err *err) {
    struct bnt_jinja_run *run;
    struct bnt_marked text = {0};
    struct bnt_err why = {0};
    *out = (struct bnt_rendering){0};
    int status = bnt_jinja_begin(&run, tm->program, NULL, err);
    if (status != BNT_OK) return status;
    bnt_jinja_set_time(run, time);
    if (!put_values(run, tm, messages, n, tools))
        status = bnt_fail(&why, BNT_E_LIMIT, "the conversation is too long, or nests too deep");
    if (status == BNT_OK) status = bnt_jinja_render(run, &text, &why);
    if (status != BNT_OK)
        bnt_fail(err, status, "the chat template (%s): %s", tm->name, why.text);
    else
        status = keep(&text, bnt_jinja_used_time(run), out, err);
    bnt_jinja_end(run);
    return status;
}

int bnt_template_encode(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                        const struct bnt_rendering *r, size_t from, bool continues,
                        struct bnt_token_list *list, struct bnt_err *err) {
    return bnt_tokenizer_encode_marked(t, tm->reserved, r->text + from, r->marks + from,
                                       r->len - from, continues, list, err);
}

void bnt_rendering_free(struct bnt_rendering *r) {
    free(r->text);
    free(r->marks);
    *r = (struct bnt_rendering){0};
}

size_t bnt_rendering_thinking(const struct bnt_rendering *r) {
    size_t n = strlen(open_tag), from = r->len;
    while (from > 0 && !r->marks[from - 1] && strchr(" \t\r\n", r->text[from - 1])) from--;
    if (from < n || memcmp(r->text + from - n, open_tag, n) != 0) return 0;
    for (size_t i = from - n; i < from; i++)
        if (r->marks[i]) return 0;
    return r->len - from + n;
}
