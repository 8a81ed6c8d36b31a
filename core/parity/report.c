/*
 * report.c - what a parity run found, as JSON.
 *
 * Every fact comes from the run: tokens, counts and hashes as they were computed, the backends and
 * the machine as receipts/ reads them. Nothing is said of what was not done: it is null or absent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/blake3.h"
#include "base/clock.h"
#include "base/json_memory.h"
#include "parity/parity.h"
#include "plugin/slots.h"
#include "receipt.h"

static const char *const status_names[] = {"ok", "divergence", "no_reference", "timeout", "error"};

const char *parity_status_name(enum parity_status status) {
    return status_names[status];
}

double parity_elapsed(const struct parity *p) {
    return bnt_now() - p->start;
}

double parity_cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *parity_phase_name(uint32_t phase) {
    static const char *const names[PHASES] = {"opening the model",
                                              "packing the reference",
                                              "hashing the model",
                                              "free run",
                                              "the judge's run",
                                              "lock-step",
                                              "chaos",
                                              "done"};
    return phase < PHASES ? names[phase] : "?";
}

/* ---- facts ---------------------------------------------------------------------------------- */

/* The variables that only parity honours, those that are set; the rest is in circumstance. */
static json_t *variables(void) {
    static const char *const names[] = {"BASELINES_DIR", "CROSSVAL_GGUF", "CROSSVAL_PROMPT_SET",
                                        "PARITY_TEST_TIMEOUT_SECS"};
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value) json_object_set_new(o, names[i], bnt_receipt_text(value));
    }
    return o;
}

static json_t *judge_facts(const struct parity *p) {
    json_t *calls = json_object();
    for (size_t i = 0; i < bnt_slot_count; i++) {
        if (p->judge_calls[i])
            json_object_set_new(calls, bnt_slots[i].name,
                                json_integer((json_int_t)p->judge_calls[i]));
    }
    return json_pack("{s:s, s:o, s:o, s:s, s:o}", "name", p->judge->name, "version",
                     bnt_receipt_text(p->judge->version), "variant",
                     bnt_receipt_text(p->judge->variant), "sha256", p->judge->sha256,
                     "kernel_calls", calls);
}

/* Circumstance wants to know of one run: all of X's free runs together are that. */
static json_t *circumstance(const struct parity *p) {
    struct bnt_generation g = {0};
    size_t ids = 0;
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *prompt = &p->prompts[i];
        ids += prompt->list.count;
        if (prompt->ran) g.prefill_tokens += prompt->list.count;
        g.prefill_seconds += prompt->x.prefill_seconds;
        g.decode_seconds += prompt->x.decode_seconds;
        g.decode_steps += prompt->x.steps ? prompt->x.steps - 1 : 0;
    }
    const struct bnt_receipt_place place = bnt_receipt_place_of(p->session);
    return bnt_receipt_circumstance(p->engine, &place,
                                    &(struct bnt_receipt_run){.n_ids = ids,
                                                              .deterministic = p->o.seed_given,
                                                              .generation = &g});
}

int parity_facts(struct parity *p, struct bnt_err *err) {
    char seed[24];
    json_t *model = bnt_receipt_model(p->engine->gguf, NULL, p->engine->info.i2s_layout, err);
    if (!model) return BNT_E_NOMEM;
    json_t *tokenizer = bnt_receipt_tokenizer(p->engine->tokenizer, err);
    if (!tokenizer) {
        json_decref(model);
        return BNT_E_NOMEM;
    }
    snprintf(seed, sizeof seed, "%" PRIu64, p->o.seed);
    p->facts = json_pack("{s:o, s:o, s:s, s:o}", "model", model, "tokenizer", tokenizer, "seed",
                         seed, "environment", variables());
    return p->facts ? BNT_OK : bnt_fail_nomem(err, "the receipt", 0);
}

/* ---- results -------------------------------------------------------------------------------- */

json_t *parity_difference(const struct bnt_op_difference *d, uint32_t n_layer) {
    char text[400], got[16], wanted[16];
    bnt_op_difference_text(d, n_layer, text, sizeof text);
    snprintf(got, sizeof got, "%08" PRIx32, d->got);
    snprintf(wanted, sizeof wanted, "%08" PRIx32, d->wanted);
    return json_pack(
        "{s:I, s:I, s:I, s:o, s:s, s:o, s:s, s:I, s:o, s:I, s:s, s:s, s:s}", "run",
        (json_int_t)d->run, "position", (json_int_t)d->position, "operation_index",
        (json_int_t)d->op, "layer", d->layer < n_layer ? json_integer(d->layer) : json_null(),
        "operation", bnt_op_name(d->kind), "matrix",
        d->tensor[0] ? json_string(d->tensor) : json_null(), "what", d->what, "token",
        (json_int_t)d->token, "head", d->heads > 1 ? json_integer(d->head) : json_null(), "row",
        (json_int_t)d->row, "bits", got, "judge_bits", wanted, "text", text);
}

