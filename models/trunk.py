#!/usr/bin/python3
"""Keeps a checkpoint in the tree, so that training goes on from it on another machine.

A checkpoint is 116 MB; what a later run needs of it fits in 9: every row of a matrix as int8 steps of
its largest value (a step is far below what one update moves), norms as they are, the optimizer's
averages not at all (they come back within a hundred steps). The vocabulary is kept with it: ids of
another one would mean other pieces.

    trunk.py keep OUT/final.pt      # writes models/trunk.npz
    trunk.py take OUT/trunk.pt      # makes of it what train.py resumes, its steps counted from 0
"""
import argparse
import json
import os

import numpy as np
import torch

from model import size, views

KEPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "trunk.npz")


def keep(checkpoint, vocabulary):
    state, arrays = torch.load(checkpoint, map_location="cpu"), {}
    for name, w in views(state["flat"], state["config"]).items():
        if w.dim() == 1:
            arrays[name] = w.numpy()
            continue
        step = w.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        arrays[name] = (w / step).round().to(torch.int8).numpy()
        arrays[name + ".step"] = step.numpy()
    about = {k: state[k] for k in ("config", "step", "tokens", "seconds")}
    with open(vocabulary) as f:
        about["vocabulary"] = json.load(f)
    with open(KEPT + ".tmp", "wb") as f:
        np.savez_compressed(f, about=json.dumps(about), **arrays)
    os.replace(KEPT + ".tmp", KEPT)


def take(checkpoint, vocabulary):
    """Where there is no vocabulary yet, its own is written."""
    with np.load(KEPT) as kept:
        state = json.loads(str(kept["about"]))
        own = state.pop("vocabulary")
        if not os.path.exists(vocabulary):
            with open(vocabulary, "w") as f:
                json.dump(own, f)
        with open(vocabulary) as f:
            if json.load(f) != own:
                raise SystemExit("%s is another vocabulary than the one of %s" % (vocabulary, KEPT))
        state["flat"] = torch.zeros(size(state["config"]))
        for name, w in views(state["flat"], state["config"]).items():
            w.copy_(torch.from_numpy(kept[name]))
            if w.dim() == 2:
                w.mul_(torch.from_numpy(kept[name + ".step"]))
    state["m"], state["v"] = torch.zeros_like(state["flat"]), torch.zeros_like(state["flat"])
    state["step"] = 0
    torch.save(state, checkpoint)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("what", choices=["keep", "take"])
    ap.add_argument("checkpoint")
    ap.add_argument("--vocabulary", default="build/corpus/vocabulary.json")
    args = ap.parse_args()
    (keep if args.what == "keep" else take)(args.checkpoint, args.vocabulary)


if __name__ == "__main__":
    main()
