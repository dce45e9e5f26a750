"""The main job on two machines: its enrich stage is on the other one, which dies on the way.

usage: two_machines.py CONVEYOR CONVEYOR-BENCH --input FILE --output DIRECTORY [--passes N] [--room N]
                       [--ack settled|buffered] [--namespaces] [--delay MS] [--loss PERCENT] [--json FILE]

     machine A                                           machine B
  sources -> filter -> enrich ==> bridge ==> WORK ==> bridge ==> enrich -> sink --+
      sinks <- sink <== bridge <== DONE <== bridge <==============================+

Each machine is a segment with its processes. WORK and DONE are work-queue streams of a nats-server, which this program
starts and ends, with room for N messages (5000): they refuse more, and each source may have N records in a segment.
When a quarter is in, machine B dies: all its processes are killed and its segment is removed. It stays away until the
sources on A are told to pause, and then all of it starts again. --namespaces puts each machine into a network namespace
of its own, --delay and --loss hold up what goes between them (tc). What is not permitted here is said.
--ack is that of B's bridge in: with buffered, records are lost with B.

Prints the verdict first. Exit status: 0 all checks hold, 1 one does not, 2 usage.
"""
import argparse
import json
import signal
import subprocess
import sys
import time

from machine import Failed, Machine, processor_seconds, wait_for
from network import LOOPBACK, Namespaces

from server import Server

WORKERS, SOURCES = 2, 2
DEATH_AT = 0.25  # of all records
PATIENCE = 300


def in_stages(stat, *names):
    return sum(s["queued"] + s["leased"] + s["delayed"] for s in stat["stages"] if s["name"] in names)


