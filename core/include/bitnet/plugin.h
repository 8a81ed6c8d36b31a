/*
 * plugin.h - the contract between the core and a kernel plugin; the only header a plugin sees.
 *
 * A plugin is a shared object with one exported constant, `bitnet_plugin_v1`, and one ELF note that
 * says what it needs of the CPU. The core reads the note from the file before it maps any code,
 * checks the plugin against ref-scalar, and only then calls it.
 *
 * The one idea: range kernels. Each slot computes the half-open slice [lo, hi) of its output, as
 * docs/NUMERICS.md says, and writes nothing else. Any partition, in any order, on any threads,
 * gives the same bytes. The core owns threads, memory and the partition; the plugin owns layout,
 * packing, blocking and prefetch inside the slice.
 *
 * Kernels return nothing, and never allocate, lock, start threads, keep state, or touch the
 * floating-point environment. What can fail (a type, a shape) is asked beforehand by a *_layout
 * slot. Arrays are row-major; ld* are strides between rows (tokens), in elements.
 *
 * What bitnet-checkkern holds every slot to, besides the judge's bytes:
 * - any cut of the range, computed in any order, gives them; nothing outside the slice is written;
 * - no byte beyond a buffer is touched, not even read: each lies between inaccessible pages;
 *   nor are gaps between rows that lie further apart than they are long;
 * - inputs are in read-only memory;
 * - memory for activations may hold garbage, and tensors used in place may lie at any address;
 * - registers that a function must preserve, the floating-point state, the direction flag and the
 *   argument block are as before, and so is all static data;
 * - 256 KiB of stack are enough; and it comes back.
 *
 * Growth: structs that begin with struct_size are append-only and read through BNT_HAS. Argument
 * blocks and shapes never change: a new need is a new slot.
 */
#ifndef BITNET_PLUGIN_H
#define BITNET_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include "bitnet/dense.h" /* BNT_TYPE_*: the types of weights that reach a plugin */
#include "bitnet/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BNT_ABI_MAJOR 1 /* another major is refused */
#define BNT_ABI_MINOR 4 /* a plugin may be older or newer: slots are found by struct_size */

/* True when the struct *p is large enough to have `member` and it is not NULL. */
#define BNT_HAS(p, member)                                                                         \
    ((p)->struct_size >= offsetof(__typeof__(*(p)), member) + sizeof((p)->member) &&               \
     (p)->member != NULL)

#define BNT_SETS_MOST 4 /* kernel sets of a plugin for one CPU */

#define BNT_SUPPORTED 0      /* what a *_layout slot returns when it can */
#define BNT_NOT_SUPPORTED -1 /* ... and when it cannot handle this type or shape */

enum { BNT_ROPE_NORM = 0, BNT_ROPE_NEOX = 1 }; /* pairs (2i, 2i+1), or (i, i + n_rot/2) */
/* Clause 9; GELU comes to the slot gate_gelu alone. */
enum { BNT_GATE_SILU = 0, BNT_GATE_RELU2 = 1, BNT_GATE_GELU = 2 };
enum { BNT_PEAK_INT8 = 0, BNT_PEAK_F32 = 1 }; /* int8 products, summed; fused binary32 */

/* ---- what the core tells the plugin ------------------------------------------------------- */

typedef struct bnt_cpu {
    uint32_t struct_size;
    uint32_t threads;     /* threads the core will use at most */
    const char *features; /* usable now (CPUID and XCR0, or hwcap): "avx2,fma,f16c", sorted */
    uint64_t l1d, l2, l3; /* bytes per core, per core, shared; 0 when unknown */
} bnt_cpu;

typedef struct bnt_host {
    uint32_t struct_size;
    uint32_t abi_major, abi_minor;
    uint32_t set; /* since 1.4: which kernel set is asked for; before, always 0 */
    const bnt_cpu *cpu;
} bnt_host;

/* ---- shapes and layouts ------------------------------------------------------------------- */

/* Memory for one packed object. The core allocates `bytes` bytes aligned to `align` (a power of
 * two), zeroed, except that activations may lie where others lay before: padding that a kernel
 * reads as data is written by the kernel that owns the row or token. `step` is the row or token
 * count that partitions should be multiples of for speed (at least 1). Any partition is legal. */