static json_t *lockstep_facts(const struct parity *p, const struct bnt_lockstep_report *r) {
    json_t *operations = json_object();
    for (unsigned k = 0; k < BNT_OP_COUNT; k++) {
        if (r->compared[k])
            json_object_set_new(operations, bnt_op_name((enum bnt_op_kind)k),
                                json_pack("{s:I, s:I}", "compared", (json_int_t)r->compared[k],
                                          "different", (json_int_t)r->different[k]));
    }
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "runs", (json_int_t)r->runs, "values_compared",
                     (json_int_t)r->values, "unjudged_products", (json_int_t)r->unjudged,
                     "operations", operations, "first_difference",
                     r->found ? parity_difference(&r->first, p->engine->info.n_layer)
                              : json_null());
}

static json_t *step_or_null(const struct bnt_agreement *a, size_t steps) {
    return a->first_divergence < steps ? json_integer((json_int_t)a->first_divergence)
                                       : json_null();
}

static json_t *agreement(const struct bnt_agreement *a, size_t steps) {
    return json_pack("{s:I, s:I, s:o, s:f}", "equal_tokens", (json_int_t)a->equal_tokens,
                     "equal_logits", (json_int_t)a->equal_logits, "first_divergence_step",
                     step_or_null(a, steps), "cosine_similarity", a->cosine);
}

static json_t *search_difference(const struct bnt_trace *x) {
    char got[16], wanted[16];
    if (!x->search_fault.found) return json_null();
    snprintf(got, sizeof got, "%08" PRIx32, bnt_f32_bits(x->search_fault.got.logit));
    snprintf(wanted, sizeof wanted, "%08" PRIx32, bnt_f32_bits(x->search_fault.wanted.logit));
    return json_pack("{s:I, s:I, s:i, s:s, s:i, s:s}", "step", (json_int_t)x->search_fault.step,
                     "rank", (json_int_t)x->search_fault.rank, "token", x->search_fault.got.id,
                     "bits", got, "largest_token", x->search_fault.wanted.id, "largest_bits",
                     wanted);
}

static json_t *free_facts(const struct parity_prompt *q) {
    json_t *o = q->freed ? agreement(&q->free, q->x.steps) : json_object();
    json_object_set_new(o, "tokens", bnt_receipt_ids(q->x.tokens, q->x.steps));
    if (q->freed)
        json_object_set_new(o, "judge_tokens", bnt_receipt_ids(q->judge.tokens, q->judge.steps));
    json_object_set_new(o, "searched_steps", json_integer((json_int_t)q->x.searched));
    json_object_set_new(o, "search_difference", search_difference(&q->x));
    json_object_set_new(o, "timings",
                        json_pack("{s:I, s:I, s:I}", "prefill_us",
                                  (json_int_t)(1e6 * q->x.prefill_seconds), "decode_us",
                                  (json_int_t)(1e6 * q->x.decode_seconds), "judge_us",
                                  (json_int_t)(1e6 * q->judge.prefill_seconds)));
    return o;
}

static json_t *chaos_facts(const struct parity *p, const struct parity_prompt *q) {
    char seed[24];
    json_t *o = agreement(&q->chaos, q->x.steps), *slices = json_object();
    for (size_t i = 0; p->chaos && i < bnt_chaos_count(p->chaos); i++)
        json_object_set_new(slices, bnt_chaos_name(p->chaos, i),
                            json_integer((json_int_t)bnt_chaos_slices(p->chaos, i)));
    snprintf(seed, sizeof seed, "%" PRIu64, p->o.chaos);
    json_object_set_new(o, "seed", json_string(seed));
    json_object_set_new(o, "slices_so_far", slices);
    return o;
}

