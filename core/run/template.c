/* template.c - see template.h. */
#include "run/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "named.h"
#include "value.h"

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
static int own_text(const struct bnt_gguf *g, const char **text, size_t *len, struct bnt_err *err) {
    static const char key[] = "tokenizer.chat_template";
    struct bnt_str s;
    if (!g || !bnt_gguf_find(g, key)) return BNT_OK;
    if (!bnt_gguf_str(g, key, &s)) return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a string", key);
    *text = s.ptr;
    *len = s.len;
    return BNT_OK;
}

static char *piece_text(const struct bnt_tokenizer *t, int32_t id) {
    struct bnt_str s = bnt_tokenizer_piece(t, id);
    return id >= 0 ? strndup(s.ptr, s.len) : strdup("");
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

/* ---- what it needs -------------------------------------------------------------------------- */

/* NULL: the text is a control token. */
static const char *why_no_control(const struct bnt_tokenizer *t, const char *text) {
    int32_t id = bnt_tokenizer_find(t, text);
    if (id >= 0 && bnt_tokenizer_type(t, id) == BNT_TOKEN_CONTROL) return NULL;
    return id < 0 ? "the vocabulary does not have" : "is ordinary text in this vocabulary";
}

/* What marks the turns of a named template must be out of reach of plain text. */
static int check_needs(const struct bnt_named_template *named, const struct bnt_tokenizer *t,
                       struct bnt_err *err) {
    for (unsigned i = 0; i < 4 && named->needs[i]; i++) {
        const char *why = why_no_control(t, named->needs[i]);
        if (why)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "chat template '%s' needs the control token '%s', which %s",
                            named->name, named->needs[i], why);
    }
    return BNT_OK;
}

/* The model was trained on the file's template as it is; but a mark that is ordinary text, any
 * message can imitate, and that is told. Marks are what looks like <|this|>. */
static void remark_marks(struct bnt_template *tm, const struct bnt_tokenizer *t,
                         const struct bnt_rendering *r) {
    for (size_t at = 0; at + 4 < r->len && !tm->remark[0]; at++) {
        char mark[48];
        size_t n = 2;
        if (r->marks[at] || memcmp(r->text + at, "<|", 2) != 0) continue;
        while (at + n < r->len && n < sizeof mark - 2 && !strchr(" \n<>|", r->text[at + n])) n++;
        if (n == 2 || at + n + 2 > r->len || memcmp(r->text + at + n, "|>", 2) != 0) continue;
        memcpy(mark, r->text + at, n + 2);
        mark[n + 2] = '\0';
        const char *why = why_no_control(t, mark);
        char shown[64];
        if (why)
            snprintf(tm->remark, sizeof tm->remark,
                     "the chat template writes '%s', which %s: a message can imitate it",
                     bnt_printable(shown, sizeof shown, mark, n + 2), why);
    }
}

