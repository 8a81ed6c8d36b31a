#!/usr/bin/python3
"""The same passes as step.c by autograd, for an accelerator; and the check of one against the other.

The forward pass is written with torch's own operations and both roundings as "value of the rounded,
gradient of the unrounded", so that it is short, any device runs it, and it shares no line with step.c.
Run as a program it compares loss and gradients of the two on random weights: a mistake in either shows.
"""
import argparse
import os
import sys
import tempfile

import torch
import torch.nn.functional as F

from model import CONFIG, Step, build, initial, row_groups, size, ternary, views

ROWS = 32768  # tokens of one pass on an accelerator


def rounded(x, value):
    """value in the forward pass, x in the backward pass."""
    return x + (value - x).detach()


def norm(x, gain, eps):
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps) * gain


def int8(x):
    a = x.detach().abs().amax(-1, keepdim=True).clamp(min=1e-5) / 127
    return rounded(x, torch.round(x.detach() / a) * a)


def weight(p, name, c):
    codes, scales = ternary(p[name].detach(), row_groups(name, c))
    return rounded(p[name], codes * scales[:, None])


def rope(x, cos, sin):
    half = x.shape[-1] // 2
    x0, x1 = x[..., :half], x[..., half:]
    return torch.cat([x0 * cos - x1 * sin, x1 * cos + x0 * sin], -1)


def attend(q, k, v):
    """q, k, v [B, heads, T, head_dim]; causal."""
    if hasattr(F, "scaled_dot_product_attention"):
        half = torch.bfloat16 if q.is_cuda else q.dtype
        return F.scaled_dot_product_attention(
            q.to(half), k.to(half), v.to(half), is_causal=True
        ).float()
    t = q.shape[2]
    mask = torch.full((t, t), float("-inf"), device=q.device).triu_(1)
    return torch.softmax(q @ k.transpose(2, 3) * q.shape[-1] ** -0.5 + mask, -1) @ v


def loss_of(p, c, cos, sin, ids, targets, weights):
    """Weighted sum of cross entropies of targets [B, T] after ids [B, T]."""
    b, t = ids.shape
    h, kv, d = c["heads"], c["kv_heads"], c["head_dim"]
    cos, sin = cos[:t], sin[:t]
    x = p["embd"][ids]
    for i in range(c["blocks"]):
        s = "%d." % i
        qkv = F.linear(int8(norm(x, p[s + "attn_norm"], c["eps"])), weight(p, s + "qkv", c))
        q, k, v = qkv.view(b, t, h + 2 * kv, d).transpose(1, 2).split([h, kv, kv], 1)
        k, v = (y.repeat_interleave(h // kv, 1) for y in (rope(k, cos, sin), v))
        o = attend(rope(q, cos, sin), k, v).transpose(1, 2).reshape(b, t, h * d)
        x = x + F.linear(int8(norm(o, p[s + "attn_sub_norm"], c["eps"])), weight(p, s + "o", c))
        both = F.linear(int8(norm(x, p[s + "ffn_norm"], c["eps"])), weight(p, s + "gateup", c))
        gate, up = both.chunk(2, -1)
        hidden = norm(gate.relu() ** 2 * up, p[s + "ffn_sub_norm"], c["eps"])
        x = x + F.linear(int8(hidden), weight(p, s + "down", c))
    half = torch.bfloat16
    logits = F.linear(norm(x, p["output_norm"], c["eps"]).to(half), p["embd"].to(half)).float()
    each = F.cross_entropy(logits.view(b * t, -1), targets.reshape(-1), reduction="none")
    return (each * weights.reshape(-1)).sum()


class Device:
    """run() and update() of train.py's Workers, on one device."""

    def __init__(self, c, flat, opt):
        self.c, self.opt, self.at = c, opt, flat.device
        self.grad = torch.zeros_like(flat)
        self.p = {n: w.detach().requires_grad_() for n, w in views(flat, c).items()}
        for name, g in views(self.grad, c).items():
            self.p[name].grad = g
        half = c["head_dim"] // 2
        freq = c["rope_base"] ** (-torch.arange(half, dtype=torch.float64) / half)
        angle = torch.arange(c["context"], dtype=torch.float64)[:, None] * freq
        self.cos, self.sin = angle.cos().float().to(self.at), angle.sin().float().to(self.at)
        self.loss = loss_of
        if self.at.type == "cuda":
            torch.set_float32_matmul_precision("high")  # tf32: integers up to 127 are exact in it
            self.loss = torch.compile(loss_of)

    def run(self, ids, targets, weights, train=True):
        """Mean weighted cross entropy; with train, adds its gradient."""
        total, loss = float(weights.sum()), 0.0
        rows = max(1, ROWS // ids.shape[1])
        for lo in range(0, ids.shape[0], rows):
            part = [
                torch.from_numpy(x[lo : lo + rows]).to(self.at) for x in (ids, targets, weights)
            ]
            part = [part[0].long(), part[1].long(), part[2]]
            with torch.set_grad_enabled(train):
                out = self.loss(self.p, self.c, self.cos, self.sin, *part) / total
                if train:
                    out.backward()
            loss += out.detach()
        return float(loss)

    def update(self, lr, decay):
        self.opt.step += 1
        norm = float(self.grad.norm())
        for name, grad in views(self.grad, self.c).items():
            self.opt.update(name, grad, lr, decay)
        self.grad.zero_()
        return norm


def main():
    ap = argparse.ArgumentParser(description="Compare step.c with autograd on random weights.")
    ap.add_argument("--rows", type=int, default=2)
    ap.add_argument(
        "--context", type=int, default=300, help="tokens a row; blocks of 128 are crossed"
    )
    args = ap.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.environ["OMP_NUM_THREADS"] = "1"
        os.execv(sys.executable, [sys.executable] + sys.argv)
    torch.manual_seed(1)
    c, b, t = dict(CONFIG, blocks=2), args.rows, args.context
    flat = initial(c, 1)
    for w in views(flat, c).values():
        w.add_(torch.randn(w.shape) * 0.1) if w.dim() == 1 else w.mul_(5)
    views(flat, c)["embd"].copy_(views(flat, c)["embd"].to(torch.bfloat16))
    ids, targets = (torch.randint(0, c["vocab"], (b, t), dtype=torch.int32) for _ in range(2))
    weights = torch.rand(b, t)
    share = 1 / float(weights.sum())
    device = Device(c, flat, None)
    by_autograd = device.run(ids.numpy(), targets.numpy(), weights.numpy())
    grad = torch.zeros(size(c))
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        step = Step(c, flat, grad, build(folder))
        step.prepare()
        by_step = step.run(ids, targets, weights, share) * share
        for name in step.matrices:
            step.g[name].div_(step.row_scales(name))
    worst = abs(by_step / by_autograd - 1)
    print("loss %.6f by step.c, %.6f by autograd" % (by_step, by_autograd))
    failed = worst > 1e-3
    for name, wanted in views(device.grad, c).items():
        apart = float((step.g[name] - wanted).norm() / wanted.norm())
        print("%-16s gradients apart by %.4f" % (name, apart))
        failed += apart > 0.1  # bfloat16 carries 8 bits, and an int8 may fall the other way
    print("%d failed" % failed)
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
