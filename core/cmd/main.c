/*
 * main.c - finds the command, runs it, and turns its status into words and an exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_memory.h"
#include "bitnet/plugin.h"
#include "cmd/cmd.h"
#include "cmd/fatal.h"
#include "cmd/spelling.h"
#include "cmd/terminal.h"
#include "plugin/trial.h"

struct command {
    const char *name;
    enum cmd_id id;
    int (*run)(const struct cmd_args *, struct bnt_err *);
    const char *usage, *help;
};

static const struct command commands[] = {
    {"run", CMD_RUN, cmd_run, "bitnet [run] [-m MODEL] [-p TEXT | -f FILE] [options]",
     "continue a text (the default command)"},
    {"chat", CMD_CHAT, cmd_chat, "bitnet chat [-m MODEL] [-p TEXT] [options]",
     "talk with a model, turn by turn"},
    {"serve", CMD_SERVE, cmd_serve, "bitnet serve [-m MODEL] [--port N] [options]",
     "answer requests over HTTP"},
    {"tokenize", CMD_TOKENIZE, cmd_tokenize, "bitnet tokenize [-m MODEL] [options] TEXT",
     "show the tokens of a text, or the text of tokens"},
    {"inspect", CMD_INSPECT, cmd_inspect, "bitnet inspect [options] [MODEL]",
     "describe a model file"},
    {"backends", CMD_BACKENDS, cmd_backends, "bitnet backends [options]",
     "list the kernel plugins, and why one is or is not used"},
    {"bench", CMD_BENCH, cmd_bench, "bitnet bench [-m MODEL] [options]",
     "measure prefill and decode"},
    {"batch", CMD_BATCH, cmd_batch, "bitnet batch IN.jsonl -o OUT.jsonl [-m MODEL] [options]",
     "answer a file of requests, and go on after a kill"},
    {"embed", CMD_EMBED, cmd_embed, "bitnet embed [-m MODEL] [-p TEXT | -f FILE] [options]",
     "texts as vectors, and how alike they are"},
    {"perplexity", CMD_PERPLEXITY, cmd_perplexity, "bitnet perplexity [-m MODEL] -f FILE [options]",
     "score a text"},
    {"verify", CMD_VERIFY, cmd_verify, "bitnet verify RECEIPT [-m MODEL] [options]",
     "check a receipt, and compute its run again"},
    {"parity", CMD_PARITY, cmd_parity, "bitnet parity [-m MODEL] --backend=NAME [options]",
     "prove a backend's bits against the judge's, and write a receipt"},
    {"pull", CMD_PULL, cmd_pull, "bitnet pull ORG/NAME[/FILE][@REVISION] [options]",
     "bring a model from the hub"},
    {"models", CMD_MODELS, cmd_models, "bitnet models [options]",
     "list the models that were brought, or remove one"},
    {"convert", CMD_CONVERT, cmd_convert, "bitnet convert DIR -o FILE.gguf [options]",
     "a model file from a checkpoint's folder (config, safetensors, tokenizer)"},
    {"quantize", CMD_QUANTIZE, cmd_quantize, "bitnet quantize IN.gguf OUT.gguf --type=T [options]",
     "the same model with its ternary weights in another type"},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_overview(void) {
    printf("bitnet %s runs ternary (BitNet b1.58) language models on CPUs.\n\n", BNT_VERSION);
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("  bitnet %-11s %s\n", commands[i].name, commands[i].help);
    printf("  bitnet --version    print the version\n\n"
           "`bitnet help COMMAND` lists a command's options. Exit statuses:\n");
#define X(name, value, exit_status, text) printf("  %3d  %s\n", exit_status, text);
    BNT_STATUS_TABLE(X)
#undef X
}

static void print_help(const struct command *c) {
    printf("%s\n%s\n\n", c->usage, c->help);
    cmd_print_options(c->id);
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) return &commands[i];
    }
    return NULL;
}

static void watch(const struct cmd_args *args, enum cmd_id command) {
    bool named = (command & (CMD_INSPECT | CMD_QUANTIZE | CMD_CONVERT)) && args->operand;
    cmd_fatal_watch(named ? args->operand : cmd_model_path(args));
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c) {
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* A first word that is no command: what was it meant to be? */
static int unknown_command(const char *word, struct bnt_err *err) {
    const char *names[N_COMMANDS], *near;
    char shown[48];
    for (size_t i = 0; i < N_COMMANDS; i++) names[i] = commands[i].name;
    bnt_printable(shown, sizeof shown, word, strlen(word));
    if ((near = spelling_nearest(word, names, N_COMMANDS)) != NULL)
        return bnt_fail(err, BNT_E_USAGE, "unknown command '%s'; did you mean '%s'?", shown, near);
    if (access(word, F_OK) == 0 || strchr(word, '/') || strstr(word, ".gguf"))
        return bnt_fail(err, BNT_E_USAGE, "unknown command '%s'; a model is given by -m", shown);
    return bnt_fail(err, BNT_E_USAGE, "unknown command '%s'; `bitnet --help` lists them", shown);
}

