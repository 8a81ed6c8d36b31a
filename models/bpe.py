#!/usr/bin/python3
"""Byte-level BPE: train a vocabulary, encode, decode.

The pre-tokenizer is the one GGUF files call `llama-bpe`, pieces are written in GPT-2's byte
alphabet, so that any engine that reads `tokenizer.ggml.model = gpt2`, `tokenizer.ggml.pre =
llama-bpe` reads this vocabulary from the model's metadata alone. Ids: 256 bytes (in the byte
alphabet's order), then one token per merge, then the control tokens. A digit is a token of its
own: a sum is learnt by its columns.
"""
import argparse
import collections
import glob
import json
import os
import time

import regex

PRE = regex.compile(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
CONTROL = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
]


def byte_alphabet():
    """GPT-2's printable stand-in for every byte, as a list of 256 characters."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out, spare = [], 256
    for b in range(256):
        if b in keep:
            out.append(chr(b))
        else:
            out.append(chr(spare))
            spare += 1
    return out


ALPHABET = byte_alphabet()


def spell(text):
    return "".join(ALPHABET[b] for b in text.encode("utf-8"))


def train(words, size):
    """Merges for a vocabulary of `size`, most frequent pair first; words: {piece: count}."""
    seqs = [(list(spell(w)), n) for w, n in words.items() if not regex.search(r"\p{N}", w)]
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, (s, n) in enumerate(seqs):
        for p in zip(s, s[1:]):
            pairs[p] += n
            where[p].add(i)
    merges = []
    while len(merges) < size - 256 - len(CONTROL):
        a, b = best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for i in where.pop(best):
            s, n = seqs[i]
            for p in zip(s, s[1:]):
                pairs[p] -= n
            t, j = [], 0
            while j < len(s):
                if j + 1 < len(s) and s[j] == a and s[j + 1] == b:
                    t.append(a + b)
                    j += 2
                else:
                    t.append(s[j])
                    j += 1
            seqs[i] = (t, n)
            for p in zip(t, t[1:]):
                pairs[p] += n
                where[p].add(i)
        del pairs[best]
        if len(merges) % 50 == 0:  # forget pairs that are gone: they slow the search for the best
            pairs = collections.Counter({p: n for p, n in pairs.items() if n > 0})
    return merges


class Tokenizer:
    def __init__(self, merges, control=CONTROL):
        self.merges = [tuple(m) for m in merges]
        self.tokens = ALPHABET + [a + b for a, b in self.merges] + list(control)
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self.rank = {m: i for i, m in enumerate(self.merges)}
        named = (self.ids.get(c) for c in CONTROL)  # an older file has fewer
        self.bos, self.eos, self.header, self.header_end, self.eot = named
        self.byte = {c: b for b, c in enumerate(ALPHABET)}
        self.cache = {}

    @classmethod
    def load(cls, path):
        with open(path) as f:
            return cls(json.load(f)["merges"])

    def piece(self, text):
        if text not in self.cache:
            s = list(spell(text))
            while len(s) > 1:
                r, i = min((self.rank.get(p, 1 << 30), i) for i, p in enumerate(zip(s, s[1:])))
                if r == 1 << 30:
                    break
                s[i : i + 2] = [s[i] + s[i + 1]]
            self.cache[text] = [self.ids[t] for t in s]
        return self.cache[text]

    def encode(self, text):
        """Ids without BOS; control tokens in the text are plain text."""
        return [t for m in PRE.finditer(text) for t in self.piece(m.group())]

    def decode(self, ids):
        data = bytes(self.byte[c] for i in ids if i < self.bos for c in self.tokens[i])
        return data.decode("utf-8", "replace")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", default="build/corpus")
    ap.add_argument("--size", type=int, default=5120)
    ap.add_argument("--answer-weight", type=int, default=10)
    args = ap.parse_args()
    start, words = time.time(), collections.Counter()
    for name in sorted(glob.glob(os.path.join(args.corpus, "*.txt"))):
        if not os.path.basename(name).startswith("heldout"):
            with open(name) as f:
                words.update(m.group() for m in PRE.finditer(f.read().replace("\f\n\n", "")))
    # An answer is seen as often as it is asked for; its words are few but weigh as much as prose.
    with open(os.path.join(args.corpus, "facts.json")) as f:
        facts = json.load(f)
    answers = [" " + w for row in facts["countries"] + facts["opposites"] for w in row]
    answers += [" " + row[0] for row in facts["elements"]]
    answers += [w for row in facts["nouns"] for w in (" " + row[0], row[2])]
    for text in answers:
        for m in PRE.finditer(text):
            words[m.group()] += args.answer_weight
    merges = train(words, args.size)
    with open(os.path.join(args.corpus, "vocabulary.json"), "w") as f:
        json.dump({"merges": merges}, f)
    tok = Tokenizer(merges)
    assert (
        tok.decode(tok.encode('The king said, "Na\u00efve \u2603 42!"\n\n'))
        == 'The king said, "Na\u00efve \u2603 42!"\n\n'
    )
    print("%d pieces, %d words seen, %.0f s" % (len(tok.tokens), len(words), time.time() - start))
    print(" ".join(tok.tokens[-60:]))


if __name__ == "__main__":
    main()
