"""bitnet: ternary (BitNet b1.58) language models on CPUs, from Python.

    >>> m = bitnet.Model()                      # the small model that comes along; or a GGUF file
    >>> for piece in m.generate("The king said", 20, temperature=0.8, seed=7):
    ...     _ = piece                           # print(piece, end="", flush=True)

The same model and the same tokens give the same bits on every machine, backend, number of threads
and in every batch; :func:`verify` proves what a receipt says. Over libbitnet, by ctypes: nothing is
compiled when it is installed. numpy is used where it is there, and not needed.
"""
from ._native import BitnetError, LimitError, ModelError, UsageError
from ._version import __version__
from .chat import Answer, Chat, render
from .context import Context, Result, Sequence, Top
from .generation import Generation, Sampling
from .model import Model, ModelInfo, Tokenizer
from .receipts import Verdict, receipt, verify

__all__ = [
    "Answer", "BitnetError", "Chat", "Context", "Generation", "LimitError", "Model", "ModelError", "ModelInfo",
    "Result", "Sampling", "Sequence", "Tokenizer", "Top", "UsageError", "Verdict", "__version__", "receipt", "render",
    "verify",
]
