#!/usr/bin/python3
"""What a model file gives, in numbers, by the engine itself.

Nats per byte of the held-out texts, right answers to held-out questions by kind, and greedy texts
that loop. Everything is asked of the `bitnet` program, greedily, one question a conversation, so
that the figures are those of the file as anybody runs it: the same on every machine. Prints a
table, or JSON with --json; --least FILE holds the figures against a file of bounds and fails below
them.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# The first twenty were given before the first model of this kind, the others by somebody who had not seen stories.py.
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
    "Once upon a time there was a shy dragon",
    "It was raining hard and Tom could not",
    "My grandma has a magic button box",
    '"Wait for me!" shouted the little duck as',
    "Deep in the forest, an old bear",
    "Last summer I found a baby turtle",
    "The red kite flew higher and higher until",
    "Ben was angry because his sister had",
    "On the first day of school, Mia",
    "A tiny mouse lived under the baker's",
    "One snowy morning, two brothers went",
    "The moon was lonely, so she",
    "Mommy, why is the cat",
    "Far away across the sea, a young king",
    "I was scared of the dark until",
    "Nobody wanted to play with the broken robot",
    "Every night, the toys on the shelf",
    "Dad and I were fishing when suddenly",
    "Lily's new shoes were too big, but",
    "The farmer's pig had lost",
]
LENGTH = 200  # tokens behind an opening
LOOP = 8  # a text loops when so many tokens in a row come twice


def perplexity(args, path):
    said = [args.bitnet, "perplexity", "-m", args.model, "-f", path, "-c", "512", "--json"]
    return json.loads(subprocess.run(said, check=True, capture_output=True).stdout)


def batch(args, url, bodies):
    """The first choice of the reply to each, all in one run of the program."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = folder + "/asked", folder + "/answered"
        with open(asked, "w") as f:
            for i, body in enumerate(bodies):
                line = {"custom_id": str(i), "method": "POST", "url": url, "body": body}
                f.write(json.dumps(line) + "\n")
        said = [args.bitnet, "batch", "-m", args.model, asked, "-o", answered]
        subprocess.run(said, check=True, capture_output=True)
        with open(answered) as f:
            return [json.loads(line)["response"]["body"]["choices"][0] for line in f]


def ask(args, questions):
    """The answer to each."""

    def body(question):
        message = {"role": "user", "content": question}
        return {"messages": [message], "max_tokens": 60, "temperature": 0}

    choices = batch(args, "/v1/chat/completions", [body(q) for q in questions])
    return [c["message"]["content"] for c in choices]


def go_on(args, openings):
    """The tokens behind each, as texts."""
    settings = {"max_tokens": LENGTH, "temperature": 0, "logprobs": 0}
    bodies = [dict(settings, prompt=opening) for opening in openings]
    return [c["logprobs"]["tokens"] for c in batch(args, "/v1/completions", bodies)]


def right(row, answer):
    """Whether an answer holds the key words of the fact."""
    answer, key = answer.strip(), row["key"]
    if row["kind"] in ("sum", "difference"):
        numbers = re.findall(r"\d+", answer)
        return bool(numbers) and numbers[-1] == key
    if row["kind"] == "gloss":  # the key noun, in singular or plural
        stem = re.sub(r"(?<=..)s$", "", key.lower())
        return re.search(r"\b%s(s|es)?\b" % re.escape(stem), answer.lower()) is not None
    if row["key"].startswith("I do not know"):
        return answer.lower().startswith("i do not know")
    if row["kind"] == "newcomer":  # the last number, or one of the words, as they would stand in a dictionary's sentence
        if row["key"].isdigit():
            return re.findall(r"\d+", answer)[-1:] == [row["key"]]
        return re.search(r"(?<!\w)(%s)(s|es)?(?!\w)" % row["key"], answer) is not None
    if row["kind"] == "who":
        return answer.split(":")[0] == key.split(":")[0]
    return re.search(r"(?<!\w)%s(?!\w)" % re.escape(key), answer) is not None


def loops(tokens):
    seen = set()
    for i in range(len(tokens) - LOOP + 1):
        run = tuple(tokens[i : i + LOOP])
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
    ap.add_argument("--figures", help="also write the figures to this file, as bounds to come")
    ap.add_argument("--least", help="JSON of bounds: only what they name, and fail below them")
    args = ap.parse_args()
    bounds = None
    if args.least:
        with open(args.least) as f:
            bounds = json.load(f)
    wanted = {name.split(",")[0] for name in bounds or ["right", "loops"]}
    figures = {}
    for name in ("heldout.txt", "heldout-stories.txt"):
        path = os.path.join(HERE, name)
        nats = perplexity(args, path)["nats"]
        figures["nats per byte, " + name] = round(nats / os.path.getsize(path), 4)
    if "right" in wanted:
        with open(os.path.join(HERE, "heldout-questions.json")) as f:
            rows = json.load(f)
        answers = ask(args, [row["question"] for row in rows])
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
        texts = [loops(tokens) for tokens in go_on(args, OPENINGS)]
        figures["loops, of the first 20"] = sum(texts[:20])
        figures["loops, of the other 20"] = sum(texts[20:])
    if args.figures:
        with open(args.figures, "w") as f:
            f.write(json.dumps(figures, indent=1) + "\n")
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
