/*
 * test_keys_windows.c - the keys of layers with a window, where there are such layers and where
 * there are none.
 */
#include <check.h>

#include "suite.h"
#include "test_keys.h"

/* What one architecture computes; by a file that other hands wrote. */
START_TEST(windows_arrive) {
    static const char *const names[] = {"gemma3.rope.freq_base_swa", "gemma3.rope.local_freq_base",
                                        "gemma3.rope.local.freq_base"};
    static const struct key patterns[] = {
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'u', .number = 2},
        {.name = "gemma3.attention.sliding_window_pattern",
         .type = 'B',
         .list = {1, 0},
         .count = 2},
    };
    static const struct key bad[] = {
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'f', .number = 2},
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'b', .number = 1},
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'B', .list = {1}, .count = 1},
        {.name = "gemma3.attention.sliding_window_pattern",
         .type = 'A',
         .list = {1, 0},
         .count = 2},
        {.name = "gemma3.attention.sliding_window", .type = 'f', .number = 512},
        {.name = "gemma3.attention.sliding_window", .type = 'A', .list = {8, 8}, .count = 2},
        {.name = "gemma3.rope.freq_base_swa", .type = 'u', .number = 10000},
    };
    for (size_t i = 0; i < 3; i++) {
        struct key key = {.name = names[i], .type = 'f', .number = 30000};
        struct opened o = accepted("gemma3", &key);
        ck_assert_uint_eq(o.m->hp.window, 64);
        ck_assert(o.m->hp.window_rope_base == 30000.0);
        ck_assert(o.m->hp.windowed[0] && o.m->hp.windowed[1]); /* of six, the last has none */
        forget(&o);
    }
    for (size_t i = 0; i < 2; i++) {
        struct opened o = accepted("gemma3", &patterns[i]);
        ck_assert(o.m->hp.windowed[0] && !o.m->hp.windowed[1]);
        forget(&o);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("gemma3", &bad[i], BNT_E_FORMAT);
    struct key yarn = {.name = "gemma3.rope.scaling.type", .type = 's', .text = "yarn"};
    refused("gemma3", &yarn, BNT_E_UNSUPPORTED);
    struct key longrope = {.name = "llama.rope.scaling.type", .type = 's', .text = "longrope"};
    refused("llama", &longrope, BNT_E_UNSUPPORTED);
}
END_TEST

/* Looked at where no layer has a window, too: then they change nothing, or nobody says how wide it
 * is. */
START_TEST(windows_that_are_not_there) {
    static const struct key right[] = {
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'u', .number = 2},
        {.name = "gemma3.rope.freq_base_swa", .type = 'f', .number = 30000},
        {.name = "gemma3.rope.local_freq_base", .type = 'f', .number = 30000},
    };
    static const struct key wrong[] = {
        {.name = "gemma3.attention.sliding_window_pattern", .type = 's', .text = "2"},
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'f', .number = 2},
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'b', .number = 1},
        {.name = "gemma3.attention.sliding_window_pattern", .type = 'B', .list = {1}, .count = 1},
        {.name = "gemma3.rope.freq_base_swa", .type = 'u', .number = 10000},
        {.name = "gemma3.rope.local.freq_base", .type = 'f', .number = 0.5},
    };
    static const double none[] = {-1, 0}; /* no key, and the key with 0 */
    for (size_t n = 0; n < 2; n++) {
        window = none[n];
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
            refused("gemma3", &wrong[i], wrong[i].number == 0.5 ? BNT_E_LIMIT : BNT_E_FORMAT);
        for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
            if (none[n] < 0) {
                refused("gemma3", &right[i], BNT_E_FORMAT);
                continue;
            }
            struct opened o = accepted("gemma3", &right[i]);
            ck_assert(!o.m->hp.window && !o.m->hp.windowed[0] && !o.m->hp.windowed[1]);
            forget(&o);
        }
    }
    struct opened o = accepted("gemma3", NULL);
    ck_assert(!o.m->hp.window && !o.m->hp.windowed[0]);
    forget(&o);
    window = 64;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("keys, windows");
    TCase *tc = tcase_create("windows");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, windows_arrive);
    tcase_add_test(tc, windows_that_are_not_there);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
