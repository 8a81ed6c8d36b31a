/* paths.c - where plugins and the default model lie; compiled once for build/, once for PREFIX. */
#include "plugin/backend.h"

const char bnt_plugin_dir[] = BNT_PLUGIN_DIR;
const char bnt_model_path[] = BNT_MODEL;
