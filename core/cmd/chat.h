/*
 * chat.h - between the parts of `bitnet chat`: the lines that are read, and the turns that are
 * made.
 */
#ifndef BNT_CMD_CHAT_H
#define BNT_CMD_CHAT_H

#include <signal.h>

#include "cmd/cmd.h"
#include "receipt.h"
#include "run/chat.h"

/* ---- chat_line.c: where lines come from -------------------------------------------------------
 */

struct chat_lines; /* opaque: a terminal with editing and history, or any other standard input */

enum chat_line { CHAT_LINE, CHAT_END, CHAT_CANCELLED };

int chat_lines_open(struct chat_lines **out, struct bnt_err *err);
void chat_lines_close(struct chat_lines *l);
bool chat_lines_edited(const struct chat_lines *l); /* by somebody at a terminal */
/* The next line without its end; *text lasts until the next call. A line that ends in a backslash
 * goes on in the next one. CHAT_CANCELLED: Ctrl-C. */
int chat_lines_next(struct chat_lines *l, enum chat_line *what, const char **text, size_t *len,
                    struct bnt_err *err);

/* ---- chat_talk.c: turns ------------------------------------------------------------------------
 */

struct talk_turn {
    size_t keep, depth; /* as in a receipt */
    char *user, *system;
    size_t user_len, system_len;
    int32_t *ids;
    size_t n_ids;
    struct bnt_generation g;
};

struct talk {
    const struct cmd_args *args;
    struct bnt_engine *engine;
    struct bnt_session *session;
    struct bnt_signer *signer; /* of receipts; or NULL */
    struct bnt_template tm;
    struct bnt_constraint *constraint;   /* of each answer, or NULL */
    struct bnt_generate_options options; /* with the seed of the first turn */
    bool makers;                         /* whose sampling the model's file recommends */
    const char *stops[MAX_STOPS + 1];
    struct bnt_chat context;
    struct talk_turn *turns; /* all that were made, those taken back as well */
    size_t n_turns, capacity;
};

/* Opens everything that the options ask for; *t zero-initialised, closed also after a failure. */
int talk_open(struct talk *t, const struct cmd_args *args, const volatile sig_atomic_t *interrupted,
              struct bnt_err *err);
void talk_close(struct talk *t);
/* A turn. BNT_E_LIMIT, and nothing has changed, when it does not fit into the context. */
int talk_ask(struct talk *t, const char *text, size_t len, struct bnt_err *err);
/* The last turn again, with the next seed. BNT_E_USAGE when there is none. */
int talk_again(struct talk *t, struct bnt_err *err);
/* Forgets the conversation; from now on it has this system message, or none (NULL). */
int talk_begin(struct talk *t, const char *system, struct bnt_err *err);
int talk_reset(struct talk *t, struct bnt_err *err); /* forgets it; the system message stays */
/* A receipt of all turns. BNT_E_USAGE when there is none. */
int talk_save(const struct talk *t, struct bnt_output *to, struct bnt_err *err);

#endif
