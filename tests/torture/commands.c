/*
 * commands.c - every command's standard use, with one allocation that fails.
 *
 * Each use is run in a process of its own, forked from this one: first without a fault, twice, to
 * see what it says and which of that changes from run to run; then with allocation n failing, alone
 * or with all after it. The end must be a status of memory (or of a limit, for a thread) with a
 * line that says so; or status 0 and all that the first run said, to the last member of its JSON
 * and its receipt. Of a use with many allocations n is sampled evenly. Arguments: a use's name, or
 * `all` of them; then `all`, every n, or one n, which is shown.
 *
 * Run by commands.sh, which makes the checkpoint and the hub that it needs.
 */
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "base/sha256.h"
#include "bitnet/status.h"
#include "client.h"
#include "plugin/trial.h"
#include "synth.h"
#include "wrap.h"

int bitnet_main(int argc, char **argv); /* core/cmd/main.c */

enum { MOST_WORDS = 20, SAMPLES = 16, MOST_SHOWN = 20 };

/* SLOW: it takes a second, so fewer samples. SERVES: so, and until it is told to end; `file` has
 * the replies it gave. RESUMES: `file` has what was done, line by line, and another run goes on
 * there.
 */
enum kind { QUICK, SLOW, SERVES, RESUMES };

struct use {
    const char *name;
    const char *words[MOST_WORDS]; /* "%" is the model, "@x" the file x of our folder */
    const char *input;             /* of standard input; NULL: none */
    const char *file;              /* that is written, in our folder, a pattern; NULL: none */
    enum kind kind;
};

static const struct use uses[] = {
    {"run",
     {"run", "-m", "%", "-p", "one two", "-n", "3", "--seed=1", "--temp=0.7",
      "--backend=ref-scalar", "--json", "--threads=2", "--receipt=@r"},
     NULL,
     "r",
     QUICK},
    {"run-text",
     {"run", "-m", "%", "-n", "3", "--backend=auto", "--threads=1"},
     "one two",
     NULL,
     QUICK},
    {"run-checked",
     {"run", "-m", "%", "-p", "one", "-n", "2", "--backend=ref-scalar", "--spot-check=1", "--json"},
     NULL,
     NULL,
     QUICK},
    {"chat",
     {"chat", "-m", "%", "-n", "3", "--seed=1", "--backend=ref-scalar", "--json", "--receipt=@c",
      "--chat-template=raw"},
     "one\n/reset\ntwo\n",
     "c",
     QUICK},
    {"tokenize", {"tokenize", "-m", "%", "--json", "one two three"}, NULL, NULL, QUICK},
    {"detokenize", {"tokenize", "-m", "%", "--json", "--decode", "5 6 7 300"}, NULL, NULL, QUICK},
    {"inspect", {"inspect", "%", "--json"}, NULL, NULL, QUICK},
    {"backends", {"backends", "--json"}, NULL, NULL, QUICK},
    {"bench",
     {"bench", "-m", "%", "--json", "-n", "2", "--prompt-tokens=4", "-r", "1",
      "--backend=ref-scalar", "--threads=1"},
     NULL,
     NULL,
     SLOW},
    {"perplexity",
     {"perplexity", "-m", "%", "--json", "-f", "@text", "--backend=ref-scalar"},
     NULL,
     NULL,
     QUICK},
    {"verify", {"verify", "@good", "-m", "%", "--json", "--backend=ref-scalar"}, NULL, NULL, QUICK},
    {"verify-fast", {"verify", "@good", "-m", "%", "--fast"}, NULL, NULL, QUICK},
    {"verify-found", {"verify", "@good", "--fast", "--json"}, NULL, NULL, QUICK},
    {"verify-chat",
     {"verify", "@talk", "-m", "%", "--json", "--backend=ref-scalar"},
     NULL,
     NULL,
     QUICK},
    {"parity",
     {"parity", "-m", "%", "--json", "--prompt-set=math", "-n", "1", "--first-only",
      "--backend=ref-scalar", "-o", "@p"},
     NULL,
     "p",
     SLOW},
    {"quantize",
     {"quantize", "%", "@q", "--type=TQ2_0", "--round-scales", "--json"},
     NULL,
     "q",
     QUICK},
    {"embed",
     {"embed", "-m", "%", "--json", "--lines", "-f", "@text", "--backend=ref-scalar"},
     NULL,
     NULL,
     QUICK},
    {"batch",
     {"batch", "@lines", "-o", "@b", "-m", "%", "--json", "--backend=ref-scalar",
      "--chat-template=raw", "--threads=1"},
     NULL,
     "b",
     RESUMES},
    {"serve",
     {"serve", "-m", "%", "--json", "--port=0", "--backend=ref-scalar", "--chat-template=raw",
      "--threads=1"},
     NULL,
     "replies",
     SERVES},
    {"convert", {"convert", "@checkpoint", "-o", "@v", "--json"}, NULL, "v", SLOW},
    {"pull", {"pull", "org/small", "--json"}, NULL, "hub/*/snapshots/*/*.gguf", QUICK},
    {"models", {"models", "--json"}, NULL, NULL, QUICK}, /* that was brought */
    {"help", {"help", "run"}, NULL, NULL, QUICK},
};
enum { USES = sizeof uses / sizeof uses[0] };

