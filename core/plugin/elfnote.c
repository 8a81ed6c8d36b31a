/*
 * elfnote.c - see elfnote.h.
 *
 * Must not map the file executable, nor trust a number in it. The one idea: all reading goes
 * through one function, `peek`, which copies a range out of the file and refuses any that is not
 * wholly inside it; so no later line has to think about bounds. A file counts as damaged when any
 * segment or the section table leaves it: the dynamic linker would map it and fault (SIGBUS).
 */
#include "plugin/elfnote.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "bitnet/plugin.h"

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#elif defined(__riscv)
#define MACHINE EM_RISCV
#elif defined(__loongarch__)
#define MACHINE 258
#else
#error "add the ELF machine number of this architecture"
#endif

#define MAX_SEGMENTS 256u /* a shared object has about ten */
#define MAX_NOTES 65536u  /* bytes in one PT_NOTE segment */
#define MAX_TEXT 512u     /* bytes in our note */

struct file {
    const unsigned char *bytes; /* NULL: read from fd */
    int fd;
    uint64_t size;
};

static int peek(const struct file *f, uint64_t offset, void *dst, size_t len, const char *what,
                struct bnt_err *err) {
    uint64_t end;
    if (!bnt_add_u64(offset, len, &end) || end > f->size) {
        return bnt_fail(err, BNT_E_FORMAT,
                        "%s at offset %llu (%zu bytes) leaves the file of %llu bytes: damaged",
                        what, (unsigned long long)offset, len, (unsigned long long)f->size);
    }
    if (f->bytes) {
        memcpy(dst, f->bytes + offset, len);
        return BNT_OK;
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(f->fd, (char *)dst + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return bnt_fail(err, BNT_E_IO, "cannot read %s: %s", what, strerror(errno));
        if (n == 0) return bnt_fail(err, BNT_E_FORMAT, "the file shrank while %s was read", what);
        done += (size_t)n;
    }
    return BNT_OK;
}

/* ---- the text ----------------------------------------------------------------------------- */

static bool only(const char *s, size_t len, const char *also, bool upper) {
    for (size_t i = 0; i < len; i++) {
        bool ok = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
                  (upper && s[i] >= 'A' && s[i] <= 'Z') || strchr(also, s[i]) != NULL;
        if (!ok || s[i] == '\0') return false;
    }
    return true;
}

/* Decimal digits only; *s moves past them. */
static bool digits(const char **s, uint32_t *out) {
    const char *p = *s;
    uint64_t v = 0;
    while (*p >= '0' && *p <= '9' && p - *s < 10) v = v * 10 + (uint64_t)(*p++ - '0');
    if (p == *s || v > UINT32_MAX) return false;
    *s = p;
    *out = (uint32_t)v;
    return true;
}

static bool set_abi(struct bnt_elfnote *out, const char *v, size_t len) {
    const char *p = v;
    if (!digits(&p, &out->abi_major) || *p++ != '.') return false;
    return digits(&p, &out->abi_minor) && p == v + len;
}

static bool set_priority(struct bnt_elfnote *out, const char *v, size_t len) {
    const char *p = v + (*v == '-');
    uint32_t n;
    if (!digits(&p, &n) || p != v + len || n > INT32_MAX) return false;
    out->priority = *v == '-' ? -(int32_t)n : (int32_t)n;
    return true;
}

static bool set_plugin(char *dst, size_t size, const char *v, size_t len) {
    if (len == 0 || len >= size || !only(v, len, "-_", true)) return false;
    memcpy(dst, v, len);
    dst[len] = '\0';
    return true;
}

static bool set_name(struct bnt_elfnote *out, const char *v, size_t len) {
    return set_plugin(out->name, sizeof out->name, v, len);
}

static bool set_extends(struct bnt_elfnote *out, const char *v, size_t len) {
    return set_plugin(out->extends, sizeof out->extends, v, len);
}

static bool set_needs(struct bnt_elfnote *out, const char *v, size_t len) {
    if (len >= sizeof out->needs || !only(v, len, "_,", false)) return false;
    memcpy(out->needs, v, len);
    out->needs[len] = '\0';
    return true;
}

int bnt_elfnote_text(const char *text, struct bnt_elfnote *out, struct bnt_err *err) {
    static const struct {
        const char *key;
        bool (*set)(struct bnt_elfnote *, const char *, size_t);
        bool optional;
    } keys[] = {{"abi", set_abi, false},
                {"name", set_name, false},
                {"needs", set_needs, false},
                {"priority", set_priority, false},
                {"extends", set_extends, true}};
    enum { KEYS = sizeof keys / sizeof *keys };
    bool seen[KEYS] = {false};
    struct bnt_elfnote note = {0};
    for (const char *p = text;;) {
        size_t len = strcspn(p, ";"), key = strcspn(p, "=");
        char shown[120];
        bool known = false;
        for (size_t i = 0; i < KEYS && key < len; i++) {
            if (strlen(keys[i].key) != key || memcmp(p, keys[i].key, key) != 0) continue;
            known = true;
            if (seen[i] || !keys[i].set(&note, p + key + 1, len - key - 1)) {
                return bnt_fail(err, BNT_E_UNSUPPORTED, "%s field in the bitnet note: '%s'",
                                seen[i] ? "repeated" : "malformed",
                                bnt_printable(shown, sizeof shown, p, len));
            }
            seen[i] = true;
        }
        if (!known && key >= len) {
            return bnt_fail(err, BNT_E_UNSUPPORTED, "bitnet note without '=' in '%s'",
                            bnt_printable(shown, sizeof shown, p, len));
        }
        if (p[len] == '\0') break;
        p += len + 1;
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (!seen[i] && !keys[i].optional) {
            return bnt_fail(err, BNT_E_UNSUPPORTED, "no '%s' field in the bitnet note",
                            keys[i].key);
        }
    }
    *out = note;
    return BNT_OK;
}

/* ---- the file ----------------------------------------------------------------------------- */

static int check_header(const struct file *f, Elf64_Ehdr *h, struct bnt_err *err) {
    uint64_t ignored, sections;
    if (f->size < sizeof *h) {
        return bnt_fail(err, BNT_E_FORMAT, "%llu bytes are too few for an ELF file",
                        (unsigned long long)f->size);
    }
    int status = peek(f, 0, h, sizeof *h, "the ELF header", err);
    if (status != BNT_OK) return status;
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) {
        return bnt_fail(err, BNT_E_FORMAT, "not an ELF file");
    }
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_ident[EI_VERSION] != EV_CURRENT) {
        return bnt_fail(err, BNT_E_FORMAT, "not a 64-bit little-endian ELF file");
    }
    if (h->e_machine != MACHINE) {
        return bnt_fail(err, BNT_E_BACKEND, "for another machine (ELF machine %u, here %u)",
                        h->e_machine, (unsigned)MACHINE);
    }
    if (h->e_type != ET_DYN) {
        return bnt_fail(err, BNT_E_FORMAT, "not a shared object (ELF type %u)", h->e_type);
    }
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS) {
        return bnt_fail(err, BNT_E_FORMAT, "%u program headers of %u bytes: damaged", h->e_phnum,
                        h->e_phentsize);
    }
    sections = (uint64_t)h->e_shnum * h->e_shentsize; /* 32 bits at most */
    if (!bnt_add_u64(h->e_shoff, sections, &ignored) || ignored > f->size) {
        return bnt_fail(err, BNT_E_FORMAT,
                        "section headers leave the file of %llu bytes: truncated",
                        (unsigned long long)f->size);
    }
    return BNT_OK;
}

