/*
 * run.c - `bitnet run`: a prompt in, text out.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "parity/chaos.h"
#include "parity/spotcheck.h"
#include "receipt.h"
#include "run/generate.h"
#include "sign.h"

static volatile sig_atomic_t interrupted;

static void on_sigint(int signum) {
    (void)signum;
    interrupted = 1;
}

static int stream_text(void *arg, const char *text, size_t len, struct bnt_err *err) {
    (void)arg;
    int status = cmd_write(text, len, err);
    return status == BNT_OK ? cmd_flush(err) : status;
}

static int print_json(const struct cmd_args *args, const struct bnt_engine *engine,
                      const struct bnt_session *session, const struct bnt_token_list *prompt,
                      const struct bnt_sampling *s, const struct bnt_generation *g,
                      struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    json_t *sampling = json_pack(
        "{s:f, s:i, s:f, s:f, s:f, s:f, s:f, s:i, s:I}", "temperature", (double)s->temperature,
        "top_k", (int)s->top_k, "top_p", (double)s->top_p, "min_p", (double)s->min_p,
        "repeat_penalty", (double)s->repeat_penalty, "presence_penalty",
        (double)s->presence_penalty, "frequency_penalty", (double)s->frequency_penalty,
        "logit_biases", (int)s->n_biases, "seed", (json_int_t)s->seed);
    json_t *timings =
        json_pack("{s:f, s:i, s:f, s:f, s:i, s:f, s:f}", "load_seconds", info->load_seconds,
                  "prefill_tokens", (int)prompt->count, "prefill_seconds", g->prefill_seconds,
                  "prefill_tok_s", cmd_rate(prompt->count, g->prefill_seconds), "decode_tokens",
                  (int)g->decode_steps, "decode_seconds", g->decode_seconds, "decode_tok_s",
                  cmd_rate(g->decode_steps, g->decode_seconds));
    json_t *draft =
        json_pack("{s:i, s:i}", "proposed", (int)g->drafted, "accepted", (int)g->accepted);
    json_t *o =
        json_pack("{s:o, s:s, s:o, s:s, s:s, s:o, s:i, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:o, "
                  "s:o, s:o, s:o*}",
                  "model", cmd_json_text(cmd_model_path(args), strlen(cmd_model_path(args))),
                  "architecture", info->architecture, "i2s",
                  cmd_json_i2s(info->i2s_layout, info->i2s_known, info->i2s_margin), "backend",
                  info->backend, "backend_variant", info->backend_variant, "backend_warning",
                  cmd_json_warning(engine), "threads", (int)bnt_session_threads(session),
                  "prompt_tokens", cmd_json_ids(prompt->ids, prompt->count), "tokens",
                  cmd_json_ids(g->tokens, g->n_tokens), "text", cmd_json_text(g->text, g->text_len),
                  "stop_reason", bnt_stop_reason_name(g->reason), "logits_digest",
                  args->full_logits ? g->logits_digest : g->hidden_digest, "logits_digest_over",
                  args->full_logits ? "f32 logits of each step" : "final hidden states, chained",
                  "hidden_digest", g->hidden_digest, "sampling", sampling, "timings", timings,
                  "draft", draft, "logprobs", cmd_json_logprobs(g));
    return cmd_write_json(o, err);
}

static void print_summary(const struct bnt_engine *engine, const struct bnt_session *session,
                          const struct bnt_token_list *prompt, const struct bnt_sampling *s,
                          const struct bnt_generation *g) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    char seed[40] = "";
    if (s->temperature > 0.0f)
        snprintf(seed, sizeof seed, ", seed %llu", (unsigned long long)s->seed);
    fprintf(
        stderr,
        "prefill %zu tokens, %.1f tok/s; decode %zu tokens, %.1f tok/s; %s (%s), %u thread%s%s\n",
        prompt->count, cmd_rate(prompt->count, g->prefill_seconds), g->decode_steps,
        cmd_rate(g->decode_steps, g->decode_seconds), info->backend, info->backend_variant,
        bnt_session_threads(session), bnt_session_threads(session) == 1 ? "" : "s", seed);
}

/* What the command knows of its prompt. */
struct prompt {
    char *text;
    size_t len;
    unsigned flags; /* BNT_ENCODE_* */
    struct bnt_token_list list;
};

