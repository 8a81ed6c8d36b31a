#!/usr/bin/python3
"""Short stories for the demo model to learn from, written by a grammar of our own.

A story has a hero, a friend and a plot (plots.py), and its slots (how the two are called, pronouns,
things, places) are drawn once, so that who wants what stays true from the first sentence to the last:
that is what a small model can learn of coherence. Nothing here knows of tokens or of files.
"""
import random
import re
import zlib

from plots import ABOUT, ENDINGS, FREE, OPENINGS, PLOTS

GIRLS = """Anna Lucy Mary Emma Rose Lily Jane Ellen Kate Sally Molly Grace Clara Nora Ruth Ida Betty
Polly Susan Alma Dora Hattie Maud Tilly""".split()
BOYS = """Tom Jack Ben Sam Will Peter Henry George Hugh Ned Oscar Max Robin Simon Walter Felix Luke
Martin Oliver Arthur Hans Teddy Joe Paul""".split()
PETS = """Rusty Pip Bramble Dot Patch Hazel Nib Tuck Poppy Fern Button Clover Socks Ginger Moss Tansy
Whisker Snow Penny Berry Thistle Acorn Misty Willow""".split()
# kind: home, what it likes to eat, how it moves
ANIMALS = {
    "fox": ("den", "berries", "ran"),
    "rabbit": ("burrow", "clover", "hopped"),
    "mouse": ("hole", "cheese", "scurried"),
    "bear": ("cave", "honey", "walked"),
    "squirrel": ("tree", "nuts", "ran"),
    "hedgehog": ("nest", "apples", "walked"),
    "duck": ("nest", "bread", "waddled"),
    "frog": ("pond", "flies", "hopped"),
    "cat": ("house", "fish", "crept"),
    "dog": ("kennel", "bones", "ran"),
    "owl": ("tree", "seeds", "flew"),
    "goat": ("barn", "grass", "trotted"),
    "crow": ("nest", "corn", "flew"),
    "turtle": ("pond", "leaves", "crawled"),
    "pony": ("stable", "carrots", "trotted"),
    "lamb": ("fold", "grass", "trotted"),
    "beaver": ("lodge", "roots", "swam"),
    "sparrow": ("nest", "crumbs", "flew"),
    "wolf": ("cave", "meat", "ran"),
    "lion": ("cave", "meat", "walked"),
    "tiger": ("cave", "meat", "crept"),
    "elephant": ("grove", "leaves", "walked"),
    "monkey": ("tree", "bananas", "climbed"),
    "horse": ("stable", "oats", "trotted"),
    "donkey": ("stable", "hay", "trotted"),
    "pig": ("sty", "acorns", "trotted"),
    "cow": ("barn", "hay", "walked"),
    "hen": ("barn", "corn", "hurried"),
    "goose": ("yard", "grass", "waddled"),
    "swan": ("pond", "bread", "swam"),
    "bee": ("hive", "honey", "flew"),
    "ant": ("hill", "sugar", "hurried"),
    "snail": ("garden", "leaves", "crawled"),
    "spider": ("corner", "flies", "crept"),
    "butterfly": ("garden", "honey", "flew"),
    "whale": ("bay", "fish", "swam"),
    "penguin": ("nest", "fish", "waddled"),
    "dragon": ("cave", "pancakes", "flew"),
    "kitten": ("basket", "milk", "crept"),
    "puppy": ("kennel", "bones", "ran"),
    "bird": ("nest", "seeds", "flew"),
    "deer": ("thicket", "leaves", "ran"),
}
PEOPLE = {
    "girl": ("house", "cake", "walked"),
    "boy": ("house", "pie", "walked"),
    "shepherd": ("hut", "bread", "walked"),
    "miller": ("mill", "bread", "walked"),
    "princess": ("castle", "cake", "walked"),
    "prince": ("castle", "cake", "rode"),
    "fisherman": ("hut", "fish", "walked"),
    "tailor": ("shop", "soup", "walked"),
    "farmer": ("farm", "pie", "walked"),
    "baker": ("bakery", "bread", "walked"),
    "king": ("castle", "cake", "rode"),
    "queen": ("castle", "cake", "walked"),
    "knight": ("castle", "bread", "rode"),
    "sailor": ("cabin", "fish", "walked"),
    "soldier": ("hut", "soup", "marched"),
    "woodcutter": ("hut", "soup", "walked"),
    "gardener": ("cottage", "plums", "walked"),
    "teacher": ("cottage", "cake", "walked"),
    "doctor": ("house", "soup", "walked"),
    "wizard": ("tower", "porridge", "walked"),
    "witch": ("cottage", "soup", "flew"),
    "giant": ("castle", "bread", "marched"),
    "dwarf": ("cave", "nuts", "marched"),
    "fairy": ("flower", "honey", "flew"),
    "pirate": ("ship", "fish", "marched"),
    "grandmother": ("cottage", "porridge", "walked"),
    "brother": ("house", "cake", "walked"),
    "sister": ("house", "cake", "walked"),
    "robot": ("workshop", "oil", "rolled"),
    "snowman": ("yard", "snow", "rolled"),
    "doll": ("cupboard", "cake", "walked"),
}
FEMALE = {"girl", "princess", "queen", "witch", "fairy", "grandmother", "sister", "doll", "hen", "cow"}
MALE = set(
    "boy prince shepherd miller fisherman tailor king knight sailor soldier woodcutter wizard giant dwarf pirate "
    "brother robot snowman".split()
)
# What else a story may be told of: any thing, so that the word asked for is the one that is told of.
ODD = """teapot kite drum lamp clock chair boat train wagon balloon star cloud moon tree flower rose apple pumpkin stone
candle mirror bell book pencil shoe hat button umbrella lighthouse bridge windmill carrot cake key spoon river leaf
computer car bus bicycle ship house cup feather seed bottle door broom violin trumpet stove ghost unicorn mermaid shark dolphin
octopus crab seal camel zebra giraffe kangaroo parrot eagle pigeon robin rat hare calf bull hamster dinosaur alien king's horse""".split()
ODD = [word for word in ODD if "'" not in word]
NATURE = (
    "little|small|young|kind|brave|clever|shy|merry|quiet|gentle|curious|cheerful|lively|careful"
)
LOOKS = "red|blue|green|yellow|white|brown|golden|silver|old|new|round|shiny"
THINGS = """ball kite hat drum basket lantern boat bell ring key cup scarf whistle book spoon button balloon egg crown flute doll shell
feather coin map box lamp shoe coat glove stone star flag wheel rope bag bottle bowl plate mirror candle comb pencil violin trumpet
clock sword shield medal ribbon cushion blanket umbrella teapot puppet mask pearl wand train car robot bicycle sledge""".split()
# Whom one calls by what they are; and names of pets that come along.
FAMILY = {"Grandmother": True, "Grandfather": False, "Mother": True, "Father": False, "Grandma": True, "Grandpa": False,
          "Mum": True, "Dad": False, "Aunt Rose": True, "Uncle Ben": False}  # fmt: skip
