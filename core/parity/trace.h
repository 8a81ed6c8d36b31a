/*
 * trace.h - greedy tokens and the logits behind them, of a session and of a judge, and how far the
 * two agree.
 *
 * Knows runs from a prompt on; must not know operations.
 */
#ifndef BNT_PARITY_TRACE_H
#define BNT_PARITY_TRACE_H

#include "bitnet/bitnet.h"
#include "parity/watch.h"

struct bnt_trace {
    size_t steps; /* room for */
    uint32_t n_vocab;
    int32_t *tokens; /* [steps] */
    float *logits;   /* [steps][n_vocab] */
    size_t searched; /* steps whose token a search of the head found (run/head.h) */
    struct {
        bool found;
        size_t step;
        uint32_t rank;              /* 0: the largest */
        struct bnt_top got, wanted; /* by the search, and of all logits */
    } search_fault;                 /* the first */
    double prefill_seconds, decode_seconds;
};

int bnt_trace_open(struct bnt_trace *t, size_t steps, uint32_t n_vocab, struct bnt_err *err);
void bnt_trace_close(struct bnt_trace *t);

/* The session keeps its first `keep` tokens, which are ids[0 .. keep), keep < n, is fed the others
 * and goes on by itself, choosing as `bitnet run` does: by a search of the head, where that can be.
 * Then all logits are computed as well, and what was found must be the largest of them. *step (may
 * be NULL) says how many tokens it has made. End-of-text tokens are tokens like others. */
int bnt_trace_session(struct bnt_trace *t, struct bnt_session *s, const int32_t *ids, size_t n,
                      size_t keep, _Atomic uint32_t *step, struct bnt_err *err);

/* The judge's own run from the same prompt. `guess` holds tokens it may turn out to choose: as far
 * as it does, they are computed in one batch with the prompt, which gives the same bytes (a batch
 * may be split anywhere) for a fraction of the time. */
int bnt_trace_judge(struct bnt_trace *t, struct bnt_exec *judge, const int32_t *ids, size_t n,
                    const int32_t *guess, struct bnt_err *err);

struct bnt_agreement {
    size_t equal_tokens, equal_logits; /* steps; logits by their bits */
    size_t first_divergence;           /* step whose token or logits differ first; steps if none */
    double cosine;                     /* of the logits, the least of all steps; 1 when equal */
};
struct bnt_agreement bnt_trace_compare(const struct bnt_trace *a, const struct bnt_trace *b);

#endif