/* Where --receipt goes, and who signs it; both may be NULL. */
struct testimony {
    struct bnt_output *to;
    struct bnt_signer *signer;
};

static int write_receipt(const struct cmd_args *args, const struct testimony *testimony,
                         const struct bnt_engine *engine, const struct bnt_session *session,
                         const struct prompt *p, const struct bnt_generate_options *options,
                         const struct bnt_generation *g, struct bnt_err *err) {
    json_t *receipt = NULL;
    char hex[65];
    int status = cmd_hash_model(hex, engine->gguf, err);
    if (status == BNT_OK)
        status = bnt_receipt_build(&receipt, engine, session,
                                   &(struct bnt_receipt_run){.model_sha256 = hex,
                                                             .template_id = "raw",
                                                             .prompt = p->text,
                                                             .prompt_len = p->len,
                                                             .encode_flags = p->flags,
                                                             .ids = p->list.ids,
                                                             .n_ids = p->list.count,
                                                             .deterministic = args->seed_given,
                                                             .options = options,
                                                             .generation = g,
                                                             .signer = testimony->signer},
                                   err);
    if (status == BNT_OK) status = bnt_receipt_write(receipt, testimony->to, err);
    json_decref(receipt);
    return status;
}

/* The prompt as tokens; shows them where that is asked for. */
static int encode_prompt(const struct cmd_args *args, const struct bnt_tokenizer *t,
                         struct prompt *p, struct bnt_err *err) {
    p->flags = (args->no_bos ? 0u : (unsigned)BNT_ENCODE_BOS) |
               (args->parse_special ? (unsigned)BNT_ENCODE_PARSE_SPECIAL : 0u);
    int status = bnt_encode_prompt(t, p->text, p->len, p->flags, &p->list, err);
    if (status != BNT_OK) return status;
    cmd_show_notes(t, &p->list);
    if (args->verbose_prompt) cmd_debug_tokens(t, &p->list, p->list.count);
    if (args->debug_tokens) cmd_debug_tokens(t, &p->list, args->debug_tokens);
    return BNT_OK;
}

static int generate(const struct cmd_args *args, const struct testimony *testimony,
                    struct bnt_engine *engine, struct bnt_session *session,
                    struct bnt_constraint *constraint, const struct prompt *prompt,
                    struct bnt_err *err) {
    const struct bnt_generate_options options = {
        .constraint = constraint,
        .sampling = cmd_sampling(args),
        .n_predict = args->n_predict,
        .ignore_eog = args->ignore_eos,
        .full_logits = args->full_logits,
        .logprobs = args->logprobs,
        .top_logprobs = args->top_logprobs,
        .stops = args->stops,
        .n_stops = args->n_stops,
        .on_text = args->json ? NULL : stream_text,
        .interrupted = &interrupted,
        .lookup = !args->no_draft,
    };
    struct bnt_generation g;
    int status =
        bnt_generate(&g, engine, session, prompt->list.ids, prompt->list.count, &options, err);
    if (status == BNT_OK && args->json)
        status = print_json(args, engine, session, &prompt->list, &options.sampling, &g, err);
    if (!args->json && g.text_len && g.text[g.text_len - 1] != '\n' && status == BNT_OK) {
        status = cmd_write("\n", 1, err);
        if (status == BNT_OK) status = cmd_flush(err);
    }
    if (status == BNT_OK && testimony->to)
        status = write_receipt(args, testimony, engine, session, prompt, &options, &g, err);
    if (status == BNT_OK && isatty(STDERR_FILENO))
        print_summary(engine, session, &prompt->list, &options.sampling, &g);
    if (status == BNT_OK) cmd_show_untold(engine, &g);
    char more[64];
    if (status == BNT_OK && g.reason == BNT_STOP_CONTEXT)
        fprintf(stderr, "bitnet: the context of %llu tokens is full (%s)\n",
                (unsigned long long)bnt_session_context(session),
                cmd_more_context(more, sizeof more, engine, bnt_session_context(session)));
    if (status == BNT_OK && g.reason == BNT_STOP_LENGTH && constraint)
        fprintf(stderr,
                "bitnet: cut after %zu tokens, before its shape had ended (-n gives more)\n",
                g.n_tokens);
    if (status == BNT_OK && g.reason == BNT_STOP_INTERRUPTED)
        status = bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    bnt_generation_free(&g);
    return status;
}

