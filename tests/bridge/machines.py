"""The bench's job on two machines, with few records: all its checks hold, and they see a loss.

usage: machines.py CONVEYOR; BENCH is the program conveyor-bench
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "../../bench/bridge/two_machines.py")
CONVEYOR = os.path.abspath(sys.argv[1])
STANZAS, ROOM = 2000, 64


class Job:
    """One that runs; both tests' run at once, since a job mostly waits for acknowledgements."""

    def __init__(self, folder, ack):
        self.results = os.path.join(folder, ack + ".json")
        path, output = os.path.join(folder, "input"), os.path.join(folder, ack)
        os.mkdir(output)
        with open(path, "w", encoding="utf-8") as f:
            for i in range(STANZAS):
                f.write("Package: p%d\n%sSize: %d\n\n" % (i, "Depends: p%d\n" % (i // 2) if i % 5 else "", i))
        words = [sys.executable, SCRIPT, CONVEYOR, os.environ["BENCH"], "--input", path, "--output", output,
                 "--passes", "1", "--room", str(ROOM), "--json", self.results, "--ack", ack]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self):
        """What it said; its figures are there then, unless it could not finish."""
        self.text = self.process.communicate()[0]
        self.figures = {}
        if os.path.exists(self.results):
            with open(self.results, encoding="utf-8") as f:
                self.figures = json.load(f)["figures"]


class TwoMachines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            cls.jobs = {ack: Job(folder, ack) for ack in ("settled", "buffered")}
            for job in cls.jobs.values():
                job.end()

    def test_nothing_is_lost(self):
        job = self.jobs["settled"]
        self.assertEqual(job.process.returncode, 0, job.text)
        self.assertTrue(job.text.startswith("OK: nothing lost"), job.text)
        self.assertEqual(job.figures["difference"]["expected"], STANZAS - STANZAS // 5)
        self.assertEqual(job.figures["difference"]["lost"], 0)
        self.assertEqual(job.figures["paused"]["put"], job.figures["alone"]["put"], "put while machine B was away")
        self.assertEqual(job.figures["alone"]["work"], ROOM)
        self.assertLess(job.figures["paused"]["put"], STANZAS)

    def test_a_loss_is_seen(self):
        """Acknowledged when it is buffered: what was in machine B's segment is lost."""
        job = self.jobs["buffered"]
        self.assertEqual(job.process.returncode, 1, job.text)
        self.assertIn("WRONG  nothing was lost", job.text)
        self.assertGreater(job.figures["difference"]["lost"], 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
