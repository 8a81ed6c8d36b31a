/*
 * trial.c - see trial.h.
 *
 * Two sides: the parent starts children, looks at them now and then, and reads what they left; the
 * child vets. A child is given up when it begins no new step, and what the system says of its
 * threads' time shows that this is not for lack of a CPU: a busy machine refuses no plugin.
 */
#include "plugin/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "machine/cpu.h"

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define SLOWER 10.0 /* everything is, by far */
#else
#define SLOWER 1.0
#endif
/* Seconds without a new step that are too many: of computing, and of neither that nor waiting for a
 * CPU. A step takes milliseconds; what the machine's owner takes from a virtual CPU counts as
 * computing, and reading from a disk as neither. */
#define MOST_BUSY (0.4 * SLOWER)
#define MOST_IDLE (0.75 * SLOWER)
#define MOST_IN_ALL (20.0 * SLOWER) /* of computing */

enum { MAGIC = 0x62747232, SIDE_BY_SIDE = 24, SHARED_FD = 0, PLUGIN_FD = 1, BASE_FD = 3 };

extern char **environ;

static const char *helper;

/* What parent and child see. */
struct shared {
    uint32_t magic;
    char path[4096], base_path[4096]; /* base: "" when it extends nobody */
    struct bnt_elfnote note, base_note;
    struct bnt_shapes shapes;
    _Atomic uint32_t steps; /* how many the child has begun */
    char step[2][200];      /* of each of its threads the last; "" once it has come to its end */
    _Atomic bool started;   /* the child runs this program: see conclude_ended() */
    _Atomic bool done;
    enum bnt_verdict verdict;
    struct bnt_err err;
};

void bnt_trial_helper(const char *program) {
    helper = program;
}

/* ---- the child ------------------------------------------------------------------------------ */

static void begin_step(void *arg, unsigned thread, const char *what) {
    struct shared *s = arg;
    snprintf(s->step[thread], sizeof s->step[thread], "%s", what);
    atomic_fetch_add(&s->steps, 1);
}

/* The base has had its own trial: here it is only loaded. */
static enum bnt_verdict vet_base(struct bnt_sets *base, struct shared *s) {
    struct bnt_plugin_file f = {.fd = BASE_FD, .note = s->base_note};
    const struct bnt_vetting how = {.checked = true, .step = begin_step, .arg = s};
    struct bnt_err err = {0};
    if (fstat(BASE_FD, &f.st) == 0 &&
        bnt_vet_load(base, &f, s->base_path, bnt_cpu_get(), &how, &err) == BNT_VERDICT_OK)
        return BNT_VERDICT_OK;
    bnt_fail(&s->err, err.status ? err.status : BNT_E_BACKEND, "its base '%s': %.400s",
             s->base_note.name, err.text);
    return BNT_VERDICT_BASE;
}

int bnt_trial_main(void) {
    struct stat st;
    static struct bnt_sets sets, base; /* this process does nothing else */
    struct shared *s = MAP_FAILED;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would read what it finds */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (fstat(SHARED_FD, &st) == 0 && st.st_size == (off_t)sizeof *s)
        s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
    if (s == MAP_FAILED || s->magic != MAGIC) return bnt_status_exit(BNT_E_USAGE);
    atomic_store(&s->started, true);
    struct bnt_plugin_file f = {.fd = PLUGIN_FD, .note = s->note};
    if (fstat(PLUGIN_FD, &f.st) != 0) return bnt_status_exit(BNT_E_USAGE);
    const bool extends = s->base_path[0];
    const struct bnt_vetting how = {
        .shapes = &s->shapes, .base = extends ? &base.of[0] : NULL, .step = begin_step, .arg = s};
    s->verdict = extends ? vet_base(&base, s) : BNT_VERDICT_OK;
    if (s->verdict == BNT_VERDICT_OK)
        s->verdict = bnt_vet_load(&sets, &f, s->path, bnt_cpu_get(), &how, &s->err);
    atomic_store(&s->done, true);
    _exit(0); /* its destructors are not ours to run */
}

/* ---- the parent ----------------------------------------------------------------------------- */