/* Walks the notes of one segment; ours goes to *out. */
static int scan_notes(const unsigned char *notes, uint64_t size, uint64_t align, unsigned *found,
                      struct bnt_elfnote *out, struct bnt_err *err) {
    uint64_t at = 0;
    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr h;
        char text[MAX_TEXT + 1];
        uint64_t owner, desc, end;
        memcpy(&h, notes + at, sizeof h);
        owner = at + sizeof h;
        /* Sizes are 32 bits and `at` is below MAX_NOTES: no overflow in 64 bits. */
        if (!bnt_align_u64(owner + h.n_namesz, align, &desc) || desc > size ||
            h.n_descsz > size - desc) {
            return bnt_fail(err, BNT_E_FORMAT, "a note leaves its segment: damaged");
        }
        if (h.n_type == BNT_NOTE_TYPE && h.n_namesz == sizeof BNT_NOTE_NAME &&
            memcmp(notes + owner, BNT_NOTE_NAME, sizeof BNT_NOTE_NAME) == 0) {
            if (++*found > 1) {
                return bnt_fail(err, BNT_E_UNSUPPORTED, "more than one bitnet note");
            }
            if (h.n_descsz == 0 || h.n_descsz > MAX_TEXT) {
                return bnt_fail(err, BNT_E_UNSUPPORTED, "bitnet note of %u bytes (at most %u)",
                                h.n_descsz, MAX_TEXT);
            }
            memcpy(text, notes + desc, h.n_descsz);
            text[h.n_descsz] = '\0';
            if (strlen(text) + 1 < h.n_descsz) {
                return bnt_fail(err, BNT_E_UNSUPPORTED, "bytes after the end of the bitnet note");
            }
            int status = bnt_elfnote_text(text, out, err);
            if (status != BNT_OK) return status;
        }
        if (!bnt_align_u64(desc + h.n_descsz, align, &end) || end >= size) break;
        at = end;
    }
    return BNT_OK;
}

