/*
 * i2s_layout.h - which of the three layouts of I2_S a model's weights are in.
 *
 * Nothing in the file says it (file/i2s.h), and the wrong one gives word salad without an error.
 * But in a trained network channels differ: a neuron that matters little has fewer weights in its
 * rows of ffn_gate and ffn_up, fewer in its column of ffn_down, and a gain of its own before that.
 * Rows and gains stand where they stand in layouts A and C and whichever layout is read, columns
 * are shuffled by a wrong one. So the layout is the one under which they go together: the evidence
 * for a layout is the sum of n r^2 over pairs of a matrix's columns with what writes or scales its
 * input (r: correlation of their n channels). Under a wrong layout, and in random weights, each
 * pair adds about 1, with a variance of 2.
 */
#ifndef BNT_MODEL_I2S_LAYOUT_H
#define BNT_MODEL_I2S_LAYOUT_H

#include "file/i2s.h"
#include "model/model.h"

/* The kinds of matrices whose columns are looked at: attn_q, ... */
enum { BNT_I2S_KINDS = 7 };

/* Evidence from some matrices; zero-initialised, and adds up. */
struct bnt_i2s_evidence {
    double for_layout[BNT_I2S_LAYOUTS];
    unsigned pairs;
};
/* Of one layer, by kind of matrix. */
struct bnt_i2s_layer {
    struct bnt_i2s_evidence kinds[BNT_I2S_KINDS];
};

/* Of one layer. From any thread: the model is only read. BNT_E_NOMEM. */
int bnt_i2s_look(const struct bnt_model *m, uint32_t layer, struct bnt_i2s_layer *found,
                 struct bnt_err *err);

/* "a", "b", "c"; NULL and "auto" leave it to the weights. BNT_E_USAGE for another word. */
int bnt_i2s_parse(const char *word, bool *is_auto, enum bnt_i2s_layout *layout,
                  struct bnt_err *err);
const char *bnt_i2s_name(enum bnt_i2s_layout layout);     /* "a" */
const char *bnt_i2s_known_name(enum bnt_i2s_known known); /* "stated", "found", "assumed" */

/* Decides by the evidence of all layers ([n_layer]) and what was asked for (as bnt_i2s_parse takes
 * it), writes m->i2s and every matrix's layout. BNT_E_FORMAT when layers or kinds of matrices are
 * in different layouts, or when a matrix cannot be in the layout that was asked for. */
int bnt_i2s_settle(struct bnt_model *m, const struct bnt_i2s_layer *layers, const char *asked,
                   struct bnt_err *err);

/* All of it, on the calling thread. */
int bnt_i2s_find(struct bnt_model *m, const char *asked, struct bnt_err *err);

#endif
