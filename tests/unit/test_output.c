/*
 * test_output.c - where a result may go: each kind of file, and each way to name it.
 */
#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "output.h"
#include "receipt.h"

static const char receipt[] = "{\"circumstance\":{}}\n";
static char folder[64];
static struct bnt_err err;

static const char *in(const char *name) {
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void set_up(void) {
    strcpy(folder, "/tmp/bitnet-output-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    err = (struct bnt_err){0};
}

static void tear_down(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

static void holds(const char *path, const char *text) {
    char got[256];
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    fclose(f);
    ck_assert_str_eq(got, text);
}

static int save(const char *path, bool force, const struct bnt_protected *p, size_t n) {
    struct bnt_output *o;
    int status = bnt_output_open(&o, BNT_OUTPUT_RECEIPT, path, force, p, n, &err);
    if (status == BNT_OK) status = bnt_output_write(o, receipt, strlen(receipt), &err);
    bnt_output_close(o);
    return status;
}

static void saved(const char *path, bool force) {
    ck_assert_msg(save(path, force, NULL, 0) == BNT_OK, "%s", err.text);
}

static void refused(const char *path, bool force, int status, const char *says) {
    ck_assert_int_eq(save(path, force, NULL, 0), status);
    ck_assert_msg(strstr(err.text, says) != NULL, "%s", err.text);
}

START_TEST(a_new_file_an_empty_one_and_a_receipt) {
    static const char *const receipts[] = {"", receipt, " \n{ \"circumstance\" : 1",
                                           "{\n  \"kind\": \"parity\",\n", "{\"circumstance\":"};
    saved(in("new"), false);
    holds(in("new"), receipt);
    for (size_t i = 0; i < sizeof receipts / sizeof receipts[0]; i++) {
        put(in("old"), receipts[i]);
        saved(in("old"), false);
        holds(in("old"), receipt);
    }
}
END_TEST

START_TEST(a_file_that_holds_something_else) {
    static const char *const others[] = {
        "x", "GGUF", "{}", "{\"result\"", "{\"kind\":\"x\"", "{\"circumstances\":1}"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        put(in("old"), others[i]);
        refused(in("old"), false, BNT_E_USAGE, "is no receipt: --force");
        holds(in("old"), others[i]);
    }
    saved(in("old"), true);
    holds(in("old"), receipt);
}
END_TEST

START_TEST(links) {
    struct stat st;
    put(in("target"), receipt);
    ck_assert_int_eq(symlink("target", in("link")), 0);
    saved(in("link"), false); /* a link stays a link */
    ck_assert(lstat(in("link"), &st) == 0 && S_ISLNK(st.st_mode));
    put(in("target"), "mine");
    refused(in("link"), false, BNT_E_USAGE, "is no receipt");
    ck_assert_int_eq(symlink("nothing", in("dangling")), 0);
    refused(in("dangling"), false, BNT_E_IO, "a link to nothing");
    refused(in("dangling"), true, BNT_E_IO, "a link to nothing");
    ck_assert(lstat(in("dangling"), &st) == 0 && S_ISLNK(st.st_mode));
    ck_assert_int_ne(access(in("nothing"), F_OK), 0);
}
END_TEST

/* Under /dev lie files as well: what counts is what a file is. */
START_TEST(a_file_in_shared_memory) {
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/bitnet-output-%d", (int)getpid());
    saved(path, false);
    saved(path, false);
    holds(path, receipt); /* once */
    unlink(path);
}
END_TEST

START_TEST(what_is_no_file) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    refused(folder, true, BNT_E_IO, "Is a directory");
    snprintf(a.sun_path, sizeof a.sun_path, "%s", in("socket"));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    refused(in("socket"), true, BNT_E_IO, "it is a socket");
    close(s);
    refused("/dev/full", false, BNT_E_IO, "No space left");
    saved("/dev/null", false);
}
END_TEST

START_TEST(pipes) {
    char got[64] = "";
    struct bnt_output *o;
    ck_assert_int_eq(mkfifo(in("pipe"), 0600), 0);
    refused(in("pipe"), false, BNT_E_IO, "nobody reads from it"); /* and does not wait */
    int reader = open(in("pipe"), O_RDONLY | O_NONBLOCK);
    ck_assert_int_ge(reader, 0);
    ck_assert_int_eq(bnt_output_open(&o, BNT_OUTPUT_RECEIPT, in("pipe"), false, NULL, 0, &err),
                     BNT_OK);
    ck_assert_int_eq(read(reader, got, sizeof got), -1); /* not at its end: it stays open */
    ck_assert_int_eq(bnt_output_write(o, receipt, strlen(receipt), &err), BNT_OK);
    bnt_output_close(o);
    ck_assert_int_eq(read(reader, got, sizeof got), (int)strlen(receipt));
    ck_assert_str_eq(got, receipt);
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(bnt_output_open(&o, BNT_OUTPUT_RECEIPT, in("pipe"), false, NULL, 0, &err),
                     BNT_OK);
    close(reader);
    ck_assert_int_eq(bnt_output_write(o, receipt, strlen(receipt), &err), BNT_E_IO);
    ck_assert_msg(strstr(err.text, "Broken pipe"), "%s", err.text);
    bnt_output_close(o);
}
END_TEST

static int begin_model(struct bnt_output **o, const char *path, bool force, int *fd) {
    int status = bnt_output_open(o, BNT_OUTPUT_MODEL, path, force, NULL, 0, &err);
    return status == BNT_OK ? bnt_output_begin(*o, fd, &err) : status;
}

/* A model is written beside its name, and has it at the end or never. */
START_TEST(models) {
    struct bnt_output *o;
    char part[256];
    int fd;
    ck_assert_int_eq(begin_model(&o, in("m"), false, &fd), BNT_OK);
    snprintf(part, sizeof part, "%s", bnt_output_part(o));
    ck_assert_int_eq(pwrite(fd, "there", 5, 3), 5);
    ck_assert_int_ne(access(in("m"), F_OK), 0);
    bnt_output_close(o); /* given up */
    ck_assert_int_ne(access(part, F_OK), 0);
    ck_assert_int_ne(access(in("m"), F_OK), 0);
    ck_assert_int_eq(begin_model(&o, in("m"), false, &fd), BNT_OK);
    ck_assert_int_eq(pwrite(fd, "there", 5, 0), 5);
    ck_assert_int_eq(bnt_output_commit(o, &err), BNT_OK);
    bnt_output_close(o);
    ck_assert_int_eq(access(in("m"), F_OK), 0);
    ck_assert_int_eq(begin_model(&o, in("m"), false, &fd), BNT_E_USAGE);
    ck_assert_msg(strstr(err.text, "is there already: --force"), "%s", err.text);
    put(in("r"), receipt); /* a model never takes a receipt's place unasked */
    ck_assert_int_eq(begin_model(&o, in("r"), false, &fd), BNT_E_USAGE);
    ck_assert_int_eq(begin_model(&o, in("m"), true, &fd), BNT_OK);
    ck_assert_int_eq(unlink(in("m")), 0); /* and while it was written, a folder came */
    ck_assert_int_eq(mkdir(in("m"), 0700), 0);
    ck_assert_int_eq(bnt_output_commit(o, &err), BNT_E_IO);
    bnt_output_close(o);
}
END_TEST

/* What is open is written to where it stands: in a log, behind what is there. */
START_TEST(descriptors) {
    char path[64], both[128];
    put(in("log"), "before\n");
    int fd = open(in("log"), O_WRONLY | O_APPEND);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    saved(path, false);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    saved(path, false);
    snprintf(both, sizeof both, "before\n%s%s", receipt, receipt);
    holds(in("log"), both);
    close(fd);
    refused(path, false, BNT_E_IO, "Bad file descriptor");
    fd = open(in("log"), O_RDONLY);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    refused(path, false, BNT_E_IO, "Bad file descriptor");
    close(fd);
}
END_TEST

START_TEST(what_a_run_reads) {
    struct stat st;
    put(in("model"), receipt); /* even one that looks like a receipt */
    ck_assert_int_eq(stat(in("model"), &st), 0);
    struct bnt_protected p = {st.st_dev, st.st_ino, false, "the model"};
    ck_assert_int_eq(symlink("model", in("soft")), 0);
    ck_assert_int_eq(link(in("model"), in("hard")), 0);
    int fd = open(in("model"), O_WRONLY | O_APPEND);
    char open_one[64];
    snprintf(open_one, sizeof open_one, "/dev/fd/%d", fd);
    const char *const names[] = {"model", "soft", "hard", "./model"};
    for (unsigned force = 0; force < 2; force++) {
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            ck_assert_int_eq(save(in(names[i]), force, &p, 1), BNT_E_USAGE);
            ck_assert_msg(strstr(err.text, "would overwrite the model"), "%s", err.text);
        }
        ck_assert_int_eq(save(open_one, force, &p, 1), BNT_E_USAGE);
    }
    p.by_name_only = true;
    ck_assert_int_eq(save(in("model"), true, &p, 1), BNT_E_USAGE);
    holds(in("model"), receipt);
    ck_assert_int_eq(save(open_one, false, &p, 1), BNT_OK);
    close(fd);
}
END_TEST

/* A run takes hours, and somebody puts something where its receipt was to go. */
START_TEST(judged_again_at_the_end) {
    struct bnt_output *o;
    ck_assert_int_eq(bnt_output_open(&o, BNT_OUTPUT_RECEIPT, in("r"), false, NULL, 0, &err),
                     BNT_OK);
    put(in("r"), "mine");
    ck_assert_int_eq(bnt_output_write(o, receipt, strlen(receipt), &err), BNT_E_USAGE);
    holds(in("r"), "mine");
    unlink(in("r"));
    ck_assert_int_eq(mkfifo(in("r"), 0600), 0);
    ck_assert_int_eq(bnt_output_write(o, receipt, strlen(receipt), &err), BNT_E_IO);
    bnt_output_close(o);
}
END_TEST

START_TEST(clocks) {
    static const struct {
        time_t seconds;
        const char *text;
    } times[] = {{0, "1970-01-01"},
                 {253402300799, "9999-12-31"},
                 {253402300800, "9999-12-31"},
                 {(time_t)1 << 62, "9999-12-31"},
                 {-((time_t)1 << 62), "0000-01-01"}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char text[32];
        struct tm t = bnt_receipt_utc(times[i].seconds);
        ck_assert_uint_eq(strftime(text, sizeof text, "%m-%d", &t), 5);
        snprintf(text, sizeof text, "%04d-%02d-%02d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday);
        ck_assert_str_eq(text, times[i].text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("output");
    TCase *t = tcase_create("output");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_new_file_an_empty_one_and_a_receipt);
    tcase_add_test(t, a_file_that_holds_something_else);
    tcase_add_test(t, links);
    tcase_add_test(t, a_file_in_shared_memory);
    tcase_add_test(t, what_is_no_file);
    tcase_add_test(t, pipes);
    tcase_add_test(t, descriptors);
    tcase_add_test(t, models);
    tcase_add_test(t, what_a_run_reads);
    tcase_add_test(t, judged_again_at_the_end);
    tcase_add_test(t, clocks);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
