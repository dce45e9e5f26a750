"""Bridges between segments and NATS JetStream, with a real server: nothing is lost, nothing comes twice.

usage: nats.py CONVEYOR [--full] [TEST...]
"""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from at_nats import PATIENT, AtNats
from supervised import CONVEYOR, FULL, command, main, read, tell, wait_for


class Nats(AtNats):
    def read_stream(self, name, count):
        """What a stream holds, by a bridge into a segment of its own."""
        segment = self.segment()
        reader = self.start(*self.into(segment, name + "/test-reader", stage="read"))
        pulled = command("pull", segment, "--stage", "read", "--follow", "--count", str(count))
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        reader.end()
        return pulled.stdout.splitlines()

    def test_kills_on_the_way(self):
        """From a stream through a segment into a stream, with kills of both bridges and of the server."""
        count, kills, servers = (300000, 40, 5) if FULL else (20000, 6, 2)
        payloads = self.payloads(count)
        self.server.make_stream("IN", ["in.>"])
        self.server.make_stream("OUT", ["out.>"])
        self.server.publish("in.a", payloads)
        segment = self.segment()
        bridges = [self.start(*self.into(segment, "IN/C")), self.start(*self.out_of(segment, "out.{source}"))]
        self.kill_at_random(bridges, kills, servers, self.server.restart)
        wait_for("all is out", lambda: self.server.stream("OUT")["messages"] >= count, 300)
        wait_for("all is acknowledged at the origin", lambda: self.floor("IN", "C") == count)
        for b in bridges:
            b.end()
        self.assertEqual(self.server.stream("OUT")["messages"], count, "some came twice")
        got = self.read_stream("OUT", count)
        tell("%d records, %d kills of bridges, %d of the server: %d missing, %d twice", count, kills, servers,
             count - len(set(got)), len(got) - len(set(got)))
        self.assertEqual(sorted(got), sorted(p.decode() for p in payloads))
        doctor = command("doctor", segment)
        self.assertEqual(doctor.returncode, 0, doctor.stdout)

    def test_the_machine_dies(self):
        """All processes and the segment go: what was not settled comes again."""
        self.assertEqual(self.machine_dies("settled", "IN"), set())

    def test_buffered_loses(self):
        """Acknowledged when it is buffered: this test can see a loss. A bridge that cannot make its consumer anew,
        because the server does not answer in time, begins with the first message later, and nothing is lost."""
        self.assertTrue(any(self.machine_dies("buffered", stream) for stream in ("IN", "AGAIN", "ONCE-MORE")))

    def machine_dies(self, ack, stream):
        """What is missing."""
        count, deaths = (300000, 3) if FULL else (6000, 2)
        self.server.make_stream(stream, [stream + ".>"])
        self.server.publish(stream + ".a", self.payloads(count))
        seen, path = set(), stream + "/C"
        for death in range(deaths):
            segment = self.segment("--max-per-source", "1000")
            bridge = self.start(*self.into(segment, path, "--ack", ack))
            part = command("pull", segment, "--stage", "filter", "--follow", "--count", str(count // deaths // 2),
                           "--batch", "16")
            seen.update(part.stdout.splitlines())
            wait_for("the source pauses", lambda s=segment: self.stat(s)["sources"][0]["backpressure"] == "pause")
            if ack == "buffered":
                wait_for("more is acknowledged than was pulled", lambda: self.floor(stream, "C") > len(seen))
            bridge.end(signal.SIGKILL)
            command("rm", "--force", segment)
        segment = self.segment()
        bridge = self.start(*self.into(segment, path))
        (rest,) = self.pull_until("all is acknowledged", lambda: self.floor(stream, "C") == count, segment)
        seen.update(rest)
        bridge.end()
        missing = {p.decode() for p in self.payloads(count)} - seen
        tell("%s: %d records, %d deaths of the machine: %d missing", ack, count, deaths, len(missing))
        return missing

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
        wait_for("all is settled", lambda: self.buffered(segment) == 0)
        bridge.end()
        self.assertEqual(self.queued(segment, "dead-letter"), 0)
        self.assertEqual(self.server.stream("OUT")["messages"], 3000)

    def test_a_full_stream_is_asked_by_few(self):
        """Not by all that it has refused; all of it goes out when there is room, and nothing comes twice."""
        self.server.make_stream("OUT", ["out.>"], max_msgs=100, retention="workqueue")
        segment, folder = self.segment("--max-total-records", "10000"), tempfile.mkdtemp(prefix="conveyor-test-")
        path = os.path.join(folder, "bridge.prom")
        lines = ["line %d" % i for i in range(3000)]
        pushed = command("push", segment, "--stage", "sink", "--source", "s", input="\n".join(lines) + "\n")
        self.assertEqual(pushed.returncode, 0, pushed.stderr)
        bridge = self.start(*self.out_of(segment, "out.a", "--metrics", path, "--batch", "3000", stage="sink"))
        wait_for("it asks again and again", lambda: self.repeated(path) >= 5)
        self.assertEqual(self.server.stream("OUT")["messages"], 100)
        self.assertEqual({s["name"]: s["leased"] for s in self.stat(segment)["stages"]}["sink"], 2900)
        self.assertLess(self.repeated(path), 2900)
        other = self.segment()
        reader = self.start(*self.into(other, "OUT/W", stage="read"))
        got = command("pull", other, "--stage", "read", "--follow", "--count", str(len(lines)))
        self.assertEqual(sorted(got.stdout.splitlines()), sorted(lines))
        bridge.end()
        reader.end()
        shutil.rmtree(folder)

    def repeated(self, path):
        found = re.search(r"repeated_total\{.*\} (\d+)", read(path)) if os.path.exists(path) else None
        return int(found[1]) if found else 0

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
        self.assertEqual(push.wait(120), 0)
        push.stderr.close()
        self.assertEqual(bridge.end().count("maximum messages exceeded"), 1)
        reader.end()

    def test_kills_at_a_work_queue(self):
        """A work queue takes no consumer that begins behind its first message: the bridge goes on all the same."""
        count = 3000
        self.server.make_stream("WORK", ["work.>"], retention="workqueue")
        self.server.publish("work.a", self.payloads(count))
        segment = self.segment("--max-per-source", "500")
        bridge = self.start(*self.into(segment, "WORK/C"))
        got = []
        for part in (500, 500, 2000):
            got += command("pull", segment, "--stage", "filter", "--follow", "--count", str(part)).stdout.splitlines()
            bridge.kill()
        wait_for("all is acknowledged", lambda: self.server.stream("WORK")["messages"] == 0)
        bridge.end()
        self.assertEqual(sorted(got), sorted(p.decode() for p in self.payloads(count)))

    def test_shared(self):
        """Two bridges on two segments share a consumer: each message goes to one of them."""
        count = 3000  # one may get all of them
        self.server.make_stream("IN", ["in.>"], retention="workqueue")
        self.server.publish("in.a", self.payloads(count))
        segments = [self.segment(), self.segment()]
        bridges = [self.start(*self.into(s, "IN/C", "--shared", "--batch", "50")) for s in segments]
        wait_for("all is in", lambda: sum(self.buffered(s) for s in segments) == count)
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

    def test_headers_stay(self):
        """Headers of a message come out again; orders to its own stream, and what is too long, do not."""
        self.server.make_stream("IN", ["in.>"])
        self.server.make_stream("OUT", ["out.>"])
        trace = [("Trace", "1"), ("Trace", "2"), ("Other", "x: y")]
        self.server.publish_with("in.a", trace + [("Nats-Expected-Stream", "IN")], b"with")
        self.server.publish("in.b", [b"without"])
        self.server.publish_with("in.c", [("Long", "l" * 600)], b"cut")
        segment = self.segment("--header-size", "300")
        bridges = [self.start(*self.into(segment, "IN/C")),
                   self.start(*self.out_of(segment, "out.x", "--header", "Other=mine"))]
        wait_for("all is out", lambda: self.server.stream("OUT")["messages"] == 3)
        (with_, body), (without, _), (cut, _) = (self.server.message("OUT", i) for i in (1, 2, 3))
        self.assertEqual(body, b"with")
        self.assertEqual(sorted((n, v.strip()) for n, v in with_ if not n.startswith("Nats-")),
                         [("Other", "mine"), ("Trace", "1"), ("Trace", "2")])
        self.assertRegex(dict(with_)["Nats-Msg-Id"].strip(), r"^IN\.1\.[0-9]{19}$")
        for names in (without, cut):
            self.assertEqual(sorted(n for n, _ in names), ["Nats-Msg-Id", "Other"])
        said = bridges[0].end()
        self.assertIn("do not fit into the 300 bytes", said)
        bridges[1].end()

    def test_the_origin_is_known_by_its_id(self):
        """What comes anew after a machine's death is dropped by the stream that it goes to: it has the same id."""
        self.server.make_stream("IN", ["in.>"])
        self.server.make_stream("OUT", ["out.>"])
        self.server.publish("in.a", self.payloads(100))
        for name in ("C1", "C2"):  # two machines, the second one begins anew
            segment = self.segment("--header-size", "200")
            bridges = [self.start(*self.into(segment, "IN/" + name)), self.start(*self.out_of(segment, "out.x"))]
            wait_for("all is settled", lambda n=name: self.floor("IN", n) == 100)
            for b in bridges:
                b.end()
        self.assertEqual(self.server.stream("OUT")["messages"], 100)

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

    def test_the_doctor_looks_at_bridges(self):
        """A consumer that is too tight, a lag that grows, a stream that is full, no server, no bridge: each is told."""
        self.server.make_stream("IN", ["in.>"])
        self.server.make_consumer("IN", "C", ack_wait=10 ** 9, max_ack_pending=5)
        self.server.make_stream("OUT", ["out.>"], max_msgs=1, retention="workqueue")
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        into, out = (os.path.join(folder, name) for name in ("in.prom", "out.prom"))
        segment = self.segment()
        bridges = [self.start(*self.into(segment, "IN/C", "--metrics", into)),
                   self.start(*self.out_of(segment, "out.a", "--metrics", out, stage="sink"))]
        wait_for("both tell", lambda: os.path.exists(into) and os.path.exists(out))

        def tells(*codes, of=into):
            return lambda: set(codes) <= set(self.findings(segment, "--bridge", of))
        healthy = self.findings(segment, "--bridge", into, "--bridge", out)
        self.assertFalse([code for code in healthy if code.startswith("bridge")], healthy)
        self.server.publish("in.a", self.payloads(50))
        wait_for("the consumer is too tight", tells("bridge-ack-wait", "bridge-max-ack-pending"))
        lag = 'conveyor_bridge_lag{segment="%s",stage="filter",direction="in"} 45\n' % segment
        wait_for("the lag shows", lambda: lag in read(into))
        self.assertFalse([code for code in self.findings(segment) if code.startswith("bridge")])
        stop = threading.Event()

        def publish():
            while not stop.wait(0.1):
                self.server.publish("in.a", self.payloads(1))
        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            wait_for("the lag grows", tells("bridge-lag-grows"))
        finally:
            stop.set()
            publisher.join()
        command("push", segment, "--stage", "sink", "--source", "s", input="x\n" * 10)
        wait_for("the stream is full", tells("bridge-blocked", of=out))
        self.server.kill()
        wait_for("no server", tells("bridge-not-connected"))
        bridges[0].end(signal.SIGKILL)
        os.utime(into, (0, 0))
        self.assertIn("the bridge into stage 'filter' wrote its figures last",
                      self.findings(segment, "--bridge", into)["bridge-silent"])
        for path, text in ((folder + "/none", "cannot read --bridge"), (__file__, "this is no file that"),
                           (into, "is of a bridge of segment '%s'" % segment)):
            wrong = command("doctor", self.segment(), "--bridge", path)
            self.assertEqual(wrong.returncode, 1)
            self.assertIn(text, wrong.stderr)
        bridges[1].end(signal.SIGKILL)
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
                (("--stage", "filter", "--to", self.url("a"), "--key", "source"), 2, "a message of NATS has no key"),
                (("--stage", "filter", "--to", "nats://127.0.0.1:1/a.{sorce}"), 2, "only {source}, {pipeline}"),
                (("--stage", "a", "--source", "s", "--from", "nats://127.0.0.1:1/IN"), 2, "/STREAM/CONSUMER"),
                (("--stage", "missing", "--to", self.url("a")), 1, "'missing'"),
                (("--stage", "a", "--source", "s", "--from", self.url("NONE/C")), 1, "a bridge makes no stream"),
                (("--stage", "filter", "--to", "nats://127.0.0.1:1/a", "--check"), 1, "is nats-server running there")):
            got = command("bridge", segment, *words, *PATIENT)
            self.assertEqual(got.returncode, status, (words, got.stderr))
            self.assertIn(text, got.stderr)
            self.assertNotIn("secret", got.stderr)

    def test_two_bridges_of_one_source(self):
        self.server.make_stream("IN", ["in.>"])
        segment = self.segment()
        first = self.start(*self.into(segment, "IN/C"))
        self.server.publish("in.a", self.payloads(10))
        wait_for("the first is at work", lambda: self.buffered(segment) == 10)
        second = command(*self.into(segment, "IN/C2"))
        self.assertEqual(second.returncode, 1)
        self.assertIn("has another bridge or connector, which is alive", second.stderr)
        first.end()


if __name__ == "__main__":
    main()
