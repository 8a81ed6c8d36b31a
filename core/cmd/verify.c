/*
 * verify.c - `bitnet verify`: is what a receipt says true?
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_memory.h"
#include "cmd/cmd.h"
#include "cmd/locate.h"
#include "cmd/terminal.h"
#include "sign.h"
#include "verify.h"

static volatile sig_atomic_t interrupted;

static void on_sigint(int signum) {
    (void)signum;
    interrupted = 1;
}

static const char *text_in(const json_t *receipt, const char *part, const char *name) {
    return json_string_value(json_object_get(json_object_get(receipt, part), name));
}

/* A file that cannot be read has another one; what this process lacks says nothing of the file. */
static int has_hash(bool *same, const char *path, json_int_t bytes, const char *wanted,
                    struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    char hex[65];
    *same = false;
    int status = bnt_gguf_open(&g, path, err);
    if (status == BNT_OK && (json_int_t)bnt_gguf_size(g) == bytes) {
        status = cmd_hash_model(hex, g, err);
        *same = status == BNT_OK && strcmp(hex, wanted) == 0;
    }
    bnt_gguf_close(g);
    return status == BNT_E_NOMEM ? status : BNT_OK;
}

/* -m; or else of the recorded path and the default model the first that has the recorded hash, or
 * the first that exists, so that the model check can say how it differs. */
static int find_model(const struct cmd_args *args, const json_t *receipt, const char **path,
                      struct bnt_err *err) {
    const json_t *model = json_object_get(json_object_get(receipt, "result"), "model");
    const char *wanted = json_string_value(json_object_get(model, "sha256"));
    const char *places[] = {text_in(receipt, "circumstance", "model_path"), bnt_model_path()};
    struct stat st;
    *path = args->model;
    if (*path) return BNT_OK;
    for (size_t i = 0; i < 2; i++) {
        if (stat(places[i], &st) != 0 || !S_ISREG(st.st_mode)) continue;
        if (!*path) *path = places[i];
        bool same;
        int status = has_hash(&same, places[i], json_integer_value(json_object_get(model, "bytes")),
                              wanted, err);
        if (status != BNT_OK) return status;
        if (!same) continue;
        *path = places[i];
        return BNT_OK;
    }
    if (*path) return BNT_OK;
    return bnt_fail(err, BNT_E_IO, "no model: '%.250s' is gone and so is '%.150s'; -m names it",
                    places[0], places[1]);
}

/* The keys that the run left out; the names stay the receipt's. */
static void ignore_recorded(struct cmd_args *args, const json_t *receipt) {
    const json_t *model = json_object_get(json_object_get(receipt, "result"), "model");
    const json_t *keys = json_object_get(model, "ignored_keys");
    for (size_t i = 0; i < json_array_size(keys) && args->n_ignore_keys < MAX_NAMES; i++)
        args->ignore_keys[args->n_ignore_keys++] = json_string_value(json_array_get(keys, i));
}

/* What the options give besides the receipt; each may be NULL. */
struct texts {
    const char *prompt, *template;
    size_t len, template_len;
};

static bool begins_with(const struct bnt_err *err, const char *path) {
    const size_t n = strnlen(path, 200);
    return strncmp(err->text, path, n) == 0 && err->text[n] == ':';
}

/* Where it is the model that is damaged or not known here, and not the backend, or no memory. */
static int name_model(int status, const char *path, struct bnt_err *err) {
    const struct bnt_err why = *err;
    if ((status == BNT_E_FORMAT || status == BNT_E_UNSUPPORTED || status == BNT_E_LIMIT) &&
        !begins_with(err, path))
        bnt_fail(err, status, "%.200s: %s", path, why.text);
    return status;
}

/* Everything but the replay. */
static int check_files(struct bnt_verification *v, const json_t *receipt, const struct bnt_gguf *g,
                       const struct bnt_tokenizer *t, const struct texts *given,
                       struct bnt_err *err) {
    const struct bnt_verify_template template = {g, given->template, given->template_len};
    char hex[65];
    int status = cmd_hash_model(hex, g, err);
    v->model_sha256 = hex;
    if (status == BNT_OK) status = bnt_verify_model(v, receipt, g, err);
    v->model_sha256 = NULL;
    if (status == BNT_OK) status = bnt_verify_tokenizer(v, receipt, t, err);
    if (status == BNT_OK)
        status = bnt_verify_prompt(v, receipt, t, given->prompt, given->len, &template, err);
    return status;
}

static int check_fast(struct bnt_verification *v, const json_t *receipt,
                      const struct cmd_args *args, const struct texts *given, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_tokenizer *t = NULL;
    int status = cmd_open_gguf(&g, args->model, args, err);
    if (status == BNT_OK) status = bnt_tokenizer_open(&t, g, err);
    status = name_model(status, args->model, err);
    if (status == BNT_OK) status = check_files(v, receipt, g, t, given, err);
    if (status == BNT_OK) bnt_verify_say(v, BNT_CHECK_REPLAY, BNT_NOT_CHECKED, "--fast");
    v->no_replay = true;
    bnt_tokenizer_close(t);
    bnt_gguf_close(g);
    return status;
}

