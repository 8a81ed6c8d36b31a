#!/usr/bin/env python3
"""bench_llama.py BUILD DRIVER LIBRARY OUT SHAPES ROUNDS THREADS: ours and llama.cpp on the same files; `make bench-llama`.

Each round measures everything once, each thing with all files and both engines one right after the other, in turned order
every other round: what a neighbour takes meets all of them. What stands in the table are medians over the rounds, with the
least and the most, also of the ratios of each round. Writes OUT/bench-llama.md, .svg and .json. No test: it judges nothing,
and fails only where something could not be run."""
import glob
import html
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

# What is asked of a shape: tokens of a prompt, of one sequence's decode, of each of several; and its files, by their heads.
# llama.cpp has no arch bitnet-b1.58: `bitnet` is the same but for the gate's function, SiLU for ReLU squared.
# On x86 it computes Q2_0 without vectors: a prompt of 512 would take it minutes.
SHAPES = {
    "2b4t": ("BitNet b1.58 2B-4T, TQ2_0", (512, 128, 32), {
        "F16 head (exact, as published)": "--like 2b4t --arch bitnet --type TQ2_0",
        "Q6_K head (lossy)": "--like 2b4t --arch bitnet --type TQ2_0 --embd-type Q6_K"}),
    "bonsai-1.7b": ("Ternary-Bonsai 1.7B, Q2_0", (32, 8, 2), {
        "Q2_0 head (as published)": "--like bonsai-1.7b --q2-block 64"}),
    "tiny": ("two small blocks", (32, 8, 2), {
        "F16 head": "--arch bitnet --type TQ2_0",
        "Q6_K head (lossy)": "--arch bitnet --type TQ2_0 --embd-type Q6_K",
        "Q2_0 head": "--arch qwen3 --type Q2_0 --embd-type Q2_0"}),
}
TOGETHER = (4, 8, 16)
PROMPT_TOKENS = 24
ENGINES = ("bitnet", "llama.cpp")
COLORS = {"bitnet": "#4477aa", "llama.cpp": "#ddaa33"}


def fail(text):
    sys.exit(f"bench_llama.py: {text}")