static int show_help(const char *name, struct bnt_err *err) {
    const struct command *c = name ? find_command(name) : NULL;
    if (name && !c) return unknown_command(name, err);
    if (c)
        print_help(c);
    else
        print_overview();
    return cmd_flush(err);
}

/* What the shells' completions ask (packaging/completions): the commands, or the options of one. */
static int complete_for(const char *name, struct bnt_err *err) {
    const struct command *c = name ? find_command(name) : NULL;
    if (name && !c) return unknown_command(name, err);
    for (size_t i = 0; i < N_COMMANDS && !c; i++)
        printf("%s\t%s\n", commands[i].name, commands[i].help);
    if (c) cmd_list_options(c->id);
    return cmd_flush(err);
}

static int dispatch(int argc, char **argv, struct bnt_err *err) {
    struct cmd_args args;
    const struct command *c = &commands[0];
    const char *first = argc > 1 ? argv[1] : "";
    if (is_one_of(first, "--help", "-h", "help")) return show_help(argc > 2 ? argv[2] : NULL, err);
    if (argc == 1 && isatty(STDIN_FILENO)) return show_help(NULL, err);
    if (strcmp(first, "--complete") == 0) return complete_for(argc > 2 ? argv[2] : NULL, err);
    if (is_one_of(first, "--version", "-v", "version")) {
        printf("bitnet %s (ABI %d.%d, numerics %d)\n", BNT_VERSION, BNT_ABI_MAJOR, BNT_ABI_MINOR,
               BNT_NUMERICS_VERSION);
        return cmd_flush(err);
    }
    if (first[0] && first[0] != '-') {
        if (!(c = find_command(first))) return unknown_command(first, err);
        argv++;
        argc--;
    } else {
        for (int i = 1; i < argc; i++)
            if (spelling_asks_for_chat(argv[i])) c = find_command("chat");
    }
    int status = cmd_parse(&args, c->id, argc, argv, err);
    if (status != BNT_OK) {
        cmd_spare_words(argc, argv);
        return status;
    }
    if (args.help) return show_help(c->name, err);
    if ((status = cmd_resolve_model(&args, err)) != BNT_OK ||
        (status = cmd_check_standard(&args, err)) != BNT_OK)
        return status;
    watch(&args, c->id);
    status = c->run(&args, err);
    cmd_fatal_over();
    return status;
}

/* A closed standard descriptor would be the number of the first file we open: the model would be
 * read as the user's messages, or written into. Input then counts as empty; output is opened for
 * reading, so that a result that goes nowhere is still an error. */
static void fill_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", O_RDONLY) != fd) _exit(bnt_status_exit(BNT_E_IO));
    }
}

int main(int argc, char **argv) {
    struct bnt_err err = {0};
    if (argc == 2 && strcmp(argv[1], BNT_TRIAL_WORD) == 0) return bnt_trial_main();
    fill_standard_descriptors();
    bnt_json_watch();
    bnt_trial_helper("/proc/self/exe");
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is reported by write, with a name */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that may grow no more */
    int status = dispatch(argc, argv, &err);
    if (status != BNT_OK)
        fprintf(stderr, "%sbitnet:%s %s\n", color(stderr, COLOR_BAD), color(stderr, COLOR_NONE),
                err.text[0] ? err.text : bnt_status_text(status));
    return bnt_status_exit(status);
}
