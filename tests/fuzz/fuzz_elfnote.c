/*
 * fuzz_elfnote.c - hostile plugin files, as far as they are read before any code is mapped.
 *
 * An even first byte: the rest is a file. An odd one: the rest is laid as a note into a small sound
 * shared object, so that the text is reached without luck.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_elfnote CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "bitnet/plugin.h"
#include "elf_image.h"
#include "plugin/elfnote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Nhdr note;
    char owner[8];
    unsigned char text[1024];
};

static void lay(struct image *m, const uint8_t *text, size_t size) {
    const size_t notes = offsetof(struct image, note);
    memset(m, 0, sizeof *m);
    elf_head(&m->header, offsetof(struct image, segments));
    m->segments[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = sizeof *m, .p_memsz = sizeof *m};
    m->segments[1] = (Elf64_Phdr){.p_type = PT_NOTE,
                                  .p_offset = notes,
                                  .p_filesz = sizeof *m - notes,
                                  .p_memsz = sizeof *m - notes,
                                  .p_align = 4};
    m->note = (Elf64_Nhdr){sizeof BNT_NOTE_NAME, (Elf64_Word)size, BNT_NOTE_TYPE};
    memcpy(m->owner, BNT_NOTE_NAME, sizeof BNT_NOTE_NAME);
    memcpy(m->text, text, size);
}

/* What a sound note promises to those who read it. */
static void look(const struct bnt_elfnote *n) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (!memchr(n->name, '\0', sizeof n->name) || !memchr(n->needs, '\0', sizeof n->needs)) abort();
    if (!memchr(n->extends, '\0', sizeof n->extends)) abort();
    if (strspn(n->extends, letters) != strlen(n->extends)) abort();
    if (!n->name[0] || strspn(n->name, letters) != strlen(n->name)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bnt_elfnote note;
    struct bnt_err err = {0};
    struct image image;
    const void *file = data + 1;
    if (size < 1) return 0;
    size_t length = size - 1;
    if (data[0] & 1) {
        if (length > sizeof image.text) length = sizeof image.text;
        lay(&image, data + 1, length);
        file = &image;
        length = sizeof image;
    }
    if (bnt_elfnote_parse(file, length, &note, &err) == BNT_OK)
        look(&note);
    else if (!err.text[0])
        abort();
    return 0;
}
