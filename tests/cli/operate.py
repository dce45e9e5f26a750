"""watch, peek and dead-letter: looking at a running segment, and settling what failed too often."""
import json
import os
import pty
import re
import signal
import subprocess

from conveyor import PATIENCE, SegmentTest, call, main, wait_until


def ageless(value):
    """What stat shows, without what grows with time."""
    if isinstance(value, dict):
        return {k: ageless(v) for k, v in value.items() if not k.endswith("_ms")}
    return [ageless(v) for v in value] if isinstance(value, list) else value


class Operate(SegmentTest):
    def make_dead_letters(self, text):
        """Each line becomes a dead letter: with no retries, one failure is enough."""
        self.create("--max-total-records", "1000", "--max-per-stage", "100", "--max-retries", "0")
        self.push(text, source="kafka-1")
        self.make_fail()
        self.assertEqual(self.queued("dead-letter"), text.count(b"\n"))

    def test_watch_prints_an_object_a_line(self):
        self.create("--max-total-records", "100")
        self.push(b"a\nb\n")
        lines = self.succeed("watch", self.segment, "--interval", "0.05", "--count", "3").stdout.splitlines()
        objects = [json.loads(line) for line in lines]
        self.assertEqual([o["total"]["queued"] for o in objects], [2, 2, 2])
        self.assertLess(objects[0]["time_ms"], objects[2]["time_ms"])
        self.assertLessEqual(set(self.stat()), set(objects[0]))

    def test_watch_ends_at_a_signal(self):
        self.create("--max-total-records", "100")
        watch = self.start("watch", self.segment, "--interval", "3600", stdout=subprocess.PIPE)
        self.assertIn(b'"version":1', watch.stdout.readline())
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(timeout=PATIENCE), 0)

    def limits(self):
        """As stat --json shows them: of all, by stage, by source."""
        stat = self.stat()
        return (stat["total"]["limit"], {s["name"]: s["limit"] for s in stat["stages"]},
                {s["name"]: s["limit"] for s in stat["sources"]})

    def test_set_changes_limits_and_prints_old_and_new(self):
        self.create("--max-total-records", "100", "--max-per-stage", "50", "--max-per-source", "40")
        self.push(b"a\nb\n", source="kafka-1")
        self.assertEqual(self.limits(), (100, {"dead-letter": 100, "filter": 50}, {"kafka-1": 40}))
        for arguments, text in ((("--limit", "90"), b"limit of all: 100 -> 90\n"),
                                (("--stage", "filter", "--limit", "2"), b"limit of stage 'filter': 50 -> 2\n"),
                                (("--source", "kafka-1", "--limit", "1"), b"limit of source 'kafka-1': 40 -> 1\n")):
            self.assertEqual(self.succeed("set", self.segment, *arguments).stdout, text)
        self.assertEqual(self.limits(), (90, {"dead-letter": 90, "filter": 2}, {"kafka-1": 1}))
        text = self.succeed("stat", self.segment).stdout
        self.assertIn(b"limit     2 records of stage filter\n", text)
        self.assertIn(b"limit     1 record of source kafka-1\n", text)
        self.assertEqual(self.stat()["capacity"]["max_per_stage"], 50)

    def test_a_lowered_limit_stops_a_push_until_it_is_raised(self):
        self.create("--max-total-records", "100", "--max-per-stage", "50")
        self.succeed("set", self.segment, "--stage", "filter", "--limit", "5")
        push = self.start("push", self.segment, "--stage", "filter", "--source", "s", stdin=subprocess.PIPE)
        push.stdin.write(b"x\n" * 20)
        push.stdin.close()
        wait_until(lambda: self.queued() == 5, "the stage is full")
        self.assertIsNone(push.poll())
        self.succeed("set", self.segment, "--stage", "filter", "--limit", "50")
        self.assertEqual(push.wait(timeout=PATIENCE), 0)
        self.assertEqual(self.queued(), 20)

    def test_set_changes_thresholds_and_retries(self):
        self.create("--max-total-records", "100", "--max-retries", "0")
        done = self.succeed("set", self.segment, "--backpressure-threshold", "0.9", "--max-retries", "2")
        self.assertEqual(done.stdout, b"backpressure threshold: 0.8 -> 0.9\nresume threshold: 0.5 -> 0.5\n"
                                      b"max retries of all: 0 -> 2\n")
        self.assertEqual(self.stat()["thresholds"], {"backpressure": 0.9, "resume": 0.5})
        for value, text in (("never", b"2 -> never"), ("default", b"never -> 2"), ("0", b"2 -> 0")):
            done = self.succeed("set", self.segment, "--stage", "filter", "--max-retries", value)
            self.assertEqual(done.stdout, b"max retries of stage 'filter': " + text + b"\n")
        self.assertEqual([s["max_retries"] for s in self.stat()["stages"]], [2, 0])
        self.succeed("set", self.segment, "--stage", "filter", "--max-retries", "never")
        self.assertEqual([s["max_retries"] for s in self.stat()["stages"]], [2, "never"])

    def test_set_refuses_what_is_no_good_and_changes_nothing(self):
        self.create("--max-total-records", "100", "--max-per-stage", "50")
        for status, text, *arguments in (
                (2, b"nothing to set",),
                (2, b"exclude each other", "--stage", "filter", "--source", "s", "--limit", "1"),
                (2, b"thresholds are parts of all limits", "--stage", "filter", "--resume-threshold", "0.1"),
                (2, b"not of a source", "--source", "s", "--max-retries", "1"),
                (2, b"'many'", "--max-retries", "many"),
                (2, b"'default'", "--max-retries", "default"),
                (2, b"must be below", "--limit", "7", "--resume-threshold", "0.9"),
                (2, b"dead letters have no limit", "--stage", "dead-letter", "--limit", "1"),
                (1, b"no such stage; it has 'dead-letter', 'filter'", "--stage", "fliter", "--limit", "1"),
                (1, b"no such source", "--source", "s", "--limit", "1"),
                (1, b"was made for 50 records of stage 'filter'", "--stage", "filter", "--limit", "51"),
                (1, b"was made for 100 records of all", "--limit", "101", "--max-retries", "9")):
            done = call("set", self.segment, *arguments)
            self.assertEqual(done.returncode, status, (arguments, done.stderr))
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), 1)
        self.assertEqual(self.limits(), (100, {"dead-letter": 100, "filter": 50}, {}))
        self.assertEqual(self.stat()["stages"][0]["max_retries"], 3)

    def test_peek_shows_and_takes_nothing(self):
        self.create("--max-total-records", "1000")
        self.push(b"".join(b"%d \x01\xff\n" % i for i in range(70)) + b"x" * 100 + b"\n", source="kafka-1")
        self.pull("--count", "5")
        before = ageless(self.stat())
        lines = self.succeed("peek", self.segment, "--stage", "filter").stdout.splitlines()
        self.assertEqual(len(lines), 68)
        self.assertRegex(lines[1], rb"^kafka-1 +default +[0-9.]+ s +4  0 +5 \.\.$")
        self.assertTrue(lines[66].endswith(b"x" * 60 + b"..."))
        self.assertEqual(lines[67], b"66 records wait")
        few = self.succeed("peek", self.segment, "--stage", "filter", "--count", "2").stdout.splitlines()
        undated = [[re.sub(rb" +[0-9.]+ s ", b"", line) for line in some[:3]] for some in (few, lines)]
        self.assertEqual((undated[0], few[3:]), (undated[1], [b"66 records wait"]))
        raw = self.succeed("peek", self.segment, "--stage", "filter", "--raw").stdout
        self.assertEqual(ageless(self.stat()), before)
        self.assertEqual(self.succeed("peek", self.segment, "--stage", "filter", "--raw", "--count", "1").stdout,
                         b"5 \x01\xff\n")
        self.assertEqual(raw, self.pull())
        self.assertEqual(self.succeed("peek", self.segment, "--stage", "filter", "--raw").stdout, b"")

    def test_peek_makes_no_stage(self):
        self.create("--max-total-records", "100")
        self.assertIn("no such stage", self.fail_with(1, "peek", self.segment, "--stage", "filtre"))
        self.assertIsNone(self.stage("filtre"))
        with open("/dev/full", "wb") as full:
            for more in ([], ["--raw"]):
                self.push(b"x\n")
                done = call("peek", self.segment, "--stage", "filter", *more, stdout=full)
                self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)

    def test_dead_letters_are_listed_and_stay(self):
        self.make_dead_letters(b"".join(b"%d \x01\xff\n" % i for i in range(70)) + b"x" * 100 + b"\n")
        for _ in range(2):
            lines = self.succeed("dead-letter", self.segment, "list").stdout.splitlines()
            self.assertEqual(len(lines), 73)
            self.assertRegex(lines[1], rb"^kafka-1 +default +[0-9.]+ s +4  filter +0 \.\.$")
            self.assertTrue(lines[71].endswith(b"x" * 60 + b"..."))
            self.assertEqual(lines[72], b"71 dead letters")
        few = self.succeed("dead-letter", self.segment, "list", "--count", "2").stdout.splitlines()
        self.assertEqual((len(few), few[3]), (4, b"71 dead letters"))
        self.assertEqual(self.queued("dead-letter"), 71)

    def test_dead_letters_of_any_bytes_are_listed(self):
        text = [b"\xed\xa0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xff",
                b"\xc2", b"\xc2\x85", b"\x1b", "\u20ac".encode(), "\U0010ffff".encode(), b"\xed\x9f\xbf"]
        self.make_dead_letters(b"\n".join(text) + b"\n")
        answer = json.loads(self.succeed("dead-letter", self.segment, "list", "--json").stdout)
        self.assertEqual(answer["found"], len(text))
        shown = ["?" * len(t) for t in text[:9]] + [t.decode() for t in text[9:]]
        self.assertCountEqual([(r["bytes"], r["payload"]) for r in answer["records"]],
                              [(len(t), s) for t, s in zip(text, shown)])

    def test_dead_letters_are_tried_again(self):
        text = b"".join(b"%d\n" % i for i in range(80))
        self.make_dead_letters(text)
        done = self.succeed("dead-letter", self.segment, "retry", "--to", "filter", "--count", "10")
        self.assertEqual(done.stdout, b"10 dead letters forwarded to filter\n")
        self.succeed("dead-letter", self.segment, "retry", "--to", "filter")
        self.assertEqual(self.pull(), text)
        self.assert_sound(0)

    def test_dead_letters_go_back_to_where_they_came_from(self):
        self.create("--max-total-records", "1000", "--max-retries", "0")
        for i in range(40):  # by turns
            stage = "enrich" if i % 3 else "sink"
            self.push(b"%d\n" % i, stage=stage)
            self.make_fail(stage)
        self.assertEqual(self.queued("dead-letter"), 40)
        done = self.succeed("dead-letter", self.segment, "retry")
        self.assertEqual(done.stdout, b"40 dead letters forwarded to where they came from\n")
        self.assertEqual(self.pull(stage="enrich"), b"".join(b"%d\n" % i for i in range(40) if i % 3))
        self.assertEqual(self.pull(stage="sink"), b"".join(b"%d\n" % i for i in range(0, 40, 3)))
        self.assert_sound(0)

    def test_a_retry_waits_while_the_source_is_full(self):
        """A dead letter takes a credit of its source again. Without one it waits, and uses no processor time."""
        self.create("--max-total-records", "100", "--max-per-source", "10", "--max-retries", "0")
        self.push(b"dead\n")
        self.make_fail()
        self.push(b"x\n" * 10, "--batch", "10")
        retry = self.start("dead-letter", self.segment, "retry", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: self.stage("dead-letter")["leased"] == 1, "the retry holds the dead letter")
        self.assert_sleeps(retry.pid)
        self.pull("--count", "6")
        self.assertEqual(retry.communicate(timeout=PATIENCE)[0], b"1 dead letter forwarded to where they came from\n")
        self.assertEqual(self.queued("filter"), 5)

    def test_dead_letters_are_dropped(self):
        self.make_dead_letters(b"a\nb\nc\n")
        self.assertIn("--force", self.fail_with(2, "dead-letter", self.segment, "drop"))
        done = self.succeed("dead-letter", self.segment, "drop", "--dry-run")
        self.assertEqual((done.stdout, self.queued("dead-letter")), (b"3 dead letters would be dropped\n", 3))
        done = self.succeed("dead-letter", self.segment, "drop", "--count", "1", "--force")
        self.assertEqual(done.stdout, b"1 dead letter dropped\n")
        self.assertEqual(self.queued("dead-letter"), 2)
        self.succeed("dead-letter", self.segment, "drop", "--force")
        self.assert_sound(0)

    def test_dead_letters_are_dropped_only_if_the_person_at_the_terminal_says_yes(self):
        self.make_dead_letters(b"a\nb\n")
        for answer, left, status in ((b"n\n", 2, 1), (b"\n", 2, 1), (b"y\n", 0, 0)):
            self.terminal, slave = pty.openpty()
            drop = self.start("dead-letter", self.segment, "drop", stdin=slave, stderr=slave, stdout=subprocess.DEVNULL)
            self.read_until(b"drop 2 dead letters of segment")
            os.write(self.terminal, answer)
            self.assertEqual(drop.wait(timeout=PATIENCE), status)
            self.assertEqual(self.queued("dead-letter"), left)
            os.close(slave)
            os.close(self.terminal)

    def test_a_dry_run_of_retry_changes_nothing(self):
        self.make_dead_letters(b"a\nb\n")
        for arguments, word in (([], b"to where they came from"), (["--to", "filter"], b"to filter")):
            done = self.succeed("dead-letter", self.segment, "retry", "--dry-run", *arguments)
            self.assertEqual(done.stdout, b"2 dead letters would be forwarded " + word + b"\n")
        self.assertEqual(self.queued("dead-letter"), 2)

    def test_a_removed_segment_ends_those_who_watch_it(self):
        self.create("--max-total-records", "100")
        started = [self.start(name, self.segment, "--interval", "3600", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                   for name in ("watch", "top")]
        for process in started:
            process.stdout.readline()
        self.succeed("rm", "--force", self.segment)
        for process in started:
            message = process.communicate(timeout=PATIENCE)[1]
            self.assertEqual((process.returncode, message.count(b"\n")), (1, 1), message)
            self.assertIn(b"was removed", message)

    def test_wrong_usage(self):
        self.create("--max-total-records", "100")
        for arguments, word in ((["list", "--to", "a"], "--to"), (["burn"], "'burn'"),
                                (["retry", "--to", "dead-letter"], "--to"), (["list", "--dry-run"], "--dry-run"),
                                (["retry", "--force"], "--force"), ([], "missing")):
            self.assertIn(word, self.fail_with(2, "dead-letter", self.segment, *arguments))
        self.assertIn("--interval", self.fail_with(2, "watch", self.segment, "--interval", "0"))
        self.assertIn("--interval", self.fail_with(2, "top", self.segment, "--interval", "x"))
        self.assertIn("no segment", self.fail_with(1, "top", "no-" + self.segment))


if __name__ == "__main__":
    main()
