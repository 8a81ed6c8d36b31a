/*
 * charset.h - sets of characters, as the brackets and escapes of a regular expression name them,
 * and the classes of characters that such sets cannot tell apart.
 *
 * Knows Unicode's general categories (from libutf8proc) and two scripts; knows nothing of texts or
 * expressions. The idea: between two bounds of explicit ranges only a character's kind matters, so
 * that one small table says for every character in which of the sets it is.
 */
#ifndef BNT_TOKENIZERS_CHARSET_H
#define BNT_TOKENIZERS_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "unicode.h"

struct bnt_range {
    int32_t first, last; /* code points, both included */
};

/* The characters of the kinds and ranges, or, if negated, all others; and in `also`, if any. */
struct bnt_charset {
    uint32_t kinds; /* 1 << kind */
    bool negated;
    const struct bnt_charset *also;
    struct bnt_range *ranges;
    size_t n_ranges;
};

bool bnt_charset_has(const struct bnt_charset *s, int32_t cp, unsigned kind);
int bnt_charset_add_range(struct bnt_charset *s, int32_t first, int32_t last, struct bnt_err *err);
/* Adds what \p{name} means: L, Lu, Ll, Lt, Lm, Lo, M, N, Nd, P, S, Han. */
int bnt_charset_add_property(struct bnt_charset *s, const char *name, size_t len,
                             struct bnt_err *err);
void bnt_charset_free(struct bnt_charset *s); /* its ranges */

/* Characters of one class are in the same sets. Class 0 is no character: the end of the text. */
struct bnt_classes {
    unsigned count;              /* with class 0 */
    uint64_t *members;           /* [count], of which sets: 1 << set; class 0: none */
    uint8_t ascii[128];          /* a character's class */
    int32_t *bounds;             /* beyond ASCII: code points at which ranges begin or have ended */
    size_t n_bounds;             /* sorted */
    uint8_t (*cells)[BNT_KINDS]; /* [n_bounds + 1]: classes between bounds, by kind */
};

enum { BNT_CHARSETS_MAX = 64, BNT_CLASSES_MAX = 255 };
/* Of at most BNT_CHARSETS_MAX sets. On failure *c is empty. */
int bnt_classes_init(struct bnt_classes *c, const struct bnt_charset *const *sets, size_t n,
                     struct bnt_err *err);
void bnt_classes_free(struct bnt_classes *c);
unsigned bnt_class_beyond_ascii(const struct bnt_classes *c, int32_t cp);

static inline unsigned bnt_class_in(const struct bnt_classes *c, int32_t cp) {
    return cp >= 0 && cp < 128 ? c->ascii[cp] : bnt_class_beyond_ascii(c, cp);
}

#endif
