/*
 * crossval.c - our engine against llama.cpp: the program behind `make crossval`.
 *
 *     crossval [options] LIBRARY_DIR
 *       --vocab=DIR     NAME.gguf vocabularies      --work=DIR   for models made here
 *       --receipt=FILE  the parity receipt          --cpu=NAME   which libggml-cpu-NAME.so (x64)
 *       --texts=N       random texts a vocabulary   --seed=N
 *
 * CROSSVAL_GGUF names a model to be compared as well.
 *
 * Writes the receipt whatever happens. Exit status 0 only when the receipt's status is `ok`: a
 * reference that is not there is `no_reference` and 3, other failures are 1, a bad command line 2.
 */
#include "crossval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *dir, *vocab, *work, *receipt, *cpu, *texts, *seed;
};

static bool parse(struct options *o, int argc, char **argv) {
    const struct {
        const char *name;
        const char **value;
    } table[] = {{"--vocab=", &o->vocab}, {"--work=", &o->work},   {"--receipt=", &o->receipt},
                 {"--cpu=", &o->cpu},     {"--texts=", &o->texts}, {"--seed=", &o->seed}};
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
            const size_t n = strlen(table[k].name);
            if (strncmp(argv[i], table[k].name, n) != 0) continue;
            *table[k].value = argv[i] + n;
            known = true;
        }
        if (known) continue;
        if (argv[i][0] == '-' || o->dir) return false;
        o->dir = argv[i];
    }
    return o->dir && o->vocab && o->work && o->receipt;
}

int main(int argc, char **argv) {
    struct options o = {.cpu = "x64", .texts = "3000", .seed = "1"};
    const char *file = getenv("CROSSVAL_GGUF");
    char work[4096];
    struct report report;
    struct ll *ll = NULL;
    enum ll_status found;
    bool written;
    int status;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: crossval --vocab=DIR --work=DIR --receipt=FILE [--cpu=NAME] "
                        "[--texts=N] [--seed=N] LIBRARY_DIR\n");
        return 2;
    }
    /* A folder of its own: another run must not write over files that are mapped here. */
    if (snprintf(work, sizeof work, "%s/crossval.XXXXXX", o.work) >= (int)sizeof work ||
        !mkdtemp(work)) {
        perror(o.work);
        return 2;
    }
    if (file && !*file) file = NULL;
    report_init(&report);
    found = ll_open(&ll, o.dir, o.cpu, report.why);
    if (found == LL_OK) {
        const struct ll_facts *f = ll_facts(ll);
        const struct crossval c = {ll,
                                   &report,
                                   o.vocab,
                                   work,
                                   file,
                                   strtoul(o.texts, NULL, 10),
                                   strtoull(o.seed, NULL, 10)};
        report.why[0] = 0;
        printf("%s %s: llama.cpp %s, commit %s, %s\n", f->package, f->package_version, f->version,
               f->commit, f->system_info);
        if (!file || check_file(&c)) {
            check_types(&c);
            check_tokens(&c);
            check_logits(&c);
        }
    } else {
        report.stopped = found == LL_ABSENT ? "no_reference" : "error";
        printf("no comparison: %s\n", report.why);
    }
    rmdir(work); /* what a failed case left is kept */
    written = report_write(&report, ll ? ll_facts(ll) : NULL, o.receipt);
    printf("status: %s, receipt: %s\n", report_status(&report), written ? o.receipt : "none");
    /* What stopped everything is a failure too. */
    printf("%u passed, %u failed\n", report_passed(&report),
           report_failed(&report) + (report.stopped != NULL));
    status = strcmp(report_status(&report), "no_reference") == 0    ? 3
             : written && strcmp(report_status(&report), "ok") == 0 ? 0
                                                                    : 1;
    ll_close(ll);
    report_free(&report);
    return status;
}
