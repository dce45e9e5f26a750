#!/usr/bin/env python3
"""Plants each fault of table.py into a copy of the protocol's sources and runs the explorer on it: all must be caught.

run.py [--seconds S] [--jobs J] [--cc CC] [NAME ...]
Prints a table: the fault, and after how many schedules of which scenario it was caught.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

from table import EXPLAINED, MUTANTS

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
FLAGS = ["-std=gnu11", "-O2", "-D_GNU_SOURCE", "-Iinclude", "-Ishm", "-Ilib", "-DCVB_EXPLORE", "-DCVB_RESERVE_BYTES=256",
         "-DCVB_TRAIN_BYTES=128", "-DCVB_RING_BITS_MIN=1", "-DCVB_IDLE_BITS_MIN=2u", "-DCVB_SPIN_MAX=4u", "-DCVB_SPIN_MIN=2u", "-mcx16", "-w"]
REPLACED = {"attach.c", "process.c", "futex.c"}


def copy(root, to):
    for part in ("include", "shm", "lib", os.path.join("tests", "explore")):
        shutil.copytree(os.path.join(root, part), os.path.join(to, part), ignore=shutil.ignore_patterns("cli", "mutants"))


def sources(tree):
    protocol = [os.path.join(d, f) for d in ("shm", "lib") for f in sorted(os.listdir(os.path.join(tree, d)))
                if f.endswith(".c") and f not in REPLACED]
    own = [os.path.join("tests", "explore", f) for f in sorted(os.listdir(os.path.join(tree, "tests", "explore")))
           if f.endswith(".c")]
    return protocol, own


def build(cc, tree):
    protocol, own = sources(tree)
    objects = []
    for source in protocol + own:
        hook = ["-include", "tests/explore/hook.h"] if source in protocol else []
        objects.append(source.replace("/", "_") + ".o")
        subprocess.run([cc, *FLAGS, *hook, "-c", source, "-o", objects[-1]], cwd=tree, check=True)
    subprocess.run([cc, *objects, "-o", "explorer"], cwd=tree, check=True)


def rebuild(cc, tree, base, changed):
    """Compiles what was changed; all of the protocol if that is a header."""
    protocol, own = sources(tree)
    header = any(c.endswith(".h") for c in changed)
    objects = []
    for source in protocol + own:
        name = source.replace("/", "_") + ".o"
        if source in changed or (header and source in protocol):
            hook = ["-include", "tests/explore/hook.h"] if source in protocol else []
            subprocess.run([cc, *FLAGS, *hook, "-c", source, "-o", name], cwd=tree, check=True)
            objects.append(name)
        else:
            objects.append(os.path.join(base, name))
    subprocess.run([cc, *objects, "-o", "explorer"], cwd=tree, check=True)


def plant(tree, edits):
    for file, text, becomes in edits:
        path = os.path.join(tree, file)
        with open(path) as f:
            content = f.read()
        if content.count(text) != 1:
            return "the text is %d times in %s: %r" % (content.count(text), file, text.strip().splitlines()[0])
        with open(path, "w") as f:
            f.write(content.replace(text, becomes))
    return None


def hunt(tree, scenarios, seconds):
    for scenario in scenarios:
        run = subprocess.run(["./explorer", "--scenario", scenario, "--seconds", str(seconds)], cwd=tree,
                             capture_output=True, text=True, timeout=seconds * 20 + 120)
        caught = re.search(r"FAILED scenario (\S+) seed (\d+) step \S+ \S+: (.*)", run.stdout)
        if caught:
            return True, "%8s of %-9s %s" % (caught.group(2), scenario, caught.group(3))
        if run.returncode:
            return True, "         %-9s ended with %d" % (scenario, run.returncode)
    return False, "NOT CAUGHT"


def examine(options, base, mutant):
    name, rule, scenarios, edits = mutant
    with tempfile.TemporaryDirectory(prefix="mutant-") as tree:
        copy(base, tree)
        problem = plant(tree, edits)
        if problem:
            return name, rule, False, problem
        rebuild(options.cc, tree, base, {file for file, _, _ in edits})
        return (name, rule, *hunt(tree, scenarios, options.seconds))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"))
    parser.add_argument("name", nargs="*")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.name or m[0] in options.name]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as base:
        copy(ROOT, base)
        build(options.cc, base)
        print("%-15s %-72s %s" % ("fault", "the rule that it breaks", "caught after so many schedules"))
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for name, rule, caught, how in pool.map(lambda m: examine(options, base, m), chosen):
                print("%-15s %-72s %s" % (name, rule, how), flush=True)
                missed += not caught
    for name, rule, why in EXPLAINED if not options.name else []:
        print("%-15s %-72s explained: %s" % (name, rule, why))
    print("%d faults, %d caught" % (len(chosen), len(chosen) - missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