/* Requests of `batch`. */
static const char lines[] =
    "{\"custom_id\":\"1\",\"method\":\"POST\",\"url\":\"/v1/"
    "completions\",\"body\":{\"prompt\":\"one\","
    "\"max_tokens\":3,\"temperature\":0,\"logprobs\":1}}\n"
    "{\"custom_id\":\"2\",\"method\":\"POST\",\"url\":\"/v1/chat/"
    "completions\",\"body\":{\"messages\":"
    "[{\"role\":\"user\",\"content\":\"two\"}],\"max_tokens\":2,\"seed\":3}}\n";

static char folder[64];

static char *place(const char *name) {
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? abort(), NULL : path;
}

/* ---- one run --------------------------------------------------------------------------------- */

/* What the child tells through memory that both have. */
struct told {
    bool ended;
    unsigned long calls;
    const char *failed; /* the same address in both */
    void *from;
};

struct outcome {
    int status; /* of waitpid */
    struct told told;
    char *out, *err, *file; /* malloc'd texts; file NULL: none was written */
};

/* The only file that fits a pattern; or the place where one would be. */
static char *match(const char *pattern) {
    char *path = place(pattern);
    glob_t found = {0};
    if (glob(path, 0, NULL, &found) == 0 && found.gl_pathc == 1) {
        free(path);
        path = strdup(found.gl_pathv[0]);
    }
    globfree(&found);
    return path;
}

/* Of a file that is no text, its hash. */
static char *slurp(const char *name) {
    char *path = match(name), *text = NULL;
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (f && fstat(fileno(f), &st) == 0) {
        text = calloc(1, (size_t)st.st_size + 1);
        if (!text || fread(text, 1, (size_t)st.st_size, f) != (size_t)st.st_size) abort();
        if (memchr(text, 0, (size_t)st.st_size)) {
            struct bnt_sha256 h;
            bnt_sha256_begin(&h);
            bnt_sha256_add(&h, text, (size_t)st.st_size);
            if (bnt_sha256_end(&h, text, NULL) != BNT_OK) abort();
        }
    }
    if (f) fclose(f);
    free(path);
    return text;
}

static void redirect(const char *name, int flags, int fd) {
    char *path = place(name);
    int opened = open(path, flags, 0600);
    if (opened < 0 || dup2(opened, fd) != fd) _exit(125);
    close(opened);
    free(path);
}

