#!/usr/bin/python3
"""check.py BUILD - `bitnet convert`: every form, architecture and type against numpy, and refusals."""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

import checkpoint as ck
import demo as demo_checkpoint
import gguf
from models import FF, HEAD, HF, KV, LAYERS, QUANTIZATION, ROWS, WIDTH, Net

BUILD = sys.argv[1]
BITNET = os.path.join(BUILD, "bitnet")
DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../models/bitnet-demo-i2_s.gguf")
counts = {True: 0, False: 0}


def check(name, good, why=""):
    counts[bool(good)] += 1
    if not good:
        print("FAILED: %s %s" % (name, why))


def equal(name, got, wanted):
    check(name, got == wanted, "\n  got    %.300r\n  wanted %.300r" % (got, wanted))


def run(*words):
    env = {k: v for k, v in os.environ.items() if not k.startswith("BITNET_")}
    return subprocess.run([BITNET, *map(str, words)], capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)


def converts(name, folder, out, *options):
    r = run("convert", folder, "-o", out, "--force", *options)
    check(name, r.returncode == 0, r.stderr)
    return r.returncode == 0


def refused(name, folder, status, pattern, *options):
    import re

    r = run("convert", folder, "-o", os.path.join(folder, "none.gguf"), *options)
    check(name, r.returncode == status and re.search(pattern, r.stderr), "%d %s" % (r.returncode, r.stderr))
    left = [f for f in os.listdir(folder) if f.endswith(".gguf") or f.startswith(".bitnet")]
    equal(name + ": nothing is left", left, [])


def digest(path):
    r = run("-m", path, "-p", "the thing", "-n", "4", "--json")
    check("runs " + os.path.basename(path), r.returncode == 0, r.stderr)
    return json.loads(r.stdout)["hidden_digest"] if r.returncode == 0 else None


