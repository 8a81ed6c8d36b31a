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
#include "run/template.h"

int cmd_run(const struct cmd_args *args, struct bnt_err *err);
int cmd_chat(const struct cmd_args *args, struct bnt_err *err);
int cmd_tokenize(const struct cmd_args *args, struct bnt_err *err);
int cmd_inspect(const struct cmd_args *args, struct bnt_err *err);
int cmd_backends(const struct cmd_args *args, struct bnt_err *err);
int cmd_bench(const struct cmd_args *args, struct bnt_err *err);
int cmd_perplexity(const struct cmd_args *args, struct bnt_err *err);
int cmd_parity(const struct cmd_args *args, struct bnt_err *err);
int cmd_verify(const struct cmd_args *args, struct bnt_err *err);
int cmd_pull(const struct cmd_args *args, struct bnt_err *err);
int cmd_models(const struct cmd_args *args, struct bnt_err *err);

/* A model that is named by its place on the hub becomes the path of its file, which is brought
 * first if the cache has none. */
int cmd_resolve_model(struct cmd_args *args, struct bnt_err *err);
/* args->model, or the model in models/. */
const char *cmd_model_path(const struct cmd_args *args);

/* Opens the engine as the options say, with a progress bar on a terminal when it takes over a
 * second. */
int cmd_open_engine(struct bnt_engine **out, const struct cmd_args *args, struct bnt_err *err);
/* Only the file, without the keys that the options take out of it. */
int cmd_open_gguf(struct bnt_gguf **out, const char *path, const struct cmd_args *args,
                  struct bnt_err *err);
/* threads: 0 for the default. */
int cmd_open_session(struct bnt_session **out, struct bnt_engine *engine,
                     const struct cmd_args *args, unsigned threads, struct bnt_err *err);

/* What the options ask for, with a new seed where none is given. */
struct bnt_sampling cmd_sampling(const struct cmd_args *args);
uint64_t cmd_fresh_seed(void);
double cmd_rate(size_t n, double seconds); /* 0 when no time went by */

/* Where a result goes that is no text on stdout, judged before a long run: never into a file that
 * the command reads (output.c), and by default into none that holds something else. */
int cmd_output_open(struct bnt_output **out, const struct cmd_args *args, const char *path,
                    struct bnt_err *err);
/* The file of --receipt; NULL when there is none. Says what else would keep it from being written.
 */
int cmd_open_receipt(struct bnt_output **out, const struct cmd_args *args, struct bnt_err *err);
/* BNT_E_USAGE when stdout goes to a file that the command reads. */
int cmd_check_stdout(const struct cmd_args *args, struct bnt_err *err);

/* The whole file, or stdin for "-"; BNT_E_LIMIT beyond CMD_MAX_TEXT bytes, of which each may become
 * a token of 20 bytes. *text is malloc'd. */
#define CMD_MAX_TEXT (64 << 20)
int cmd_read_file(const char *path, char **text, size_t *len, struct bnt_err *err);
/* --chat-template=NAME|FILE; *text, which the choice may point into, is malloc'd or NULL. */
int cmd_template_choice(struct bnt_template_choice *choice, char **text, const char *option,
                        struct bnt_err *err);

/* stdout, checked: a full disk or a closed pipe is an error with a name. */
int cmd_write(const char *text, size_t len, struct bnt_err *err);
int cmd_flush(struct bnt_err *err);
/* One line of JSON; takes over the reference. NULL counts as out of memory. */
int cmd_write_json(json_t *object, struct bnt_err *err);

/* Bytes as a JSON string: each invalid UTF-8 byte and NUL becomes U+FFFD. */
json_t *cmd_json_text(const char *text, size_t len);
json_t *cmd_json_warning(const struct bnt_engine *engine); /* of its backend; null: none */
json_t *cmd_json_ids(const int32_t *ids, size_t n);
/* The layout of I2_S tensors, as bnt_engine_info has it; null without. */
json_t *cmd_json_i2s(const char *layout, const char *known, double margin);

/* What a tokenizer notes of its file or, if there is one, of a list of tokens: lines on stderr. */
void cmd_show_notes(const struct bnt_tokenizer *t, const struct bnt_token_list *list);

/* --debug-tokens: index, id, piece, byte span and type of the first n tokens, on stderr. */
void cmd_debug_tokens(const struct bnt_tokenizer *t, const struct bnt_token_list *list, size_t n);

#endif
