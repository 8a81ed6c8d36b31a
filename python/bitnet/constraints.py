"""Output with a shape: JSON schemas and grammars, compiled, and the tokens that they let follow.

docs/GRAMMARS.md says what is supported; what is not is refused by its name and place.
"""
from __future__ import annotations

import ctypes as c
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Deque, List, Mapping, NamedTuple, Optional, Union

from . import _native as n

if TYPE_CHECKING:
    from .model import Model

JsonSchema = Union[str, bytes, bool, Mapping[str, Any]]
IDLE = 8  # compiled shapes that a model keeps for the next text


class Shape(NamedTuple):
    """What a text must be: the words of the library's enum bnt_constraint_kind."""

    kind: int
    text: bytes

    @classmethod
    def of(cls, json_schema: Optional[JsonSchema], grammar: Optional[Union[str, bytes]]) -> Optional["Shape"]:
        if json_schema is not None and grammar is not None:
            raise ValueError("a text has one shape: json_schema or grammar")
        if grammar is not None:
            if not isinstance(grammar, (str, bytes)):
                raise TypeError("a grammar is str or bytes, not %s" % type(grammar).__name__)
            return cls(n.CONSTRAINT_GRAMMAR, grammar.encode() if isinstance(grammar, str) else grammar)
        if json_schema is None:
            return None
        if not isinstance(json_schema, (str, bytes)):
            # As `bitnet serve` writes what a request has, so that one receipt's schema is the other's.
            json_schema = json.dumps(json_schema, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        return cls(n.CONSTRAINT_SCHEMA, json_schema.encode() if isinstance(json_schema, str) else json_schema)


class Constraint:
    """A shape, compiled for a model's vocabulary: for one caller at a time. It learns from each text."""

    def __init__(self, model: "Model", shape: Shape) -> None:
        lib, err, out = n.lib(), n.Err(), c.c_void_p()
        status = lib.bnt_constraint_open(c.byref(out), model._handle(), shape.kind, shape.text, len(shape.text), c.byref(err))
        if status in (n.E_FORMAT, n.E_UNSUPPORTED):  # it is an argument, not a file
            raise n.UsageError(status, err.text.decode("utf-8", "replace"))
        n.check(status, err)
        self.shape, self.handle, self._lib = shape, out, lib

    def close(self) -> None:
        self._lib.bnt_constraint_close(self.handle)


class Shapes:
    """A model's: those that are not at work wait for the next text.

    Without a lock: a text that nobody holds any more is closed by the garbage collector, in the middle of whatever
    this thread does, and would wait for itself. Each step of a deque is whole by itself.
    """

    def __init__(self) -> None:
        self._idle: Deque[Constraint] = deque()

    def take(self, model: "Model", shape: Shape) -> Constraint:
        constraint = None
        for _ in range(len(self._idle)):
            try:
                idle = self._idle.popleft()
            except IndexError:  # another thread has taken it
                break
            if idle.shape == shape:
                constraint = idle
                break
            self._idle.append(idle)
        if constraint is None:
            constraint = Constraint(model, shape)
        model._held(1)
        return constraint

    def give(self, model: "Model", constraint: Constraint) -> None:
        self._idle.append(constraint)
        self._keep(0 if model._closing else IDLE)
        model._held(-1)

    def close(self) -> None:
        self._keep(0)

    def _keep(self, most: int) -> None:
        while len(self._idle) > most:
            try:
                self._idle.popleft().close()
            except IndexError:
                break


class Guide:
    """One text that keeps to a constraint."""

    def __init__(self, constraint: Constraint) -> None:
        self._lib, self._err, self._handle = n.lib(), n.Err(), c.c_void_p()
        n.check(self._lib.bnt_guide_open(c.byref(self._handle), constraint.handle, c.byref(self._err)), self._err)
        self._allowed = c.POINTER(c.c_uint64)()

    def close(self) -> None:
        self._lib.bnt_guide_close(self._handle)

    def allowed(self) -> Any:
        """The tokens that may come next, as the library's bits; until the next token."""
        self._lib.bnt_guide_look(self._handle)
        status = self._lib.bnt_guide_allowed(self._handle, 0, c.byref(self._allowed), c.byref(self._err))
        n.check(status, self._err)
        return self._allowed

    def accept(self, token: int) -> List[int]:
        """The text goes on with the token. What can only be the tokens behind it, as far as that is known."""
        self._accept(token)
        forced: List[int] = []
        self._lib.bnt_guide_look(self._handle)
        while True:
            token = self._lib.bnt_guide_forced(self._handle)
            if token < 0 or not self._lib.bnt_guide_expect(self._handle, token):
                break
            forced.append(token)
        for token in forced:
            self._accept(token)
        return forced

    def _accept(self, token: int) -> None:
        n.check(self._lib.bnt_guide_accept(self._handle, token, c.byref(self._err)), self._err)


class Guides:
    """Guides of texts that are made together: none where they have no shape."""

    def __init__(self, model: "Model", shape: Optional[Shape], count: int) -> None:
        self._model = model
        self._open: List[Guide] = []
        self._constraint = model._shapes.take(model, shape) if shape else None
        try:
            if self._constraint:
                self._open += [Guide(self._constraint) for _ in range(count)]
        except BaseException:
            self.close()
            raise

    def __getitem__(self, i: int) -> Optional[Guide]:
        return self._open[i] if self._constraint else None

    def close(self) -> None:
        for guide in self._open:
            guide.close()
        self._open = []
        if self._constraint:
            self._model._shapes.give(self._model, self._constraint)
            self._constraint = None


def check_shape(model: "Model", shape: Optional[Shape]) -> None:
    """Raises what is wrong with it, now and not with the first token."""
    Guides(model, shape, 0).close()
