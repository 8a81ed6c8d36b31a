"""A conversation: the model's template makes texts of messages, and only what is new is computed."""
from __future__ import annotations

import ctypes as c
import time
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from . import _native as n
from .constraints import JsonSchema, Shape
from .generation import Generation, Sampling

if TYPE_CHECKING:
    from .model import Model

Message = Dict[str, str]  # {"role": "system", "user" or "assistant", "content": ...}


def render(model: "Model", messages: Iterable[Message], template: Optional[str] = None) -> Tuple[List[int], Optional[str]]:
    """The tokens that an answer to the messages goes on from, and a text that ends the answer where no
    token does. What messages say never becomes a control token."""
    lib, err, out, count, stop = n.lib(), n.Err(), c.c_void_p(), c.c_size_t(), c.c_char_p()
    said = [(m["role"].encode(), m["content"].encode("utf-8", "surrogateescape")) for m in messages]
    native = (n.ChatMessage * (len(said) or 1))(*[n.ChatMessage(r, t, len(t)) for r, t in said])
    options = n.ChatOptions(struct_size=c.sizeof(n.ChatOptions), time=int(time.time()))
    if template is not None and "{" in template:
        options.template_text = template.encode()
        options.template_len = len(template.encode())
    elif template is not None:
        options.template_name = template.encode()
    n.check(
        lib.bnt_engine_chat(model._handle(), native, len(said), c.byref(options), c.byref(out), c.byref(count),
                            c.byref(stop), c.byref(err)),
        err,
    )
    try:
        ids = list((c.c_int32 * count.value).from_address(out.value or 0)) if count.value else []
    finally:
        lib.bnt_free(out)
    return ids, stop.value.decode() if stop.value else None


class Chat:
    """Messages of one conversation: see :meth:`Model.chat`.

    >>> chat = bitnet.Model().chat(template="instruct")
    >>> answer = chat.say("Who is the king?", max_tokens=6).text()
    >>> [m["role"] for m in chat.messages]
    ['user', 'assistant']
    >>> chat.say("Is he old?", json_schema={"type": "boolean"}).text() in ("true", "false")
    True
    """

    def __init__(self, model: "Model", system: Optional[str] = None, template: Optional[str] = None, n_ctx: int = 0) -> None:
        self.model, self.template = model, template
        self.messages: List[Message] = [{"role": "system", "content": system}] if system is not None else []
        self._context = model.context(n_ctx)
        self._sequence = self._context.sequence()

    def say(self, message: str, max_tokens: int = 512, *, sampling: Optional[Sampling] = None,
            stop: Iterable[str] = (), json_schema: Optional[JsonSchema] = None,
            grammar: Optional[Union[str, bytes]] = None, **settings: Any) -> "Answer":
        """The answer to a message: an iterator over its pieces. The message counts as said once the
        answer is at its end. ``json_schema`` and ``grammar`` as of :meth:`Model.generate`."""
        asked = self.messages + [{"role": "user", "content": message}]
        ids, end = render(self.model, asked, self.template)
        s = self._sequence
        same = 0
        for a, b in zip(s.tokens, ids[:-1]):
            if a != b:
                break
            same += 1
        s.truncate(same)
        stops = ([stop] if isinstance(stop, str) else list(stop)) + ([end] if end else [])
        g = Generation(self.model, ids[same:], max_tokens, Sampling.of(sampling, settings), stops, None, s,
                       Shape.of(json_schema, grammar))
        return Answer(self, asked, g)

    def close(self) -> None:
        self._context.close()

    def __enter__(self) -> "Chat":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Answer:
    """An iterator over an answer's pieces; at its end it becomes part of the conversation."""

    def __init__(self, chat: Chat, asked: List[Message], generation: Generation) -> None:
        self._chat, self._asked, self._generation, self._said = chat, asked, generation, ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            piece = next(self._generation)
        except StopIteration:
            self._chat.messages = self._asked + [{"role": "assistant", "content": self._said}]
            raise
        self._said += piece
        return piece

    def text(self) -> str:
        """All that is left of it."""
        return "".join(self)

    @property
    def ids(self) -> List[int]:
        return self._generation.ids

    @property
    def stop_reason(self) -> Optional[str]:
        return self._generation.stop_reason