static json_t *prompt_facts(const struct parity *p, const struct parity_prompt *q) {
    bool parse = q->flags & BNT_ENCODE_PARSE_SPECIAL;
    char blake3[65], sha256[65] = "";
    bnt_blake3(q->text, strlen(q->text), blake3);
    (void)bnt_receipt_sha256(q->text, strlen(q->text), sha256, NULL);
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:i, s:o}", "name", q->name, "text", q->text,
                  "blake3", blake3, "sha256", sha256, "add_bos", (q->flags & BNT_ENCODE_BOS) != 0,
                  "parse_special", (int)parse, "special_tokens", (int)q->special, "ids",
                  bnt_receipt_ids(q->list.ids, q->list.count));
    if (parse && !q->special)
        json_object_set_new(o, "note",
                            json_string("the vocabulary has none of the special tokens in this "
                                        "text: it was encoded as plain text"));
    if (q->judged_from)
        json_object_set_new(o, "judged_from_position", json_integer((json_int_t)q->judged_from));
    if (q->ran) json_object_set_new(o, "free", free_facts(q));
    if (q->stepped) json_object_set_new(o, "lockstep", lockstep_facts(p, &q->lockstep));
    if (q->chaotic) json_object_set_new(o, "chaos", chaos_facts(p, q));
    return o;
}

/* Over all prompts: tokens that match, the least cosine, the first step and operation that differ.
 */
static void add_totals(const struct parity *p, json_t *parity) {
    size_t steps = 0, equal = 0;
    double least = 1.0;
    json_t *first_step = json_null(), *first_operation = json_null();
    for (unsigned i = 0; i < p->n_prompts; i++) {
        const struct parity_prompt *q = &p->prompts[i];
        if (q->stepped && q->lockstep.found && json_is_null(first_operation))
            first_operation = parity_difference(&q->lockstep.first, p->engine->info.n_layer);
        if (!q->freed) continue;
        steps += q->x.steps;
        equal += q->free.equal_tokens;
        if (q->free.cosine < least) least = q->free.cosine;
        if (json_is_null(first_step)) first_step = step_or_null(&q->free, q->x.steps);
    }
    json_object_set_new(parity, "cosine_similarity", steps ? json_real(least) : json_null());
    json_object_set_new(parity, "exact_match_rate",
                        steps ? json_real((double)equal / (double)steps) : json_null());
    json_object_set_new(parity, "first_divergence_step", first_step);
    json_object_set_new(parity, "first_difference", first_operation);
}

/* Phases that are over. */
static json_t *phase_times(const struct parity *p) {
    json_t *o = json_object();
    for (uint32_t i = 0; i < PHASES; i++) {
        if (p->wall[i] > 0.0)
            json_object_set_new(o, parity_phase_name(i),
                                json_pack("{s:I, s:I}", "wall_us", (json_int_t)(1e6 * p->wall[i]),
                                          "cpu_us", (json_int_t)(1e6 * p->cpu[i])));
    }
    return o;
}

json_t *parity_receipt(const struct parity *p, enum parity_status status, const char *message) {
    json_t *modes = json_array(), *prompts = json_array();
    if (p->o.free_run) json_array_append_new(modes, json_string("free"));
    if (p->o.lockstep) json_array_append_new(modes, json_string("lockstep"));
    if (p->o.chaotic) json_array_append_new(modes, json_string("chaos"));
    const char *tested = p->o.backend ? p->o.backend : "auto";
    const char *judge = p->o.against ? p->o.against : bnt_judge()->name;
    json_t *parity =
        json_pack("{s:s, s:s, s:s, s:o, s:i, s:i, s:I, s:I, s:o, s:s, s:b, s:o}", "status",
                  status_names[status], "backend", p->engine ? p->engine->backend->name : tested,
                  "against", p->judge ? p->judge->name : judge, "modes", modes, "steps",
                  (int)p->o.steps, "timeout_seconds", (int)p->o.timeout, "elapsed_us",
                  (json_int_t)(1e6 * parity_elapsed(p)), "cpu_us", (json_int_t)(1e6 * parity_cpu()),
                  "phases", phase_times(p), "phase", parity_phase_name(atomic_load(&p->phase)),
                  "cpp_available", 0, "message", message ? bnt_receipt_text(message) : json_null());
    json_t *o = json_pack("{s:i, s:s, s:o, s:s, s:o}", "schema_version", BNT_RECEIPT_SCHEMA, "kind",
                          "parity", "parity", parity, "prompt_set",
                          p->o.prompt_set ? p->o.prompt_set : "math", "prompts", prompts);
    if (!o) return NULL;
    for (unsigned i = 0; i < p->n_prompts; i++)
        json_array_append_new(prompts, prompt_facts(p, &p->prompts[i]));
    add_totals(p, parity);
    if (p->facts) json_object_update(o, p->facts);
    if (p->judge) json_object_set_new(o, "judge", judge_facts(p));
    if (p->session) json_object_set_new(o, "circumstance", circumstance(p));
    return o;
}

