/*
 * test_backend.c - the loader against good, odd and hostile plugins (tests/plugins/).
 *
 * Each test has a folder of its own and copies into it the plugins it needs: dropping a file there
 * is all it takes for one to appear.
 */
#include "test_backend.h"
#include "suite.h"

#include <fenv.h>

#include "machine/cpu.h"
#include "machine/fpenv.h"
#include "plugin/choice.h"

/* Alone beside `good`: it is refused so, auto goes on to `good`, and asking for it is an error. */
static void expect_refused(const char *name, enum bnt_verdict verdict, const char *reason) {
    drop("good");
    drop(name);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect(name, verdict, reason);
    expect_chosen("good");
    ck_assert_int_eq(search(name, false), BNT_E_BACKEND);
    ck_assert_ptr_nonnull(table);
    ck_assert_ptr_null(bnt_backends_chosen(table));
    expect(name, verdict, reason);
    expect("good", BNT_VERDICT_NOT_TRIED, NULL);
    ck_assert_msg(strstr(err.text, name) && strstr(err.text, bnt_verdict_name(verdict)), "%s",
                  err.text);
    ck_assert_uint_eq(bnt_fpenv_deviation(), 0);
}

START_TEST(accepted) {
    drop("good");
    ck_assert_msg(search(NULL, false) == BNT_OK, "%s", err.text);
    expect("good", BNT_VERDICT_OK, NULL);
    expect_chosen("good");
    const struct bnt_backend *b = bnt_backends_chosen(table);
    ck_assert_str_eq(b->version, "1.2.3");
    ck_assert_str_eq(b->variant, "portable");
    ck_assert_str_eq(b->by_judge, "");
    ck_assert_str_eq(b->path, in_dir("good.so"));
    ck_assert_uint_eq(strlen(b->sha256), 64);
    ck_assert_uint_eq(b->abi_major, BNT_ABI_MAJOR);
    ck_assert_uint_eq(b->kernels.struct_size, sizeof b->kernels);
    ck_assert_str_eq(bnt_backends_dir(table), dir);
    ck_assert_str_eq(bnt_backends_note(table), "");
    expect("ref-scalar", BNT_VERDICT_OK, NULL);
    ck_assert(!row("ref-scalar")->chosen);
}
END_TEST

/* Of several kernel sets each is checked, the one that is asked for is taken, and else the quickest
 * for the work; without work, the first. */
START_TEST(kernel_sets) {
    struct bnt_topology *topology;
    ck_assert_int_eq(bnt_topology_open(&topology, &err), BNT_OK);
    const struct bnt_work work = {.threads = 1, .rows = 256, .cols = 256, .topology = topology};
    struct bnt_work small = work;
    small.weights = 1 << 18;
    drop("two-sets");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    ck_assert_str_eq(bnt_backends_chosen(table)->variant, "slow");
    ck_assert_int_eq(search("two-sets:swift", false), BNT_OK);
    ck_assert_str_eq(bnt_backends_chosen(table)->variant, "swift");
    ck_assert_int_eq(search("two-sets:none", false), BNT_E_BACKEND);
    ck_assert_msg(strstr(err.text, "'none'") && strstr(err.text, "slow, swift"), "%s", err.text);
    ck_assert_int_eq(search("ref-scalar:none", false), BNT_E_BACKEND);
    bnt_backends_close(table);
    struct bnt_backends_options o = {.plugin_dir = dir, .work = &work};
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_OK);
    ck_assert_str_eq(bnt_backends_chosen(table)->variant, "swift");
    const struct bnt_sets *sets = bnt_backends_sets(table, 0);
    ck_assert_uint_eq(sets->count, 2);
    ck_assert_uint_eq(sets->taken, 1);
    ck_assert(sets->rate[0] > 0.0 && sets->rate[1] > sets->rate[0]);
    bnt_backends_close(table);
    o.work = &small; /* a cache holds it */
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_OK);
    ck_assert_str_eq(bnt_backends_chosen(table)->variant, "slow");
    bnt_topology_close(topology);
    drop("wrong-set");
    ck_assert_int_eq(search("wrong-set", false), BNT_E_BACKEND);
    expect("wrong-set", BNT_VERDICT_SELF_CHECK, "wrong-one");
    drop("good");
    ck_assert_int_eq(search("good", false), BNT_OK); /* does not look at the number: one set */
    for (size_t i = 0; i < bnt_backends_count(table); i++)
        if (strcmp(bnt_backends_at(table, i)->name, "good") == 0)
            ck_assert_uint_eq(bnt_backends_sets(table, i)->count, 1);
}
END_TEST

