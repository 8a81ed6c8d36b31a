/*
 * test_elfnote.c - notes read from hostile ELF files.
 *
 * A small shared object is laid out in memory, so that the test knows every byte; it is then
 * truncated at every length and mutated ten thousand times. Run it under VARIANT=asan as well.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sha256.h"
#include "bitnet/plugin.h"
#include "elf_image.h"
#include "plugin/elfnote.h"
#include "suite.h"

#define GOOD "abi=1.0;name=cpu-test;needs=avx2,fma;priority=50"

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    unsigned char notes[1024];
    Elf64_Shdr sections[1]; /* last, as linkers do: a truncated file loses it first */
};

static size_t add_note(unsigned char *at, const char *owner, uint32_t type, const void *desc,
                       size_t size) {
    Elf64_Nhdr h = {(Elf64_Word)strlen(owner) + 1, (Elf64_Word)size, type};
    size_t name = (h.n_namesz + 3u) & ~3u;
    memcpy(at, &h, sizeof h);
    memcpy(at + sizeof h, owner, h.n_namesz);
    memcpy(at + sizeof h + name, desc, size);
    return sizeof h + name + ((size + 3u) & ~(size_t)3u);
}

static void make_image(struct image *m, const char *text) {
    size_t n = 0;
    memset(m, 0, sizeof *m);
    elf_head(&m->header, offsetof(struct image, segments));
    m->header.e_shoff = offsetof(struct image, sections);
    m->header.e_shentsize = sizeof(Elf64_Shdr);
    m->header.e_shnum = 1;
    n += add_note(m->notes + n, "GNU", 3, "\1\2\3\4\5", 5); /* of others: skipped */
    n += add_note(m->notes + n, "bitnet", 7, "abi=9.9", 8); /* ours, but of another type */
    if (text) n += add_note(m->notes + n, "bitnet", 1, text, strlen(text) + 1);
    m->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = sizeof *m, .p_memsz = sizeof *m};
    m->segments[1] = (Elf64_Phdr){.p_type = PT_NOTE,
                                  .p_offset = offsetof(struct image, notes),
                                  .p_filesz = n,
                                  .p_memsz = n,
                                  .p_align = 4};
}

static struct image image;
static struct bnt_elfnote note;
static struct bnt_err err;

static int parse(void) {
    err.text[0] = '\0';
    return bnt_elfnote_parse(&image, sizeof image, &note, &err);
}

START_TEST(good_file) {
    char path[] = "/tmp/bitnet-elfnote-XXXXXX";
    make_image(&image, GOOD);
    ck_assert_msg(parse() == BNT_OK, "%s", err.text);
    ck_assert_str_eq(note.name, "cpu-test");
    ck_assert_str_eq(note.needs, "avx2,fma");
    ck_assert_int_eq(note.priority, 50);
    ck_assert_uint_eq(note.abi_major, 1);
    ck_assert_uint_eq(note.abi_minor, 0);
    int fd = mkstemp(path); /* and the same through a file */
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, &image, sizeof image), (int)sizeof image);
    memset(&note, 0, sizeof note);
    ck_assert_int_eq(bnt_elfnote_read(fd, &note, &err), BNT_OK);
    ck_assert_str_eq(note.name, "cpu-test");
    ck_assert_int_eq(ftruncate(fd, 100), 0);
    ck_assert_int_eq(bnt_elfnote_read(fd, &note, &err), BNT_E_FORMAT);
    close(fd);
    unlink(path);
    ck_assert_int_eq(bnt_elfnote_read(-1, &note, &err), BNT_E_IO);
}
END_TEST

