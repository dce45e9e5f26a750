"""Pushers and pullers that are killed or stopped: no line is missing, none is torn, nothing is held for ever."""
import os
import random
import signal
import subprocess
import tempfile
import time

from conveyor import PATIENCE, SegmentTest, main, wait_until

LINES = 20000
KILLS = 40  # of pushers, and of pullers


class Crash(SegmentTest):
    def start_pull(self, path, *arguments, stage="filter"):
        with open(path, "ab") as out:
            return self.start("pull", self.segment, "--stage", stage, "--follow", *arguments, stdout=out,
                              stderr=subprocess.DEVNULL)

    def start_push(self, path, source):
        with open(path, "rb") as text:
            return self.start("push", self.segment, "--stage", "filter", "--source", source, stdin=text,
                              stderr=subprocess.DEVNULL)

    @staticmethod
    def kill(process):
        process.kill()
        process.wait()

    def lines_of(self, paths):
        lines = []
        for path in paths:
            with open(path, "rb") as file:
                lines += file.read().splitlines()
        return lines

    def test_a_killed_pull_loses_nothing(self):
        self.create("--max-total-records", "4000")
        text = b"".join(b"%0999d\n" % i for i in range(1000))
        self.push(text)
        reader, writer = os.pipe()
        pull = self.start("pull", self.segment, "--stage", "filter", stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        wait_until(lambda: self.stage("filter")["leased"], "a blocked pull holds leases")
        self.kill(pull)
        with open(reader, "rb") as stream:
            first = stream.read()
        self.assertTrue(text.startswith(first))
        self.assertTrue(first.endswith(b"\n"), "a pipe never gets half a line")
        second = self.pull()
        self.assertEqual(set((first + second).splitlines()), set(text.splitlines()))
        self.assertGreater(self.stage("filter")["redelivered"], 0)
        self.assert_sound(0)

    def test_a_pull_takes_over_what_another_had_when_it_was_killed(self):
        self.create("--max-total-records", "4000")
        text = b"".join(b"%0999d\n" % i for i in range(500))
        self.push(text)
        streams, pulls = [], []
        for _ in range(2):
            reader, writer = os.pipe()
            streams.append(open(reader, "rb"))
            pulls.append(self.start("pull", self.segment, "--stage", "filter", stdout=writer,
                                    stderr=subprocess.DEVNULL))
            os.close(writer)
            wait_until(lambda: len([h for h in self.stat()["handles"] if h["leased"]]) == len(pulls), "it holds leases")
        self.kill(pulls[0])
        got = [stream.read() for stream in reversed(streams)]
        for stream in streams:
            stream.close()
        self.assertEqual(pulls[1].wait(), 0)
        self.assertEqual(set(b"".join(got).splitlines()), set(text.splitlines()))
        self.assert_sound(0)

    def test_a_killed_push_has_put_a_prefix(self):
        self.create("--max-total-records", "20000", "--max-per-stage", "20000", "--max-per-source", "20000")
        text = b"".join(b"%d line\n" % i for i in range(15000))
        chance = random.Random(1)
        for _ in range(10):
            push = self.start("push", self.segment, "--stage", "filter", "--source", "a", "--batch", "7",
                              stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            some = chance.randrange(len(text))
            push.stdin.write(text[:some])
            push.stdin.flush()
            self.kill(push)
            got = self.pull()
            self.assertTrue(text[:some].startswith(got))
            self.assertTrue(not got or got.endswith(b"\n"))
            self.assert_sound(0)

    def test_killed_and_restarted_at_random(self):
        self.create("--max-total-records", "2000", "--max-per-stage", "2000", "--max-per-source", "1000",
                    "--max-retries", "254")
        chance = random.Random(2)
        with tempfile.TemporaryDirectory() as folder:
            inputs, outputs = [], ["%s/out%d" % (folder, i) for i in range(2)]
            for i in range(2):
                inputs.append("%s/in%d" % (folder, i))
                with open(inputs[i], "wb") as file:
                    file.write(b"".join(b"%d-%d %s\n" % (i, n, b"x" * (n * 31 % 200)) for n in range(LINES)))
            pushers = [self.start_push(path, "file-%d" % i) for i, path in enumerate(inputs)]
            pullers = [self.start_pull(path) for path in outputs]
            kills = [0, 0]
            while min(kills) < KILLS:
                time.sleep(chance.uniform(0.001, 0.03))
                i = chance.randrange(2)
                if chance.random() < 0.5:
                    kills[0] += pushers[i].poll() is None
                    self.kill(pushers[i])
                    pushers[i] = self.start_push(inputs[i], "file-%d" % i)
                else:
                    self.kill(pullers[i])
                    pullers[i] = self.start_pull(outputs[i])
                    kills[1] += 1
            for push in pushers:
                push.wait(timeout=PATIENCE)
            self.assertEqual([p.returncode for p in pushers], [0, 0])
            wait_until(lambda: not self.stat()["total"]["buffered"], "the last records are taken")
            for pull in pullers:
                self.stop(pull)
            want, got = set(self.lines_of(inputs)), self.lines_of(outputs)
            self.assertEqual(want - set(got), set(), "no line is missing (after %s kills)" % kills)
            torn = set(got) - want
            self.assertLessEqual(len(torn), kills[1], "only a killed write may leave a torn line")
            for line in torn:
                self.assertTrue(any(whole.startswith(line) for whole in want), line)
        self.assert_sound(0)

    def test_killed_while_forwarding_each_line_arrives_exactly_once(self):
        self.create("--max-total-records", "2000", "--max-per-stage", "1000", "--max-per-source", "1000",
                    "--max-retries", "254", stages="filter,enrich")
        text = b"".join(b"%d %s\n" % (n, b"x" * (n * 31 % 200)) for n in range(LINES))
        chance = random.Random(3)
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/in", "wb") as file:
                file.write(text)
            last = self.start_pull(folder + "/out", stage="enrich")
            workers = [self.start_pull(folder + "/seen", "--to", "enrich", "--batch", "33") for _ in range(2)]
            push = self.start_push(folder + "/in", "file-1")
            pushed = 0
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.001, 0.02))
                if push.poll() is not None:
                    self.assertEqual(push.returncode, 0)
                    push, pushed = self.start_push(folder + "/in", "file-1"), pushed + 1
                i = chance.randrange(2)
                self.kill(workers[i])
                workers[i] = self.start_pull(folder + "/seen", "--to", "enrich", "--batch", "33")
            self.assertEqual(push.wait(timeout=PATIENCE), 0)
            wait_until(lambda: not self.stat()["total"]["buffered"], "all is taken")
            for process in workers + [last]:
                self.stop(process)
            self.assertEqual(sorted(self.lines_of([folder + "/out"])), sorted(text.splitlines() * (pushed + 1)))
        self.assert_sound(0)

    def test_stopped_processes_block_nobody(self):
        self.create("--max-total-records", "2000", "--max-per-stage", "2000", "--max-per-source", "500",
                    "--max-retries", "254")
        text = b"".join(b"%d\n" % n for n in range(LINES))
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/in", "wb") as file:
                file.write(text)
            stopped = [self.start_push(folder + "/in", "stopped"), self.start_pull(folder + "/first")]
            wait_until(lambda: self.stage("filter") and self.stage("filter")["delivered"] > 100, "records flow")
            for process in stopped:
                os.kill(process.pid, signal.SIGSTOP)
            push = self.start_push(folder + "/in", "moving")
            pull = self.start_pull(folder + "/second")
            self.assertEqual(push.wait(timeout=PATIENCE), 0)
            for process in stopped:
                os.kill(process.pid, signal.SIGCONT)
            self.assertEqual(stopped[0].wait(timeout=PATIENCE), 0)
            wait_until(lambda: not self.stat()["total"]["buffered"], "all is taken")
            for process in (stopped[1], pull):
                self.stop(process)
            self.assertEqual(sorted(self.lines_of([folder + "/first", folder + "/second"])),
                             sorted(text.splitlines() * 2))
        self.assert_sound(0)


if __name__ == "__main__":
    main()