START_TEST(appears_without_a_rebuild) {
    drop("good");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("good");
    ck_assert_int_eq(search("best", false), BNT_E_BACKEND);
    ck_assert_msg(strstr(err.text, "good") != NULL, "%s", err.text); /* what there is instead */
    drop("best");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("best");
    expect("good", BNT_VERDICT_NOT_TRIED, "best");
    ck_assert_str_eq(bnt_backends_at(table, 0)->name, "best");
    ck_assert_int_eq(search("good", false), BNT_OK); /* a name wins over priorities */
    expect_chosen("good");
    ck_assert_int_eq(search("ref-scalar", false), BNT_OK);
    expect_chosen("ref-scalar");
    ck_assert_ptr_eq(bnt_backends_chosen(table), bnt_judge());
    ck_assert_int_eq(search("auto", true), BNT_OK);
    expect_chosen("best");
    expect("good", BNT_VERDICT_OK, NULL);
    for (size_t i = 0; i < bnt_backends_count(table); i++) {
        ck_assert_ptr_nonnull(bnt_backends_get(table, i));
    }
    ck_assert_ptr_null(bnt_backends_get(table, 99));
    ck_assert_ptr_null(bnt_backends_at(table, 99));
}
END_TEST

START_TEST(empty_folder) {
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("ref-scalar");
    ck_assert_uint_eq(bnt_backends_count(table), 1);
    ck_assert_str_ne(bnt_backends_note(table), "");
    ck_assert_str_eq(bnt_judge()->path, "");
    ck_assert_str_eq(bnt_judge()->sha256, "");
}
END_TEST

START_TEST(named_folders) {
    struct bnt_backends_options o = {.plugin_dir = "/nonexistent/plugins"};
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_E_IO);
    ck_assert_ptr_null(table);
    o.plugin_dir = "";
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_E_USAGE);
    o.plugin_dir = NULL;
    setenv("BITNET_PLUGIN_DIR", "", 1);
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_E_USAGE);
    drop("good");
    setenv("BITNET_PLUGIN_DIR", dir, 1);
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_OK);
    expect_chosen("good");
    bnt_backends_close(table);
    ck_assert_int_eq(chdir(dir), 0); /* relative means relative, and is made absolute */
    setenv("BITNET_PLUGIN_DIR", ".", 1);
    ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_OK);
    ck_assert_str_eq(bnt_backends_dir(table), dir);
    expect_chosen("good");
    bnt_backends_close(table);
    unsetenv("BITNET_PLUGIN_DIR"); /* the working directory alone is never searched */
    ck_assert_int_eq(bnt_backends_open(&table, NULL, &err), BNT_OK);
    ck_assert_str_ne(bnt_backends_dir(table), dir);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(not_a_plugin) {
    drop("good");
    write_file(in_dir("text.so"), "hello, I am a plugin\n", 21);
    write_file(in_dir("empty.so"), "", 0);
    write_file(in_dir("ignored.txt"), "x", 1);
    write_file(in_dir(".hidden.so"), "x", 1);
    ck_assert_int_eq(mkfifo(in_dir("pipe.so"), 0600), 0);
    ck_assert_int_eq(mkdir(in_dir("folder.so"), 0700), 0);
    ck_assert_int_eq(symlink("nothing-here", in_dir("dangling.so")), 0);
    drop("no-note");
    drop("no-symbol");
    drop("undefined");
    ck_assert_int_eq(search("auto", true), BNT_OK);
    expect("text", BNT_VERDICT_NOT_ELF, NULL);
    expect("empty", BNT_VERDICT_NOT_ELF, NULL);
    expect("pipe", BNT_VERDICT_UNREADABLE, "regular");
    expect("folder", BNT_VERDICT_UNREADABLE, NULL);
    expect("dangling", BNT_VERDICT_UNREADABLE, NULL);
    expect("no-note", BNT_VERDICT_NO_NOTE, NULL); /* its constructor aborts */
    expect("no-symbol", BNT_VERDICT_NO_SYMBOL, BNT_PLUGIN_SYMBOL);
    expect("undefined", BNT_VERDICT_DLOPEN, "bitnet_test_function_that_nobody_has");
    ck_assert_uint_eq(bnt_backends_count(table), 10);
    expect_chosen("good");
}
END_TEST

