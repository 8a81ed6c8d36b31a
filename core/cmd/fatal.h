/*
 * fatal.h - last words, when the process ends otherwise than by coming back from its command.
 */
#ifndef BNT_CMD_FATAL_H
#define BNT_CMD_FATAL_H

/* A page of the model that cannot be read (SIGBUS), a crash, and exit called by somebody else, from
 * now until cmd_fatal_over are told on stderr, with names. */
void cmd_fatal_watch(const char *model_path);
/* Whose kernels compute from now on; path "": linked in; base: the plugin it extends, or "". */
void cmd_fatal_backend(const char *name, const char *path, const char *base);
void cmd_fatal_over(void);

#endif
