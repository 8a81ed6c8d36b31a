#!/usr/bin/env python3
"""ci-receipts.py - the gate's eyes: reads parity receipts and says what is wrong with them.

It trusts nothing that a run said about itself in passing (exit statuses, log lines): a receipt must
be there, be of this commit, of this model file and this plugin file, be newer than the job, and say
`ok` with something compared. Anything else, `timeout` and `no_reference` included, is a failure.

    ci-receipts.py backends < decision-table.json   names of the usable backends; fails on a refusal
    ci-receipts.py check OPTIONS RECEIPT...         one line for each; exit status 1 unless all are ok
    ci-receipts.py summary OPTIONS FOLDER           of a matrix: FOLDER/QUANT/SET/manifest and receipts
"""

import argparse
import datetime
import hashlib
import json
import os
import sys


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for piece in iter(lambda: f.read(1 << 20), b""):
            h.update(piece)
    return h.hexdigest()


def compared(receipt):
    """How many values lock-step has compared, and in how many operations a difference was found."""
    values = differences = 0
    for prompt in receipt["prompts"]:
        for operation in prompt["lockstep"]["operations"].values():
            values += operation["compared"]
            differences += operation["different"]
        free = prompt["free"]
        if free["tokens"] != free["judge_tokens"] or not free["tokens"]:
            differences += 1
        if free["equal_logits"] != len(free["tokens"]):
            differences += 1
    return values, differences


def faults(path, args, backend=None, threads=None, model=None):
    """What is wrong with the receipt, as a list of sentences; empty when nothing is."""
    wrong = []

    def want(what, got, wanted):
        if got != wanted:
            wrong.append(f"{what} is {got!r}, expected {wanted!r}")

    try:
        with open(path, encoding="utf-8") as f:
            receipt = json.load(f)
        circumstance, parity = receipt["circumstance"], receipt["parity"]
        want("kind", receipt["kind"], "parity")
        want("status", parity["status"], "ok")
        if parity["status"] != "ok" and parity.get("message"):
            wrong.append(parity["message"])
        want("commit", circumstance["commit"], args.commit)
        if circumstance["commit"].endswith("-dirty") and not args.allow_dirty:
            wrong.append("it was made from changed sources")
        want("judge", receipt["judge"]["name"], "ref-scalar")
        want("modes", parity["modes"], ["free", "lockstep"])
        made = datetime.datetime.fromisoformat(circumstance["timestamp"].replace("Z", "+00:00"))
        since = datetime.datetime.fromisoformat(args.since.replace("Z", "+00:00"))
        if made < since:
            wrong.append(f"it was made at {circumstance['timestamp']}, before {args.since}")
        if made > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5):
            wrong.append(f"it says it was made at {circumstance['timestamp']}, in the future")
        if backend:
            want("backend", parity["backend"], backend)
            want("backend that ran", circumstance["backend"]["name"], backend)
        if threads:
            want("threads", circumstance["threads"], threads)
        if model:
            want("model", receipt["model"]["sha256"], model)
        plugin = circumstance["backend"]
        if args.plugins and plugin["path"]:
            file = os.path.join(args.plugins, os.path.basename(plugin["path"]))
            want("plugin", plugin["sha256"], digest(file))
        values, differences = compared(receipt)
        if values == 0:
            wrong.append("nothing was compared")
        if differences:
            wrong.append(f"{differences} differences stand in it")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        wrong.append(f"no sound receipt: {type(e).__name__}: {e}")
    return wrong


def report(name, wrong):
    print(f"{'ok    ' if not wrong else 'FAILED'} {name}" + "".join(f"\n         {w}" for w in wrong))
    return not wrong


def backends(_args):
    """A plugin that was refused for anything but this CPU is a failure, not one backend fewer."""
    table = json.load(sys.stdin)["backends"]
    usable = [b["name"] for b in table if b["verdict"] == "ok"]
    refused = [b for b in table if b["verdict"] not in ("ok", "cpu", "duplicate")]
    for b in refused:
        print(f"{b['name']}: {b['verdict']}: {b['reason']}", file=sys.stderr)
    for b in table:
        if b["verdict"] == "cpu":
            print(f"left out: {b['name']}: {b['reason']}", file=sys.stderr)
    print("\n".join(usable))
    return not refused and len(usable) > 0


def check(args):
    model = digest(args.model) if args.model else None
    good = [
        report(path, faults(path, args, args.backend, args.threads, model)) for path in args.paths
    ]
    return bool(good) and all(good)


def summary(args):
    """Every combination asked for has a manifest, every line of a manifest a receipt that is ok."""
    folder, rows, good = args.paths[0], [], True
    for quant in args.quants.split(","):
        for prompts in args.sets.split(","):
            here = os.path.join(folder, quant, prompts)
            lines = []
            try:
                with open(os.path.join(here, "manifest"), encoding="utf-8") as f:
                    lines = [line.split() for line in f if line.strip()]
            except OSError as e:
                good = report(f"{quant} {prompts}", [f"no manifest: {e}"])
            if not lines:
                good = False
                rows.append({"quant": quant, "prompts": prompts, "status": "missing"})
            for backend, threads, model in lines:
                path = os.path.join(here, f"{backend}-t{threads}.json")
                wrong = faults(path, args, backend, int(threads), model)
                good &= report(f"{quant} {prompts} {backend}, {threads} threads", wrong)
                rows.append({"quant": quant, "prompts": prompts, "backend": backend,
                             "threads": int(threads), "status": "failed" if wrong else "ok",
                             "reasons": wrong})  # fmt: skip
    passed = sum(r["status"] == "ok" for r in rows)
    with open(os.path.join(folder, "summary.json"), "w", encoding="utf-8") as f:
        json.dump({"commit": args.commit, "ok": passed, "all": len(rows), "rows": rows}, f,
                  indent=1, sort_keys=True)  # fmt: skip
        f.write("\n")
    print(f"{passed} of {len(rows)} ok")
    return good and passed == len(rows) > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = {"backends": backends, "check": check, "summary": summary}
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in jobs:
        parser.error("what? backends, check or summary")
    parser.add_argument("--commit", help="that must have made the receipt")
    parser.add_argument("--since", help="time before which it must not have been made, ISO 8601")
    parser.add_argument("--allow-dirty", action="store_true", help="at home: changed sources")
    parser.add_argument("--backend")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--model", help="the file it must be about")
    parser.add_argument("--plugins", help="the folder whose files must have been used")
    parser.add_argument("--quants", default="")
    parser.add_argument("--sets", default="")
    parser.add_argument("paths", nargs="*")
    args = parser.parse_args(sys.argv[2:])
    if what != "backends" and not (args.commit and args.since and args.paths):
        parser.error("--commit, --since and paths are needed")
    return 0 if jobs[what](args) else 1


if __name__ == "__main__":
    sys.exit(main())
