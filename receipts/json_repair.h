/*
 * json_repair.h - JSON strings of text that may be no UTF-8.
 *
 * Must not know where the text comes from.
 */
#ifndef BNT_JSON_REPAIR_H
#define BNT_JSON_REPAIR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Each wrong byte becomes U+FFFD, and so does a NUL, unless those are kept. A new reference; NULL,
 * and noted (json_memory.h), when memory is short. */
json_t *bnt_json_repair(const char *text, size_t len, bool keep_nul);

#endif
