/* lex.c - see lex.h. */
#include "lex.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text.h"

struct lexer {
    const char *s; /* the source; ends in a NUL */
    size_t len, at;
    unsigned line;
    struct tokens *out;
    struct arena *arena;
    struct bnt_err *err;
};

static int no_room(struct lexer *x) {
    if (arena_status(x->arena) == BNT_E_NOMEM)
        return bnt_fail_nomem(x->err, "the template", x->len);
    return bnt_fail(x->err, BNT_E_LIMIT, "line %u: the template is too long", x->line);
}

static int fault(struct lexer *x, const char *what) {
    char shown[32];
    size_t n = x->len - x->at < 16 ? x->len - x->at : 16;
    return bnt_fail(x->err, BNT_E_FORMAT, "line %u: %s at '%s'", x->line, what,
                    bnt_printable(shown, sizeof shown, x->s + x->at, n));
}

static int add(struct lexer *x, enum token_kind kind, const char *text, size_t len) {
    struct tokens *o = x->out;
    if (o->n == o->capacity) {
        size_t capacity = 2 * o->capacity + 256;
        struct token *grown = arena_take(x->arena, capacity * sizeof *grown);
        if (!grown) return no_room(x);
        if (o->n) memcpy(grown, o->at, o->n * sizeof *grown);
        o->at = grown;
        o->capacity = capacity;
    }
    char *copy = arena_take(x->arena, len + 1);
    if (!copy) return no_room(x);
    if (len) memcpy(copy, text, len);
    copy[len] = '\0';
    o->at[o->n++] = (struct token){.kind = kind, .line = x->line, .text = copy, .len = len};
    return BNT_OK;
}

static bool here(const struct lexer *x, const char *what) {
    size_t n = strlen(what);
    return x->len - x->at >= n && memcmp(x->s + x->at, what, n) == 0;
}

/* Goes on by n bytes and counts their lines. */
static void pass(struct lexer *x, size_t n) {
    for (size_t i = 0; i < n; i++) x->line += x->s[x->at + i] == '\n';
    x->at += n;
}

static size_t space_at(const struct lexer *x, size_t at) { /* bytes of one, or 0 */
    int32_t cp;
    if (at >= x->len) return 0;
    size_t n = text_next(text_of(x->s, x->len), at, &cp);
    return char_is_space(cp) ? n : 0;
}

static void pass_spaces(struct lexer *x) {
    for (size_t n; (n = space_at(x, x->at)) > 0;) pass(x, n);
}

/* ---- literals ---------------------------------------------------------------------------------
 */

static int hex_escape(struct lexer *x, size_t at, unsigned digits, uint32_t *cp) {
    *cp = 0;
    for (unsigned i = 0; i < digits; i++) {
        char c = at + i < x->len ? x->s[at + i] : '\0';
        if (!isxdigit((unsigned char)c)) return fault(x, "an escape that is none");
        *cp = *cp * 16 + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (*cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000)) return fault(x, "no character");
    return BNT_OK;
}

/* One escape at x->s[*at] == '\\': appends what it stands for. */
static int undo_escape(struct lexer *x, size_t *at, char *out, size_t *len) {
    static const char from[] = "ntrabfv\\'\"", to[] = "\n\t\r\a\b\f\v\\'\"";
    char c = x->s[*at + 1];
    const char *hit = c ? strchr(from, c) : NULL;
    unsigned digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t cp = 0;
    if (hit) {
        out[(*len)++] = to[hit - from];
        *at += 2;
        return BNT_OK;
    }
    if (c == '\n') { /* a line that goes on */
        *at += 2;
        return BNT_OK;
    }
    if (c == 'N') return fault(x, "the escape \\N is not known here:");
    if (digits) {
        int status = hex_escape(x, *at + 2, digits, &cp);
        if (status != BNT_OK) return status;
        *at += 2 + digits;
    } else if (c >= '0' && c <= '7') {
        size_t end = *at + 1;
        while (end < *at + 4 && x->s[end] >= '0' && x->s[end] <= '7')
            cp = cp * 8 + (uint32_t)(x->s[end++] - '0');
        *at = end;
    } else { /* none that Python knows: it stays; a letter beyond ASCII as Jinja hands it on */
        int32_t next;
        size_t n = text_next(text_of(x->s, x->len), *at + 1, &next);
        out[(*len)++] = '\\';
        *at += 1;
        if (next < 0x80) return next < 0 ? fault(x, "an escape that is none") : BNT_OK;
        *at += n;
        *len += (size_t)sprintf(out + *len,
                                next < 0x100     ? "x%02x"
                                : next < 0x10000 ? "u%04x"
                                                 : "U%08x",
                                (unsigned)next);
        return BNT_OK;
    }
    *len += (size_t)utf8proc_encode_char((utf8proc_int32_t)cp, (utf8proc_uint8_t *)out + *len);
    return BNT_OK;
}

