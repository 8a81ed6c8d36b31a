#!/usr/bin/env python3
"""What documents show of the program is what it says.

usage: shown.py BUILD [--check] [--demo] FILE...

In a Markdown file, indented lines that begin with "$ " are commands; what follows up to the next one, or to the next
line that is not indented, is their output, long lines folded. This runs each with BUILD first in PATH and writes the
output of today there; one that fails leaves the old and is named. --check writes nothing and prints what differs, but
for where and with how many threads a receipt was computed. --demo first makes the commands of the block with
`bitnet chat` in it what `make demo` runs (the variable DEMO).
"""
import difflib
import os
import re
import subprocess
import sys
import tempfile
import textwrap

INDENT, WIDTH = "    ", 110
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HERE = re.compile(r"( steps on ).*")  # a backend and its threads


def run(command, build):
    """Its output as a document has it, or None where it fails. In a folder of its own, with the tree's below it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("docs", "models"):
            os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
        path = os.path.abspath(build) + os.pathsep + os.environ["PATH"]
        env = {k: v for k, v in os.environ.items() if not k.startswith("BITNET_")}
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=dict(env, PATH=path), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE)
    if done.returncode:
        return None
    lines = []
    for line in done.stdout.decode("utf-8", "replace").rstrip("\n").split("\n"):
        folded = textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False) if len(line) > WIDTH else [line]
        lines += [(INDENT + part).rstrip() for part in folded]
    return lines


def blocks(lines):
    """(first, end) of each stretch of commands and outputs: from a command to the next line that is not indented."""
    at = 0
    while at < len(lines):
        if lines[at].startswith(INDENT + "$ "):
            end = at
            while end < len(lines) and (not lines[end] or lines[end].startswith(INDENT)):
                end += 1
            while not lines[end - 1]:
                end -= 1
            yield at, end
            at = end
        at += 1


def renewed(block, build, failed):
    """The block with the outputs of today; commands after the first have an empty line before them."""
    starts = [i for i, line in enumerate(block) if line.startswith(INDENT + "$ ")] + [len(block)]
    out = []
    for a, b in zip(starts, starts[1:]):
        command = block[a][len(INDENT) + 2 :]
        said = run(command, build)
        if said is None:
            failed.append(command)
            out += block[a:b]
            continue
        out += ([""] if out and out[-1] else []) + [block[a]] + said
    return out


def main():
    words = [w for w in sys.argv[1:] if not w.startswith("--")]
    options = set(sys.argv[1:]) - set(words)
    if len(words) < 2 or options - {"--check", "--demo"}:
        raise SystemExit(__doc__)
    failed, differs = [], False
    for name in words[1:]:
        with open(name, encoding="utf-8") as f:
            old = f.read().split("\n")
        new = list(old)
        for first, end in reversed(list(blocks(old))):
            block = old[first:end]
            if "--demo" in options and any(line.startswith(INDENT + "$ bitnet chat") for line in block):
                block = [INDENT + "$ " + line for line in os.environ["DEMO"].strip().split("\n")]
            new[first:end] = renewed(block, words[0], failed)
        if "--check" not in options:
            with open(name, "w", encoding="utf-8") as f:
                f.write("\n".join(new))
            continue
        a, b = ([HERE.sub(r"\1...", line) for line in lines] for lines in (old, new))
        for line in difflib.unified_diff(a, b, name, "of today", lineterm="", n=0):
            differs = True
            print(line)
    for command in failed:
        print("fails: " + command)
    raise SystemExit(1 if failed or differs else 0)


if __name__ == "__main__":
    main()