START_TEST(truncated) {
    size_t size;
    char *data = plugin_bytes("best", &size);
    drop("good");
    for (size_t part = 1; part <= 12; part++) { /* the last one lacks a single byte */
        char file[32];
        snprintf(file, sizeof file, "cut%zu.so", part);
        write_file(in_dir(file), data, part == 12 ? size - 1 : size * part / 12);
    }
    free(data);
    ck_assert_int_eq(search("auto", true), BNT_OK);
    for (size_t part = 1; part <= 12; part++) {
        char name[32];
        snprintf(name, sizeof name, "cut%zu", part);
        expect(name, BNT_VERDICT_NOT_ELF, NULL);
    }
    expect_chosen("good");
}
END_TEST

START_TEST(other_abi) {
    expect_refused("abi-note", BNT_VERDICT_ABI, "2.0"); /* its constructor aborts */
    expect_refused("abi-descriptor", BNT_VERDICT_ABI, "2.0");
    expect_refused("small-descriptor", BNT_VERDICT_ABI, "40");
}
END_TEST

START_TEST(note_differs) {
    expect_refused("mismatch-needs", BNT_VERDICT_NOTE_MISMATCH, "avx2");
    expect_refused("mismatch-name", BNT_VERDICT_NOTE_MISMATCH, "other");
    expect_refused("mismatch-priority", BNT_VERDICT_NOTE_MISMATCH, "90");
}
END_TEST

START_TEST(needs_another_cpu) {
    expect_refused("needs", BNT_VERDICT_CPU, "lacks");
    ck_assert_int_eq(search("auto", true), BNT_OK);
    expect("needs", BNT_VERDICT_CPU, NULL);
    ck_assert_int_ne(access(witness, F_OK), 0); /* none of its code ran */
}
END_TEST

START_TEST(not_tried_is_not_mapped) {
    drop("good");
    drop("witness");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("witness", BNT_VERDICT_NOT_TRIED, "good");
    ck_assert_int_eq(search("good", false), BNT_OK);
    ck_assert_int_eq(search("ref-scalar", false), BNT_OK);
    ck_assert_int_ne(access(witness, F_OK), 0);
    ck_assert_int_eq(search("auto", true), BNT_OK);
    expect("witness", BNT_VERDICT_OK, NULL);
    ck_assert_int_eq(access(witness, F_OK), 0); /* so the witness does work */
}
END_TEST

START_TEST(fp_environment) {
    expect_refused("flush", BNT_VERDICT_FP_ENVIRONMENT, "flush-to-zero");
    expect_refused("rounding", BNT_VERDICT_FP_ENVIRONMENT, "rounding");
    expect_refused("fp-kernels", BNT_VERDICT_FP_ENVIRONMENT, "kernels()");
    expect_refused("fp-slot", BNT_VERDICT_FP_ENVIRONMENT, "rounding");
}
END_TEST

