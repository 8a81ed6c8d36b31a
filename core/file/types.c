/*
 * types.c - the table of types.h: every tensor type id that ggml, bitnet.cpp, ik_llama.cpp or
 * PrismML's fork has given out, computed with or only known by name.
 */
#include "file/types.h"

#include <stddef.h>

#include "base/checked.h"
#include "bitnet/dense.h"
#include "file/trits.h"

/* What to do about a type that we do not compute with. */
#define QUANTIZE                                                                                   \
    "quantize the model again, to TQ2_0 if its weights are ternary, else to Q4_K or another type " \
    "that docs/FORMATS.md lists"
#define REPACKED "use the file that was repacked for one kind of machine, not the repacked one"
#define REMOVED "its own program has given it up; quantize the model again"
#define NO_WEIGHTS "weights are not stored in it; the file is damaged, or no language model"
#define GENERATED "it is tied to kernels generated for one model; use the model's I2_S file instead"

#define DENSE(name, id, block, bytes, at, at2, reader)                                             \
    {id, #name, BNT_KIND_DENSE, block, bytes, 0, 0, NULL, NULL},
#define TERNARY(id, name, block, bytes, row, trits)                                                \
    { id, name, BNT_KIND_TERNARY, block, bytes, row, 0, trits, NULL }
#define NAME_ONLY(id, name, instead)                                                               \
    { id, name, BNT_KIND_UNSUPPORTED, 1, 0, 0, 0, NULL, instead }
/* One whose size is known: of two layouts under one id it can be told from the other. */
#define SIZED(id, name, block, bytes, row, instead)                                                \
    { id, name, BNT_KIND_UNSUPPORTED, block, bytes, row, 0, NULL, instead }
/* The n-th further layout under one id. */
#define VARIANT(n, id) (0x10000 * (n) + (id))

static const struct bnt_type_info table[] = {
    BNT_DENSE_TYPES(DENSE)

        TERNARY(BNT_TQ1_0, "TQ1_0", 256, 54, 0, bnt_trits_tq1_0),
    TERNARY(BNT_TQ2_0, "TQ2_0", 256, 66, 0, bnt_trits_tq2_0),
    {BNT_I2_S, "I2_S", BNT_KIND_TERNARY, 128, 32, 0, 32, NULL, NULL},
    TERNARY(41, "Q1_0", 128, 18, 0, bnt_trits_q1_0),
    TERNARY(BNT_Q2_0, "Q2_0", 64, 18, 0, bnt_trits_q2_0),
    TERNARY(BNT_Q2_0_128, "Q2_0/128", 128, 34, 0, bnt_trits_q2_0_128),
    TERNARY(134, "IQ1_BN", 64, 13, 2, bnt_trits_iq1_bn),
    TERNARY(135, "IQ2_BN", 64, 16, 4, bnt_trits_iq2_bn),
    TERNARY(142, "PQ2_0", 128, 34, 0, bnt_trits_q2_0_128),
    TERNARY(143, "PTQ1_0", 128, 28, 0, bnt_trits_ptq1_0),

    /* Other layouts that were written under the ids above. */
    SIZED(VARIANT(1, 134), "IQ1_BN without row scales", 64, 13, 0,
          "an early ik_llama.cpp (2024) wrote it; quantize the model again"),
    SIZED(VARIANT(1, 135), "IQ2_BN without row scales", 64, 16, 0,
          "an early ik_llama.cpp (2024) wrote it; quantize the model again"),
    SIZED(VARIANT(1, 142), "IQ2_TN", 256, 66, 0, REMOVED ", to IQ2_BN or TQ2_0"),
    SIZED(VARIANT(1, 143), "IQ1_TN", 64, 13, 2, REMOVED ", to IQ1_BN or TQ1_0"),

    /* ggml, what is left of it */
    NAME_ONLY(4, "Q4_2", REMOVED),
    NAME_ONLY(5, "Q4_3", REMOVED),
    SIZED(9, "Q8_1", 32, 36, 0, NO_WEIGHTS),
    SIZED(15, "Q8_K", 256, 292, 0, NO_WEIGHTS),
    SIZED(16, "IQ2_XXS", 256, 66, 0, QUANTIZE),
    SIZED(17, "IQ2_XS", 256, 74, 0, QUANTIZE),
    SIZED(18, "IQ3_XXS", 256, 98, 0, QUANTIZE),
    SIZED(19, "IQ1_S", 256, 50, 0, QUANTIZE),
    SIZED(21, "IQ3_S", 256, 110, 0, QUANTIZE),
    SIZED(22, "IQ2_S", 256, 82, 0, QUANTIZE),
    SIZED(24, "I8", 1, 1, 0, NO_WEIGHTS),
    SIZED(25, "I16", 1, 2, 0, NO_WEIGHTS),
    SIZED(26, "I32", 1, 4, 0, NO_WEIGHTS),
    SIZED(27, "I64", 1, 8, 0, NO_WEIGHTS),
    SIZED(28, "F64", 1, 8, 0, "convert the model again, to F32 or F16"),
    SIZED(29, "IQ1_M", 256, 56, 0, QUANTIZE),
    NAME_ONLY(31, "Q4_0_4_4", REPACKED),
    NAME_ONLY(32, "Q4_0_4_8", REPACKED),
    NAME_ONLY(33, "Q4_0_8_8", REPACKED),

    /* bitnet.cpp, where ggml has since given the ids 37 to 39 to others */
    NAME_ONLY(37, "I8_S or IQ4_NL_4_8", NO_WEIGHTS),
    NAME_ONLY(38, "TL1", GENERATED),
    NAME_ONLY(39, "TL2 or MXFP4",
              "TL2 is tied to kernels generated for one model: use the model's I2_S file instead; "
              "of MXFP4, quantize the model again"),
    NAME_ONLY(40, "NVFP4", QUANTIZE),

    /* ik_llama.cpp */
    NAME_ONLY(97, "Q8_0_X4", NO_WEIGHTS),
    NAME_ONLY(98, "Q8_1_X4", NO_WEIGHTS),
    NAME_ONLY(99, "Q8_2_X4", NO_WEIGHTS),
    NAME_ONLY(133, "Q6_0", QUANTIZE),
    NAME_ONLY(136, "Q8_K64", NO_WEIGHTS),
    NAME_ONLY(137, "IQ2_K", QUANTIZE),
    NAME_ONLY(138, "IQ3_K", QUANTIZE),
    NAME_ONLY(139, "IQ4_K", QUANTIZE),
    NAME_ONLY(140, "IQ5_K", QUANTIZE),
    NAME_ONLY(141, "IQ6_K", QUANTIZE),
    NAME_ONLY(144, "IQ4_KS", QUANTIZE),
    NAME_ONLY(145, "IQ2_KS", QUANTIZE),
    NAME_ONLY(146, "IQ4_KSS", QUANTIZE),
    NAME_ONLY(147, "Q8_K16", NO_WEIGHTS),
    NAME_ONLY(148, "Q8_K32", NO_WEIGHTS),
    NAME_ONLY(149, "Q8_KR8", NO_WEIGHTS),
    NAME_ONLY(150, "Q8_K128", NO_WEIGHTS),
    NAME_ONLY(151, "Q8_KV", QUANTIZE),
    NAME_ONLY(152, "IQ5_KS", QUANTIZE),
    NAME_ONLY(153, "IQ2_KT", QUANTIZE),
    NAME_ONLY(154, "IQ3_KT", QUANTIZE),
    NAME_ONLY(155, "IQ4_KT", QUANTIZE),
    NAME_ONLY(156, "IQ3_KS", QUANTIZE),
    NAME_ONLY(157, "IQ2_KL", QUANTIZE),
    NAME_ONLY(158, "IQ1_KT", QUANTIZE),
    NAME_ONLY(159, "Q1_0_G128_R8", REPACKED),
    NAME_ONLY(160, "PQ2_0_R8", REPACKED),
    NAME_ONLY(161, "PTQ1_0_R8", REPACKED),
    NAME_ONLY(202, "Q4_0_R8", REPACKED),
    NAME_ONLY(206, "Q5_0_R4", REPACKED),
    NAME_ONLY(208, "Q8_0_R8", REPACKED),
    NAME_ONLY(210, "Q2_K_R4", REPACKED),
    NAME_ONLY(211, "Q3_K_R4", REPACKED),
    NAME_ONLY(212, "Q4_K_R4", REPACKED),
    NAME_ONLY(213, "Q5_K_R4", REPACKED),
    NAME_ONLY(214, "Q6_K_R4", REPACKED),
    NAME_ONLY(216, "IQ2_XXS_R4", REPACKED),
    NAME_ONLY(217, "IQ2_XS_R4", REPACKED),
    NAME_ONLY(218, "IQ3_XXS_R4", REPACKED),
    NAME_ONLY(219, "IQ1_S_R4", REPACKED),
    NAME_ONLY(220, "IQ4_NL_R4", REPACKED),
    NAME_ONLY(221, "IQ3_S_R4", REPACKED),
    NAME_ONLY(222, "IQ2_S_R4", REPACKED),
    NAME_ONLY(223, "IQ4_XS_R8", REPACKED),
    NAME_ONLY(229, "IQ1_M_R4", REPACKED),
    NAME_ONLY(230, "BF16_R16", REPACKED),
    NAME_ONLY(233, "Q6_0_R4", REPACKED),
    NAME_ONLY(335, "IQ2_BN_R4", REPACKED),
    NAME_ONLY(337, "IQ2_K_R4", REPACKED),
    NAME_ONLY(338, "IQ3_K_R4", REPACKED),
    NAME_ONLY(339, "IQ4_K_R4", REPACKED),
    NAME_ONLY(340, "IQ5_K_R4", REPACKED),
    NAME_ONLY(344, "IQ4_KS_R4", REPACKED),
    NAME_ONLY(345, "IQ4_KS_R16", REPACKED),
    NAME_ONLY(352, "IQ5_KS_R4", REPACKED),
    NAME_ONLY(353, "MXFP4_R8", REPACKED),
    NAME_ONLY(397, "Q8_K_R16", REPACKED),
    NAME_ONLY(398, "Q8_KV_R8", REPACKED),
    NAME_ONLY(399, "Q8_K_R8", REPACKED),
};

const struct bnt_type_info *bnt_type_at(uint32_t i) {
    return i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

const struct bnt_type_info *bnt_type(uint32_t id) {
    static const struct bnt_type_info unknown = {
        .id = UINT32_MAX,
        .name = "unknown",
        .block = 1,
        .instead = "a program newer than this one, or unknown to it, wrote it; " QUANTIZE};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].id == id) return &table[i];
    }
    return &unknown;
}

bool bnt_type_bytes(uint32_t id, uint64_t row_len, uint64_t elements, uint64_t *bytes) {
    const struct bnt_type_info *t = bnt_type(id);
    uint64_t whole = id == BNT_I2_S ? elements : row_len, rows = 0, blocks, scales;
    if (t->block_bytes == 0 || whole % t->block != 0) return false;
    if (t->row_bytes && row_len) rows = elements / row_len;
    return bnt_mul_u64(elements / t->block, t->block_bytes, &blocks) &&
           bnt_mul_u64(rows, t->row_bytes, &scales) && bnt_add_u64(blocks, scales, &blocks) &&
           bnt_add_u64(blocks, t->tail_bytes, bytes);
}
