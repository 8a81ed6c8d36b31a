/*
 * call.c - calls one kernel, and looks at what it must leave alone.
 *
 * Knows the calling conventions of x86-64 and AArch64; nothing of what kernels compute. The one
 * idea: a few instructions of assembly enter the kernel with known values in every register that it
 * must preserve, on a stack of its own that is small, guarded and filled with a pattern; afterwards
 * the registers are compared and the pattern tells how much stack was used. On other architectures
 * and under sanitizers the call is plain, and only the floating-point environment is checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ck.h"
#include "machine/fpenv.h"

typedef void kernel_fn(const void *);

#if CK_SANITIZED
enum { SAVED = 0 };
static const char *const saved_names[1];
#elif defined(__x86_64__)
enum { SAVED = 6 };
static const char *const saved_names[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};

/* (fn rdi, args rsi, out rdx, in rcx, stack top r8); out[6] gets the flags. */
void ck_trampoline(kernel_fn *fn, const void *args, uint64_t *out, const uint64_t *in, void *top);
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden ck_trampoline\n"
        ".globl ck_trampoline\n"
        ".type ck_trampoline, @function\n"
        "ck_trampoline:\n"
        "    pushq %rbx\n"
        "    pushq %rbp\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    pushq %rdx\n"
        "    movq %rsp, -16(%r8)\n"
        "    leaq -16(%r8), %rsp\n" /* a multiple of 16, as the convention asks */
        "    movq %rdi, %rax\n"
        "    movq %rsi, %rdi\n"
        "    movq (%rcx), %rbx\n"
        "    movq 8(%rcx), %rbp\n"
        "    movq 16(%rcx), %r12\n"
        "    movq 24(%rcx), %r13\n"
        "    movq 32(%rcx), %r14\n"
        "    movq 40(%rcx), %r15\n"
        "    call *%rax\n"
        "    movq (%rsp), %rsp\n"
        "    popq %rax\n"
        "    movq %rbx, (%rax)\n"
        "    movq %rbp, 8(%rax)\n"
        "    movq %r12, 16(%rax)\n"
        "    movq %r13, 24(%rax)\n"
        "    movq %r14, 32(%rax)\n"
        "    movq %r15, 40(%rax)\n"
        "    pushfq\n"
        "    popq 48(%rax)\n"
        "    cld\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbp\n"
        "    popq %rbx\n"
        "    ret\n"
        ".size ck_trampoline, .-ck_trampoline\n"
        ".section .note.GNU-stack,\"\",@progbits\n"
        ".text\n");

/* NULL, or what is wrong beside the saved registers. */
static const char *other_state(const uint64_t *out) {
    struct {
        uint32_t control, status, tag, rest[4];
    } x87;
    if (out[SAVED] >> 10 & 1) return "it left the direction flag set";
    __asm__ volatile("fnstenv %0\n\tfldenv %0" : "=m"(x87));
    if ((x87.tag & 0xffffu) != 0xffffu) return "it left values on the x87 stack (emms is missing)";
    return NULL;
}
#elif defined(__aarch64__)
enum { SAVED = 19 };
static const char *const saved_names[] = {"x19", "x20", "x21", "x22", "x23", "x24", "x25",
                                          "x26", "x27", "x28", "x29", "d8",  "d9",  "d10",
                                          "d11", "d12", "d13", "d14", "d15"};

void ck_trampoline(kernel_fn *fn, const void *args, uint64_t *out, const uint64_t *in, void *top);
__asm__(".text\n"
        ".p2align 4\n"
        ".hidden ck_trampoline\n"
        ".globl ck_trampoline\n"
        ".type ck_trampoline, %function\n"
        "ck_trampoline:\n"
        "    stp x29, x30, [sp, #-176]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    str x2, [sp, #160]\n"
        "    mov x9, sp\n"
        "    str x9, [x4, #-16]!\n"
        "    mov sp, x4\n"
        "    mov x16, x0\n"
        "    mov x0, x1\n"
        "    ldp x19, x20, [x3]\n"
        "    ldp x21, x22, [x3, #16]\n"
        "    ldp x23, x24, [x3, #32]\n"
        "    ldp x25, x26, [x3, #48]\n"
        "    ldp x27, x28, [x3, #64]\n"
        "    ldr x29, [x3, #80]\n"
        "    ldp d8, d9, [x3, #88]\n"
        "    ldp d10, d11, [x3, #104]\n"
        "    ldp d12, d13, [x3, #120]\n"
        "    ldp d14, d15, [x3, #136]\n"
        "    blr x16\n"
        "    ldr x9, [sp]\n"
        "    mov sp, x9\n"
        "    ldr x10, [sp, #160]\n"
        "    stp x19, x20, [x10]\n"
        "    stp x21, x22, [x10, #16]\n"
        "    stp x23, x24, [x10, #32]\n"
        "    stp x25, x26, [x10, #48]\n"
        "    stp x27, x28, [x10, #64]\n"
        "    str x29, [x10, #80]\n"
        "    stp d8, d9, [x10, #88]\n"
        "    stp d10, d11, [x10, #104]\n"
        "    stp d12, d13, [x10, #120]\n"
        "    stp d14, d15, [x10, #136]\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #176\n"
        "    ret\n"
        ".size ck_trampoline, .-ck_trampoline\n"
        ".section .note.GNU-stack,\"\",%progbits\n"
        ".text\n");