static int lex_text(struct lexer *x) {
    char quote = x->s[x->at];
    size_t at = x->at + 1, len = 0;
    size_t end = at;
    while (end < x->len && x->s[end] != quote) end += x->s[end] == '\\' ? 2 : 1;
    if (end >= x->len) return fault(x, "a text without its end");
    char *out = malloc(4 * (end - at) + 16);
    if (!out) return bnt_fail_nomem(x->err, "a template", end - at);
    int status = BNT_OK;
    while (at < end && status == BNT_OK) {
        if (x->s[at] == '\\')
            status = undo_escape(x, &at, out, &len);
        else
            out[len++] = x->s[at++];
    }
    if (status == BNT_OK) status = add(x, TOKEN_TEXT, out, len);
    free(out);
    pass(x, end + 1 - x->at);
    return status;
}

static unsigned digit(char sign) {
    const unsigned char c = (unsigned char)sign;
    return isdigit(c) ? c - 48u : isalpha(c) ? (c | 32u) - 'a' + 10u : 99u;
}

/* Digits of `base` with single underscores between (behind 0x and its kin, before as well); false:
 * the number does not fit. */
static size_t digits_at(const struct lexer *x, size_t at, unsigned base, uint64_t *value,
                        bool *fits) {
    size_t from = at;
    for (;; at++) {
        if (x->s[at] == '_' && (at > from || base != 10) && digit(x->s[at + 1]) < base) at++;
        const unsigned d = digit(x->s[at]);
        if (d >= base) break;
        if (*value > ((uint64_t)INT64_MAX - d) / base) *fits = false;
        *value = *value * base + d;
    }
    return at;
}

static int lex_real(struct lexer *x, size_t end) {
    char number[64];
    size_t n = 0;
    for (size_t i = x->at; i < end && n < sizeof number - 1; i++)
        if (x->s[i] != '_') number[n++] = x->s[i];
    number[n] = '\0';
    /* By hand where the locale's point is another: mantissa and power of ten are exact enough only
     * through strtod, which reads "12e-1" under every locale. */
    char *point = strchr(number, '.'), rewritten[80];
    if (point) {
        char *e = strpbrk(point, "eE");
        size_t decimals = e ? (size_t)(e - point) - 1 : strlen(point) - 1;
        int exponent = (e ? atoi(e + 1) : 0) - (int)decimals;
        snprintf(rewritten, sizeof rewritten, "%.*s%.*se%d", (int)(point - number), number,
                 (int)decimals, point + 1, exponent);
    } else {
        snprintf(rewritten, sizeof rewritten, "%s", number);
    }
    const double value = strtod(rewritten, NULL);
    if (!isfinite(value)) return fault(x, "a number beyond 64 bits, which is not done here");
    int status = add(x, TOKEN_FLOAT, number, n);
    if (status == BNT_OK) x->out->at[x->out->n - 1].real = value;
    pass(x, end - x->at);
    return status;
}

static int lex_number(struct lexer *x) {
    const char *s = x->s + x->at;
    unsigned base = 10;
    uint64_t value = 0, ignored = 0;
    bool fits = true, real = false, any = true;
    size_t at = x->at;
    if (s[0] == '0' && s[1] && strchr("xXoObB", s[1])) {
        base = (s[1] | 32) == 'x' ? 16 : (s[1] | 32) == 'o' ? 8 : 2;
        if (digit(s[2 + (s[2] == '_')]) < base)
            at += 2;
        else
            base = 10; /* "0or": a zero, and a word */
    }
    size_t end = digits_at(x, at, base, &value, &fits);
    bool item = x->at > 0 && s[-1] == '.'; /* a.0.1: no real number */
    if (base == 10 && !item) {
        if (end + 1 < x->len && x->s[end] == '.' && isdigit((unsigned char)x->s[end + 1])) {
            end = digits_at(x, end + 1, 10, &ignored, &any);
            real = true;
        }
        size_t e = end + 1;
        if (end < x->len && (x->s[end] | 32) == 'e') {
            if (e < x->len && (x->s[e] == '+' || x->s[e] == '-')) e++;
            if (e < x->len && isdigit((unsigned char)x->s[e])) {
                end = digits_at(x, e, 10, &ignored, &any);
                real = true;
            }
        }
        if (real && end - x->at > JINJA_NUMBER)
            return bnt_fail(x->err, BNT_E_LIMIT, "line %u: a number of over %d characters", x->line,
                            JINJA_NUMBER);
        if (real) return lex_real(x, end);
    }
    if (base == 10 && s[0] == '0') { /* no whole number begins with it: what follows is another */
        for (end = at + 1; x->s[end] == '0' || (x->s[end] == '_' && x->s[end + 1] == '0');) end++;
        value = 0;
    }
    if (!fits) return fault(x, "a number that does not fit 64 bits");
    int status = add(x, TOKEN_INT, x->s + x->at, end - x->at);
    if (status == BNT_OK) x->out->at[x->out->n - 1].integer = (int64_t)value;
    pass(x, end - x->at);
    return status;
}

