/*
 * listen.c - see listen.h.
 *
 * SO_REUSEADDR lets a server start again beside connections that the one before has left; without
 * SO_REUSEPORT two that run never share a port, where each would get some of the requests.
 */
#include "serve/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket, or -1 and errno. */
static int bind_at(const struct addrinfo *a) {
    const int on = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    /* "::" is not 0.0.0.0, too */
    bool set = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
               (a->ai_family != AF_INET6 ||
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    if (set && bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static unsigned port_of(int fd) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t len = sizeof at;
    if (getsockname(fd, &at.any, &len) != 0) return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

int serve_listen(int *fd, unsigned *port, const char *host, struct bnt_err *err) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char text[16];
    int why = 0;
    snprintf(text, sizeof text, "%u", *port);
    int bad = getaddrinfo(host, text, &hints, &list);
    if (bad) return bnt_fail(err, BNT_E_USAGE, "--host %s: %s", host, gai_strerror(bad));
    *fd = -1;
    /* Where one address of a name is taken, its others are not looked at: two servers would share
     * the name. */
    for (const struct addrinfo *a = list; a && *fd < 0 && why != EADDRINUSE; a = a->ai_next)
        if ((*fd = bind_at(a)) < 0) why = errno;
    freeaddrinfo(list);
    if (*fd < 0)
        return bnt_fail(err, BNT_E_IO, "cannot listen at %s, port %u: %s%s", host, *port,
                        strerror(why),
                        why == EADDRINUSE ? ": another program listens there (--port)" : "");
    *port = port_of(*fd);
    return BNT_OK;
}
