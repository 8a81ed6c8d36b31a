"""Checkpoints as the hub has them: safetensors, tokenizers, config.json. Knows no model."""
import json
import os
import struct

import numpy as np

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "U8": "u1"}


def bf16(x):
    """Rounded to bfloat16, as float32."""
    u = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((u + 0x7FFF + (u >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


class Tensor:
    def __init__(self, values, dtype):
        self.dtype, self.shape = dtype, list(np.shape(values))
        if dtype == "BF16":
            u = np.ascontiguousarray(values, np.float32).view(np.uint32)
            assert not (u & 0xFFFF).any()
            self.raw = (u >> 16).astype("<u2").tobytes()
        else:
            self.raw = np.ascontiguousarray(values).astype(DTYPES[dtype]).tobytes()


def safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": t.dtype, "shape": t.shape, "data_offsets": [at, at + len(t.raw)]}
        at += len(t.raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.raw)


def write(folder, tensors, config, shards=1, **files):
    """files: name (with _ for .) -> text or bytes."""
    os.makedirs(folder)
    names = list(tensors)
    if shards == 1:
        safetensors(folder + "/model.safetensors", tensors)
    else:
        where = {}
        for i in range(shards):
            shard = "model-%05d-of-%05d.safetensors" % (i + 1, shards)
            part = names[i::shards]
            safetensors(folder + "/" + shard, {n: tensors[n] for n in part})
            where.update({n: shard for n in part})
        index = {"metadata": {"total_size": 0}, "weight_map": where}
        json.dump(index, open(folder + "/model.safetensors.index.json", "w"))
    json.dump(config, open(folder + "/config.json", "w"))
    for name, content in files.items():
        name = {"tokenizer_json": "tokenizer.json", "tokenizer_model": "tokenizer.model",
                "tokenizer_config": "tokenizer_config.json", "template": "chat_template.jinja"}[name]
        content = json.dumps(content) if isinstance(content, dict) else content
        with open(folder + "/" + name, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)


def pack(trits):
    """uint8 [rows / 4, cols]: bits 2 k of byte [r][c] are row r + k rows / 4, as weight + 1."""
    planes = (trits + 1).astype(np.uint8).reshape(4, -1, trits.shape[1])
    return planes[0] | planes[1] << 2 | planes[2] << 4 | planes[3] << 6


def byte_letters():
    """GPT-2's letters for bytes, by byte."""
    shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    out, n = {}, 0
    for b in range(256):
        out[b] = chr(b) if b in shown else chr(256 + n)
        n += b not in shown
    return [out[b] for b in range(256)]


def bpe_tokenizer(rows, regex=LLAMA3, ignore_merges=True, pairs=True, bos=True):
    """tokenizer.json of bytes, a few merges and three special tokens that end at `rows` - 8."""
    pieces = byte_letters()
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("a", "n")]
    pieces += ["".join(m) for m in merges]
    special = ["<|begin|>", "<|end|>", "<tool>"]
    added = [
        {"id": rows - 8 - len(special) + i, "content": s, "special": i < 2, "normalized": False}
        for i, s in enumerate(special)
    ]
    single = [{"Sequence": {"id": "A", "type_id": 0}}]
    if bos:
        single.insert(0, {"SpecialToken": {"id": "<|begin|>", "type_id": 0}})
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": {
            "type": "Sequence",
            "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing", "single": single}],
        },
        "decoder": {"type": "ByteLevel"},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "ignore_merges": ignore_merges,
            "vocab": {p: i for i, p in enumerate(pieces)},
            "merges": [list(m) if pairs else " ".join(m) for m in merges],
        },
    }


BPE_CONFIG = {"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>"}, "chat_template": "{{ messages[0].content }}"}


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, wire, payload):
    head = varint(number << 3 | wire)
    return head + (varint(len(payload)) + payload if wire == 2 else payload)


def spm_model(words, kind=2, dummy=1, extra=0, suffix=0, charsmap=b"", user=()):
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [("<0x%02X>" % b, 0.0, 6) for b in range(256)]
    pieces += [(w, -float(i), 1) for i, w in enumerate(words)]
    pieces += [(w, 0.0, 4) for w in user]
    out = b""
    for text, score, which in pieces:
        body = field(1, 2, text.encode()) + field(2, 5, struct.pack("<f", score))
        if which != 1:
            body += field(3, 0, varint(which))
        out += field(1, 2, body)
    out += field(2, 2, field(3, 0, varint(kind)) + field(24, 0, varint(suffix)) + field(35, 0, varint(1)))
    out += field(3, 2, field(1, 2, b"nmt_nfkc" if charsmap else b"identity") + field(2, 2, charsmap) + field(3, 0, varint(dummy)) + field(4, 0, varint(extra)))
    return out


def rank_tokenizer(words, normalizer=True, scheme="always", **model):
    """The same vocabulary as spm_model's, as Hugging Face writes it: spaces are U+2581, merges in order."""
    pieces = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)] + list(words)
    vocab = {p: i for i, p in enumerate(pieces)}
    merges = [(w[:k], w[k:]) for w in words for k in range(1, len(w)) if w[:k] in vocab and w[k:] in vocab]
    steps = [{"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]
    around = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "added_tokens": [{"id": i, "content": pieces[i], "special": True} for i in range(3)],
        "normalizer": {"type": "Sequence", "normalizers": steps} if normalizer else None,
        "pre_tokenizer": None if normalizer else {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": False},
        "post_processor": {"type": "TemplateProcessing", "single": around},
        "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": dict({"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "vocab": vocab,
                       "merges": [list(m) for m in merges]}, **model),
    }
