/*
 * calls.c - see calls.h.
 *
 * Text is shown up to the first place that could begin a call; from there on it is held until the
 * call is complete or cannot be one.
 */
#include "calls.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"

/* Where a value or mark ends, or that it does not end yet, or that it is none. */
#define UNFINISHED SIZE_MAX
#define NO_VALUE (SIZE_MAX - 1)
enum { NESTING = 1024 }; /* more than any grammar writes */

struct span {
    const char *at;
    size_t len;
};

static const char *const marks[] = {"<tool_call>", "<|python_tag|>", "[TOOL_CALLS]"};
static const char tool_call_end[] = "</tool_call>"; /* of the first */
enum { MARKS = sizeof marks / sizeof *marks };

const char *bnt_calls_mark(size_t i) {
    return i < MARKS ? marks[i] : NULL;
}

const char *bnt_calls_end_mark(size_t i) {
    return i == 0 ? tool_call_end : "";
}

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t skip_space(const char *s, size_t n, size_t at) {
    while (at < n && is_space(s[at])) at++;
    return at;
}

/* ---- JSON, as far as brackets go ---------------------------------------------------------------
 */

static size_t end_of_string(const char *s, size_t n, size_t at) {
    for (at++; at < n; at++) {
        if (s[at] == '\\')
            at++;
        else if (s[at] == '"')
            return at + 1;
    }
    return UNFINISHED;
}

/* Of an object or a list that begins at `at`. */
static size_t end_of_value(const char *s, size_t n, size_t at) {
    char closing[NESTING];
    size_t depth = 0;
    while (at < n) {
        char c = s[at];
        if (c == '"') {
            at = end_of_string(s, n, at);
            if (at == UNFINISHED) return UNFINISHED;
            continue;
        }
        if (c == '{' || c == '[') {
            if (depth == NESTING) return NO_VALUE;
            closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '}' || c == ']') {
            if (closing[--depth] != c) return NO_VALUE;
            if (depth == 0) return at + 1;
        }
        at++;
    }
    return UNFINISHED;
}

/* The text of a member of an object; an object as a text within quotes is no such thing. */
static bool member(struct span object, const char *name, struct span *out) {
    const char *s = object.at;
    size_t n = object.len, at = 1, len = strlen(name);
    for (;;) {
        at = skip_space(s, n, at);
        if (at >= n || s[at] != '"') return false;
        size_t key = at + 1, end = end_of_string(s, n, at);
        if (end == UNFINISHED) return false;
        bool wanted = end - 1 - key == len && memcmp(s + key, name, len) == 0;
        at = skip_space(s, n, end);
        if (at >= n || s[at] != ':') return false;
        size_t from = skip_space(s, n, at + 1);
        if (from >= n) return false;
        if (s[from] == '"') {
            at = end_of_string(s, n, from);
        } else if (s[from] == '{' || s[from] == '[') {
            at = end_of_value(s, n, from);
        } else {
            for (at = from; at < n && s[at] != ',' && s[at] != '}';) at++;
        }
        if (at >= NO_VALUE) return false;
        if (wanted) {
            *out = (struct span){s + from, at - from};
            return true;
        }
        at = skip_space(s, n, at);
        if (at >= n || s[at] != ',') return false;
        at++;
    }
}

/* ---- calls --------------------------------------------------------------------------------------
 */

static int keep(struct bnt_calls *c, struct span name, struct span arguments, struct bnt_err *err) {
    struct bnt_call call = {strndup(name.at, name.len), strndup(arguments.at, arguments.len)};
    if (!call.name || !call.arguments) {
        free(call.name);
        free(call.arguments);
        return bnt_fail_nomem(err, "a call", arguments.len);
    }
    c->list[c->count++] = call;
    return BNT_OK;
}

static void forget_from(struct bnt_calls *c, size_t n) {
    for (; c->count > n; c->count--) {
        free(c->list[c->count - 1].name);
        free(c->list[c->count - 1].arguments);
    }
}

static bool is_full(const struct bnt_calls *c) {
    return c->count == (c->most && c->most < BNT_CALLS_MOST ? c->most : BNT_CALLS_MOST);
}

static bool is_tool(const struct bnt_calls *c, struct span name) {
    for (size_t i = 0; i < c->n_names; i++)
        if (strlen(c->names[i]) == name.len && memcmp(c->names[i], name.at, name.len) == 0)
            return true;
    return false;
}

static bool is_json(struct span s) {
    json_t *v = bnt_json_part(s.at, s.len, BNT_CALL_JSON);
    json_decref(v);
    return v != NULL;
}

/* {"name": ..., "arguments" or "parameters": {...}}, perhaps with {"function": {...}} around. */
static bool read_object(const struct bnt_calls *c, struct span object, bool known,
                        struct span *name, struct span *arguments) {
    struct span inner;
    if (member(object, "function", &inner) && inner.at[0] == '{') object = inner;
    if (!member(object, "name", name) || name->at[0] != '"') return false;
    *name = (struct span){name->at + 1, name->len - 2};
    if (name->len == 0 || memchr(name->at, '\\', name->len)) return false;
    if (known && !is_tool(c, *name)) return false;
    if (!member(object, "arguments", arguments) && !member(object, "parameters", arguments))
        *arguments = (struct span){"{}", 2};
    return arguments->at[0] == '{';
}

