/*
 * window.c - faults in attention over a window; see mutant.h.
 */
#include "mutant.h"

/* Token by token, by ref-scalar: with the token's own window, or one that is wrong. */
static void attn_window(const bnt_attn_window_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        bnt_attn_window_args one = *a;
        one.tok_lo = t;
        one.tok_hi = t + 1;
#if defined(MUTANT_window_less)
        if (one.window > 1) one.window--;
#elif defined(MUTANT_window_batch)
        one.window += t - a->tok_lo; /* the window of the slice's first token, for all */
#elif defined(MUTANT_window_chunks)
        /* chunks counted from where the window begins */
        uint64_t p = a->pos + t, begin = p + 1 > a->window ? p + 1 - a->window : 0;
        one.k += (begin - a->first) * a->head_dim;
        one.v += (begin - a->first) * a->head_dim;
        one.q += t * a->ldq;
        one.y += t * a->ldy;
        one.first = 0;
        one.pos = p - begin;
        one.tok_lo = 0;
        one.tok_hi = 1;
#endif
        BASE->attn_window(&one);
    }
}

PLUGIN(own.attn_window = attn_window)
