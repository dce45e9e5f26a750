"""The demonstration of bridges: it tells what happens, loses nothing, ends by itself or by a signal, leaves nothing.

usage: demo.py CONVEYOR
"""
import os
import signal
import subprocess
import sys
import tempfile
import unittest

from supervised import CONVEYOR, main

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/bridge/demo.py")


def processes_with(text):
    """The process ids of those whose command line has the text, by program."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().decode(errors="replace")
        except OSError:
            continue
        if text in words:
            found[os.path.basename(words.split("\0")[0])] = int(pid)
    return found


class Demo(unittest.TestCase):
    """One in a folder of its own, in which the server's files are too."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.demo = subprocess.Popen([sys.executable, SCRIPT, os.path.abspath(CONVEYOR), "--seconds", "1", "--pace",
                                      "1000"], env=dict(os.environ, TMPDIR=self.folder.name), text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.segments = "conveyor-bench-%d-" % self.demo.pid

    def tearDown(self):
        self.demo.kill()
        self.demo.wait()
        self.demo.stdout.close()
        self.folder.cleanup()

    def ended(self, status):
        """The rest of what it said; nothing is left of it."""
        text = self.demo.stdout.read()
        self.assertEqual(self.demo.wait(), status, text)
        self.assertEqual([f for f in os.listdir("/dev/shm") if self.segments in f], [])
        self.assertEqual(processes_with(self.segments), {})
        self.assertEqual(processes_with(self.folder.name), {})
        self.assertEqual(os.listdir(self.folder.name), [])
        return text

    def until(self, text):
        """Reads what it says, until it says that."""
        for line in self.demo.stdout:
            if text in line:
                return
        self.fail("it ended with %d" % self.demo.wait())

    def test_to_its_end(self):
        text = self.ended(0)
        at = [text.find(words) for words in ("A nats-server is started", "The worker on machine B is killed",
                                             "The bridge out of machine A is killed", "Machine B dies", "| B   away",
                                             "The source pauses", "Machine B starts again", "Nothing is lost: ")]
        self.assertEqual(at, sorted(at), text)
        self.assertGreaterEqual(at[0], 0, text)
        self.assertIn("the source is told: ", text)

    def test_a_signal_ends_it(self):
        self.until("The worker on machine B is killed")
        self.demo.send_signal(signal.SIGINT)
        self.assertIn("Interrupted", self.ended(130))

    def test_a_server_that_ends(self):
        self.until("The worker on machine B is killed")
        os.kill(processes_with(self.folder.name)["nats-server"], signal.SIGKILL)
        self.assertIn("It could not be done: nats-server ended with -9", self.ended(1))


if __name__ == "__main__":
    main()