/* What --locate found; text and JSON want it after the engine is closed. */
struct place {
    bool asked; /* and the replay differs */
    struct cmd_location at;
    uint32_t n_layer;
};

/* Of a conversation, in the turn that differs: to that search it is a run. */
static int locate(struct place *place, const json_t *receipt, const struct bnt_verification *v,
                  struct bnt_engine *e, const struct cmd_args *args, struct bnt_err *err) {
    json_t *turn = NULL;
    int status =
        bnt_receipt_turns(receipt) ? bnt_receipt_turn(&turn, receipt, v->first.turn, err) : BNT_OK;
    if (status == BNT_OK)
        status = cmd_locate(&place->at, turn ? turn : receipt, v, e, args, &interrupted, err);
    json_decref(turn);
    return status;
}

/* What gave the recorded text its shape, as far as it is given or known. */
static int open_constraint(struct bnt_constraint **out, const json_t *receipt,
                           const struct cmd_args *args, struct bnt_engine *e, struct bnt_err *err) {
    const json_t *limits = json_object_get(json_object_get(receipt, "result"), "limits");
    const json_t *recorded = json_object_get(limits, "constraint");
    const char *kind = json_string_value(json_object_get(recorded, "kind"));
    *out = NULL;
    if (!recorded && (args->json_schema || args->grammar))
        return bnt_fail(err, BNT_E_USAGE, "the receipt's text was made without a %s",
                        args->grammar ? "grammar" : "schema");
    if (recorded && args->locate)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "--locate does not know texts that were made with a grammar");
    if (kind && strcmp(kind, "json") == 0)
        return bnt_constraint_open(out, e, BNT_CONSTRAINT_JSON, NULL, 0, err);
    const bool calls = kind && strcmp(kind, "calls") == 0;
    return cmd_open_constraint(out, args, e, calls ? BNT_CONSTRAINT_CALLS : BNT_CONSTRAINT_SCHEMA,
                               err);
}

static int check_all(struct bnt_verification *v, struct place *place, const json_t *receipt,
                     const struct cmd_args *args, const struct texts *given, struct bnt_err *err) {
    struct cmd_args with_layout = *args;
    struct bnt_engine *e = NULL;
    if (!with_layout.i2s_layout) with_layout.i2s_layout = bnt_receipt_i2s_layout(receipt);
    int status = name_model(cmd_open_engine(&e, &with_layout, err), args->model, err);
    if (status == BNT_OK) status = open_constraint(&v->constraint, receipt, args, e, err);
    if (status == BNT_OK) status = check_files(v, receipt, e->gguf, e->tokenizer, given, err);
    if (status == BNT_OK && v->checks[BNT_CHECK_MODEL].state == BNT_DIFFERS)
        snprintf(v->checks[BNT_CHECK_REPLAY].text, sizeof v->checks[0].text,
                 "the model is not the one of the receipt");
    else if (status == BNT_OK)
        status = bnt_verify_replay(v, receipt, e,
                                   &(struct bnt_session_options){
                                       .n_batch = args->batch,
                                       .threads = args->threads.count ? args->threads.values[0] : 0,
                                       .no_bind = args->bind_none},
                                   &interrupted, err);
    place->asked = args->locate && v->checks[BNT_CHECK_REPLAY].state == BNT_DIFFERS;
    if (status == BNT_OK && place->asked) {
        place->n_layer = e->info.n_layer;
        status = locate(place, receipt, v, e, &with_layout, err);
    }
    bnt_constraint_close(v->constraint);
    v->constraint = NULL;
    bnt_engine_close(e);
    return status;
}

/* Texts quote what a stranger wrote. */
static void print_check(const char *state, const char *check, const char *text) {
    char shown[1024];
    snprintf(shown, sizeof shown, "%s", text);
    const enum color c = strcmp(state, "ok") == 0        ? COLOR_GOOD
                         : strcmp(state, "differs") == 0 ? COLOR_BAD
                                                         : COLOR_NONE;
    printf("%s%-11s%s  %-9s  %s\n", c == COLOR_NONE ? "" : color(stdout, c), state,
           c == COLOR_NONE ? "" : color(stdout, COLOR_NONE), check, bnt_without_controls(shown));
}

static void print_text(const struct bnt_verification *v, const struct place *place) {
    printf("%-11s  %-9s  schema and numerics are known, every field is in place\n", "ok",
           "structure");
    for (unsigned c = 0; c < BNT_CHECK_COUNT; c++) {
        if (c == BNT_CHECK_SIGNATURE && !v->checks[c].text[0]) continue; /* nobody signed it */
        print_check(bnt_check_state_name(v->checks[c].state), bnt_check_name((enum bnt_check)c),
                    v->checks[c].text);
    }
    if (!place->asked) return;
    for (unsigned i = 0; i < place->at.n_suspects; i++) {
        const struct cmd_suspect *s = &place->at.suspects[i];
        char text[1000];
        snprintf(text, sizeof text, "%s '%s': %s",
                 s->named ? "the receipt's backend" : "this machine's backend", s->backend,
                 s->text);
        print_check(bnt_check_state_name(s->state), "locate", text);
    }
    char conclusion[sizeof place->at.conclusion];
    snprintf(conclusion, sizeof conclusion, "%s", place->at.conclusion);
    printf("%s\n", bnt_without_controls(conclusion));
}