START_TEST(texts) {
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {GOOD, BNT_OK},
        {"name=x;abi=1.7;future=thing;priority=-3;needs=", BNT_OK},
        {"abi=4294967295.0;name=x;needs=;priority=2147483647", BNT_OK},
        {"extends=cpu-avx2;abi=1.3;name=x;needs=;priority=1", BNT_OK},
        {"abi=1.3;name=x;needs=;priority=1;extends=", BNT_E_UNSUPPORTED},
        {"abi=1.3;name=x;needs=;priority=1;extends=../x", BNT_E_UNSUPPORTED},
        {"abi=1.3;name=x;needs=;priority=1;extends=a;extends=a", BNT_E_UNSUPPORTED},
        {"abi=1.3;name=x;needs=;priority=1;extends="
         "0123456789012345678901234567890123456789012345678901234567890123",
         BNT_E_UNSUPPORTED},
        {"", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=", BNT_E_UNSUPPORTED},
        {"abi=1;name=x;needs=;priority=1", BNT_E_UNSUPPORTED},
        {"abi=1.0x;name=x;needs=;priority=1", BNT_E_UNSUPPORTED},
        {"abi=4294967296.0;name=x;needs=;priority=1", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=;needs=;priority=1", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=../x;needs=;priority=1", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=AVX2;priority=1", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=;priority=2147483648", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=;priority=", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=;priority=+1", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;name=y;needs=;priority=1", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=;priority=1;junk", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=x;needs=;priority=1;", BNT_E_UNSUPPORTED},
        {"abi=1.0;name=0123456789012345678901234567890123456789012345678901234567890123;"
         "needs=;priority=1",
         BNT_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int direct = bnt_elfnote_text(cases[i].text, &note, &err);
        make_image(&image, cases[i].text);
        ck_assert_msg(parse() == cases[i].status && direct == cases[i].status, "'%s': %s",
                      cases[i].text, err.text);
    }
}
END_TEST

/* Each names one field of the image, what to put there, and what must come of it. */
START_TEST(damaged_headers) {
    char long_text[600] = GOOD ";future=";
    memset(long_text + strlen(long_text), 'x', sizeof long_text - strlen(long_text) - 1);
    make_image(&image, NULL);
    ck_assert_int_eq(parse(), BNT_E_UNSUPPORTED);
    make_image(&image, long_text);
    ck_assert_int_eq(parse(), BNT_E_UNSUPPORTED);
#define REFUSED(field, value, status)                                                              \
    do {                                                                                           \
        make_image(&image, GOOD);                                                                  \
        image.field = value;                                                                       \
        ck_assert_int_eq(parse(), status);                                                         \
        ck_assert_str_ne(err.text, "");                                                            \
    } while (0)
    REFUSED(header.e_ident[0], 'x', BNT_E_FORMAT);
    REFUSED(header.e_ident[EI_CLASS], ELFCLASS32, BNT_E_FORMAT);
    REFUSED(header.e_ident[EI_DATA], ELFDATA2MSB, BNT_E_FORMAT);
    REFUSED(header.e_type, ET_EXEC, BNT_E_FORMAT);
    REFUSED(header.e_machine, EM_SPARC, BNT_E_BACKEND);
    REFUSED(header.e_phnum, 0, BNT_E_FORMAT);
    REFUSED(header.e_phnum, 65535, BNT_E_FORMAT);
    REFUSED(header.e_phentsize, 1, BNT_E_FORMAT);
    REFUSED(header.e_phoff, UINT64_MAX - 8, BNT_E_FORMAT);
    REFUSED(header.e_phoff, sizeof image - 8, BNT_E_FORMAT);
    REFUSED(header.e_shoff, UINT64_MAX - 8, BNT_E_FORMAT);
    REFUSED(header.e_shnum, 2, BNT_E_FORMAT);
    REFUSED(segments[0].p_filesz, sizeof image + 1, BNT_E_FORMAT);
    REFUSED(segments[0].p_memsz, 1, BNT_E_FORMAT);
    REFUSED(segments[1].p_offset, UINT64_MAX, BNT_E_FORMAT);
    REFUSED(segments[1].p_filesz, UINT64_MAX, BNT_E_FORMAT);
    REFUSED(segments[1].p_type, PT_LOAD, BNT_E_UNSUPPORTED);
    REFUSED(segments[1].p_filesz, 0, BNT_E_UNSUPPORTED);
    REFUSED(notes[0], 0xff, BNT_E_FORMAT); /* the first note's owner grows out of the segment */
    REFUSED(notes[7], 0xff, BNT_E_FORMAT); /* ... and its text */
#undef REFUSED
    make_image(&image, GOOD); /* two notes of ours: which one would hold? */
    image.segments[1].p_filesz +=
        add_note(image.notes + image.segments[1].p_filesz, "bitnet", 1, GOOD, sizeof GOOD);
    ck_assert_int_eq(parse(), BNT_E_UNSUPPORTED);
}
END_TEST

/* A copy on the heap of the exact size, so that the address sanitizer sees one byte too many. */
static int parse_copy(const void *bytes, size_t size) {
    void *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, size);
    err.text[0] = '\0';
    int status = bnt_elfnote_parse(copy, size, &note, &err);
    free(copy);
    return status;
}

START_TEST(truncated_at_every_length) {
    make_image(&image, GOOD);
    for (size_t n = 0; n < sizeof image; n++) {
        ck_assert_msg(parse_copy(&image, n) == BNT_E_FORMAT, "%zu bytes: %s", n, err.text);
        ck_assert_str_ne(err.text, "");
    }
    ck_assert_int_eq(parse_copy(&image, sizeof image), BNT_OK);
}
END_TEST

START_TEST(ten_thousand_mutations) {
    uint64_t state = 20260101;
    size_t counts[6] = {0};
    for (int round = 0; round < 10000; round++) {
        unsigned char *bytes = (unsigned char *)&image;
        make_image(&image, GOOD);
        for (int k = 0; k <= round % 8; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(state >> 33) % (offsetof(struct image, notes) + 128);
            unsigned how = (unsigned)(state >> 24) & 3u;
            unsigned char value = (unsigned char)(state >> 56);
            bytes[at] = how == 0 ? 0 : how == 1 ? 0xff : how == 2 ? bytes[at] ^ 1u : value;
        }
        int status = parse_copy(&image, sizeof image);
        ck_assert(status == BNT_OK || status == BNT_E_FORMAT || status == BNT_E_BACKEND ||
                  status == BNT_E_UNSUPPORTED);
        ck_assert(status == BNT_OK || err.text[0] != '\0');
        if (status == BNT_OK) {
            ck_assert_uint_lt(strnlen(note.name, sizeof note.name), sizeof note.name);
            ck_assert_uint_lt(strnlen(note.needs, sizeof note.needs), sizeof note.needs);
        }
        counts[-status]++; /* 0, -3, -4 and -5 */
    }
    ck_assert_uint_gt(counts[0], 0); /* the mutations reach past the header */
    ck_assert_uint_gt(counts[-BNT_E_FORMAT], 0);
    ck_assert_uint_gt(counts[-BNT_E_UNSUPPORTED], 0);
}
END_TEST

START_TEST(sha256_known) {
    char hex[65], path[] = "/tmp/bitnet-sha256-XXXXXX";
    const char *want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    struct bnt_sha256 h;
    bnt_sha256_begin(&h);
    bnt_sha256_add(&h, "a", 1);
    bnt_sha256_add(&h, "bc", 2);
    ck_assert_int_eq(bnt_sha256_end(&h, hex, &err), BNT_OK);
    ck_assert_str_eq(hex, want);
    int fd = mkstemp(path);
    ck_assert_int_eq((int)write(fd, "abc", 3), 3);
    ck_assert_int_eq(bnt_sha256_fd(fd, hex, &err), BNT_OK);
    ck_assert_str_eq(hex, want);
    close(fd);
    hex[0] = '\0';
    ck_assert_int_eq(bnt_sha256_file(path, hex, &err), BNT_OK);
    ck_assert_str_eq(hex, want);
    unlink(path);
    ck_assert_int_eq(bnt_sha256_file(path, hex, &err), BNT_E_IO);
}
END_TEST

int main(void) {
    Suite *s = suite_create("elfnote");
    TCase *tc = tcase_create("elfnote");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, good_file);
    tcase_add_test(tc, texts);
    tcase_add_test(tc, damaged_headers);
    tcase_add_test(tc, truncated_at_every_length);
    tcase_add_test(tc, ten_thousand_mutations);
    tcase_add_test(tc, sha256_known);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
