/*
 * bind.h - tensors by name: which ones a graph has, and that the file has exactly those.
 *
 * Knows names and shapes; must not know keys. Refuses tensors the graph would not use, since
 * ignoring one (a bias, a norm) is how engines become silently wrong.
 */
#ifndef BNT_MODEL_BIND_H
#define BNT_MODEL_BIND_H

#include "model/model.h"

/* Fills m's layers, matrices and norms as m->hp asks for; bnt_model_close frees what was bound,
 * after a failure as well. */
int bnt_bind(struct bnt_model *m, struct bnt_err *err);

#endif
