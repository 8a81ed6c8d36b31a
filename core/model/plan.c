/*
 * plan.c - see plan.h.
 *
 * The graphs of all architectures are one; what stands in brackets is what they differ in, besides
 * the gate, the RoPE style and a factor here and there. Each block:
 *   norm -> q, k, v [+ bias -> q and k norm] -> rope -> cache -> attention [-> sub-norm] -> o
 *     [-> post-norm] -> +
 *   norm -> gate, up -> act(gate) * up [-> sub-norm] -> down [-> post-norm] -> +
 * [Each of q, k, v, gate and up normalises its input once more.]
 */
#include "model/plan.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"

enum { FIRST_CAPACITY = 256 }; /* operations; it doubles when they are more */

struct builder {
    struct bnt_plan *plan;
    const struct bnt_model *m;
    uint32_t layer;
    bool on_wanted;
    int status; /* of the first failure, after which operations go to `lost` */
    struct bnt_err *err;
    struct bnt_op lost;
};

/* Room for one operation more. */
static struct bnt_op *next(struct builder *b) {
    struct bnt_plan *plan = b->plan;
    if (b->status != BNT_OK) return &b->lost;
    if (plan->n_ops == plan->capacity) {
        uint32_t capacity = plan->capacity ? 2 * plan->capacity : FIRST_CAPACITY;
        struct bnt_op *ops =
            capacity > plan->capacity ? reallocarray(plan->ops, capacity, sizeof *plan->ops) : NULL;
        if (!ops) {
            b->status = bnt_fail_nomem(b->err, "the plan", (size_t)capacity * sizeof *plan->ops);
            return &b->lost;
        }
        plan->ops = ops;
        plan->capacity = capacity;
    }
    return &plan->ops[plan->n_ops++];
}

/* What is returned is valid until the next push. Widths are values per token. */
static struct bnt_op *push(struct builder *b, enum bnt_op_kind kind, enum bnt_buffer in,
                           uint32_t in_width, enum bnt_buffer out, uint32_t width) {
    struct bnt_op *op = next(b);
    *op = (struct bnt_op){.kind = kind,
                          .in = in,
                          .out = out,
                          .in_width = in_width,
                          .width = width,
                          .heads = 1,
                          .matrix = BNT_NO_MATRIX,
                          .tensor = "",
                          .layer = b->layer,
                          .on_wanted = b->on_wanted};
    return op;
}

/* Of `heads` equal parts, each by itself. */
static void norm(struct builder *b, enum bnt_buffer in, const float *gain, const char *tensor,
                 uint32_t width, uint32_t heads, enum bnt_buffer out) {
    struct bnt_op *op = push(b, BNT_OP_NORM, in, width, out, width);
    op->gain = gain;
    op->tensor = tensor;
    op->heads = heads;
}

static void use_matrix(struct builder *b, struct bnt_op *op, uint32_t matrix) {
    op->matrix = matrix;
    op->tensor = b->m->matrices[matrix].name;
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
            push(b, BNT_OP_QUANTIZE, in, width, BNT_BUF_ACTS, 0)->block = first->src.block;
        for (unsigned k = i; k < n; k++) {
            const struct bnt_matrix *mat = &b->m->matrices[matrices[k]];
            if (done[k] || mat->ternary != first->ternary || mat->src.block != first->src.block)
                continue;
            use_matrix(b,
                       push(b, BNT_OP_LINEAR, mat->ternary ? BNT_BUF_ACTS : in, width, outs[k],
                            (uint32_t)mat->rows),
                       matrices[k]);
            done[k] = true;
        }
    }
}

static void linear(struct builder *b, enum bnt_buffer in, uint32_t width, uint32_t matrix,
                   enum bnt_buffer out) {
    linears(b, in, width, 1, &matrix, &out);
}

/* A product with an input of its own, which is `in` normalised once more. */
static void linear_normed(struct builder *b, enum bnt_buffer in, uint32_t width, const float *gain,
                          const char *tensor, uint32_t matrix, enum bnt_buffer out) {
    norm(b, in, gain, tensor, width, 1, BNT_BUF_INPUT);
    linear(b, BNT_BUF_INPUT, width, matrix, out);
}

static void bias(struct builder *b, enum bnt_buffer buffer, uint32_t width, const float *values,
                 const char *tensor) {
    if (!values) return;
    struct bnt_op *op = push(b, BNT_OP_BIAS, BNT_BUF_NONE, 0, buffer, width);
    op->gain = values;
    op->tensor = tensor;
}

static void scale(struct builder *b, enum bnt_buffer buffer, uint32_t width, float factor) {
    if (factor != 1.0f) push(b, BNT_OP_SCALE, BNT_BUF_NONE, 0, buffer, width)->factor = factor;
}

static void rope(struct builder *b, enum bnt_buffer buffer, uint32_t width, uint32_t heads) {
    struct bnt_op *op = push(b, BNT_OP_ROPE, BNT_BUF_NONE, 0, buffer, width);
    op->heads = heads;
    op->set = b->m->hp.windowed[b->layer] ? BNT_ROPE_WINDOW : BNT_ROPE_ALL;
}

