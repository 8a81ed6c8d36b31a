/* pretok.c - see pretok.h. */
#include "pretok.h"

#include <string.h>

#include "unicode.h"

#define LLAMA3(n)                                                                                  \
    { n, "llama-bpe", BNT_PRETOK_LLAMA3, true, true }
#define SMAUG(n)                                                                                   \
    { n, "smaug-bpe", BNT_PRETOK_LLAMA3, false, false }
#define QWEN2(n)                                                                                   \
    { n, "qwen2", BNT_PRETOK_QWEN2, false, false }
#define GPT2(n)                                                                                    \
    { n, "gpt-2", BNT_PRETOK_GPT2, false, false }
#define CODER(n)                                                                                   \
    { n, "starcoder", BNT_PRETOK_CODER, false, false }

static const struct bnt_pretok known[] = {
    {"default", "default", BNT_PRETOK_DEFAULT, false, false},
    {"falcon", "falcon", BNT_PRETOK_FALCON, false, false},
    GPT2("gpt-2"),
    LLAMA3("llama-bpe"),
    LLAMA3("llama3"),
    LLAMA3("llama-v3"),
    LLAMA3("falcon3"),
    LLAMA3("falcon-h1"),
    LLAMA3("pixtral"),
    LLAMA3("lfm2"),
    SMAUG("smaug-bpe"),
    SMAUG("dbrx"),
    SMAUG("chatglm-bpe"),
    SMAUG("glm4"),
    QWEN2("qwen2"),
    QWEN2("deepseek-r1-qwen"),
    QWEN2("stablelm2"),
    QWEN2("megrez"),
    QWEN2("hunyuan"),
    QWEN2("grok-2"),
    GPT2("phi-2"),
    GPT2("mpt"),
    GPT2("olmo"),
    GPT2("jais"),
    GPT2("exaone4"),
    GPT2("trillion"),
    GPT2("modern-bert"),
    CODER("starcoder"),
    CODER("refact"),
    CODER("command-r"),
    CODER("smollm"),
    CODER("codeshell"),
    CODER("exaone"),
    CODER("minerva-7b"),
};
enum { N_KNOWN = sizeof known / sizeof known[0] };

const struct bnt_pretok *bnt_pretok_find(struct bnt_str name) {
    for (size_t i = 0; i < N_KNOWN; i++)
        if (name.len == strlen(known[i].name) && memcmp(name.ptr, known[i].name, name.len) == 0)
            return &known[i];
    return NULL;
}

const struct bnt_pretok *bnt_pretok_named(const char *name) {
    return bnt_pretok_find((struct bnt_str){name, strlen(name)});
}

char *bnt_pretok_names(char *dst, size_t size) {
    size_t n = 0;
    if (size == 0) return dst;
    for (size_t i = 0; i < N_KNOWN; i++) {
        size_t len = strlen(known[i].name);
        if (n + len + 2 > size) break;
        if (n) dst[n++] = ' ';
        memcpy(dst + n, known[i].name, len);
        n += len;
    }
    dst[n] = 0;
    return dst;
}

/* ---- characters -------------------------------------------------------------------------------
 * A reader stops at `end`: to an expression, the end of its part of the text is the end of all. */

struct ch {
    int32_t cp;
    size_t len; /* 0 at the end */
    enum bnt_class class;
};

static struct ch look(const uint8_t *s, size_t pos, size_t end) {
    struct ch c = {-1, 0, BNT_CLASS_OTHER};
    if (pos >= end) return c;
    c.len = bnt_utf8_next(s + pos, end - pos, &c.cp);
    c.class = bnt_class_of(c.cp);
    return c;
}

static bool is_newline(struct ch c) {
    return c.cp == '\r' || c.cp == '\n';
}

/* [^\s\p{L}\p{N}] */
static bool is_other(struct ch c) {
    return c.len && (c.class == BNT_CLASS_OTHER || c.class == BNT_CLASS_PUNCT);
}

static size_t run_of(const uint8_t *s, size_t pos, size_t end, enum bnt_class class, size_t most) {
    for (; most; most--) {
        struct ch c = look(s, pos, end);
        if (!c.len || c.class != class) break;
        pos += c.len;
    }
    return pos;
}

static size_t run_of_others(const uint8_t *s, size_t pos, size_t end) {
    struct ch c;
    while (is_other(c = look(s, pos, end))) pos += c.len;
    return pos;
}

/* 's 't 're 've 'm 'll 'd after the apostrophe at pos: its end, or pos. Where case is ignored,
 * U+017F counts as s: it folds to it, and both the tokenizers the models were trained with
 * (tiktoken, Hugging Face) fold; llama.cpp does not. */
static size_t contraction(const uint8_t *s, size_t pos, size_t end, bool any_case) {
    static const char two[][2] = {{'r', 'e'}, {'v', 'e'}, {'l', 'l'}};
    uint8_t a, b, fold = any_case ? 0x20 : 0;
    if (pos + 1 >= end || s[pos] != '\'') return pos;
    a = s[pos + 1] | fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return pos + 2;
    if (pos + 2 >= end) return pos;
    if (any_case && s[pos + 1] == 0xC5 && s[pos + 2] == 0xBF) return pos + 3;
    b = s[pos + 2] | fold;
    for (size_t i = 0; i < 3; i++)
        if (a == (uint8_t)two[i][0] && b == (uint8_t)two[i][1]) return pos + 3;
    return pos;
}

/* \s+(?!\S)|\s+ over the run of spaces [pos, stop): all of it at the end of the text, else all but
 * the last, which the next word may want as its leader; a single one is a word. */
