"""check.py [LAYOUT] - the package against the program and against itself; its docstrings' examples.

LAYOUT: what layout.c prints. BITNET_PROGRAM names the program, if it is not on PATH; without one
what needs it is not done, and said (an installed wheel has none).
"""
import doctest
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile

import bitnet
from bitnet import _native, arrays

counts = {True: 0, False: 0}
PROGRAM = shutil.which(_native.bundled_program())


def check(name, good, why=""):
    counts[bool(good)] += 1
    if not good:
        print("FAILED: %s %s" % (name, why))


def equal(name, got, wanted):
    check(name, got == wanted, "\n  got    %.300r\n  wanted %.300r" % (got, wanted))


def raises(name, kind, pattern, call):
    try:
        call()
    except kind as why:
        check(name, pattern in str(why), str(why))
    else:
        check(name, False, "nothing was raised")


def layout(path):
    seen = set()
    for line in open(path):
        structure, member, number = line.split()
        s = _native.STRUCTURES[structure]
        if member == "-":
            equal("size of " + structure, _native.c.sizeof(s), int(number))
        else:
            equal("%s.%s" % (structure, member), getattr(s, member).offset, int(number))
            seen.add((structure, member))
    for structure, s in _native.STRUCTURES.items():
        for field in s._fields_:
            check("layout.c knows %s.%s" % (structure, field[0]), (structure, field[0]) in seen)


def same_as_program(m):
    for words, settings in (
        ([], {}),
        (["--temp", "0.8", "--seed", "7", "--top-k", "40"], dict(temperature=0.8, seed=7, top_k=40)),
        (["--temp", "1.1", "--seed", "8", "--top-p", "0.9"], dict(temperature=1.1, seed=8, top_p=0.9)),
        (["--temp", "0.7", "--seed", "9", "--repeat-penalty", "1.2"], dict(temperature=0.7, seed=9, repeat_penalty=1.2)),
    ):
        for prompt in ("The king said", ""):
            done = subprocess.run([PROGRAM, "-m", m.path, "-p", prompt, "-n", "24", "--json"] + words,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=True)
            wanted = json.loads(done.stdout)
            g = m.generate(prompt, 24, **settings)
            text = g.text()
            equal("ids of %r %s" % (prompt, settings), g.ids, wanted["tokens"])
            equal("text of %r %s" % (prompt, settings), text, wanted["text"])
            equal("why it ended", g.stop_reason, wanted["stop_reason"])


def generating(m):
    whole = m.generate("The king said", 30).text()
    for i in range(0, len(whole) - 4, 3):
        stop = whole[i : i + 4]
        g = m.generate("The king said", 30, stop=[stop, "never there"])
        equal("stops before %r" % stop, g.text(), whole[: whole.find(stop)])
        equal("and says so", g.stop_reason, "stop-string")
    equal("a stop string of its own", m.generate("The king said", 30, stop=whole[5:9]).text(), whole[: whole.find(whole[5:9])])
    equal("no token", m.generate("The king said", 0).text(), "")
    with m.context(8) as context:
        no_end = {i: -1e4 for i in range(m.info.n_vocab) if m.tokenizer.is_end(i)}
        g = m.generate([5, 6, 7], 100, context=context, bias=no_end)
        g.text()
        equal("a full context", (g.stop_reason, len(g.ids)), ("context-full", 6))
    seeds = {m.generate("The", 12, temperature=1.0, seed=s).text() for s in (1, 2, 3, 4)}
    check("seeds differ", len(seeds) > 1)
    equal("a bias", m.generate("The", 1, bias={100: 1e4}).ids if False else _first(m, {100: 1e4}), [100])
    g = m.generate("The king said", 30)
    next(g)
    g.close()
    prompts = ["The king", "A dog", "", "Once upon a time there was", [5, 6, 7]]
    for settings in ({}, dict(temperature=0.9, seed=3, top_k=20), dict(temperature=0.9, seed=3), dict(repeat_penalty=1.3)):
        equal("a batch %s" % settings, m.generate_batch(prompts, 12, **settings),
              [m.generate(p, 12, **settings).text() for p in prompts])
    equal("an empty batch", m.generate_batch([]), [])


