"""Wrong usage and each error: the exit status, and one line that says what is wrong."""
import os
import re
import subprocess
import tempfile

from conveyor import SegmentTest, call, main

COMMANDS = ("create", "push", "pull", "stat", "list", "doctor", "rm")


class Usage(SegmentTest):
    def test_help_of_the_command_and_of_each_subcommand(self):
        text = self.succeed("--help").stdout.decode()
        for name in COMMANDS + ("bench",):
            self.assertIn("  %s " % name, text)
        for name in COMMANDS:
            self.assertIn("--help", self.succeed(name, "--help").stdout.decode())
        self.assertTrue(self.succeed("--version").stdout.startswith(b"conveyor "))

    def test_help_of_all_subcommands_fits_a_terminal(self):
        listed = re.findall(r"^  ([a-z-]+)  ", self.succeed("--help").stdout.decode(), re.M)
        self.assertGreater(len(listed), 20)
        for name in listed:
            text = self.succeed(name, "--help").stdout.decode()
            if name != "bench":  # a program of its own
                self.assertTrue(text.startswith("usage: conveyor %s " % name), text)
            self.assertLessEqual(max(map(len, text.splitlines())), 120, text)
        usage = self.succeed("pull", "--help").stdout.decode().partition("\n\n")[0].splitlines()
        self.assertGreater(len(usage), 1)
        self.assertTrue(all(line.startswith("        [") and line.endswith("]") for line in usage[1:]), usage)

    def test_options_behind_the_segment_in_a_posix_environment(self):
        self.create("--max-total-records", "100")
        self.succeed("stat", self.segment, "--json", env={**os.environ, "POSIXLY_CORRECT": "1"})

    def test_no_command_and_an_unknown_one(self):
        self.assertIn("no command", self.fail_with(2))
        self.assertIn("'frobnicate'", self.fail_with(2, "frobnicate"))

    def test_options_and_arguments_that_do_not_fit(self):
        s = self.segment
        for arguments, word in (
            (["stat"], "segment's name"),
            (["stat", s, "more"], "'more'"),
            (["stat", s, "--unknown"], "'--unknown'"),
            (["stat", s, "-x"], "'-x'"),
            (["stat", s, "--json=1"], "--json=1"),
            (["stat", s, "--json", "--prometheus"], "exclude"),
            (["create", s, "--max-retries"], "--max-retries"),
            (["push", s, "--source", "a"], "--stage"),
            (["push", s, "--stage", "a"], "--source"),
            (["pull", s], "--stage"),
            (["list", "x"], "'x'"),
        ):
            self.assertIn(word, self.fail_with(2, *arguments), arguments)

    def test_numbers_are_read_strictly(self):
        s = self.segment
        wrong = ("", "x", "1x", " 1", "+1", "-1", "1.5", "0x10", "99999999999999999999")
        for option in ("max-total-records", "max-per-stage", "max-per-source", "payload-size", "max-retries"):
            for value in wrong:
                self.assertIn("--" + option, self.fail_with(2, "create", s, "--" + option, value), value)
        for option, value in (
            ("max-total-records", "0"),
            ("max-total-records", "12000001"),
            ("payload-size", "1048577"),
            ("max-retries", "255"),
            ("backpressure-threshold", "1.1"),
            ("backpressure-threshold", "nan"),
            ("backpressure-threshold", "0"),
            ("resume-threshold", "0.9"),
            ("resume-threshold", "1e-1"),
            ("mode", "0800"),
            ("mode", "1000"),
            ("mode", "rw"),
        ):
            self.assertIn("--" + option, self.fail_with(2, "create", s, "--" + option, value), (option, value))
        for option in ("batch", "count"):
            for value in wrong + ("0",):
                self.assertIn("--" + option, self.fail_with(2, "pull", s, "--stage", "a", "--" + option, value))
        for value in ("-1", "x", "", "1s"):
            message = self.fail_with(2, "pull", s, "--stage", "a", "--exit-when-idle", value)
            self.assertIn("--exit-when-idle", message)
        self.assertNotIn(s.encode(), call("list").stdout)

    def test_classes_are_read_strictly(self):
        for value in (
            "",
            "64",
            "64:",
            ":5",
            "64:0",
            "64:5,",
            "64:5,64:5",
            "1024:5,64:5",
            "a:b",
            "64:5;1024:5",
            "64:5",
            "1:1,2:1,3:1,4:1,1024:1",
            "1024:99999999999",
            "1024:12000000,2048:12000000",
        ):
            self.assertIn("--classes", self.fail_with(2, "create", self.segment, "--classes", value), value)

    def test_a_setting_that_is_wrong_beside_others_is_named_with_its_reason(self):
        message = self.fail_with(2, "create", self.segment, "--resume-threshold", "0.9")
        self.assertIn("--resume-threshold is 0.9: it must be 0 or more, and below backpressure_threshold", message)
        message = self.fail_with(2, "create", self.segment, "--classes", "64:5,64:5")
        self.assertIn("--classes '64:5,64:5': classes[1].bytes is 64: it must be more than that of the class", message)

    def test_a_segment_that_is_not_there(self):
        for arguments in (
            ["push", self.segment, "--stage", "a", "--source", "b"],
            ["pull", self.segment, "--stage", "a"],
            ["stat", self.segment],
            ["doctor", self.segment],
            ["rm", self.segment],
        ):
            message = self.fail_with(1, *arguments)
            self.assertIn(self.segment, message)
            self.assertIn("no segment of that name", message)

    def test_a_segment_that_is_there_already(self):
        self.create("--max-total-records", "100")
        self.assertIn("already", self.fail_with(1, "create", self.segment))

    def test_names_that_are_none(self):
        for name in ("", "a/b", "..", "a\nb", "x" * 201):
            self.assertIn("not a name", self.fail_with(2, "create", name))
        self.create("--max-total-records", "100")
        for name in ("", "a\tb", "x" * 64, b"\xff"):
            self.assertIn("--stage", self.fail_with(2, "pull", self.segment, "--stage", name))
            self.assertIn("--source", self.fail_with(2, "push", self.segment, "--stage", "a", "--source", name))

    def test_one_name_too_many(self):
        self.create("--max-total-records", "100", "--max-stages", "2", "--max-sources", "1", "--max-pipelines", "1",
                    stages="a")
        self.push(b"x\n", stage="a", source="b")
        for arguments, word in (
            (["--stage", "other", "--source", "b"], "--max-stages"),
            (["--stage", "a", "--source", "other"], "--max-sources"),
            (["--stage", "a", "--source", "b", "--pipeline", "other"], "--max-pipelines"),
        ):
            said = self.fail_with(1, "push", self.segment, *arguments)
            self.assertIn(word, said)
            self.assertEqual("names %s --retire" % self.segment in said, word == "--max-sources", said)
        self.assertIn("--max-stages", self.fail_with(2, "create", "other", "--max-stages", "2", "--stages", "a,b"))

    def test_every_handle_is_taken(self):
        self.create("--max-total-records", "100", "--max-handles", "1")
        first = self.start("push", self.segment, "--stage", "a", "--source", "b", "--progress", stdin=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        self.assertIn(b"pushed 0 records", first.stderr.readline())
        for command in (["pull", "--stage", "a"], ["push", "--stage", "a", "--source", "b"], ["doctor", "--repair"]):
            message = self.fail_with(1, command[0], self.segment, *command[1:], stdin=subprocess.DEVNULL)
            self.assertIn("--max-handles", message)
        self.assertEqual([h["pid"] for h in self.stat()["handles"]], [first.pid], "who only looks needs none")
        self.succeed("doctor", self.segment)
        self.succeed("top", self.segment, "--count", "1")
        self.succeed("watch", self.segment, "--count", "1")
        self.succeed("peek", self.segment, "--stage", "a")
        self.succeed("dead-letter", self.segment, "list")
        first.stdin.close()
        self.assertEqual(first.wait(), 0)
        self.succeed("pull", self.segment, "--stage", "a")

    def test_what_is_no_segment(self):
        path = "/dev/shm/" + self.segment
        with open(path, "wb") as file:
            file.write(b"something else\n" * 1000)
        self.assertIn("not a conveyor segment", self.fail_with(1, "stat", self.segment))
        with open(path, "wb"):
            pass
        self.assertIn("shorter", self.fail_with(1, "stat", self.segment))
        self.assertNotIn(self.segment.encode(), self.succeed("list").stdout)

    def test_a_segment_that_was_cut_short(self):
        self.create_damaged(lambda whole: whole[:8192])
        self.assertIn("shorter", self.fail_with(1, "doctor", self.segment))

    def test_dead_letter_is_no_stage_to_push_or_forward_to(self):
        self.create("--max-total-records", "100", stages="a")
        self.assertIn("--stage", self.fail_with(1, "push", self.segment, "--stage", "dead-letter", "--source", "a"))
        self.assertIn("--to", self.fail_with(2, "pull", self.segment, "--stage", "a", "--to", "dead-letter"))
        self.assertIn("--to", self.fail_with(2, "pull", self.segment, "--stage", "a", "--to", "a"))

    def test_the_bench_suite_is_not_there(self):
        with tempfile.TemporaryDirectory() as alone:
            with open(os.environ["CONVEYOR"], "rb") as original, open(alone + "/conveyor", "wb") as copy:
                copy.write(original.read())
            os.chmod(alone + "/conveyor", 0o755)
            done = subprocess.run([alone + "/conveyor", "bench"], stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1))
            self.assertIn(b"conveyor-bench", done.stderr)
            with open(alone + "/conveyor-bench", "w", encoding="ascii") as script:
                script.write("#!/bin/sh\necho bench \"$@\"\nexit 3\n")
            os.chmod(alone + "/conveyor-bench", 0o755)
            done = subprocess.run([alone + "/conveyor", "bench", "--list", "x"], stdout=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stdout), (3, b"bench --list x\n"))


if __name__ == "__main__":
    main()