/* By all threads of a process together: seconds. */
struct spent {
    double running, waiting; /* on a CPU; for one */
};

struct child {
    struct bnt_trial *trial;
    struct shared *shared;
    pid_t pid;
    uint32_t steps;  /* when it was looked at last */
    double looked;   /* when its time was looked at last, or it was seen to begin a step */
    double since;    /* when its time was looked at first in this step ... */
    struct spent at; /* ... and what it had spent then */
    bool at_known;
};

/* BNT_OK, or the reason that no child can be started; LIMIT and NOMEM are this process's lack. */
static int cannot(const char *what, int why, struct bnt_err *err) {
    int status = why == EMFILE || why == ENFILE || why == EAGAIN ? BNT_E_LIMIT
                 : why == ENOMEM                                 ? BNT_E_NOMEM
                                                                 : BNT_E_UNSUPPORTED;
    return bnt_fail(err, status, "%s: %s", what, strerror(why));
}

static int share(struct child *c, int *fd, const struct bnt_shapes *shapes, struct bnt_err *err) {
    struct shared *s = MAP_FAILED;
    *fd = memfd_create("bitnet-trial", MFD_CLOEXEC);
    if (*fd < 0) return cannot("memory for the trial", errno, err);
    if (ftruncate(*fd, sizeof *s) == 0)
        s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (s == MAP_FAILED) {
        int why = errno;
        close(*fd);
        return cannot("memory for the trial", why, err);
    }
    s->magic = MAGIC;
    snprintf(s->path, sizeof s->path, "%s", c->trial->path);
    s->note = c->trial->file->note;
    if (c->trial->base) {
        snprintf(s->base_path, sizeof s->base_path, "%s", c->trial->base_path);
        s->base_note = c->trial->base->note;
    }
    if (shapes) s->shapes = *shapes;
    snprintf(s->step[0], sizeof s->step[0], "its trial");
    c->shared = s;
    return BNT_OK;
}

