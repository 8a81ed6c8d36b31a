/*
 * prove.h - a file that was just written, opened as any other: what its reader would refuse is
 * found before the file has its name.
 */
#ifndef BNT_CONVERT_PROVE_H
#define BNT_CONVERT_PROVE_H

#include "base/err.h"

struct bnt_gguf;

/* Opens container, model and tokenizer, and computes nothing. Without the keys that are ignored in
 * `made_from`, which may be NULL. */
int bnt_prove_file(const char *path, const struct bnt_gguf *made_from, struct bnt_err *err);

#endif
