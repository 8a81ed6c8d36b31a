/*
 * config_rope.c - how positions are rotated: rope_theta, and each kind of scaling that the field
 * has.
 *
 * Knows config.json's members (two generations of them: "rope_scaling" beside "rope_theta", or both
 * in "rope_parameters") and GGUF's keys. LLaMA-3's kind becomes divisors of the frequencies, since
 * GGUF has no keys for it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/config_internal.h"
#include "convert/json_file.h"

static const char *kind_of(const json_t *scaling) {
    const char *kind = bnt_json_text(scaling, "rope_type");
    if (!kind) kind = bnt_json_text(scaling, "type");
    return kind ? kind : "default";
}

static int need(const json_t *scaling, const char *key, double *out, struct bnt_err *err) {
    if (bnt_hf_number(scaling, key, out) && *out > 0.0) return BNT_OK;
    return bnt_fail(err, BNT_E_FORMAT, "config.json: rope scaling '%.40s' without \"%s\"",
                    kind_of(scaling), key);
}

/* Wavelengths longer than the original context are stretched by the factor, short ones are not, and
 * between the two bounds it is mixed. */
static int llama3_factors(struct bnt_hf_config *c, const json_t *scaling, double theta,
                          struct bnt_err *err) {
    const uint32_t n = c->head_dim / 2;
    double factor, low, high, original;
    int status;
    if ((status = need(scaling, "factor", &factor, err)) != BNT_OK ||
        (status = need(scaling, "low_freq_factor", &low, err)) != BNT_OK ||
        (status = need(scaling, "high_freq_factor", &high, err)) != BNT_OK ||
        (status = need(scaling, "original_max_position_embeddings", &original, err)) != BNT_OK)
        return status;
    if (!(high > low))
        return bnt_fail(err, BNT_E_FORMAT, "config.json: high_freq_factor %g is not above %g", high,
                        low);
    c->rope_freqs = malloc((n + 1) * sizeof *c->rope_freqs);
    if (!c->rope_freqs) return bnt_fail_nomem(err, "rope_freqs", n * sizeof *c->rope_freqs);
    for (uint32_t i = 0; i < n; i++) {
        double turns = original * pow(theta, -2.0 * i / c->head_dim) / (2.0 * acos(-1.0));
        double kept = (turns - low) / (high - low);
        c->rope_freqs[i] = (float)(turns > high  ? 1.0
                                   : turns < low ? factor
                                                 : 1.0 / ((1.0 - kept) / factor + kept));
    }
    return BNT_OK;
}

static int read_list(float **out, const struct bnt_hf_config *c, const json_t *scaling,
                     const char *key, struct bnt_err *err) {
    const json_t *list = json_object_get(scaling, key);
    const uint32_t n = c->head_dim / 2;
    if (json_array_size(list) != n)
        return bnt_fail(err, BNT_E_FORMAT, "config.json: \"%s\" has %zu factors, not %u", key,
                        json_array_size(list), n);
    if (!(*out = malloc(n * sizeof **out))) return bnt_fail_nomem(err, key, n * sizeof **out);
    for (uint32_t i = 0; i < n; i++) (*out)[i] = (float)json_number_value(json_array_get(list, i));
    return BNT_OK;
}

/* Two lists of divisors; q and k grow by what the longer context loses. */
static int longrope(struct bnt_hf_config *c, const json_t *scaling, struct bnt_gguf_out *out,
                    struct bnt_err *err) {
    double original;
    char key[96];
    int status = need(scaling, "original_max_position_embeddings", &original, err);
    if (status == BNT_OK) status = read_list(&c->rope_short, c, scaling, "short_factor", err);
    if (status == BNT_OK) status = read_list(&c->rope_long, c, scaling, "long_factor", err);
    if (status != BNT_OK) return status;
    double stretch = (double)c->context / original;
    bnt_gguf_out_str(out, bnt_hf_key(c, "rope.scaling.type", key), "longrope", 8);
    bnt_gguf_out_u32(out, bnt_hf_key(c, "rope.scaling.original_context_length", key),
                     (uint32_t)original);
    if (stretch > 1.0)
        bnt_gguf_out_f32(out, bnt_hf_key(c, "rope.scaling.attn_factor", key),
                         (float)sqrt(1.0 + log(stretch) / log(original)));
    return BNT_OK;
}