class Job:
    def __init__(self, told):
        self.told = told
        self.server = Server(host=told.network["host"])
        for name in ("WORK", "DONE"):
            self.server.make_stream(name, [name.lower() + ".>"], retention="workqueue", max_msgs=told.room)
        self.a = Machine("a", told.conveyor)
        self.b = Machine("b", told.conveyor, told.network["far"])
        self.to_lose = told.ack == "buffered"
        self.moments = []
        self.figures = {}

    def close(self):
        for machine in (self.a, self.b):
            machine.die()
        self.server.close()

    def url(self, path):
        return "nats://%s/%s" % (self.server.url, path)

    def part(self, machine, role, number=1):
        machine.start(self.told.bench, "job-part", role, "--number", str(number), "--segment", machine.segment,
                      "--input", self.told.input, "--output", self.told.output, "--passes", str(self.told.passes))

    def parts(self, machine, role, count=WORKERS):
        for number in range(1, count + 1):
            self.part(machine, role, number)

    def create(self, machine):
        machine.create("--stages", "filter,enrich,sink", "--payload-size", str(self.told.payload), "--max-per-source",
                       str(self.told.room), "--max-per-stage", str(4 * self.told.room))

    def begin_a(self):
        self.create(self.a)
        self.a.bridge("--stage", "enrich", "--to", self.url("work.{source}"))
        self.a.bridge("--from", self.url("DONE/A"), "--stage", "sink", "--source", "enriched", "--create")
        self.parts(self.a, "filter")
        self.parts(self.a, "sink")
        self.parts(self.a, "source", SOURCES)

    def begin_b(self):
        self.create(self.b)
        self.b.bridge("--from", self.url("WORK/B"), "--stage", "enrich", "--source", "filtered", "--create",
                      "--ack", self.told.ack)
        self.b.bridge("--stage", "sink", "--to", self.url("done.{source}"))
        self.parts(self.b, "enrich")

    def look(self):
        """Where all records are now."""
        self.a.look()
        self.b.look()
        stat = self.a.stat()
        sources = [s for s in stat["sources"] if s["name"].startswith("source-")]
        work, done = self.server.stream("WORK"), self.server.stream("DONE")
        self.moments.append({
            "s": time.monotonic() - self.start, "put": sum(s["accepted"] for s in sources),
            "paused": len(sources) == SOURCES and all(s["backpressure"] == "pause" for s in sources),
            "on_a": stat["total"]["buffered"], "before_sink": in_stages(stat, "filter", "enrich"),
            "work": work["messages"], "worked": work["last_seq"], "done": done["messages"],
            "written": done["last_seq"] - done["messages"], "sent": done["last_seq"]})
        return self.moments[-1]

    def until(self, what, condition):
        """Looks ten times a second until it holds; the moment at which it did."""
        until = time.monotonic() + PATIENCE
        while True:
            now = self.look()
            if condition(now):
                return now
            if time.monotonic() > until:
                raise Failed("not within %d s: %s; the last look: %r" % (PATIENCE, what, now))
            time.sleep(0.1)

    def acknowledged_too_early(self):
        """True if B has records that WORK does not wait for any more: B is asked first, since both numbers grow."""
        held = in_stages(self.b.stat(), "enrich")
        return held > self.server.consumer("WORK", "B")["num_ack_pending"]

    def kill_b(self):
        """Stopped first, so that what it holds can be counted. Its workers stop before its bridges if there is to be a
        loss."""
        if self.to_lose:
            self.b.signal(signal.SIGSTOP, "workers")
            wait_for("machine B has records to lose", self.acknowledged_too_early)
        self.b.signal(signal.SIGSTOP)
        self.figures["held_by_b"] = self.b.stat()["total"]["buffered"]
        self.figures["not_acknowledged"] = self.server.consumer("WORK", "B")["num_ack_pending"]
        self.b.die()

    def paused(self, now):
        """WORK is full, and the sources are told to pause and put nothing any more."""
        if any(p.poll() is not None for p in self.sources):
            raise Failed("a source ended before all had to pause: more --passes, or less --room")
        if now["work"] < self.told.room or not now["paused"] or now["put"] != self.moments[-2]["put"]:
            return False
        first = self.first_pause(now)
        return now["s"] - first["s"] > 0.5

    def first_pause(self, now):
        """The first look from which on nothing was put and all sources were told to pause."""
        still = [m for m in self.moments if m["put"] == now["put"]]
        return next(m for i, m in enumerate(still) if all(later["paused"] for later in still[i:]))

    def drained(self, now):
        """Nothing is left, seen from the sources to the sinks: what is empty upstream stays empty."""
        if any(p.poll() is None for p in self.sources) or now["before_sink"] or now["work"] or now["done"]:
            return False
        return self.a.stat()["total"]["buffered"] == 0

    def run(self):
        self.start = time.monotonic()
        self.begin_b()
        self.begin_a()
        self.sources = [p for p, _ in self.a.running[-SOURCES:]]
        records = self.told.passes * self.told.stanzas
        begin = self.until("the first record is written", lambda now: now["written"])
        killed = self.until("the sources put %d %%" % (100 * DEATH_AT), lambda now: now["put"] >= DEATH_AT * records)
        self.kill_b()
        paused = self.first_pause(self.until("the sources pause", self.paused))
        alone = self.moments[-1]
        self.begin_b()
        again = self.until("machine B sends again", lambda now: now["sent"] > paused["sent"])
        end = self.until("all is written", self.drained)
        self.figures.update(begin=begin, killed=killed, paused=paused, alone=alone, again=again, end=end)
        doctor = self.a.run("doctor", self.a.segment)
        self.figures["doctor"] = doctor.returncode
        self.figures["parts"] = self.a.end() + self.b.end()
        used = {"nats-server": processor_seconds(self.server.process.pid)}
        for machine in (self.a, self.b):
            for purpose, seconds in machine.used.items():
                used[purpose] = used.get(purpose, 0) + seconds
        self.figures["processor_s"] = used

    def compare(self):
        done = subprocess.run([self.told.bench, "job-compare", "--input", self.told.input, "--output", self.told.output,
                               "--passes", str(self.told.passes), "--sinks", str(WORKERS)], stdout=subprocess.PIPE,
                              text=True, check=False)
        if not done.stdout:
            raise Failed("the output in %s cannot be compared" % self.told.output)
        self.figures["difference"] = json.loads(done.stdout)


def checks(job):
    """What must hold: (true, sentence)."""
    f, d = job.figures, job.figures["difference"]
    records = job.told.passes * job.told.stanzas
    put = sum(p["records"] for p in f["parts"] if p["role"] == "source")
    told = sum(p["paused"] + p["slowed"] for p in f["parts"] if p["role"] == "source")
    twice = f["end"]["sent"] - d["expected"]
    yield put == records, "the sources put everything in: %d of %d" % (put, records)
    yield not d["lost"], "nothing was lost: %d of %d records are in the output" % (d["expected"] - d["lost"],
                                                                                   d["expected"])
    yield not d["wrong"] + d["torn"], "nothing was changed: %d differ, %d are torn" % (d["wrong"], d["torn"])
    yield f["end"]["worked"] == d["expected"], "nothing came twice to WORK: %d messages for %d records" % (
        f["end"]["worked"], d["expected"])
    yield d["twice"] == twice <= f["not_acknowledged"], (
        "twice is only what machine B had sent when it died, and WORK not yet heard of: %d of %d" % (
            d["twice"], f["not_acknowledged"]))
    yield f["paused"]["paused"] and told, "the sources were told to pause while machine B was away, and put nothing"
    yield f["doctor"] == 0, "machine A's segment is in order"