PLACES = "wood|meadow|village|valley|garden|orchard|forest|town"
HIDING = [
    "under a bush",
    "behind the door",
    "beside the well",
    "under the old oak tree",
    "in the tall grass",
    "near the bridge",
    "behind the barn",
    "behind the house",
    "by the stream",
    "on the wall",
    "at the gate",
    "among the flowers",
]

# More of what somebody without a name may be, and how somebody may feel.
MANNER = "old|poor|rich|big|tiny|tired|angry|happy|sleepy|hungry|lonely|lost|proud|lazy|strange|poor|young"
FEELINGS = "happy|sad|tired|hungry|angry|afraid|lonely|glad|cold|sleepy|proud|bored|worried|sorry"
DID = """sat|stood|waited|came home|went out|walked slowly|fell asleep|woke up|looked up|laughed|cried|sang|was gone|was cold|was quiet|
was afraid|was [very|so] [tired|happy|sad|hungry|old|angry]|[opened|closed] the [door|window|box|book|gate]|
[carried|wrote|opened|read] a letter|looked [at the sky|out of the window|into the well|for {food}|under the bed|back]|
[heard|followed] a [strange|loud|soft] [noise|voice|song]|wanted [to sleep|to go home|to rest|to see the sea|some {food}|to be a king]|
[ran|walked|rode|sailed|flew|climbed|swam|rolled|crept|travelled] [away|home|on|down the road|all day|through the {place}|over the hill|up the stairs|along the shore]|
had [a dream|a cold|no money|nothing to eat|a secret|a fine idea|three wishes|a {look} {thing}]|
did not [know what to do|want to go|sleep|come back|say a word|like the rain]|[told|read] a [story|song|secret]|[lived|worked|played|slept|danced|rested]|
[fell down|stopped|turned round|moved a little|grew old|shone]"""
SOMEWHERE = """near the {place}|in the {place}|{hide}|by the [sea|fire|river|road|window|door]|at the [market|school|mill|window|door|end of the road]|in the [kitchen|forest|rain|snow|dark|evening|morning|sun]|
on the [hill|roof|road|bridge|ship|bed|table|wall]|under the [table|tree|stars|bed|bridge]|every [day|evening|Sunday]|all [day|night|summer] long|for [a long time|three days|many years]|before [the sun rose|supper|school]|
far away from home|with [a {look} {thing}|a friend|{his} mother]|to the [{place}|sea|market|castle]|when [the clock struck|the bell rang|the rain stopped|spring came]"""
WHEN = """[One|That|The next|Early one|Late one|On a {season}] [morning|evening|night|day|afternoon]|last [{season}|night|week|year|Sunday]|long ago|many years ago|[after|before] [supper|school|dinner|the storm|the war]|
when [the sun came up|night came|it was dark|the snow melted|the king died|the bell rang]|far [away|out at sea]|[high|deep] in the [mountains|forest]|in [winter|spring|the night|the old days|a far country]|
as soon as [it was light|the rain stopped]|all [day|night]|suddenly|at last|every [{season}|Sunday|night]|on [Monday|Sunday|Christmas Day|the first day of school]"""
RIDDLES = [
    ("What has hands but cannot hold?", "A clock"),
    ("What has teeth but cannot bite?", "A comb"),
    ("What runs but has no legs?", "A river"),
    ("What has an eye but cannot see?", "A needle"),
    ("What grows when it eats and dies when it drinks?", "A fire"),
    ("What follows you all day and is gone at night?", "A shadow"),
    ("What can you catch but not throw?", "A cold"),
    ("What has a neck but no head?", "A bottle"),
    ("What falls but is never hurt?", "Snow"),
    ("What goes up and never comes down?", "Your age"),
]
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SAYS = "said|cried|asked|called|thought|answered"