START_TEST(fast_math) {
    size_t size;
    char *data = plugin_bytes("fast-math", &size);
    bool flushes = memmem(data, size, "set_fast_math", 13) != NULL; /* gcc 13 left it out */
    free(data);
    if (flushes) {
        expect_refused("fast-math", BNT_VERDICT_FP_ENVIRONMENT, "flush-to-zero");
    } else {
        drop("fast-math");
        ck_assert_int_eq(search("fast-math", false), BNT_OK);
    }
}
END_TEST

START_TEST(host_out_of_order) {
    drop("good");
    fesetround(FE_UPWARD);
    ck_assert_int_eq(search("auto", false), BNT_E_NUMERIC);
    ck_assert_ptr_null(table);
    ck_assert_int_eq(fegetround(), FE_UPWARD); /* the host's own business */
    bnt_fpenv_reset();
}
END_TEST

START_TEST(wrong_results) {
    expect_refused("drop-row", BNT_VERDICT_SELF_CHECK, "ternary_gemm");
    expect_refused("int16", BNT_VERDICT_SELF_CHECK, "ternary_gemm");
}
END_TEST

START_TEST(incomplete) {
    expect_refused("no-kernels", BNT_VERDICT_NO_KERNELS, NULL);
    expect_refused("half-groups", BNT_VERDICT_NO_KERNELS, "ternary_unpack");
    drop("vector-only");
    drop("old-table");
    drop("older-table");
    ck_assert_int_eq(search("vector-only", true), BNT_OK);
    expect_chosen("vector-only");
    const struct bnt_backend *b = bnt_backends_chosen(table);
    const bnt_kernels *judge = &bnt_judge()->kernels;
    ck_assert_str_eq(b->by_judge, "ternary,dense,attention,gelu,window");
    ck_assert(b->kernels.ternary_gemm == judge->ternary_gemm);
    ck_assert(b->kernels.dense_layout == judge->dense_layout);
    ck_assert(b->kernels.rope != NULL && b->kernels.rope != judge->rope);
    ck_assert(b->kernels.attn == judge->attn);
    ck_assert_int_eq(search("old-table", false), BNT_OK);
    b = bnt_backends_chosen(table);
    ck_assert_str_eq(b->by_judge, "gelu,window");
    ck_assert(b->kernels.attn == NULL && b->kernels.attn_merge != NULL);
    ck_assert_int_eq(search("older-table", false), BNT_OK);
    b = bnt_backends_chosen(table);
    ck_assert_str_eq(b->by_judge, "dense,vector,attention,gelu,window");
    ck_assert(b->kernels.ternary_gemm != judge->ternary_gemm);
}
END_TEST

/* What is left out is the judge's, slot by slot; only a group with a layout of its own must be
 * whole. */
START_TEST(single_slots) {
    drop("one-slot");
    ck_assert_msg(search("one-slot", true) == BNT_OK, "%s", err.text);
    const struct bnt_backend *b = bnt_backends_chosen(table);
    const bnt_kernels *judge = &bnt_judge()->kernels;
    ck_assert_str_eq(
        b->by_judge,
        "ternary_layout,ternary_pack,ternary_unpack,act_layout,act_quantize,act_unpack,"
        "dense,rmsnorm,gate,add,kv_layout,kv_store,kv_load,attn_merge,gelu,window");
    ck_assert(b->kernels.ternary_gemm != judge->ternary_gemm);
    ck_assert(b->kernels.ternary_pack == judge->ternary_pack);
    ck_assert(b->kernels.rope != judge->rope && b->kernels.rmsnorm == judge->rmsnorm);
    ck_assert(b->kernels.dense_gemm == judge->dense_gemm);
    ck_assert(b->kernels.attn_chunk != judge->attn_chunk && b->kernels.kv_load == judge->kv_load);
    ck_assert(b->kernels.attn == NULL); /* it would pass the plugin's attn_chunk by */
    ck_assert(b->kernels.i8_gemv == NULL && b->kernels.peak == NULL);
    for (size_t i = 0; i < bnt_slot_count; i++) {
        const bool own = strcmp(bnt_slots[i].name, "ternary_gemm") == 0 ||
                         strcmp(bnt_slots[i].name, "rope") == 0 ||
                         strcmp(bnt_slots[i].name, "attn_chunk") == 0 ||
                         strcmp(bnt_slots[i].name, "attn") == 0 ||
                         bnt_slots[i].group == BNT_SEARCH || bnt_slots[i].group == BNT_CODES ||
                         bnt_slots[i].group == BNT_MEASURE;
        ck_assert_msg((b->makers.of[i] == BNT_JUDGE) == !own, "%s", bnt_slots[i].name);
    }
}
END_TEST

