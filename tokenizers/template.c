/*
 * template.c - see template.h.
 *
 * The one idea: a rendered turn is a short list of parts, each either the template's own text or
 * somebody's. Control tokens are looked for in the template's parts only; everything between two of
 * them is encoded in one go, whoever wrote it, so that words which the template and a message make
 * together are the words of the rendered text.
 */
#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "unicode.h"

enum { MOST_MARKS = 5, MOST_PARTS = 8 };

struct bnt_template_family {
    const char *name;
    /* A file's template is of this family when all of `has` stand in it and none of `lacks`. */
    const char *has[MOST_MARKS], *lacks[MOST_MARKS];
    const char *needs[MOST_MARKS]; /* control tokens */
    const char *system[2];         /* around the system text */
    const char *user[2];           /* around the user's; the second ends where the answer begins */
    const char *answer_end;
    const char *default_system, *stop, *remark;
    bool bos, trim; /* where no template text says */
    bool bos_each;  /* BOS before every turn */
    bool joined;    /* behind a system text the user's has no opening of its own */
};

#define IM_TURNS                                                                                   \
    .needs = {"<|im_start|>", "<|im_end|>"}, .system = {"<|im_start|>system\n", "<|im_end|>\n"},   \
    .user = {"<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"},                         \
    .answer_end = "<|im_end|>\n"
#define BITNET_TURNS                                                                               \
    .needs = {"<|eot_id|>"}, .system = {"System: ", "<|eot_id|>"},                                 \
    .user = {"User: ", "<|eot_id|>Assistant: "}, .answer_end = "<|eot_id|>", .bos = true,          \
    .trim = true

