#!/usr/bin/env python3
"""jinja_reference.py - renders templates as Hugging Face transformers does, for jinja.mjs and jinja_differ.py.

    jinja_reference.py <CASES        the input of jinja_lines.c

Jinja itself, in the environment that transformers' chat_template_utils sets up. Prints one JSON object a
case: {"text": ...} or {"error": ...}. Where the immutable sandbox refuses a template for changing a list,
"loose" says that the text is that of the sandbox which lets it.
"""
import datetime
import functools
import json
import sys

import jinja2.ext
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment


class Generation(jinja2.ext.Extension):
    """{% generation %}: transformers notes where its text lies; the text is that of a call block."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_text"), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def raise_exception(message):
    raise TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@functools.cache
def environment(kind, seconds):
    env = kind(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    now = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    env.globals["strftime_now"] = now.strftime
    return env


@functools.cache
def template(kind, seconds, source):
    return environment(kind, seconds).from_string(source)


def render(kind, source, case):
    values = json.loads(json.dumps(case["values"]))  # a template may change them
    return template(kind, case.get("time", 0), source).render(**values)


def answer(source, case):
    try:
        try:
            return {"text": render(ImmutableSandboxedEnvironment, source, case)}
        except SecurityError:
            return {"text": render(SandboxedEnvironment, source, case), "loose": True}
    except Exception as why:  # whatever a template makes Python say
        return {"error": f"{type(why).__name__}: {why}"}


def main():
    cases = json.load(sys.stdin)
    for case in cases:
        source = case["template"]
        if isinstance(source, int):
            source = cases[source]["template"]
        print(json.dumps(answer(source, case)))


if __name__ == "__main__":
    main()
