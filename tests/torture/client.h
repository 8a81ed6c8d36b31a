/*
 * client.h - asks a server that is running in another process, and judges what came.
 *
 * A reply is a line of JSON: which request, the HTTP status, whether all of it came, and the body
 * (of a stream, the list of its events).
 */
#ifndef TORTURE_CLIENT_H
#define TORTURE_CLIENT_H

#include <jansson.h>
#include <sys/types.h>

/* Waits until the server has written its address to the file `said`, or has ended; makes one
 * request of each kind, writes the replies to the file `replies`, and sends SIGTERM. */
void client_talk(pid_t server, const char *said, const char *replies);

/* NULL when each reply is what `lacks` finds the same as the wanted one, or plainly none: cut
 * short, or an error of the server's with a message. */
const char *client_judge(const char *wanted, const char *got,
                         const char *(*lacks)(const char *key, const json_t *a, const json_t *b));

#endif
