#!/usr/bin/env python3
"""neon-loops.py [BUILD]: what the hot loops of cpu-neon can reach on cores that nobody here has.

Reads the innermost loops out of the objects (`make arm64` builds them), counts their instructions, and divides by what a
core issues in a cycle. That is a bound from above: caches, latencies and memory only take away. Widths are from
Arm's software optimization guides of Cortex-A76, Neoverse N1 and V1, and for the Apple M1 (Firestorm) from
https://dougallj.github.io/applecpu/firestorm.html."""
import re
import subprocess
import sys

MACS = {"sdot": 16, "smmla": 32, "smlal": 8, "smlal2": 8, "fmla": 4}
# Instructions a cycle: all, of vectors, loads, of smlal; GHz of a machine that has it.
CORES = {"Cortex-A76": (4, 2, 2, 1, 2.4), "Neoverse N1": (4, 2, 2, 1, 2.6), "Neoverse V1": (8, 4, 3, 2, 2.6),
         "Apple M1": (8, 4, 3, 4, 3.2)}
HAS_I8MM = {"Neoverse V1"}
# Object, function, what, bytes of codes (decode) that an iteration reads: of several loops the one with most multiply-adds.
LOOPS = [("dotprod", "dotprod_ternary_gemm", "decode, sdot", 64), ("ternary", "base_ternary_gemm", "decode, smlal", 64),
         ("i8mm", "product_of_panel", "prefill, smmla", 0), ("dotprod", "product_of_panel", "prefill, sdot", 0),
         ("ternary", "product_of_panel", "prefill, smlal", 0), ("attention", "values", "attention, values", 0),
         ("attention", "scores", "attention, scores", 0)]


def functions(path):
    text = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "--no-show-raw-insn", path],
                          capture_output=True, text=True, check=True).stdout
    found, body = {}, None
    for line in text.splitlines():
        if head := re.match(r"^[0-9a-f]+ <(.+)>:", line):
            body = found.setdefault(head[1], [])
        elif one := re.match(r"^\s+([0-9a-f]+):\s+(\S+)\s*(.*)$", line):
            body.append((int(one[1], 16), one[2], one[3]))
    return found


def innermost(body):
    at = {address: i for i, (address, _, _) in enumerate(body)}
    loops = []
    for i, (_, op, rest) in enumerate(body):
        to = re.search(r"\b([0-9a-f]+) <", rest) if op.startswith("b.") or op in ("cbnz", "tbnz", "b") else None
        if to and at.get(int(to[1], 16), i + 1) <= i:
            loops.append((at[int(to[1], 16)], i))
    return [body[lo:hi + 1] for lo, hi in loops if not any(
        (a, b) != (lo, hi) and a >= lo and b <= hi for a, b in loops)]


def count(loop):
    n = {"all": len(loop), "macs": 0, "multiply": 0, "vector": 0, "load": 0, "long": 0}
    for _, op, rest in loop:
        if op in MACS:
            n["macs"] += MACS[op]
            n["multiply"] += 1
            n["long"] += op.startswith("smlal")
        elif op.startswith(("ld", "prfm")):
            n["load"] += 1
        elif re.search(r"\bv\d+\.", rest) and not op.startswith("st"):
            n["vector"] += 1
    return n


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/arm64"
    print("| loop | multiply-adds, instructions (multiply, other vector, load) |", *(f"{c} |" for c in CORES))
    print("|---|---|" + "---|" * len(CORES))
    for name, function, what, codes in LOOPS:
        loops = innermost(functions(f"{build}/obj/plugins/cpu-neon/{name}.o")[function])
        if codes:  # one token: the loop that reads so many bytes of codes for 256 columns x rows
            loops = [loop for loop in loops if count(loop)["macs"] == 4 * codes]
        n = max((count(loop) for loop in loops), key=lambda c: c["macs"])
        cells = []
        for core, (width, vectors, loads, longs, ghz) in CORES.items():
            if "smmla" in what and core not in HAS_I8MM:
                cells.append("-")
                continue
            bounds = {"width": n["all"] / width, "vectors": (n["multiply"] + n["vector"]) / vectors,
                      "loads": n["load"] / loads, "smlal": n["long"] / longs}
            binds = max(bounds, key=bounds.get)
            speed = (codes or n["macs"]) * ghz / bounds[binds]
            cells.append(f"{speed:.1f} GB/s of codes, {binds}" if codes else f"{speed:.0f} G, {binds}")
        print(f"| {what} | {n['macs']}, {n['all']} ({n['multiply']}, {n['vector']}, {n['load']}) |", *(f"{c} |" for c in cells))


if __name__ == "__main__":
    main()