static int lex_name(struct lexer *x) {
    size_t end = x->at;
    while (end < x->len && (isalnum((unsigned char)x->s[end]) || x->s[end] == '_')) end++;
    int status = add(x, TOKEN_NAME, x->s + x->at, end - x->at);
    pass(x, end - x->at);
    return status;
}

/* ---- inside of tags ---------------------------------------------------------------------------
 */

static int lex_sign(struct lexer *x, char *brackets, unsigned *n) {
    static const char *const signs[] = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                        "/",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                        "<",  ">",  "=",  ".",  ":",  "|",  ",", ";"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        const char *open = strchr("([{", signs[i][0]), *close = strchr(")]}", signs[i][0]);
        if (!here(x, signs[i])) continue;
        if (open) {
            if (*n == JINJA_BRACKETS)
                return bnt_fail(x->err, BNT_E_LIMIT, "line %u: brackets nested deeper than %d",
                                x->line, JINJA_BRACKETS);
            brackets[(*n)++] = ")]}"[open - "([{"];
        } else if (close && (*n == 0 || brackets[--*n] != signs[i][0])) {
            return fault(x, "a bracket that closes none");
        }
        int status = add(x, TOKEN_SIGN, signs[i], strlen(signs[i]));
        pass(x, strlen(signs[i]));
        return status;
    }
    return fault(x, "a character that means nothing here");
}

/* To the end of the tag, whose white space is taken off as it says. */
static int lex_tag(struct lexer *x, bool block) {
    const char *end = block ? "%}" : "}}", *stripping = block ? "-%}" : "-}}";
    char brackets[200];
    unsigned n = 0;
    int status = BNT_OK;
    while (status == BNT_OK) {
        pass_spaces(x);
        if (x->at >= x->len) return fault(x, "a tag without its end");
        bool strip = n == 0 && here(x, stripping), keep = n == 0 && block && here(x, "+%}");
        if (strip || keep || (n == 0 && here(x, end))) {
            status = add(x, block ? TOKEN_BLOCK_END : TOKEN_PRINT_END, end, 2);
            pass(x, strip || keep ? 3 : 2);
            if (strip) pass_spaces(x);
            if (block && !strip && !keep && here(x, "\n")) pass(x, 1); /* trim_blocks */
            return status;
        }
        unsigned char c = (unsigned char)x->s[x->at];
        if (c == '\'' || c == '"')
            status = lex_text(x);
        else if (isdigit(c))
            status = lex_number(x);
        else if (isalpha(c) || c == '_')
            status = lex_name(x);
        else
            status = lex_sign(x, brackets, &n);
    }
    return status;
}

/* ---- outside of tags --------------------------------------------------------------------------
 */

/* The text [from, to) before a tag; `sign` is what stands behind the tag's opening, `block` that it
 * prints nothing. `line_start`: the text begins a line. */
static int put_data(struct lexer *x, size_t from, size_t to, char sign, bool block,
                    bool line_start) {
    struct bnt_marked t = text_of(x->s + from, to - from);
    if (sign == '-') {
        t = text_strip(t, (struct bnt_marked){0}, false, true);
    } else if (sign != '+' && block) { /* lstrip_blocks */
        size_t line = t.len;
        while (line > 0 && t.text[line - 1] != '\n') line--;
        struct bnt_marked indent = text_part(t, line, t.len);
        if ((line > 0 || line_start) &&
            text_strip(indent, (struct bnt_marked){0}, true, false).len == 0)
            t.len = line;
    }
    return t.len ? add(x, TOKEN_DATA, t.text, t.len) : BNT_OK;
}

