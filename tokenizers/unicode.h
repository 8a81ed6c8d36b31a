/*
 * unicode.h - what the tokenizers need of Unicode: characters of possibly invalid UTF-8, and their
 * kinds, which pre-tokenizers ask about.
 *
 * Knows nothing of tokens. The idea: an invalid byte is a character of its own, of a kind of its
 * own, so that every byte string has exactly one division into characters and none is ever lost.
 * Categories come from libutf8proc (Unicode 15).
 */
#ifndef BNT_TOKENIZERS_UNICODE_H
#define BNT_TOKENIZERS_UNICODE_H

#include <stddef.h>
#include <stdint.h>

/* A character's kind: its general category as utf8proc numbers it (0..29), but white space
 * (White_Space: with U+0085, without U+FEFF and U+180E) and bytes that are not UTF-8 are kinds of
 * their own, in no category. */
enum { BNT_KIND_SPACE = 30, BNT_KIND_INVALID = 31, BNT_KINDS = 32 };
unsigned bnt_kind_of(int32_t cp); /* -1: an invalid byte */

/* What chat templates ask about. */
enum bnt_class { BNT_CLASS_OTHER, BNT_CLASS_SPACE };
enum bnt_class bnt_class_of(int32_t cp);

/* Length in bytes of the character at s (len >= 1); *cp is its code point, or -1 and length 1 for
 * a byte that begins no valid sequence. */
size_t bnt_utf8_next(const uint8_t *s, size_t len, int32_t *cp);

/* Bytes at the end of s that begin a valid character without completing it: 0 to 3. */
size_t bnt_utf8_incomplete_tail(const uint8_t *s, size_t len);

#endif