static void child(const struct use *u, unsigned long n, bool all_after, struct told *told) {
    char *argv[MOST_WORDS + 2] = {(char[]){"bitnet"}};
    int argc = 1;
    for (; u->words[argc - 1]; argc++) {
        const char *word = u->words[argc - 1], *at = strchr(word, '@');
        if (strcmp(word, "%") == 0)
            argv[argc] = place("model.gguf");
        else if (!at)
            argv[argc] = strdup(word);
        else if (asprintf(&argv[argc], "%.*s%s/%s", (int)(at - word), word, folder, at + 1) < 0)
            _exit(125);
    }
    redirect(u->input ? "in" : "empty", O_RDONLY, STDIN_FILENO);
    redirect("out", O_WRONLY | O_CREAT | O_TRUNC, STDOUT_FILENO);
    redirect("err", O_WRONLY | O_CREAT | O_TRUNC, STDERR_FILENO);
    wrap_begin(n, all_after);
    int status = bitnet_main(argc, argv);
    told->calls = wrap_end();
    told->failed = wrap_failed();
    told->from = wrap_failed_from();
    fflush(NULL);
    told->ended = true;
    _exit(status);
}

static void put(const char *name, const char *text) {
    char *path = place(name);
    FILE *f = fopen(path, "wb");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0) abort();
    free(path);
}

static int drop(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void drop_all(const char *name) {
    char *path = place(name);
    nftw(path, drop, 8, FTW_DEPTH | FTW_PHYS);
    free(path);
}

/* What the last run wrote; a hub's files all. */
static void drop_written(const char *file) {
    char name[16];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "/"), file);
    drop_all(name);
}

static void talk(pid_t server) {
    char *said = place("out"), *replies = place("replies");
    client_talk(server, said, replies);
    free(replies);
    free(said);
}

static struct outcome run(const struct use *u, unsigned long n, bool all_after) {
    static struct told *told;
    struct outcome o = {0};
    if (!told) told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *told = (struct told){0};
    if (u->file) drop_written(u->file);
    put("out", ""); /* a server's client looks for its first line */
    if (u->input) put("in", u->input);
    fflush(NULL); /* or the child says it too */
    pid_t pid = fork();
    if (pid == 0) child(u, n, all_after, told);
    if (pid > 0 && u->kind == SERVES) talk(pid);
    if (pid < 0 || waitpid(pid, &o.status, 0) != pid) abort();
    o.told = *told;
    o.out = slurp("out");
    o.err = slurp("err");
    o.file = u->file ? slurp(u->file) : NULL;
    return o;
}

static void clear(struct outcome *o) {
    free(o->out);
    free(o->err);
    free(o->file);
}

/* ---- the same? ------------------------------------------------------------------------------- */

/* Members that say when, how long and how much, what was found to be the quickest, and the seals
 * over them. */
static bool changes(const char *key) {
    static const char *const parts[] = {
        "_us",        "seconds", "timestamp", "rss",  "memory_bytes", "anonymous_bytes",
        "peak_bytes", "elapsed", "wall",      "cpu_", "tok_s",        "circumstance",
        "faults",     "_sha256", "port",      "url",  "created",      "duration",
        "item_id",    "_second", "variant",   "taken"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(key, parts[i])) return true;
    return strcmp(key, "id") == 0;
}

/* NULL when b has all that a has; or else the key at which it has not. */
static const char *lacks(const char *key, const json_t *a, const json_t *b) {
    const char *name, *found;
    json_t *value;
    bool alike =
        b && (json_typeof(a) == json_typeof(b) || (json_is_number(a) && json_is_number(b)) ||
              (json_is_boolean(a) && json_is_boolean(b)));
    if (!alike) return key;
    if (json_is_object(a)) {
        if (json_object_size(a) != json_object_size(b)) return key;
        json_object_foreach(
            (json_t *)a, name,
            value) if ((found = lacks(name, value, json_object_get(b, name)))) return found;
    } else if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b)) return key;
        for (size_t i = 0; i < json_array_size(a); i++)
            if ((found = lacks(key, json_array_get(a, i), json_array_get(b, i)))) return found;
    } else if (!json_is_real(a) && !changes(key) && !json_equal(a, b)) {
        return key;
    }
    return NULL;
}

