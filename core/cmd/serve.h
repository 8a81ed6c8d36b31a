/*
 * serve.h - between the commands that answer requests: the model and its scheduler, opened.
 */
#ifndef BNT_CMD_SERVE_H
#define BNT_CMD_SERVE_H

#include "cmd/cmd.h"
#include "serve/server.h"

/* Engine, names and template; no threads yet. *template_text is to be freed after the server's
 * model is closed, also after a failure. */
int cmd_serve_open_model(struct serve_server *s, char **template_text, const struct cmd_args *args,
                         struct bnt_err *err);
int cmd_serve_open_scheduler(struct serve_server *s, const struct cmd_args *args,
                             struct bnt_err *err);
void cmd_serve_close_model(struct serve_server *s); /* and the scheduler */

#endif
