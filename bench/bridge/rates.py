"""Records a second of the bridges, in and out, beside the engines' clients alone; and what bridges use that rest.

usage: rates.py CONVEYOR CONVEYOR-BENCH [--bare-nats PROGRAM] [--bare-kafka PROGRAM --kafka-mock PROGRAM]
                [--count N] [--size N] [--batch N] [--window N] [--room N] [--pairs N] [--rest SECONDS] [--json FILE]

A bare client sends N numbered messages to a stream and another receives them; then a bridge sends as many from a stage
to a new stream, and another brings them from there into a segment, whose consumer acks them. That is a pair; pairs
follow one another. Both sides have the same messages (each with an id), batches, windows and acknowledgements: NATS
with AckAll and eight pull requests ahead, Kafka with an idempotent producer and 16 partitions. A segment that a bridge
brings records into has room for 20,000 (--room). Each run is checked by count and sum. Its time begins with the first
record, so that starting and connecting is not part of it.

The servers are a nats-server with its streams on disk, and librdkafka's mock cluster, which keeps all in memory.
Each run is marked with how long a cache line took from one processor to the other before and after it, and with what
part of the processors others had. A ratio is the median of the pairs' own ratios; pairs whose runs are of different
states, or that were disturbed, are left out if others are there.

Then bridges rest: idle ones have nothing to do, held ones have no room. What part of a core they use is measured.

An engine that fails is told at the end; what the other one did, and its own pairs before, are shown all the same.

Exit status: 0 done, 1 a run failed or did not bring what it should, 2 usage.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

from engines import Kafka, Nats
from machine import Failed, Machine, processor_seconds, wait_for

NEAR_NS = 80  # as bench/harness/bench.h has it
OTHERS_MAX = 0.1
SETTLE = 1.5  # seconds until a bridge that was just started rests
PATIENCE = 300
SLICE = 0.2  # between two looks whether the server is still there
STAGE = "filter"


def used_s(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def children_s():
    return used_s(resource.RUSAGE_CHILDREN)


class Bench:
    def __init__(self, told):
        self.told = told
        self.runs, self.rests, self.running, self.engine = [], [], [], None
        self.description = self.look_at_machine()

    def start(self, *words):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.running.append(process)
        return process

    def end_of(self, process, what):
        """What it printed, as JSON, and the processor time that it used. Without its server it may never end."""
        before, until = children_s(), time.monotonic() + PATIENCE
        while True:
            try:
                text, complaint = process.communicate(timeout=SLICE)
                break
            except subprocess.TimeoutExpired as why:
                self.check_engine()
                if time.monotonic() > until:
                    raise Failed("%s did not end within %d s" % (what, PATIENCE)) from why
        used = children_s() - before
        if process.returncode:
            self.check_engine()
            raise Failed("%s: %s" % (what, complaint.strip() or "it ended with %d" % process.returncode))
        return json.loads(text) if text.startswith("{") else {}, used

    def check_engine(self):
        if self.engine:
            self.engine.check()

    def wait_for(self, what, condition):
        wait_for(what, lambda: self.check_engine() or condition())

    def look_at_machine(self):
        return self.end_of(self.start(self.told.bench, "bridge-end", "machine"), "bridge-end")[0]

    def end(self, what, segment):
        return self.start(self.told.bench, "bridge-end", what, segment, STAGE, str(self.told.count),
                          str(self.told.size), str(self.told.batch))

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()

    def segment(self, name, room, per_source=0):
        machine = Machine(name, self.told.conveyor)
        machine.create("--stages", "filter,sink", "--payload-size", str(self.told.size), "--max-total-records",
                       str(room), "--max-per-stage", str(room), "--max-per-source", str(per_source or room))
        return machine

    def bridge(self, machine, *words):
        return self.start(self.told.conveyor, "bridge", machine.segment, "--stage", STAGE, *words, "--batch",
                          str(self.told.batch), "--window", str(self.told.window))

    def bare(self, engine, way, stream):
        return self.end_of(self.start(*engine.bare(way, stream), str(self.told.count), str(self.told.size),
                                 str(self.told.batch), str(self.told.window)), "the bare client")

    def bridge_out(self, engine, stream):
        machine = self.segment("out", self.told.count + self.told.batch)
        try:
            self.end_of(self.end("fill", machine.segment), "fill")
            watch = self.end("watch", machine.segment)
            bridge = self.bridge(machine, *engine.out_of(stream), "--count", str(self.told.count))
            used = self.end_of(bridge, "the bridge out")[1]
            found = self.end_of(watch, "watch")[0]
            found.pop("sum")  # the way in tells
            return found, used
        finally:
            machine.die()

    def bridge_in(self, engine, stream):
        machine = self.segment("in", self.told.room)
        try:
            drain = self.end("drain", machine.segment)
            bridge = self.bridge(machine, *engine.into(stream), "--source", "in", "--count", str(self.told.count))
            used = self.end_of(bridge, "the bridge in")[1]
            return self.end_of(drain, "drain")[0], used
        finally:
            machine.die()

    def own_s(self, engine):
        return children_s() + used_s(resource.RUSAGE_SELF) + sum(processor_seconds(p.pid) for p in engine.processes())

    def measure(self, engine, pair, who, way, run):
        before, start = self.look_at_machine(), time.monotonic()
        own = self.own_s(engine)
        found, used = run()
        seconds, own = time.monotonic() - start, self.own_s(engine) - own
        after = self.look_at_machine()
        near = [look["probe_ns"] < NEAR_NS for look in (before, after)]
        count = self.told.count
        right = found["count"] == count and found.get("sum", count * (count - 1) // 2) == count * (count - 1) // 2
        self.runs.append({
            "engine": engine.name, "way": way, "who": who, "pair": pair, "failure": None if right else "counts differ",
            "records_per_s": found["timed"] / max(found["seconds"], 1e-6), "cpu_us": 1e6 * used / count,
            "state": "mixed" if near[0] != near[1] else "near" if near[0] else "far",
            "others": max(0, after["busy_s"][0] - before["busy_s"][1] - own) / (seconds * before["cpus"])})
        if not right:
            raise Failed("%s %s, %s: %r instead of %d records and their sum" % (engine.name, way, who, found, count))

    def pair(self, engine, number):
        for who in ("bare", "bridge"):
            stream = "%s%d" % (who.upper(), number)
            engine.begin(stream)
            for way in ("out", "in"):
                run = {("bare", "out"): lambda: self.bare(engine, "out", stream),
                       ("bare", "in"): lambda: self.bare(engine, "in", stream),
                       ("bridge", "out"): lambda: self.bridge_out(engine, stream),
                       ("bridge", "in"): lambda: self.bridge_in(engine, stream)}[who, way]
                self.measure(engine, number, who, way, run)
            engine.end(stream)

    def rest(self, engine):
        """Four bridges at once: each way idle and held."""
        idle, held = (self.segment(name, self.told.room, self.told.room // 10) for name in ("idle", "held"))
        full = self.segment("full", self.told.count + self.told.batch)
        try:
            engine.begin("IDLE")
            engine.begin("HELD")
            self.bare(engine, "out", "HELD")
            self.end_of(self.end("fill", full.segment), "fill")
            bridges = {("in", "idle"): self.bridge(idle, *engine.into("IDLE"), "--source", "in"),
                       ("out", "idle"): self.bridge(idle, *engine.out_of("IDLE")),
                       ("in", "held"): self.bridge(held, *engine.into("HELD"), "--source", "in"),
                       ("out", "held"): self.bridge(full, *engine.blocked())}
            self.wait_for("a bridge is held by its segment", lambda: held.stat()["total"]["buffered"] > 0)
            self.wait_for("a bridge is held by its engine", lambda: engine.is_held(full.stat()))
            time.sleep(min(SETTLE, self.told.rest))
            before, start = {k: processor_ns(p.pid) for k, p in bridges.items()}, time.monotonic()
            time.sleep(self.told.rest)
            seconds = time.monotonic() - start
            for (way, how), process in bridges.items():
                if process.poll() is not None:
                    raise Failed("the bridge %s ended: %s" % (way, process.communicate()[1]))
                used = processor_ns(process.pid) - before[way, how]
                self.rests.append({"engine": engine.name, "way": way, "how": how, "core": used / 1e9 / seconds})
        finally:
            self.close()
            for machine in (idle, held, full):
                machine.die()


def processor_ns(pid):
    """What all threads of a process have used."""
    used = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii") as f:
            used += int(f.read().split()[0])
    return used


def pairs_of(runs):
    """The runs of bare client and bridge of each pair, those that may be compared if there are some."""
    pairs = {}
    for r in runs:
        pairs.setdefault(r["pair"], {})[r["who"]] = r
    whole = [(p["bare"], p["bridge"]) for p in pairs.values() if len(p) == 2]
    good = [(a, b) for a, b in whole if a["state"] == b["state"] != "mixed" and
            max(a["others"], b["others"]) <= OTHERS_MAX]
    return good or whole, len(whole) - len(good) if good else 0, not good


def rows_of(runs):
    """A row for each engine and way."""
    for engine, way in dict.fromkeys((r["engine"], r["way"]) for r in runs):
        pairs, left_out, doubtful = pairs_of([r for r in runs if (r["engine"], r["way"]) == (engine, way)])
        ratios = [b["records_per_s"] / a["records_per_s"] for a, b in pairs]
        median = {(who, key): statistics.median(p[i][key] for p in pairs)
                  for i, who in enumerate(("bare", "bridge")) for key in ("records_per_s", "cpu_us")}
        yield {"engine": engine, "way": way, "pairs": len(pairs), "left_out": left_out, "doubtful": doubtful,
               "states": sorted({r["state"] for p in pairs for r in p}),
               "bare_per_s": median["bare", "records_per_s"], "bridge_per_s": median["bridge", "records_per_s"],
               "ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios),
               "bare_cpu_us": median["bare", "cpu_us"], "bridge_cpu_us": median["bridge", "cpu_us"]}


def report(told, rows, rests):
    print("Records of %d bytes a second, %d in each run; batches of %d, at most %d on their way" % (
        told.size, told.count, told.batch, told.window))
    print("%-9s %12s %12s %23s %7s %17s  %s" % ("", "bare client", "bridge", "bridge / bare", "pairs",
                                                "CPU us: bare, bridge", "machine"))
    for r in rows:
        print("%-9s %12.0f %12.0f %6.2f (%6.2f - %6.2f) %7d %9.2f %8.2f  %s%s" % (
            r["engine"] + " " + r["way"], r["bare_per_s"], r["bridge_per_s"], r["ratio"], r["least"], r["most"],
            r["pairs"], r["bare_cpu_us"], r["bridge_cpu_us"], ", ".join(r["states"]),
            "; disturbed: no pair was of one state without others at work" if r["doubtful"] else ""))
        if r["left_out"]:
            print("%9s %d pairs are left out: of two states, or disturbed" % ("", r["left_out"]))
    if rests:
        print("\nBridges that rest: part of a core, over %g s" % told.rest)
    for r in rests:
        print("%-9s %-5s %6.2f %%" % (r["engine"] + " " + r["way"], r["how"], 100 * r["core"]))


def parse_words(words):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("conveyor")
    p.add_argument("bench")
    for name in ("--bare-nats", "--bare-kafka", "--kafka-mock", "--json"):
        p.add_argument(name)
    for name, value in (("--count", 200000), ("--size", 64), ("--batch", 256), ("--window", 4096), ("--pairs", 5),
                        ("--room", 20000)):
        p.add_argument(name, type=int, default=value)
    p.add_argument("--rest", type=float, default=5)
    told = p.parse_args(words)
    if told.size < 8 or min(told.count, told.batch, told.window, told.pairs) < 1 or told.room < 1000:
        p.error("--size is at least 8, --room 1000, the others 1")
    return told


def measure_engine(bench, told, make):
    engine = make(told)
    bench.engine = engine
    try:
        for number in range(told.pairs):
            bench.pair(engine, number)
        if told.rest:
            bench.rest(engine)
    except (OSError, AssertionError):  # a request that nobody answers
        engine.check()
        raise
    finally:
        bench.close()
        engine.close()
        bench.engine = None


def measure(bench, told):
    """What failed; the other engine is measured all the same."""
    wanted = [(Nats, told.bare_nats), (Kafka, told.bare_kafka and told.kafka_mock)]
    failures = []
    for make, program in wanted:
        if not program:
            print("%s is left out: its client is not there" % make.name)
            continue
        try:
            measure_engine(bench, told, make)
        except Failed as why:
            failures.append(str(why) if str(why).startswith(make.name) else "%s: %s" % (make.name, why))
    return failures


def main():
    told = parse_words(sys.argv[1:])
    bench = Bench(told)
    try:
        failures = measure(bench, told)
    finally:
        bench.close()
    rows = list(rows_of(bench.runs))
    report(told, rows, bench.rests)
    for why in failures:
        print("FAILED: %s" % why)
    if told.json:
        with open(told.json, "w", encoding="utf-8") as f:
            json.dump({**bench.description, "bridge": bench.runs, "rows": rows, "rest": bench.rests,
                       "failures": failures}, f, indent=1)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
