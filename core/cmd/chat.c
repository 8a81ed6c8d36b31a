/*
 * chat.c - `bitnet chat`: a conversation with a model. See chat.h for its parts.
 *
 * Answers, or with --json one object a turn, go to stdout; everything else to stderr. At a terminal
 * a mistake is told and the conversation goes on; in a script the first one ends it.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/chat.h"

static volatile sig_atomic_t interrupted;

static void on_sigint(int signum) {
    (void)signum;
    interrupted = 1;
}

/* Ctrl-C ends the reading of a line, but never the writing of a text. */
static void catch_sigint(bool reading) {
    struct sigaction action = {.sa_handler = on_sigint, .sa_flags = reading ? 0 : SA_RESTART};
    sigaction(SIGINT, &action, NULL);
}

/* ---- a turn shown ------------------------------------------------------------------------------
 */

struct shown {
    bool begun, line_ended;
};

/* A terminal obeys control characters, and a model's file may be anybody's: '?' for each. A text
 * never ends inside a character, so both bytes of U+0080 to U+009F are here. */
static int write_safely(const char *text, size_t len, struct bnt_err *err) {
    int status = BNT_OK;
    for (size_t i = 0; i < len && status == BNT_OK;) {
        size_t n = i;
        while (n < len && ((unsigned char)text[n] >= ' ' || strchr("\n\t", text[n])) && text[n] &&
               text[n] != 0x7f &&
               !(text[n] == '\xC2' && n + 1 < len && (unsigned char)text[n + 1] < 0xA0))
            n++;
        status = cmd_write(text + i, n - i, err);
        if (n < len && status == BNT_OK) status = cmd_write("?", 1, err);
        i = n + 1 + (n < len && text[n] == '\xC2');
    }
    return status;
}

/* White space that a template makes a model begin with is not shown. */
static int stream_text(void *arg, const char *text, size_t len, struct bnt_err *err) {
    struct shown *s = arg;
    while (!s->begun && len && strchr(" \n\t", *text)) {
        text++;
        len--;
    }
    if (len == 0) return BNT_OK;
    s->begun = true;
    s->line_ended = text[len - 1] == '\n';
    int status = isatty(STDOUT_FILENO) ? write_safely(text, len, err) : cmd_write(text, len, err);
    return status == BNT_OK ? cmd_flush(err) : status;
}

static int print_json(const struct talk *t, struct bnt_err *err) {
    const struct talk_turn *k = &t->turns[t->n_turns - 1];
    const struct bnt_generation *g = &k->g;
    json_t *timings = json_pack("{s:f, s:I, s:f, s:I}", "prefill_seconds", g->prefill_seconds,
                                "prefill_tokens", (json_int_t)g->prefill_tokens, "decode_seconds",
                                g->decode_seconds, "decode_tokens", (json_int_t)g->decode_steps);
    return cmd_write_json(
        json_pack("{s:I, s:s, s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:s, s:s, s:I, s:o, s:o*}", "turn",
                  (json_int_t)(t->n_turns - 1), "template", t->tm.name, "backend",
                  bnt_engine_info(t->engine)->backend, "backend_warning",
                  cmd_json_warning(t->engine), "user", cmd_json_text(k->user, k->user_len),
                  "kept_tokens", (json_int_t)k->keep, "prompt_tokens",
                  cmd_json_ids(k->ids, k->n_ids), "tokens", cmd_json_ids(g->tokens, g->n_tokens),
                  "text", cmd_json_text(g->text, g->text_len), "stop_reason",
                  bnt_stop_reason_name(g->reason), "hidden_digest", g->hidden_digest,
                  "context_tokens", (json_int_t)bnt_chat_count(&t->context), "timings", timings,
                  "logprobs", cmd_json_logprobs(g)),
        err);
}

/* What came of asking: the end of its line, and why it ended where that is not plain. */
static int finish_turn(const struct talk *t, const struct shown *s, struct bnt_err *err) {
    char more[64];
    const struct bnt_generation *g = &t->turns[t->n_turns - 1].g;
    int status = BNT_OK;
    if (t->args->json) {
        status = print_json(t, err);
    } else if (!s->begun || !s->line_ended) {
        status = cmd_write("\n", 1, err);
        if (status == BNT_OK) status = cmd_flush(err);
    }
    cmd_show_untold(t->engine, g);
    if (g->reason == BNT_STOP_CONTEXT)
        fprintf(stderr,
                "bitnet: the context of %" PRIu64
                " tokens is full: the answer is cut (/reset begins anew; %s)\n",
                bnt_session_context(t->session),
                cmd_more_context(more, sizeof more, t->engine, bnt_session_context(t->session)));
    else if (g->reason == BNT_STOP_LENGTH)
        fprintf(stderr, "bitnet: cut after %zu tokens%s (-n gives more)\n", g->n_tokens,
                t->constraint ? ", before its shape had ended" : "");
    return status;
}

