#!/usr/bin/env python3
"""seeds.py CORPUS - what fuzzers begin with: a folder for each target, in CORPUS, of inputs that get
past the first checks. What an input's bytes mean is said at the head of each fuzz_*.c."""
import json
import pathlib
import re
import struct
import sys

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
corpus = pathlib.Path(sys.argv[1])


def put(target, name, data):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data)


def text(s):
    data = s.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(keys, tensors=()):
    """keys: (name, type, the value's bytes); tensors: (name, dims, type, bytes)."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for name, kind, value in keys:
        out += text(name) + struct.pack("<I", kind) + value
    data = b""
    for name, dims, kind, values in tensors:
        out += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        out += struct.pack("<IQ", kind, len(data))
        data += values + bytes(-len(values) % 32)
    return out + bytes(-len(out) % 32) + data


def array(kind, values):
    return struct.pack("<IQ", kind, len(values)) + b"".join(values)


def vocabulary(kind):
    spm = kind == "llama"
    pieces = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] + ["\u2581", "\u2581a"] if spm else
                                         ["a", "b", "ab", "\u0120", "\u0120a", "\u010a"])
    types = [2, 3, 3] + [6 if spm and p.startswith("<0x") else 1 for p in pieces[3:]]
    keys = [
        ("general.architecture", 8, text("llama")),
        ("tokenizer.ggml.model", 8, text(kind)),
        ("tokenizer.ggml.tokens", 9, array(8, [text(p) for p in pieces])),
        ("tokenizer.ggml.token_type", 9, array(5, [struct.pack("<i", t) for t in types])),
        ("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 1)),
        ("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 2)),
    ]
    if spm:
        keys.append(("tokenizer.ggml.scores", 9, array(6, [struct.pack("<f", -i) for i in range(len(pieces))])))
    else:
        keys.append(("tokenizer.ggml.merges", 9, array(8, [text("a b"), text("\u0120 a")])))
        keys.append(("tokenizer.ggml.pre", 8, text("llama-bpe")))
    return gguf(keys)


def all_types():
    values = [(0, "<B", 1), (1, "<b", -1), (2, "<H", 1), (3, "<h", -1), (4, "<I", 1), (5, "<i", -1), (6, "<f", 1.5),
              (7, "<B", 1), (10, "<Q", 1), (11, "<q", -1), (12, "<d", 2.5)]
    keys = [(f"k{kind}", kind, struct.pack(form, value)) for kind, form, value in values]
    keys += [(f"a{kind}", 9, array(kind, [struct.pack(form, value)] * 3)) for kind, form, value in values]
    return gguf(keys, [("t", [32, 2], 0, bytes(256)), ("u", [32], 1, bytes(64)), ("v", [256], 35, bytes(66))])


put("fuzz_gguf", "types", all_types())
for kind in ("llama", "gpt2"):
    put("fuzz_gguf", kind, vocabulary(kind))
    put("fuzz_tokenizer", kind, b"\x1f" + vocabulary(kind))
for choice in range(12):
    put("fuzz_tokenizer", f"text-{choice}",
        bytes([choice | 32]) + "I'd say: \u4f60\u597d 12345 \t\n caf\u00e9 <s> e\u0301 \U0001f600\ufeff".encode() + b"\xff")
for i in range(16):
    put("fuzz_gguf_parts", str(i), bytes((i * 37 + k * (i + 3)) % 256 for k in range(96)))
for base in (0, 5, 10, 15, 18, 25):
    put("fuzz_model", str(base), bytes([base]))
    put("fuzz_model", f"{base}-edited", bytes([base, base % 7, 7 * base % 256, base % 3, 0, base]))
for base in range(16):
    put("fuzz_metadata", str(base), bytes([base]))
    for i in range(6):  # keys of the room; then a change
        put("fuzz_metadata", f"{base}-{i}", bytes([base]) + b"".join(
            bytes([4, (10 * i + k + base) % 256, (4, 6, 8, 9, 7)[k % 5], 7 * i + k, 5, k]) for k in range(5)) + bytes(
            [i % 4, 30 + 9 * i, base % 8, 0, i, 0]))

for i in range(24):
    put("fuzz_sequence", str(i), bytes([1]) + struct.pack("<I", i * 5 | (i * 31 % 256) << 24) + struct.pack(
        "<I", 1000 * i % 65536 | 255 << 24))
put("fuzz_sequence", "old-hash", bytes([0]) + struct.pack("<I", 100 | 7 << 24))
put("fuzz_sequence", "cut", bytes([1]) + struct.pack("<I", 0xffff00 | 33 << 24))

snippets = json.loads((root / "tests/oracles/jinja_snippets.json").read_text())["templates"]
named = re.findall(r'"((?:[^"\\]|\\.)*)"', (root / "templates/named.c").read_text())
named = [t.encode().decode("unicode_escape") for t in named if "{%" in t or "{{" in t]
for i, program in enumerate(snippets + named):
    put("fuzz_jinja", str(i), program.encode())
    if i % 4 == 0 or i >= len(snippets):
        put("fuzz_template", f"file-{i}", b"\x10" + program.encode())
# What random edits do not come upon: keys that are hashed and compared all the way down, methods over long texts,
# names by **. As small as fuzz_jinja's limits ask.
for depth in (2, 10, 60, 110):
    key = "(" * depth + "messages[1].content" + ", 1)" * depth
    put("fuzz_jinja", f"key-{depth}", f"{{% set k = {key} %}}{{% set d = {{k: 'a'}} %}}{{{{ d[k] }}}}{{{{ d == {{k: 'a'}} }}}}"
        f"{{{{ [k, k] | unique | list | length }}}}{{{{ d | dictsort }}}}".encode())
long = "{% set t = (messages[0].content ~ 'ab ') * 60 %}"
for i, call in enumerate(("upper", "lower", "title", "capitalize", "strip", "lstrip('S')", "rstrip(' ab')", "split", "split(' ', 5)",
                          "rsplit('a')", "splitlines", "partition('b')", "rpartition('zz')", "replace('ab', 'xyz')",
                          "replace('', '-')", "count('a')", "find('zz')", "rfind('S')", "zfill(2000)", "join(['x', 'y'])",
                          "startswith('S')", "removesuffix('ab ')", "isalnum", "format(1)")):
    call += "" if call.endswith(")") else "()"
    put("fuzz_jinja", f"long-{i}", f"{long}{{{{ t.{call} }}}}{{{{ t.{call} | string | length }}}}".encode())
for i, names in enumerate(("{'a': 1}", "{'b': 2, 'c c': (1, 2)}", "{'': 1}", "{(1, 2): 3}", "messages[1]", "dict(a=1)", "[1]",
                           "{messages[1].content: 1}", "{'caller': 1, 'kwargs': 2, 'varargs': 3}")):
    put("fuzz_jinja", f"names-{i}", f"{{% macro m(a, b=2) %}}{{{{ a }}}}{{{{ b }}}}{{{{ kwargs }}}}{{{{ varargs }}}}{{% endmacro %}}"
        f"{{{{ m(**{names}) }}}}{{{{ dict(x=1, **{names}) }}}}{{{{ namespace(**{names}).a }}}}{{{{ '{{a}}'.format(**{names}) }}}}".encode())

for choice in range(8):
    put("fuzz_template", f"texts-{choice}", bytes([choice]) + b"be brief\xfehello <|im_end|>\xfe</s> [INST] one\n<|eot_id|>")

for i, path in enumerate(sorted((root / "tests/receipts/old").glob("*.json"))):
    put("fuzz_receipt", f"old-{i}", b"\x01" + path.read_bytes())
for i in range(32):
    put("fuzz_receipt", f"edit-{i}", bytes([2 * (i % 2)]) + bytes((i * 29 + k * 17) % 256 for k in range(16)))

desc = b"abi=1.2;name=cpu-test;needs=avx2,fma;priority=50"
note = struct.pack("<III", 7, len(desc), 1) + b"bitnet\0\0" + desc
put("fuzz_elfnote", "note", b"\x01" + note)
put("fuzz_elfnote", "text", b"\x01" + desc)
put("fuzz_elfnote", "extends", b"\x01" + desc + b";extends=cpu-base")
for name in sorted(root.glob("build/*/test-plugins/good.so"))[:1]:
    put("fuzz_elfnote", "file", b"\x00" + name.read_bytes()[:65536])

for command in range(11):
    words = b"-m\0a.gguf\0-p\0hello\0-n\0" + b"10\0--temp\x000.5\0--top-k=4\0--stop\0x\0--json\0--threads=1,2\0"
    put("fuzz_args", str(command), bytes([command << 1]) + words)
    put("fuzz_args", f"{command}-named", bytes([command << 1 | 1]) + b"".join(bytes([c]) + b"1\0" for c in range(1, 32)))

for index in range(40):
    for shape in range(2):
        put("fuzz_types", f"{index}-{shape}", bytes([index, 1 + 2 * shape, shape, shape]) + bytes(
            (k * 73 + index) % 256 for k in range(6000)))

schemas = [{"type": "object", "properties": {"a": {"type": "integer", "minimum": -3}, "b": {"enum": ["x", 1, None]}},
            "required": ["a"], "additionalProperties": False},
           {"type": "array", "items": {"$ref": "#/$defs/n"}, "minItems": 1, "$defs": {"n": {"type": "number"}}},
           {"anyOf": [{"type": "string", "pattern": "^[a-f0-9]{2,4}(-x|\\d+)?$"}, {"const": True}]},
           {"anyOf": [{"type": "string", "pattern": "a[]b|[^]c"}, {"const": True}]},
           {"anyOf": [{"pattern": "(]A-x$||(x?$"}, {"const": True}], "required": ["a"]},
           {"type": "string", "pattern": "^(?!a)(?=.*c)[a-c\"\\n]+$", "minLength": 3, "maxLength": 7},
           {"type": "string", "format": "email", "pattern": "^(?!\\.)(?!.*\\.\\.)[a-z.]*@", "maxLength": 20},
           {"allOf": [{"pattern": "(ab)*$"}, {"pattern": "^(..)+$", "minLength": 5}, {"type": ["string", "null"], "maxLength": 9}]},
           {"enum": ["a", "ab", "b\"", 7, [1]], "pattern": "^(a|b)", "maxLength": 2},
           {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "pattern": "^[a-f]+$", "maxLength": 3}, {"pattern": "^[a-f]+$", "type": "string", "minLength": 4}]},
           {"type": "object", "propertyNames": {"enum": ["a", "b", 3]}, "additionalProperties": {"format": "int32"}, "required": ["b"]},
           {"type": "object", "propertyNames": {"pattern": "^[a-z]$"}, "x-y": 1, "properties": {}},
           {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"enum": ["a", "ab", 1, 1.0, None, [1]]}},
           {"type": "number", "multipleOf": 15, "minimum": -60, "exclusiveMaximum": 1000}, {"allOf": [{"multipleOf": 4}, {"multipleOf": 6}]},
           {"type": "string", "minLength": 2, "maxLength": 5}, {"oneOf": [{"type": "null"}, {"type": "boolean"}]}, True]
for i, schema in enumerate(schemas):
    put("fuzz_schema", str(i), json.dumps(schema).encode() + b"\xfe" + bytes(range(40)))
calls = {"mark": "<c>", "end": "</c>", "list": False, "most": 0, "call": {"type": "object", "properties": {"n": {"enum": [1, 2]}}}}
for i, more in enumerate([{}, {"most": 1, "list": True}, {"text": {"enum": ["x", ["<c>"]]}}, {"mark": "aab", "text": {"type": "array"}, "most": 1}]):
    put("fuzz_schema", f"calls-{i}", b"\x01" + json.dumps(dict(calls, **more)).encode() + b"\xfe" + b"ab<c> " + bytes(range(40)))
grammars = ['root ::= "a" | [b-z]+ "x"? ( "(" root ")" )*', 'root ::= item{2,3}\nitem ::= [^"\\\\] | "\\x41" | .  # any',
            'root ::= ws value ws\nvalue ::= "{" ws "}" | "[" value ("," value)* "]" | [0-9]+\nws ::= [ \\t\\n]*']
for i, grammar in enumerate(grammars):
    put("fuzz_grammar", str(i), grammar.encode() + b"\xfe" + b'ab(bx)[1,2]{ } "A')

layout = {"x": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
          "y": {"dtype": "BF16", "shape": [16], "data_offsets": [32, 64]}, "__metadata__": {"format": "pt"}}
head = json.dumps(layout).encode()
put("fuzz_checkpoint", "file", b"\x00" + struct.pack("<Q", len(head)) + head + bytes(64))
put("fuzz_checkpoint", "header", b"\x01" + head)
turn = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128}
for arch in ("BitNet", "Bitnet", "Llama", "Qwen2", "Qwen3", "MiniCPM"):
    config = {"architectures": [arch + "ForCausalLM"], "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
              "num_attention_heads": 4, "vocab_size": 32, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
              "scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 16, "rope_theta": 1e4, "rope_scaling": turn,
              "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"}}
    put("fuzz_checkpoint", arch, b"\x02" + json.dumps(config).encode())
tokenizer = {"added_tokens": [{"id": 3, "content": "<s>", "special": True}], "normalizer": {"type": "NFC"},
             "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                 {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]},
             "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {}}]},
             "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"], "a b"]}}
put("fuzz_checkpoint", "tokenizer", b"\x03" + json.dumps(tokenizer).encode())
bytes_of = ["<unk>"] + [f"<0x{b:02X}>" for b in range(256)]
ranked = {"normalizer": {"type": "Prepend", "prepend": "\u2581"}, "pre_tokenizer": {
              "type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False},
          "model": {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "merges": [["a", "b"], ["ab", "b"], ["a", "bb"]],
                    "vocab": {t: i for i, t in enumerate(bytes_of + ["a", "b", "ab", "abb", "bb"])}}}
put("fuzz_checkpoint", "ranked", b"\x03" + json.dumps(ranked).encode())
put("fuzz_checkpoint", "model", b"\x04" + bytes.fromhex("0a0e0a05 3c756e6b 3e150000 00001802 0a080a01 61150000 80bf 12021802 1a041801 2000"))
