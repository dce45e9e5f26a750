"""What the tests of the bench suite share: starting it, and files of results that are made up."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

BENCH = os.environ["BENCH"]


def bench(*arguments):
    """Runs conveyor-bench; its exit status, what it printed, and what it said on standard error."""
    done = subprocess.run([BENCH, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=200)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run(system="conveyor", rate=1e6, repeat=0, **other):
    """One run of the comparison, as the JSON has it."""
    one = {"system": system, "producers": 1, "consumers": 1, "batch": 32, "capacity": 5000, "payload": 64,
           "state": "near", "oversubscribed": False, "repeat": repeat, "records_per_s": rate,
           "cpu_ns_per_record": 10.0, "sleeps_per_record": 0.0, "fairness": 1.0, "failure": None}
    one.update(other)
    return one


def results(**lists):
    """A file's content."""
    machine = {"date": "2026-01-01T00:00:00Z", "cpu": "a <processor> & more", "governor": "unknown", "kernel": "6.1",
               "operating_system": "Linux", "compiler": "12", "processors": 2, "versions": "conveyor 0",
               "pinned_to": [0, 1], "pinning": [{"cpu": 0, "package": 0, "core": 0}]}
    return {"version": 1, "kind": "test", "left_out": "", "machine": machine, **lists}


class BenchTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="conveyor-bench-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "w", encoding="utf-8") as f:
            json.dump(content, f)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()
