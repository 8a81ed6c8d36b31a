/*
 * ternary.c - faults in packing and in the ternary product; see mutant.h.
 *
 * The product unpacks through ref-scalar and multiplies one by one.
 */
#include "mutant.h"

#include <fenv.h>

struct row { /* one row, one token */
    const int8_t *w, *q;
    const float *scales, *a;
    uint64_t span, blocks;
};

static int32_t dot(const int8_t *w, const int8_t *q, uint64_t n) {
#if defined(MUTANT_int16_sum)
    int16_t d = 0;
    for (uint64_t i = 0; i < n; i++) d = (int16_t)(d + w[i] * q[i]);
    return d;
#elif defined(MUTANT_int16_pairs)
    int32_t d = 0;
    for (uint64_t i = 0; i < n; i += 256) { /* a lane of 16 bits, two products at a time */
        int32_t lane = 0, sum = 0;
        for (uint64_t j = i; j < n && j < i + 256; j++) {
            lane += (w[j] + 1) * q[j];
            lane = lane > INT16_MAX ? INT16_MAX : lane < INT16_MIN ? INT16_MIN : lane;
            sum += q[j];
        }
        d += lane - sum;
    }
    return d;
#else
    int32_t d = 0;
#if defined(MUTANT_tail_col)
    if (n % 64 == 1) n--;
#endif
    for (uint64_t i = 0; i < n; i++) d += w[i] * q[i];
    return d;
#endif
}

static float product(const bnt_ternary_gemm_args *a, const struct row *p) {
#if defined(MUTANT_minus_zero)
    float y = -0.0f;
#else
    float y = 0.0f;
#endif
    if (!a->shape.block) {
        float d = (float)dot(p->w, p->q, p->span);
#if defined(MUTANT_scale_order)
        return (d * a->scale) * p->a[0];
#else
        return d * (a->scale * p->a[0]);
#endif
    }
    for (uint64_t i = 0; i < p->blocks; i++) {
#if defined(MUTANT_block_order)
        uint64_t b = p->blocks - 1 - i, s = b;
#elif defined(MUTANT_block_scale)
        uint64_t b = i, s = (i + 1) % p->blocks;
#else
        uint64_t b = i, s = i;
#endif
        float d = (float)dot(p->w + b * p->span, p->q + b * p->span, p->span);
#if defined(MUTANT_block_no_fma)
        y = y + d * (p->scales[s] * p->a[b]);
#else
        y = bnt_fma(d, p->scales[s] * p->a[b], y);
#endif
    }
    return y;
}

/* What a fault does to a value that was right. */
static float spoil(float y, uint64_t r, uint64_t rows) {
#if defined(MUTANT_tall_row)
    if (r >= 5000) y = bnt_f32_from_bits(bnt_f32_bits(y) ^ 1);
#elif defined(MUTANT_result_ftz)
    if ((bnt_f32_bits(y) & 0x7f800000u) == 0) y = bnt_f32_from_bits(bnt_f32_bits(y) & 0x80000000u);
#endif
    (void)r;
    (void)rows;
    return y;
}

static void faults_before(const bnt_ternary_gemm_args *a) {
    (void)a;
#if defined(MUTANT_null_pointer)
    if (a->shape.cols == 33) *(volatile int *)0 = 1;
#elif defined(MUTANT_endless)
    while (a->shape.cols == 33) __asm__ volatile("");
#elif defined(MUTANT_aborts)
    if (a->shape.rows == 66) abort();
#elif defined(MUTANT_traps)
    if (a->shape.rows == 66) __builtin_trap();
#elif defined(MUTANT_stack)
    volatile char much[300 << 10];
    for (size_t i = 0; i < sizeof much; i += 1024) much[i] = 1;
#elif defined(MUTANT_round_mode)
    fesetround(FE_TOWARDZERO);
#elif defined(MUTANT_saved_register) && defined(__x86_64__)
    __asm__ volatile("movq $1, %r14");
#elif defined(MUTANT_saved_register) && defined(__aarch64__)
    __asm__ volatile("mov x21, #1");
#elif defined(MUTANT_x87_or_d8) && defined(__x86_64__)
    __asm__ volatile("fldz");
#elif defined(MUTANT_x87_or_d8) && defined(__aarch64__)
    __asm__ volatile("fmov d8, xzr");
#elif defined(MUTANT_writes_input)
    volatile char *p = (volatile char *)(uintptr_t)a->acts;
    *p = (char)(*p ^ 1);
    *p = (char)(*p ^ 1);
#elif defined(MUTANT_changes_args)
    ((bnt_ternary_gemm_args *)(uintptr_t)a)->row_lo++;
    if (((volatile const bnt_ternary_gemm_args *)a)->row_lo > 1u << 30) abort();
#endif
}

