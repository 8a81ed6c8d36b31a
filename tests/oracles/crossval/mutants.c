/*
 * mutants.c - wrong models, which the comparison must find wrong.
 *
 * A bound that nothing ever broke proves nothing. So the reference is given a file that differs
 * from ours in one point that engines have got wrong, and the median distance, of a text or of lone
 * tokens, must be FAR times the bound.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models.h"

enum { FAR = 5 };

/* ---- by a file that differs -------------------------------------------------------------------
 */

static void other_seed(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->seed++;
}
/* exaone is llama with rotary halves for interleaved pairs. */
static void other_rope_style(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->arch = "exaone";
}
static void other_activation(struct synth *ours, struct synth *theirs) {
    (void)theirs;
    ours->arch = "bitnet-b1.58";
}
static void other_rope_base(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->rope_base *= 10;
}
static void other_heads(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->heads /= 2;
    theirs->kv_heads /= 2;
    theirs->head_dim *= 2;
}
static void no_rope_scaling(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->rope_linear = theirs->yarn_factor = 0;
}
/* Linear, by the same factor: what YaRN is without its blend. */
static void linear_for_yarn(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->rope_linear = theirs->yarn_factor;
    theirs->yarn_factor = 0;
}
static void no_rope_freqs(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->rope_freqs = false;
}
static void no_scale_tensors(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->scale_tensors = false;
}
static void other_epsilon(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->eps *= 100;
}
static void no_attn_factor(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->rope_attn_factor = 0;
}
static void other_biases(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->bias_scale = 0.35f;
}
static void other_embedding_scale(struct synth *ours, struct synth *theirs) {
    ours->embd_scale = 5;
    theirs->embd_scale = 4;
}
static void other_residual_scale(struct synth *ours, struct synth *theirs) {
    ours->branch_scale = 0.5f;
    theirs->branch_scale = 0.4f;
}
static void other_logit_scale(struct synth *ours, struct synth *theirs) {
    ours->logit_scale = 3;
    theirs->logit_scale = 2.5f;
}
static void other_factors(struct synth *ours, struct synth *theirs) {
    theirs->longrope_context = ours->longrope_context == 32 ? 1024 : 32;
}
static void silu_for_gelu(struct synth *ours, struct synth *theirs) {
    (void)theirs;
    ours->activation = "silu";
}
static void longer_window(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->window++;
}
static void other_window_pattern(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->window_period = 6;
}
static void other_window_rope_base(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->window_rope_base = 1000000;
}
static void one_scale(struct synth *ours, struct synth *theirs) {
    (void)ours;
    theirs->tq_varied = false;
}