static int yarn(struct bnt_hf_config *c, const json_t *scaling, struct bnt_gguf_out *out,
                struct bnt_err *err) {
    static const struct {
        const char *member, *name;
    } optional[] = {{"beta_fast", "rope.scaling.yarn_beta_fast"},
                    {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    double factor, original = (double)c->context, v;
    char key[96];
    int status = need(scaling, "factor", &factor, err);
    if (status != BNT_OK) return status;
    if (bnt_hf_number(scaling, "attention_factor", &v) || bnt_hf_number(scaling, "mscale", &v))
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "config.json: yarn with an attention_factor or mscale of its own");
    bnt_hf_number(scaling, "original_max_position_embeddings", &original);
    bnt_gguf_out_str(out, bnt_hf_key(c, "rope.scaling.type", key), "yarn", 4);
    bnt_gguf_out_f32(out, bnt_hf_key(c, "rope.scaling.factor", key), (float)factor);
    bnt_gguf_out_u32(out, bnt_hf_key(c, "rope.scaling.original_context_length", key),
                     (uint32_t)original);
    for (size_t i = 0; i < 2; i++)
        if (bnt_hf_number(scaling, optional[i].member, &v))
            bnt_gguf_out_f32(out, bnt_hf_key(c, optional[i].name, key), (float)v);
    return BNT_OK;
}

/* Members that no kind here follows: absent, null, or this value. */
static int check_members(const json_t *scaling, const char *kind, struct bnt_err *err) {
    static const struct {
        const char *name;
        double neutral;
        const char *of; /* the kind that says more of it itself */
    } members[] = {{"partial_rotary_factor", 1.0, NULL},
                   {"truncate", 1.0, NULL},
                   {"mrope_section", 0.0, NULL},
                   {"attention_factor", 1.0, "yarn"}};
    const char *name;
    json_t *v;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        v = json_object_get(scaling, members[i].name);
        const double number = json_is_true(v) ? 1.0 : json_number_value(v);
        if (!v || json_is_null(v) || (members[i].of && strcmp(members[i].of, kind) == 0)) continue;
        if (json_is_array(v) || json_is_false(v) || fabs(number - members[i].neutral) > 0)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "config.json: rope scaling '%.40s' with \"%s\" of its own", kind,
                            members[i].name);
    }
    json_object_foreach((json_t *)(uintptr_t)scaling, name, v) {
        if (json_is_object(v))
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "config.json: layers of kind '%.40s' rotate positions in a way of "
                            "their own",
                            name);
    }
    return BNT_OK;
}

int bnt_hf_rope_keys(struct bnt_hf_config *c, struct bnt_gguf_out *out, struct bnt_err *err) {
    const json_t *both = json_object_get(c->json, "rope_parameters");
    const json_t *scaling = json_is_object(both) ? both : json_object_get(c->json, "rope_scaling");
    const char *kind = kind_of(scaling);
    double theta = 10000.0, factor;
    char key[96];
    if (!bnt_hf_number(c->json, "rope_theta", &theta)) bnt_hf_number(both, "rope_theta", &theta);
    if (!(theta > 0.0))
        return bnt_fail(err, BNT_E_FORMAT, "config.json: \"rope_theta\" is %g", theta);
    int status = check_members(scaling, kind, err);
    if (status != BNT_OK) return status;
    bnt_gguf_out_f32(out, bnt_hf_key(c, "rope.freq_base", key), (float)theta);
    if (strcmp(kind, "default") == 0) return BNT_OK;
    if (strcmp(kind, "llama3") == 0) return llama3_factors(c, scaling, theta, err);
    if (strcmp(kind, "yarn") == 0) return yarn(c, scaling, out, err);
    if (strcmp(kind, "longrope") == 0 && c->arch->bit == BNT_HF_MINICPM)
        return longrope(c, scaling, out, err);
    if (strcmp(kind, "linear") != 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "config.json: rope scaling '%.40s' of %s", kind,
                        c->arch->gguf);
    status = need(scaling, "factor", &factor, err);
    if (status != BNT_OK) return status;
    bnt_gguf_out_str(out, bnt_hf_key(c, "rope.scaling.type", key), "linear", 6);
    bnt_gguf_out_f32(out, bnt_hf_key(c, "rope.scaling.factor", key), (float)factor);
    return BNT_OK;
}
