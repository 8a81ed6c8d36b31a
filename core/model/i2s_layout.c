/*
 * i2s_layout.c - see i2s_layout.h.
 *
 * The one idea: counts are whole numbers and every sum has a fixed order, so that the answer is the
 * same on every machine and with any number of threads.
 */
#include "model/i2s_layout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Standard deviations of chance by which the best layout must lead: for the fewest pairs that a
 * model of one layer has, chance reaches that less than once in a million models. */
#define ENOUGH 8.0
/* Sums of fewer squares than this have longer tails, and count as so many. */
#define FEWEST_PAIRS 8

static const char *const names[BNT_I2S_LAYOUTS] = {"a", "b", "c"};

const char *bnt_i2s_name(enum bnt_i2s_layout layout) {
    return names[layout];
}

const char *bnt_i2s_known_name(enum bnt_i2s_known known) {
    static const char *const words[] = {"none", "stated", "found", "assumed"};
    return words[known];
}

int bnt_i2s_parse(const char *word, bool *is_auto, enum bnt_i2s_layout *layout,
                  struct bnt_err *err) {
    char shown[48];
    *layout = BNT_I2S_A;
    *is_auto = !word || strcmp(word, "auto") == 0;
    if (*is_auto) return BNT_OK;
    for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) {
        if (strcmp(word, names[l]) != 0) continue;
        *layout = (enum bnt_i2s_layout)l;
        return BNT_OK;
    }
    return bnt_fail(err, BNT_E_USAGE, "I2_S layout '%s' is not a, b, c or auto",
                    bnt_printable(shown, sizeof shown, word, strlen(word)));
}

/* ---- evidence ------------------------------------------------------------------------------- */

/* What is known of channels from elsewhere, under each layout. */
struct profile {
    uint32_t n;
    float of[BNT_I2S_LAYOUTS][BNT_I2S_CHANNELS];
};

/* n r^2 of n pairs of numbers, a multiple of BNT_I2S_GROUP, each less the mean of its group: what
 * makes groups differ (heads, say) is the same in A and C and would only add noise. -1 where one
 * of the two does not vary. */
static double together(const float *x, const uint16_t *y, uint32_t n) {
    double xx = 0.0, xy = 0.0, yy = 0.0;
    for (uint32_t g = 0; g < n; g += BNT_I2S_GROUP) {
        double mx = 0.0, my = 0.0;
        for (uint32_t i = g; i < g + BNT_I2S_GROUP; i++) {
            mx += (double)x[i] / BNT_I2S_GROUP;
            my += (double)y[i] / BNT_I2S_GROUP;
        }
        for (uint32_t i = g; i < g + BNT_I2S_GROUP; i++) {
            double dx = (double)x[i] - mx, dy = (double)y[i] - my;
            xx += dx * dx, xy += dx * dy, yy += dy * dy;
        }
    }
    if (!(xx > 0.0 && yy > 0.0)) return -1.0;
    return (n - n / BNT_I2S_GROUP) * (xy / xx) * (xy / yy);
}

static void add_pair(struct bnt_i2s_evidence *e, const struct profile *x,
                     const struct bnt_i2s_counts *y) {
    uint32_t n = x->n < y->n ? x->n : y->n;
    double found[BNT_I2S_LAYOUTS];
    for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) {
        found[l] = n ? together(x->of[l], y->of[l], n) : -1.0;
        if (found[l] < 0.0) return;
    }
    for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) e->for_layout[l] += found[l];
    e->pairs++;
}

/* Sizes of the gains in front of a matrix; they do not depend on the layout. */
static void from_gain(struct profile *p, const float *gain, uint64_t n) {
    p->n = !gain ? 0 : n < BNT_I2S_CHANNELS ? (uint32_t)n : BNT_I2S_CHANNELS;
    p->n -= p->n % BNT_I2S_GROUP;
    for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) {
        for (uint32_t i = 0; i < p->n; i++) p->of[l][i] = fabsf(gain[i]);
    }
}

/* Row of m that makes channel i is row map(i): heads of a group share rows of attn_v. */
static void from_rows(struct profile *p, struct bnt_i2s_counts *room, const struct bnt_matrix *m,
                      const struct bnt_hparams *shared_heads) {
    const struct bnt_hparams *hp = shared_heads;
    bnt_i2s_count_rows(&m->src, room);
    p->n = room->n;
    if (hp && room->n) {
        uint64_t all = (uint64_t)hp->n_head * hp->head_dim;
        p->n = all < BNT_I2S_CHANNELS ? (uint32_t)all : BNT_I2S_CHANNELS;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t row = i;
        if (hp)
            row = i / hp->head_dim / (hp->n_head / hp->n_head_kv) * hp->head_dim + i % hp->head_dim;
        if (row >= room->n) {
            p->n = i;
            break;
        }
        for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) p->of[l][i] = room->of[l][row];
    }
    p->n -= p->n % BNT_I2S_GROUP;
}

