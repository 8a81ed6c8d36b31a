"""Endless training batches: prose, stories and chats in fixed shares of tokens.

Prose is the chapters of corpus.py in random order, cut at paragraphs into segments; stories and chats
are made anew each time by stories.py and questions.py. Segments are packed one behind the other, each
behind its BOS. A token of a question weighs less than one of an answer: what people ask need not be
guessed well. This file knows the tokenizer; it knows nothing of the model.
"""
import glob
import multiprocessing
import os
import random

import numpy as np

from questions import Questions
from stories import is_held_out, story

# Shares of the tokens.
SHARES = {"prose": 0.44, "story": 0.08, "chat": 0.48}
# How often each work is heard per pass; the rest of the corpus counts once.
WEIGHTS = {
    "sotu": 0.1,
    "bible": 0.3,
    "sawyer": 2.0,
    "sherlock": 1.5,
    "stories": 3.0,
    "busterbrown": 3.0,
    "parents": 1.5,
}
QUESTION_WEIGHT = 0.2


def turns(tok, chat):
    """Ids and weights of a conversation in the layout of the file's chat template."""
    ids, weights = [tok.bos], [0.0]
    for role_and_text in chat:
        for role, text in zip(("user", "assistant"), role_and_text):
            head = [tok.header] + tok.encode(role) + [tok.header_end]
            body = tok.encode("\n\n" + text) + [tok.eot]
            answers = role == "assistant"
            ids += head + body
            weights += [0.02] * (len(head) + 1) + [1.0 if answers else QUESTION_WEIGHT] * (
                len(body) - 1
            )
    return np.array(ids, np.int32), np.array(weights, np.float32)


class Data:
    def __init__(self, corpus, tok, seed, shares=None):
        self.tok, self.rng, self.works = tok, random.Random(seed), {}
        self.questions, self.shares = Questions(corpus), shares or SHARES
        self.used, self.prose, self.passes = dict.fromkeys(self.shares, 1.0), [], 0
        self.ids, self.weights = np.zeros(0, np.int32), np.zeros(0, np.float32)
        for name in sorted(glob.glob(os.path.join(corpus, "*.txt"))):
            base = os.path.splitext(os.path.basename(name))[0]
            if base.startswith("heldout"):
                continue
            with open(name) as f:
                chapters = [ch.split("\n\n") for ch in f.read().strip().split("\n\n\f\n\n")]
            self.works[base] = [
                [np.array(tok.encode(p + "\n\n"), np.int32) for p in ch[:-1]]
                + [np.array(tok.encode(ch[-1]) + [tok.eos], np.int32)]
                for ch in chapters
            ]

    def refill(self):
        """One pass over the prose, cut anew."""
        rng = self.rng
        for base, chapters in self.works.items():
            w = WEIGHTS.get(base, 1.0)
            for ch in chapters:
                for _ in range(int(w) + (rng.random() < w % 1)):
                    cur, left = [[self.tok.bos]], rng.randint(60, 700)
                    for paragraph in ch:
                        if left <= 0:
                            self.prose.append(np.concatenate(cur))
                            cur, left = [[self.tok.bos]], rng.randint(60, 700)
                        cur.append(paragraph)
                        left -= len(paragraph)
                    self.prose.append(np.concatenate(cur))
        rng.shuffle(self.prose)
        self.passes += 1

    def segment(self, source):
        if source == "chat":
            return turns(self.tok, self.questions.chat(self.rng))
        if source == "story":
            text = story(self.rng, otherwise=0.6)
            while is_held_out(text):
                text = story(self.rng, otherwise=0.6)
            ids = [self.tok.bos] + self.tok.encode(text) + [self.tok.eos]
        else:
            if not self.prose:
                self.refill()
            ids = self.prose.pop()
        weights = np.ones(len(ids), np.float32)
        weights[0] = 0
        return np.array(ids, np.int32), weights

    def batch(self, b, t):
        """ids, targets and the targets' weights, each [b, t]."""
        parts, have = [(self.ids, self.weights)], len(self.ids)
        while have < b * t + 1:
            source = min(self.shares, key=lambda s: self.used[s] / self.shares[s])
            parts.append(self.segment(source))
            self.used[source] += len(parts[-1][0])
            have += len(parts[-1][0])
        ids, weights = (np.concatenate(x) for x in zip(*parts))
        self.ids, self.weights = ids[b * t :], weights[b * t :]
        return (
            ids[: b * t].reshape(b, t),
            ids[1 : b * t + 1].reshape(b, t),
            weights[1 : b * t + 1].reshape(b, t),
        )


class Ahead:
    """Batches of several Data, each in a process of its own, for a trainer faster than one of them."""

    def __init__(self, count, corpus, tok, seed, shares, b, t):
        fork = multiprocessing.get_context("fork")
        self.queue, self.passes = fork.Queue(4 * count), 0
        for i in range(count):
            args = (corpus, tok, seed + 1000003 * (i + 1), shares, b, t)
            fork.Process(target=self.fill, args=args, daemon=True).start()

    def fill(self, corpus, tok, seed, shares, b, t):
        data = Data(corpus, tok, seed, shares)
        while True:
            self.queue.put((data.passes, data.batch(b, t)))

    def batch(self, b, t):
        self.passes, batch = self.queue.get()
        return batch


def windows(tok, text, count, n_ctx):
    """The first windows of a text as perplexity.py cuts it: BOS and n_ctx - 1 tokens each."""
    ids = np.array(tok.encode(text)[: count * (n_ctx - 1)], np.int32).reshape(-1, n_ctx - 1)
    return np.concatenate([np.full((len(ids), 1), tok.bos, np.int32), ids[:, :-1]], 1), ids