/* What watches the run, or makes it harder: one of them at most, since each takes the place of the
 * executor's own calls. */
struct checks {
    struct bnt_spotcheck *spot;
    struct bnt_chaos *chaos;
};

static int open_checks(struct checks *c, const struct cmd_args *args, struct bnt_engine *engine,
                       struct bnt_session *session, struct bnt_err *err) {
    if (args->chaos_given)
        return bnt_chaos_open(&c->chaos, engine, session, args->plugin_dir, args->chaos, NULL, err);
    if (args->spot_check > 0.0f)
        return bnt_spotcheck_open(&c->spot, bnt_session_exec(session), &bnt_judge()->kernels,
                                  (double)args->spot_check,
                                  args->seed_given ? args->seed : cmd_fresh_seed(), err);
    return BNT_OK;
}

static void close_checks(struct checks *c) {
    if (c->spot && isatty(STDERR_FILENO))
        fprintf(stderr, "spot-check: %" PRIu64 " rows recomputed\n", bnt_spotcheck_rows(c->spot));
    bnt_spotcheck_close(c->spot);
    bnt_chaos_close(c->chaos);
}

int cmd_run(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_engine *engine = NULL;
    struct bnt_session *session = NULL;
    struct bnt_constraint *constraint = NULL;
    struct checks checks = {NULL, NULL};
    if (args->chaos_given && (args->receipt || args->spot_check > 0.0f))
        return bnt_fail(err, BNT_E_USAGE, "--chaos mixes backends: %s",
                        args->receipt ? "no receipt could name the one that computed"
                                      : "--spot-check is for one");
    struct testimony testimony = {NULL, NULL};
    struct prompt prompt = {0};
    int status = cmd_read_prompt(args, &prompt.text, &prompt.len, err);
    if (status != BNT_OK) goto out;
    if ((status = cmd_open_receipt(&testimony.to, args, err)) != BNT_OK) goto out;
    if ((status = cmd_open_signer(&testimony.signer, args, err)) != BNT_OK) goto out;
    if ((status = cmd_open_engine(&engine, args, err)) != BNT_OK) goto out;
    if ((status = cmd_open_constraint(&constraint, args, engine, BNT_CONSTRAINT_SCHEMA, err)) !=
        BNT_OK)
        goto out;
    status = encode_prompt(args, bnt_engine_tokenizer(engine), &prompt, err);
    if (status != BNT_OK) goto out;
    status = cmd_open_session(&session, engine, args,
                              args->threads.count ? args->threads.values[0] : 0, err);
    if (status != BNT_OK) goto out;
    if ((status = open_checks(&checks, args, engine, session, err)) != BNT_OK) goto out;
    if (args->echo && !args->json && (status = cmd_write(prompt.text, prompt.len, err)) != BNT_OK)
        goto out;
    /* Until now Ctrl-C ended the program, as there was nothing to keep; a second one does. */
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_sigint, .sa_flags = (int)SA_RESETHAND},
              NULL);
    status = generate(args, &testimony, engine, session, constraint, &prompt, err);
out:
    close_checks(&checks);
    bnt_session_close(session);
    bnt_constraint_close(constraint);
    bnt_token_list_free(&prompt.list);
    bnt_engine_close(engine);
    bnt_signer_close(testimony.signer);
    bnt_output_close(testimony.to);
    free(prompt.text);
    return status;
}
