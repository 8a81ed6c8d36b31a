/*
 * judgement.c - what a parity run comes to: nothing differs and everything was looked at, or the
 * first thing that says otherwise.
 */
#include <inttypes.h>

#include "parity/parity.h"

/* Operations of all batches: those before the prompt's last one end where the head begins. */
static uint64_t operations_of(const struct parity *p, const struct parity_prompt *q) {
    const struct bnt_exec *e = bnt_session_exec(p->session);
    const struct bnt_plan *plan = bnt_look_plan(e);
    uint64_t batches = (q->list.count - q->judged_from - 1) / bnt_look_options(e).n_batch;
    uint64_t headless = 0;
    while (headless < plan->n_ops && !plan->ops[headless].on_wanted) headless++;
    return batches * headless + (uint64_t)p->o.steps * plan->n_ops;
}

/* That lock-step found nothing only counts if it looked at everything. */
static int check_complete(const struct parity *p, const struct parity_prompt *q,
                          struct bnt_err *err) {
    uint64_t compared = 0, wanted = operations_of(p, q);
    for (unsigned k = 0; k < BNT_OP_COUNT; k++) compared += q->lockstep.compared[k];
    if (compared == wanted && q->lockstep.values) return BNT_OK;
    return bnt_fail(err, BNT_E_MISMATCH,
                    "prompt %s: lock-step compared %" PRIu64 " operations of %" PRIu64, q->name,
                    compared, wanted);
}

static int check_search(const struct parity_prompt *q, struct bnt_err *err) {
    const struct bnt_top *got = &q->x.search_fault.got, *wanted = &q->x.search_fault.wanted;
    if (!q->ran || !q->x.search_fault.found) return BNT_OK;
    return bnt_fail(err, BNT_E_MISMATCH,
                    "prompt %s, free run: step %zu, largest logit number %" PRIu32
                    ": the search of the head found token %" PRId32
                    " (%.9g), all logits give %" PRId32 " (%.9g)",
                    q->name, q->x.search_fault.step, q->x.search_fault.rank + 1, got->id,
                    (double)got->logit, wanted->id, (double)wanted->logit);
}

/* Fails with the first thing that differs, in the order in which a reader wants to know. */
int parity_judge(const struct parity *p, struct bnt_err *err) {
    char text[400];
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        if (q->stepped && q->lockstep.found)
            return bnt_fail(err, BNT_E_MISMATCH, "prompt %s, lock-step: %s", q->name,
                            bnt_op_difference_text(&q->lockstep.first, p->engine->model->hp.n_layer,
                                                   text, sizeof text));
        int status = p->o.lockstep ? check_complete(p, q, err) : BNT_OK;
        if (status != BNT_OK) return status;
    }
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        const struct bnt_agreement *a = &q->free;
        int status = check_search(q, err);
        if (status != BNT_OK) return status;
        bool chaos = !q->freed || a->first_divergence == q->x.steps;
        if (chaos) a = &q->chaos;
        if (chaos ? !q->chaotic : !q->freed) continue;
        if (a->first_divergence < q->x.steps)
            return bnt_fail(err, BNT_E_MISMATCH,
                            "prompt %s, %s: logits differ from step %zu on (%zu of %zu tokens "
                            "equal, least cosine %.9g)",
                            q->name, chaos ? "chaos" : "free run", a->first_divergence,
                            a->equal_tokens, q->x.steps, a->cosine);
    }
    return BNT_OK;
}
