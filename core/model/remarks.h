/*
 * remarks.h - what is odd about a model that runs all the same, in lines for whoever opened it to
 * show.
 *
 * Knows what files of the field look like; must not know who shows it. A file is read as it stands:
 * these are the two places where that may not be what its maker meant, and nothing else says so.
 */
#ifndef BNT_MODEL_REMARKS_H
#define BNT_MODEL_REMARKS_H

#include "model/model.h"

enum { BNT_REMARKS = 2 };

/* How many of the lines were written. */
size_t bnt_model_remarks(const struct bnt_model *m, char lines[BNT_REMARKS][256]);

#endif
