/*
 * judge.c - see judge.h.
 */
#include "hub/judge.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "file/gguf.h"
#include "model/model.h"
#include "tokenizer.h"

/* Where the tensors' data begin; the file's size if there are none. */
static uint64_t header_end(const struct bnt_gguf *g) {
    size_t size;
    bnt_gguf_part(g, 0, &size);
    uint64_t end = size;
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++)
        if (bnt_gguf_tensor_at(g, i)->offset < end) end = bnt_gguf_tensor_at(g, i)->offset;
    return end;
}

static void judge_open(struct bnt_hub_verdict *v, const struct bnt_gguf *g) {
    struct bnt_model *m = NULL;
    struct bnt_tokenizer *t = NULL;
    struct bnt_str arch;
    if (bnt_gguf_str(g, "general.architecture", &arch))
        bnt_printable(v->arch, sizeof v->arch, arch.ptr, arch.len);
    if (bnt_model_open(&m, g, &v->why_not) == BNT_OK &&
        bnt_tokenizer_open(&t, g, &v->why_not) == BNT_OK) {
        v->runs = true;
        v->ternary = 2 * m->ternary_parameters > m->parameters;
    }
    bnt_tokenizer_close(t);
    bnt_model_close(m);
}

void bnt_hub_judge_file(struct bnt_hub_verdict *v, const char *path) {
    struct bnt_gguf *g = NULL;
    *v = (struct bnt_hub_verdict){.whole = true};
    if (bnt_gguf_open(&g, path, &v->why_not) == BNT_OK) judge_open(v, g);
    bnt_gguf_close(g);
}

int bnt_hub_judge(struct bnt_hub_verdict *v, const void *header, size_t n, uint64_t size,
                  struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    *v = (struct bnt_hub_verdict){0};
    if (size > SIZE_MAX || n > size)
        return bnt_fail(err, BNT_E_LIMIT, "a file of %" PRIu64 " bytes", size);
    /* Address space alone: nothing behind the header is ever touched but to be read as zeros. */
    void *file = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (file == MAP_FAILED) return bnt_fail_nomem(err, "the judgement of a model", (size_t)size);
    memcpy(file, header, n);
    /* A fault may be one of those zeros, unless they were not read. */
    if (bnt_gguf_open_memory(&g, file, (size_t)size, &v->why_not) == BNT_OK) {
        v->whole = header_end(g) <= n;
        if (v->whole) judge_open(v, g);
    } else {
        v->whole = n >= size || n < 4 || memcmp(header, "GGUF", 4) != 0;
    }
    bnt_gguf_close(g);
    munmap(file, (size_t)size);
    return BNT_OK;
}