typedef struct bnt_layout {
    uint64_t bytes;
    uint32_t align;
    uint32_t step;
} bnt_layout;

/* Ternary matrix, y[rows] = W[rows][cols] x[cols], weights -1, 0, +1.
 * block 0: one scale for the tensor (clause 3), handed to each product.
 * block B: a scale per B consecutive weights of a row (clause 4), stored in the packed object;
 * B divides cols. Scales are handed over as binary32; scale_type BNT_TYPE_F16 promises that each of
 * them is a binary16 value, so that a plugin may store it as one (BNT_TYPE_F32: no promise). */
typedef struct bnt_ternary_shape {
    uint64_t rows, cols;
    uint32_t block;
    uint32_t scale_type;
} bnt_ternary_shape;

/* Quantized activations of `tokens` tokens: int8 q[cols] and one scale a per token (block 0), or
 * per block of `block` values. */
typedef struct bnt_act_shape {
    uint64_t tokens, cols;
    uint32_t block;
    uint32_t reserved;
} bnt_act_shape;

/* Dense matrix [rows][cols] of a BNT_TYPE_*. */
typedef struct bnt_dense_shape {
    uint64_t rows, cols;
    uint32_t type;
    uint32_t reserved;
} bnt_dense_shape;

/* KV cache of one layer: `capacity` positions of `heads` K and V vectors of head_dim binary16. */
typedef struct bnt_kv_shape {
    uint64_t capacity;
    uint32_t heads, head_dim;
} bnt_kv_shape;

/* Matrix of int8 [rows][cols], values -127 .. 127, cols <= 132104: a cheap copy of the head, in
 * which the core looks for the largest logits (core/run/search.c). */
typedef struct bnt_i8_shape {
    uint64_t rows, cols;
} bnt_i8_shape;

/* Matrix of codes 0 .. 2^bits - 1, bits 2 or 5, cols <= 132104: part of a copy of the head. Rows of
 * it are asked for in long runs and one by one. */
typedef struct bnt_code_shape {
    uint64_t rows, cols;
    uint32_t bits;
    uint32_t reserved;
} bnt_code_shape;

/* ---- argument blocks ---------------------------------------------------------------------- */

typedef struct bnt_ternary_pack_args {
    bnt_ternary_shape shape;
    uint64_t row_lo, row_hi;
    const int8_t *trits; /* [row_hi - row_lo][cols], row row_lo first */
    const float *scales; /* [row_hi - row_lo][cols / block]; NULL when block is 0 */
    void *packed;        /* the whole object */
} bnt_ternary_pack_args;

typedef struct bnt_ternary_unpack_args {
    bnt_ternary_shape shape;
    uint64_t row_lo, row_hi;
    const void *packed;
    int8_t *trits; /* as in pack */
    float *scales; /* as in pack; NULL when block is 0 */
} bnt_ternary_unpack_args;

typedef struct bnt_act_quantize_args {
    bnt_act_shape shape;
    uint64_t tok_lo, tok_hi;
    const float *x; /* [tokens][ldx], finite */
    uint64_t ldx;
    void *acts; /* the whole object */
} bnt_act_quantize_args;

typedef struct bnt_act_unpack_args {
    bnt_act_shape shape;
    uint64_t tok_lo, tok_hi;
    const void *acts;
    int8_t *q; /* [tok_hi - tok_lo][cols] */
    float *a;  /* [tok_hi - tok_lo][max(1, cols / block)], amax / 127 */
} bnt_act_unpack_args;

/* y[t][r] = float(sum_i w[r][i] q[t][i]) * (scale * a[t]), or clause 4. */
typedef struct bnt_ternary_gemm_args {
    bnt_ternary_shape shape;
    const void *packed;
    float scale; /* of the tensor, when block is 0 */
    uint32_t reserved;
    bnt_act_shape act_shape; /* cols and block equal the matrix's */
    const void *acts;
    uint64_t row_lo, row_hi, tok_lo, tok_hi;
    float *y; /* [tokens][ldy], ldy >= rows */
    uint64_t ldy;
} bnt_ternary_gemm_args;

