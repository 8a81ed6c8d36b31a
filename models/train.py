#!/usr/bin/python3
"""Train the demo model, a small ternary `bitnet-b1.58` transformer, on the CPU, from scratch.

Weights are kept in float; every forward pass sees them as -1, 0, +1 times one scale per tensor
(mean of |W|), and sees activations as int8 with one scale per token; gradients pass straight
through both roundings. There is no autograd: forward and backward are written out once, so that
Q, K, V share one quantization and gate, up another, and every matrix product runs in bfloat16
(codes and int8 activations are exact there). The last part of the run computes its forward pass
in float32 with f16 embeddings: exactly what the exported file says. The schedule follows the
clock: --minutes is the budget.
"""
import argparse
import csv
import glob
import math
import mmap
import multiprocessing
import os
import sys
import time

# malloc keeps freed memory instead of unmapping it. Below: with AVX-512, the OpenBLAS kernel that
# OpenBLAS may not pick by itself.
ENV = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "67108864",
}
if __name__ == "__main__" and any(k not in os.environ for k in ENV):
    threads = str(os.cpu_count())
    os.environ.pop("OPENBLAS_L2_SIZE", None)
    os.environ.update(ENV, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS=threads)
    with open("/proc/cpuinfo") as f:
        if "avx512f" in f.read():
            os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"
    os.execv(sys.executable, [sys.executable] + sys.argv)

import numpy as np
import torch

from bpe import Tokenizer

CONFIG = {
    "dim": 256,
    "blocks": 8,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 64,
    "ff": 768,
    "vocab": 4096,
    "context": 512,
    "eps": 1e-5,
    "rope_base": 10000.0,
}
# How often each work is heard per pass; the rest of build/corpus/*.txt counts once.
WEIGHTS = {"sotu": 0.5, "sawyer": 2.0, "sherlock": 1.5}


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


def norm_quant(x, gain, eps, dtype):
    """RMSNorm, then int8 per token. Returns 1/rms, the integers, and the value of one step."""
    r = (x * x).mean(1, keepdim=True).add_(eps).rsqrt_()
    y = (x * r).mul_(gain)
    amax = y.abs().amax(1, keepdim=True).clamp_(min=1e-5)
    return r, y.mul_(127 / amax).round_().to(dtype), amax / 127


def norm_back(dy, x, r, gain, dgain):
    xhat = x * r
    dgain.add_((dy * xhat).sum(0))
    dy.mul_(gain)
    dot = (dy * xhat).mean(1, keepdim=True)
    return dy.sub_(xhat.mul_(dot)).mul_(r)


def linear(q, a, codes, scales):
    return (q @ codes.t()).float().mul_(a).mul_(scales)


def linear_back(dy, q, a, codes, scales, dw):
    """Gradient to the input; adds the weights' gradient to dw."""
    g = dy.mul_(a).mul_(scales).to(torch.bfloat16)
    dw.add_((g.t() @ q.to(torch.bfloat16)).float().div_(scales[:, None]))
    return (g @ codes.to(torch.bfloat16)).float().div_(a)


def shared(n):
    """Zeros that a forked process sees and changes too."""
    return torch.frombuffer(mmap.mmap(-1, 4 * n), dtype=torch.float32)