/* An object, or a list of them; *fine: all of it is calls. */
static int take_json(struct bnt_calls *c, struct span value, bool known, bool *fine,
                     struct bnt_err *err) {
    const size_t before = c->count;
    bool list = value.at[0] == '[';
    size_t at = list ? skip_space(value.at, value.len, 1) : 0;
    int status = BNT_OK;
    *fine = is_json(value) && !(list && value.at[at] == ']');
    while (*fine && status == BNT_OK) {
        struct span name, arguments, object = {value.at + at, 0};
        size_t end = value.at[at] == '{' ? end_of_value(value.at, value.len, at) : NO_VALUE;
        object.len = end - at;
        *fine = end < NO_VALUE && !is_full(c) && read_object(c, object, known, &name, &arguments);
        if (*fine) status = keep(c, name, arguments, err);
        if (!*fine || !list) break;
        at = skip_space(value.at, value.len, end);
        if (value.at[at] != ',') break;
        at = skip_space(value.at, value.len, at + 1);
    }
    if (!*fine || status != BNT_OK) forget_from(c, before);
    return status;
}

/* ---- name.call(key="value", ...) ----------------------------------------------------------------
 */

static bool is_word(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_' || ch == '-';
}

static size_t word_end(const char *s, size_t n, size_t at) {
    while (at < n && is_word(s[at])) at++;
    return at;
}

/* Keyword arguments of texts and numbers, from behind the parenthesis to behind the one that
 * closes, as a JSON object. */
static size_t read_keywords(const char *s, size_t n, size_t at, json_t *into) {
    for (;;) {
        at = skip_space(s, n, at);
        if (at == n) return UNFINISHED;
        if (s[at] == ')') return at + 1;
        size_t key = at, end = word_end(s, n, at);
        if (end == n) return UNFINISHED;
        at = skip_space(s, n, end);
        if (at == n) return UNFINISHED;
        if (end == key || s[at] != '=') return NO_VALUE;
        size_t from = skip_space(s, n, at + 1);
        if (from == n) return UNFINISHED;
        if (s[from] == '"') {
            at = end_of_string(s, n, from);
            if (at == UNFINISHED) return UNFINISHED;
        } else {
            for (at = from; at < n && s[at] != ',' && s[at] != ')';) at++;
            if (at == n) return UNFINISHED;
        }
        json_t *v = bnt_json_part(s + from, at - from, JSON_DECODE_ANY);
        char name[64];
        if (!v || end - key >= sizeof name) {
            json_decref(v);
            return NO_VALUE;
        }
        memcpy(name, s + key, end - key);
        name[end - key] = '\0';
        if (json_object_set_new(into, name, v) != 0) return NO_VALUE;
        at = skip_space(s, n, at);
        if (at < n && s[at] == ',') at++;
    }
}

static size_t take_python(struct bnt_calls *c, const char *s, size_t n, size_t at, int *status,
                          struct bnt_err *err) {
    static const char call[] = ".call(";
    size_t end = word_end(s, n, at);
    struct span name = {s + at, end - at};
    for (size_t i = 0; i < sizeof call - 1; i++) {
        if (end + i == n) return UNFINISHED;
        if (s[end + i] != call[i]) return NO_VALUE;
    }
    if (!is_tool(c, name) || is_full(c)) return NO_VALUE;
    json_t *keywords = json_object();
    size_t to = keywords ? read_keywords(s, n, end + sizeof call - 1, keywords) : NO_VALUE;
    char *text = to < NO_VALUE ? json_dumps(keywords, JSON_COMPACT) : NULL;
    json_decref(keywords);
    if (text) *status = keep(c, name, (struct span){text, strlen(text)}, err);
    free(text);
    return to;
}

/* ---- in the text --------------------------------------------------------------------------------
 */

static int show(struct bnt_calls *c, size_t n, struct bnt_err *err) {
    if (c->n_text + n + 1 > c->text_capacity) {
        size_t capacity = 2 * (c->n_text + n + 1);
        char *text = realloc(c->text, capacity);
        if (!text) return bnt_fail_nomem(err, "a text with calls", capacity);
        c->text = text;
        c->text_capacity = capacity;
    }
    memcpy(c->text + c->n_text, c->held, n);
    c->n_text += n;
    c->text[c->n_text] = '\0';
    c->begun |= n > 0;
    memmove(c->held, c->held + n, c->n_held - n);
    c->n_held -= n;
    return BNT_OK;
}

static void drop(struct bnt_calls *c, size_t n) {
    if (n) memmove(c->held, c->held + n, c->n_held - n);
    c->n_held -= n;
}

/* The mark at the beginning of what is held: its length, 0 for none, UNFINISHED. */
static size_t mark_here(const struct bnt_calls *c, size_t at) {
    for (size_t m = 0; m < MARKS; m++) {
        if (c->mark && strcmp(c->mark, marks[m]) != 0) continue;
        size_t len = strlen(marks[m]), left = c->n_held - at, n = left < len ? left : len;
        if (memcmp(c->held + at, marks[m], n) != 0) continue;
        return n == len ? len : UNFINISHED;
    }
    return 0;
}

