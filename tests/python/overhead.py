"""overhead.py - what a token costs in Python, beside what the library computes.

After the first token the model is not asked any more: feeding returns at once, and the same logits
are sampled from again. So what is left of a token is the package's: calls, sampling, decoding, the
iterator. In microseconds of this thread's time.
"""
import time

import bitnet
from bitnet import _native

model, lib = bitnet.Model(), _native.lib()


class Idle:
    """The library, which computes once."""

    fed = False

    def __getattr__(self, name):
        return getattr(lib, name)

    def bnt_context_feed(self, *words):
        status = 0 if self.fed else lib.bnt_context_feed(*words)
        self.fed = True
        return status


for what, settings in (("greedy", {}), ("top-k 40", dict(temperature=0.8, top_k=40, seed=1)), ("stop strings", dict(stop=["qqq", "###"]))):
    _native._lib = Idle()
    g = model.generate("The king said", 400, **settings)
    next(g)
    begin = time.thread_time()
    g.text()
    took = time.thread_time() - begin
    print("%s: %.1f microseconds a token (of %d)" % (what, 1e6 * took / (len(g.ids) - 1), len(g.ids) - 1))
