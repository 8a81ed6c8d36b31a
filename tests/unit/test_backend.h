/*
 * test_backend.h - what the tests of the loader share: a folder of their own into which plugins are
 * dropped, and the decision table that a search of it gives.
 */
#ifndef TEST_BACKEND_H
#define TEST_BACKEND_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/backend.h"

static char dir[64], witness[128];
static struct bnt_backends *table;
static struct bnt_err err;

static const char *in_dir(const char *file) {
    static char path[2][256];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, file);
    return path[turn];
}

static void set_up(void) {
    strcpy(dir, "/tmp/bitnet-backend-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(witness, sizeof witness, "%s/witness", dir);
    setenv("BITNET_TEST_WITNESS", witness, 1);
    unsetenv("BITNET_PLUGIN_DIR");
    table = NULL;
}

static void tear_down(void) {
    char command[128];
    bnt_backends_close(table);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0644), 0);
}

/* The bytes of a built test plugin; the caller frees them. */
static char *plugin_bytes(const char *name, size_t *size) {
    char path[512];
    snprintf(path, sizeof path, "%s/test-plugins/%s.so", TEST_BUILD, name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s is not built", path);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = malloc(*size);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

/* Once only: a file that was loaded stays as it is. */
static void drop_as(const char *name, const char *file) {
    size_t size;
    if (access(in_dir(file), F_OK) == 0) return;
    char *data = plugin_bytes(name, &size);
    write_file(in_dir(file), data, size);
    free(data);
}

static void drop(const char *name) {
    char file[80];
    snprintf(file, sizeof file, "%s.so", name);
    drop_as(name, file);
}

static int search(const char *want, bool try_all) {
    struct bnt_backends_options o = {.plugin_dir = dir, .want = want, .try_all = try_all};
    bnt_backends_close(table);
    err.text[0] = '\0';
    return bnt_backends_open(&table, &o, &err);
}

static const struct bnt_candidate *row(const char *name) {
    for (size_t i = 0; i < bnt_backends_count(table); i++) {
        const struct bnt_candidate *c = bnt_backends_at(table, i);
        if (strcmp(c->name, name) == 0) return c;
    }
    ck_abort_msg("no row '%s'", name);
    return NULL;
}

/* The row has this verdict and, if not NULL, a reason with this text in it. */
static void expect(const char *name, enum bnt_verdict verdict, const char *reason) {
    const struct bnt_candidate *c = row(name);
    ck_assert_msg(c->verdict == verdict, "%s: %s (%s), expected %s", name,
                  bnt_verdict_name(c->verdict), c->reason, bnt_verdict_name(verdict));
    if (reason) {
        ck_assert_msg(strstr(c->reason, reason) != NULL, "%s: '%s' lacks '%s'", name, c->reason,
                      reason);
    }
    ck_assert(verdict == BNT_VERDICT_OK || c->reason[0] != '\0');
}

static void expect_chosen(const char *name) {
    ck_assert_ptr_nonnull(bnt_backends_chosen(table));
    ck_assert_str_eq(bnt_backends_chosen(table)->name, name);
    ck_assert(row(name)->chosen);
}

#endif
