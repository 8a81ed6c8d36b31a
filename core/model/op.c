/*
 * op.c - see op.h; the table.
 */
#include "model/op.h"

static const struct bnt_op_form forms[BNT_OP_COUNT] = {
    [BNT_OP_EMBED] = {"embed", BNT_CUT_TOKENS, .updates = false, .selects = false},
    [BNT_OP_SELECT] = {"select", BNT_CUT_TOKENS, .updates = false, .selects = true},
    [BNT_OP_NORM] = {"norm", BNT_CUT_TOKENS, .updates = false, .selects = false},
    [BNT_OP_QUANTIZE] = {"quantize", BNT_CUT_TOKENS, .updates = false, .selects = false},
    [BNT_OP_LINEAR] = {"linear", BNT_CUT_ROWS, .updates = false, .selects = false},
    [BNT_OP_ROPE] = {"rope", BNT_CUT_TOKENS, .updates = true, .selects = false},
    [BNT_OP_KV_STORE] = {"kv_store", BNT_CUT_TOKENS, .updates = false, .selects = false},
    [BNT_OP_ATTENTION] = {"attention", BNT_CUT_HEADS, .updates = false, .selects = false},
    [BNT_OP_GATE] = {"gate", BNT_CUT_TOKENS, .updates = false, .selects = false},
    [BNT_OP_ADD] = {"add", BNT_CUT_TOKENS, .updates = true, .selects = false},
    [BNT_OP_BIAS] = {"bias", BNT_CUT_TOKENS, .updates = true, .selects = false},
    [BNT_OP_SCALE] = {"scale", BNT_CUT_TOKENS, .updates = true, .selects = false},
};

const struct bnt_op_form *bnt_op_form(enum bnt_op_kind kind) {
    return &forms[kind];
}

const char *bnt_op_name(enum bnt_op_kind kind) {
    return kind < BNT_OP_COUNT ? forms[kind].name : "?";
}

unsigned bnt_op_reads(const struct bnt_op *op, struct bnt_operand reads[BNT_OP_MOST_READS]) {
    const struct bnt_op_form *form = &forms[op->kind];
    bool on_wanted = op->on_wanted && !form->selects;
    unsigned n = 0;
    if (op->in != BNT_BUF_NONE) reads[n++] = (struct bnt_operand){op->in, op->in_width, on_wanted};
    if (op->in2 != BNT_BUF_NONE)
        reads[n++] = (struct bnt_operand){op->in2, op->in_width, on_wanted};
    if (form->updates) reads[n++] = (struct bnt_operand){op->out, op->width, op->on_wanted};
    return n;
}

struct bnt_operand bnt_op_writes(const struct bnt_op *op) {
    uint32_t width = bnt_buffer_is_f32(op->out) ? op->width : op->in_width;
    return (struct bnt_operand){op->out, width, op->on_wanted};
}