/* `text` NULL: the last turn again. */
static int take_turn(struct talk *t, const char *text, size_t len, struct bnt_err *err) {
    struct shown shown = {false, false};
    interrupted = 0;
    t->options.on_text = t->args->json ? NULL : stream_text;
    t->options.on_text_arg = &shown;
    int status = text ? talk_ask(t, text, len, err) : talk_again(t, err);
    t->options.on_text_arg = NULL;
    return status == BNT_OK ? finish_turn(t, &shown, err) : status;
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static int show_help(struct talk *t, const char *rest, struct bnt_err *err);

static int do_reset(struct talk *t, const char *rest, struct bnt_err *err) {
    (void)rest;
    return talk_reset(t, err);
}

static int do_system(struct talk *t, const char *rest, struct bnt_err *err) {
    return talk_begin(t, *rest ? rest : NULL, err);
}

static int do_regen(struct talk *t, const char *rest, struct bnt_err *err) {
    (void)rest;
    if (t->context.n_turns && t->options.sampling.temperature <= 0.0f)
        fprintf(stderr, "bitnet: greedy: it will be the same answer (--temp samples)\n");
    return take_turn(t, NULL, 0, err);
}

static int show_stats(struct talk *t, const char *rest, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(t->engine);
    const struct bnt_sampling *s = &t->options.sampling;
    (void)rest;
    (void)err;
    fprintf(stderr,
            "%zu turn%s; %zu of %" PRIu64 " tokens of context; template %s; %s (%s), %u thread%s\n",
            t->n_turns, t->n_turns == 1 ? "" : "s", bnt_chat_count(&t->context),
            bnt_session_context(t->session), t->tm.name, info->backend, info->backend_variant,
            bnt_session_threads(t->session), bnt_session_threads(t->session) == 1 ? "" : "s");
    if (s->temperature > 0.0f)
        fprintf(stderr, "temperature %g, top-k %u, top-p %g, min-p %g, seed %" PRIu64 "\n",
                (double)s->temperature, s->top_k, (double)s->top_p, (double)s->min_p, s->seed);
    if (t->n_turns) {
        const struct bnt_generation *g = &t->turns[t->n_turns - 1].g;
        fprintf(stderr,
                "last turn: prefill %zu tokens, %.1f tok/s; decode %zu tokens, %.1f tok/s\n",
                g->prefill_tokens, cmd_rate(g->prefill_tokens, g->prefill_seconds), g->decode_steps,
                cmd_rate(g->decode_steps, g->decode_seconds));
    }
    return BNT_OK;
}

static int do_save(struct talk *t, const char *rest, struct bnt_err *err) {
    if (!*rest) return bnt_fail(err, BNT_E_USAGE, "/save where? /save FILE");
    struct bnt_output *to = NULL;
    int status = cmd_output_open(&to, t->args, rest, err);
    if (status == BNT_OK) status = talk_save(t, to, err);
    bnt_output_close(to);
    if (status == BNT_OK) fprintf(stderr, "%s: %zu turns\n", rest, t->n_turns);
    return status;
}

static const struct {
    const char *name, *value, *help;
    int (*run)(struct talk *t, const char *rest, struct bnt_err *err); /* NULL: leaves */
} commands[] = {
    {"help", "", "this list", show_help},
    {"reset", "", "forget the conversation", do_reset},
    {"system", " TEXT", "begin anew with another system message; without TEXT: with none",
     do_system},
    {"regen", "", "answer the last message again", do_regen},
    {"stats", "", "tokens, context and speed", show_stats},
    {"save", " FILE", "write a receipt of all turns, for bitnet verify", do_save},
    {"quit", "", "leave (as Ctrl-D)", NULL},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static int show_help(struct talk *t, const char *rest, struct bnt_err *err) {
    (void)t;
    (void)rest;
    (void)err;
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(stderr, "  /%s%-*s %s\n", commands[i].name, 14 - (int)strlen(commands[i].name),
                commands[i].value, commands[i].help);
    fprintf(stderr, "  //...            a message that begins with a slash\n"
                    "  ...\\             goes on in the next line\n"
                    "Ctrl-C ends an answer, or drops the line.\n");
    return BNT_OK;
}

static int run_command(struct talk *t, const char *line, bool *leave, struct bnt_err *err) {
    size_t n = strcspn(line, " \t");
    const char *rest = line + n + strspn(line + n, " \t");
    char shown[64];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strlen(commands[i].name) != n - 1 || strncmp(commands[i].name, line + 1, n - 1) != 0)
            continue;
        if (*rest && !commands[i].value[0])
            return bnt_fail(err, BNT_E_USAGE, "/%s takes nothing: '%s'", commands[i].name,
                            bnt_printable(shown, sizeof shown, rest, strlen(rest)));
        *leave = commands[i].run == NULL;
        return *leave ? BNT_OK : commands[i].run(t, rest, err);
    }
    return bnt_fail(err, BNT_E_USAGE, "unknown command '%s'; /help lists them",
                    bnt_printable(shown, sizeof shown, line, n));
}