typedef struct bnt_dense_pack_args {
    bnt_dense_shape shape;
    uint64_t row_lo, row_hi;
    const void *src; /* the whole tensor, as in the file; may be aligned to 1 byte only */
    void *packed;
} bnt_dense_pack_args;

/* Rows as binary32, clause 5: embedding lookup and checks. */
typedef struct bnt_dense_unpack_args {
    bnt_dense_shape shape;
    uint64_t row_lo, row_hi;
    const void *w; /* the packed object; the file's bytes where layout.bytes is 0 */
    float *out;    /* [row_hi - row_lo][cols] */
} bnt_dense_unpack_args;

/* y[t][r] = Dot16(f32(W[r]), x[t]). */
typedef struct bnt_dense_gemm_args {
    bnt_dense_shape shape;
    const void *w;
    const float *x; /* [tokens][ldx] */
    uint64_t ldx;
    uint64_t row_lo, row_hi, tok_lo, tok_hi;
    float *y; /* [tokens][ldy] */
    uint64_t ldy;
} bnt_dense_gemm_args;

/* y[t] = (x[t] * r) * gain, clause 2. y may equal x. */
typedef struct bnt_rmsnorm_args {
    uint64_t tok_lo, tok_hi;
    uint64_t n;
    const float *x;
    uint64_t ldx;
    const float *gain; /* [n] */
    float eps;
    uint32_t reserved;
    float *y;
    uint64_t ldy;
} bnt_rmsnorm_args;

/* In place on x[t][head * head_dim + ...], clause 6; values from n_rot up stay as they are. */
typedef struct bnt_rope_args {
    uint64_t tok_lo, tok_hi;
    uint32_t head_lo, head_hi;
    float *x;
    uint64_t ldx;
    uint32_t head_dim, n_rot; /* n_rot even, <= head_dim */
    uint32_t style;           /* BNT_ROPE_* */
    uint32_t reserved;
    const float *cos, *sin; /* [tokens][n_rot / 2] */
} bnt_rope_args;

/* y[i] = act(g[i]) * u[i] for i in [lo, hi). y may equal g or u. */
typedef struct bnt_gate_args {
    uint64_t lo, hi;
    const float *g, *u;
    float *y;
    uint32_t kind; /* BNT_GATE_* */
    uint32_t reserved;
} bnt_gate_args;

/* y[i] = y[i] + x[i] for i in [lo, hi): the residual stream. */
typedef struct bnt_add_args {
    uint64_t lo, hi;
    const float *x;
    float *y;
} bnt_add_args;

/* Rounds k and v of tokens [tok_lo, tok_hi) to binary16 and puts token t at position pos + t. */
typedef struct bnt_kv_store_args {
    bnt_kv_shape shape;
    uint64_t pos;
    uint64_t tok_lo, tok_hi;
    uint32_t head_lo, head_hi; /* of the KV heads */
    const float *k, *v;        /* [tokens][ldkv], head h at h * head_dim */
    uint64_t ldkv;
    void *kv; /* the whole object */
} bnt_kv_store_args;

/* The inverse, as binary32: positions [pos_lo, pos_hi) of one head. */
typedef struct bnt_kv_load_args {
    bnt_kv_shape shape;
    uint64_t pos_lo, pos_hi;
    uint32_t head;
    uint32_t reserved;
    const void *kv;
    float *k, *v; /* [pos_hi - pos_lo][head_dim] */
} bnt_kv_load_args;

/* Attention, clause 8. Query token t stands at position pos + t and sees positions 0 .. pos + t,
 * which are all stored. Query head h reads KV head h / (heads / kv.heads).
 *
 * attn_chunk: partial results of chunks [chunk_lo, chunk_hi) (256 positions each, those that begin
 * at or before pos + t), at part + ((t * heads + h) * chunks + c) * (head_dim + 2):
 * m, l, o[head_dim].
 * attn_merge: joins the chunks of each (t, h) in rising order and writes y[t][h * head_dim ...].
 * attn: both in one, equal byte for byte, without `part`. */