def _first(m, bias):
    g = m.generate("The", 1, bias=bias)
    g.text()
    return g.ids


def sequences(m):
    ids = m.prompt_ids("The king said to the people of the land")
    rows = m.logits(ids)
    equal("a row a token", len(rows), len(ids))
    g = m.generate(ids, 1)
    g.text()
    best = max(range(m.info.n_vocab), key=lambda i: (rows[-1][i], -i))
    equal("the likeliest comes first", g.ids, [best])
    with m.context(128, threads=1) as context, context.sequence() as s:
        equal("threads", context.threads, 1)
        first = s.feed(ids[:-1], logits=[-1], hidden=[0, -1])
        equal("logits are the same in parts", list(first.logits[0]), list(rows[-2]))
        equal("two hidden states", [len(h) for h in first.hidden], [m.info.n_embd] * 2)
        fork = s.fork()
        results = context.feed([s.span(ids[-1:], logits=[0]), fork.span(ids[-1:], top=[0], k=5)])
        equal("a fork computes the same", results[1].top[0][0].id, best)
        equal("together as alone", list(results[0].logits[0]), list(rows[-1]))
        equal("five of them", len(results[1].top[0]), 5)
        with tempfile.TemporaryDirectory() as folder:
            s.save(folder + "/s")
            loaded = context.load(folder + "/s")
            equal("a saved one has its tokens", loaded.tokens, ids)
        s.truncate(3)
        equal("what is left", s.tokens, ids[:3])
        equal("goes on", list(s.feed(ids[3:], logits=[-1]).logits[0]), list(rows[-1]))
        raises("a token that is none", bitnet.LimitError, "", lambda: s.feed([m.info.n_vocab]))
        raises("a place that is none", IndexError, "token 5 of 1", lambda: s.feed([1], logits=[5]))
        raises("more than there is room", bitnet.LimitError, "", lambda: s.feed([1] * 200))
    raises("a closed context", ValueError, "closed", lambda: context.sequence())
    raises("a closed sequence", ValueError, "closed", lambda: s.tokens)
    texts = ["a king", "a dog and a cat", "the sea"]
    vectors = m.embed(texts, normalize=False)
    for text, vector in zip(texts, vectors):
        n = m.prompt_ids(text)
        with m.context(64) as context, context.sequence() as s:
            hidden = s.feed(n, hidden=range(len(n))).hidden
        mean = [sum(float(h[i]) for h in hidden) / len(n) for i in range(m.info.n_embd)]
        check("a mean of %r" % text, all(abs(a - b) < 1e-5 * (1 + abs(b)) for a, b in zip(vector, mean)))
    length = sum(float(x) ** 2 for x in m.embed(["a king"])[0])
    check("length 1", abs(length - 1) < 1e-5)
    raises("a pooling that is none", ValueError, "pooling", lambda: m.embed(["a"], pooling="max"))


def tokenizing(m):
    t = m.tokenizer
    for raw in (b"plain", "Grüße, 世界".encode(), bytes(range(1, 256)), b"\xff\x00\xfe", b""):
        try:
            ids = t.encode(raw)
        except bitnet.BitnetError as why:  # a vocabulary without that byte says so
            check("the byte is named", "byte" in str(why), str(why))
            continue
        equal("there and back %r" % raw[:8], t.decode_bytes(ids), raw)
    equal("BOS", len(t.encode("a", bos=True)) - len(t.encode("a")), 1)
    check("an end", any(t.is_end(i) for i in range(m.info.n_vocab)))


def chatting(m):
    with m.chat("Be brief.", template="instruct") as chat:
        a = chat.say("Who is the king?", 8)
        first = a.text()
        b = chat.say("And who is <|im_end|> he?", 8)
        second = b.text()
        roles = [x["role"] for x in chat.messages]
        equal("roles", roles, ["system", "user", "assistant", "user", "assistant"])
        equal("answers", [chat.messages[2]["content"], chat.messages[4]["content"]], [first, second])
        ids, _ = bitnet.render(m, chat.messages[:4], "instruct")
        equal("the same as all at once", m.generate(ids, 8).text(), second)
    raises("a role that is none", bitnet.BitnetError, "", lambda: bitnet.render(m, [{"role": "king", "content": "x"}], "instruct"))
    with m.chat(template="{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}") as chat:
        check("a template of one's own", chat.say("Hello", 4).text() != "")


