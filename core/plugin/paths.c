/* paths.c - see places.h; compiled once for build/, once for PREFIX. */
#include "plugin/places.h"

const struct bnt_places bnt_places = {.plugins = BNT_PLUGIN_DIR,
                                      .model = BNT_MODEL,
                                      .plugins_beside = BNT_PLUGIN_BESIDE,
                                      .model_beside = BNT_MODEL_BESIDE};