def rate(job, name, begin, end):
    seconds = end["s"] - begin["s"]
    return (end[name] - begin[name]) / seconds if seconds > 0.05 else 0


def table(job):
    f = job.figures
    killed, paused, again, end = (f[k] for k in ("killed", "paused", "again", "end"))
    print("%-46s %8s %14s %14s" % ("", "seconds", "put a second", "written a second"))
    for name, one, two in (("both at work", f["begin"], killed), ("B is dead, until the sources pause", killed, paused),
                           ("the sources pause", paused, f["alone"]),
                           ("B starts, until it sends its first record", f["alone"], again),
                           ("to the end", again, end)):
        print("%-46s %8.1f %14.0f %14.0f" % (name, two["s"] - one["s"], rate(job, "put", one, two),
                                            rate(job, "written", one, two)))
    print("When machine B died it held %d records; WORK waited for %d acknowledgements." % (
        f["held_by_b"], f["not_acknowledged"]))
    print("When the sources paused: %d records in A's segment, %d messages in WORK, which has room for %d." % (
        paused["on_a"], paused["work"], job.told.room))
    print("Processor time for a record, in microseconds: %s." % ", ".join(
        "%s %.0f" % (name, 1e6 * s / end["put"]) for name, s in sorted(f["processor_s"].items())))
    for p in f["parts"]:
        if p["role"] == "source":
            print("source-%d was told to slow down %d times and to pause %d times, and slept %.1f s." % (
                p["number"], p["slowed"], p["paused"], p["slept_s"]))


def report(job):
    found = list(checks(job))
    wrong = sum(not holds for holds, _ in found)
    d = job.figures["difference"]
    if wrong:
        print("NOT OK: %d of %d checks failed" % (wrong, len(found)))
    else:
        print("OK: nothing lost, %d records twice after machine B's death, all checks hold" % d["twice"])
    for holds, sentence in found:
        print("  %-6s %s" % ("OK" if holds else "WRONG", sentence))
    print("\n%d records of %s, the sources' %d times over; %s; a limit of %d messages and records" % (
        job.told.passes * job.told.stanzas, job.told.input, job.told.passes, job.told.network["words"], job.told.room))
    table(job)
    return wrong


def count_stanzas(path):
    """How many there are, and the length of the longest."""
    with open(path, "rb") as f:
        stanzas = [s for s in f.read().split(b"\n\n") if s.strip()]
    return len(stanzas), max(len(s) for s in stanzas) if stanzas else 0


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("conveyor")
    p.add_argument("bench")
    p.add_argument("--input", required=True)
    p.add_argument("--output", required=True)
    p.add_argument("--passes", type=int, default=2)
    p.add_argument("--room", type=int, default=5000)
    p.add_argument("--ack", default="settled")
    p.add_argument("--namespaces", action="store_true")
    p.add_argument("--delay", type=float, default=0)
    p.add_argument("--loss", type=float, default=0)
    p.add_argument("--json")
    p.add_argument("--network", type=json.loads, help=argparse.SUPPRESS)  # of this program, for itself in a namespace
    told = p.parse_args()
    told.stanzas, longest = count_stanzas(told.input)
    told.payload = max(1024, longest + 512)
    return told


def run_between_namespaces(told):
    """This program again, on the near machine."""
    namespaces = Namespaces(told.delay, told.loss)
    try:
        return subprocess.call([*namespaces.there["near"], sys.executable, *sys.argv, "--network",
                                json.dumps(namespaces.there)])
    finally:
        namespaces.close()


def main():
    told = parse()
    if not told.network and (told.namespaces or told.delay or told.loss):
        return run_between_namespaces(told)
    told.network = told.network or LOOPBACK
    job = Job(told)
    try:
        job.run()
        job.compare()
        wrong = report(job)
        if told.json:
            with open(told.json, "w", encoding="utf-8") as f:
                json.dump({"kind": "two-machines", "network": told.network["words"], "figures": job.figures,
                           "moments": job.moments}, f, indent=1)
        return 1 if wrong else 0
    except Failed as why:
        print("NOT OK: %s" % why)
        return 1
    finally:
        job.close()


if __name__ == "__main__":
    sys.exit(main())