/* Line by line: JSON, where a line of the first is, and else the same text. */
static const char *differs(const char *a, const char *b) {
    const char *why = NULL;
    if (!a || !b) return a == b ? NULL : "a file";
    if (*a != '{') return strcmp(a, b) == 0 ? NULL : "the text";
    while (*a == '{' && !why) {
        json_error_t end_a, end_b;
        json_t *x = json_loads(a, JSON_DISABLE_EOF_CHECK, &end_a);
        json_t *y = json_loads(b, JSON_DISABLE_EOF_CHECK, &end_b);
        why = x && y ? lacks("the object", x, y) : "no JSON";
        static char kept[200]; /* names go with the objects */
        if (why) {
            snprintf(kept, sizeof kept, "%s", why);
            why = kept;
        } else {
            a += end_a.position + 1;
            b += end_b.position + 1;
        }
        json_decref(x);
        json_decref(y);
    }
    return why;
}

/* Whole lines, as many as there are, are the first ones of `all`. */
static bool begins(const char *all, const char *file) {
    unsigned n = 0;
    const char *end = all;
    for (const char *at = file; (at = strchr(at, '\n')) != NULL; at++) n++;
    if (*file && file[strlen(file) - 1] != '\n') return false;
    while (n-- && (end = strchr(end, '\n')) != NULL) end++;
    char *same = end ? strndup(all, (size_t)(end - all)) : NULL;
    const bool so = same && !differs(same, file);
    free(same);
    return so;
}

/* A parity receipt is written of a run that failed, too, and says that it did. */
static bool says_so(const char *file) {
    json_t *o = json_loads(file, 0, NULL);
    const char *status = json_string_value(json_object_get(json_object_get(o, "parity"), "status"));
    bool so = status && strcmp(status, "ok") != 0;
    json_decref(o);
    return so;
}

/* NULL when all is as it should be. */
static const char *judge(const struct use *u, const struct outcome *o, const struct outcome *want) {
    static char text[256];
    const char *why;
    if (!WIFEXITED(o->status) || !o->told.ended) return "it did not come to its end";
    int status = WEXITSTATUS(o->status);
    if (status != 0) {
        bool thread = strcmp(o->told.failed, "pthread_create") == 0;
        if (status != bnt_status_exit(BNT_E_NOMEM) &&
            !(thread && status == bnt_status_exit(BNT_E_LIMIT)))
            return "an exit status of something else";
        if (strncmp(o->err, "bitnet: ", 8) != 0 || strlen(o->err) < 20) return "no words";
        if (!o->file || (want->file && !differs(want->file, o->file)) || says_so(o->file))
            return NULL;
        if (u->kind == RESUMES && begins(want->file, o->file)) return NULL;
        return "a file that is not whole";
    }
    why = differs(want->out, o->out);
    if (!why && u->kind == SERVES) return client_judge(want->file, o->file ? o->file : "", lacks);
    if (!why && (why = differs(want->file, o->file)) == NULL) return NULL;
    snprintf(text, sizeof text, "status 0, and another %.200s", why);
    return text;
}

/* ---- all ------------------------------------------------------------------------------------- */

static unsigned long passed, failed;

static void report(const struct use *u, unsigned long n, bool all_after, const struct outcome *o,
                   const char *fault) {
    printf("%s%s, call %lu%s (%s from %p): status %d, %s\n  %.300s", fault ? "FAILED: " : "",
           u->name, n, all_after ? " and all after" : "", o->told.failed ? o->told.failed : "?",
           o->told.from, WIFEXITED(o->status) ? WEXITSTATUS(o->status) : -WTERMSIG(o->status),
           fault ? fault : "ok", o->err[0] ? o->err : "(no words)\n");
}

