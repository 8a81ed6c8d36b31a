/*
 * synth_engine.h - an engine over a model that synth.h makes.
 *
 * The model's file has no name once it is open, so nothing is left behind however a test ends.
 */
#ifndef TEST_SYNTH_ENGINE_H
#define TEST_SYNTH_ENGINE_H

#include "bitnet/bitnet.h"
#include "synth.h"

/* NULL with the reason in *err. */
struct bnt_engine *synth_engine(struct synth *s, const struct bnt_engine_options *o,
                                struct bnt_err *err);

#endif
