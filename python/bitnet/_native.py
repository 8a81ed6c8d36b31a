"""libbitnet.so: finding it, and what bitnet/bitnet.h, sequences.h and constraints.h declare, for ctypes.

Knows structures and functions, and no more. Structures must lie as the headers have them:
tests/python/layout.c compares every size and offset with a compiler's.
"""
from __future__ import annotations

import ctypes as c
import os
from typing import Any, List, Optional, Type

from ._version import __version__

NATIVE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "native")

# Versions of the library that these declarations fit begin so: before 1.0, MINOR counts.
FITS = ".".join(__version__.split(".")[:2]) + "."


class BitnetError(Exception):
    """What the library says went wrong.

    ``status`` is its number (BNT_E_... of bitnet/status.h), the text names what was at fault.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class UsageError(BitnetError, ValueError):
    """An argument that cannot be."""


class ModelError(BitnetError):
    """A file that cannot be read or run."""


class LimitError(BitnetError):
    """A context that is full, or another limit."""


_KINDS: "dict[int, Type[BitnetError]]" = {-1: UsageError, -2: ModelError, -3: ModelError, -4: ModelError, -7: LimitError}


# ---- structures -----------------------------------------------------------------------------
class Err(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 600)]


class EngineOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("backend", c.c_char_p),
        ("plugin_dir", c.c_char_p),
        ("threads", c.c_uint),
        ("progress", c.c_void_p),
        ("progress_arg", c.c_void_p),
        ("cancelled", c.c_void_p),
        ("cancelled_arg", c.c_void_p),
        ("ignore_keys", c.POINTER(c.c_char_p)),
        ("n_ignore_keys", c.c_uint),
        ("i2s_layout", c.c_char_p),
        ("together", c.c_uint),
    ]


class EngineInfo(c.Structure):
    _fields_ = (
        [(n, c.c_char_p) for n in ("architecture", "name", "backend", "backend_variant")]
        + [(n, c.c_uint32) for n in ("n_vocab", "n_layer", "n_embd", "n_ff", "n_head", "n_head_kv", "head_dim")]
        + [(n, c.c_uint64) for n in ("n_ctx_train", "parameters", "ternary_parameters", "file_bytes", "packed_bytes")]
        + [("load_seconds", c.c_double)]
        + [(n, c.c_char_p) for n in ("i2s_layout", "i2s_known", "i2s_seen")]
        + [("i2s_margin", c.c_double), ("i2s_contradicted", c.c_bool), ("backend_warning", c.c_char_p)]
    )


class ContextOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("n_ctx", c.c_uint64),
        ("n_batch", c.c_uint32),
        ("threads", c.c_uint),
        ("no_bind", c.c_bool),
        ("cancelled", c.c_void_p),
        ("cancelled_arg", c.c_void_p),
    ]


class Top(c.Structure):
    _fields_ = [("logit", c.c_float), ("id", c.c_int32)]


class Row(c.Structure):
    _fields_ = [
        ("token", c.c_uint32),
        ("want", c.c_uint32),
        ("k", c.c_uint32),
        ("n_ids", c.c_uint32),
        ("ids", c.POINTER(c.c_int32)),
        ("allowed", c.POINTER(c.c_uint64)),
    ]


class Span(c.Structure):
    _fields_ = [
        ("sequence", c.c_void_p),
        ("ids", c.POINTER(c.c_int32)),
        ("count", c.c_size_t),
        ("rows", c.POINTER(Row)),
        ("n_rows", c.c_size_t),
        ("pool", c.c_uint32),
        ("reserved", c.c_uint32),
    ]


class Bias(c.Structure):
    _fields_ = [("id", c.c_int32), ("bias", c.c_float)]


class Sampling(c.Structure):
    _fields_ = [
        ("temperature", c.c_float),
        ("top_k", c.c_uint32),
        ("top_p", c.c_float),
        ("min_p", c.c_float),
        ("repeat_penalty", c.c_float),
        ("repeat_last", c.c_uint32),
        ("seed", c.c_uint64),
        ("presence_penalty", c.c_float),
        ("frequency_penalty", c.c_float),
        ("biases", c.POINTER(Bias)),
        ("n_biases", c.c_uint32),
    ]


class ChatMessage(c.Structure):
    _fields_ = [("role", c.c_char_p), ("text", c.c_char_p), ("len", c.c_size_t)]


class ChatOptions(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t),
        ("template_name", c.c_char_p),
        ("template_text", c.c_char_p),
        ("template_len", c.c_size_t),
        ("time", c.c_int64),
    ]


# What tests/python/layout.c asks for, by the header's names.
STRUCTURES = {
    "bnt_err": Err,
    "bnt_engine_options": EngineOptions,
    "bnt_engine_info": EngineInfo,
    "bnt_context_options": ContextOptions,
    "bnt_top": Top,
    "bnt_row": Row,
    "bnt_span": Span,
    "bnt_bias": Bias,
    "bnt_sampling": Sampling,
    "bnt_chat_message": ChatMessage,
    "bnt_chat_options": ChatOptions,
}

WANT_HIDDEN, WANT_TOP, WANT_LOGITS = 1, 2, 4
CONSTRAINT_SCHEMA, CONSTRAINT_GRAMMAR = 0, 1
GUIDE_AHEAD = 31
E_FORMAT, E_UNSUPPORTED = -3, -4
TEXT_BOS, TEXT_SPECIAL, TEXT_PROMPT = 1, 2, 4
POOLING = {"none": 0, "mean": 1, "first": 2, "last": 3}

# ---- functions ------------------------------------------------------------------------------
_P, _PP, _E, _S = c.c_void_p, c.POINTER(c.c_void_p), c.POINTER(Err), c.c_size_t
_IDS, _F = c.POINTER(c.c_int32), c.POINTER(c.c_float)
_FUNCTIONS = {
    "bnt_version": (c.c_char_p, []),
    "bnt_free": (None, [_P]),
    "bnt_default_model": (c.c_char_p, []),
    "bnt_engine_open": (c.c_int, [_PP, c.c_char_p, c.POINTER(EngineOptions), _E]),
    "bnt_engine_close": (None, [_P]),
    "bnt_engine_info": (c.POINTER(EngineInfo), [_P]),
    "bnt_engine_encode": (c.c_int, [_P, c.c_char_p, _S, c.c_uint, _PP, c.POINTER(_S), _E]),
    "bnt_engine_decode": (c.c_int, [_P, _IDS, _S, c.c_uint, _PP, c.POINTER(_S), _E]),
    "bnt_engine_is_end": (c.c_bool, [_P, c.c_int32]),
    "bnt_engine_chat": (
        c.c_int,
        [_P, c.POINTER(ChatMessage), _S, c.POINTER(ChatOptions), _PP, c.POINTER(_S), c.POINTER(c.c_char_p), _E],
    ),
    "bnt_decoder_open": (c.c_int, [_PP, _P, c.c_bool, c.c_uint, _E]),
    "bnt_decoder_close": (None, [_P]),
    "bnt_decoder_push": (_P, [_P, c.c_int32, c.POINTER(_S)]),
    "bnt_decoder_flush": (_P, [_P, c.POINTER(_S)]),
    "bnt_context_open": (c.c_int, [_PP, _P, c.POINTER(ContextOptions), _E]),
    "bnt_context_close": (None, [_P]),
    "bnt_context_threads": (c.c_uint, [_P]),
    "bnt_context_positions": (c.c_uint64, [_P]),
    "bnt_sequence_open": (c.c_int, [_PP, _P, _E]),
    "bnt_sequence_close": (None, [_P]),
    "bnt_sequence_tokens": (_IDS, [_P, c.POINTER(_S)]),
    "bnt_sequence_truncate": (None, [_P, c.c_uint64]),
    "bnt_sequence_fork": (c.c_int, [_PP, _P, c.c_uint64, _E]),
    "bnt_sequence_save": (c.c_int, [_P, c.c_char_p, _E]),
    "bnt_sequence_load": (c.c_int, [_PP, _P, c.c_char_p, _E]),
    "bnt_context_feed": (c.c_int, [_P, c.POINTER(Span), _S, _E]),
    "bnt_context_hidden": (_F, [_P, _S, _S]),
    "bnt_context_logits": (_F, [_P, _S, _S]),
    "bnt_context_top": (c.POINTER(Top), [_P, _S, _S, c.POINTER(c.c_uint32)]),
    "bnt_context_pooled": (_F, [_P, _S]),
    "bnt_sampling_default": (Sampling, []),
    "bnt_sampling_needs": (c.c_uint32, [c.POINTER(Sampling)]),
    "bnt_sample_top": (c.c_int32, [c.POINTER(Sampling), c.POINTER(Top), c.c_uint32, c.c_uint64, _P]),
    "bnt_sample_allowed": (
        c.c_int32, [c.POINTER(Sampling), _F, c.c_uint32, c.POINTER(c.c_uint64), _IDS, _S, c.c_uint64, _P]),
    "bnt_constraint_open": (c.c_int, [_PP, _P, c.c_uint32, c.c_char_p, _S, _E]),
    "bnt_constraint_close": (None, [_P]),
    "bnt_guide_open": (c.c_int, [_PP, _P, _E]),
    "bnt_guide_close": (None, [_P]),
    "bnt_guide_accept": (c.c_int, [_P, c.c_int32, _E]),
    "bnt_guide_look": (None, [_P]),
    "bnt_guide_expect": (c.c_bool, [_P, c.c_int32]),
    "bnt_guide_forced": (c.c_int32, [_P]),
    "bnt_guide_allowed": (c.c_int, [_P, _S, c.POINTER(c.POINTER(c.c_uint64)), _E]),
}


def places() -> List[str]:
    """Where the library is looked for: BITNET_LIBRARY alone, else beside the package, else the system's."""
    named = os.environ.get("BITNET_LIBRARY")
    if named:
        return [named]
    return [os.path.join(NATIVE, "libbitnet.so.0"), "libbitnet.so.0"]


