"""What the tests of the command share: a segment that is removed at the end, and bounded waits for conditions."""
import json
import os
import select
import signal
import subprocess
import sys
import time
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from ready import heeds_sigterm  # noqa: E402

COMMAND = os.environ["CONVEYOR"]
CLIENT = os.environ.get("CLI_CLIENT")  # client.c
PATIENCE = 60  # seconds until a condition that must come true counts as missed

# A test run in the background of a shell ignores these, and so would all that it starts.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def call(*arguments, **options):
    """Runs `conveyor` to its end; bytes in, bytes out."""
    options.setdefault("stdin", subprocess.DEVNULL) if "input" not in options else None
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([COMMAND, *arguments], stderr=subprocess.PIPE, timeout=PATIENCE, **options)


def start(*arguments, **options):
    """Starts `conveyor` and returns the process."""
    return subprocess.Popen([COMMAND, *arguments], **options)


def wait_until(condition, what):
    """Waits for a condition to hold and returns its value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError("never came true: " + what)


def cpu_seconds(pid):
    """Processor time that a process has used."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SegmentTest(unittest.TestCase):
    """Each test has the name of a segment of its own, which is removed afterwards, as are processes left."""

    def setUp(self):
        self.segment = "conveyor-cli-%d-%s" % (os.getpid(), self._testMethodName[:60])
        self.started = []

    def tearDown(self):
        for process in self.started:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        if os.path.exists("/dev/shm/" + self.segment):  # also what is not a segment, which rm refuses
            os.remove("/dev/shm/" + self.segment)

    def start(self, *arguments, **options):
        process = start(*arguments, **options)
        self.started.append(process)
        return process

    def stop(self, process, status=0):
        """SIGTERM ends it with that status, also if it has only just been started."""
        wait_until(lambda: heeds_sigterm(process), "SIGTERM does not simply kill it")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=PATIENCE), status)

    def create(self, *arguments, stages="filter"):
        """Makes the segment, with the stages that consumers may ask for before somebody pushes into them."""
        self.succeed("create", self.segment, *arguments, *(["--stages", stages] if stages else []))

    def create_damaged(self, change):
        """Makes the file of a segment whose bytes were changed. Under its name there never is a good one, which
        somebody who looks at all segments would find at one moment and not at the next."""
        whole = self.segment + "-whole"
        self.succeed("create", whole, "--max-total-records", "100")
        with open("/dev/shm/" + whole, "rb") as file:
            content = file.read()
        self.succeed("rm", whole)
        with open("/dev/shm/" + self.segment, "wb") as file:
            file.write(change(content))

    def make_fail(self, stage="filter", count=10000):
        """A consumer fails with all that is in the stage until it is in the dead-letter stage."""
        subprocess.run([CLIENT, self.segment, "fail", stage, str(count)], check=True, timeout=PATIENCE)

    def hold(self, count, stage="filter", role="hold"):
        """A consumer that holds that many records until it is killed."""
        process = subprocess.Popen([CLIENT, self.segment, role, stage, str(count)], stdout=subprocess.PIPE)
        self.started.append(process)
        self.assertEqual(process.stdout.readline(), b"%d held\n" % count)
        return process

    def retries(self, stage="filter"):
        """The retry counts of the records that wait in the stage."""
        done = subprocess.run([CLIENT, self.segment, "take", stage, "10000"], stdout=subprocess.PIPE, check=True,
                              timeout=PATIENCE)
        return [int(line.split()[0]) for line in done.stdout.splitlines()]

    def succeed(self, *arguments, **options):
        done = call(*arguments, **options)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr))
        return done

    def fail_with(self, status, *arguments, **options):
        """The call ends with that status and one line on standard error, which is returned."""
        done = call(*arguments, **options)
        self.assertEqual(done.returncode, status, (arguments, done.stderr))
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith(b"conveyor"), done.stderr)
        return done.stderr.decode(errors="replace")

    def push(self, text, *arguments, stage="filter", source="file-1"):
        return self.succeed("push", self.segment, "--stage", stage, "--source", source, *arguments, input=text)

    def pull(self, *arguments, stage="filter"):
        return self.succeed("pull", self.segment, "--stage", stage, *arguments).stdout

    def stat(self):
        return json.loads(self.succeed("stat", self.segment, "--json").stdout)

    def stage(self, name):
        """The entry of a stage in `stat --json`; None while it has none."""
        return next((s for s in self.stat()["stages"] if s["name"] == name), None)

    def queued(self, name="filter"):
        stage = self.stage(name)
        return stage["queued"] if stage else 0

    def read_until(self, word):
        """What the terminal (self.terminal, its other end) got up to that word."""
        seen, end = b"", time.monotonic() + PATIENCE
        while word not in seen:
            self.assertLess(time.monotonic(), end, (word, seen))
            self.assertTrue(select.select([self.terminal], [], [], PATIENCE)[0], (word, seen))
            seen += os.read(self.terminal, 65536)
        return seen

    def assert_sleeps(self, pid, seconds=2):
        """In that many seconds the process uses hardly any processor time."""
        before = cpu_seconds(pid)
        time.sleep(seconds)
        self.assertLess(cpu_seconds(pid) - before, seconds / 10)

    def doctor(self):
        done = call("doctor", self.segment, "--json")
        answer = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if answer["ok"] else 1)
        self.assertEqual(answer["free"] + answer["reserved"] + answer["queued"] + answer["leased"], answer["capacity"])
        return answer

    def assert_sound(self, queued=0):
        """Nothing is wrong, and that many records are queued."""
        answer = self.doctor()
        self.assertEqual((answer["ok"], answer["problems"]), (True, []))
        self.assertEqual((answer["queued"], answer["leased"], answer["reserved"]), (queued, 0, 0))


def main():
    unittest.main(verbosity=2)