static void torture(const struct use *u, bool every, unsigned long only) {
    struct outcome want = run(u, 0, false), again = run(u, 0, false);
    const char *unlike = differs(want.out, again.out);
    if (!unlike) unlike = differs(want.file, again.file);
    if (!WIFEXITED(want.status) || WEXITSTATUS(want.status) != 0 || unlike) {
        printf("FAILED: %s without a fault: status %d, %s\n%s", u->name, want.status,
               unlike ? unlike : "", want.err);
        failed++;
    } else {
        /* A run more than there are calls, which must be as if nothing was. */
        const unsigned long calls = want.told.calls,
                            step = every ? 1
                                         : 1 + calls / (u->kind == SLOW || u->kind == SERVES
                                                            ? SAMPLES / 4u
                                                            : SAMPLES);
        const unsigned long shift = step > 1 ? (unsigned long)(u - uses) % step : 0;
        for (unsigned all_after = 0; all_after < 2; all_after++) {
            for (unsigned long n = only ? only : 1 + shift; n <= calls + step; n += step) {
                struct outcome o = run(u, n, all_after);
                const char *fault = judge(u, &o, &want);
                passed += !fault;
                failed += fault != NULL;
                if (only || (fault && failed <= MOST_SHOWN)) report(u, n, all_after, &o, fault);
                clear(&o);
                if (only) break;
            }
        }
        if (getenv("BNT_TEST_MEASURE")) printf("%s: %lu calls\n", u->name, calls);
    }
    clear(&want);
    clear(&again);
}

/* The receipts that `verify` reads. */
static void receipts(void) {
    for (unsigned i = 0; i < USES; i++) {
        bool talk = strcmp(uses[i].name, "chat") == 0;
        if (!talk && strcmp(uses[i].name, "run") != 0) continue;
        struct outcome o = run(&uses[i], 0, false);
        if (o.file) put(talk ? "talk" : "good", o.file);
        clear(&o);
    }
}

/* Each command that the program lists has a use here. */
static void every_command(void) {
    static const struct use list = {"--complete", {"--complete"}, NULL, NULL, QUICK};
    struct outcome o = run(&list, 0, false);
    unsigned commands = 0;
    for (const char *line = o.out; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const size_t n = strcspn(line, "\t");
        unsigned i = 0;
        while (i < USES && !(strlen(uses[i].words[0]) == n && !memcmp(uses[i].words[0], line, n)))
            i++;
        commands++;
        passed += i < USES;
        failed += i == USES;
        if (i == USES) printf("FAILED: nothing here uses the command %.*s\n", (int)n, line);
    }
    if (commands == 0) failed++, printf("FAILED: no command is listed\n");
    clear(&o);
}

static void sweep(void) {
    static const char *const names[] = {
        "model.gguf", "in", "empty", "out", "err", "text",    "good",       "talk", "r",
        "c",          "p",  "q",     "b",   "v",   "replies", "checkpoint", "hub",  "lines"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) drop_all(names[i]);
    if (rmdir(folder) != 0) {
        printf("FAILED: something was left in %s\n", folder);
        failed++;
    }
}

int main(int argc, char **argv) {
    bool every = argc > 1 && strcmp(argv[argc - 1], "all") == 0;
    unsigned long only = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct synth s;
    uint64_t bytes;
    if (argc == 2 && strcmp(argv[1], BNT_TRIAL_WORD) == 0) return bitnet_main(argc, argv);
    if (!getenv("HF_ENDPOINT") || !getenv("TORTURE_CHECKPOINT")) {
        printf("tests/torture/commands.sh runs this\n");
        return 2;
    }
    bnt_json_watch();
    snprintf(folder, sizeof folder, "/tmp/bitnet-torture-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    setenv("HF_HOME", folder, 1);
    static const char *const set[] = {"BITNET_BACKEND", "BITNET_THREADS", "BITNET_PLUGIN_DIR",
                                      "BITNET_SEED", "HF_HUB_CACHE"};
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) unsetenv(set[i]);
    if (!synth_preset(&s, "tiny")) return 1;
    s.vocab = 512;
    s.blocks = 1;
    char *model = place("model.gguf");
    if (synth_fault(&s) || synth_save(&s, model, &bytes) != 0) return 1;
    free(model);
    put("empty", "");
    put("text", "one two three four five six seven eight");
    put("lines", lines);
    char *checkpoint = place("checkpoint");
    if (symlink(getenv("TORTURE_CHECKPOINT"), checkpoint) != 0) return 1;
    free(checkpoint);
    receipts();
    every_command();
    for (unsigned i = 0; i < USES; i++)
        if (argc < 2 || strcmp(argv[1], "all") == 0 || strcmp(argv[1], uses[i].name) == 0)
            torture(&uses[i], every, only);
    sweep();
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed || passed == 0;
}
