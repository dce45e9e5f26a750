"""record and replay: a stage's flow goes into a file with its timing, and comes out of it as it was."""
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time

from conveyor import PATIENCE, SegmentTest, call, main, wait_until


def flow(*records, stage="filter"):
    """A file as record writes it: (microseconds, source, payload) each."""
    return b"conveyor-flow 1\t%s\n" % stage.encode() + b"".join(
        b"%d\t%d\t%s\tdefault\n%s\n" % (time_us, len(payload), source.encode(), payload)
        for time_us, source, payload in records)


def limit_files():
    """100 KiB, and an error instead of the signal."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, 100 << 10))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


class Replay(SegmentTest):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "flow")

    def write(self, content):
        with open(self.path, "wb") as f:
            f.write(content)

    def read(self):
        with open(self.path, "rb") as f:
            return f.read()

    def recorded(self, content=None):
        """(microseconds, source, pipeline, payload, and header and position if there are any) of each record."""
        first, rest = (content or self.read()).split(b"\n", 1)
        self.assertEqual(first, b"conveyor-flow 1\tfilter")
        found = []
        while rest:
            head, rest = rest.split(b"\n", 1)
            time_us, length, source, pipeline, *more = head.split(b"\t")
            end = int(length)
            further = ()
            if more:
                further = (rest[end:end + int(more[0])], int(more[1]))
                rest = rest[:end] + rest[end + int(more[0]):]
            found.append((int(time_us), source.decode(), pipeline.decode(), rest[:end], *further))
            self.assertEqual(rest[end:end + 1], b"\n")
            rest = rest[end + 1:]
        return found

    def record(self, *arguments):
        return self.succeed("record", self.segment, "--stage", "filter", "--exit-when-idle", "0", self.path, *arguments)

    def test_records_come_back_as_they_were(self):
        self.create("--max-total-records", "1000")
        self.push(b"one\n\nthree \xff\x00\n", source="kafka-1")
        self.push(b"x" * 1024 + b"\n", "--pipeline", "main", source="file 2")
        done = self.record()
        self.assertRegex(done.stderr.decode(), r"^recorded 4 records in [\d.]+ s, \d+ records/s, stalled [\d.]+ s\n$")
        self.assertEqual([r[1:] for r in self.recorded()],
                         [("kafka-1", "default", b"one"), ("kafka-1", "default", b""),
                          ("kafka-1", "default", b"three \xff\x00"), ("file 2", "main", b"x" * 1024)])
        self.assert_sound(0)
        done = self.succeed("replay", self.segment, "--rate", "1000000000", self.path)
        self.assertRegex(done.stderr.decode(), r"^replayed 4 records in .*, at most [\d.]+ s late\n$")
        self.assertEqual({s["name"]: s["buffered"] for s in self.stat()["sources"]}, {"kafka-1": 3, "file 2": 1})
        self.assertEqual(self.pull(), b"one\n\nthree \xff\x00\n" + b"x" * 1024 + b"\n")

    def test_times_are_those_of_the_puts(self):
        self.create("--max-total-records", "1000")
        self.push(b"a\n")
        time.sleep(0.3)  # the gap that is to be recorded
        self.push(b"b\n")
        self.record()
        first, second = (r[0] for r in self.recorded())
        self.assertEqual(first, 0)
        self.assertGreaterEqual(second, 280000)

    def push_skewed(self, text, seconds):
        """Pushes as if the wall clock were that many seconds ahead."""
        environment = dict(os.environ, LD_PRELOAD=os.environ["CLI_CLOCK"], SKEW=str(seconds),
                           ASAN_OPTIONS="verify_asan_link_order=0")
        self.succeed("push", self.segment, "--stage", "filter", "--source", "file-1", input=text, env=environment)

    def test_a_clock_that_was_set_between_two_puts_does_not_show(self):
        for first, second in ((3600, 0), (0, 3600), (-3600, 0), (0, -3600)):
            began = time.monotonic()
            self.create("--max-total-records", "1000")
            self.push_skewed(b"one\n", first)
            self.push_skewed(b"two\n", second)
            self.push_skewed(b"three\n", second)
            self.record()
            times = [r[0] for r in self.recorded()]
            self.assertEqual(times, sorted(times))
            self.assertLess(times[-1], (time.monotonic() - began) * 2e6, (first, second))
            os.remove(self.path)
            self.succeed("rm", self.segment)

    def test_a_clock_that_is_set_while_it_records_does_not_show(self):
        self.create("--max-total-records", "1000")
        record = self.start("record", self.segment, "--stage", "filter", "--count", "4", self.path,
                            stderr=subprocess.DEVNULL)
        began = time.monotonic()
        for i, skew in enumerate((0, 3600, 3600, -3600)):
            self.push_skewed(b"%d\n" % i, skew)
            wait_until(lambda: self.stage("filter")["acked"] == i + 1, "it is recorded")
        self.assertEqual(record.wait(PATIENCE), 0)
        times = [r[0] for r in self.recorded()]
        self.assertEqual(times, sorted(times))
        self.assertLess(times[-1], (time.monotonic() - began) * 1e6)

    def test_a_record_that_came_back_does_not_make_the_next_ones_late(self):
        self.create("--max-total-records", "1000")
        began = time.monotonic()
        self.push(b"old\n")
        time.sleep(0.3)  # the gap that must not be there twice
        self.push(b"1\n")
        holder = self.hold(1)
        holder.kill()
        holder.wait()
        self.push(b"2\n")  # attaching finds the dead holder's record, which goes to the end of the stage
        self.assertEqual(self.stage("filter")["redelivered"], 1)
        self.push(b"3\n")
        took = time.monotonic() - began
        self.record()
        times = {r[3]: r[0] for r in self.recorded()}
        self.assertEqual(set(times), {b"old", b"1", b"2", b"3"})
        self.assertLess(max(times.values()), took * 1e6 + 100000)  # far less than the gap, more than a clock's tick

    def test_a_replay_takes_the_time_that_it_should(self):
        self.create("--max-total-records", "1000")
        self.write(flow((0, "a", b"1"), (200000, "b", b"2"), (400000, "a", b"3")))
        for arguments, least in (([], 0.4), (["--speed", "2"], 0.2), (["--speed", "0.5"], 0.8),
                                 (["--rate", "10"], 0.2)):
            began = time.monotonic()
            self.succeed("replay", self.segment, self.path, *arguments)
            self.assertGreaterEqual(time.monotonic() - began, least, arguments)
            self.assertEqual(self.pull(), b"1\n2\n3\n")
        self.write(flow((0, "a", b"1"), (3600 * 10**6, "a", b"2")))
        self.succeed("replay", self.segment, self.path, "--speed", "1000000")
        self.assertEqual(self.pull(), b"1\n2\n")

    def test_record_forwards(self):
        self.create("--max-total-records", "1000", stages="filter,sink")
        self.push(b"".join(b"%d\n" % i for i in range(500)))
        self.record("--to", "sink", "--count", "400")
        self.assertEqual(len(self.recorded()), 400)
        self.assertEqual((self.queued(), self.queued("sink")), (100, 400))
        self.assertEqual(self.pull(stage="sink"), b"".join(b"%d\n" % i for i in range(400)))

    def test_record_goes_on_until_a_signal(self):
        self.create("--max-total-records", "1000")
        process = self.start("record", self.segment, "--stage", "filter", self.path, stderr=subprocess.PIPE)
        for i in range(3):
            self.push(b"%d\n" % i)
            wait_until(lambda: self.stage("filter")["acked"] == i + 1, "it is recorded")
        process.send_signal(signal.SIGTERM)
        self.assertIn(b"recorded 3 records", process.communicate(timeout=PATIENCE)[1])
        self.assertEqual(process.returncode, 0)
        self.assertEqual([r[3] for r in self.recorded()], [b"0", b"1", b"2"])

    def test_a_killed_record_has_lost_nothing(self):
        """Everything is in one of the files; what is in both was not settled yet."""
        self.create("--max-total-records", "100000", "--max-per-stage", "50000", "--max-per-source", "50000")
        lines = [b"%d" % i for i in range(20000)]
        self.push(b"\n".join(lines) + b"\n", "--batch", "1000")
        process = self.start("record", self.segment, "--stage", "filter", self.path)
        wait_until(lambda: os.path.exists(self.path) and os.path.getsize(self.path) > 20000, "it has begun")
        process.kill()
        process.wait()
        whole = [r[3] for r in self.recorded_of_a_cut_file()]
        self.path += "-2"
        self.record()
        again = [r[3] for r in self.recorded()]
        self.assertEqual(sorted(set(whole + again)), sorted(lines))
        self.assert_sound(0)

    def recorded_of_a_cut_file(self):
        """Its whole records; replay says the same of it."""
        content = self.read()
        while True:
            self.write(content)
            try:
                return self.recorded()
            except (ValueError, AssertionError):
                content = content[:content.rindex(b"\n", 0, len(content) - 1) + 1]

    def test_from_one_segment_into_another_through_a_pipe(self):
        self.create("--max-total-records", "1000")
        self.push(b"a\nb\n")
        other = self.segment + "-2"
        self.succeed("create", other, "--max-total-records", "100", "--stages", "copy")
        self.addCleanup(call, "rm", other)
        record = self.start("record", self.segment, "--stage", "filter", "-", stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
        replay = self.start("replay", other, "--stage", "copy", "-", stdin=record.stdout, stderr=subprocess.PIPE)
        for count in (2, 3, 4):  # what is there goes in at once, although the pipe stays open
            wait_until(lambda: '"name":"copy","queued":%d,' % count in call("stat", other, "--json").stdout.decode(),
                       "%d records are in the other" % count)
            if count < 4:
                self.push(b"c\n")
        record.send_signal(signal.SIGINT)
        self.assertEqual((record.wait(PATIENCE), replay.wait(PATIENCE)), (0, 0))
        self.assertIn(b"replayed 4 records", replay.stderr.read())

    def test_replay_waits_for_room(self):
        self.create("--max-total-records", "20")
        self.write(flow(*((0, "a", b"%d" % i) for i in range(500))))
        replay = self.start("replay", self.segment, self.path, stderr=subprocess.DEVNULL)
        pull = self.start("pull", self.segment, "--stage", "filter", "--follow", "--count", "500",
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(pull.communicate(timeout=PATIENCE)[0], b"".join(b"%d\n" % i for i in range(500)))
        self.assertEqual(replay.wait(PATIENCE), 0)

    def test_replay_ends_at_a_signal(self):
        self.create("--max-total-records", "20")
        self.write(flow((0, "a", b"1"), (3600 * 10**6, "a", b"2")))
        replay = self.start("replay", self.segment, self.path, stderr=subprocess.PIPE)
        wait_until(self.queued, "the first is in")
        replay.send_signal(signal.SIGINT)
        message = replay.communicate(timeout=PATIENCE)[1].decode()
        self.assertEqual((replay.returncode, message.count("\n")), (1, 1))
        self.assertIn("stopped by a signal", message)
        self.assertIn("replayed 1 record in", message)

    def test_a_file_that_cannot_be_written_loses_nothing(self):
        self.create("--max-total-records", "10000")
        self.push(b"".join(b"%0999d\n" % i for i in range(1000)))
        done = call("record", self.segment, "--stage", "filter", self.path, preexec_fn=limit_files)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
        self.assertIn(b"File too large", done.stderr)
        whole = len(self.recorded())  # nothing of it is cut
        self.assertGreater(whole, 0)
        self.assertEqual(self.queued(), 1000 - whole)
        self.assertEqual(self.stage("filter")["acked"], whole)

    def test_files_that_are_none(self):
        self.create("--max-total-records", "100", "--payload-size", "8", "--header-size", "3", "--max-sources", "2")
        good = flow((0, "a", b"1"), (1, "b", b"22"))
        for content, word, put in (
            (b"", "not a file that", 0),
            (b"x" * 1000, "not a file that", 0),
            (b"conveyor-flow 2\tfilter\n", "not a file that", 0),
            (b"conveyor-flow 1\n", "not a file that", 0),
            (b"conveyor-flow 1\t%s\n" % (b"x" * 64), "not a file that", 0),
            (good[:-1], "inside of record 2", 1),
            (good[:-4], "inside of record 2", 1),
            (good + b"5", "inside of record 3", 2),
            (good + b"5\t1\ta\tdefault\nxx\n", "record 3 is not", 2),
            (good + b"-5\t1\ta\tdefault\nx\n", "record 3 is not", 2),
            (good + b"5\t99999999999\ta\tdefault\nx\n", "record 3 is not", 2),
            (good + b"5\t1\ta\n", "record 3 is not", 2),
            (good + b"5\t1\t\tdefault\nx\n", "record 3 is not", 2),
            (good + b"5\t1\t\xff\tdefault\nx\n", "record 3 is not", 2),
            (good + b"5\t1\ta\tdefault\tmore\nx\n", "record 3 is not", 2),
            (good + b"x" * 300, "record 3 is not", 2),
            (good + b"5\t1\ta\tdefault\t2\nxhh\n", "record 3 is not", 2),
            (good + b"5\t1\ta\tdefault\t2\t0\t1\nxhh\n", "record 3 is not", 2),
            (good + b"5\t1\ta\tdefault\t2\t0\nxhhh\n", "record 3 is not", 2),
            (good + b"5\t1\ta\tdefault\t2\t0\nxh", "inside of record 3", 2),
            (good + b"5\t1\ta\tdefault\t4\t0\nxhhhh\n", "--header-size", 2),
            (good + b"5\t1\ta\tdefault\t0\t9223372036854775808\nx\n", "record 3 is not", 2),
            (good + b"5\t9\ta\tdefault\n123456789\n", "--payload-size", 2),
            (good + b"5\t1\tc\tdefault\nx\n", "--max-sources", 2),
        ):
            self.write(content)
            self.assertIn(word, self.fail_with(1, "replay", self.segment, self.path), content)
            self.assertEqual(self.pull().count(b"\n"), put, content)

    def test_headers_and_positions_are_kept(self):
        self.create("--max-total-records", "1000", "--header-size", "300")
        header = bytes(range(256))
        content = (b"conveyor-flow 1\tfilter\n0\t3\ta\tdefault\t256\t7\none" + header + b"\n"
                   b"0\t3\ta\tdefault\t0\t9\ntwo\n"
                   b"0\t0\tb\tdefault\t1\t0\n\n\n0\t5\tb\tdefault\nplain\n")
        self.write(content)
        self.succeed("replay", self.segment, "--create-stages", self.path)
        os.remove(self.path)
        self.record()
        self.assertEqual([r[1:] for r in self.recorded()], [r[1:] for r in self.recorded(content)])

    def test_a_position_that_is_in_is_refused(self):
        self.create("--max-total-records", "1000")
        self.write(b"conveyor-flow 1\tfilter\n0\t3\ta\tdefault\t0\t7\none\n0\t3\tb\tdefault\t0\t7\ntwo\n"
                   b"0\t5\ta\tdefault\t0\t7\nthree\n")
        message = self.fail_with(1, "replay", self.segment, "--create-stages", self.path)
        self.assertIn("record 3 of", message)
        self.assertIn("--without-positions", message)
        self.assertEqual(self.queued(), 2)
        self.assertIn("record 1 of", self.fail_with(1, "replay", self.segment, self.path))
        self.succeed("replay", self.segment, "--without-positions", self.path)
        self.assertEqual(self.queued(), 5)

    def test_wrong_usage(self):
        self.create("--max-total-records", "100", stages="a")
        self.write(flow((0, "a", b"1"), stage="dead-letter"))
        s = self.segment
        for status, arguments, word in (
            (2, ["record", s, self.path], "--stage"),
            (2, ["record", s, "--stage", "a"], "an argument is missing"),
            (2, ["record", s, "--stage", "a", "--to", "a", self.path + "-2"], "--to"),
            (1, ["record", s, "--stage", "a", self.path], "File exists"),
            (1, ["record", "no-" + s, "--stage", "a", self.path + "-2"], "no segment"),
            (2, ["replay", s, "--rate", "5", "--speed", "2", self.path], "exclude"),
            (2, ["replay", s, "--rate", "0", self.path], "--rate"),
            (2, ["replay", s, "--speed", "x", self.path], "--speed"),
            (2, ["replay", s, self.path], "dead-letter"),
            (2, ["replay", s, "--stage", "a\tb", self.path], "--stage"),
            (1, ["replay", s, self.path + "-2"], "No such file"),
            (1, ["replay", s, self.folder], "directory"),
        ):
            self.assertIn(word, self.fail_with(status, *arguments), arguments)
        self.assertFalse(os.path.exists(self.path + "-2"))


if __name__ == "__main__":
    main()
