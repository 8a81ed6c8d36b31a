#!/usr/bin/python3
"""Write a checkpoint as a GGUF v3 file: ternary I2_S, norms F32, the tied embeddings F16.

I2_S: 128 consecutive weights of a row in 32 bytes, byte p holding elements p, p+32, p+64, p+96 at
shifts 6, 4, 2, 0; a code is the weight plus one; after n/4 bytes of codes come one f32, the
tensor's scale, and 28 zero bytes. The file carries the tokenizer, so it is all that an engine
needs.
"""
import argparse
import hashlib
import struct

import numpy as np
import torch

from bpe import Tokenizer
from model import row_groups, ternary, views

ALIGN = 32
# LLaMA-3's turns: data.py's turns() lays training conversations out like this.
TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim"
    " + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
F32, F16, Q8_0, I2_S = 0, 1, 8, 36
U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def text(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack({U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?"}[kind], v)


def pair(key, kind, v):
    if isinstance(v, list):
        return (
            text(key)
            + struct.pack("<IIQ", ARRAY, kind, len(v))
            + b"".join(value(kind, x) for x in v)
        )
    return text(key) + struct.pack("<I", kind) + value(kind, v)


def pack_i2s(codes, scale):
    q = (codes.to(torch.int8).numpy() + 1).astype(np.uint8).reshape(-1, 4, 32)
    packed = q[:, 0] << 6 | q[:, 1] << 4 | q[:, 2] << 2 | q[:, 3]
    return packed.tobytes() + struct.pack("<f", scale) + bytes(28)


def pack_q8(w):
    """32 weights of a row: an f16 scale, then the int8 multiples of it."""
    blocks = w.float().numpy().reshape(-1, 32)
    scale = (np.abs(blocks).max(1) / 127).astype(np.float16)
    step = np.where(scale > 0, scale, 1).astype(np.float32)[:, None]
    codes = np.rint(blocks / step).clip(-127, 127).astype(np.int8)
    out = np.zeros(len(blocks), [("scale", "<f2"), ("codes", "i1", 32)])
    out["scale"], out["codes"] = scale, codes
    return out.tobytes()


def metadata(c, tok):
    a = "bitnet-b1.58."
    return [
        ("general.architecture", STRING, "bitnet-b1.58"),
        ("general.name", STRING, "bitnet-demo"),
        ("general.license", STRING, "MIT"),
        ("general.file_type", U32, 40),
        ("general.alignment", U32, ALIGN),
        (a + "vocab_size", U32, c["vocab"]),
        (a + "block_count", U32, c["blocks"]),
        (a + "context_length", U32, c["context"]),
        (a + "embedding_length", U32, c["dim"]),
        (a + "feed_forward_length", U32, c["ff"]),
        (a + "attention.head_count", U32, c["heads"]),
        (a + "attention.head_count_kv", U32, c["kv_heads"]),
        (a + "attention.layer_norm_rms_epsilon", FLOAT, c["eps"]),
        (a + "rope.freq_base", FLOAT, c["rope_base"]),
        (a + "rope.dimension_count", U32, c["head_dim"]),
        ("tokenizer.ggml.model", STRING, "gpt2"),
        ("tokenizer.ggml.pre", STRING, "llama-bpe"),
        ("tokenizer.ggml.tokens", STRING, tok.tokens),
        (
            "tokenizer.ggml.token_type",
            I32,
            [3 if i >= tok.bos else 1 for i in range(len(tok.tokens))],
        ),
        ("tokenizer.ggml.merges", STRING, [x + " " + y for x, y in tok.merges]),
        ("tokenizer.ggml.bos_token_id", U32, tok.bos),
        ("tokenizer.ggml.eos_token_id", U32, tok.eos),
        ("tokenizer.ggml.eot_token_id", U32, tok.eot),
        ("tokenizer.ggml.add_bos_token", BOOL, True),
        ("tokenizer.chat_template", STRING, TEMPLATE),
    ]


def tensors(p, c, embeddings):
    """(name, shape, type, bytes) in file order."""

    def dense(name, w, kind):
        if kind == Q8_0:
            return name + ".weight", tuple(w.shape), kind, pack_q8(w)
        w = w.half() if kind == F16 else w.float()
        return name + ".weight", tuple(w.shape), kind, w.contiguous().numpy().tobytes()

    def packed(source, names):
        groups = row_groups(source, c)
        codes, scales = ternary(p[source], groups)
        row = 0
        for name, part in zip(names, codes.split(groups)):
            yield name + ".weight", tuple(part.shape), I2_S, pack_i2s(part, float(scales[row]))
            row += part.shape[0]

    yield dense("token_embd", p["embd"], embeddings)
    for i in range(c["blocks"]):
        s, b = "%d." % i, "blk.%d." % i
        yield dense(b + "attn_norm", p[s + "attn_norm"], F32)
        yield from packed(s + "qkv", [b + "attn_q", b + "attn_k", b + "attn_v"])
        yield dense(b + "attn_sub_norm", p[s + "attn_sub_norm"], F32)
        yield from packed(s + "o", [b + "attn_output"])
        yield dense(b + "ffn_norm", p[s + "ffn_norm"], F32)
        yield from packed(s + "gateup", [b + "ffn_gate", b + "ffn_up"])
        yield dense(b + "ffn_sub_norm", p[s + "ffn_sub_norm"], F32)
        yield from packed(s + "down", [b + "ffn_down"])
    yield dense("output_norm", p["output_norm"], F32)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("checkpoint")
    ap.add_argument("out")
    ap.add_argument("--vocabulary", default="build/corpus/vocabulary.json")
    ap.add_argument("--embeddings", choices=["f16", "q8_0"], default="f16")
    args = ap.parse_args()
    state = torch.load(args.checkpoint)
    c, tok = state["config"], Tokenizer.load(args.vocabulary)
    assert len(tok.tokens) == c["vocab"]
    meta, infos, data = metadata(c, tok), b"", b""
    embeddings = {"f16": F16, "q8_0": Q8_0}[args.embeddings]
    parts = list(tensors(views(state["flat"], c), c, embeddings))
    for name, shape, kind, blob in parts:
        dims = shape[::-1]
        infos += text(name) + struct.pack("<I%dQIQ" % len(dims), len(dims), *dims, kind, len(data))
        data += blob + bytes(-len(blob) % ALIGN)
    head = (
        b"GGUF"
        + struct.pack("<IQQ", 3, len(parts), len(meta))
        + b"".join(pair(*m) for m in meta)
        + infos
    )
    head += bytes(-len(head) % ALIGN)
    with open(args.out, "wb") as f:
        f.write(head + data)
    print(
        "%s: %d tensors, %d bytes, step %d, sha256 %s"
        % (
            args.out,
            len(parts),
            len(head) + len(data),
            state["step"],
            hashlib.sha256(head + data).hexdigest(),
        )
    )


if __name__ == "__main__":
    main()
