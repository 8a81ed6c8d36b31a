"""Texts that go on: sampling, stop strings, one at a time or many together.

One token costs a call to feed, one to sample and one to decode; everything that can be made before
the first token is.
"""
from __future__ import annotations

import ctypes as c
import random
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Sequence as Seq

from . import _native as n
from .arrays import ids_array
from .constraints import Guide, Guides, Shape, check_shape
from .context import Context, Sequence

if TYPE_CHECKING:
    from .model import Model


class Sampling(NamedTuple):
    """How a token is chosen: docs/NUMERICS.md, clause 10. By default the likeliest is taken."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    bias: Mapping[int, float] = {}  # token: added to its logit
    seed: Optional[int] = None  # None: a new one

    @classmethod
    def of(cls, sampling: Optional["Sampling"], settings: Dict[str, Any]) -> "Sampling":
        return (sampling or cls())._replace(**settings)

    def native(self) -> n.Sampling:
        s: n.Sampling = n.lib().bnt_sampling_default()
        for name in ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "repeat_last", "presence_penalty",
                     "frequency_penalty"):
            setattr(s, name, getattr(self, name))
        s.seed = random.SystemRandom().getrandbits(63) if self.seed is None else self.seed
        s.biases = (n.Bias * (len(self.bias) or 1))(*[n.Bias(i, b) for i, b in sorted(self.bias.items())])
        s.n_biases = len(self.bias)
        return s


class Chooser:
    """Picks token after token of one text."""

    def __init__(self, model: "Model", prompt: Seq[int], most: int, sampling: Sampling, guide: Optional[Guide]) -> None:
        lib, self.n_vocab = n.lib(), model.info.n_vocab
        self.sample, self.sample_top, self.guide = lib.bnt_sample_allowed, lib.bnt_sample_top, guide
        self.top, self.logits = lib.bnt_context_top, lib.bnt_context_logits
        self.native = sampling.native()
        self.pointer = c.byref(self.native)
        self.needs = int(lib.bnt_sampling_needs(self.pointer))
        self.history = (c.c_int32 * (len(prompt) + most + 1))(*prompt)
        self.length, self.draws, self.most = len(prompt), 0, most
        self.engine = model._handle()
        self.scratch = c.create_string_buffer(16 * (self.needs or self.n_vocab))
        want = n.WANT_TOP if self.needs else n.WANT_LOGITS
        self.row = (n.Row * 1)(n.Row(0, want, self.needs))
        self.allowed = guide.allowed() if guide else None
        self.row[0].allowed = self.allowed
        self.count = c.c_uint32()
        self.count_pointer = c.byref(self.count)

    def choose(self, context: Any, span: int) -> List[int]:
        """The next token, and those that can only be behind it."""
        if self.needs:
            top = self.top(context, span, 0, self.count_pointer)
            token = self.sample_top(self.pointer, top, self.count.value, self.draws, self.scratch)
        else:
            logits = self.logits(context, span, 0)
            token = self.sample(self.pointer, logits, self.n_vocab, self.allowed, self.history, self.length, self.draws,
                                self.scratch)
        self.history[self.length] = token
        self.length += 1
        self.draws += 1
        return [token] + self._forced(token) if self.guide else [token]

    def _forced(self, token: int) -> List[int]:
        assert self.guide
        if self.is_end(token):
            return []
        out = self.guide.accept(token)[: self.most - self.draws]
        self.row[0].allowed = self.allowed = self.guide.allowed()
        for token in out:
            self.history[self.length] = token
            self.length += 1
        self.draws += len(out)
        return out

    def is_end(self, token: int) -> bool:
        return bool(n.lib().bnt_engine_is_end(self.engine, token))


class Text:
    """Pieces of text out of tokens; ends before a stop string, wherever that is cut."""

    def __init__(self, model: "Model", stop: Iterable[str]) -> None:
        err, out = n.Err(), c.c_void_p()
        self.lib = n.lib()
        self.decode = self.lib.bnt_decoder_push
        self.handle: Optional[c.c_void_p] = None
        n.check(self.lib.bnt_decoder_open(c.byref(out), model._handle(), True, 0, c.byref(err)), err)
        self.handle, self.model = out, model
        model._held(1)
        self.size = c.c_size_t()
        self.size_pointer = c.byref(self.size)
        self.stop = [s for s in ([stop] if isinstance(stop, str) else stop) if s]
        self.held, self.stopped = "", False

    def close(self) -> None:
        if self.handle:
            self.lib.bnt_decoder_close(self.handle)
            self.handle = None
            self.model._held(-1)

    def push(self, token: int) -> str:
        at = self.decode(self.handle, token, self.size_pointer)
        return self._add(c.string_at(at, self.size.value).decode("utf-8", "replace"))

    def end(self) -> str:
        at = self.lib.bnt_decoder_flush(self.handle, self.size_pointer)
        out = self._add(c.string_at(at, self.size.value).decode("utf-8", "replace"))
        if not self.stopped:
            out, self.held = out + self.held, ""
        return out

    def _add(self, piece: str) -> str:
        if not self.stop:
            return piece
        text = self.held + piece
        found = [i for i in (text.find(s) for s in self.stop) if i >= 0]
        if found:
            self.stopped, self.held = True, ""
            return text[: min(found)]
        keep = max(k for s in self.stop for k in range(len(s)) if text.endswith(s[:k]))
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]


class Generation:
    """An iterator over the pieces of one text.

    ``ids`` are the tokens that were made so far; ``stop_reason`` is None until the end, then as in a
    receipt: "end-of-text" (the model ended it), "stop-string", "length" or "context-full".

    >>> g = bitnet.Model().generate("The king said", 4)
    >>> len(g.text()) > 0, len(g.ids), g.stop_reason
    (True, 4, 'length')
    """

    def __init__(self, model: "Model", prompt: List[int], max_tokens: int, sampling: Sampling, stop: Iterable[str],
                 context: Optional[Context] = None, sequence: Optional[Sequence] = None,
                 shape: Optional[Shape] = None) -> None:
        if not prompt:
            raise ValueError("a prompt without tokens")
        check_shape(model, shape)
        self.ids: List[int] = []
        self.stop_reason: Optional[str] = None
        self._pieces = _run(self, model, prompt, max_tokens, sampling, stop, context, sequence, shape)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece: str = next(self._pieces)
        return piece

    def text(self) -> str:
        """All that is left of it."""
        return "".join(self)

    def close(self) -> None:
        """Gives up what is left."""
        self._pieces.close()


def _run(g: Generation, model: "Model", prompt: List[int], max_tokens: int, sampling: Sampling, stop: Iterable[str],
         context: Optional[Context], sequence: Optional[Sequence], shape: Optional[Shape]) -> Any:
    own = context is None and sequence is None
    if sequence is not None:
        context = sequence._context
    elif context is None:
        context = model.context()
    assert context is not None
    s = sequence if sequence is not None else context.sequence()
    text = guides = None
    try:
        room = context.positions - len(s)
        guides = Guides(model, shape, 1)
        chooser = Chooser(model, prompt, max_tokens, sampling, guides[0])
        text = Text(model, stop)
        lib, err, is_end = n.lib(), n.Err(), n.lib().bnt_engine_is_end
        feed, ids = lib.bnt_context_feed, ids_array(prompt)
        chooser.row[0].token = len(prompt) - 1
        span = (n.Span * 1)(n.Span(s._handle(), ids, len(prompt), chooser.row, 1, 0, 0))
        one, e = (c.c_int32 * (n.GUIDE_AHEAD + 1))(), c.byref(err)
        handle, engine = context._handle(), model._handle()
        used, made, fed = len(prompt), 0, len(prompt)
        while made < max_tokens and not g.stop_reason:
            status = feed(handle, span, 1, e)
            if status:
                n.check(status, err)
            tokens = chooser.choose(handle, 0)
            for i, token in enumerate(tokens):
                g.ids.append(token)
                if is_end(engine, token):
                    g.stop_reason = "end-of-text"
                    break
                piece = text.push(token)
                if piece:
                    yield piece
                if text.stopped:
                    g.stop_reason = "stop-string"
                    break
                if used + 1 > room:
                    g.stop_reason = "context-full"
                    break
                used += 1
                one[i] = token
            if made == 0:
                span[0].ids = one
            if fed != len(tokens):
                fed = span[0].count = len(tokens)
                chooser.row[0].token = fed - 1
            made += fed
        g.stop_reason = g.stop_reason or "length"
        piece = text.end() if not text.stopped else ""
        if piece:
            yield piece
    finally:
        if text:
            text.close()
        if guides:
            guides.close()
        if sequence is None:
            s.close()
        if own:
            context.close()


def generate_batch(model: "Model", prompts: List[List[int]], max_tokens: int, sampling: Sampling, stop: Iterable[str],
                   context: Optional[Context], shape: Optional[Shape] = None) -> List[str]:
    """One feed a step for all texts that are not at their end."""
    if not all(prompts):
        raise ValueError("a prompt without tokens")
    stops = [stop] if isinstance(stop, str) else list(stop)
    own = context is None
    if context is None:
        context = model.context(max((len(p) for p in prompts), default=0) + max_tokens)
    out, alive = [""] * len(prompts), list(range(len(prompts) if max_tokens > 0 else 0))
    sequences, texts, choosers, nexts = [], [], [], [list(p) for p in prompts]
    guides = None
    try:
        guides = Guides(model, shape, len(prompts))
        for i, p in enumerate(prompts):
            sequences.append(context.sequence())
            texts.append(Text(model, stops))
            choosers.append(Chooser(model, p, max_tokens, sampling, guides[i]))
        lib, err, handle = n.lib(), n.Err(), context._handle()
        while alive:
            buffers = [ids_array(nexts[i]) for i in alive]
            for i in alive:
                choosers[i].row[0].token = len(nexts[i]) - 1
            spans = (n.Span * len(alive))(*[
                n.Span(sequences[i]._handle(), b, len(nexts[i]), choosers[i].row, 1, 0, 0) for i, b in zip(alive, buffers)])
            n.check(lib.bnt_context_feed(handle, spans, len(alive), c.byref(err)), err)
            still = []
            for at, i in enumerate(alive):
                nexts[i] = choosers[i].choose(handle, at)
                for token in nexts[i]:
                    if texts[i].stopped or choosers[i].is_end(token):
                        break
                    out[i] += texts[i].push(token)
                else:
                    if not texts[i].stopped and choosers[i].draws < max_tokens:
                        still.append(i)
            alive = still
        for i, text in enumerate(texts):
            out[i] += text.end() if not text.stopped else ""
        return out
    finally:
        for text in texts:
            text.close()
        if guides:
            guides.close()
        for s in sequences:
            s.close()
        if own:
            context.close()