static int parse(const struct file *f, struct bnt_elfnote *out, struct bnt_err *err) {
    Elf64_Ehdr h;
    Elf64_Phdr *segments = NULL;
    unsigned char *notes = NULL;
    unsigned found = 0;
    int status = check_header(f, &h, err);
    if (status != BNT_OK) return status;

    size_t table = (size_t)h.e_phnum * sizeof *segments;
    segments = malloc(table);
    notes = malloc(MAX_NOTES);
    if (!segments || !notes) {
        status = bnt_fail_nomem(err, "program headers and notes", table + MAX_NOTES);
        goto out;
    }
    status = peek(f, h.e_phoff, segments, table, "the program header table", err);
    if (status != BNT_OK) goto out;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        const Elf64_Phdr *s = &segments[i];
        uint64_t end;
        if (!bnt_add_u64(s->p_offset, s->p_filesz, &end) || end > f->size) {
            status = bnt_fail(err, BNT_E_FORMAT,
                              "segment %u ends past the file of %llu bytes: truncated", i,
                              (unsigned long long)f->size);
            goto out;
        }
        if (s->p_type == PT_LOAD && s->p_filesz > s->p_memsz) {
            status =
                bnt_fail(err, BNT_E_FORMAT, "segment %u is larger in the file than in memory", i);
            goto out;
        }
    }
    for (unsigned i = 0; i < h.e_phnum; i++) {
        const Elf64_Phdr *s = &segments[i];
        if (s->p_type != PT_NOTE || s->p_filesz > MAX_NOTES) continue;
        status = peek(f, s->p_offset, notes, (size_t)s->p_filesz, "a note segment", err);
        if (status != BNT_OK) goto out;
        status = scan_notes(notes, s->p_filesz, s->p_align == 8 ? 8 : 4, &found, out, err);
        if (status != BNT_OK) goto out;
    }
    if (found == 0) status = bnt_fail(err, BNT_E_UNSUPPORTED, "no bitnet note: not a plugin");
out:
    free(notes);
    free(segments);
    return status;
}

int bnt_elfnote_read(int fd, struct bnt_elfnote *out, struct bnt_err *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return bnt_fail(err, BNT_E_IO, "cannot stat: %s", strerror(errno));
    struct file f = {NULL, fd, st.st_size > 0 ? (uint64_t)st.st_size : 0};
    return parse(&f, out, err);
}

int bnt_elfnote_parse(const void *file, size_t size, struct bnt_elfnote *out, struct bnt_err *err) {
    struct file f = {file, -1, size};
    return parse(&f, out, err);
}
