/*
 * test_receipt_file.c - receipts as files: whole or not at all, whatever the disk does.
 */
#include "suite.h"
#include "test_receipt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static json_t *honest;
static char folder[64], file[100];

static void set_up(void) {
    make_model();
    struct bnt_engine *e = open_engine("ref-scalar");
    honest = usual_receipt(e);
    bnt_engine_close(e);
    remove_model();
    snprintf(folder, sizeof folder, "/tmp/bitnet-test-receipt-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/r.json", folder);
}

/* Names in the folder; takes them away. */
static unsigned clear(void) {
    unsigned n = 0;
    struct dirent *d;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    while ((d = readdir(dir)) != NULL) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")) continue;
        ck_assert_int_eq(unlinkat(dirfd(dir), d->d_name, 0), 0);
        n++;
    }
    closedir(dir);
    return n;
}

static void tear_down(void) {
    clear();
    rmdir(folder);
    json_decref(honest);
}

static char *slurp(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    char *text = malloc(1 << 20);
    ck_assert_ptr_nonnull(f);
    *len = fread(text, 1, 1 << 20, f);
    text[*len] = '\0';
    fclose(f);
    return text;
}

static void put(const char *path, const char *text, size_t len) {
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    fclose(f);
}

/* As a command does: judged, then written. */
static int write_to(const char *path, struct bnt_err *err) {
    struct bnt_output *to;
    int status = bnt_output_open(&to, BNT_OUTPUT_RECEIPT, path, false, NULL, 0, err);
    if (status == BNT_OK) status = bnt_receipt_write(honest, to, err);
    bnt_output_close(to);
    return status;
}

static int can_write(const char *path, struct bnt_err *err) {
    struct bnt_output *to;
    int status = bnt_output_open(&to, BNT_OUTPUT_RECEIPT, path, false, NULL, 0, err);
    bnt_output_close(to);
    return status;
}

START_TEST(what_is_written_is_read) {
    struct bnt_err err = {0};
    json_t *r;
    must(can_write(file, &err), &err);
    ck_assert_uint_eq(clear(), 0); /* asking leaves nothing */
    must(write_to(file, &err), &err);
    must(bnt_receipt_read(&r, file, &err), &err);
    ck_assert(json_equal(r, honest));
    json_decref(r);
    ck_assert_uint_eq(clear(), 1);
}
END_TEST

START_TEST(a_line_of_the_file_hashes_to_its_seal) {
    struct bnt_err err = {0};
    char hex[65];
    size_t len;
    must(write_to(file, &err), &err);
    char *text = slurp(file, &len), *line = strstr(text, "\n\"result\":");
    ck_assert_ptr_nonnull(line);
    line += strlen("\n\"result\":");
    must(bnt_receipt_sha256(line, strcspn(line, "\n") - 1, hex, &err), &err);
    ck_assert_str_eq(hex, json_string_value(json_object_get(honest, "result_sha256")));
    free(text);
    clear();
}
END_TEST

START_TEST(a_receipt_takes_the_place_of_another) {
    struct bnt_err err = {0};
    struct stat st;
    char target[120];
    size_t len;
    json_t *r;
    put(file, "{\"circumstance\":1}", 18);
    must(write_to(file, &err), &err);
    must(bnt_receipt_read(&r, file, &err), &err);
    json_decref(r);
    snprintf(target, sizeof target, "%s/target", folder); /* a link stays a link */
    put(target, "", 0);
    unlink(file);
    ck_assert_int_eq(symlink("target", file), 0);
    must(write_to(file, &err), &err);
    ck_assert(lstat(file, &st) == 0 && S_ISLNK(st.st_mode));
    free(slurp(target, &len));
    ck_assert_uint_gt(len, 3);
    ck_assert_uint_eq(clear(), 2);
}
END_TEST

START_TEST(a_full_disk_is_an_error) {
    struct bnt_err err = {0};
    struct stat st;
    ck_assert_int_eq(write_to("/dev/full", &err), BNT_E_IO);
    ck_assert_msg(strstr(err.text, "'/dev/full': No space left"), "%s", err.text);
    ck_assert(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode)); /* still the device */
}
END_TEST

/* The disk fills up in the middle: what stood there before still does, and nothing else. */
START_TEST(a_write_that_fails_half_way_leaves_nothing) {
    struct bnt_err err = {0};
    struct rlimit limit, small;
    const char *was = "{\"circumstance\": \"what was\"}";
    size_t len;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    for (int before = 0; before < 2; before++) {
        if (before) put(file, was, strlen(was));
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        int status = write_to(file, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        ck_assert_int_eq(status, BNT_E_IO);
        ck_assert_msg(strstr(err.text, "File too large"), "%s", err.text);
        if (before) {
            char *text = slurp(file, &len);
            ck_assert_str_eq(text, was);
            free(text);
        }
        ck_assert_uint_eq(clear(), (unsigned)before);
    }
}
END_TEST

START_TEST(places_that_cannot_be_written) {
    static const struct {
        const char *under, *says;
    } places[] = {{"/none/r.json", "No such file"},
                  {"/plain/r.json", "Not a directory"},
                  {"/", "Is a directory"},
                  {"", "Is a directory"},
                  {"/new/", "Is a directory"}};
    char path[200];
    snprintf(path, sizeof path, "%s/plain", folder);
    put(path, "x", 1);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct bnt_err err = {0};
        snprintf(path, sizeof path, "%s%s", folder, places[i].under);
        ck_assert_int_eq(can_write(path, &err), BNT_E_IO);
        ck_assert_msg(strstr(err.text, places[i].says), "%s: %s", path, err.text);
        ck_assert_int_eq(write_to(path, &err), BNT_E_IO);
        ck_assert_msg(strstr(err.text, places[i].says), "%s: %s", path, err.text);
    }
    struct bnt_err err = {0};
    ck_assert_int_eq(can_write("", &err), BNT_E_IO);
    ck_assert_uint_eq(clear(), 1);
}
END_TEST

