"""How many instructions a record takes by the C functions, and by conveyor.hpp: the same loop (work.hpp) by both.

usage: instructions.py PLUS-LOOP

Valgrind counts the instructions of a run with few batches and of one with many; what is between the two is the loop's,
without the start of the program. Needs valgrind. Exit status: 0 done, 1 a run failed.
"""
import re
import subprocess
import sys

FEW, MANY, BATCH = 100, 1100, 64


def count(loop, way, batches):
    """All instructions of a run."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", loop, way, str(batches)],
                          stderr=subprocess.PIPE, text=True, check=False)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        sys.exit(done.stderr)
    return int(collected[1])


def per_record(loop, way):
    return (count(loop, way, MANY) - count(loop, way, FEW)) / ((MANY - FEW) * BATCH)


def main():
    c, cpp = (per_record(sys.argv[1], way) for way in ("c", "cpp"))
    print("instructions a record (put, taken, read and acked in batches of %d, 256 bytes): C %.1f, C++ %.1f, "
          "%+.2f %%" % (BATCH, c, cpp, (cpp / c - 1) * 100))


if __name__ == "__main__":
    main()
