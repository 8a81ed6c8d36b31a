/*
 * ternary.c - the ternary product (NUMERICS 3 and 4) and its packed matrix.
 *
 * The object: groups of sixteen rows. A group is [blocks][16] scales, if any, f32 or f16, padded to
 * 64 bytes, then vectors of 64 bytes, 16 rows x 16 columns: 32 bits of lane r belong to row r, and
 * in its byte b the two bits at 2j are w + 1 of column 4j + b.
 *
 * The one idea: codes 0, 1, 2 are the unsigned operand of a byte product whose pairs reach at most
 * 2 x 2 x 127 = 508, so 64 of them, 256 columns, fit 16 bits and widening costs next to nothing.
 * Few tokens read the codes as a stream; more share codes opened once to bytes, in L1.
 */
#include "kernels.h"

enum {
    VECTOR = 64,      /* bytes of a vector of codes */
    FEW = 2,          /* most tokens that stream_few() takes */
    STREAM_TILES = 3, /* most tiles of tokens for which codes are read as a stream */
    PIECE = 16,       /* vectors opened at a time: 256 columns, 4 KiB of bytes */
    GROUPS = 4,       /* of rows that share a tile's activations while those lie in L1 */
    AHEAD_Q = TILE * LANES / GROUPS, /* bytes of the next tile fetched with each vector */
    TILES = 16,                      /* tiles of tokens that share an opened chunk */
    AHEAD_L2 = 20 << 10, /* how far ahead codes are fetched to L2 and L1: found by measuring */
    AHEAD_L1 = 4 << 10
};

typedef struct matrix {
    spans span;
    uint64_t vectors;     /* of a span */
    uint64_t scale_bytes; /* of a group, in front of its codes */
    uint64_t group_bytes;
    int f16; /* block scales are binary16 */
} matrix;

static matrix matrix_of(const bnt_ternary_shape *shape) {
    matrix m = {.span = spans_of(shape->cols, shape->block)};
    m.f16 = shape->scale_type == BNT_TYPE_F16;
    m.vectors = m.span.padded / LANES;
    if (shape->block)
        m.scale_bytes = (m.span.count * LANES * (m.f16 ? 2 : 4) + VECTOR - 1) & ~(VECTOR - 1ull);
    m.group_bytes = m.scale_bytes + m.span.count * m.vectors * VECTOR;
    return m;
}

#if !defined(AVX2_VNNI) /* packing multiplies nothing: once is enough */

int32_t ternary_layout(const bnt_ternary_shape *shape, bnt_layout *out) {
    if (shape->scale_type != BNT_TYPE_F32 && shape->scale_type != BNT_TYPE_F16)
        return BNT_NOT_SUPPORTED;
    if (shape->rows > UINT64_MAX - LANES) return BNT_NOT_SUPPORTED;
    uint64_t groups = shape->rows / LANES + (shape->rows % LANES != 0);
    if (!spans_supported(shape->cols, shape->block, groups * LANES)) return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){
        .bytes = groups * matrix_of(shape).group_bytes, .align = VECTOR, .step = GROUPS * LANES};
    return BNT_SUPPORTED;
}

/* Sixteen weights to the 32 bits of their lane: code j of each byte moves up by 2j. */
INLINE uint32_t close16(__m128i w) {
    __m128i codes = _mm_add_epi8(w, _mm_set1_epi8(1));
    codes = _mm_sllv_epi32(codes, _mm_setr_epi32(0, 2, 4, 6));
    codes = _mm_or_si128(codes, _mm_srli_si128(codes, 8));
    codes = _mm_or_si128(codes, _mm_srli_si128(codes, 4));
    return (uint32_t)_mm_cvtsi128_si32(codes);
}

INLINE __m128i open16(uint32_t lane) {
    __m128i codes = _mm_srlv_epi32(_mm_set1_epi32((int)lane), _mm_setr_epi32(0, 2, 4, 6));
    return _mm_sub_epi8(_mm_and_si128(codes, _mm_set1_epi8(3)), _mm_set1_epi8(1));
}

static void pack_span(const int8_t *w, uint64_t width, uint8_t *codes) {
    uint64_t i = 0;
    for (; i + LANES <= width; i += LANES, codes += VECTOR) {
        uint32_t lane = close16(_mm_loadu_si128((const __m128i *)(const void *)(w + i)));
        memcpy(codes, &lane, sizeof lane);
    }
    if (i < width) {
        int8_t last[LANES] = {0};
        memcpy(last, w + i, width - i);
        uint32_t lane = close16(_mm_loadu_si128((const __m128i *)(const void *)last));
        memcpy(codes, &lane, sizeof lane);
    }
}

