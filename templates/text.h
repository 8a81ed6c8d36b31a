/*
 * text.h - texts with marks: what Python's str does, by characters, and the marks go along.
 *
 * A character is one of UTF-8, or one byte that begins none (tokenizers/unicode.h). Nothing here
 * changes a text: what comes out is a part of the old one, or new.
 */
#ifndef BNT_TEMPLATES_TEXT_H
#define BNT_TEMPLATES_TEXT_H

#include "value.h"

/* A text that grows at its end; zero-initialised. */
struct pen {
    char *text;
    uint8_t *marks; /* NULL while nothing is marked */
    size_t len, room;
};

bool pen_put(struct bnt_jinja_run *r, struct pen *p, struct bnt_marked t);
bool pen_text(struct bnt_jinja_run *r, struct pen *p, const char *s); /* the template's own */
bool pen_bytes(struct bnt_jinja_run *r, struct pen *p, const char *s, size_t n, bool foreign);
bool pen_char(struct bnt_jinja_run *r, struct pen *p, int32_t cp, bool foreign);
struct bnt_marked pen_done(const struct pen *p);

static inline struct bnt_marked text_part(struct bnt_marked t, size_t from, size_t to) {
    return (struct bnt_marked){t.text + from, t.marks ? t.marks + from : NULL, to - from};
}
static inline struct bnt_marked text_of(const char *s, size_t n) {
    return (struct bnt_marked){s, NULL, n};
}

/* The character at `at` < t.len: its bytes, and in *cp its code point or -1. */
size_t text_next(struct bnt_marked t, size_t at, int32_t *cp);
/* The character that ends at `at` > 0: its first byte. */
size_t text_before(struct bnt_marked t, size_t at, int32_t *cp);
size_t text_length(struct bnt_marked t);                   /* characters */
bool text_equal(struct bnt_marked a, struct bnt_marked b); /* whoever wrote them */
int text_compare(struct bnt_marked a, struct bnt_marked b);
/* First place of `what` from `from` on, or SIZE_MAX; in bytes. The last place, likewise. */
size_t text_find(struct bnt_marked t, struct bnt_marked what, size_t from);
bool text_rfind(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked what, size_t *at);
bool text_starts(struct bnt_marked t, struct bnt_marked with);
bool text_ends(struct bnt_marked t, struct bnt_marked with);
/* Takes off white space, or the characters of `set` unless its text is NULL. */
struct bnt_marked text_strip(struct bnt_marked t, struct bnt_marked set, bool left, bool right);
/* The same, counted as work. */
bool text_strip_counted(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked set,
                        bool left, bool right, struct bnt_marked *out);
/* Python's slice: start, stop and step by characters, step not 0; JV_NONE where left out. */
bool text_slice(struct bnt_jinja_run *r, struct bnt_marked t, const int64_t range[3], size_t n,
                struct bnt_marked *out);

/* letters.c: what str.isspace and its kin say of a character; -1 is none. */
bool char_is_space(int32_t c);
bool char_is_lower(int32_t c);
bool char_is_upper(int32_t c);
bool char_is_title(int32_t c); /* is both in one, as U+01C5 is */
bool char_is_letter(int32_t c);
bool char_is_numeric(int32_t c);
bool char_is_digit(int32_t c);
int char_decimal(int32_t c); /* of a decimal digit of any script, its value; else -1 */

enum text_case { CASE_LOWER, CASE_UPPER, CASE_CAPITAL, CASE_TITLE };
bool text_case(struct bnt_jinja_run *r, struct bnt_marked t, enum text_case how,
               struct bnt_marked *out);
/* At most `most` times; SIZE_MAX: all. */
bool text_replace(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked old,
                  struct bnt_marked new, size_t most, struct bnt_marked *out);
/* str.split, rsplit: at white space where sep.text is NULL. Appends to the list. */
bool text_split(struct bnt_jinja_run *r, struct bnt_marked t, struct bnt_marked sep, size_t most,
                bool from_right, struct jv_list *out);
bool text_lines(struct bnt_jinja_run *r, struct bnt_marked t, bool keep_ends, struct jv_list *out);
bool text_join(struct bnt_jinja_run *r, struct bnt_marked between, const struct jv_list *l,
               bool any,
               struct bnt_marked *out); /* any: str() of each; else only texts may be there */

#endif
