#!/usr/bin/env python3
"""jinja_differ.py - small random templates by our interpreter beside Jinja itself.

    jinja_differ.py JINJA_LINES [TEMPLATES [SEED]]

Templates of a grammar over all that docs/TEMPLATES.md names, right and wrong uses of it alike. What Jinja
(jinja_reference.py) renders comes out equal, or is refused as something that is not done here, or for a limit;
what Jinja refuses is refused. Of each kind of difference the shortest template is printed.
"""
import json
import random
import re
import resource
import signal
import subprocess
import sys

from jinja_reference import answer

VALUES = {
    "messages": [{"role": "system", "content": " Be kind. "}, {"role": "user", "content": "Hi ü\n", "n": 2},
                 {"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
                 {"role": "user", "content": ["x", {"type": "text", "text": "<b>&"}], "n": 1}],
    "s": "Ab, c-d", "t": "<i>\"ß'&</i>", "u": " ŉ ΑΣ Ǆ ﬁ ٣\t", "empty": "", "i": 3, "j": -2, "f": 2.5, "yes": True,
    "nothing": None, "l": [3, 1, 2], "m": ["b", "A", "a", "B"], "d": {"b": 1, "a": "x", "items": [1]}, "e": {},
}
ADDRESS = re.compile(r" at 0x[0-9a-f]+", re.I)
OURS = re.compile(r"not (known|done|printed) here|64 bits|takes \d+ arguments here|has no argument")
TEXTS = [
    "", "a", "B", "ab", "x,y", "role", "content", "n", " \n", "é", "ß", "ŉ", "ΑΣ", "Ǆ", "²", "٣", "12", "-7",
    "0x1f", "1.5", "1e2", "1_0", "<b>", "a'b", 'q"', "&", "{}", "{0}", "{x}", "%s", "%d|%s", "%%", "a b  c",
    "A-b (c)", "\x1c", "ｱ", "İ", "ǅz",
]
ESCAPES = ["\\n", "\\t", "\\'", "\\\\", "\\x41", "\\u00e9", "\\é", "\\q", "\\0", "\\101", "\\8", "\\\n", "\\U0001F642"]
NAMES = ["a", "b", "x", "y"]
KNOWN = list(VALUES) * 3 + NAMES * 2 + ["zz"]
FILTERS = """
    abs batch capitalize count d default dictsort first float format groupby indent int items join last length
    list lower map max min reject rejectattr replace reverse round safe select selectattr sort string sum title
    tojson trim unique upper nosuch
""".split()
TESTS = """
    defined undefined none boolean true false integer float number string mapping iterable sequence callable
    lower upper even odd divisibleby eq equalto ne lt lessthan le gt greaterthan ge in sameas filter nosuch
""".split()
METHODS = """
    capitalize count endswith find format index isalnum isalpha isdigit islower isspace isupper join lower
    lstrip partition removeprefix removesuffix replace rfind rpartition rsplit rstrip split splitlines
    startswith strip title upper zfill append copy extend insert pop get items keys update values
""".split()
KEYWORDS = {
    "sort": ["reverse", "case_sensitive", "attribute"], "dictsort": ["case_sensitive", "by", "reverse"],
    "unique": ["case_sensitive", "attribute"], "min": ["case_sensitive", "attribute"], "max": ["attribute"],
    "sum": ["attribute", "start"], "groupby": ["attribute", "default", "case_sensitive"], "join": ["d", "attribute"],
    "map": ["attribute", "default"], "batch": ["linecount", "fill_with"], "indent": ["width", "first", "blank"],
    "tojson": ["indent", "ensure_ascii", "sort_keys", "separators"], "int": ["default", "base"], "float": ["default"],
    "round": ["precision", "method"], "default": ["default_value", "boolean"], "replace": ["old", "new", "count", "s"],
    "trim": ["chars"], "split": ["sep", "maxsplit"], "rsplit": ["sep", "maxsplit"], "splitlines": ["keepends"],
    "strip": ["chars"], "get": ["key", "default"], "format": ["x", "y"], "update": ["x", "b"], "pop": ["key"],
}


class Grammar:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.loops = 0
        self.macros = []

    def one(self, *forms):
        return self.r.choice(forms)

    def some(self, make, most):
        return [make() for _ in range(self.r.randint(0, most))]

    # ---- expressions ---------------------------------------------------------------------------

    def text(self):
        body = self.r.choice(TEXTS).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        if self.r.random() < 0.1:
            body += self.r.choice(ESCAPES)
        return f"'{body}'"

    def number(self):
        return self.one("0", "1", "2", "3", "-1", "5", "10", "1.5", "0.1", "-2.5", "1e3", "0x1F", "1_0", "2.0", "100",
                        self.one("1e300", "1e-300", "1.7e308", "5e-324", "-0.0", "9007199254740993", "1e22"),
                        "012" if self.r.random() < 0.05 else "7")

    def atom(self):
        return self.one(self.text, self.number, self.name, self.name,
                        lambda: self.one("true", "false", "none", "True", "None", "[]", "{}", "()", "''"))()

    def name(self):
        return self.r.choice(KNOWN + (["loop"] if self.loops else []))

    def expr(self, depth=None):
        if depth is None:
            depth = self.one(1, 1, 1, 2, 2, 3)
        if depth <= 0:
            return self.atom()
        sub = lambda: self.expr(depth - self.r.randint(1, 2))
        return self.r.choice((
            self.atom, self.name,
            lambda: f"[{', '.join(self.some(sub, 3))}]",
            lambda: f"({sub()}, {', '.join(self.some(sub, 2))})",
            lambda: "{" + ", ".join(f"{self.key(depth)}: {sub()}" for _ in range(self.r.randint(0, 3))) + "}",
            lambda: self.attribute(self.one(sub(), "d", "messages[1]", "(messages | last)", "m")),
            lambda: self.item(self.one(sub(), "d", "messages", "l", "s"), sub),
            lambda: self.slice(self.one(sub(), "s", "l", "messages")),
            lambda: self.filter(self.close(sub()), sub),
            lambda: self.filter(self.close(sub()), sub),
            lambda: self.filter(self.filter(self.close(sub()), sub), sub),
            lambda: self.method(self.close(sub()), sub),
            lambda: self.method(self.one("s", "t", "u", "l", "d", "m"), sub),
            lambda: self.test(self.close(sub()), sub),
            lambda: f"({self.count()} {self.one('+', '-', '*', '/', '//', '%', '~')} {self.count()})",
            lambda: f"{sub()} {self.one('+', '~', '~', '%', '*')} {sub()}",
            lambda: f"{self.count()} ** {self.one('2', '0', '-1', '0.5', '-300', '300.0', '99999.0')}",
            lambda: f"({sub()} {self.one('==', '!=', 'in', 'not in')} {sub()})",
            lambda: f"({self.count()} {self.one('<', '>', '<=', '>=')} {self.count()})",
            lambda: f"({sub()} {self.one('and', 'or')} {sub()})",
            lambda: f"(not {sub()})",
            lambda: f"({self.one('-', '+')}{self.close(self.count())})",
            lambda: f"({sub()} if {sub()}" + (f" else {sub()})" if self.r.random() < 0.8 else ")"),
            lambda: self.call(sub),
            lambda: self.loop_attribute(sub),
        ))()

    def count(self):
        names = ["i", "j", "f", "yes", "(l | length)", "(s | length)"]
        return self.one(self.number, self.number, lambda: self.one(*names), self.atom)()

    def close(self, text):
        return f"({text})" if re.search(r"\W", text) else text

    def key(self, depth):
        return self.one(self.text, self.text, self.number, lambda: "(1, 'a')", lambda: self.expr(depth - 2),
                        lambda: self.nested_tuple(depth))()

    def nested_tuple(self, depth):
        """A key that is hashed and compared all the way down; a list in it makes it none."""
        part = lambda: self.nested_tuple(depth - 1) if depth > 0 and self.r.random() < 0.5 else self.one(
            "1", "1.0", "true", "'a'", "s", "none", "()", "l" if self.r.random() < 0.2 else "i")
        return f"({part()}, {', '.join(self.some(part, 2))})"

    def attribute(self, of):
        return f"{self.close(of)}.{self.one('role', 'content', 'n', 'a', 'b', 'items', 'x', 'list', 'upper', '0')}"

    def item(self, of, sub):
        return f"{self.close(of)}[{self.one(self.number, self.text, sub)()}]"

    def slice(self, of):
        parts = ["", "", "1", "-1", "2", "0", "none", "5", "true", "'a'" if self.r.random() < 0.2 else ""]
        part = lambda: self.one(*parts)
        step = self.one("", "", ":", ":-1", ":2", ":-2", ":0" if self.r.random() < 0.3 else "")
        return f"{self.close(of)}[{part()}:{part()}{step}]"

    def argument(self, sub):
        known = ["'a'", "'n'", "'role'", "'x.y'", "'a,n'", "0", "'value'"]
        return self.one(self.text, self.number, sub, lambda: self.one(*known))()

    def arguments(self, of, sub, most=2):
        args = self.some(lambda: self.argument(sub), most)
        known = KEYWORDS.get(of, ["x", "a"])
        if self.r.random() < 0.3:
            for key in self.r.sample(known, min(len(known), self.r.randint(1, 2))):
                args.append(f"{key}={self.argument(sub)}")
        if self.r.random() < 0.02:
            args.append(self.one("**{'x': 1}", "**{'x y': 1}", "**{'': i, 'b': 2}", "**{(1, 2): 3}", "**d", "nosuch=1"))
        return ", ".join(args)

    def filter(self, of, sub):
        name = self.r.choice(FILTERS)
        if name in ("select", "reject", "selectattr", "rejectattr", "map") and self.r.random() < 0.7:
            first = ["'role'", "'n'", "'a'", "0"] if name.endswith("attr") else []
            args = [self.r.choice(first)] if first else []
            if name == "map":
                args.append("'" + self.r.choice(FILTERS) + "'")
            elif self.r.random() < 0.7:
                args.append("'" + self.r.choice(TESTS + ["==", ">", "<="]) + "'")
            if self.r.random() < 0.4:
                args.append(self.argument(sub))
            call = "(" + ", ".join(args) + ")"
        else:
            most = 3 if name == "replace" else 2
            call = "(" + self.arguments(name, sub, most) + ")" if self.r.random() < 0.6 else ""
        tail = " | list" if name in ("select", "reject", "selectattr", "rejectattr", "map", "batch", "unique", "items",
                                     "reverse") and self.r.random() < 0.7 else ""
        return f"({of} | {name}{call}{tail})"

    def method(self, of, sub):
        name = self.r.choice(METHODS)
        least = 2 if name in ("replace", "insert") else 1 if name in ("append", "get", "join", "find", "index") else 0
        args = self.arguments(name, sub)
        while args.count(",") + bool(args) < least and self.r.random() < 0.9:
            args = self.argument(sub) + (", " + args if args else "")
        return f"{of}.{name}({args})"

    def test(self, of, sub):
        name = self.r.choice(TESTS)
        arg = f"({self.argument(sub)})" if name in ("divisibleby", "eq", "equalto", "ne", "lt", "lessthan", "le", "gt",
                                                    "greaterthan", "ge", "in", "sameas") else ""
        return f"({of} is {self.one('', 'not ')}{name}{arg})"

    def call(self, sub):
        forms = [lambda: f"range({self.one('3', '1, 4', '5, 0, -2', sub())})",
                 lambda: f"dict({self.arguments('update', sub, 1)})",
                 lambda: f"namespace({self.arguments('update', sub, 1)})",
                 lambda: f"{self.one('s', 'zz', 'self', 'd.a', 'caller', '(1)')}({sub()})"]
        if self.macros:
            forms += [lambda: f"{self.r.choice(self.macros)}({self.arguments('macro', sub)})"] * 3
        return self.r.choice(forms)()

    def loop_attribute(self, sub):
        if not self.loops:
            return self.expr(1)
        return "loop." + self.one("index", "index0", "revindex", "revindex0", "first", "last", "length", "depth",
                                  "previtem", "nextitem", "nosuch", f"cycle({sub()}, {sub()})", f"changed({sub()})")

    # ---- statements ----------------------------------------------------------------------------

    def tag(self, inside):
        a, b = self.one("", "", "", "-", "+"), self.one("", "", "", "-", "+")
        return f"{{%{a} {inside} {b}%}}"

    def shown(self, depth=None):
        a, b = self.one("", "", "", "-"), self.one("", "", "", "-")
        return f"{{{{{a} {self.expr(depth)} {b}}}}}"

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.r.randint(1, 3)))

    def statement(self, depth):
        if depth <= 0:
            return self.one(self.shown, self.data)()
        return self.r.choice((
            self.shown, self.shown, self.shown, self.data, self.data,
            lambda: self.conditional(depth), lambda: self.loop(depth), lambda: self.loop(depth),
            self.assignment, self.assignment, lambda: self.block(depth), lambda: self.macro(depth),
            lambda: self.caller(depth), self.jump, self.change,
        ))()

    def data(self):
        return self.one("a", " ", "\n", "b\n", "  \n  ", "ü", "{# c #}", "{#- c -#}", "\t", "x\n\n",
                        "{% raw %} {{ 1 }} {% endraw %}")

    def conditional(self, depth):
        out = self.tag(f"if {self.expr(2)}") + self.body(depth - 1)
        if self.r.random() < 0.3:
            out += self.tag(f"elif {self.expr(2)}") + self.body(depth - 1)
        if self.r.random() < 0.4:
            out += self.tag("else") + self.body(depth - 1)
        return out + self.tag("endif")

    def loop(self, depth):
        target = self.one("x", "x", "a", "x, y", "(a, b)")
        pairs = ["d.items()", "[[1, 2], [3, 4]]", "['ab', 'cd']", "(d | items)", "(d | dictsort)"]
        single = ["l", "m", "messages", "d.items()", "range(3)", "'ab'", "d"]
        over = self.one(*(pairs if "," in target else single))
        if self.r.random() < 0.2:
            over = self.expr(2)
        test = f" if {self.expr(2)}" if self.r.random() < 0.2 else ""
        out = self.tag(f"for {target} in {over}{test}")
        self.loops += 1
        out += self.body(depth - 1)
        self.loops -= 1
        if self.r.random() < 0.3:
            out += self.tag("else") + self.body(depth - 1)
        return out + self.tag("endfor")

    def jump(self):
        if not self.loops:
            return self.shown()
        jump = self.tag(self.one("break", "continue"))
        return jump if self.r.random() < 0.3 else self.tag(f"if {self.expr(2)}") + jump + self.tag("endif")

    def change(self):
        of = self.one("l", "m", "d", "x", "y")
        what = self.one("append(1)", "append(x)", "pop()", "insert(0, 'q')", "extend([1, 2])", "update(x=1)",
                        "pop('b')", "pop(0)", "update({'q': x})")
        return self.one(lambda: self.tag(f"set _ = {of}.{what}"), lambda: f"{{{{ {of}.{what} }}}}")()

    def assignment(self):
        bad = ["true", "none", "self", "loop", "range", "x.y.z", "x[0]", "l", "d"]
        plain = lambda: f"set {self.r.choice(NAMES)} = {self.expr()}"
        return self.tag(self.one(
            plain, plain,
            lambda: f"set x, y = {self.expr()}, {self.expr(1)}", lambda: "set a = namespace(x=1, n=[])",
            lambda: f"set {self.one('a.x', 'a.n', 'l', 'd', 'm', 's')} = {self.expr(2)}",
            lambda: f"set {self.r.choice(bad)} = {self.expr(1)}")())

    def block(self, depth):
        inside = self.body(depth - 1)
        return self.one(
            lambda: self.tag("set x") + inside + self.tag("endset"),
            lambda: self.tag(f"set y | {self.r.choice(FILTERS)}") + inside + self.tag("endset"),
            lambda: self.tag(f"filter {self.r.choice(FILTERS)}") + inside + self.tag("endfilter"),
            lambda: self.tag(f"with a = {self.expr(2)}, b = {self.expr(1)}") + inside + self.tag("endwith"),
            lambda: self.tag("generation") + inside + self.tag("endgeneration"))()

    def macro(self, depth):
        name, loops = self.one("p", "q"), self.loops
        parameters = self.one("", "a", "a, b=1", "a, b=a", "x=2", "a, a" if self.r.random() < 0.05 else "a")
        self.loops = 0
        inside = self.body(depth - 1) + self.one("", "{{ varargs }}", "{{ kwargs }}", "{{ caller() }}", "{{ a }}")
        self.loops = loops
        self.macros.append(name)
        return self.tag(f"macro {name}({parameters})") + inside + self.tag("endmacro")

    def caller(self, depth):
        if not self.macros:
            return self.macro(depth)
        name, loops = self.r.choice(self.macros), self.loops
        self.loops = 0
        inside = self.body(depth - 1)
        self.loops = loops
        given = self.arguments("macro", lambda: self.expr(1))
        return self.tag(f"call{self.one('', '(x)')} {name}({given})") + inside + self.tag("endcall")


    def outside(self, depth):
        """White space and tags that take it off, or do not."""
        sign = lambda: self.one("", "", "-", "+")
        end = lambda: self.one("", "", "-")
        return "".join(self.r.choice((
            lambda: self.one(" ", "\n", "\t", "\r\n", "\r", "a", "b\n", "\u3000", "\u2028", "\x85"),
            lambda: self.one("{", "}", "%}", "#", "-", "+", "{{'#'}}"),
            lambda: self.one("  \n", "\n  ", "\n\n", " a ", "\n\t", "x  ", "{ {", "}}"),
            lambda: f"{{#{sign()}{self.one('', ' c ', chr(10), ' {{ ', '-', ' +', '%}')}{sign()}#}}",
            lambda: f"{{{{{end()}{self.one(' 1 ', '1', chr(10) + '2', chr(39) + '}}' + chr(39))}{end()}}}}}",
            lambda: f"{{%{sign()} raw {sign()}%}}" + self.one(" a ", "\n", "{{ 1 }}", " {# ", "")
            + f"{{%{sign()} endraw {sign()}%}}",
            lambda: f"{{%{sign()} if 1 {sign()}%}}" + self.outside(depth // 2) + f"{{%{sign()}endif{sign()}%}}",
            lambda: f"{{%{sign()}set x = 1{sign()}%}}",
        ))() for _ in range(self.r.randint(1, 5)))


def make(seed, i):
    g = Grammar(f"{seed}/{i}")
    return g.outside(2) if i % 5 == 4 else "{{ " + g.expr() + " }}" if i % 2 else g.body(3)


def too_long(*_):
    raise TimeoutError("too long")


def jinja(case):
    """Its answer; a list that grows while it is gone through has no end there."""
    signal.setitimer(signal.ITIMER_REAL, 5)
    out = answer(case["template"], case)
    signal.setitimer(signal.ITIMER_REAL, 0)
    return out


def kind_of(ours, theirs):
    """None where they agree; else what is wrong."""
    if theirs.get("error", "").startswith(("TimeoutError", "MemoryError")):
        return "Jinja finds no end" if "text" in ours else None
    if "text" in theirs and ADDRESS.search(theirs["text"]):
        theirs = {"error": "an address"}  # is another each time
    if "text" in theirs:
        if "text" in ours:
            return None if ours["text"] == theirs["text"] else "differs"
        if ours["status"] == "BNT_E_LIMIT" or OURS.search(ours["error"]):
            return None
        return "refused: " + re.sub(r"\d+|'[^']*'", "_", ours["error"])
    return "Jinja refuses: " + re.sub(r"\d+|'[^']*'", "_", theirs["error"])[:70] if "text" in ours else None


def main():
    program, count, seed = sys.argv[1], int((sys.argv[2:] + ["3000"])[0]), (sys.argv[3:] + ["1"])[0]
    cases = [{"template": make(seed, i), "time": 1790000000, "values": VALUES} for i in range(count)]
    done = subprocess.run([program], input=json.dumps(cases), capture_output=True, text=True, check=True)
    ours = [json.loads(line) for line in done.stdout.rstrip("\n").split("\n")]
    signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    wrong, counts = {}, {"equal": 0, "refused by both": 0, "refused here": 0}
    for case, us in zip(cases, ours, strict=True):
        them = jinja(case)
        kind = kind_of(us, them)
        if kind:
            wrong.setdefault(kind, []).append((case["template"], us, them))
        else:
            counts["equal" if "text" in us else "refused here" if "text" in them else "refused by both"] += 1
    for kind, all_of in sorted(wrong.items(), key=lambda k: len(k[1])):
        for source, us, them in sorted(all_of, key=lambda c: len(c[0]))[:12 if kind == "differs" else 1]:
            print(f"FAILED {len(all_of)} times, {kind}\n  {source!r}\n  ours  {us}\n  Jinja {them}")
    print(f"{count} templates of seed {seed}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    failed = sum(map(len, wrong.values()))
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed or not counts["equal"] else 0


if __name__ == "__main__":
    sys.exit(main())
