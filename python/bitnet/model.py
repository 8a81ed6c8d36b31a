"""A model file, opened: what is in it, its tokenizer, and what can be made of texts."""
from __future__ import annotations

import ctypes as c
import os
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Union

from . import _native as n
from .arrays import ids_array, stack, unit
from .chat import Chat
from .constraints import JsonSchema, Shape, Shapes
from .context import Context
from .generation import Generation, Sampling, generate_batch

Prompt = Union[str, bytes, Sequence[int]]


class ModelInfo(NamedTuple):
    """What a file says of its model, and who computes it."""

    architecture: str
    name: str
    backend: str
    backend_variant: str
    backend_warning: str
    n_vocab: int
    n_layer: int
    n_embd: int
    n_ctx_train: int
    parameters: int
    ternary_parameters: int
    file_bytes: int
    i2s_layout: Optional[str]
    i2s_known: Optional[str]


class Tokenizer:
    """Texts to tokens and back, as the model's file says.

    >>> t = bitnet.Model().tokenizer
    >>> ids = t.encode("The king said")
    >>> t.decode(ids)
    'The king said'
    """

    def __init__(self, model: "Model") -> None:
        self._model = model

    def encode(self, text: Union[str, bytes], *, bos: bool = False, special: bool = False) -> List[int]:
        """The text's tokens. ``bos``: begun (and ended) as the file asks for; ``special``: texts of
        control tokens become those tokens."""
        flags = (n.TEXT_BOS if bos else 0) | (n.TEXT_SPECIAL if special else 0)
        return self._model._encode(text, flags)

    def decode_bytes(self, ids: Sequence[int], *, special: bool = False) -> bytes:
        """The bytes that tokens stand for, whatever they are. ``special``: control tokens are shown."""
        lib, out, size, err = n.lib(), c.c_void_p(), c.c_size_t(), n.Err()
        flags = n.TEXT_SPECIAL if special else 0
        n.check(
            lib.bnt_engine_decode(
                self._model._handle(), ids_array(ids), len(ids), flags, c.byref(out), c.byref(size), c.byref(err)
            ),
            err,
        )
        try:
            return c.string_at(out, size.value)
        finally:
            lib.bnt_free(out)

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The same as text; bytes that are no UTF-8 become U+FFFD."""
        return self.decode_bytes(ids, special=special).decode("utf-8", "replace")

    def is_end(self, token: int) -> bool:
        """Whether the model ends its texts with this token."""
        return bool(n.lib().bnt_engine_is_end(self._model._handle(), token))


class Model:
    """A model file, with its weights packed for this machine. Any number of contexts may share it.

    ``path``: a GGUF file; without it, the small model that comes with the program.
    ``backend``: a plugin's name, that one or an error. ``threads``: for loading; 0: one a core.

    >>> with bitnet.Model() as m:
    ...     m.info.architecture
    'bitnet-b1.58'
    """

    def __init__(
        self,
        path: Optional[Union[str, "os.PathLike[str]"]] = None,
        *,
        backend: Optional[str] = None,
        plugin_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
        threads: int = 0,
        i2s_layout: Optional[str] = None,
        ignore_keys: Iterable[str] = (),
    ) -> None:
        lib, err, engine = n.lib(), n.Err(), c.c_void_p()
        keys = [k.encode() for k in ignore_keys]
        if path is None:
            path = n.default_model() or os.fsdecode(lib.bnt_default_model())
        if plugin_dir is None and not os.environ.get("BITNET_PLUGIN_DIR"):
            plugin_dir = n.bundled_plugins()
        options = n.EngineOptions(
            struct_size=c.sizeof(n.EngineOptions),
            backend=backend.encode() if backend else None,
            plugin_dir=os.fsencode(plugin_dir) if plugin_dir else None,
            threads=threads,
            ignore_keys=(c.c_char_p * (len(keys) or 1))(*keys),
            n_ignore_keys=len(keys),
            i2s_layout=i2s_layout.encode() if i2s_layout else None,
        )
        self.path = os.fspath(path)
        self._engine: Optional[c.c_void_p] = None
        n.check(lib.bnt_engine_open(c.byref(engine), os.fsencode(path), c.byref(options), c.byref(err)), err)
        self._engine = engine
        self._lib = lib
        self._contexts = 0  # that are open, and what else is at work: the engine outlives them
        self._closing = False
        self._shapes = Shapes()
        self.tokenizer = Tokenizer(self)
        info = lib.bnt_engine_info(engine).contents
        values = {name: getattr(info, name) for name in ModelInfo._fields}
        self.info = ModelInfo(**{k: v.decode("utf-8", "replace") if isinstance(v, bytes) else v for k, v in values.items()})

    # ---- closing ----
    def close(self) -> None:
        """Gives the memory back, once the last context is closed too."""
        self._closing = True
        self._shapes.close()
        if self._engine and not self._contexts:
            self._lib.bnt_engine_close(self._engine)
            self._engine = None

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_engine", None):
            self.close()

    def _handle(self) -> c.c_void_p:
        if not self._engine or self._closing:
            raise ValueError("the model is closed")
        return self._engine

    def _held(self, by: int) -> None:
        self._contexts += by
        if self._closing and not self._contexts:
            self.close()

    # ---- texts ----
    def _encode(self, text: Union[str, bytes], flags: int) -> List[int]:
        lib, out, count, err = n.lib(), c.c_void_p(), c.c_size_t(), n.Err()
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)
        n.check(
            lib.bnt_engine_encode(self._handle(), raw, len(raw), flags, c.byref(out), c.byref(count), c.byref(err)), err
        )
        try:
            return list((c.c_int32 * count.value).from_address(out.value or 0)) if count.value else []
        finally:
            lib.bnt_free(out)

    def prompt_ids(self, prompt: Prompt) -> List[int]:
        """A prompt as the tokens that a text goes on from: never none."""
        if isinstance(prompt, (str, bytes)):
            return self._encode(prompt, n.TEXT_PROMPT)
        return list(prompt)

    def context(self, n_ctx: int = 0, *, n_batch: int = 0, threads: int = 0) -> Context:
        """Room for sequences that are computed together; 0: the defaults of the library."""
        return Context(self, n_ctx, n_batch=n_batch, threads=threads)

    def generate(
        self,
        prompt: Prompt = "",
        max_tokens: int = 128,
        *,
        sampling: Optional[Sampling] = None,
        stop: Iterable[str] = (),
        context: Optional[Context] = None,
        json_schema: Optional[JsonSchema] = None,
        grammar: Optional[Union[str, bytes]] = None,
        **settings: Any,
    ) -> Generation:
        """Goes on with a prompt: an iterator over pieces of text, as they are made.

        ``settings`` are those of :class:`Sampling` (temperature, top_k, seed, ...); without them
        each token is the likeliest. ``json_schema``: the text is JSON that is valid by it (a dict,
        or its text); ``grammar``: it is what this GBNF text describes. What of them is not supported
        is a :class:`UsageError` that names it (docs/GRAMMARS.md). A text that ``max_tokens`` cuts
        says so: its ``stop_reason`` is "length", and it is the beginning of such a text.

        >>> m = bitnet.Model()
        >>> pieces = list(m.generate("The king said", 8))
        >>> "".join(pieces) == m.generate("The king said", 8).text()
        True
        >>> import json
        >>> schema = {"type": "object", "properties": {"who": {"enum": ["king", "queen"]}, "old": {"type": "boolean"}},
        ...           "required": ["who", "old"], "additionalProperties": False}
        >>> sorted(json.loads(m.generate("The king said", json_schema=schema).text()))
        ['old', 'who']
        >>> m.generate("Is he old?", grammar='root ::= "yes" | "no"').text() in ("yes", "no")
        True
        """
        return Generation(self, self.prompt_ids(prompt), max_tokens, Sampling.of(sampling, settings), stop, context,
                          shape=Shape.of(json_schema, grammar))

    def generate_batch(
        self,
        prompts: Sequence[Prompt],
        max_tokens: int = 128,
        *,
        sampling: Optional[Sampling] = None,
        stop: Iterable[str] = (),
        context: Optional[Context] = None,
        json_schema: Optional[JsonSchema] = None,
        grammar: Optional[Union[str, bytes]] = None,
        **settings: Any,
    ) -> List[str]:
        """Goes on with all prompts at once; each gets the text that it gets alone.

        >>> m = bitnet.Model()
        >>> m.generate_batch(["The king", "A dog"], 5) == [m.generate(p, 5).text() for p in ("The king", "A dog")]
        True
        """
        ids = [self.prompt_ids(p) for p in prompts]
        return generate_batch(self, ids, max_tokens, Sampling.of(sampling, settings), stop, context,
                              Shape.of(json_schema, grammar))

    def chat(self, system: Optional[str] = None, *, template: Optional[str] = None, n_ctx: int = 0) -> Chat:
        """A conversation by the model's chat template, or by one with a name (``"chatml"``) or that is
        given as a Jinja text."""
        return Chat(self, system, template, n_ctx)

    def logits(self, prompt: Prompt) -> Any:
        """The logits of every token of the prompt: [tokens, n_vocab].

        >>> m = bitnet.Model()
        >>> rows = m.logits("The king said")
        >>> len(rows) == len(m.prompt_ids("The king said")) and len(rows[0]) == m.info.n_vocab
        True
        """
        ids = self.prompt_ids(prompt)
        with self.context(len(ids)) as context, context.sequence() as s:
            rows: List[Any] = []
            for at in range(0, len(ids), 32):
                part = ids[at : at + 32]
                rows += context.feed([s.span(part, logits=range(len(part)))])[0].logits
            return stack(rows)

    def embed(self, texts: Sequence[Prompt], *, pooling: str = "mean", normalize: bool = True) -> Any:
        """A vector for each text: [texts, n_embd]. ``pooling``: "mean", "first" or "last" of its
        tokens' final hidden states.

        >>> m = bitnet.Model()
        >>> a, b = m.embed(["a king", "a dog"])
        >>> len(a) == m.info.n_embd
        True
        """
        if pooling not in ("mean", "first", "last"):
            raise ValueError("pooling is 'mean', 'first' or 'last', not %r" % (pooling,))
        ids = [self._encode(t, n.TEXT_PROMPT) if isinstance(t, (str, bytes)) else list(t) for t in texts]
        rows: List[Any] = []
        with self.context(max(map(len, ids), default=1)) as context:
            for at in range(0, len(ids), 16):
                part = [context.sequence() for _ in ids[at : at + 16]]
                spans = [s.span(i, pool=pooling) for s, i in zip(part, ids[at : at + 16])]
                rows += [r.pooled for r in context.feed(spans)]
                for s in part:
                    s.close()
        return stack([unit(r) for r in rows] if normalize else rows)
