/*
 * test_plugin_safety.c - who could have put a plugin there, and whether what was judged is what is
 * loaded; and that a plugin which is refused is not silently done without.
 */
#include "suite.h"
#include "test_backend.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>

/* ---- who may write ------------------------------------------------------------------------------
 */

START_TEST(writable_by_others) {
    char sub[256];
    drop("best");
    drop("good");
    ck_assert_int_eq(chmod(in_dir("best.so"), 0666), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("best", BNT_VERDICT_UNSAFE, "writable by everyone");
    expect_chosen("good");
    ck_assert_int_eq(chmod(in_dir("best.so"), 0664), 0); /* our own group: umask 002 */
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("best");
    snprintf(sub, sizeof sub, "%s", in_dir("open"));
    ck_assert_int_eq(mkdir(sub, 0700), 0); /* a link out of a safe folder into an unsafe one */
    ck_assert_int_eq(rename(in_dir("best.so"), in_dir("open/best.so")), 0);
    ck_assert_int_eq(symlink("open/best.so", in_dir("best.so")), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    ck_assert_int_eq(chmod(sub, 0777), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("best", BNT_VERDICT_UNSAFE, "folder");
    expect_chosen("good");
    ck_assert_int_eq(chmod(sub, 0755), 0);
    ck_assert_int_eq(chmod(dir, 0777), 0); /* the folder itself: nothing in it is safe */
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("good", BNT_VERDICT_UNSAFE, "writable by everyone");
    expect("best", BNT_VERDICT_UNSAFE, "above");
    expect_chosen("ref-scalar");
    ck_assert_int_eq(chmod(dir, 0755), 0);
}
END_TEST

/* A base is held to the same rules as any plugin, wherever a link leads to it. */
START_TEST(a_base_of_elsewhere) {
    char sub[256];
    drop("extends-shifted");
    snprintf(sub, sizeof sub, "%s", in_dir("open"));
    ck_assert_int_eq(mkdir(sub, 0755), 0);
    drop_as("shifted", "open/shifted.so");
    ck_assert_int_eq(search("extends-shifted", false), BNT_E_BACKEND);
    expect("extends-shifted", BNT_VERDICT_BASE, "which is not in this folder");
    ck_assert_int_eq(symlink("open/shifted.so", in_dir("shifted.so")), 0);
    ck_assert_msg(search("extends-shifted", false) == BNT_OK, "%s", err.text);
    ck_assert_int_eq(chmod(sub, 0777), 0);
    ck_assert_int_eq(search("extends-shifted", false), BNT_E_BACKEND);
    expect("extends-shifted", BNT_VERDICT_BASE, "'shifted', which is refused (unsafe): folder");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("ref-scalar");
}
END_TEST

START_TEST(of_strangers) {
    if (geteuid() != 0) return; /* only root can give files away */
    drop("best");
    drop("good");
    ck_assert_int_eq(chown(in_dir("best.so"), 12345, 0), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("best", BNT_VERDICT_UNSAFE, "another user");
    ck_assert_int_eq(chown(in_dir("best.so"), 0, 12345), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("best"); /* a strange group may read */
    ck_assert_int_eq(chmod(in_dir("best.so"), 0664), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("best", BNT_VERDICT_UNSAFE, "group");
    ck_assert_int_eq(chown(dir, 12345, 0), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("good", BNT_VERDICT_UNSAFE, "folder");
    ck_assert_int_eq(chown(dir, 0, 0), 0);
}
END_TEST

/* A group is as good as its owner only when nobody else is in it. Of this one nothing is known. */
START_TEST(groups_that_others_may_be_in) {
    if (geteuid() != 0) return; /* only root can change its groups */
    drop("good");
    ck_assert_int_eq(setegid(12345), 0); /* "our own" */
    ck_assert_int_eq(chown(dir, 0, 12345), 0);
    ck_assert_int_eq(chmod(dir, 0775), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("good", BNT_VERDICT_UNSAFE, "is writable by a group that others may be in");
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_int_eq(chown(in_dir("good.so"), 0, 12345), 0);
    ck_assert_int_eq(chmod(in_dir("good.so"), 0664), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect("good", BNT_VERDICT_UNSAFE, "file");
    ck_assert_int_eq(setegid(0), 0);
    ck_assert_int_eq(chown(in_dir("good.so"), 0, 0), 0); /* root's own group has root alone */
    ck_assert_int_eq(search("auto", false), BNT_OK);
    expect_chosen("good");
}
END_TEST

/* Every folder up to the root: whoever owns one can put another one under the name below it. */
START_TEST(folders_above) {
    char deep[128], command[300];
    drop("good");
    snprintf(deep, sizeof deep, "%s", in_dir("a"));
    ck_assert_int_eq(mkdir(deep, 0755), 0);
    strcat(deep, "/b");
    ck_assert_int_eq(mkdir(deep, 0755), 0);
    snprintf(command, sizeof command, "cp '%s' '%s/'", in_dir("good.so"), deep);
    ck_assert_int_eq(system(command), 0);
    struct bnt_backends_options o = {.plugin_dir = deep};
    static const struct {
        mode_t mode;
        uid_t owner;
        bool safe;
    } cases[] = {{0755, 0, true},  {0777, 0, false},     {01777, 0, true},
                 {0757, 0, false}, {0755, 12345, false}, {01777, 12345, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].owner && geteuid() != 0) continue; /* only root can give folders away */
        ck_assert_int_eq(chmod(in_dir("a"), cases[i].mode), 0);
        if (cases[i].owner) ck_assert_int_eq(chown(in_dir("a"), cases[i].owner, 0), 0);
        ck_assert_int_eq(bnt_backends_open(&table, &o, &err), BNT_OK);
        ck_assert_msg(row("good")->verdict == (cases[i].safe ? BNT_VERDICT_OK : BNT_VERDICT_UNSAFE),
                      "mode %o, owner %u: %s", cases[i].mode, cases[i].owner, row("good")->reason);
        if (!cases[i].safe) expect("good", BNT_VERDICT_UNSAFE, "folder above it");
        bnt_backends_close(table);
        table = NULL;
    }
}
END_TEST

/* ---- what is loaded is what was judged ----------------------------------------------------------
 */

static char swap_to[128], swap_from[128];

/* In the place of libc's: at the last moment somebody puts another file under the path. */
void *dlopen(const char *file, int mode) {
    void *(*real)(const char *, int);
    *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
    if (swap_from[0]) {
        ck_assert_int_eq(rename(swap_from, swap_to), 0);
        swap_from[0] = '\0';
    }
    return real(file, mode);
}

START_TEST(another_file_at_the_last_moment) {
    drop("good");
    drop_as("witness", "other");
    snprintf(swap_from, sizeof swap_from, "%s", in_dir("other"));
    snprintf(swap_to, sizeof swap_to, "%s", in_dir("good.so"));
    ck_assert_int_eq(search("good", false), BNT_OK);
    ck_assert_str_eq(swap_from, ""); /* it was swapped */
    expect_chosen("good");
    ck_assert_int_ne(access(witness, F_OK), 0); /* and the other one's code has not run */
}
END_TEST

/* Another file under the path of one that is loaded is another plugin. */
START_TEST(replaced_after_loading) {
    size_t size;
    char sha256[65];
    char *data = plugin_bytes("best", &size);
    drop("good");
    ck_assert_int_eq(search("good", false), BNT_OK);
    memcpy(sha256, bnt_backends_chosen(table)->sha256, sizeof sha256);
    ck_assert_int_eq(unlink(in_dir("good.so")), 0);
    write_file(in_dir("good.so"), data, size);
    free(data);
    ck_assert_int_eq(search("best", false), BNT_OK);
    expect_chosen("best");
    ck_assert_str_ne(bnt_backends_chosen(table)->sha256, sha256);
}
END_TEST

START_TEST(written_to_after_loading) {
    drop("good");
    ck_assert_int_eq(search("good", false), BNT_OK);
    int fd = open(in_dir("good.so"), O_WRONLY | O_APPEND);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
    ck_assert_int_eq(search("good", false), BNT_E_BACKEND);
    expect("good", BNT_VERDICT_UNSAFE, "changed after this process had loaded it");
}
END_TEST

/* ---- a slower backend is not taken in silence ---------------------------------------------------
 */

static void warns(const char *first, const char *second) {
    const char *text = bnt_backends_warning(table);
    ck_assert_msg(strstr(text, first) && strstr(text, second), "'%s'", text);
}

START_TEST(warnings) {
    drop("good");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    ck_assert_str_eq(bnt_backends_warning(table), "");
    drop("witness"); /* of lower priority, for another CPU, or no plugin: nothing is missed */
    drop("needs");
    drop("no-note");
    ck_assert_int_eq(chmod(in_dir("witness.so"), 0755), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    ck_assert_str_eq(bnt_backends_warning(table), "");
    drop("int16");
    ck_assert_int_eq(search("auto", false), BNT_OK);
    warns("plugin 'int16' refused (self-check): ", "; computing with good");
    ck_assert_int_eq(search("good", false), BNT_OK); /* asked for by name */
    ck_assert_str_eq(bnt_backends_warning(table), "");
    ck_assert_int_eq(chmod(in_dir("int16.so"), 0666), 0); /* nothing in it was read */
    ck_assert_int_eq(search("auto", false), BNT_OK);
    warns("plugin 'int16' refused (unsafe): file", "is writable by everyone");
    ck_assert_int_eq(chmod(dir, 0777), 0);
    ck_assert_int_eq(search("auto", false), BNT_OK);
    warns("(unsafe): folder",
          "(and 4 more: `bitnet backends`); computing with ref-scalar, several");
    ck_assert_int_eq(chmod(dir, 0755), 0);
}
END_TEST

START_TEST(warning_of_an_empty_folder) {
    ck_assert_int_eq(search("auto", false), BNT_OK);
    warns(dir, "no plugin in the folder (--plugin-dir=DIR");
    warns(dir, "; computing with ref-scalar");
    ck_assert_int_eq(search("ref-scalar", false), BNT_OK);
    ck_assert_str_eq(bnt_backends_warning(table), "");
}
END_TEST

/* However many descriptors are left: the plugin, or an error; never ref-scalar unasked. */
START_TEST(descriptors_run_out) {
    struct rlimit limit, few;
    unsigned failures = 0;
    drop("good");
    getrlimit(RLIMIT_NOFILE, &limit);
    for (rlim_t n = 3; n < 40; n++) {
        few = limit;
        few.rlim_cur = n;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        int status = search("auto", false);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (status == BNT_OK) {
            expect_chosen("good");
        } else {
            ck_assert_msg(status == BNT_E_LIMIT || status == BNT_E_IO, "%s", err.text);
            ck_assert_msg(strstr(err.text, "Too many open files") != NULL, "%s", err.text);
            failures++;
        }
    }
    ck_assert_uint_gt(failures, 0);
    ck_assert_uint_lt(failures, 37);
}
END_TEST

int main(void) {
    Suite *s = suite_create("plugin_safety");
    TCase *tc = tcase_create("safety");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, writable_by_others);
    tcase_add_test(tc, a_base_of_elsewhere);
    tcase_add_test(tc, of_strangers);
    tcase_add_test(tc, groups_that_others_may_be_in);
    tcase_add_test(tc, folders_above);
    tcase_add_test(tc, another_file_at_the_last_moment);
    tcase_add_test(tc, replaced_after_loading);
    tcase_add_test(tc, written_to_after_loading);
    tcase_add_test(tc, warnings);
    tcase_add_test(tc, warning_of_an_empty_folder);
    tcase_add_test(tc, descriptors_run_out);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
