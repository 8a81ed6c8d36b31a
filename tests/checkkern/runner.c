/*
 * runner.c - see runner.h.
 *
 * The one idea: a child runs case after case and writes into shared memory what it is about to do;
 * the parent waits for it to end. A child ends at its first failure, by a signal or by running out
 * of CPU time, and the parent starts the next one behind that case. So a kernel that crashes, hangs
 * or ruins memory costs one case and is named, and every failure leaves a clean process behind.
 */
#include "runner.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/fpenv.h"

enum { MAX_FAILURES = 25, EXIT_DONE = 0, EXIT_FAILED = 7, EXIT_SIGNALLED = 8 };

/* What child and parent share. */
static struct shared {
    size_t next; /* the case that runs, then the one to go on with */
    unsigned passed, unsupported;
    size_t stack;
    bool endless;
    char stage[32];  /* the slot that was called last */
    char text[1024]; /* what went wrong */
} * shared;

static struct ck_ctx *current;

static bool open_shared(void) {
    if (shared) return true;
    void *p = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return false;
    shared = p;
    return true;
}

void ck_stage(const char *slot) {
    if (!shared) return;
    snprintf(shared->stage, sizeof shared->stage, "%s", slot);
}

/* "in ternary_unpack, " where that is not the slot under test; then the slice. */
static int begin_text(const struct ck_ctx *ctx) {
    bool other = strcmp(shared->stage, ctx->slot) != 0 && shared->stage[0];
    return snprintf(shared->text, sizeof shared->text, "%s%s%s%s%s", other ? "in " : "",
                    other ? shared->stage : "", other ? ", " : "", ctx->range,
                    ctx->range[0] ? ": " : "");
}

/* Ends the child: the next one begins in a clean process. */
static _Noreturn void leave(int status) {
    size_t used = ck_stack_used();
    if (used > shared->stack) shared->stack = used;
    _exit(status);
}

_Noreturn void ck_fail(struct ck_ctx *ctx, const char *format, ...) {
    va_list args;
    int n = begin_text(ctx);
    va_start(args, format);
    if (n >= 0 && (size_t)n < sizeof shared->text)
        vsnprintf(shared->text + n, sizeof shared->text - (size_t)n, format, args);
    va_end(args);
    leave(EXIT_FAILED);
}

/* ---- signals ------------------------------------------------------------------------------ */

/* Not all of this is safe in a signal handler by the letter of POSIX; the process ends here. */
static void on_signal(int number, siginfo_t *info, void *context) {
    char where[200] = "";
    (void)context;
    if (number == SIGSEGV || number == SIGBUS) {
        bool write = false;
#if defined(__x86_64__) && defined(REG_ERR)
        const ucontext_t *u = context;
        write = u->uc_mcontext.gregs[REG_ERR] & 2;
#endif
        if (ck_is_stack_guard(info->si_addr))
            snprintf(where, sizeof where, "it needs more than %zu KiB of stack",
                     CK_STACK_BYTES >> 10);
        else
            ck_describe_address(info->si_addr, write, where, sizeof where);
    }
    shared->endless = number == SIGPROF || number == SIGALRM;
    int n = current ? begin_text(current) : 0;
    if (n >= 0 && (size_t)n < sizeof shared->text)
        snprintf(shared->text + n, sizeof shared->text - (size_t)n, "%s%s%s",
                 shared->endless ? "it did not end in time" : strsignal(number),
                 where[0] ? ": " : "", where);
    _exit(EXIT_SIGNALLED);
}

static void catch_signals(void) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL,  SIGFPE, SIGTRAP,
                                  SIGABRT, SIGSYS, SIGPROF, SIGALRM};
    static unsigned char stack[64 << 10];
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
    for (size_t i = 0; i < CK_COUNT(numbers); i++) {
        bool timer = numbers[i] == SIGPROF || numbers[i] == SIGALRM;
        if (timer || !CK_SANITIZED) sigaction(numbers[i], &action, NULL);
    }
}

/* CPU time, since a machine may be busy; and, for a kernel that sleeps, many times that of the
 * clock on the wall. */
static void set_clock(unsigned seconds) {
    struct itimerval t = {{0, 0}, {(time_t)seconds, 0}};
    setitimer(ITIMER_PROF, &t, NULL);
    alarm(seconds * 20);
}

