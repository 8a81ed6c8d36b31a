/*
 * fatal.c - see fatal.h.
 *
 * The one idea: a handler may not format, so all words are made beforehand. A crash keeps its
 * signal, which then does what it always does; and where somebody has a handler already (a
 * sanitizer), he keeps it.
 */
#include "cmd/fatal.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

static char lost_page[320], computing[800];
static volatile sig_atomic_t watching;

static const struct {
    int number;
    const char *words;
} crashes[] = {{SIGSEGV, "bitnet: crashed (SIGSEGV, a wrong address)"},
               {SIGILL, "bitnet: crashed (SIGILL, an instruction that the CPU does not have)"},
               {SIGFPE, "bitnet: crashed (SIGFPE, a division by zero)"},
               {SIGABRT, "bitnet: crashed (SIGABRT, abort was called)"},
               {SIGBUS, "bitnet: crashed (SIGBUS, a wrong address)"}};

static void say(const char *text) {
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

/* A model is read where it is mapped; a page that the file no longer has, or that its disk cannot
 * give, is met as SIGBUS. */
static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    if (number == SIGBUS && info->si_code == BUS_ADRERR) {
        say(lost_page);
        _exit(bnt_status_exit(BNT_E_IO));
    }
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        if (crashes[i].number == number) say(crashes[i].words);
    say(computing[0] ? computing : "\n");
    signal(number, SIG_DFL);
    raise(number); /* blocked here: it comes when this handler returns */
}

static void on_exit_called(void) {
    if (!watching) return;
    say("bitnet: ended from inside, by a call of exit");
    say(computing[0] ? computing : "\n");
    _exit(bnt_status_exit(BNT_E_BACKEND));
}

void cmd_fatal_watch(const char *model_path) {
    char shown[200];
    snprintf(lost_page, sizeof lost_page,
             "bitnet: %s: reading the mapped file failed: it was cut short, or its disk failed\n",
             bnt_printable(shown, sizeof shown, model_path, strlen(model_path)));
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++) {
        struct sigaction old, action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
        int number = crashes[i].number;
        sigaction(number, NULL, &old);
        if (number == SIGBUS || (!(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL))
            sigaction(number, &action, NULL);
    }
    watching = atexit(on_exit_called) == 0;
}

void cmd_fatal_backend(const char *name, const char *path, const char *base) {
    char shown[300], extended[100] = "";
    bnt_printable(shown, sizeof shown, path, strlen(path));
    if (base[0]) snprintf(extended, sizeof extended, " or '%.63s', which it extends,", base);
    if (path[0])
        snprintf(computing, sizeof computing,
                 " while backend '%s' was in use: its plugin '%s'%s or this program is at fault; "
                 "--backend=ref-scalar does without it\n",
                 name, shown, extended);
    else
        snprintf(computing, sizeof computing,
                 " while backend '%s', which is built in, was in use\n", name);
}

void cmd_fatal_over(void) {
    watching = 0;
}