/* What is left out is the base's, layouts as well; what that leaves out is the judge's. */
START_TEST(extends_another) {
    drop("shifted");
    drop("extends-shifted");
    ck_assert_msg(search("auto", false) == BNT_OK, "%s", err.text);
    expect_chosen("extends-shifted");
    expect("shifted", BNT_VERDICT_OK, NULL); /* was looked at first */
    const struct bnt_backend *b = bnt_backends_chosen(table);
    const bnt_kernels *judge = &bnt_judge()->kernels;
    ck_assert_str_eq(b->base, "shifted");
    ck_assert_str_eq(b->by_base, "ternary_layout,ternary_pack,ternary_unpack,rope");
    ck_assert_str_eq(b->by_judge, "act_layout,act_quantize,act_unpack,dense,rmsnorm,gate,add,"
                                  "attention,gelu,window");
    ck_assert(b->kernels.ternary_pack != judge->ternary_pack);
    ck_assert(b->kernels.act_quantize == judge->act_quantize && b->kernels.attn == judge->attn);
    ck_assert(b->kernels.i8_gemv == NULL);
    ck_assert_int_eq(search("shifted", true), BNT_OK);
    expect("extends-shifted", BNT_VERDICT_OK, NULL);
    const struct bnt_backend *base = bnt_backends_chosen(table);
    ck_assert_str_eq(base->base, "");
    for (size_t i = 0; i < bnt_backends_count(table); i++) {
        if (strcmp(bnt_backends_at(table, i)->name, "extends-shifted") != 0) continue;
        b = bnt_backends_get(table, i);
        ck_assert_str_eq(b->base_sha256, base->sha256);
        ck_assert_str_ne(b->base_sha256, b->sha256);
        ck_assert(b->kernels.ternary_pack == base->kernels.ternary_pack);
    }
    drop("old-descriptor"); /* from before there was such a thing */
    ck_assert_msg(search("old-descriptor", false) == BNT_OK, "%s", err.text);
    ck_assert_str_eq(bnt_backends_chosen(table)->base, "");
    ck_assert_int_eq(unlink(in_dir("shifted.so")), 0); /* and alone it is nothing */
    ck_assert_int_eq(search("extends-shifted", false), BNT_E_BACKEND);
    expect("extends-shifted", BNT_VERDICT_BASE, "'shifted', which is not in this folder");
}
END_TEST

