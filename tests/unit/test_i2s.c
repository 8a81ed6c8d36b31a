/*
 * test_i2s.c - the three layouts of I2_S: each is decoded to what an independent encoder wrote.
 */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "file/i2s.h"
#include "rng.h"
#include "suite.h"

/* Every element of every slice of rows, for shapes that split groups over rows, too. */
START_TEST(decodes_all_layouts) {
    static const struct {
        size_t rows, cols;
    } shapes[] = {{4, 128}, {8, 96}, {128, 3}, {8, 640}, {64, 34}, {12, 32}, {4, 2560}};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++) {
        for (char layout = 'a'; layout <= 'c'; layout++) {
            size_t rows = shapes[k].rows, cols = shapes[k].cols, n = rows * cols;
            struct rng r = rng_stream(k, (uint64_t)layout);
            int8_t *trits = malloc(n), *out = malloc(n + 1);
            uint8_t *bytes = malloc(n / 4);
            for (size_t i = 0; i < n; i++) trits[i] = (int8_t)((int)rng_below(&r, 3) - 1);
            enc_i2_s_layout(layout, trits, rows, cols, bytes);
            struct bnt_ternary_src src = {.type = T_I2_S,
                                          .rows = rows,
                                          .cols = cols,
                                          .data = bytes,
                                          .layout = (enum bnt_i2s_layout)(layout - 'a')};
            for (size_t lo = 0; lo < rows; lo++) {
                for (size_t hi = lo; hi <= rows; hi += 1 + hi / 3) {
                    out[(hi - lo) * cols] = 99;
                    bnt_ternary_decode(&src, lo, hi, out, NULL);
                    ck_assert_msg(memcmp(out, trits + lo * cols, (hi - lo) * cols) == 0,
                                  "layout %c, %zu x %zu, rows %zu to %zu", layout, rows, cols, lo,
                                  hi);
                    ck_assert_int_eq(out[(hi - lo) * cols], 99);
                }
            }
            free(trits);
            free(out);
            free(bytes);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("i2s");
    TCase *tc = tcase_create("i2s");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, decodes_all_layouts);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