static void gemm(const bnt_ternary_gemm_args *args) {
    const bnt_ternary_gemm_args copy = *args, *a = &copy;
    uint64_t cols = a->shape.cols, span = a->shape.block ? a->shape.block : cols;
    uint64_t blocks = cols / span, tokens = a->act_shape.tokens, rows = a->shape.rows;
    uint64_t row_hi = a->row_hi, tok_lo = a->tok_lo, tok_hi = a->tok_hi;
    int8_t *w = malloc(cols), *q = malloc(tokens * cols);
    float *scales = malloc(blocks * 4), *as = malloc(tokens * blocks * 4);
    faults_before(args);
    if (!w || !q || !scales || !as) abort();
    BASE->act_unpack(&(bnt_act_unpack_args){a->act_shape, 0, tokens, a->acts, q, as});
#if defined(MUTANT_tail_row)
    if (rows % 16 == 1 && row_hi == rows) row_hi--;
#elif defined(MUTANT_tail_token)
    if (tokens % 6 == 1 && tokens > 1 && tok_hi == tokens) tok_hi--;
#elif defined(MUTANT_past_row)
    if (row_hi < rows && row_hi > a->row_lo) row_hi++;
#elif defined(MUTANT_past_token)
    if (tok_lo < tok_hi) tok_hi = (tok_hi + 3) / 4 * 4;
    if (tok_hi > tokens) tok_hi = tokens;
#endif
    for (uint64_t r = a->row_lo; r < row_hi; r++) {
        uint64_t from = r, to = r;
#if defined(MUTANT_far_row)
        from = (uint32_t)(r * ((cols + 3) / 4)) / ((cols + 3) / 4);
#elif defined(MUTANT_row_from_zero)
        to = r - a->row_lo;
#endif
        BASE->ternary_unpack(
            &(bnt_ternary_unpack_args){a->shape, from, from + 1, a->packed, w, scales});
        for (uint64_t t = tok_lo; t < tok_hi; t++) {
            struct row p = {w, q + t * cols, scales, as + t * blocks, span, blocks};
#if defined(MUTANT_keeps_state)
            static float last;
            if (r == 0) last = p.a[0];
            if (r == 1 && t == 0 && p.a[0] != last) p.a = &last;
#endif
            a->y[t * a->ldy + to] = spoil(product(a, &p), r, rows);
        }
    }
#if defined(MUTANT_reads_padding)
    for (uint64_t t = tok_lo; t < tok_hi && a->row_lo < row_hi; t++) {
        bnt_layout l;
        BASE->act_layout(&a->act_shape, &l);
        a->y[t * a->ldy + a->row_lo] += (float)((const int8_t *)a->acts)[l.bytes];
    }
#endif
    free(w);
    free(q);
    free(scales);
    free(as);
}

/* ---- packing -------------------------------------------------------------------------------- */

static void pack(const bnt_ternary_pack_args *args) {
    bnt_ternary_pack_args a = *args;
    uint64_t cols = a.shape.cols, n = (a.row_hi - a.row_lo) * cols;
    int8_t *w = malloc(n + 1);
    if (!w) abort();
    memcpy(w, a.trits, n);
    a.trits = w;
#if defined(MUTANT_pack_last)
    for (uint64_t i = cols; i <= n && cols % 4 == 1; i += cols) w[i - 1] = 0;
#elif defined(MUTANT_pack_from_zero)
    for (uint64_t i = 0; i < n && a.row_lo > 0; i++) w[i] = w[i % cols];
#endif
    BASE->ternary_pack(&a);
#if defined(MUTANT_pack_neighbour)
    if (a.row_hi > a.row_lo && a.row_hi < a.shape.rows)
        memset((char *)a.packed + a.row_hi * ((cols + 3) / 4), 0x55, (cols + 3) / 4);
#elif defined(MUTANT_pack_scale)
    if (a.shape.block && a.shape.scale_type == BNT_TYPE_F32) {
        uint64_t blocks = (a.row_hi - a.row_lo) * (cols / a.shape.block);
        float *s = malloc(blocks * 4 + 4);
        if (!s) abort();
        for (uint64_t i = 0; i < blocks; i++) s[i] = bnt_f16_to_f32(bnt_f32_to_f16(a.scales[i]));
        a.scales = s;
        BASE->ternary_pack(&a);
        free(s);
    }
#endif
    free(w);
}

static void unpack(const bnt_ternary_unpack_args *a) {
    BASE->ternary_unpack(a);
#if defined(MUTANT_trit_order)
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi && cols > 1; r++) {
        int8_t *end = a->trits + (r - a->row_lo + 1) * cols, t = end[-1];
        if (r % 7 != 3) continue;
        end[-1] = end[-2];
        end[-2] = t;
    }
#elif defined(MUTANT_unpack_past)
    if (a->row_hi > a->row_lo) a->trits[(a->row_hi - a->row_lo) * a->shape.cols] = 0;
#endif
}

static int32_t layout(const bnt_ternary_shape *shape, bnt_layout *out) {
#if defined(MUTANT_layout_empty)
    if (shape->rows == 0) {
        *out = (bnt_layout){0, 64, 1};
        return BNT_SUPPORTED;
    }
#endif
    int32_t answer = BASE->ternary_layout(shape, out);
#if defined(MUTANT_layout_small)
    if (answer == BNT_SUPPORTED) out->align = 1, out->bytes--;
#elif defined(MUTANT_layout_step)
    out->step = 0;
#endif
    return answer;
}

static int32_t act_layout(const bnt_act_shape *shape, bnt_layout *out) {
    int32_t answer = BASE->act_layout(shape, out);
#if defined(MUTANT_reads_padding)
    if (answer == BNT_SUPPORTED) out->bytes += 64;
#endif
    return answer;
}

PLUGIN(own.ternary_gemm = gemm; own.ternary_pack = pack; own.ternary_unpack = unpack;
       own.ternary_layout = layout; own.act_layout = act_layout)
