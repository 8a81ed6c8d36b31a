/*
 * result.c - the part of a receipt that has the same bytes everywhere.
 *
 * Must not know the machine, the backend, the time or any path.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "base/sha256.h"
#include "guide.h"
#include "write.h"

static json_t *prompt_facts(const struct bnt_tokenizer *t, const struct bnt_receipt_run *run,
                            struct bnt_err *err) {
    char blake3[65], sha256[65], *text = NULL;
    size_t len = 0;
    bnt_blake3(run->prompt, run->prompt_len, blake3);
    if (bnt_receipt_sha256(run->prompt, run->prompt_len, sha256, err) != BNT_OK) return NULL;
    if (bnt_receipt_prompt_text(t, run->ids, run->n_ids, run->encode_flags, &text, &len, err) !=
        BNT_OK)
        return NULL;
    bool recoverable = len == run->prompt_len && (len == 0 || !memcmp(text, run->prompt, len));
    free(text);
    return json_pack("{s:b, s:b, s:b, s:I, s:s, s:s, s:b, s:o}", "add_bos",
                     (run->encode_flags & BNT_ENCODE_BOS) != 0, "parse_special",
                     (run->encode_flags & BNT_ENCODE_PARSE_SPECIAL) != 0, "exact",
                     (run->encode_flags & BNT_ENCODE_EXACT) != 0, "bytes",
                     (json_int_t)run->prompt_len, "blake3", blake3, "sha256", sha256, "recoverable",
                     (int)recoverable, "ids", bnt_receipt_ids(run->ids, run->n_ids));
}

static json_t *limit_facts(const struct bnt_generate_options *o, uint64_t context,
                           struct bnt_err *err) {
    json_t *stops = json_array();
    for (unsigned i = 0; i < o->n_stops; i++) {
        json_t *stop = json_string(o->stops[i]);
        if (!stop) {
            bnt_fail(err, BNT_E_UNSUPPORTED,
                     "stop string %u is not UTF-8 text, and a receipt cannot hold it", i + 1);
            json_decref(stops);
            return NULL;
        }
        json_array_append_new(stops, stop);
    }
    json_t *facts =
        json_pack("{s:I, s:I, s:b, s:o}", "predict", (json_int_t)o->n_predict, "context",
                  (json_int_t)context, "ignore_eos", (int)o->ignore_eog, "stops", stops);
    if (!o->constraint) return facts;
    const struct bnt_constraint_source *source = bnt_constraint_source(o->constraint);
    json_object_set_new(facts, "constraint",
                        json_pack("{s:s, s:s}", "kind", bnt_constraint_kind_name(source->kind),
                                  "sha256", source->digest));
    return facts;
}

static json_t *one_turn(const struct bnt_receipt_turn *turn, struct bnt_err *err) {
    json_t *prompt = bnt_turn_hashes(turn->user, turn->user_len, err);
    json_object_set_new(prompt, "user", bnt_turn_text(turn->user, turn->user_len));
    if (turn->system)
        json_object_set_new(prompt, "system", bnt_turn_text(turn->system, turn->system_len));
    json_object_set_new(prompt, "system_bytes",
                        json_integer(turn->system ? (json_int_t)turn->system_len : 0));
    json_object_set_new(prompt, "recoverable", json_true());
    json_object_set_new(prompt, "ids", bnt_receipt_ids(turn->ids, turn->n_ids));
    return json_pack("{s:I, s:I, s:o, s:o}", "keep", (json_int_t)turn->keep, "depth",
                     (json_int_t)turn->depth, "prompt", prompt, "output",
                     bnt_receipt_output(turn->generation, err));
}

static json_t *turn_list(const struct bnt_receipt_run *run, struct bnt_err *err) {
    json_t *list = json_array();
    for (size_t k = 0; k < run->n_turns; k++) {
        if (json_array_append_new(list, one_turn(&run->turns[k], err)) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

json_t *bnt_receipt_result(const struct bnt_engine *e, const struct bnt_receipt_place *place,
                           const struct bnt_receipt_run *run, struct bnt_err *err) {
    json_t *o = json_pack("{s:i, s:i, s:o, s:o, s:s, s:o, s:o}", "schema_version",
                          BNT_RECEIPT_SCHEMA, "numerics_version", BNT_NUMERICS_VERSION, "model",
                          bnt_receipt_model(e->gguf, run->model_sha256, e->info.i2s_layout, err),
                          "tokenizer", bnt_receipt_tokenizer(e->tokenizer, err), "template",
                          run->template_id, "sampling", bnt_receipt_sampling_facts(run->options),
                          "limits", limit_facts(run->options, place->context, err));
    int bad = run->n_turns
                  ? json_object_set_new(o, "template_sha256", json_string(run->template_sha256)) ||
                        json_object_set_new(o, "template_date", json_string(run->template_date)) ||
                        json_object_set_new(o, "turns", turn_list(run, err))
                  : json_object_set_new(o, "prompt", prompt_facts(e->tokenizer, run, err)) ||
                        json_object_set_new(o, "output", bnt_receipt_output(run->generation, err));
    if (!bad) return o;
    json_decref(o);
    return NULL;
}
