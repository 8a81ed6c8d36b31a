/*
 * cmd.h - what the commands share: opening the model, reading text, writing results.
 *
 * Results go to stdout, everything else to stderr. Every command returns a status; main turns it
 * into the exit status and prints err.text.
 */
#ifndef BNT_CMD_CMD_H
#define BNT_CMD_CMD_H

#include <jansson.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"
#include "cmd/args.h"
#include "output.h"
#include "run/engine.h"
#include "run/generate.h"
#include "run/template.h"

struct bnt_signer;

int cmd_run(const struct cmd_args *args, struct bnt_err *err);
int cmd_chat(const struct cmd_args *args, struct bnt_err *err);
int cmd_tokenize(const struct cmd_args *args, struct bnt_err *err);
int cmd_inspect(const struct cmd_args *args, struct bnt_err *err);
int cmd_backends(const struct cmd_args *args, struct bnt_err *err);
int cmd_bench(const struct cmd_args *args, struct bnt_err *err);
int cmd_batch(const struct cmd_args *args, struct bnt_err *err);
int cmd_embed(const struct cmd_args *args, struct bnt_err *err);
int cmd_perplexity(const struct cmd_args *args, struct bnt_err *err);
int cmd_parity(const struct cmd_args *args, struct bnt_err *err);
int cmd_verify(const struct cmd_args *args, struct bnt_err *err);
int cmd_pull(const struct cmd_args *args, struct bnt_err *err);
int cmd_serve(const struct cmd_args *args, struct bnt_err *err);
int cmd_models(const struct cmd_args *args, struct bnt_err *err);
int cmd_quantize(const struct cmd_args *args, struct bnt_err *err);
int cmd_convert(const struct cmd_args *args, struct bnt_err *err);

/* A model that is named by its place on the hub becomes the path of its file, which is brought
 * first if the cache has none. */
int cmd_resolve_model(struct cmd_args *args, struct bnt_err *err);
/* args->model, or the model in models/. */
const char *cmd_model_path(const struct cmd_args *args);

/* Opens the engine as the options say, with a progress bar on a terminal when it takes over a
 * second. */
int cmd_open_engine(struct bnt_engine **out, const struct cmd_args *args, struct bnt_err *err);
/* SHA-256 of the model's file or files, with such a bar. */
int cmd_hash_model(char hex[65], const struct bnt_gguf *g, struct bnt_err *err);
/* Only the file, without the keys that the options take out of it. */
int cmd_open_gguf(struct bnt_gguf **out, const char *path, const struct cmd_args *args,
                  struct bnt_err *err);
/* threads: 0 for the default. */
int cmd_open_session(struct bnt_session **out, struct bnt_engine *engine,
                     const struct cmd_args *args, unsigned threads, struct bnt_err *err);

/* What helps when a context is full: "-c gives more, up to 4096", unless the model has no more. */
const char *cmd_more_context(char *room, size_t size, const struct bnt_engine *engine,
                             uint64_t context);

/* What the options ask for, with a new seed where none is given. */
struct bnt_sampling cmd_sampling(const struct cmd_args *args);
uint64_t cmd_fresh_seed(void);
double cmd_rate(size_t n, double seconds); /* 0 when no time went by */

/* Feeds ids[0 .. n) into the emptied session and adds to *nats how badly ids[1 ..] were foreseen;
 * each: their log-probabilities, [n - 1], or NULL. */
int cmd_score_window(struct bnt_session *s, uint32_t n_vocab, const int32_t *ids, size_t n,
                     double *nats, double *each, struct bnt_err *err);

/* Where a result goes that is no text on stdout, judged before a long run: never into a file that
 * the command reads (output.c), and by default into none that holds something else. */
int cmd_output_open(struct bnt_output **out, const struct cmd_args *args, const char *path,
                    struct bnt_err *err);
/* The same for a report to look at, which takes the place of no receipt either, least of all of the
 * one that this command writes (NULL: none). */
int cmd_report_open(struct bnt_output **out, const struct cmd_args *args, const char *path,
                    const struct bnt_output *receipt, struct bnt_err *err);
