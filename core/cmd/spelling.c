/*
 * spelling.c - see spelling.h.
 */
#include "cmd/spelling.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 40, ROOM = 8192 };

/* theirs -> ours; NULL: it says nothing here, and is left out. */
static const struct {
    const char *theirs, *ours;
} table[] = {{"--n-predict", "--predict"},
             {"--max-tokens", "--predict"},
             {"--ctx-size", "--ctx"},
             {"--n-ctx", "--ctx"},
             {"--batch-size", "--batch"},
             {"--temperature", "--temp"},
             {"--hf-repo", "--model"},
             {"-hf", "--model"},
             {"-hfr", "--model"},
             {"-sys", "--system"},
             {"--system-prompt", "--system"},
             {"--reverse-prompt", "--stop"},
             {"-cnv", NULL},
             {"--conversation", NULL},
             {"-no-cnv", NULL},
             {"--no-conversation", NULL}};
enum { ROWS = sizeof table / sizeof table[0] };
static bool typed[ROWS]; /* by the table, what the words had */

/* Layers that are computed elsewhere; here there is no elsewhere. */
static bool is_gpu_layers(const char *word, size_t len) {
    static const char *const names[] = {"-ngl", "--gpu-layers", "--n-gpu-layers"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0) return true;
    return false;
}

bool spelling_asks_for_chat(const char *word) {
    return strcmp(word, "-cnv") == 0 || strcmp(word, "--conversation") == 0;
}

int spelling_translate(char **words, int *count, int argc, char **argv, struct bnt_err *err) {
    static char room[ROOM]; /* of words that are made anew, since their values stay in use */
    size_t used = 0;
    int n = 0, i = 0;
    for (; i < argc && (i == 0 || strcmp(argv[i], "--") != 0); i++) {
        const size_t len = strcspn(argv[i], "=");
        const char *value = argv[i][len] ? argv[i] + len + 1 : NULL;
        size_t k = 0;
        if (is_gpu_layers(argv[i], len)) {
            if (!value) value = i + 1 < argc ? argv[++i] : "";
            if (strcmp(value, "0") == 0) continue;
            return bnt_fail(err, BNT_E_USAGE,
                            "%.*s: all layers are computed by the CPU, so 0 is all it can be",
                            (int)len, argv[i - (argv[i] == value)]);
        }
        while (k < ROWS &&
               !(strlen(table[k].theirs) == len && memcmp(table[k].theirs, argv[i], len) == 0))
            k++;
        if (k < ROWS) typed[k] = true;
        if (k == ROWS) {
            words[n++] = argv[i];
        } else if (table[k].ours && !value) {
            words[n++] = (char *)(size_t)table[k].ours;
        } else if (table[k].ours) {
            const size_t need = strlen(table[k].ours) + strlen(value) + 2;
            if (need > ROOM - used)
                return bnt_fail(err, BNT_E_USAGE, "%.*s: too long a value", (int)len, argv[i]);
            words[n++] = room + used;
            used += (size_t)snprintf(room + used, ROOM - used, "%s=%s", table[k].ours, value) + 1;
        }
    }
    while (i < argc) words[n++] = argv[i++];
    words[n] = NULL;
    *count = n;
    return BNT_OK;
}

const char *spelling_typed(const char *option) {
    const size_t len = strcspn(option, "=");
    for (size_t k = 0; k < ROWS; k++)
        if (typed[k] && table[k].ours && strlen(table[k].ours) == len &&
            memcmp(table[k].ours, option, len) == 0)
            return table[k].theirs;
    return option;
}

/* Letters to change, add, take out or swap with their neighbour (Damerau's distance). */
static unsigned distance(const char *a, size_t n, const char *b, size_t m) {
    unsigned d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= n; i++) d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++) d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *spelling_nearest(const char *word, const char *const *names, size_t count) {
    const char *best = NULL;
    unsigned least = LONGEST;
    word += strspn(word, "-");
    const size_t n = strcspn(word, "=");
    if (n == 0 || n > LONGEST) return NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t m = strlen(names[i]);
        if (m > LONGEST) continue;
        const unsigned d = distance(word, n, names[i], m);
        if (d >= least || 3 * d > (n > m ? n : m)) continue;
        least = d;
        best = names[i];
    }
    return best;
}
