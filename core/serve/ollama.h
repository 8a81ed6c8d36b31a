/*
 * ollama.h - what the parts of ollama's interface have in common.
 */
#ifndef BNT_SERVE_OLLAMA_H
#define BNT_SERVE_OLLAMA_H

#include "serve/server.h"

/* RFC 3339. */
json_t *ollama_time(int64_t seconds);

#endif
