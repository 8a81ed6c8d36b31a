/* err.c - see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that did not fit ends in "...", behind a whole character. */
static void cut(char *text, size_t size) {
    size_t n = size - 4;
    while (n && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
    memcpy(text + n, "...", 4);
}

int bnt_fail(struct bnt_err *err, int status, const char *fmt, ...) {
    if (err) {
        va_list ap;
        err->status = status;
        va_start(ap, fmt);
        int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
        va_end(ap);
        if (n >= (int)sizeof err->text) cut(err->text, sizeof err->text);
        bnt_without_controls(err->text);
    }
    return status;
}

int bnt_fail_nomem(struct bnt_err *err, const char *what, size_t bytes) {
    return bnt_fail(err, BNT_E_NOMEM, "out of memory: %zu bytes for %s", bytes, what);
}

const char *bnt_status_name(int status) {
    switch (status) {
#define X(name, value, exit_status, text)                                                          \
    case value: return #name;
        BNT_STATUS_TABLE(X)
#undef X
    default: return "BNT_E_?";
    }
}

const char *bnt_status_text(int status) {
    switch (status) {
#define X(name, value, exit_status, text)                                                          \
    case value: return text;
        BNT_STATUS_TABLE(X)
#undef X
    default: return "unknown status";
    }
}

int bnt_status_exit(int status) {
    switch (status) {
#define X(name, value, exit_status, text)                                                          \
    case value: return exit_status;
        BNT_STATUS_TABLE(X)
#undef X
    default: return 1;
    }
}

char *bnt_without_controls(char *text) {
    for (unsigned char *s = (unsigned char *)text; *s; s++) {
        if (*s < 0x20 || *s == 0x7f) *s = '?';
        if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) { /* U+0080 to U+009F */
            *s++ = '?';
            *s = '?';
        }
    }
    return text;
}

char *bnt_printable(char *dst, size_t dst_size, const void *text, size_t text_len) {
    const unsigned char *s = text;
    size_t n = 0;
    if (dst_size == 0) return dst;
    for (size_t i = 0; i < text_len; i++) {
        if (n + 8 > dst_size) { /* room for one escape, "..." and the terminator */
            n += (size_t)snprintf(dst + n, dst_size - n, "...");
            break;
        }
        if (s[i] >= 0x20 && s[i] < 0x7f) {
            dst[n++] = (char)s[i];
        } else {
            n += (size_t)snprintf(dst + n, dst_size - n, "\\x%02x", s[i]);
        }
    }
    dst[n < dst_size ? n : dst_size - 1] = '\0';
    return dst;
}