/* Where held text could begin a call; n_held if nowhere. */
static size_t next_place(const struct bnt_calls *c) {
    size_t first = skip_space(c->held, c->n_held, 0);
    const bool begun = c->begun || c->mark; /* no call without a mark from here on */
    if (!begun && first == c->n_held && !c->ended) return 0; /* space before what may be one */
    if (!begun && first < c->n_held &&
        (c->held[first] == '{' || c->held[first] == '[' || is_word(c->held[first])))
        return 0;
    for (size_t at = 0; at < c->n_held; at++)
        if (mark_here(c, at)) return at;
    return c->n_held;
}

/* Takes the call that held text begins with: behind it, or UNFINISHED, or NO_VALUE. */
static size_t take_call(struct bnt_calls *c, int *status, struct bnt_err *err) {
    const char *s = c->held;
    size_t n = c->n_held, at = skip_space(s, n, 0), mark = at < n ? mark_here(c, at) : UNFINISHED;
    if (mark == UNFINISHED) return UNFINISHED;
    at = skip_space(s, n, at + mark);
    if (at == n) return UNFINISHED;
    size_t end;
    if (s[at] == '{' || s[at] == '[') {
        bool fine;
        end = end_of_value(s, n, at);
        if (end >= NO_VALUE) return end;
        *status = take_json(c, (struct span){s + at, end - at}, mark == 0, &fine, err);
        if (!fine) return NO_VALUE;
    } else {
        static const char args[] = "[ARGS]";
        end = word_end(s, n, at);
        size_t left = n - end, want = left < 6 ? left : 6;
        if (end == at) return NO_VALUE;
        if (mark && memcmp(s + end, args, want) == 0) {
            if (want < 6) return UNFINISHED;
            size_t from = skip_space(s, n, end + 6), to;
            if (from == n) return UNFINISHED;
            to = s[from] == '{' ? end_of_value(s, n, from) : NO_VALUE;
            if (to >= NO_VALUE) return to;
            struct span arguments = {s + from, to - from};
            if (!is_json(arguments) || is_full(c)) return NO_VALUE;
            *status = keep(c, (struct span){s + at, end - at}, arguments, err);
            return to;
        }
        return take_python(c, s, n, at, status, err);
    }
    if (mark != strlen(marks[0])) return end;
    size_t after = skip_space(s, n, end), left = n - after;
    size_t want = left < sizeof tool_call_end - 1 ? left : sizeof tool_call_end - 1;
    if (memcmp(s + after, tool_call_end, want) != 0) return end;
    if (want < sizeof tool_call_end - 1 && !c->ended)
        return UNFINISHED; /* the mark's rest is awaited */
    return after + want;
}

static int go_on(struct bnt_calls *c, struct bnt_err *err) {
    int status = BNT_OK;
    while (status == BNT_OK) {
        size_t n = 0; /* behind a call there is white space, or LLaMA's semicolon */
        while (c->behind && n < c->n_held && (is_space(c->held[n]) || c->held[n] == ';')) n++;
        drop(c, n);
        if (!c->n_held) break;
        c->behind = false;
        size_t at = next_place(c);
        if (at && (status = show(c, at, err)) != BNT_OK) break;
        if (!c->n_held) break;
        size_t before = c->count, end = take_call(c, &status, err);
        if (status != BNT_OK) break;
        if (end >= NO_VALUE) forget_from(c, before);
        if (end == UNFINISHED && !c->ended) break;
        if (end == UNFINISHED) end = NO_VALUE;
        if (end == NO_VALUE) { /* one byte is text, and what follows it is looked at again */
            n = skip_space(c->held, c->n_held, 0);
            status = show(c, n < c->n_held ? n + 1 : n, err);
            continue;
        }
        drop(c, end);
        c->behind = true;
    }
    return status;
}

int bnt_calls_push(struct bnt_calls *c, const char *text, size_t len, struct bnt_err *err) {
    c->n_text = 0;
    if (c->n_held + len + 1 > c->capacity) {
        size_t capacity = 2 * (c->n_held + len + 1);
        char *held = realloc(c->held, capacity);
        if (!held) return bnt_fail_nomem(err, "a text with calls", capacity);
        c->held = held;
        c->capacity = capacity;
    }
    if (len) memcpy(c->held + c->n_held, text, len);
    c->n_held += len;
    return go_on(c, err);
}

int bnt_calls_end(struct bnt_calls *c, struct bnt_err *err) {
    c->ended = true;
    c->n_text = 0;
    return go_on(c, err);
}

void bnt_calls_restart(struct bnt_calls *c) {
    const struct bnt_calls fresh = {
        .names = c->names, .n_names = c->n_names, .most = c->most, .mark = c->mark};
    bnt_calls_free(c);
    *c = fresh;
}

void bnt_calls_free(struct bnt_calls *c) {
    forget_from(c, 0);
    free(c->held);
    free(c->text);
    *c = (struct bnt_calls){0};
}
