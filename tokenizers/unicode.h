/*
 * unicode.h - what the tokenizers need of Unicode: characters of possibly invalid UTF-8, and the
 * few classes that pre-tokenizers ask about.
 *
 * Knows nothing of tokens. The idea: an invalid byte is a character of its own, of class OTHER, so
 * that every byte string has exactly one division into characters and none is ever lost. Classes
 * come from libutf8proc (Unicode 15).
 */
#ifndef BNT_TOKENIZERS_UNICODE_H
#define BNT_TOKENIZERS_UNICODE_H

#include <stddef.h>
#include <stdint.h>

enum bnt_class {
    BNT_CLASS_OTHER,  /* symbols, marks, controls, unassigned, invalid bytes */
    BNT_CLASS_SPACE,  /* White_Space: has U+0085, lacks U+FEFF and U+180E */
    BNT_CLASS_LETTER, /* \p{L} */
    BNT_CLASS_NUMBER, /* \p{N} */
    BNT_CLASS_PUNCT,  /* \p{P} */
};

/* Length in bytes of the character at s (len >= 1); *cp is its code point, or -1 and length 1 for
 * a byte that begins no valid sequence. */
size_t bnt_utf8_next(const uint8_t *s, size_t len, int32_t *cp);

/* Bytes at the end of s that begin a valid character without completing it: 0 to 3. */
size_t bnt_utf8_incomplete_tail(const uint8_t *s, size_t len);

enum bnt_class bnt_class_of(int32_t cp); /* -1 is OTHER */

#endif