START_TEST(a_folder_one_may_not_write) {
    int status = 0;
    ck_assert_int_eq(chmod(folder, 0555), 0);
    pid_t child = fork();
    if (child == 0) { /* root may write everywhere, so as nobody */
        struct bnt_err err = {0};
        if (geteuid() == 0 && setuid(65534) != 0) _exit(3);
        if (can_write(file, &err) != BNT_E_IO) _exit(1);
        _exit(write_to(file, &err) == BNT_E_IO && strstr(err.text, "Permission denied") ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(chmod(folder, 0755), 0);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert_uint_eq(clear(), 0);
}
END_TEST

/* Killed at any moment, a writer leaves a whole receipt under the name, or none. */
START_TEST(a_killed_writer_leaves_no_half) {
    unsigned whole = 0;
    for (unsigned i = 0; i < 40; i++) {
        int status;
        struct stat st;
        pid_t child = fork();
        if (child == 0) {
            for (;;) write_to(file, NULL);
        }
        long moment = 500000 + 377000 * (long)i; /* and more, where a disk takes so long */
        nanosleep(&(struct timespec){.tv_nsec = i > 20 && !whole ? 30 * moment : moment}, NULL);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        if (stat(file, &st) == 0) {
            struct bnt_err err = {0};
            json_t *r;
            must(bnt_receipt_read(&r, file, &err), &err);
            json_decref(r);
            whole++;
        }
        if (i % 2) clear();
    }
    ck_assert_uint_gt(whole, 0);
    clear();
}
END_TEST

/* ---- reading -------------------------------------------------------------------------------- */

static void unreadable(const char *text, size_t len, const char *says) {
    struct bnt_err err = {0};
    json_t *r;
    put(file, text, len);
    ck_assert_int_eq(bnt_receipt_read(&r, file, &err), BNT_E_FORMAT);
    ck_assert_ptr_null(r);
    ck_assert_msg(strstr(err.text, says), "%s", err.text);
}

START_TEST(a_cut_receipt_is_refused) {
    struct bnt_err err = {0};
    size_t len;
    must(write_to(file, &err), &err);
    char *text = slurp(file, &len);
    for (size_t cut = 0; cut < len - 2; cut += 1 + cut / 50) unreadable(text, cut, "receipt: line");
    unreadable(text, len - 2, "receipt: line"); /* the last brace */
    memcpy(text + len, "{}", 2);
    unreadable(text, len + 2, "receipt: line");
    free(text);
    clear();
}
END_TEST

START_TEST(what_is_no_receipt_is_refused) {
    struct bnt_err err = {0};
    json_t *r;
    char *deep = malloc(100001);
    memset(deep, '[', 100000);
    unreadable(deep, 100000, "receipt: line 1");
    free(deep);
    unreadable("", 0, "receipt: line");
    unreadable("[]", 2, "not a JSON object");
    unreadable("{}", 2, "result.schema_version");
    unreadable("{\"result\":{\"schema_version\":\"1\"}}", 33, "result.schema_version");
    unreadable("{\"result\":1,\"result\":2}", 23, "duplicate");
    unreadable("\0\0\0\0", 4, "receipt: line");
    unreadable("{\"a\":\"\\u0000\"}", 14, "receipt: line");
    unreadable("{\"\xff\":1}", 7, "receipt: line");
    ck_assert_int_eq(bnt_receipt_read(&r, "/nowhere/r.json", &err), BNT_E_IO);
    ck_assert_int_eq(bnt_receipt_read(&r, folder, &err), BNT_E_IO);
    clear();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("receipt_file");
    TCase *t = tcase_create("file");
    tcase_add_unchecked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 300);
    tcase_add_test(t, what_is_written_is_read);
    tcase_add_test(t, a_line_of_the_file_hashes_to_its_seal);
    tcase_add_test(t, a_receipt_takes_the_place_of_another);
    tcase_add_test(t, a_full_disk_is_an_error);
    tcase_add_test(t, a_write_that_fails_half_way_leaves_nothing);
    tcase_add_test(t, places_that_cannot_be_written);
    tcase_add_test(t, a_folder_one_may_not_write);
    tcase_add_test(t, a_killed_writer_leaves_no_half);
    tcase_add_test(t, a_cut_receipt_is_refused);
    tcase_add_test(t, what_is_no_receipt_is_refused);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