/* BNT_E_USAGE when a report would go where the receipt goes; either may be NULL. */
int cmd_reports_apart(const struct bnt_output *report, const struct bnt_output *receipt,
                      struct bnt_err *err);
/* --sign: NULL without; tells when others can read the key. */
int cmd_open_signer(struct bnt_signer **out, const struct cmd_args *args, struct bnt_err *err);
/* The file of --receipt; NULL when there is none. Says what else would keep it from being written.
 */
int cmd_open_receipt(struct bnt_output **out, const struct cmd_args *args, struct bnt_err *err);
/* BNT_E_USAGE when standard output or error goes to a file that the command reads; then no message
 * is written to standard error any more where that is the file: it goes to standard output. */
int cmd_check_standard(const struct cmd_args *args, struct bnt_err *err);
/* Of a command line that is not understood: if a word of it names the file that standard error goes
 * to, nothing more is written there. */
void cmd_spare_words(int argc, char **argv);
/* BNT_E_USAGE when results that are added to `path` would go into such a file, or to where standard
 * output or error goes. */
int cmd_check_results(const struct cmd_args *args, const char *path, struct bnt_err *err);

/* The whole file, or stdin for "-"; BNT_E_LIMIT beyond CMD_MAX_TEXT bytes, of which each may become
 * a token of 20 bytes. *text is malloc'd. */
#define CMD_MAX_TEXT (64 << 20)
int cmd_read_file(const char *path, char **text, size_t *len, struct bnt_err *err);
/* --date=YYYY-MM-DD, or today where it is NULL, as days go: what a template that asks for the date
 * is told, and a receipt can say. In seconds since 1970. */
int cmd_read_day(int64_t *day, const char *date, struct bnt_err *err);
/* -p, or the file of -f; an empty prompt is a prompt too. Without either what comes through a pipe,
 * whose last newline is the shell's, not the text's. *text is malloc'd. */
int cmd_read_prompt(const struct cmd_args *args, char **text, size_t *len, struct bnt_err *err);
/* --chat-template=NAME|FILE; *text, which the choice may point into, is malloc'd or NULL. */
int cmd_template_choice(struct bnt_template_choice *choice, char **text, const char *option,
                        struct bnt_err *err);

/* --json-schema, --grammar or --format; *out is NULL without. Closed before the engine. */
bool cmd_is_schema_text(const char *option); /* and not the name of a file */
int cmd_open_constraint(struct bnt_constraint **out, const struct cmd_args *args,
                        struct bnt_engine *engine, uint32_t schema_kind, struct bnt_err *err);

/* stdout, checked: a full disk or a closed pipe is an error with a name. */
int cmd_write(const char *text, size_t len, struct bnt_err *err);
int cmd_flush(struct bnt_err *err);
/* One line of JSON; takes over the reference. BNT_E_NOMEM when a part of it was lost while it was
 * built (json_memory.h), or for NULL. */
int cmd_write_json(json_t *object, struct bnt_err *err);

/* Bytes as a JSON string: each invalid UTF-8 byte and NUL becomes U+FFFD. */
json_t *cmd_json_text(const char *text, size_t len);
json_t *cmd_json_warning(const struct bnt_engine *engine); /* of its backend; null: none */
json_t *cmd_json_ids(const int32_t *ids, size_t n);
/* Of each token that was made, where they were asked for; else NULL. */
json_t *cmd_json_logprobs(const struct bnt_generation *g);
/* The layout of I2_S tensors, as bnt_engine_info has it; null without. */
json_t *cmd_json_i2s(const char *layout, const char *known, double margin);

/* Tells of tokens that were made and that the tokenizer does not have: nothing of them was shown.
 */
void cmd_show_untold(const struct bnt_engine *engine, const struct bnt_generation *g);
/* What a tokenizer notes of its file or, if there is one, of a list of tokens: lines on stderr. */
void cmd_show_notes(const struct bnt_tokenizer *t, const struct bnt_token_list *list);

/* --debug-tokens: index, id, piece, byte span and type of the first n tokens, on stderr. */
void cmd_debug_tokens(const struct bnt_tokenizer *t, const struct bnt_token_list *list, size_t n);

#endif
