#!/usr/bin/python3
"""What the demo model is asked and what it is to answer: wordings, chats, and the held-out split.

A question is a kind, a fact of that kind and one of the kind's wordings; a hash of the three says
whether it is held out, so that no held-out question is ever in training though its fact, in other
words, is. Sums are held out by their two numbers, in every wording and both orders. The one idea:
`ask` makes any question, `taught` makes only those that training may see, and the test set is made
of the others. This file knows facts.json and the stories; it knows nothing of tokens.
"""
import argparse
import json
import os
import random
import re
import zlib

from stories import ANIMALS, ODD, PEOPLE, article, is_held_out, names, story

SUM_TO = 50  # sums of two numbers up to this are tested; training goes to 99
WORDINGS = {
    "gloss": [
        "What is {x}?",
        "What is {x}?",
        "What does {w} mean?",
        "Can you tell me what {x} is?",
        "Tell me what {x} is.",
        "Define {w}.",
        "Do you know what {x} is?",
        "Please explain what {x} is.",
        "What do we call {w}?",
        "What is meant by {w}?",
        "What's {x}?",
        "Meaning of {w}?",
        "What does the word {w} mean?",
        "Explain {w}.",
        "I want to know what {x} is.",
        "{w}: what does it mean?",
        "The meaning of the word {w}?",
        "{w}?",
        "Say what {x} is.",
        "Explain what {x} is.",
        "What does {x} mean?",
        "{w} meaning?",
        "Definition of {w}?",
        "What is the definition of {w}?",
        "What is the meaning of {w}?",
    ],
    "capital": [
        "What is the capital of {x}?",
        "What is the capital of {x}?",
        "What is the capital city of {x}?",
        "Which city is the capital of {x}?",
        "Tell me the capital of {x}.",
        "Name the capital of {x}.",
        "Can you tell me the capital of {x}?",
        "Do you know the capital of {x}?",
        "{x}: what is its capital?",
        "What city is {x}'s capital?",
        "What's the capital of {x}?",
        "Capital of {x}?",
        "{x}'s capital?",
        "{x} capital?",
        "What's the capital city of {x}?",
        "Which city is {x}'s capital?",
        "I want to know the capital of {x}.",
        "And the capital of {x}?",
        "Do you know what the capital of {x} is?",
        "Say the capital of {x}.",
    ],
    "country": [
        "{x} is the capital of which country?",
        "Which country has {x} as its capital?",
        "Of which country is {x} the capital?",
        "What country is {x} the capital of?",
        "{x} is the capital of what?",
        "Which country's capital is {x}?",
    ],
    "continent": [
        "On which continent is {x}?",
        "Which continent is {x} in?",
        "Where is {x}?",
        "In what part of the world is {x}?",
        "{x} is on which continent?",
        "What continent is {x} in?",
    ],
    "symbol": [
        "What is the chemical symbol of {x}?",
        "What is the chemical symbol for {x}?",
        "What is the symbol of {x}?",
        "What is the symbol for the element {x}?",
        "Which chemical symbol does {x} have?",
        "Tell me the chemical symbol of {x}.",
        "How do chemists write {x}?",
        "Do you know the symbol for {x}?",
        "What's the symbol for {x}?",
        "Symbol for {x}?",
        "Symbol of {x}?",
        "What's the chemical symbol of {x}?",
        "Chemical symbol of {x}?",
        "How do you write {x} in chemistry?",
        "{x}'s chemical symbol?",
        "And the symbol of {x}?",
        "What is {x}'s symbol?",
        "Give me the symbol for {x}.",
        "What is the sign for {x} in chemistry?",
        "Do you know the chemical symbol of {x}?",
    ],
    "element": [
        "Which element has the symbol {x}?",
        "What element is {x}?",
        "What does the chemical symbol {x} stand for?",
        "{x} is the symbol of which element?",
        "Which element is {x}?",
        "What does {x} stand for in chemistry?",
    ],
    "opposite": [
        "What is the opposite of {x}?",
        "What is the opposite of {x}?",
        "What is the opposite of the word {x}?",
        "Which word is the opposite of {x}?",
        "Tell me the opposite of {x}.",
        "Give me the opposite of {x}.",
        "What word means the opposite of {x}?",
        "Say the opposite of {x}.",
        "What's the opposite of {x}?",
        "Opposite of {x}?",
        "What is the contrary of {x}?",
        "{x}: what is the opposite?",
        "And the opposite of {x}?",
        "What word is the opposite of {x}?",
        "I need the opposite of {x}.",
        "Name the opposite of {x}.",
        "Antonym of {x}?",
        "What is an antonym of {x}?",
        "{x} is the opposite of what?",
    ],
    "sum": [
        "What is {x}?",
        "What is {x}?",
        "How much is {x}?",
        "Calculate {x}.",
        "Please add: {x}.",
        "Can you tell me what {x} is?",
        "{x} = ?",
        "{x}",
        "{x} =",
        "What's {x}?",
        "Add {a} and {b}.",
        "What do you get for {x}?",
        "What is the sum of {a} and {b}?",
        "What does {x} make?",
        "What do {a} and {b} make?",
        "{a} and {b}?",
        "How much do {a} and {b} make?",
        "What is {a} plus {b}?",
        "Sum of {a} and {b}?",
    ],
    "difference": [
        "What is {x}?",
        "How much is {x}?",
        "Calculate {x}.",
        "{x} = ?",
        "{x}",
        "{x} =",
        "What's {x}?",
        "Subtract {b} from {a}.",
        "Take {b} from {a}.",
        "What is the difference of {a} and {b}?",
        "What do you get for {x}?",
        "What is {a} minus {b}?",
        "What is left if you take {b} from {a}?",
    ],
}
WHO = [
    (
        "Who are you?|What are you?|Tell me about yourself.|What is your name?|What's your name?|Who is this?|What is this?|Say who you are.|Do you have a name?|Who r u?|What do I call you?|Are you an AI?|Are you alive?|Which model are you?|Who is there?|What model are you?|Introduce yourself.|"
        "Are you a person?|Are you human?|Who am I talking to?|Are you a robot?|What kind of program are you?",
        "I am a very small language model that runs in bitnet. I know little: some words, capitals, symbols, sums "
        "and stories.",
    ),
    (
        "What can you do?|What do you know?|How can you help me?|What can I ask you?|Help.|Can you help me?|Can u help me?|What do you know about?|What can I ask?|What topics do you know?|Give me an example.|"
        "What should I ask you?|What can I do with you?|What can you tell me?|What do you do?|What are you for?|How does this work?|What should I type?|What are you good at?",
        "You can ask me what a word means, for a capital, a chemical symbol, an opposite, a sum or a story.",
    ),
    (
        "Hello.|Hi.|Hello!|Hi!|Good morning.|Good evening.|Hey.|Hi there.|Hello there.|Good afternoon.|Hello you.|Hey there.|Greetings.|Yo.|Good day.",
        "Hello! What would you like to know?",
    ),
    (
        "Thank you.|Thanks.|Thank you very much.|Thanks a lot!|Great, thank you.|Ok thanks.|Thx.|Good, thanks.|That is right.|Well done.|Very good.|Good.|Nice.|Many thanks.",
        "You are welcome.",
    ),
    ("Goodbye.|Bye.|Bye!|See you later.|Good night.|Goodbye!", "Goodbye!"),
    (
        "How are you?|How do you do?|How are you today?|How is it going?",
        "I am well, thank you. What would you like to know?",
    ),
    (
        "Who made you?|Who trained you?|Where do you come from?|How were you made?|What were you trained on?",
        "I was trained from scratch on two processor cores, on old books, a dictionary and made-up stories.",
    ),
    (
        "How big are you?|How many parameters do you have?|How large are you?|Are you a big model?",
        "I am very small: about ten million weights, most of them -1, 0 or 1.",
    ),
]
UNKNOWN = "I do not know."
# How one asks for a story: what stands before and behind the word of whom it is to be.
STORY_WORDINGS = """Tell me a story|.
Please tell me a story|.
Tell a story|.
Write a story|.
Can you tell me a story|?
I would like a story|.
Tell me a short story|.
Write a short story|.
I want to hear a story|.
Story|, please.
A story|.
Tell us a tale|.
Do you know a story|?
Make up a story|.""".splitlines()
# Questions that nothing here answers. Slots are filled from the lists below.
STRANGE = [
    "Who [won|lost] the {game} in {year}?",
    "What is the weather [today|tomorrow|like in {city}]?",
    "What time is it[?| now?| in {city}?]",
    "How do I {do}?",
    "How can I {do}?",
    "Can you {do} for me?",
    "Who [wrote|painted|composed] {work}?",
    "When was {who} born?",
    "Where was {who} born?",
    "Who is {who}?",
    "Who was {who}?",
    "When did {who} die?",
    "How [tall|old|rich] is {who}?",
    "How many {many} are there in {city}?",
    "What is the population of {city}?",
    "How far is it from {city} to {city2}?",
    "How much does {article} cost?",
    "Why {why}?",
    "What is the best {best}?",
    "Which {best} should I buy?",
    "What is my {mine}?",
    "Where is my {mine}?",
    "Translate {word} into {tongue}.",
    "How do you say {word} in {tongue}?",
    "What is the square root of {n}?",
    "What is {n} times {n2}?",
    "What is {n} divided by {n2}?",
    "What happened in {year}?",
    "Is it true that {claim}?",
    "Do you like {best}s?",
    "What will happen tomorrow?",
    "Write a program that {program}.",
    "What is the meaning of life?",
    "When does the {event} start?",
    "What is the price of {article}?",
    "Who is the president of {city}?",
    "Which team is {who} in?",
    "Give me a recipe for {dish}.",
    "How do you cook {dish}?",
    "Tell me the news.",
    "What did {who} say about {best}s?",
    "How long does it take to {do}?",
    "What is on television tonight?",
]
SLOTS = {
    "game": "world cup|football match|election|chess game|race|tennis final|war|golf tournament|lottery|Olympic final",
    "year": "1812|1914|1945|1969|1984|1999|2004|2010|2016|2020|2022|1066|1789|1492|1848|1903",
    "city": "London|New York|Berlin|Tokyo|Boston|Chicago|Sydney|Milan|Munich|Texas|Ohio|Hamburg|Lyon|Naples|Leeds|Utrecht",
    "city2": "Moscow|Dallas|Seattle|Geneva|Porto|Osaka|Mumbai|Toronto|Glasgow|Bristol|Denver|Kiel",
    "do": "fix my car|learn to swim|bake a cake|open a bank account|install Linux|book a flight|lose weight|paint a wall|"
    "write a letter|make money|play the piano|send an email|build a house|tie a tie|cook rice|change a tyre|sleep better|"
    "grow tomatoes|repair a bicycle|get a passport|draw a cat|remove a stain|train a dog|find a job|read music",
    "work": "Hamlet|the Mona Lisa|Faust|War and Peace|the Ninth Symphony|Don Quixote|The Magic Flute|Dracula|Ulysses|"
    "the Odyssey|Robinson Crusoe|Carmen|Guernica|The Raven|Frankenstein|Emma",
    "who": "Napoleon|Mozart|Einstein|Shakespeare|Julius Caesar|Lincoln|Newton|Cleopatra|Beethoven|Marie Curie|Darwin|"
    "Columbus|Galileo|Picasso|Elvis Presley|Churchill|the queen|my neighbor|the mayor|Plato|Rembrandt|Bach|Tesla",
    "many": "people|cars|trees|schools|shops|bridges|dogs|hospitals|streets|museums|trains|windows",
    "article": "a house|a car|a bicycle|a ticket|a new phone|a cup of coffee|a haircut|a computer|bread|petrol|a flight to Rome",
    "why": "is the sky blue|do birds sing|do cats purr|is the sea salty|do we dream|does ice float|did Rome fall|"
    "do leaves fall|is grass green|do people lie|is water wet|do stars shine|are you here|am I tired|do we sleep",
    "best": "film|book|song|phone|car|restaurant|computer|game|camera|hotel|bicycle|wine|school|football team",
    "mine": "name|age|password|address|phone number|favorite color|birthday|dog|key|bag|hat|size",
    "word": "cat|house|love|thank you|water|good morning|friend|bread|sun|yes",
    "tongue": "French|German|Latin|Spanish|Chinese|Greek|Russian|Italian|Dutch|Japanese",
    "n": "144|12|7|81|15|9|64|100|36|23|8|225",
    "n2": "7|9|12|3|4|11|6|13|5",
    "claim": "the moon is cheese|cats have nine lives|money makes happy|the earth is flat|it will rain|he is rich",
    "program": "sorts a list|prints a tree|adds numbers|counts words|plays chess|reads a file",
    "event": "concert|film|game|meeting|train|show|school year|party|lesson|sale",
    "dish": "pizza|soup|pancakes|curry|apple pie|pasta|bread|risotto|sushi|salad|goulash",
}
SYLLABLES = "bla|gro|mip|zor|fle|dun|wex|tor|plim|sna|vit|kro|quib|bel|nor|sef|dra|lup|gan|fim|tro|wub|zel|hax".split(
    "|"
)


