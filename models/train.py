#!/usr/bin/python3
"""Train the demo model, a small ternary `bitnet-b1.58` transformer, from scratch.

The trunk of a run keeps one learning rate for as long as there is time: it can be stopped (SIGTERM
saves it) and resumed, days apart. --finish MINUTES takes the trunk's checkpoint as it stands and
lets the rate fall to nothing in so many minutes, into a checkpoint of its own; the trunk stays as
it was. One worker process a core computes small parts of every step with step.c, so that a core
busy with something else delays nobody; with --device cuda one device does it all. Files: OUT/trunk.pt, OUT/final.pt, OUT/*-log.csv.
"""
import argparse
import csv
import ctypes
import math
import multiprocessing
import os
import signal
import sys
import time

if __name__ == "__main__" and os.environ.get("OMP_NUM_THREADS") != "1":
    os.environ["OMP_NUM_THREADS"] = "1"  # a worker is one thread; read when the libraries load
    os.execv(sys.executable, [sys.executable] + sys.argv)

import numpy as np
import torch

from bpe import Tokenizer
from data import SHARES, Ahead, Data, windows
from device import Device
from model import CONFIG, TASK_TOKENS, Step, build, initial, shared, size, views
from optimizer import Optimizer

DECAY = 0.1
WARM_UP = 40


def work(step, opt, grads, tasks, results):
    """A worker: computes parts of a step, then moves its share of the tensors."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: none outlives the trainer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    sums, prepared = [views(g, step.c) for g in grads], None
    while True:
        what, number, *rest = tasks.get()
        if what == "update":
            name, lr, decay = rest
            opt.step, grad = number, sums[0][name]
            for other in sums[1:]:
                grad.add_(other[name])
                other[name].zero_()
            if name in step.matrices:
                grad.div_(step.row_scales(name))
            norm = float(grad.norm())
            opt.update(name, grad, lr, decay)
            grad.zero_()
            results.put(norm)
            continue
        if number != prepared:
            step.prepare()
            prepared = number
        ids, targets, weights, share = rest
        arrays = (torch.from_numpy(np.ascontiguousarray(x)) for x in (ids, targets, weights))
        results.put(step.run(*arrays, share))


class Workers:
    """Forked processes: weights and optimizer state shared, each with a gradient of its own."""

    def __init__(self, c, flat, opt, library, count):
        fork = multiprocessing.get_context("fork")
        self.tasks, self.results = fork.SimpleQueue(), fork.SimpleQueue()
        self.grads, self.number, self.opt = [shared(size(c)) for _ in range(count)], 0, opt
        for grad in self.grads:
            args = (Step(c, flat, grad, library), opt, self.grads, self.tasks, self.results)
            fork.Process(target=work, args=args, daemon=True).start()

    def run(self, ids, targets, weights, train=True):
        """Mean weighted cross entropy; with train, self.grads sum to its gradient afterwards."""
        self.number += 1
        rows, total = max(1, TASK_TOKENS // ids.shape[1]), float(weights.sum())
        parts = range(0, ids.shape[0], rows)
        for lo in parts:
            part = slice(lo, lo + rows)
            share = 1 / total if train else 0.0
            self.tasks.put(("run", self.number, ids[part], targets[part], weights[part], share))
        return sum(self.results.get() for _ in parts) / total

    def update(self, lr, decay):
        """One optimizer step, the tensors shared out; returns the gradient's norm."""
        self.opt.step += 1
        names = sorted(self.opt.p, key=lambda n: -self.opt.p[n].numel())
        for name in names:
            self.tasks.put(("update", self.opt.step, name, lr, decay))
        return math.sqrt(sum(self.results.get() ** 2 for _ in names))


