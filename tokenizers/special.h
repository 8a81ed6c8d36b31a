/*
 * special.h - finds the texts of special tokens in a text.
 *
 * Knows which types are special: USER_DEFINED always, CONTROL and UNKNOWN when asked. The leftmost
 * match wins, the longest of those. The idea: one automaton (Aho and Corasick's) of the texts read
 * backwards goes over the text from its end, and so knows at every place the longest special text
 * that begins there; walking forward over those is then all there is to do. A long text is
 * taken in windows. Linear in the text, whatever the texts of the tokens.
 */
#ifndef BNT_TOKENIZERS_SPECIAL_H
#define BNT_TOKENIZERS_SPECIAL_H

#include "vocab.h"

enum { BNT_SPECIAL_BYTES_MAX = 1 << 22 }; /* of all special texts; 300 KB are known */

struct bnt_special_node {
    uint32_t children; /* the first of them; they end where those of the next node begin */
    uint32_t fail;     /* the longest proper suffix that is a node */
    int32_t any;       /* the longest special text that ends here, or -1 */
    int32_t always;    /* the same of USER_DEFINED ones */
    uint8_t byte;      /* that leads here */
};

struct bnt_specials {
    struct bnt_special_node *nodes; /* breadth first, children sorted; 0 is the root */
    uint32_t count;
    uint32_t root[256]; /* the root's children by byte, or 0 */
    bool some, some_always;
    size_t longest; /* bytes of a special text */
};

/* `reserved` [v->count]: only of USER_DEFINED tokens for which it is 0; NULL: of all. */
int bnt_specials_init(struct bnt_specials *s, const struct bnt_vocab *v, const uint8_t *reserved,
                      struct bnt_err *err);
void bnt_specials_free(struct bnt_specials *s);

/* A search through one text, which goes on from match to match. Zero-initialise. */
struct bnt_special_search {
    struct bnt_special_hit {
        size_t begin;
        int32_t id; /* the longest special text that begins there */
    } * hits;       /* of a window of the text, the last place first */
    size_t count, capacity;
    size_t window_end; /* places below have been looked at */
    uint64_t steps;    /* work done: linear in the text, which tests hold it to */
};

/* Sets *begin to where the next match in text[pos, len) begins, and *id; or to len, and *id to -1.
 * `pos` does not go back. */
int bnt_specials_next(const struct bnt_specials *s, const uint8_t *text, size_t pos, size_t len,
                      bool control, struct bnt_special_search *search, size_t *begin, int32_t *id,
                      struct bnt_err *err);
void bnt_special_search_free(struct bnt_special_search *search);

#endif
