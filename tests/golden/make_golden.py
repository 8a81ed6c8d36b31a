#!/usr/bin/env python3
"""Writes golden_tokens_{gpt2,llama,llama3}.json: texts and the ids they must become.

    make_golden.py ORACLE_TOKENS.json

The argument records, for 26 awkward strings, the ids on which independent tokenizers agree
(libllama, Hugging Face, tiktoken, sentencepiece; every one that reads the family). The nine cases
of the specification are written out below. One case a line, so that a change shows as one.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# family: key in the oracle file, tokenizer.ggml.model, families of tokenizer.ggml.pre, vocabulary
# sizes it is met with (1bitLLM's models add two tokens to LLaMA-2's).
FAMILIES = {
    "gpt2": ("gpt2", "gpt2", ["gpt-2", "phi-2"], [50257]),
    "llama": ("llama2", "llama", [""], [32000, 32001, 32002]),
    "llama3": ("llama3", "gpt2", ["llama-bpe", "llama3", "llama-v3"], [128256]),
}

# family, text, bos, parse_special, ids
SPECIFIED = [
    ("gpt2", "What is 2+2?", False, False, [2061, 318, 362, 10, 17, 30]),
    ("gpt2", "Hello world", False, False, [15496, 995]),
    ("gpt2", "The quick brown fox jumps", False, False, [464, 2068, 7586, 21831, 18045]),
    ("llama", "What is the capital of France?", True, False,
     [1, 1724, 338, 278, 7483, 310, 3444, 29973]),
    ("llama", "The quick brown fox", True, False, [1, 450, 4996, 17354, 1701, 29916]),
    ("llama", "Hello world", False, False, [15043, 3186]),
    ("llama3", "<|start_header_id|>user<|end_header_id|>\n\nWhat is photosynthesis?<|eot_id|>",
     True, True, [128000, 128006, 882, 128007, 271, 3923, 374, 7397, 74767, 30, 128009]),
    ("llama3", "Explain quantum physics<|eot_id|>", False, True,
     [849, 21435, 31228, 22027, 128009]),
    ("llama3", "What is 2+2?", False, False, [3923, 374, 220, 17, 10, 17, 30]),
]


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        oracle = json.load(f)
    texts = {s["name"]: s["utf8_hex"] for s in oracle["strings"]}
    for family, (key, kind, pre, sizes) in FAMILIES.items():
        cases = []
        for i, (_, text, bos, special, ids) in enumerate(c for c in SPECIFIED if c[0] == family):
            cases.append(dict(name=f"specified_{i + 1}", utf8_hex=text.encode().hex(), bos=bos,
                              parse_special=special, ids=ids))
        for mode in ("plain", "special"):
            for name, result in oracle["families"][key][mode].items():
                cases.append(dict(name=f"{name}.{mode}", utf8_hex=texts[name], bos=False,
                                  parse_special=mode == "special", ids=result["ids"]))
        head = dict(family=family, kind=kind, pre=pre, vocab_sizes=sizes)
        lines = ",\n".join("    " + json.dumps(c) for c in cases)
        path = os.path.join(HERE, f"golden_tokens_{family}.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
        print(f"{os.path.basename(path)}: {len(cases)} cases")


if __name__ == "__main__":
    main()