def made_up(rng):
    return "".join(rng.sample(SYLLABLES, 2)) + rng.choice(["", "", "k", "t", "n", "le"])


def fill(rng, text):
    text = re.sub(r"\[([^\]]*)\]", lambda m: rng.choice(m.group(1).split("|")), text)
    return re.sub(r"\{(\w+)\}", lambda m: rng.choice(SLOTS[m.group(1)].split("|")), text)


def careless(rng, question):
    """A question as people type it: often without its mark, its capitals, its apostrophe."""
    roll = rng.random()
    if roll < 0.25:
        question = question.lower()
    elif roll < 0.3:
        question = question[:1].lower() + question[1:]
    elif roll < 0.31:
        question = question.upper()
    if rng.random() < 0.3:
        question = question.rstrip("?.")
    elif rng.random() < 0.04:
        question = question.rstrip("?.") + rng.choice([", please.", " please", "??", "!", ", please?"])
    if rng.random() < 0.4:
        question = re.sub("(?i)what's", "whats" if question[:1] == "w" else "Whats", question)
    return question


def held_out(*what):
    """One question in eight is never trained on."""
    return zlib.crc32("/".join(map(str, what)).encode()) % 8 == 0


def worked(a, sign, b):
    """The working before the answer: ones and tens by themselves, so that no step needs a carry of another."""
    if sign == "-":
        if a < 10 or b == 0:
            return ""
        borrow = 10 if a % 10 < b % 10 else 0
        tens = a - a % 10 - borrow
        return "%d - %d = %d, %d - %d = %d, so " % (
            a % 10 + borrow, b % 10, a % 10 + borrow - b % 10, tens, b - b % 10, tens - b + b % 10)  # fmt: skip
    if max(a, b) < 10 or min(a, b) == 0:
        return ""
    ones, tens = a % 10 + b % 10, 10 * (a // 10 + b // 10)
    return "%d + %d = %d, %d + %d = %d, so " % (a % 10, b % 10, ones, a - a % 10, b - b % 10, tens)


class Questions:
    """All questions: pick(kind) -> (question, answer, key words of a right answer, held out?)."""

    # How often each kind is asked in training.
    MIX = {
        "gloss": 36,
        "capital": 13,
        "country": 6,
        "continent": 2,
        "symbol": 8,
        "element": 3,
        "opposite": 7,
        "sum": 14,
        "difference": 14,
        "who": 12,
        "unknown": 30,
        "story": 3,
    }

    def __init__(self, corpus):
        with open(os.path.join(corpus, "facts.json")) as f:
            facts = json.load(f)
        of = {}  # of several names of a country the first
        for country, capital, _ in facts["countries"]:
            of.setdefault(capital, country)
        self.facts = {
            "gloss": [(w, x, a, k) for w, x, a, k in facts["nouns"]],
            "capital": [
                (c, c, "The capital of %s is %s." % (c, t), t) for c, t, _ in facts["countries"]
            ],
            "country": [(t, t, "%s is the capital of %s." % (t, c), c) for t, c in of.items() if c != t],
            "continent": [(c, c, "%s is in %s." % (c, w), w) for c, _, w in facts["countries"]],
            "symbol": [
                (e, e, "The chemical symbol of %s is %s." % (e, s), s) for e, s in facts["elements"]
            ],
            "element": [
                (s, s, "%s is the symbol of %s." % (s, e), e) for e, s in facts["elements"]
            ],
            "opposite": [
                (a, a, "The opposite of %s is %s." % (a, b), b) for a, b in facts["opposites"]
            ],
        }
        self.strange = {
            "gloss": facts["strangers"],
            "capital": facts["places"],
            "symbol": facts["substances"],
            "opposite": [w for w in facts["strangers"] if w not in dict(facts["opposites"])],
        }
        self.kinds, self.shares = zip(*self.MIX.items())
        self.known = {row[0] for row in self.facts["gloss"]}
        self.lands = {row[0] for row in self.facts["capital"]}

    def pick(self, rng, kind):
        if kind in self.facts:
            fact, wording = rng.choice(self.facts[kind]), rng.choice(WORDINGS[kind])
            w, x, answer, key = fact
            if kind in ("gloss", "opposite") and rng.random() < 0.1:
                return wording.format(x='"%s"' % w, w='"%s"' % w), answer, key, held_out(kind, w, wording)
            return wording.format(x=x, w=w), answer, key, held_out(kind, w, wording)
        if kind in ("sum", "difference"):
            most = 99 if rng.random() < 0.35 else SUM_TO
            a, b, wording = rng.randint(0, most), rng.randint(0, most), rng.choice(WORDINGS[kind])
            if kind == "difference" and a < b:
                a, b = b, a
            sign = "+" if kind == "sum" else "-"
            style = rng.choices(["%d %s %d", "%d%s%d", "%d %s%d"], [0.7, 0.28, 0.02])[0]
            x = style % (a, sign, b)
            value = str(a + b if kind == "sum" else a - b)
            if rng.random() < 0.2 and "=" not in wording:
                x = "%d %s %d" % (a, "plus" if kind == "sum" else "minus", b)
            if "=" in wording and " " not in x:
                wording = wording.replace(" ", "")
            secret = max(a, b) <= SUM_TO and held_out(kind, min(a, b), max(a, b))
            return wording.format(x=x, a=a, b=b), worked(a, sign, b) + "%d %s %d = %s." % (a, sign, b, value), value, secret
        if kind == "who":
            questions, answer = rng.choice(WHO)
            question = rng.choice(questions.split("|"))
            return question, answer, answer, held_out("who", question)
        if kind == "story":
            hero, name = None, None
            if rng.random() < 0.75:
                hero = rng.choice(sorted(ANIMALS) + sorted(PEOPLE) + ODD)
                name = rng.choice(names(rng, hero not in PEOPLE, True)) if rng.random() < 0.15 else None
            ask, end = rng.choice(STORY_WORDINGS).split("|")
            about = article(rng.choice(["", "", "", "little ", "small ", "young "]) + hero) if hero else ""
            about += " named " + name if name else ""
            question = ask + (rng.choice([" about ", " about ", " of "]) + about if hero else "") + end
            text = story(rng, hero, name)
            return question, text, "", is_held_out(text)
        if kind == "strange":
            return self.stranger(rng)
        assert kind == "unknown"
        roll = rng.random()
        if roll < 0.06:  # words that are none
            kind = rng.choice(["gloss", "gloss", "capital", "opposite", "symbol"])
            word = made_up(rng)
            x = {
                "gloss": article(word),
                "capital": word.capitalize() + rng.choice(["ia", "land", "", "stan"]),
            }.get(kind, word)
            question = rng.choice(WORDINGS[kind]).format(x=x, w=word)
        elif roll < 0.65:
            return self.stranger(rng)
        elif roll < 0.72:  # more than two numbers below a hundred
            a, b, c, sign = rng.randint(100, 9999), rng.randint(0, 999), rng.randint(0, 99), rng.choice("+-")
            a = a if rng.random() < 0.4 else rng.randint(100, 200)
            b = b if rng.random() < 0.5 else rng.randint(0, 99)
            low, high = sorted((b % 100, c))
            x = rng.choice(
                [
                    "%d %s %d" % (a, sign, b),
                    "%d + %d" % (b, a),
                    "%d%s%d" % (a, sign, b),
                    "%d + %d + %d" % (b % 100, c, rng.randint(0, 99)),
                    "%d - %d" % (low, high + 1),
                ]
            )
            question = rng.choice(WORDINGS["sum"][:8]).format(x=x)
        elif roll < 0.76:
            a, b = rng.randint(2, 99), rng.randint(2, 99)
            question = rng.choice(WORDINGS["sum"][:8]).format(x=rng.choice(["%d * %d", "%d times %d", "%d x %d", "%d / %d", "%d*%d", "%d divided by %d"]) % (a, b))
        elif roll < 0.79:  # nothing at all
            letters = rng.choice(["abcdefghijklmnopqrstuvwxyz", "asdfghjkl", "qwertyuiop", "0123456789.,;:?!"])
            question = "".join(rng.choice(letters) for _ in range(rng.randint(2, 14))) + rng.choice(["", "", "?", "."])
        else:
            question = fill(rng, rng.choice(STRANGE))
        return question, UNKNOWN, UNKNOWN, question in OUTSIDE or held_out("unknown", question)

    def stranger(self, rng):
        """A taught wording with a word that was not taught; the commonest words most often."""
        kind = rng.choices(list(self.strange), [0.68, 0.18, 0.07, 0.07])[0]
        words = self.strange[kind]
        rank = rng.random() ** 2 if kind in ("gloss", "opposite") else rng.random()
        word = words[int(len(words) * rank)]
        x = article(word) if kind == "gloss" and rng.random() < 0.8 else word
        question = rng.choice(WORDINGS[kind]).format(x=x, w=word)
        return question, UNKNOWN, UNKNOWN, held_out("strange", kind, word)

    def taught(self, rng):
        """A question that training may see, now and then typed carelessly, and its answer."""
        kind = rng.choices(self.kinds, self.shares)[0]
        while True:
            question, answer, _, secret = self.pick(rng, kind)
            if not secret:
                break
        return careless(rng, question), answer

    def chat(self, rng):
        """Turns (question, answer) of one conversation: mostly short, sometimes a long one."""
        return [self.taught(rng) for _ in range(rng.choice([1, 1, 2, 3, 4, 6]))]

    def test(self, rng, kind, count):
        """Held-out questions of a kind, each once."""
        out, seen, tries = [], set(), 0
        while len(out) < count and tries < 100000:
            tries += 1
            question, answer, key, secret = self.pick(rng, kind)
            if kind == "sum" and not secret:
                continue
            if secret and question not in seen:
                seen.add(question)
                out.append({"kind": kind, "question": question, "answer": answer, "key": key})
        return out


# Questions out of the model's domain, of kinds that training never words this way.
OUTSIDE = [
    "Who invented the telephone?",
    "What is the speed of light?",
    "How do airplanes fly?",
    "Who discovered America?",
    "What is the tallest mountain in the world?",
    "How many days are in a leap year?",
    "What is photosynthesis?",
    "Which planet is the largest?",
    "Who was the first man on the moon?",
    "What is the boiling point of water?",
    "How do I write a poem?",
    "What is 12 times 12?",
    "Why do we yawn?",
    "Who painted the Sistine Chapel?",
    "How deep is the ocean?",
    "What language do they speak in Brazil?",
    "What is the stock price of Apple?",
    "How do I reset my router?",
    "When did the second world war end?",
    "Who is your favorite singer?",
    "What should I wear tomorrow?",
    "How many bones does a human have?",
    "What is the plot of Macbeth?",
    "Why did the chicken cross the road?",
    "Translate apple into Spanish.",
    "How old is the universe?",
    "What is the recipe for lasagna?",
    "Who will win the next election?",
    "Where did I put my glasses?",
    "What is the fastest animal on land?",
]


def main():
    ap = argparse.ArgumentParser(description="Write the held-out questions as JSON.")
    ap.add_argument("--corpus", default="build/corpus")
    ap.add_argument("--out", default="models/heldout-questions.json")
    args = ap.parse_args()
    questions, rng, out = Questions(args.corpus), random.Random(16), []
    for kind, count in (
        ("gloss", 100),
        ("capital", 60),
        ("symbol", 40),
        ("sum", 60),
        ("difference", 20),
        ("opposite", 40),
        ("country", 20),
        ("continent", 20),
        ("element", 20),
        ("who", 6),
    ):
        out += questions.test(rng, kind, count)
    out += questions.test(rng, "strange", 40)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "newcomer.tsv")) as f:
        for line in f:
            question, key = line.rstrip("\n").split("\t")
            kind = "newcomer, unknown" if key in UNKNOWN else "newcomer"
            out.append({"kind": kind, "question": question, "answer": key, "key": key})
    out += [{"kind": "outside", "question": q, "answer": UNKNOWN, "key": UNKNOWN} for q in OUTSIDE]
    with open(args.out, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in out) + "\n]\n")
    print("%d held-out questions" % len(out))


if __name__ == "__main__":
    main()
