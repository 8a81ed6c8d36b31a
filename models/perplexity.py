#!/usr/bin/python3
"""Read a bitnet-b1.58 GGUF file back: perplexity of a text, or continuation of a prompt.

This is the second, independent reading of the file: nothing here comes from the trainer but the
tokenizer's code, and its merges come from the file. It follows the project's NUMERICS (int8
activations per token, exact integer sums, K and V rounded to f16) but leaves the order of float
sums to torch, so its logits differ from the engine's in the last bits.

Perplexity: the text is encoded whole, without BOS, and cut into windows of n_ctx - 1 tokens, the
last one shorter. Each window is run alone, behind a BOS; every token but the BOS is scored.
Result: exp(sum of -ln p / number of scored tokens).
"""
import argparse
import hashlib
import json
import math
import os
import struct

import numpy as np
import torch

from bpe import Tokenizer

FORMATS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}


class Gguf:
    """Metadata as a dictionary; tensors as ('dense', array) or ('ternary', codes, scale)."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.at = 4
        version, n_tensors, n_meta = self.take("<I"), self.take("<Q"), self.take("<Q")
        if self.data[:4] != b"GGUF" or version != 3:
            raise SystemExit(path + ": not a GGUF v3 file")
        self.meta = {}
        for _ in range(n_meta):
            key = self.string()
            self.meta[key] = self.value(self.take("<I"))
        infos = []
        for _ in range(n_tensors):
            name = self.string()
            dims = [self.take("<Q") for _ in range(self.take("<I"))]
            infos.append((name, dims[::-1], self.take("<I"), self.take("<Q")))
        align = self.meta.get("general.alignment", 32)
        base = -(-self.at // align) * align
        self.tensors = {
            name: self.tensor(shape, kind, base + offset) for name, shape, kind, offset in infos
        }

    def take(self, fmt):
        (v,) = struct.unpack_from(fmt, self.data, self.at)
        self.at += struct.calcsize(fmt)
        return v

    def string(self):
        n = self.take("<Q")
        self.at += n
        return self.data[self.at - n : self.at].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            inner, n = self.take("<I"), self.take("<Q")
            return [self.value(inner) for _ in range(n)]
        return self.take(FORMATS[kind])

    def tensor(self, shape, kind, at):
        n = math.prod(shape)
        if kind in (0, 1):
            array = np.frombuffer(self.data, {0: "<f4", 1: "<f2"}[kind], n, at).astype(np.float32)
            return "dense", torch.from_numpy(array.reshape(shape))
        if kind == 8:
            blocks = np.frombuffer(self.data, [("scale", "<f2"), ("codes", "i1", 32)], n // 32, at)
            array = blocks["scale"].astype(np.float32)[:, None] * blocks["codes"]
            return "dense", torch.from_numpy(array.reshape(shape))
        if kind != 36:
            raise SystemExit("tensor type %d: this reader knows F32, F16, Q8_0 and I2_S" % kind)
        raw = np.frombuffer(self.data, np.uint8, n // 4, at).reshape(-1, 1, 32)
        codes = (raw >> np.array([6, 4, 2, 0], np.uint8).reshape(1, 4, 1) & 3).astype(
            np.float32
        ).reshape(shape) - 1
        assert codes.max() <= 1
        return (
            "ternary",
            torch.from_numpy(codes),
            struct.unpack_from("<f", self.data, at + n // 4)[0],
        )


class Model:
    def __init__(self, path):
        self.gguf = g = Gguf(path)

        def key(name):
            return g.meta["bitnet-b1.58." + name]

        self.blocks, self.eps = key("block_count"), key("attention.layer_norm_rms_epsilon")
        self.heads, self.kv_heads = key("attention.head_count"), key("attention.head_count_kv")
        self.head_dim, self.context = key("embedding_length") // self.heads, key("context_length")
        self.base, self.t = key("rope.freq_base"), g.tensors
        merges, tokens = g.meta["tokenizer.ggml.merges"], g.meta["tokenizer.ggml.tokens"]
        self.tok = Tokenizer([m.split(" ") for m in merges], tokens[256 + len(merges) :])
        assert self.tok.tokens == tokens
        assert self.tok.bos == g.meta["tokenizer.ggml.bos_token_id"]

    def norm(self, x, name):
        r = 1 / torch.sqrt((x * x).mean(1, keepdim=True) + self.eps)
        return x * r * self.t[name + ".weight"][1]

    def linear(self, x, names):
        amax = x.abs().amax(1, keepdim=True).clamp(min=1e-5)
        q, a = torch.round(x * (127 / amax)), amax / 127
        out = []
        for name in names:
            _, codes, scale = self.t[name + ".weight"]
            out.append((q @ codes.t()) * (a * scale))
        return out

    def rope(self, x):
        """x [T, heads, head_dim]"""
        d = self.head_dim
        angle = np.arange(x.shape[0])[:, None, None] * self.base ** (-np.arange(0, d, 2) / d)
        cos, sin = (torch.from_numpy(f(angle).astype(np.float32)) for f in (np.cos, np.sin))
        x0, x1 = x[..., : d // 2], x[..., d // 2 :]
        return torch.cat([x0 * cos - x1 * sin, x0 * sin + x1 * cos], 2)

    def hidden(self, ids):
        """Final hidden states, normed, of one sequence from position 0."""
        n, d, group = len(ids), self.head_dim, self.heads // self.kv_heads
        x = self.t["token_embd.weight"][1][torch.tensor(ids)]
        mask = torch.full((n, n), -math.inf).triu_(1)
        for i in range(self.blocks):
            b = "blk.%d." % i
            q, k, v = self.linear(
                self.norm(x, b + "attn_norm"), [b + "attn_q", b + "attn_k", b + "attn_v"]
            )
            q = self.rope(q.view(n, self.heads, d))
            k = self.rope(k.view(n, self.kv_heads, d)).half().float()
            v = v.view(n, self.kv_heads, d).half().float()
            k, v = (y.repeat_interleave(group, 1).transpose(0, 1) for y in (k, v))
            p = torch.softmax(q.transpose(0, 1) @ k.transpose(1, 2) * d**-0.5 + mask, 2)
            o = (p @ v).transpose(0, 1).reshape(n, -1)
            x = x + self.linear(self.norm(o, b + "attn_sub_norm"), [b + "attn_output"])[0]
            gate, up = self.linear(self.norm(x, b + "ffn_norm"), [b + "ffn_gate", b + "ffn_up"])
            h = gate.relu() ** 2 * up
            x = x + self.linear(self.norm(h, b + "ffn_sub_norm"), [b + "ffn_down"])[0]
        return self.norm(x, "output_norm")

    def logits(self, hidden):
        return hidden @ self.t["token_embd.weight"][1].t()

    def perplexity(self, text, n_ctx, windows=None):
        ids, nats, count = self.tok.encode(text), 0.0, 0
        for w, at in enumerate(range(0, len(ids), n_ctx - 1)):
            if windows is not None and w == windows:
                break
            part = ids[at : at + n_ctx - 1]
            logp = torch.log_softmax(
                self.logits(self.hidden([self.tok.bos] + part[:-1])).double(), 1
            )
            nats -= float(logp[torch.arange(len(part)), torch.tensor(part)].sum())
            count += len(part)
        return nats, count

    def generate(self, prompt, n, temp=0.0, top_k=40, penalty=1.0, seed=1):
        """Ids after the prompt; greedy at temperature 0. The penalty looks at the last 64 ids."""
        ids, rng = [self.tok.bos] + self.tok.encode(prompt), np.random.default_rng(seed)
        start = len(ids)
        while len(ids) < min(start + n, self.context):
            z = self.logits(self.hidden(ids)[-1:])[0]
            recent = torch.tensor(sorted(set(ids[-64:])))
            z[recent] = torch.where(z[recent] > 0, z[recent] / penalty, z[recent] * penalty)
            if temp == 0:
                ids.append(int(z.argmax()))
            else:
                top = torch.topk(z, top_k)
                p = torch.softmax(top.values.double() / temp, 0).numpy()
                ids.append(int(top.indices[rng.choice(top_k, p=p / p.sum())]))
            if ids[-1] in (self.tok.eos, self.tok.eot):
                break
        return ids[:start], ids[start:]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("model")
    ap.add_argument("--file", help="text whose perplexity is wanted")
    ap.add_argument("--n-ctx", type=int, default=512)
    ap.add_argument("--windows", type=int, help="only the first so many windows")
    ap.add_argument("--json", help="also write the perplexity to this file")
    ap.add_argument("--prompt", help="text to continue")
    ap.add_argument("-n", type=int, default=32, help="tokens to generate")
    ap.add_argument("--temp", type=float, default=0.0)
    ap.add_argument("--top-k", type=int, default=40)
    ap.add_argument("--repeat-penalty", type=float, default=1.0)
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    torch.set_grad_enabled(False)
    model = Model(args.model)
    if args.file:
        with open(args.file, encoding="utf-8", newline="") as f:
            nats, count = model.perplexity(f.read(), args.n_ctx, args.windows)
        result = {
            "text": os.path.basename(args.file),
            "n_ctx": args.n_ctx,
            "tokens": count,
            "nats": round(nats, 4),
            "perplexity": round(math.exp(nats / count), 4),
            "model_sha256": model.gguf.sha256,
        }
        print(json.dumps(result, indent=2))
        if args.json:
            with open(args.json, "w") as f:
                f.write(json.dumps(result, indent=2) + "\n")
    if args.prompt is not None:
        before, after = model.generate(
            args.prompt, args.n, args.temp, args.top_k, args.repeat_penalty, args.seed
        )
        print("prompt ids:", *before)
        print("ids:", *after)
        print(args.prompt + model.tok.decode(after))


if __name__ == "__main__":
    main()