def sha(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def same_weights(name, path, net, embeddings="F16"):
    f = gguf.File(path)
    equal(name + ": tensors", sorted(f.tensors), sorted(net.expected))
    for tensor, want in net.expected.items():
        kind = f.tensors[tensor][0]
        if tensor in ("token_embd.weight", "output.weight"):
            equal("%s: type of %s" % (name, tensor), kind, embeddings)
            want = want.astype(np.float16).astype(np.float32) if embeddings == "F16" else want
        got = f.floats(tensor)
        check("%s: %s" % (name, tensor), got.shape == want.shape and np.array_equal(got, want),
              "%s %s" % (kind, np.abs(got - want).max() if got.shape == want.shape else got.shape))
    return f


# ---- every form ------------------------------------------------------------------------------
def forms(tmp):
    for form in ("multiply", "divide", "master", "tensor"):
        for shards in (1, 3):
            net = Net("bitnet-b1.58", form, seed=3)
            folder, out = "%s/%s-%d" % (tmp, form, shards), "%s/%s-%d.gguf" % (tmp, form, shards)
            net.write(folder, shards=shards)
            if not converts("%s in %d" % (form, shards), folder, out, "-t", shards):
                continue
            same_weights(form, out, net)
            equal("one thread and two give the same bytes", sha(out), sha("%s/%s-1.gguf" % (tmp, form)))
            digest(out)
    net = Net("bitnet-b1.58", "multiply", seed=3)
    for dtype in ("F32", "F16", "F64"):
        for name, t in net.tensors.items():
            if t.dtype == "BF16":
                u = np.frombuffer(t.raw, "<u2").astype(np.uint32) << 16
                net.tensors[name] = ck.Tensor(u.view(np.float32).reshape(t.shape), dtype)
        net.write("%s/%s" % (tmp, dtype))
        if converts("floats as " + dtype, "%s/%s" % (tmp, dtype), tmp + "/d.gguf"):
            equal(dtype + " is the same model", sha(tmp + "/d.gguf"), sha(tmp + "/multiply-1.gguf"))
        net = Net("bitnet-b1.58", "multiply", seed=3)


# ---- every type ------------------------------------------------------------------------------
def types(tmp):
    every = ("I2_S", "I2_S/b", "I2_S/c", "TQ1_0", "TQ2_0", "Q2_0", "Q2_0/128", "PQ2_0")
    net = Net("llama", "multiply", seed=4)
    net.write(tmp + "/t")
    digests = set()
    for kind in every:
        out = "%s/%s.gguf" % (tmp, kind.replace("/", "-"))
        if not converts("to " + kind, tmp + "/t", out, "--type=" + kind):
            continue
        if kind not in ("I2_S/b", "I2_S/c"):
            same_weights(kind, out, net)
        layout = ["--i2s-layout=" + kind[-1]] if kind[-2] == "/" else []
        r = run("-m", out, "-p", "the thing", "-n", "4", "--json", *layout)
        digests.add(json.loads(r.stdout)["hidden_digest"])
    equal("all types compute the same", len(digests), 1)
    for form, good in (("row", ("TQ1_0", "TQ2_0", "Q2_0", "PQ2_0")), ("block", ("Q2_0", "Q2_0/128", "PQ2_0"))):
        net = Net("llama", form, seed=5)
        net.write(tmp + "/" + form)
        for kind in good:
            if converts("a scale per %s as %s" % (form, kind), tmp + "/" + form, tmp + "/s.gguf", "--type=" + kind):
                same_weights("%s as %s" % (form, kind), tmp + "/s.gguf", net)
        refused("a scale per %s in I2_S" % form, tmp + "/" + form, 5, "scales .* meet .*I2_S has one scale a tensor")
    refused("a scale per 128 in TQ2_0", tmp + "/block", 5, "meet in one block, and TQ2_0", "--type=TQ2_0")
    net = Net("llama", "divide", seed=6)
    net.write(tmp + "/inverse")
    refused("an inverse that binary16 has not", tmp + "/inverse", 5, "is no binary16 number", "--type=TQ2_0")
    r = run("convert", tmp + "/inverse", "-o", tmp + "/r.gguf", "--type=TQ2_0", "--round-scales")
    check("is rounded when asked for", r.returncode == 0 and "rounded, by at most 0.000" in r.stdout, r.stdout + r.stderr)


# ---- every architecture ----------------------------------------------------------------------
def architectures(tmp):
    for arch in HF:
        form = "master" if arch == "bitnet" else "multiply"
        net = Net(arch, form, seed=7, tied=arch not in ("qwen2", "bitnet"))
        folder, out = tmp + "/" + arch, tmp + "/" + arch + ".gguf"
        spm = arch in ("bitnet", "minicpm")
        words = ["▁", "th", "▁th", "▁the", "in", "e", "t", "h"]
        net.write(folder, **(dict(tokenizer_model=ck.spm_model(words), tokenizer_config={"bos_token": "<s>", "eos_token": "</s>"})
                             if spm else {}))
        if not converts(arch, folder, out):
            continue
        f = same_weights(arch, out, net)
        equal(arch + ": name", f.keys["general.architecture"], arch)
        wanted = {"block_count": LAYERS, "embedding_length": WIDTH, "feed_forward_length": FF, "vocab_size": ROWS,
                  "attention.head_count": 4, "attention.head_count_kv": KV, "attention.key_length": HEAD,
                  "context_length": 512, "rope.freq_base": 500000.0, "rope.dimension_count": HEAD}
        for key, v in wanted.items():
            equal("%s.%s" % (arch, key), f.keys.get(arch + "." + key), v)
        equal(arch + ": no activation of its own", arch + ".hidden_activation" in f.keys, False)
        if arch == "minicpm":
            near = lambda key, v: abs(f.keys["minicpm." + key] / v - 1) < 1e-6
            check("factors", near("embedding_scale", 12) and near("residual_scale", 1.4 / 2**0.5) and near("logit_scale", 4))
        digest(out)
    # What the rotation means: the same network as qwen-like halves and as llama's neighbours.
    a, b = Net("bitnet", "tensor", seed=8), Net("llama", "tensor", seed=8)
    check("llama's q is permuted", not np.array_equal(a.expected["blk.0.attn_q.weight"], b.expected["blk.0.attn_q.weight"]))
    net = Net("llama", "multiply", seed=9)
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 128}
    net.write(tmp + "/l3", config=net.config(rope_scaling=scaling))
    if converts("llama3's rotation", tmp + "/l3", tmp + "/l3.gguf"):
        got = gguf.File(tmp + "/l3.gguf").floats("rope_freqs.weight")
        freq = 500000.0 ** (-np.arange(HEAD // 2) / (HEAD // 2))
        length = 2 * np.pi / freq
        smooth = (128 / length - 1) / 3
        want = np.where(length < 32, 1, np.where(length > 128, 8, 1 / ((1 - smooth) / 8 + smooth)))
        check("its factors", np.allclose(got, want, rtol=1e-6), str(got))
        digest(tmp + "/l3.gguf")
    for kind, more in (("yarn", {"beta_fast": 16, "original_max_position_embeddings": 128}), ("linear", {})):
        net.write(tmp + "/" + kind, config=net.config(rope_theta=..., rope_parameters={"rope_type": kind, "factor": 4.0, "rope_theta": 1000.0, **more}))
        if converts(kind, tmp + "/" + kind, tmp + "/y.gguf"):
            keys = gguf.File(tmp + "/y.gguf").keys
            equal(kind, (keys["llama.rope.scaling.type"], keys["llama.rope.scaling.factor"], keys["llama.rope.freq_base"]), (kind, 4.0, 1000.0))
            digest(tmp + "/y.gguf")
    net = Net("minicpm", "multiply", seed=9)
    factors = {"short_factor": [1.0] * 32, "long_factor": [1.0 + i / 8 for i in range(32)], "rope_type": "longrope",
               "original_max_position_embeddings": 128}
    net.write(tmp + "/lr", config=net.config(rope_scaling=factors))
    if converts("longrope", tmp + "/lr", tmp + "/lr.gguf"):
        f = gguf.File(tmp + "/lr.gguf")
        equal("its long factors", list(f.floats("rope_factors_long.weight")), factors["long_factor"])
        wanted = (1 + np.log(4) / np.log(128)) ** 0.5
        check("its growth", abs(f.keys["minicpm.rope.scaling.attn_factor"] - wanted) < 1e-6)
        digest(tmp + "/lr.gguf")


# ---- embeddings, tokenizers ------------------------------------------------------------------
def embeddings(tmp):
    net = Net("qwen3", "multiply", seed=10, tied=False)
    net.write(tmp + "/e")
    want = net.expected["token_embd.weight"]
    most = lambda n: np.repeat(np.abs(want).reshape(-1, n).max(1), n).reshape(want.shape)
    for kind, bound in (("bf16", 0), ("f32", 0), ("f16", most(1) * 2**-11 + 2**-25), ("q8_0", most(32) / 250),
                        ("q6_k", most(16) / 30 + most(256) / 250)):
        if not converts("embeddings as " + kind, tmp + "/e", tmp + "/e.gguf", "--embeddings=" + kind):
            continue
        f = gguf.File(tmp + "/e.gguf")
        equal("their type", (f.tensors["token_embd.weight"][0], f.tensors["output.weight"][0]), (kind.upper(), kind.upper()))
        error = np.abs(f.floats("token_embd.weight") - want)
        check("are near enough as " + kind, (error <= bound).all(), str((error - bound).max()))
        digest(tmp + "/e.gguf")


def ranks(net, tmp):
    """SentencePiece's BPE in tokenizer.json: the tokens are those that tokenizer.model gives."""
    words = ["\u2581", "t", "h", "e", "i", "n", "a", "\u2581t", "he", "\u2581the", "in", "\u2581in", "an", "the", "\u2581\u2581"]
    texts = ["in the thing", "  then\n", "\u00e4 an a the", "heh the  in"]
    settings = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    made = {"model": dict(tokenizer_model=ck.spm_model(words)), "normalizer": dict(tokenizer_json=ck.rank_tokenizer(words)),
            "metaspace": dict(tokenizer_json=ck.rank_tokenizer(words, normalizer=False)),
            "never": dict(tokenizer_json=ck.rank_tokenizer(words, normalizer=False, scheme="never")),
            "text": dict(tokenizer_json=ck.rank_tokenizer(words))}
    model = made["text"]["tokenizer_json"]["model"]
    model["merges"] = [" ".join(m) for m in model["merges"]]
    ids = {}
    for what, files in made.items():
        folder, out = tmp + "/rank-" + what, tmp + "/rank-" + what + ".gguf"
        net.write(folder, tokenizer_config=settings, **files)
        if converts("SentencePiece's, " + what, folder, out):
            ids[what] = [run("tokenize", "-m", out, "--ids", t).stdout for t in texts]
            keys = gguf.File(out).keys
            equal(what + ": kind", (keys["tokenizer.ggml.model"], keys["tokenizer.ggml.add_space_prefix"]), ("llama", what != "never"))
            equal(what + ": types", [keys["tokenizer.ggml.token_type"][i] for i in (0, 1, 2, 3, 258, 259)], [2, 3, 3, 6, 6, 1])
    equal("a tokenizer.json has tokenizer.model's tokens", ids["normalizer"], ids["model"])
    equal("with merges as texts", ids["text"], ids["model"])
    equal("and by Metaspace", ids["metaspace"], ids["model"])
    check("without a first space others", ids["never"][0] != ids["model"][0])
    first = ck.rank_tokenizer(words, normalizer=False, scheme="first")
    net.write(tmp + "/rank-first", tokenizer_json=first, tokenizer_config=settings)
    r = run("convert", tmp + "/rank-first", "-o", tmp + "/rank-first.gguf")
    check("a space at the beginning alone is said", r.returncode == 0 and "in front of a text's beginning alone" in r.stderr, r.stderr)
    for what, more in (("tokenizer.json beside", dict(tokenizer_json=first, tokenizer_config=settings)), ("legacy", dict(tokenizer_config=dict(settings, legacy=False)))):
        net.write(tmp + "/first-" + what[:6], tokenizer_model=ck.spm_model(words), **more)
        r = run("convert", tmp + "/first-" + what[:6], "-o", tmp + "/first.gguf", "--force")
        check("the same of a tokenizer.model, " + what, r.returncode == 0 and "in front of a text's beginning alone" in r.stderr, r.stderr)
    merges = ck.rank_tokenizer(words)["model"]["merges"]
    for i, (what, change, status, why) in enumerate((
        ("a merge is missing", {"merges": merges[:-1]}, 5, "are missing|not all that the vocabulary allows"),
        ("a merge is there twice", {"merges": merges + merges[-1:]}, 5, "are there twice"),
        ("merges in another order", {"merges": merges[1:] + merges[:1] + merges[1:2]}, 5, "not beside each other|twice"),
        ("a merge of no piece", {"merges": merges + [["q", "t"]]}, 4, "is not of pieces"),
        ("no bytes", {"byte_fallback": False}, 5, "byte_fallback is not true, and 256 of 256"),
        ("ignore_merges", {"ignore_merges": True}, 5, "ignore_merges"),
        ("a Unigram", {"type": "Unigram"}, 5, "a model of type 'Unigram'.*tokenizer.model"),
    )):
        net.write("%s/rank%d" % (tmp, i), tokenizer_json=ck.rank_tokenizer(words, **change), tokenizer_config=settings)
        refused(what, "%s/rank%d" % (tmp, i), status, why)
    for i, (what, change, why) in enumerate((
        ("another normalizer", {"normalizer": {"type": "NFKC"}}, "normalizer of type 'NFKC'"),
        ("another pre-tokenizer", {"pre_tokenizer": {"type": "Whitespace"}}, "pre-tokenizer of type 'Whitespace'"),
        ("spaces that stay", {"normalizer": None}, "spaces stay spaces"),
    )):
        net.write("%s/rankn%d" % (tmp, i), tokenizer_json=dict(ck.rank_tokenizer(words), **change), tokenizer_config=settings)
        refused(what, "%s/rankn%d" % (tmp, i), 5, why)


def templates(net, tmp):
    """A list of chat templates, as gguf-py writes it."""
    tool, default, odd = ({"name": n, "template": t} for n, t in (("tool_use", "Uü"), ("default", "D"), ("ein-Ä", "O")))
    for i, (what, given, wanted) in enumerate((
        ("with a default", [default, tool, odd], {"": "D", ".tool_use": "Uü", ".ein__": "O", "s": ["tool_use", "ein__"]}),
        ("without one", [tool], {".tool_use": "Uü", "s": ["tool_use"]}),
        ("a default alone", [default], {"": "D"}),
        ("twice", [tool, default, dict(tool, template="V")], {"": "D", ".tool_use": "V", "s": ["tool_use"]}),
        ("what is none", [{"name": "x"}, {"template": "y"}, {"name": "", "template": "z"}, default], {"": "D"}),
        ("an empty list", [], {}),
    )):
        folder, out = "%s/t%d" % (tmp, i), "%s/t%d.gguf" % (tmp, i)
        net.write(folder, tokenizer_json=ck.bpe_tokenizer(ROWS), tokenizer_config=dict(ck.BPE_CONFIG, chat_template=given))
        r = run("convert", folder, "-o", out)
        check("templates: " + what, r.returncode == 0, r.stderr)
        head = "tokenizer.chat_template"
        keys = {k[len(head):]: v for k, v in gguf.File(out).keys.items() if k.startswith(head)}
        equal("templates: %s: keys" % what, keys, wanted)
        equal("templates: %s: told" % what, "none is the default" in r.stderr, what == "without one")


def tokenizers(tmp):
    net = Net("llama", "multiply", seed=11)
    tokenizer, n = ck.bpe_tokenizer(ROWS), 0
    for what, change, pre in (("as pairs", {}, "llama-bpe"), ("as text", {"pairs": False}, "llama-bpe"),
                              ("merges decide", {"ignore_merges": False}, "smaug-bpe"),
                              ("Qwen's", {"regex": ck.QWEN2, "ignore_merges": False}, "qwen2")):
        n += 1
        folder, out = "%s/k%d" % (tmp, n), "%s/k%d.gguf" % (tmp, n)
        net.write(folder, tokenizer=ck.bpe_tokenizer(ROWS, **change))
        if not converts(what, folder, out):
            continue
        keys = gguf.File(out).keys
        equal(what + ": pre", keys["tokenizer.ggml.pre"], pre)
        equal(what + ": merges", keys["tokenizer.ggml.merges"], ["t h", "th e", "Ġ the", "i n", "a n"])
        tokens, kinds = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
        equal(what + ": pieces", tokens[:261], list(tokenizer["model"]["vocab"]))
        equal(what + ": special ones", [(tokens[i], kinds[i]) for i in range(309, 312)], [("<|begin|>", 3), ("<|end|>", 3), ("<tool>", 4)])
        equal(what + ": gaps", [(tokens[i], kinds[i]) for i in (261, 308, 312, 319)], [("[PAD%d]" % i, 5) for i in (261, 308, 312, 319)])
        equal(what + ": ids", (keys["tokenizer.ggml.bos_token_id"], keys["tokenizer.ggml.eos_token_id"], keys["tokenizer.ggml.add_bos_token"]), (309, 310, True))
        equal(what + ": template", keys["tokenizer.chat_template"], ck.BPE_CONFIG["chat_template"])
        r = run("tokenize", "-m", out, "--ids", "in the thing")
        equal(what + ": tokens", r.stdout.strip(), "309 259 258 32 256 259 103")
    net.write(tmp + "/gpt2", tokenizer=dict(ck.bpe_tokenizer(ROWS, ignore_merges=False), pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False}),)
    if converts("GPT-2's", tmp + "/gpt2", tmp + "/g.gguf"):
        equal("is gpt-2", gguf.File(tmp + "/g.gguf").keys["tokenizer.ggml.pre"], "gpt-2")
    # What is put around a text is not always what bos_token and eos_token say.
    around = ck.bpe_tokenizer(ROWS, bos=False)
    around["post_processor"]["processors"][1]["single"] += [{"SpecialToken": {"id": "<tool>", "type_id": 0}}]
    net.write(tmp + "/around", tokenizer=around)
    if converts("another last token", tmp + "/around", tmp + "/around.gguf"):
        keys = gguf.File(tmp + "/around.gguf").keys
        equal("is EOS", [keys["tokenizer.ggml.%s_token_id" % k] for k in ("bos", "eos", "eot")], [309, 311, 310])
        equal("and ends a text", run("tokenize", "-m", tmp + "/around.gguf", "--ids", "the").stdout.strip().split()[-1], "311")
    net.write(tmp + "/roberta", tokenizer=dict(ck.bpe_tokenizer(ROWS), post_processor={"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 1]}))
    refused("another post-processor", tmp + "/roberta", 5, "post_processor of type 'RobertaProcessing'")
    net.write(tmp + "/jinja", tokenizer_json=ck.bpe_tokenizer(ROWS), tokenizer_config=ck.BPE_CONFIG, template="{{ 'a file' }}")
    if converts("a template file", tmp + "/jinja", tmp + "/j.gguf"):
        equal("is stronger", gguf.File(tmp + "/j.gguf").keys["tokenizer.chat_template"], "{{ 'a file' }}")
    templates(net, tmp)
    bad = {
        "an unknown expression": (dict(regex=r"\w+"), r"no pre-tokenizer is known that cuts by 1 expression.*\\w\+"),
        "ignore_merges with Qwen's": (dict(regex=ck.QWEN2), "ignore_merges is true, which no pre-tokenizer"),
    }
    for i, (what, (change, why)) in enumerate(bad.items()):
        net.write("%s/b%d" % (tmp, i), tokenizer=ck.bpe_tokenizer(ROWS, **change))
        refused(what, "%s/b%d" % (tmp, i), 5, why)
    for i, (what, change, why) in enumerate((
        ("a normalizer", {"normalizer": {"type": "Lowercase"}}, "normalizer of type 'Lowercase'"),
        ("Unigram", {"model": {"type": "Unigram", "vocab": []}}, "model of type 'Unigram'"),
        ("no merges", {"model": {"type": "BPE", "vocab": {}}}, "no vocab or no merges"),
        ("two pieces of one id", {"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}}, "has no id of its own"),
    )):
        net.write("%s/n%d" % (tmp, i), tokenizer=dict(ck.bpe_tokenizer(ROWS), **change))
        refused(what, "%s/n%d" % (tmp, i), 5 if i < 2 else 4, why)
    net.write(tmp + "/nfc", tokenizer=dict(ck.bpe_tokenizer(ROWS), normalizer={"type": "NFC"}))
    r = run("convert", tmp + "/nfc", "-o", tmp + "/nfc.gguf")
    check("NFC is said", r.returncode == 0 and "NFC" in r.stderr, r.stderr)
    strips = ck.bpe_tokenizer(ROWS)
    strips["added_tokens"][2]["lstrip"] = True
    net.write(tmp + "/strips", tokenizer=strips)
    r = run("convert", tmp + "/strips", "-o", tmp + "/strips.gguf")
    net.write(tmp + "/user", tokenizer_model=ck.spm_model(["a"], user=["<tool>"]), tokenizer_config={"bos_token": "<s>"})
    u = run("convert", tmp + "/user", "-o", tmp + "/user.gguf")
    check("user-defined pieces are said", u.returncode == 0 and "user-defined pieces" in u.stderr, u.stderr)
    check("lstrip is said", r.returncode == 0 and "lstrip" in r.stderr, r.stderr)
    for i, (what, model, status, why) in enumerate((
        ("a Unigram model", ck.spm_model(["a"], kind=1), 5, "kind Unigram"),
        ("no protobuf", b"\xff" * 50, 4, "no SentencePiece model"),
        ("cut short", ck.spm_model(["abc"])[:-3], 4, "no SentencePiece model"),
        ("characters that are replaced", ck.spm_model(["abc"], charsmap=b"map"), 5, "replaces characters first .normalizer 'nmt_nfkc'"),
        ("spaces behind words", ck.spm_model(["abc"], suffix=1), 5, "treat_whitespace_as_suffix"),
    )):
        net.write("%s/m%d" % (tmp, i), tokenizer_model=model)
        refused(what, "%s/m%d" % (tmp, i), status, why)
    ranks(net, tmp)
    net.write(tmp + "/many", config=net.config(vocab_size=300))
    refused("more tokens than rows", tmp + "/many", 4, "312 tokens, config.json a vocab_size of 300")


# ---- refusals --------------------------------------------------------------------------------
def changed(net, folder, change, **config):
    tensors = dict(net.tensors)
    change(tensors)
    saved, net.tensors = net.tensors, tensors
    net.write(folder, config=net.config(**config))
    net.tensors = saved


def refusals(tmp):
    q, w = "model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.up_proj.weight"
    net, n = Net("llama", "multiply", seed=12), 0
    nothing = lambda t: None
    floats = lambda x: ck.Tensor(np.asarray(x, np.float32), "F32")
    cases = [
        ("no quantization_config", nothing, dict(quantization_config=...), 5, "unclear .config.json has no.*multiplies, .* divides; --scale="),
        ("online, but packed", nothing, dict(quantization_config=QUANTIZATION["master"]), 5, "unclear .*\"online\" means master"),
        ("an unknown class", nothing, dict(quantization_config={"quant_method": "bitnet", "linear_class": "new"}), 5, "unclear .*\"new\""),
        ("another method", nothing, dict(quantization_config={"quant_method": "gptq"}), 5, "quantized by 'gptq'"),
        ("no scale", lambda t: t.pop(q + "_scale"), {}, 4, "is packed, and '.*_scale' is missing"),
        ("two scales", lambda t: t.update({q + "_scale": floats([1, 2])}), {}, 5, "2 elements of F32, not one"),
        ("a scale of 0", lambda t: t.update({q + "_scale": floats([0])}), {}, 4, "_scale' is 0"),
        ("a scale that is none", lambda t: t.update({q + "_scale": floats([np.nan])}), {}, 4, "_scale' is -?nan"),
        ("a code 3", lambda t: t.update({q: ck.Tensor(np.full((64, 256), 255), "U8")}), {}, 4, "row 0 has a code 3"),
        ("floats that are not ternary", lambda t: (t.pop(w + "_scale"), t.update({w: floats(np.linspace(-1, 1, FF * WIDTH).reshape(FF, WIDTH))})), {}, 5,
         "up_proj.weight' is not ternary: 1 and -?0\\.99.* are both near weight 1 of row 0.*--weights=master"),
        ("a tensor nobody knows", lambda t: t.update({"model.layers.0.mlp.extra.weight": floats([1])}), {}, 5, "'model.layers.0.mlp.extra.weight' has no place"),
        ("a bias", lambda t: t.update({q[:-6] + "bias": floats(np.zeros(256))}), {}, 5, "q_proj.bias' has no place in the llama graph"),
        ("a layer too many", nothing, dict(num_hidden_layers=1), 4, "config.json has 1 layers"),
        ("a layer too few", nothing, dict(num_hidden_layers=3), 4, "cannot be run: 3 blocks, but only 20"),
        ("a tensor that is missing", lambda t: t.pop("model.norm.weight"), {}, 4, "output_norm.weight' is missing"),
        ("another shape", nothing, dict(intermediate_size=1024), 4, "cannot be run: .*not 256 x 1024"),
        ("another head", lambda t: t.update({"lm_head.weight": floats(np.ones((ROWS, WIDTH)))}), {}, 4, "tie_word_embeddings.*another matrix"),
        ("no head", nothing, dict(tie_word_embeddings=False), 4, "there is none"),
        ("another architecture", nothing, dict(architectures=["MambaForCausalLM"]), 5, "'MambaForCausalLM'; converted are BitNet"),
        ("no architecture", nothing, dict(architectures=...), 4, "no \"architectures\""),
        ("a partial rotation", nothing, dict(partial_rotary_factor=0.5), 5, "partial_rotary_factor"),
        ("a window", nothing, dict(sliding_window=64), 5, "sliding_window"),
        ("an activation", nothing, dict(hidden_act="gelu"), 5, "activation 'gelu'"),
        ("a rotation", nothing, dict(rope_scaling={"rope_type": "dynamic", "factor": 2.0}), 5, "rope scaling 'dynamic'"),
        ("a rotation of layers", nothing, dict(rope_parameters={"full_attention": {"rope_theta": 1e6}}), 5, "layers of kind 'full_attention' rotate"),
        ("half a rotation", nothing, dict(rope_parameters={"rope_theta": 1e4, "partial_rotary_factor": 0.5}), 5, "with \"partial_rotary_factor\""),
        ("sections of a rotation", nothing, dict(rope_scaling={"rope_type": "default", "mrope_section": [8, 12, 12]}), 5, "with \"mrope_section\""),
        ("a linear factor more", nothing, dict(rope_scaling={"rope_type": "linear", "factor": 2.0, "attention_factor": 1.5}), 5, "with \"attention_factor\""),
        ("yarn's ends", nothing, dict(rope_scaling={"rope_type": "yarn", "factor": 2.0, "truncate": False}), 5, "with \"truncate\""),
        ("what comes is seen", nothing, dict(is_causal=False), 5, "is_causal"),
        ("both sides are seen", nothing, dict(use_bidirectional_attention=True), 5, "use_bidirectional_attention"),
        ("MiniCPM's scale", nothing, dict(scale_emb=12), 5, "scale_emb"),
        ("layers without rotation", nothing, dict(no_rope_layers=[1, 0]), 5, "no_rope_layers"),
        ("layers with a window", nothing, dict(layer_types=["full_attention", "sliding_attention"]), 5, "layer_types.*'sliding_attention'"),
        ("a norm before each matrix", nothing, dict(quantization_config=dict(QUANTIZATION["multiply"], use_rms_norm=True)), 5, "use_rms_norm"),
        ("no epsilon", nothing, dict(rms_norm_eps=...), 4, "rms_norm_eps"),
        ("no width", nothing, dict(hidden_size="wide"), 4, "\"hidden_size\" is no whole number"),
        ("an embedding that is not finite", lambda t: t.update({"model.embed_tokens.weight": floats(np.full((ROWS, WIDTH), np.inf))}), {}, 4, "row 0 is not finite"),
        ("an embedding too large", lambda t: t.update({"model.embed_tokens.weight": floats(np.full((ROWS, WIDTH), 1e5))}), {}, 5, "100000 in row 0 is too large for F16"),
        ("a packed norm", lambda t: t.update({"model.norm.weight": ck.Tensor(np.zeros(WIDTH), "U8")}), {}, 4, "no vector or matrix of floats"),
    ]
    for name, change, config, status, why in cases:
        n += 1
        changed(net, "%s/r%d" % (tmp, n), change, **config)
        refused(name, "%s/r%d" % (tmp, n), status, why)
    check("a stated scale is obeyed", converts("stated", tmp + "/r1", tmp + "/stated.gguf", "--scale=multiply"))
    same_weights("stated", tmp + "/stated.gguf", net)
    f = Net("llama", "divide", seed=12)
    changed(net, tmp + "/div", nothing, quantization_config=...)
    if converts("stated otherwise", tmp + "/div", tmp + "/div.gguf", "--scale=divide"):
        got = gguf.File(tmp + "/div.gguf").floats("blk.0.attn_v.weight")
        mul = net.expected["blk.0.attn_v.weight"]
        check("is the inverse", np.allclose(np.abs(got).max() * np.abs(mul).max(), 1), "")
    del f
    master = Net("qwen3", "master", seed=13)
    master.write(tmp + "/um", config=master.config(quantization_config=...))
    refused("master weights that nobody states", tmp + "/um", 5, "is not ternary")
    if converts("stated masters", tmp + "/um", tmp + "/um.gguf", "--weights=master"):
        same_weights("stated masters", tmp + "/um.gguf", master)
    containers(tmp, net)


def containers(tmp, net):
    def file_of(folder, content):
        net.write(folder)
        with open(folder + "/model.safetensors", "r+b") as f:
            whole = f.read()
            f.seek(0)
            f.truncate()
            f.write(content(whole))

    def header(whole, change):
        n = struct.unpack("<Q", whole[:8])[0]
        h = json.loads(whole[8 : 8 + n])
        change(h)
        text = json.dumps(h).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + n :]

    first = lambda h: next(v for k, v in h.items() if k != "__metadata__")
    cases = [
        ("cut short", lambda w: w[:-1], "data_offsets|do not fit|bytes"),
        ("a byte too many", lambda w: w + b"\0", "bytes of data, but tensors for"),
        ("a header beyond the file", lambda w: struct.pack("<Q", 1 << 40) + w[8:], "a header of 1099511627776 bytes"),
        ("no JSON", lambda w: struct.pack("<Q", 8) + b"xxxxxxxx" + w[8:], "line 1"),
        ("empty", lambda w: b"", "0 bytes are no safetensors"),
        ("an overlap", lambda w: header(w, lambda h: first(h).update(data_offsets=[8, first(h)["data_offsets"][1] + 8])), "do not fit|ends at"),
        ("an unknown dtype", lambda w: header(w, lambda h: first(h).update(dtype="Q4")), "dtype 'Q4'"),
        ("a shape that overflows", lambda w: header(w, lambda h: first(h).update(shape=[1 << 40, 1 << 40])), "dtype, shape or data_offsets"),
    ]
    for i, (name, content, why) in enumerate(cases):
        file_of("%s/c%d" % (tmp, i), content)
        refused(name, "%s/c%d" % (tmp, i), 5 if "dtype 'Q4'" == why else 4, why)
    net.write(tmp + "/shards", shards=2)
    index = tmp + "/shards/model.safetensors.index.json"
    whole = json.load(open(index))
    for name, change, status, why in (
        ("a shard outside", {"model.norm.weight": "../x.safetensors"}, 4, "in no file of this folder"),
        ("a shard that is missing", {"model.norm.weight": "y.safetensors"}, 3, "No such file"),
        ("a tensor that no shard has", {"model.more": "model-00001-of-00002.safetensors"}, 4, "'model.more' is not in"),
        ("a tensor in another shard", {"model.norm.weight": "model-00001-of-00002.safetensors"}, 4, "and the index says|is not in"),
    ):
        json.dump({"weight_map": dict(whole["weight_map"], **change)}, open(index, "w"))
        if whole["weight_map"]["model.norm.weight"] == change.get("model.norm.weight"):
            continue
        refused(name, tmp + "/shards", status, why)


# ---- the model that comes with the program ---------------------------------------------------
def demo(tmp):
    f = gguf.File(DEMO)
    embedding = f.tensors["token_embd.weight"][0]
    for form in ("packed", "floats"):
        demo_checkpoint.write(f, tmp + "/" + form, form)
        out = "%s/%s.gguf" % (tmp, form)
        if not converts("the demo as " + form, tmp + "/" + form, out, "--embeddings=" + embedding, "--check"):
            continue
        g = gguf.File(out)
        for name, (kind, dims, raw) in f.tensors.items():
            got = g.tensors[name]
            check("%s: %s" % (form, name), got[:2] == (kind, dims) and got[2].rstrip(b"\0") == raw.rstrip(b"\0"))
        equal(form + ": tensors", sorted(g.tensors), sorted(f.tensors))
        for key in f.keys:
            if key.startswith("tokenizer.") and key != "tokenizer.ggml.eot_token_id":
                equal("%s: %s" % (form, key), g.keys.get(key), f.keys[key])
        equal(form + " writes the same text", digest(out), digest(DEMO))
    r = run("convert", tmp + "/packed", "-o", tmp + "/p.gguf", "--embeddings=" + embedding, "--check", "--json")
    nats = json.loads(r.stdout)["nats"] if r.returncode == 0 else 99
    check("--check says how well the demo reads", 0 < nats < 0.8 * np.log(len(f.keys["tokenizer.ggml.tokens"])), "%s %s" % (nats, r.stderr))
    r = run("convert", tmp + "/packed", "-o", tmp + "/packed/config.json", "--force")
    check("the checkpoint is not overwritten", r.returncode == 2 and "would overwrite the checkpoint" in r.stderr, r.stderr)


if __name__ == "__main__":
    for part in (forms, types, architectures, embeddings, tokenizers, refusals, demo):
        if sys.argv[2:] and part.__name__ not in sys.argv[2:]:
            continue
        with tempfile.TemporaryDirectory() as tmp:
            part(tmp)
    print("%d passed, %d failed" % (counts[True], counts[False]))
    sys.exit(counts[False] != 0 or counts[True] == 0)