def expand(rng, text, slots):
    """Choices from the innermost outwards, then the slots; a sentence begins with a capital."""
    while True:
        text, n = CHOICE.subn(lambda m: rng.choice(m.group(1).split("|")), text)
        if not n:
            break
    text = text.format(**slots)
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    text = re.sub(r"\b(%s) I\b" % SAYS, r"I \1", text)
    starts = r'(^"?|[.!?] "?|[.]" "?|[!?]" (?=(?:the|his|her|my) ))([a-z])'
    return re.sub(starts, lambda m: m.group(1) + m.group(2).upper(), text)


def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def some(rng, alternatives):
    """One of the lines of a table such as DID, its own choices still in it."""
    parts, depth, start = [], 0, 0
    for i, ch in enumerate(alternatives + "|"):
        depth += (ch == "[") - (ch == "]")
        if ch == "|" and depth == 0:
            parts.append(" ".join(alternatives[start:i].split()))
            start = i + 1
    return rng.choice(parts)


def names(rng, pet, she):
    return PETS if pet and rng.random() < 0.7 else GIRLS if she else BOYS


RUDE = re.compile("poo|pee|tit|ass|fu[ck]|shi|di[ck]|cu[mn]|nig|nag|fag|sex|naz|wan|butt|bum|bo[ob]|kil|hel")


def invented(rng):
    """A name that nobody has learnt: it has to be copied."""
    starts = "b br c d dr f fl g gr h j k l m n p pl r s st t tr v w z".split()
    ends = ["", "", "a", "o", "y", "ie", "le", "er", "in", "us", "kin"]
    while True:
        name = rng.choice(starts) + rng.choice("a e i o u ay ee oo".split())
        name += rng.choice("b d f g l ll m n p r s t x z bb mm".split()) + rng.choice(ends)
        if not RUDE.search(name):
            return name.capitalize()


def name_of(rng, pet, she):
    return invented(rng) if rng.random() < 0.4 else rng.choice(names(rng, pet, she))


def pronouns(prefix, he, him, his):
    made = {"he": he, "him": him, "his": his}
    return {prefix + key: word for key, word in made.items()} | {
        prefix + key.capitalize(): word.capitalize() for key, word in made.items()
    }


SHE, HE, ME = ("she", "her", "her"), ("he", "him", "his"), ("I", "me", "my")