static size_t spaces(const uint8_t *s, size_t pos, size_t stop, size_t end) {
    size_t last = pos, at = pos;
    if (stop == end) return stop;
    while (at < stop) {
        last = at;
        at += look(s, at, stop).len;
    }
    return last > pos ? last : stop;
}

/* ---- scanners: the end of the word that begins at pos < end ------------------------------------
 */

static size_t scan_gpt2(const uint8_t *s, size_t pos, size_t end) {
    size_t stop = contraction(s, pos, end, false);
    struct ch c = look(s, pos, end);
    if (stop > pos) return stop;
    if (c.cp == ' ') {
        struct ch next = look(s, pos + 1, end);
        if (next.len && next.class != BNT_CLASS_SPACE) {
            pos++;
            c = next;
        }
    }
    switch (c.class) {
    case BNT_CLASS_LETTER:
    case BNT_CLASS_NUMBER: return run_of(s, pos, end, c.class, SIZE_MAX);
    case BNT_CLASS_SPACE: return spaces(s, pos, run_of(s, pos, end, c.class, SIZE_MAX), end);
    default: return run_of_others(s, pos, end);
    }
}

static size_t scan_llama3(const uint8_t *s, size_t pos, size_t end, size_t digits) {
    size_t stop = contraction(s, pos, end, true), newline = 0;
    struct ch c = look(s, pos, end), next, n;
    if (stop > pos) return stop;
    next = look(s, pos + c.len, end);

    /* [^\r\n\p{L}\p{N}]?\p{L}+ */
    if (c.class == BNT_CLASS_LETTER) return run_of(s, pos, end, c.class, SIZE_MAX);
    if (next.class == BNT_CLASS_LETTER && c.class != BNT_CLASS_NUMBER && !is_newline(c))
        return run_of(s, pos + c.len, end, next.class, SIZE_MAX);

    /* \p{N}{1,digits} */
    if (c.class == BNT_CLASS_NUMBER) return run_of(s, pos, end, c.class, digits);

    /*  ?[^\s\p{L}\p{N}]+[\r\n]* */
    if (is_other(c) || (c.cp == ' ' && is_other(next))) {
        stop = run_of_others(s, is_other(c) ? pos : pos + 1, end);
        while (stop < end && (s[stop] == '\r' || s[stop] == '\n')) stop++;
        return stop;
    }

    /* \s*[\r\n]+ ends behind the last newline of the run; else spaces */
    for (stop = pos; (n = look(s, stop, end)).len && n.class == BNT_CLASS_SPACE;) {
        stop += n.len;
        if (is_newline(n)) newline = stop;
    }
    return newline ? newline : spaces(s, pos, stop, end);
}

/* ---- cuts before and after GPT2 ----------------------------------------------------------------
 */

/* [\p{P}$+<=>^~|]+ (falcon: and the backtick), or one number (coder); the text between those is
 * cut as well. */
static size_t first_cut(const struct bnt_words *w, size_t pos) {
    bool first = true, in = false;
    if (w->rule == BNT_PRETOK_GPT2) return w->len;
    for (;;) {
        struct ch c = look(w->text, pos, w->len);
        bool is;
        if (!c.len) return pos;
        if (w->rule == BNT_PRETOK_CODER)
            is = c.class == BNT_CLASS_NUMBER;
        else
            is = c.class == BNT_CLASS_PUNCT ||
                 (c.cp > 0 && c.cp < 0x80 && strchr("$+<=>^~|", c.cp)) ||
                 (c.cp == '`' && w->rule == BNT_PRETOK_FALCON);
        if (first)
            in = is;
        else if (is != in)
            return pos;
        pos += c.len;
        if (in && w->rule == BNT_PRETOK_CODER) return pos;
        first = false;
    }
}

static bool three_digits(const uint8_t *s, size_t pos, size_t end) {
    if (end - pos < 3) return false;
    for (size_t i = 0; i < 3; i++)
        if (s[pos + i] < '0' || s[pos + i] > '9') return false;
    return true;
}

/* Cuts [begin, end), a match of GPT2: with DEFAULT, \p{N}+ leaves its space; then [0-9]{3}. */
static size_t digit_cut(const struct bnt_words *w, size_t begin, size_t end) {
    const uint8_t *s = w->text;
    size_t pos = begin;
    if (w->rule != BNT_PRETOK_FALCON && w->rule != BNT_PRETOK_DEFAULT) return end;
    if (three_digits(s, begin, end)) return begin + 3;
    if (w->rule == BNT_PRETOK_DEFAULT && end - begin > 1 && s[begin] == ' ' &&
        look(s, begin + 1, end).class == BNT_CLASS_NUMBER)
        return begin + 1;
    while (pos < end && !three_digits(s, pos, end)) pos++;
    return pos;
}

bool bnt_words_next(struct bnt_words *w) {
    size_t pos = w->end;
    if (pos >= w->len) return false;
    w->begin = pos;
    if (w->rule == BNT_PRETOK_LLAMA3 || w->rule == BNT_PRETOK_QWEN2) {
        w->end = scan_llama3(w->text, pos, w->len, w->rule == BNT_PRETOK_LLAMA3 ? 3 : 1);
        return true;
    }
    if (pos >= w->cut_end) w->cut_end = first_cut(w, pos);
    if (pos >= w->match_end) w->match_end = scan_gpt2(w->text, pos, w->cut_end);
    w->end = digit_cut(w, pos, w->match_end);
    return true;
}