static int lex_comment(struct lexer *x) {
    char sign = x->s[x->at + 2];
    size_t begin = x->at + (sign == '-' || sign == '+' ? 3 : 2);
    size_t end = text_find(text_of(x->s, x->len), text_of("#}", 2), begin);
    if (begin == x->len) end = begin; /* for Jinja one that has only begun is none */
    if (end == SIZE_MAX) return fault(x, "a comment without its end");
    sign = end > begin ? x->s[end - 1] : '\0';
    if (end == x->len) end -= 2;
    pass(x, end + 2 - x->at);
    if (sign == '-') pass_spaces(x);
    if (sign != '-' && sign != '+' && here(x, "\n")) pass(x, 1);
    return BNT_OK;
}

/* A tag `{% word %}` at `at`: its length, or 0. *open and *close are the signs in it. */
static size_t word_tag(const struct lexer *x, size_t at, const char *word, char *open,
                       char *close) {
    size_t from = at, n = strlen(word), k;
    *open = *close = '\0';
    if (x->len - at < 2 || memcmp(x->s + at, "{%", 2) != 0) return 0;
    at += 2;
    if (x->s[at] == '-' || x->s[at] == '+') *open = x->s[at++];
    while ((k = space_at(x, at)) > 0) at += k;
    if (x->len - at < n || memcmp(x->s + at, word, n) != 0) return 0;
    at += n;
    while ((k = space_at(x, at)) > 0) at += k;
    if (x->s[at] == '-' || x->s[at] == '+') *close = x->s[at++];
    if (x->len - at < 2 || memcmp(x->s + at, "%}", 2) != 0) return 0;
    return at + 2 - from;
}

/* Behind `{% raw %}`, to the end of its `{% endraw %}`. */
static int lex_raw(struct lexer *x, bool line_start) {
    char open = '\0', close = '\0';
    size_t end = x->at, n = 0;
    if (end == x->len) return BNT_OK; /* nor one of these */
    while (end < x->len && !(n = word_tag(x, end, "endraw", &open, &close))) end++;
    if (end >= x->len) return fault(x, "raw without its end");
    int status = put_data(x, x->at, end, open, true, line_start);
    pass(x, end + n - x->at);
    if (close == '-') pass_spaces(x);
    if (!close && here(x, "\n")) pass(x, 1);
    return status;
}

static int lex_all(struct lexer *x) {
    int status = BNT_OK;
    bool line_start = true;
    while (x->at < x->len && status == BNT_OK) {
        size_t from = x->at, to = from, raw = 0;
        char open = '\0', close = '\0';
        while (to < x->len && !(x->s[to] == '{' && x->s[to + 1] && strchr("{%#", x->s[to + 1])))
            to++;
        if (to == x->len) {
            status = add(x, TOKEN_DATA, x->s + from, to - from);
            pass(x, to - from);
            break;
        }
        char what = x->s[to + 1], sign = x->s[to + 2];
        if (what == '%' && (raw = word_tag(x, to, "raw", &open, &close)) > 0 && close == '+')
            raw = 0;
        status = put_data(x, from, to, sign, what != '{', line_start);
        pass(x, to - from);
        if (status != BNT_OK) break;
        if (raw) {
            pass(x, raw);
            if (close == '-') pass_spaces(x);
            status = lex_raw(x, x->s[x->at - 1] == '\n');
        } else if (what == '#') {
            status = lex_comment(x);
        } else {
            status = add(x, what == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_PRINT_BEGIN, x->s + to, 2);
            pass(x, sign == '-' || sign == '+' ? 3 : 2);
            if (status == BNT_OK) status = lex_tag(x, what == '%');
        }
        line_start = x->at > 0 && x->s[x->at - 1] == '\n';
    }
    return status == BNT_OK ? add(x, TOKEN_END, "", 0) : status;
}

int lex_source(struct tokens *out, const char *source, size_t len, struct arena *arena,
               struct bnt_err *err) {
    struct lexer x = {.line = 1, .out = out, .arena = arena, .err = err};
    char *copy = arena_take(arena, len + 4); /* zeros behind it may be looked at */
    if (!copy) return no_room(&x);
    for (size_t i = 0; i < len; i++) { /* every end of a line is one '\n' */
        if (source[i] == '\r' && i + 1 < len && source[i + 1] == '\n') continue;
        copy[x.len++] = source[i] == '\r' ? '\n' : source[i];
    }
    if (x.len && copy[x.len - 1] == '\n') x.len--; /* the last one is none of the text */
    memset(copy + x.len, 0, 4);
    x.s = copy;
    return lex_all(&x);
}