/* In a group of its own, so that what it starts ends with it; without a word on our stderr. */
static int start(struct child *c, int shared_fd) {
    static char word[] = BNT_TRIAL_WORD;
    char *const argv[] = {(char *)(uintptr_t)helper, word, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    int why = posix_spawn_file_actions_init(&files);
    if (why) return why;
    if ((why = posix_spawnattr_init(&attr)) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return why;
    }
    sigemptyset(&none);
    sigfillset(&defaults);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    why = posix_spawn_file_actions_adddup2(&files, shared_fd, SHARED_FD);
    if (!why) why = posix_spawn_file_actions_adddup2(&files, c->trial->file->fd, PLUGIN_FD);
    if (!why && c->trial->base) /* last: a descriptor that was to be copied may have this number */
        why = posix_spawn_file_actions_adddup2(&files, c->trial->base->fd, BASE_FD);
    if (!why)
        why = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!why) why = posix_spawn(&c->pid, helper, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return why;
}

static void begin(struct child *c, const struct bnt_shapes *shapes) {
    int fd, status = share(c, &fd, shapes, &c->trial->err);
    if (status != BNT_OK) return;
    int why = start(c, fd);
    close(fd);
    if (why) {
        char what[128];
        snprintf(what, sizeof what, "cannot start %.80s for a trial", helper);
        cannot(what, why, &c->trial->err);
        munmap(c->shared, sizeof *c->shared);
        c->shared = NULL;
        return;
    }
    c->looked = bnt_now();
}

/* Zeros where the system does not say. */
static struct spent spent_by(pid_t pid) {
    char path[320];
    struct spent sum = {0.0, 0.0};
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *dir = opendir(path);
    struct dirent *d;
    while (dir && (d = readdir(dir)) != NULL) {
        uint64_t ran, waiting;
        if (d->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%ld/task/%.200s/schedstat", (long)pid, d->d_name);
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%" SCNu64 " %" SCNu64, &ran, &waiting) == 2) {
            sum.running += (double)ran * 1e-9;
            sum.waiting += (double)waiting * 1e-9;
        }
        if (f) fclose(f);
    }
    if (dir) closedir(dir);
    return sum;
}

/* What the child was at; it wrote that, so it may be anything. */
static void describe_step(const struct shared *s, char *out, size_t size) {
    char here[200], there[200];
    memcpy(here, s->step[0], sizeof here);
    memcpy(there, s->step[1], sizeof there);
    here[sizeof here - 1] = there[sizeof there - 1] = '\0';
    if (!here[0])
        snprintf(out, size, "another thread: %.199s", there);
    else if (!there[0] || strcmp(here, there) == 0)
        snprintf(out, size, "%.199s", here);
    else
        snprintf(out, size, "%.199s, or on another thread %.199s", here, there);
}

static void conclude_hung(struct child *c) {
    char step[512];
    describe_step(c->shared, step, sizeof step);
    c->trial->made = true;
    c->trial->verdict = BNT_VERDICT_HUNG;
    bnt_fail(&c->trial->err, BNT_E_BACKEND, "it does not come back from %s", step);
}

static void conclude_ended(struct child *c, int status) {
    struct bnt_trial *t = c->trial;
    char step[512];
    /* posix_spawn() may say by 127 only that nothing was started: an emulator does, whose program
     * the system cannot start by itself. */
    if (!atomic_load(&c->shared->started) && WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        bnt_fail(&t->err, BNT_E_UNSUPPORTED, "cannot start %.80s for a trial", helper);
        return;
    }
    t->made = true;
    if (atomic_load(&c->shared->done)) {
        t->verdict = c->shared->verdict;
        t->err = c->shared->err;
        return;
    }
    t->verdict = BNT_VERDICT_DIED;
    describe_step(c->shared, step, sizeof step);
    if (WIFSIGNALED(status))
        bnt_fail(&t->err, BNT_E_BACKEND, "it crashed (signal %d, %s) in %s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), step);
    else
        bnt_fail(&t->err, BNT_E_BACKEND, "it ended the process (exit status %d) in %s",
                 WIFEXITED(status) ? WEXITSTATUS(status) : -1, step);
}

static double at_least_0(double x) {
    return x > 0.0 ? x : 0.0; /* a thread that has ended takes its time out of the sum */
}

/* Whether a child that has not begun a new step for a while has had the time for it. */
static bool is_stalled(struct child *c, double now) {
    struct spent s = spent_by(c->pid);
    if (!c->at_known) {
        c->at = s;
        c->since = now;
        c->at_known = true;
        return false;
    }
    double busy = at_least_0(s.running - c->at.running);
    double waiting = at_least_0(s.waiting - c->at.waiting);
    return busy > MOST_BUSY || now - c->since - busy - waiting > MOST_IDLE ||
           s.running > MOST_IN_ALL;
}

/* True when it has been concluded. */
static bool look(struct child *c) {
    int status = 0;
    pid_t ended = waitpid(c->pid, &status, WNOHANG);
    if (ended < 0 && errno == EINTR) return false;
    if (ended != 0) { /* or somebody else has reaped it: then only what it left is known */
        conclude_ended(c, status);
        return true;
    }
    double now = bnt_now();
    uint32_t steps = atomic_load(&c->shared->steps);
    if (steps != c->steps) {
        c->steps = steps;
        c->looked = now;
        c->at_known = false;
        return false;
    }
    if (now - c->looked < 0.02 * SLOWER) return false;
    c->looked = now;
    if (!is_stalled(c, now)) return false;
    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {
    }
    conclude_hung(c);
    return true;
}

void bnt_trials(struct bnt_trial *trials, size_t count, const struct bnt_shapes *shapes) {
    struct child children[SIDE_BY_SIDE] = {{0}};
    size_t begun = 0, running = 0;
    for (size_t i = 0; i < count; i++) {
        trials[i].made = false;
        trials[i].err = (struct bnt_err){0};
    }
    if (!helper) return;
    while (begun < count || running) {
        for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
            struct child *c = &children[i];
            if (c->trial && look(c)) {
                munmap(c->shared, sizeof *c->shared);
                *c = (struct child){0};
                running--;
            }
            if (c->trial || begun == count) continue;
            c->trial = &trials[begun++];
            begin(c, shapes);
            if (c->shared)
                running++;
            else
                *c = (struct child){0};
        }
        if (running) nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
}
