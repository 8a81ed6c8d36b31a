/*
 * types.h - the tensor types of GGUF files: the one table of names, sizes and readers.
 *
 * A row says how large a type's blocks are, which half of the program computes with it (dense or
 * ternary slots), how a block is read, or, for a type that is only known by name, what its owner
 * can do instead. Must not know models. Layouts and who wrote them: docs/FORMATS.md.
 */
#ifndef BNT_FILE_TYPES_H
#define BNT_FILE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

/* Ids of the file format that the program's code mentions; the table has all that are known, those
 * of dense types from the list in bitnet/dense.h, which has their readers.
 *
 * Programs gave some ids to several layouts. The one we call by the file's id has it here, too; any
 * other is that id plus a multiple of 65536, which no file may hold (gguf_variants.c). */
enum bnt_tensor_type {
    BNT_F32 = 0,
    BNT_F16 = 1,
    BNT_BF16 = 30,
    BNT_TQ1_0 = 34,
    BNT_TQ2_0 = 35,
    BNT_I2_S = 36,
    BNT_Q2_0 = 42, /* blocks of 64 */
    BNT_Q2_0_128 = 0x10000 + 42,
};

/* The id that a file holds for a type. */
#define BNT_FILE_ID(id) ((id)&0xffffu)

enum bnt_type_kind {
    BNT_KIND_UNKNOWN,     /* not in our table: size unknown */
    BNT_KIND_DENSE,       /* computed with by the dense slots */
    BNT_KIND_TERNARY,     /* computed with by the ternary slots */
    BNT_KIND_UNSUPPORTED, /* size known or not, but we do not compute with it */
};

/* Reads n blocks of a ternary type: trits[n * block] and, for a type with a scale in each block and
 * where scales is not NULL, scales[n], both canonical (docs/FORMATS.md). False when one of them
 * holds a code that no valid file has. */
typedef bool bnt_trits_fn(const uint8_t *blocks, uint64_t n, int8_t *trits, float *scales);

struct bnt_type_info {
    uint32_t id;
    const char *name;
    enum bnt_type_kind kind;
    uint32_t block;       /* elements per block; a row is a whole number of blocks */
    uint32_t block_bytes; /* 0: size unknown */
    uint32_t row_bytes;   /* before each row's blocks: the row's scale, 2 (F16) or 4 (F32) bytes */
    uint32_t tail_bytes;  /* once per tensor after the blocks (I2_S) */
    bnt_trits_fn *trits;  /* ternary, but I2_S (i2s.h) */
    const char *instead;  /* unsupported: what to do, as the end of a sentence */
};

/* Never NULL: unknown ids give kind UNKNOWN. */
const struct bnt_type_info *bnt_type(uint32_t id);

/* Rows of the table, in the order of docs/FORMATS.md; NULL past the last. */
const struct bnt_type_info *bnt_type_at(uint32_t i);

/* Bytes of a tensor; false when the size is unknown, not whole blocks, or overflows. For I2_S the
 * group of 128 runs over the whole tensor, for all others blocks lie inside a row. */
bool bnt_type_bytes(uint32_t id, uint64_t row_len, uint64_t elements, uint64_t *bytes);

#endif
