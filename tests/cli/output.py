"""Where pull and record write to: what its reader has not taken goes back into the stage, and nobody is blamed."""
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time

from conveyor import COMMAND, PATIENCE, SegmentTest, call, main, wait_until


def numbered(count, form=b"%d\n"):
    return b"".join(form % i for i in range(count))


def limit_files():
    """100 KiB; what is above it is an error, or the signal SIGXFSZ, which kills who does not ignore it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 << 10, 100 << 10))


class Output(SegmentTest):
    def shell(self, script, status=0):
        """Runs a script in which $0 is the command and $1 the segment."""
        done = subprocess.run(["bash", "-c", script, COMMAND, self.segment], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def blocked_pull(self, *arguments, text=numbered(2000, b"%0999d\n")):
        """A pull whose reader reads nothing, and that holds records; and the reader's end."""
        self.create("--max-total-records", "4000", "--max-retries", "0")
        self.push(text)
        reader, writer = os.pipe()
        self.addCleanup(lambda: self.close(reader))
        pull = self.start("pull", self.segment, "--stage", "filter", *arguments, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        wait_until(lambda: self.stage("filter")["leased"], "it holds records")
        return pull, reader

    @staticmethod
    def close(descriptor):
        try:
            os.close(descriptor)
        except OSError:
            pass

    def assert_nobody_is_blamed(self, records):
        """So many wait as if they had never been delivered, and none is a dead letter."""
        self.assertEqual(self.retries(), [0] * records)
        self.assertEqual((self.stage("filter")["dead_lettered"], self.queued("dead-letter")), (0, 0))
        self.assertEqual(self.stage("filter")["returned"], 0)

    def test_a_reader_that_ends_early_takes_little_with_it(self):
        self.create("--max-total-records", "1000", "--max-retries", "0")
        self.push(numbered(300))
        done = self.shell('"$0" pull "$1" --stage filter | head -n 2; exit ${PIPESTATUS[0]}', 1)
        self.assertEqual(done.stdout, b"0\n1\n")
        self.assertRegex(done.stderr, rb"^conveyor pull: .*Broken pipe.*\n$")
        delivered = int(re.search(rb"(\d+) records? delivered", done.stderr)[1])
        self.assertLessEqual(delivered, 3)
        self.assert_nobody_is_blamed(300 - delivered)
        self.assertEqual(set(done.stdout.splitlines()) | set(self.pull().splitlines()) | {b"2"},
                         set(numbered(300).splitlines()))

    def test_one_at_a_time_loses_nothing_at_all(self):
        self.create("--max-total-records", "1000")
        self.push(numbered(300))
        self.shell('"$0" pull "$1" --stage filter --batch 1 | head -n 2; exit ${PIPESTATUS[0]}', 1)
        self.assertEqual(sorted(self.pull().splitlines()), sorted(numbered(300).splitlines()[2:]))

    def test_what_the_reader_has_not_read_is_not_lost_with_it(self):
        pull, reader = self.blocked_pull()
        got = b""
        while got.count(b"\n") < 500:
            got += os.read(reader, 999)
        os.close(reader)
        self.assertEqual(pull.wait(PATIENCE), 1)
        whole = got[:got.rindex(b"\n") + 1]
        rest = self.retries()
        self.assertEqual(len(rest), 2000 - whole.count(b"\n"))
        self.assert_nobody_is_blamed(len(rest))

    def test_the_reader_goes_while_pull_waits_for_records(self):
        self.create("--max-total-records", "1000")
        self.push(b"a\n")
        reader, writer = os.pipe()
        pull = self.start("pull", self.segment, "--stage", "filter", "--follow", stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        self.assertEqual(os.read(reader, 100), b"a\n")
        wait_until(lambda: self.stage("filter")["acked"] == 1, "the record is settled")
        os.close(reader)
        message = pull.communicate(timeout=PATIENCE)[1]
        self.assertEqual((pull.returncode, message.count(b"\n")), (1, 1), message)
        self.assertIn(b"Broken pipe", message)

    def test_a_follower_ends_with_its_reader(self):
        self.create("--max-total-records", "1000")
        self.push(numbered(10))
        done = self.shell('"$0" pull "$1" --stage filter --follow | head -n 1')
        self.assertEqual(done.stdout, b"0\n")

    def test_a_record_is_settled_when_it_was_read_and_not_before(self):
        pull, reader = self.blocked_pull("--follow")
        time.sleep(0.3)  # it would settle now if it ever did
        self.assertEqual((self.stage("filter")["acked"], self.stage("filter")["leased"]), (0, 1))
        self.assertEqual(os.read(reader, 1000), b"%0999d\n" % 0)
        wait_until(lambda: self.stage("filter")["acked"] == 1, "it is settled")
        pull.send_signal(signal.SIGTERM)
        self.assertEqual(pull.wait(PATIENCE), 0)
        self.assert_nobody_is_blamed(1999)

    def test_a_stuck_output_does_not_keep_signals_away(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            pull, reader = self.blocked_pull("--follow", "--batch", "1000")
            pull.send_signal(number)
            self.assertEqual(pull.wait(PATIENCE), 0)
            self.assertIn(b"given back untried", pull.stderr.read())
            self.assert_nobody_is_blamed(2000)
            os.close(reader)
            self.succeed("rm", self.segment)

    def test_a_long_line_in_a_full_pipe_does_not_keep_signals_away(self):
        self.create("--max-total-records", "100", "--payload-size", "1000000")
        self.push(b"x" * 900000 + b"\n")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        pull = self.start("pull", self.segment, "--stage", "filter", stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        wait_until(lambda: "pipe_write" in self.place(pull) or self.sleeps(pull), "it is stuck in its write")
        pull.send_signal(signal.SIGTERM)
        self.assertEqual(pull.wait(PATIENCE), 0)
        self.assertEqual(self.retries(), [0])

    @staticmethod
    def place(process):
        try:
            with open("/proc/%d/wchan" % process.pid, encoding="ascii") as f:
                return f.read()
        except OSError:
            return ""

    def sleeps(self, process):
        """It has the record and sleeps."""
        with open("/proc/%d/stat" % process.pid, encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] == "S" and self.stage("filter")["leased"]

    def test_a_long_line_that_a_signal_meets_is_completed_for_a_reader_that_reads(self):
        """Within a moment: if its reader gets no processor for longer it goes back, and nobody is blamed."""
        self.create("--max-total-records", "100", "--payload-size", "1000000")
        line = b"x" * 100000 + b"\n"  # more than a pipe takes, and not twice as much
        self.push(line)
        wait_until(lambda: self.read_while_a_signal_comes(line), "the line is completed")

    def read_while_a_signal_comes(self, line):
        """True if all of the line came."""
        reader, writer = os.pipe()
        pull = self.start("pull", self.segment, "--stage", "filter", stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        got = os.read(reader, 1)
        pull.send_signal(signal.SIGTERM)
        with open(reader, "rb") as stream:
            got += stream.read()
        self.assertEqual(pull.wait(PATIENCE), 0)
        self.assertTrue(line.startswith(got))
        if self.queued():
            self.assertEqual(self.retries(), [0])
            return False
        self.assertEqual(got, line)
        return True

    def test_rolling_restarts_make_no_retries_and_no_dead_letters(self):
        self.create("--max-total-records", "4000", "--max-retries", "0")
        self.push(numbered(1000, b"%0999d\n"))
        for _ in range(4):
            reader, writer = os.pipe()
            pull = self.start("pull", self.segment, "--stage", "filter", "--follow", stdout=writer,
                              stderr=subprocess.DEVNULL)
            os.close(writer)
            os.read(reader, 100000)
            wait_until(lambda: self.stage("filter")["leased"], "it holds records")
            pull.send_signal(signal.SIGTERM)
            self.assertEqual(pull.wait(PATIENCE), 0)
            os.close(reader)
        self.assert_nobody_is_blamed(len(self.retries()))
        self.assertGreater(len(self.retries()), 900)

    def test_a_signal_that_was_ignored_at_the_start_stays_ignored(self):
        self.create("--max-total-records", "100")
        for name, number in (("INT", signal.SIGINT), ("TERM", signal.SIGTERM), ("HUP", signal.SIGHUP)):
            pull = self.start("pull", self.segment, "--stage", "filter", "--follow", "--count", "1",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
            wait_until(lambda: self.stat()["handles"], "it is there")
            pull.send_signal(number)
            self.push(b"a\n")
            self.assertEqual((pull.communicate(timeout=PATIENCE)[0], pull.returncode), (b"a\n", 0), name)

    def test_a_socket_counts_as_a_pipe_does(self):
        self.create("--max-total-records", "4000", "--max-retries", "0")
        self.push(numbered(300))
        ours, theirs = socket.socketpair()
        pull = self.start("pull", self.segment, "--stage", "filter", stdout=theirs, stderr=subprocess.PIPE)
        theirs.close()
        self.assertEqual(ours.recv(2), b"0\n")
        wait_until(lambda: self.stage("filter")["acked"] == 1, "it is settled")
        wait_until(lambda: self.stage("filter")["leased"], "it has the next")
        ours.close()
        self.assertEqual(pull.wait(PATIENCE), 1)
        self.assert_nobody_is_blamed(299)

    def test_the_flags_of_the_output_stay_as_they_are(self):
        self.create("--max-total-records", "100")
        self.push(b"a\n")
        reader, writer = os.pipe()
        pull = self.start("pull", self.segment, "--stage", "filter", "--follow", stdout=writer,
                          stderr=subprocess.DEVNULL)
        self.assertEqual(os.read(reader, 10), b"a\n")
        self.assertTrue(os.get_blocking(writer))
        pull.send_signal(signal.SIGTERM)
        self.assertEqual(pull.wait(PATIENCE), 0)
        self.assertTrue(os.get_blocking(writer))
        os.close(reader)
        os.close(writer)

    def test_a_full_disk_sends_nothing_to_the_dead_letters(self):
        self.create("--max-total-records", "100", "--max-retries", "0")
        self.push(b"a\nb\nc\n")
        for command in (["pull"], ["record", "-", "--exit-when-idle", "0"]):
            with open("/dev/full", "wb") as full:
                done = call(command[0], self.segment, "--stage", "filter", *command[1:], stdout=full)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
            self.assertIn(b"No space left", done.stderr)
        self.assert_nobody_is_blamed(3)

    def test_a_limit_of_the_size_of_files_kills_nobody_and_loses_nothing(self):
        self.create("--max-total-records", "4000", "--max-retries", "0")
        text = numbered(1000, b"%0999d\n")
        self.push(text)
        with tempfile.NamedTemporaryFile() as file:
            done = call("pull", self.segment, "--stage", "filter", stdout=file, preexec_fn=limit_files)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
            self.assertIn(b"File too large", done.stderr)
            file.seek(0)
            got = file.read()
        whole = got.count(b"\n")
        self.assertGreater(whole, 50)
        self.assert_nobody_is_blamed(1000 - whole)
        self.assertIn(b" %d records delivered" % whole, done.stderr)
        self.assertEqual(sorted(got.splitlines()[:whole] + self.pull().splitlines()), sorted(text.splitlines()))

    def test_record_leaves_whole_records_and_gives_the_others_back(self):
        self.create("--max-total-records", "4000", "--max-retries", "0")
        self.push(numbered(1000, b"%0999d\n"))
        with tempfile.TemporaryDirectory() as folder:
            done = call("record", self.segment, "--stage", "filter", folder + "/flow", preexec_fn=limit_files)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
            self.assertIn(b"File too large", done.stderr)
            rest = len(self.retries())
            self.assert_nobody_is_blamed(rest)
            self.pull()
            self.succeed("replay", self.segment, "--rate", "1000000", folder + "/flow")
            self.assertEqual(self.queued(), 1000 - rest)

    def test_record_into_a_pipe_without_a_reader_gives_all_back(self):
        self.create("--max-total-records", "1000", "--max-retries", "0")
        self.push(numbered(100))
        done = self.shell('"$0" record "$1" --stage filter - | head -n 1; exit ${PIPESTATUS[0]}', 1)
        self.assertEqual(done.stdout, b"conveyor-flow 1\tfilter\n")
        delivered = int(re.search(rb"(\d+) records? delivered", done.stderr)[1])
        self.assertLessEqual(delivered, 1)
        self.assert_nobody_is_blamed(100 - delivered)

    def test_a_pull_whose_reader_does_not_read_sleeps(self):
        pull, _ = self.blocked_pull()
        self.assert_sleeps(pull.pid)


if __name__ == "__main__":
    main()
