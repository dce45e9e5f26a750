"""Bridges between segments and NATS JetStream, with a real server: nothing is lost, nothing comes twice.

usage: nats.py CONVEYOR [--full] [TEST...]
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from server import Server

CONVEYOR = None
FULL = False


def command(*words, **more):
    return subprocess.run([CONVEYOR, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          check=False, **more)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def wait_for(what, condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.02)


class Supervised:
    """A program that is started again whenever it ends, as systemd would."""

    def __init__(self, *words):
        self.words, self.over, self.kills, self.log = words, False, 0, tempfile.TemporaryFile("w+")
        self.process = None
        self.begin()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def begin(self):
        self.process = subprocess.Popen([CONVEYOR, *self.words], stderr=self.log, stdout=self.log)

    def watch(self):
        while not self.over:
            self.process.wait()
            if not self.over:
                time.sleep(0.02)
                self.begin()

    def kill(self):
        self.kills += 1
        self.process.kill()

    def end(self, how=signal.SIGTERM):
        self.over = True
        while self.thread.is_alive():
            self.process.send_signal(how)
            self.thread.join(1)
        self.log.seek(0)
        text = self.log.read()
        self.log.close()
        return text


class Bridges(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.segments = []
        self.running = []

    def tearDown(self):
        for r in self.running:
            if not r.over:
                r.end(signal.SIGKILL)
        for s in self.segments:
            command("rm", "--force", s)
        self.server.close()

    def segment(self, *options):
        name = "conveyor-test-%d-nats-%d" % (os.getpid(), len(self.segments))
        made = command("create", name, "--stages", "filter,read,sink", *options)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.segments.append(name)
        return name

    def start(self, *words):
        self.running.append(Supervised(*words))
        return self.running[-1]

    def url(self, path):
        return "nats://%s/%s" % (self.server.url, path)

    def into(self, segment, path, *more, stage="filter", source="nats"):
        return ("bridge", segment, "--from", self.url(path), "--stage", stage, "--source", source, "--create", *more)

    def out_of(self, segment, path, *more, stage="filter"):
        return ("bridge", segment, "--stage", stage, "--to", self.url(path), *more)

    def read_stream(self, name, count):
        """What a stream holds, by a bridge into a segment of its own."""
        segment = self.segment()
        reader = self.start(*self.into(segment, name + "/test-reader", stage="read"))
        pulled = command("pull", segment, "--stage", "read", "--follow", "--count", str(count))
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        reader.end()
        return pulled.stdout.splitlines()

    def payloads(self, count):
        return [b"record %d of the test" % i for i in range(count)]

    def kill_at_random(self, victims, servers, condition, seconds=600):
        """Kills bridges and the server until so many of each were killed, then waits for the condition."""
        left = {"bridge": victims[1], "server": servers}
        until = time.monotonic() + seconds
        while left["bridge"] or left["server"]:
            self.assertLess(time.monotonic(), until)
            time.sleep(random.uniform(0.05, 0.4))
            what = random.choice([k for k in left if left[k]])
            left[what] -= 1
            if what == "server":
                self.server.restart()
            else:
                random.choice(victims[0]).kill()
        wait_for("the end of the work", condition, 300)

    def test_kills_on_the_way(self):
        """From a stream through a segment into a stream, with kills of both bridges and of the server."""
        count, kills, servers = (300000, 40, 5) if FULL else (20000, 6, 2)
        payloads = self.payloads(count)
        self.server.make_stream("IN", ["in.>"])
        self.server.make_stream("OUT", ["out.>"])
        self.server.publish("in.a", payloads)
        segment = self.segment()
        bridges = [self.start(*self.into(segment, "IN/C")), self.start(*self.out_of(segment, "out.{source}"))]
        self.kill_at_random((bridges, kills), servers, lambda: self.server.stream("OUT")["messages"] >= count)
        wait_for("all is acknowledged at the origin",
                 lambda: self.server.consumer("IN", "C")["ack_floor"]["stream_seq"] == count)
        for b in bridges:
            b.end()
        self.assertEqual(self.server.stream("OUT")["messages"], count, "some came twice")
        got = self.read_stream("OUT", count)
        self.assertEqual(sorted(got), sorted(p.decode() for p in payloads))
        doctor = command("doctor", segment)
        self.assertEqual(doctor.returncode, 0, doctor.stdout)

    def test_the_machine_dies(self):
        """All processes and the segment go: what was not settled comes again."""
        self.machine_dies("settled", False)

    def test_buffered_loses(self):
        """Acknowledged when it is buffered: this test can see a loss."""
        self.machine_dies("buffered", True)

    def machine_dies(self, ack, loses):
        count, deaths = (300000, 3) if FULL else (6000, 2)
        self.server.make_stream("IN", ["in.>"])
        self.server.publish("in.a", self.payloads(count))
        seen = set()
        for death in range(deaths):
            segment = self.segment("--max-per-source", "1000")
            bridge = self.start(*self.into(segment, "IN/C", "--ack", ack))
            part = command("pull", segment, "--stage", "filter", "--follow", "--count", str(count // deaths // 2),
                           "--batch", "16")
            seen.update(part.stdout.splitlines())
            wait_for("the buffer is full", lambda s=segment: self.stat(s)["total"]["buffered"] >= 700)
            bridge.end(signal.SIGKILL)
            command("rm", "--force", segment)
        segment = self.segment()
        bridge = self.start(*self.into(segment, "IN/C"))
        rest = command("pull", segment, "--stage", "filter", "--follow", "--exit-when-idle", "3")
        seen.update(rest.stdout.splitlines())
        bridge.end()
        missing = {p.decode() for p in self.payloads(count)} - seen
        if loses:
            self.assertGreater(len(missing), 0)
        else:
            self.assertEqual(len(missing), 0)

    def stat(self, segment):
        import json
        return json.loads(command("stat", segment, "--json").stdout)

    def test_outage(self):
        """Kills of a bridge while the server is away: no dead letters, and all arrives when it is back."""
        self.server.make_stream("OUT", ["out.>"])
        segment = self.segment("--max-retries", "1")
        bridge = self.start(*self.out_of(segment, "out.a", stage="sink"))
        self.server.kill()
        text = "".join("line %d\n" % i for i in range(3000))
        self.assertEqual(command("push", segment, "--stage", "sink", "--source", "s", input=text).returncode, 0)
        for _ in range(10):
            bridge.kill()
            time.sleep(0.1)
        self.server.start()
        wait_for("all is out", lambda: self.server.stream("OUT")["messages"] >= 3000)
        wait_for("all is settled", lambda: self.stat(segment)["total"]["buffered"] == 0)
        bridge.end()
        stages = {s["name"]: s for s in self.stat(segment)["stages"]}
        self.assertEqual(stages["dead-letter"]["queued"], 0)
        self.assertEqual(self.server.stream("OUT")["messages"], 3000)

    def test_a_full_stream_pauses_the_source(self):
        """A stream that refuses what it has no room for fills the stage; room there lets it go on."""
        self.server.make_stream("OUT", ["out.>"], max_msgs=500, retention="workqueue")
        segment = self.segment("--max-per-source", "400")
        bridge = self.start(*self.out_of(segment, "out.a", stage="sink"))
        text = "".join("line %d\n" % i for i in range(1200))
        push = subprocess.Popen([CONVEYOR, "push", segment, "--stage", "sink", "--source", "s"], text=True,
                                stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        threading.Thread(target=lambda: (push.stdin.write(text), push.stdin.close())).start()
        wait_for("the stream is full", lambda: self.server.stream("OUT")["messages"] == 500)
        wait_for("the source pauses", lambda: self.stat(segment)["sources"][0]["backpressure"] == "pause")
        other = self.segment()
        reader = self.start(*self.into(other, "OUT/W", stage="read"))
        got = command("pull", other, "--stage", "read", "--follow", "--count", "1200")
        self.assertEqual(sorted(got.stdout.splitlines()), sorted(text.splitlines()))
        self.assertEqual(push.wait(60), 0)
        push.stderr.close()
        bridge.end()
        reader.end()

    def test_shared(self):
        """Two bridges on two segments share a consumer: each message goes to one of them."""
        count = 3000  # one may get all of them
        self.server.make_stream("IN", ["in.>"], retention="workqueue")
        self.server.publish("in.a", self.payloads(count))
        segments = [self.segment(), self.segment()]
        bridges = [self.start(*self.into(s, "IN/C", "--shared", "--batch", "50")) for s in segments]
        wait_for("all is in", lambda: sum(self.stat(s)["total"]["buffered"] for s in segments) == count)
        got = []
        for s in segments:
            got += command("pull", s, "--stage", "filter").stdout.splitlines()
        wait_for("all is acknowledged", lambda: self.server.stream("IN")["messages"] == 0)
        for b in bridges:
            b.end()
        self.assertEqual(sorted(got), sorted(p.decode() for p in self.payloads(count)))

    def test_check_says_what_is_not_promised(self):
        self.server.make_stream("GOOD", ["good.>"])
        self.server.make_stream("MEMORY", ["memory.>"], storage="memory", discard="old", max_msgs=10)
        segment = self.segment()
        good = command(*self.into(segment, "GOOD/C", "--check"))
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        self.assertIn("holds   a message is acknowledged when its record is settled here", good.stdout)
        bad = command(*self.into(segment, "MEMORY/C", "--check"))
        self.assertEqual(bad.returncode, 1)
        self.assertIn("broken  stream 'MEMORY' is kept in memory", bad.stdout)
        self.assertIn("drops its oldest messages", bad.stdout)
        buffered = command(*self.into(segment, "GOOD/C", "--check", "--ack", "buffered"))
        self.assertEqual(buffered.returncode, 1)
        self.assertEqual(command(*self.out_of(segment, "good.{source}", "--check")).returncode, 0)
        nobody = command(*self.out_of(segment, "nobody.x", "--check"))
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("no stream takes the subject 'nobody.x'", nobody.stderr)

    def test_metrics(self):
        self.server.make_stream("IN", ["in.>"])
        segment = self.segment()
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        path = os.path.join(folder, "bridge.prom")
        bridge = self.start(*self.into(segment, "IN/C", "--metrics", path))
        self.server.publish("in.a", self.payloads(10))
        labels = '{segment="%s",stage="filter",direction="in"} ' % segment

        def shows(*lines):
            return lambda: os.path.exists(path) and all("conveyor_bridge_%s%s%s\n" % (name, labels, value) in
                                                        read(path) for name, value in lines)
        wait_for("the records show", shows(("records_total", 10), ("unsettled", 10), ("settled_position", 0)))
        command("pull", segment, "--stage", "filter")
        wait_for("that they are settled shows", shows(("unsettled", 0), ("settled_position", 10)))
        bridge.end()
        shutil.rmtree(folder)

    def test_wrong_usage(self):
        segment = self.segment()
        for words, status, text in (
                (("--stage", "a"), 2, "give either --from URL or --to URL"),
                (("--stage", "a", "--to", "nats://me:secret@host/x"), 2, "--credentials FILE"),
                (("--stage", "a", "--from", self.url("IN/C")), 2, "--source NAME is missing"),
                (("--stage", "a", "--source", "s", "--from", self.url("IN")), 2, "/STREAM/CONSUMER"),
                (("--stage", "filter", "--to", self.url("a.{sorce}")), 2, "only {source}, {pipeline} and {stage}"),
                (("--stage", "filter", "--to", self.url("a"), "--ack", "now"), 2, "neither settled nor buffered"),
                (("--stage", "missing", "--to", self.url("a")), 1, "'missing'"),
                (("--stage", "a", "--source", "s", "--from", self.url("NONE/C")), 1, "a bridge makes no stream"),
                (("--stage", "filter", "--to", "nats://127.0.0.1:1/a"), 1, "is nats-server running there")):
            got = command("bridge", segment, *words)
            self.assertEqual(got.returncode, status, (words, got.stderr))
            self.assertIn(text, got.stderr)
            self.assertNotIn("secret", got.stderr)

    def test_two_bridges_of_one_source(self):
        self.server.make_stream("IN", ["in.>"])
        segment = self.segment()
        first = self.start(*self.into(segment, "IN/C"))
        self.server.publish("in.a", self.payloads(10))
        wait_for("the first is at work", lambda: self.stat(segment)["total"]["buffered"] == 10)
        second = command(*self.into(segment, "IN/C2"))
        self.assertEqual(second.returncode, 1)
        self.assertIn("has another bridge or connector, which is alive", second.stderr)
        first.end()


if __name__ == "__main__":
    CONVEYOR = sys.argv.pop(1)
    if "--full" in sys.argv:
        sys.argv.remove("--full")
        FULL = True
    unittest.main(verbosity=2)
