/*
 * encode.h - the writing side of the tensor formats that tests make.
 *
 * Knows bit layouts, from the formats' published facts; shares no code with the engine or with
 * decode.h, so that an error here shows when either reads it. Must not know models.
 */
#ifndef TEST_ENCODE_H
#define TEST_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The ids of the file format. */
enum {
    T_F32 = 0,
    T_F16 = 1,
    T_Q4_0 = 2,
    T_Q4_1 = 3,
    T_Q5_0 = 6,
    T_Q5_1 = 7,
    T_Q8_0 = 8,
    T_Q2_K = 10,
    T_Q3_K = 11,
    T_Q4_K = 12,
    T_Q5_K = 13,
    T_Q6_K = 14,
    T_IQ4_NL = 20,
    T_IQ4_XS = 23,
    T_BF16 = 30,
    T_TQ1_0 = 34,
    T_TQ2_0 = 35,
    T_I2_S = 36,
    T_Q1_0 = 41,
    T_Q2_0 = 42, /* blocks of 64 */
    T_IQ1_BN = 134,
    T_IQ2_BN = 135,
    T_PQ2_0 = 142,
    T_PTQ1_0 = 143,
    /* Blocks of 128 have id 42 in a file too; here they have the id that the reader gives them. */
    T_Q2_0_128 = 0x1002a,
};

uint32_t enc_file_id(uint32_t type); /* what stands in the file */
const char *enc_type_name(uint32_t type);
bool enc_type_by_name(const char *name, uint32_t *type);
bool enc_is_ternary(uint32_t type);
uint32_t enc_block(uint32_t type);                    /* elements; I2_S: 128 */
uint64_t enc_bytes(uint32_t type, uint64_t elements); /* of a tensor; 0 if it does not divide */
/* Types with a scale a row have it before the row's blocks, in bytes that enc_bytes leaves out. */
uint64_t enc_row_bytes(uint32_t type);
uint64_t enc_tensor_bytes(uint32_t type, uint64_t rows, uint64_t cols);
uint64_t enc_span(uint32_t type, uint64_t cols); /* weights that share a scale; not of I2_S */

/* Round to nearest even. */
uint16_t enc_f16(float x);
uint16_t enc_bf16(float x);
float enc_f16_value(float x); /* x rounded to binary16 */

/* n values (a multiple of the block) of a dense type. */
void enc_dense(uint32_t type, const float *x, size_t n, uint8_t *out);
/* n trits, a multiple of 256; one scale per 256. */
void enc_tq1_0(const int8_t *trits, const float *scales, size_t n, uint8_t *out);
void enc_tq2_0(const int8_t *trits, const float *scales, size_t n, uint8_t *out);
/* n trits, a multiple of block (64 or 128); one scale per block. */
void enc_q2_0(const int8_t *trits, const float *scales, size_t block, size_t n, uint8_t *out);
/* Any ternary type but I2_S, [rows][cols]; one scale per enc_span weights. Q1_0 has no zeros: there
 * a trit 0 counts as -1. */
void enc_ternary(uint32_t type, const int8_t *trits, const float *scales, size_t rows, size_t cols,
                 uint8_t *out);
/* n trits, a multiple of 128: the codes only, in layout A, the one that published files have. The
 * tensor ends with enc_i2_s_tail. */
void enc_i2_s(const int8_t *trits, size_t n, uint8_t *out);
/* The same in layout 'a', 'b' (rows a multiple of 4) or 'c': docs/FORMATS.md. */
void enc_i2_s_layout(char layout, const int8_t *trits, size_t rows, size_t cols, uint8_t *out);
#define ENC_I2_S_TAIL 32
void enc_i2_s_tail(float scale, uint8_t out[ENC_I2_S_TAIL]);

#endif
