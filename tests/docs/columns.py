"""Finds lines of more than 120 columns in everything that people wrote: code, scripts, documents, manual pages.

usage: columns.py ROOT [FILE...]; without files those that git tracks, or all below ROOT where there is no git

A row of a table in Markdown cannot be broken: there each cell may have 160 characters (a cell is not a paragraph). What
a program printed, in a ```console block, and addresses of pages are left as they are.

Prints each line that is too long, with its place. Exit status 1 if there is one.
"""
import os
import re
import subprocess
import sys

MOST, CELL = 120, 160
KINDS = re.compile(r"\.(c|h|cpp|py|sh|md|scd|pml|map|txt|in|yml|build|pyi|pyx)$"
                   r"|^(run|exhaust|\.clang-tidy|abi-check|build-deb|check-\w+|dist-times|doxygen-filter|conveyor)$")
# Inputs of tests, kept as they were found.
LEFT = re.compile(r"(^|/)(tests/cases|tests/fuzz/corpus|build[^/]*|\.git)/")


def tracked(root):
    """The files to look at, relative to the root."""
    done = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False)
    if not done.returncode:
        return done.stdout.decode().splitlines()
    return [os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names]


def too_long_in_markdown(lines):
    """The numbers of lines that are too long, and why."""
    fence = None
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            fence = None if fence is not None else line[3:].strip()
        elif fence is None and line.startswith("|"):
            longest = max(len(cell.strip()) for cell in re.split(r"(?<!\\)\|", line))
            if longest > CELL:
                yield number, "a cell of %d characters" % longest
        elif len(line) > MOST and fence != "console" and not re.search(r"https?://\S{60}", line):
            yield number, "%d columns" % len(line)


def too_long(name, lines):
    if name.endswith(".md"):
        return too_long_in_markdown(lines)
    return ((number, "%d columns" % len(line)) for number, line in enumerate(lines, 1) if len(line) > MOST)


def main():
    root, files = sys.argv[1], sys.argv[2:]
    wrong = 0
    for name in files or sorted(tracked(root)):
        path = os.path.join(root, name)
        if LEFT.search(name) or not KINDS.search(os.path.basename(name)) or not os.path.exists(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as f:
            for number, why in too_long(name, [line.rstrip("\n") for line in f]):
                print("%s:%d: %s" % (name, number, why))
                wrong += 1
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
