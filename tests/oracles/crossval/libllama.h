/*
 * libllama.h - llama.cpp's shared library as a source of token ids and logits.
 *
 * Loaded at run time from the folder of an npm package; nothing of it is needed to build. Must not
 * know our engine. The one idea: nothing about the library is taken on trust. The layout of its
 * parameter structs is compared with the defaults it returns, and each setting that decides the
 * numbers is read back: from the library where it has a call for it, else from what it logs.
 */
#ifndef CROSSVAL_LIBLLAMA_H
#define CROSSVAL_LIBLLAMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ll_status {
    LL_OK,
    LL_ABSENT, /* no library there, or none for this machine: there is no reference */
    LL_FAILED, /* it is there, and not as described here */
};

/* Read from the library and its package; strings are "" when not known. */
struct ll_facts {
    char path[4096], cpu_path[4096];
    char sha256[65], cpu_sha256[65];
    char commit[64], version[64], ggml_version[64]; /* of the sources it was built from */
    char release[64];                               /* tag, from the package's build metadata */
    char package[128], package_version[64];
    char system_info[512];
};

/* How tokens are fed. */
enum ll_feed {
    LL_SINGLY, /* one after the other */
    LL_BATCH,  /* all at once */
    LL_LONE,   /* each as the first of a text of its own */
};

struct ll;
struct ll_model;

/* dir: where libllama*.so lies. variant: which libggml-cpu-VARIANT.so, and no other, computes, with
 * weights as they lie in the file. NULL: the library chooses both, as is quickest on this CPU, and
 * nothing is hashed. */
enum ll_status ll_open(struct ll **out, const char *dir, const char *variant, char why[600]);
const struct ll_facts *ll_facts(const struct ll *l);
/* The library stays mapped: it is not made for being unloaded. */
void ll_close(struct ll *l);

/* A tensor type as the library has it. */
struct ll_type {
    const char *name;
    size_t block, bytes; /* weights and bytes of a block */
    void (*to_float)(const void *blocks, float *out, int64_t n);
};
/* False when the library has no such type, or had one. */
bool ll_type(const struct ll *l, uint32_t id, struct ll_type *out);

/* NULL with why set. vocab_only: ll_tokenize works, ll_logits does not. */
struct ll_model *ll_model_open(struct ll *l, const char *path, bool vocab_only, char why[600]);
void ll_model_close(struct ll_model *m);
uint32_t ll_model_vocab(const struct ll_model *m);
int ll_model_rope_type(const struct ll_model *m); /* 0 interleaved pairs, 2 halves */

/* The count of ids, malloc'd in *ids; -1 on failure. */
int32_t ll_tokenize(const struct ll_model *m, const char *text, size_t len, bool add_special,
                    bool parse_special, int32_t **ids);

/* How a context computes; keys and values are in binary16. */
struct ll_settings {
    uint32_t context, sequences; /* positions of all of them, multiples of 256 for each */
    int32_t threads;
    bool flash_attention;
};

struct ll_token {
    int32_t id, position, sequence;
    bool wanted; /* its logits */
};

struct ll_context;
/* NULL with why set, also when the library did not take the settings. */
struct ll_context *ll_context_open(struct ll_model *m, const struct ll_settings *s, char why[600]);
void ll_context_close(struct ll_context *c);
enum { LL_FEED_MOST = 512 };
/* At most LL_FEED_MOST at once. False with why set. */
bool ll_feed(struct ll_context *c, const struct ll_token *tokens, size_t n, char why[600]);
/* Logits of the i-th token of the last feed; NULL when they were not wanted. */
const float *ll_row(struct ll_context *c, size_t i);
void ll_forget(struct ll_context *c); /* all that was fed */

/* logits[n][vocab] of tokens[n], n at most LL_LOGITS_MOST. One thread, no flash attention. False
 * with why set. */
enum { LL_LOGITS_MOST = 256 };
bool ll_logits(struct ll_model *m, const int32_t *tokens, size_t n, enum ll_feed feed,
               float *logits, char why[600]);

#endif
