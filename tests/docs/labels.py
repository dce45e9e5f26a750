"""Compares the rules that code, tests, models and planted faults cite (A1, F4, ...) with the table in lib/PROTOCOL.md.

usage: labels.py ROOT

A label that is cited must be in the table, and each in the table must be cited by something that is compiled or run: a
rule that only documents name is kept by nobody. Exit status 1 if that is not so.
"""
import os
import re
import sys

LABEL = re.compile(r"(?<![\w-])([ABCDEFGHIJKLNPSUW][1-9]\d?)(?![\w])")
NO_LABELS = {"C11", "C17", "C99"}  # versions of the language
CODE = ("lib", "shm", os.path.join("tests", "explore"), os.path.join("tests", "model"), os.path.join("tests", "crash"),
        os.path.join("tests", "unit"), os.path.join("tests", "stress"), os.path.join("tests", "guest"))
NO_RULES = (os.path.join("lib", "cli"), os.path.join("lib", "python"), os.path.join("lib", "packaging"))
DOCUMENTS = ("lib/PROTOCOL.md", "lib/MEMORY-MODEL.md", "lib/DECISIONS.md", "shm/LAYOUT.md", "CONTRIBUTING.md")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def rules(text):
    """The labels of the table, in its order."""
    table = re.search(r"^## The rules\n(.*?)^## ", text, re.M | re.S)[1]
    return re.findall(r"^\| ([A-Z]\d+) \|", table, re.M)


def cited(root, files):
    """The labels in these files, each with the first place where it stands."""
    places = {}
    for name in files:
        for number, line in enumerate(read(root, name).splitlines(), 1):
            for label in LABEL.findall(line):
                if label not in NO_LABELS:
                    places.setdefault(label, "%s:%d" % (name, number))
    return places


def code(root):
    """The files that are compiled or run, relative to the root."""
    for top in CODE:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(folder, name), root)
                if re.search(r"\.(c|h|py|pml)$|/run$", path) and not path.startswith(NO_RULES):
                    yield path


def main():
    root = sys.argv[1]
    table = rules(read(root, "lib/PROTOCOL.md"))
    by_code, by_documents = cited(root, code(root)), cited(root, DOCUMENTS)
    wrong = ["%s stands twice in the table of lib/PROTOCOL.md" % r for r in sorted(set(table)) if table.count(r) > 1]
    for label, place in sorted({**by_documents, **by_code}.items()):
        if label not in table:
            wrong.append("%s: %s is cited, and is not in the table of lib/PROTOCOL.md" % (place, label))
    wrong += ["%s is in the table of lib/PROTOCOL.md, and no code, test or model cites it" % r for r in table
              if r not in by_code]
    print("\n".join(wrong) or "%d rules, each defined and cited" % len(table))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
