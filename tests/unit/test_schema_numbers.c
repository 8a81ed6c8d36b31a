/*
 * test_schema_numbers.c - the numbers between two bounds as a grammar, against arithmetic.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "machine.h"
#include "rng.h"
#include "suite.h"

static struct bnt_machine *number_machine(struct bnt_grammar **g, const char *low, bool low_out,
                                          const char *high, bool high_out, bool integer) {
    struct bnt_machine *m;
    ck_assert(bnt_grammar_open(g, NULL) == BNT_OK);
    bnt_expr e = bnt_json_number(*g, false, (struct bnt_bound){low, low_out},
                                 (struct bnt_bound){high, high_out}, integer);
    if (bnt_grammar_finish(*g, e, NULL) != BNT_OK) return NULL;
    ck_assert(bnt_machine_open(&m, *g, NULL) == BNT_OK);
    return m;
}

/* Thousandths, so that arithmetic is exact. */
static void as_text(int64_t thousandths, char out[32]) {
    int64_t a = thousandths < 0 ? -thousandths : thousandths;
    int n = sprintf(out, "%s%d.%03d", thousandths < 0 ? "-" : "", (int)(a / 1000), (int)(a % 1000));
    while (out[n - 1] == '0') out[--n] = '\0';
    if (out[n - 1] == '.') out[--n] = '\0';
}

START_TEST(numbers_keep_their_bounds) {
    struct rng r = rng_stream(7, 3);
    unsigned inside = 0;
    for (unsigned round = 0; round < 400; round++) {
        uint32_t size = round % 4 == 0 ? 20 : round % 4 == 1 ? 3000 : 200000;
        int64_t bounds[2];
        char text[2][32];
        bool given[2], out[2], integer = round & 1;
        for (unsigned b = 0; b < 2; b++) {
            bounds[b] = (int64_t)rng_below(&r, 2 * size) - size;
            given[b] = rng_below(&r, 4) != 0;
            out[b] = rng_below(&r, 2);
            as_text(bounds[b], text[b]);
        }
        given[0] |= !given[1];
        struct bnt_grammar *g;
        struct bnt_machine *m = number_machine(&g, given[0] ? text[0] : NULL, out[0],
                                               given[1] ? text[1] : NULL, out[1], integer);
        for (unsigned k = 0; k < 300; k++) {
            int64_t x = (int64_t)rng_below(&r, 2 * size) - size;
            if (k < 6) x = bounds[k & 1] + (int64_t)(k / 2) - 1;
            if (integer && k & 1) x -= x % 1000;
            char number[40];
            as_text(x, number);
            bool wanted = (!given[0] || x > bounds[0] || (x == bounds[0] && !out[0])) &&
                          (!given[1] || x < bounds[1] || (x == bounds[1] && !out[1])) &&
                          (!integer || x % 1000 == 0);
            bool got = false;
            if (!integer && k % 3 == 0) strcat(number, strchr(number, '.') ? "0" : ".00");
            if (m) {
                bnt_state s = bnt_machine_start(m);
                for (char *p = number; *p && s; p++) s = bnt_machine_step(m, s, (uint8_t)*p);
                got = bnt_machine_accepts(m, s);
            }
            inside += wanted;
            ck_assert_msg(got == wanted, "%s in %s%s, %s%s (%d)", number,
                          given[0] ? text[0] : "any", out[0] ? " out" : "",
                          given[1] ? text[1] : "any", out[1] ? " out" : "", integer);
        }
        bnt_machine_close(m);
        bnt_grammar_close(g);
    }
    ck_assert_uint_gt(inside, 1000);
}
END_TEST

/* As JavaScript writes them, and Python. */
START_TEST(numbers_have_their_text) {
    static const struct {
        double value;
        const char *text, *plain, *repr;
    } cases[] = {
        {0, "0", "0", "0.0"},
        {1, "1", "1", "1.0"},
        {-1.5, "-1.5", "-1.5", "-1.5"},
        {0.1, "0.1", "0.1", "0.1"},
        {100, "100", "100", "100.0"},
        {123456.789, "123456.789", "123456.789", "123456.789"},
        {1e21, "1e+21", "1000000000000000000000", "1e+21"},
        {1.5e20, "150000000000000000000", "150000000000000000000", "1.5e+20"},
        {1e-6, "0.000001", "0.000001", "1e-06"},
        {1.25e-7, "1.25e-7", "0.000000125", "1.25e-07"},
        {5e-324, "5e-324", NULL, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308", NULL, "1.7976931348623157e+308"},
        {-0.0, "0", "0", "-0.0"},
        {1e15, "1000000000000000", NULL, "1000000000000000.0"},
        {1e16, "10000000000000000", NULL, "1e+16"},
        {0.0001, "0.0001", NULL, "0.0001"},
        {0.00001, "0.00001", NULL, "1e-05"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[BNT_NUMBER_TEXT];
        json_t *number = json_real(cases[i].value);
        bnt_json_number_text(number, text, false);
        ck_assert_str_eq(text, cases[i].text);
        bnt_json_number_text(number, text, true);
        if (cases[i].plain) ck_assert_str_eq(text, cases[i].plain);
        bnt_json_real_repr(number, text);
        ck_assert_str_eq(text, cases[i].repr);
        json_decref(number);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schema numbers");
    TCase *tc = tcase_create("schema numbers");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, numbers_keep_their_bounds);
    tcase_add_test(tc, numbers_have_their_text);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
