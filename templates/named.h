/*
 * named.h - templates that come with the program: for models without one, and for those whose own
 * is known to be wrong. A row is a name and a Jinja text like any other.
 */
#ifndef BNT_TEMPLATES_NAMED_H
#define BNT_TEMPLATES_NAMED_H

#include <stdbool.h>
#include <stddef.h>

struct bnt_named_template {
    const char *name, *text;
    const char *stop;     /* a text that ends an answer where no token does, or NULL */
    const char *needs[4]; /* control tokens without which it is of no use */
    bool bos;             /* begins with BOS even where the vocabulary does not ask for it */
};

const struct bnt_named_template *bnt_named_template(const char *name); /* or NULL */
/* All names with spaces between, for messages. Returns out. */
const char *bnt_named_templates(char *out, size_t size);
/* What is to be used instead of a template that files carry by mistake, and why; or NULL. */
const struct bnt_named_template *bnt_template_instead(const char *text, size_t len,
                                                      const char **remark);

#endif
