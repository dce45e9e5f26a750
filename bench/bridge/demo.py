"""A pipeline on two machines, to watch: what happens is told in plain words, and where records are, once a second.

usage: demo.py CONVEYOR [--seconds N] [--pace N]

     machine A                                                    machine B
  source -> read -> worker -> out ==> bridge ==> WORK ==> bridge ==> score -> worker -> done -> sink -> file

Each machine is a segment with its processes, and WORK is a stream of a nats-server; all of them this program starts and
ends. The source makes N records a second (400), for so many seconds (20). On the way a worker is killed, then a bridge,
then the whole of machine B with all that is in its memory; it stays away until the source is told to pause. At the end
what the sink wrote is compared with what the source made. Ctrl-C ends it before, and leaves nothing behind.

Exit status: 0 nothing is lost, 1 something is, or it could not be done, 2 usage, 130 it was interrupted.
"""
import argparse
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

from machine import Failed, Machine, wait_for

from server import Server

ROOM_A, ROOM_WORK, ROOM_B = 400, 500, 200
TICK = 0.05
TOLD = {"none": "go on", "slow_down": "slow down", "pause": "pause"}
PIPE = 4096  # of the source: what waits in it is not in the segment yet


def say(text):
    print(text, flush=True)


class Source(threading.Thread):
    """Makes numbered records at a pace, until it is told to end. `conveyor push` puts them in, and waits if it must."""

    def __init__(self, machine, pace):
        super().__init__(daemon=True)
        self.pace, self.made, self.over = pace, 0, False
        self.push = machine.begin("workers", machine.conveyor, "push", machine.segment, "--stage", "read", "--source",
                                  "numbers", "--position", "lines", stdin=subprocess.PIPE)
        fcntl.fcntl(self.push.stdin, fcntl.F_SETPIPE_SZ, PIPE)

    def run(self):
        began = time.monotonic()
        try:
            while not self.over:
                due = int((time.monotonic() - began) * self.pace)
                if due > self.made + self.pace:  # it was held up, and does not hurry afterwards
                    began = time.monotonic() - self.made / self.pace
                    continue
                self.push.stdin.write(b"".join(b"record %d\n" % (n + 1) for n in range(self.made, due)))
                self.push.stdin.flush()
                self.made = due
                time.sleep(TICK)
            self.push.stdin.close()
        except OSError:
            pass  # push has ended, which look() tells