/* ---- the conversation -------------------------------------------------------------------------
 */

static int take_line(struct talk *t, const char *line, size_t len, bool *leave,
                     struct bnt_err *err) {
    if (len == 0) return BNT_OK;
    if (line[0] == '/' && !(len > 1 && line[1] == '/')) return run_command(t, line, leave, err);
    return take_turn(t, line + (line[0] == '/'), len - (line[0] == '/'), err);
}

/* What somebody at the terminal can put right. */
static bool is_mistake(int status) {
    return status == BNT_E_USAGE || status == BNT_E_LIMIT || status == BNT_E_IO;
}

static bool was_interrupted(const struct talk *t) {
    return t->n_turns && t->turns[t->n_turns - 1].g.reason == BNT_STOP_INTERRUPTED && interrupted;
}

static int converse(struct talk *t, struct chat_lines *lines, struct bnt_err *err) {
    const bool at_terminal = chat_lines_edited(lines);
    bool leave = false;
    int status = BNT_OK;
    while (!leave && status == BNT_OK) {
        enum chat_line what;
        const char *line;
        size_t len;
        interrupted = 0;
        catch_sigint(true);
        status = chat_lines_next(lines, &what, &line, &len, err);
        catch_sigint(false);
        if (status != BNT_OK) break;
        if (what == CHAT_END) {
            if (at_terminal) fputc('\n', stderr);
            break;
        }
        if (what == CHAT_CANCELLED) {
            if (!at_terminal) return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
            fputc('\n', stderr);
            continue;
        }
        status = take_line(t, line, len, &leave, err);
        if (at_terminal && is_mistake(status) && !ferror(stdout)) {
            fprintf(stderr, "bitnet: %s\n", err->text);
            *err = (struct bnt_err){0};
            status = BNT_OK;
        }
        if (status == BNT_OK && !at_terminal && was_interrupted(t))
            status = bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    }
    return status;
}

static void introduce(const struct talk *t, bool at_terminal) {
    const struct bnt_engine_info *info = bnt_engine_info(t->engine);
    if (strcmp(t->tm.source, "none") == 0)
        fprintf(stderr,
                "bitnet: the model has no chat template: each message is put as 'Q: ...', each "
                "answer as 'A: ...' (--chat-template=NAME chooses another)\n");
    if (t->makers)
        fprintf(
            stderr,
            "bitnet: sampling as the file recommends: temperature %g, top-k %u, top-p %g, min-p "
            "%g, repeat penalty %g (--greedy, --temp and the others choose)\n",
            (double)t->options.sampling.temperature, t->options.sampling.top_k,
            (double)t->options.sampling.top_p, (double)t->options.sampling.min_p,
            (double)t->options.sampling.repeat_penalty);
    if (t->tm.remark[0]) fprintf(stderr, "bitnet: %s\n", t->tm.remark);
    if (at_terminal)
        fprintf(stderr, "%s, template %s, context %" PRIu64 ", %s. /help lists the commands.\n",
                info->architecture, t->tm.name, bnt_session_context(t->session), info->backend);
}

int cmd_chat(const struct cmd_args *args, struct bnt_err *err) {
    struct talk t = {0};
    struct chat_lines *lines = NULL;
    struct bnt_output *receipt;
    int status = cmd_open_receipt(&receipt, args, err);
    if (status != BNT_OK) return status;
    status = talk_open(&t, args, &interrupted, err);
    if (status == BNT_OK && !args->prompt) status = chat_lines_open(&lines, err);
    if (status != BNT_OK) goto out;
    catch_sigint(false);
    introduce(&t, lines && chat_lines_edited(lines));
    if (args->prompt) {
        status = take_turn(&t, args->prompt, strlen(args->prompt), err);
        if (status == BNT_OK && was_interrupted(&t))
            status = bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    } else {
        status = converse(&t, lines, err);
    }
    /* An interrupted conversation has its receipt, as an interrupted run has. */
    if (receipt && (status == BNT_OK || (status == BNT_E_INTERRUPTED && t.n_turns))) {
        struct bnt_err why = {0};
        int saved = talk_save(&t, receipt, &why);
        if (saved != BNT_OK) status = bnt_fail(err, saved, "%s", why.text);
    }
out:
    chat_lines_close(lines);
    talk_close(&t);
    bnt_output_close(receipt);
    return status;
}
