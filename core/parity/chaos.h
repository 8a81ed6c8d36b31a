/*
 * chaos.h - a run in which every slice of every operation is done by a backend drawn at random.
 *
 * If all backends give the same bytes, so does any mixture of them; tokens and logits must be those
 * of a run on one. Packed weights, quantized activations and KV caches exist once per backend, f32
 * buffers once for all.
 */
#ifndef BNT_PARITY_CHAOS_H
#define BNT_PARITY_CHAOS_H

#include "bitnet/bitnet.h"
#include "parity/watch.h"
#include "plugin/backend.h"

struct bnt_chaos;

/* Takes the hook of the session's executor until it is closed. plugin_dir as for the engine; watch
 * may be NULL. Backends that cannot hold the model are left out; BNT_E_BACKEND when none is left
 * besides the engine's own. */
int bnt_chaos_open(struct bnt_chaos **out, struct bnt_engine *engine, struct bnt_session *session,
                   const char *plugin_dir, uint64_t seed, struct bnt_watch *watch,
                   struct bnt_err *err);
void bnt_chaos_close(struct bnt_chaos *c);

size_t bnt_chaos_count(const struct bnt_chaos *c);
const char *bnt_chaos_name(const struct bnt_chaos *c, size_t i);
uint64_t bnt_chaos_slices(const struct bnt_chaos *c, size_t i); /* that backend i was drawn for */

#endif