class Demo:
    def __init__(self, told, folder):
        self.told, self.path = told, os.path.join(folder, "written")
        self.a, self.b = Machine("a", told.conveyor), Machine("b", told.conveyor)
        self.source, self.shown, self.stopped = None, 0, False
        self.server = Server()

    def stop(self, *_):
        """By a signal: the next look ends it."""
        self.stopped = True

    def close(self):
        for machine in (self.a, self.b):
            machine.die()
        self.server.close()

    def pull(self, machine, stage, *more, **files):
        return machine.begin("workers", machine.conveyor, "pull", machine.segment, "--stage", stage, "--follow", *more,
                             **files)

    def create(self, machine, stages, room):
        machine.create("--stages", stages, "--max-total-records", str(room), "--max-per-stage", str(room),
                       "--max-per-source", str(room))

    def bridge_out(self):
        return self.a.bridge("--stage", "out", "--to", "nats://%s/work.{source}" % self.server.url)

    def begin_a(self):
        self.create(self.a, "read,out", ROOM_A)
        self.pull(self.a, "read", "--to", "out")
        self.out = self.bridge_out()
        self.source = Source(self.a, self.told.pace)
        self.source.start()

    def begin_b(self):
        self.create(self.b, "score,done", ROOM_B)
        self.b.bridge("--from", "nats://%s/WORK/b" % self.server.url, "--stage", "score", "--source", "a", "--create")
        self.worker = self.pull(self.b, "score", "--to", "done")
        self.pull(self.b, "done", out=open(self.path, "a+b"))

    def written(self):
        with open(self.path, "rb") as f:
            return f.read().splitlines()

    def server_ended(self):
        return self.server.process.poll() is not None

    def look(self):
        """Shows where records are, once a second. Fails if a process has ended that should not."""
        self.a.look()
        self.b.look()
        if self.stopped or self.server_ended():
            raise Failed("it cannot go on")
        if time.monotonic() - self.shown >= 1:
            self.shown = time.monotonic()
            self.show()

    def show(self):
        stat = self.a.stat()
        source = (stat["sources"] or [{"accepted": 0, "backpressure": "none"}])[0]
        b = "%3d of %d" % (self.b.stat()["total"]["buffered"], ROOM_B) if self.b.there else "  away   "
        say("   put in %6d | A %3d of %d | stream %3d of %d | B %s | written %6d | the source is told: %s" % (
            source["accepted"], stat["total"]["buffered"], ROOM_A, self.server.stream("WORK")["messages"], ROOM_WORK,
            b, len(set(self.written())), TOLD[source["backpressure"]]))

    def until(self, what, condition):
        wait_for(what, lambda: self.look() or condition())

    def watch(self, part):
        """For that part of the time; then until a record is written that was not."""
        until, before = time.monotonic() + part * self.told.seconds, len(set(self.written()))
        self.until("the time is over", lambda: time.monotonic() >= until)
        self.until("another record is written", lambda: len(set(self.written())) > before)

    def paused(self):
        return any(s["backpressure"] == "pause" for s in self.a.stat()["sources"])

    def drained(self):
        return (self.source.push.poll() is not None and not self.a.stat()["total"]["buffered"] and
                not self.server.stream("WORK")["messages"] and not self.b.stat()["total"]["buffered"])

    def kill_worker(self):
        say("The worker on machine B is killed (kill -9). What it had in its hands goes to the next worker.")
        self.b.kill(self.worker)
        self.worker = self.pull(self.b, "score", "--to", "done")

    def kill_bridge(self):
        say("The bridge out of machine A is killed. The next one sends again what the stream had not confirmed, with\n"
            "the same ids: the stream drops what it has already.")
        self.a.kill(self.out)
        self.out = self.bridge_out()

    def kill_b(self):
        held = self.b.stat()["total"]["buffered"]
        self.b.die()
        say("Machine B dies: all its processes, and its memory with %d records. The stream still has them: a message\n"
            "is acknowledged only when its record is settled. Nobody reads the stream now, so it fills, and refuses\n"
            "more; then machine A fills, and its source is told to pause." % held)
        self.until("the source is told to pause", self.paused)
        self.show()
        say("The source pauses. Nothing was dropped, and no memory grows.")

    def run(self):
        say("A nats-server is started, with a stream that has room for %d messages, and two machines: a segment\n"
            "each, a source and a worker on A, a worker and a sink on B, and a bridge between each and the stream.\n"
            "`conveyor top %s` beside it shows machine A." % (ROOM_WORK, self.a.segment))
        self.server.make_stream("WORK", ["work.>"], retention="workqueue", max_msgs=ROOM_WORK)
        self.begin_b()
        self.begin_a()
        self.watch(0.25)
        self.kill_worker()
        self.watch(0.2)
        self.kill_bridge()
        self.watch(0.2)
        self.kill_b()
        say("Machine B starts again, with nothing.")
        self.begin_b()
        self.watch(0.35)
        say("The source ends; what is on its way arrives.")
        self.source.over = True
        self.until("all is written", self.drained)
        return self.compare()

    def compare(self):
        written, made = self.written(), {b"record %d" % (n + 1) for n in range(self.source.made)}
        missing, twice = len(made - set(written)), len(written) - len(set(written))
        if missing:
            say("LOST: %d of %d records." % (missing, len(made)))
            return 1
        say("Nothing is lost: %d records were made, and all of them were written. %d were written twice: their writer\n"
            "was killed before the stream, or the segment, had heard of it." % (len(made), twice))
        for machine in (self.a, self.b):
            doctor = machine.run("doctor", machine.segment)
            if doctor.returncode:
                raise Failed(doctor.stdout + doctor.stderr)
        return 0


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("conveyor")
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--pace", type=int, default=400)
    told = p.parse_args()
    if told.seconds < 0 or told.pace < 1:
        p.error("--seconds is 0 or more, --pace 1 or more")
    return told


def tell(demo, why):
    """What ended it too early; the exit status."""
    if demo.stopped:
        say("Interrupted: all that was started ends, and both segments are removed.")
        return 130
    if demo.server_ended():
        why = Failed("nats-server ended with %d; the end of its log:\n%s" % (demo.server.process.returncode,
                                                                             demo.server.said()))
    if not isinstance(why, Failed):
        raise why
    say("It could not be done: %s" % why)
    return 1


def main():
    told = parse()
    with tempfile.TemporaryDirectory(prefix="conveyor-demo-") as folder:
        demo = Demo(told, folder)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, demo.stop)
        try:
            return demo.run()
        except Exception as why:  # a process that a signal ended with us, a server that does not answer any more
            return tell(demo, why)
        finally:
            demo.close()


if __name__ == "__main__":
    sys.exit(main())
