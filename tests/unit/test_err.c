/* test_err.c - what becomes of a message that is too long, or has control characters. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "suite.h"

START_TEST(whole_or_cut) {
    struct bnt_err err;
    char text[2 * sizeof err.text];
    for (size_t len = sizeof err.text - 8; len < sizeof err.text + 8; len++) {
        memset(text, 'x', len);
        text[len] = '\0';
        ck_assert_int_eq(bnt_fail(&err, BNT_E_IO, "%s", text), BNT_E_IO);
        if (len < sizeof err.text) {
            ck_assert_str_eq(err.text, text);
        } else {
            ck_assert_uint_lt(strlen(err.text), sizeof err.text);
            ck_assert_str_eq(err.text + strlen(err.text) - 4, "x...");
        }
    }
}
END_TEST

/* Wherever the cut falls among characters of three bytes, what is left is whole ones. */
START_TEST(cut_between_characters) {
    struct bnt_err err;
    char text[3 * sizeof err.text];
    for (size_t shift = 0; shift < 3; shift++) {
        size_t n = shift;
        memset(text, 'a', shift);
        for (; n + 4 < sizeof text; n += 3) memcpy(text + n, "\xe2\x82\xac", 3);
        text[n] = '\0';
        bnt_fail(&err, BNT_E_IO, "%s", text);
        const size_t len = strlen(err.text);
        ck_assert_str_eq(err.text + len - 3, "...");
        ck_assert_uint_eq((len - 3 - shift) % 3, 0);
        ck_assert_uint_gt(len, sizeof err.text - 8);
    }
}
END_TEST

int main(void) {
    Suite *s = suite_create("err");
    TCase *c = tcase_create("all");
    tcase_add_test(c, whole_or_cut);
    tcase_add_test(c, cut_between_characters);
    suite_add_tcase(s, c);
    return run_suite(s);
}
