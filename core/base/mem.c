/* mem.c - see mem.h; anonymous mappings, with huge pages where the system gives them. */
#include "base/mem.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

#define HUGE_PAGE ((uint64_t)2 << 20)

int bnt_mem_alloc(struct bnt_mem *mem, uint64_t size, const char *what, struct bnt_err *err) {
    uint64_t total = size;
    *mem = (struct bnt_mem){0};
    if (size == 0) return BNT_OK;
    if (size >= HUGE_PAGE && !bnt_add_u64(size, HUGE_PAGE, &total))
        return bnt_fail_nomem(err, what, (size_t)size);
    uint8_t *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return bnt_fail_nomem(err, what, (size_t)size);
    if (size >= HUGE_PAGE) { /* cut to the alignment, so that huge pages fit */
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), kept;
        uint64_t lead = (HUGE_PAGE - ((uintptr_t)p & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
        kept = (size + page - 1) & ~(page - 1);
        if (lead) munmap(p, lead);
        if (total - lead > kept) munmap(p + lead + kept, total - lead - kept);
        p += lead;
        madvise(p, kept, MADV_HUGEPAGE); /* a wish: no huge pages is no error */
    }
    *mem = (struct bnt_mem){p, (size_t)size};
    return BNT_OK;
}

int bnt_mem_reserve(struct bnt_mem *mem, uint64_t size, const char *what, struct bnt_err *err) {
    *mem = (struct bnt_mem){0};
    if (size == 0) return BNT_OK;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED) return bnt_fail_nomem(err, what, (size_t)size);
    *mem = (struct bnt_mem){p, (size_t)size};
    bnt_mem_small_pages(mem);
    return BNT_OK;
}

void bnt_mem_forget(const struct bnt_mem *mem) {
    if (mem->ptr) madvise(mem->ptr, mem->size, MADV_DONTNEED);
}

void bnt_mem_small_pages(const struct bnt_mem *mem) {
    if (mem->ptr) madvise(mem->ptr, mem->size, MADV_NOHUGEPAGE); /* without huge pages an error */
}

void bnt_mem_free(struct bnt_mem *mem) {
    if (mem->ptr) munmap(mem->ptr, mem->size);
    *mem = (struct bnt_mem){0};
}
