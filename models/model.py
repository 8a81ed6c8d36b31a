"""The demo model's shape, its rounding to ternary, and step.c as a Python call.

Weights live in one flat float buffer in the order of parameter_shapes(); every forward pass sees the
matrices as -1, 0, +1 times one scale per tensor (mean of |W|), and activations as int8 with one
scale per token; gradients pass straight through both roundings. This file knows nothing of data,
optimizers or GGUF.
"""
import ctypes
import math
import mmap
import os
import subprocess

import torch

CONFIG = {
    "dim": 384,
    "blocks": 6,
    "heads": 6,
    "kv_heads": 2,
    "head_dim": 64,
    "ff": 768,
    "vocab": 5120,
    "context": 1024,
    "eps": 1e-5,
    "rope_base": 10000.0,
}
TASK_TOKENS = 1024  # the most tokens of one step.c call


def parameter_shapes(c):
    d, kv, ff = c["dim"], c["kv_heads"] * c["head_dim"], c["ff"]
    yield "embd", (c["vocab"], d)
    for i in range(c["blocks"]):
        yield "%d.qkv" % i, (d + 2 * kv, d)
        yield "%d.o" % i, (d, d)
        yield "%d.gateup" % i, (2 * ff, d)
        yield "%d.down" % i, (d, ff)
        for name, n in (
            ("attn_norm", d),
            ("attn_sub_norm", d),
            ("ffn_norm", d),
            ("ffn_sub_norm", ff),
        ):
            yield "%d.%s" % (i, name), (n,)
    yield "output_norm", (d,)


def size(c):
    return sum(math.prod(s) for _, s in parameter_shapes(c))


def views(flat, c):
    out, at = {}, 0
    for name, shape in parameter_shapes(c):
        n = math.prod(shape)
        out[name] = flat[at : at + n].view(shape)
        at += n
    return out


def row_groups(name, c):
    """The tensors that share one matrix here but have a scale each: their row counts."""
    kv = c["kv_heads"] * c["head_dim"]
    return {"qkv": [c["dim"], kv, kv], "gateup": [c["ff"], c["ff"]]}.get(
        name.split(".")[-1], [c["dim"]]
    )


def ternary(w, groups):
    """Codes -1, 0, +1 (float) and the scale of each row."""
    codes, scales = [], []
    for part in w.split(groups):
        scale = part.abs().mean()
        codes.append((part / scale).round_().clamp_(-1, 1))
        scales.append(scale.expand(part.shape[0]))
    return torch.cat(codes), torch.cat(scales)


def shared(n):
    """Zeros that a forked process sees and changes too."""
    return torch.frombuffer(mmap.mmap(-1, 4 * n), dtype=torch.float32)


def initial(c, seed):
    flat = shared(size(c))
    gen = torch.Generator().manual_seed(seed)
    for w in views(flat, c).values():
        w.fill_(1) if w.dim() == 1 else w.normal_(0, 0.02, generator=gen)
    return flat


class Config(ctypes.Structure):
    """struct config of step.c."""

    NAMES = ["dim", "blocks", "heads", "kv_heads", "head_dim", "ff", "vocab", "context"]
    _fields_ = [(n, ctypes.c_int32) for n in NAMES] + [("eps", ctypes.c_float)]


def build(folder):
    """Compile step.c for this machine; the library's path."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step.c")
    out = os.path.join(os.path.abspath(folder), "step.so")
    flags = "-O3 -ffast-math -march=native -shared -fPIC".split()
    libs = ["-l:libdnnl.so.2", "-lm"]  # Debian's libdnnl2 comes with python3-torch
    subprocess.run(["cc"] + flags + [source, "-o", out + ".tmp"] + libs, check=True)
    os.replace(out + ".tmp", out)
    return out


def pointer(tensor):
    return ctypes.c_void_p(tensor.data_ptr())


class Step:
    """One process's forward and backward passes over shared weights."""

    def __init__(self, c, flat, grad, library):
        self.c, self.flat, self.grad = c, flat, grad
        self.p, self.g = views(flat, c), views(grad, c)
        self.lib = ctypes.CDLL(library)
        self.lib.step_new.restype = ctypes.c_void_p
        self.lib.step_run.restype = ctypes.c_double
        config = Config(*[c[n] for n in Config.NAMES], c["eps"])
        self.state = ctypes.c_void_p(self.lib.step_new(ctypes.byref(config), TASK_TOKENS))
        half = c["head_dim"] // 2
        freq = c["rope_base"] ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = torch.arange(c["context"], dtype=torch.float64)[:, None] * freq
        self.angles = torch.cat([angle.cos(), angle.sin()], 1).float().contiguous()
        self.matrices = [n for n, w in self.p.items() if w.dim() == 2 and n != "embd"]
        self.codes = torch.zeros(flat.numel(), dtype=torch.bfloat16)
        self.code_views, self.scales = views(self.codes, c), None

    def prepare(self):
        """Round the weights for the passes until the next change."""
        scales = []
        for name in self.matrices:
            codes, s = ternary(self.p[name], row_groups(name, self.c))
            self.code_views[name].copy_(codes)
            scales.append(s)
        self.scales = torch.cat(scales)
        self.code_views["embd"].copy_(self.p["embd"])

    def run(self, ids, targets, weight, share=0.0):
        """Weighted sum of cross entropies of int32 ids and targets [B, T]; adds share times its gradient."""
        b, t = ids.shape
        assert b * t <= TASK_TOKENS and ids.dtype == targets.dtype == torch.int32
        arrays = (
            self.flat,
            self.grad,
            self.codes,
            self.scales,
            self.code_views["embd"],
            self.angles,
        )
        return self.lib.step_run(
            self.state,
            *map(pointer, arrays),
            *map(pointer, (ids, targets, weight)),
            b,
            t,
            ctypes.c_float(share)
        )

    def row_scales(self, name):
        """The scales that step.c leaves in the gradient of a matrix."""
        return ternary(self.p[name], row_groups(name, self.c))[1][:, None]
