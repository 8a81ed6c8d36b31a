"""Sequences that are computed together, and what is wanted of their tokens.

A context and its sequences have one caller at a time; different contexts are independent.
"""
from __future__ import annotations

import ctypes as c
import os
from typing import TYPE_CHECKING, Any, Iterable, List, NamedTuple, Optional, Sequence as Seq, Union

from . import _native as n
from .arrays import copy_row, ids_array

if TYPE_CHECKING:
    from .model import Model


class Top(NamedTuple):
    """A token and its logit."""

    id: int
    logit: float


class Result(NamedTuple):
    """What was wanted of a span, in the order of its tokens."""

    logits: List[Any]  # arrays [n_vocab]
    top: List[List[Top]]  # of each token the largest: highest first, lowest id among equals
    hidden: List[Any]  # arrays [n_embd]
    pooled: Optional[Any]  # [n_embd]


class SpanOf:
    """Tokens for a sequence, made by :meth:`Sequence.span`, and fed by :meth:`Context.feed`."""

    def __init__(self, sequence: "Sequence", ids: Seq[int], logits: Iterable[int], top: Iterable[int], k: int,
                 hidden: Iterable[int], pool: str) -> None:
        count = len(ids)
        wants: "dict[int, int]" = {}
        for places, want in ((logits, n.WANT_LOGITS), (top, n.WANT_TOP), (hidden, n.WANT_HIDDEN)):
            for i in places:
                if not -count <= i < count:
                    raise IndexError("token %d of %d" % (i, count))
                wants[i % count] = wants.get(i % count, 0) | want
        self.wants = sorted(wants.items())
        self.ids = ids_array(ids)
        self.rows = (n.Row * (len(self.wants) or 1))(
            *[n.Row(token=t, want=w, k=k if w & n.WANT_TOP else 0) for t, w in self.wants])
        self.native = n.Span(sequence._handle(), self.ids, count, self.rows, len(self.wants), n.POOLING[pool], 0)


class Sequence:
    """Tokens that were fed so far, and what the model remembers of them."""

    def __init__(self, context: "Context", handle: c.c_void_p) -> None:
        self._context: Optional[Context] = context
        self._pointer = handle
        context._sequences.add(self)

    def _handle(self) -> c.c_void_p:
        if self._context is None:
            raise ValueError("the sequence is closed")
        return self._pointer

    def close(self) -> None:
        if self._context is not None:
            n.lib().bnt_sequence_close(self._pointer)
            self._context._sequences.discard(self)
            self._context = None

    def __enter__(self) -> "Sequence":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    @property
    def tokens(self) -> List[int]:
        """All tokens that were fed."""
        count = c.c_size_t()
        ids = n.lib().bnt_sequence_tokens(self._handle(), c.byref(count))
        return list(ids[: count.value])

    def __len__(self) -> int:
        count = c.c_size_t()
        n.lib().bnt_sequence_tokens(self._handle(), c.byref(count))
        return count.value

    def truncate(self, length: int) -> None:
        """Forgets all tokens from this position on."""
        if length < 0:
            raise ValueError("a length of %d" % length)
        n.lib().bnt_sequence_truncate(self._handle(), length)

    def fork(self, length: Optional[int] = None) -> "Sequence":
        """A new sequence with the first tokens of this one (all of them): copied, not computed."""
        out, err = c.c_void_p(), n.Err()
        length = len(self) if length is None else length
        n.check(n.lib().bnt_sequence_fork(c.byref(out), self._handle(), length, c.byref(err)), err)
        assert self._context is not None
        return Sequence(self._context, out)

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """To a file, for :meth:`Context.load` on any machine."""
        err = n.Err()
        n.check(n.lib().bnt_sequence_save(self._handle(), os.fsencode(path), c.byref(err)), err)

    def span(self, ids: Seq[int], *, logits: Iterable[int] = (), top: Iterable[int] = (), k: int = 1,
             hidden: Iterable[int] = (), pool: str = "none") -> SpanOf:
        """Tokens to feed, and of which of them (by their number in ``ids``, from the end if negative)
        all logits, the ``k`` largest, or the final hidden state are wanted."""
        return SpanOf(self, ids, logits, top, k, hidden, pool)

    def feed(self, ids: Seq[int], **wants: Any) -> Result:
        """The same, fed alone.

        >>> m = bitnet.Model()
        >>> with m.context(64) as context, context.sequence() as s:
        ...     result = s.feed(m.prompt_ids("The king said"), top=[-1], k=3)
        ...     [t.logit for t in result.top[0]] == sorted((t.logit for t in result.top[0]), reverse=True)
        True
        """
        span = self.span(ids, **wants)
        assert self._context is not None
        return self._context.feed([span])[0]