static int print_json(const struct cmd_args *args, const struct bnt_verification *v,
                      const struct place *place, const char *model, struct bnt_err *err) {
    const struct bnt_difference *d = &v->first;
    const int outcome = bnt_verify_outcome(v, NULL);
    json_t *checks = json_object(), *first = NULL;
    for (unsigned c = 0; c < BNT_CHECK_COUNT; c++)
        json_object_set_new(checks, bnt_check_name((enum bnt_check)c),
                            json_pack("{s:s, s:o}", "state",
                                      bnt_check_state_name(v->checks[c].state), "text",
                                      cmd_json_text(v->checks[c].text, strlen(v->checks[c].text))));
    if (d->what)
        first = json_pack("{s:I, s:s, s:s, s:s, s:I}", "step", (json_int_t)d->step, "what", d->what,
                          "receipt", d->receipt, "replay", d->replay, "turn", (json_int_t)d->turn);
    return cmd_write_json(
        json_pack("{s:o, s:o, s:s, s:I, s:o, s:o, s:o}", "receipt",
                  cmd_json_text(args->operand, strlen(args->operand)), "model",
                  cmd_json_text(model, strlen(model)), "status",
                  outcome == BNT_OK           ? "ok"
                  : outcome == BNT_E_MISMATCH ? "mismatch"
                                              : "unchecked",
                  "steps_replayed", (json_int_t)v->steps, "checks", checks, "first_difference",
                  first ? first : json_null(), "located",
                  place->asked ? cmd_location_json(&place->at, place->n_layer) : json_null()),
        err);
}

/* Who verifies many reads of which one this is. */
static void name_receipt(const char *path, struct bnt_err *err) {
    const struct bnt_err why = *err;
    if (!strstr(why.text, path)) bnt_fail(err, why.status, "%.200s: %s", path, why.text);
}

int cmd_verify(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_verification v = {0};
    struct place place = {0};
    json_t *receipt = NULL;
    const char *model = NULL;
    char *file = NULL, *template = NULL;
    struct texts given = {.prompt = args->prompt, .len = args->prompt ? strlen(args->prompt) : 0};
    int status;
    if (!args->operand)
        return bnt_fail(err, BNT_E_USAGE, "which receipt? bitnet verify RECEIPT [-m MODEL]");
    if (args->prompt && args->file)
        return bnt_fail(err, BNT_E_USAGE, "-p and -f both give a prompt");
    if (args->fast && args->locate)
        return bnt_fail(err, BNT_E_USAGE, "--locate needs the replay that --fast leaves out");
    if (args->file && (status = cmd_read_file(args->file, &file, &given.len, err)) != BNT_OK)
        return status;
    if (file) given.prompt = file;
    if (args->chat_template && (status = cmd_read_file(args->chat_template, &template,
                                                       &given.template_len, err)) != BNT_OK) {
        free(file);
        return status;
    }
    given.template = template;
    /* A second Ctrl-C ends it at once. */
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_sigint, .sa_flags = (int)SA_RESETHAND},
              NULL);
    status = bnt_receipt_read(&receipt, args->operand, err);
    if (status == BNT_OK && given.prompt && bnt_receipt_turns(receipt))
        status = bnt_fail(err, BNT_E_USAGE,
                          "a conversation has many prompts, and they are in it: no -p or -f");
    if (status == BNT_OK) status = bnt_verify_seals(&v, receipt, err);
    if (status == BNT_OK) status = bnt_verify_signature(&v, receipt, args->signer, err);
    if (status == BNT_OK) status = find_model(args, receipt, &model, err);
    struct cmd_args used = *args;
    used.model = model;
    if (status == BNT_OK && !args->model)
        status = cmd_check_standard(&used, err); /* it names one */
    if (status == BNT_OK) ignore_recorded(&used, receipt);
    if (status == BNT_OK)
        status = args->fast ? check_fast(&v, receipt, &used, &given, err)
                            : check_all(&v, &place, receipt, &used, &given, err);
    /* Not damage of the receipt, nor a difference. */
    if (bnt_json_lost()) status = bnt_fail_nomem(err, "the checks", 0);
    if (status != BNT_OK) goto out;
    if (args->json)
        status = print_json(args, &v, &place, model, err);
    else
        print_text(&v, &place);
    if (status == BNT_OK) status = cmd_flush(err);
    if (status == BNT_OK) status = bnt_verify_outcome(&v, err);
out:
    if (status != BNT_OK && !(model && begins_with(err, model))) name_receipt(args->operand, err);
    json_decref(receipt);
    free(file);
    free(template);
    return status;
}
