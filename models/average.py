#!/usr/bin/python3
"""Average the weights of two checkpoints of one run: between what each has learnt.

`average.py A SHARE B OUT`: OUT holds A's weights times (1 - SHARE) plus B's times SHARE. The ternary
weights are rounded from the average when it is used or exported.
"""
import sys

import torch


def main():
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    a, b = (torch.load(name, map_location="cpu") for name in (sys.argv[1], sys.argv[3]))
    if a["config"] != b["config"]:
        raise SystemExit("the two are not of one shape")
    share = float(sys.argv[2])
    torch.save(dict(b, flat=a["flat"] * (1 - share) + b["flat"] * share), sys.argv[4])


if __name__ == "__main__":
    main()
