"""Muon for the ternary matrices, Adam for embeddings and norms.

Muon moves a matrix along the nearest matrix whose singular values are all near 1 to its averaged
gradient, so that a few strong directions do not drown the others; its step is scaled to the size of
Adam's (0.2 a weight), and one learning rate serves both. Tensors that share a matrix of the trainer
(Q, K, V; gate, up) are orthogonalized each alone. State and weights are shared buffers (on an
accelerator plain ones); a call changes one tensor, so that worker processes can divide a step.
"""
import math

import torch

from model import row_groups, shared, views


def orthogonal(m, steps=5):
    """Newton-Schulz iteration of fifth order in bfloat16 (Keller Jordan's coefficients)."""
    tall = m.shape[0] > m.shape[1]
    x = (m / (m.norm() + 1e-7)).to(torch.bfloat16)
    x = x.t().contiguous() if tall else x
    for _ in range(steps):
        a = x @ x.t()
        b = (a @ a).mul_(2.0315).add_(a, alpha=-4.7750)
        x = (b @ x).add_(x, alpha=3.4445)
    return (x.t() if tall else x).float()


class Optimizer:
    def __init__(self, c, flat, kind="muon"):
        self.c, self.kind, self.step = c, kind, 0
        n = flat.numel()
        self.m, self.v = (torch.zeros_like(flat) if flat.is_cuda else shared(n) for _ in "mv")
        self.p, self.pm, self.pv = views(flat, c), views(self.m, c), views(self.v, c)

    def update(self, name, grad, lr, decay):
        """Move one tensor; only ternary matrices decay."""
        w = self.p[name]
        if w.dim() == 1 or name == "embd":
            self.adam(name, grad, 0.6 * lr)
            return
        w.mul_(1 - lr * decay)
        if self.kind == "muon":
            self.muon(name, grad, lr)
        else:
            self.adam(name, grad, lr)

    def muon(self, name, grad, lr):
        w, m = self.p[name], self.pm[name]
        m.lerp_(grad, 0.05)
        groups = row_groups(name, self.c)
        for part, update in zip(w.split(groups), grad.lerp(m, 0.95).split(groups)):
            part.add_(orthogonal(update), alpha=-lr * 0.2 * math.sqrt(max(part.shape)))

    def adam(self, name, grad, lr):
        w, m, v = self.p[name], self.pm[name], self.pv[name]
        m.lerp_(grad, 0.1)
        v.mul_(0.95).addcmul_(grad, grad, value=0.05)
        c1, c2 = 1 - 0.9**self.step, 1 - 0.95**self.step
        w.addcdiv_(m, v.sqrt().div_(math.sqrt(c2)).add_(1e-8), value=-lr / c1)
