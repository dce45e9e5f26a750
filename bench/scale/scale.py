"""What machines of 16, 64 and 192 cores would do, by a model: nothing is measured here.

usage: scale.py [--machine epyc|xeon] [--cores N,...] [--batch N,...] [--units N] [--json FILE]

Prints three tables: the cache lines that change hands in each call, as counted in the library (lines.json, by
tests/bench/lines.c); the model beside what was measured on 2 cores; and for each number of cores, half of them
producers, records a second in one ring and in one ring for each core complex, and what is busiest. model.py says what
is modelled and what is left out, machines.json has the times of the machines and where they are from.
"""
import argparse
import json
import os
import sys

from model import INSTRUCTIONS, Machine, at_most, play

FOLDER = os.path.dirname(os.path.abspath(__file__))
COMPLEX = 8  # cores that share a ring where a stage has several
FULL = 0.9  # of the time: no more can be had


def read(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
        return json.load(f)


def row_of(rows, producers, batch):
    """What was counted with so many producers, or with the nearest number of them."""
    return min((r for r in rows if r["batch"] == batch), key=lambda r: abs(r["producers"] - producers))


def total(counted, which):
    return sum(moved[which] for moved in counted.values())


def print_lines(rows):
    print("Cache lines that change hands: for each put, get and ack of one batch those that it waits for + those that\n"
          "come beside its work; for each record all of them; and which a put waits for.\n")
    print("%-9s  %5s  %13s  %13s  %13s  %10s  %s" % (
        "producers", "batch", "put", "get", "ack", "a record", "a put waits for"))
    for r in rows:
        calls = [r[call] for call in ("put", "get", "ack")]
        most = sorted(((now, what) for what, (now, _) in r["put"].items() if now >= 0.05), reverse=True)
        print("%9d  %5d  %s  %10.2f  %s" % (
            r["producers"], r["batch"], "  ".join("%5.2f + %5.2f" % (total(c, 0), total(c, 1)) for c in calls),
            sum(total(c, 0) + total(c, 1) for c in calls) / r["batch"],
            ", ".join("%s %.2f" % (what, now) for now, what in most[:4])))


def validate(rows, machines, units):
    """The model beside what was measured: (machine, batch, measured, predicted)."""
    for described in machines.values():
        for batch, measured in described.get("million_records_per_s", {}).items():
            batch = int(batch)
            yield described["name"], batch, measured, play(Machine(described), row_of(rows, 1, batch), 2, batch,
                                                           units=units)["million_per_s"]


def print_validation(compared):
    print("\nThe model beside what was measured: 1 producer, 1 consumer, million records a second\n")
    print("%5s  %8s  %9s  %5s  %s" % ("batch", "measured", "predicted", "ratio", "machine"))
    for name, batch, measured, predicted in compared:
        print("%5d  %8.1f  %9.1f  %5.2f  %s" % (batch, measured, predicted, predicted / measured, name))


def predict(rows, described, cores, batch, units):
    """One row: in one ring, and in one for each core complex."""
    machine, rings = Machine(described), max(1, cores // COMPLEX)
    one = play(machine, row_of(rows, cores // 2, batch), cores, batch, units=units)
    several = one if rings == 1 else play(machine, row_of(rows, cores // rings // 2, batch), cores, batch, rings, units)
    return {"cores": cores, "batch": batch, "one": one, "at_most": at_most(machine, cores, batch), "rings": rings,
            "several": several}


def wall(played):
    """What is busiest, and how busy."""
    return "%s %.0f %%" % (played["wall"], 100 * played["busy"][played["wall"]])


def print_predictions(described, predicted):
    print("\nPredicted, million records a second: %s\n" % described["name"])
    print("%5s  %5s  %8s  %7s  %-27s  %5s  %8s  %s" % ("cores", "batch", "one ring", "at most", "busiest", "rings",
                                                      "together", "busiest"))
    for p in predicted:
        print("%5d  %5d  %8.1f  %7.0f  %-27s  %5d  %8.1f  %s" % (
            p["cores"], p["batch"], p["one"]["million_per_s"], p["at_most"], wall(p["one"]), p["rings"],
            p["several"]["million_per_s"], wall(p["several"])))
    print("\nA line that is busy for %d %% of the time or more is a wall: more cores bring nothing. At most: by the\n"
          "ring's tail, if its line went to a producer once for each unit and nobody came too late." % (100 * FULL))


def numbers(text):
    return [int(n) for n in text.split(",")]


def arguments(machines):
    parser = argparse.ArgumentParser(prog="bench/run --scale", description="Many cores, by a model.")
    parser.add_argument("--machine", default="epyc", choices=[m for m in machines if m[:8] != "measured"])
    parser.add_argument("--cores", type=numbers, metavar="N,...", help="as many as there are at most (2,16,64,192)")
    parser.add_argument("--batch", type=numbers, default=[1, 8, 32], metavar="N,...", help="of 1, 8, 32")
    parser.add_argument("--units", type=int, metavar="N", help="that leave the stage in each case: less is quicker")
    parser.add_argument("--json", metavar="FILE", help="all of it as JSON")
    options = parser.parse_args()
    most = Machine(machines[options.machine]).cores
    options.cores = options.cores or [n for n in (2, 16, 64, 192) if n <= most]
    if not all(2 <= n <= most and n % 2 == 0 for n in options.cores):
        parser.error("--cores: even numbers from 2 to %d" % most)
    if not all(b in INSTRUCTIONS for b in options.batch):
        parser.error("--batch: of %s" % ", ".join(map(str, INSTRUCTIONS)))
    if options.units is not None and options.units < 100:
        parser.error("--units: at least 100")
    return options


def main():
    rows, machines = read("lines.json"), read("machines.json")
    options = arguments(machines)
    described = machines[options.machine]
    rows = [r for r in rows if r["batch"] in options.batch]
    print_lines(rows)
    compared = list(validate(read("lines.json"), machines, options.units))
    print_validation(compared)
    predicted = [predict(rows, described, cores, batch, options.units)
                 for cores in options.cores for batch in options.batch]
    print_predictions(described, predicted)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"machine": described, "lines": rows, "measured": compared, "predicted": predicted}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
