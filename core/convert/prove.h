/*
 * prove.h - a file that was just written, opened as any other: what its reader would refuse is
 * found before the file has its name.
 */
#ifndef BNT_CONVERT_PROVE_H
#define BNT_CONVERT_PROVE_H

#include "base/err.h"

/* Opens container, model and tokenizer, and computes nothing. */
int bnt_prove_file(const char *path, struct bnt_err *err);

#endif