def run(command):
    """What a command prints (JSON), the seconds until then, and the most memory that it had (and at least this program's)."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = child.stdout.readline()
    seconds = time.monotonic() - start
    line += child.stdout.read()
    said = child.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        fail(f"status {child.returncode} of {shlex.join(command)}\n{said}")
    return json.loads(line), seconds, used.ru_maxrss * 1024


class Bench:
    """One shape: its files, and how each engine is asked for a thing."""

    def __init__(self, build, driver, library, folder, shape, threads):
        self.bitnet, self.driver, self.library, self.threads = f"{build}/bitnet", driver, library, threads
        self.title, self.sizes, heads = SHAPES[shape]
        self.files, self.facts, self.attention = {}, {}, {}
        self.machine = {"read_gbs": {}, "int8_gmacs": {}}
        for n, (head, options) in enumerate(heads.items()):
            self.files[head] = f"{folder}/{shape}-{n}.gguf"
            print(f"{shape}, {head}", file=sys.stderr)
            subprocess.run([f"{build}/bitnet-synth", *options.split(), "-o", self.files[head]], check=True)
        os.sync()
        self.texts = {head: self.text(file) for head, file in self.files.items()}
        prefill, decode, each = self.sizes
        # A thing that is asked for, and what its answer holds: name and unit. Rates are better when they are more.
        self.tests = {
            "prefill": [(f"prefill {prefill}", "tok/s"), (f"memory, prompt of {prefill}", "MB")],
            "decode": [(f"decode {decode}", "tok/s")],
            "together": [(f"{n} sequences, {each} each", "tok/s") for n in TOGETHER],
            "first": [(f"first token, prompt of {PROMPT_TOKENS}", "s"), (f"memory, prompt of {PROMPT_TOKENS}", "MB")],
        }

    def text(self, file):
        """A text of so many tokens, BOS and all."""
        def tokens(text):
            return run([self.bitnet, "tokenize", "-m", file, "--json", text])[0]["tokens"]
        words = "the quick brown fox jumps over the lazy dog, and " * 4
        end = tokens(words)[PROMPT_TOKENS - 1]["end"]
        for end in sorted(range(1, len(words)), key=lambda n: abs(n - end)):  # a cut word may have more
            if len(tokens(words[:end])) == PROMPT_TOKENS:
                return words[:end]
        return fail(f"{file}: no text of {PROMPT_TOKENS} tokens was found")

    def ours(self, test, head, threads):
        prefill, decode, each = self.sizes
        file = ["-m", self.files[head], "-t", str(threads), "--json"]
        if test == "first":
            told, seconds, peak = run([self.bitnet, "run", *file, "-c", "256", "-n", "1", "-p", self.texts[head]])
            self.check_tokens(len(told["prompt_tokens"]), "bitnet")
            return seconds, peak / 1e6
        what = {"prefill": ["-p", f"{prefill}", "-n", "0"], "decode": ["-p", "0", "-n", f"{decode}"],
                "together": ["-p", "0", "-n", f"{each}", "-B", ",".join(map(str, TOGETHER))]}[test]
        told, _, _ = run([self.bitnet, "bench", *file, "-r", "1", *what])
        for limit, seen in self.machine.items():
            if (best := told["machine"][limit][str(threads)]) is not None:
                seen.setdefault(threads, []).append(best)
        self.facts["bitnet"] = f"{told['backend']} ({told['backend_variant']})"
        rates = [r["tok_s"]["median"] for r in told["results"]]
        return (*rates, told["memory"]["peak_bytes"] / 1e6) if test == "prefill" else rates

    def theirs(self, test, head, threads, attention=None):
        prefill, decode, each = self.sizes
        what = {"prefill": ["prefill", prefill], "decode": ["decode", decode, 1], "together": ["decode", each, *TOGETHER],
                "first": ["first", self.texts[head]]}[test]
        command = [self.driver, self.library, self.files[head], threads, attention or self.attention[test], *what]
        told, seconds, peak = run(list(map(str, command)))
        self.facts["llama.cpp"] = f"{told['version']}, commit {told['commit']}, {told['cpu']}"
        if test == "first":
            self.check_tokens(told["prompt_tokens"], "llama.cpp")
            return seconds, peak / 1e6
        return (*told["tok_s"], told["peak_bytes"] / 1e6) if test == "prefill" else told["tok_s"]

    def check_tokens(self, found, engine):
        if found != PROMPT_TOKENS:
            fail(f"{engine} read a prompt of {found} tokens, not {PROMPT_TOKENS}")

    def choose_attention(self):
        """Which of llama.cpp's two ways of attention is the quicker, for each test."""
        head, threads = next(iter(self.files)), max(self.threads)
        for test in ("prefill", "decode", "together"):
            rate = {way: sum(self.theirs(test, head, threads, way)[:len(TOGETHER) if test == "together" else 1])
                    for way in ("plain", "flash")}
            self.attention[test] = max(rate, key=rate.get)
        self.attention["first"] = self.attention["prefill"]

    def measure(self, rounds):
        """{(name, unit, threads): {(head, engine): [a value a round]}}"""
        self.choose_attention()
        found = {(name, unit, threads): {} for test in self.tests.values() for name, unit in test for threads in self.threads}
        for n in range(rounds):
            for test, parts in self.tests.items():
                for threads in self.threads:
                    turns = [(head, engine) for head in self.files for engine in ENGINES]
                    for head, engine in turns[::-1] if n % 2 else turns:
                        values = (self.ours if engine == "bitnet" else self.theirs)(test, head, threads)
                        for (name, unit), value in zip(parts, values, strict=True):
                            found[name, unit, threads].setdefault((head, engine), []).append(value)
                            print(f"round {n + 1}: {name}, {threads} threads, {head}, {engine}: {value:.4g} {unit}",
                                  file=sys.stderr)
        # What is resident hardly depends on threads; it comes last.
        keys = sorted(found, key=lambda key: key[1] == "MB")
        return {key: found[key] for key in keys if key[1] != "MB" or key[2] == max(self.threads)}


# ---- what is shown ----

