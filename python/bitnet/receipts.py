"""Receipts: what a run computed, and a proof of it by computing it again.

The library has no receipts; the program has. It is run: the one that a wheel carries, the one that
BITNET_PROGRAM names, or ``bitnet`` on PATH.
"""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Union

from . import _native as n
from .constraints import JsonSchema, Shape
from .generation import Sampling

Path = Union[str, "os.PathLike[str]"]


class Verdict(NamedTuple):
    """``ok``: the receipt holds. ``status``: the program's exit status (docs/bitnet.1); ``text``: why."""

    ok: bool
    status: int
    text: str


def _run(words: List[str]) -> "subprocess.CompletedProcess[bytes]":
    env = dict(os.environ)
    plugins = n.bundled_plugins()
    if plugins and not env.get("BITNET_PLUGIN_DIR"):
        env["BITNET_PLUGIN_DIR"] = plugins
    return subprocess.run([n.bundled_program()] + words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=env, check=False)


def receipt(path: Path, prompt: str = "", max_tokens: int = 128, *, model: Optional[Path] = None,
            sampling: Optional[Sampling] = None, json_schema: Optional[JsonSchema] = None,
            grammar: Optional[Union[str, bytes]] = None, **settings: Any) -> Dict[str, Any]:
    """Generates a text and writes its receipt to ``path``; returns what ``bitnet run --json`` says.
    ``json_schema`` and ``grammar`` as of :meth:`Model.generate`: the receipt has the digest of their
    bytes, and whoever verifies it gives them again.

    >>> import tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "r.json")
    ...     made = bitnet.receipt(path, "The king said", 8)
    ...     bitnet.verify(path).ok
    True
    """
    s = Sampling.of(sampling, settings)
    words = ["run", "-p", prompt, "-n", str(max_tokens), "--json", "--receipt=" + os.fspath(path),
             "--temp=%r" % float(s.temperature), "--top-k=%d" % s.top_k, "--top-p=%r" % float(s.top_p),
             "--min-p=%r" % float(s.min_p), "--repeat-penalty=%r" % float(s.repeat_penalty)]
    if s.seed is not None:
        words.append("--seed=%d" % s.seed)
    if s.bias or s.presence_penalty or s.frequency_penalty or s.repeat_last != 64:
        raise ValueError("a receipt's run takes temperature, top_k, top_p, min_p, repeat_penalty and seed")
    with _shaped(json_schema, grammar) as shape:
        done = _run(words + _model(model) + shape)
    if done.returncode != 0:
        raise n.BitnetError(done.returncode, done.stderr.decode("utf-8", "replace").strip())
    result: Dict[str, Any] = json.loads(done.stdout)
    return result


def verify(path: Path, *, model: Optional[Path] = None, fast: bool = False, json_schema: Optional[JsonSchema] = None,
           grammar: Optional[Union[str, bytes]] = None) -> Verdict:
    """Checks a receipt and computes its run again. ``model``: the file, where it is not where the
    receipt says; ``fast``: structure and hashes only; ``json_schema``, ``grammar``: what the text was
    made with, the same bytes, or the same dict."""
    with _shaped(json_schema, grammar) as shape:
        done = _run(["verify", os.fspath(path)] + (["--fast"] if fast else []) + (_model(model) if model else []) + shape)
    text = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    return Verdict(done.returncode == 0, done.returncode, text)


@contextmanager
def _shaped(json_schema: Optional[JsonSchema], grammar: Optional[Union[str, bytes]]) -> Iterator[List[str]]:
    """Words of the program for a shape, whose bytes are in a file."""
    shape = Shape.of(json_schema, grammar)
    if shape is None:
        yield []
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(shape.text)
        file.flush()
        yield ["--%s=%s" % ("grammar" if shape.kind == n.CONSTRAINT_GRAMMAR else "json-schema", file.name)]


def _model(model: Optional[Path]) -> List[str]:
    path = model or n.default_model()
    return ["-m", os.fspath(path)] if path else []