def hero(rng, kind, name, told):
    """The slots of the hero. told: the story is asked for, and its first words say what he is."""
    free = not kind
    if free:
        roll = rng.random()
        if roll < 0.35:
            kind = rng.choice(["girl", "boy"])
        else:
            kind = rng.choice(sorted(ANIMALS) if roll < 0.7 else sorted(PEOPLE) if roll < 0.88 else ODD)
    child = kind in ("girl", "boy")
    she = kind in FEMALE or (kind not in MALE and rng.random() < 0.5)
    nature = rng.choice(NATURE.split("|"))
    slots = {"hero": kind, "a_hero": article(nature + " " + kind), "known": True}
    if free and not told and rng.random() < 0.06:
        h, she = rng.choice(sorted(FAMILY.items()))
        slots.update(h=h, hm=h, hs=h + "'s", vh=h, intro="", first=h, firstm=h)
        return slots | pronouns("", *(SHE if she else HE)), "grandmother" if she else "shepherd"
    roll = rng.random()
    if name or roll < (0.9 if child else 0.55):
        h = name or name_of(rng, kind not in PEOPLE, she)
        intro = "%s [named|called|called|whose name was] %s" % (slots["a_hero"], h)
        if told or rng.random() < (0.1 if child else 0.4):
            first = intro
        elif rng.random() < 0.2:
            first = rng.choice(["little ", "poor ", "the %s %s " % (nature, kind), "old ", "young "]) + h
        else:
            first, slots["known"] = h, child and free
        slots.update(h=h, hm=h, hs=h + "'s", vh=h, intro=intro, first=first, firstm=first)
    elif free and roll > 0.93:
        slots.update(h="I", hm="me", hs="my", vh="my friend", intro="", first="I", firstm="me")
        return slots | pronouns("", *ME), rng.choice(["girl", "boy"])
    else:
        h = "the " + kind
        if rng.random() < 0.5:
            nature = rng.choice(MANNER.split("|"))
        a_hero = article(nature + " " + kind)
        first = rng.choice([a_hero, a_hero, "the %s %s" % (nature, kind), article(kind), h])
        if free and not told and rng.random() < 0.08:
            first = rng.choice([rng.choice(GIRLS + BOYS) + "'s", "our", "my", "the king's"]) + " " + kind
        slots.update(h=h, hm=h, hs=h + "'s", vh="my friend", intro=a_hero, first=first, firstm=first)
    return slots | pronouns("", *(SHE if she else HE)), kind


def friend(rng, of, kind):
    """The slots of the friend: an animal, mostly without a name (two names are soon taken for each other), or one of the family."""
    beast = rng.choice([k for k in sorted(ANIMALS) if k != kind])
    she, roll, his = rng.random() < 0.5, rng.random(), of["his"]
    person = kind in PEOPLE and kind not in ("brother", "sister")
    if roll < 0.2 and (person or of["h"] == "I"):
        word, she = rng.choice([("sister", True), ("brother", False), ("mother", True), ("father", False), ("cousin", she)])
        ours = {"f": his + " " + word, "vf": "my dear", "a_f": his + " " + word, "f_mine": "my " + word}
        ours["f_full"] = ours["f_best"] = ours["f"]
    elif roll < 0.27 and (person or of["h"] == "I"):
        f, beast = name_of(rng, True, she), rng.choice(["dog", "cat", "pony", "rabbit", "duck"])
        ours = {"f": f, "vf": f, "a_f": "%s %s %s" % (his, beast, f), "f_mine": "my %s %s" % (beast, f)}
        ours |= {"f_full": "%s %s %s" % (his, beast, f), "f_best": "%s %s %s" % (his, beast, f)}
    elif roll < 0.42:
        # Names that begin alike are taken for each other.
        f = name_of(rng, not person, she)
        while f[0] == of["h"][0]:
            f = name_of(rng, not person, she)
        what = "%s [named|called]" % article(beast) if not person else his + " friend"
        ours = {"f": f, "vf": f, "a_f": what + " " + f, "f_mine": "my friend " + f}
        ours |= {"f_full": his + " friend " + f, "f_best": f if person else ours["a_f"]}
    else:
        f = "the " + beast
        ours = {"f": f, "vf": "my friend", "a_f": article(rng.choice(["", "", "little ", "old ", "young "]) + beast)}
        ours |= {"f_mine": "my friend " + f, "f_full": his + " friend " + f, "f_best": ours["a_f"]}
    wings = ("duck", "owl", "crow", "sparrow", "bird", "hen", "goose", "swan", "bee", "butterfly", "penguin")
    limb = "wing" if beast in wings and f"the {beast}" == ours["f"] else rng.choice(["leg", "foot"])
    return ours | pronouns("f_", *(SHE if she else HE)) | {"friend": beast, "limb": limb, "fs": ours["f"] + "'s"}