START_TEST(extends_in_vain) {
    drop("int16"); /* bases of some */
    drop("abi-note");
    drop("needs");
    expect_refused("extends-nobody", BNT_VERDICT_BASE, "'nobody', which is not in this folder");
    expect_refused("extends-refused", BNT_VERDICT_BASE, "'int16', which is refused (self-check)");
    expect_refused("extends-abi", BNT_VERDICT_BASE, "'abi-note', which is refused (abi)");
    expect_refused("extends-cpu", BNT_VERDICT_CPU, "'needs': the CPU lacks");
    expect_refused("extends-judge", BNT_VERDICT_BASE, "every plugin does");
    expect_refused("extends-itself", BNT_VERDICT_BASE, "itself extends 'extends-itself'");
    drop("extends-right");
    expect_refused("extends-left", BNT_VERDICT_BASE, "itself extends 'extends-left'");
    drop("shifted");
    drop("extends-shifted");
    drop("extends-wrong");
    drop("extends-more");
    drop("extends-note");
    ck_assert_int_eq(search("auto", true), BNT_OK);
    expect("extends-wrong", BNT_VERDICT_SELF_CHECK, "ternary_gemm");
    expect("extends-note", BNT_VERDICT_NOTE_MISMATCH, "'good', the descriptor ''");
    expect("extends-more", BNT_VERDICT_BASE, "'extends-shifted', which itself extends 'shifted'");
    expect("extends-right", BNT_VERDICT_BASE, "itself extends 'extends-right'");
    expect_chosen("extends-shifted");
}
END_TEST

START_TEST(duplicates) {
    drop_as("good", "a-first.so");
    drop_as("good", "b-second.so");
    drop("best");
    char path[512];
    snprintf(path, sizeof path, "%s/plugins/ref-scalar.so", TEST_BUILD);
    if (access(path, R_OK) == 0) ck_assert_int_eq(symlink(path, in_dir("ref-scalar.so")), 0);
    ck_assert_int_eq(search("good", false), BNT_OK);
    expect_chosen("good");
    ck_assert_str_eq(bnt_backends_chosen(table)->path, in_dir("a-first.so"));
    unsigned duplicate = 0;
    for (size_t i = 0; i < bnt_backends_count(table); i++) {
        const struct bnt_candidate *c = bnt_backends_at(table, i);
        if (c->verdict != BNT_VERDICT_DUPLICATE) continue;
        duplicate++;
        ck_assert(strstr(c->reason, "a-first.so") || strcmp(c->name, "ref-scalar") == 0);
    }
    ck_assert_uint_eq(duplicate, access(path, R_OK) == 0 ? 2 : 1);
    ck_assert_int_eq(search("ref-scalar", false), BNT_OK);
    ck_assert_ptr_eq(bnt_backends_chosen(table), bnt_judge());
}
END_TEST

START_TEST(verdict_names) {
    for (int a = 0; a <= BNT_VERDICT_NOT_TRIED; a++) {
        ck_assert_str_ne(bnt_verdict_name((enum bnt_verdict)a), "?");
        for (int b = 0; b < a; b++) {
            ck_assert_str_ne(bnt_verdict_name((enum bnt_verdict)a),
                             bnt_verdict_name((enum bnt_verdict)b));
        }
    }
    ck_assert_str_eq(bnt_verdict_name((enum bnt_verdict)(BNT_VERDICT_NOT_TRIED + 1)), "?");
}
END_TEST

int main(void) {
    Suite *s = suite_create("backend");
    TCase *tc = tcase_create("backend");
    tcase_set_timeout(tc, 600);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, accepted);
    tcase_add_test(tc, kernel_sets);
    tcase_add_test(tc, appears_without_a_rebuild);
    tcase_add_test(tc, empty_folder);
    tcase_add_test(tc, named_folders);
    tcase_add_test(tc, not_a_plugin);
    tcase_add_test(tc, truncated);
    tcase_add_test(tc, other_abi);
    tcase_add_test(tc, note_differs);
    tcase_add_test(tc, needs_another_cpu);
    tcase_add_test(tc, not_tried_is_not_mapped);
    tcase_add_test(tc, fp_environment);
    tcase_add_test(tc, fast_math);
    tcase_add_test(tc, host_out_of_order);
    tcase_add_test(tc, wrong_results);
    tcase_add_test(tc, incomplete);
    tcase_add_test(tc, single_slots);
    tcase_add_test(tc, extends_another);
    tcase_add_test(tc, extends_in_vain);
    tcase_add_test(tc, duplicates);
    tcase_add_test(tc, verdict_names);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
