"""A GGUF file's keys and tensors as numpy has them: the reading side of the converter's tests.

Written from the formats' published facts (docs/FORMATS.md) and shares nothing with the engine.
"""
import struct

import numpy as np

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
NAMES = {0: "F32", 1: "F16", 8: "Q8_0", 14: "Q6_K", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 36: "I2_S",
         42: "Q2_0", 142: "PQ2_0"}


class File:
    def __init__(self, path):
        self.bytes = open(path, "rb").read()
        self.at = 0
        assert self.take(4) == b"GGUF"
        version, n_tensors, n_keys = self.unpack("<I"), self.unpack("<Q"), self.unpack("<Q")
        assert version == 3
        self.keys = {}
        for _ in range(n_keys):
            key = self.text()
            self.keys[key] = self.value(self.unpack("<I"))
        infos = []
        for _ in range(n_tensors):
            name, n_dims = self.text(), self.unpack("<I")
            dims = [self.unpack("<Q") for _ in range(n_dims)]
            infos.append((name, dims, self.unpack("<I"), self.unpack("<Q")))
        align = self.keys.get("general.alignment", 32)
        start = (self.at + align - 1) // align * align
        ends = [start + i[3] for i in infos[1:]] + [len(self.bytes)]
        self.tensors = {}
        for (name, dims, kind, offset), end in zip(infos, ends):
            self.tensors[name] = (NAMES[kind], dims, self.bytes[start + offset : end])

    def take(self, n):
        self.at += n
        return self.bytes[self.at - n : self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.unpack("<Q")).decode("utf-8", "surrogateescape")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, n = self.unpack("<I"), self.unpack("<Q")
            return [self.value(kind) for _ in range(n)]
        return self.unpack(SCALARS[kind])

    def floats(self, name):
        """The tensor as float32, in the shape that numpy has (rows first)."""
        kind, dims, raw = self.tensors[name]
        n = int(np.prod(dims))
        if kind == "Q2_0" and len(raw) < n // 64 * 18:
            kind = "PQ2_0"
        return READERS[kind](np.frombuffer(raw, np.uint8), n).reshape(dims[::-1])


def f16(raw):
    return raw.copy().view("<f2").astype(np.float32)


def read_f32(raw, n):
    return raw[: 4 * n].copy().view("<f4")


def read_f16(raw, n):
    return f16(raw[: 2 * n])


def read_bf16(raw, n):
    return (raw[: 2 * n].copy().view("<u2").astype(np.uint32) << 16).view(np.float32)


def read_i2s(raw, n):
    scale = raw[n // 4 : n // 4 + 4].copy().view("<f4")[0]
    b = raw[: n // 4].reshape(-1, 32)
    codes = np.stack([b >> s & 3 for s in (6, 4, 2, 0)], 1)
    assert codes.max() < 3
    return (codes.astype(np.float32) - 1).ravel() * scale


def blocks(raw, n, size, per):
    return raw[: n // per * size].reshape(-1, size)


def digits(b, count):
    """Digit k of five of each byte: [blocks, count, bytes]."""
    q = np.stack([(b.astype(np.uint16) * 3**k & 255) * 3 >> 8 for k in range(count)], 1)
    return q.reshape(len(b), -1).astype(np.float32) - 1


def read_tq1(raw, n):
    b = blocks(raw, n, 54, 256)
    trits = np.concatenate([digits(b[:, :32], 5), digits(b[:, 32:48], 5), digits(b[:, 48:52], 4)], 1)
    return (trits * f16(b[:, 52:].copy().ravel())[:, None]).ravel()


def read_tq2(raw, n):
    b = blocks(raw, n, 66, 256)
    q = b[:, :64].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    return ((q.reshape(len(b), -1).astype(np.float32) - 1) * f16(b[:, 64:].copy().ravel())[:, None]).ravel()


def read_q2(raw, n, per=64):
    b = blocks(raw, n, per // 4 + 2, per)
    q = b[:, 2:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3
    return ((q.reshape(len(b), -1).astype(np.float32) - 1) * f16(b[:, :2].copy().ravel())[:, None]).ravel()


def read_q8(raw, n):
    b = blocks(raw, n, 34, 32)
    return (b[:, 2:].copy().view(np.int8).astype(np.float32) * f16(b[:, :2].copy().ravel())[:, None]).ravel()


def read_q6(raw, n):
    out = []
    for b in blocks(raw, n, 210, 256):
        d, scales = f16(b[208:].copy())[0], b[192:208].copy().view(np.int8).astype(np.float32)
        codes = np.zeros(256, np.int32)
        for i in range(256):
            half, j, k = i // 128, i % 128 // 32, i % 32
            low = b[64 * half + 32 * (j % 2) + k] >> (4 * (j // 2)) & 15
            codes[i] = low | (b[128 + 32 * half + k] >> (2 * j) & 3) << 4
        out.append((codes - 32).astype(np.float32) * np.repeat(d * scales, 16))
    return np.concatenate(out)


READERS = {"F32": read_f32, "F16": read_f16, "BF16": read_bf16, "I2_S": read_i2s, "TQ1_0": read_tq1,
           "TQ2_0": read_tq2, "Q2_0": read_q2, "PQ2_0": lambda raw, n: read_q2(raw, n, 128),
           "Q8_0": read_q8, "Q6_K": read_q6}
