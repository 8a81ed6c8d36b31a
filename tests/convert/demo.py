"""The demo model as a checkpoint of the hub. python3 demo.py MODEL.gguf FOLDER writes one, its matrices packed."""
import sys

import numpy as np

import checkpoint as ck
import gguf
from models import QUANTIZATION


def write(f, folder, form):
    """f: the model, a gguf.File. form: packed, or floats."""
    arch = f.keys["general.architecture"]
    get = lambda key: f.keys[arch + "." + key]
    inverse = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
        "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "attn_sub_norm": "self_attn.attn_sub_norm", "ffn_sub_norm": "mlp.ffn_sub_norm"}
    outer = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}

    def hf_name(name):
        stem = name[: -len(".weight")]
        if stem in outer:
            return outer[stem] + ".weight"
        _, layer, rest = stem.split(".")
        return "model.layers.%s.%s.weight" % (layer, inverse[rest])

    vocab = f.keys["tokenizer.ggml.tokens"]
    kinds = f.keys["tokenizer.ggml.token_type"]
    tokenizer = ck.bpe_tokenizer(len(vocab))
    begin = vocab[f.keys["tokenizer.ggml.bos_token_id"]]
    tokenizer["model"]["vocab"] = {t: i for i, t in enumerate(vocab) if kinds[i] == 1}
    tokenizer["model"]["merges"] = f.keys["tokenizer.ggml.merges"]
    tokenizer["added_tokens"] = [{"id": i, "content": t, "special": True} for i, t in enumerate(vocab) if kinds[i] == 3]
    tokenizer["post_processor"]["processors"][1]["single"][0]["SpecialToken"]["id"] = begin
    settings = {"bos_token": begin, "eos_token": vocab[f.keys["tokenizer.ggml.eos_token_id"]],
                "chat_template": f.keys.get("tokenizer.chat_template")}
    config = {
        "architectures": ["BitNetForCausalLM"], "_name_or_path": "x/" + f.keys["general.name"],
        "hidden_size": get("embedding_length"), "intermediate_size": get("feed_forward_length"),
        "num_hidden_layers": get("block_count"), "num_attention_heads": get("attention.head_count"),
        "num_key_value_heads": get("attention.head_count_kv"), "vocab_size": len(vocab),
        "head_dim": get("rope.dimension_count"), "max_position_embeddings": get("context_length"),
        "rms_norm_eps": get("attention.layer_norm_rms_epsilon"), "rope_theta": get("rope.freq_base"),
        "hidden_act": "relu2", "tie_word_embeddings": "output.weight" not in f.tensors}
    tensors = {}
    for name, (kind, dims, raw) in f.tensors.items():
        x, hf = f.floats(name), hf_name(name)
        if kind != "I2_S" or form == "floats":
            tensors[hf] = ck.Tensor(x, "F16" if kind == "F16" else "F32")
            continue
        tensors[hf] = ck.Tensor(ck.pack(np.sign(x).astype(np.int8)), "U8")
        scale = np.frombuffer(raw, "<f4", 1, int(np.prod(dims)) // 4)
        tensors[hf + "_scale"] = ck.Tensor(scale, "F32")
    more = {"quantization_config": QUANTIZATION["multiply"]} if form == "packed" else {}
    ck.write(folder, tensors, dict(config, **more), 3, tokenizer_json=tokenizer, tokenizer_config=settings)


if __name__ == "__main__":
    write(gguf.File(sys.argv[1]), sys.argv[2], "packed")
