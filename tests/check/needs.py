#!/usr/bin/env python3
"""needs.py DIRECTORY SUITE... - the files of a build directory that the tests of these suites need, one a line."""
import json
import os
import sys


def read(directory, what):
    with open(os.path.join(directory, "meson-info", "intro-%s.json" % what), encoding="utf-8") as f:
        return json.load(f)


def main(directory, *suites):
    files = {t["id"]: t["filename"] for t in read(directory, "targets")}
    needed = {d for t in read(directory, "tests") for d in t["depends"]
              if {s.rpartition(":")[2] for s in t["suite"]} & set(suites)}
    print("\n".join(sorted(os.path.relpath(f, os.path.realpath(directory)) for d in needed for f in files[d])))


main(*sys.argv[1:])