/* The embeddings alone, and not by more than what a quantizer rounds. */
static void other_embeddings(struct synth *ours, struct synth *theirs) {
    theirs->embd_type = ours->embd_type == T_Q6_K ? T_Q8_0 : T_Q6_K;
}
static const struct mutation {
    const char *model, *what;
    void (*change)(struct synth *ours, struct synth *theirs);
} mutations[] = {
    {"llama.F32", "other seed", other_seed},
    {"llama.TQ1_0", "other seed", other_seed},
    {"bitnet.TQ2_0", "other seed", other_seed},
    {"llama.F32", "rope style", other_rope_style},
    {"llama.F16", "rope style", other_rope_style},
    {"llama.TQ2_0", "rope style", other_rope_style},
    {"bitnet.F32", "activation", other_activation},
    {"bitnet.TQ1_0", "activation", other_activation},
    {"llama.F32", "rope base", other_rope_base},
    {"bitnet.TQ2_0.one-block", "rope base", other_rope_base},
    {"llama.F32", "head count", other_heads},
    {"bitnet.TQ1_0.one-block", "head count", other_heads},
    {"llama.F32.linear-rope", "rope scaling", no_rope_scaling},
    {"llama.F32.rope-freqs", "rope factors", no_rope_freqs},
    {"bitnet.TQ2_0.one-block.scales", "scale tensors", no_scale_tensors},
    {"bitnet.TQ1_0.scale-tensors", "scale tensors", no_scale_tensors},
    {"llama.TQ1_0.scale-a-block", "one scale", one_scale},
    {"bitnet.F32", "epsilon", other_epsilon},
    {"llama.F32.Q4_0-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q4_1-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q5_0-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q5_1-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q8_0-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q2_K-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q3_K-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q4_K-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q5_K-embeddings", "embeddings", other_embeddings},
    {"llama.F32.Q6_K-embeddings", "embeddings", other_embeddings},
    {"llama.F32.IQ4_NL-embeddings", "embeddings", other_embeddings},
    {"llama.F32.IQ4_XS-embeddings", "embeddings", other_embeddings},
    {"llama.Q4_K", "other seed", other_seed},
    {"llama.Q1_0", "other seed", other_seed},
    {"llama.TQ2_0.as-quantized", "rope style", other_rope_style},
    {"qwen3.F32", "other seed", other_seed},
    {"llama.Q2_0", "other seed", other_seed},
    {"qwen3.F32.yarn", "rope scaling", no_rope_scaling},
    {"qwen3.F32.yarn", "linear for YaRN", linear_for_yarn},
    {"qwen3.F32", "rope base", other_rope_base},
    {"llama.F32.attn-factor", "attention factor", no_attn_factor},
    {"qwen3.F32.yarn.attn-factor", "attention factor", no_attn_factor},
    {"qwen2.F32", "biases", other_biases},
    {"qwen2.TQ2_0.one-block", "biases", other_biases},
    {"qwen2.F32", "rope base", other_rope_base},
    {"minicpm.F32", "embedding scale", other_embedding_scale},
    {"minicpm.F32", "residual scale", other_residual_scale},
    {"minicpm.F32", "logit scale", other_logit_scale},
    {"minicpm.F32.longrope", "short factors", other_factors},
    {"minicpm.F32.longrope-short", "long factors", other_factors},
    {"gemma3.F32", "other seed", other_seed},
    {"gemma3.F32", "SiLU for GELU", silu_for_gelu},
    {"gemma3.F32.window", "a window longer by one", longer_window},
    {"gemma3.F32.window", "window pattern", other_window_pattern},
    {"gemma3.F32.window", "rope base of windows", other_window_rope_base},
};

static const struct model *find(const char *name) {
    for (size_t i = 0; i < n_models; i++)
        if (strcmp(models[i].name, name) == 0) return &models[i];
    return NULL;
}

static void check_mutation(const struct crossval *c, const struct mutation *mutation) {
    const struct model *m = find(mutation->model);
    struct synth ours, theirs;
    struct comparison r;
    const struct level_bounds *bounds;
    double text, lone;
    char name[128], a[4096], b[4096], why[600] = "no such model";
    snprintf(name, sizeof name, "%s: %s", mutation->model, mutation->what);
    if (m) {
        ours = theirs = describe(m);
        mutation->change(&ours, &theirs);
    }
    if (!m || !save(c, &ours, "mutant-a", a, why) || !save(c, &theirs, "mutant-b", b, why) ||
        !compare(c, a, b, SYNTH_IDS, (bounds = &levels[m->level]), &r, why)) {
        report_case(c->report, KIND_MUTATION, name, false, NULL, "%s", why);
        return;
    }
    unlink(a);
    unlink(b);
    text = r.worst.median_rms / bounds->text.median_rms;
    lone = r.lone.median_rms / bounds->lone.median_rms;
    report_case(c->report, KIND_MUTATION, name, text >= FAR || lone >= FAR,
                json_pack("{s:f,s:f,s:f,s:f}", "text_relative_rms_median", r.worst.median_rms,
                          "text_bounds_exceeded", text, "lone_relative_rms_median",
                          r.lone.median_rms, "lone_bounds_exceeded", lone),
                "rms %.1e, %.3g times the bound; lone %.1e, %.3g times", r.worst.median_rms, text,
                r.lone.median_rms, lone);
}

void check_mutations(const struct crossval *c) {
    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; i++)
        check_mutation(c, &mutations[i]);
}