def spread(values):
    """Median, least and most, with three digits."""
    def digits(x):
        return f"{x:.{0 if x >= 100 else 1 if x >= 10 else 2}f}"
    middle = digits(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({digits(min(values))} to {digits(max(values))})"


def ratios(unit, ours, theirs):
    """How many times better ours was in each round."""
    return [a / b if unit == "tok/s" else b / a for a, b in zip(ours, theirs)]


def table(bench, found):
    heads = list(bench.files)
    lines = ["| | threads | " + " | ".join(f"bitnet, {h} | llama.cpp, {h} | times better" for h in heads) + " |",
             "|---" * (2 + 3 * len(heads)) + "|"]
    for (name, unit, threads), values in found.items():
        cells = []
        for head in heads:
            ours, theirs = (values[head, engine] for engine in ENGINES)
            cells += [spread(ours), spread(theirs), f"**{spread(ratios(unit, ours, theirs))}**"]
        lines.append(f"| {name}, {unit} | {threads} | " + " | ".join(cells) + " |")
    return lines


def remarks(bench):
    sizes = ", ".join(f"{head} {os.path.getsize(file) / 1e9:.2f} GB" for head, file in bench.files.items())
    limits = "; ".join(
        f"{threads} thread{'s' * (threads > 1)}: {spread(values)} GB/s read"
        + (f", {spread(bench.machine['int8_gmacs'][threads])} G int8 multiply-adds/s"
           if threads in bench.machine["int8_gmacs"] else "")
        for threads, values in bench.machine["read_gbs"].items())
    attention = ", ".join(f"{test} {way}" for test, way in bench.attention.items() if test != "first")
    return [f"Files: {sizes}. bitnet: {bench.facts['bitnet']}. llama.cpp: {bench.facts['llama.cpp']}; attention, the quicker "
            f"one: {attention}. The machine gave: {limits}."]


def plot(shapes, path):
    """Bars like those of `bitnet bench --plot`: the median, a line from the least to the most."""
    left, wide, row = 330, 380, 15
    y, body = 60, []
    for bench, found in shapes:
        body.append(f"<text class='head' x='12' y='{y}'>{html.escape(bench.title)}</text>")
        for name, unit in dict.fromkeys(key[:2] for key in found):
            y += 24
            body.append(f"<text class='head' x='{left}' y='{y}'>{html.escape(name)}, {unit}</text>")
            y += 8
            rows = {key[2]: values for key, values in found.items() if key[:2] == (name, unit)}
            scale = wide / max(max(v) for values in rows.values() for v in values.values())
            for threads, values in rows.items():
                for (head, engine), v in values.items():
                    middle = statistics.median(v)
                    if engine == ENGINES[0]:
                        y += 6
                        label = f"{threads} thread{'s' * (threads > 1)}, {head}"
                        body.append(f"<text x='{left - 8}' y='{y + row}' text-anchor='end'>{html.escape(label)}</text>")
                    body.append(
                        f"<rect x='{left}' y='{y}' width='{middle * scale:.1f}' height='{row - 3}' fill='{COLORS[engine]}'/>"
                        f"<path d='M{left + min(v) * scale:.1f} {y + row // 2 - 1} H{left + max(v) * scale:.1f}'/>"
                        f"<text x='{left + wide + 10}' y='{y + row - 4}'>{html.escape(f'{engine} {spread(v)}')}</text>")
                    y += row
        y += 40
    legend = "".join(f"<rect x='{left + 130 * n}' y='12' width='14' height='14' fill='{COLORS[e]}'/>"
                     f"<text x='{left + 130 * n + 20}' y='24'>{e}</text>" for n, e in enumerate(ENGINES))
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 940 {y}' width='940' height='{y}'>\n"
                "<style>svg{background:#fff}text{font:13px sans-serif;fill:#222}.head{font-weight:bold}"
                "path{stroke:#111;stroke-width:2}</style>\n" + legend + "\n" + "\n".join(body) +
                f"\n<text x='{left}' y='{y - 12}'>bar: median; line: least to most</text>\n</svg>\n")


def cpu_seconds():
    """Of all CPUs since the start: busy, taken by the host, all."""
    with open("/proc/stat", encoding="utf-8") as f:
        user, nice, system, idle, wait, irq, soft, steal = map(int, f.readline().split()[1:9])
    tick = os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + irq + soft
    return busy / tick, steal / tick, (busy + steal + idle + wait) / tick


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), platform.machine())


def main():
    if len(sys.argv) != 8:
        fail("usage: bench_llama.py BUILD DRIVER LIBRARY OUT SHAPES ROUNDS THREADS")
    build, driver, library, out, shapes, rounds, threads = sys.argv[1:]
    shapes, threads = shapes.split(), threads.split()
    if unknown := [s for s in shapes if s not in SHAPES]:
        fail(f"there is no shape {unknown[0]}; there are {', '.join(SHAPES)}")
    if not shapes or not threads or not all(n.isdigit() and int(n) for n in [rounds, *threads]):
        fail("SHAPE wants names, ROUNDS a number, THREADS numbers")
    rounds, threads = int(rounds), sorted(set(map(int, threads)))
    if not glob.glob(f"{library}/libllama.*so"):
        fail(f"no llama.cpp in {library}: it is the npm package @node-llama-cpp/linux-x64, for x86-64 and glibc, which `make "
             "bench-llama` installs where there are npm (`scripts/deps.sh test` brings it) and its registry")
    os.makedirs(out, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the files go, however it ends
    began, own, clock = cpu_seconds(), os.times(), time.gmtime()
    measured = []
    for shape in shapes:
        with tempfile.TemporaryDirectory(dir=out) as folder:
            bench = Bench(build, driver, library, folder, shape, threads)
            found = bench.measure(rounds)
            measured.append((bench, found, [f"### {bench.title}", "", *table(bench, found), "", *remarks(bench), ""]))
    busy, steal, total = (b - a for a, b in zip(began, cpu_seconds()))
    used = sum(os.times()[2:4]) - sum(own[2:4])
    version = subprocess.run([f"{build}/bitnet", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    others, host = (100 * max(0, x) / total for x in (busy - used, steal))
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", clock)
    lines = [f"{date}, {processor()}, {os.cpu_count()} CPUs, Linux {platform.release()}; {version}; {rounds} "
             f"round{'s' * (rounds > 1)}. Meanwhile other programs used {others:.0f} % of the CPUs, and the host {host:.0f} %.",
             "", *(line for _, _, shown in measured for line in shown)]
    with open(f"{out}/bench-llama.md", "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
    with open(f"{out}/bench-llama.json", "w", encoding="utf-8") as f:
        json.dump([{"shape": b.title, "name": name, "unit": unit, "threads": t, "head": head, "engine": engine, "rounds": v}
                   for b, found, _ in measured for (name, unit, t), values in found.items()
                   for (head, engine), v in values.items()], f, indent=1)
    plot([m[:2] for m in measured], f"{out}/bench-llama.svg")
    print("\n".join(lines))
    print(f"{out}/bench-llama.md, bench-llama.svg and bench-llama.json")


main()