static void unpack_span(const uint8_t *codes, uint64_t width, int8_t *w) {
    for (uint64_t i = 0; i < width; i += LANES, codes += VECTOR) {
        int8_t some[LANES];
        uint32_t lane;
        memcpy(&lane, codes, sizeof lane);
        _mm_storeu_si128((__m128i *)(void *)some, open16(lane));
        memcpy(w + i, some, width - i < LANES ? width - i : LANES);
    }
}

void ternary_pack(const bnt_ternary_pack_args *a) {
    matrix m = matrix_of(&a->shape);
    const int8_t *w = a->trits;
    const float *scale = a->scales;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        uint8_t *group = (uint8_t *)a->packed + r / LANES * m.group_bytes;
        uint8_t *codes = group + m.scale_bytes + r % LANES * 4;
        for (uint64_t b = 0; b < m.span.count; b++, w += m.span.width) {
            uint64_t at = b * LANES + r % LANES;
            pack_span(w, m.span.width, codes + b * m.vectors * VECTOR);
            if (!a->shape.block) continue;
            if (m.f16)
                ((uint16_t *)(void *)group)[at] = bnt_f32_to_f16(*scale++);
            else
                ((float *)(void *)group)[at] = *scale++;
        }
    }
}

void ternary_unpack(const bnt_ternary_unpack_args *a) {
    matrix m = matrix_of(&a->shape);
    int8_t *w = a->trits;
    float *scale = a->scales;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *group = (const uint8_t *)a->packed + r / LANES * m.group_bytes;
        const uint8_t *codes = group + m.scale_bytes + r % LANES * 4;
        for (uint64_t b = 0; b < m.span.count; b++, w += m.span.width) {
            uint64_t at = b * LANES + r % LANES;
            unpack_span(codes + b * m.vectors * VECTOR, m.span.width, w);
            if (!a->shape.block) continue;
            if (m.f16)
                *scale++ = bnt_f16_to_f32(((const uint16_t *)(const void *)group)[at]);
            else
                *scale++ = ((const float *)(const void *)group)[at];
        }
    }
}

#endif

/* ---- byte products ------------------------------------------------------------------------ */

/* Adds u x q, u unsigned: four products to 32 bits, or two to 16. widen() makes 32 bits of either;
 * join_quarter() adds sums over codes that were left at four times their value. */
#if defined(AVX2_VNNI)
INLINE __m256i mac(__m256i acc, __m256i u, __m256i q) {
    return _mm256_dpbusd_avx_epi32(acc, u, q);
}
INLINE __m256i widen(__m256i acc) {
    return acc;
}
INLINE __m256i join_quarter(__m256i acc, __m256i by4) {
    return _mm256_add_epi32(acc, _mm256_srai_epi32(by4, 2));
}
#else
INLINE __m256i mac(__m256i acc, __m256i u, __m256i q) {
    acc = _mm256_add_epi16(acc, _mm256_maddubs_epi16(u, q));
    __asm__("" : "+x"(acc)); /* keeps compilers from making trees of the sums, which then spill */
    return acc;
}
INLINE __m256i widen(__m256i acc) {
    return _mm256_madd_epi16(acc, _mm256_set1_epi16(1));
}
INLINE __m256i join_quarter(__m256i acc, __m256i by4) {
    return _mm256_add_epi16(acc, _mm256_srai_epi16(by4, 2));
}
#endif

INLINE __m256i load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE __m256i broadcast4(const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm256_set1_epi32(four);
}

#include "panel.h"

/* ---- results ------------------------------------------------------------------------------ */

/* The sums of a tile on their way: d of the current span, y of the blocks before it. */
typedef struct sums {
    __m256i d[TILE][2];
    __m256 y[TILE][2];
} sums;

/* A product's constant parts. */
typedef struct job {
    const bnt_ternary_gemm_args *a;
    matrix m;
    act_view v;
} job;

INLINE void begin_span(const unsigned n, sums *s) {
    UNROLL(6)
    for (unsigned t = 0; t < n; t++) s->d[t][0] = s->d[t][1] = _mm256_setzero_si256();
}