class Context:
    """Buffers and threads for any number of sequences of one model: see :meth:`Model.context`."""

    def __init__(self, model: "Model", n_ctx: int = 0, *, n_batch: int = 0, threads: int = 0) -> None:
        err, out = n.Err(), c.c_void_p()
        options = n.ContextOptions(struct_size=c.sizeof(n.ContextOptions), n_ctx=n_ctx, n_batch=n_batch, threads=threads)
        self._context: Optional[c.c_void_p] = None
        self._sequences: "set[Sequence]" = set()
        self._lib = n.lib()
        self.model = model
        n.check(self._lib.bnt_context_open(c.byref(out), model._handle(), c.byref(options), c.byref(err)), err)
        self._context = out
        model._held(1)
        self.positions = int(self._lib.bnt_context_positions(out))
        self.threads = int(self._lib.bnt_context_threads(out))

    def _handle(self) -> c.c_void_p:
        if self._context is None:
            raise ValueError("the context is closed")
        return self._context

    def close(self) -> None:
        """With all of its sequences."""
        if self._context is None:
            return
        for s in list(self._sequences):
            s.close()
        self._lib.bnt_context_close(self._context)
        self._context = None
        self.model._held(-1)

    def __enter__(self) -> "Context":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_context", None):
            self.close()

    def sequence(self) -> Sequence:
        """A new, empty one."""
        out, err = c.c_void_p(), n.Err()
        n.check(self._lib.bnt_sequence_open(c.byref(out), self._handle(), c.byref(err)), err)
        return Sequence(self, out)

    def load(self, path: Union[str, "os.PathLike[str]"]) -> Sequence:
        """A sequence that was saved."""
        out, err = c.c_void_p(), n.Err()
        n.check(self._lib.bnt_sequence_load(c.byref(out), self._handle(), os.fsencode(path), c.byref(err)), err)
        return Sequence(self, out)

    def feed(self, spans: Seq[SpanOf]) -> List[Result]:
        """Computes the tokens of all spans, each of a sequence of its own, together. Each sequence
        gets what it gets alone; when one cannot be fed, none is."""
        err, lib, handle = n.Err(), self._lib, self._handle()
        natives = (n.Span * (len(spans) or 1))(*[s.native for s in spans])
        n.check(lib.bnt_context_feed(handle, natives, len(spans), c.byref(err)), err)
        return [self._result(i, s) for i, s in enumerate(spans)]

    def _result(self, i: int, span: SpanOf) -> Result:
        lib, info, out = self._lib, self.model.info, Result([], [], [], None)
        for row, (_, want) in enumerate(span.wants):
            if want & n.WANT_LOGITS:
                out.logits.append(copy_row(lib.bnt_context_logits(self._context, i, row), info.n_vocab))
            if want & n.WANT_HIDDEN:
                out.hidden.append(copy_row(lib.bnt_context_hidden(self._context, i, row), info.n_embd))
            if want & n.WANT_TOP:
                count = c.c_uint32()
                top = lib.bnt_context_top(self._context, i, row, c.byref(count))
                out.top.append([Top(t.id, t.logit) for t in top[: count.value]])
        if span.native.pool:
            out = out._replace(pooled=copy_row(lib.bnt_context_pooled(self._context, i), info.n_embd))
        return out
