"""A machine of a job that runs on several: a segment, and programs that work at it, all of which may die at once."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../tests/bridge"))
sys.path.append(os.path.join(HERE, "../../tests/support"))
from ready import heeds_sigterm  # noqa: E402


class Failed(Exception):
    """What went wrong, for the one who started the bench."""


def wait_for(what, condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Failed("not within %d s: %s" % (seconds, what))
        time.sleep(0.02)


def processor_seconds(pid):
    """What a process has used; 0 if it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as f:
            words = f.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Machine:
    """`enter` is what a command begins with to run there: of a network namespace, for instance."""

    def __init__(self, name, conveyor, enter=()):
        self.name, self.conveyor, self.enter = name, conveyor, list(enter)
        self.segment = "conveyor-bench-%d-%s" % (os.getpid(), name)
        self.log = tempfile.TemporaryFile("w+")
        self.running, self.there = [], False
        self.used = {}  # seconds of processor time, by what it was for

    def run(self, *words):
        """One command of conveyor, to its end."""
        return subprocess.run([*self.enter, self.conveyor, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=120, check=False)

    def create(self, *options):
        made = self.run("create", self.segment, *options)
        if made.returncode:
            raise Failed(made.stderr.strip())
        self.there = True

    def start(self, *words):
        """A program that works there until it is ended. What it prints is kept for end()."""
        return self.begin("workers", *words)

    def begin(self, purpose, *words, out=None, **files):
        out = out or tempfile.TemporaryFile("w+")
        process = subprocess.Popen([*self.enter, *words], stdout=out, stderr=self.log, **files)
        process.purpose = purpose
        self.running.append((process, out))
        return process

    def bridge(self, *words):
        return self.begin("bridges", self.conveyor, "bridge", self.segment, *words)

    def stat(self):
        return json.loads(self.run("stat", self.segment, "--json").stdout)

    def look(self):
        """Fails if a program ended with an error."""
        for process, _ in self.running:
            if process.poll():
                raise Failed("on machine %s '%s' ended with %d: %s" % (
                    self.name, " ".join(process.args[:4]), process.returncode, self.said()))

    def said(self):
        self.log.seek(0)
        return self.log.read()[-2000:]

    def count_use(self):
        """Adds up what its programs have used; called once before they end."""
        for process, _ in self.running:
            self.used[process.purpose] = self.used.get(process.purpose, 0) + processor_seconds(process.pid)

    def signal(self, number, purpose=None):
        """To all its programs, or to those of one purpose."""
        for process, _ in self.running:
            if purpose in (None, process.purpose):
                process.send_signal(number)

    def kill(self, process):
        """One of its programs."""
        process.kill()
        process.wait()
        self.running = [pair for pair in self.running if pair[0] != process]

    def leave(self):
        for process, out in self.running:
            process.wait()
            out.close()
        self.running = []

    def die(self):
        """All its programs at once, and its memory."""
        self.count_use()
        self.signal(signal.SIGKILL)
        self.leave()
        if self.there:
            self.run("rm", "--force", self.segment)
        self.there = False

    def end(self):
        """In peace: what each program of the job printed."""
        found = []
        self.count_use()
        for process, _ in self.running:  # one that had nothing to do may have only just been started
            wait_for("each program is ready to end", lambda: process.poll() is not None or heeds_sigterm(process))
        self.signal(signal.SIGTERM)
        for process, out in self.running:
            process.wait(120)
            out.seek(0)
            found += [json.loads(line) for line in out if line.startswith("{")]
        self.look()
        self.leave()
        return found