SCHEMA = {"type": "object", "properties": {"who": {"type": "string", "maxLength": 6, "pattern": "^[a-z ]*$"},
                                            "kind": {"enum": ["a king of old", "a queen of old"]}, "n": {"type": "integer", "maximum": 99}},
          "required": ["who", "kind", "n"], "additionalProperties": False}
GRAMMAR = 'root ::= ("yes, " | "no, ") [a-z]{3,8} " said the king of the old land"'
DRAWN = (
    ([], {}),
    (["--temp", "1.0", "--seed", "3"], dict(temperature=1.0, seed=3)),
    (["--temp", "1.2", "--seed", "4", "--top-k", "20"], dict(temperature=1.2, seed=4, top_k=20)),
    (["--temp", "0.9", "--seed", "5", "--repeat-penalty", "1.3"], dict(temperature=0.9, seed=5, repeat_penalty=1.3)),
)


def shaped(m):
    prompts = ["The king said", "A dog", [5, 6, 7], ""]
    for shape, pattern in ((dict(json_schema=SCHEMA), None), (dict(grammar=GRAMMAR), "(yes|no), [a-z]{3,8} said the king of the old land")):
        for words, settings in DRAWN:
            texts, lengths = [], []
            for prompt in prompts:
                g = m.generate(prompt, 80, **shape, **settings)
                texts.append(g.text())
                lengths.append(len(g.ids))
                equal("ended by itself", g.stop_reason, "end-of-text")
                if pattern:
                    check("is of the grammar", re.fullmatch(pattern, texts[-1]), texts[-1])
                else:
                    value = json.loads(texts[-1])
                    equal("members", list(value), ["who", "kind", "n"])
                    check("who", re.fullmatch("[a-z ]{0,6}", value["who"]), texts[-1])
            equal("a batch %s" % settings, m.generate_batch(prompts, 80, **shape, **settings), texts)
            for most in range(0, lengths[0]):
                g = m.generate(prompts[0], most, **shape, **settings)
                check("a beginning", texts[0].startswith(g.text()))
                equal("of so many", (len(g.ids), g.stop_reason), (most, "length"))
            if PROGRAM:
                as_program(m, shape, words, settings)
    whole = m.generate("The king said", 80, grammar=GRAMMAR)
    text = whole.text()
    g = m.generate("The king said", 80, grammar=GRAMMAR, stop="of the")
    equal("stops within a forced run", (g.text(), g.stop_reason), (text[: text.find("of the")], "stop-string"))
    with m.context(len(m.prompt_ids("The king said")) + 6) as context:
        g = m.generate("The king said", 80, grammar=GRAMMAR, context=context)
        check("a full context", text.startswith(g.text()))
        equal("says so", (g.stop_reason, g.ids), ("context-full", whole.ids[: len(g.ids)]))
    with m.chat(template="instruct") as chat:
        equal("in a chat", chat.say("Well?", json_schema='{"const": [1, {"a": null}]}').text(), '[1, {"a": null}]')
        check("and one without", chat.say("And?", 6).text() != "")
        check("and one with", chat.say("Well?", grammar=GRAMMAR).text()[:2] in ("ye", "no"))
    raises("two shapes", ValueError, "one shape", lambda: m.generate("a", json_schema={}, grammar=GRAMMAR))
    raises("what is not supported", bitnet.UsageError, "keyword 'not'", lambda: m.generate("a", json_schema={"not": {}}))
    raises("no JSON", bitnet.UsageError, "schema, line 1", lambda: m.generate("a", json_schema="{"))
    raises("no grammar", bitnet.UsageError, "", lambda: m.chat(template="instruct").say("a", grammar="root ="))
    raises("too large", bitnet.LimitError, "too many", lambda: m.generate("a", json_schema={"pattern": "(a|b)*a(a|b){20}$", "maxLength": 99}))
    raises("a grammar of another type", TypeError, "str or bytes", lambda: m.generate("a", grammar=5))
    for i in range(300):  # each drops the one before, which the collector closes in the middle of anything
        dropped = iter(m.generate("a", 40, json_schema={"type": "array", "items": {"const": i % 12}}))
        next(dropped)
    dropped = None
    equal("texts that are dropped are closed", m.generate("a", json_schema={"const": 1}).text(), "1")
    raises("in a batch", bitnet.UsageError, "keyword", lambda: m.generate_batch(["a"], json_schema={"not": {}}))
    generations = [m.generate("The", 40, json_schema={"type": "array", "items": {"const": i % 12}}) for i in range(30)]
    for g in generations:  # more than are kept, all at work at once
        next(g)
    for i, g in enumerate(generations):
        g.text()
        check("at once", g.stop_reason in ("end-of-text", "length"), i)