/* ---- the child ---------------------------------------------------------------------------- */

static uint64_t hash(const struct ck_set *set) {
    uint64_t h = 0xcbf29ce484222325u;
    for (unsigned s = 0; s < set->n_segments; s++)
        for (size_t i = 0; i < set->segments[s].size; i++)
            h = (h ^ set->segments[s].at[i]) * 0x100000001b3u;
    return h;
}

/* Ends the process when the case fails. */
static void run_case(const struct ck_set *set, const struct ck_test *test, const struct ck_case *c,
                     size_t number, uint64_t seed) {
    struct ck_ctx ctx = {.set = set, .k = &set->k, .judge = set->judge, .c = c, .slot = test->slot};
    uint64_t before = CK_SANITIZED ? 0 : hash(set);
    ck_seed(&ctx.rng, seed, test->slot, number);
    shared->stage[0] = '\0';
    current = &ctx;
    enum ck_outcome outcome = test->run(&ctx);
    const char *damage = ck_buffers_damage();
    if (damage) ck_fail(&ctx, "%s", damage);
    if (!CK_SANITIZED && hash(set) != before)
        ck_fail(&ctx, "a kernel wrote to the plugin's own data: it keeps state between calls");
    ck_buffers_release();
    if (outcome == CK_PASSED)
        shared->passed++;
    else
        shared->unsupported++;
}

static _Noreturn void child(const struct ck_set *set, const struct ck_test *test,
                            const struct ck_cases *cases, size_t end,
                            const struct ck_options *options) {
    catch_signals();
    ck_call_open();
    for (; shared->next < end; shared->next++) {
        set_clock(options->timeout);
        run_case(set, test, &cases->at[shared->next], shared->next, options->seed);
    }
    leave(EXIT_DONE);
}

/* ---- the parent --------------------------------------------------------------------------- */

static int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
    }
    return status;
}

/* Text for a child that ended in a way it did not report itself. */
static void explain(int status) {
    char *text = shared->text;
    size_t size = sizeof shared->text;
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == EXIT_FAILED || WEXITSTATUS(status) == EXIT_SIGNALLED))
        return;
    if (WIFSIGNALED(status))
        snprintf(text, size, "in %s: killed by signal %d (%s)", shared->stage, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, size, "in %s: the process ended with status %d", shared->stage,
                 WEXITSTATUS(status));
}

void ck_run_slot(const struct ck_set *set, const struct ck_test *test, const struct ck_cases *cases,
                 const struct ck_options *options, ck_on_failure *on_failure, void *user,
                 struct ck_result *result) {
    size_t end = cases->count;
    *result = (struct ck_result){0};
    if (!open_shared()) return;
    memset(shared, 0, sizeof *shared);
    if (options->only >= 0) {
        if ((uint64_t)options->only >= end) return;
        shared->next = (size_t)options->only;
        end = shared->next + 1;
    }
    while (shared->next < end) {
        shared->text[0] = '\0';
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) child(set, test, cases, end, options);
        if (pid < 0) {
            on_failure(user, shared->next, "cannot start a process");
            result->failed++;
            break;
        }
        int status = wait_for(pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE && shared->next == end) break;
        explain(status);
        on_failure(user, shared->next, shared->text);
        result->failed++;
        shared->next++;
        if (result->failed < MAX_FAILURES && !shared->endless && !options->stop) continue;
        result->given_up = shared->next < end;
        break;
    }
    result->passed = shared->passed;
    result->unsupported = shared->unsupported;
    result->stack = shared->stack;
}

bool ck_survives(void (*fn)(void *), void *arg, unsigned seconds, char *what, size_t size) {
    if (!open_shared()) {
        snprintf(what, size, "no shared memory");
        return false;
    }
    memset(shared, 0, sizeof *shared);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        catch_signals();
        set_clock(seconds);
        fn(arg);
        _exit(EXIT_DONE);
    }
    if (pid < 0) {
        snprintf(what, size, "cannot start a process");
        return false;
    }
    int status = wait_for(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DONE) return true;
    explain(status);
    snprintf(what, size, "%s", shared->text);
    return false;
}