/* In the order of recognition: the first that fits. */
static const struct bnt_template_family families[] = {
    {.name = "llama3",
     .has = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
     .lacks = {"Cutting Knowledge Date"},
     .needs = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
     .system = {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},
     .user = {"<|start_header_id|>user<|end_header_id|>\n\n",
              "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
     .answer_end = "<|eot_id|>",
     .bos = true,
     .trim = true},
    {.name = "bitnet", .has = {"capitalize", "': '", "<|eot_id|>", "Assistant: "}, BITNET_TURNS},
    {.name = "bitnet",
     .has = {"'Human: '", "BITNETAssistant: "},
     .remark = "the template in this file is a placeholder that the model was not trained on; the "
               "published one of BitNet b1.58 2B4T is used",
     BITNET_TURNS},
    {.name = "qwen2",
     .has = {"<|im_start|>", "<|im_end|>", "You are a helpful assistant."},
     .lacks = {"You are Qwen"},
     .default_system = "You are a helpful assistant.",
     IM_TURNS},
    {.name = "qwen2.5",
     .has = {"<|im_start|>", "<|im_end|>",
             "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
     .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
     IM_TURNS},
    {.name = "chatml",
     .has = {"<|im_start|>", "<|im_end|>"},
     .lacks = {"You are a helpful", "You are Qwen", "system\\nYou are", "system\nYou are",
               "<|im_sep|>"},
     IM_TURNS},
    {.name = "llama2",
     .has = {"[INST]", "[/INST]", "<<SYS>>", "eos_token"},
     .lacks = {"[AVAILABLE_TOOLS]", "<|im_start|>"},
     .needs = {"</s>"},
     .system = {"[INST] <<SYS>>\n", "\n<</SYS>>\n\n"},
     .user = {"[INST] ", " [/INST]"},
     .answer_end = " </s>",
     .bos = true,
     .trim = true,
     .bos_each = true,
     .joined = true},
    {.name = "falcon3",
     .has = {"<|user|>", "<|assistant|>", "eos_token"},
     .lacks = {"<|end|>", "</s>", "<|im_start|>", "<|eot_id|>"},
     .needs = {"<|endoftext|>"},
     .system = {"<|system|>\n", "\n"},
     .user = {"<|user|>\n", "\n<|assistant|>\n"},
     .answer_end = "<|endoftext|>\n"},
    {.name = "instruct",
     .system = {"", "\n\n"},
     .user = {"Q: ", "\nA:"},
     .answer_end = "\n",
     .stop = "\nQ:",
     .trim = true},
    {.name = "raw", .system = {"", "\n"}, .user = {"", ""}, .answer_end = ""},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

/* ---- choosing ------------------------------------------------------------------------------- */

static bool holds(struct bnt_str text, const char *what) {
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

static bool fits(const struct bnt_template_family *f, struct bnt_str text) {
    if (!f->has[0]) return false; /* those that are chosen by name only */
    for (unsigned i = 0; i < MOST_MARKS && f->has[i]; i++)
        if (!holds(text, f->has[i])) return false;
    for (unsigned i = 0; i < MOST_MARKS && f->lacks[i]; i++)
        if (holds(text, f->lacks[i])) return false;
    return true;
}

static bool trims(struct bnt_str text) {
    static const char *const ways[] = {"content'] | trim", "content']|trim",    "content | trim",
                                       "content|trim",     "content'].strip()", "content.strip()"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (holds(text, ways[i])) return true;
    return false;
}

static const struct bnt_template_family *named(const char *name) {
    for (size_t i = 0; i < FAMILIES; i++)
        if (strcmp(families[i].name, name) == 0) return &families[i];
    return NULL;
}

static const char *list_names(char *out, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < FAMILIES && used < size; i++)
        if (named(families[i].name) == &families[i]) /* a name once */
            used +=
                (size_t)snprintf(out + used, size - used, "%s%s", i ? " " : "", families[i].name);
    return out;
}

/* What the file's own template is; *f stays NULL where it has none. */
static int recognise(const struct bnt_gguf *g, const struct bnt_template_family **f,
                     struct bnt_str *text, struct bnt_err *err) {
    static const char key[] = "tokenizer.chat_template";
    char names[200], shown[64];
    if (!bnt_gguf_find(g, key)) return BNT_OK;
    if (!bnt_gguf_str(g, key, text))
        return bnt_fail(err, BNT_E_FORMAT, "'%s' is not a string", key);
    for (size_t i = 0; i < FAMILIES && !*f; i++)
        if (fits(&families[i], *text)) *f = &families[i];
    if (*f) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "the model's chat template ('%s...') is of no known family; "
                    "--chat-template=NAME chooses one of: %s",
                    bnt_printable(shown, sizeof shown, text->ptr, text->len < 40 ? text->len : 40),
                    list_names(names, sizeof names));
}

/* What marks the turns must be out of reach of plain text. */
static int check_needs(const struct bnt_template_family *f, const struct bnt_tokenizer *t,
                       struct bnt_err *err) {
    for (unsigned i = 0; i < MOST_MARKS && f->needs[i]; i++) {
        int32_t id = bnt_tokenizer_find(t, f->needs[i]);
        if (id >= 0 && bnt_tokenizer_type(t, id) == BNT_TOKEN_CONTROL) continue;
        return bnt_fail(
            err, BNT_E_UNSUPPORTED, "chat template '%s' needs the control token '%s', which %s",
            f->name, f->needs[i],
            id < 0 ? "the vocabulary does not have" : "is ordinary text in this vocabulary");
    }
    return BNT_OK;
}

int bnt_template_choose(struct bnt_template *out, const struct bnt_gguf *g,
                        const struct bnt_tokenizer *t, const char *name, struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    const struct bnt_template_family *f = NULL;
    struct bnt_str text = {NULL, 0};
    int status = name ? BNT_OK : recognise(g, &f, &text, err);
    if (status != BNT_OK) return status;
    if (name && !(f = named(name))) {
        char names[200], shown[64];
        return bnt_fail(err, BNT_E_USAGE, "no chat template is called '%s'; known are: %s",
                        bnt_printable(shown, sizeof shown, name, strlen(name)),
                        list_names(names, sizeof names));
    }
    *out = (struct bnt_template){.source = name ? "given" : f ? "metadata" : "none"};
    if (!f) f = named("instruct");
    bool read = text.ptr && !f->remark; /* the file's text says more than its family */
    struct bnt_str bos = bnt_tokenizer_piece(t, info->bos);
    out->family = f;
    out->name = f->name;
    out->remark = f->remark;
    out->stop = f->stop;
    out->system = f->default_system ? f->default_system : "";
    out->trim = read ? trims(text) : f->trim;
    out->bos =
        read ? holds(text, "bos_token") || (bos.len && memmem(text.ptr, text.len, bos.ptr, bos.len))
             : f->bos || info->add_bos;
    if (info->bos < 0) out->bos = false;
    return check_needs(f, t, err);
}

/* ---- rendering ------------------------------------------------------------------------------ */

const char *bnt_template_trim(const struct bnt_template *tm, enum bnt_message message,
                              const char *text, size_t *len) {
    bool joined = tm->family->joined; /* both are one message to the template */
    const uint8_t *s = (const uint8_t *)text;
    size_t from = 0, to = 0;
    int32_t c;
    if (!tm->trim || (joined && message == BNT_MESSAGE_SYSTEM)) return text;
    for (size_t at = 0, n; at < *len; at += n) { /* to: the end of the last that is no space */
        n = bnt_utf8_next(s + at, *len - at, &c);
        bool space = bnt_class_of(c) == BNT_CLASS_SPACE || (c >= 0x1c && c <= 0x1f);
        if (space && to == 0) from = at + n;
        if (!space) to = at + n;
    }
    if (joined && message == BNT_MESSAGE_FIRST && to) from = 0;
    *len = to > from ? to - from : 0;
    return text + (to ? from : 0);
}

struct part {
    const char *text;
    size_t len;
    bool own; /* the template's */
};

/* The parts of a turn; the BOS before them is not among them. */
static unsigned parts_of(const struct bnt_template_family *f, const struct bnt_turn *turn,
                         struct part *p) {
    bool system = turn->first && turn->system_len;
    unsigned n = 0;
    if (!turn->first) {
        p[n++] = (struct part){turn->rest, turn->rest_len, false};
        p[n++] = (struct part){f->answer_end, strlen(f->answer_end), true};
    }
    if (system) {
        p[n++] = (struct part){f->system[0], strlen(f->system[0]), true};
        p[n++] = (struct part){turn->system, turn->system_len, false};
        p[n++] = (struct part){f->system[1], strlen(f->system[1]), true};
    }
    if (!(system && f->joined)) p[n++] = (struct part){f->user[0], strlen(f->user[0]), true};
    p[n++] = (struct part){turn->user, turn->user_len, false};
    p[n++] = (struct part){f->user[1], strlen(f->user[1]), true};
    return n;
}

/* Text between two control tokens, which grows part by part. */
struct pen {
    const struct bnt_tokenizer *t;
    struct bnt_token_list *out;
    char *text;
    size_t len, done; /* bytes in text; of the rendering, before them */
    bool continues;   /* the text goes on from the answer before: no space is put first */
    struct bnt_err *err;
};

static int put_control(struct pen *p, int32_t id, size_t len) {
    struct bnt_token_list l = {0};
    unsigned flags = BNT_ENCODE_EXACT | (p->continues ? (unsigned)BNT_ENCODE_CONTINUES : 0u);
    int status = bnt_tokenizer_encode(p->t, p->text, p->len, flags, &l, p->err);
    for (size_t i = 0; i < l.count && status == BNT_OK; i++)
        status = bnt_token_push(p->out, l.ids[i], p->done + l.begin[i], p->done + l.end[i], p->err);
    bnt_token_list_free(&l);
    p->done += p->len;
    if (status == BNT_OK && id >= 0)
        status = bnt_token_push(p->out, id, p->done, p->done + len, p->err);
    p->done += len;
    p->len = 0;
    p->continues = false;
    return status;
}

static int put_part(struct pen *p, const struct part *part) {
    const uint8_t *s = (const uint8_t *)part->text;
    int status = BNT_OK;
    for (size_t at = 0; at < part->len && status == BNT_OK;) {
        int32_t id = -1;
        size_t match = 0, stop = part->len;
        if (part->own)
            stop = bnt_specials_find(&p->t->specials, &p->t->vocab, s, at, part->len, true, &id,
                                     &match);
        memcpy(p->text + p->len, part->text + at, stop - at);
        p->len += stop - at;
        if (id >= 0) status = put_control(p, id, match);
        at = stop + match;
    }
    return status;
}

int bnt_template_encode(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                        const struct bnt_turn *turn, struct bnt_token_list *list,
                        struct bnt_err *err) {
    const struct bnt_template_family *f = tm->family;
    int32_t bos = bnt_tokenizer_info(t)->bos;
    struct part parts[MOST_PARTS];
    unsigned n = parts_of(f, turn, parts);
    struct pen p = {.t = t, .out = list, .continues = !turn->first, .err = err};
    size_t total = 0;
    int status = BNT_OK;
    for (unsigned i = 0; i < n; i++) {
        if (parts[i].len > INT32_MAX - total)
            return bnt_fail(err, BNT_E_LIMIT, "a message of %zu bytes (limit %d)", parts[i].len,
                            INT32_MAX);
        total += parts[i].len;
    }
    if (!(p.text = malloc(total + 1))) return bnt_fail_nomem(err, "a message", total + 1);
    if (turn->first && tm->bos) status = bnt_token_push(list, bos, 0, 0, err);
    for (unsigned i = 0; i < n && status == BNT_OK; i++) {
        status = put_part(&p, &parts[i]);
        if (i == 1 && !turn->first && f->bos_each && tm->bos && status == BNT_OK)
            status = put_control(&p, bos, 0);
    }
    if (status == BNT_OK) status = put_control(&p, -1, 0);
    free(p.text);
    return status;
}

/* ---- and back ------------------------------------------------------------------------------- */

static bool take(const char **at, const char *end, const char *what, size_t len) {
    if ((size_t)(end - *at) < len || memcmp(*at, what, len) != 0) return false;
    *at += len;
    return true;
}

bool bnt_template_parse(const struct bnt_template *tm, const struct bnt_tokenizer *t,
                        const char *text, size_t len, struct bnt_turn *turn) {
    struct bnt_str bos = bnt_tokenizer_piece(t, bnt_tokenizer_info(t)->bos);
    const struct bnt_template_family *f = tm->family;
    const char *at = text, *end = text + len;
    struct part parts[MOST_PARTS];
    turn->user = NULL; /* of unknown length: what is left between the others */
    turn->user_len = 0;
    unsigned n = parts_of(f, turn, parts);
    size_t tail = parts[n - 1].len;
    if (tm->bos && turn->first && !take(&at, end, bos.ptr, bos.len)) return false;
    for (unsigned i = 0; i + 2 < n; i++) {
        bool system = turn->first && turn->system_len && !parts[i].own;
        if (system) turn->system = at;
        if ((size_t)(end - at) < parts[i].len) return false;
        if (!system && !take(&at, end, parts[i].text, parts[i].len)) return false;
        if (system) at += parts[i].len;
        if (i == 1 && !turn->first && f->bos_each && tm->bos && !take(&at, end, bos.ptr, bos.len))
            return false;
    }
    if ((size_t)(end - at) < tail || memcmp(end - tail, parts[n - 1].text, tail) != 0) return false;
    turn->user = at;
    turn->user_len = (size_t)(end - at) - tail;
    return true;
}