static const char *const kinds[BNT_I2S_KINDS] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                                 "ffn_gate", "ffn_up", "ffn_down"};

int bnt_i2s_look(const struct bnt_model *m, uint32_t layer, struct bnt_i2s_layer *found,
                 struct bnt_err *err) {
    const struct bnt_layer *l = &m->layers[layer];
    const struct bnt_hparams *hp = &m->hp;
    const struct {
        uint32_t matrix;
        const float *gain;   /* of its input */
        uint32_t writers[2]; /* matrices whose rows are its input */
        unsigned n_writers;
        bool heads; /* the writer's rows serve several heads */
    } readers[BNT_I2S_KINDS] = {
        {l->wq, l->q_norm_in ? l->q_norm_in : l->attn_norm, {0}, 0, false},
        {l->wk, l->k_norm_in ? l->k_norm_in : l->attn_norm, {0}, 0, false},
        {l->wv, l->v_norm_in ? l->v_norm_in : l->attn_norm, {0}, 0, false},
        {l->wo, l->attn_sub_norm, {l->wv}, 1, true},
        {l->gate, l->gate_norm_in ? l->gate_norm_in : l->ffn_norm, {0}, 0, false},
        {l->up, l->up_norm_in ? l->up_norm_in : l->ffn_norm, {0}, 0, false},
        {l->down, l->ffn_sub_norm, {l->gate, l->up}, 2, false},
    };
    struct room {
        struct bnt_i2s_counts cols, rows;
        struct profile input;
    } *room = malloc(sizeof *room);
    if (!room) return bnt_fail_nomem(err, "looking for the I2_S layout", sizeof *room);
    for (size_t k = 0; k < BNT_I2S_KINDS; k++) {
        const struct bnt_matrix *reader = &m->matrices[readers[k].matrix];
        struct bnt_i2s_evidence *e = &found->kinds[k];
        bnt_i2s_count_cols(&reader->src, &room->cols);
        if (room->cols.n == 0) continue;
        from_gain(&room->input, readers[k].gain, reader->cols);
        add_pair(e, &room->input, &room->cols);
        for (unsigned w = 0; w < readers[k].n_writers; w++) {
            from_rows(&room->input, &room->rows, &m->matrices[readers[k].writers[w]],
                      readers[k].heads ? hp : NULL);
            add_pair(e, &room->input, &room->cols);
        }
    }
    free(room);
    return BNT_OK;
}

/* ---- deciding ------------------------------------------------------------------------------- */

/* The layout with most evidence among those allowed, and by how many standard deviations of chance
 * it leads: the difference of two sums of `pairs` squares has a variance of 4 for each. */
static enum bnt_i2s_layout best_of(const struct bnt_i2s_evidence *e, bool b_is_possible,
                                   double *margin) {
    enum bnt_i2s_layout best = BNT_I2S_A;
    double second = -1.0;
    for (unsigned l = 1; l < BNT_I2S_LAYOUTS; l++) {
        if (l == BNT_I2S_B && !b_is_possible) continue;
        if (e->for_layout[l] > e->for_layout[best]) best = (enum bnt_i2s_layout)l;
    }
    for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) {
        if (l == best || (l == BNT_I2S_B && !b_is_possible)) continue;
        if (e->for_layout[l] > second) second = e->for_layout[l];
    }
    *margin = (e->for_layout[best] - second) /
              sqrt(4.0 * (e->pairs > FEWEST_PAIRS ? e->pairs : FEWEST_PAIRS));
    return best;
}

static void add_up(struct bnt_i2s_evidence *sum, const struct bnt_i2s_evidence *e) {
    for (unsigned l = 0; l < BNT_I2S_LAYOUTS; l++) sum->for_layout[l] += e->for_layout[l];
    sum->pairs += e->pairs;
}

static int two_layouts(const struct bnt_model *m, const char *parts, struct bnt_err *err) {
    return bnt_fail(err, BNT_E_FORMAT,
                    "%s, the file as a whole in I2_S layout %s (%s): a file has one layout; "
                    "--i2s-layout reads all of it in one",
                    parts, bnt_i2s_name(m->i2s.layout), bnt_i2s_known_name(m->i2s.known));
}

