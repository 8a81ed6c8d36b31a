/* config_internal.h - what config.c and config_rope.c share. */
#ifndef BNT_CONVERT_CONFIG_INTERNAL_H
#define BNT_CONVERT_CONFIG_INTERNAL_H

#include "convert/config.h"

bool bnt_hf_number(const json_t *object, const char *key, double *out);
const char *bnt_hf_key(const struct bnt_hf_config *c, const char *name, char room[96]);
/* rope.* keys, and the factors of frequencies that become tensors. */
int bnt_hf_rope_keys(struct bnt_hf_config *c, struct bnt_gguf_out *out, struct bnt_err *err);

#endif