/* Span b of group `group` is complete: its d, n tokens from `token`, goes to y. */
INLINE void finish_span(const job *j, const uint8_t *group, uint64_t b, uint64_t token,
                        const unsigned n, sums *s) {
    const int blocks = j->a->shape.block != 0;
    __m256 w[2] = {_mm256_set1_ps(j->a->scale), _mm256_set1_ps(j->a->scale)};
    if (blocks && j->m.f16) {
        w[0] = load_f16(group + b * LANES * 2);
        w[1] = load_f16(group + b * LANES * 2 + HALF * 2);
    } else if (blocks) {
        w[0] = _mm256_loadu_ps((const float *)(const void *)(group + b * LANES * 4));
        w[1] = _mm256_loadu_ps((const float *)(const void *)(group + b * LANES * 4) + HALF);
    }
    UNROLL(6)
    for (unsigned t = 0; t < n; t++) {
        uint64_t at = (token + t) * j->v.span.count + b;
        __m256i sum = _mm256_set1_epi32(j->v.sum[at]);
        __m256 act = _mm256_set1_ps(j->v.a[at]);
        UNROLL(2)
        for (unsigned h = 0; h < 2; h++) {
            __m256 d = _mm256_cvtepi32_ps(_mm256_sub_epi32(s->d[t][h], sum));
            __m256 both = _mm256_mul_ps(w[h], act);
            s->y[t][h] = blocks ? _mm256_fmadd_ps(d, both, s->y[t][h]) : _mm256_mul_ps(d, both);
        }
    }
}

/* Lanes of y that are rows of the slice, to the tokens of it. */
INLINE void store_rows(const job *j, uint64_t g, uint64_t token, const unsigned n, const sums *s) {
    const bnt_ternary_gemm_args *a = j->a;
    for (unsigned h = 0; h < 2; h++) {
        uint64_t first = g * LANES + h * HALF;
        if (first >= a->row_hi) return;
        int all = first >= a->row_lo && first + HALF <= a->row_hi;
        __m256i rows = _mm256_andnot_si256(first8(a->row_lo > first ? a->row_lo - first : 0),
                                           first8(a->row_hi - first));
        for (unsigned t = 0; t < n; t++) {
            float *y = a->y + (token + t) * a->ldy + first;
            int within = token + t >= a->tok_lo && token + t < a->tok_hi;
            if (within && all)
                _mm256_storeu_ps(y, s->y[t][h]);
            else if (within)
                _mm256_maskstore_ps(y, rows, s->y[t][h]);
        }
    }
}

/* ---- few tokens: the codes are a stream --------------------------------------------------- */

enum { BURST = 8 }; /* vectors until a 16-bit sum of 4 x codes is full: 2 x 8 x 2032 = 32512 */

/*
 * Sums of (w + 1) q over one span, one or two tokens. A shift by four and two masks open a vector:
 * codes of odd j stay at four times their value, in accumulators of their own, joined when a burst
 * ends.
 */
INLINE void stream_few(const uint8_t *codes, uint64_t vectors, const int8_t *q, const unsigned n,
                       sums *s) {
    const __m256i by1 = _mm256_set1_epi8(3), by4 = _mm256_set1_epi8(12);
    __m256i d[FEW][2];
    UNROLL(2)
    for (unsigned t = 0; t < n; t++) d[t][0] = d[t][1] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < vectors;) {
        uint64_t end = vectors - i < BURST ? vectors : i + BURST;
        __m256i acc[FEW][2], acc4[FEW][2];
        UNROLL(2)
        for (unsigned t = 0; t < n; t++)
            acc[t][0] = acc[t][1] = acc4[t][0] = acc4[t][1] = _mm256_setzero_si256();
        for (; i < end; i++, codes += VECTOR, q += 16 * n) {
            _mm_prefetch((const char *)codes + AHEAD_L2, _MM_HINT_T1);
            _mm_prefetch((const char *)codes + AHEAD_L1, _MM_HINT_T0);
            UNROLL(2)
            for (unsigned h = 0; h < 2; h++) {
                __m256i low = load(codes + 32 * h), high = _mm256_srli_epi16(low, 4);
                __m256i u[4] = {_mm256_and_si256(low, by1), _mm256_and_si256(low, by4),
                                _mm256_and_si256(high, by1), _mm256_and_si256(high, by4)};
                UNROLL(2)
                for (unsigned t = 0; t < n; t++) {
                    acc[t][h] = mac(acc[t][h], u[0], broadcast4(q + 4 * t));
                    acc4[t][h] = mac(acc4[t][h], u[1], broadcast4(q + 4 * (n + t)));
                    acc[t][h] = mac(acc[t][h], u[2], broadcast4(q + 4 * (2 * n + t)));
                    acc4[t][h] = mac(acc4[t][h], u[3], broadcast4(q + 4 * (3 * n + t)));
                }
            }
        }
        UNROLL(2)
        for (unsigned t = 0; t < n; t++) {
            UNROLL(2)
            for (unsigned h = 0; h < 2; h++)
                d[t][h] = _mm256_add_epi32(d[t][h], widen(join_quarter(acc[t][h], acc4[t][h])));
        }
    }
    UNROLL(2)
    for (unsigned t = 0; t < n; t++) s->d[t][0] = d[t][0], s->d[t][1] = d[t][1];
}

