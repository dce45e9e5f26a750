#!/usr/bin/env python3
"""once.py FROM TO - a compile_commands.json in which each file stands once.

A file of the library is compiled for several programs, and a checker that reads the list of commands would look at it
as often. Without those that count cache lines: they rename a function of the compiler.
"""
import json
import os
import sys


def main(source, target):
    with open(source, encoding="utf-8") as f:
        commands = json.load(f)
    once = {}
    for c in commands:
        if "lines_hook.h" not in c["command"]:
            once.setdefault(os.path.normpath(os.path.join(c["directory"], c["file"])), c)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8") as f:
        json.dump(list(once.values()), f)


main(*sys.argv[1:])
