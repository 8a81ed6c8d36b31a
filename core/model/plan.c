/*
 * plan.c - see plan.h.
 *
 * The graphs of bitnet-b1.58, bitnet, llama and qwen3 are one: norms, the gate and the RoPE style
 * are what differs. Each block:
 *   norm -> q, k, v [-> q and k norm] -> rope -> cache -> attention [-> sub-norm] -> o -> +
 *   norm -> gate, up -> act(gate) * up [-> sub-norm] -> down -> +
 */
#include "model/plan.h"

#include <stdlib.h>

enum { OPS_PER_LAYER = 32, OPS_AROUND = 8 };

struct builder {
    struct bnt_plan *plan;
    const struct bnt_model *m;
    uint32_t layer;
    bool on_wanted;
};

static struct bnt_op *push(struct builder *b, enum bnt_op_kind kind, enum bnt_buffer in,
                           enum bnt_buffer out, uint32_t width) {
    struct bnt_op *op = &b->plan->ops[b->plan->n_ops++];
    *op = (struct bnt_op){.kind = kind,
                          .in = in,
                          .out = out,
                          .matrix = BNT_NO_MATRIX,
                          .layer = b->layer,
                          .width = width,
                          .on_wanted = b->on_wanted};
    return op;
}

static void norm(struct builder *b, enum bnt_buffer in, const float *gain, uint32_t width) {
    struct bnt_op *op = push(b, BNT_OP_NORM, in, BNT_BUF_NORM, width);
    op->gain = gain;
    op->heads = 1;
}

/* In place, over each head by itself. */
static void head_norm(struct builder *b, enum bnt_buffer buffer, const float *gain,
                      uint32_t heads) {
    struct bnt_op *op = push(b, BNT_OP_NORM, buffer, buffer, b->m->hp.head_dim);
    op->gain = gain;
    op->heads = heads;
}

/* Up to three products of the same input. It is quantized once for each block size that the
 * ternary ones among them ask for. */
static void linears(struct builder *b, enum bnt_buffer in, uint32_t width, unsigned n,
                    const uint32_t *matrices, const enum bnt_buffer *outs) {
    bool done[3] = {false, false, false};
    for (unsigned i = 0; i < n; i++) {
        const struct bnt_matrix *first = &b->m->matrices[matrices[i]];
        if (done[i]) continue;
        if (first->ternary)
            push(b, BNT_OP_QUANTIZE, in, BNT_BUF_ACTS, width)->block = first->src.block;
        for (unsigned k = i; k < n; k++) {
            const struct bnt_matrix *mat = &b->m->matrices[matrices[k]];
            if (done[k] || mat->ternary != first->ternary || mat->src.block != first->src.block)
                continue;
            push(b, BNT_OP_LINEAR, mat->ternary ? BNT_BUF_ACTS : in, outs[k], (uint32_t)mat->rows)
                ->matrix = matrices[k];
            done[k] = true;
        }
    }
}

static void linear(struct builder *b, enum bnt_buffer in, uint32_t width, uint32_t matrix,
                   enum bnt_buffer out) {
    linears(b, in, width, 1, &matrix, &out);
}

static void layer(struct builder *b) {
    const struct bnt_hparams *hp = &b->m->hp;
    const struct bnt_layer *l = &b->m->layers[b->layer];
    uint32_t q = hp->n_head * hp->head_dim, kv = hp->n_head_kv * hp->head_dim;

    norm(b, BNT_BUF_X, l->attn_norm, hp->n_embd);
    linears(b, BNT_BUF_NORM, hp->n_embd, 3, (const uint32_t[]){l->wq, l->wk, l->wv},
            (const enum bnt_buffer[]){BNT_BUF_Q, BNT_BUF_K, BNT_BUF_V});
    if (l->q_norm) head_norm(b, BNT_BUF_Q, l->q_norm, hp->n_head);
    if (l->k_norm) head_norm(b, BNT_BUF_K, l->k_norm, hp->n_head_kv);
    push(b, BNT_OP_ROPE, BNT_BUF_NONE, BNT_BUF_Q, q)->heads = hp->n_head;
    push(b, BNT_OP_ROPE, BNT_BUF_NONE, BNT_BUF_K, kv)->heads = hp->n_head_kv;
    struct bnt_op *store = push(b, BNT_OP_KV_STORE, BNT_BUF_K, BNT_BUF_CACHE, kv);
    store->in2 = BNT_BUF_V;
    store->heads = hp->n_head_kv;
    push(b, BNT_OP_ATTENTION, BNT_BUF_Q, BNT_BUF_ATTN, q)->in2 = BNT_BUF_CACHE;
    enum bnt_buffer branch = BNT_BUF_ATTN;
    if (l->attn_sub_norm) {
        norm(b, branch, l->attn_sub_norm, q);
        branch = BNT_BUF_NORM;
    }
    linear(b, branch, q, l->wo, BNT_BUF_BRANCH);
    push(b, BNT_OP_ADD, BNT_BUF_BRANCH, BNT_BUF_X, hp->n_embd);

    norm(b, BNT_BUF_X, l->ffn_norm, hp->n_embd);
    linears(b, BNT_BUF_NORM, hp->n_embd, 2, (const uint32_t[]){l->gate, l->up},
            (const enum bnt_buffer[]){BNT_BUF_GATE, BNT_BUF_UP});
    push(b, BNT_OP_GATE, BNT_BUF_GATE, BNT_BUF_GATE, hp->n_ff)->in2 = BNT_BUF_UP;
    branch = BNT_BUF_GATE;
    if (l->ffn_sub_norm) {
        norm(b, branch, l->ffn_sub_norm, hp->n_ff);
        branch = BNT_BUF_NORM;
    }
    linear(b, branch, hp->n_ff, l->down, BNT_BUF_BRANCH);
    push(b, BNT_OP_ADD, BNT_BUF_BRANCH, BNT_BUF_X, hp->n_embd);
}