typedef struct bnt_attn_args {
    bnt_kv_shape shape;
    const void *kv;
    const float *q; /* [tokens][ldq], head h at h * head_dim */
    uint64_t ldq;
    uint32_t heads; /* query heads, a multiple of shape.heads */
    float scale;    /* usually 1 / sqrt(head_dim) */
    uint64_t pos;
    uint64_t tok_lo, tok_hi;
    uint32_t head_lo, head_hi; /* of the query heads */
    uint64_t chunk_lo, chunk_hi, chunks;
    float *part; /* attn_chunk writes, attn_merge reads; NULL for attn */
    float *y;    /* attn_merge and attn write; NULL for attn_chunk */
    uint64_t ldy;
} bnt_attn_args;

/* Attention of layers that look back over a window, clause 8: token t at position p = pos + t sees
 * the positions max(0, p - window + 1) .. p. K and V come as binary32, as kv_load gives them, of
 * the one KV head that all these query heads read: position `first` (at most what token tok_lo
 * sees) in row 0, up to pos + tok_hi - 1. */
typedef struct bnt_attn_window_args {
    uint32_t head_dim;
    float scale;
    uint64_t window; /* at least 1 */
    uint64_t first;
    const float *k, *v; /* [pos + tok_hi - first][head_dim] */
    const float *q;     /* [tokens][ldq], head h at h * head_dim */
    uint64_t ldq;
    uint64_t pos;
    uint64_t tok_lo, tok_hi;
    uint32_t head_lo, head_hi; /* of the query heads */
    float *y;                  /* [tokens][ldy] */
    uint64_t ldy;
} bnt_attn_window_args;

typedef struct bnt_i8_pack_args {
    bnt_i8_shape shape;
    uint64_t row_lo, row_hi;
    const int8_t *w; /* [row_hi - row_lo][cols] */
    void *packed;
} bnt_i8_pack_args;

typedef struct bnt_i8_unpack_args {
    bnt_i8_shape shape;
    uint64_t row_lo, row_hi;
    const void *packed;
    int8_t *w; /* as in pack */
} bnt_i8_unpack_args;

/* d[v][r] = sum_i w[r][i] * x[v][i], exact, for `vectors` vectors (the core uses 2). */
typedef struct bnt_i8_gemv_args {
    bnt_i8_shape shape;
    const void *packed;
    const int8_t *x; /* [vectors][ldx], -127 .. 127 */
    uint64_t ldx;
    uint32_t vectors;
    uint32_t reserved;
    uint64_t row_lo, row_hi;
    int32_t *d; /* [vectors][ldd] */
    uint64_t ldd;
} bnt_i8_gemv_args;

typedef struct bnt_code_pack_args {
    bnt_code_shape shape;
    uint64_t row_lo, row_hi;
    const uint8_t *codes; /* [row_hi - row_lo][cols] */
    void *packed;
} bnt_code_pack_args;

typedef struct bnt_code_unpack_args {
    bnt_code_shape shape;
    uint64_t row_lo, row_hi;
    const void *packed;
    uint8_t *codes; /* as in pack */
} bnt_code_unpack_args;

/* d[v][r] = sum_i code[r][i] * x[v][i], exact, for `vectors` vectors. */
typedef struct bnt_code_gemv_args {
    bnt_code_shape shape;
    const void *packed;
    const int8_t *x; /* [vectors][ldx], -127 .. 127 */
    uint64_t ldx;
    uint32_t vectors;
    uint32_t reserved;
    uint64_t row_lo, row_hi;
    int32_t *d; /* [vectors][ldd] */
    uint64_t ldd;
} bnt_code_gemv_args;

/* Runs `steps` turns of the fastest multiply-add loop that this kernel set knows of the kind, over
 * registers alone, and says in *done how many multiply-adds that was: steps times a constant that
 * is not 0; 0 for a kind it does not know. The core times it: what no kernel of this kind can beat.
 */
typedef struct bnt_peak_args {
    uint32_t kind; /* BNT_PEAK_* */
    uint32_t reserved;
    uint64_t steps;
    uint64_t *done;
} bnt_peak_args;

/* ---- the slots ---------------------------------------------------------------------------- */