def _open_bundled() -> None:
    """Opens the libraries that a wheel carries beside libbitnet, each once those that it needs are
    open: the loader then finds them by their names."""
    waiting = [f for f in sorted(os.listdir(NATIVE)) if ".so" in f and not f.startswith("libbitnet")]
    while waiting:
        left = []
        for name in waiting:
            try:
                c.CDLL(os.path.join(NATIVE, name))
            except OSError:
                left.append(name)
        if len(left) == len(waiting):
            return  # what is missing, opening libbitnet will say
        waiting = left


def _open() -> c.CDLL:
    tried = []
    if not os.environ.get("BITNET_LIBRARY") and os.path.isdir(NATIVE):
        _open_bundled()
    for place in places():
        try:
            lib = c.CDLL(place)
        except OSError as why:
            tried.append(str(why))
            continue
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        version = lib.bnt_version().decode()
        if not version.startswith(FITS):
            raise ImportError("%s is version %s, and this package needs %sx" % (place, version, FITS))
        return lib
    raise ImportError(
        "libbitnet.so.0 is not found (%s): install bitnet's library, or let BITNET_LIBRARY name it" % "; ".join(tried)
    )


_lib: Optional[c.CDLL] = None


def lib() -> Any:
    """The library, opened when it is first needed."""
    global _lib
    if _lib is None:
        _lib = _open()
    return _lib


def check(status: int, err: Err) -> None:
    """Raises what `err` says, unless the status is BNT_OK."""
    if status != 0:
        text = err.text.decode("utf-8", "replace")
        raise _KINDS.get(status, BitnetError)(status, text or "status %d" % status)


def bundled_plugins() -> Optional[str]:
    """The folder of the plugins that a wheel carries, if this is one."""
    folder = os.path.join(NATIVE, "plugins")
    return folder if os.path.isdir(folder) else None


def default_model() -> Optional[str]:
    """The model where none is named, if the library's own is not meant: BITNET_MODEL, or a wheel's."""
    if os.environ.get("BITNET_MODEL"):
        return os.environ["BITNET_MODEL"]
    folder = os.path.join(NATIVE, "model")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return os.path.join(folder, names[0]) if names else None


def bundled_program() -> str:
    """The command: the wheel's, BITNET_PROGRAM, or the one on PATH."""
    inside = os.path.join(NATIVE, "bitnet")
    return os.environ.get("BITNET_PROGRAM") or (inside if os.path.exists(inside) else "bitnet")