bool bnt_op_by_token(enum bnt_op_kind kind) {
    return kind != BNT_OP_LINEAR && kind != BNT_OP_ATTENTION;
}

static void form_chains(struct bnt_plan *plan) {
    struct bnt_op *first = NULL;
    for (uint32_t i = 0; i < plan->n_ops; i++) {
        struct bnt_op *op = &plan->ops[i];
        bool goes_on = first && bnt_op_by_token(op->kind) && bnt_op_by_token(first->kind) &&
                       op->on_wanted == first->on_wanted;
        if (!goes_on) first = op;
        first->chain++;
    }
}

/* Threads must meet before a chain that reads what was written, or writes what was read or written,
 * since they last met. */
static void place_waits(struct bnt_plan *plan) {
    uint32_t read = 0, written = 0;
    for (uint32_t i = 0; i < plan->n_ops; i += plan->ops[i].chain) {
        uint32_t reads = 0, writes = 0;
        for (uint32_t k = i; k < i + plan->ops[i].chain; k++) {
            const struct bnt_op *op = &plan->ops[k];
            bool in_place = op->kind == BNT_OP_ADD || op->kind == BNT_OP_ROPE;
            reads |= 1u << op->in | 1u << op->in2 | (in_place ? 1u << op->out : 0);
            writes |= 1u << op->out;
        }
        reads &= ~(1u << BNT_BUF_NONE);
        plan->ops[i].wait = (reads & written) || (writes & (read | written));
        if (plan->ops[i].wait) read = written = 0;
        read |= reads;
        written |= writes;
    }
}

int bnt_plan_build(struct bnt_plan *plan, const struct bnt_model *m, struct bnt_err *err) {
    const struct bnt_hparams *hp = &m->hp;
    size_t max_ops = (size_t)hp->n_layer * OPS_PER_LAYER + OPS_AROUND;
    struct builder b = {.plan = plan, .m = m, .layer = hp->n_layer};
    *plan = (struct bnt_plan){.ops = calloc(max_ops, sizeof *plan->ops)};
    if (!plan->ops) return bnt_fail_nomem(err, "the plan", max_ops * sizeof *plan->ops);

    uint32_t q = hp->n_head * hp->head_dim, kv = hp->n_head_kv * hp->head_dim;
    uint32_t widest = hp->n_embd > hp->n_ff ? hp->n_embd : hp->n_ff;
    uint32_t *w = plan->width;
    w[BNT_BUF_X] = w[BNT_BUF_BRANCH] = w[BNT_BUF_WANTED] = hp->n_embd;
    w[BNT_BUF_NORM] = widest > q ? widest : q;
    w[BNT_BUF_Q] = w[BNT_BUF_ATTN] = q;
    w[BNT_BUF_K] = w[BNT_BUF_V] = kv;
    w[BNT_BUF_GATE] = w[BNT_BUF_UP] = hp->n_ff;
    w[BNT_BUF_LOGITS] = hp->n_vocab;

    push(&b, BNT_OP_EMBED, BNT_BUF_NONE, BNT_BUF_X, hp->n_embd)->matrix = m->embedding;
    for (b.layer = 0; b.layer < hp->n_layer; b.layer++) layer(&b);
    b.on_wanted = true;
    push(&b, BNT_OP_SELECT, BNT_BUF_X, BNT_BUF_WANTED, hp->n_embd);
    norm(&b, BNT_BUF_WANTED, m->output_norm, hp->n_embd);
    linear(&b, BNT_BUF_NORM, hp->n_embd, m->head, BNT_BUF_LOGITS);
    form_chains(plan);
    place_waits(plan);
    return BNT_OK;
}

void bnt_plan_free(struct bnt_plan *plan) {
    free(plan->ops);
    *plan = (struct bnt_plan){0};
}

const char *bnt_op_name(enum bnt_op_kind kind) {
    static const char *const names[BNT_OP_COUNT] = {"embed",  "select", "norm",     "quantize",
                                                    "linear", "rope",   "kv_store", "attention",
                                                    "gate",   "add"};
    return kind < BNT_OP_COUNT ? names[kind] : "?";
}
