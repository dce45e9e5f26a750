#!/usr/bin/env python3
"""Plants each fault of table.py into a copy of the sources and runs the explorer on it: all must be caught.

run.py [--check] [--quick] [--histories] [--seconds S] [--jobs J] [--cc CC] [NAME ...]
Prints a table: the fault, the rule that it breaks, the scenario that caught it, after how many schedules and seconds,
and how. --check runs nothing: it looks whether each fault has its place in the sources and compiles there, and whether
the table names no fault and no scenario that does not exist. --quick leaves out those that take long (SLOW).
With --histories the other checks are off, and no sequential order may explain some history of each fault, but for
those that histories do not show (UNSEEN).
"""
import argparse
import concurrent.futures
import contextlib
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # leave no files beside the sources
from table import EXPLAINED, MUTANTS, SLOW, UNSEEN

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
FLAGS = ["-std=gnu11", "-O1", "-D_GNU_SOURCE", "-Iinclude", "-Ishm", "-Ilib", "-mcx16"]
HOOK = ["-include", "tests/explore/hook.h"]
COMMENT = re.compile(r"/\*.*?\*/", re.S)
BETWEEN = r"(?:\s|/\*(?:[^*]|\*(?!/))*\*/)*"  # what may stand between two tokens
SIZE = re.compile(r"'(-DCVB_\w+(?:=\w+)?)'")
REPLACED = {"attach.c", "process.c", "futex.c", "clock.c", "system.c", "notify.c"}
FUNCTION = re.compile(r"^(?!#|typedef)[a-zA-Z_][\w \*,]*?[ \*](\w+)\([^;{}]*\)\n?\s*\{", re.M)
LINE = "%-15s %-72s %-9s %9s %7s  %s"


def sizes():
    """Those of the explorer itself."""
    build = read(os.path.join(HERE, "..", "meson.build"))
    variant, args = (build[build.index(part):].split("]")[0] for part in ("'explore': [", "args = ["))
    return SIZE.findall(variant + args)


def copy(root, to):
    for part in ("include", "shm", "lib", os.path.join("tests", "explore")):
        shutil.copytree(os.path.join(root, part), os.path.join(to, part),
                        ignore=shutil.ignore_patterns("cli", "packaging", "mutants"))


def sources(tree):
    protocol = [os.path.relpath(path, tree) for part in ("shm/*.c", "lib/*/*.c")
                for path in sorted(glob.glob(os.path.join(tree, part))) if os.path.basename(path) not in REPLACED]
    own = [os.path.join("tests", "explore", f) for f in sorted(os.listdir(os.path.join(tree, "tests", "explore")))
           if f.endswith(".c") and not f.endswith("_test.c")]
    return protocol, own


def build(options, tree, base=None, changed=()):
    """Compiles what was changed, all of the protocol if that is a header, or everything; and links with base's rest."""
    protocol, own = sources(tree)
    header = any(c.endswith(".h") for c in changed)
    objects = []
    for source in protocol + own:
        name = source.replace("/", "_") + ".o"
        if base and source not in changed and not (header and source in protocol):
            objects.append(os.path.join(base, name))
            continue
        hook = HOOK if source in protocol else []
        subprocess.run([options.cc, *FLAGS, "-w", *sizes(), *hook, "-c", source, "-o", name], cwd=tree, check=True)
        objects.append(name)
    subprocess.run([options.cc, *objects, "-o", "explorer"], cwd=tree, check=True)


def functions(tree):
    """Where each function is: {name: path}. The library is one translation unit, so no two have one name."""
    paths = [path for part in ("shm/*.[ch]", "lib/*/*.[ch]") for path in glob.glob(os.path.join(tree, part))]
    return {name: os.path.relpath(path, tree) for path in paths for name in FUNCTION.findall(read(path))}


def read(path):
    with open(path) as f:
        return f.read()


def span(content, function):
    """From where to where a function's text goes."""
    head = next(m for m in FUNCTION.finditer(content) if m[1] == function)
    line = content.index("\n", head.end())
    return head.start(), line if content[head.end():line].endswith("}") else content.index("\n}", line - 1) + 2


def pattern(text):
    """Finds a text token by token: how it is broken into lines, and comments in it, do not matter."""
    tokens = re.findall(r"\w+|[^\w\s]", COMMENT.sub(" ", text))
    return BETWEEN.join(r"\b%s\b" % t if re.match(r"\w", t) else re.escape(t) for t in tokens)


def planted(tree, where, edits):
    """The files with the fault in them, {path: content}. And what is wrong, if the table does not fit the sources."""
    contents = {}
    for function, text, becomes in edits:
        if function not in where:
            return contents, "there is no function %s" % function
        path = where[function]
        content = contents.get(path) or read(os.path.join(tree, path))
        start, end = span(content, function)
        found = list(re.finditer(pattern(text), content[start:end]))
        if len(found) != 1:
            return contents, "the text is %d times in %s: %r" % (len(found), function, text.strip().splitlines()[0])
        contents[path] = content[:start + found[0].start()] + becomes + content[start + found[0].end():]
    return contents, None


