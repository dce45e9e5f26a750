"""push and pull: the bytes that come out are those that went in, at once, in order, within the limits."""
import os
import pty
import signal
import subprocess
import tempfile
import time

from conveyor import COMMAND, SegmentTest, call, main, wait_until


def numbered(prefix, count):
    """A text of that many different lines of many lengths."""
    return b"".join(b"%s-%d %s\n" % (prefix, i, b"x" * (i * 7919 % 300)) for i in range(count))


class Flow(SegmentTest):
    def start_push(self, source="file-1", stage="filter", *arguments, **options):
        options.setdefault("stdin", subprocess.PIPE)
        return self.start("push", self.segment, "--stage", stage, "--source", source, *arguments,
                          stderr=subprocess.PIPE, **options)

    def start_pull(self, *arguments, stage="filter", **options):
        options.setdefault("stdout", subprocess.PIPE)
        return self.start("pull", self.segment, "--stage", stage, *arguments, stderr=subprocess.PIPE, **options)

    def round_trip(self, text):
        self.push(text)
        return self.pull()

    def test_a_paused_push_sleeps(self):
        self.create("--max-total-records", "100")
        push = self.start("push", self.segment, "--stage", "filter", "--source", "file-1", stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        push.stdin.write(b"x\n" * 200)
        push.stdin.close()
        wait_until(lambda: any(s["backpressure"] == "pause" for s in self.stat()["sources"]), "a pause")
        self.assert_sleeps(push.pid)

    def test_lines_come_out_as_they_went_in(self):
        self.create("--max-total-records", "2000", "--max-per-source", "2000")
        text = numbered(b"line", 1000)
        self.assertEqual(self.round_trip(text), text)
        self.assert_sound(0)

    def test_empty_lines_and_no_lines(self):
        self.create("--max-total-records", "100")
        self.assertEqual(self.round_trip(b""), b"")
        self.assertEqual(self.round_trip(b"\n\na\n\n"), b"\n\na\n\n")
        self.assertEqual(self.stage("filter")["accepted"], 4)

    def test_a_last_line_without_newline(self):
        self.create("--max-total-records", "100")
        self.assertEqual(self.round_trip(b"a\nb"), b"a\nb\n")

    def test_bytes_of_every_value(self):
        self.create("--max-total-records", "1000")
        text = b"".join(bytes([a, 0, b]) + b"\n" for a in range(256) for b in (0, 13, 255) if a != 10)
        self.assertEqual(self.round_trip(text), text)

    def test_lines_of_exactly_the_payload_size(self):
        for size in (0, 1, 1024, 100000):
            name = "%s-%d" % (self.segment, size)
            self.succeed("create", name, "--max-total-records", "200", "--payload-size", str(size))
            try:
                text = (b"y" * size + b"\n") * 2 + b"\n" + b"z" * size
                self.succeed("push", name, "--stage", "a", "--source", "b", input=text)
                self.assertEqual(self.succeed("pull", name, "--stage", "a").stdout, text + (b"\n" if size else b""))
            finally:
                call("rm", name)

    def test_the_last_line_of_push_and_pull_has_the_numbers(self):
        self.create("--max-total-records", "100")
        form = rb"^%s 3 records in [0-9.]+ s, [0-9]+ records/s, stalled [0-9.]+ s\n$"
        self.assertRegex(self.push(b"a\nb\nc\n").stderr, form % b"pushed")
        self.assertRegex(self.succeed("pull", self.segment, "--stage", "filter").stderr, form % b"pulled")

    def test_a_line_that_is_too_long_stops_after_those_before_it(self):
        self.create("--max-total-records", "1000", "--payload-size", "100")
        before = b"".join(b"%d\n" % i for i in range(300))
        for last in (b"q" * 101, b"q" * 101 + b"\nafter\n", b"q" * 700000 + b"\nafter\n"):
            message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "a",
                                     input=before + last)
            self.assertIn("line 301 ", message)
            self.assertIn(" %d bytes" % last.find(b"\n") if b"\n" in last else " 101 bytes", message)
            self.assertEqual(self.pull(), before)

    def test_a_line_that_is_typed_is_in_at_once(self):
        self.create("--max-total-records", "100")
        push, pull = self.start_push(), self.start_pull("--follow")
        for line in (b"first\n", b"\n", b"third\n"):
            push.stdin.write(line)
            push.stdin.flush()
            self.assertEqual(pull.stdout.readline(), line)
        push.stdin.write(b"half a li")
        push.stdin.flush()
        push.stdin.write(b"ne\n")
        push.stdin.flush()
        self.assertEqual(pull.stdout.readline(), b"half a line\n")
        push.stdin.close()
        self.assertEqual(push.wait(), 0)
        self.stop(pull)
        self.assertIn(b"pulled 4 records", pull.stderr.read())

    def test_half_a_line_is_no_record(self):
        self.create("--max-total-records", "100")
        push = self.start_push()
        push.stdin.write(b"whole\nhalf")
        push.stdin.flush()
        wait_until(lambda: self.queued() == 1, "the whole line is in")
        push.send_signal(signal.SIGINT)
        self.assertEqual(push.wait(), 1)
        message = push.stderr.read()
        self.assertEqual(message.count(b"\n"), 1)
        self.assertIn(b"signal", message)
        self.assertIn(b"pushed 1 record in", message)
        self.assertEqual(self.pull(), b"whole\n")

    def test_a_typist_at_a_terminal(self):
        self.create("--max-total-records", "100")
        master, slave = pty.openpty()
        push = self.start_push(stdin=slave)
        os.close(slave)
        os.write(master, b"typed\n")
        wait_until(lambda: self.queued() == 1, "the typed line is in")
        os.write(master, b"\x04")
        self.assertEqual(push.wait(), 0)
        os.close(master)
        self.assertEqual(self.pull(), b"typed\n")

    def test_standard_input_that_cannot_wait_or_is_closed(self):
        self.create("--max-total-records", "100")
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        push = self.start_push(stdin=reader)
        os.close(reader)
        os.write(writer, b"a\n")
        wait_until(lambda: self.queued() == 1, "the line is in")
        os.close(writer)
        self.assertEqual(push.wait(), 0)
        done = subprocess.run(
            ["sh", "-c", 'exec "$0" push "$1" --stage a --source b <&-', COMMAND, self.segment],
            stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard input", done.stderr)

    def test_two_pushers_and_two_pullers_of_a_big_text(self):
        self.create("--max-total-records", "3000", "--max-per-stage", "2000", "--max-per-source", "1000")
        texts = [numbered(b"first", 40000), numbered(b"second", 40000)]
        with tempfile.TemporaryDirectory() as folder:
            pushers, pullers = [], []
            for i in (0, 1):
                out = open("%s/out%d" % (folder, i), "wb")
                pullers.append(self.start_pull("--follow", stdout=out))
                out.close()
            for i, text in enumerate(texts):
                with open("%s/in%d" % (folder, i), "wb") as file:
                    file.write(text)
                with open("%s/in%d" % (folder, i), "rb") as file:
                    pushers.append(self.start_push("file-%d" % i, stdin=file))
            for push in pushers:
                self.assertEqual(push.wait(), 0, push.stderr.read())
            wait_until(lambda: not self.stat()["total"]["buffered"], "the pullers have taken all")
            got = []
            for i, pull in enumerate(pullers):
                self.stop(pull)
                with open("%s/out%d" % (folder, i), "rb") as file:
                    lines = file.read().splitlines()
                for prefix in (b"first-", b"second-"):
                    order = [int(x.split()[0][len(prefix):]) for x in lines if x.startswith(prefix)]
                    self.assertEqual(order, sorted(order), "each source's lines stay in order")
                got += lines
        self.assertEqual(sorted(got), sorted(b"".join(texts).splitlines()))
        self.assert_sound(0)

    def test_two_pullers_into_one_pipe_do_not_mix_their_lines(self):
        self.create("--max-total-records", "20000", "--max-per-stage", "20000", "--max-per-source", "20000")
        text = numbered(b"line", 10000)
        self.push(text)
        reader, writer = os.pipe()
        pullers = [self.start_pull(stdout=writer) for _ in (0, 1)]
        os.close(writer)
        with open(reader, "rb") as stream:
            got = stream.read()
        self.assertEqual([p.wait() for p in pullers], [0, 0])
        self.assertEqual(sorted(got.splitlines()), sorted(text.splitlines()))

    def test_a_full_segment_makes_push_wait(self):
        self.create("--max-total-records", "100", "--max-per-stage", "100", "--max-per-source", "100")
        text = numbered(b"line", 1000)
        with tempfile.TemporaryFile() as file:
            file.write(text)
            file.seek(0)
            push = self.start_push(stdin=file)
        wait_until(lambda: self.stat()["total"]["buffered"] >= 80, "the segment fills to its threshold")
        wait_until(lambda: self.stat()["sources"][0]["backpressure"] == "pause", "its source is told to pause")
        self.assertIsNone(push.poll())
        self.assertLessEqual(self.stat()["total"]["buffered"], 100)
        self.assertEqual(self.pull("--follow", "--count", "1000"), text)
        self.assertEqual(push.wait(), 0)
        self.assertIn(b"pushed 1000 records", push.stderr.read())
        self.assert_sound(0)

    def test_a_waiting_push_ends_at_a_signal(self):
        self.create("--max-total-records", "10")
        for number in (signal.SIGINT, signal.SIGTERM):
            push = self.start_push()
            push.stdin.write(b"x\n" * 100)
            push.stdin.close()
            wait_until(lambda: self.stat()["total"]["buffered"] >= 8 and self.stat()["handles"], "the segment fills")
            push.send_signal(number)
            self.assertEqual(push.wait(), 1)
            self.assertEqual(push.stderr.read().count(b"\n"), 1)
        accepted = self.stat()["total"]["buffered"]
        self.assertEqual(self.pull(), b"x\n" * accepted)

    def test_count_takes_so_many_and_no_more(self):
        self.create("--max-total-records", "1000")
        text = b"".join(b"%d\n" % i for i in range(300))
        self.push(text)
        lines = text.splitlines(True)
        self.assertEqual(self.pull("--count", "1"), lines[0])
        self.assertEqual(self.pull("--count", "130", "--batch", "7"), b"".join(lines[1:131]))
        self.assertEqual(self.queued(), 169)
        self.assertEqual(self.pull("--count", "100000"), b"".join(lines[131:]))
        follow = self.start_pull("--follow", "--count", "2")
        self.push(b"a\nb\nc\n")
        self.assertEqual(follow.communicate()[0], b"a\nb\n")
        self.assertEqual(follow.returncode, 0)
        self.assertEqual(self.pull(), b"c\n")

    def test_batches_of_all_sizes(self):
        self.create("--max-total-records", "5000", "--max-per-source", "5000", "--max-per-stage", "5000")
        text = numbered(b"line", 500)
        for put in ("1", "2", "33", "100", "1000"):
            for take in ("1", "3", "64", "999"):
                self.push(text, "--batch", put)
                self.assertEqual(self.pull("--batch", take), text, (put, take))
        self.assert_sound(0)

    def test_exit_when_idle_waits_and_then_ends(self):
        self.create("--max-total-records", "100")
        begin = time.monotonic()
        self.assertEqual(self.pull("--exit-when-idle", "0.3"), b"")
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)
        self.push(b"a\n")
        self.assertEqual(self.pull("--exit-when-idle", "0"), b"a\n")

    def test_to_writes_and_forwards(self):
        self.create("--max-total-records", "1000", stages="filter,enrich,sink")
        text = numbered(b"line", 300)
        self.push(text)
        self.assertEqual(self.pull("--to", "enrich"), text)
        self.assertEqual((self.queued("filter"), self.queued("enrich")), (0, 300))
        self.assertEqual(self.stage("filter")["forwarded"], 300)
        self.assertEqual(self.pull("--to", "sink", stage="enrich"), text)
        self.assertEqual(self.pull(stage="sink"), text)
        self.assert_sound(0)

    def test_to_a_full_stage_waits(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "100")
        text = numbered(b"line", 60)
        self.push(text, stage="enrich")
        self.push(text)
        with tempfile.TemporaryFile() as out:
            pull = self.start_pull("--to", "enrich", "--batch", "10", stdout=out)
            wait_until(lambda: self.queued("enrich") == 100, "the target fills")
            self.assertIsNone(pull.poll())
            self.assertEqual(self.pull("--follow", "--count", "120", stage="enrich"), text + text)
            self.assertEqual(pull.wait(), 0)
            out.seek(0)
            self.assertEqual(out.read(), text)
        self.assert_sound(0)

    def test_a_pull_that_waits_for_room_in_its_target_ends_at_a_signal(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "100")
        self.push(numbered(b"a", 80), stage="enrich")
        self.push(numbered(b"b", 60))
        with tempfile.TemporaryFile() as out:
            pull = self.start_pull("--to", "enrich", "--batch", "32", stdout=out)
            wait_until(lambda: self.queued("enrich") == 100, "the target fills")
            self.stop(pull)
            out.seek(0)
            self.assertTrue(numbered(b"b", 60).startswith(out.read()))
        self.assertEqual((self.queued(), self.stage("filter")["leased"]), (40, 0))
        self.assertEqual(self.retries(), [0] * 40)

    def test_output_that_cannot_be_written_loses_nothing(self):
        self.create("--max-total-records", "100", "--max-retries", "0")
        text = b"a\nb\nc\n"
        self.push(text)
        with open("/dev/full", "wb") as full:
            done = call("pull", self.segment, "--stage", "filter", stdout=full)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1))
        self.assertIn(b"No space left", done.stderr)
        reader, writer = os.pipe()
        os.close(reader)
        done = call("pull", self.segment, "--stage", "filter", stdout=writer)
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1))
        self.assertIn(b"Broken pipe", done.stderr)
        for closed in (">&-", "<&- >&-"):  # with both, the segment's file would get the numbers 0 and 1
            done = subprocess.run(["sh", "-c", 'exec "$0" pull "$1" --stage filter ' + closed, COMMAND, self.segment],
                                  stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
        self.assert_sound(3)
        self.assertEqual(sorted(self.pull().splitlines()), [b"a", b"b", b"c"])

    def test_a_file_whose_last_line_was_cut_off_is_continued_on_a_new_line(self):
        self.create("--max-total-records", "100")
        with tempfile.NamedTemporaryFile() as file:
            for before, after in ((b"cut o", b"cut o\na\n"), (b"whole\n", b"whole\na\n"), (b"", b"a\n")):
                with open(file.name, "wb") as out:
                    out.write(before)
                self.push(b"a\n")
                with open(file.name, "ab") as out:
                    self.succeed("pull", self.segment, "--stage", "filter", stdout=out)
                with open(file.name, "rb") as out:
                    self.assertEqual(out.read(), after)

    def read_until(self, stream, words):
        """Reads lines up to one with those words; each says how many records that are."""
        line = b""
        while words not in line:
            line = stream.readline()
            self.assertRegex(line, rb"^pu(shed|lled) [01] records? in ")

    def test_progress_is_reported(self):
        self.create("--max-total-records", "100")
        push = self.start_push("file-1", "filter", "--progress")
        push.stdin.write(b"a\n")
        push.stdin.flush()
        self.read_until(push.stderr, b"pushed 1 record in ")
        self.assertIsNone(push.poll())
        push.stdin.close()
        self.assertEqual(push.wait(), 0)
        pull = self.start_pull("--follow", "--progress", stdout=subprocess.DEVNULL)
        for _ in range(2):  # once a second, also if nothing comes
            self.read_until(pull.stderr, b"pulled 1 record in ")
        pull.send_signal(signal.SIGINT)
        self.assertEqual(pull.wait(), 0)

    def test_a_removed_segment_ends_those_who_have_it(self):
        self.create("--max-total-records", "20", "--max-per-stage", "10", stages="filter,slow")
        waiting, pull = self.start_push(), self.start_pull("--follow", stage="slow")
        full = self.start_push("file-2")
        full.stdin.write(b"x\n" * 100)
        full.stdin.close()
        wait_until(lambda: self.queued() >= 8, "the stage is full")
        wait_until(lambda: len(self.stat()["handles"]) == 3, "all are attached")
        self.succeed("rm", "--force", self.segment)
        for process in (waiting, pull, full):
            message = process.stderr.read()
            self.assertEqual((process.wait(), message.count(b"\n")), (1, 1), message)
            self.assertIn(b"was removed", message)


if __name__ == "__main__":
    main()
