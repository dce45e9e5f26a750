"""Compares the table of promises in tests/README.md with the tests: what it names must be there.

usage: promises.py ROOT

It names files (unit/wait), planted faults (NOWAKEDATA), scenarios of the explorer and models. Exit status 1 if one of
them does not exist, or if the number of planted faults is another.
"""
import os
import re
import sys

sys.dont_write_bytecode = True  # leave no files beside the sources


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def listed(word, text):
    """The names after a word: 'models a, b and c'."""
    for names in re.findall(r"\b%ss?\s+((?:\w+,\s+)*\w+(?:\s+(?:and|to)\s+\w+)?)" % word, text):
        yield from re.findall(r"\w+", re.sub(r"\b(and|to)\b", "", names))


def missing_files(tests, text):
    folders = "|".join(f for f in os.listdir(tests) if os.path.isdir(os.path.join(tests, f)))
    for folder, name in re.findall(r"(?<![\w/.-])(%s)/([\w.]*\w)" % folders, text):
        if not any(os.path.exists(os.path.join(tests, folder, name + end)) for end in ("", ".c", ".py", ".sh")):
            yield "no file %s/%s" % (folder, name)


def main():
    tests = os.path.join(sys.argv[1], "tests")
    sys.path.insert(0, os.path.join(tests, "explore", "mutants"))
    from table import MUTANTS
    text = read(tests, "README.md")
    promises = text[text.index("**R1."):].partition("\n## ")[0]
    faults = {name for name, _, _, _ in MUTANTS}
    scenarios = set(re.findall(r'^    \{"(\w+)"', read(tests, "explore", "scenarios.c"), re.M))
    models = {f[:-2] for f in os.listdir(os.path.join(tests, "model")) if f.endswith(".c")}
    wrong = list(missing_files(tests, text))
    wrong += ["no planted fault %s" % name for name in listed("[Mm]utant", promises) if name not in faults]
    wrong += ["no scenario %s" % name for name in listed("[Ss]cenario", promises) if name not in scenarios]
    wrong += ["no model %s" % name for name in listed("[Mm]odel", promises) if name not in models]
    number = int(re.search(r"(\d+) planted faults", text)[1])
    if number != len(faults):
        wrong.append("%d planted faults: there are %d" % (number, len(faults)))
    print("\n".join("tests/README.md: " + w for w in wrong) or "what the promises name is there")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
