/*
 * special.h - finds the texts of special tokens in a text.
 *
 * Knows which types are special: USER_DEFINED always, CONTROL and UNKNOWN when asked. The idea: the
 * leftmost match wins, the longest of those, found by narrowing a range of the sorted texts byte by
 * byte.
 */
#ifndef BNT_TOKENIZERS_SPECIAL_H
#define BNT_TOKENIZERS_SPECIAL_H

#include "vocab.h"

struct bnt_specials {
    int32_t *ids;         /* sorted by text */
    size_t count, always; /* all; those matched always */
    bool first[256];      /* bytes that some text begins with */
};

int bnt_specials_init(struct bnt_specials *s, const struct bnt_vocab *v, struct bnt_err *err);
void bnt_specials_free(struct bnt_specials *s);

/* Where the next match in text[pos, len) begins, or len; *id and *match_len are set if found. */
size_t bnt_specials_find(const struct bnt_specials *s, const struct bnt_vocab *v,
                         const uint8_t *text, size_t pos, size_t len, bool control, int32_t *id,
                         size_t *match_len);

#endif
