"""Checks that each room of the library uses only those before it, and that the files of a program have no circle.

usage: rooms.py ROOT

A file uses another if it includes it, or names a function that only the other one defines. Exit status 1 if a use runs
upward, if lib/cli or bench/job has a circle, or if meson.build does not list the sources in the order of the rooms.
"""
import glob
import os
import re
import sys

ROOMS = ["shm"] + ["lib/" + r for r in ("place", "wake", "unit", "credit", "ring", "crash", "flow", "seat", "watch")]
PROGRAMS = ["lib/cli", "bench/job"]
DEFINED = re.compile(r"^(?!static |typedef)[a-z][\w \*,]*?[ \*](\w+)\([^;{}]*\)\n?\s*\{", re.M)
IN_HEADER = re.compile(r"^(?:static inline )?[a-z][\w \*,]*?[ \*](\w+)\([^;{}]*\)\n?\s*\{", re.M)


def read(path):
    """A source without its comments, and without the texts in it."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
    return re.sub(r'(?m)^(?!\s*#include)(.*)$', lambda line: re.sub(r'"(\\.|[^"\\])*"', '""', line.group()), text)


def uses(root, folders):
    """Each use of a file by another: (path, path, what for)."""
    paths = [os.path.relpath(p, root) for f in folders for p in sorted(glob.glob(os.path.join(root, f, "*.[ch]")))]
    texts = {path: read(os.path.join(root, path)) for path in paths}
    defined = {}
    structs = set(re.findall(r"struct (\w+) \{", " ".join(texts.values())))  # fields.h names them in macros
    for path, text in texts.items():
        tags = re.findall(r"struct (\w+)", text)
        for name in set((IN_HEADER if path.endswith(".h") else DEFINED).findall(text)).difference(tags):
            defined.setdefault(name, path)
    for path, text in texts.items():
        for name in re.findall(r'^#include "([^"]+)"', text, re.M):
            for folder in (os.path.dirname(path), "lib", "shm"):
                if os.path.join(folder, name) in texts:
                    yield path, os.path.join(folder, name), "an include"
        for name in sorted(set(re.findall(r"(?<![.>\w])(?<!struct )([a-z]+_\w+)(?=\W)", text))):
            if defined.get(name, path) != path and name not in structs:
                yield path, defined[name], name


def upward(root):
    for user, used, how in uses(root, ROOMS):
        if ROOMS.index(os.path.dirname(used)) > ROOMS.index(os.path.dirname(user)):
            yield "%s uses %s, in a room above: %s" % (user, used, how)
    with open(os.path.join(root, "meson.build"), encoding="utf-8") as f:
        sources = re.findall(r"'([^']+\.c)'", re.search(r"^sources = files\((.*?)\)$", f.read(), re.M | re.S)[1])
    ranks = [ROOMS.index(os.path.dirname(s)) for s in sources]
    yield from ("meson.build lists %s before %s" % (a, b)
                for a, b, i, j in zip(sources, sources[1:], ranks, ranks[1:]) if i > j)


def circles(root, folder):
    """The uses that are left when files that use no other, or that no other uses, are left out again and again."""
    left = [u for u in uses(root, [folder]) if u[2] != "an include" and u[0].endswith(".c") and u[1].endswith(".c")]
    before = None
    while len(left) != before:
        before = len(left)
        users, used = {u[0] for u in left}, {u[1] for u in left}
        left = [u for u in left if u[1] in users and u[0] in used]
    return ["%s uses %s, one of a circle: %s" % (user, file, how) for user, file, how in left]


def main():
    wrong = list(upward(sys.argv[1])) + [c for folder in PROGRAMS for c in circles(sys.argv[1], folder)]
    print("\n".join(wrong) or "no use runs upward, no circle")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
