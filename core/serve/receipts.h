/*
 * receipts.h - receipts of answers, kept for who asks for them by their ids.
 *
 * In a folder (--receipts), each a file that is there before its answer is told, so that none is
 * lost; or in memory, the last SERVE_RECEIPTS of them. An id cannot be guessed: a receipt has its
 * prompt's tokens. Any thread.
 */
#ifndef BNT_SERVE_RECEIPTS_H
#define BNT_SERVE_RECEIPTS_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

enum { SERVE_RECEIPTS = 512, SERVE_RECEIPT_ID = 40 };

struct serve_receipts { /* zero-initialised but for folder and lock */
    const char *folder; /* NULL: in memory */
    pthread_mutex_t lock;
    struct {
        char id[SERVE_RECEIPT_ID];
        char *text;
    } kept[SERVE_RECEIPTS];
    unsigned next; /* place of the next one */
};

/* Drawn; or where `digits` name a request for good, that of its choice number `choice`. */
int serve_receipt_id(char id[SERVE_RECEIPT_ID], const char *digits, unsigned choice,
                     struct bnt_err *err);
int serve_receipts_put(struct serve_receipts *r, const char *id, const json_t *receipt,
                       struct bnt_err *err);
/* Its text, malloc'd; NULL: there is none of that id. */
char *serve_receipts_get(struct serve_receipts *r, const char *id);
void serve_receipts_free(struct serve_receipts *r);

#endif
