"""What the tests of all bridges need: the command, segments, programs that are started again when they end."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

CONVEYOR = sys.argv[1] if len(sys.argv) > 1 else None
FULL = "--full" in sys.argv


class Part(unittest.TestLoader):
    """Of the tests of a class every of-th one, the n-th first."""

    def __init__(self, n, of):
        super().__init__()
        self.n, self.of = n, of

    def getTestCaseNames(self, case):
        return super().getTestCaseNames(case)[self.n - 1::self.of]


def main():
    """Runs the tests of the file that calls it: usage FILE CONVEYOR [--full] [--part N/OF] [TEST...]"""
    words, part = [a for a in sys.argv[2:] if a != "--full"], (1, 1)
    if words[:1] == ["--part"]:
        part, words = (int(n) for n in words[1].split("/")), words[2:]
    unittest.main(argv=[sys.argv[0]] + words, testLoader=Part(*part), verbosity=2)


def command(*words, **more):
    return subprocess.run([CONVEYOR, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                          check=False, **more)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def tell(format_, *figures):
    """What the whole form has counted."""
    if FULL:
        print(format_ % figures, file=sys.stderr)


def wait_for(what, condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.02)


class Supervised:
    """A program that is started again whenever it ends, as systemd would."""

    def __init__(self, *words):
        self.words, self.over, self.kills, self.log = words, False, 0, tempfile.TemporaryFile("a+")
        self.begun = 0
        self.process = None
        self.begin()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def begin(self):
        self.begun += 1
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
        """One signal to each process: a second one would not let it end what it does."""
        self.over, told, until = True, None, time.monotonic() + 120
        while self.thread.is_alive():
            if time.monotonic() > until:
                self.process.kill()
                raise AssertionError("it does not end: %s" % " ".join(self.words))
            if self.process is not told:
                told = self.process
                told.send_signal(how)
            self.thread.join(0.05)
        text = self.said()
        self.log.close()
        return text

    def said(self):
        self.log.seek(0)
        return self.log.read()


class Pull:
    """Takes all that comes into the stage filter."""

    def __init__(self, segment):
        self.out = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([CONVEYOR, "pull", segment, "--stage", "filter", "--follow"], stdout=self.out,
                                        stderr=subprocess.DEVNULL)

    def end(self):
        """What it took."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        self.out.seek(0)
        with self.out:
            return self.out.read().splitlines()


class Bridges(unittest.TestCase):
    """A test with segments and programs, which end with it."""

    def setUp(self):
        self.segments = []
        self.running = []

    def tearDown(self):
        for r in self.running:
            if not r.over:
                r.end(signal.SIGKILL)
        for s in self.segments:
            command("rm", "--force", s)

    def segment(self, *options):
        name = "conveyor-test-%d-bridge-%d" % (os.getpid(), len(self.segments))
        made = command("create", name, "--stages", "filter,read,sink", *options)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.segments.append(name)
        return name

    def start(self, *words):
        self.running.append(Supervised(*words))
        return self.running[-1]

    def stat(self, segment):
        return json.loads(command("stat", segment, "--json").stdout)

    def buffered(self, segment):
        return self.stat(segment)["total"]["buffered"]

    def queued(self, segment, stage):
        return {s["name"]: s["queued"] for s in self.stat(segment)["stages"]}[stage]

    def pull_until(self, what, condition, *segments):
        """What comes out of each segment until that holds, and nothing is left in them."""
        pulls = [Pull(s) for s in segments]
        try:
            wait_for(what, condition, 300)
            wait_for("nothing is left", lambda: not any(self.buffered(s) for s in segments))
        finally:
            got = [p.end() for p in pulls]
        return got

    def findings(self, segment, *more):
        """What the doctor says, by its codes."""
        got = command("doctor", segment, "--json", *more)
        return {f["code"]: f["text"] for f in json.loads(got.stdout)["findings"]}

    def payloads(self, count):
        return [b"record %d of the test" % i for i in range(count)]

    def kill_at_random(self, bridges, kills, servers=0, restart=None, seconds=600):
        """Kills bridges, and the server by `restart`, until so many of each were killed."""
        left = {"bridge": kills, "server": servers}
        until = time.monotonic() + seconds
        while left["bridge"] or left["server"]:
            self.assertLess(time.monotonic(), until)
            time.sleep(random.uniform(0.05, 0.4))
            what = random.choice([k for k in left if left[k]])
            left[what] -= 1
            if what == "server":
                restart()
            else:
                random.choice(bridges).kill()