int parity_write(const json_t *receipt, struct bnt_output *to, struct bnt_err *err) {
    char *text =
        receipt ? json_dumps(receipt, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENSURE_ASCII) : NULL;
    if (bnt_json_lost() || !text) {
        free(text);
        return bnt_fail_nomem(err, "the receipt", 0);
    }
    size_t len = strlen(text);
    text[len] = '\n'; /* in the place of the NUL */
    int status = bnt_output_write(to, text, len + 1, err);
    free(text);
    return status;
}

/* ---- where everybody is --------------------------------------------------------------------- */

/* The operation that a member is in, and whose; NULL when it is in none. */
static const struct bnt_op *inside(const struct parity *p, unsigned member, const char **backend) {
    uint32_t k = atomic_load_explicit(&p->watch.inside[member].op, memory_order_acquire);
    *backend = atomic_load_explicit(&p->watch.inside[member].backend, memory_order_relaxed);
    return k && *backend ? &bnt_look_plan(p->exec)->ops[k - 1] : NULL;
}

/* Whom a phase without operations is about; NULL: nobody. */
static const char *backend_of(const struct parity *p, uint32_t phase) {
    if (phase == PHASE_OPENING) return p->o.backend ? p->o.backend : "auto";
    if (phase == PHASE_REFERENCE) return p->o.against ? p->o.against : bnt_judge()->name;
    return NULL;
}

static const char *prompt_of(const struct parity *p) {
    return p->n_prompts ? p->prompts[atomic_load(&p->prompt)].name : "";
}

void parity_add_progress(const struct parity *p, json_t *draft) {
    json_t *parity = json_object_get(draft, "parity"), *threads = json_array();
    uint32_t phase = atomic_load(&p->phase);
    for (unsigned i = 0; p->exec && i < BNT_WATCH_MEMBERS; i++) {
        const char *backend;
        const struct bnt_op *op = inside(p, i, &backend);
        if (!op) continue;
        json_array_append_new(
            threads,
            json_pack("{s:i, s:s, s:i, s:s, s:o, s:o}", "thread", (int)i, "backend", backend,
                      "operation_index", (int)(op - bnt_look_plan(p->exec)->ops), "operation",
                      bnt_op_name(op->kind), "layer",
                      op->layer < bnt_look_model(p->exec)->hp.n_layer ? json_integer(op->layer)
                                                                      : json_null(),
                      "matrix", op->tensor[0] ? json_string(op->tensor) : json_null()));
    }
    json_object_set_new(parity, "phase", json_string(parity_phase_name(phase)));
    json_object_set_new(parity, "elapsed_us", json_integer((json_int_t)(1e6 * parity_elapsed(p))));
    const char *who = backend_of(p, phase);
    json_object_set_new(
        parity, "progress",
        json_pack("{s:o, s:s, s:i, s:I, s:o}", "backend", who ? json_string(who) : json_null(),
                  "prompt", prompt_of(p), "step", (int)atomic_load(&p->step), "position",
                  (json_int_t)atomic_load_explicit(&p->watch.position, memory_order_relaxed),
                  "threads_in_kernels", threads));
}

char *parity_where(const struct parity *p, char *text, size_t size) {
    uint32_t phase = atomic_load(&p->phase);
    const char *who = backend_of(p, phase);
    int n = snprintf(text, size, "%s%s%s", parity_phase_name(phase), who ? ": backend " : "",
                     who ? who : "");
    if (phase < PHASE_FREE || !p->exec || n < 0 || (size_t)n >= size) return text;
    n += snprintf(text + n, size - (size_t)n, ", prompt %s, step %" PRIu32, prompt_of(p),
                  atomic_load(&p->step));
    for (unsigned i = 0; i < BNT_WATCH_MEMBERS && (size_t)n < size; i++) {
        const char *backend;
        const struct bnt_op *op = inside(p, i, &backend);
        if (!op) continue;
        n += snprintf(text + n, size - (size_t)n, ", thread %u in %s's %s %s (layer %" PRIu32 ")",
                      i, backend, bnt_op_name(op->kind), op->tensor, op->layer);
    }
    return text;
}
