/*
 * write.h - receipts built of a run, sealed and written. What is built is checked as a reader
 * would.
 */
#ifndef BNT_RECEIPT_WRITE_H
#define BNT_RECEIPT_WRITE_H

#include "facts.h"
#include "output.h"
#include "plugin/slots.h"

/* A turn of a conversation. */
struct bnt_receipt_turn {
    size_t keep;               /* tokens of the context before it that stayed */
    size_t depth;              /* turns of the conversation before it; 0: it begins anew */
    const char *user, *system; /* system NULL: none, or not a first turn */
    size_t user_len, system_len;
    const int32_t *ids; /* what the turn became */
    size_t n_ids;
    const struct bnt_generation *generation;
};

struct bnt_signer;

/* What a run knows and neither engine nor session does. */
struct bnt_receipt_run {
    const char *model_sha256; /* where it is known already; NULL: it is computed */
    const char *template_id;  /* "raw": the prompt as it is */
    const char *template_sha256, *template_date; /* of a conversation; date "": not asked for */
    const char *prompt;
    size_t prompt_len;
    unsigned encode_flags; /* BNT_ENCODE_* the prompt was encoded with */
    const int32_t *ids;    /* what it became */
    size_t n_ids;
    bool deterministic; /* the seed was given, or BITNET_DETERMINISTIC */
    const struct bnt_generate_options *options;
    const struct bnt_generation *generation;
    /* A conversation: its turns in the order they were made, and from prompt to n_ids and
     * generation nothing; turn k draws with the seed of `options` + k. */
    const struct bnt_receipt_turn *turns;
    size_t n_turns;
    const struct bnt_signer *signer; /* who signs it (sign.h); NULL: nobody */
};

/* Where it was computed: by a session, or by others that share an executor, whose calls of kernels
 * are then of all of them. */
struct bnt_receipt_place {
    uint64_t calls[BNT_SLOTS]; /* of kernels, so far */
    uint64_t context, bytes;   /* positions; memory of the KV cache and buffers */
    unsigned threads;
};
struct bnt_receipt_place bnt_receipt_place_of(const struct bnt_session *s);
void bnt_receipt_count_calls(struct bnt_receipt_place *place, const struct bnt_exec *exec);

/* Builds and seals; *out is the caller's reference. Unless the run says the model's hash, hashes
 * its bytes as the engine has them mapped: about a second for a gigabyte. */
int bnt_receipt_build(json_t **out, const struct bnt_engine *e, const struct bnt_session *s,
                      const struct bnt_receipt_run *run, struct bnt_err *err);
int bnt_receipt_build_at(json_t **out, const struct bnt_engine *e,
                         const struct bnt_receipt_place *place, const struct bnt_receipt_run *run,
                         struct bnt_err *err);
/* As a file has it; malloc'd, NULL when memory is short. */
char *bnt_receipt_as_text(const json_t *receipt, size_t *len);

int bnt_receipt_write(const json_t *receipt, struct bnt_output *to, struct bnt_err *err);

extern const char bnt_commit[]; /* of the source, 40 digits; "unknown" outside a git tree */

/* The two parts; NULL when one cannot be made, err then says why unless memory is short. */
json_t *bnt_receipt_result(const struct bnt_engine *e, const struct bnt_receipt_place *place,
                           const struct bnt_receipt_run *run, struct bnt_err *err);
json_t *bnt_receipt_circumstance(const struct bnt_engine *e, const struct bnt_receipt_place *place,
                                 const struct bnt_receipt_run *run);

#endif
