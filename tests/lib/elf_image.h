/*
 * elf_image.h - the head of a small shared object for this machine, whose every byte a test knows.
 */
#ifndef TEST_ELF_IMAGE_H
#define TEST_ELF_IMAGE_H

#include <elf.h>
#include <string.h>

/* Two segments' headers stand at `segments`; sections are the caller's. */
static inline void elf_head(Elf64_Ehdr *h, size_t segments) {
    memset(h, 0, sizeof *h);
    memcpy(h->e_ident, ELFMAG, SELFMAG);
    h->e_ident[EI_CLASS] = ELFCLASS64;
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_ident[EI_VERSION] = EV_CURRENT;
    h->e_type = ET_DYN;
#if defined(__x86_64__)
    h->e_machine = EM_X86_64;
#elif defined(__aarch64__)
    h->e_machine = EM_AARCH64;
#endif
    h->e_phoff = segments;
    h->e_phentsize = sizeof(Elf64_Phdr);
    h->e_phnum = 2;
}

#endif