static void kv_store(struct builder *b, uint32_t width) {
    struct bnt_op *op = push(b, BNT_OP_KV_STORE, BNT_BUF_K, width, BNT_BUF_CACHE, 0);
    op->in2 = BNT_BUF_V;
    op->heads = b->m->hp.n_head_kv;
}

static void attention(struct builder *b, uint32_t width) {
    struct bnt_op *op = push(b, BNT_OP_ATTENTION, BNT_BUF_Q, width, BNT_BUF_ATTN, width);
    op->in2 = BNT_BUF_CACHE;
    op->heads = b->m->hp.n_head;
    op->window = b->m->hp.windowed[b->layer] ? b->m->hp.window : 0;
}

static void gate(struct builder *b, uint32_t width) {
    push(b, BNT_OP_GATE, BNT_BUF_GATE, width, BNT_BUF_GATE, width)->in2 = BNT_BUF_UP;
}

/* What a branch has computed joins the residual stream. */
static void join(struct builder *b, const float *post_norm, const char *tensor) {
    const struct bnt_hparams *hp = &b->m->hp;
    if (post_norm) norm(b, BNT_BUF_BRANCH, post_norm, tensor, hp->n_embd, 1, BNT_BUF_BRANCH);
    scale(b, BNT_BUF_BRANCH, hp->n_embd, hp->branch_scale);
    push(b, BNT_OP_ADD, BNT_BUF_BRANCH, hp->n_embd, BNT_BUF_X, hp->n_embd);
}

static void queries_keys_values(struct builder *b, const struct bnt_layer *l, uint32_t q,
                                uint32_t kv) {
    const uint32_t n = b->m->hp.n_embd;
    norm(b, BNT_BUF_X, l->attn_norm, "attn_norm.weight", n, 1, BNT_BUF_NORM);
    if (b->m->norms_in) {
        linear_normed(b, BNT_BUF_NORM, n, l->q_norm_in, "attn_q_norm_in.weight", l->wq, BNT_BUF_Q);
        linear_normed(b, BNT_BUF_NORM, n, l->k_norm_in, "attn_k_norm_in.weight", l->wk, BNT_BUF_K);
        linear_normed(b, BNT_BUF_NORM, n, l->v_norm_in, "attn_v_norm_in.weight", l->wv, BNT_BUF_V);
    } else {
        linears(b, BNT_BUF_NORM, n, 3, (const uint32_t[]){l->wq, l->wk, l->wv},
                (const enum bnt_buffer[]){BNT_BUF_Q, BNT_BUF_K, BNT_BUF_V});
    }
    bias(b, BNT_BUF_Q, q, l->bq, "attn_q.bias");
    bias(b, BNT_BUF_K, kv, l->bk, "attn_k.bias");
    bias(b, BNT_BUF_V, kv, l->bv, "attn_v.bias");
}

static void layer(struct builder *b) {
    const struct bnt_hparams *hp = &b->m->hp;
    const struct bnt_layer *l = &b->m->layers[b->layer];
    const bool in = b->m->norms_in;
    uint32_t q = hp->n_head * hp->head_dim, kv = hp->n_head_kv * hp->head_dim;

    queries_keys_values(b, l, q, kv);
    if (l->q_norm) norm(b, BNT_BUF_Q, l->q_norm, "attn_q_norm.weight", q, hp->n_head, BNT_BUF_Q);
    if (l->k_norm)
        norm(b, BNT_BUF_K, l->k_norm, "attn_k_norm.weight", kv, hp->n_head_kv, BNT_BUF_K);
    rope(b, BNT_BUF_Q, q, hp->n_head);
    rope(b, BNT_BUF_K, kv, hp->n_head_kv);
    kv_store(b, kv);
    attention(b, q);
    enum bnt_buffer branch = BNT_BUF_ATTN;
    if (l->attn_sub_norm) {
        norm(b, branch, l->attn_sub_norm,
             in ? "attn_output_norm_in.weight" : "attn_sub_norm.weight", q, 1, BNT_BUF_NORM);
        branch = BNT_BUF_NORM;
    }
    linear(b, branch, q, l->wo, BNT_BUF_BRANCH);
    join(b, l->post_attn_norm, "post_attention_norm.weight");

    norm(b, BNT_BUF_X, l->ffn_norm, "ffn_norm.weight", hp->n_embd, 1, BNT_BUF_NORM);
    if (in) {
        linear_normed(b, BNT_BUF_NORM, hp->n_embd, l->gate_norm_in, "ffn_gate_norm_in.weight",
                      l->gate, BNT_BUF_GATE);
        linear_normed(b, BNT_BUF_NORM, hp->n_embd, l->up_norm_in, "ffn_up_norm_in.weight", l->up,
                      BNT_BUF_UP);
    } else {
        linears(b, BNT_BUF_NORM, hp->n_embd, 2, (const uint32_t[]){l->gate, l->up},
                (const enum bnt_buffer[]){BNT_BUF_GATE, BNT_BUF_UP});
    }
    gate(b, hp->n_ff);
    branch = BNT_BUF_GATE;
    if (l->ffn_sub_norm) {
        norm(b, branch, l->ffn_sub_norm, in ? "ffn_down_norm_in.weight" : "ffn_sub_norm.weight",
             hp->n_ff, 1, BNT_BUF_NORM);
        branch = BNT_BUF_NORM;
    }
    linear(b, branch, hp->n_ff, l->down, BNT_BUF_BRANCH);
    join(b, l->post_ffn_norm, "post_ffw_norm.weight");
}