/* A template that cannot render two turns is of no use, and better said at once. */
static int try_out(struct bnt_template *tm, const struct bnt_tokenizer *t, struct bnt_err *err) {
    static const struct bnt_message talk[] = {{BNT_ROLE_USER, "Hello", 5, 0},
                                              {BNT_ROLE_ASSISTANT, "Yes?", 4, 0},
                                              {BNT_ROLE_USER, "Bye", 3, 0}};
    struct bnt_rendering r = {0};
    int status = bnt_template_render(tm, talk, 3, 0, &r, err);
    if (status == BNT_OK) remark_marks(tm, t, &r);
    bnt_rendering_free(&r);
    return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

static int parse(struct bnt_template *tm, const char *text, size_t len, struct bnt_err *err) {
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
    return BNT_OK;
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
    int status = check_needs(named, t, err);
    if (status == BNT_OK)
        status = parse(tm, own ? own : named->text, strlen(own ? own : named->text), err);
    free(own);
    return status;
}

static int open_any(struct bnt_template *tm, const struct bnt_gguf *g,
                    const struct bnt_tokenizer *t, const struct bnt_template_choice *choice,
                    struct bnt_err *err) {
    const struct bnt_named_template *named = choice->name ? bnt_named_template(choice->name) : NULL;
    const char *text = choice->text, *remark = NULL;
    size_t len = choice->len;
    tm->source = choice->name || text ? "given" : "metadata";
    tm->name = text ? "file" : "model";
    if (!(tm->eos = piece_text(t, bnt_tokenizer_info(t)->eos)))
        return bnt_fail_nomem(err, "a chat template", 1);
    if (choice->name && !named) return unknown_name(choice->name, err);
    int status = named || text ? BNT_OK : own_text(g, &text, &len, err);
    if (status != BNT_OK) return status;
    if (text && !choice->text) named = bnt_template_instead(text, len, &remark);
    if (!named && !text) {
        named = bnt_named_template("instruct");
        tm->source = "none";
    }
    if (remark) snprintf(tm->remark, sizeof tm->remark, "%s", remark);
    if (named) return open_named(tm, t, named, choice, err);
    if (!(tm->bos = piece_text(t, bnt_tokenizer_info(t)->bos)))
        return bnt_fail_nomem(err, "a chat template", 1);
    status = parse(tm, text, len, err);
    return status == BNT_OK ? try_out(tm, t, err) : status;
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
    free(tm->bos);
    free(tm->eos);
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

static bool put_message(struct bnt_jinja_run *run, bool splits, const struct bnt_message *m,
                        struct jv *list) {
    static const char *const roles[] = {"system", "user", "assistant"};
    struct jv dict, role = jv_text(roles[m->role]);
    return jv_dict_new(run, JV_DICT, &dict) && jv_dict_put(run, dict.as.dict, "role", &role) &&
           (splits && m->role == BNT_ROLE_ASSISTANT
                ? put_split(run, &dict, m)
                : put_text(run, &dict, "content", m->text, m->len, m->own)) &&
           jv_list_add(run, list->as.list, &dict);
}

static bool put_values(struct bnt_jinja_run *run, const struct bnt_template *tm,
                       const struct bnt_message *messages, size_t n) {
    struct jv list;
    if (!jv_list_new(run, LIST_PLAIN, n, &list)) return false;
    for (size_t i = 0; i < n; i++)
        if (!put_message(run, tm->splits, &messages[i], &list)) return false;
    const struct {
        const char *name;
        struct jv value;
    } all[] = {
        {"messages", list},
        {"tools", jv_none()},
        {"documents", jv_none()},
        {"add_generation_prompt", jv_bool(n == 0 || messages[n - 1].role != BNT_ROLE_ASSISTANT)},
        {"bos_token", jv_text(tm->bos)},
        {"eos_token", jv_text(tm->eos)}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (bnt_jinja_set(run, all[i].name, &all[i].value, NULL) != BNT_OK) return false;
    return true;
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

int bnt_template_render(const struct bnt_template *tm, const struct bnt_message *messages, size_t n,
                        int64_t time, struct bnt_rendering *out, struct bnt_err *err) {
    struct bnt_jinja_run *run;
    struct bnt_marked text = {0};
    struct bnt_err why = {0};
    *out = (struct bnt_rendering){0};
    int status = bnt_jinja_begin(&run, tm->program, NULL, err);
    if (status != BNT_OK) return status;
    bnt_jinja_set_time(run, time);
    if (!put_values(run, tm, messages, n))
        status = bnt_fail(&why, BNT_E_LIMIT, "the conversation is too long for it");
    if (status == BNT_OK) status = bnt_jinja_render(run, &text, &why);
    if (status != BNT_OK)
        bnt_fail(err, status, "the chat template (%s): %s", tm->name, why.text);
    else
        status = keep(&text, bnt_jinja_used_time(run), out, err);
    bnt_jinja_end(run);
    return status;
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
