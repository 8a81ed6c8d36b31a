#!/usr/bin/python3
"""What a model file gives, in numbers, by the engine itself.

Nats per byte of the held-out texts, right answers to held-out questions by kind, and greedy texts
that loop. Everything is asked of the `bitnet` program, greedily, one question a conversation, so
that the figures are those of the file as anybody runs it. Prints a table, or JSON with --json;
--least FILE holds the figures against a file of bounds and fails below them.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
OPENINGS = [
    "Once upon a time",
    "One day a little fox",
    "There was once a poor miller",
    "Lucy had a red ball",
    "In a small village by the sea",
    "The king said",
    "It was a cold winter morning",
    "Long ago there lived an old woman",
    "Tom and his sister went to",
    "A hungry wolf",
    "The little bear was afraid of",
    "Once there was a princess who",
    "The old man looked at",
    "Every morning the rabbit",
    "On a dark and stormy night",
    "My dear friend,",
    "The ship sailed",
    "When the boy woke up",
    "In the middle of the wood",
    "Once a mouse and a cat",
]
LENGTH = 200  # tokens behind an opening
LOOP = 8  # a text loops when so many tokens in a row come twice


def bitnet(program, model, *args):
    out = subprocess.run([program, *args, "-m", model, "-t", "1"], check=True, capture_output=True)
    return out.stdout.decode("utf-8", "replace").strip()


def right(row, answer):
    """Whether an answer holds the key words of the fact."""
    answer, key = answer.strip(), row["key"]
    if row["kind"] in ("sum", "difference"):
        numbers = re.findall(r"\d+", answer)
        return bool(numbers) and numbers[-1] == key
    if row["kind"] == "gloss":  # the key noun, in singular or plural
        stem = re.sub(r"(?<=..)s$", "", key.lower())
        return re.search(r"\b%s(s|es)?\b" % re.escape(stem), answer.lower()) is not None
    if row["kind"] in ("outside", "unknown"):
        return answer.lower().startswith("i do not know")
    if row["kind"] == "who":
        return answer.split(":")[0] == key.split(":")[0]
    return re.search(r"(?<!\w)%s(?!\w)" % re.escape(key), answer) is not None


def loops(ids):
    seen = set()
    for i in range(len(ids) - LOOP + 1):
        run = tuple(ids[i : i + LOOP])
        if run in seen:
            return True
        seen.add(run)
    return False


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("model")
    ap.add_argument("--bitnet", default="build/release/bitnet")
    ap.add_argument("--json", action="store_true", help="print the figures as JSON")
    ap.add_argument(
        "--show", type=int, default=0, help="also print so many wrong answers of each kind"
    )
    ap.add_argument("--least", help="JSON of bounds: only what they name, and fail below them")
    args = ap.parse_args()
    bounds = None
    if args.least:
        with open(args.least) as f:
            bounds = json.load(f)
    wanted = {name.split(",")[0] for name in bounds or ["right", "loops"]}
    figures, pool = {}, concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    for name in ("heldout.txt", "heldout-stories.txt"):
        path = os.path.join(HERE, name)
        said = json.loads(
            bitnet(args.bitnet, args.model, "perplexity", "-f", path, "-c", "512", "--json")
        )
        figures["nats per byte, " + name] = round(said["nats"] / os.path.getsize(path), 4)
    if "right" in wanted:
        with open(os.path.join(HERE, "heldout-questions.json")) as f:
            rows = json.load(f)
        answers = pool.map(
            lambda r: bitnet(args.bitnet, args.model, "chat", "-p", r["question"], "-n", "60"), rows
        )
        shown = collections.Counter()
        good, asked = collections.Counter(), collections.Counter(r["kind"] for r in rows)
        for row, answer in zip(rows, answers):
            if right(row, answer):
                good[row["kind"]] += 1
            elif args.show > shown[row["kind"]]:
                shown[row["kind"]] += 1
                print("%(kind)s: %(question)s" % row, "-> %r, not %r" % (answer, row["answer"]))
        for kind, n in asked.items():
            figures["right, " + kind] = round(good[kind] / n, 4)
    if "loops" in wanted:
        length = str(LENGTH)
        texts = pool.map(
            lambda o: bitnet(args.bitnet, args.model, "run", "-p", o, "-n", length, "--json"),
            OPENINGS,
        )
        figures["loops, of %d" % len(OPENINGS)] = sum(loops(json.loads(t)["tokens"]) for t in texts)
    if args.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, value in figures.items():
            print("| %-34s | %8s |" % (name, value))
    failed = 0
    if bounds:
        for name, bound in bounds.items():
            worse = figures[name] < bound if name.startswith("right") else figures[name] > bound
            if worse:
                print("not ok: %s is %s, the bound is %s" % (name, figures[name], bound))
            failed += worse
        print("%d passed, %d failed" % (len(bounds) - failed, failed))
    raise SystemExit(failed > 0)


if __name__ == "__main__":
    main()