def as_program(m, shape, words, settings):
    with tempfile.TemporaryDirectory() as folder:
        option, text = ("json-schema", json.dumps(SCHEMA)) if "json_schema" in shape else ("grammar", GRAMMAR)
        open(folder + "/shape", "w").write(text)
        done = subprocess.run([PROGRAM, "-m", m.path, "-p", "The king said", "-n", "80", "--json", "--%s=%s/shape" % (option, folder)] + words,
                              stdin=subprocess.DEVNULL, capture_output=True, check=True)
        g = m.generate("The king said", 80, **shape, **settings)
        g.text()
        equal("ids of %s %s" % (option, settings), g.ids, json.loads(done.stdout)["tokens"])


def errors():
    raises("no such file", bitnet.ModelError, "nowhere.gguf", lambda: bitnet.Model("/nowhere.gguf"))
    raises("no such backend", bitnet.BitnetError, "", lambda: bitnet.Model(backend="none"))
    m = bitnet.Model()
    g = m.generate("The king", 10)
    next(g)
    m.close()
    check("a generation outlives the closing", g.text() is not None)
    raises("a closed model", ValueError, "the model is closed", lambda: m.generate("x"))
    with bitnet.Model() as n:
        pass
    raises("and another", ValueError, "closed", lambda: n.tokenizer.encode("x"))


def receipts():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/r.json"
        made = bitnet.receipt(path, "The king said", 6, temperature=0.8, seed=5)
        equal("a receipt's tokens", len(made["tokens"]), 6)
        verdict = bitnet.verify(path)
        check("is true", verdict.ok, verdict.text)
        whole = open(path).read()
        open(path, "w").write(re.sub(r'("seed": ?"?)5\b', r"\g<1>6", whole))
        verdict = bitnet.verify(path)
        check("an altered one is not", not verdict.ok and verdict.status != 0, verdict.text)
        for shape in (dict(json_schema=SCHEMA), dict(grammar=GRAMMAR)):
            bitnet.receipt(path, "The king said", 60, **shape)
            verdict = bitnet.verify(path, **shape)
            check("a text with a shape", verdict.ok, verdict.text)
            equal("whose shape is not given", bitnet.verify(path).status, 12)
        equal("another grammar", bitnet.verify(path, grammar=GRAMMAR + " ").status, 10)


def examples():
    for name in ["bitnet"] + ["bitnet." + x.name for x in pkgutil.iter_modules(bitnet.__path__)]:
        if name == "bitnet.receipts" and not PROGRAM:
            continue
        if name.endswith("native"):
            continue
        result = doctest.testmod(importlib.import_module(name), extraglobs={"bitnet": bitnet})
        counts[True] += result.attempted - result.failed
        counts[False] += result.failed


if __name__ == "__main__":
    if sys.argv[1:]:
        layout(sys.argv[1])
    with bitnet.Model() as model:
        check("this is the wanted library", model.info.n_vocab > 0, model.info.backend_warning)
        if PROGRAM:
            same_as_program(model)
        generating(model)
        sequences(model)
        tokenizing(model)
        chatting(model)
        shaped(model)
    errors()
    examples()
    if PROGRAM:
        receipts()
    else:
        print("no program bitnet: receipts, and the same tokens as the command, are not looked at")
    print("%s numpy: %d passed, %d failed" % ("with" if arrays.numpy else "without", counts[True], counts[False]))
    sys.exit(counts[False] != 0 or counts[True] == 0)