static bool by_token(const struct bnt_op *op) {
    return bnt_op_form(op->kind)->cut == BNT_CUT_TOKENS;
}

static void form_chains(struct bnt_plan *plan) {
    struct bnt_op *first = NULL;
    for (uint32_t i = 0; i < plan->n_ops; i++) {
        struct bnt_op *op = &plan->ops[i];
        bool goes_on =
            first && by_token(op) && by_token(first) && op->on_wanted == first->on_wanted;
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
            struct bnt_operand from[BNT_OP_MOST_READS];
            for (unsigned n = bnt_op_reads(&plan->ops[k], from); n-- > 0;)
                reads |= 1u << from[n].buffer;
            writes |= 1u << bnt_op_writes(&plan->ops[k]).buffer;
        }
        plan->ops[i].wait = (reads & written) || (writes & (read | written));
        if (plan->ops[i].wait) read = written = 0;
        read |= reads;
        written |= writes;
    }
}

/* Every operand fits into its buffer: what is wrong here is wrong in layer() above. */
static int check(const struct bnt_plan *plan, struct bnt_err *err) {
    for (uint32_t k = 0; k < plan->n_ops; k++) {
        const struct bnt_op *op = &plan->ops[k];
        struct bnt_operand all[BNT_OP_MOST_READS + 1];
        unsigned n = bnt_op_reads(op, all);
        all[n++] = bnt_op_writes(op);
        for (unsigned i = 0; i < n; i++) {
            if (!bnt_buffer_is_f32(all[i].buffer) || all[i].width <= plan->width[all[i].buffer])
                continue;
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "the plan: operation %" PRIu32 " (%s) has %" PRIu32
                            " values per token where its buffer has %" PRIu32,
                            k, bnt_op_name(op->kind), all[i].width, plan->width[all[i].buffer]);
        }
    }
    return BNT_OK;
}

int bnt_plan_build(struct bnt_plan *plan, const struct bnt_model *m, struct bnt_err *err) {
    const struct bnt_hparams *hp = &m->hp;
    struct builder b = {.plan = plan, .m = m, .layer = hp->n_layer, .err = err};
    *plan = (struct bnt_plan){0};

    uint32_t q = hp->n_head * hp->head_dim, kv = hp->n_head_kv * hp->head_dim;
    uint32_t widest = hp->n_embd > hp->n_ff ? hp->n_embd : hp->n_ff;
    uint32_t *w = plan->width;
    w[BNT_BUF_X] = w[BNT_BUF_BRANCH] = w[BNT_BUF_WANTED] = hp->n_embd;
    w[BNT_BUF_NORM] = widest > q ? widest : q;
    w[BNT_BUF_INPUT] = m->norms_in ? hp->n_embd : 0;
    w[BNT_BUF_Q] = w[BNT_BUF_ATTN] = q;
    w[BNT_BUF_K] = w[BNT_BUF_V] = kv;
    w[BNT_BUF_GATE] = w[BNT_BUF_UP] = hp->n_ff;
    w[BNT_BUF_LOGITS] = hp->n_vocab;

    use_matrix(&b, push(&b, BNT_OP_EMBED, BNT_BUF_NONE, 0, BNT_BUF_X, hp->n_embd), m->embedding);
    scale(&b, BNT_BUF_X, hp->n_embd, hp->embd_scale);
    for (b.layer = 0; b.layer < hp->n_layer; b.layer++) layer(&b);
    b.on_wanted = true;
    push(&b, BNT_OP_SELECT, BNT_BUF_X, hp->n_embd, BNT_BUF_WANTED, hp->n_embd);
    norm(&b, BNT_BUF_WANTED, m->output_norm, "output_norm.weight", hp->n_embd, 1, BNT_BUF_NORM);
    scale(&b, BNT_BUF_NORM, hp->n_embd, hp->head_scale);
    linear(&b, BNT_BUF_NORM, hp->n_embd, m->head, BNT_BUF_LOGITS);
    if (b.status == BNT_OK) b.status = check(plan, err);
    if (b.status != BNT_OK) {
        bnt_plan_free(plan);
        return b.status;
    }
    form_chains(plan);
    place_waits(plan);
    return BNT_OK;
}

void bnt_plan_free(struct bnt_plan *plan) {
    free(plan->ops);
    *plan = (struct bnt_plan){0};
}
