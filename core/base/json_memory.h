/*
 * json_memory.h - whether a JSON value that was built or read has all its parts.
 *
 * Jansson's constructors answer NULL when memory is short, and put nothing where they were to put
 * the value, so an object can lack a member and nobody is told. Here every allocation of Jansson's
 * that fails is noted, and whoever writes or believes a value asks once. Must not know what is in
 * the values.
 */
#ifndef BNT_JSON_MEMORY_H
#define BNT_JSON_MEMORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Begins the notes, for the whole process; before any other use of Jansson. */
void bnt_json_watch(void);
/* Memory that a value is made from or read into, to be given to free(): its failure is noted, too.
 */
void *bnt_json_take(size_t size);
/* Notes that a part of a value could not be made for want of memory that others take. */
void bnt_json_miss(void);
/* Whether one of these, or of Jansson's own, has failed in this thread since it was last asked. */
bool bnt_json_lost(void);

/* Text as a value: BNT_OK; BNT_E_FORMAT, and *why (Jansson's own word says either, since its reader
 * takes a token for which memory was short for a wrong one); BNT_E_NOMEM. `why` may be NULL. The
 * one way to read JSON: Jansson's own reader may end the process when memory is short. */
int bnt_json_load(json_t **out, const char *text, size_t len, size_t flags, json_error_t *why);
/* The same for a part of a value that is being made: NULL when the text is no JSON, or memory was
 * short, which is noted. */
json_t *bnt_json_part(const char *text, size_t len, size_t flags);

#endif
