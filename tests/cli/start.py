"""Starting: a segment from a file, once and again, sealed; and commands that wait for one."""
import json
import os
import subprocess
import tempfile

from conveyor import PATIENCE, SegmentTest, main, wait_until


class Start(SegmentTest):
    def config(self, text):
        """A file with that text, or with that object as JSON."""
        file = tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8")
        self.addCleanup(file.close)
        file.write(text if isinstance(text, str) else json.dumps(text))
        file.flush()
        return file.name

    def test_a_segment_is_made_as_another_is(self):
        self.create("--max-total-records", "500", "--max-per-stage", "400", "--max-per-source", "300",
                    "--backpressure-threshold", "0.9", "--resume-threshold", "0.25", "--payload-size", "4000",
                    "--classes", "100:450,4000:50", "--max-retries", "7", "--mode", "0640", "--max-stages", "5",
                    "--max-sources", "6", "--max-pipelines", "7", "--max-handles", "8", stages="filter,sink")
        self.push(b"x\n", source="a, b")
        was = self.stat()
        self.succeed("rm", self.segment)
        self.succeed("create", self.segment, "--config", self.config(was))
        now = self.stat()
        for key in ("capacity", "settings"):
            self.assertEqual(now[key], was[key])
        for key in ("stages", "sources"):
            self.assertEqual([one["name"] for one in now[key]], [one["name"] for one in was[key]])
        self.assertEqual(os.stat("/dev/shm/" + self.segment).st_mode & 0o777, 0o640)
        self.assertEqual(now["total"]["buffered"], 0)

    def test_limits_that_were_set_are_set_again(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "500", "--max-per-source", "400",
                    stages="filter,sink")
        self.push(b"x\n")
        self.succeed("set", self.segment, "--stage", "sink", "--limit", "50")
        self.succeed("set", self.segment, "--source", "file-1", "--limit", "40")
        self.succeed("set", self.segment, "--limit", "900")
        self.succeed("set", self.segment, "--backpressure-threshold", "0.7", "--resume-threshold", "0.3")
        was = self.stat()
        self.succeed("rm", self.segment)
        self.succeed("create", self.segment, "--config", self.config(was))
        now = self.stat()
        self.assertEqual((now["thresholds"], now["total"]["limit"]), (was["thresholds"], 900))
        for key in ("stages", "sources"):
            self.assertEqual([(s["name"], s["limit"]) for s in now[key]], [(s["name"], s["limit"]) for s in was[key]])
        self.assertEqual((self.stage("sink")["limit"], now["sources"][0]["limit"]), (50, 40))
        for text, word in (('{"stages": [{"name": "a", "limit": -1}]}', "a.limit"),
                           ('{"stages": [{"name": "a", "max_retries": "x"}]}', "a.max_retries"),
                           ('{"retries": {"max": 255, "delay_ms": 0, "delay_cap_ms": 0}}', "retries"),
                           ('{"retries": {"max": 3, "delay_ms": 2, "delay_cap_ms": 1}}', "retries"),
                           ('{"total": {"limit": "x"}}', "total"),
                           ('{"thresholds": {"resume": 1}}', "thresholds")):
            self.assertIn(word, self.fail_with(2, "create", self.segment + "-2", "--config", self.config(text)))

    def test_retries_that_were_set_are_set_again(self):
        self.create("--max-total-records", "100", "--retry-delay-cap", "5000", stages="filter,sink,other")
        self.assertEqual(self.stat()["retries"], {"max": 3, "delay_ms": 0, "delay_cap_ms": 5000})
        self.succeed("set", self.segment, "--stage", "sink", "--max-retries", "never")
        self.succeed("set", self.segment, "--stage", "other", "--max-retries", "0")
        self.assertEqual(self.succeed("set", self.segment, "--max-retries", "9", "--retry-delay", "20").stdout.decode(),
                         "max retries of all: 3 -> 9\nretry delay: 0 ms -> 20 ms\n"
                         "retry delay's cap: 5000 ms -> 5000 ms\n")
        self.assertIn(b"what failed waits 20 ms, twice as long each time, up to 5000 ms",
                      self.succeed("stat", self.segment).stdout)
        was = self.stat()
        self.assertEqual(was["retries"], {"max": 9, "delay_ms": 20, "delay_cap_ms": 5000})
        self.succeed("rm", self.segment)
        self.succeed("create", self.segment, "--config", self.config(was))
        now = self.stat()
        self.assertEqual((now["retries"], now["settings"]), (was["retries"], was["settings"]))
        self.assertEqual([s["max_retries"] for s in now["stages"]], [9, 9, "never", 0])

    def test_options_go_before_the_file(self):
        file = self.config({"capacity": {"max_total_records": 500, "max_per_stage": 50}, "stages": ["filter"]})
        self.succeed("create", self.segment, "--max-per-stage", "60", "--config", file, "--stages", "sink,filter")
        self.assertEqual(self.stat()["capacity"],
                         {"max_total_records": 500, "max_per_stage": 60, "max_per_source": 5000})
        self.assertEqual([s["name"] for s in self.stat()["stages"]], ["dead-letter", "filter", "sink"])

    def test_options_go_before_what_stat_has_shown(self):
        self.create("--max-total-records", "500", "--max-per-stage", "50", "--max-per-source", "40")
        self.push(b"x\n")
        file = self.config(self.stat())
        self.succeed("rm", self.segment)
        self.succeed("create", self.segment, "--max-total-records", "600", "--max-per-stage", "60", "--max-per-source",
                     "30", "--max-retries", "5", "--backpressure-threshold", "0.9", "--retry-delay", "7", "--config",
                     file)
        now = self.stat()
        self.assertEqual((now["total"]["limit"], self.stage("filter")["limit"], now["sources"][0]["limit"]),
                         (600, 60, 30))
        self.assertEqual((now["thresholds"]["backpressure"], now["retries"]["max"], now["retries"]["delay_ms"]),
                         (0.9, 5, 7))
        self.assertEqual(self.stage("filter")["max_retries"], 5)
        self.assertEqual([c["count"] for c in now["settings"]["classes"]], [600])

    def test_what_is_wrong_in_the_file_is_named(self):
        for text, word in (
            ("{", "line 1"),
            ("[]", "must be an object"),
            ('{"capcity": {}}', "capcity"),
            ('{"capacity": 5}', "capacity must be an object"),
            ('{"capacity": {"max_total": 5}}', "capacity.max_total is not a setting"),
            ('{"capacity": {"max_per_stage": -1}}', "capacity.max_per_stage must be a whole number"),
            ('{"settings": {"max_retries": "3"}}', "settings.max_retries"),
            ('{"settings": {"max_stages": 1}}', "--max-stages is 1"),
            ('{"settings": {"resume_threshold": "x"}}', "settings.resume_threshold"),
            ('{"settings": {"mode": 600}}', "settings.mode"),
            ('{"settings": {"mode": "1000"}}', "--mode"),
            ('{"settings": {"classes": [{"bytes": 5}]}}', "settings.classes"),
            ('{"stages": ["a\\tb"]}', "stages"),
            ('{"stages": {}}', "stages must be an array"),
            ('{"sources": [{"nam": "x"}]}', "sources"),
        ):
            message = self.fail_with(2, "create", self.segment, "--config", self.config(text))
            self.assertIn(word, message, text)
        self.assertIn("No such file", self.fail_with(1, "create", self.segment, "--config", "/nowhere/at-all"))
        self.assertFalse(os.path.exists("/dev/shm/" + self.segment))

    def test_a_segment_that_is_there_with_the_same_settings_will_do(self):
        arguments = ("create", self.segment, "--exist-ok", "--max-total-records", "500", "--stages")
        self.assertIn(b"created", self.succeed(*arguments, "filter").stdout)
        self.push(b"x\n")
        for more in ([], ["--dry-run"]):
            self.assertEqual(self.succeed(*arguments, "filter", *more).stdout.decode(),
                             "segment '%s' is there already, with these settings\n" % self.segment)
        self.succeed(*arguments, "filter,sink")
        self.assertEqual((self.queued(), self.queued("sink")), (1, 0))
        self.assertIsNotNone(self.stage("sink"))
        for option, value, word in (("--max-per-stage", "77", "max_per_stage is 10000, and 77"),
                                    ("--mode", "0660", "mode is"),
                                    ("--retry-delay-cap", "70", "retry_delay_cap_ms is 60000, and 70"),
                                    ("--classes", "1024:600", "memory"),
                                    ("--sealed", None, "sealed_stages is 0, and 2")):
            message = self.fail_with(1, *arguments, "filter", option, *([value] if value else []))
            self.assertIn(word, message)

    def test_a_sealed_segment_has_no_other_stages(self):
        self.create("--max-total-records", "100", "--max-stages", "3", "--sealed", stages="filter,sink")
        self.push(b"x\n")
        self.push(b"x\n", stage="sink")
        message = self.fail_with(1, "push", self.segment, "--stage", "fliter", "--source", "a")
        self.assertIn("it has 'dead-letter', 'filter', 'sink', and is sealed", message)
        self.succeed("record", self.segment, "--stage", "sink", "--exit-when-idle", "0", self.segment + ".flow")
        self.addCleanup(os.remove, self.segment + ".flow")
        self.assertIn("sealed", self.fail_with(1, "replay", self.segment, "--stage", "new", "--create-stages",
                                               self.segment + ".flow"))
        self.assertEqual([s["name"] for s in self.stat()["stages"]], ["dead-letter", "filter", "sink"])
        self.assertFalse([n for n in self.doctor()["notes"] if "names of stages" in n])
        self.assertIn("--stages", self.fail_with(2, "create", self.segment + "-2", "--sealed"))

    def test_push_and_pull_wait_for_the_segment(self):
        push = self.start("push", self.segment, "--stage", "filter", "--source", "a", "--wait", str(PATIENCE),
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        pull = self.start("pull", self.segment, "--stage", "filter", "--wait", str(PATIENCE), "--count", "2",
                          "--follow", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.create("--max-total-records", "100", stages="")
        push.stdin.write(b"a\nb\n")
        push.stdin.close()
        self.assertEqual(pull.stdout.read(), b"a\nb\n")
        self.assertEqual((push.wait(timeout=PATIENCE), pull.wait(timeout=PATIENCE)), (0, 0))

    def test_waiting_ends_by_time_and_by_a_signal(self):
        self.assertIn("no segment of that name", self.fail_with(1, "push", self.segment, "--stage", "filter",
                                                                "--source", "a", "--wait", "0.1"))
        self.create("--max-total-records", "100")
        self.assertIn("no such stage", self.fail_with(1, "pull", self.segment, "--stage", "sink", "--wait", "0.1"))
        self.assertIn("--to 'sink': ", self.fail_with(1, "pull", self.segment, "--stage", "filter", "--to", "sink",
                                                      "--wait", "0.1"))
        pull = self.start("pull", self.segment, "--stage", "sink", "--wait", "3600", stderr=subprocess.PIPE)
        wait_until(lambda: self.stat()["handles"], "the pull is there")
        pull.terminate()
        self.assertIn(b"pulled 0 records", pull.communicate(timeout=PATIENCE)[1])
        self.assertEqual(pull.returncode, 0)

    def test_a_signal_ends_the_wait_for_a_segment(self):
        for words, status, said in ((["pull"], 0, b"pulled 0 records"),
                                    (["push", "--source", "a"], 1, b"stopped by a signal before segment ")):
            process = self.start(words[0], self.segment, "--stage", "filter", "--wait", "3600", *words[1:],
                                 stdin=subprocess.PIPE, stderr=subprocess.PIPE)
            self.stop(process, status)
            message = process.stderr.read()
            self.assertEqual(message.count(b"\n"), 1, message)
            self.assertIn(said, message)

    def test_a_pull_that_waits_follows_a_segment_that_is_made_anew(self):
        self.create("--max-total-records", "100")
        pull = self.start("pull", self.segment, "--stage", "filter", "--to", "sink", "--wait", str(PATIENCE), "--count",
                          "1", "--follow", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.stat()["handles"], "the pull is there")
        self.succeed("rm", self.segment, "--force")
        self.create("--max-total-records", "100", stages="filter,sink")
        self.push(b"x\n")
        self.assertEqual(pull.stdout.read(), b"x\n")
        self.assertEqual(pull.wait(timeout=PATIENCE), 0)


if __name__ == "__main__":
    main()