/* The same for three to six tokens. */
INLINE void stream_many(const uint8_t *codes, uint64_t vectors, const int8_t *q, const unsigned n,
                        sums *s) {
    begin_span(n, s);
    for (uint64_t i = 0; i < vectors; i += PIECE)
        stream_sums(codes + i * VECTOR, vectors - i < PIECE ? vectors - i : PIECE,
                    q + i * LANES * n, n, s->d);
}

/* Group g of rows x the n tokens of a tile. */
INLINE void stream_tile(const job *j, uint64_t g, uint64_t tile, const unsigned n) {
    const uint8_t *group = (const uint8_t *)j->a->packed + g * j->m.group_bytes;
    const uint8_t *codes = group + j->m.scale_bytes;
    const int8_t *q = tile_values(&j->v, tile);
    sums s;
    UNROLL(6)
    for (unsigned t = 0; t < n; t++) s.y[t][0] = s.y[t][1] = _mm256_setzero_ps();
    for (uint64_t b = 0; b < j->m.span.count; b++) {
        if (j->a->shape.block) /* the stream of codes does not run over the scales */
            _mm_prefetch((const char *)group + b * LANES * 4 + j->m.group_bytes, _MM_HINT_T1);
        if (n <= FEW)
            stream_few(codes, j->m.vectors, q, n, &s);
        else
            stream_many(codes, j->m.vectors, q, n, &s);
        finish_span(j, group, b, tile * TILE, n, &s);
        codes += j->m.vectors * VECTOR;
        q += j->m.span.padded * n;
    }
    store_rows(j, g, tile * TILE, n, &s);
}

/* Functions of their own, so that compilers have few values to find registers for. */
#define STREAM(n)                                                                                  \
    static __attribute__((noinline)) void stream_##n(const job *j, uint64_t g, uint64_t tile) {    \
        stream_tile(j, g, tile, n);                                                                \
    }
STREAM(1)
STREAM(2)
STREAM(3)
STREAM(4)
STREAM(5)
STREAM(6)
#undef STREAM

/* Group g of rows x tiles [lo, hi). */
static void stream_group(const job *j, uint64_t g, uint64_t lo, uint64_t hi) {
    static void (*const stream[])(const job *, uint64_t, uint64_t) = {
        NULL, stream_1, stream_2, stream_3, stream_4, stream_5, stream_6};
    for (uint64_t tile = lo; tile < hi; tile++) stream[tile_tokens(&j->v, tile)](j, g, tile);
}

/* ---- more tokens: codes are opened to bytes, in L1, for many tiles ------------------------- */

/* Vectors of codes to bytes w + 1, [vector][j][16 rows][4]. */
static void open_codes(const uint8_t *codes, uint64_t vectors, uint8_t *bytes) {
    const __m256i mask = _mm256_set1_epi8(3);
    for (uint64_t i = 0; i < vectors; i++, codes += VECTOR, bytes += 4 * VECTOR) {
        _mm_prefetch((const char *)codes + PIECE * VECTOR, _MM_HINT_T0);
        __m256i w[2] = {load(codes), load(codes + 32)};
        UNROLL(4)
        for (unsigned k = 0; k < 4; k++) {
            UNROLL(2)
            for (unsigned h = 0; h < 2; h++) {
                __m256i u = _mm256_and_si256(_mm256_srli_epi16(w[h], (int)(2 * k)), mask);
                _mm256_store_si256((__m256i *)(void *)(bytes + (2 * k + h) * 32), u);
            }
        }
    }
}

/* A piece of a span: vectors [at, at + vectors) of the row, opened in `bytes` for each group. */
typedef struct piece {
    uint64_t at, vectors, span;
    int first, last; /* of its span */
    const uint8_t *bytes;
} piece;