class Model:
    def __init__(self, config, seed=1):
        self.c = c = config
        n = sum(math.prod(s) for _, s in parameter_shapes(c))
        self.flat, self.grad = shared(n), shared(n)
        self.p, self.g = views(self.flat, c), views(self.grad, c)
        gen = torch.Generator().manual_seed(seed)
        for name, w in self.p.items():
            if w.dim() == 1:
                w.fill_(1)
            else:
                w.normal_(0, 0.02, generator=gen)
        freq = c["rope_base"] ** (
            -torch.arange(0, c["head_dim"], 2, dtype=torch.float64) / c["head_dim"]
        )
        angle = torch.arange(c["context"], dtype=torch.float64)[:, None] * freq
        self.cos, self.sin = angle.cos().float()[:, None], angle.sin().float()[:, None]
        self.mask = torch.full((c["context"], c["context"]), -math.inf).triu_(1)

    def rope(self, x, sign):
        """x [B, T, heads, head_dim], halves rotated by the position's angles, in place."""
        t, h = x.shape[1], x.shape[-1] // 2
        cos, sin = self.cos[:t], self.sin[:t] * sign
        x0, x1 = x[..., :h], x[..., h:]
        y0 = x0 * cos - x1 * sin
        x1.mul_(cos).add_(x0 * sin)
        x0.copy_(y0)

    def attention(self, qkv, b, t, dtype):
        c = self.c
        h, kv, d = c["heads"], c["kv_heads"], c["head_dim"]
        qkv = qkv.view(b, t, h + 2 * kv, d)
        self.rope(qkv[:, :, : h + kv], 1)
        q = qkv[:, :, :h].mul(d**-0.5).to(dtype).transpose(1, 2).reshape(b * kv, h // kv * t, d)
        k = qkv[:, :, h : h + kv].to(dtype).transpose(1, 2).reshape(b * kv, t, d)
        v = qkv[:, :, h + kv :].to(dtype).transpose(1, 2).reshape(b * kv, t, d)
        s = torch.bmm(q, k.transpose(1, 2)).float().view(b * h, t, t).add_(self.mask[:t, :t])
        p = torch.softmax(s, 2)
        o = torch.bmm(p.to(dtype).view(b * kv, -1, t), v).float()
        return o.view(b, h, t, d).transpose(1, 2).reshape(b * t, h * d), (q, k, v, p)

    def attention_back(self, do, saved, b, t):
        c, bf = self.c, torch.bfloat16
        h, kv, d = c["heads"], c["kv_heads"], c["head_dim"]
        q, k, v, p = saved
        do = do.view(b, t, h, d).to(bf).transpose(1, 2).reshape(b * kv, -1, d)
        dv = torch.bmm(p.to(bf).view(b * kv, -1, t).transpose(1, 2), do)
        dp = torch.bmm(do, v.to(bf).transpose(1, 2)).float().view(b * h, t, t)
        ds = (
            torch.ops.aten._softmax_backward_data(dp, p, 2, torch.float32)
            .to(bf)
            .view(b * kv, -1, t)
        )
        dq = torch.bmm(ds, k.to(bf)).view(b, h, t, d).transpose(1, 2)
        dk = torch.bmm(ds.transpose(1, 2), q.to(bf)).view(b, kv, t, d).transpose(1, 2)
        out = torch.empty(b, t, h + 2 * kv, d)
        out[:, :, :h].copy_(dq).mul_(d**-0.5)
        out[:, :, h : h + kv].copy_(dk)
        out[:, :, h + kv :].copy_(dv.view(b, kv, t, d).transpose(1, 2))
        self.rope(out[:, :, : h + kv], -1)
        return out.view(b * t, -1)

    def prepare(self, exact):
        """Round the weights for this step's forward passes."""
        self.dtype = torch.float32 if exact else torch.bfloat16
        self.codes = {}
        for name, w in self.p.items():
            if w.dim() == 2 and name != "embd":
                q, s = ternary(w, row_groups(name, self.c))
                self.codes[name] = (q.to(self.dtype), s)
        self.embd = self.p["embd"].half().float()

    def run(self, ids, targets, share=0.0):
        """Sum of the cross entropies of targets [B, T] after ids [B, T].

        Adds to self.grad the gradient of that sum times share, unless share is 0.
        """
        c, p, g, codes, embd, dtype = self.c, self.p, self.g, self.codes, self.embd, self.dtype
        b, t = ids.shape
        n, eps, ff = b * t, c["eps"], c["ff"]
        x = embd[ids.view(-1)]
        saved = []
        for i in range(c["blocks"]):
            pre = "%d." % i
            r1, q1, a1 = norm_quant(x, p[pre + "attn_norm"], eps, dtype)
            o, att = self.attention(linear(q1, a1, *codes[pre + "qkv"]), b, t, dtype)
            r2, q2, a2 = norm_quant(o, p[pre + "attn_sub_norm"], eps, dtype)
            y = linear(q2, a2, *codes[pre + "o"]).add_(x)
            r3, q3, a3 = norm_quant(y, p[pre + "ffn_norm"], eps, dtype)
            gu = linear(q3, a3, *codes[pre + "gateup"])
            gate = gu[:, :ff].relu()
            hid = (gate * gate).mul_(gu[:, ff:])
            r4, q4, a4 = norm_quant(hid, p[pre + "ffn_sub_norm"], eps, dtype)
            if share:
                saved.append(
                    (x, r1, q1, a1, att, o, r2, q2, a2, y, r3, q3, a3, gate, gu, hid, r4, q4, a4)
                )
            x = linear(q4, a4, *codes[pre + "down"]).add_(y)
        r = (x * x).mean(1, keepdim=True).add_(eps).rsqrt_()
        hb = ((x * r) * p["output_norm"]).to(dtype)
        eb, tgt, loss = embd.to(dtype), targets.view(-1, 1), 0.0
        bf = torch.bfloat16
        eg = eb.to(bf)
        dx = torch.empty(n, c["dim"])
        for lo in range(0, n, 1024):
            hc, tc = hb[lo : lo + 1024], tgt[lo : lo + 1024]
            logits = (hc @ eb.t()).float()
            logits.sub_(logits.amax(1, keepdim=True))
            picked = logits.gather(1, tc)
            total = logits.exp_().sum(1, keepdim=True)
            loss += float((total.log() - picked).sum())
            if share:
                logits.mul_(share / total)
                logits.scatter_add_(1, tc, torch.full_like(picked, -share))
                dl = logits.to(bf)
                dx[lo : lo + 1024] = dl @ eg
                g["embd"].add_(dl.t() @ hc.to(bf))
        if not share:
            return loss
        dx = norm_back(dx, x, r, p["output_norm"], g["output_norm"])
        for i in reversed(range(c["blocks"])):
            pre = "%d." % i
            x, r1, q1, a1, att, o, r2, q2, a2, y, *rest = saved.pop()
            r3, q3, a3, gate, gu, hid, r4, q4, a4 = rest
            d = linear_back(dx.clone(), q4, a4, *codes[pre + "down"], g[pre + "down"])
            d = norm_back(d, hid, r4, p[pre + "ffn_sub_norm"], g[pre + "ffn_sub_norm"])
            dgu = torch.empty_like(gu)
            d.mul_(gate)
            torch.mul(d, gate, out=dgu[:, ff:])
            torch.mul(d.mul_(2), gu[:, ff:], out=dgu[:, :ff])
            d = linear_back(dgu, q3, a3, *codes[pre + "gateup"], g[pre + "gateup"])
            dx.add_(norm_back(d, y, r3, p[pre + "ffn_norm"], g[pre + "ffn_norm"]))
            d = linear_back(dx.clone(), q2, a2, *codes[pre + "o"], g[pre + "o"])
            d = norm_back(d, o, r2, p[pre + "attn_sub_norm"], g[pre + "attn_sub_norm"])
            d = linear_back(
                self.attention_back(d, att, b, t), q1, a1, *codes[pre + "qkv"], g[pre + "qkv"]
            )
            dx.add_(norm_back(d, x, r1, p[pre + "attn_norm"], g[pre + "attn_norm"]))
        g["embd"].index_add_(0, ids.view(-1), dx)
        return loss


class AdamW:
    """On one flat buffer; only ternary weights decay; embeddings and norms learn slower."""

    def __init__(self, model, grad):
        self.model, self.grad, self.step = model, grad, 0
        self.m, self.v = torch.zeros_like(model.flat), torch.zeros_like(model.flat)
        self.rate, self.decay = torch.empty_like(model.flat), torch.zeros_like(model.flat)
        for (name, r), d in zip(
            views(self.rate, model.c).items(), views(self.decay, model.c).values()
        ):
            tern = r.dim() == 2 and name != "embd"
            r.fill_(1.0 if tern else 0.6)
            d.fill_(1.0 if tern else 0.0)

    def update(self, lr, wd):
        self.step += 1
        g, m, v = self.grad, self.m, self.v
        norm = float(g.norm())
        if norm > 1:
            g.mul_(1 / norm)
        m.lerp_(g, 0.1)
        v.mul_(0.95).addcmul_(g, g, value=0.05)
        if wd:
            self.model.flat.addcmul_(self.model.flat, self.decay, value=-lr * wd)
        c1, c2 = 1 - 0.9**self.step, 1 - 0.95**self.step
        torch.sqrt(v, out=g)
        g.mul_(1 / math.sqrt(c2)).add_(1e-8)
        torch.div(m, g, out=g)
        self.model.flat.addcmul_(g.mul_(self.rate), torch.ones(1), value=-lr / c1)
        g.zero_()
        return norm


def work(model, tasks, results):
    """A worker: one thread, and small parts of every step, so that a busy core delays nobody."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    step = None
    while True:
        now, exact, ids, targets, share = tasks.get()
        if now != step:
            model.prepare(exact)
            step = now
        results.put(model.run(torch.from_numpy(ids), torch.from_numpy(targets), share))


class Workers:
    """Forked copies of the model: weights shared, each with a gradient of its own."""

    def __init__(self, model, count):
        fork = multiprocessing.get_context("fork")
        self.tasks, self.results = fork.SimpleQueue(), fork.SimpleQueue()
        self.grads, self.number = [], 0
        for _ in range(count):
            model.grad = shared(model.flat.numel())
            model.g = views(model.grad, model.c)
            self.grads.append(model.grad)
            args = (model, self.tasks, self.results)
            fork.Process(target=work, args=args, daemon=True).start()
        self.grad = self.grads[0]

    def run(self, ids, targets, exact=False, train=True):
        """Mean cross entropy; with train, self.grad holds its gradient afterwards."""
        self.number += 1
        rows = max(1, 1024 // ids.shape[1])
        parts = range(0, ids.shape[0], rows)
        for lo in parts:
            part = slice(lo, lo + rows)
            share = 1 / ids.size if train else 0.0
            self.tasks.put((self.number, exact, ids[part], targets[part], share))
        loss = sum(self.results.get() for _ in parts)
        if train:
            for g in self.grads[1:]:
                self.grad.add_(g)
                g.zero_()
        return loss / ids.size


class Data:
    """Chapters in random order, cut at paragraphs into segments that begin with BOS, for ever."""

    def __init__(self, corpus, tok, seed):
        self.tok, self.rng, self.works = tok, np.random.default_rng(seed), {}
        for name in sorted(glob.glob(os.path.join(corpus, "*.txt"))):
            base = os.path.splitext(os.path.basename(name))[0]
            if base.startswith("heldout"):
                continue
            with open(name) as f:
                chapters = [ch.split("\n\n") for ch in f.read().strip().split("\n\n\f\n\n")]
            self.works[base] = [
                [np.array(tok.encode(p + "\n\n"), dtype=np.int32) for p in ch[:-1]]
                + [np.array(tok.encode(ch[-1]) + [tok.eos], dtype=np.int32)]
                for ch in chapters
            ]
            print(
                "%-10s %8d tokens" % (base, sum(len(p) for ch in self.works[base] for p in ch)),
                flush=True,
            )
        self.buffer, self.at, self.passes = np.zeros(0, dtype=np.int32), 0, 0

    def refill(self):
        segments = []
        for base, chapters in self.works.items():
            for ch in chapters:
                w = WEIGHTS.get(base, 1.0)
                for _ in range(int(w) + (self.rng.random() < w % 1)):
                    cur, left = [[self.tok.bos]], self.rng.integers(60, 600)
                    for par in ch:
                        if left <= 0:
                            segments.append(np.concatenate(cur))
                            cur, left = [[self.tok.bos]], self.rng.integers(60, 600)
                        cur.append(par)
                        left -= len(par)
                    segments.append(np.concatenate(cur))
        self.rng.shuffle(segments)
        self.buffer, self.at = np.concatenate([self.buffer[self.at :]] + segments), 0
        self.passes += 1

    def batch(self, b, t):
        if self.at + b * t + 1 > len(self.buffer):
            self.refill()
        x = self.buffer[self.at : self.at + b * t + 1].astype(np.int64)
        self.at += b * t
        return x[:-1].reshape(b, t), x[1:].reshape(b, t)


def held_out(tok, path, windows, n_ctx):
    with open(path) as f:
        ids = tok.encode(f.read().replace("\f\n\n", ""))[: windows * (n_ctx - 1)]
    x = np.array(ids, dtype=np.int64).reshape(windows, n_ctx - 1)
    return np.concatenate([np.full((windows, 1), tok.bos), x[:, :-1]], 1), x


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", default="build/corpus")
    ap.add_argument("--out", default="build/model")
    ap.add_argument(
        "--minutes",
        type=float,
        default=105,
        help="training time; learning rate and context follow it",
    )
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--tokens", type=int, default=4096, help="tokens a step")
    ap.add_argument("--blocks", type=int, default=CONFIG["blocks"])
    ap.add_argument("--ff", type=int, default=CONFIG["ff"])
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument(
        "--steps", type=int, default=0, help="stop after so many steps (for profiling)"
    )
    ap.add_argument("--no-resume", action="store_true")
    args = ap.parse_args()
    torch.set_grad_enabled(False)
    tok = Tokenizer.load(os.path.join(args.corpus, "vocabulary.json"))
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "checkpoint.pt")
    config = dict(CONFIG, blocks=args.blocks, ff=args.ff)
    state = None
    if os.path.exists(path) and not args.no_resume:
        state = torch.load(path)
        config = state["config"]
    model = Model(config, args.seed)
    workers = Workers(model, os.cpu_count())
    opt = AdamW(model, workers.grad)
    data = Data(args.corpus, tok, args.seed + (state["step"] if state else 0))
    tokens, before = 0, 0.0
    if state:
        model.flat.copy_(state["flat"])
        opt.m.copy_(state["m"])
        opt.v.copy_(state["v"])
        opt.step, tokens, before = state["step"], state["tokens"], state["seconds"]
    print("%d parameters, %d workers" % (model.flat.numel(), os.cpu_count()), flush=True)
    hx, hy = held_out(tok, os.path.join(args.corpus, "heldout-alice.txt"), 12, config["context"])
    log_path = os.path.join(args.out, "training-log.csv")
    log = open(log_path, "a" if state else "w", newline="")
    out = csv.writer(log, lineterminator="\n")
    if not state:
        out.writerow(["step", "tokens", "seconds", "lr", "train_loss", "heldout_loss"])
    budget, start = args.minutes * 60, time.time()
    next_eval, next_save, losses = before + 120, before + 300, []

    def seconds():
        return before + time.time() - start

    def save(name):
        torch.save(
            {
                "config": config,
                "flat": model.flat,
                "m": opt.m,
                "v": opt.v,
                "step": opt.step,
                "tokens": tokens,
                "seconds": seconds(),
            },
            name + ".tmp",
        )
        os.replace(name + ".tmp", name)

    while seconds() < budget and not (args.steps and opt.step >= args.steps):
        done = seconds() / budget
        t = 256 if done < 0.6 else config["context"]
        lr = args.lr * min(1 - done, (opt.step + 1) / 150)
        ids, targets = data.batch(args.tokens // t, t)
        loss = workers.run(ids, targets, exact=done > 0.88)
        if not math.isfinite(loss):
            sys.exit("loss is not finite at step %d" % opt.step)
        opt.update(lr, 0.1 if done < 0.5 else 0.0)
        tokens += ids.size
        losses.append(loss)
        if opt.step % 50 == 0 or seconds() > next_eval:
            held = ""
            if seconds() > next_eval:
                held = "%.4f" % workers.run(hx, hy, exact=True, train=False)
                next_eval = seconds() + 240
            row = [
                opt.step,
                tokens,
                "%.0f" % seconds(),
                "%.3e" % lr,
                "%.4f" % (sum(losses) / len(losses)),
                held,
            ]
            out.writerow(row)
            log.flush()
            print(
                *row, "pass %d" % data.passes, "%.0f tokens/s" % (tokens / seconds()), flush=True
            )
            losses = []
        if seconds() > next_save:
            save(path)
            next_save = seconds() + 600
    save(path)
    held = workers.run(hx, hy, exact=True, train=False)
    out.writerow(
        [
            opt.step,
            tokens,
            "%.0f" % seconds(),
            "0",
            "%.4f" % (sum(losses) / max(1, len(losses))),
            "%.4f" % held,
        ]
    )
    log.close()
    print("done: %d steps, %d tokens, held-out loss %.4f" % (opt.step, tokens, held))


if __name__ == "__main__":
    main()