/*
 * What a plugin leaves out is done by ref-scalar, and `bitnet backends` says so: a group, or, since
 * 1.2, a slot. One rule keeps kernels from meeting objects of another's making: who gives a
 * *_layout gives all slots that read or write what it lays out; if one of them is missing, the
 * group is ref-scalar's whole. Who gives none finds the judge's layouts, which are fixed. Optional
 * slots are marked; without one the core uses the composition it is defined by.
 *
 * A plugin that extends another one (since 1.3, `extends` below) leaves its slots to that one, its
 * base, and what the base leaves out to ref-scalar. Layouts are then the base's, by the same rule.
 *
 * The judge's layouts. All values are in the machine's byte order, objects are aligned to 64.
 * - Ternary: codes w + 1 of two bits, four to a byte, the first lowest, each row from a byte of its
 *   own (row r at r * ((cols + 3) / 4)); with block scales, behind the last row at the next
 *   multiple of 4: scale[rows][cols / block], binary32 or binary16 as scale_type says.
 * - Activations: int16 q[tokens][cols]; at the next multiple of 4: binary32 a[tokens][blocks], one
 *   block a token when block is 0.
 * - Dense: every type is used in place.
 * - KV: binary16 k[heads][capacity][head_dim], then v likewise.
 * - int8: the rows as they are.
 * - Codes: each row by itself, of n bytes: cols for five bits, (cols + 3) / 4 for two. Code i lies
 * in byte i mod n, i / n * 2 bits from its lowest.
 */
typedef struct bnt_kernels {
    uint32_t struct_size;
    uint32_t reserved;
    const char *variant; /* which of the plugin's kernel sets this is: "avx512-vnni" */

    /* group ternary */
    int32_t (*ternary_layout)(const bnt_ternary_shape *, bnt_layout *);
    void (*ternary_pack)(const bnt_ternary_pack_args *);
    void (*ternary_unpack)(const bnt_ternary_unpack_args *);
    int32_t (*act_layout)(const bnt_act_shape *, bnt_layout *);
    void (*act_quantize)(const bnt_act_quantize_args *);
    void (*act_unpack)(const bnt_act_unpack_args *);
    void (*ternary_gemm)(const bnt_ternary_gemm_args *);

    /* group dense; layout.bytes == 0 means "used in place, as in the file": a row that is needed by
     * itself may then come as a matrix of one row, if dense_layout says the same of that */
    int32_t (*dense_layout)(const bnt_dense_shape *, bnt_layout *);
    void (*dense_pack)(const bnt_dense_pack_args *);
    void (*dense_unpack)(const bnt_dense_unpack_args *);
    void (*dense_gemm)(const bnt_dense_gemm_args *);

    /* group vector */
    void (*rmsnorm)(const bnt_rmsnorm_args *);
    void (*rope)(const bnt_rope_args *);
    void (*gate)(const bnt_gate_args *);
    void (*add)(const bnt_add_args *);

    /* group attention */
    int32_t (*kv_layout)(const bnt_kv_shape *, bnt_layout *);
    void (*kv_store)(const bnt_kv_store_args *);
    void (*kv_load)(const bnt_kv_load_args *);
    void (*attn_chunk)(const bnt_attn_args *);
    void (*attn_merge)(const bnt_attn_args *);
    void (*attn)(const bnt_attn_args *); /* optional */

    /* group search, optional: without any of it the core always computes the full head */
    int32_t (*i8_layout)(const bnt_i8_shape *, bnt_layout *);
    void (*i8_pack)(const bnt_i8_pack_args *);
    void (*i8_unpack)(const bnt_i8_unpack_args *);
    void (*i8_gemv)(const bnt_i8_gemv_args *);

    /* group measure, optional: without it no peak is known beside which a result can be stated */
    void (*peak)(const bnt_peak_args *);

    /* group gelu, since 1.1: the gate of kind BNT_GATE_GELU */
    void (*gate_gelu)(const bnt_gate_args *);

    /* group window, since 1.1 */
    void (*attn_window)(const bnt_attn_window_args *);

    /* group codes, since 1.2, optional: without it the core searches in an int8 copy */
    int32_t (*code_layout)(const bnt_code_shape *, bnt_layout *);
    void (*code_pack)(const bnt_code_pack_args *);
    void (*code_unpack)(const bnt_code_unpack_args *);
    void (*code_gemv)(const bnt_code_gemv_args *);
} bnt_kernels;

/* ---- what a plugin exports ---------------------------------------------------------------- */

