/*
 * runner.h - runs the cases of one slot in children, and tells what became of each.
 */
#ifndef CHECKKERN_RUNNER_H
#define CHECKKERN_RUNNER_H

#include "ck.h"

struct ck_options {
    uint64_t seed;
    bool long_run, bench, list, json, stop, verbose;
    const char *slot, *variant, *plugin_dir;
    int64_t only;     /* number of the only case to run, or -1 */
    unsigned timeout; /* seconds of CPU time for a case */
    unsigned rounds;  /* of the benchmark */
};

struct ck_result { /* of one slot of one set */
    unsigned passed, failed, unsupported;
    bool given_up; /* too many failures, or an endless loop: cases were left out */
    size_t stack;  /* bytes used at most */
};

/* Called for each failure with the number of the case and what happened. */
typedef void ck_on_failure(void *user, size_t number, const char *what);

void ck_run_slot(const struct ck_set *set, const struct ck_test *test, const struct ck_cases *cases,
                 const struct ck_options *options, ck_on_failure *on_failure, void *user,
                 struct ck_result *result);

/* Runs fn in a child. true when it returned; otherwise `what` says how it died. */
bool ck_survives(void (*fn)(void *), void *arg, unsigned seconds, char *what, size_t size);

#endif
