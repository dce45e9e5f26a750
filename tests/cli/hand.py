"""signal, hold, release and events: what an operator gives by hand, and what is told afterwards."""
import json
import signal
import subprocess

from conveyor import PATIENCE, SegmentTest, call, main, wait_until


class Hand(SegmentTest):
    def setUp(self):
        super().setUp()
        self.create("--max-total-records", "1000", "--max-per-stage", "100", "--max-per-source", "10",
                    stages="filter,enrich")
        self.push(b"a\nb\n", source="kafka-1")

    def stage(self, name="filter"):
        return [s for s in self.stat()["stages"] if s["name"] == name][0]

    def source(self, name="kafka-1"):
        return [s for s in self.stat()["sources"] if s["name"] == name][0]

    def findings(self):
        found = json.loads(call("doctor", self.segment, "--json").stdout)["findings"]
        return {f["code"]: f for f in found}

    def events(self, *arguments):
        return [json.loads(line) for line in self.succeed("events", self.segment, "--json", *arguments)
                .stdout.splitlines()]

    def test_a_signal_is_shown_until_it_is_lifted(self):
        self.assertIsNone(self.source()["signal"])
        said = self.succeed("signal", self.segment, "--source", "kafka-1", "pause", "--reason", "the table is locked")
        self.assertEqual(said.stdout, b"source kafka-1: pause\n")
        shown = self.source()
        self.assertEqual(shown["backpressure"], "pause")
        self.assertEqual(shown["signal"]["reason"], "the table is locked")
        self.assertGreater(shown["signal"]["by"], 0)
        self.assertIn("age_ms", shown["signal"])
        self.assertIn(b"by hand   source kafka-1: pause, by process", self.succeed("stat", self.segment).stdout)
        finding = self.findings()["signal-by-hand"]
        self.assertEqual(finding["subject"], "source kafka-1")
        self.assertIn("conveyor signal %s --source kafka-1 none" % self.segment, finding["do"])
        said = self.succeed("signal", self.segment, "--source", "kafka-1", "none").stdout
        self.assertIn(b"source kafka-1: none; before: pause, by process", said)
        self.assertIn(b"the table is locked", said)
        self.assertEqual(self.source()["backpressure"], "none")
        self.assertNotIn("signal-by-hand", self.findings())

    def test_a_stage_and_all_sources_slow_down(self):
        self.succeed("signal", self.segment, "slow-down=250", "--stage", "enrich")
        self.assertEqual(self.stage("enrich")["signal"]["delay_ms"], 250)
        self.assertEqual(self.stage("enrich")["backpressure"], "slow_down")
        self.assertEqual(self.source()["delay_ms"], 0)
        self.assertEqual(self.succeed("signal", self.segment, "slow-down").stdout, b"all sources: slow_down (100 ms)\n")
        self.assertEqual(self.source()["delay_ms"], 100)
        self.assertEqual(self.stat()["total"]["signal"]["signal"], "slow_down")

    def test_push_waits_while_its_source_is_told_to_pause(self):
        self.succeed("signal", self.segment, "pause")
        push = self.start("push", self.segment, "--stage", "filter", "--source", "kafka-1", stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        push.stdin.write(b"c\n")
        push.stdin.close()
        wait_until(lambda: len(self.stat()["handles"]) == 1, "push has attached")
        self.assertEqual(self.stage()["queued"], 2)
        self.succeed("signal", self.segment, "none")
        self.assertEqual(push.wait(timeout=PATIENCE), 0)
        self.assertEqual(self.stage()["queued"], 3)

    def test_a_held_stage_delivers_when_it_is_released(self):
        said = self.succeed("hold", self.segment, "--stage", "filter", "--reason", "migration").stdout
        self.assertEqual(said, b"stage filter: held: nothing is delivered\n")
        self.assertTrue(self.stage()["held"])
        self.assertEqual(self.stage()["hold"]["reason"], "migration")
        self.assertFalse(self.stage("enrich")["held"])
        self.assertIn(b"held      stage filter delivers nothing: by process", self.succeed("stat", self.segment).stdout)
        self.assertEqual(self.findings()["stage-held"]["severity"], "warning")
        self.assertEqual(self.succeed("pull", self.segment, "--stage", "filter").stdout, b"")
        pull = self.start("pull", self.segment, "--stage", "filter", "--follow", "--count", "2", stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        wait_until(lambda: len(self.stat()["handles"]) == 1, "pull has attached")
        self.assertEqual(self.stage()["queued"], 2)
        self.assertIn(b"delivers; before: pause, by process",
                      self.succeed("release", self.segment, "--stage", "filter").stdout)
        self.assertEqual(pull.communicate(timeout=PATIENCE)[0], b"a\nb\n")
        self.assertFalse(self.stage()["held"])

    def test_wrong_usage_is_told(self):
        for arguments, status, words in (
                (("signal", self.segment, "stop"), 2, b"'stop' is no signal"),
                (("signal", self.segment, "slow-down=0"), 2, b"1 to 60000"),
                (("signal", self.segment), 2, b"is missing"),
                (("signal", self.segment, "pause", "--stage", "filter", "--source", "kafka-1"), 2, b"exclude"),
                (("signal", self.segment, "pause", "--reason", "r" * 64), 2, b"at most 63 bytes"),
                (("signal", self.segment, "pause", "--source", "nobody"), 1, b"no such source"),
                (("signal", self.segment, "pause", "--stage", "dead-letter"), 1, b"nobody puts into"),
                (("hold", self.segment), 2, b"--stage NAME is missing"),
                (("hold", self.segment, "--stage", "nowhere"), 1, b"no such stage"),
                (("release", self.segment, "--stage", "filter", "--reason", "a\nb"), 2, b"control characters"),
                (("events", "nowhere"), 1, b"nowhere")):
            done = call(*arguments)
            self.assertEqual(done.returncode, status, (arguments, done.stderr))
            self.assertIn(words, done.stderr, arguments)

    def test_events_tell_what_happened(self):
        self.succeed("signal", self.segment, "--source", "kafka-1", "slow-down=5", "--reason", "slowly")
        self.succeed("hold", self.segment, "--stage", "filter")
        told = self.events()
        kinds = [e["kind"] for e in told]
        self.assertEqual(kinds[0], "attach")
        given = told[kinds.index("signal")]
        self.assertEqual((given["source"], given["text"], given["after"]), ("kafka-1", "slowly", 5))
        self.assertEqual(told[kinds.index("hold")]["stage"], "filter")
        self.assertEqual([e["number"] for e in told], list(range(len(told))))
        text = self.succeed("events", self.segment).stdout.decode()
        self.assertRegex(text, r"signal +source kafka-1, slow_down \(5 ms\): slowly\n")
        self.assertRegex(text, r"hold +stage filter, held\n")

    def test_a_stall_and_a_death_can_be_told_afterwards(self):
        push = self.start("push", self.segment, "--stage", "filter", "--source", "kafka-1", "--batch", "1",
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        push.stdin.write(b"x\n" * 20)
        push.stdin.flush()
        wait_until(lambda: any(e["kind"] == "pause" for e in self.events()), "the source pauses")
        push.kill()
        push.wait()
        self.assertEqual(self.succeed("pull", self.segment, "--stage", "filter").stdout[:4], b"a\nb\n")
        wait_until(lambda: any(e["kind"] == "recovery" and e["pid"] == push.pid for e in self.events()), "it is told")
        kinds = [e["kind"] for e in self.events() if e["kind"] not in ("attach", "leave")]
        for first, then in (("pause", "death"), ("death", "recovery"), ("pause", "resume")):
            self.assertLess(kinds.index(first), kinds.index(then), kinds)

    def test_events_follow(self):
        events = self.start("events", self.segment, "--follow", "--json", stdout=subprocess.PIPE)
        self.assertEqual(json.loads(events.stdout.readline())["number"], 0)
        self.succeed("hold", self.segment, "--stage", "enrich", "--reason", "seen")
        while json.loads(events.stdout.readline())["text"] != "seen":
            pass
        events.send_signal(signal.SIGTERM)
        self.assertEqual(events.wait(timeout=PATIENCE), 0)

    def test_following_ends_with_the_segment(self):
        events = self.start("events", self.segment, "--follow", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertIn(b"attach", events.stdout.readline())
        self.succeed("rm", self.segment, "--force")
        self.assertEqual(events.wait(timeout=PATIENCE), 1)
        self.assertIn(b"removed", events.stderr.read())


if __name__ == "__main__":
    main()