def hunt(tree, scenarios, seconds, flags):
    """(caught, scenario, schedules, seconds, how)"""
    began, schedules = time.monotonic(), 0
    for scenario in scenarios:
        run = subprocess.run(["./explorer", "--scenario", scenario, "--seconds", str(seconds), "--brief", *flags],
                             cwd=tree, capture_output=True, text=True, timeout=seconds * 20 + 120)
        took = "%.1f" % (time.monotonic() - began)
        failed = re.search(r"FAILED scenario \S+ seed (\d+) step \S+ \S+: (.*)", run.stdout)
        if failed:
            caught = "no sequential order" in failed.group(2) if flags else "explorer" not in failed.group(2)
            return caught, scenario, schedules + int(failed.group(1)), took, failed.group(2)
        if run.returncode:
            return not flags, scenario, "", took, "ended with %d" % run.returncode
        schedules += int(re.search(r"(\d+) schedules from", run.stdout).group(1))
    return False, "", schedules, took, "NOT CAUGHT"


@contextlib.contextmanager
def tree_with(base, where, edits):
    """A copy of the sources with the fault in it: (its folder, the files that were changed)."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as tree:
        copy(base, tree)
        contents, _ = planted(base, where, edits)
        for path, content in contents.items():
            with open(os.path.join(tree, path), "w") as f:
                f.write(content)
        yield tree, list(contents)


def examine(options, base, where, mutant):
    name, rule, scenarios, edits = mutant
    with tree_with(base, where, edits) as (tree, changed):
        build(options, tree, base, changed)
        return (name, rule, *hunt(tree, scenarios, options.seconds, ["--histories"] * options.histories))


def check_texts(base, where, mutants):
    """All texts must be there before anything is run."""
    for name, _, _, edits in mutants:
        _, problem = planted(base, where, edits)
        if problem:
            sys.exit("%s: %s" % (name, problem))


def strangers(mutants):
    """What the table names and nobody knows."""
    scenarios = set(re.findall(r'^    \{"(\w+)"', read(os.path.join(HERE, "..", "scenarios.c")), re.M))
    for name, _, asked, _ in mutants:
        yield from ("%s: there is no scenario %s" % (name, s) for s in asked if s not in scenarios)
    names = [name for name, _, _, _ in MUTANTS]
    yield from ("%s: two faults have this name" % name for name in sorted(set(names)) if names.count(name) > 1)
    yield from ("SLOW or UNSEEN: there is no fault %s" % name for name in sorted((SLOW | UNSEEN).difference(names)))


def groups(mutants):
    """The edits of the faults in groups that can be planted at once: no two faults of a group are in one function."""
    made = []
    for _, _, _, edits in mutants:
        changed = {function for function, _, _ in edits}
        group = next((g for g in made if not changed & {function for function, _, _ in g}), None)
        if group is None:
            made.append(group := [])
        group += edits
    return made


def compiler_says(options, base, where, edits):
    """What is wrong with the code of these faults, as it stands in the sources."""
    with tree_with(base, where, edits) as (tree, changed):
        files = sorted({c if c.endswith(".c") else "lib/ring/ring.c" for c in changed})  # which includes the headers
        unit = "".join('#include "%s"\n' % file for file in files)  # as the library is compiled
        run = subprocess.run([options.cc, *FLAGS, "-I.", "-Werror=implicit-function-declaration", *sizes(), *HOOK,
                              "-fsyntax-only", "-xc", "-"], cwd=tree, input=unit, capture_output=True, text=True)
        return "\n".join(line for line in run.stderr.splitlines() if re.search("error:|In function", line))


def check(options, base, where, chosen):
    """Runs nothing: are the table and the sources in step?"""
    wrong = list(strangers(chosen))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        wrong += filter(None, pool.map(lambda edits: compiler_says(options, base, where, edits), groups(chosen)))
    print("\n".join(wrong) or "all %d faults have their place, and compile" % len(chosen))
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--histories", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"))
    parser.add_argument("name", nargs="*")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.name or m[0] in options.name]
    if options.quick:
        chosen = [m for m in chosen if m[0] not in SLOW]
    if options.histories and not options.name:
        chosen = [m for m in chosen if m[0] not in UNSEEN]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as base:
        copy(ROOT, base)
        where = functions(base)
        check_texts(base, where, chosen)
        if options.check:
            return check(options, base, where, chosen)
        build(options, base)
        print(LINE % ("fault", "the rule that it breaks", "scenario", "schedules", "seconds", "how it was caught"))
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for name, rule, caught, *how in pool.map(lambda m: examine(options, base, where, m), chosen):
                print(LINE % (name, rule, *how), flush=True)
                missed += not caught
    for name, rule, why in EXPLAINED if not options.name and not options.histories else []:
        print("%-15s %-72s explained: %s" % (name, rule, why))
    print("%d faults, %d caught" % (len(chosen), len(chosen) - missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