/* A layer that is certainly in another layout than the whole. */
static int check_layers(const struct bnt_model *m, const struct bnt_i2s_layer *layers,
                        bool b_is_possible, struct bnt_err *err) {
    for (uint32_t i = 0; i < m->hp.n_layer; i++) {
        struct bnt_i2s_evidence sum = {0};
        double margin;
        char part[64];
        for (unsigned k = 0; k < BNT_I2S_KINDS; k++) add_up(&sum, &layers[i].kinds[k]);
        enum bnt_i2s_layout here = best_of(&sum, b_is_possible, &margin);
        if (margin < ENOUGH || here == m->i2s.layout) continue;
        snprintf(part, sizeof part, "blk.%u is in layout %s", i, bnt_i2s_name(here));
        return two_layouts(m, part, err);
    }
    return BNT_OK;
}

/* The same of each kind of matrix, in all layers together. Which kind is the odd one cannot be told
 * where one has more evidence than all others: each certain one is named with its layout. */
static int check_kinds(const struct bnt_model *m, const struct bnt_i2s_layer *layers,
                       bool b_is_possible, struct bnt_err *err) {
    char parts[256] = "";
    size_t n = 0;
    bool odd = false;
    for (unsigned k = 0; k < BNT_I2S_KINDS; k++) {
        struct bnt_i2s_evidence sum = {0};
        double margin;
        for (uint32_t i = 0; i < m->hp.n_layer; i++) add_up(&sum, &layers[i].kinds[k]);
        enum bnt_i2s_layout here = best_of(&sum, b_is_possible, &margin);
        if (margin < ENOUGH) continue;
        odd = odd || here != m->i2s.layout;
        n += (size_t)snprintf(parts + n, sizeof parts - n, "%s%s is in layout %s", n ? ", " : "",
                              kinds[k], bnt_i2s_name(here));
    }
    return odd ? two_layouts(m, parts, err) : BNT_OK;
}

/* Layout B has rows in fours; NULL when every I2_S matrix has. */
static const struct bnt_matrix *rows_not_in_fours(const struct bnt_model *m) {
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        const struct bnt_matrix *mat = &m->matrices[i];
        if (mat->src.type == BNT_I2_S && mat->rows % 4) return mat;
    }
    return NULL;
}

static bool has_i2s(const struct bnt_model *m) {
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        if (m->matrices[i].src.type == BNT_I2_S) return true;
    }
    return false;
}

int bnt_i2s_settle(struct bnt_model *m, const struct bnt_i2s_layer *layers, const char *asked,
                   struct bnt_err *err) {
    struct bnt_i2s_evidence all = {0};
    const struct bnt_matrix *odd = rows_not_in_fours(m);
    enum bnt_i2s_layout stated;
    bool is_auto;
    int status = bnt_i2s_parse(asked, &is_auto, &stated, err);
    m->i2s = (struct bnt_i2s_finding){.known = BNT_I2S_NONE};
    if (status != BNT_OK || !has_i2s(m)) return status;
    if (!is_auto && stated == BNT_I2S_B && odd)
        return bnt_fail(err, BNT_E_FORMAT,
                        "tensor '%s' has %llu rows, and I2_S layout b has rows in fours", odd->name,
                        (unsigned long long)odd->rows);
    for (uint32_t i = 0; i < m->hp.n_layer; i++)
        for (unsigned k = 0; k < BNT_I2S_KINDS; k++) add_up(&all, &layers[i].kinds[k]);
    m->i2s.seen = best_of(&all, !odd, &m->i2s.margin);
    bool enough = m->i2s.margin >= ENOUGH;
    m->i2s.known = !is_auto ? BNT_I2S_STATED : enough ? BNT_I2S_FOUND : BNT_I2S_ASSUMED;
    m->i2s.layout = !is_auto ? stated : enough ? m->i2s.seen : BNT_I2S_A;
    m->i2s.contradicted = enough && m->i2s.layout != m->i2s.seen;
    if (is_auto) status = check_layers(m, layers, !odd, err);
    if (is_auto && status == BNT_OK) status = check_kinds(m, layers, !odd, err);
    if (status != BNT_OK) return status;
    for (uint32_t i = 0; i < m->n_matrices; i++) m->matrices[i].src.layout = m->i2s.layout;
    return BNT_OK;
}

int bnt_i2s_find(struct bnt_model *m, const char *asked, struct bnt_err *err) {
    struct bnt_i2s_layer *layers = calloc(m->hp.n_layer, sizeof *layers);
    int status = BNT_OK;
    if (!layers) return bnt_fail_nomem(err, "the I2_S layout", m->hp.n_layer * sizeof *layers);
    for (uint32_t i = 0; i < m->hp.n_layer && status == BNT_OK; i++)
        status = bnt_i2s_look(m, i, &layers[i], err);
    if (status == BNT_OK) status = bnt_i2s_settle(m, layers, asked, err);
    free(layers);
    return status;
}