/* One group of a piece x the n tokens of a tile. */
INLINE void piece_tile(const job *j, const piece *p, uint64_t g, unsigned k, uint64_t tile,
                       const unsigned n, sums *s) {
    const int8_t *q = tile_values(&j->v, tile) + p->at * LANES * n;
    const int8_t *next = q + TILE * j->v.span.padded * j->v.span.count + k * p->vectors * AHEAD_Q;
    const uint8_t *bytes = p->bytes + k * (PIECE * 4 * VECTOR);
    if (p->first) begin_span(n, s);
    tile_sums(bytes, p->vectors, q, next, n, s->d);
    if (p->last) {
        const uint8_t *group = (const uint8_t *)j->a->packed + (g + k) * j->m.group_bytes;
        finish_span(j, group, p->span, tile * TILE, n, s);
    }
}

static void piece_full_tile(const job *j, const piece *p, uint64_t g, unsigned k, uint64_t tile,
                            sums *s) {
    piece_tile(j, p, g, k, tile, TILE, s);
}

static void piece_last_tile(const job *j, const piece *p, uint64_t g, unsigned k, uint64_t tile,
                            sums *s) {
    switch (tile_tokens(&j->v, tile)) {
    case 1: piece_tile(j, p, g, k, tile, 1, s); break;
    case 2: piece_tile(j, p, g, k, tile, 2, s); break;
    case 3: piece_tile(j, p, g, k, tile, 3, s); break;
    case 4: piece_tile(j, p, g, k, tile, 4, s); break;
    default: piece_tile(j, p, g, k, tile, 5, s); break;
    }
}

/* Groups [g, g + ng) of rows x tiles [lo, hi), at most TILES of them. */
static void panel(const job *j, uint64_t g, unsigned ng, uint64_t lo, uint64_t hi) {
    const uint8_t *codes = (const uint8_t *)j->a->packed + g * j->m.group_bytes + j->m.scale_bytes;
    uint64_t all = j->m.span.count * j->m.vectors;
    uint8_t bytes[GROUPS * PIECE * 4 * VECTOR] __attribute__((aligned(64)));
    sums s[TILES][GROUPS];
    if (j->a->shape.block) memset(s, 0, (hi - lo) * sizeof *s);
    piece p = {.bytes = bytes};
    for (; p.at < all; p.at += p.vectors) {
        uint64_t within = p.at % j->m.vectors, left = j->m.vectors - within;
        p.vectors = left < PIECE ? left : PIECE;
        p.span = p.at / j->m.vectors;
        p.first = within == 0;
        p.last = p.vectors == left;
        for (unsigned k = 0; k < ng; k++)
            open_codes(codes + k * j->m.group_bytes + p.at * VECTOR, p.vectors,
                       bytes + k * (PIECE * 4 * VECTOR));
        for (uint64_t tile = lo; tile < hi; tile++) {
            for (unsigned k = 0; k < ng; k++) {
                if (tile_tokens(&j->v, tile) == TILE)
                    piece_full_tile(j, &p, g, k, tile, &s[tile - lo][k]);
                else
                    piece_last_tile(j, &p, g, k, tile, &s[tile - lo][k]);
            }
        }
    }
    for (uint64_t tile = lo; tile < hi; tile++)
        for (unsigned k = 0; k < ng; k++)
            store_rows(j, g + k, tile * TILE, tile_tokens(&j->v, tile), &s[tile - lo][k]);
}

void KERNEL(ternary_gemm)(const bnt_ternary_gemm_args *a) {
    if (a->row_lo >= a->row_hi || a->tok_lo >= a->tok_hi) return;
    job j = {a, matrix_of(&a->shape), act_view_of(&a->act_shape, a->acts)};
    uint64_t lo = a->tok_lo / TILE, hi = (a->tok_hi + TILE - 1) / TILE;
    uint64_t g = a->row_lo / LANES, rows = (a->row_hi + LANES - 1) / LANES;
    if (hi - lo <= STREAM_TILES) {
        for (; g < rows; g++) stream_group(&j, g, lo, hi);
        return;
    }
    for (; g < rows; g += GROUPS) {
        unsigned ng = (unsigned)(rows - g < GROUPS ? rows - g : GROUPS);
        for (uint64_t tile = lo; tile < hi; tile += TILES)
            panel(&j, g, ng, tile, hi - tile < TILES ? hi : tile + TILES);
    }
}
