"""Small random networks of each architecture, as checkpoints in every form, and what is expected.

A Net is its exact weights (float32, numpy) by the names of GGUF; form() says how a checkpoint holds
them. Rows of q and k are expected in GGUF's order.
"""
import numpy as np

import checkpoint as ck

NAMES = {  # the checkpoint's, behind "model.layers.N.": GGUF's, behind "blk.N."
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.attn_sub_norm.weight": "attn_sub_norm.weight",
    "mlp.ffn_sub_norm.weight": "ffn_sub_norm.weight",
    "self_attn.inner_attn_ln.weight": "attn_sub_norm.weight",
    "mlp.ffn_layernorm.weight": "ffn_sub_norm.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
}
HF = {
    "bitnet-b1.58": "BitNetForCausalLM",
    "bitnet": "BitnetForCausalLM",
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "minicpm": "MiniCPMForCausalLM",
}
QUANTIZATION = {
    "divide": {"quant_method": "bitnet"},
    "multiply": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"},
    "master": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"},
}
LAYERS, WIDTH, FF, HEADS, KV, HEAD, ROWS = 2, 256, 512, 4, 2, 64, 320


def names_of(arch):
    out = [n for n in NAMES if n.endswith("proj.weight") or "layernorm" in n and "ffn" not in n]
    if arch == "bitnet-b1.58":
        out += ["self_attn.attn_sub_norm.weight", "mlp.ffn_sub_norm.weight"]
    if arch == "bitnet":
        out += ["self_attn.inner_attn_ln.weight", "mlp.ffn_layernorm.weight"]
    if arch == "qwen2":
        out += [n for n in NAMES if n.endswith(".bias")]
    if arch == "qwen3":
        out += ["self_attn.q_norm.weight", "self_attn.k_norm.weight"]
    return out


def shape_of(name):
    q, kv = HEADS * HEAD, KV * HEAD
    for part, shape in (("q_proj", (q, WIDTH)), ("k_proj", (kv, WIDTH)), ("v_proj", (kv, WIDTH)),
                        ("o_proj", (WIDTH, q)), ("gate_proj", (FF, WIDTH)), ("up_proj", (FF, WIDTH)),
                        ("down_proj", (WIDTH, FF)), ("q_norm", (HEAD,)), ("k_norm", (HEAD,)),
                        ("inner_attn_ln", (q,)), ("attn_sub_norm", (q,)), ("ffn_sub_norm", (FF,)),
                        ("ffn_layernorm", (FF,))):
        if part in name:
            return shape[:1] if name.endswith(".bias") else shape
    return (WIDTH,)


def permuted(w, heads):
    """[heads, 2, d / 2] -> [heads, d / 2, 2] of the rows: neighbours instead of halves."""
    return w.reshape(heads, 2, -1, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def mean_in_order(w):
    """The mean magnitude as docs/CONVERT.md defines it."""
    x = np.abs(w.astype(np.float64)).reshape(len(w), -1, 8)
    lanes = np.zeros((len(w), 8))
    for k in range(x.shape[1]):
        lanes = lanes + x[:, k]
    rows = ((lanes[:, 0] + lanes[:, 1]) + (lanes[:, 2] + lanes[:, 3])) + (
        (lanes[:, 4] + lanes[:, 5]) + (lanes[:, 6] + lanes[:, 7]))
    total = 0.0
    for r in rows:
        total = total + r
    return max(np.float32(total / w.size), np.float32(1e-5))


class Net:
    def __init__(self, arch, form, seed=1, tied=True):
        """form: divide, multiply, master, or floats with a scale per tensor, row or block."""
        self.arch, self.form, self.rng = arch, form, np.random.default_rng(seed)
        self.tensors, self.expected = {}, {}
        self.vector("model.embed_tokens.weight", "token_embd.weight", (ROWS, WIDTH))
        if not tied:
            self.vector("lm_head.weight", "output.weight", (ROWS, WIDTH))
        self.vector("model.norm.weight", "output_norm.weight", (WIDTH,))
        for i in range(LAYERS):
            for name in names_of(arch):
                hf, gguf = "model.layers.%d.%s" % (i, name), "blk.%d.%s" % (i, NAMES[name])
                if name.endswith("proj.weight"):
                    self.matrix(hf, gguf, shape_of(name))
                else:
                    self.vector(hf, gguf, shape_of(name))
        self.tied = tied

    def vector(self, hf, gguf, shape):
        around = 1 if gguf.endswith("norm.weight") else 0
        x = ck.bf16(self.rng.normal(around, 0.25, shape))
        self.tensors[hf], self.expected[gguf] = ck.Tensor(x, "BF16"), x

    def matrix(self, hf, gguf, shape):
        rng = self.rng
        trits = rng.integers(-1, 2, shape).astype(np.int8)
        scale = np.float32(2.0 ** rng.integers(-3, 2)) * np.float32(1 + rng.integers(0, 128) / 128)
        weights = trits.astype(np.float32) * scale
        if self.form in ("divide", "multiply"):
            held = scale if self.form == "multiply" else ck.bf16(np.float32(1) / scale)[()]
            scale = held if self.form == "multiply" else np.float32(1) / held
            weights = trits.astype(np.float32) * scale
            self.tensors[hf] = ck.Tensor(ck.pack(trits), "U8")
            self.tensors[hf + "_scale"] = ck.Tensor(np.array([held]), "BF16")
        elif self.form == "master":
            held = ck.bf16(rng.normal(0, 0.05, shape))
            scale = mean_in_order(held)
            weights = np.clip(np.rint(held * (np.float32(1) / scale)), -1, 1) * scale
            self.tensors[hf] = ck.Tensor(held, "BF16")
        else:
            if self.form == "row":
                factors = np.repeat(2.0 ** rng.integers(-2, 3, (shape[0], 1)), shape[1], 1)
            elif self.form == "block":
                factors = np.repeat(2.0 ** rng.integers(-2, 3, (shape[0], shape[1] // 128)), 128, 1)
            else:
                factors = np.ones(shape)
            weights = weights * factors.astype(np.float32)
            self.tensors[hf] = ck.Tensor(weights, "BF16")
        if self.arch in ("llama", "minicpm") and ".attn_q." in gguf:
            weights = permuted(weights, HEADS)
        if self.arch in ("llama", "minicpm") and ".attn_k." in gguf:
            weights = permuted(weights, KV)
        self.expected[gguf] = weights.astype(np.float32)

    def config(self, **more):
        c = {
            "architectures": [HF[self.arch]], "_name_or_path": "somewhere/net",
            "hidden_size": WIDTH, "intermediate_size": FF, "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": HEAD,
            "vocab_size": ROWS, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0, "tie_word_embeddings": self.tied,
            "hidden_act": "relu2" if self.arch == "bitnet-b1.58" else "silu",
        }
        if self.form in QUANTIZATION and self.arch != "bitnet":
            c["quantization_config"] = QUANTIZATION[self.form]
        if self.arch == "bitnet":
            c["weight_bits"] = 1
        if self.arch == "minicpm":
            c.update(scale_emb=12, scale_depth=1.4, dim_model_base=64)
        c.update(more)
        return {k: v for k, v in c.items() if v is not Ellipsis}

    def write(self, folder, shards=1, config=None, tokenizer=None, **files):
        if not files:
            files = dict(tokenizer_json=tokenizer or ck.bpe_tokenizer(ROWS), tokenizer_config=ck.BPE_CONFIG)
        ck.write(folder, self.tensors, config or self.config(), shards, **files)