typedef struct bnt_plugin {
    uint32_t struct_size;
    uint32_t abi_major, abi_minor;
    int32_t priority;    /* `auto` tries the highest first; ref-scalar is 0, others above it */
    const char *name;    /* "cpu-avx512": letters, digits, '-', '_' */
    const char *version; /* of the plugin */
    const char *needs;   /* CPU features every path needs: "avx2,fma,f16c"; "" for none */

    /* The kernel set for this CPU: one of the plugin's constant tables, or NULL if none fits.
     * Called after `needs` was met; must not keep anything. Since 1.4 a plugin may have several
     * sets for one CPU, the same results from other layouts (fewer bytes for more instructions,
     * say): it is asked for number 0, 1, ... of host->set until it returns NULL or one that
     * it has returned before (as one does that does not look at the number), at most BNT_SETS_MOST,
     * each is checked by itself, and the core takes the one that is quickest here. Number 0 is what
     * programs before 1.4 use. */
    const bnt_kernels *(*kernels)(const bnt_host *host);

    /* Since 1.3: the name of the plugin in the same folder that does what this one leaves out,
     * which extends nobody itself; NULL: ref-scalar does it. A program before 1.3 does not know it:
     * kernels() returns NULL when host->abi_minor is below 3. */
    const char *extends;
} bnt_plugin;

#define BNT_PLUGIN_SYMBOL "bitnet_plugin_v1"
#define BNT_NOTE_NAME "bitnet"
#define BNT_NOTE_TYPE 1u

#define BNT_STR_(x) #x
#define BNT_STR(x) BNT_STR_(x)

/*
 * Put once in a plugin, at file scope: the exported constant and its ELF note (section
 * .note.bitnet, owner "bitnet", type 1, text
 * "abi=MAJOR.MINOR;name=NAME;needs=NEEDS;priority=PRIORITY"; `readelf -n` shows it). The note must
 * say what the constant says: from it alone the core decides whose code is mapped, and in which
 * order. priority_ is a plain decimal literal, since it is turned into text.
 *
 * BNT_PLUGIN_EXTENDS is for one that extends another: the note has ";extends=NAME" as well.
 */
#define BNT_PLUGIN(name_, version_, needs_, priority_, kernels_)                                   \
    BNT_PLUGIN_(name_, version_, needs_, priority_, kernels_, "", NULL)
#define BNT_PLUGIN_EXTENDS(name_, version_, needs_, priority_, kernels_, extends_)                 \
    BNT_PLUGIN_(name_, version_, needs_, priority_, kernels_, ";extends=" extends_, extends_)
#define BNT_PLUGIN_(name_, version_, needs_, priority_, kernels_, more_, extends_)                 \
    __attribute__((used, section(".note.bitnet"), aligned(4))) static const struct {               \
        uint32_t namesz, descsz, type;                                                             \
        char owner[8];                                                                             \
        char desc[sizeof(BNT_NOTE_TEXT_(name_, needs_, priority_) more_)];                         \
    } bnt_note_ = {sizeof BNT_NOTE_NAME, sizeof(BNT_NOTE_TEXT_(name_, needs_, priority_) more_),   \
                   BNT_NOTE_TYPE, BNT_NOTE_NAME, BNT_NOTE_TEXT_(name_, needs_, priority_) more_};  \
    extern const bnt_plugin bitnet_plugin_v1;                                                      \
    __attribute__((visibility("default"))) const bnt_plugin bitnet_plugin_v1 = {                   \
        sizeof(bnt_plugin), BNT_ABI_MAJOR, BNT_ABI_MINOR, priority_, name_,                        \
        version_,           needs_,        kernels_,      extends_}
#define BNT_NOTE_TEXT_(name_, needs_, priority_)                                                   \
    "abi=" BNT_STR(BNT_ABI_MAJOR) "." BNT_STR(BNT_ABI_MINOR) ";name=" name_ ";needs=" needs_       \
                                                             ";priority=" BNT_STR(priority_)

/* The ABI is these sizes on every 64-bit target; tests/unit/test_abi.c freezes the offsets. */
#ifdef __cplusplus
static_assert(sizeof(void *) == 8, "bitnet plugins are for 64-bit targets");
}
#else
_Static_assert(sizeof(void *) == 8, "bitnet plugins are for 64-bit targets");
#endif

#endif
