"""How a bridge is started: by its systemd unit with the file that the unit shows, before its segment is there, and
before its server.

usage: start.py CONVEYOR [TEST...]
"""
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

from server import Server
from supervised import CONVEYOR, Bridges, command, main, read, wait_for

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib/packaging/systemd/conveyor-bridge@.service")
PATIENCE = 60
PATIENT = ("--option", "timeout_ms=60000")  # to connect: a busy machine may let a server wait for seconds


def words_of_unit(file):
    """The words of ExecStart, as systemd makes them of the lines of its EnvironmentFile: a variable without braces is
    split at blanks outside of quotes."""
    variables = dict(line.split("=", 1) for line in file.splitlines() if line and not line.startswith("#"))
    words = []
    for word in shlex.split(re.search(r"^ExecStart=(.*)$", read(UNIT), re.M)[1]):
        words += shlex.split(variables[word[1:]]) if word.startswith("$") else [word]
    return words


class Start(Bridges):
    def setUp(self):
        super().setUp()
        self.server = Server()
        self.server.make_stream("ORDERS", ["orders.>", "done.>"])
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix="conveyor-test-")

    def tearDown(self):
        for process in self.processes:
            process.kill()
            process.communicate()
        super().tearDown()
        self.server.close()
        shutil.rmtree(self.folder)

    def begin(self, *words):
        self.processes.append(subprocess.Popen([CONVEYOR, *words], stderr=subprocess.PIPE, text=True))
        return self.processes[-1]

    def ends(self, bridge, word):
        """SIGTERM ends it cleanly, and it says what it did."""
        bridge.send_signal(signal.SIGTERM)
        said = bridge.communicate(timeout=PATIENCE)[1]
        self.assertEqual(bridge.returncode, 0, said)
        self.assertIn(word, said)
        return said

    def test_the_unit_starts_a_bridge_and_stops_it(self):
        segment = self.segment()
        shown = re.search(r"^# +(ARGUMENTS=.*)$", read(UNIT), re.M)[1]
        for was, now in (("=orders ", "=%s " % segment), ("localhost:4222", self.server.url),
                         ("--source orders", "--source 'two words'")):
            self.assertIn(was, shown)
            shown = shown.replace(was, now)
        words = words_of_unit("# a comment\n%s\n" % shown)
        self.assertEqual(words[:2], ["/usr/bin/conveyor", "bridge"])
        bridge = self.begin(*words[1:], *PATIENT)
        self.server.publish("orders.a", self.payloads(10))
        wait_for("all is in", lambda: self.buffered(segment) == 10)
        self.assertEqual(self.stat(segment)["sources"][0]["name"], "two words")
        self.ends(bridge, "brought in 10 records")

    def test_the_unit_is_tried_again_but_for_wrong_usage(self):
        unit = read(UNIT)
        for line in ("Restart=always", "StartLimitIntervalSec=0", "RestartPreventExitStatus=2"):
            self.assertRegex(unit, "(?m)^%s$" % line)
        self.assertEqual(command("bridge", "orders", "--from", "nowhere").returncode, 2)

    def test_it_waits_for_its_segment_and_stage(self):
        name = "conveyor-test-%d-bridge-later" % os.getpid()
        self.segments.append(name)
        url = "nats://%s/" % self.server.url
        into = self.begin("bridge", name, "--from", url + "ORDERS/C", "--stage", "filter", "--source", "s", "--create",
                          "--wait", str(PATIENCE), *PATIENT)
        out = self.begin("bridge", name, "--to", url + "done.x", "--stage", "sink", "--wait", str(PATIENCE), *PATIENT)
        made = command("create", name, "--max-total-records", "1000")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.server.publish("orders.a", self.payloads(5))
        wait_for("all is in", lambda: self.buffered(name) >= 5)
        pushed = command("push", name, "--stage", "sink", "--source", "t", input="one\n")
        self.assertEqual(pushed.returncode, 0, pushed.stderr)
        wait_for("one is out", lambda: any(s["name"] == "sink" and s["acked"] for s in self.stat(name)["stages"]))
        self.assertGreaterEqual(self.server.stream("ORDERS")["messages"], 6)
        self.ends(out, "carried out 1 record")
        self.ends(into, "brought in ")

    def test_the_wait_ends(self):
        segment = self.segment()
        url = "nats://%s/done.x" % self.server.url
        for name, stage, word in ((segment, "missing", "no such stage"), ("no-" + segment, "sink", "no segment")):
            words = ("bridge", name, "--to", url, "--stage", stage, "--wait")
            got = command(*words, "0.1")
            self.assertEqual(got.returncode, 1, got.stderr)
            self.assertIn(word, got.stderr)
        bridge = self.begin("bridge", segment, "--to", url, "--stage", "missing", "--wait", "3600")
        wait_for("it has attached", lambda: self.stat(segment)["handles"])
        self.ends(bridge, "carried out 0 records")

    def url(self, path):
        return "nats://%s/%s" % (self.server.url, path)

    def lives(self, bridge):
        self.assertIsNone(bridge.poll(), "it has ended")
        return True

    def absent(self, segment, *words):
        """A bridge whose server is away: it says so once, in its figures too, and goes on."""
        path = os.path.join(self.folder, "%d.prom" % len(self.processes))
        bridge = self.begin("bridge", segment, *words, "--metrics", path)
        wait_for("the doctor is told", lambda: self.lives(bridge) and os.path.exists(path) and
                 "bridge-not-connected" in self.findings(segment, "--bridge", path))
        return bridge

    def test_it_waits_for_its_server(self):
        """Both ways, and none is lost or comes twice."""
        segment = self.segment()
        self.server.kill()
        into = self.absent(segment, "--from", self.url("ORDERS/C"), "--stage", "filter", "--source", "s", "--create")
        out = self.absent(segment, "--stage", "sink", "--to", self.url("done.x"))
        pushed = command("push", segment, "--stage", "sink", "--source", "t", input="one\ntwo\n")
        self.assertEqual(pushed.returncode, 0, pushed.stderr)
        self.server.start()
        self.server.publish("orders.a", self.payloads(10))
        wait_for("all is in and out", lambda: self.buffered(segment) == self.queued(segment, "filter") == 12)
        self.assertEqual(self.server.stream("ORDERS")["messages"], 12)
        self.assertEqual(self.ends(into, "brought in 12 records").count("is nats-server running there"), 1)
        self.assertEqual(self.ends(out, "carried out 2 records").count("is nats-server running there"), 1)

    def test_the_wait_for_a_server_ends(self):
        """By a signal, with the segment, when it is idle for too long; and --check does not wait."""
        segment, other = self.segment(), self.segment()
        self.server.kill()
        words = ("--stage", "sink", "--to", self.url("done.x"))
        self.ends(self.absent(segment, *words), "carried out 0 records")
        removed = self.absent(other, *words)
        self.assertEqual(command("rm", "--force", other).returncode, 0)
        self.assertIn("was removed", removed.communicate(timeout=PATIENCE)[1])
        self.assertEqual(removed.returncode, 1)
        into = ("--from", self.url("ORDERS/C"), "--stage", "filter", "--source", "s")
        for way in (words, into):
            for more, text in ((("--exit-when-idle", "0.5"), "has not answered once in the 0.5 s of --exit-when-idle"),
                               (("--check",), "")):
                got = command("bridge", segment, *way, *more)
                self.assertEqual(got.returncode, 1, got.stderr)
                self.assertIn("is nats-server running there", got.stderr)
                self.assertIn(text, got.stderr)

    def test_a_source_that_is_taken(self):
        """Is told before the server is there: a bridge has it already while it waits."""
        segment = self.segment()
        self.server.kill()
        words = ("--from", self.url("ORDERS/C"), "--stage", "filter", "--source", "s")
        first = self.absent(segment, *words)
        second = command("bridge", segment, *words, "--exit-when-idle", str(PATIENCE))
        self.assertEqual(second.returncode, 1, second.stderr)
        self.assertIn("has another bridge or connector, which is alive", second.stderr)
        self.ends(first, "brought in 0 records")

    def test_a_server_that_comes_back_does_not_let_it_in(self):
        """What does not mend itself ends a bridge that has waited, too."""
        segment = self.segment()
        self.server.kill()
        bridge = self.absent(segment, "--stage", "sink", "--to", self.url("done.x"))
        with open(self.server.config, "a", encoding="utf-8") as f:
            f.write("authorization { user: me, password: secret-1 }\n")
        self.server.start()
        said = bridge.communicate(timeout=PATIENCE)[1]
        self.assertEqual(bridge.returncode, 1, said)
        self.assertIn("give --credentials FILE", said)

    def test_a_lost_connection_is_told(self):
        """Once each time: a server that is starting may let the bridge in and drop it once more."""
        segment = self.segment()
        bridge = self.start("bridge", segment, "--stage", "sink", "--to", self.url("done.x"), *PATIENT)
        for i in range(2):
            pushed = command("push", segment, "--stage", "sink", "--source", "t", input="a line\n")
            self.assertEqual(pushed.returncode, 0, pushed.stderr)
            wait_for("it is out", lambda n=i: self.server.stream("ORDERS")["messages"] > n)
            self.server.kill()
            wait_for("it is told", lambda n=i: bridge.said().count("is lost") > n)
            self.server.start()
        self.assertLessEqual(bridge.end().count("is lost"), 4)


if __name__ == "__main__":
    main()
