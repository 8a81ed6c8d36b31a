/* synth_engine.c - see synth_engine.h. */
#include "synth_engine.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

struct bnt_engine *synth_engine(struct synth *s, const struct bnt_engine_options *o,
                                struct bnt_err *err) {
    char path[] = "/tmp/bitnet-synth-XXXXXX";
    struct bnt_engine *engine = NULL;
    uint64_t bytes;
    int fd = mkstemp(path);
    if (fd < 0 || synth_save(s, path, &bytes) != 0)
        bnt_fail(err, BNT_E_IO, "the model cannot be written to '%s'", path);
    else
        bnt_engine_open(&engine, path, o, err);
    if (fd >= 0) {
        unlink(path);
        close(fd);
    }
    return engine;
}