class Log:
    """Rows of step, tokens, seconds, rate and losses, to a CSV file and to the terminal."""

    def __init__(self, path, fresh):
        self.file = open(path, "w" if fresh else "a", newline="")
        self.out = csv.writer(self.file, lineterminator="\n")
        if fresh:
            self.out.writerow(["step", "tokens", "seconds", "lr", "train_loss", "heldout_loss"])

    def row(self, step, tokens, seconds, lr, loss, held, remark):
        held = "%.4f" % held if held else ""
        row = [step, tokens, "%.0f" % seconds, "%.3e" % lr, "%.4f" % loss, held]
        self.out.writerow(row)
        self.file.flush()
        print(*row, remark, flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", default="build/corpus")
    ap.add_argument("--out", default="build/model")
    ap.add_argument(
        "--minutes", type=float, default=60, help="how long the trunk is trained further"
    )
    ap.add_argument(
        "--finish", type=float, default=0, help="minutes of falling rate from the trunk"
    )
    ap.add_argument("--lr", type=float, default=3e-3)
    for name in ("dim", "blocks", "ff"):
        ap.add_argument("--" + name, type=int, default=CONFIG[name], help="of a new trunk")
    ap.add_argument("--tokens", type=int, default=8192, help="tokens a step")
    ap.add_argument("--context", type=int, default=0, help="tokens a row (512; 1024 to finish)")
    ap.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    ap.add_argument("--optimizer", choices=["muon", "adam"], default="muon")
    ap.add_argument("--shares", default="", help="prose,story,chat: shares of the tokens")
    ap.add_argument("--save-minutes", type=float, default=4)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    torch.set_grad_enabled(False)
    os.makedirs(args.out, exist_ok=True)
    trunk, final = (os.path.join(args.out, n) for n in ("trunk.pt", "final.pt"))
    vocabulary = os.path.join(args.corpus, "vocabulary.json")
    state = torch.load(trunk, map_location="cpu") if os.path.exists(trunk) else None
    tok = Tokenizer.load(vocabulary)
    shape = {"dim": args.dim, "blocks": args.blocks, "ff": args.ff}
    shape["heads"] = args.dim // CONFIG["head_dim"]
    c = state["config"] if state else dict(CONFIG, **shape)
    cuda = args.device == "cuda"
    flat = initial(c, args.seed).to(args.device)
    opt = Optimizer(c, flat, args.optimizer)
    tokens, before = 0, 0.0
    if state:
        flat.copy_(state["flat"])
        opt.m.copy_(state["m"])
        opt.v.copy_(state["v"])
        opt.step, tokens, before = state["step"], state["tokens"], state["seconds"]
    t = args.context or (1024 if args.finish else 512)
    shares = dict(zip(SHARES, map(float, args.shares.split(",")))) if args.shares else None
    seed, cores = args.seed + opt.step, os.cpu_count()
    if cuda:
        data = Ahead(cores - 1, args.corpus, tok, seed, shares, args.tokens // t, t)
        workers = Device(c, flat, opt)
    else:
        workers = Workers(c, flat, opt, build(args.out), cores)
        data = Data(args.corpus, tok, seed, shares)
    with open(os.path.join(args.corpus, "heldout-alice.txt")) as f:
        hx, hy = windows(tok, f.read().replace("\f\n\n", ""), 12, 512)
    ones = np.ones(hx.shape, np.float32)
    path, name = (final, "finish") if args.finish else (trunk, "trunk")
    fresh = state is None or bool(args.finish)
    log = Log(os.path.join(args.out, name + "-log.csv"), fresh)
    print("%d parameters, step %d, %d cores" % (flat.numel(), opt.step, cores), flush=True)
    budget, start = 60 * (args.finish or args.minutes), time.time()
    next_eval, next_save, losses, first = 60, 60 * args.save_minutes, [], tokens

    def save():
        everything = {"config": c, "flat": flat.cpu(), "m": opt.m.cpu(), "v": opt.v.cpu(), "step": opt.step,
                      "tokens": tokens, "seconds": before + time.time() - start}  # fmt: skip
        torch.save(everything, path + ".tmp")
        os.replace(path + ".tmp", path)

    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))  # the step under way is finished
    while time.time() - start < budget and not stop:
        gone = time.time() - start
        lr = args.lr * min(1, (opt.step + 1) / WARM_UP) * (1 - gone / budget if args.finish else 1)
        loss = workers.run(*data.batch(args.tokens // t, t))
        if not math.isfinite(loss):
            sys.exit("loss is not finite at step %d" % opt.step)
        norm = workers.update(lr, DECAY)
        tokens += args.tokens
        losses.append(loss)
        if len(losses) == 50 or gone > next_eval:
            held = 0
            if gone > next_eval:
                held, next_eval = workers.run(hx, hy, ones, train=False), gone + 300
            remark = "pass %d, %.0f tokens/s, norm %.2f" % (
                data.passes, (tokens - first) / (time.time() - start), norm)  # fmt: skip
            log.row(opt.step, tokens, before + gone, lr, sum(losses) / len(losses), held, remark)
            losses = []
        if gone > next_save:
            save()
            next_save = gone + 60 * args.save_minutes
    save()
    held = workers.run(hx, hy, ones, train=False)
    log.row(opt.step, tokens, before + time.time() - start, 0, loss, held, "saved " + path)


if __name__ == "__main__":
    main()
