"""push --position: killed or stopped and started again, it goes on behind what was accepted."""
import os
import random
import signal
import struct
import subprocess
import tempfile
import time

from conveyor import SegmentTest, main, wait_until

KILLS = int(os.environ.get("CONVEYOR_KILLS", 20))  # of pushers; a third as many of pullers
CHUNK = 100  # lines that the input gets before each start
BATCH = 16   # of the pullers: so many lines of a killed one may come again


class Position(SegmentTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.input = self.folder + "/in"

    def write(self, text):
        """Adds to the input."""
        with open(self.input, "ab") as file:
            file.write(text)

    def start_push(self, *arguments, stdin=None):
        with open(self.input, "rb") as text:
            return self.start("push", self.segment, "--stage", "filter", "--source", "file-1", *arguments,
                              stdin=stdin or text, stderr=subprocess.PIPE)

    def end(self, kind):
        """The position of the last line of the input."""
        with open(self.input, "rb") as file:
            text = file.read()
        return text.count(b"\n") if kind == "lines" else len(text)

    def push_file(self, *arguments, status=0):
        push = self.start_push(*arguments)
        said = push.communicate()[1].decode()
        self.assertEqual((push.returncode, said.count("\n")), (status, 1), said)
        return said

    def source(self):
        return next(s for s in self.stat()["sources"] if s["name"] == "file-1")

    def pull_positions(self, *arguments):
        return self.pull("--format", "{position} {payload}\\n", *arguments)

    def test_each_record_has_the_number_of_its_line(self):
        self.create("--max-total-records", "1000")
        self.push(b"one\n\nthree", "--position", "lines")
        self.assertEqual(self.pull_positions(), b"1 one\n2 \n3 three\n")

    def test_each_record_has_the_offset_behind_it(self):
        self.create("--max-total-records", "1000")
        self.write(b"one\n\nthree")
        self.push_file("--position", "bytes")
        self.assertEqual(self.pull_positions(), b"4 one\n5 \n10 three\n")
        self.push(struct.pack(">I3sI", 3, b"abc", 0), "--length-prefixed", "--position", "bytes", source="b")
        self.assertEqual(self.pull_positions(), b"7 abc\n11 \n")

    def test_what_is_in_is_passed_over(self):
        for kind, framing, end in (("lines", [], b"\n"), ("bytes", [], b"\n"), ("lines", ["-0"], b"\0"),
                                   ("bytes", ["-0"], b"\0")):
            with self.subTest(kind=kind, framing=framing):
                self.create("--max-total-records", "1000")
                self.write(b"one" + end + b"two" + end)
                self.push_file("--position", kind, *framing)
                self.assertIn("pushed 0 records", self.push_file("--position", kind, *framing))
                self.write(b"three" + end)
                said = self.push_file("--position", kind, *framing)
                self.assertIn("pushed 1 record ", said)
                self.assertIn("behind position %d" % (2 if kind == "lines" else 8), said)
                self.assertEqual(self.pull(), b"one\ntwo\nthree\n")
                self.assertIn("pushed 0 records", self.push_file("--position", kind, *framing))
                os.unlink(self.input)
                self.succeed("rm", self.segment)

    def test_what_comes_through_a_pipe_counts_on(self):
        self.create("--max-total-records", "1000")
        for kind, wanted in (("lines", b"1 a\n2 b\n3 a\n4 b\n"), ("bytes", b"2 a\n4 b\n6 a\n8 b\n")):
            for _ in range(2):
                self.push(b"a\nb\n", "--position", kind, source=kind)
            self.assertEqual(self.pull_positions(), wanted)

    def test_another_input_is_refused(self):
        self.create("--max-total-records", "1000")
        self.write(b"a line\n" * 9)
        self.push_file("--position", "lines")
        os.truncate(self.input, 7 * 4)
        said = self.push_file("--position", "lines", status=1)
        self.assertIn("the input ends with line 4, but source 'file-1'", said)
        self.assertIn("position 9", said)
        said = self.push_file("--position", "bytes", status=1)  # given another kind of position
        self.assertIn("has no record that ends at byte 9", said)
        os.truncate(self.input, 7)
        self.assertIn("ends at byte 7", self.push_file("--position", "bytes", status=1))
        self.assertEqual(self.source()["accepted"], 9)

    def test_wrong_use(self):
        message = self.fail_with(2, "push", "x", "--stage", "a", "--source", "b", "--position", "words")
        self.assertIn("'words' is neither lines nor bytes", message)

    def test_two_at_once(self):
        self.create("--max-total-records", "1000")
        first = self.start("push", self.segment, "--stage", "filter", "--source", "file-1", "--position", "lines",
                           stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        first.stdin.write(b"x\n")
        first.stdin.flush()
        wait_until(lambda: self.queued() == 1, "the first one has the source")
        message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "file-1", "--position",
                                 "lines", input=b"y\n")
        self.assertIn("another process puts records with positions of source 'file-1'", message)
        self.push(b"z\n")  # without positions anybody may
        self.push(b"z\n", "--position", "lines", source="file-2")
        os.kill(first.pid, signal.SIGSTOP)
        self.assertIn("and lives", self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "file-1",
                                                  "--position", "lines", input=b"y\n"))
        first.kill()
        first.wait()
        self.push(b"y\n", "--position", "lines")
        self.assertEqual(self.pull("--format", "{source} {position} {payload}\\n"),
                         b"file-1 1 x\nfile-1 0 z\nfile-2 1 z\nfile-1 2 y\n")

    def test_a_line_that_is_too_long(self):
        self.create("--max-total-records", "1000")
        self.write(b"one\n")
        self.push_file("--position", "bytes")
        self.write(b"x" * 2000 + b"\n")
        self.assertIn("line 1 behind byte 4 has 2000 bytes", self.push_file("--position", "bytes", status=1))

    def test_stat_shows_how_far_a_source_has_come(self):
        self.create("--max-total-records", "1000")
        self.push(b"x\n" * 10, "--position", "lines")
        self.push(b"x\n" * 10, source="file-2")
        self.pull("--count", "4")
        self.assertLessEqual({"accepted_position": 10, "unsettled": 6}.items(), self.source().items())
        self.assertLessEqual(self.source()["settled_position"], 4)
        without = next(s for s in self.stat()["sources"] if s["name"] == "file-2")
        self.assertEqual([without[key] for key in ("accepted_position", "settled_position", "unsettled")], [0, 0, 0])
        text = self.succeed("stat", self.segment).stdout.decode()
        self.assertRegex(text, r"position +source file-1: accepted up to 10, settled up to \d; 6 records of it not")
        self.assertNotIn("source file-2:", text)

    def start_pull(self, number):
        path = "%s/out-%d" % (self.folder, number)
        with open(path, "wb") as out:
            pull = self.start("pull", self.segment, "--stage", "filter", "--batch", str(BATCH), "--follow", "--format",
                              "{position} {payload}\\n", stdout=out, stderr=subprocess.DEVNULL)
        return pull, path

    @staticmethod
    def whole_lines(path):
        """What a puller wrote: a killed one may have been cut in its last line."""
        with open(path, "rb") as file:
            return [line[:-1] for line in file.readlines() if line.endswith(b"\n")]

    def check_pulled(self, ended, killed):
        """Each position once, but for what a killed puller wrote last and did not ack; returns the lines in order."""
        pulled, again = {}, []
        for path in ended + killed:
            lines = self.whole_lines(path)
            for i, line in enumerate(lines):
                position, _, payload = line.partition(b" ")
                if pulled.setdefault(int(position), payload) != payload:
                    self.fail("position %d is of two lines" % int(position))
                again += [int(position)] if path in killed and i >= len(lines) - BATCH else []
        total = sum(len(self.whole_lines(path)) for path in ended + killed)
        self.assertLessEqual(total - len(pulled), len(again), "more came twice than killed pullers had not acked")
        return [pulled[position] for position in sorted(pulled)]

    def kill_a_push(self, chance, *arguments):
        """Starts a push and kills it when it has begun to read, or some time later; True if it had not ended."""
        with open(self.input, "rb") as text:
            push = self.start_push(*arguments, stdin=text)
            wait_until(lambda: os.lseek(text.fileno(), 0, os.SEEK_CUR) or push.poll() is not None, "it reads")
        time.sleep(chance.uniform(0, 0.004))
        push.kill()
        said = push.communicate()[1]
        self.assertIn(push.returncode, (0, -signal.SIGKILL), said)
        return push.returncode == -signal.SIGKILL

    def check_killed_at_random(self, kind, seed):
        self.create("--max-total-records", "500", "--backpressure-threshold", "1", "--resume-threshold", "0.9",
                    "--max-retries", "254")
        chance = random.Random(seed)
        pulls, killed, kills, amid, before = [self.start_pull(n) for n in range(2)], [], 0, 0, 0
        while kills < KILLS or amid < KILLS / 10:
            self.write(b"".join(b"%d %s\n" % (kills, b"x" * chance.randrange(60)) for _ in range(CHUNK)) + b"\n")
            kills += self.kill_a_push(chance, "--position", kind, "--batch", "5")
            now = self.source()["accepted_position"]
            amid += before < now < self.end(kind)
            before = now
            if chance.random() < 1 / 3:
                pull, path = pulls.pop(0)
                pull.kill()
                pull.wait()
                killed.append(path)
                pulls.append(self.start_pull(2 + len(killed)))
        self.push_file("--position", kind)
        wait_until(lambda: not self.stat()["total"]["buffered"], "the last records are taken")
        for pull, _ in pulls:
            self.stop(pull)
        with open(self.input, "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        self.assertEqual(self.check_pulled([path for _, path in pulls], killed), lines)
        self.assertLessEqual({"accepted_position": self.end(kind), "unsettled": 0}.items(), self.source().items())
        self.assert_sound(0)

    def test_killed_at_random_by_lines(self):
        self.check_killed_at_random("lines", 1)

    def test_killed_at_random_by_bytes(self):
        self.check_killed_at_random("bytes", 2)


if __name__ == "__main__":
    main()
