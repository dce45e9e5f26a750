"""Compares the figures of README.md and of lib/docs with where they come from.

usage: figures.py ROOT CONVEYOR

Rates and ratios in README.md are those of the tables in lib/docs/performance.md, rates rounded to the digits that it
shows, and what it says of the machine is there too. Sizes of segments are those that `conveyor create --dry-run` says.
Exit status 1 if a figure is another one.
"""
import os
import re
import subprocess
import sys

NAMES = {"DPDK `rte_ring` HTS": "rte_ring HTS"}  # a system's name in README.md, where it is another one


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as f:
        return f.read()


def rows(text):
    """The rows of all tables, as lists of cells."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def flat(text):
    return " ".join(text.split())


def measured(page):
    """{(producers and consumers, system, batch): median}"""
    found = {}
    for processes, system, *figures in (r for r in rows(page) if re.fullmatch(r"\d+, \d+", r[0])):
        for batch, figure in zip((1, 8, 32), figures):
            if re.match(r"[\d.]+ \(", figure):
                found[processes, system, batch] = float(figure.split()[0])
    return found


def is_rounded(shown, figure):
    digits = len(shown.partition(".")[2])
    return shown != "none" and abs(float(shown) - figure) <= 0.5001 * 10 ** -digits


def rates(readme, found):
    """The figures of README.md's table and of the sentence in its first lines: (as shown, as measured, what it is)."""
    table = rows(readme[readme.index("| producers, consumers: batch"):])
    for name, *shown in table[2:]:
        for column, figure in zip(table[0][1:], shown):
            processes, batch = column.split(": ")
            yield figure, found.get((processes, NAMES.get(name, name), int(batch))), "%s, %s" % (name, column)
    first = re.search(r"Measured: ([\d.]+) million .* batches of 1, and ([\d.]+) million in batches of 32, .*? "
                      r"`rte_ring` moved ([\d.]+) and ([\d.]+) million, a pipe ([\d.]+) and ([\d.]+) million",
                      flat(readme))
    which = [(system, batch) for system in ("conveyor-buffer", "rte_ring HTS", "pipe") for batch in (1, 32)]
    for figure, (system, batch) in zip(first.groups() if first else ["none"] * 6, which):
        yield figure, found.get(("1, 1", system, batch)), "%s in batches of %d, in the first lines" % (system, batch)


def ratios(readme, page):
    """How README.md says that brokers compare, and the page's table of it: (as shown, as measured, of what)."""
    first = re.search(r"([\d, and]+) times as many records a second as a Redis stream .*? batches of ([\d, and]+), and "
                      r"([\d, and]+) times as many as NATS JetStream", flat(readme))
    table = {row[0].partition(",")[0]: row[1:] for row in rows(page[page.index("## Beside brokers"):])}
    shown = [re.findall(r"\d[\d,]*\d|\d", text) for text in first.groups()] if first else [["none"]] * 3
    for what, of, name in ((1, "batches of %s", "beside"), (0, "%s", "Redis"), (2, "%s", "nats-server")):
        yield [of % figure for figure in shown[what]], table.get(name), "beside brokers, " + name


def machine(readme):
    """What README.md says of the machine, and when it was measured."""
    said = flat(readme[readme.index("## Performance"):readme.index("| producers, consumers: batch")])
    for pattern in (r"\d+ ns", r"Linux [\d.]*\d", r"gcc [\d.]*\d", r"\d+ [A-Z]\w+ 20\d\d"):
        yield (re.findall(pattern, said) or [pattern])[0]


def dry_run(conveyor, *options):
    """Bytes of a segment that would be made with these settings."""
    done = subprocess.run([conveyor, "create", "conveyor-test-figures", "--dry-run", *options], capture_output=True,
                          text=True, check=True)
    return float(re.search(r"would take ([\d.]+) MiB", done.stdout)[1]) * 2 ** 20


def sizes(conveyor, texts):
    """What is wrong in what the pages say of a segment's size. It may be 1 MiB off, or a tenth."""
    default, handles = dry_run(conveyor), dry_run(conveyor, "--max-handles", "128")
    records = dry_run(conveyor, "--max-total-records", "200k")
    says = [(r"default segment (?:takes|has) (\d+) MiB", default / 2 ** 20, 1),
            (r"payload_size`? \+ (\d+) bytes for each record", (records - default) / 100000 - 1024, 13),
            (r"some (\d+) KiB for each handle", (handles - default) / 64 / 1024, 35)]
    for name, text in texts.items():
        for pattern, actual, allowed in says:
            for shown in re.finditer(pattern, flat(text)):
                if abs(float(shown[1]) - actual) > allowed:
                    yield "%s: %s: it is %.0f" % (name, shown[0], actual)


def main():
    root, conveyor = sys.argv[1:]
    texts = {name: read(root, name) for name in ("README.md", "lib/docs/sizing.md", "lib/docs/production.md")}
    page, readme = read(root, "lib/docs/performance.md"), texts["README.md"]
    wrong = ["README.md: %s: %s, and lib/docs/performance.md says %s" % (what, shown, figure)
             for shown, figure, what in rates(readme, measured(page))
             if figure is None or not is_rounded(shown, figure)]
    wrong += ["README.md: %s: %s, and lib/docs/performance.md says %s" % (what, shown, figure)
              for shown, figure, what in ratios(readme, page) if shown != figure]
    wrong += ["README.md: of the machine: lib/docs/performance.md has no '%s'" % what
              for what in machine(readme) if what not in flat(page)]
    wrong += sizes(conveyor, texts)
    print("\n".join(wrong) or "all figures are those that were measured")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
