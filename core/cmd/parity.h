/*
 * parity.h - a parity run as a page to look at.
 */
#ifndef BNT_CMD_PARITY_H
#define BNT_CMD_PARITY_H

#include "output.h"
#include "parity/parity.h"

/* `verdict` as in the receipt; of a model that may not have been opened. */
int parity_html(const struct parity *p, const char *model, const char *verdict,
                struct bnt_output *to, struct bnt_err *err);

#endif