def cast(rng, kind=None, name=None, told=False):
    """The slots of a story; kind: what the hero is to be, name: how the hero is called."""
    slots, kind = hero(rng, kind, name, told)
    slots |= friend(rng, slots, kind)
    slots["they"], slots["They"], slots["them"] = ("we", "We", "us") if slots["h"] == "I" else ("they", "They", "them")
    slots["both"] = slots["f"] + " and I" if slots["h"] == "I" else slots["h"] + " and " + slots["f"]
    home, food, went = (
        ANIMALS.get(kind)
        or PEOPLE.get(kind)
        or (rng.choice(["house", "garden", "shop", "tower"]), rng.choice(["sunshine", "bread", "cake"]), "went")
    )
    if kind in ("girl", "boy"):
        food = rng.choice(["cake", "pie", "bread", "apples", "cherries", "soup", "plums", "pancakes", "honey"])
    riddle, answer = rng.choice(RIDDLES)
    others = rng.sample(["birds", "ducks", "children", "mice", "rabbits", "frogs", "squirrels", "sheep"], 2)
    for i, place in enumerate(rng.sample(HIDING, 4)):
        slots["hide%d" % i if i else "hide"] = place
    slots |= {
        "home": home,
        "food": food,
        "went": went,
        "look": rng.choice(LOOKS.split("|")),
        "thing": rng.choice(THINGS),
        "place": rng.choice(PLACES.split("|")),
        "mark": rng.choice(["old oak", "mill", "bridge", "great rock", "river", "church"]),
        "season": rng.choice(["spring", "summer", "autumn", "winter"]),
        "feeling": rng.choice(FEELINGS.split("|")),
        "riddle": riddle,
        "Answer": answer,
        "many": rng.choice(["gold and silver", "a castle", "fine clothes", "a ship", "a feast"]),
        "thief": rng.choice([k for k in ("wolf", "fox", "cat", "crow") if k not in (kind, slots["friend"])]),
        "others": others[0],
        "others2": others[1],
    }
    for slot in ("intro", "first", "firstm", "a_f", "f_best"):
        slots[slot] = expand(rng, "-" + slots[slot], slots)[1:]
    for slot, table in (("did", DID), ("somewhere", SOMEWHERE), ("when", WHEN)):
        slots[slot] = expand(rng, "-" + some(rng, table), slots)[1:]
    return slots


def beginning(rng, plot, slots, otherwise):
    """The lines to begin with, and the one that leads to the plot, if that is not the first."""
    mine = slots["h"] == "I" or slots["h"] in FAMILY  # "there lived I", "I and a fox" are not said
    own = rng.choice([line for line in PLOTS[plot][0] if not (mine and "{first} and" in line)])
    lines = OPENINGS
    if otherwise and rng.random() < otherwise:
        if rng.random() < 0.6:
            return own, None
        lines = FREE
    if mine:
        lines = [line for line in FREE if "{intro}" not in line and "{first} and" not in line]
    return rng.choice(lines), own.replace("{firstm}", "{hm}").replace("{first}", "{h}")


def story(rng, kind=None, name=None, otherwise=0.0):
    """One story as text: paragraphs with an empty line between them. `otherwise`: the share that begins like that."""
    slots = cast(rng, kind, name, told=otherwise == 0)
    plot = rng.choice([p for p in sorted(PLOTS) if p != "king" or slots["hero"] not in ("king", "queen")])
    opening, own = beginning(rng, plot, slots, otherwise)
    about = [line for line in ABOUT if "{home}" not in line or "{home}" not in opening]
    if any("{a_f}" in line for line in PLOTS[plot][1]):  # a stranger is no friend before
        about = [line for line in about if "{f_best}" not in line]
    lines = [opening]
    if "{first" in opening and not slots["known"] and rng.random() < 0.8:
        lines.append("{h} was {a_hero}.")
    lines += rng.sample(about, len(about)) if rng.random() < 0.7 else []
    lines += ["\n"] + [own] * bool(own) + PLOTS[plot][1] + [rng.choice(ENDINGS)]
    out, since, met = "", 0, None
    for line in lines:
        if line.startswith("?"):
            if rng.random() < 0.5:
                continue
            line = line[1:]
        if line == "\n" or (since >= 3 and rng.random() < 0.4):
            out, since = out.rstrip() + "\n\n", 0
        if line == "\n":
            continue
        if met:  # who came in does not come in again
            line = re.sub(r"\{(a_f|f_full|f_best)\}", "{f}", line)
        met = met or re.search(r"\{(a_f|f_full|f_best)\}", line)
        out, since = out + expand(rng, line, slots) + " ", since + 1
    return out.strip()


def is_held_out(text):
    """Every fiftieth story is never trained on."""
    return zlib.crc32(text.encode()) % 50 == 0


def main():
    """Prints held-out stories, as models/heldout-stories.txt was made."""
    rng, out = random.Random(20261130), []
    while sum(map(len, out)) < 40000:
        text = story(rng, otherwise=0.6)
        if is_held_out(text):
            out.append(text)
    print("\n\n".join(out))


if __name__ == "__main__":
    main()