static const char *other_state(const uint64_t *out) {
    (void)out;
    return NULL;
}
#else
enum { SAVED = 0 };
static const char *const saved_names[1];
#endif

/* ---- the small stack ---------------------------------------------------------------------- */

enum { PAINT = 0x9d };
static unsigned char *stack_low;

void ck_call_open(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (SAVED == 0 || stack_low) return;
    unsigned char *map =
        mmap(NULL, CK_STACK_BYTES + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, CK_STACK_BYTES, PROT_READ | PROT_WRITE) != 0) {
        fprintf(stderr, "bitnet-checkkern: no memory for a stack\n");
        _exit(4);
    }
    stack_low = map + page;
    memset(stack_low, PAINT, CK_STACK_BYTES);
}

size_t ck_stack_used(void) {
    size_t i = 0;
    if (!stack_low) return 0;
    while (i < CK_STACK_BYTES && stack_low[i] == PAINT) i++;
    return CK_STACK_BYTES - i;
}

bool ck_is_stack_guard(const void *address) {
    uintptr_t at = (uintptr_t)address, low = (uintptr_t)stack_low;
    return stack_low && at < low && low - at <= (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- the call ----------------------------------------------------------------------------- */

/* Enters the kernel; NULL, or what it did to registers. */
static const char *enter(kernel_fn *fn, const void *args) {
#if CK_SANITIZED || !(defined(__x86_64__) || defined(__aarch64__))
    (void)saved_names;
    fn(args);
    return NULL;
#else
    static char text[64];
    uint64_t in[SAVED], out[SAVED + 1] = {0};
    for (unsigned i = 0; i < SAVED; i++) in[i] = 0x5eed0f1e1d000000u + 0x10001u * (i + 1);
    ck_trampoline(fn, args, out, in, stack_low + CK_STACK_BYTES);
    for (unsigned i = 0; i < SAVED; i++) {
        if (in[i] == out[i]) continue;
        snprintf(text, sizeof text, "it did not preserve register %s", saved_names[i]);
        return text;
    }
    return other_state(out);
#endif
}

static void check_environment(struct ck_ctx *ctx) {
    uint32_t deviation = bnt_fpenv_deviation();
    char what[128];
    if (!deviation) return;
    bnt_fpenv_reset();
    ck_fail(ctx, "it changed the floating-point environment: %s",
            bnt_fpenv_describe(deviation, what, sizeof what));
}

void ck_call(struct ck_ctx *ctx, const char *slot, size_t offset, const void *args, size_t size) {
    unsigned char before[256];
    kernel_fn *fn;
    memcpy(&fn, (const char *)ctx->k + offset, sizeof fn);
    memcpy(before, args, size < sizeof before ? size : sizeof before);
    ck_stage(slot);
    const char *wrong = enter(fn, args);
    check_environment(ctx);
    if (wrong) ck_fail(ctx, "%s", wrong);
    if (memcmp(before, args, size < sizeof before ? size : sizeof before) != 0)
        ck_fail(ctx, "it changed its argument block");
}

enum ck_outcome ck_layout(struct ck_ctx *ctx, const char *slot, int32_t answer,
                          const bnt_layout *layout) {
    ck_stage(slot);
    check_environment(ctx);
    if (answer == BNT_NOT_SUPPORTED) return CK_UNSUPPORTED;
    if (answer != BNT_SUPPORTED) ck_fail(ctx, "it answered %d, which is neither 0 nor -1", answer);
    if (layout->align == 0 || (layout->align & (layout->align - 1)) || layout->align > 4096)
        ck_fail(ctx, "alignment %u is no power of two up to 4096", layout->align);
    if (layout->step == 0) ck_fail(ctx, "step is 0");
    return CK_PASSED;
}
