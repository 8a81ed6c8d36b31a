/* unicode.c - see unicode.h. */
#include "unicode.h"

#include <utf8proc.h>

size_t bnt_utf8_next(const uint8_t *s, size_t len, int32_t *cp) {
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t n;
    if (s[0] < 0x80) {
        *cp = s[0];
        return 1;
    }
    n = utf8proc_iterate(s, len < 4 ? (utf8proc_ssize_t)len : 4, &c);
    if (n < 1) {
        *cp = -1;
        return 1;
    }
    *cp = c;
    return (size_t)n;
}

/* Table 3-7 of the Unicode standard: how long the sequence that `lead` begins is, and what its
 * second byte may be. Later bytes are always 80..BF. */
static size_t sequence(uint8_t lead, uint8_t *lo, uint8_t *hi) {
    *lo = 0x80;
    *hi = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) return 2;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0) *lo = 0xA0;
        if (lead == 0xED) *hi = 0x9F;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0) *lo = 0x90;
        if (lead == 0xF4) *hi = 0x8F;
        return 4;
    }
    return 1;
}

size_t bnt_utf8_incomplete_tail(const uint8_t *s, size_t len) {
    for (size_t n = 1; n <= 3 && n <= len; n++) {
        const uint8_t *p = s + len - n;
        uint8_t lo, hi;
        if ((p[0] & 0xC0) == 0x80) continue; /* inside a sequence: look further left */
        if (sequence(p[0], &lo, &hi) <= n) return 0;
        if (n >= 2 && (p[1] < lo || p[1] > hi)) return 0;
        return n;
    }
    return 0;
}

unsigned bnt_kind_of(int32_t cp) {
    if (cp < 0) return BNT_KIND_INVALID;
    if (cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
        (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
        cp == 0x205F || cp == 0x3000)
        return BNT_KIND_SPACE;
    return (unsigned)utf8proc_category(cp);
}

enum bnt_class bnt_class_of(int32_t cp) {
    return bnt_kind_of(cp) == BNT_KIND_SPACE ? BNT_CLASS_SPACE : BNT_CLASS_OTHER;
}
