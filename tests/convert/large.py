#!/usr/bin/python3
"""large.py FOLDER - a random checkpoint of BitNet b1.58 2B 4T's shape: packed, in two shards, 1.2 GB,
with a tokenizer of LLaMA-3's size. For measuring `bitnet convert`; no test needs it."""
import itertools
import json
import os
import struct
import sys

import numpy as np

import checkpoint as ck

WIDTH, FF, LAYERS, KV, ROWS = 2560, 6912, 30, 640, 128256
MATRICES = {"self_attn.q_proj": (WIDTH, WIDTH), "self_attn.k_proj": (KV, WIDTH), "self_attn.v_proj": (KV, WIDTH),
            "self_attn.o_proj": (WIDTH, WIDTH), "mlp.gate_proj": (FF, WIDTH), "mlp.up_proj": (FF, WIDTH),
            "mlp.down_proj": (WIDTH, FF)}
VECTORS = {"input_layernorm": WIDTH, "post_attention_layernorm": WIDTH, "self_attn.attn_sub_norm": WIDTH,
           "mlp.ffn_sub_norm": FF}
CODES = np.array([a | b << 2 | c << 4 | d << 6 for a, b, c, d in itertools.product(range(3), repeat=4)], np.uint8)


def tensors():
    yield "model.embed_tokens.weight", "BF16", [ROWS, WIDTH]
    for i in range(LAYERS):
        for name, (rows, cols) in MATRICES.items():
            yield "model.layers.%d.%s.weight" % (i, name), "U8", [rows // 4, cols]
            yield "model.layers.%d.%s.weight_scale" % (i, name), "BF16", [1]
        for name, n in VECTORS.items():
            yield "model.layers.%d.%s.weight" % (i, name), "BF16", [n]
    yield "model.norm.weight", "BF16", [WIDTH]


def values(rng, dtype, n):
    if dtype == "U8":
        return CODES[rng.integers(0, len(CODES), n, dtype=np.uint8)]
    return (rng.integers(0, 256, n, dtype=np.uint16) | 0x3C00).astype("<u2")  # from 0.0078 to 2


def shard(path, part, rng):
    header, at = {}, 0
    for name, dtype, shape in part:
        size = int(np.prod(shape)) * {"U8": 1, "BF16": 2}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, dtype, shape in part:
            left = int(np.prod(shape))
            while left:
                n = min(left, 1 << 24)
                f.write(values(rng, dtype, n).tobytes())
                left -= n


def tokenizer():
    """Words of up to four letters, each with every pair that makes it."""
    out, letters = ck.bpe_tokenizer(ROWS), ck.byte_letters()
    pieces, merges = {p: i for i, p in enumerate(letters)}, []
    for n in (2, 3, 4):
        for word in itertools.product(letters[97:123], repeat=n):
            if len(pieces) == 128000:
                break
            pieces["".join(word)] = len(pieces)
            merges += [["".join(word[:k]), "".join(word[k:])] for k in range(1, n) if k < 3]
    out["model"].update(vocab=pieces, merges=merges)
    return out


def main(folder):
    rng, every = np.random.default_rng(1), list(tensors())
    os.makedirs(folder)
    where = {}
    for i, part in enumerate((every[:200], every[200:])):
        name = "model-%05d-of-00002.safetensors" % (i + 1)
        shard(os.path.join(folder, name), part, rng)
        where.update({t[0]: name for t in part})
    config = {
        "architectures": ["BitNetForCausalLM"], "hidden_size": WIDTH, "intermediate_size": FF,
        "num_hidden_layers": LAYERS, "num_attention_heads": 20, "num_key_value_heads": 5, "vocab_size": ROWS,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "relu2",
        "tie_word_embeddings": True, "quantization_config": {
            "quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}}
    for name, content in (("model.safetensors.index.json", {"weight_map": where}), ("config.json", config),
                          ("tokenizer.json", tokenizer()), ("tokenizer_config.json", ck.BPE_CONFIG)):
        with open(os.path.join(folder, name), "w") as f:
            json.dump(content, f)


if __name__ == "__main__":
    main(sys.argv[1])
